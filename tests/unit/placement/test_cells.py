"""Cells: absent, counted, stated (classes N1 to N4 of docs/placement.md)."""

from __future__ import annotations

from typing import Any

import pytest

from mano.placement import DocumentError
from tests.unit.placement.world import allocation, host, node, placed, reasons, solve, vdu


def two(first=4, second=4, **more: Any):
    return host(nodes=[node(0, cores=first, **more), node(1, cores=second, **more)])


def sizes(placement):
    return [(cell["node"], len(cell["cpus"]), cell["memoryMib"]) for cell in placement["cells"]]


def test_without_a_wish_the_fewest_nodes_are_used():
    assert sizes(placed(two(), vdu(vcpus=8))) == [(0, 8, 1024)]


def test_a_vdu_too_large_for_a_node_is_cut_equally():
    placement = placed(two(), vdu(vcpus=10))
    assert sizes(placement) == [(0, 5, 512), (1, 5, 512)]
    assert [cell["vcpus"] for cell in placement["cells"]] == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]


def test_where_equal_cells_do_not_fit_unequal_ones_are_cut():
    assert sorted(count for _, count, _ in sizes(placed(two(4, 2), vdu(vcpus=11)))) == [4, 7]


def test_memory_alone_can_make_a_vdu_span_nodes():
    assert sum(mib for _, _, mib in sizes(placed(two(memory=1000), vdu(vcpus=2, memory=1500)))) == 1500


def test_unequal_cells_hold_whole_pages():
    world = host(nodes=[node(0, hugepages={"1048576": 3}), node(1, hugepages={"1048576": 1})])
    assert sizes(placed(world, vdu(vcpus=2, memory=4096, pageSizeKib=1048576))) == [(0, 1, 3072), (1, 1, 1024)]


def test_cells_of_different_page_sizes_add_up():
    world = host(nodes=[node(0, hugepages={"1048576": 1}), node(1, hugepages={"2048": 5})])
    placement = placed(world, vdu(vcpus=2, memory=1034, pageSizeKib="large"))
    assert [(cell["memoryMib"], cell["pageSizeKib"]) for cell in placement["cells"]] == [(1024, 1048576), (10, 2048)]


def test_a_vdu_of_one_vcpu_is_never_cut():
    assert reasons(two(memory=1000), vdu(vcpus=1, memory=1500)) == {"NUMA_CELLS": 1}


def test_a_count_means_equal_cells():
    assert sizes(placed(two(), vdu(vcpus=4, numaNodes=2))) == [(0, 2, 512), (1, 2, 512)]
    assert sizes(placed(two(), vdu(vcpus=5, memory=1025, numaNodes=2))) == [(0, 3, 513), (1, 2, 512)]
    assert reasons(two(4, 2), vdu(vcpus=11, numaNodes=2)) == {"NUMA_CELLS": 1}


def test_stated_cells_keep_their_order_on_whatever_nodes():
    cells = [{"vcpus": [5, 0], "memoryMib": 256}, {"vcpus": [1, 2, 3, 4], "memoryMib": 768}]
    placement = placed(two(2, 1), vdu(vcpus=6, numaNodes=cells))
    assert sizes(placement) == [(1, 2, 256), (0, 4, 768)]
    assert placement["cells"][0]["vcpus"] == [0, 5]
    assert placement["vcpuPins"]["0"] == placement["cells"][0]["cpus"][0]


def test_three_unequal_cells_find_the_only_permutation():
    world = host(nodes=[node(0, cores=1), node(1, cores=3), node(2, cores=2)])
    cells = [{"vcpus": list(range(4)), "memoryMib": 1}, {"vcpus": list(range(4, 10)), "memoryMib": 1}]
    cells.append({"vcpus": [10, 11], "memoryMib": 1})
    placement = placed(world, vdu(vcpus=12, memory=3, numaNodes=cells))
    assert [cell["node"] for cell in placement["cells"]] == [2, 1, 0]


def test_distinct_cells_never_share_a_node():
    assert reasons(host(), vdu(vcpus=2, numaNodes=2)) == {"NUMA_CELLS": 1}


def test_an_impossible_guest_of_four_cells_is_refused_at_once():
    nodes = [node(n, cores=4) for n in range(8)]
    world = host(nodes=nodes, allocations=[allocation(f"o{n}", n, [100 * n]) for n in range(5)])
    cells = [{"vcpus": list(range(8 * n, 8 * n + 8)), "memoryMib": 256} for n in range(4)]
    assert reasons(world, vdu(vcpus=32, memory=1024, numaNodes=cells)) == {"NUMA_CELLS": 1}


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        ([{"vcpus": [0], "memoryMib": 1024}], "/vdus/0/numaNodes: expected cells that hold all 2 vCPUs, missing 1"),
        ([{"vcpus": [0, 1], "memoryMib": 2048}], "/vdus/0/numaNodes/0/memoryMib: expected at most the VDU's 1024 MiB"),
        ([{"vcpus": [0, 1], "memoryMib": 512}], "whose memory adds up to 1024 MiB, found 512"),
        ([{"vcpus": [0, 1, 1], "memoryMib": 1024}], "/vdus/0/numaNodes/0/vcpus/2: expected each vCPU from 0 to 1"),
        ([{"vcpus": [], "memoryMib": 1024}], "/vdus/0/numaNodes/0/vcpus: expected at least one vCPU"),
        (3, "/vdus/0/numaNodes: expected 1 to 2 cells, found 3"),
        (0, "/vdus/0/numaNodes: expected a whole number from 1 to 64, found 0"),
    ],
)
def test_impossible_cells_are_refused_before_any_decision(cells, fault):
    with pytest.raises(DocumentError, match=fault):
        solve(two(), vdu(numaNodes=cells))
