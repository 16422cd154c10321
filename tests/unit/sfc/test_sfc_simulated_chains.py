from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sfc.model import (
    Chain,
    Classifier,
    Direction,
    Kind,
    Layer,
    Mac,
    Match,
    PathGroup,
    PathPosition,
    PlannedChain,
    PortRange,
)
from sfc.path import plan_chain
from sfc.render import NEIGHBOUR_INGRESS, mac_tag, render
from sfc.simulator import Simulator, Trace
from sfc.simulator.functions import BridgeModel, NatModel, NshModel
from sfc.simulator.packets import (
    Ethernet,
    Fragment,
    Icmp,
    Ip,
    Tcp,
    Udp,
    answer_to,
    ip_of,
)
from sfc.simulator.trace import Loss, nsh_of
from sfc.walk import Leg, planned_walk
from tests.unit.sfc.gilan import DPI, GATEWAY, SUB, SUB_IP, WEB_IP, GiLan, gilan
from tests.unit.sfc.traffic import simulator, tcp, udp

PLACES = [("h1", "h2", "h3"), ("h2", "h2", "h3"), ("h1", "h1", "h1"), ("h3", "h1", "h2"), ("h2", "h3", "h1")]


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
        assert (left.port, left.packet.destination, left.packet.source) == ("nat-in", GATEWAY, SUB)
        back = network.inject("nat-in", answer_to(packet))
        assert back.functions == functions[-2::-1]
        assert matches_plan(back, planned(lan, chain, Direction.REVERSE))
        (home,) = back.deliveries
        assert (home.port, home.packet.destination, home.packet.source) == ("sub", SUB, GATEWAY)


def test_ttl_context_and_index_are_those_of_the_proven_scenario() -> None:
    lan = gilan()
    lan_simulator = Simulator(
        lan.topology, lan.tables, {"dpi": NshModel(("dpi-sfc", "dpi-sfc"), (DPI, DPI), writes=lambda nsh: 0xABCD)}
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
