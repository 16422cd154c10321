"""Counters of flows as counts of chains, hops, drops and connections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sfc.model import Direction, Field, Kind, OnFailure
from sfc.render import render
from sfc.simulator import Simulator
from sfc.simulator.packets import answer_to
from sfc.statistics import PORT_DROPS, Count, DropCount, active_connections, drop_counts, drops_at_ports, path_counts
from tests.unit.sfc.gilan import GATEWAY, gilan
from tests.unit.sfc.spreading import planned, spread_chain, syn, three_firewalls
from tests.unit.sfc.traffic import tcp


def counters(network: Simulator) -> Mapping[str, list[tuple[int, int, int]]]:
    """As switches count, every packet being 100 octets long."""
    return {
        sff: [(cookie, packets, packets * 100) for cookie, packets in bridge.packets.items()]
        for sff, bridge in network.bridges.items()
    }


def test_each_hop_of_each_direction_is_counted() -> None:
    lan = gilan()
    network = Simulator(lan.topology, lan.tables)
    for _ in range(3):
        network.inject("sub", tcp())
    network.inject("nat-in", answer_to(tcp(), "A"))
    forward, reverse, *others = path_counts(lan.chains, counters(network))
    assert (forward.chain, forward.direction, forward.spi) == ("web", Direction.FORWARD, 100)
    assert forward.entered == Count(3, 300) == forward.left
    assert [(hop.function, hop.handed, hop.back) for hop in forward.hops] == [
        ("fw", Count(3, 300), Count(3, 300)),
        ("dpi", Count(3, 300), Count(3, 300)),
    ]
    assert reverse.entered == reverse.left == Count(1, 100)
    assert [hop.handed.packets for hop in reverse.hops] == [1, 1]
    assert all(other.entered == Count() for other in others)


def test_what_a_function_keeps_shows_between_handed_and_back() -> None:
    lan = gilan()

    class Wall:
        def receive(self, port: str, packet: object) -> tuple[()]:
            return ()

    network = Simulator(lan.topology, lan.tables, {"fw": Wall()})
    network.inject("sub", tcp())
    forward = path_counts(lan.chains, counters(network))[0]
    assert (forward.hops[0].handed.packets, forward.hops[0].back.packets, forward.left.packets) == (1, 0, 0)


def test_what_passes_by_or_ends_at_a_function_that_is_down_is_told() -> None:
    lan = gilan()
    for policy, name in ((OnFailure.OPEN, "passed_by"), (OnFailure.CLOSED, "dropped")):
        functions = tuple(replace(each, on_failure=policy) for each in lan.topology.functions)
        topology = replace(lan.topology, functions=functions)
        network = Simulator(topology, render(topology, lan.chains, down=("dpi",)))
        network.inject("sub", tcp())
        hop = path_counts(lan.chains, counters(network))[0].hops[1]
        assert getattr(hop, name).packets == 1 and hop.handed.packets == 0


def test_drops_are_told_by_reason() -> None:
    lan = gilan()
    network = Simulator(lan.topology, lan.tables)
    for _ in range(2):
        network.inject("sub", replace(tcp(), source=GATEWAY))
    found = {**counters(network), "h9": [(0xFF << 56 | 1, 5, 500)]}
    assert drop_counts(found) == (DropCount("h1", Kind.DROP_SPOOFED_IP, 2, 200),)


def test_drops_of_what_a_port_sent_are_told_by_port() -> None:
    lan = gilan()
    network = Simulator(lan.topology, lan.tables)
    network.inject("sub", replace(tcp(), source=GATEWAY))
    network.inject("fw-out", tcp())
    ingress, leg = lan.topology.port("sub"), lan.topology.port("fw-out")
    assert drops_at_ports(counters(network)) == {
        (ingress.sff, ingress.ofport): (DropCount(ingress.sff, Kind.DROP_SPOOFED_IP, 1, 100),),
        (leg.sff, leg.ofport): (DropCount(leg.sff, Kind.DROP_LEG, 1, 100),),
    }


def test_the_cookie_of_a_drop_at_a_port_names_the_port_that_it_matches() -> None:
    lan = gilan()
    drops = [
        (cookie, flow)
        for tables in lan.tables.values()
        for flow in tables.flows
        if (cookie := flow.cookie).kind in PORT_DROPS and cookie.chain
    ]
    assert {cookie.kind for cookie, _ in drops} >= {Kind.DROP_LEG, Kind.DROP_SPOOFED_IP, Kind.DROP_NOT_ALLOWED}
    for cookie, flow in drops:
        assert [field.value for field in flow.match if field.field is Field.IN_PORT] == [cookie.chain], flow


def test_branches_of_a_spread_chain_are_counted_apart() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain((1, 1, 1)))
    network = Simulator(topology, render(topology, chains))
    for own in range(40000, 40030):
        network.inject("sub", syn(own))
    found = [path for path in path_counts(chains, counters(network)) if path.direction is Direction.FORWARD]
    assert sum(path.entered.packets for path in found) == 30
    assert all(path.entered == path.left == path.hops[0].handed for path in found)
    assert all(path.entered.packets for path in found)


def test_connections_are_those_of_the_functions_on_their_branch() -> None:
    lan = gilan()
    marks = {"h3": {31: {100: 5, 200: 2}}, "h1": {1: {100: 99}}}
    assert active_connections(lan.topology, lan.chains, marks) == {"fw": 7, "dpi": 5, "nat": 7}
    one_way = gilan(symmetric=False)
    assert active_connections(one_way.topology, one_way.chains, marks) == {}
