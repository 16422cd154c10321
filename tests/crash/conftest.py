"""The mother of servers, and a look at what they left that asks none of their code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.crash.lives import Life
from tests.plugins.postgresql import PostgresqlServer

REPOSITORY = Path(__file__).parents[2]


class Mother:
    """Bears servers one after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.server"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def bear(self, life: Life) -> int:
        """Let a server live; its wait status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(life.to_line())
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def end(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture(scope="session")
def mother() -> Iterator[Mother]:
    made = Mother()
    yield made
    made.end()


@dataclass
class Site:
    """One data directory with its world, and the servers that live there one after the other."""

    mother: Mother
    directory: Path
    url: str
    rows: Any

    def live(self, scenario: str, **more: Any) -> int:
        """A server's wait status."""
        return self.mother.bear(Life(str(self.directory), self.url, scenario, **more))

    def points(self, scenario: str, **more: Any) -> list[str]:
        """A dry run: every point at which a server of this scenario could die."""
        self.expect_orderly_end(self.live(scenario, **more))
        names: list[str] = json.loads((self.directory / "points.json").read_text())
        return names

    def die_and_live_again(self, scenario: str, kill_at: int, **more: Any) -> bool:
        """Killed at a point, then started once more: the second life ends what the first began.

        False when the first life ended by itself before the point: on a busy machine the last ones may be commits of
        the server's own housekeeping, which another life does without.
        """
        status = self.live(scenario, kill_at=kill_at, **more)
        killed = os.WIFSIGNALED(status)
        if killed:
            assert os.WTERMSIG(status) == signal.SIGKILL
        else:
            self.expect_orderly_end(status)
        self.expect_orderly_end(self.live(scenario, **more))
        return killed

    def expect_orderly_end(self, status: int) -> None:
        assert status == 0, self.log()

    def log(self) -> str:
        return (self.directory / "log").read_text()[-4000:]

    def things(self) -> set[str]:
        """The world, by its directory."""
        return {path.name for path in (self.directory / "world").iterdir()}

    def reserved(self) -> set[str]:
        """What the database says should be there."""
        return {f"{owner}.{key}" for owner, key in self.rows("SELECT ns_instance_id, key FROM reservations")}

    def states(self) -> dict[str, str]:
        """Every operation with its state."""
        return dict(self.rows("SELECT id, state FROM lcm_op_occs"))

    def told(self, op_id: str) -> list[str]:
        """The states that events told of, in order."""
        found = self.rows(f"SELECT document FROM outbox WHERE subject = '{op_id}' ORDER BY sequence")
        events = [json.loads(row[0]) for row in found]
        return [event["data"]["operationState"] for event in events if event["verb"] != "progressed"]

    def unfinished_workflows(self) -> int:
        """Workflows that the library would still run."""
        table = "workflow_status" if self.url.startswith("sqlite") else "dbos.workflow_status"
        (row,) = self.rows(f"SELECT count(*) FROM {table} WHERE status NOT IN ('SUCCESS')")
        return int(row[0])

    def expect_agreement(self) -> None:
        """The world is what the database says, wholly, and nothing is left to do."""
        assert self.things() == {f"{thing}.{half}" for thing in self.reserved() for half in ("left", "right")}, (
            self.log()
        )
        assert self.unfinished_workflows() == 0


@pytest.fixture(scope="session")
def template(mother: Mother, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that was started once."""
    directory = tmp_path_factory.mktemp("template")
    assert mother.bear(Life(str(directory), f"sqlite:///{directory}/catena.db", "nothing")) == 0
    return directory


@pytest.fixture
def site_of_its_own(mother: Mother, template: Path, tmp_path: Path) -> Iterator[Any]:
    """Makes sites on SQLite, each in a directory of its own."""
    count = iter(range(10_000))

    def make() -> Site:
        directory = tmp_path / str(next(count))
        shutil.copytree(template, directory)
        file = directory / "catena.db"

        def rows(query: str) -> list[tuple[Any, ...]]:
            connection = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
            try:
                return connection.execute(query).fetchall()
            finally:
                connection.close()

        return Site(mother, directory, f"sqlite:///{file}", rows)

    yield make


@pytest.fixture(scope="session")
def postgresql_template(mother: Mother, postgresql_server: PostgresqlServer, tmp_path_factory: Any) -> str:
    """The name of the database of a server that was started once."""
    directory = tmp_path_factory.mktemp("template")
    postgresql_server.execute("CREATE DATABASE crash_template")
    assert mother.bear(Life(str(directory), postgresql_server.url("crash_template"), "nothing")) == 0
    return "crash_template"


@pytest.fixture
def site_on_postgresql(
    mother: Mother, postgresql_server: PostgresqlServer, postgresql_template: str, tmp_path: Path
) -> Iterator[Any]:
    """Makes sites on PostgreSQL, each with a database of its own."""
    import psycopg

    made: list[str] = []

    def make() -> Site:
        name = f"crash_{os.getpid()}_{tmp_path.name}_{len(made)}".lower()[:60].replace("-", "_")
        made.append(name)
        directory = tmp_path / name
        directory.mkdir()
        postgresql_server.execute(f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")

        def rows(query: str) -> list[tuple[Any, ...]]:
            with psycopg.connect(f"host={postgresql_server.directory} user=catena dbname={name}") as connection:
                return connection.execute(query.encode()).fetchall()

        return Site(mother, directory, postgresql_server.url(name), rows)

    yield make
    for name in made:
        postgresql_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


ROOM_OCTETS = 2 << 30


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A directory in memory where there is room for it: what is killed thousands of times need not wait for a disk."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < ROOM_OCTETS:
        yield tmp_path_factory.mktemp("roomy")
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="cat-", ignore_cleanup_errors=True) as name:
        yield Path(name)
