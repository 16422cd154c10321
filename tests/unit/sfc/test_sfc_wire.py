from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import SimulationError
from sfc.model import Mac, PathPosition
from sfc.mtu import chain_mtu, network_mtu, too_small
from sfc.simulator.dissect import decode, decode_gpe
from sfc.simulator.packets import (
    O_BIT,
    Arp,
    Ethernet,
    Fragment,
    Icmp,
    Ip,
    Neighbour,
    Nsh,
    Packet,
    Raw,
    Sctp,
    Tcp,
    Udp,
    Vlan,
)
from sfc.simulator.wire import checksum, encode, encode_gpe
from tests.unit.sfc.gilan import gilan

macs = st.integers(0, (1 << 48) - 1).map(Mac)
ports = st.integers(0, 65535)
v4 = st.integers(0, (1 << 32) - 1).map(IPv4Address)
v6 = st.integers(0, (1 << 128) - 1).map(IPv6Address)
datas = st.binary(max_size=20)
transports = (
    st.builds(Tcp, ports, ports, st.sampled_from(["S", "SA", "A", "R", "RA", "FA", "PA"]), datas)
    | st.builds(Udp, ports, ports, datas)
    | st.builds(Sctp, ports, ports)
    | st.builds(Raw, st.just(47), datas)
)
echo4, echo6 = (
    st.builds(Icmp, st.sampled_from([0, 8]), st.just(0), ports),
    st.builds(Icmp, st.just(128), st.just(0), ports),
)
neighbours = st.builds(
    Neighbour, v6, st.just(135), st.just(0), st.just(1), macs, st.integers(0, (1 << 32) - 1)
) | st.builds(Neighbour, v6, st.just(136), st.just(0), st.just(2), macs)
dscps = st.integers(0, 63)
ips = st.builds(Ip, v4, v4, transports | echo4, st.integers(1, 255), dscps) | st.builds(
    Ip, v6, v6, transports | echo6, st.integers(1, 255), dscps
)
solicitations = st.builds(Ip, v6, v6, neighbours, st.just(255))
errors = st.builds(lambda ip: Icmp(3, 1, about=ip), st.builds(Ip, v4, v4, st.builds(Udp, ports, ports)))
arps = st.builds(Arp, st.sampled_from([1, 2]), macs, st.integers(0, 1 << 31), macs, st.integers(0, 1 << 31))
payloads = ips | solicitations | arps | st.builds(Ip, v4, v4, errors) | st.builds(Raw, st.just(0x88CC), datas)
tags = st.lists(st.builds(Vlan, st.integers(0, 4095), st.integers(0, 7), st.sampled_from([0x8100, 0x88A8])), max_size=2)
frames = st.builds(Ethernet, macs, macs, payloads, tags.map(tuple))
positions = st.builds(PathPosition, st.integers(0, 0xFFFFFF), st.integers(0, 255))
words = st.integers(0, 0xFFFFFFFF)
nshes = st.builds(
    Nsh,
    positions,
    frames | st.builds(Raw, st.just(7), datas),
    st.integers(0, 63),
    st.sampled_from([0, O_BIT]),
    st.tuples(words, words, words, words),
)


@given(frames | st.builds(Ethernet, macs, macs, nshes))
def test_a_frame_survives_its_octets(frame: Ethernet) -> None:
    assert decode(encode(frame)) == frame


@given(frames | nshes, st.integers(0, 0xFFFFFF))
def test_what_crosses_the_underlay_survives_its_octets(packet: Packet, vni: int) -> None:
    ends = (IPv4Address("10.99.0.1"), IPv4Address("10.99.0.2"))
    outer = decode(encode_gpe(packet, vni, *ends, (Mac(1), Mac(2))))
    assert isinstance(outer.payload, Ip) and isinstance(outer.payload.payload, Udp)
    assert outer.payload.payload.destination_port == 4790
    assert decode_gpe(outer.payload.payload.data) == (vni, packet)


@given(st.binary(max_size=120))
def test_any_octets_are_read_or_refused(octets: bytes) -> None:
    try:
        decode(octets)
    except SimulationError as error:
        assert error.code in ("FRAME", "MD_TYPE", "PACKET")


@given(frames)
def test_every_cut_frame_is_read_or_refused(frame: Ethernet) -> None:
    octets = encode(frame)
    for length in range(14, len(octets)):
        try:
            decode(octets[:length])
        except SimulationError as error:
            assert error.code == "FRAME"


@pytest.mark.parametrize("version", [4, 6])
def test_fragments_are_told_apart(version: int) -> None:
    ends = (IPv4Address(1), IPv4Address(2)) if version == 4 else (IPv6Address(1), IPv6Address(2))
    for part in Fragment:
        frame = Ethernet(Mac(1), Mac(2), Ip(ends[0], ends[1], Udp(1, 2, b"x" * 16), fragment=part))
        read = decode(encode(frame))
        assert isinstance(read.payload, Ip)
        assert (read.payload.fragment, read.payload.protocol) == (part, 17)


def test_headers_do_not_nest_without_end() -> None:
    packet: Nsh | Ethernet = Ethernet(Mac(1), Mac(2), Raw(0x88CC))
    for _ in range(8):
        packet = Ethernet(Mac(1), Mac(2), Nsh(PathPosition(1, 1), packet))
    with pytest.raises(SimulationError, match="in each other"):
        decode(encode(packet))


def test_checksums_are_those_of_a_known_header() -> None:
    """The example of RFC 1071 section 3: the sum of 0001 f203 f4f5 f6f7 is ddf2."""
    assert checksum(bytes.fromhex("0001f203f4f5f6f7")) == 0xFFFF - 0xDDF2


def test_scapy_agrees_with_every_checksum() -> None:
    layers = pytest.importorskip("scapy.layers.all")
    for payload in (Tcp(1, 2, "S"), Udp(3, 4, b"odd"), Icmp(8, 0, 5)):
        octets = encode(Ethernet(Mac(1), Mac(2), Ip(IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2"), payload)))
        theirs = layers.Ether(octets)
        del theirs[layers.IP].chksum
        del theirs[layers.IP].payload.chksum
        assert bytes(theirs) == octets


# MTU


def test_overheads_are_those_of_the_headers() -> None:
    assert (chain_mtu(1600), network_mtu(1600)) == (1526, 1550)


def test_an_underlay_or_a_leg_that_is_too_small_is_told() -> None:
    lan = gilan()
    told = [str(each) for each in too_small(lan.topology, lan.chains, 1600)]
    assert told == ["port dpi-sfc of function dpi carries 1500 octets, 1538 are needed"]
    wide = tuple(replace(port, mtu=1600) if port.id == "dpi-sfc" else port for port in lan.topology.ports)
    topology = replace(lan.topology, ports=wide)
    assert too_small(topology, lan.chains, 1600) == ()
    small = [each.what for each in too_small(topology, lan.chains, 1570)]
    assert small == ["the underlay, for chain web,", "the underlay, for chain other,"]
    assert [each.what for each in too_small(topology, (), 1549)] == [
        "the underlay, for network access,",
        "the underlay, for network mgmt,",
    ]


def test_a_chain_on_one_host_needs_nothing_of_the_underlay() -> None:
    lan = gilan(firewall="h1", dpi="h1", nat="h1")
    wide = tuple(replace(port, mtu=1600) if port.id == "dpi-sfc" else port for port in lan.topology.ports)
    topology = replace(lan.topology, ports=wide)
    assert too_small(topology, lan.chains, 1400) == ()
