from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from sfc.model import (
    Cookie,
    Kind,
    Mac,
    PathPosition,
)
from sfc.render import mac_tag
from sfc.simulator.packets import (
    O_BIT,
    Arp,
    Ethernet,
    Ip,
    Nsh,
    Packet,
    Raw,
    Tcp,
    Udp,
    Vlan,
)
from sfc.simulator.trace import Crossed, nsh_of
from tests.unit.sfc.gilan import DPI, GATEWAY, GATEWAY_IP, SUB, SUB_IP, WEB_IP, GiLan, gilan
from tests.unit.sfc.traffic import BROADCAST, simulator, tcp

# The guard


def forgeries() -> dict[str, tuple[Packet, Kind]]:
    nsh = Nsh(PathPosition(100, 253), tcp())
    known = Ip(SUB_IP, WEB_IP, Udp(1, 4790))
    spoofed = Arp(1, SUB, int(GATEWAY_IP), Mac(0), int(SUB_IP))
    return {
        "NSH": (Ethernet(SUB, DPI, nsh), Kind.DROP_FORGED_NSH),
        "NSH in a VLAN": (Ethernet(SUB, DPI, nsh, (Vlan(5),)), Kind.DROP_FORGED_NSH_TAGGED),
        "NSH in VID 0": (Ethernet(SUB, DPI, nsh, (Vlan(0),)), Kind.DROP_FORGED_NSH_TAGGED),
        "NSH in QinQ": (Ethernet(SUB, DPI, nsh, (Vlan(5, tpid=0x88A8), Vlan(6))), Kind.DROP_TAGGED),
        "IP in a VLAN": (replace(tcp(), vlans=(Vlan(5),)), Kind.DROP_TAGGED),
        "GPE": (Ethernet(SUB, GATEWAY, known), Kind.DROP_FORGED_GPE),
        "GPE from a host": (
            Ethernet(SUB, GATEWAY, replace(known, source=IPv4Address("10.99.0.2"))),
            Kind.DROP_FORGED_GPE,
        ),
        "foreign IP": (
            replace(tcp(), payload=Ip(IPv4Address("10.10.0.3"), WEB_IP, Tcp(1, 80))),
            Kind.DROP_SPOOFED_IP,
        ),
        "foreign MAC": (replace(tcp(), source=GATEWAY), Kind.DROP_SPOOFED_IP),
        "MAC tag": (replace(tcp(), source=mac_tag(PathPosition(100, 255))), Kind.DROP_SPOOFED_IP),
        "ARP spoof": (Ethernet(SUB, BROADCAST, spoofed), Kind.DROP_SPOOFED_ARP),
        "IPv6": (
            Ethernet(SUB, GATEWAY, Ip(IPv6Address("fd00::1"), IPv6Address("fd00::2"), Tcp(1, 80))),
            Kind.DROP_SPOOFED_IPV6,
        ),
        "LLDP": (Ethernet(SUB, Mac(0x0180C200000E), Raw(0x88CC)), Kind.DROP_NOT_ALLOWED),
    }


@pytest.mark.parametrize("name", forgeries())
def test_what_a_subscriber_forges_dies_at_the_guard_and_is_counted_by_its_reason(name: str) -> None:
    packet, kind = forgeries()[name]
    network = simulator(gilan())
    trace = network.inject("sub", packet)
    assert [(drop.reason, drop.flow.table if drop.flow else None) for drop in trace.drops] == [(kind, 0)]
    assert not trace.deliveries and not trace.crossings
    assert network.packets("h1", Cookie(kind, chain=1).encode()) == 1


def test_an_nsh_aware_function_may_send_back_only_what_the_plan_expects() -> None:
    lan = gilan()
    allowed = {PathPosition(100, 253), PathPosition(101, 254)}
    for spi in (100, 101, 200, 201, 7):
        for si in (255, 254, 253, 252, 0):
            frame = Ethernet(DPI, SUB, Nsh(PathPosition(spi, si), tcp(), ttl=60))
            trace = simulator(lan).inject("dpi-sfc", frame)
            stopped = bool(trace.drops) and trace.drops[0].reason is Kind.DROP_LEG
            assert stopped != (PathPosition(spi, si) in allowed)


def test_a_firewall_leg_may_send_no_nsh_no_plain_frame_and_no_foreign_tag() -> None:
    network = simulator(gilan())
    for packet, kind in (
        (Ethernet(SUB, DPI, Nsh(PathPosition(100, 253), tcp())), Kind.DROP_FORGED_NSH),
        (tcp(), Kind.DROP_LEG),
        (replace(tcp(), source=mac_tag(PathPosition(101, 255))), Kind.DROP_LEG),
    ):
        assert [drop.reason for drop in network.inject("fw-out", packet).drops] == [kind]


