"""KPI stamps in NSH, RFC 8592: which node stamped a packet when, and with which quality of service.

Three context headers of MD type 2, under a metadata class from the experimental range that all parties agree on:

* :class:`Detection` carries a threshold, and the index of the function where it was passed;
* :class:`TimestampRecord` collects ingress and egress times of every stamping node;
* :class:`QosRecord` collects what the nodes saw of VLAN priorities, MPLS traffic classes and DSCP.

The first stamping node (FSN, the classifier) begins a record, each stamping node adds its report in front, the last one
(LSN) exports it. Times are in the 64-bit format of NTP (RFC 5905 section 6). Open vSwitch stamps nothing: classifiers
and functions that speak NSH do. A header of 127 octets holds five nodes' reports of both times.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import IntEnum
from itertools import pairwise

from sfc.nsh import TLV_VALUE_MAX, ContextTlv, NshError, OutOfRange

MD_CLASS_FIRST, MD_CLASS_LAST = 0xFFF6, 0xFFFE  # section 4: RFC 8300's range for experiments
NTP_EPOCH_S = 2_208_988_800  # 1970 in seconds since 1900
_HEAD = struct.Struct("!BBH")
_TIME = struct.Struct("!Q")
_DETECTION = struct.Struct("!BBHIQ")
_I, _E, _T = 0x80, 0x40, 0x20
_LAST = 1  # of a QoS stamp: the node's last one


class BadKpi(NshError):
    """Octets that are no KPI context header."""


class KpiType(IntEnum):
    """Type of the context header, section 4."""

    DETECTION = 1
    TIMESTAMP = 2
    QOS = 3


class DetectedKpi(IntEnum):
    """What a :class:`Detection` watches, section 4.2."""

    TIMESTAMP = 0
    QOS = 1


class StampMode(IntEnum):
    """The SSI field, section 4.1.1."""

    EVERY = 0
    HYBRID = 1
    """The stamping index is that of the last node that speaks NSH."""
    SPECIFIC = 2
    """Only the node at the stamping index stamps."""


class Sync(IntEnum):
    """How far a node's clock is to be believed, section 4.1.1."""

    IN_SYNC = 0
    HOLDOVER = 1
    FREE_RUN = 2
    OUT_OF_SYNC = 3

    @property
    def may_stamp(self) -> bool:
        """False of a node that leaves the packet without its stamp."""
        return self in (Sync.IN_SYNC, Sync.HOLDOVER)


class QosKind(IntEnum):
    """QoS types, section 4.1.2."""

    INGRESS_VLAN = 1
    EGRESS_VLAN = 2
    INGRESS_QINQ = 3
    EGRESS_QINQ = 4
    INGRESS_MPLS = 5
    EGRESS_MPLS = 6
    INGRESS_MPLS_TWO = 7
    EGRESS_MPLS_TWO = 8
    INGRESS_DSCP = 9
    EGRESS_DSCP = 10


@dataclass(frozen=True, slots=True)
class Detection:
    """RFC 8592 figure 10. Of the fields' widths there its text is believed: index 8 bits, flow 16."""

    kind: DetectedKpi
    flow_id: int
    threshold: int
    """32 bits, in units that sender and stamping nodes agree on."""
    stamp: int
    """64 bits: the time, or the QoS, at the classifier."""
    stamping_si: int = 0
    """Where the threshold was passed; 0 while it was not."""

    def __post_init__(self) -> None:
        _check("flow ID", self.flow_id, 16)
        _check("threshold", self.threshold, 32)
        _check("ingress stamp", self.stamp, 64)
        _check("stamping index", self.stamping_si, 8)

    def to_tlv(self, md_class: int = MD_CLASS_FIRST) -> ContextTlv:
        value = _DETECTION.pack(self.kind, self.stamping_si, self.flow_id, self.threshold, self.stamp)
        return _tlv(md_class, KpiType.DETECTION, value)


@dataclass(frozen=True, slots=True)
class TimeReport:
    """What one node stamped; None where a time was not asked for."""

    stamping_si: int
    ingress: int | None = None
    egress: int | None = None
    sync: Sync = Sync.IN_SYNC

    def __post_init__(self) -> None:
        _check("stamping index", self.stamping_si, 8)
        for time in (self.ingress, self.egress):
            _check("timestamp", time or 0, 64)


