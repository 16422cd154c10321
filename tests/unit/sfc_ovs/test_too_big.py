"""ICMP answers to packets that were too big, held against scapy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, UDP
from scapy.layers.inet6 import ICMPv6DestUnreach, ICMPv6EchoRequest, ICMPv6PacketTooBig, IPv6
from scapy.layers.l2 import Ether

from sfc.model import Mac
from sfc.ovs.too_big import too_big_answer

OAM = Mac.parse("02:0a:00:00:00:01")
TO = "02:0c:05:78:00:01"  # MTU 1400, port 1
SUB = "02:10:00:00:00:02"


def frame(*layers: object) -> bytes:
    packet = Ether(dst=TO, src=SUB)
    for layer in layers:
        packet = packet / layer
    return bytes(packet)


def test_an_ipv4_packet_is_answered_with_the_mtu_and_its_beginning() -> None:
    big = frame(IP(src="10.10.0.2", dst="198.51.100.1", flags="DF"), UDP(sport=4000, dport=53), bytes(1400))
    answer = Ether(too_big_answer(big, OAM) or b"")
    assert (answer.src, answer.dst) == (str(OAM), SUB)
    assert (answer[IP].src, answer[IP].dst) == ("198.51.100.1", "10.10.0.2")
    assert (answer[ICMP].type, answer[ICMP].code, answer[ICMP].nexthopmtu) == (3, 4, 1400)
    assert bytes(answer)[14 + 28 :] == big[14 : 14 + 28]
    for layer in (IP, ICMP):
        sent = answer[layer].chksum
        del answer[layer].chksum
        assert Ether(bytes(answer))[layer].chksum == sent


def test_an_ipv6_packet_is_answered_too() -> None:
    big = frame(IPv6(src="fd00::2", dst="2001:db8::1"), UDP(sport=4000, dport=53), bytes(1401))
    answer = Ether(too_big_answer(big, OAM) or b"")
    assert (answer[IPv6].src, answer[IPv6].dst) == ("2001:db8::1", "fd00::2")
    assert answer[ICMPv6PacketTooBig].mtu == 1400
    assert len(bytes(answer)) - 14 == 1280
    sent = answer[ICMPv6PacketTooBig].cksum
    del answer[ICMPv6PacketTooBig].cksum
    assert Ether(bytes(answer))[ICMPv6PacketTooBig].cksum == sent


@pytest.mark.parametrize(
    "packet",
    [
        frame(IP(src="10.10.0.2", dst="198.51.100.1") / ICMP(type=3, code=1) / bytes(1400)),
        frame(IP(src="10.10.0.2", dst="198.51.100.1", frag=100) / bytes(1400)),
        frame(IPv6(src="fd00::2", dst="2001:db8::1") / ICMPv6DestUnreach() / bytes(1400)),
        frame(b"\x00" * 60),
        b"\x02\x0c",
        b"\x02\x0a" + bytes(60),
    ],
)
def test_what_no_error_may_answer_is_left_alone(packet: bytes) -> None:
    assert too_big_answer(packet, OAM) is None


def test_echo_requests_are_answered() -> None:
    four = frame(IP(src="10.10.0.2", dst="198.51.100.1") / ICMP() / bytes(1400))
    six = frame(IPv6(src="fd00::2", dst="2001:db8::1") / ICMPv6EchoRequest() / bytes(1400))
    assert too_big_answer(four, OAM) is not None and too_big_answer(six, OAM) is not None


@given(octets=st.binary(max_size=120), kind=st.sampled_from([b"\x08\x00", b"\x86\xdd", b"\x89\x4f"]))
def test_no_octets_break_it(octets: bytes, kind: bytes) -> None:
    answer = too_big_answer(bytes.fromhex("020c05780001") + bytes(6) + kind + octets, OAM)
    assert answer is None or len(answer) >= 14 + 28