def test_the_underlay_is_believed_by_peer_and_key_only() -> None:
    lan = gilan()
    nsh = Nsh(PathPosition(100, 253), tcp(), ttl=60)
    peer, stranger = int(IPv4Address("10.99.0.2")), int(IPv4Address("10.99.0.9"))
    cases: list[tuple[Packet, int, int, Kind]] = [
        (nsh, stranger, 7, Kind.DROP_GUARD),
        (nsh, peer, 8, Kind.DROP_GUARD),
        (replace(nsh, position=PathPosition(999, 253)), peer, 7, Kind.DROP_NO_PATH),
        (replace(nsh, position=PathPosition(100, 0)), peer, 7, Kind.DROP_SI_ZERO),
        (tcp(), peer, 1000, Kind.DROP_GUARD),
        (replace(tcp(), destination=Mac(0x020300000099)), peer, 1001, Kind.DROP_L2_TUNNEL),
    ]
    for packet, source, key, kind in cases:
        trace = simulator(lan).inject_at("h3", 100, packet, source, key)
        assert [drop.reason for drop in trace.drops] == [kind]
    assert simulator(lan).inject_at("h3", 100, nsh, peer, 7).deliveries[0].port == "nat-in"


# TTL and OAM


def test_ttl_zero_counts_as_64_and_ttl_one_goes_to_the_responder() -> None:
    network = simulator(gilan())
    peer = int(IPv4Address("10.99.0.1"))
    nsh = Nsh(PathPosition(100, 254), tcp(), ttl=0)
    trace = network.inject_at("h2", 100, nsh, peer, 7)
    assert trace.crossings[0].packet.ttl == 62
    expired = network.inject_at("h2", 100, replace(nsh, ttl=1), peer, 7)
    assert (expired.functions, expired.deliveries[0].port) == ((), "oam")
    assert network.bridges["h2"].metered[1] == 1


def traceroute(lan: GiLan, spi: int, start: str) -> list[tuple[str, int, bool]]:
    """Probes with growing TTL: (host, service index, end reached)."""
    number = int(start[1:])
    responder = Mac(0x020A00000000 + number)
    answers = []
    for ttl in range(1, 20):
        probe = Nsh(PathPosition(spi, 255), Raw(7, b"probe"), ttl=ttl, flags=O_BIT)
        trace = simulator(lan).inject_at(start, 200, Ethernet(responder, responder, probe))
        assert not trace.functions or set(trace.functions) == {"dpi"}
        (left,) = trace.deliveries
        nsh = nsh_of(left.packet)
        assert left.port == "oam" and nsh is not None and isinstance(left.packet, Ethernet)
        end = left.packet.source == Mac(0x020A000000FF)
        answers.append((left.sff, nsh.position.si, end))
        if end:
            return answers
    raise AssertionError("no end")


def test_traceroute_meets_every_forwarder_and_no_unaware_function() -> None:
    lan = gilan()
    assert traceroute(lan, 100, "h1") == [
        ("h1", 255, False),
        ("h1", 254, False),
        ("h2", 254, False),
        ("h2", 253, False),
        ("h3", 253, False),
        ("h3", 253, True),
    ]
    assert traceroute(lan, 201, "h3") == [
        ("h3", 255, False),
        ("h1", 255, False),
        ("h1", 254, False),
        ("h1", 254, True),
    ]


def test_a_probe_without_the_o_bit_is_not_taken_from_the_responder() -> None:
    probe = Ethernet(Mac(0x020A00000001), DPI, Nsh(PathPosition(100, 255), tcp()))
    assert [drop.reason for drop in simulator(gilan()).inject_at("h1", 200, probe).drops] == [Kind.DROP_GUARD]


def test_oam_replies_travel_between_the_responders() -> None:
    reply = Ethernet(
        Mac(0x020A00000003),
        Mac(0x020A00000001),
        Ip(IPv4Address("192.168.200.3"), IPv4Address("192.168.200.1"), Udp(9, 9)),
    )
    trace = simulator(gilan()).inject_at("h3", 200, reply)
    assert [(left.sff, left.port) for left in trace.deliveries] == [("h1", "oam")]
    assert [event.vni for event in trace.events if isinstance(event, Crossed)] == [9]
