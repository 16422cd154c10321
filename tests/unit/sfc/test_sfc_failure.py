"""Functions that are down: passed by, closed, or left for the next instance, as each one's policy says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest

from sfc.change import differences
from sfc.model import Kind, Layer, Mac, OnFailure, PlannedChain, Topology, WeightedInstance
from sfc.model.flows import Flow, FlowTables
from sfc.path import choose_instances, plan_branches, plan_chain
from sfc.render import Renderer, Table, render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, answer_to
from sfc.statistics import path_counts
from sfc.verify import Prover, Rule, verify
from tests.unit.sfc.gilan import gilan
from tests.unit.sfc.spreading import FIREWALLS, firewall_of, planned, spread_chain, syn, three_firewalls
from tests.unit.sfc.traffic import tcp


def with_policy(policy: OnFailure, layer: Layer = Layer.L2) -> tuple[Topology, tuple[PlannedChain, ...]]:
    """The Gi-LAN, its firewall and dpi with this policy."""
    lan = gilan(layer)
    functions = tuple(replace(function, on_failure=policy) for function in lan.topology.functions)
    return replace(lan.topology, functions=functions), lan.chains


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("policy", OnFailure)
@pytest.mark.parametrize("down", [("fw",), ("dpi",), ("fw", "dpi")])
def test_each_policy_is_proven(layer: Layer, policy: OnFailure, down: tuple[str, ...]) -> None:
    topology, chains = with_policy(policy, layer)
    tables = render(topology, chains, down=down)
    assert verify(topology, chains, tables, down=down) == ()
    healthy = verify(topology, chains, render(topology, chains), down=down)
    assert Rule.FUNCTIONS in {violation.rule for violation in healthy}


def test_open_passes_the_function_by_in_both_directions() -> None:
    topology, chains = with_policy(OnFailure.OPEN)
    network = Simulator(topology, render(topology, chains, down=("fw",)))
    assert network.inject("sub", tcp()).functions == ("dpi", "nat")
    assert network.inject("nat-in", answer_to(tcp(), "A")).functions == ("dpi",)
    assert network.inject("sub", tcp(22)).functions == ("nat",)


@pytest.mark.parametrize("policy", [OnFailure.CLOSED, OnFailure.NEXT])
def test_closed_drops_and_counts_at_the_function(policy: OnFailure) -> None:
    topology, chains = with_policy(policy)
    network = Simulator(topology, render(topology, chains, down=("dpi",)))
    walk = network.inject("sub", tcp())
    assert walk.functions == ("fw",)
    (drop,) = walk.drops
    assert drop.reason is Kind.DROP_FAILED and drop.sff == "h2"
    assert drop.flow is not None and network.packets("h2", drop.flow.cookie.encode()) == 1
    assert network.inject("sub", tcp(22)).functions == ("fw", "nat")


def test_a_failure_changes_one_rule_per_path_and_direction_on_one_bridge() -> None:
    for policy in OnFailure:
        topology, chains = with_policy(policy)
        changes = differences(render(topology, chains), render(topology, chains, down=("dpi",)))
        assert set(changes) == {"h2"}
        assert len(changes["h2"].add) == 2 and not changes["h2"].delete


def test_what_is_inside_the_function_when_it_comes_back_goes_on() -> None:
    topology, chains = with_policy(OnFailure.CLOSED)
    tables, healthy = render(topology, chains, down=("fw",)), render(topology, chains)
    returns = {flow.key for flow in healthy["h1"].flows if flow.cookie.kind is Kind.PROXY_RETURN}
    assert returns <= {flow.key for flow in tables["h1"].flows}


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("down", [("fw",), ("fw2",), ("fw", "fw3"), FIREWALLS])
def test_the_next_instances_take_over_and_that_is_proven(layer: Layer, down: tuple[str, ...]) -> None:
    topology = three_firewalls(layer)
    chains = planned(topology, spread_chain((2, 1, 1)))
    tables = render(topology, chains, down=down)
    assert verify(topology, chains, tables, down=down) == ()
    if len(down) < len(FIREWALLS):
        assert Rule.BRANCH in {each.rule for each in verify(topology, chains, render(topology, chains), down=down)}


def moved(topology: Topology, chains: tuple[PlannedChain, ...], before: Simulator, *down: str) -> Simulator:
    network = Simulator(topology, render(topology, chains, down=down))
    for name, bridge in network.bridges.items():
        bridge.connections = before.bridges[name].connections
    return network


def test_connections_of_a_dead_instance_move_and_all_others_stay() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain())
    network = Simulator(topology, render(topology, chains))
    met = {own: firewall_of(network, syn(own)) for own in range(40000, 40060)}
    network = moved(topology, chains, network, "fw2")
    for own, name in met.items():
        now = firewall_of(network, syn(own, flags="A"))
        assert now == name if name != "fw2" else now in ("fw", "fw3")
        assert firewall_of(network, answer_to(syn(own), "A"), "nat-in") == now
    assert {"fw", "fw3"} == set(Counter(firewall_of(network, syn(own)) for own in range(50000, 50040)))


def test_an_answer_of_a_dead_instances_connection_finds_where_it_will_move() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain())
    network = Simulator(topology, render(topology, chains))
    own = next(own for own in range(40000, 41000) if firewall_of(network, syn(own)) == "fw2")
    network = moved(topology, chains, network, "fw2")
    first = firewall_of(network, answer_to(syn(own), "A"), "nat-in")
    assert first == firewall_of(network, syn(own, flags="A"))


def test_connections_that_moved_stay_when_the_instance_comes_back() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain())
    network = Simulator(topology, render(topology, chains))
    owns = range(40000, 40060)
    for own in owns:
        network.inject("sub", syn(own))
    network = moved(topology, chains, network, "fw2")
    met = {own: firewall_of(network, syn(own, flags="A")) for own in owns}
    network = moved(topology, chains, network)
    assert {own: firewall_of(network, syn(own, flags="A")) for own in owns} == met
    assert "fw2" in {firewall_of(network, syn(own)) for own in range(50000, 50060)}


@pytest.mark.parametrize("policy", [OnFailure.CLOSED, OnFailure.OPEN])
def test_a_branch_whose_policy_is_not_next_keeps_its_connections(policy: OnFailure) -> None:
    topology = three_firewalls(on_failure=policy)
    chains = planned(topology, spread_chain())
    tables = render(topology, chains, down=("fw2",))
    assert verify(topology, chains, tables, down=("fw2",)) == ()
    network = Simulator(topology, tables)
    walks = [network.inject("sub", syn(own)) for own in range(40000, 40060)]
    if policy is OnFailure.OPEN:
        assert {walk.functions for walk in walks} == {("fw", "dpi", "nat"), ("fw3", "dpi", "nat"), ("dpi", "nat")}
    else:
        assert {walk.functions for walk in walks} == {("fw", "dpi", "nat"), ("fw3", "dpi", "nat"), ()}


def test_a_new_plan_avoids_what_is_down_where_it_can() -> None:
    topology = three_firewalls()
    either = replace(spread_chain(), path=(replace(spread_chain().path[0], spread=False), *spread_chain().path[1:]))
    assert choose_instances(topology, either)[0].id == "fw"
    assert choose_instances(topology, either, down=("fw",))[0].id == "fw2"
    assert plan_chain(topology, either, 1, 2, down=FIREWALLS).forward.functions[0] in FIREWALLS
    three = plan_branches(topology, spread_chain(), [(1, 2), (3, 4), (5, 6)], down=("fw",))
    assert [branch.forward.functions[0] for branch in three] == list(FIREWALLS)


def test_a_prover_makes_only_the_checks_again_that_a_failure_touches() -> None:
    topology, chains = with_policy(OnFailure.OPEN)
    renderer, prover = Renderer(), Prover()
    prover.prove(topology, chains, renderer.render(topology, chains))
    proof = prover.prove(topology, chains, renderer.render(topology, chains, down=("dpi",)), down=("dpi",))
    assert proof.violations == () and 0 < proof.walked < proof.packets / 2


def test_a_failure_that_the_tables_do_not_know_is_found() -> None:
    topology, chains = with_policy(OnFailure.CLOSED)
    found = verify(topology, chains, render(topology, chains), down=("fw",))
    assert Rule.FAILURE in {violation.rule for violation in found}
    assert all(isinstance(violation.packet, Ethernet) for violation in found)


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("leg", [11, 12])
def test_a_leg_without_carrier_is_passed_by_at_once_where_the_policy_is_open(layer: Layer, leg: int) -> None:
    topology, chains = with_policy(OnFailure.OPEN, layer)
    network = Simulator(topology, render(topology, chains), down_ports={"h1": frozenset({leg})})
    assert network.inject("sub", tcp()).functions == ("dpi", "nat")
    assert network.inject("nat-in", answer_to(tcp(), "A")).functions == ("dpi",)


def with_a_second(name: str, layer: Layer = Layer.L2) -> tuple[Topology, PlannedChain]:
    """The Gi-LAN with another instance of a function behind the same bridge, which is the next of its group."""
    topology, (chain, *_) = with_policy(OnFailure.NEXT, layer)
    first = topology.function(name)
    legs = {leg: replace(topology.port(leg), id=f"{leg}-b", ofport=80 + n) for n, leg in enumerate(first.legs(True))}
    second = replace(first, id="second", ingress=f"{first.ingress}-b", egress=first.egress and f"{first.egress}-b")
    ports = (*topology.ports, *(replace(port, mac=Mac(int(port.mac) + 0x100)) for port in legs.values()))
    topology = replace(topology, ports=ports, functions=(*topology.functions, second))
    spare = (WeightedInstance(name), WeightedInstance("second", 0))
    path = tuple(replace(each, instances=spare) if each.name == name else each for each in chain.chain.path)
    return topology, plan_chain(topology, replace(chain.chain, path=path), 100, 101)


@pytest.mark.parametrize(
    ("name", "host", "leg", "met"),
    [
        ("fw", "h1", 11, ("second", "dpi", "nat")),
        ("fw", "h1", 12, ("second", "dpi", "nat")),
        ("dpi", "h2", 21, ("fw", "second", "nat")),
    ],
)
def test_the_bridge_itself_gives_packets_to_the_next_instance_when_a_leg_loses_its_carrier(
    name: str, host: str, leg: int, met: tuple[str, ...]
) -> None:
    topology, chain = with_a_second(name)
    tables = render(topology, (chain,))
    assert verify(topology, (chain,), tables) == ()
    assert "second" not in Simulator(topology, tables).inject("sub", tcp()).functions
    network = Simulator(topology, tables, down_ports={host: frozenset({leg})})
    walk = network.inject("sub", tcp())
    assert walk.functions == met and not walk.drops
    assert network.inject("nat-in", answer_to(tcp(), "A")).functions == met[-2::-1]
    flows = {host: [(*each, 64) for each in counted(network, tables, host)] for host in tables}
    (there, _) = path_counts((chain,), flows)
    (hop,) = (hop for hop in there.hops if hop.function == name)
    assert hop.handed.packets == hop.back.packets == 1


@pytest.mark.parametrize("policy", [OnFailure.OPEN, OnFailure.NEXT])
@pytest.mark.parametrize("gone", [Kind.FAIL_OPEN, Kind.STAND_IN, Kind.STAND_IN_BACK, Kind.TO_STAND_IN])
def test_a_proof_looks_at_what_a_bridge_does_without_carrier(policy: OnFailure, gone: Kind) -> None:
    topology, chain = with_a_second("fw")
    topology = replace(topology, functions=tuple(replace(each, on_failure=policy) for each in topology.functions))
    tables = render(topology, (chain,))
    assert verify(topology, (chain,), tables) == ()
    flows = tuple(flow for flow in tables["h1"].flows if flow.cookie.kind is not gone)
    found = verify(topology, (chain,), {**tables, "h1": replace(tables["h1"], flows=flows)})
    told = {violation.rule for violation in found}
    assert (Rule.FAILURE in told) == ((gone is Kind.FAIL_OPEN) == (policy is OnFailure.OPEN))


def counted(network: Simulator, tables: Mapping[str, FlowTables], host: str) -> Iterator[tuple[int, int]]:
    cookies = {flow.cookie.encode() for flow in tables[host].flows}
    return ((cookie, network.packets(host, cookie)) for cookie in sorted(cookies))


def test_a_next_instance_elsewhere_or_behind_a_mark_is_left_to_who_programs_the_bridges() -> None:
    topology, chain = with_a_second("fw", Layer.L3)
    assert Table.STAND_IN not in {each.table for each in added(topology, chain)}
    chains = planned(three_firewalls(), spread_chain())
    assert Table.STAND_IN not in {each.table for each in added(three_firewalls(), *chains)}
    topology, chain = with_a_second("fw")
    assert Table.STAND_IN in {each.table for each in added(topology, chain)}


def added(topology: Topology, *chains: PlannedChain) -> list[Flow]:
    """Flows that are there for the chains."""
    gained = differences(render(topology), render(topology, chains))
    return [each for change in gained.values() for each in change.add]


def test_what_a_change_says_of_groups_leads_from_one_set_to_the_other() -> None:
    topology, chains = with_policy(OnFailure.OPEN)
    empty, full = render(topology), render(topology, chains)
    gained, lost = differences(empty, full), differences(full, empty)
    assert {group.id for group in gained["h1"].set_groups} == {22, 23, 24, 25} and not gained["h1"].delete_groups
    assert lost["h1"].delete_groups == full["h1"].groups and not lost["h1"].set_groups
