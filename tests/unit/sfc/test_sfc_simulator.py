from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from sfc.errors import SimulationError
from sfc.model import (
    Bucket,
    Chain,
    Classifier,
    Cookie,
    Decap,
    Direction,
    EncapNsh,
    Field,
    FieldMatch,
    FlowTables,
    Group,
    GroupType,
    Kind,
    Layer,
    Mac,
    Match,
    Network,
    Output,
    PathGroup,
    PathPosition,
    PlannedChain,
    Port,
    PortRange,
    Resubmit,
    SetField,
    ToGroup,
    Topology,
    flow,
)
from sfc.model.actions import Action
from sfc.path import plan_chain
from sfc.render import NEIGHBOUR_INGRESS, mac_tag, render
from sfc.simulator import Simulator, Trace
from sfc.simulator.functions import BridgeModel, NatModel, NshModel
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
    Tcp,
    Udp,
    Vlan,
    answer_to,
    ip_of,
)
from sfc.simulator.trace import Crossed, Loss, Visited, nsh_of
from sfc.walk import Leg, planned_walk
from tests.unit.sfc.gilan import DPI, GATEWAY, GATEWAY_IP, SUB, SUB_IP, WEB_IP, GiLan, gilan

BROADCAST = Mac((1 << 48) - 1)
PLACES = [("h1", "h2", "h3"), ("h2", "h2", "h3"), ("h1", "h1", "h1"), ("h3", "h1", "h2"), ("h2", "h3", "h1")]


def tcp(port: int = 80, flags: str = "S") -> Ethernet:
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(40000, port, flags)))


def udp(port: int = 53, fragment: Fragment = Fragment.NO) -> Ethernet:
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(40001, port), fragment=fragment))


def simulator(lan: GiLan) -> Simulator:
    return Simulator(lan.topology, lan.tables)


def legs(trace: Trace) -> list[tuple[str, str, PathPosition, int, tuple[int, int, int, int]]]:
    """Crossings that carry NSH."""
    found = []
    for event in trace.crossings:
        nsh = nsh_of(event.packet)
        if nsh is not None:
            found.append((event.from_sff, event.to_sff, nsh.position, nsh.ttl, nsh.context))
    return found


def planned(lan: GiLan, chain: PlannedChain, direction: Direction) -> list[Leg]:
    return [leg for leg in planned_walk(lan.topology, chain) if leg.direction is direction]


def matches_plan(trace: Trace, plan: list[Leg]) -> bool:
    seen = legs(trace)
    return len(seen) == len(plan) and all(
        (here, there, position, ttl) == (leg.from_sff, leg.to_sff, leg.position, leg.ttl)
        and all(word in (value, None) for value, word in zip(context, leg.context, strict=True))
        for (here, there, position, ttl, context), leg in zip(seen, plan, strict=True)
    )


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("places", PLACES)
def test_both_chains_pass_their_functions_in_order_and_come_back_the_same_way(
    layer: Layer, places: tuple[str, str, str]
) -> None:
    lan = gilan(layer, *places)
    network = simulator(lan)
    for packet, chain, functions in ((tcp(443), lan.web, ("fw", "dpi", "nat")), (udp(), lan.other, ("fw", "nat"))):
        there = network.inject("sub", packet)
        assert there.functions == functions
        assert matches_plan(there, planned(lan, chain, Direction.FORWARD))
        (left,) = there.deliveries
        assert (left.port, left.packet.destination, left.packet.source) == ("nat-in", GATEWAY, SUB)  # type: ignore[union-attr]
        back = network.inject("nat-in", answer_to(packet))
        assert back.functions == functions[-2::-1]
        assert matches_plan(back, planned(lan, chain, Direction.REVERSE))
        (home,) = back.deliveries
        assert (home.port, home.packet.destination, home.packet.source) == ("sub", SUB, GATEWAY)  # type: ignore[union-attr]


def test_ttl_context_and_index_are_those_of_the_proven_scenario() -> None:
    lan = gilan()
    lan_simulator = Simulator(
        lan.topology, lan.tables, {"dpi": NshModel(("dpi-sfc", "dpi-sfc"), writes=lambda nsh: 0xABCD)}
    )
    seen = [
        (str(position), ttl, hex(context[1]))
        for _, _, position, ttl, context in legs(lan_simulator.inject("sub", tcp()))
    ]
    assert seen == [("100/254", 61, "0x0"), ("100/253", 59, "0xabcd")]


