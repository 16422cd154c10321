"""Graphs of chains: branches by a packet's own fields and by what a function wrote, there and back, proven."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.change import make_before_break
from sfc.classifier import overlaps
from sfc.errors import ModelError, PathError, RenderError, SfcError
from sfc.model import (
    Awareness,
    Chain,
    Classifier,
    ContextMatch,
    Kind,
    Mac,
    Match,
    PathGroup,
    PlannedChain,
    Port,
    PortRange,
    PortRole,
    ServiceFunction,
    SpiPool,
    Topology,
)
from sfc.path import plan_chain, plan_chains
from sfc.render import Renderer, render
from sfc.simulator import Simulator
from sfc.simulator.functions import NshModel
from sfc.simulator.packets import answer_to
from sfc.verify import Prover, Rule, verify
from tests.unit.sfc.gilan import DPI, gilan
from tests.unit.sfc.traffic import tcp

WEB = Classifier(Match(protocol=6, destination_port=PortRange(80, 80)))
SUSPICIOUS = Classifier(Match(context=ContextMatch(2, 0xBAD0, 0xFFF0)))


def topology(scrubber: str = "h2") -> Topology:
    """The Gi-LAN with a cache and a scrubber beside its functions."""
    lan = gilan()
    ports = [
        Port("cache-in", "h1", 51, Mac(0x025100000001), role=PortRole.SF),
        Port("cache-out", "h1", 52, Mac(0x025100000002), role=PortRole.SF),
        Port("scrub-sfc", scrubber, 53, Mac(0x025300000001), role=PortRole.SF),
    ]
    functions = (
        ServiceFunction("cache", "cache", "cache-in", "cache-out"),
        ServiceFunction("scrubber", "scrubber", "scrub-sfc", awareness=Awareness.NSH),
    )
    return replace(lan.topology, ports=(*lan.topology.ports, *ports), functions=(*lan.topology.functions, *functions))


def path(*names: str) -> tuple[PathGroup, ...]:
    return tuple(map(PathGroup.of, names))


FIRST = Chain("first", "sub", path("fw", "dpi", "nat"))
CACHED = Chain("cached", "sub", path("cache", "nat"), (WEB,), after=("first",), order=1)
SCRUBBED = Chain("scrubbed", "sub", path("scrubber", "nat"), (SUSPICIOUS,), after=("first",), order=2)


def planned(*chains: Chain, scrubber: str = "h2") -> tuple[Topology, tuple[PlannedChain, ...]]:
    world = topology(scrubber)
    return world, plan_chains(world, chains, SpiPool(100, 999))[0]


def network(*chains: Chain, wrote: int = 0, scrubber: str = "h2") -> Simulator:
    world, plan = planned(*chains, scrubber=scrubber)
    model = NshModel(("dpi-sfc", "dpi-sfc"), (DPI, DPI), writes=lambda nsh: wrote)
    return Simulator(world, render(world, plan), {"dpi": model})


@pytest.mark.parametrize("scrubber", ["h1", "h2", "h3"])
@pytest.mark.parametrize("chains", [(FIRST, CACHED), (FIRST, SCRUBBED), (FIRST, CACHED, SCRUBBED), (SCRUBBED, FIRST)])
def test_graphs_are_proven(chains: tuple[Chain, ...], scrubber: str) -> None:
    world, plan = planned(*chains, scrubber=scrubber)
    assert verify(world, plan, render(world, plan)) == ()


def test_packets_branch_by_their_own_fields() -> None:
    lan = network(FIRST, CACHED)
    assert lan.inject("sub", tcp()).functions == ("fw", "dpi", "cache", "nat")
    assert lan.inject("nat-in", answer_to(tcp(), "A")).functions == ("cache", "dpi", "fw")
    trace = lan.inject("sub", tcp(22))
    assert trace.functions == ("fw", "dpi", "nat") and Kind.BRANCH not in trace.kinds
    assert lan.inject("nat-in", answer_to(tcp(22), "A")).functions == ("dpi", "fw")


@pytest.mark.parametrize(("wrote", "branches"), [(0xBAD7, True), (0xBAC7, False), (0, False)])
def test_packets_branch_by_what_a_function_wrote(wrote: int, branches: bool) -> None:
    lan = network(FIRST, SCRUBBED, wrote=wrote)
    trace = lan.inject("sub", tcp())
    assert trace.functions == (("fw", "dpi", "scrubber", "nat") if branches else ("fw", "dpi", "nat"))
    assert [left.port for left in trace.deliveries] == ["nat-in"]
    back = lan.inject("nat-in", answer_to(tcp(), "A"))
    assert back.functions == (("scrubber", "dpi", "fw") if branches else ("dpi", "fw"))
    assert [left.port for left in back.deliveries] == ["sub"]


def test_the_context_goes_first_and_stays_with_the_packet() -> None:
    lan = network(FIRST, CACHED, SCRUBBED, wrote=0xBAD1)
    assert lan.inject("sub", tcp()).functions == ("fw", "dpi", "scrubber", "nat")


def test_a_graph_has_depth() -> None:
    deeper = Chain("deeper", "sub", path("scrubber", "nat"), (Classifier(),), after=("cached",))
    cached = replace(CACHED, path=path("cache", "nat"))
    world, plan = planned(FIRST, cached, deeper)
    tables = render(world, plan)
    assert verify(world, plan, tables) == ()
    lan = Simulator(world, tables)
    assert lan.inject("sub", tcp()).functions == ("fw", "dpi", "cache", "scrubber", "nat")
    assert lan.inject("nat-in", answer_to(tcp(), "A")).functions == ("scrubber", "cache", "dpi", "fw")


def test_one_way_chains_join() -> None:
    left = replace(CACHED, symmetric=False)
    first = replace(FIRST, symmetric=False)
    joined = Chain("joined", "sub", path("scrubber", "nat"), after=("first", "cached"), symmetric=False, order=9)
    world, plan = planned(first, left, joined)
    tables = render(world, plan)
    assert verify(world, plan, tables) == ()
    lan = Simulator(world, tables)
    assert lan.inject("sub", tcp()).functions == ("fw", "dpi", "cache", "scrubber", "nat")
    assert lan.inject("sub", tcp(22)).functions == ("fw", "dpi", "scrubber", "nat")


@pytest.mark.parametrize("down", ["fw", "cache", "scrubber"])
def test_a_function_of_a_branch_that_is_down_is_dealt_with(down: str) -> None:
    world, plan = planned(FIRST, CACHED, SCRUBBED)
    assert verify(world, plan, render(world, plan, down=(down,)), down=(down,)) == ()
    assert verify(world, plan, render(world, plan), down=(down,)) != ()


def test_a_branch_that_is_not_taken_is_a_violation() -> None:
    world, plan = planned(FIRST, CACHED, SCRUBBED)
    tables = render(world, plan)
    kept = tuple(flow for flow in tables["h3"].flows if flow.cookie.kind is not Kind.BRANCH)
    broken = {**tables, "h3": replace(tables["h3"], flows=kept)}
    assert Rule.FUNCTIONS in {violation.rule for violation in verify(world, plan, broken)}


def test_what_is_rendered_and_proven_after_a_change_is_what_would_be_anew() -> None:
    world, plan = planned(FIRST, CACHED, SCRUBBED)
    renderer, prover = Renderer(), Prover()
    states = [plan, plan[:2], plan[:1], plan, (plan[0], plan[2])]
    for chains in states:
        tables = renderer.render(world, chains)
        assert tables == render(world, chains)
        assert prover.prove(world, chains, tables).violations == ()


@pytest.mark.parametrize("number", [0, 1])
def test_each_chain_of_a_graph_changes_make_before_break(number: int) -> None:
    world, plan = planned(FIRST, CACHED)
    old = plan[number]
    changed = replace(old.chain, path=old.chain.path[1:] if number == 0 else path("scrubber", "nat"))
    begins_at = None if number == 0 else plan[0].forward.end_sff
    new = plan_chain(world, changed, 500, 501, begins_at=begins_at)
    change = make_before_break(world, plan, new)
    for step in change.steps:
        assert verify(world, step.chains, render(world, step.chains)) == ()


def test_classifiers_of_different_places_are_not_in_each_others_way() -> None:
    assert overlaps((FIRST, CACHED)) == ()
    second = replace(CACHED, id="second", order=3)
    (found,) = overlaps((FIRST, CACHED, second))
    assert (found.winner, found.loser, found.shadows) == ("cached", "second", True)
    other = replace(SCRUBBED, id="other", classifiers=(Classifier(Match(context=ContextMatch(2, 0xBAD1))),), order=5)
    (found,) = overlaps((SCRUBBED, other))
    assert found.shadows


@pytest.mark.parametrize(
    ("chains", "code"),
    [
        ((CACHED,), "GRAPH_UNKNOWN"),
        ((FIRST, replace(CACHED, after=("other",)), replace(SCRUBBED, id="other", after=("cached",))), "GRAPH_CIRCLE"),
        ((FIRST, replace(CACHED, ingress="fw-mgmt")), "GRAPH_INGRESS"),
        ((replace(FIRST, symmetric=False), CACHED), "GRAPH_JOIN"),
        ((FIRST, FIRST), "CHAIN_TWICE"),
    ],
)
def test_what_is_no_graph_is_refused(chains: tuple[Chain, ...], code: str) -> None:
    with pytest.raises(PathError) as refused:
        planned(*chains)
    assert refused.value.code == code


def test_half_a_graph_is_refused() -> None:
    world, plan = planned(FIRST, CACHED)
    with pytest.raises(RenderError, match="follows first, which is not there"):
        render(world, plan[1:])
    with pytest.raises(PathError, match="begins at its ingress"):
        plan_chain(world, CACHED, 300, 301)


@pytest.mark.parametrize(
    "make",
    [
        lambda: ContextMatch(0, 1),
        lambda: ContextMatch(2, 2, 1),
        lambda: ContextMatch(2, 0, 0),
        lambda: Match(protocol=6, context=ContextMatch(2, 1)),
        lambda: Chain("c", "sub", path("fw"), (SUSPICIOUS,)),
        lambda: Chain("c", "sub", path("fw"), after=("c",)),
        lambda: Chain("c", "sub", path("fw"), after=("a", "a")),
    ],
)
def test_what_cannot_be_is_refused(make) -> None:
    with pytest.raises(SfcError) as refused:
        make()
    assert isinstance(refused.value, ModelError)
