"""The engine against an exhaustive search that shares no code with it: no false accept, no false reject, no wrong pin,
and the same reason where it says no."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from mano.placement import inventory_from_document, plan, request_from_document
from tests.unit.placement.cases import random_host, random_vdu, roomy_case
from tests.unit.placement.oracle import faults_of, verdict

Case = Callable[[Random], tuple[dict, dict]]


def odd_case(random: Random) -> tuple[dict, dict]:
    return random_host(random), random_vdu(random)


def check(seed: int, case: Case = odd_case) -> str | None:
    """The reason of a refusal that both agree on, None where the VDU fits."""
    host, vdu = case(Random(seed))
    inventory = inventory_from_document({"hosts": [host]})
    result = plan(inventory, request_from_document({"vdus": [vdu]})).to_json()
    expected = verdict(host, vdu)
    if expected is None:
        assert result["unplaced"] == {}, f"seed {seed}: refused although it fits: {result['unplaced']}"
        faults = faults_of(host, vdu, result["placements"]["v"])
        assert not faults, f"seed {seed}: {faults}"
    else:
        assert result["unplaced"], f"seed {seed}: accepted although {expected}"
        reasons = result["unplaced"]["v"]["reasons"]
        assert reasons == {expected: 1}, f"seed {seed}: {reasons} instead of {expected}"
    return expected


@pytest.mark.parametrize("block", range(6))
def test_a_host_takes_a_vdu_exactly_when_an_assignment_exists(block):
    for seed in range(block * 100, block * 100 + 100):
        check(seed)


def test_where_there_is_room_it_is_found():
    for seed in range(150):
        check(seed, roomy_case)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(20))
def test_ten_thousand_hosts_with_room(block):
    for seed in range(2_000_000 + block * 500, 2_000_000 + block * 500 + 500):
        check(seed, roomy_case)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("block", range(100))
def test_a_hundred_thousand_hosts(block):
    for seed in range(1_000_000 + block * 1000, 1_000_000 + block * 1000 + 1000):
        check(seed)
