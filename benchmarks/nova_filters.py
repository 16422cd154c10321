"""OpenStack Nova's own scheduler filters over hosts that a benchmark describes; run by a Python that has Nova.

The first line of stdin is a JSON document, ``{"hosts": [...], "request": {...}}``. Each further line has the filters
run once, and is answered by ``{"nova": version, "cpuS": CPU seconds, "passed": [hosts that pass]}``. Nothing of Nova is
copied here: its filters, its objects and its NUMA code run as they are installed. `bench_placement_peers.py` asks.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from typing import Any

FILTERS = (
    "aggregate_instance_extra_specs.AggregateInstanceExtraSpecsFilter",
    "compute_capabilities_filter.ComputeCapabilitiesFilter",
    "affinity_filter.ServerGroupAntiAffinityFilter",
    "pci_passthrough_filter.PciPassthroughFilter",
    "numa_topology_filter.NUMATopologyFilter",
)


def main() -> int:
    """Read, filter, print."""
    document = json.loads(sys.stdin.readline())
    logging.disable(logging.CRITICAL)
    import importlib
    from importlib.metadata import version

    from nova import objects
    from nova.scheduler.filters import HostFilterHandler

    objects.register_all()
    loaded = [name.rpartition(".") for name in FILTERS]
    filters = [
        getattr(importlib.import_module(f"nova.scheduler.filters.{module}"), name)() for module, _, name in loaded
    ]
    hosts = [host_state(host) for host in document["hosts"]]
    spec = request_spec(document["request"])
    for _ in sys.stdin:
        started = time.process_time()
        passed = list(HostFilterHandler().get_filtered_objects(filters, hosts, spec))
        took = time.process_time() - started
        names = sorted(host.host for host in passed)
        print(json.dumps({"nova": version("nova"), "cpuS": took, "passed": names}), flush=True)
    return 0


def host_state(host: dict[str, Any]) -> Any:
    """A scheduler's view of one host, as its database would fill it."""
    from nova import objects
    from nova.pci.stats import PciDeviceStats
    from nova.scheduler.host_manager import HostState

    state = HostState(host["name"], host["name"], None)
    topology = objects.NUMATopology(cells=[cell(node) for node in host["nodes"]])
    pools = [
        objects.PciDevicePool(
            vendor_id="8086",
            product_id="154c",
            numa_node=pool["node"],
            count=pool["count"],
            tags={"dev_type": "type-VF", "physical_network": pool["physnet"]},
        )
        for pool in host["pools"]
    ]
    state.numa_topology = topology
    state.pci_stats = PciDeviceStats(topology, objects.PciDevicePoolList(objects=pools))
    state.ram_allocation_ratio = state.cpu_allocation_ratio = 1.0
    state.allocation_candidates = [{"mappings": {}}]
    return state


def cell(node: dict[str, Any]) -> Any:
    """A NUMA cell with its load."""
    from nova import objects

    pages = [
        objects.NUMAPagesTopology(size_kb=size, total=total, used=used, reserved=0)
        for size, total, used in node["pages"]
    ]
    return objects.NUMACell(
        id=node["id"],
        cpuset=set(),
        pcpuset=set(node["cpus"]),
        memory=node["memoryMib"],
        cpu_usage=len(node["pinned"]),
        memory_usage=node["usedMib"],
        pinned_cpus=set(node["pinned"]),
        siblings=[set(core) for core in node["siblings"]],
        mempages=pages,
        socket=node["socket"],
    )


def request_spec(request: dict[str, Any]) -> Any:
    """One server: dedicated CPUs and huge pages on one node, VFs on that node too."""
    from nova import objects
    from nova.virt import hardware

    specs = {
        "hw:cpu_policy": "dedicated",
        "hw:numa_nodes": "1",
        "hw:mem_page_size": str(request["pageSizeKib"]),
        "hw:pci_numa_affinity_policy": "required",
    }
    flavor = objects.Flavor(
        id=1, name="f", vcpus=request["vcpus"], memory_mb=request["memoryMib"], root_gb=0, extra_specs=specs
    )
    image = objects.ImageMeta(properties=objects.ImageMetaProps())
    wanted = objects.InstancePCIRequest(
        count=request["vfs"],
        spec=[{"physical_network": request["physnet"], "dev_type": "type-VF"}],
        request_id="11111111-1111-4111-8111-111111111111",
        numa_policy="required",
    )
    return objects.RequestSpec(
        flavor=flavor,
        image=image,
        numa_topology=hardware.numa_get_constraints(flavor, image),
        pci_requests=objects.InstancePCIRequests(requests=[wanted]),
        instance_uuid="22222222-2222-4222-8222-222222222222",
        instance_group=None,
        scheduler_hints={},
        num_instances=1,
    )


if __name__ == "__main__":
    sys.exit(main())
