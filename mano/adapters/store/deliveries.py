"""Notifications on their way, beside the rows that they tell of; implements :class:`mano.ports.notifier.Deliveries`.

Sequences need not grow in commit order on PostgreSQL: what must not overtake each other (``order_key``) is written by
one operation after the other, and nobody reads by a cursor: what is delivered is removed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.codec import encode
from mano.ports.notifier import Delivery

_TABLE = schema.deliveries
_INSERT = _TABLE.insert()


class SqlDeliveries:
    """What waits for subscribers."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection

    def append(self, subscription_id: str, order_key: str, body: Mapping[str, Any]) -> None:
        """Store one with this transaction."""
        row = {"subscription_id": subscription_id, "order_key": order_key, "created_at": time.time()}
        self._connection.execute(_INSERT, row | {"document": encode(body)})

    def receivers(self) -> Sequence[str]:
        """The subscriptions that something waits for."""
        return list(self._connection.execute(sa.select(_TABLE.c.subscription_id).distinct()).scalars())

    def pending(self, subscription_id: str, limit: int = 100) -> Sequence[Delivery]:
        """What waits for a subscription, the oldest first."""
        query = sa.select(_TABLE).where(_TABLE.c.subscription_id == subscription_id).order_by(_TABLE.c.sequence)
        return [
            Delivery(row.sequence, row.subscription_id, row.order_key, json.loads(row.document), row.created_at)
            for row in self._connection.execute(query.limit(limit))
        ]

    def remove(self, sequences: Sequence[int]) -> None:
        """These were delivered, or given up."""
        if sequences:
            self._connection.execute(_TABLE.delete().where(_TABLE.c.sequence.in_(sequences)))

    def forget(self, subscription_id: str) -> None:
        """The subscription is gone: so is what waits for it."""
        self._connection.execute(_TABLE.delete().where(_TABLE.c.subscription_id == subscription_id))
