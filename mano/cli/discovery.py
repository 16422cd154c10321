"""An Inventory of one host from what its kernel tells: hardware as facts, and cautious choices where one is needed."""

from __future__ import annotations

import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode
from mano.cli.exits import Failure
from mano.cli.files import read_text

HOST_MEMORY_MIB = 2048
"""Small-page memory that is kept for the host itself, where the node has it to spare."""


def discover_inventory(sysfs_root: str, proc_root: str | None, name: str | None) -> dict[str, Any]:
    """The document; it is a valid Inventory. Raises :class:`~mano.cli.exits.Failure` where there is nothing to read."""
    from dpdk_helpers.sysfs import discover

    is_here = os.path.realpath(sysfs_root) == "/sys"
    storage_gib = shutil.disk_usage("/").free >> 30 if is_here else 0
    return _inventory(discover(sysfs_root, proc_root), name or platform.node(), storage_gib)


def libvirt_inventory(capabilities: Path, nodedevs: Sequence[Path], name: str | None) -> dict[str, Any]:
    """The same from the outputs of `virsh capabilities` and `virsh nodedev-dumpxml`.

    Raises :class:`~mano.cli.exits.Failure` for what libvirt does not print. Without a name the host is called by its
    UUID.
    """
    from dpdk_helpers.libvirt import LibvirtError, read_capabilities

    text = read_text(capabilities)
    try:
        topology = read_capabilities(text, map(read_text, nodedevs))
    except LibvirtError as error:
        raise Failure(f"{capabilities}: {error}", hint="see `virsh capabilities` and `virsh nodedev-dumpxml`") from None
    return _inventory(topology, name or _uuid(text), 0)


def _uuid(capabilities: str) -> str:
    found = re.search(r"<uuid>([0-9a-fA-F-]{36})</uuid>", capabilities)
    if found is None:
        raise Failure("the capabilities name no host", hint="say --name")
    return found[1]


def _inventory(topology: HostTopology, name: str, storage_gib: int) -> dict[str, Any]:
    from mano.placement import inventory_from_document

    host = _host(topology, name) | {"storageGib": storage_gib}
    document: dict[str, Any] = {"apiVersion": "catena/v1", "kind": "Inventory", "hosts": [host]}
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
    pages = {str(pool.size_kib): pool.total for pool in node.hugepages if pool.total}
    huge_mib = sum(int(size) * count for size, count in pages.items()) // 1024
    memory_mib = max((node.memory_kib or 0) // 1024, huge_mib)
    small_mib = memory_mib - huge_mib
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
        "totalVfs": nic.total_vfs or len(nic.vfs),
    }
