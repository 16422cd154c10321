"""Refusals explain themselves: histogram, nearest misses, and relaxations that were tried (classes R1 and R2)."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from mano.placement import inventory_from_document, plan, request_from_document
from tests.unit.placement.world import allocation, direct, host, nic, node, placed, solve, vdu


def refused(hosts, wanted):
    (unplaced,) = solve(hosts, wanted)["unplaced"].values()
    return unplaced


def test_every_host_counts_once_under_its_first_reason():
    world = [
        host("a", state="down"),
        host("b", labels={"disk": "hdd"}),
        host("c", labels={"disk": "ssd"}, nodes=[node(0, cores=1)]),
        host("d", labels={"disk": "ssd"}, nodes=[node(0, memory=10)]),
        host("e", labels={"disk": "ssd"}),
        host("f", labels={"disk": "ssd"}, nics=[nic(vfs=0)]),
    ]
    wanted = vdu(vcpus=4, requires={"disk": "ssd"}, interfaces=[direct()])
    result = refused(world, wanted)
    assert result["hosts"] == 6
    assert list(result["reasons"].items()) == [
        *(("HOST_STATE", 1), ("LABEL", 1), ("CPU_DEDICATED", 1), ("MEMORY", 1), ("PHYSNET", 1), ("VF", 1)),
    ]


def test_the_nearest_misses_say_what_is_short_by_how_much():
    world = [
        host("a", nodes=[node(0, cores=1)]),
        host("b", nodes=[node(0, cores=3)]),
        host("c", nodes=[node(0, cores=3)], allocations=[allocation(cpus=[0])]),
    ]
    assert refused(world, vdu(vcpus=8))["nearest"] == [
        {"host": "b", "short": {"CPU_DEDICATED": 2}},
        {"host": "c", "short": {"CPU_DEDICATED": 3}},
        {"host": "a", "short": {"CPU_DEDICATED": 6}},
    ]


def test_shortage_on_nodes_is_told_where_the_sums_suffice():
    world = host(nodes=[node(0, cores=2, hugepages={"1048576": 1}), node(1, cores=3, hugepages={"1048576": 2})])
    wanted = vdu(vcpus=6, memory=3072, pageSizeKib=1048576, numaNodes=1)
    result = refused(world, wanted)
    assert result["reasons"] == {"NUMA_CELLS": 1}
    assert result["nearest"] == [{"host": "h1", "short": {"PAGES_1048576": 1}}]


def full():
    cpus = [*range(4), *range(50, 54)]
    return host(nodes=[node(0), node(1)], nics=[nic(0)], allocations=[allocation("x", cpus=cpus)])


def held(**interface: Any):
    return allocation("x", interfaces={"e": {"pci": nic()["pci"], "node": 0, **interface}})


def pages(count):
    return {"id": "x", "cells": [{"node": 0, "memoryMib": 2 * count, "pageSizeKib": 2048}]}


RELAXATIONS = [
    (full(), vdu(numaNodes=1, interfaces=[direct()]), "numaAffinity: preferred on interface 'e'"),
    (host(nodes=[node(0, cores=1), node(1, cores=1)]), vdu(vcpus=4, numaNodes=1), "numaNodes: absent"),
    (host(nodes=[node(threads=1)]), vdu(threadPolicy="require"), "threadPolicy: prefer"),
    (host(), vdu(vcpus=8, emulatorThreads="isolate"), "emulatorThreads: share"),
    (host(), vdu(memory=2048, pageSizeKib=2048), "pageSizeKib: any"),
    (host(), vdu(requires={"disk": "ssd"}), "requires: without 'disk'"),
    (host(), vdu(zones=["z"]), "zones: any"),
    (host(), vdu(storageGib=1), "storageGib: 0"),
    (host(sharedCpus=[0, 50], cpuOvercommit=8.0), vdu(vcpus=7), "cpuPolicy: shared"),
    (host(nics=[nic(linkMbps=None)]), vdu(interfaces=[direct(bandwidthMbps=1)]), "bandwidthMbps: 0 on interface 'e'"),
    (host(nics=[nic()]), vdu(interfaces=[direct(traits=["trusted"])]), "traits: none on interface 'e'"),
    (host(nics=[nic(physnet="b")]), vdu(interfaces=[direct()]), "physnet: any on interface 'e'"),
    (host(nics=[nic(vfs=2)]), vdu(interfaces=[direct(vfs=3)]), "vfs: 2 on interface 'e'"),
    (host(), vdu(vcpus=9), "vcpus: 8"),
    (host(nodes=[node(memory=512)]), vdu(memory=1024), "memoryMib: 512"),
    (host(allocations=[allocation(cpus=[0, 1])]), vdu(vcpus=8), "2 dedicated CPUs on h1 were freed"),
    (
        host(nics=[nic(vfs=4)], allocations=[held(vfs=[0, 1, 2])]),
        vdu(interfaces=[direct(vfs=3)]),
        "2 VFs on h1 were freed",
    ),
    (
        host(nodes=[node(hugepages={"2048": 4})], allocations=[pages(3)]),
        vdu(memory=4, pageSizeKib=2048),
        "1 page of 2048 KiB on h1 was freed",
    ),
    (
        host(nodes=[node(cores=2)], allocations=[allocation(cpus=[0, 50, 1])]),
        vdu(vcpus=2, threadPolicy="require"),
        "1 dedicated CPU on h1 was freed",
    ),
    (
        host(storageGib=9, allocations=[allocation(storageGib=9)]),
        vdu(storageGib=5),
        "5 GiB of storage on h1 were freed",
    ),
    (
        host(nics=[nic(vfs=4)], allocations=[held(vfs=[3], bandwidthMbps=20000)]),
        vdu(interfaces=[direct(bandwidthMbps=6000)]),
        "1000 Mbit/s on h1 were freed",
    ),
    (host(allocations=[allocation(memory=65000)]), vdu(), "488 MiB on h1 were freed"),
]


@pytest.mark.parametrize(("world", "wanted", "text"), RELAXATIONS, ids=[text for *_, text in RELAXATIONS])
def test_a_relaxation_is_found(world, wanted, text):
    assert any(told.startswith(text) for told in refused(world, wanted)["wouldFitIf"])


@pytest.mark.parametrize(
    ("world", "wanted", "relaxed"),
    [
        (full(), vdu(numaNodes=1, interfaces=[direct()]), {"interfaces": [direct(numaAffinity="preferred")]}),
        (host(), vdu(vcpus=9), {"vcpus": 8}),
        (host(nodes=[node(memory=512)]), vdu(memory=1024), {"memoryMib": 512}),
    ],
)
def test_what_is_told_is_true(world, wanted, relaxed):
    assert placed(world, wanted | relaxed)["host"] == "h1"


FREED = [
    (full(), vdu(numaNodes=1, interfaces=[direct()]), "2 dedicated CPUs on h1 were freed", 2),
    (full(), vdu(vcpus=4, numaNodes=1, interfaces=[direct()]), "4 dedicated CPUs on h1 were freed", 4),
]


@pytest.mark.parametrize(("world", "wanted", "text", "count"), FREED)
def test_what_is_to_be_freed_is_neither_too_little_nor_too_much(world, wanted, text, count):
    assert text in refused(world, wanted)["wouldFitIf"]
    (old,) = world["allocations"]
    taken = old["cells"][0]["cpus"]
    enough = host(nodes=[node(0), node(1)], nics=[nic(0)], allocations=[allocation("x", cpus=taken[count:])])
    assert placed(enough, wanted)["cells"][0]["node"] == 0
    short = host(nodes=[node(0), node(1)], nics=[nic(0)], allocations=[allocation("x", cpus=taken[count - 1 :])])
    assert refused(short, wanted)


def test_nothing_is_to_be_freed_where_nobody_holds_it():
    assert not any("freed" in told for told in refused(host(), vdu(vcpus=9))["wouldFitIf"])


def test_the_bounds_of_chains_can_be_relaxed():
    world = [host("a", nodes=[node(cores=1)]), host("b", nodes=[node(cores=1)])]
    links = [{"a": "a", "b": "b", "mbps": 100, "latencyUs": 50}]
    for bound, code, text in (
        ({"maxLatencyUs": 10}, "LATENCY", "maxLatencyUs: none on chain 'c'"),
        ({"bandwidthMbps": 200}, "LINK_BANDWIDTH", "bandwidthMbps: 0 on chain 'c'"),
    ):
        chain = {"id": "c", "path": ["v"], "ingress": "a", "egress": "b", **bound}
        (told,) = solve(world, [vdu()], chains=[chain], links=links)["unplaced"].values()
        assert told["reasons"] == {code: 2} and text in told["wouldFitIf"]
        assert solve(world, [vdu()], chains=[{"id": "c", "path": ["v"]}], links=links)["unplaced"] == {}


def test_what_would_not_help_is_not_told():
    assert refused(host(state="down", labels={"a": "b"}), vdu(requires={"c": "d"}))["wouldFitIf"] == []


def test_results_are_plain_documents():
    result = refused(host(), vdu(vcpus=9))
    assert json.loads(json.dumps(result)) == result
    assert yaml.safe_load(yaml.safe_dump(result)) == result


def test_a_decision_knows_the_runner_up():
    inventory = inventory_from_document(
        {"hosts": [host("a", allocations=[allocation()]), host("b"), host("c", state="down")]}
    )
    result = plan(inventory, request_from_document({"vdus": [vdu()]}))
    decision = result.decisions["v"].to_json()
    assert (decision["host"], decision["runnerUp"], decision["hosts"], decision["feasible"]) == ("a", "b", 3, 2)
    assert (decision["score"]["cost"], decision["runnerUpScore"]["cost"]) == (0, 1000)
    assert decision["reasons"] == {"HOST_STATE": 1}
    assert result.to_document()["decisions"]["v"] == decision
