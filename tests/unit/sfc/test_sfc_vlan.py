"""Chains by VLAN: a trunk's tag is taken off before the chain and put back where packets leave by a trunk."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest

from sfc.classifier import idle_classifiers, overlaps
from sfc.errors import ModelError, RenderError
from sfc.model import (
    Awareness,
    Chain,
    Classifier,
    Field,
    FlowTables,
    Kind,
    Layer,
    Mac,
    Match,
    PathGroup,
    Port,
    PortRange,
    PortRole,
    ServiceFunction,
    Topology,
)
from sfc.path import plan_branches, plan_chain
from sfc.render import render
from sfc.simulator import Simulator
from sfc.simulator.packets import Arp, Ethernet, Fragment, Ip, Tcp, Udp, Vlan, answer_to
from sfc.verify import verify
from tests.unit.sfc.gilan import GATEWAY, SUB, WEB_IP, GiLan, gilan

TAGGED_IP = IPv4Address("10.20.0.2")
SERVER = Mac.parse("02:33:00:00:00:01")
SERVER_IP = IPv4Address("10.10.0.9")
IN_VLAN = Match(vlan=10, source=ip_network("10.20.0.0/24"), protocol=6, destination_port=PortRange(80, 81))
WITHOUT = Match(source=ip_network("10.10.0.0/24"))


def trunked(layer: Layer = Layer.L2, web: Match = IN_VLAN, egress: str | None = None, **function: object) -> GiLan:
    """The Gi-LAN with a trunk at its subscriber, who has addresses of its own in VLAN 10, and a server with a trunk."""
    lan = gilan(layer)
    ports = tuple(_trunk(port) if port.id == "sub" else port for port in lan.topology.ports)
    server = Port("server", "h2", 51, SERVER, (SERVER_IP,), "access", trunk=True)
    functions = tuple(
        replace(each, **function) if each.id == "fw" else each  # type: ignore[arg-type]
        for each in lan.topology.functions
    )
    topology = replace(lan.topology, ports=(*ports, server), functions=functions)
    path = lan.web.chain.path if egress is None else lan.web.chain.path[:-1]
    chains = (
        replace(lan.web.chain, classifiers=(Classifier(web, 10),), path=path, egress=egress),
        replace(lan.other.chain, classifiers=(Classifier(WITHOUT),)),
    )
    spis = ((100, 101), (200, 201))
    planned = tuple(plan_chain(topology, chain, *spi) for chain, spi in zip(chains, spis, strict=True))
    return GiLan(topology, planned)


def _trunk(port: Port) -> Port:
    return replace(port, trunk=True, addresses=(*port.addresses, TAGGED_IP))


def packet(*tags: Vlan, source: IPv4Address = TAGGED_IP, to_port: int = 80, to_mac: Mac = GATEWAY) -> Ethernet:
    return Ethernet(SUB, to_mac, Ip(source, WEB_IP, Tcp(40000, to_port, "S")), tags)


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_chains_of_a_vlan_are_proven(layer: Layer) -> None:
    for egress in (None, "server"):
        lan = trunked(layer, egress=egress)
        assert verify(lan.topology, lan.chains, lan.tables) == ()
    in_vlans = trunked(awareness=Awareness.VLAN, own_address=None)
    assert verify(in_vlans.topology, in_vlans.chains, in_vlans.tables) == ()


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_functions_see_no_tag_and_answers_get_it_again(layer: Layer) -> None:
    lan = trunked(layer)
    network = Simulator(lan.topology, lan.tables)
    trace = network.inject("sub", packet(Vlan(10, pcp=5)))
    assert trace.functions == ("fw", "dpi", "nat")
    at_nat = trace.visits[-1].packet
    assert isinstance(at_nat, Ethernet) and at_nat.vlans == ()
    back = network.inject("nat-in", replace(answer_to(packet()), source=GATEWAY))
    assert back.functions == ("dpi", "fw") and Kind.REVERSE_MARK in back.kinds
    (left,) = back.deliveries
    assert left.port == "sub" and isinstance(left.packet, Ethernet) and left.packet.vlans == (Vlan(10),)


def test_without_marks_answers_find_their_vlan_by_its_addresses() -> None:
    lan = trunked()
    network = Simulator(lan.topology, lan.tables)
    for source, vlans, functions in ((TAGGED_IP, (Vlan(10),), ("dpi", "fw")), (IPv4Address("10.10.0.2"), (), ("fw",))):
        answer = Ethernet(GATEWAY, SUB, Ip(WEB_IP, source, Tcp(80, 40000, "A")))
        trace = network.inject("nat-in", answer)
        (left,) = trace.deliveries
        assert trace.functions == functions and isinstance(left.packet, Ethernet) and left.packet.vlans == vlans


def test_at_a_trunk_the_tag_comes_back_with_the_priority_that_was_asked_for() -> None:
    lan = trunked(web=replace(IN_VLAN, vlan_priority=5), egress="server")
    assert verify(lan.topology, lan.chains, lan.tables) == ()
    network = Simulator(lan.topology, lan.tables)
    there = network.inject("sub", packet(Vlan(10, pcp=5), to_mac=SERVER))
    (left,) = there.deliveries
    assert left.port == "server" and isinstance(left.packet, Ethernet) and left.packet.vlans == (Vlan(10, pcp=5),)
    other_priority = network.inject("sub", packet(Vlan(10, pcp=4), to_mac=SERVER))
    assert other_priority.functions == () and [each.port for each in other_priority.deliveries] == ["server"]


def test_another_vlan_another_port_and_no_vlan_do_not_enter() -> None:
    lan = trunked()
    network = Simulator(lan.topology, lan.tables)
    assert network.inject("sub", packet(Vlan(11))).functions == ()
    assert network.inject("sub", packet(Vlan(10), to_port=82)).functions == ()
    assert network.inject("sub", packet()).functions == ("nat",)  # the plain way
    assert network.inject("sub", packet(source=IPv4Address("10.10.0.2"))).functions == ("fw", "nat")
    assert network.inject("sub", packet(Vlan(10), source=IPv4Address("10.10.0.2"))).functions == ()


def test_plain_tagged_frames_go_to_trunks_only() -> None:
    lan = trunked()
    network = Simulator(lan.topology, lan.tables)
    (left,) = network.inject("sub", packet(Vlan(7, pcp=3), to_mac=SERVER)).deliveries
    assert left.port == "server" and isinstance(left.packet, Ethernet) and left.packet.vlans == (Vlan(7, pcp=3),)
    to_nat = network.inject("sub", packet(Vlan(7)))
    assert to_nat.deliveries == () and [drop.reason for drop in to_nat.drops] == [Kind.DROP_L2_TAGGED]


def test_arp_is_answered_in_its_vlan() -> None:
    lan = trunked()
    asked = Arp(1, SUB, int(TAGGED_IP), Mac(0), int(SERVER_IP))
    trace = Simulator(lan.topology, lan.tables).inject("sub", Ethernet(SUB, Mac(0xFFFFFFFFFFFF), asked, (Vlan(10),)))
    (left,) = trace.deliveries
    assert left.port == "sub" and isinstance(left.packet, Ethernet) and left.packet.vlans == (Vlan(10),)


@pytest.mark.parametrize("tags", [(Vlan(10), Vlan(10)), (Vlan(10, tpid=0x88A8), Vlan(20)), (Vlan(0), Vlan(10))])
def test_two_tags_are_dropped_at_a_trunk_too(tags: tuple[Vlan, ...]) -> None:
    lan = trunked()
    trace = Simulator(lan.topology, lan.tables).inject("sub", packet(*tags))
    assert [drop.reason for drop in trace.drops] == [Kind.DROP_TAGGED] and len(trace.rules) == 1


def test_what_is_no_trunk_is_told_which_chain_and_port() -> None:
    lan = trunked()
    plain = replace(lan.topology, ports=tuple(replace(port, trunk=False) for port in lan.topology.ports))
    with pytest.raises(RenderError, match="chain web takes packets of VLAN 10, but its ingress sub") as refused:
        render(plain, lan.chains)
    assert refused.value.code == "VLAN_MATCH"
    assert [idle.chain for idle in idle_classifiers(plain, (lan.web.chain,))] == ["web"]
    assert idle_classifiers(lan.topology, (lan.web.chain,)) == ()


def test_tagged_and_untagged_traffic_never_overlap() -> None:
    chains = [
        Chain(name, "sub", (PathGroup.of("fw"),), (Classifier(match),), order=order)
        for order, (name, match) in enumerate(
            {
                "ten": Match(vlan=10, protocol=6),
                "none": Match(protocol=6),
                "urgent": Match(vlan=10, vlan_priority=7),
                "eleven": Match(vlan=11),
            }.items()
        )
    ]
    (found,) = overlaps(chains)
    assert (found.winner, found.loser, found.shadows) == ("ten", "urgent", False)


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_vlans_that_only_connections_could_tell_apart_are_refused(layer: Layer) -> None:
    lan = trunked(layer, web=replace(IN_VLAN, source=None))
    with pytest.raises(RenderError, match=r"chain web \(VLAN 10\) and chain other \(no VLAN\)") as refused:
        render(lan.topology, lan.chains)
    assert refused.value.code == "VLAN_ALIKE"


def test_a_chain_has_one_vlan() -> None:
    with pytest.raises(ModelError, match="several VLANs: none, 10") as refused:
        Chain("mixed", "sub", (PathGroup.of("fw"),), (Classifier(Match(vlan=10)), Classifier(Match(protocol=6))))
    assert refused.value.code == "VLAN_MIXED"
    with pytest.raises(ModelError, match="needs its VLAN"):
        Match(vlan_priority=3)
    with pytest.raises(ModelError, match="leave vlan out"):
        Chain("later", "sub", (PathGroup.of("fw"),), (Classifier(Match(vlan=10)),), after=("first",))
    with pytest.raises(ModelError, match="function's leg"):
        Port("leg", "h1", 5, SUB, role=PortRole.SF, trunk=True)


def test_a_chain_that_another_follows_has_no_vlan() -> None:
    lan = trunked(egress="server")
    follower = Chain("next", "sub", (PathGroup.of("dpi"),), egress="server", after=("web",), symmetric=True)
    with pytest.raises(RenderError, match="follows web, which takes packets of VLAN 10") as refused:
        render(lan.topology, (*lan.chains, plan_chain(lan.topology, follower, 300, 301, begins_at="h2")))
    assert refused.value.code == "VLAN_GRAPH"


def test_later_fragments_follow_their_connection_in_their_own_vlan() -> None:
    lan = trunked(web=replace(IN_VLAN, protocol=17))
    assert verify(lan.topology, lan.chains, lan.tables) == ()
    network = Simulator(lan.topology, lan.tables)
    whole = Ip(TAGGED_IP, WEB_IP, Udp(40000, 80))
    assert network.inject("sub", Ethernet(SUB, GATEWAY, whole, (Vlan(10),))).functions == ("fw", "dpi", "nat")
    later = replace(whole, fragment=Fragment.LATER)
    assert network.inject("sub", Ethernet(SUB, GATEWAY, later, (Vlan(10),))).functions == ("fw", "dpi", "nat")
    assert network.inject("sub", Ethernet(SUB, GATEWAY, later, (Vlan(11),))).functions == ()


def test_a_chain_of_a_vlan_spreads() -> None:
    lan = trunked()
    twin = (
        Port("fw2-in", "h2", 61, Mac(0x026100000001), role=PortRole.SF),
        Port("fw2-out", "h2", 62, Mac(0x026100000002), role=PortRole.SF),
    )
    functions = (*lan.topology.functions, ServiceFunction("fw2", "firewall", "fw2-in", "fw2-out"))
    topology = Topology(lan.topology.sffs, lan.topology.networks, (*lan.topology.ports, *twin), functions)
    group = PathGroup.of("firewall", "fw", "fw2", spread=True)
    chain = replace(lan.web.chain, path=(group, *lan.web.chain.path[1:]))
    branches = plan_branches(topology, chain, ((500, 501), (502, 503)))
    assert verify(topology, (*branches, lan.other), render(topology, (*branches, lan.other))) == ()


@pytest.mark.parametrize("table", [1, 31, 30])
def test_a_rule_that_forgets_the_vlan_is_found(table: int) -> None:
    lan = trunked(egress="server")
    tables = dict(lan.tables)
    found = False
    for name, before in lan.tables.items():
        flows = []
        for flow in before.flows:
            match = tuple(part for part in flow.match if part.field is not Field.VLAN_TCI)
            actions = tuple(action for action in flow.actions if "vlan" not in str(action))
            if flow.table == table and (match, actions) != (flow.match, flow.actions):
                found, flow = True, replace(flow, actions=actions)
            flows.append(flow)
        tables[name] = FlowTables(name, tuple(flows), before.groups, before.meters)
    assert found
    violations = verify(lan.topology, lan.chains, tables)
    assert violations and all(violation.flow is not None for violation in violations)
