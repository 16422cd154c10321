from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from sfc.classifier import DecidedBy, idle_classifiers, intersect, overlaps
from sfc.model import (
    Chain,
    Classifier,
    Flow,
    FlowTables,
    Kind,
    Layer,
    Mac,
    Match,
    Network,
    OnMiss,
    Output,
    PathGroup,
    PlannedChain,
    Port,
    PortRange,
    SetField,
    Topology,
    Unclassified,
)
from sfc.model.fields import Field
from sfc.path import plan_chain
from sfc.render import NEIGHBOUR_INGRESS, render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Icmp, Ip, Udp, answer_to
from sfc.verify import Rule, Violation, verify
from tests.unit.sfc.gilan import GATEWAY, SUB, WEB_IP, GiLan, gilan

EVERYWHERE = ip_network("0.0.0.0/0")

PLACES = [("h1", "h2", "h3"), ("h2", "h2", "h3"), ("h1", "h1", "h1"), ("h3", "h1", "h2"), ("h2", "h3", "h1")]


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("places", PLACES)
def test_rendered_tables_do_as_planned(layer: Layer, places: tuple[str, str, str], symmetric: bool) -> None:
    lan = gilan(layer, *places, symmetric=symmetric)
    assert verify(lan.topology, lan.chains, lan.tables) == ()


def test_a_topology_without_chains_is_proven_too() -> None:
    topology = gilan().topology
    assert verify(topology, (), render(topology)) == ()


def dual_stack() -> tuple[Topology, tuple[PlannedChain, ...]]:
    """Both ends speak IPv4 and IPv6; the chain ends at a plain port."""
    lan = gilan()
    v6 = {"sub": IPv6Address("fd10::2"), "nat-in": IPv6Address("fd10::1")}
    ports = tuple(
        replace(port, addresses=(*port.addresses, v6[port.id]), allowed=(ip_network("0.0.0.0/0"), ip_network("::/0")))
        if port.id in v6
        else port
        for port in lan.topology.ports
    )
    functions = tuple(function for function in lan.topology.functions if function.id != "nat")
    topology = replace(lan.topology, ports=ports, functions=functions)
    groups = (PathGroup.of("fw"), PathGroup.of("dpi"))
    ranges = Classifier(Match(protocol=17, destination_port=PortRange(1000, 2000)), 5)
    six = Classifier(Match(ethertype=0x86DD, dscp=10), 7)
    chain = Chain("c", "sub", groups, (ranges, six), egress="nat-in")
    rest = Chain("rest", "sub", (PathGroup.of("fw"),), egress="nat-in", order=2, on_miss=OnMiss.DROP)
    return topology, (plan_chain(topology, chain, 300, 301), plan_chain(topology, rest, 302, 303))


def test_ipv6_port_ranges_and_a_plain_end_are_proven() -> None:
    topology, chains = dual_stack()
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    kinds = {flow.cookie.kind for flow in tables["h3"].flows}
    assert {Kind.REVERSE_MISS, Kind.DROP_REVERSE_MISS} <= kinds


def test_the_l3_firewall_carries_ipv6_too() -> None:
    topology, chains = dual_stack()
    functions = tuple(
        replace(function, layer=Layer.L3) if function.id == "fw" else function for function in topology.functions
    )
    topology = replace(topology, functions=functions)
    assert verify(topology, chains, render(topology, chains)) == ()


@pytest.mark.parametrize("policy", Unclassified)
def test_traffic_of_no_classifier_stays_off_the_chains(policy: Unclassified) -> None:
    lan = gilan()
    ports = tuple(replace(port, unclassified=policy) for port in lan.topology.ports)
    topology = replace(lan.topology, ports=ports)
    tables = render(topology, [lan.web])
    assert verify(topology, [lan.web], tables) == ()


# One cause broken at a time


Break = Callable[[Flow], Flow | None]


