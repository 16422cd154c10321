"""Active OAM: echo messages octet by octet, and the rules of the O bit."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.kpi import TimestampRecord
from sfc.model import Mac, PathPosition
from sfc.nsh import ContextTlv, NextProtocol, NshHeader, OutOfRange
from sfc.oam import (
    HOP_RECORD,
    BadOamTlv,
    Disposition,
    EchoMessage,
    EchoType,
    HopRecord,
    OamError,
    OamTlv,
    OamTlvType,
    OBitFault,
    ReplyMode,
    ReplyPath,
    ReturnCode,
    SffRecord,
    SfInformation,
    SourceId,
    dispose,
    errored_tlvs,
    malformed_reply,
    o_bit_fault,
    probe_header,
    read_errored_tlvs,
    reply_to,
    unaltered,
)

SOURCE = SourceId(IPv4Address("192.0.2.1"), 0x1DE7)
REQUEST = EchoMessage(EchoType.REQUEST, ReplyMode.UDP, 0xCAFEF00D, 7, tlvs=(SOURCE.to_tlv(),))
OCTETS = bytes.fromhex("0100001c 00000000 01020000 cafef00d 00000007 01000008 1de70000 c0000201")


def test_an_echo_request_octet_by_octet() -> None:
    assert REQUEST.encode() == OCTETS
    assert EchoMessage.decode(OCTETS) == REQUEST
    assert EchoMessage.decode(OCTETS + b"padding") == REQUEST


def test_a_reply_octet_by_octet() -> None:
    reply = reply_to(REQUEST, ReturnCode.TTL_EXCEEDED)
    assert reply is not None
    assert reply.encode() == bytes.fromhex("01000010 00000000 02020400 cafef00d 00000007")
    assert EchoMessage.decode(reply.encode()).return_code is ReturnCode.TTL_EXCEEDED


def test_a_probe_has_the_o_bit_and_next_protocol_7() -> None:
    octets = probe_header(PathPosition(100, 255), ttl=1).encode()
    assert octets[:8] == bytes.fromhex("20460107 000064ff")


TLVS: dict[str, tuple[SourceId | ReplyPath | SfInformation | SffRecord, str]] = {
    "source, IPv4": (SOURCE, "01000008 1de70000 c0000201"),
    "source, IPv6": (SourceId(IPv6Address("2001:db8::1"), 9), "01000014 00090000 20010db8000000000000000000000001"),
    "reply path": (ReplyPath(PathPosition(0x123456, 0xFE)), "03000004 123456fe"),
    "function by IPv4": (SfInformation(255, 4, IPv4Address("192.0.2.9")), "05000008 ff000401 c0000209"),
    "function by IPv6": (SfInformation(1, 2, IPv6Address("::1")), "05000014 01000202" + "00" * 15 + "01"),
    "function by MAC": (SfInformation(2, 0x1234, Mac(0x020304050607)), "0500000a 02123403 020304050607"),
    "SFF record": (
        SffRecord(100, (SfInformation(255, 4, IPv4Address("192.0.2.9")),)),
        "04000010 00006400 05000008 ff000401 c0000209",
    ),
}


@pytest.mark.parametrize("name", TLVS)
def test_each_tlv_octet_by_octet(name: str) -> None:
    said, octets = TLVS[name]
    assert said.to_tlv().encode() == bytes.fromhex(octets)
    assert type(said).read(said.to_tlv()) == said


@pytest.mark.parametrize(
    ("octets", "error"),
    [
        ("", OamError),
        ("010000", OamError),
        ("41000010" + "00" * 16, OamError),
        ("02000010" + "00" * 16, OamError),
        ("0100000f" + "00" * 16, OamError),
        ("01000011" + "00" * 16, OamError),
        ("01000013" + "00" * 16 + "010000", BadOamTlv),
        ("01000018" + "00" * 16 + "01000005 00000000", BadOamTlv),
    ],
)
def test_malformed_messages_are_refused(octets: str, error: type[OamError]) -> None:
    with pytest.raises(error):
        EchoMessage.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(
    ("kind", "tlv"),
    [
        (SourceId, OamTlv(1, bytes(7))),
        (SourceId, OamTlv(1, bytes(9))),
        (SourceId, OamTlv(3, bytes(8))),
        (ReplyPath, OamTlv(3, bytes(5))),
        (SfInformation, OamTlv(5, bytes(3))),
        (SfInformation, OamTlv(5, bytes.fromhex("ff000401 c00002"))),
        (SfInformation, OamTlv(5, bytes.fromhex("ff000409 c0000201"))),
        (SfInformation, OamTlv(4, bytes.fromhex("ff000401 c0000201"))),
        (SffRecord, OamTlv(4, bytes(3))),
        (SffRecord, OamTlv(4, bytes(4) + b"\x05\0\0\x01\0")),
        (SffRecord, OamTlv(5, bytes(4))),
    ],
)
def test_values_that_are_not_of_their_type_are_refused(kind: type[SourceId], tlv: OamTlv) -> None:
    with pytest.raises(BadOamTlv):
        kind.read(tlv)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(REQUEST, handle=1 << 32),
        lambda: replace(REQUEST, sequence=-1),
        lambda: replace(REQUEST, type=256),
        lambda: replace(REQUEST, return_subcode=256),
        lambda: replace(REQUEST, flags=1 << 16),
        lambda: replace(REQUEST, tlvs=(OamTlv(9, bytes(0xFFFF)),)).encode(),
        lambda: OamTlv(256),
        lambda: OamTlv(1, bytes(0x10000)),
        lambda: SourceId(IPv4Address(1), 65536),
        lambda: SfInformation(256, 0, Mac(1)),
        lambda: SffRecord(1 << 24),
    ],
)
def test_values_that_do_not_fit_are_refused(make: object) -> None:
    assert callable(make)
    with pytest.raises(OutOfRange):
        make()


def test_numbers_without_a_name_are_kept() -> None:
    strange = replace(REQUEST, type=200, reply_mode=9, return_code=77, flags=5, return_subcode=6)
    assert EchoMessage.decode(strange.encode()) == strange
    assert reply_to(strange, ReturnCode.NO_ERROR) is None


def test_nobody_answers_a_reply_or_a_request_that_wants_no_answer() -> None:
    silent = replace(REQUEST, reply_mode=ReplyMode.DO_NOT_REPLY)
    assert reply_to(silent, ReturnCode.END_OF_PATH) is None
    assert reply_to(replace(REQUEST, type=EchoType.REPLY), ReturnCode.END_OF_PATH) is None


def test_a_consistency_request_is_answered_with_records() -> None:
    request = replace(REQUEST, type=EchoType.CONSISTENCY_REQUEST)
    record = SffRecord(100, (SfInformation(255, 4, Mac(5)),))
    reply = reply_to(request, ReturnCode.TTL_EXCEEDED, (record.to_tlv(),))
    assert reply is not None and reply.type is EchoType.CONSISTENCY_REPLY
    found = EchoMessage.decode(reply.encode()).tlv(OamTlvType.SFF_RECORD)
    assert found is not None and SffRecord.read(found) == record
    assert reply.tlv(OamTlvType.SOURCE_ID) is None


def test_tlvs_that_are_not_understood_come_back() -> None:
    strange = (OamTlv(99, b"one"), OamTlv(200))
    reply = reply_to(replace(REQUEST, tlvs=(SOURCE.to_tlv(), *strange)), ReturnCode.END_OF_PATH)
    assert reply is not None and reply.return_code is ReturnCode.TLV_NOT_UNDERSTOOD
    (back,) = reply.tlvs
    assert read_errored_tlvs(back) == strange
    assert back == errored_tlvs(strange)
    with pytest.raises(BadOamTlv):
        read_errored_tlvs(SOURCE.to_tlv())


def test_a_malformed_request_is_answered_when_its_sender_can_be_told() -> None:
    cut = OCTETS[:-3]
    with pytest.raises(OamError):
        EchoMessage.decode(cut)
    reply = malformed_reply(cut)
    assert reply is not None
    assert (reply.return_code, reply.handle, reply.sequence) == (ReturnCode.MALFORMED_REQUEST, 0xCAFEF00D, 7)
    assert malformed_reply(OCTETS[:19]) is None
    assert malformed_reply(b"") is None


octets8, octets16, octets32 = (st.integers(0, (1 << bits) - 1) for bits in (8, 16, 32))
tlvs = st.lists(st.builds(OamTlv, octets8, st.binary(max_size=20)), max_size=4).map(tuple)


@given(st.builds(EchoMessage, octets8, octets8, octets32, octets32, octets8, octets8, octets16, tlvs))
def test_what_was_written_is_read(message: EchoMessage) -> None:
    assert EchoMessage.decode(message.encode()) == message


@given(st.binary(max_size=64))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    for data in (octets, b"\x01\0\0" + bytes([len(octets)]) + octets):
        try:
            message = EchoMessage.decode(data)
        except OamError:
            malformed_reply(data)
            continue
        assert EchoMessage.decode(message.encode()) == message


# The O bit


def header(next_protocol: int, oam: bool, *tlvs: ContextTlv) -> NshHeader:
    return NshHeader(1, 255, next_protocol=next_protocol, oam=oam, context=tlvs)


STAMPS = TimestampRecord(1).to_tlv()


@pytest.mark.parametrize(
    ("packet", "fault"),
    [
        (header(NextProtocol.ACTIVE_OAM, True), None),
        (header(NextProtocol.ACTIVE_OAM, False), OBitFault.MISSING),
        (header(NextProtocol.IOAM, False), None),
        (header(NextProtocol.IOAM, True), OBitFault.IOAM),
        (header(NextProtocol.ETHERNET, False, STAMPS), None),
        (header(NextProtocol.ETHERNET, True, STAMPS), OBitFault.KPI),
        (header(NextProtocol.ETHERNET, True, ContextTlv(0xFFF6, 1, b"cut")), OBitFault.KPI),
        (header(NextProtocol.IPV4, True, ContextTlv(0, 5, b"tenant")), None),
        (header(NextProtocol.ETHERNET, False), None),
        (NshHeader(1, 255), None),
    ],
)
def test_the_o_bit_stands_with_oam_packets_only(packet: NshHeader, fault: OBitFault | None) -> None:
    assert o_bit_fault(packet) is fault


def test_nobody_alters_the_o_bit() -> None:
    probe = probe_header(PathPosition(1, 255))
    assert unaltered(probe, probe_header(PathPosition(1, 254), 62))
    assert not unaltered(probe, NshHeader(1, 254))


@pytest.mark.parametrize(
    ("oam", "aware", "supports", "forward", "expected"),
    [
        (False, False, False, False, Disposition.PROCESS),
        (True, False, True, False, Disposition.PASS_BY),
        (True, True, True, False, Disposition.PROCESS),
        (True, True, False, False, Disposition.DISCARD),
        (True, True, False, True, Disposition.FORWARD),
    ],
)
def test_an_oam_packet_meets_no_function_that_speaks_no_nsh(
    oam: bool, aware: bool, supports: bool, forward: bool, expected: Disposition
) -> None:
    packet = header(NextProtocol.ACTIVE_OAM if oam else NextProtocol.ETHERNET, oam)
    found = dispose(packet, function_is_aware=aware, supports_oam=supports, forward_unsupported=forward)
    assert found is expected


def test_a_hop_record_octet_by_octet():
    record = HopRecord("h2", PathPosition(100, 254), 0xCA01, 0xCA02, 300)
    assert record.to_tlv().encode().hex() == ("fc00001e4341544e000064fe0000012c000000000000ca01000000000000ca026832")
    assert HopRecord.read(record.to_tlv()) == record


@pytest.mark.parametrize("name", ["", "-h1", "a\nb", "\x1b[31m", "h" * 129])
def test_a_hop_record_with_a_hostile_name_is_refused_on_both_sides(name):
    with pytest.raises(OutOfRange):
        HopRecord(name, PathPosition(1, 1))
    octets = HopRecord("h", PathPosition(1, 1)).to_tlv().value[:-1] + name.encode()
    with pytest.raises(BadOamTlv):
        HopRecord.read(OamTlv(HOP_RECORD, octets))


def test_a_private_tlv_of_somebody_else_is_no_hop_record():
    with pytest.raises(BadOamTlv):
        HopRecord.read(OamTlv(HOP_RECORD, bytes(40)))