@dataclass(frozen=True, slots=True)
class TimestampRecord:
    """RFC 8592 figure 8."""

    flow_id: int
    ingress_wanted: bool = True
    egress_wanted: bool = True
    mode: StampMode = StampMode.EVERY
    stamping_si: int = 0
    reference: int | None = None
    """Wall clock of the first stamping node."""
    reports: tuple[TimeReport, ...] = ()
    """The last stamping node's first."""

    def __post_init__(self) -> None:
        _check_head(self.flow_id, self.stamping_si, self.reference)

    def stamped(self, report: TimeReport) -> TimestampRecord:
        """The record with one more node's report; unchanged when its clock is not to be believed.

        Raises :class:`~sfc.nsh.OutOfRange` when there is no room left.
        """
        if not report.sync.may_stamp:
            return self
        longer = replace(self, reports=(report, *self.reports))
        longer.to_tlv()
        return longer

    def wants(self, si: int) -> bool:
        """True when a node at this index stamps."""
        return self.mode is not StampMode.SPECIFIC or si == self.stamping_si

    def to_tlv(self, md_class: int = MD_CLASS_FIRST) -> ContextTlv:
        flags = self.ingress_wanted * _I | self.egress_wanted * _E
        head = _write_head(flags, self.mode, self.stamping_si, self.flow_id, self.reference)
        return _tlv(md_class, KpiType.TIMESTAMP, head + b"".join(map(_write_times, self.reports)))


@dataclass(frozen=True, slots=True)
class QosStamp:
    """One value as it was seen; 8 bits, of which the shorter kinds use some (the RFC does not say which)."""

    kind: QosKind
    value: int

    def __post_init__(self) -> None:
        _check("QoS value", self.value, 8)


@dataclass(frozen=True, slots=True)
class QosReport:
    """What one node saw, ingress before egress; at least one value."""

    stamping_si: int
    stamps: tuple[QosStamp, ...]

    def __post_init__(self) -> None:
        _check("stamping index", self.stamping_si, 8)
        if not self.stamps:
            raise OutOfRange("QOS_EMPTY", "a QoS report without a stamp could not be told from the next one")


@dataclass(frozen=True, slots=True)
class QosRecord:
    """RFC 8592 figure 9."""

    flow_id: int
    mode: StampMode = StampMode.EVERY
    stamping_si: int = 0
    reference: int | None = None
    reports: tuple[QosReport, ...] = ()
    """The last stamping node's first."""

    def __post_init__(self) -> None:
        _check_head(self.flow_id, self.stamping_si, self.reference)

    def stamped(self, report: QosReport) -> QosRecord:
        """The record with one more node's report. Raises :class:`~sfc.nsh.OutOfRange` when there is no room left."""
        longer = replace(self, reports=(report, *self.reports))
        longer.to_tlv()
        return longer

    def to_tlv(self, md_class: int = MD_CLASS_FIRST) -> ContextTlv:
        head = _write_head(0, self.mode, self.stamping_si, self.flow_id, self.reference)
        return _tlv(md_class, KpiType.QOS, head + b"".join(map(_write_qos, self.reports)))


Kpi = Detection | TimestampRecord | QosRecord


@dataclass(frozen=True, slots=True)
class Latency:
    """What a record says of one node, in nanoseconds; None where a stamp is missing."""

    stamping_si: int
    inside_ns: int | None
    """From its ingress to its egress."""
    before_ns: int | None
    """From the egress of the node before it to its ingress."""


def read_kpi(tlv: ContextTlv, md_class: int = MD_CLASS_FIRST) -> Kpi | None:
    """What a KPI context header says; None for another class or type. Raises :class:`BadKpi`."""
    if tlv.md_class != md_class or tlv.type not in _READERS:
        return None
    try:
        return _READERS[tlv.type](tlv.value)
    except (struct.error, ValueError, IndexError) as error:
        raise BadKpi("KPI", f"{KpiType(tlv.type).name} with {len(tlv.value)} octets cannot be read: {error}") from None


def ntp_timestamp(time_ns: int) -> int:
    """Nanoseconds since 1970 in the 64-bit format of NTP, RFC 5905 section 6; it wraps in 2036."""
    seconds, rest = divmod(time_ns, 1_000_000_000)
    return (seconds + NTP_EPOCH_S) % (1 << 32) << 32 | (rest << 32) // 1_000_000_000


def elapsed_ns(earlier: int, later: int) -> int:
    """Nanoseconds between two NTP timestamps less than 68 years apart; negative when they are in the wrong order."""
    difference = (later - earlier + (1 << 63)) % (1 << 64) - (1 << 63)
    return difference * 1_000_000_000 >> 32


def latencies(record: TimestampRecord) -> tuple[Latency, ...]:
    """How long each node held the packet and how long the way to it was, in the order of the walk."""
    walk = record.reports[::-1]
    ways = [None, *(_between(before.egress, here.ingress) for before, here in pairwise(walk))]
    return tuple(
        Latency(report.stamping_si, _between(report.ingress, report.egress), way)
        for report, way in zip(walk, ways, strict=True)
    )


