"""An Inventory document of a host from its discovered topology.

The topology is taken by its shape (`dpdk_helpers.topology.HostTopology` has it), so that neither side imports the
other. What discovery cannot know (physical networks, zones, which CPUs the switch polls on) is left for a person, or
given by the caller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from mano.placement.documents import API_VERSION


class PoolLike(Protocol):
    @property
    def size_kib(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


class NodeLike(Protocol):
    @property
    def id(self) -> int: ...
    @property
    def memory_kib(self) -> int | None: ...
    @property
    def hugepages(self) -> Sequence[PoolLike]: ...
    @property
    def distances(self) -> Mapping[int, int]: ...


class CoreLike(Protocol):
    @property
    def cpus(self) -> Sequence[int]: ...
    @property
    def package(self) -> int | None: ...
    @property
    def node(self) -> int | None: ...


class NicLike(Protocol):
    @property
    def address(self) -> object: ...
    @property
    def interfaces(self) -> Sequence[str]: ...
    @property
    def speed_mbps(self) -> int | None: ...
    @property
    def numa_node(self) -> int | None: ...
    @property
    def total_vfs(self) -> int: ...
    @property
    def physical_function(self) -> object | None: ...


class TopologyLike(Protocol):
    @property
    def numa_nodes(self) -> Sequence[NodeLike]: ...
    @property
    def cores(self) -> Sequence[CoreLike]: ...
    @property
    def nics(self) -> Sequence[NicLike]: ...
    @property
    def isolated_cpus(self) -> Sequence[int]: ...


def inventory_document_of(
    topology: TopologyLike, *, name: str, zone: str = "default", physnets: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """An Inventory document with this one host; `physnets` names the physical network of a NIC by its PCI address.

    CPUs of unknown node are left out, as nothing can be pinned to them with knowledge. Where the kernel keeps CPUs
    isolated, all others are reserved for the host. Huge pages in use at the time of discovery are reserved too.
    """
    return {
        "apiVersion": API_VERSION,
        "kind": "Inventory",
        "hosts": [host_document_of(topology, name=name, zone=zone, physnets=physnets or {})],
    }


def host_document_of(
    topology: TopologyLike, *, name: str, zone: str, physnets: Mapping[str, str]
) -> dict[str, Any]:  # fmt: skip
    """One element of an Inventory's `hosts`."""
    placeable = sorted(cpu for core in topology.cores if core.node is not None for cpu in core.cpus)
    isolated = set(topology.isolated_cpus)
    return {
        "name": name,
        "zone": zone,
        "state": "enabled",
        "labels": {},
        "numaNodes": [_node(topology, node) for node in topology.numa_nodes],
        "reservedCpus": [cpu for cpu in placeable if cpu not in isolated] if isolated else [],
        "sharedCpus": [],
        "cpuOvercommit": 1.0,
        "storageGib": 0,
        "nics": [_nic(nic, physnets) for nic in topology.nics if nic.physical_function is None],
        "allocations": [],
    }


def _node(topology: TopologyLike, node: NodeLike) -> dict[str, Any]:
    cores = [core for core in topology.cores if core.node == node.id]
    huge_mib = sum(pool.size_kib * pool.total for pool in node.hugepages) // 1024
    document: dict[str, Any] = {
        "id": node.id,
        "cores": [list(core.cpus) for core in cores],
        "memoryMib": max((node.memory_kib or 0) // 1024, huge_mib),
        "hugepages": {str(pool.size_kib): pool.total for pool in node.hugepages},
        "reservedHugepages": {str(pool.size_kib): pool.total - pool.free for pool in node.hugepages},
        "distances": {str(other): distance for other, distance in sorted(node.distances.items())},
    }
    packages = {core.package for core in cores if core.package is not None and core.package >= 0}
    if len(packages) == 1:
        document["socket"] = packages.pop()
    return document


def _nic(nic: NicLike, physnets: Mapping[str, str]) -> dict[str, Any]:
    pci = str(nic.address)
    return {
        "name": nic.interfaces[0] if nic.interfaces else pci,
        "pci": pci,
        "numaNode": nic.numa_node,
        "physnet": physnets.get(pci),
        "linkMbps": nic.speed_mbps,
        "totalVfs": nic.total_vfs,
        "traits": [],
    }
