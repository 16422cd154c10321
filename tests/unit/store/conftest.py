"""Every test of the store runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from mano.adapters.store import Engines, SqlStore, make_engines, upgrade
from mano.adapters.store.schema import metadata
from tests.plugins.postgresql import PostgresqlServer

DATABASES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)]


@pytest.fixture(params=DATABASES)
def kind(request: pytest.FixtureRequest) -> str:
    """Which database."""
    return str(request.param)


@pytest.fixture
def empty_engines(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engines]:
    """A database without a schema, of this test alone."""
    url = f"sqlite:///{tmp_path}/catena.db" if kind == "sqlite" else request.getfixturevalue("postgresql_url")
    engines = make_engines(url)
    yield engines
    engines.dispose()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the schema and nothing in it, to be copied."""
    path = tmp_path_factory.mktemp("template") / "catena.db"
    engines = make_engines(f"sqlite:///{path}")
    upgrade(engines)
    engines.dispose()
    return path


@pytest.fixture(scope="session")
def postgresql_shared(postgresql_server: PostgresqlServer) -> Iterator[Engines]:
    """One database for all tests of the store, emptied before each."""
    postgresql_server.execute("CREATE DATABASE store")
    engines = make_engines(postgresql_server.url("store"))
    upgrade(engines)
    yield engines
    engines.dispose()


@pytest.fixture
def engines(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engines]:
    """A database with the schema and nothing in it."""
    if kind == "sqlite":
        path = tmp_path / "catena.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        own = make_engines(f"sqlite:///{path}")
        yield own
        own.dispose()
        return
    shared: Engines = request.getfixturevalue("postgresql_shared")
    with shared.units.begin() as connection:
        tables = ", ".join(metadata.tables)
        connection.exec_driver_sql(f"TRUNCATE {tables} RESTART IDENTITY")
    yield shared


@pytest.fixture
def store(engines: Engines) -> SqlStore:
    """A store with nothing in it."""
    return SqlStore(engines)
