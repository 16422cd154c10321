"""Who may run operations on a database.

**SQLite**: one server. It holds a POSIX record lock on a file beside the database: the kernel frees it however the
process dies, and no forked child inherits it.

**PostgreSQL**: several, each with an identifier of its own that survives restarts. A server holds (1) an advisory lock
on its identifier in a session of its own, so that two servers by the same name cannot be; (2) a lease, kept alive by a
heartbeat. The lease is checked in every writing transaction, with a share lock on its row: whoever takes a dead
server's work over first ends the lease, waits for the transactions that passed the check, and then knows that no more
can follow. A server that finds its lease lost must stop at once: its device calls cannot be fenced here.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import IO, Protocol

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.engines import Engines
from mano.adapters.store.leases import SqlLeases, database_time
from mano.errors import Conflict, Unreachable
from mano.ports.repositories import Lease

LEASE_S = 15.0
START_PATIENCE_S = 5.0
"""How long a restarted server waits for its former session to be closed."""

_PREFIX = "server:"


class Ownership(Protocol):
    """The right to run operations."""

    def take(self) -> None:
        """Raises :class:`~mano.errors.Conflict` while another server has it; nothing to do when we have it."""

    def keep(self) -> bool:
        """Say that we live; False when the right is lost."""

    def release(self) -> None:
        """Give it back."""

    def check(self, connection: sa.Connection) -> None:
        """Raise in a transaction that must not commit any more."""

    def dead(self, executors: set[str]) -> set[str]:
        """Those that have no right any more, so that their work may be taken over."""


def ownership(engines: Engines, server_id: str, lease_s: float) -> Ownership:
    """The kind that fits the database; only PostgreSQL's knows leases."""
    if engines.is_sqlite:
        return FileOwnership(Path(f"{engines.url.database}.lock"))
    return LeaseOwnership(engines, server_id, lease_s=lease_s)


class FileOwnership:
    """One server per SQLite database."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[str] | None = None

    def take(self) -> None:
        """Lock the file."""
        if self._file is not None:
            return
        file = self._path.open("a+", encoding="ascii")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.seek(0)
            owner = file.read(20).strip()
            file.close()
            raise Conflict(
                f"another server{f' (process {owner})' if owner.isdigit() else ''} uses this data directory",
                hint="stop it, or start this one with another --data-dir",
            ) from error
        file.seek(0)
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        self._file = file

    def keep(self) -> bool:
        """A lock needs no keeping."""
        return self._file is not None

    def release(self) -> None:
        """Free the lock; the file stays, for removing it would let two servers lock two files of that name."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def check(self, connection: sa.Connection) -> None:
        """Nobody can take the lock from us."""

    def dead(self, executors: set[str]) -> set[str]:
        """There is no other server."""
        return set()


class LeaseOwnership:
    """One of several servers on PostgreSQL."""

    def __init__(
        self, engines: Engines, server_id: str, *, lease_s: float = LEASE_S, patience_s: float = START_PATIENCE_S
    ) -> None:
        self._engines = engines
        self._server_id = server_id
        self._lease_s = lease_s
        self._patience_s = patience_s
        self._owner = f"{server_id}/{os.urandom(8).hex()}"
        self._session: sa.Connection | None = None
        self._lease: Lease | None = None
        self._deadline = 0.0

    def take(self) -> None:
        """Lock the identifier, then begin a new lease: the former one was a dead process's."""
        if self._lease is not None:
            return
        self._session = self._engines.units.connect().execution_options(isolation_level="AUTOCOMMIT")
        deadline = time.monotonic() + self._patience_s
        key = _lock_key(self._server_id)
        while not self._session.execute(sa.select(sa.func.pg_try_advisory_lock(key))).scalar_one():
            if time.monotonic() > deadline:
                self._close_session()
                raise Conflict(
                    f"a server with the identifier {self._server_id!r} is running on this database",
                    hint="give each server an identifier of its own",
                )
            time.sleep(0.1)
        begun = time.monotonic()
        with self._engines.units.begin() as connection:
            self._lease = SqlLeases(connection).take(_PREFIX + self._server_id, self._owner, self._lease_s, force=True)
        self._deadline = begun + self._lease_s

    def keep(self) -> bool:
        """Extend the lease. A database that does not answer is a loss only when the lease must have expired."""
        lease = self._lease
        if lease is None:
            return False
        begun = time.monotonic()
        try:
            with self._engines.units.begin() as connection:
                if not SqlLeases(connection).keep(lease, self._lease_s):
                    return False
        except sa.exc.DBAPIError:
            return time.monotonic() < self._deadline
        self._deadline = begun + self._lease_s
        return True

    def release(self) -> None:
        """End the lease and free the identifier, if the database still answers."""
        if self._lease is not None:
            with suppress(sa.exc.DBAPIError), self._engines.units.begin() as connection:
                SqlLeases(connection).release(self._lease)
            self._lease = None
        self._close_session()

    def _close_session(self) -> None:
        if self._session is not None:
            self._session.invalidate()
            self._session.close()
            self._session = None

    def check(self, connection: sa.Connection) -> None:
        """The fence: hold the lease's row until this transaction has ended, if the lease is still ours."""
        lease = self._lease
        table = schema.leases
        if lease is not None:
            ours = (table.c.name == lease.name, table.c.owner == lease.owner, table.c.token == lease.token)
            query = sa.select(table.c.expires_at).where(*ours).with_for_update(read=True)
            expires_at = connection.execute(query).scalar_one_or_none()
            if expires_at is not None and expires_at >= database_time(connection):
                return
        raise Unreachable("this server has lost its lease on the database", hint="it restarts; ask again")

    def dead(self, executors: set[str]) -> set[str]:
        """End the leases that have expired, and name the executors without a living one."""
        with self._engines.units.begin() as connection:
            table = schema.leases
            now = database_time(connection)
            expired = table.c.name.startswith(_PREFIX) & (table.c.expires_at < now)
            # Waits for transactions that hold the row by check(), and makes later checks fail.
            connection.execute(table.update().where(expired, table.c.owner != "").values(owner="", expires_at=0.0))
            living = connection.execute(sa.select(table.c.name).where(table.c.expires_at >= now)).scalars()
            alive = {name.removeprefix(_PREFIX) for name in living if name.startswith(_PREFIX)}
        return executors - alive


def _lock_key(server_id: str) -> int:
    digest = hashlib.sha256(f"catena server {server_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big", signed=True)
