"""A prover that remembers says what one says that does not, and does less for it."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from benchmarks.large_network import large_network
from sfc.change import make_before_break
from sfc.errors import ModelError, SimulationError
from sfc.model import Action, Field, Flow, FlowTables, Output, PathGroup, SetField
from sfc.path import plan_chain
from sfc.render import render
from sfc.verify import Prover, Rule, prove
from tests.unit.sfc.gilan import gilan


def test_the_same_again_walks_nothing() -> None:
    lan = gilan()
    prover = Prover()
    first = prover.prove(lan.topology, lan.chains, lan.tables)
    again = prover.prove(lan.topology, lan.chains, lan.tables)
    assert first.violations == again.violations == ()
    assert first.packets == first.walked == again.packets > 100
    assert again.walked == 0


def test_every_step_of_a_change_is_proven_as_by_a_new_prover() -> None:
    lan = gilan()
    longer = replace(lan.other.chain, path=(PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat")))
    plan = make_before_break(lan.topology, lan.chains, plan_chain(lan.topology, longer, 210, 211))
    prover = Prover()
    prover.prove(lan.topology, lan.chains, lan.tables)
    for step in plan.steps:
        tables = render(lan.topology, step.chains)
        proof = prover.prove(lan.topology, step.chains, tables)
        fresh = prove(lan.topology, step.chains, tables)
        assert (proof.violations, proof.packets) == (fresh.violations, fresh.packets)
        assert proof.walked < proof.packets


def test_a_changed_chain_of_many_concerns_few_walks() -> None:
    network = large_network(hosts=6, chains=30, hops=3)
    prover = Prover()
    whole = prover.prove(network.topology, network.chains, render(network.topology, network.chains))
    assert whole.violations == ()
    first, *rest = network.chains
    shorter = replace(first.chain, path=first.chain.path[:-1])
    (forward, reverse), _ = network.pool.allocate(2)
    chains = (plan_chain(network.topology, shorter, forward, reverse), *rest)
    proof = prover.prove(network.topology, chains, render(network.topology, chains))
    assert proof.violations == ()
    assert proof.walked < whole.walked / 5


def test_another_topology_is_proven_from_the_beginning() -> None:
    prover = Prover()
    for lan in (gilan(), gilan(firewall="h2")):
        proof = prover.prove(lan.topology, lan.chains, lan.tables)
        assert proof.violations == () and proof.walked == proof.packets


def test_tables_of_a_bridge_that_are_missing_are_refused_before_anything_is_forgotten() -> None:
    lan = gilan()
    prover = Prover()
    prover.prove(lan.topology, lan.chains, lan.tables)
    with pytest.raises(SimulationError):
        prover.prove(lan.topology, lan.chains, {"h1": lan.tables["h1"]})
    assert prover.prove(lan.topology, lan.chains, lan.tables).walked == 0


def faults(flows: tuple[Flow, ...], chance: random.Random) -> Iterator[Flow]:
    """The flows with one of them gone, wider, narrower, doing something else, or nothing."""
    broken = chance.randrange(len(flows))
    yield from (flow for index, flow in enumerate(flows) if index != broken)
    flow = flows[broken]
    kind = chance.randrange(5)
    if kind == 0 and flow.match:
        part = chance.choice(flow.match)
        yield replace(flow, match=tuple(each for each in flow.match if each is not part))
    elif kind == 1 and flow.match:
        part = chance.choice(flow.match)
        moved = replace(part, value=part.value ^ part.field.full_mask & 1, mask=None)
        yield replace(flow, match=tuple(moved if each is part else each for each in flow.match))
    elif kind == 2:
        yield replace(flow, actions=tuple(_other(action) for action in flow.actions))
    elif kind == 3:
        yield replace(flow, actions=())


def _other(action: Action) -> Action:
    if isinstance(action, Output):
        return Output(action.ofport ^ 1 or 2)
    if isinstance(action, SetField) and action.field is not Field.PACKET_TYPE:
        return SetField(action.field, action.value ^ 1)
    return action


def test_whatever_breaks_in_the_tables_is_found_as_by_a_new_prover() -> None:
    lan = gilan()
    whole = lan.tables
    chance = random.Random(8300)
    prover = Prover()
    walked, found = 0, set[Rule]()
    for _ in range(60):
        sff = chance.choice(sorted(whole))
        try:
            broken = FlowTables(sff, tuple(faults(whole[sff].flows, chance)), whole[sff].groups, whole[sff].meters)
        except ModelError:
            continue
        tables = {**whole, sff: broken}
        proof, fresh = prover.prove(lan.topology, lan.chains, tables), prove(lan.topology, lan.chains, tables)
        assert proof.violations == fresh.violations
        assert proof.packets == fresh.packets
        walked += proof.walked
        found |= {violation.rule for violation in proof.violations}
    assert walked < 60 * prove(lan.topology, lan.chains, whole).packets / 2
    assert {Rule.FUNCTIONS, Rule.DESTINATION, Rule.MARK, Rule.OAM} <= found
