"""Performance management: jobs, reports and thresholds (SOL003 clause 6.5, SOL005 clause 7.5, SOL005 clause 10.5).

What is measured at all, per type of object, is :data:`METRICS`: real counters and nothing invented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mano.domain.subscription import Interface
from mano.errors import InvalidInput

MIN_PERIOD_S = 1
MAX_PERIOD_S = 86_400
REPORTS_KEPT = 96
"""Reports of one job that are kept; an older one is forgotten."""

REPORT_LIFETIME = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Metric:
    """One measured quantity. ``group`` is its performance metric group; ``unit`` of the value in a report."""

    name: str
    group: str
    unit: str


_COMPUTE = (
    Metric("VCpuUsageMeanVnf", "VirtualisedComputeResource", "%"),
    Metric("VMemoryUsageMeanVnf", "VirtualisedComputeResource", "%"),
    Metric("VCpuTimeVnf", "VirtualisedComputeResource", "s"),
    Metric("VMemoryBytesVnf", "VirtualisedComputeResource", "B"),
)
_PORTS = (
    Metric("ByteIncomingVnfExtCp", "VnfExternalCp", "B"),
    Metric("ByteOutgoingVnfExtCp", "VnfExternalCp", "B"),
    Metric("PacketIncomingVnfExtCp", "VnfExternalCp", "packets"),
    Metric("PacketOutgoingVnfExtCp", "VnfExternalCp", "packets"),
)
_SAPS = (
    Metric("ByteIncomingSap", "NsSap", "B"),
    Metric("ByteOutgoingSap", "NsSap", "B"),
    Metric("PacketIncomingSap", "NsSap", "packets"),
    Metric("PacketOutgoingSap", "NsSap", "packets"),
)
_CHAINS = (
    Metric("ChainBytes", "ServiceChain", "B"),
    Metric("ChainPackets", "ServiceChain", "packets"),
)
LATENCY = Metric("ChainLatencyMean", "ServiceChain", "ms")
"""Round trip of echo requests (RFC 9516) to the ends of a chain's paths: the mean of both directions' medians."""

METRICS: Mapping[str, Sequence[Metric]] = {
    "Vnf": _COMPUTE,
    "Vnfc": _COMPUTE,
    "VnfExtCp": _PORTS,
    "Ns": (*_CHAINS, LATENCY),
    "Sap": _SAPS,
}
"""Measured object type to what is measured of it (IFA 027 clauses 7.2 and 7.3; the chains' are our own)."""

CUMULATIVE = frozenset({"VCpuTimeVnf"} | {metric.name for metric in (*_PORTS, *_SAPS, *_CHAINS)})
"""Counters that only grow: their values are told as they are read."""

OBJECT_TYPES: Mapping[Interface, tuple[str, ...]] = {
    Interface.VNFPM: ("Vnf", "Vnfc", "VnfExtCp"),
    Interface.NSPM: ("Ns", "Sap"),
}


def object_type(interface: Interface, name: str) -> str:
    """The measured object type of that name in any case; raises :class:`~mano.errors.InvalidInput`."""
    found = next((known for known in OBJECT_TYPES[interface] if known.lower() == name.lower()), None)
    if found is None:
        raise InvalidInput(
            "nothing is measured of this object type",
            hint=f"objectType: {', '.join(OBJECT_TYPES[interface])}",
            facts={"pointer": "/objectType"},
        )
    return found


def metrics_of(kind: str, names: Sequence[str], groups: Sequence[str]) -> tuple[str, ...]:
    """The metrics that are asked for by name or by group, in our order.

    A name may carry a measured object after a dot, as IFA 027 writes them (``VCpuUsageMeanVnf.<object>``). Raises
    :class:`~mano.errors.InvalidInput` for one that nobody measures.
    """
    known = METRICS[kind]
    plain = {name.partition(".")[0] for name in names}
    if plain - {metric.name for metric in known} or {*groups} - {metric.group for metric in known}:
        raise InvalidInput(
            f"a performance metric or group is not measured of {kind}",
            hint=f"metrics: {', '.join(metric.name for metric in known)}; "
            f"groups: {', '.join(dict.fromkeys(metric.group for metric in known))}",
            facts={"pointer": "/criteria"},
        )
    return tuple(metric.name for metric in known if metric.name in plain or metric.group in groups)


@dataclass(frozen=True, slots=True)
class PmCriteria:
    """PmJobCriteria. Periods in seconds."""

    metrics: tuple[str, ...]
    groups: tuple[str, ...]
    collection_period_s: int
    reporting_period_s: int
    boundary: datetime | None = None

    def __post_init__(self) -> None:
        if not (self.metrics or self.groups):
            raise InvalidInput(
                "criteria name no metric", hint="send performanceMetric or performanceMetricGroup (SOL003 6.5.3.3)"
            )
        for name, period in (
            ("collectionPeriod", self.collection_period_s),
            ("reportingPeriod", self.reporting_period_s),
        ):
            if not MIN_PERIOD_S <= period <= MAX_PERIOD_S:
                raise InvalidInput(f"{name} is outside {MIN_PERIOD_S}..{MAX_PERIOD_S} s")
        if self.reporting_period_s < self.collection_period_s:
            raise InvalidInput("reportingPeriod is shorter than collectionPeriod")


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of one metric of one object; ``sub_object_id`` is empty for the object itself."""

    object_id: str
    metric: str
    value: float
    at: datetime
    sub_object_id: str = ""


@dataclass(frozen=True, slots=True)
class PmJob:
    """PmJob (SOL003 clause 6.5.2.7).

    ``object_type`` is as the client wrote it. ``reports`` are (identifier, ready, expiry, octets) of the reports that
    are kept, the oldest first.
    """

    id: str
    tenant_id: str
    interface: Interface
    object_type: str
    object_ids: tuple[str, ...]
    criteria: PmCriteria
    callback_uri: str
    created_at: datetime
    sub_object_ids: tuple[str, ...] = ()
    collected_at: datetime | None = None
    reported_at: datetime | None = None
    reports: tuple[tuple[str, datetime, datetime, int], ...] = ()
    generation: int = 0

    def is_over(self, now: datetime) -> bool:
        """True after the reporting boundary."""
        return self.criteria.boundary is not None and now >= self.criteria.boundary


@dataclass(frozen=True, slots=True)
class PmReport:
    """PerformanceReport (SOL003 clause 6.5.2.10)."""

    id: str
    tenant_id: str
    job_id: str
    ready_at: datetime
    expires_at: datetime
    entries: tuple[Mapping[str, Any], ...] = ()
    generation: int = 0


class Crossing(StrEnum):
    """CrossingDirectionType."""

    UP = "UP"
    DOWN = "DOWN"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Threshold on one metric (SOL003 clause 6.5.2.9), or on the capacity of a VIM's zone (SOL005 clause 10.5.2.5).

    ``above`` holds per (sub-)object whether the value was beyond the threshold when last seen: the memory that
    hysteresis needs.
    """

    id: str
    tenant_id: str
    interface: Interface
    object_type: str
    object_id: str
    metric: str
    value: float
    hysteresis: float
    callback_uri: str
    created_at: datetime
    details: Mapping[str, Any] = field(default_factory=dict)
    """What else the client said of the metric: ``capacityMetric`` of a capacity threshold."""
    sub_object_ids: tuple[str, ...] = ()
    above: Mapping[str, bool] = field(default_factory=dict)
    generation: int = 0

    def __post_init__(self) -> None:
        if self.hysteresis < 0:
            raise InvalidInput("hysteresis is negative", hint="it is the distance back from thresholdValue")


def crossing(threshold: Threshold, sample: Sample) -> Crossing | None:
    """Which way the value went through the threshold since it was last seen.

    SOL003 clause 6.5.3.4: up when it reaches thresholdValue + hysteresis, down at thresholdValue - hysteresis. Below
    at first, so that a value that begins above is told.
    """
    above = threshold.above.get(sample.sub_object_id or sample.object_id, False)
    if not above and sample.value >= threshold.value + threshold.hysteresis:
        return Crossing.UP
    if above and sample.value <= threshold.value - threshold.hysteresis:
        return Crossing.DOWN
    return None


def remember(threshold: Threshold, sample: Sample, direction: Crossing) -> Threshold:
    """The threshold after the value went through it."""
    key = sample.sub_object_id or sample.object_id
    return replace(threshold, above={**threshold.above, key: direction is Crossing.UP})


@dataclass(frozen=True, slots=True)
class UsageRecord:
    """What one thing held for a tenant from ``started_at`` on; it is held still while ``ended_at`` is ``None``.

    ``kind`` is ``vnfc`` (vcpus, memory_mib, vfs) or ``chain`` (octets, growing).
    """

    id: str
    tenant_id: str
    kind: str
    subject: str
    started_at: datetime
    ended_at: datetime | None = None
    name: str = ""
    ns_instance_id: str = ""
    vnf_instance_id: str = ""
    vcpus: float = 0.0
    memory_mib: int = 0
    vfs: int = 0
    octets: int = 0
    last_counter: int = 0
    generation: int = 0
