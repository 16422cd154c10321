"""Events beside the rows that they tell of.

A reader that has seen sequence *n* must never find a smaller one later, or it would miss an event for ever. SQLite has
one writer at a time, so numbers are given in commit order. PostgreSQL gives numbers when rows are inserted and shows
them when transactions commit, in any order. So every transaction that has events takes one advisory lock, as the last
thing that it does before its commit, and only then inserts them: PostgreSQL frees the lock after the commit has
become visible, thus numbers grow in commit order. The lock is never held while waiting for anything else, so it takes
part in no deadlock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import decode, encode
from mano.domain.events import Event

ADVISORY_LOCK = 0x0CA7_E2A0
"""Key of PostgreSQL's advisory lock for the outbox."""

_INSERT = schema.outbox.insert()


class SqlOutbox:
    """Implements :class:`mano.ports.repositories.Outbox`."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self._waiting: list[dict[str, Any]] = []
        self._events: list[Event] = []

    @property
    def waiting(self) -> Sequence[Event]:
        """The events of this transaction so far."""
        return tuple(self._events)

    def append(self, event: Event) -> None:
        """Store an event with this transaction."""
        self._events.append(event)
        self._waiting.append(
            {
                "tenant_id": event.tenant_id,
                "noun": event.noun,
                "subject": event.subject,
                "occurred_at": event.occurred_at.timestamp(),
                "document": encode(event),
            }
        )

    def flush(self) -> bool:
        """Write what waits, as the transaction's last act; True when there was something."""
        if not self._waiting:
            return False
        if self._connection.dialect.name == "postgresql":
            self._connection.execute(sa.select(sa.func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        self._connection.execute(_INSERT, self._waiting)
        self._waiting.clear()
        return True

    def after(self, sequence: int, limit: int = 500, tenant_id: str | None = None) -> Sequence[Event]:
        """Events with a greater sequence, in order."""
        table = schema.outbox
        query = sa.select(table.c.sequence, table.c.document).where(table.c.sequence > sequence)
        if tenant_id is not None:
            query = query.where(table.c.tenant_id == tenant_id)
        rows = self._connection.execute(query.order_by(table.c.sequence).limit(limit))
        return [replace(decode(document, Event), sequence=number) for number, document in rows]

    def bounds(self) -> tuple[int, int]:
        """(oldest kept, newest) sequence; (0, 0) when empty."""
        column = schema.outbox.c.sequence
        first, last = self._connection.execute(sa.select(sa.func.min(column), sa.func.max(column))).one()
        return (int(first), int(last)) if first is not None else (0, 0)

    def prune(self, before: datetime) -> int:
        """Forget older events but the newest of all, which keeps the stream's place."""
        table = schema.outbox
        newest = sa.select(sa.func.max(table.c.sequence)).scalar_subquery()
        old = table.delete().where(table.c.occurred_at < before.timestamp(), table.c.sequence < newest)
        return self._connection.execute(old).rowcount