def test_a_nat_answers_from_the_world_behind_it() -> None:
    lan = gilan()
    nat = NatModel("nat-in", GATEWAY, IPv4Address("198.51.100.2"))
    trace = Simulator(lan.topology, lan.tables, {"nat": nat}).inject("sub", tcp())
    assert trace.functions == ("fw", "dpi", "nat", "dpi", "fw")
    (home,) = trace.deliveries
    ip = ip_of(home.packet)
    assert home.port == "sub" and ip is not None
    assert (ip.source, ip.destination) == (WEB_IP, SUB_IP)


def test_a_blocked_packet_ends_in_the_firewall() -> None:
    lan = gilan()
    firewall = BridgeModel(("fw-in", "fw-out"), blocks=lambda packet: True)
    trace = Simulator(lan.topology, lan.tables, {"fw": firewall}).inject("sub", tcp(23))
    assert trace.functions == ("fw",)
    assert [drop.reason for drop in trace.drops] == [Loss.FUNCTION]


# What comes back from outside


def test_the_mark_of_the_forward_packet_selects_the_reverse_chain_even_against_the_classifiers() -> None:
    lan = gilan()
    network = simulator(lan)
    odd = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(80, 8080, "S")))
    network.inject("sub", odd)
    back = network.inject("nat-in", answer_to(odd))
    assert (back.functions, Kind.REVERSE_MARK in back.kinds) == (("fw",), True)


def test_without_a_mark_the_reversed_classifiers_decide_and_count() -> None:
    lan = gilan()
    network = simulator(lan)
    network.inject("sub", tcp(flags="A"))
    network.restart("h3")
    back = network.inject("nat-in", answer_to(tcp(), "A"))
    assert (back.functions, Kind.REVERSE_MISS in back.kinds) == (("dpi", "fw"), True)
    assert network.inject("nat-in", answer_to(udp())).functions == ("fw",)


def test_the_mark_of_a_version_that_is_gone_is_classified_anew() -> None:
    lan = gilan()
    network = simulator(lan)
    network.inject("sub", tcp())
    later = plan_chain(lan.topology, lan.web.chain, 500, 501)
    tables = render(lan.topology, (later, lan.other))
    renewed = Simulator(lan.topology, tables)
    for name, bridge in renewed.bridges.items():
        bridge.connections = network.bridges[name].connections
    back = renewed.inject("nat-in", answer_to(tcp(), "A"))
    assert (back.functions, Kind.REVERSE_MISS in back.kinds) == (("dpi", "fw"), True)


def test_a_syn_ack_to_nobody_is_invalid_and_dropped() -> None:
    trace = simulator(gilan()).inject("nat-in", answer_to(tcp(), "SA"))
    assert [drop.reason for drop in trace.drops] == [Kind.DROP_INVALID]


def test_an_icmp_error_of_the_subscriber_does_not_steal_its_connections_mark() -> None:
    lan = gilan()
    network = simulator(lan)
    network.inject("sub", tcp())
    answer = answer_to(tcp())
    assert isinstance(answer.payload, Ip)
    error = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=answer.payload)))
    trace = network.inject("sub", error)
    assert trace.functions == ("fw", "nat")
    assert Kind.END_ERROR in trace.kinds
    assert network.inject("nat-in", answer).functions == ("dpi", "fw")


def test_an_icmp_error_from_outside_follows_its_parents_chain() -> None:
    lan = gilan()
    network = simulator(lan)
    network.inject("sub", tcp())
    about = tcp().payload
    assert isinstance(about, Ip)
    error = Ethernet(GATEWAY, SUB, Ip(IPv4Address("203.0.113.9"), SUB_IP, Icmp(11, 0, about=about)))
    back = network.inject("nat-in", error)
    assert (back.functions, back.deliveries[0].port) == (("dpi", "fw"), "sub")


# What a function makes itself


def test_a_reset_made_by_the_bridging_firewall_goes_back_behind_it() -> None:
    lan = gilan()
    network = simulator(lan)
    handed = Ethernet(mac_tag(PathPosition(100, 255)), GATEWAY, tcp().payload)
    reset = answer_to(handed, "RA")
    trace = network.inject("fw-in", reset)
    assert (trace.functions, trace.deliveries[0].port) == ((), "sub")
    assert Kind.SF_ANSWER in trace.kinds


def test_a_reset_towards_the_server_goes_on_behind_the_firewall() -> None:
    network = simulator(gilan())
    network.inject("sub", tcp())
    handed = Ethernet(mac_tag(PathPosition(101, 254)), SUB, Ip(WEB_IP, SUB_IP, Tcp(80, 40000)))
    trace = network.inject("fw-out", answer_to(handed, "R"))
    assert (trace.functions, trace.deliveries[0].port) == (("dpi", "nat"), "nat-in")


