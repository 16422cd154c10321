"""What hosts are and cost: state, labels, zones, storage, and which of several is taken (classes H1 and H2)."""

from __future__ import annotations

from typing import Any

import pytest

from mano.placement import Code
from mano.placement.filters import Refusal
from mano.placement.parts import Parts
from mano.placement.scores import Proposal
from tests.unit.placement.world import allocation, direct, host, nic, node, placed, reasons, solve, vdu


@pytest.mark.parametrize("state", ["draining", "down"])
def test_only_enabled_hosts_take_vdus(state):
    result = solve(host(state=state), vdu())
    assert result["unplaced"]["v"]["reasons"] == {"HOST_STATE": 1}
    assert result["unplaced"]["v"]["wouldFitIf"] == [f"host h1 were enabled (it is {state})"]


def test_labels_have_to_be_there_with_their_values():
    ssd = host(labels={"disk": "ssd"})
    assert placed(ssd, vdu(requires={"disk": "ssd"}))["host"] == "h1"
    for requires in ({"disk": "hdd"}, {"disk": "ssd", "gpu": "yes"}):
        assert reasons(ssd, vdu(requires=requires)) == {"LABEL": 1}


def test_zones_can_be_asked_for():
    world = [host("h1", zone="a"), host("h2", zone="b")]
    assert placed(world, vdu(zones=["b", "c"]))["host"] == "h2"
    assert placed(world, vdu(zone="b"))["host"] == "h2"
    assert reasons(world, vdu(zone="c")) == {"ZONE": 2}


def test_storage_is_taken_and_printed():
    world = host(storageGib=100, allocations=[allocation(storageGib=60)])
    assert placed(world, vdu(storageGib=40))["storageGib"] == 40
    assert reasons(world, vdu(storageGib=41)) == {"STORAGE": 1}


def test_a_host_in_use_is_taken_before_one_that_would_be_opened():
    assert placed([host("a"), host("b", allocations=[allocation()])], vdu())["host"] == "b"


def test_an_opened_host_is_paid_for_once():
    result = solve(host(), [vdu("v0"), vdu("v1")])
    assert result["objective"] == {"cost": 1000, "hostsOpened": 1, "crossNumaVfs": 0, "chainHops": 0}


def test_equal_hosts_are_taken_by_name_not_by_position():
    assert placed([host("b"), host("a")], vdu())["host"] == "a"


def test_the_host_that_is_fragmented_least_is_taken():
    broken = allocation("x", cpus=[0])
    whole = [host("a", allocations=[allocation("o")]), host("b", allocations=[broken])]
    assert placed(whole, vdu(vcpus=1))["host"] == "b", "it fills the broken core"
    last = host("a", nodes=[node(0, cores=1)], allocations=[allocation("o")], nics=[nic(0)])
    more = host("b", nodes=[node(0, cores=2)], allocations=[allocation("p")], nics=[nic(0)])
    assert placed([last, more], vdu(vcpus=2))["host"] == "b", "on a the VFs would be stranded"


def test_vfs_on_the_cell_s_node_are_worth_fifty():
    cpus = [*range(4), *range(50, 54)]
    far = host("a", nodes=[node(0), node(1)], nics=[nic(0)], allocations=[allocation("x", cpus=cpus)])
    near = host("b", nodes=[node(0), node(1)], nics=[nic(0)], allocations=[allocation("y")])
    assert placed([far, near], vdu(interfaces=[direct(numaAffinity="preferred")]))["host"] == "b"


def test_a_caller_can_forbid_hosts_and_rank_them():
    world = [host(name, allocations=[allocation(f"o{name}")]) for name in "abc"]

    def not_a(free: Any, _: Any) -> Refusal | None:
        return Refusal("MY_RULE") if free.host.name == "a" else None

    def c_first(proposal: Proposal) -> int:
        return -(proposal.host.host.name == "c")

    parts = Parts.installed().and_also([not_a])
    ranked = solve(world, vdu(), parts=parts.and_also(scores_too=[c_first]))
    assert ranked["placements"]["v"]["host"] == "c"
    alone = solve(world[:1], vdu(), parts=parts)
    assert alone["unplaced"]["v"]["reasons"] == {"MY_RULE": 1}


def test_codes_are_in_the_order_of_the_contract():
    assert [str(code) for code in Code] == [
        *("HOST_STATE", "LABEL", "ZONE", "AFFINITY", "CPU_DEDICATED", "CPU_SHARED", "THREAD_POLICY", "MEMORY"),
        *("PAGES", "NUMA_CELLS", "STORAGE", "PHYSNET", "VF", "NIC_NUMA", "BANDWIDTH", "LINK_BANDWIDTH", "LATENCY"),
    ]
