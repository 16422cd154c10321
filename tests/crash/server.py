"""A server with one life: it is given a request, carries it out, and may die at a chosen point.

``python -m tests.crash.server`` is the mother of such servers: it imports everything once, reads one line of JSON for
each life from its standard input, forks a child that lives it, and answers with how the child ended. A fork has its own
memory, files and threads; killed, it leaves what a killed process leaves.
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import alembic.command
import dbos._queue
import sqlalchemy as sa
import structlog

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine, EngineSettings, QueueSettings, RetryPolicy
from mano.adapters.store import Engines, SqlStore, make_engines, upgrade
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationEvent, OperationState, advance
from tests.crash.points import Points
from tests.fakes.world import Assemble, Build, Raze, World, new_instance, new_operation

LOADED = (alembic.command, dbos._queue)
"""What a server imports when it starts: its mother has it already."""

PATIENCE_S = 40.0
SETTINGS = EngineSettings(
    queues=QueueSettings(ns_operations=2, vnf_operations=2, poll_s=0.1),
    retries=RetryPolicy(attempts=1),
    drain_s=20.0,
    heartbeat_s=0.3,
)


@dataclass(frozen=True)
class Life:
    """What a child is to do. ``scenario`` names a client; ``directory`` is the data directory, the world beside it."""

    directory: str
    url: str
    scenario: str
    things: tuple[str, ...] = ("x", "y")
    kill_at: int = 0
    server_id: str = "local"
    lease_s: float = 30.0


class Client:
    """Asks for operations as a user would: what was accepted it never asks again."""

    def __init__(self, life: Life, store: SqlStore, engine: DbosEngine, clock: SystemClock) -> None:
        self.life, self.store, self.engine, self.clock = life, store, engine, clock

    def accepted(self, name: str) -> Path:
        return Path(self.life.directory) / f"accepted-{name}"

    def request(
        self,
        name: str,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        operation: str = "INSTANTIATE",
        level: Level = Level.VNF,
    ) -> None:
        """Start an operation unless an answer 202 was had for it; the answer is had only after the commit."""
        if self.accepted(name).exists():
            return
        op = new_operation(
            name, "one", self.clock, operation=operation, level=level, things=list(self.life.things), **parameters
        )
        with self.store.open_unit() as uow:
            if uow.operations.find(name) is None:
                if uow.ns_instances.find("one") is None:
                    uow.ns_instances.add(new_instance("one", self.clock))
                self.engine.start(uow, op)
        self.accepted(name).touch()

    def go_on(self, name: str, event: OperationEvent) -> None:
        with self.store.open_unit() as uow:
            op = uow.operations.get(name)
            if op.state is OperationState.FAILED_TEMP:
                self.engine.resume(uow, advance(op, event, now=self.clock.now()))

    def settled(self, name: str) -> LcmOpOcc:
        """The operation when it ended or waits for a person."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with self.store.open_unit(read_only=True) as uow:
                op = uow.operations.get(name)
            if op.ended or op.state is OperationState.FAILED_TEMP:
                return op
            self.store.signal.wait(0.02)
        raise TimeoutError(f"{name} is {op.state.value} for ever")


def instantiate(client: Client) -> None:
    client.request("build")
    client.settled("build")


def instantiate_and_terminate(client: Client) -> None:
    instantiate(client)
    client.request("raze", operation="TERMINATE")
    client.settled("raze")


def fail_and_roll_back(client: Client) -> None:
    client.request("build", {"break": client.life.things[-1]})
    while not client.settled("build").ended:
        client.go_on("build", OperationEvent.ROLLBACK)


def fail_and_retry(client: Client) -> None:
    client.request("build", {"break": client.life.things[-1]})
    while not client.settled("build").ended:
        client.go_on("build", OperationEvent.RETRY)


def refuse(client: Client) -> None:
    client.request("build", {"refuse": True})
    client.settled("build")


def ns_with_vnf(client: Client) -> None:
    client.request("build", level=Level.NS)
    client.settled("build")


def nothing(client: Client) -> None:
    """Start, and that is all."""


def wait_for_takeover(client: Client) -> None:
    """No client at all: whatever another server had accepted must end by itself."""
    client.settled("build")


SCENARIOS: dict[str, Callable[[Client], None]] = {
    scenario.__name__: scenario
    for scenario in (
        instantiate,
        instantiate_and_terminate,
        fail_and_roll_back,
        fail_and_retry,
        refuse,
        ns_with_vnf,
        nothing,
        wait_for_takeover,
    )
}


def live(life: Life) -> None:
    """One life, until its work is done; nobody stops this server, it just ends."""
    points = Points(life.kill_at)
    directory = Path(life.directory)
    engines = make_engines(life.url)
    points.watch(engines)
    upgrade(engines)
    store, clock = SqlStore(engines), SystemClock()
    engine = DbosEngine(store, clock, server_id=life.server_id, settings=replace(SETTINGS, lease_s=life.lease_s))
    world = World(directory / "world", points.reach)
    engine.register(Build(world, store.open_unit))
    engine.register(Raze(world, store.open_unit))
    engine.register(Assemble(world, store.open_unit, engine, clock))
    engine.launch()
    points.is_armed = True
    SCENARIOS[life.scenario](Client(life, store, engine, clock))
    wait_until_quiet(engines)
    points.is_armed = False
    (directory / "points.json").write_text(json.dumps(points.names))


def wait_until_quiet(engines: Engines) -> None:
    """The library's last commit comes after the operation's: have it among the points, and let no recovery wait."""
    table = "workflow_status" if engines.is_sqlite else "dbos.workflow_status"
    unfinished = sa.text(f"SELECT count(*) FROM {table} WHERE status <> 'SUCCESS'")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with engines.views.connect() as connection:
            if connection.execute(unfinished).scalar_one() == 0:
                return
        time.sleep(0.01)
    raise TimeoutError("a workflow does not end")


def bear(life: Life) -> int:
    """Fork a child that lives; its wait status."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            quiet = open(Path(life.directory) / "log", "a", encoding="utf-8")  # noqa: SIM115
            os.dup2(quiet.fileno(), 1)
            os.dup2(quiet.fileno(), 2)
            structlog.configure(logger_factory=structlog.PrintLoggerFactory(quiet))
            live(life)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(child, 0)[1]


def main() -> None:
    """Read lives, answer wait statuses."""
    for line in sys.stdin:
        request = json.loads(line)
        life = Life(**{**request, "things": tuple(request["things"])})
        print(bear(life), flush=True)


def to_line(life: Life) -> str:
    """What :func:`main` reads."""
    return json.dumps(asdict(life)) + "\n"


if __name__ == "__main__":
    main()
