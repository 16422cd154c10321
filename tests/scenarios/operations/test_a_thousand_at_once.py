"""A thousand operations on a thousand instances at once, of one server and over HTTP."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from benchmarks.bench_server import AT_ONCE, INSTANCES, Server, add_hosts, create, serving

CLIENTS = 50
DEADLINE_S = 900.0


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_a_thousand_at_once_are_all_answered_all_end_and_nothing_is_promised_twice() -> None:
    with serving() as server, closing(server.connection):
        add_hosts(server, 40)
        vnfs = [create(server) for _ in range(AT_ONCE)]
        with ThreadPoolExecutor(CLIENTS) as clients:
            locations = [
                one
                for some in clients.map(lambda n: instantiate(server, vnfs[n::CLIENTS]), range(CLIENTS))
                for one in some
            ]
        assert len(set(locations)) == AT_ONCE
        with closing(sqlite3.connect(next((server.home / "data").glob("*.db")), timeout=30)) as database:
            assert ended(database) == {"COMPLETED": AT_ONCE}
            rows = database.execute("SELECT document FROM reservations").fetchall()
        reservations = [json.loads(row) for (row,) in rows]
        assert len(reservations) == AT_ONCE
        held = Counter(
            (r["host"], cpu) for r in reservations for cell in r["allocation"]["cells"] for cpu in cell["cpus"]
        )
        assert set(held.values()) == {1}


def instantiate(server: Server, vnfs: list[str]) -> list[str]:
    """Where the operations are; anything but a 202 is an error."""
    body = {"flavourId": "simple"}
    with closing(server.connect()) as connection:
        return [server.call("POST", f"{INSTANCES}/{vnf}/instantiate", body, connection=connection) for vnf in vnfs]


def ended(database: sqlite3.Connection) -> dict[str, int]:
    """How many operations ended how, once none runs."""
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline:
        states = dict(database.execute("SELECT state, count(*) FROM lcm_op_occs GROUP BY state").fetchall())
        if not states.keys() & {"STARTING", "PROCESSING"}:
            return states
        time.sleep(0.5)
    raise AssertionError(f"they do not end: {states}")
