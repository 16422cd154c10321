"""Engines on both databases."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine, EngineSettings, QueueSettings, RetryPolicy
from mano.adapters.store import SqlStore, make_engines, upgrade
from tests.plugins.postgresql import PostgresqlServer
from tests.unit.engine.plant import Plant

SETTINGS = EngineSettings(
    queues=QueueSettings(ns_operations=2, vnf_operations=2, poll_s=0.1),
    retries=RetryPolicy(attempts=2, first_s=0.01),
    drain_s=10.0,
    heartbeat_s=0.1,
    reconcile_s=0.1,
)
_numbers = itertools.count(1)


def migrate(url: str) -> None:
    """Start a server once, so that our tables and the library's are there."""
    engines = make_engines(url)
    upgrade(engines)
    engine = DbosEngine(SqlStore(engines), SystemClock())
    engine.launch()
    engine.stop()
    engines.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file to be copied."""
    path = tmp_path_factory.mktemp("template") / "catena.db"
    migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: PostgresqlServer) -> str:
    """A database to be copied."""
    name = f"engine_template_{os.getpid()}"
    postgresql_server.execute(f"CREATE DATABASE {name}")
    migrate(postgresql_server.url(name))
    return name


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database of this test alone, migrated and empty."""
    if request.param == "sqlite":
        shutil.copyfile(request.getfixturevalue("sqlite_template"), tmp_path / "catena.db")
        yield f"sqlite:///{tmp_path}/catena.db"
        return
    template: str = request.getfixturevalue("postgresql_template")
    server: PostgresqlServer = request.getfixturevalue("postgresql_server")
    name = f"engine_{os.getpid()}_{next(_numbers)}"
    server.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def plant(database_url: str, tmp_path: Path) -> Iterator[Plant]:
    """A store with engines on it; whatever engine still runs is stopped at the end."""
    engines = make_engines(database_url)
    made = Plant(SqlStore(engines), SystemClock(), tmp_path / "world", SETTINGS)
    yield made
    made.stop()
    engines.dispose()
