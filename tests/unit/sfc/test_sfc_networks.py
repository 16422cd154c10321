from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

import pytest

from sfc.model import (
    Kind,
    Layer,
    Mac,
    Port,
)
from sfc.simulator.packets import (
    Arp,
    Ethernet,
    Icmp,
    Ip,
    Neighbour,
    Udp,
    ip_of,
)
from sfc.simulator.trace import Visited
from tests.unit.sfc.gilan import GATEWAY, GATEWAY_IP, SUB, SUB_IP, gilan
from tests.unit.sfc.traffic import BROADCAST, simulator

# Plain networks


def arp_request(source: Port, target: int) -> Ethernet:
    return Ethernet(source.mac, BROADCAST, Arp(1, source.mac, int(source.addresses[0]), Mac(0), target))


def test_arp_is_answered_by_the_own_bridge_with_the_stations_mac() -> None:
    lan = gilan()
    trace = simulator(lan).inject("sub", arp_request(lan.topology.port("sub"), int(GATEWAY_IP)))
    (left,) = trace.deliveries
    assert left.port == "sub" and isinstance(left.packet, Ethernet)
    assert left.packet.payload == Arp(2, GATEWAY, int(GATEWAY_IP), SUB, int(SUB_IP))
    assert (left.packet.source, left.packet.destination) == (GATEWAY, SUB)
    unknown = simulator(lan).inject("sub", arp_request(lan.topology.port("sub"), int(GATEWAY_IP) + 9))
    assert [drop.reason for drop in unknown.drops] == [Kind.DROP_ARP_MISS]
    own = simulator(lan).inject("sub", arp_request(lan.topology.port("sub"), int(SUB_IP)))
    assert [drop.reason for drop in own.drops] == [Kind.DROP_ANNOUNCEMENT]


def test_arp_is_not_answered_across_networks() -> None:
    lan = gilan()
    trace = simulator(lan).inject("fw-mgmt", arp_request(lan.topology.port("fw-mgmt"), int(GATEWAY_IP)))
    assert [drop.reason for drop in trace.drops] == [Kind.DROP_ARP_MISS]


def test_a_routing_function_gets_every_next_hop_answered() -> None:
    lan = gilan(Layer.L3)
    leg = lan.topology.port("fw-in")
    ask = Ethernet(leg.mac, BROADCAST, Arp(1, leg.mac, 0x0A140102, Mac(0), 0x0A140101))
    (left,) = (event for event in simulator(lan).inject("fw-in", ask).events if isinstance(event, Visited))
    assert isinstance(left.packet, Ethernet)
    assert left.packet.payload == Arp(2, Mac(0x02CA00000002), 0x0A140101, leg.mac, 0x0A140102)


def test_neighbour_solicitations_are_answered_for_the_station() -> None:
    lan = gilan()
    here, there = lan.topology.port("fw-mgmt"), lan.topology.port("nat-mgmt")
    target = there.addresses[1]
    assert isinstance(target, IPv6Address)
    ask = Ip(here.addresses[1], IPv6Address("ff02::1:ff00:13"), Neighbour(target, option_type=1, link_address=here.mac))
    frame = Ethernet(here.mac, Mac(0x3333FF000013), ask)
    (left,) = simulator(lan).inject("fw-mgmt", frame).deliveries
    ip = ip_of(left.packet)
    assert ip is not None and left.port == "fw-mgmt"
    assert (ip.source, ip.destination) == (target, here.addresses[1])
    assert ip.payload == Neighbour(target, 136, 0, 2, there.mac, 0x60000000)


def test_what_every_kernel_sends_by_itself_is_counted_apart_from_forgeries() -> None:
    report = Ip(IPv6Address("fe80::1"), IPv6Address("ff02::16"), Icmp(143))
    for port, mac in (("sub", SUB), ("fw-in", Mac(0x021100000001)), ("fw-mgmt", Mac(0x02030000000B))):
        trace = simulator(gilan()).inject(port, Ethernet(mac, Mac(0x333300000016), report))
        assert [drop.reason for drop in trace.drops] == [Kind.DROP_CHATTER]


def test_neighbour_discovery_with_a_foreign_link_address_or_none_is_dropped() -> None:
    lan = gilan()
    here = lan.topology.port("fw-mgmt")
    target = IPv6Address("fd00:ca:7e::13")
    for packet, kind in (
        (Neighbour(target, option_type=1, link_address=SUB), Kind.DROP_NEIGHBOUR),
        (Neighbour(target), Kind.DROP_NEIGHBOUR),
        (Neighbour(target, 136, 0, 2, here.mac), Kind.DROP_NEIGHBOUR),
    ):
        frame = Ethernet(here.mac, Mac(0x333300000001), Ip(here.addresses[1], IPv6Address("ff02::1"), packet))
        assert [drop.reason for drop in simulator(lan).inject("fw-mgmt", frame).drops] == [kind]
    probe = Ip(IPv6Address("::"), IPv6Address("ff02::1"), Neighbour(IPv6Address("fd00:ca:7e::11")))
    trace = simulator(lan).inject("fw-mgmt", Ethernet(here.mac, Mac(0x333300000001), probe))
    assert [drop.reason for drop in trace.drops] == [Kind.DROP_DAD]


@pytest.mark.parametrize("index", [0, 1])
def test_stations_of_a_network_reach_each_other_by_known_mac(index: int) -> None:
    lan = gilan()
    here, there = lan.topology.port("fw-mgmt"), lan.topology.port("nat-mgmt")
    packet = Ethernet(here.mac, there.mac, Ip(here.addresses[index], there.addresses[index], Udp(1, 2)))
    trace = simulator(lan).inject("fw-mgmt", packet)
    assert [(left.sff, left.port) for left in trace.deliveries] == [("h3", "nat-mgmt")]
    assert [event.vni for event in trace.crossings] == [1001]


def test_nothing_is_flooded() -> None:
    lan = gilan()
    here = lan.topology.port("fw-mgmt")
    for mac, kind in ((BROADCAST, Kind.DROP_L2_GROUP), (Mac(0x020000000077), Kind.DROP_L2_UNKNOWN)):
        packet = Ethernet(here.mac, mac, Ip(here.addresses[0], IPv4Address("192.0.2.99"), Udp(1, 2)))
        assert [drop.reason for drop in simulator(lan).inject("fw-mgmt", packet).drops] == [kind]
