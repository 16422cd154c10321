"""Connections are set up as promised."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from mano.adapters.store import Engines, make_engines
from mano.errors import InvalidInput


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///file.db?mode=ro",
        "sqlite+aiosqlite:///file.db",
        "mysql://root@host/db",
        "postgresql+asyncpg://user@host/db",
        "postgresql://user@host:port/db",
    ],
)
def test_a_url_that_we_cannot_serve_is_refused_with_an_example(url) -> None:
    with pytest.raises(InvalidInput) as refusal:
        make_engines(url)
    assert "postgresql+psycopg://" in refusal.value.hint


def test_making_engines_connects_to_nothing() -> None:
    make_engines("postgresql+psycopg://nobody@256.256.256.256/none")


def test_a_shown_url_hides_its_password() -> None:
    assert "secret" not in str(make_engines("postgresql+psycopg://me:secret@db/catena").url)


def test_sqlite_survives_a_power_cut_and_checks_references(engines: Engines) -> None:
    if not engines.is_sqlite:
        return
    for engine in (engines.units, engines.views, engines.system):
        with engine.connect() as connection:

            def pragma(name: str, connection: sa.Connection = connection) -> object:
                return connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()

            assert (pragma("journal_mode"), pragma("synchronous"), pragma("foreign_keys")) == ("wal", 2, 1)
            assert pragma("busy_timeout") == 30_000
            assert pragma("query_only") == (1 if engine is engines.views else 0)


def test_a_writing_transaction_holds_the_write_lock_from_its_first_statement(engines: Engines) -> None:
    if not engines.is_sqlite:
        return
    with engines.units.connect() as first:
        first.execute(sa.text("SELECT 1"))
        with engines.system.connect() as second:
            second.exec_driver_sql("PRAGMA busy_timeout=1")
            with pytest.raises(sa.exc.OperationalError, match="locked"):
                second.execute(sa.text("DELETE FROM hosts"))


def test_postgresql_ends_a_session_that_sleeps_in_a_transaction(engines: Engines) -> None:
    if engines.is_sqlite:
        return
    for engine in (engines.units, engines.views, engines.system):
        with engine.connect() as connection:
            assert connection.execute(sa.text("SHOW idle_in_transaction_session_timeout")).scalar_one() == "12s"
            assert connection.execute(sa.text("SHOW timezone")).scalar_one() == "UTC"


def test_the_pools_are_separate(engines: Engines) -> None:
    assert engines.system.pool is not engines.units.pool
