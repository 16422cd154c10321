"""Chains that spread their connections over several instances of a function."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from sfc.change import make_before_break, respread
from sfc.errors import ModelError, PathError
from sfc.model import (
    Classifier,
    Flow,
    FlowTables,
    Kind,
    Layer,
    Match,
    OnMiss,
    PathGroup,
    PlannedChain,
    PortRange,
    SpiPool,
    Topology,
    WeightedInstance,
)
from sfc.path import branches, plan_branches, plan_chain, plan_chains
from sfc.render import Renderer, render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Fragment, Icmp, Ip, Udp, answer_to
from sfc.verify import Prover, Rule, Violation, verify
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, gilan
from tests.unit.sfc.spreading import FIREWALLS, firewall_of, planned, spread_chain, syn, three_firewalls


def simulator(topology: Topology, chains: tuple[PlannedChain, ...]) -> Simulator:
    return Simulator(topology, render(topology, chains))


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_chain_that_spreads_is_proven(layer: Layer, symmetric: bool) -> None:
    topology = three_firewalls(layer)
    chain = spread_chain(symmetric=symmetric)
    chains = plan_branches(topology, chain, [(100 + 2 * n, 101 + 2 * n if symmetric else None) for n in range(3)])
    assert verify(topology, chains, render(topology, chains)) == ()


def test_connections_are_spread_by_weight_and_each_stays_on_its_instance() -> None:
    topology = three_firewalls()
    network = simulator(topology, planned(topology, spread_chain((2, 1, 1))))
    met = {own: firewall_of(network, syn(own)) for own in range(30000, 30400)}
    counts = Counter(met.values())
    assert set(counts) == set(FIREWALLS)
    assert 160 < counts["fw"] < 240 and 60 < counts["fw2"] < 140
    assert all(firewall_of(network, syn(own, flags="A")) == name for own, name in met.items())


def test_answers_meet_the_instance_of_their_question_with_and_without_marks() -> None:
    topology = three_firewalls()
    network = simulator(topology, planned(topology, spread_chain((3, 2, 1))))
    for own in range(40000, 40060):
        question = syn(own)
        expected = firewall_of(network, question)
        answer = answer_to(question, "A")
        assert firewall_of(network, answer, "nat-in") == expected
        for host in ("h1", "h2", "h3"):
            network.restart(host)
        assert firewall_of(network, answer, "nat-in") == expected
        assert firewall_of(network, syn(own, flags="A")) == expected


def test_echo_requests_and_replies_meet_the_same_instance() -> None:
    topology = three_firewalls()
    network = simulator(topology, planned(topology, spread_chain()))
    met = set()
    for host in range(1, 40):
        ping = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP + host, Icmp(8, 0, 7)))
        met.add(firewall_of(network, ping))
        assert firewall_of(network, answer_to(ping), "nat-in") == firewall_of(network, ping)
    assert met == set(FIREWALLS)


def test_fragments_and_icmp_errors_follow_their_connection() -> None:
    topology = three_firewalls()
    network = simulator(topology, planned(topology, spread_chain()))
    for own in range(40000, 40020):
        udp = Ip(SUB_IP, WEB_IP, Udp(own, 5000))
        expected = firewall_of(network, Ethernet(SUB, GATEWAY, udp))
        for part in (Fragment.FIRST, Fragment.LATER):
            assert firewall_of(network, Ethernet(SUB, GATEWAY, replace(udp, fragment=part))) == expected
        answer = answer_to(Ethernet(SUB, GATEWAY, udp)).payload
        assert isinstance(answer, Ip)
        error = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=answer)))
        assert firewall_of(network, error) == expected


def test_both_halves_of_a_connections_first_datagram_meet_one_instance() -> None:
    topology = three_firewalls()
    met = set()
    for host in range(1, 30):
        network = simulator(topology, planned(topology, spread_chain()))
        ip = Ip(SUB_IP, WEB_IP + host, Udp(40000, 5000))
        halves = [Ethernet(SUB, GATEWAY, replace(ip, fragment=part)) for part in (Fragment.FIRST, Fragment.LATER)]
        (firewall,) = {firewall_of(network, half) for half in halves}
        met.add(firewall)
        assert firewall_of(network, Ethernet(SUB, GATEWAY, ip)) == firewall
    assert met == set(FIREWALLS)


def test_an_icmp_error_about_nothing_known_takes_no_mark() -> None:
    topology = three_firewalls()
    network = simulator(topology, planned(topology, spread_chain()))
    error = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=Ip(WEB_IP, SUB_IP, Udp(5, 6)))))
    assert Kind.SPREAD_SHARE_ERROR in network.inject("sub", error).kinds


def test_a_chain_chosen_by_ports_spreads_too_and_remembers_its_fragments() -> None:
    topology = three_firewalls()
    web = spread_chain(classifiers=(Classifier(Match(protocol=17, destination_port=PortRange(5000, 5001)), 9),))
    other = replace(gilan().other.chain, path=(PathGroup.of("fw"), PathGroup.of("nat")))
    chains = (*planned(topology, web), plan_chain(topology, other, 200, 201))
    assert verify(topology, chains, render(topology, chains)) == ()
    network = simulator(topology, chains)
    udp = Ip(SUB_IP, WEB_IP, Udp(40000, 5000))
    expected = network.inject("sub", Ethernet(SUB, GATEWAY, udp)).functions
    later = Ethernet(SUB, GATEWAY, replace(udp, fragment=Fragment.LATER))
    assert network.inject("sub", later).functions == expected
    assert len(expected) == 3
    assert network.inject("sub", Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(1, 2)))).functions == ("fw", "nat")


def test_two_groups_that_spread_make_a_branch_of_each_combination() -> None:
    group = PathGroup("a", (WeightedInstance("fw", 3), WeightedInstance("fw2", 2)), spread=True)
    other = PathGroup("b", (WeightedInstance("fw3", 5), WeightedInstance("dpi", 0)), spread=True)
    both = PathGroup("b", (WeightedInstance("fw3", 5), WeightedInstance("dpi", 7)), spread=True)
    chain = spread_chain()
    found = branches(replace(chain, path=(group, other, PathGroup.of("nat"))))
    assert [weight for _, weight in found] == [15, 10]
    found = branches(replace(chain, path=(group, both, PathGroup.of("nat"))))
    assert [(path.path[0].instances[0].function, path.path[1].instances[0].function, w) for path, w in found] == [
        ("fw", "fw3", 15),
        ("fw", "dpi", 21),
        ("fw2", "fw3", 10),
        ("fw2", "dpi", 14),
    ]


def test_plan_chains_gives_every_branch_its_own_identifiers() -> None:
    topology = three_firewalls()
    chains, pool = plan_chains(topology, [spread_chain((1, 1, 1)), gilan().other.chain], SpiPool(500, 599))
    assert [[rsp.spi for rsp in each.rsps] for each in chains] == [[500, 501], [502, 503], [504, 505], [506, 507]]
    assert [each.share for each in chains] == [1, 1, 1, None]
    assert pool.used == set(range(500, 508))
    assert verify(topology, chains, render(topology, chains)) == ()


def test_an_instance_of_weight_zero_gets_nothing_unless_all_have_none() -> None:
    topology = three_firewalls()
    assert [each.forward.functions[0] for each in planned(topology, spread_chain((1, 0, 1)))] == ["fw", "fw3"]
    assert [each.share for each in planned(topology, spread_chain((0, 0, 0)))] == [1, 1, 1]


def test_very_different_weights_are_scaled_and_nobody_is_left_out() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain((1000, 999, 1)))
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    shares = {flow.cookie.chain for flow in tables["h1"].flows if flow.cookie.kind is Kind.SPREAD_SHARE}
    assert shares == {100, 102, 104}
    network = Simulator(topology, tables)
    counts = Counter(firewall_of(network, syn(own)) for own in range(30000, 31000))
    assert counts["fw"] > 300 and counts["fw2"] > 300 and counts["fw3"] < 60


def test_what_cannot_be_spread_is_refused() -> None:
    topology = three_firewalls()
    wide = PathGroup("wide", tuple(WeightedInstance(f"f{n}") for n in range(65)), spread=True)
    ends = PathGroup("ends", (WeightedInstance("fw"), WeightedInstance("nat")), spread=True)
    chain = spread_chain()
    for refused, code in (
        (lambda: plan_chain(topology, chain, 1, 2), "SPREAD"),
        (lambda: branches(replace(chain, path=(wide,))), "SPREAD_WIDE"),
        (lambda: plan_branches(topology, chain, [(1, 2)]), "SPREAD_SPIS"),
        (lambda: plan_branches(topology, replace(chain, path=(ends,)), [(1, 2), (3, 4)]), "NO_END"),
    ):
        with pytest.raises(PathError) as error:
            refused()
        assert error.value.code == code
    with pytest.raises(ModelError):
        replace(planned(topology, chain)[0], share=-1)


def test_the_function_at_the_end_cannot_be_spread() -> None:
    lan = gilan()
    twin = replace(lan.topology.port("nat-in"), id="nat2-in", sff="h2", ofport=99, mac=lan.topology.port("nat-in").mac)
    twin = replace(twin, mac=type(twin.mac)(int(twin.mac) + 0x100), addresses=(SUB_IP + 100,))
    nats = replace(lan.topology.function("nat"), id="nat2", ingress="nat2-in")
    topology = replace(lan.topology, ports=(*lan.topology.ports, twin), functions=(*lan.topology.functions, nats))
    chain = replace(lan.other.chain, path=(PathGroup.of("fw"), PathGroup.of("nats", "nat", "nat2", spread=True)))
    with pytest.raises(PathError) as error:
        plan_branches(topology, chain, [(1, 2), (3, 4)])
    assert error.value.code == "SPREAD_END"


def test_a_miss_is_dropped_where_the_chain_says_so() -> None:
    topology = three_firewalls()
    chains = planned(topology, spread_chain(on_miss=OnMiss.DROP))
    assert verify(topology, chains, render(topology, chains)) == ()


# Broken tables are found


def broken(kind: Kind, change: object) -> set[Rule]:
    topology = three_firewalls()
    chains = planned(topology, spread_chain())
    tables = render(topology, chains)
    flows: list[Flow] = []
    for flow in tables["h1"].flows:
        if flow.cookie.kind is kind:
            assert callable(change)
            changed = change(flow, tables["h1"])
            if changed is not None:
                flows.append(changed)
        else:
            flows.append(flow)
    found: tuple[Violation, ...] = verify(
        topology, chains, {**tables, "h1": FlowTables("h1", tuple(flows), (), tables["h1"].meters)}
    )
    return {violation.rule for violation in found}


def test_a_share_that_nobody_has_is_found() -> None:
    assert Rule.BRANCH in broken(Kind.SPREAD_SHARE, lambda flow, _: None if flow.cookie.chain == 102 else flow)


def test_a_connection_that_is_not_remembered_on_its_branch_is_found() -> None:
    def other_branch(flow: Flow, tables: FlowTables) -> Flow:
        wrong = next(
            each for each in tables.flows if each.cookie.kind is Kind.SPREAD_MARK and each.cookie != flow.cookie
        )
        return replace(flow, actions=wrong.actions)

    assert Rule.BRANCH in broken(Kind.SPREAD_MARK, other_branch)


# Scaling


def played(topology: Topology, chains: tuple[PlannedChain, ...], before: Simulator) -> Simulator:
    network = simulator(topology, chains)
    for name, bridge in network.bridges.items():
        bridge.connections = before.bridges[name].connections
    return network


def test_a_new_instance_takes_new_connections_only() -> None:
    topology = three_firewalls()
    two = planned(topology, spread_chain((1, 1)))
    three = plan_branches(topology, spread_chain((1, 1, 1)), [(100, 101), (102, 103), (110, 111)])
    network = simulator(topology, two)
    met = {own: firewall_of(network, syn(own)) for own in range(40000, 40040)}
    plan = respread(topology, two, three)
    for step in plan.steps:
        assert verify(topology, step.chains, render(topology, step.chains)) == ()
        network = played(topology, step.chains, network)
        assert all(firewall_of(network, syn(own, flags="A")) == name for own, name in met.items())
        assert all(firewall_of(network, answer_to(syn(own), "A"), "nat-in") == name for own, name in met.items())
    assert "fw3" in {firewall_of(network, syn(own)) for own in range(41000, 41040)}
    assert plan.steps[-1].chains == three


def test_an_instance_that_goes_keeps_its_connections_until_it_has_drained() -> None:
    topology = three_firewalls()
    three = planned(topology, spread_chain())
    two = plan_branches(topology, spread_chain((1, 1, 0)), [(100, 101), (102, 103)])
    network = simulator(topology, three)
    met = {own: firewall_of(network, syn(own)) for own in range(40000, 40040)}
    plan = respread(topology, three, two, drain_s=30.0)
    assert [step.wait_s for step in plan.steps] == [0.0, 30.0, 0.0]
    for step in plan.steps[:-1]:
        network = played(topology, step.chains, network)
        assert all(firewall_of(network, syn(own, flags="A")) == name for own, name in met.items())
    assert "fw3" not in {firewall_of(network, syn(own)) for own in range(41000, 41060)}
    network = played(topology, plan.steps[-1].chains, network)
    kept = {own: name for own, name in met.items() if name != "fw3"}
    assert all(firewall_of(network, syn(own, flags="A")) == name for own, name in kept.items())
    assert "fw3" not in {firewall_of(network, syn(own, flags="A")) for own in met}


def test_respread_refuses_what_is_no_change_of_branches() -> None:
    topology = three_firewalls()
    three = planned(topology, spread_chain())
    with pytest.raises(PathError, match="not there"):
        respread(topology, (), three)
    with pytest.raises(PathError, match="no branch"):
        respread(topology, three, ())
    with pytest.raises(PathError, match="respread"):
        make_before_break(topology, three, three[0])
    other = plan_branches(topology, spread_chain(order=5), [(100, 101), (102, 103), (104, 105)])
    with pytest.raises(PathError, match="more of chain web"):
        respread(topology, three, other)
    moved = plan_branches(topology, spread_chain(), [(102, 103), (100, 101), (104, 105)])
    with pytest.raises(PathError, match="SPI"):
        respread(topology, three, moved)


def test_a_renderer_and_a_prover_that_remember_agree_with_new_ones() -> None:
    topology = three_firewalls()
    three, two = planned(topology, spread_chain()), planned(topology, spread_chain((1, 2)))
    renderer, prover = Renderer(), Prover()
    for chains, down in ((three, ()), (two, ()), (three, ("fw2",)), (three, ()), (two, ("fw", "fw2"))):
        tables = renderer.render(topology, chains, down=down)
        assert tables == render(topology, chains, down=down)
        assert prover.prove(topology, chains, tables, down=down).violations == ()
