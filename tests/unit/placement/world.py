"""Short ways to write inventories and requests."""

from __future__ import annotations

from typing import Any

from mano.placement import inventory_from_document, plan, request_from_document


def node(node_id=0, cores=4, threads=2, memory=65536, first=None, **more: Any):
    """A node whose CPUs are numbered like a real one's: core c of node n is 100·n + c, its siblings 50 further."""
    base = 100 * node_id if first is None else first
    listed = [[base + c + 50 * t for t in range(threads)] for c in range(cores)]
    return {"id": node_id, "socket": node_id, "cores": listed, "memoryMib": memory, **more}


def nic(index=0, node_id=0, vfs=8, **more: Any):
    pci = f"0000:{0x3B + index:02x}:00.0"
    return {
        "name": f"ens{index}",
        "pci": pci,
        "numaNode": node_id,
        "totalVfs": vfs,
        "physnet": "dc1",
        "linkMbps": 25000,
        **more,
    }


def host(name="h1", nodes=None, **more: Any):
    return {"name": name, "numaNodes": [node()] if nodes is None else nodes, **more}


def vdu(vdu_id="v", vcpus=2, memory=1024, **more: Any):
    return {"id": vdu_id, "vcpus": vcpus, "memoryMib": memory, **more}


def direct(interface_id="e", **more: Any):
    return {"id": interface_id, "vnicType": "direct", "physnet": "dc1", **more}


def solve(hosts, vdus, *, groups=(), chains=(), links=(), **options: Any):
    """The result of a plan as the contract's JSON."""
    inventory = {"hosts": hosts if isinstance(hosts, list) else [hosts], "links": list(links)}
    request = {"vdus": vdus if isinstance(vdus, list) else [vdus], "groups": list(groups), "chains": list(chains)}
    return plan(inventory_from_document(inventory), request_from_document(request), **options).to_json()


def placed(hosts, vdus, **more: Any):
    """The placements of a plan that placed everything; of an only VDU just its own."""
    result = solve(hosts, vdus, **more)
    assert result["unplaced"] == {}
    placements = result["placements"]
    return placements if isinstance(vdus, list) else placements[vdus["id"]]


def reasons(hosts, vdus, **more: Any):
    """The histogram of the only VDU that found no place."""
    result = solve(hosts, vdus, **more)
    (unplaced,) = result["unplaced"].values()
    return unplaced["reasons"]


def cpus_of(placement):
    return [cell["cpus"] for cell in placement["cells"]]


def allocation(allocation_id="old", node_id=0, cpus=(), memory=0, **more: Any):
    return {"id": allocation_id, "cells": [{"node": node_id, "cpus": list(cpus), "memoryMib": memory}], **more}