def test_icmp_errors_of_the_firewalls_own_stack_reach_the_subscriber() -> None:
    own = Ip(IPv4Address("10.10.0.254"), SUB_IP, Icmp(3, 13))
    trace = simulator(gilan()).inject("fw-in", Ethernet(Mac(0x020000000099), NEIGHBOUR_INGRESS, own))
    assert (trace.deliveries[0].port, Kind.SF_ERROR in trace.kinds) == ("sub", True)
    wrong_leg = simulator(gilan()).inject("fw-out", Ethernet(Mac(0x020000000099), NEIGHBOUR_INGRESS, own))
    assert [drop.reason for drop in wrong_leg.drops] == [Kind.DROP_LEG]


def test_a_routing_firewalls_reset_finds_its_way_by_mark() -> None:
    lan = gilan(Layer.L3)
    network = simulator(lan)
    network.inject("sub", tcp())
    leg = lan.topology.port("fw-in")
    reset = Ethernet(leg.mac, Mac(0x02CA00000002), Ip(WEB_IP, SUB_IP, Tcp(80, 40000, "RA")))
    trace = network.inject("fw-in", reset)
    assert (trace.functions, trace.deliveries[0].port) == ((), "sub")
    unknown = Ethernet(leg.mac, Mac(0x02CA00000002), Ip(WEB_IP, SUB_IP, Tcp(81, 40000, "RA")))
    assert [drop.reason for drop in network.inject("fw-in", unknown).drops] == [Kind.DROP_MARK_MISS]


# Fragments


def test_later_fragments_of_a_marked_connection_stay_on_its_chain() -> None:
    lan = gilan()
    network = simulator(lan)
    network.inject("sub", tcp())
    for part in (Fragment.FIRST, Fragment.LATER):
        piece = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(40000, 80, "A"), fragment=part))
        trace = network.inject("sub", piece)
        assert trace.functions == ("fw", "dpi", "nat")
        assert Kind.CLASSIFY_FRAGMENT in trace.kinds


def test_fragments_of_an_unknown_connection_stay_together_on_the_default_chain() -> None:
    network = simulator(gilan())
    for part in (Fragment.FIRST, Fragment.LATER):
        piece = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Tcp(40000, 80, "A"), fragment=part))
        assert network.inject("sub", piece).functions == ("fw", "nat")


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
    assert trace.crossings[0].packet.ttl == 62  # type: ignore[union-attr]
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


def test_a_port_in_two_roles_starts_its_own_connections_on_its_own_chain() -> None:
    lan = gilan()
    outward = Chain("outward", "nat-in", (PathGroup.of("dpi"),), egress="sub", symmetric=False)
    topology = lan.topology
    network = Simulator(topology, render(topology, (*lan.chains, plan_chain(topology, outward, 300))))
    network.inject("sub", tcp())
    assert network.inject("nat-in", answer_to(tcp())).functions == ("dpi", "fw")
    ranged = (Classifier(Match(protocol=17, source_port=PortRange(7, 7))),)
    remembering = plan_chain(topology, replace(outward, classifiers=ranged), 300)
    network = Simulator(topology, render(topology, (*lan.chains, remembering)))
    own = Ethernet(GATEWAY, SUB, Ip(WEB_IP, SUB_IP, Udp(7, 9)))
    network.bridges["h3"].connections.commit(31, own.payload, 300)  # type: ignore[arg-type]
    assert network.inject("nat-in", own).functions == ("dpi",)
    elsewhere = Ethernet(GATEWAY, Mac(0x020000000077), Ip(WEB_IP, SUB_IP, Udp(7, 7)))
    assert network.inject("nat-in", elsewhere).functions == ("dpi",)


# The machine itself


def tiny(*actions: Action, groups: tuple[Group, ...] = (), down: frozenset[int] = frozenset()) -> Simulator:
    lan = gilan()
    rule = flow(0, 1, (), actions, Cookie(Kind.PORT_IP))
    empty = {name: FlowTables(name, ()) for name in ("h2", "h3")}
    ports = (Port("seven", "h1", 7, Mac(7), (), "n"), Port("eight", "h1", 8, Mac(8), (), "n"))
    topology = Topology(lan.topology.sffs, (Network("n", 100),), ports)
    return Simulator(topology, {"h1": FlowTables("h1", (rule,), groups), **empty}, down_ports={"h1": down})