def broken(lan: GiLan, sff: str, kind: Kind, change: Break, spi: int | None = None) -> tuple[Violation, ...]:
    """The violations when the flows of one kind are changed, or dropped, on one bridge."""
    tables = dict(lan.tables)
    flows: list[Flow] = []
    touched = False
    for flow in tables[sff].flows:
        hit = flow.cookie.kind is kind and spi in (None, flow.cookie.chain)
        touched |= hit
        changed = change(flow) if hit else flow
        if changed is not None:
            flows.append(changed)
    assert touched
    tables[sff] = FlowTables(sff, tuple(flows), tables[sff].groups, tables[sff].meters)
    return verify(lan.topology, lan.chains, tables)


def gone(flow: Flow) -> None:
    """The flow is not there."""


def writes(field: Field, value: int) -> Break:
    """Every write of the field writes another value."""

    def change(flow: Flow) -> Flow:
        actions = tuple(
            SetField(field, value) if isinstance(action, SetField) and action.field is field else action
            for action in flow.actions
        )
        return replace(flow, actions=actions)

    return change


def outputs(ofport: int) -> Break:
    def change(flow: Flow) -> Flow:
        actions = tuple(Output(ofport) if isinstance(action, Output) else action for action in flow.actions)
        return replace(flow, actions=actions)

    return change


def rules(violations: tuple[Violation, ...]) -> set[Rule]:
    return {violation.rule for violation in violations}


def test_a_missing_hand_off_is_a_missed_function() -> None:
    violations = broken(gilan(), "h1", Kind.HAND_OFF, gone, spi=100)
    assert {Rule.FUNCTIONS, Rule.DESTINATION} <= rules(violations)
    first = violations[0]
    assert (first.chain, first.sff, first.port) == ("web", "h1", "sub")
    assert first.flow is not None and first.flow.cookie.kind is Kind.DROP_HAND_OFF_MISS
    assert str(first).startswith("chain web: meets exactly its functions in order")


def test_a_function_passed_by_is_found() -> None:
    lan = gilan()
    assert Rule.FUNCTIONS in rules(broken(lan, "h1", Kind.CLASSIFY, writes(Field.NSH_SI, 254), spi=200))


def test_a_wrong_spi_is_found() -> None:
    assert Rule.FUNCTIONS in rules(broken(gilan(), "h1", Kind.CLASSIFY, writes(Field.NSH_SPI, 200), spi=100))


def test_a_wrong_ttl_or_context_on_the_underlay_is_found() -> None:
    for field, value in ((Field.NSH_TTL, 40), (Field.NSH_C1, 7)):
        violations = broken(gilan(), "h1", Kind.PROXY_RETURN, writes(field, value), spi=200)
        assert rules(violations) == {Rule.UNDERLAY}


def test_a_tunnel_to_nobody_and_one_to_the_wrong_host_are_found() -> None:
    for peer in ("10.99.0.77", "10.99.0.3"):
        change = writes(Field.TUN_DST, int(IPv4Address(peer)))
        violations = broken(gilan(), "h1", Kind.TO_PEER, change, spi=100)
        assert Rule.FUNCTIONS in rules(violations)


def test_a_peer_that_is_not_believed_is_found() -> None:
    assert {Rule.FUNCTIONS, Rule.DESTINATION} <= rules(broken(gilan(), "h3", Kind.TUNNEL_NSH, gone))


def test_a_wrong_exit_is_found() -> None:
    assert Rule.DESTINATION in rules(broken(gilan(), "h1", Kind.END, outputs(41), spi=200))


def test_an_answer_that_loses_its_way_is_found() -> None:
    assert rules(broken(gilan(), "h3", Kind.REVERSE_MARK, gone, spi=100)) == {Rule.MARK}
    violations = broken(gilan(), "h3", Kind.REVERSE_MISS, gone, spi=200)
    assert rules(violations) == {Rule.MISS}


@pytest.mark.parametrize(
    "kind", [Kind.DROP_FORGED_NSH, Kind.DROP_TAGGED, Kind.DROP_SPOOFED_IP, Kind.DROP_FORGED_GPE, Kind.DROP_LEG]
)
def test_the_guard_without_one_rule_still_drops_by_default_or_is_found(kind: Kind) -> None:
    violations = broken(gilan(), "h1", kind, gone)
    assert rules(violations) <= {Rule.GUARD}
    if kind in (Kind.DROP_TAGGED, Kind.DROP_FORGED_GPE):
        assert violations


