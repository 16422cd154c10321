"""Alarms: raised and cleared by what observers see, acknowledged by people (SOL003 clause 7, SOL005 clause 8)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from mano.domain.alarm import AckState, Alarm, AlarmLevel, PerceivedSeverity, acknowledge, escalate
from mano.domain.alarm_causes import Cause, reconcile
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.subscription import Interface
from mano.errors import NotFound, StaleGeneration
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

KEPT = timedelta(days=7)
"""How long an alarm is remembered after it was cleared."""


class Alarms:
    """Use cases of fault management."""

    def __init__(self, open_unit: UnitOfWorkFactory, clock: Clock) -> None:
        self._open_unit = open_unit
        self._clock = clock

    def acknowledge(
        self, id: str, tenant_id: str | None, state: AckState, *, level: AlarmLevel | None, generation: int | None
    ) -> Alarm:
        """Set the acknowledgement state; :class:`~mano.errors.Conflict` when it is that already.

        ``generation`` is the one that the client read (``If-Match``).
        """
        with self._open_unit() as uow:
            alarm = find(uow, id, tenant_id, level)
            if generation is not None and generation != alarm.generation:
                raise StaleGeneration("the alarm changed since it was read", hint="read it again")
            return uow.alarms.save(acknowledge(alarm, state, now=self._clock.now()))

    def escalate(self, id: str, tenant_id: str | None, severity: PerceivedSeverity) -> Alarm:
        """A VNF's alarm is graver than it looks (SOL002 clause 7.4.4); :class:`~mano.errors.Conflict` if it is not."""
        with self._open_unit() as uow:
            alarm = find(uow, id, tenant_id, AlarmLevel.VNF)
            return uow.alarms.save(escalate(alarm, severity, now=self._clock.now()))

    def rebuilt(self) -> None:
        """Tell every tenant that subscribed to alarms that its lists are to be read anew: they are from a backup."""
        told = {Interface.VNFFM, Interface.NSFM}
        now = self._clock.now()
        with self._open_unit() as uow:
            for tenant_id in sorted({one.tenant_id for one in uow.subscriptions.list() if one.interface in told}):
                uow.outbox.append(
                    Event(
                        id=derive_id("alarm-list", tenant_id, now.isoformat()),
                        noun="alarm-list",
                        verb="rebuilt",
                        subject=tenant_id,
                        tenant_id=tenant_id,
                        occurred_at=now,
                    )
                )

    def observed(self, observer: str, causes: Sequence[Cause]) -> int:
        """Make the alarms of an observer fit what it sees; the number of alarms that changed.

        A writing transaction is opened only when something changed.
        """
        with self._open_unit(read_only=True) as uow:
            standing = uow.alarms.list(cleared_at=None)
        changes = reconcile(observer, standing, causes, now=self._clock.now())
        if not (changes.new or changes.changed):
            return 0
        with self._open_unit() as uow:
            for alarm in changes.new:
                uow.alarms.add(alarm)
            for alarm in changes.changed:
                uow.alarms.save(alarm)
        return len(changes.new) + len(changes.changed)

    def forget_old(self) -> int:
        """Remove alarms that were cleared long ago; how many."""
        before = self._clock.now() - KEPT
        with self._open_unit(read_only=True) as uow:
            cleared = uow.alarms.list(severity=PerceivedSeverity.CLEARED.value)
        old = [alarm.id for alarm in cleared if alarm.cleared_at is not None and alarm.cleared_at < before]
        if old:
            with self._open_unit() as uow:
                for id in old:
                    uow.alarms.remove(id)
        return len(old)


def find(uow: UnitOfWork, id: str, tenant_id: str | None, level: AlarmLevel | None) -> Alarm:
    """The alarm of this level (any, for None); raises :class:`~mano.errors.NotFound`."""
    alarm = uow.alarms.get(id, tenant_id)
    if level is not None and alarm.level is not level:
        raise NotFound(f"there is no such alarm of a {level.value.upper()}")
    return alarm
