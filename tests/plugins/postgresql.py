"""A PostgreSQL server of the tests' own: unprivileged, without TCP, in a temporary directory, gone with the tests.

The server of the machine, if there is one, is neither asked nor changed. The kernel ends ours when the test process
dies, however it dies.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

START_SECONDS = 60.0
_numbers = itertools.count(1)


def server_programs() -> Path | None:
    """The directory with initdb and postgres: the newest of Debian's, else what PATH has; None without any."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if debian:
        return debian[-1].parent
    initdb = shutil.which("initdb")
    return Path(initdb).parent if initdb and Path(initdb).with_name("postgres").exists() else None


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server, reached by the Unix socket in ``directory``; anyone who may open it is its superuser."""

    directory: Path

    def url(self, database: str) -> str:
        """SQLAlchemy's URL of a database."""
        return f"postgresql+psycopg://catena@/{database}?host={self.directory}"

    def execute(self, statement: str) -> None:
        """Run one statement outside any transaction, in the database "postgres"."""
        import psycopg

        address = f"host={self.directory} user=catena dbname=postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgresqlServer]:
    """A private server for the session; skips where its programs are missing."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server programs (initdb, postgres)")
    with tempfile.TemporaryDirectory(prefix="cat-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        if os.geteuid() == 0:
            shutil.chown(directory, "nobody", "nogroup")
        data = directory / "data"
        initdb = [
            *unprivileged(),
            f"{programs}/initdb",
            "-D",
            str(data),
            "-U",
            "catena",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        subprocess.run(initdb, check=True, capture_output=True, cwd="/")
        settings = ["listen_addresses=", "fsync=off", "max_connections=200", f"unix_socket_directories={directory}"]
        options = [word for setting in settings for word in ("-c", setting)]
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [*unprivileged(), f"{programs}/postgres", "-D", str(data), *options], stdout=log, stderr=log, cwd="/"
            )
        try:
            yield wait_until_ready(PostgresqlServer(directory), process)
        finally:
            process.send_signal(2)  # SIGINT: end now, and orderly
            process.wait(timeout=60)


def unprivileged() -> list[str]:
    """The words before a command that let it run without root's rights, and end when we do."""
    identity = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", *identity, "--pdeathsig=INT"]


def wait_until_ready(server: PostgresqlServer, process: subprocess.Popen[bytes]) -> PostgresqlServer:
    """Return ``server`` once it answers; fails when it ended or stays silent."""
    import psycopg

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            server.execute("SELECT 1")
            return server
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"PostgreSQL did not start:\n{(server.directory / 'log').read_text()}")
            time.sleep(0.05)


@pytest.fixture
def postgresql_url(postgresql_server: PostgresqlServer) -> Iterator[str]:
    """The URL (postgresql+psycopg://…) of an empty database of this test alone."""
    database = f"test_{os.getpid()}_{next(_numbers)}"
    postgresql_server.execute(f"CREATE DATABASE {database}")
    yield postgresql_server.url(database)
    postgresql_server.execute(f"DROP DATABASE {database} WITH (FORCE)")