def test_a_guard_that_lets_everything_of_a_port_through_is_found() -> None:
    def open_wide(flow: Flow) -> Flow:
        kept = tuple(part for part in flow.match if part.field in (Field.IN_PORT, Field.ETH_TYPE))
        return replace(flow, match=kept)

    violations = broken(gilan(), "h1", Kind.PORT_IP, open_wide)
    assert Rule.GUARD in rules(violations)
    assert any("foreign" in violation.message for violation in violations)


def test_an_oam_packet_that_reaches_an_unaware_function_is_found() -> None:
    assert rules(broken(gilan(), "h1", Kind.OAM_PASS, gone, spi=200)) == {Rule.OAM}


def test_a_plain_network_that_leads_into_a_chain_is_found() -> None:
    lan = gilan()

    def into_chain(flow: Flow) -> Flow:
        port = flow.match[0].value
        if flow.match[0].field is not Field.IN_PORT or port != 41:
            return flow
        impose = next(each for each in lan.tables["h1"].flows if each.cookie.kind is Kind.CLASSIFY)
        return replace(flow, actions=impose.actions[-10:])

    assert Rule.STRANGER in rules(broken(lan, "h1", Kind.PORT_IP, into_chain))


def test_tables_that_cannot_be_executed_are_a_violation() -> None:
    def nonsense(flow: Flow) -> Flow:
        return replace(flow, actions=(SetField(Field.NSH_SPI, 5), *flow.actions))

    assert Rule.EXECUTABLE in rules(broken(gilan(), "h1", Kind.PORT_IP, nonsense))


def test_a_violation_can_be_replayed() -> None:
    lan = gilan()
    violation = broken(lan, "h1", Kind.HAND_OFF, gone, spi=100)[0]
    assert Simulator(lan.topology, lan.tables).inject(violation.port, violation.packet).deliveries


# Classifiers in each other's way


def chains(*specs: tuple[str, int, int, Match]) -> list[Chain]:
    path = (PathGroup.of("fw"), PathGroup.of("nat"))
    return [
        Chain(name, "sub", path, (Classifier(match, priority),), order=order) for name, priority, order, match in specs
    ]


def test_overlaps_name_both_chains_the_winner_and_what_decided() -> None:
    web = Match(protocol=6, destination_port=PortRange(80, 80))
    found = overlaps(
        chains(
            ("b", 5, 0, web),
            ("a", 5, 0, Match(protocol=6)),
            ("high", 9, 3, Match(source=ip_network("10.0.0.0/8"))),
            ("later", 5, 1, Match(protocol=17)),
        )
    )
    told = {(each.winner, each.loser): (each.decided_by, each.shadows) for each in found}
    assert told == {
        ("high", "a"): (DecidedBy.PRIORITY, False),
        ("high", "b"): (DecidedBy.PRIORITY, False),
        ("high", "later"): (DecidedBy.PRIORITY, False),
        ("a", "b"): (DecidedBy.ID, True),
    }
    assert "chain a takes all of the traffic" in str(next(each for each in found if each.winner == "a"))


def test_what_no_packet_satisfies_both_is_no_overlap() -> None:
    apart = [
        (Match(protocol=6), Match(protocol=17)),
        (Match(ethertype=0x0800), Match(ethertype=0x86DD)),
        (Match(source=ip_network("10.0.0.0/8")), Match(source=ip_network("11.0.0.0/8"))),
        (Match(dscp=1), Match(dscp=2)),
        (Match(protocol=6, source_port=PortRange(1, 5)), Match(protocol=6, source_port=PortRange(6, 9))),
    ]
    assert [intersect(one, other) for one, other in apart] == [False] * len(apart)


def test_a_classifier_for_what_its_port_may_not_send_is_told() -> None:
    topology = gilan().topology
    idle = idle_classifiers(
        topology,
        chains(
            ("six", 1, 0, Match(ethertype=0x86DD)),
            ("else", 1, 0, Match(source=ip_network("172.16.0.0/12"))),
            ("mine", 1, 0, Match(source=ip_network("10.10.0.0/24"))),
        ),
    )
    assert [each.chain for each in idle] == ["six", "else"]