def _between(earlier: int | None, later: int | None) -> int | None:
    return None if earlier is None or later is None else elapsed_ns(earlier, later)


def _write_head(flags: int, mode: StampMode, stamping_si: int, flow_id: int, reference: int | None) -> bytes:
    flags |= mode | (0 if reference is None else _T)
    return _HEAD.pack(flags, stamping_si, flow_id) + (b"" if reference is None else _TIME.pack(reference))


def _write_times(report: TimeReport) -> bytes:
    flags = report.sync | (0 if report.ingress is None else _I) | (0 if report.egress is None else _E)
    times = (time for time in (report.ingress, report.egress) if time is not None)
    return _HEAD.pack(flags, report.stamping_si, 0) + b"".join(map(_TIME.pack, times))


def _write_qos(report: QosReport) -> bytes:
    """QoS stamps are half a word each; a node's last one is marked, and an odd number is filled up."""
    words = [stamp.kind << 12 | stamp.value << 4 for stamp in report.stamps]
    words[-1] |= _LAST
    octets = b"".join(word.to_bytes(2, "big") for word in words)
    return _HEAD.pack(0, report.stamping_si, 0) + octets + bytes(-len(octets) % 4)


def _read_detection(value: bytes) -> Detection:
    kind, stamping_si, flow_id, threshold, stamp = _DETECTION.unpack(value)
    return Detection(DetectedKpi(kind), flow_id, threshold, stamp, stamping_si)


def _read_head(value: bytes) -> tuple[int, int, int, int | None, int]:
    """Flags, stamping index, flow, reference time and where the reports begin."""
    flags, stamping_si, flow_id = _HEAD.unpack_from(value)
    if not flags & _T:
        return flags, stamping_si, flow_id, None, _HEAD.size
    (reference,) = _TIME.unpack_from(value, _HEAD.size)
    return flags, stamping_si, flow_id, reference, _HEAD.size + _TIME.size


def _read_times(value: bytes) -> TimestampRecord:
    flags, stamping_si, flow_id, reference, place = _read_head(value)
    reports = []
    while place < len(value):
        bits, si, _ = _HEAD.unpack_from(value, place)
        place += _HEAD.size
        times: list[int | None] = []
        for bit in (_I, _E):
            times.append(_TIME.unpack_from(value, place)[0] if bits & bit else None)
            place += _TIME.size if bits & bit else 0
        reports.append(TimeReport(si, times[0], times[1], Sync(bits & 7)))
    wanted = (bool(flags & _I), bool(flags & _E))
    return TimestampRecord(flow_id, *wanted, StampMode(flags & 3), stamping_si, reference, tuple(reports))


def _read_qos(value: bytes) -> QosRecord:
    flags, stamping_si, flow_id, reference, place = _read_head(value)
    reports = []
    while place < len(value):
        _, si, _ = _HEAD.unpack_from(value, place)
        place += _HEAD.size
        stamps, last = [], False
        while not last:
            (word,) = struct.unpack_from("!H", value, place)
            place += 2
            stamps.append(QosStamp(QosKind(word >> 12), word >> 4 & 0xFF))
            last = bool(word & _LAST)
        place += -place % 4
        reports.append(QosReport(si, tuple(stamps)))
    if place != len(value):
        raise ValueError("a report runs over the end")
    return QosRecord(flow_id, StampMode(flags & 3), stamping_si, reference, tuple(reports))


_READERS: dict[int, Callable[[bytes], Kpi]] = {
    KpiType.DETECTION: _read_detection,
    KpiType.TIMESTAMP: _read_times,
    KpiType.QOS: _read_qos,
}


def _tlv(md_class: int, kind: KpiType, value: bytes) -> ContextTlv:
    if not MD_CLASS_FIRST <= md_class <= MD_CLASS_LAST:
        raise OutOfRange("MD_CLASS", f"KPI stamps use MD class {MD_CLASS_FIRST:#x} to {MD_CLASS_LAST:#x}")
    if len(value) > TLV_VALUE_MAX:
        raise OutOfRange("METADATA", f"{len(value)} octets of KPI stamps, a context header holds {TLV_VALUE_MAX}")
    return ContextTlv(md_class, kind, value)


def _check(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise OutOfRange("RANGE", f"{what} is {value}, not a number of {bits} bits")


def _check_head(flow_id: int, stamping_si: int, reference: int | None) -> None:
    _check("flow ID", flow_id, 16)
    _check("stamping index", stamping_si, 8)
    _check("reference time", reference or 0, 64)
