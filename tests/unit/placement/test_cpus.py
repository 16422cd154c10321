"""Dedicated, shared and mixed CPUs under the thread policies (classes D1 to D8 of docs/placement.md)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.placement.world import allocation, cpus_of, host, node, placed, reasons, vdu


def broken(*cpus: int, **more: Any):
    return host(allocations=[allocation(cpus=cpus)], **more)


def test_prefer_fills_broken_cores_first():
    assert cpus_of(placed(broken(0, 1), vdu(vcpus=2))) == [[50, 51]]
    assert cpus_of(placed(broken(0), vdu(vcpus=3))) == [[50, 1, 51]]


def test_four_single_vcpus_break_two_cores_not_four():
    placements = placed(host(), [vdu(f"v{n}", vcpus=1) for n in range(4)])
    used = {cpu for placement in placements.values() for cpu in placement["cells"][0]["cpus"]}
    assert used == {0, 50, 1, 51}


def test_prefer_takes_cores_of_one_thread_before_it_breaks_one_of_two():
    odd = host(nodes=[{"id": 0, "cores": [[0, 50], [1]], "memoryMib": 4096}])
    assert cpus_of(placed(odd, vdu(vcpus=1))) == [[1]]


def test_pins_follow_the_cpus():
    placement = placed(host(), vdu(vcpus=3))
    assert placement["vcpuPins"] == {"0": 0, "1": 50, "2": 1}
    assert placement["blockedCpus"] == []


def test_require_takes_whole_cores_and_blocks_the_last_sibling():
    placement = placed(broken(0), vdu(vcpus=3, threadPolicy="require"))
    assert cpus_of(placement) == [[1, 51, 2]]
    assert placement["blockedCpus"] == [52]


@pytest.mark.parametrize(
    "world",
    [host(nodes=[node(threads=1)]), broken(0, 1, 2), host(reservedCpus=[0, 1], sharedCpus=[52])],
    ids=["no threads", "broken", "reserved and shared siblings"],
)
def test_require_refuses_hosts_without_whole_cores(world):
    assert reasons(world, vdu(vcpus=4, threadPolicy="require")) == {"THREAD_POLICY": 1}


def test_require_covers_an_odd_count_with_the_smallest_cores():
    odd = host(nodes=[{"id": 0, "cores": [[0, 50], [1, 51], [2]], "memoryMib": 4096}])
    placement = placed(odd, vdu(vcpus=3, threadPolicy="require"))
    assert sorted(cpus_of(placement)[0]) == [0, 2, 50]
    assert placement["blockedCpus"] == []


def test_isolate_has_one_vcpu_on_each_core():
    placement = placed(broken(0), vdu(vcpus=3, threadPolicy="isolate"))
    assert cpus_of(placement) == [[1, 2, 3]]
    assert placement["blockedCpus"] == [51, 52, 53]
    assert reasons(broken(0), vdu(vcpus=4, threadPolicy="isolate")) == {"THREAD_POLICY": 1}


def test_isolate_needs_no_hyper_threads():
    placement = placed(host(nodes=[node(threads=1)]), vdu(vcpus=4, threadPolicy="isolate"))
    assert (cpus_of(placement), placement["blockedCpus"]) == ([[0, 1, 2, 3]], [])


def test_blocked_cpus_of_an_allocation_are_nobody_elses():
    world = host(allocations=[allocation(cpus=[0], blockedCpus=[50])])
    assert reasons(world, vdu(vcpus=7)) == {"CPU_DEDICATED": 1}


def test_an_isolated_emulator_has_a_cpu_of_its_own_on_the_node_of_cell_0():
    cells = [{"vcpus": [1], "memoryMib": 512}, {"vcpus": [0], "memoryMib": 512}]
    full = host(nodes=[node(0), node(1)], allocations=[allocation(cpus=[0, 1, 2, 3, 50, 51, 52])])
    placement = placed(full, vdu(numaNodes=cells, emulatorThreads="isolate"))
    assert [cell["node"] for cell in placement["cells"]] == [1, 0]
    assert placement["emulatorCpus"] == [150]
    assert reasons(host(), vdu(vcpus=8, emulatorThreads="isolate")) == {"CPU_DEDICATED": 1}
    assert len(placed(host(), vdu(vcpus=7, emulatorThreads="isolate"))["emulatorCpus"]) == 1


def test_an_isolated_emulator_never_sits_on_a_blocked_cpu():
    fits = placed(host(), vdu(vcpus=5, threadPolicy="require", emulatorThreads="isolate"))
    assert fits["blockedCpus"] == [52]
    assert fits["emulatorCpus"] == [3]
    assert reasons(host(), vdu(vcpus=7, threadPolicy="require", emulatorThreads="isolate")) == {"NUMA_CELLS": 1}
    assert reasons(host(), vdu(vcpus=4, threadPolicy="isolate", emulatorThreads="isolate")) == {"NUMA_CELLS": 1}


def test_shared_emulator_threads_take_nothing():
    placement = placed(host(), vdu(vcpus=8, emulatorThreads="share"))
    assert placement["emulatorCpus"] == []


def test_an_emulator_of_a_shared_vdu_can_be_isolated_too():
    world = host(sharedCpus=[0, 50], reservedCpus=[1, 51, 2, 52, 3])
    assert placed(world, vdu(cpuPolicy="shared", emulatorThreads="isolate"))["emulatorCpus"] == [53]


def test_shared_vcpus_share_the_pool_up_to_the_overcommit():
    world = host(sharedCpus=[0, 50], cpuOvercommit=1.5)
    placement = placed(world, vdu(vcpus=3, cpuPolicy="shared"))
    assert placement["cells"] == [{"node": 0, "cpus": [], "memoryMib": 1024, "pageSizeKib": 4, "sharedVcpus": 3}]
    assert placement["vcpuPins"] == {}
    assert reasons(world, vdu(vcpus=4, cpuPolicy="shared")) == {"CPU_SHARED": 1}


def test_shared_vcpus_of_allocations_count():
    cell = {"node": 0, "cpus": [], "memoryMib": 0, "sharedVcpus": 2}
    world = host(sharedCpus=[0, 50], cpuOvercommit=2.0, allocations=[{"id": "old", "cells": [cell]}])
    assert placed(world, vdu(vcpus=2, cpuPolicy="shared"))["host"] == "h1"
    assert reasons(world, vdu(vcpus=3, cpuPolicy="shared")) == {"CPU_SHARED": 1}


def test_shared_cpus_that_an_allocation_lists_count_as_one_vcpu_each():
    world = host(sharedCpus=[0, 50], allocations=[allocation(cpus=[0, 50])])
    assert reasons(world, vdu(vcpus=1, cpuPolicy="shared")) == {"CPU_SHARED": 1}


def test_overcommit_is_per_node():
    world = host(nodes=[node(0), node(1)], sharedCpus=[0, 100], cpuOvercommit=2.0)
    assert reasons(world, vdu(vcpus=4, cpuPolicy="shared", numaNodes=1)) == {"NUMA_CELLS": 1}
    assert [cell["sharedVcpus"] for cell in placed(world, vdu(vcpus=4, cpuPolicy="shared"))["cells"]] == [2, 2]


def test_mixed_vdus_have_both_on_the_same_node():
    mixed = vdu(vcpus=4, cpuPolicy="mixed", dedicatedVcpus=[1, 3])
    placement = placed(host(sharedCpus=[0, 50]), mixed)
    assert placement["vcpuPins"] == {"1": 1, "3": 51}
    assert placement["cells"][0]["sharedVcpus"] == 2
    apart = host(nodes=[node(0, cores=1), node(1)], sharedCpus=[0, 50])
    assert reasons(apart, mixed | {"numaNodes": 1}) == {"NUMA_CELLS": 1}


def test_reserved_and_shared_cpus_are_never_dedicated():
    world = host(reservedCpus=[0, 50], sharedCpus=[1, 51])
    assert sorted(cpus_of(placed(world, vdu(vcpus=4)))[0]) == [2, 3, 52, 53]
    assert reasons(world, vdu(vcpus=5)) == {"CPU_DEDICATED": 1}


def test_without_a_policy_cpus_are_dedicated():
    assert len(placed(host(), vdu())["vcpuPins"]) == 2


def test_the_thread_policy_of_a_vdu_without_dedicated_cpus_says_nothing():
    world = host(nodes=[node(threads=1)], sharedCpus=[0, 1])
    assert placed(world, vdu(cpuPolicy="shared", threadPolicy="require"))["host"] == "h1"
