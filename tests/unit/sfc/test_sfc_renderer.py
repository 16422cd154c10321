"""A renderer that remembers says what one says that does not, and keeps what did not change."""

from __future__ import annotations

import gc
import random
from collections.abc import Sequence
from dataclasses import replace

import pytest

from benchmarks.large_network import large_network
from sfc.change import make_before_break
from sfc.collector import paused
from sfc.errors import RenderError
from sfc.model import PathGroup, PlannedChain, Topology
from sfc.path import plan_chain
from sfc.render import Renderer, render
from tests.unit.sfc.gilan import gilan


def rendered_alike(renderer: Renderer, topology: Topology, chains: Sequence[PlannedChain]) -> None:
    assert renderer.render(topology, chains) == render(topology, chains)


def test_the_same_again_is_the_same_objects() -> None:
    lan = gilan()
    renderer = Renderer()
    first, again = (renderer.render(lan.topology, lan.chains) for _ in range(2))
    assert all(first[sff] is again[sff] for sff in first)


def test_equal_chains_planned_anew_are_no_change() -> None:
    lan = gilan()
    renderer = Renderer()
    first = renderer.render(lan.topology, lan.chains)
    again = renderer.render(gilan().topology, gilan().chains)
    assert all(first[sff] is again[sff] for sff in first)


def test_every_step_of_a_change_is_rendered_as_by_a_new_renderer() -> None:
    lan = gilan()
    longer = replace(lan.other.chain, path=(PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat")))
    plan = make_before_break(lan.topology, lan.chains, plan_chain(lan.topology, longer, 210, 211))
    renderer = Renderer()
    renderer.render(lan.topology, lan.chains)
    for step in plan.steps:
        rendered_alike(renderer, lan.topology, step.chains)


def test_chains_that_come_go_and_change_are_rendered_as_by_a_new_renderer() -> None:
    network = large_network(hosts=5, chains=16, hops=3)
    chance = random.Random(7665)
    renderer, pool = Renderer(), network.pool
    chains = list(network.chains)
    for _ in range(12):
        kept = chance.sample(chains, chance.randrange(1, len(chains) + 1))
        changed = chance.choice(kept)
        (forward, reverse), pool = pool.allocate(2)
        path = chance.sample(changed.chain.path, len(changed.chain.path))
        new = plan_chain(network.topology, replace(changed.chain, path=tuple(path)), forward, reverse)
        rendered_alike(renderer, network.topology, [new if planned is changed else planned for planned in kept])


def test_only_the_bridges_of_a_changed_chain_get_other_tables() -> None:
    network = large_network(hosts=20, chains=10, hops=2)
    renderer = Renderer()
    before = renderer.render(network.topology, network.chains)
    gone, *rest = network.chains
    after = renderer.render(network.topology, rest)
    touched = {hop.sff for rsp in gone.rsps for hop in rsp.hops} | {gone.forward.start_sff, gone.forward.end_sff}
    assert {sff for sff in before if before[sff] is not after[sff]} == touched


def test_another_topology_is_rendered_from_the_beginning() -> None:
    renderer = Renderer()
    for lan in (gilan(), gilan(firewall="h2"), gilan()):
        rendered_alike(renderer, lan.topology, lan.chains)


def test_what_cannot_be_rendered_leaves_the_renderer_as_it_was() -> None:
    lan = gilan()
    renderer = Renderer()
    renderer.render(lan.topology, lan.chains)
    with pytest.raises(RenderError):
        renderer.render(lan.topology, (*lan.chains, lan.web))
    rendered_alike(renderer, lan.topology, lan.chains)


def test_the_collector_rests_while_many_values_are_made_and_works_again_afterwards() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), paused():
        assert not gc.isenabled()
        with paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ZeroDivisionError
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0
