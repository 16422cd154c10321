"""Small pages, huge pages and classes of pages (classes M1 to M3 of docs/placement.md)."""

from __future__ import annotations

import pytest

from mano.placement import DocumentError
from tests.unit.placement.world import allocation, host, node, placed, reasons, solve, vdu


def pages(placement):
    return [cell["pageSizeKib"] for cell in placement["cells"]]


def test_small_memory_is_what_huge_pages_and_the_host_leave():
    world = host(nodes=[node(memory=10000, hugepages={"2048": 1000}, reservedMemoryMib=1000)])
    assert pages(placed(world, vdu(memory=7000))) == [4]
    assert reasons(world, vdu(memory=7001)) == {"MEMORY": 1}


def test_a_node_that_reserves_more_than_it_has_has_nothing():
    world = host(nodes=[node(memory=100, reservedMemoryMib=200)])
    assert reasons(world, vdu(memory=1)) == {"MEMORY": 1}


def test_small_memory_of_allocations_is_gone():
    world = host(nodes=[node(memory=4096)], allocations=[allocation(memory=3072)])
    assert placed(world, vdu(memory=1024))["host"] == "h1"
    assert reasons(world, vdu(memory=1025)) == {"MEMORY": 1}


def test_huge_pages_are_never_overcommitted():
    held = {"node": 0, "cpus": [], "memoryMib": 4096, "pageSizeKib": 1048576}
    world = host(
        nodes=[node(hugepages={"1048576": 8}, reservedHugepages={"1048576": 2})],
        allocations=[{"id": "old", "cells": [held]}],
    )
    assert pages(placed(world, vdu(memory=2048, pageSizeKib=1048576))) == [1048576]
    assert reasons(world, vdu(memory=3072, pageSizeKib=1048576)) == {"PAGES_1048576": 1}
    assert reasons(world, vdu(memory=2, pageSizeKib=2048)) == {"PAGES_2048": 1}


def test_a_page_of_4_kib_is_a_small_page():
    world = host(nodes=[node(memory=100)])
    assert pages(placed(world, vdu(memory=100, pageSizeKib=4))) == [4]
    assert reasons(world, vdu(memory=101, pageSizeKib=4)) == {"MEMORY": 1}


@pytest.mark.parametrize(
    ("memory", "page", "expected"),
    [
        (2048, "any", 1048576),
        (2048, "large", 1048576),
        (3072, "any", 2048),
        (2050, "large", 2048),
        (9000, "any", 4),
        (2049, "any", 4),
        (2048, "small", 4),
    ],
)
def test_a_class_gives_the_largest_page_that_fits(memory, page, expected):
    world = host(nodes=[node(hugepages={"2048": 2000, "1048576": 2})])
    assert pages(placed(world, vdu(memory=memory, pageSizeKib=page))) == [expected]


def test_large_never_takes_small_pages():
    world = host(nodes=[node(hugepages={"2048": 10})])
    assert reasons(world, vdu(memory=22, pageSizeKib="large")) == {"PAGES_2048": 1}
    assert reasons(world, vdu(memory=3, pageSizeKib="large")) == {"NUMA_CELLS": 1}


def test_larger_pages_on_another_node_are_preferred():
    world = host(nodes=[node(0, hugepages={"2048": 1000}), node(1, hugepages={"1048576": 1})])
    placement = placed(world, vdu(memory=1024, pageSizeKib="any"))
    assert (placement["cells"][0]["node"], pages(placement)) == (1, [1048576])


def test_pages_of_a_cell_never_come_from_another_node():
    world = host(nodes=[node(0, hugepages={"2048": 4}), node(1, hugepages={"2048": 4})])
    assert reasons(world, vdu(memory=16, pageSizeKib=2048, numaNodes=1)) == {"NUMA_CELLS": 1}
    assert placed(world, vdu(memory=16, pageSizeKib=2048))["host"] == "h1"


def test_memory_that_is_no_multiple_of_the_page_is_refused_before_any_decision():
    with pytest.raises(DocumentError, match="/vdus/0/memoryMib: expected a multiple of the page of 2048 KiB"):
        solve(host(), vdu(memory=3, pageSizeKib=2048))
