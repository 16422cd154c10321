"""Alarms, and the events that tell of them: whoever raises or clears one, nobody can forget to say so."""

from __future__ import annotations

import sqlalchemy as sa

from mano.adapters.store import schema
from mano.adapters.store.outbox import SqlOutbox
from mano.adapters.store.resources import Kind, SqlRepository
from mano.domain.alarm import Alarm, alarm_event

ALARMS = Kind(schema.alarms, Alarm, "alarm")


class SqlAlarms(SqlRepository[Alarm]):
    """Implements :class:`mano.ports.repositories.Repository` of alarms."""

    def __init__(self, connection: sa.Connection, outbox: SqlOutbox) -> None:
        super().__init__(connection, ALARMS)
        self._outbox = outbox

    def add(self, value: Alarm) -> None:
        """Store a new alarm and the event that it was raised."""
        super().add(value)
        self._outbox.append(alarm_event(value, "raised", value.raised_at))

    def save(self, value: Alarm) -> Alarm:
        """Replace it; the event says whether it was cleared, acknowledged or changed."""
        before = self.find(value.id)
        saved = super().save(value)
        moment = value.changed_at or value.raised_at
        self._outbox.append(alarm_event(saved, _verb(before, value), moment))
        return saved


def _verb(before: Alarm | None, after: Alarm) -> str:
    if before is not None and before.ack_state is not after.ack_state:
        return "acknowledged"
    if after.cleared_at is not None and (before is None or before.cleared_at is None):
        return "cleared"
    return "changed"
