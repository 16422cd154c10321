from __future__ import annotations

import pytest

from sfc.change import ChangePlan, Phase, differences, make_before_break
from sfc.errors import PathError, RenderError
from sfc.model import Chain, Flow, FlowTables, Kind, Layer, PathGroup, PathPosition, PlannedChain, Topology
from sfc.path import plan_chain
from sfc.render import mac_tag, render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Ip, Udp, answer_to
from sfc.verify import prove, verify
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, GiLan, gilan

QUESTION = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(40001, 53)))


def with_dpi(lan: GiLan) -> PlannedChain:
    """The chain `other` with dpi put in."""
    path = (PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat"))
    changed = Chain("other", "sub", path, order=1)
    return plan_chain(lan.topology, changed, 210, 211)


def plan(lan: GiLan) -> ChangePlan:
    return make_before_break(lan.topology, lan.chains, with_dpi(lan))


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_every_step_leads_from_one_proven_state_to_the_next(layer: Layer) -> None:
    lan = gilan(layer)
    tables = dict(lan.tables)
    for step in plan(lan).steps:
        for change in step.changes:
            flows: dict[object, Flow] = {flow.key: flow for flow in tables[change.sff].flows}
            for flow in change.delete:
                del flows[flow.key]
            flows.update({flow.key: flow for flow in change.add})
            tables[change.sff] = FlowTables(change.sff, tuple(flows.values()), (), tables[change.sff].meters)
        assert tables == render(lan.topology, step.chains)
        assert verify(lan.topology, step.chains, tables) == ()
    assert tables == render(lan.topology, (lan.web, with_dpi(lan)))


def test_the_steps_come_in_order_and_the_drain_before_the_removal() -> None:
    steps = plan(gilan()).steps
    assert [step.phase for step in steps] == list(Phase)
    assert [step.wait_s for step in steps] == [0.0, 0.0, 1.0, 0.0]


def test_the_new_path_is_made_from_its_end_and_touches_no_classifier() -> None:
    add, flip, _, remove = plan(gilan()).steps
    assert [change.sff for change in add.changes] == ["h3", "h2", "h1"]
    assert not any(change.delete for change in add.changes)
    assert not [flow for change in add.changes for flow in change.add if flow.cookie.kind is Kind.CLASSIFY]
    assert [change.sff for change in flip.changes] == ["h3", "h1"]
    assert [change.sff for change in remove.changes] == ["h1", "h3"]
    assert all(change.delete and not change.add for change in remove.changes)


def played(topology: Topology, chains: tuple[PlannedChain, ...], before: Simulator | None = None) -> Simulator:
    """A simulator of these chains that remembers the connections of another."""
    network = Simulator(topology, render(topology, chains))
    for name, bridge in network.bridges.items():
        if before is not None:
            bridge.connections = before.bridges[name].connections
    return network


def test_packets_in_the_function_when_the_classifier_flips_go_on_on_their_own_version() -> None:
    lan = gilan()
    _, flip, inherit, _ = plan(lan).steps
    network = played(lan.topology, flip.chains)
    inside = Ethernet(mac_tag(PathPosition(200, 255)), GATEWAY, QUESTION.payload)
    assert network.inject("fw-out", inside).functions == ("nat",)
    assert network.inject("sub", QUESTION).functions == ("fw", "dpi", "nat")
    assert inherit.chains[-2].heir == 210


def test_one_way_answers_move_to_the_new_path_when_it_inherits_their_marks() -> None:
    lan = gilan()
    _, flip, inherit, remove = plan(lan).steps
    network = played(lan.topology, lan.chains)
    network.inject("sub", QUESTION)
    answer = answer_to(QUESTION)
    assert network.inject("nat-in", answer).functions == ("fw",)
    network = played(lan.topology, flip.chains, network)
    assert network.inject("nat-in", answer).functions == ("fw",)
    network = played(lan.topology, inherit.chains, network)
    assert network.inject("nat-in", answer).functions == ("dpi", "fw")
    network = played(lan.topology, remove.chains, network)
    assert network.inject("nat-in", answer).functions == ("dpi", "fw")


def test_only_what_differs_is_sent() -> None:
    lan = gilan()
    assert differences(lan.tables, lan.tables) == {}
    changes = differences(lan.tables, render(lan.topology, [lan.web]))
    assert set(changes) == {"h1", "h3"}
    assert changes["h3"].delete and not changes["h3"].add
    assert {flow.cookie.kind for flow in changes["h1"].add} == {Kind.SF_ERROR}
    assert set(differences({}, lan.tables)) == {"h1", "h2", "h3"}


def test_changes_that_cannot_be_are_refused() -> None:
    lan = gilan()
    with pytest.raises(PathError, match="not there"):
        make_before_break(lan.topology, [lan.web], with_dpi(lan))
    same = plan_chain(lan.topology, with_dpi(lan).chain, 200, 211)
    with pytest.raises(PathError, match="SPI 200"):
        make_before_break(lan.topology, lan.chains, same)
    with pytest.raises(RenderError, match="two versions"):
        render(lan.topology, (*lan.chains, with_dpi(lan)))


def test_a_proof_counts_its_packets() -> None:
    lan = gilan()
    proof = prove(lan.topology, lan.chains, lan.tables)
    assert proof.violations == ()
    assert proof.packets > 100
