"""Ways round what failed, and proofs of every single failure beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.change import make_before_break
from sfc.errors import PathError
from sfc.failover import Cut, Mesh, functions_on, out_of_reach, plan_around, prove_failures, round_cuts
from sfc.model import Chain, Kind, Layer, OnFailure, PathGroup, PlannedChain, Topology
from sfc.path import plan_chain
from sfc.render import Renderer, render
from sfc.simulator import Simulator
from sfc.simulator.packets import answer_to
from sfc.verify import Prover, verify
from tests.unit.sfc.gilan import gilan
from tests.unit.sfc.spreading import FIREWALLS, spread_chain, three_firewalls
from tests.unit.sfc.traffic import tcp


def unspread() -> Chain:
    """One firewall of three serves all."""
    chain = spread_chain()
    return replace(chain, path=(replace(chain.path[0], spread=False), *chain.path[1:]))


def test_a_path_goes_round_a_lost_function_by_another_instance() -> None:
    topology = three_firewalls()
    first = plan_chain(topology, unspread(), 100, 101)
    used = first.forward.hops[0].function
    around = plan_around(topology, unspread(), (900, 901), down=(used,))
    assert used not in around.forward.functions and len(around.forward.functions) == 3
    assert verify(topology, (around,), render(topology, (around,))) == ()
    assert make_before_break(topology, (first,), around).steps[-1].chains == (around,)


def test_an_open_function_without_another_instance_is_left_out() -> None:
    lan = gilan()
    functions = tuple(replace(each, on_failure=OnFailure.OPEN) for each in lan.topology.functions)
    topology = replace(lan.topology, functions=functions)
    around = plan_around(topology, lan.web.chain, (900, 901), lost_hosts=("h2",))
    assert around.forward.functions == ("fw", "nat")
    assert around.chain == lan.web.chain
    assert verify(topology, (around,), render(topology, (around,))) == ()


@pytest.mark.parametrize(("lost", "code"), [(("h2",), "NO_BACKUP"), (("h1",), "END_LOST"), (("h3",), "NO_BACKUP")])
def test_where_no_way_round_is_allowed_it_is_told(lost: tuple[str, ...], code: str) -> None:
    lan = gilan()
    with pytest.raises(PathError) as refused:
        plan_around(lan.topology, lan.web.chain, (900, 901), lost_hosts=lost)
    assert refused.value.code == code


def test_a_chain_of_which_nothing_is_left_is_refused() -> None:
    topology = three_firewalls()
    functions = tuple(replace(each, on_failure=OnFailure.OPEN) for each in topology.functions)
    topology = replace(topology, functions=functions)
    chain = replace(unspread(), path=(PathGroup.of("fw", *FIREWALLS),), egress="nat-in")
    with pytest.raises(PathError) as refused:
        plan_around(topology, chain, (900, 901), down=FIREWALLS)
    assert refused.value.code == "NOTHING_LEFT"


def test_every_single_failure_is_proven_beforehand() -> None:
    lan = gilan()
    proofs = list(prove_failures(lan.topology, lan.chains))
    assert [proof.what for proof in proofs] == [
        "function dpi",
        "function fw",
        "function nat",
        *[f"host h{n}" for n in (1, 2, 3)],
    ]
    assert all(proof.violations == () for proof in proofs if "nat" not in proof.down)
    (only,) = prove_failures(lan.topology, lan.chains, functions=["dpi"])
    assert only.down == {"dpi"} and only.packets > 0


def test_functions_fail_with_their_host() -> None:
    assert functions_on(gilan().topology, ("h1", "h2")) == {"fw", "dpi"}


H1, H2, H3 = (("h2", "h3"), ("h1", "h3"), ("h1", "h2"))
"""The tunnel beside each host."""


def cut_off(*cuts: Cut, policy: OnFailure = OnFailure.CLOSED) -> tuple[Topology, tuple[PlannedChain, ...]]:
    """The Gi-LAN round some cuts: the firewall with the subscriber on h1, the dpi on h2, the NAT on h3."""
    lan = gilan(Layer.L2)
    functions = tuple(replace(each, on_failure=policy) for each in lan.topology.functions)
    topology, mesh = replace(lan.topology, functions=functions), Mesh(("h1", "h2", "h3"), cuts)
    return topology, tuple(round_cuts(topology, each, mesh) for each in lan.chains)


@pytest.mark.parametrize("cut", [H1, H2, H3])
def test_another_bridge_relays_where_a_tunnel_is_down(cut: Cut) -> None:
    topology, chains = cut_off(cut)
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    network = Simulator(topology, tables)
    for packet, functions in ((tcp(), ("fw", "dpi", "nat")), (tcp(22), ("fw", "nat"))):
        there, back = network.inject("sub", packet), network.inject("nat-in", answer_to(packet, "A"))
        assert there.functions == functions and [left.port for left in back.deliveries] == ["sub"]
        for crossed in (*there.crossings, *back.crossings):
            assert {crossed.from_sff, crossed.to_sff} != set(cut)


@pytest.mark.parametrize("policy", OnFailure)
def test_functions_of_a_host_out_of_reach_are_dealt_with_by_the_forwarder_before(policy: OnFailure) -> None:
    topology, chains = cut_off(H1, H3, policy=policy)
    assert [each.cut_off for each in chains] == [{"dpi"}, frozenset()]
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    network = Simulator(topology, tables)
    walk = network.inject("sub", tcp())
    if policy is OnFailure.OPEN:
        assert walk.functions == ("fw", "nat")
        assert network.inject("nat-in", answer_to(tcp(), "A")).functions == ("fw",)
    else:
        assert [(drop.sff, drop.reason) for drop in walk.drops] == [("h1", Kind.DROP_FAILED)]
    assert network.inject("sub", tcp(22)).functions == ("fw", "nat")


def test_round_a_cut_and_back_only_its_chains_are_proven_anew() -> None:
    lan, prover, renderer = gilan(), Prover(), Renderer()
    prover.prove(lan.topology, lan.chains, renderer.render(lan.topology, lan.chains))
    _, chains = cut_off(H1, H3)
    proof = prover.prove(lan.topology, chains, renderer.render(lan.topology, chains))
    assert not proof.violations and proof.walked < proof.packets / 2
    healed = tuple(round_cuts(lan.topology, each, Mesh(("h1", "h2", "h3"))) for each in lan.chains)
    assert healed == lan.chains


def test_a_chain_whose_end_is_out_of_reach_stays_as_it_is() -> None:
    lan, mesh = gilan(), Mesh(("h1", "h2", "h3"), [H1, H2])
    assert all(round_cuts(lan.topology, each, mesh) is each for each in lan.chains)
    assert out_of_reach(lan.topology, mesh, "h1") == {"nat"}
    assert mesh.way("h1", "h3") is None and mesh.way("h1", "h1") == ("h1",)


def test_a_way_over_several_forwarders_is_found() -> None:
    mesh = Mesh("abcd", [("a", "c"), ("a", "d"), ("b", "d")])
    assert mesh.way("a", "d") == ("a", "b", "c", "d") and mesh.reached("a") == set("abcd")
