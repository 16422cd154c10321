"""Engines on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import EngineSettings, QueueSettings, RetryPolicy
from mano.adapters.store import SqlStore, make_engines, upgrade
from tests.unit.engine.plant import Plant

SETTINGS = EngineSettings(
    queues=QueueSettings(ns_operations=2, vnf_operations=2, poll_s=0.1),
    retries=RetryPolicy(attempts=2, first_s=0.01),
    drain_s=10.0,
    heartbeat_s=0.1,
    reconcile_s=0.1,
)


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/catena.db"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def plant(database_url: str, tmp_path: Path) -> Iterator[Plant]:
    """A store with engines on it; whatever engine still runs is stopped at the end."""
    engines = make_engines(database_url)
    upgrade(engines)
    made = Plant(SqlStore(engines), SystemClock(), tmp_path / "world", SETTINGS)
    yield made
    made.stop()
    engines.dispose()
