"""A server is killed at points of its operations on real switches, namespaces and processes, and started again.

The points are those of a dry run: every commit, and every effect of the local VIM on the machine. What is there
afterwards is compared, as ``ip``, ``ovs-vsctl``, ``ovs-ofctl`` and ``/proc`` tell it, with what is there when nothing
was killed. Every point takes hours, so a run tries one in ``CATENA_CRASH_EVERY`` (40), from ``CATENA_CRASH_SEED`` (0)
on: 1 tries them all, and other seeds try others.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_local.cleanup import cleanup
from tests.crash.conftest import Mother
from tests.crash.judging import expect_nothing_twice
from tests.crash.lives import Life
from tests.plugins.labs import processes_naming

pytestmark = [pytest.mark.dataplane, pytest.mark.deep, pytest.mark.timeout(1800)]

EVERY = int(os.environ.get("CATENA_CRASH_EVERY", "40"))
SEED = int(os.environ.get("CATENA_CRASH_SEED", "0"))
HOSTS = ("h1", "h2", "h3", "h4")
TABLES = ("reservations", "networks", "chains", "vnf_instances")

WAYS = {
    "instantiate": ("be_gone", "be_instantiated"),
    "terminate": ("be_instantiated", "be_gone"),
    "scale_out": ("have_one", "have_two"),
    "scale_in": ("have_two", "have_one"),
    "heal": ("be_healed", "be_healed"),
    "move": ("be_elsewhere", "be_elsewhere"),
    "change_chain": ("be_direct", "be_inspected"),
}
"""What a client wants before each operation, and by it."""


@dataclass
class Ground:
    """One lab with its data directory, and the servers that live there one after the other."""

    mother: Mother
    directory: Path
    lab: str
    turns: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def live(self, wish: str, turn: int, kill_at: int = 0) -> int:
        life = Life(str(self.directory), "", f"real:{wish}", lab=self.lab, turn=turn, kill_at=kill_at)
        return self.mother.bear(life)

    def fulfil(self, wish: str) -> None:
        """A wish that nobody disturbs."""
        self.expect_order(self.live(wish, next(self.turns)))

    def points(self) -> int:
        """How many there were in the last whole life."""
        return len(json.loads((self.directory / "points.json").read_text()))

    def expect_order(self, status: int) -> None:
        assert status == 0, (self.directory / "log").read_text()[-3000:]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.directory}/catena.db?mode=ro", uri=True)) as database:
            return database.execute(query).fetchall()

    def picture(self) -> dict[str, Any]:
        """How many of each thing the machine and the database have."""
        seen: dict[str, Any] = {table: self.rows(f"SELECT count(*) FROM {table}")[0][0] for table in TABLES}
        seen["numbers"] = self.rows(
            "SELECT pool, count(*) FROM numbers WHERE key IS NOT NULL GROUP BY pool ORDER BY pool"
        )
        seen["namespaces"] = len(list(Path("/run/netns").glob(f"cat-{self.lab}-*")))
        seen["groups"] = len(list(Path("/sys/fs/cgroup").glob(f"**/cat-{self.lab}/*/")))
        programs = Counter(line.split(": ")[1].split()[0].rpartition("/")[2] for line in processes_naming(self.lab))
        seen["programs"] = {name: count for name, count in programs.items() if not name.startswith("python")}
        databases = [f"--db=unix:/run/catena/{self.lab}/hosts/{host}/ovs/db.sock" for host in HOSTS]
        seen["ports"] = sum(len(said("ovs-vsctl", database, "list-ports", "br-int")) for database in databases)
        seen["links"] = sum(len(said("ip", "-o", "-n", f"cat-{self.lab}-{host}", "link")) for host in HOSTS)
        return seen

    def expect_legal(self) -> None:
        """Nothing is under way, failed, or held twice."""
        assert {state for (state,) in self.rows("SELECT DISTINCT state FROM lcm_op_occs")} <= {"COMPLETED"}
        assert self.rows("SELECT count(*) FROM workflow_status WHERE status <> 'SUCCESS'") == [(0,)]
        expect_nothing_twice([json.loads(row) for (row,) in self.rows("SELECT document FROM reservations")])


def said(*command: str) -> list[str]:
    """The lines that a program of the machine prints."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Ground]:
    mother = Mother()
    made = Ground(mother, tmp_path_factory.mktemp("real"), module_lab_id)
    try:
        made.fulfil("be_ready")
        yield made
    finally:
        mother.end()
        cleanup(module_lab_id)


def whole_run(ground: Ground, operation: str) -> tuple[int, dict[str, Any]]:
    """The points of an operation that nobody disturbs, and what there is after it."""
    before, after = WAYS[operation]
    if operation not in ("instantiate", "terminate"):
        ground.fulfil("be_instantiated")
    ground.fulfil(before)
    ground.fulfil(after)
    ground.expect_legal()
    return ground.points(), ground.picture()


@pytest.mark.parametrize("operation", WAYS)
def test_killed_at_points_of_an_operation_the_machine_is_as_if_nothing_had_been(ground: Ground, operation: str) -> None:
    before, after = WAYS[operation]
    count, picture = whole_run(ground, operation)
    first = random.Random(f"{operation} {SEED}").randrange(min(EVERY, count))
    for number in range(1 + first, count, EVERY):
        if before != after:
            ground.fulfil(before)
        turn = next(ground.turns)
        status = ground.live(after, turn, kill_at=number)
        assert os.WIFSIGNALED(status) or status == 0
        ground.expect_order(ground.live(after, turn))
        ground.expect_legal()
        assert ground.picture() == picture, f"killed at point {number} of {count}"


@pytest.mark.parametrize("operation", WAYS)
def test_killed_twice_it_is_the_same(ground: Ground, operation: str) -> None:
    """The second server dies too, while it mends what the first one left."""
    chance = random.Random(f"twice {operation} {SEED}")
    before, after = WAYS[operation]
    count, picture = whole_run(ground, operation)
    if before != after:
        ground.fulfil(before)
    turn = next(ground.turns)
    for _ in range(2):
        ground.live(after, turn, kill_at=chance.randint(1, count // 2))
    ground.expect_order(ground.live(after, turn))
    ground.expect_legal()
    assert ground.picture() == picture
