"""From what is seen to which alarms stand: causes, and the difference between them and the alarms. Pure.

A *cause* is something wrong that an observer sees now. Its key begins with the observer's name; an observer tells all
causes that it sees, so that an alarm of its whose cause it does not tell any more is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from mano.domain.alarm import Alarm, AlarmLevel, EventType, FaultyResourceType, PerceivedSeverity, clear, graver
from mano.domain.ids import DEFAULT_TENANT, derive_id


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong; the fields are those of :class:`mano.domain.alarm.Alarm`.

    ``root`` is the key of the cause that this one follows from, empty for a root cause.
    """

    key: str
    level: AlarmLevel
    managed_object_id: str
    severity: PerceivedSeverity
    event_type: EventType
    probable_cause: str
    tenant_id: str = DEFAULT_TENANT
    fault_type: str = ""
    details: tuple[str, ...] = ()
    resource_type: FaultyResourceType | None = None
    resource_id: str = ""
    component: str = ""
    root: str = ""


def alarm_of(cause: Cause, raised_at: datetime) -> Alarm:
    """The alarm that tells of the cause; the same for the same cause raised at the same time."""
    return Alarm(
        id=derive_id("alarm", cause.key, raised_at.isoformat()),
        tenant_id=cause.tenant_id,
        key=cause.key,
        managed_object_id=cause.managed_object_id,
        raised_at=raised_at,
        severity=cause.severity,
        event_type=cause.event_type,
        probable_cause=cause.probable_cause,
        fault_type=cause.fault_type,
        fault_details=cause.details,
        resource_type=cause.resource_type,
        resource_id=cause.resource_id,
        level=cause.level,
        component=cause.component,
    )


@dataclass(frozen=True, slots=True)
class Changes:
    """What to store: new alarms (root causes first), and standing ones that are different now."""

    new: tuple[Alarm, ...] = ()
    changed: tuple[Alarm, ...] = ()


def reconcile(observer: str, standing: Sequence[Alarm], causes: Sequence[Cause], *, now: datetime) -> Changes:
    """The changes that make the alarms of an observer fit the causes that it sees now.

    ``standing`` are all alarms that are not cleared; those of other observers are left alone.
    """
    own = {alarm.key: alarm for alarm in standing if alarm.key.startswith(f"{observer}/")}
    seen = {cause.key: cause for cause in causes}
    ids = {key: alarm.id for key, alarm in own.items()}
    new: list[Alarm] = []
    for cause in sorted(seen.values(), key=lambda cause: bool(cause.root)):
        if cause.key not in own:
            made = replace(alarm_of(cause, now), correlated_ids=_correlated(cause, ids))
            ids[cause.key] = made.id
            new.append(made)
    over = [clear(alarm, now=now) for key, alarm in own.items() if key not in seen]
    worse = [changed for key, alarm in own.items() if key in seen for changed in _told_anew(alarm, seen[key], now)]
    return Changes(tuple(new), (*over, *worse))


def _correlated(cause: Cause, ids: dict[str, str]) -> tuple[str, ...]:
    return (ids[cause.root],) if cause.root in ids else ()


def _told_anew(alarm: Alarm, cause: Cause, now: datetime) -> Iterator[Alarm]:
    """The alarm with the cause's present severity and details, when these are others."""
    severity = graver(cause.severity, alarm.escalated)
    if (alarm.severity, alarm.fault_details) != (severity, cause.details):
        yield replace(alarm, severity=severity, fault_details=cause.details, changed_at=now)
