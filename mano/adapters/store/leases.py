"""Leases with a fencing token, judged by the database's clock alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.resources import insert_or_skip
from mano.ports.repositories import Lease


def database_time(connection: sa.Connection) -> float:
    """Seconds since 1970 by the database's clock."""
    return float(connection.execute(sa.select(_now(connection))).scalar_one())


def _now(connection: sa.Connection) -> sa.ColumnElement[Any]:
    if connection.dialect.name == "sqlite":
        return sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Double())
    # Not now(): that is when the transaction began, and it may have waited long.
    return sa.literal_column("extract(epoch FROM clock_timestamp())::double precision", sa.Double())


class SqlLeases:
    """Implements :class:`mano.ports.repositories.Leases`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def take(self, name: str, owner: str, ttl_s: float, *, force: bool = False) -> Lease | None:
        """Take or renew ownership; a new owner, or the old one after expiry or by force, gets a greater token."""
        now = database_time(self._connection)
        fresh = Lease(name, owner, 1, _moment(now + ttl_s))
        if insert_or_skip(self._connection, schema.leases, _row(fresh)):
            return fresh
        table = schema.leases
        held = self._connection.execute(
            sa.select(table.c.owner, table.c.token, table.c.expires_at).where(table.c.name == name).with_for_update()
        ).one()
        if held.owner == owner and held.expires_at >= now and not force:
            token = held.token
        elif held.expires_at < now or force:
            token = held.token + 1
        else:
            return None
        lease = replace(fresh, token=token)
        self._connection.execute(table.update().where(table.c.name == name).values(**_row(lease)))
        return lease

    def keep(self, lease: Lease, ttl_s: float) -> bool:
        """Extend it while it is still ours and has not expired."""
        now = database_time(self._connection)
        update = self._ours(lease).where(schema.leases.c.expires_at >= now).values(expires_at=now + ttl_s)
        return self._connection.execute(update).rowcount == 1

    def release(self, lease: Lease) -> None:
        """End it now. The row stays, so that the next owner's token is greater."""
        self._connection.execute(self._ours(lease).values(expires_at=0.0))

    def _ours(self, lease: Lease) -> sa.Update:
        table = schema.leases
        return table.update().where(
            table.c.name == lease.name, table.c.owner == lease.owner, table.c.token == lease.token
        )


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _row(lease: Lease) -> dict[str, Any]:
    return {
        "name": lease.name,
        "owner": lease.owner,
        "token": lease.token,
        "expires_at": lease.expires_at.timestamp(),
    }
