"""Typed metadata: octets as the figures of RFC 9263 and RFC 8979 have them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.metadata import (
    BadMetadata,
    Groups,
    IngressInterface,
    IngressNode,
    Ipv6FlowId,
    Metadata,
    MplsEntropyLabel,
    MplsVpnContext,
    PerformancePolicyId,
    PolicyId,
    QinqContext,
    SessionContext,
    SubscriberId,
    TenantId,
    VlanContext,
    VniContext,
    read_all,
    read_metadata,
)
from sfc.nsh import ContextTlv, NshHeader, OutOfRange

FIGURES: dict[str, tuple[Metadata, str]] = {
    "RFC 8979 figure 1": (SubscriberId(b"sub-7"), "0000 00 05 7375622d37 000000"),
    "RFC 8979 figure 2": (PerformancePolicyId(b"\x01\x02"), "0000 01 02 0102 0000"),
    "RFC 9263 figure 3": (VlanContext(0xABC), "0000 04 04 00000abc"),
    "RFC 9263 figure 4": (QinqContext(0x123, 0x456), "0000 04 04 10123456"),
    "RFC 9263 figure 5": (MplsVpnContext(0xFEDCB), "0000 04 04 200fedcb"),
    "RFC 9263 figure 6": (VniContext(0x123456), "0000 04 04 30123456"),
    "RFC 9263 figure 7": (SessionContext(0xDEADBEEF), "0000 04 08 40000000 deadbeef"),
    "RFC 9263 figure 8": (TenantId(b"\xaa\xbb\xcc"), "0000 05 03 aabbcc 00"),
    "RFC 9263 figure 9": (IngressNode(bytes([192, 0, 2, 1])), "0000 06 04 c0000201"),
    "RFC 9263 figure 10": (IngressInterface(b"\x87"), "0000 07 01 87 000000"),
    "RFC 9263 figure 11": (Ipv6FlowId(0x12345), "0000 08 04 00012345"),
    "RFC 9263 figure 12": (MplsEntropyLabel(0xFFFFF), "0000 08 04 100fffff"),
    "RFC 9263 figure 13": (Groups(1, 0xFFFFFFFF), "0000 09 08 00000001 ffffffff"),
    "RFC 9263 figure 14": (PolicyId(b"gold"), "0000 0a 04 676f6c64"),
}


@pytest.mark.parametrize("figure", FIGURES)
def test_each_type_has_the_octets_of_its_figure(figure: str) -> None:
    said, octets = FIGURES[figure]
    assert said.to_tlv().encode() == bytes.fromhex(octets)
    assert read_metadata(said.to_tlv()) == said


def test_a_whole_header_is_read_in_order_and_strangers_are_left_out() -> None:
    foreign = (ContextTlv(0x0100, 0x05, b"?"), ContextTlv(0, 0x02, b"mac"), ContextTlv(0, 0x7F, b""))
    tlvs = tuple(said.to_tlv() for said, _ in FIGURES.values())
    header, _ = NshHeader.decode(NshHeader(1, 255, context=(*tlvs[:4], *foreign, *tlvs[4:])).encode())
    assert isinstance(header.context, tuple)
    assert read_all(header.context) == tuple(said for said, _ in FIGURES.values())


@pytest.mark.parametrize(
    ("octets", "said"),
    [
        ("0fffffff", VlanContext(0xFFF)),
        ("1f123456", QinqContext(0x123, 0x456)),
        ("2ff00001", MplsVpnContext(1)),
        ("3f000001", VniContext(1)),
        ("4fffffff 00000001", SessionContext(1)),
    ],
)
def test_reserved_bits_are_ignored(octets: str, said: Metadata) -> None:
    assert read_metadata(ContextTlv(0, 4, bytes.fromhex(octets))) == said


@pytest.mark.parametrize("unassigned", ["50000000", "e0000000", "f0000000"])
def test_unassigned_forwarding_contexts_are_refused(unassigned: str) -> None:
    with pytest.raises(BadMetadata, match=r"RFC 9263 section 6\.2"):
        read_metadata(ContextTlv(0, 4, bytes.fromhex(unassigned)))


def test_an_unassigned_flow_id_is_refused() -> None:
    with pytest.raises(BadMetadata, match=r"RFC 9263 section 6\.3"):
        read_metadata(ContextTlv(0, 8, bytes.fromhex("20000001")))


@pytest.mark.parametrize(
    ("kind", "octets"),
    [
        *((kind, "") for kind in (0, 1, 5, 6, 7, 10, 4, 8, 9)),
        (4, "000000"),
        (4, "0000000000"),
        (4, "0000000000000000"),
        (4, "40000000"),
        (4, "400000000000000000"),
        (8, "0000000000"),
        (9, "00000000"),
        (9, "000000000000000000"),
    ],
)
def test_values_of_a_wrong_length_are_refused(kind: int, octets: str) -> None:
    with pytest.raises(BadMetadata):
        read_metadata(ContextTlv(0, kind, bytes.fromhex(octets)))


@pytest.mark.parametrize(
    "make",
    [
        lambda: VlanContext(4096),
        lambda: QinqContext(0, 4096),
        lambda: QinqContext(-1, 0),
        lambda: MplsVpnContext(1 << 20),
        lambda: VniContext(1 << 24),
        lambda: SessionContext(1 << 32),
        lambda: Ipv6FlowId(1 << 20),
        lambda: MplsEntropyLabel(-1),
        lambda: Groups(1 << 32),
        lambda: Groups(0, 1 << 32),
        lambda: TenantId(b""),
        lambda: SubscriberId(bytes(128)),
    ],
)
def test_values_that_do_not_fit_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(OutOfRange):
        make()


@given(kind=st.integers(0, 255), value=st.binary(max_size=127))
def test_any_octets_are_read_refused_or_left_alone(kind: int, value: bytes) -> None:
    try:
        said = read_metadata(ContextTlv(0, kind, value))
    except BadMetadata:
        return
    if said is not None:
        assert read_metadata(said.to_tlv()) == said
        assert len(said.to_tlv().value) == len(value)
