"""Memory in pages of sizes that each node may choose: as a search through all ways finds it, and always with an end."""

from __future__ import annotations

from itertools import product
from random import Random

import pytest

from mano.placement.effort import Effort
from mano.placement.shares import PageChoice, fill
from tests.unit.placement.world import host, node, reasons, vdu


def exhaustive(total, places):
    """Whether any choice of sizes and counts adds up to `total`."""
    return any(
        sum(size * count for (size, _), count in zip(chosen, counts, strict=True)) == total
        for chosen in product(*places)
        for counts in product(*(range(1, limit + 1) for _, limit in chosen))
    )


@pytest.mark.parametrize("seed", range(20))
def test_a_choice_of_pages_is_found_if_and_only_if_there_is_one(seed):
    random = Random(seed)
    for _ in range(40):
        places = [
            [(size, random.randint(1, 3)) for size in random.sample([1, 2, 4, 8, 16], random.randint(1, 3))]
            for _ in range(random.randint(1, 3))
        ]
        total = random.randint(1, 40)
        shares = PageChoice(total, places).run(Effort())
        assert (shares is not None) == exhaustive(total, places), (total, places)
        if shares is not None:
            assert sum(shares) == total
            for share, ways in zip(shares, places, strict=True):
                assert any(share % size == 0 and 1 <= share // size <= limit for size, limit in ways)


def test_pages_that_there_are_none_of_hold_nothing():
    assert fill(4, [(2, 0), (2, 8)]) is None
    assert PageChoice(4, [[], [(2, 8)]]).run(Effort()) is None


def test_the_search_ends_with_its_effort():
    places = [[(1, 1), (4, 1), (16, 1)] for _ in range(30)]
    effort = Effort(500)
    assert PageChoice(2, places).run(effort) is None
    assert PageChoice(31, places).run(Effort(20)) is None
    assert effort.left > 0


@pytest.mark.parametrize("page", ["any", "large"])
def test_many_nodes_with_many_page_sizes_do_not_hold_up_a_decision(page):
    """An odd number of MiB, and no page smaller than 2 MiB on any node."""
    pages = {str(4 << power): 4 for power in range(9, 20)}
    total = sum(int(size) * count for size, count in pages.items()) // 1024
    nodes = [node(number, memory=total, hugepages=pages) for number in range(12)]
    assert reasons(host(nodes=nodes), vdu(vcpus=96, memory=6 * 1024 + 1, pageSizeKib=page)) == {"NUMA_CELLS": 1}
