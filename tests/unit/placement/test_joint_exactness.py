"""Small requests of several VDUs against a search through all plans: placed exactly when that is possible, and at the
least cost."""

from __future__ import annotations

from random import Random

import pytest

from mano.placement import inventory_from_document, plan, request_from_document
from tests.unit.placement.joint_oracle import least_cost, random_case


def check(seed: int, *, rarely_dearer: bool = False) -> None:
    """`rarely_dearer`: the fast search may end at its bound where the best one finds the least cost."""
    inventory, request = random_case(Random(seed))
    result = plan(inventory_from_document(inventory), request_from_document(request))
    expected = least_cost(inventory, request)
    if expected is None:
        assert result.unplaced, f"seed {seed}: placed although no plan exists"
    else:
        assert not result.unplaced, f"seed {seed}: refused although a plan of cost {expected} exists"
        if rarely_dearer and result.objective.cost > expected:
            documents = inventory_from_document(inventory), request_from_document(request)
            result = plan(*documents, optimize="best", time_limit_s=60.0)
        assert result.objective.cost == expected, f"seed {seed}"


@pytest.mark.parametrize("block", range(4))
def test_small_requests_are_placed_at_the_least_cost(block):
    for seed in range(block * 40, block * 40 + 40):
        check(seed)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_many_small_requests_are_placed_at_the_least_cost(block):
    for seed in range(100_000 + block * 500, 100_000 + block * 500 + 500):
        check(seed, rarely_dearer=True)
