"""KPI stamps: octets as the figures of RFC 8592 have them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.kpi import (
    BadKpi,
    DetectedKpi,
    Detection,
    Kpi,
    Latency,
    QosKind,
    QosRecord,
    QosReport,
    QosStamp,
    StampMode,
    Sync,
    TimeReport,
    TimestampRecord,
    elapsed_ns,
    latencies,
    ntp_timestamp,
    read_kpi,
)
from sfc.nsh import ContextTlv, OutOfRange

DETECTION = Detection(DetectedKpi.TIMESTAMP, 0xABCD, 1000, 0xE4D8A00080000000, stamping_si=254)
TIMES = TimestampRecord(
    7,
    mode=StampMode.SPECIFIC,
    stamping_si=253,
    reference=0x1111111122222222,
    reports=(TimeReport(253, 3, 4, Sync.HOLDOVER), TimeReport(254, None, 2), TimeReport(255, egress=1)),
)
QOS = QosRecord(
    0xFFFF,
    reports=(
        QosReport(254, (QosStamp(QosKind.INGRESS_DSCP, 0x2E), QosStamp(QosKind.EGRESS_DSCP, 0xA))),
        QosReport(255, (QosStamp(QosKind.EGRESS_MPLS, 5),)),
    ),
)
FIGURES: dict[str, tuple[Kpi, str]] = {
    "figure 10": (DETECTION, "fff6 01 10 00feabcd 000003e8 e4d8a00080000000"),
    "figure 8": (
        TIMES,
        "fff6 02 38 e2fd0007 1111111122222222"
        "c1fd0000 0000000000000003 0000000000000004"
        "40fe0000 0000000000000002"
        "40ff0000 0000000000000001",
    ),
    "figure 9": (QOS, "fff6 03 14 0000ffff 00fe0000 92e0 a0a1 00ff0000 6051 0000"),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_each_record_has_the_octets_of_its_figure(figure: str) -> None:
    kpi, octets = FIGURES[figure]
    assert kpi.to_tlv().encode().hex() == bytes.fromhex(octets).hex()
    assert read_kpi(kpi.to_tlv()) == kpi


def test_other_classes_and_types_are_left_alone() -> None:
    assert read_kpi(DETECTION.to_tlv(0xFFFE)) is None
    assert read_kpi(DETECTION.to_tlv(0xFFFE), 0xFFFE) == DETECTION
    assert read_kpi(ContextTlv(0xFFF6, 4, b"?")) is None


def test_stamps_use_classes_for_experiments_only() -> None:
    for md_class in (0, 0xFFF5, 0xFFFF):
        with pytest.raises(OutOfRange):
            DETECTION.to_tlv(md_class)


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        (1, ""),
        (1, "00" * 15),
        (1, "02" + "00" * 15),
        (2, ""),
        (2, "20000007 11111111"),
        (2, "03000007"),
        (2, "00000007 80ff0000 00000000"),
        (2, "00000007 04ff0000"),
        (2, "00000007 80ff"),
        (3, "000000"),
        (3, "00000007 00ff0000"),
        (3, "00000007 00ff0000 9010"),
        (3, "00000007 00ff0000 0011"),
        (3, "00000007 00ff0000 b011"),
        (3, "00000007 00ff0000 9011"),
    ],
)
def test_octets_that_make_no_sense_are_refused(kind: int, octets: str) -> None:
    with pytest.raises(BadKpi):
        read_kpi(ContextTlv(0xFFF6, kind, bytes.fromhex(octets)))


def test_each_node_puts_its_report_in_front_until_there_is_no_room() -> None:
    record = TimestampRecord(1, reference=ntp_timestamp(0))
    for si in range(255, 250, -1):
        record = record.stamped(TimeReport(si, 1, 2))
    assert [report.stamping_si for report in record.reports] == [251, 252, 253, 254, 255]
    with pytest.raises(OutOfRange):
        record.stamped(TimeReport(250, 1, 2))


@pytest.mark.parametrize("sync", [Sync.FREE_RUN, Sync.OUT_OF_SYNC])
def test_a_node_whose_clock_is_wrong_does_not_stamp(sync: Sync) -> None:
    assert TIMES.stamped(TimeReport(252, 5, 6, sync)) == TIMES


def test_in_specific_mode_one_node_stamps() -> None:
    assert [TIMES.wants(si) for si in (254, 253)] == [False, True]
    assert TimestampRecord(1).wants(254)


def test_qos_reports_are_collected_too() -> None:
    first = QosRecord(1).stamped(QosReport(255, (QosStamp(QosKind.INGRESS_VLAN, 3),)))
    both = first.stamped(QosReport(254, (QosStamp(QosKind.EGRESS_VLAN, 4),)))
    assert [report.stamping_si for report in both.reports] == [254, 255]
    with pytest.raises(OutOfRange):
        both.stamped(QosReport(253, (QosStamp(QosKind.EGRESS_DSCP, 1),) * 60))


def test_ntp_counts_from_1900_and_wraps_in_2036() -> None:
    assert ntp_timestamp(0) == 2_208_988_800 << 32
    assert ntp_timestamp(500_000_000) & 0xFFFFFFFF == 0x80000000
    before, after = ntp_timestamp(2_085_978_495 * 10**9), ntp_timestamp(2_085_978_497 * 10**9)
    assert after < before
    assert (elapsed_ns(before, after), elapsed_ns(after, before)) == (2 * 10**9, -2 * 10**9)


def test_a_record_tells_how_long_each_node_and_each_way_took() -> None:
    def at(us: int) -> int:
        return ntp_timestamp(1_700_000_000_000_000_000 + us * 1000)

    reports = (TimeReport(253, at(900), at(1000)), TimeReport(254, at(300), at(700)), TimeReport(255, None, at(100)))
    found = latencies(TimestampRecord(1, reports=reports))
    rounded = [Latency(each.stamping_si, _us(each.inside_ns), _us(each.before_ns)) for each in found]
    assert rounded == [Latency(255, None, None), Latency(254, 400, 200), Latency(253, 100, 200)]


def _us(ns: int | None) -> int | None:
    return None if ns is None else round(ns / 1000)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(DETECTION, flow_id=1 << 16),
        lambda: replace(DETECTION, threshold=-1),
        lambda: replace(DETECTION, stamp=1 << 64),
        lambda: replace(DETECTION, stamping_si=256),
        lambda: TimeReport(256),
        lambda: TimeReport(1, 1 << 64),
        lambda: TimestampRecord(1 << 16),
        lambda: TimestampRecord(1, reference=1 << 64),
        lambda: QosRecord(1, stamping_si=256),
        lambda: QosStamp(QosKind.EGRESS_DSCP, 256),
        lambda: QosReport(1, ()),
    ],
)
def test_values_that_do_not_fit_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(OutOfRange):
        make()


times = st.one_of(st.none(), st.integers(0, (1 << 64) - 1))
time_reports = st.builds(TimeReport, st.integers(0, 255), times, times, st.sampled_from(Sync))
qos_stamps = st.builds(QosStamp, st.sampled_from(QosKind), st.integers(0, 255))
qos_reports = st.builds(QosReport, st.integers(0, 255), st.lists(qos_stamps, min_size=1, max_size=5).map(tuple))
heads = (st.sampled_from(StampMode), st.integers(0, 255), times)


@given(
    st.one_of(
        st.builds(
            TimestampRecord,
            st.integers(0, 0xFFFF),
            st.booleans(),
            st.booleans(),
            *heads,
            st.lists(time_reports, max_size=5).map(tuple),
        ),
        st.builds(QosRecord, st.integers(0, 0xFFFF), *heads, st.lists(qos_reports, max_size=5).map(tuple)),
    )
)
def test_what_was_written_is_read(kpi: TimestampRecord | QosRecord) -> None:
    assert read_kpi(kpi.to_tlv()) == kpi


@given(kind=st.integers(1, 3), value=st.binary(max_size=127))
def test_any_octets_are_read_or_refused(kind: int, value: bytes) -> None:
    try:
        kpi = read_kpi(ContextTlv(0xFFF6, kind, value))
    except BadKpi:
        return
    assert kpi is not None and read_kpi(kpi.to_tlv()) == kpi
