"""Echo requests and replies in frames, whole, forged and damaged."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sfc.model import Mac
from sfc.model.chains import PathPosition
from sfc.nsh import NextProtocol
from sfc.oam import EchoMessage, EchoType, HopRecord, ReplyMode, ReturnCode, SourceId, reply_to
from sfc.ovs.oam_message import (
    REPLY_PORT,
    NoMessage,
    echo_request,
    probe_frame,
    read_probe,
    read_reply,
    reply_frame,
    source_of,
)

MAC = Mac.parse("02:0a:00:00:00:01")
HERE, THERE = IPv4Address("192.168.200.1"), IPv4Address("192.168.200.2")
REQUEST = echo_request(HERE, 0xCAFE, 7)
RECORD = HopRecord("h2", PathPosition(100, 254), 0xCA00010000006422, 0xCA0001000064FF28, 17)
ANSWER = reply_to(REQUEST, ReturnCode.TTL_EXCEEDED, [RECORD.to_tlv()])
assert ANSWER is not None
REPLY: EchoMessage = ANSWER


def test_a_probe_is_an_active_oam_packet_with_the_wanted_ttl():
    frame = probe_frame(MAC, PathPosition(100, 255), 3, REQUEST)
    header, octets = read_probe(frame)
    assert (header.spi, header.si, header.ttl, header.oam) == (100, 255, 3, True)
    assert header.next_protocol == NextProtocol.ACTIVE_OAM
    assert EchoMessage.decode(octets) == REQUEST
    assert source_of(REQUEST) == (HERE, REPLY_PORT)
    assert Ether(frame).src == str(MAC)


def test_a_reply_is_a_datagram_with_a_right_checksum():
    frame = reply_frame(MAC, THERE, HERE, REPLY_PORT, REPLY)
    assert read_reply(frame, HERE) == REPLY
    packet = Ether(frame)
    assert (packet[IP].src, packet[IP].dst, packet[UDP].dport) == (str(THERE), str(HERE), REPLY_PORT)
    sent = packet[IP].chksum
    del packet[IP].chksum
    assert Ether(bytes(packet))[IP].chksum == sent


def test_a_reply_names_the_host_and_the_rules():
    (tlv,) = REPLY.tlvs
    assert HopRecord.read(tlv) == RECORD


def test_a_reply_to_another_is_not_ours():
    with pytest.raises(NoMessage, match="not for us"):
        read_reply(reply_frame(MAC, THERE, HERE, REPLY_PORT, REPLY), THERE)


def test_a_request_is_no_reply():
    with pytest.raises(NoMessage, match="no reply"):
        read_reply(reply_frame(MAC, THERE, HERE, REPLY_PORT, REQUEST), HERE)


@pytest.mark.parametrize(
    "request_",
    [
        EchoMessage(EchoType.REQUEST, ReplyMode.UDP, 1, 1),
        EchoMessage(EchoType.REQUEST, ReplyMode.DO_NOT_REPLY, 1, 1, tlvs=REQUEST.tlvs),
        EchoMessage(EchoType.REQUEST, ReplyMode.UDP, 1, 1, tlvs=(SourceId(IPv6Address("2001:db8::1"), 9).to_tlv(),)),
    ],
)
def test_a_request_that_does_not_say_where_is_not_answered(request_):
    with pytest.raises(NoMessage):
        source_of(request_)


def test_every_truncated_message_is_refused():
    probe = probe_frame(MAC, PathPosition(100, 255), 3, REQUEST)
    reply = reply_frame(MAC, THERE, HERE, REPLY_PORT, REPLY)
    for length in range(14 + 24):
        with pytest.raises(NoMessage):
            read_probe(probe[:length])
    for length in range(len(reply)):
        with pytest.raises(NoMessage):
            read_reply(reply[:length], HERE)


@given(octets=st.binary(max_size=150), at=st.integers(0, 100), octet=st.integers(0, 255))
def test_no_octets_break_the_readers(octets, at, octet):
    frames = [octets, bytes(12) + b"\x89\x4f" + octets, bytes(12) + b"\x08\x00\x45" + octets]
    for good in (
        probe_frame(MAC, PathPosition(100, 255), 3, REQUEST),
        reply_frame(MAC, THERE, HERE, REPLY_PORT, REPLY),
    ):
        changed = bytearray(good)
        changed[at % len(good)] = octet
        frames.append(bytes(changed))
    for frame in frames:
        for read in (read_probe, lambda each: read_reply(each, HERE)):
            try:
                assert read(frame)
            except NoMessage:
                continue


def test_a_users_packet_is_no_probe():
    frame = bytearray(probe_frame(MAC, PathPosition(100, 255), 3, REQUEST))
    frame[14] &= 0xDF  # the O bit
    with pytest.raises(NoMessage, match="no active OAM"):
        read_probe(bytes(frame))
