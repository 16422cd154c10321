"""Alarms (SOL003 clause 7.5.2.4, SOL005 clause 8.5.2.4), raised and cleared from causes that were seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.errors import Conflict


class PerceivedSeverity(StrEnum):
    """SOL003 clause 7.5.4.3."""

    CRITICAL = "CRITICAL"
    MAJOR = "MAJOR"
    MINOR = "MINOR"
    WARNING = "WARNING"
    INDETERMINATE = "INDETERMINATE"
    CLEARED = "CLEARED"


class FaultyResourceType(StrEnum):
    """SOL003 clause 7.5.4.5."""

    COMPUTE = "COMPUTE"
    STORAGE = "STORAGE"
    NETWORK = "NETWORK"


class AckState(StrEnum):
    """Acknowledgement by a person or an OSS."""

    UNACKNOWLEDGED = "UNACKNOWLEDGED"
    ACKNOWLEDGED = "ACKNOWLEDGED"


class EventType(StrEnum):
    """SOL003 clause 7.5.4.4 (ITU-T X.733)."""

    COMMUNICATIONS = "COMMUNICATIONS_ALARM"
    PROCESSING_ERROR = "PROCESSING_ERROR_ALARM"
    ENVIRONMENTAL = "ENVIRONMENTAL_ALARM"
    QOS = "QOS_ALARM"
    EQUIPMENT = "EQUIPMENT_ALARM"


class AlarmLevel(StrEnum):
    """Whose alarm: of a VNF (SOL003), of an NS (SOL005), or of the infrastructure, which only operators see."""

    VNF = "vnf"
    NS = "ns"
    NFVI = "nfvi"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm; the same ``key`` is never raised twice while it stands. Times are UTC.

    ``managed_object_id`` is the VNF or NS instance, or the name of a host or part. ``resource_id`` is the virtualised
    resource at the root of it, ``component`` the VNFC or VNF instance that suffers first.
    """

    id: str
    tenant_id: str
    key: str
    managed_object_id: str
    raised_at: datetime
    severity: PerceivedSeverity
    event_type: EventType
    probable_cause: str
    fault_type: str = ""
    fault_details: tuple[str, ...] = ()
    resource_type: FaultyResourceType | None = None
    resource_id: str = ""
    changed_at: datetime | None = None
    cleared_at: datetime | None = None
    acknowledged_at: datetime | None = None
    ack_state: AckState = AckState.UNACKNOWLEDGED
    level: AlarmLevel = AlarmLevel.NS
    correlated_ids: tuple[str, ...] = ()
    component: str = ""
    escalated: PerceivedSeverity | None = None
    """What an element manager holds it for: it counts as no less while it stands."""
    generation: int = 0


def acknowledge(alarm: Alarm, state: AckState, *, now: datetime) -> Alarm:
    """The alarm in the other acknowledgement state; 409 by SOL003 clause 7.4.3.3.4 when it is there already."""
    if alarm.ack_state is state:
        raise Conflict(f"the alarm is {state.value} already")
    acknowledged = now if state is AckState.ACKNOWLEDGED else None
    return replace(alarm, ack_state=state, changed_at=now, acknowledged_at=acknowledged)


GRAVER = tuple(PerceivedSeverity)[:5][::-1]
"""From the one that says least to the gravest."""


def graver(one: PerceivedSeverity, other: PerceivedSeverity | None) -> PerceivedSeverity:
    """The graver of two severities of alarms that stand."""
    return one if other is None else max(one, other, key=GRAVER.index)


def escalate(alarm: Alarm, severity: PerceivedSeverity, *, now: datetime) -> Alarm:
    """The alarm as grave as an element manager proposes (SOL002 clause 7.4.4); 409 where that is no escalation."""
    if alarm.cleared_at is not None:
        raise Conflict("the alarm is cleared")
    if severity is alarm.severity or graver(alarm.severity, severity) is alarm.severity:
        raise Conflict(f"the alarm is {alarm.severity.value} already", hint="an escalation proposes a graver severity")
    return replace(alarm, severity=severity, escalated=severity, changed_at=now)


def clear(alarm: Alarm, *, now: datetime) -> Alarm:
    """The alarm with its cause gone; clearing twice changes nothing."""
    if alarm.cleared_at is not None:
        return alarm
    return replace(alarm, severity=PerceivedSeverity.CLEARED, cleared_at=now, changed_at=now)


def alarm_event(alarm: Alarm, verb: str, at: datetime) -> Event:
    """The fact that an alarm was ``raised``, ``changed``, ``acknowledged`` or ``cleared``."""
    return Event(
        id=derive_id("event", alarm.id, verb, at.isoformat(), str(alarm.generation)),
        noun="alarm",
        verb=verb,
        subject=alarm.id,
        tenant_id=alarm.tenant_id,
        occurred_at=at,
        data={
            "level": alarm.level.value,
            "managedObjectId": alarm.managed_object_id,
            "perceivedSeverity": alarm.severity.value,
            "probableCause": alarm.probable_cause,
            "ackState": alarm.ack_state.value,
        },
    )


def alarm_document(alarm: Alarm) -> dict[str, Any]:
    """Alarm (SOL003 clause 7.5.2.4, SOL005 clause 8.5.2.4) without its links."""
    document: dict[str, Any] = {
        "id": alarm.id,
        "managedObjectId": alarm.managed_object_id,
        "alarmRaisedTime": _told(alarm.raised_at),
    }
    if alarm.changed_at is not None:
        document["alarmChangedTime"] = _told(alarm.changed_at)
    if alarm.cleared_at is not None:
        document["alarmClearedTime"] = _told(alarm.cleared_at)
    if alarm.acknowledged_at is not None:
        document["alarmAcknowledgedTime"] = _told(alarm.acknowledged_at)
    document |= {
        "ackState": alarm.ack_state.value,
        "perceivedSeverity": alarm.severity.value,
        "eventTime": _told(alarm.raised_at),
        "eventType": alarm.event_type.value,
        "probableCause": alarm.probable_cause,
        "isRootCause": not alarm.correlated_ids,
    }
    if alarm.fault_type:
        document["faultType"] = alarm.fault_type
    if alarm.correlated_ids:
        document["correlatedAlarmIds"] = list(alarm.correlated_ids)
    if alarm.fault_details:
        document["faultDetails"] = list(alarm.fault_details)
    if alarm.resource_type is not None and alarm.resource_id:
        document["rootCauseFaultyResource"] = {
            "faultyResource": {"resourceId": alarm.resource_id},
            "faultyResourceType": alarm.resource_type.value,
        }
    if alarm.component:
        document |= _component(alarm)
    return document


def _component(alarm: Alarm) -> dict[str, Any]:
    if alarm.level is AlarmLevel.VNF:
        return {"vnfcInstanceIds": [alarm.component]}
    return {"rootCauseFaultyComponent": {"faultyVnfInstanceId": alarm.component}}


def _told(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
