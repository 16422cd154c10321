"""Measures placement: single decisions over many hosts, and joint batches against known figures.

    python -m benchmarks.bench_placement [--quick] [--best-seconds S] [--fleet N] [--json]

CPU time of this process is told, as other work on the machine then matters least. The joint batches come from the
generator below (seed 1): hosts of two nodes, zones of 16 hosts, chains over consecutive VDUs, half of the chains of
three or more with two members that may not share a host.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

from benchmarks.harness import benchmark
from mano.domain.nfvi import Inventory
from mano.placement import PlacementRequest, Planner, inventory_from_document, request_from_document

GIB_PAGE = 1_048_576


def batch_documents(vdus: int, hosts: int, seed: int = 1) -> tuple[dict[str, Any], dict[str, Any]]:
    """An inventory and a request; the calls of `random` are in the order that defines the benchmark."""
    random = Random(seed)
    host_documents = [_host(random, number) for number in range(hosts)]
    vdu_documents = [_vdu(random, number) for number in range(vdus)]
    chains: list[dict[str, Any]] = []
    start = 0
    while start < vdus:
        length = random.choice([3, 4, 5])
        members = [f"v{number:04}" for number in range(start, min(vdus, start + length))]
        chains.append({"id": f"c{len(chains):04}", "path": members})
        start += length
    groups = []
    for chain in chains:
        if random.random() < 0.5 and len(chain["path"]) >= 3:
            groups.append({"kind": "anti-affinity", "scope": "host", "members": random.sample(chain["path"], 2)})
    return {"hosts": host_documents}, {"vdus": vdu_documents, "groups": groups, "chains": chains}


def _host(random: Random, number: int) -> dict[str, Any]:
    nodes, nics = [], []
    for node in range(2):
        cpus, pages, vfs = random.choice([24, 40, 56]), random.choice([64, 96, 128]), random.choice([0, 8, 16])
        nodes.append(
            {
                "id": node,
                "socket": node,
                "cores": [[node * 100 + cpu] for cpu in range(cpus)],
                "memoryMib": pages * 1024 + 4096,
                "hugepages": {str(GIB_PAGE): pages},
            }
        )
        pci = f"0000:{node:02x}:00.0"
        nics.append({"name": f"nic{node}", "pci": pci, "numaNode": node, "physnet": "dc1", "totalVfs": vfs})
    return {"name": f"h{number:05}", "zone": f"z{number // 16:04}", "numaNodes": nodes, "nics": nics}


def _vdu(random: Random, number: int) -> dict[str, Any]:
    cpus, pages, vfs = random.choice([2, 4, 8, 16]), random.choice([2, 4, 8, 16, 32]), random.choice([0, 1, 2])
    document = {
        "id": f"v{number:04}",
        "vcpus": cpus,
        "memoryMib": pages * 1024,
        "pageSizeKib": GIB_PAGE,
        "numaNodes": 1,
    }
    if vfs:
        document["interfaces"] = [{"id": "e", "vnicType": "direct", "vfs": vfs, "numaAffinity": "preferred"}]
    return document


def fleet(hosts: int, seed: int = 7) -> Inventory:
    """Hosts of two nodes of 16 cores with hyper-threads, two NICs, and an odd load on every one of them."""
    random = Random(seed)
    documents = []
    for number in range(hosts):
        nodes = [
            {
                "id": node,
                "socket": node,
                "cores": [[node * 16 + core, node * 16 + core + 64] for core in range(16)],
                "memoryMib": 131072,
                "hugepages": {"2048": 8192, "1048576": 32},
                "reservedMemoryMib": 4096,
            }
            for node in range(2)
        ]
        nics = [
            {
                "name": f"e{node}",
                "pci": f"0000:{node:02x}:00.0",
                "numaNode": node,
                "physnet": "dc1",
                "totalVfs": 16,
                "linkMbps": 25000,
            }
            for node in range(2)
        ]
        held = []
        for node in range(2):
            cores = random.randint(0, 15)
            cpus = [node * 16 + core for core in range(cores)] + [node * 16 + core + 64 for core in range(cores // 2)]
            cell = {"node": node, "cpus": cpus, "memoryMib": 1024 * random.randint(0, 24), "pageSizeKib": GIB_PAGE}
            vfs = list(range(random.randint(0, 16)))
            interfaces = {"e": {"pci": nics[node]["pci"], "vfs": vfs, "node": node}} if vfs else {}
            held.append({"id": f"o{number}-{node}", "cells": [cell], "interfaces": interfaces})
        documents.append(
            {
                "name": f"h{number:06}",
                "zone": f"z{number // 32:04}",
                "numaNodes": nodes,
                "reservedCpus": [0, 64],
                "nics": nics,
                "allocations": held,
            }
        )
    return inventory_from_document({"hosts": documents})


SINGLE = {
    "vcpus": 8,
    "memoryMib": 8192,
    "pageSizeKib": GIB_PAGE,
    "numaNodes": 1,
    "interfaces": [{"id": "e", "vnicType": "direct", "physnet": "dc1", "vfs": 2}],
}


def single_decisions(hosts: int, decisions: int) -> dict[str, Any]:
    """VDUs with 8 dedicated CPUs, huge pages and 2 VFs, one after the other, each reserved before the next."""
    inventory = fleet(hosts)
    started = time.process_time()
    planner = Planner(inventory, None)
    prepared = time.process_time() - started
    times, synced = [], []
    for number in range(decisions):
        request = request_from_document({"vdus": [SINGLE | {"id": f"v{number}"}]})
        started = time.process_time()
        result = planner.plan(request)
        times.append((time.process_time() - started) * 1000)
        assert result.complete and result.decisions[f"v{number}"].reasons
        for placement in result.reservable():
            inventory = inventory.with_allocation(placement.host, placement.allocation)
        started = time.process_time()
        planner.sync(inventory)
        synced.append((time.process_time() - started) * 1000)
    impossible = request_from_document({"vdus": [SINGLE | {"id": "x", "vcpus": 40}]})
    started = time.process_time()
    refusal = planner.plan(impossible).unplaced["x"]
    assert sum(refusal.reasons.values()) == hosts
    return {
        "hosts": hosts,
        "medianMs": statistics.median(times),
        "p99Ms": sorted(times)[int(len(times) * 0.99)],
        "refusedWithRelaxationsMs": (time.process_time() - started) * 1000,
        "syncMedianMs": statistics.median(synced),
        "prepareMs": prepared * 1000,
        "octetsPerNode": planner.fleet.arrays.octets / (2 * hosts),
    }


def impossible_question() -> tuple[Planner, PlacementRequest]:
    """Four unequal cells with VFs on a host of eight nodes on which the largest cell fits nowhere."""
    nodes = [
        {"id": n, "socket": n // 4, "cores": [[n * 16 + c, n * 16 + c + 128] for c in range(8)], "memoryMib": 65536}
        for n in range(8)
    ]
    nics = [
        {"name": f"e{n}", "pci": f"0000:{n:02x}:00.0", "numaNode": n, "physnet": "dc1", "totalVfs": 8} for n in range(8)
    ]
    held = [{"id": f"o{n}", "cells": [{"node": n, "cpus": [n * 16]}]} for n in range(8)]
    host = {"name": "h1", "numaNodes": nodes, "nics": nics, "allocations": held}
    cells, start = [], 0
    for count in (16, 12, 8, 4):
        cells.append({"vcpus": list(range(start, start + count)), "memoryMib": 1024})
        start += count
    interfaces = [{"id": f"e{n}", "vnicType": "direct", "physnet": "dc1", "vfs": 1} for n in range(4)]
    vdu = {"id": "v", "vcpus": start, "memoryMib": 4096, "numaNodes": cells, "interfaces": interfaces}
    planner = Planner(inventory_from_document({"hosts": [host]}), None)
    return planner, request_from_document({"vdus": [vdu]})


def impossible_guest() -> dict[str, Any]:
    """How long that takes to refuse, with reasons and relaxations."""
    planner, request = impossible_question()
    times = []
    for _ in range(20):
        started = time.process_time()
        result = planner.plan(request)
        times.append((time.process_time() - started) * 1000)
        assert result.unplaced["v"].reasons == {"NUMA_CELLS": 1}
    return {"medianMs": statistics.median(times)}


def joint(vdus: int, hosts: int, best_seconds: float) -> dict[str, Any]:
    """One joint batch, fast and best."""
    inventory_document, request_document = batch_documents(vdus, hosts)
    planner = Planner(inventory_from_document(inventory_document), None)
    request = request_from_document(request_document)
    started = time.process_time()
    fast = planner.plan(request)
    fast_s = time.process_time() - started
    figures: dict[str, Any] = {"vdus": vdus, "hosts": hosts, "fastCost": fast.objective.cost, "fastCpuS": fast_s}
    if best_seconds:
        started, wall = time.process_time(), time.perf_counter()
        best = planner.plan(request, optimize="best", time_limit_s=best_seconds, iterations=10**6)
        assert best.complete
        figures |= {
            "bestCost": best.objective.cost,
            "bestCpuS": time.process_time() - started,
            "bestWallS": time.perf_counter() - wall,
        }
    return figures


def large_fleet(hosts: int) -> dict[str, Any]:
    """So many hosts in one process: what preparing them costs, the memory, and one decision."""
    planner = Planner(fleet(hosts), None)
    request = request_from_document({"vdus": [SINGLE | {"id": "v"}]})
    times = []
    for _ in range(20):
        started = time.process_time()
        assert planner.plan(request).complete
        times.append((time.process_time() - started) * 1000)
    return {
        "hosts": hosts,
        "octetsPerNode": planner.fleet.arrays.octets / (2 * hosts),
        "peakMib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "medianMs": statistics.median(times),
    }


@benchmark("placement: one VDU over 10 000 hosts, with reasons", number=20, clock=time.process_time)
def one_over_ten_thousand() -> Iterator[Callable[[], object]]:
    planner = Planner(fleet(10_000), None)
    request = request_from_document({"vdus": [SINGLE | {"id": "v"}]})
    yield lambda: planner.plan(request)


@benchmark("placement: impossible guest of 4 cells with VFs on 8 nodes", number=10, clock=time.process_time)
def impossible() -> Iterator[Callable[[], object]]:
    planner, request = impossible_question()
    yield lambda: planner.plan(request)


@benchmark("placement: 100 VDUs with chains on 100 hosts, fast", clock=time.process_time)
def hundred_on_hundred() -> Iterator[Callable[[], object]]:
    yield from _batch(100, 100)


@benchmark("placement: 500 VDUs with chains on 1 000 hosts, fast", clock=time.process_time)
def five_hundred_on_a_thousand() -> Iterator[Callable[[], object]]:
    yield from _batch(500, 1000)


def _batch(vdus: int, hosts: int) -> Iterator[Callable[[], object]]:
    inventory, request = batch_documents(vdus, hosts)
    planner, wanted = Planner(inventory_from_document(inventory), None), request_from_document(request)
    yield lambda: planner.plan(wanted)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small fleets, no improvement")
    parser.add_argument("--best-seconds", type=float, default=60.0, help="time limit of each improvement")
    parser.add_argument("--fleet", type=int, metavar="N", help="only: so many hosts in one process")
    parser.add_argument("--json", action="store_true", help="figures as JSON")
    options = parser.parse_args(arguments)
    if options.fleet:
        print("fleet: " + ", ".join(f"{key} {number:.6g}" for key, number in large_fleet(options.fleet).items()))
        return 0
    best = 0.0 if options.quick else options.best_seconds
    sizes = [(20, 10), (100, 100)] if options.quick else [(20, 10), (100, 100), (500, 1000)]
    single = single_decisions(1000 if options.quick else 10_000, 20 if options.quick else 200)
    guest = impossible_guest()
    batches = [joint(vdus, hosts, best) for vdus, hosts in sizes]
    if options.json:
        print(json.dumps({"single": single, "impossibleGuest": guest, "joint": batches}))
        return 0
    for name, figures in (("single", single), ("impossibleGuest", guest), *(("joint", one) for one in batches)):
        print(f"{name}: " + ", ".join(f"{key} {number:.6g}" for key, number in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
