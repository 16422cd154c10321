"""Alarms (SOL003 clause 7.5.2.4, SOL005 clause 8.5.2.4), raised and cleared from causes that were seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

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
    ack_state: AckState = AckState.UNACKNOWLEDGED
    level: AlarmLevel = AlarmLevel.NS
    correlated_ids: tuple[str, ...] = ()
    component: str = ""
    generation: int = 0


def acknowledge(alarm: Alarm, state: AckState, *, now: datetime) -> Alarm:
    """The alarm in the other acknowledgement state; 409 by SOL003 clause 7.4.3.3.4 when it is there already."""
    if alarm.ack_state is state:
        raise Conflict(f"the alarm is {state.value} already")
    return replace(alarm, ack_state=state, changed_at=now)


def clear(alarm: Alarm, *, now: datetime) -> Alarm:
    """The alarm with its cause gone; clearing twice changes nothing."""
    if alarm.cleared_at is not None:
        return alarm
    return replace(alarm, severity=PerceivedSeverity.CLEARED, cleared_at=now, changed_at=now)