# More than one of each


def test_two_subscribers_on_two_hosts_share_functions_and_each_gets_its_own_answers() -> None:
    lan = gilan()
    second = Port("sub2", "h2", 2, Mac(0x021000000003), (IPv4Address("10.10.0.3"),), "access")
    topology = replace(lan.topology, ports=(*lan.topology.ports, second))
    theirs = [replace(planned.chain, id=f"{planned.chain.id}2", ingress="sub2") for planned in lan.chains]
    planned = (*lan.chains, plan_chain(topology, theirs[0], 300, 301), plan_chain(topology, theirs[1], 400, 401))
    tables = render(topology, planned)
    assert verify(topology, planned, tables) == ()
    network = Simulator(topology, tables)
    question = Ethernet(second.mac, GATEWAY, Ip(second.addresses[0], WEB_IP, Udp(40000, 53)))
    assert network.inject("sub2", question).functions == ("fw", "nat")
    (home,) = network.inject("nat-in", answer_to(question)).deliveries
    assert home.port == "sub2"
    refusal = Ip(IPv4Address("10.10.0.254"), second.addresses[0], Icmp(3, 13))
    (told,) = network.inject("fw-in", Ethernet(Mac(2), NEIGHBOUR_INGRESS, refusal)).deliveries
    assert told.port == "sub2"


def test_tenants_with_the_same_addresses_do_not_meet() -> None:
    lan = gilan()
    twin = Network("twin", 2000)
    ports = (
        Port("sub-twin", "h1", 61, SUB, lan.topology.port("sub").addresses, "twin"),
        Port("gw-twin", "h3", 62, GATEWAY, lan.topology.port("nat-in").addresses, "twin", allowed=(EVERYWHERE,)),
    )
    topology = replace(lan.topology, networks=(*lan.topology.networks, twin), ports=(*lan.topology.ports, *ports))
    chain = Chain("twin", "sub-twin", (PathGroup.of("fw"),), egress="gw-twin")
    planned = (*lan.chains, plan_chain(topology, chain, 300, 301))
    tables = render(topology, planned)
    assert verify(topology, planned, tables) == ()
    network = Simulator(topology, tables)
    question = Ethernet(SUB, GATEWAY, Ip(topology.port("sub").addresses[0], WEB_IP, Udp(40000, 53)))
    assert network.inject("sub", question).deliveries[0].port == "nat-in"
    assert network.inject("sub-twin", question).deliveries[0].port == "gw-twin"
    assert network.inject("gw-twin", answer_to(question)).deliveries[0].port == "sub-twin"
    assert network.inject("nat-in", answer_to(question)).deliveries[0].port == "sub"
    refusal = Ip(IPv4Address("10.10.0.254"), topology.port("sub").addresses[0], Icmp(3, 13))
    assert not network.inject("fw-in", Ethernet(Mac(2), NEIGHBOUR_INGRESS, refusal)).deliveries


def test_a_function_that_a_chain_meets_twice_is_told_apart_by_its_index() -> None:
    lan = gilan()
    fw, dpi, nat = (PathGroup.of(name) for name in ("fw", "dpi", "nat"))
    twice = plan_chain(lan.topology, Chain("twice", "sub", (fw, dpi, fw, dpi, nat)), 300, 301)
    assert verify(lan.topology, [twice], render(lan.topology, [twice])) == ()


def test_both_ends_of_a_chain_may_be_on_one_host_with_its_functions_elsewhere() -> None:
    lan = gilan(firewall="h2", dpi="h3", nat="h1")
    assert verify(lan.topology, lan.chains, lan.tables) == ()


def test_a_subnet_behind_the_ingress_is_served() -> None:
    lan = gilan()
    ports = tuple(
        replace(port, allowed=(ip_network("10.20.0.0/16"),)) if port.id == "sub" else port
        for port in lan.topology.ports
    )
    topology = replace(lan.topology, ports=ports)
    behind = replace(lan.web.chain, classifiers=(Classifier(Match(source=ip_network("10.20.5.0/24")), 9),))
    planned = (plan_chain(topology, behind, 100, 101), lan.other)
    assert verify(topology, planned, render(topology, planned)) == ()
