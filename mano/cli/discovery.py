"""An Inventory of one host from what its kernel tells: hardware as facts, and cautious choices where one is needed."""

from __future__ import annotations

import os
import platform
import shutil
from typing import Any

from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode
from mano.cli.exits import Failure

HOST_MEMORY_MIB = 2048
"""Small-page memory that is kept for the host itself, where the node has it to spare."""


def discover_inventory(sysfs_root: str, proc_root: str, name: str | None) -> dict[str, Any]:
    """The document; it is a valid Inventory. Raises :class:`~mano.cli.exits.Failure` where there is nothing to read."""
    from dpdk_helpers.sysfs import discover
    from mano.placement import inventory_from_document

    topology = discover(sysfs_root, proc_root)
    if not topology.cpus:
        raise Failure(f"{sysfs_root} tells of no CPU", hint="is it the /sys of a Linux host?")
    document: dict[str, Any] = {
        "apiVersion": "catena/v1",
        "kind": "Inventory",
        "hosts": [_host(topology, name or platform.node())],
    }
    if os.path.realpath(sysfs_root) == "/sys":
        document["hosts"][0]["storageGib"] = shutil.disk_usage("/").free >> 30
    inventory_from_document(document)
    return document


def _host(topology: HostTopology, name: str) -> dict[str, Any]:
    nodes = [_node(topology, node, first=index == 0) for index, node in enumerate(topology.numa_nodes)]
    return {
        "name": name,
        "zone": "default",
        "numaNodes": nodes,
        "reservedCpus": _reserved(topology),
        "sharedCpus": [],
        "storageGib": 0,
        "nics": [_nic(nic) for nic in topology.nics if nic.physical_function is None and _is_placeable(nic, nodes)],
    }


def _reserved(topology: HostTopology) -> list[int]:
    """The host keeps what the kernel's scheduler uses, or, where nothing is isolated, the first core."""
    if topology.isolated_cpus:
        return sorted(set(topology.cpus) - set(topology.isolated_cpus))
    return list(topology.siblings(topology.cpus[:1]))


def _node(topology: HostTopology, node: NumaNode, *, first: bool) -> dict[str, Any]:
    cores = [core for core in topology.cores if core.node == node.id or (first and core.node is None)]
    memory_mib = (node.memory_kib or 0) // 1024
    pages = {str(pool.size_kib): pool.total for pool in node.hugepages if pool.total}
    small_mib = memory_mib - sum(int(size) * count for size, count in pages.items()) // 1024
    document: dict[str, Any] = {
        "id": node.id,
        "socket": _socket(cores),
        "cores": [list(core.cpus) for core in cores],
        "memoryMib": memory_mib,
        "hugepages": pages,
        "reservedMemoryMib": max(0, min(HOST_MEMORY_MIB, small_mib // 2)) if first else 0,
    }
    if node.distances:
        document["distances"] = {str(other): distance for other, distance in sorted(node.distances.items())}
    return document


def _socket(cores: list[Core]) -> int | None:
    return next((core.package for core in cores if core.package is not None), None)


def _is_placeable(nic: Nic, nodes: list[dict[str, Any]]) -> bool:
    return nic.numa_node is None or any(node["id"] == nic.numa_node for node in nodes)


def _nic(nic: Nic) -> dict[str, Any]:
    """A physical function. No kernel knows where its cable leads: ``physnet`` is the operator's to fill in."""
    return {
        "name": nic.interfaces[0] if nic.interfaces else str(nic.address),
        "pci": str(nic.address),
        "numaNode": nic.numa_node,
        "physnet": None,
        "linkMbps": nic.speed_mbps,
        "totalVfs": len(nic.vfs) or nic.total_vfs,
    }
