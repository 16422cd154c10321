"""Ways round what failed, and proofs of every single failure beforehand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.change import make_before_break
from sfc.errors import PathError
from sfc.failover import functions_on, plan_around, prove_failures
from sfc.model import Chain, OnFailure, PathGroup
from sfc.path import plan_chain
from sfc.render import render
from sfc.verify import verify
from tests.unit.sfc.gilan import gilan
from tests.unit.sfc.spreading import FIREWALLS, spread_chain, three_firewalls


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
