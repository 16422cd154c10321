"""Database connections.

Two pools a server: one for the units of work, one for the workflow library alone. Sharing one would deadlock: a
workflow's thread that holds a connection of ours asks for one of the library's.

**SQLite**: write-ahead log, ``synchronous=FULL`` (an answered request survives a power cut), foreign keys, a busy
time-out. A writing transaction begins with ``BEGIN IMMEDIATE``: a deferred one that reads and then writes fails as
soon as somebody else wrote in between. A third pool reads: deferred, ``query_only``, never waiting for the writer.

**PostgreSQL**: READ COMMITTED with optimistic generations for writers, one REPEATABLE READ snapshot for readers;
a session that stays idle inside a transaction is ended, so that a stopped server's locks do not stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from mano.errors import InvalidInput

BUSY_TIMEOUT_MS = 30_000
"""How long SQLite waits for another writer."""

IDLE_IN_TRANSACTION_MS = 12_000
"""PostgreSQL ends a session that is idle in a transaction for longer; below the servers' lease (15 s)."""

UNIT_POOL = 64
"""Units of work at a time: the HTTP server's threads and those of the workflows."""

SYSTEM_POOL = 48
"""Connections of the workflow library: more than it has threads."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The pools of one server. ``units`` writes, ``views`` reads, ``system`` belongs to the workflow library."""

    units: sa.Engine
    views: sa.Engine
    system: sa.Engine

    @property
    def is_sqlite(self) -> bool:
        """SQLite or PostgreSQL: there is no third."""
        return self.units.dialect.name == "sqlite"

    @property
    def url(self) -> sa.URL:
        """Where the database is; renders without its password."""
        return self.units.url

    def dispose(self) -> None:
        """Close every connection that is not in use."""
        for engine in (self.units, self.views, self.system):
            engine.dispose()


def make_engines(url: str) -> Engines:
    """Engines for an SQLAlchemy URL; connects to nothing yet.

    Raises :class:`~mano.errors.InvalidInput` unless it is ``sqlite:///<file>`` or ``postgresql+psycopg://...``.
    """
    try:
        parsed = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError) as error:
        raise InvalidInput("the database URL cannot be read", hint=_URL_HINT) from error
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(parsed)
    if parsed.drivername in ("postgresql", "postgresql+psycopg"):
        return _postgresql(parsed.set(drivername="postgresql+psycopg"))
    raise InvalidInput(f"no such kind of database: {parsed.drivername}", hint=_URL_HINT)


_URL_HINT = "sqlite:////absolute/file.db or postgresql+psycopg://user@host/database"


def _sqlite(url: sa.URL) -> Engines:
    if not url.database or url.database == ":memory:" or url.query:
        raise InvalidInput("SQLite needs a file that outlives the server", hint=_URL_HINT)
    # A connection serves one thread at a time, but not always the same one.
    options: dict[str, Any] = {"connect_args": {"check_same_thread": False, "timeout": BUSY_TIMEOUT_MS / 1000}}
    units = sa.create_engine(url, pool_size=UNIT_POOL, **options)
    views = sa.create_engine(url, pool_size=UNIT_POOL, **options)
    system = sa.create_engine(url, pool_size=SYSTEM_POOL, max_overflow=0, **options)
    sa.event.listen(units, "connect", _prepare_unit)
    sa.event.listen(units, "begin", _begin_immediate)
    sa.event.listen(views, "connect", _prepare_view)
    sa.event.listen(views, "begin", _begin)
    sa.event.listen(system, "connect", _prepare_system)
    return Engines(units=units, views=views, system=system)


def _pragmas(connection: Any) -> None:
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _prepare_unit(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself: _begin_immediate does
    _pragmas(connection)


def _prepare_view(connection: Any, _record: Any) -> None:
    _prepare_unit(connection, _record)
    connection.execute("PRAGMA query_only=ON")


def _prepare_system(connection: Any, _record: Any) -> None:
    # The library sends its own BEGIN while it migrates, which the "begin" event would double: let the driver do it.
    connection.isolation_level = "IMMEDIATE"
    _pragmas(connection)


def _begin_immediate(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _postgresql(url: sa.URL) -> Engines:
    connect: dict[str, Any] = {
        "connect_timeout": 10,
        "keepalives_idle": 5,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "options": f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_MS} -c timezone=UTC",
    }
    units = sa.create_engine(url, pool_size=16, max_overflow=UNIT_POOL - 16, connect_args=connect)
    views = units.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    system = sa.create_engine(url, pool_size=SYSTEM_POOL, max_overflow=0, connect_args=connect, pool_pre_ping=True)
    return Engines(units=units, views=views, system=system)
