"""Probes and replies as octets, whole, forged and damaged."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from sfc.errors import ModelError
from sfc.model import Mac
from sfc.nsh import NextProtocol
from sfc.ovs.oam_message import (
    REPLY_PORT,
    NoMessage,
    Probe,
    Reply,
    probe_frame,
    read_probe,
    read_reply,
    reply_frame,
)

MAC = Mac.parse("02:0a:00:00:00:01")
HERE, THERE = IPv4Address("192.168.200.1"), IPv4Address("192.168.200.2")
PROBE = Probe(HERE, b"0123456789abcdef", 7)
REPLY = Reply(b"0123456789abcdef", 7, "h2", 100, 254, True)


def test_a_probe_is_an_oam_packet_of_an_experiment_with_the_wanted_ttl():
    frame = probe_frame(MAC, 100, 255, 3, PROBE)
    header, probe = read_probe(frame)
    assert (header.spi, header.si, header.ttl, header.oam) == (100, 255, 3, True)
    assert header.next_protocol == NextProtocol.EXPERIMENT_1
    assert probe == PROBE
    assert Ether(frame).src == str(MAC)


def test_a_reply_is_a_datagram_with_a_right_checksum():
    frame = reply_frame(MAC, THERE, HERE, REPLY)
    assert read_reply(frame, HERE) == REPLY
    packet = Ether(frame)
    assert (packet[IP].src, packet[IP].dst, packet[UDP].dport) == (str(THERE), str(HERE), REPLY_PORT)
    sent = packet[IP].chksum
    del packet[IP].chksum
    assert Ether(bytes(packet))[IP].chksum == sent


def test_a_reply_to_another_is_not_ours():
    with pytest.raises(NoMessage, match="not for us"):
        read_reply(reply_frame(MAC, THERE, HERE, REPLY), THERE)


def test_every_truncated_message_is_refused():
    probe, reply = probe_frame(MAC, 100, 255, 3, PROBE), reply_frame(MAC, THERE, HERE, REPLY)
    for length in range(len(probe)):
        with pytest.raises(NoMessage):
            read_probe(probe[:length])
    for length in range(len(reply)):
        with pytest.raises(NoMessage):
            read_reply(reply[:length], HERE)


@given(octets=st.binary(max_size=150), at=st.integers(0, 100), octet=st.integers(0, 255))
def test_no_octets_break_the_readers(octets, at, octet):
    frames = [octets, bytes(12) + b"\x89\x4f" + octets, bytes(12) + b"\x08\x00\x45" + octets]
    for good in (probe_frame(MAC, 100, 255, 3, PROBE), reply_frame(MAC, THERE, HERE, REPLY)):
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
    frame = bytearray(probe_frame(MAC, 100, 255, 3, PROBE))
    frame[14] &= 0xDF  # the O bit
    with pytest.raises(NoMessage, match="not an OAM packet"):
        read_probe(bytes(frame))


def test_a_reply_with_a_name_that_is_not_printable_is_refused():
    frame = reply_frame(MAC, THERE, HERE, REPLY)
    with pytest.raises(NoMessage):
        read_reply(frame[:-2] + b"\x1b[", HERE)


def test_a_reply_has_a_position():
    with pytest.raises(ModelError, match="spi"):
        Reply(bytes(16), 1, "h", 1 << 24, 0, False)