def test_output_to_the_port_it_came_from_is_suppressed() -> None:
    trace = tiny(Output(5)).inject_at("h1", 5, tcp())
    assert [drop.reason for drop in trace.drops] == [Loss.SAME_PORT]
    forgotten = tiny(SetField(Field.IN_PORT, 0), Output(100)).inject_at("h1", 100, tcp())
    assert [drop.reason for drop in forgotten.drops] == [Loss.NO_PEER]


def test_a_table_miss_a_loop_and_an_unknown_port_are_told() -> None:
    assert [drop.reason for drop in tiny(Resubmit(9)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_RULE]
    assert [drop.reason for drop in tiny(Resubmit(0)).inject_at("h1", 5, tcp()).drops] == [Loss.LOOP]
    assert [drop.reason for drop in tiny(Output(9)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_PORT]
    assert [drop.reason for drop in tiny(EncapNsh(), Output(9)).inject_at("h1", 5, tcp()).drops] == [Loss.PACKET_TYPE]
    assert [drop.reason for drop in tiny(SetField(Field.REG0, 1)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_OUTPUT]


def test_a_loop_between_bridges_ends() -> None:
    lan = gilan()
    tables = {}
    for here, there in (("h1", 2), ("h2", 1)):
        actions = (SetField(Field.IN_PORT, 0), SetField(Field.TUN_DST, 0x0A630000 + there), Output(100))
        tables[here] = FlowTables(here, (flow(0, 1, (), actions, Cookie(Kind.PORT_IP)),))
    network = Simulator(Topology(lan.topology.sffs), {**tables, "h3": FlowTables("h3", ())})
    assert network.inject_at("h1", 5, tcp()).drops[-1].reason is Loss.LOOP


def test_what_ovs_refuses_behind_a_decap_is_refused() -> None:
    with pytest.raises(SimulationError, match="decap"):
        tiny(EncapNsh(), Decap(), SetField(Field.ETH_SRC, 1)).inject_at("h1", 5, tcp())
    with pytest.raises(SimulationError):
        tiny(Decap()).inject_at("h1", 5, tcp())
    with pytest.raises(SimulationError):
        tiny(SetField(Field.NSH_SPI, 1)).inject_at("h1", 5, tcp())


def test_a_group_selects_by_hash_and_spreads() -> None:
    buckets = (Bucket((SetField(Field.REG0, 1), Output(7))), Bucket((Output(8),), 3))
    select = Group(1, GroupType.SELECT, buckets, (Field.L4_SRC,))
    outs = []
    for port in range(4):
        packet = replace(tcp(), payload=Ip(SUB_IP, WEB_IP, Tcp(port, 1)))
        outs += [tiny(ToGroup(1), groups=(select,)).inject_at("h1", 5, packet).deliveries[0].port for _ in "12"]
    assert (outs.count("seven"), outs.count("eight")) == (2, 6)
    assert select.text() == (
        "group_id=1,type=select,selection_method=hash,fields(tp_src),bucket=bucket_id:1,weight:1,"
        "actions=set_field:0x1->reg0,output:7,bucket=bucket_id:2,weight:3,actions=output:8"
    )
    with pytest.raises(SimulationError):
        tiny(ToGroup(2)).inject_at("h1", 5, tcp())


def test_a_fast_failover_group_takes_the_first_live_port() -> None:
    buckets = (Bucket((Output(7),), watch_port=7), Bucket((Output(8),), watch_port=8))
    group = Group(1, GroupType.FAST_FAILOVER, buckets)
    for down, port in ((frozenset[int](), "seven"), (frozenset({7}), "eight")):
        trace = tiny(ToGroup(1), groups=(group,), down=down).inject_at("h1", 5, tcp())
        assert [left.port for left in trace.deliveries] == [port]
    dead = tiny(ToGroup(1), groups=(group,), down=frozenset({7, 8})).inject_at("h1", 5, tcp())
    assert [drop.reason for drop in dead.drops] == [Loss.GROUP]
    assert tiny(Output(7), down=frozenset({7})).inject_at("h1", 5, tcp()).drops[0].reason is Loss.PORT_DOWN


def test_a_later_fragment_shows_zeros_where_its_ports_would_be() -> None:
    lan = gilan()
    match = (FieldMatch(Field.L4_DST, 0, 0xFC00),)
    rule = flow(0, 1, match, (), Cookie(Kind.DROP_GUARD))
    tables = {sff.name: FlowTables(sff.name, (rule,)) for sff in lan.topology.sffs}
    network = Simulator(Topology(lan.topology.sffs), tables)
    assert network.inject_at("h1", 5, udp(5353)).drops[0].reason is Loss.NO_RULE
    assert network.inject_at("h1", 5, udp(5353, Fragment.LATER)).drops[0].reason is Kind.DROP_GUARD
