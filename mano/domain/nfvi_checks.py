"""What must hold between the parts of a host: nodes and their CPUs, NICs, and what allocations hold of them.

Each raises `InventoryError` naming the place by a path of document keys, relative to the host.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mano.domain.allocation import SMALL_PAGE_KIB, Allocation, InterfacePlacement, InventoryError, Path

if TYPE_CHECKING:
    from mano.domain.nfvi import Host, NumaNode


def check_host(host: Host) -> None:
    """Raises InventoryError for what no machine can be."""
    node_of_cpu = _check_nodes(host.numa_nodes)
    _check_cpu_roles(host, node_of_cpu)
    _check_nics(host)
    if host.allocations:
        _Allocations(host, node_of_cpu).check()


def _check_nodes(nodes: Sequence[NumaNode]) -> dict[int, int]:
    """The node of each CPU."""
    if not nodes:
        raise InventoryError(("numaNodes",), "at least one NUMA node")
    node_of_cpu: dict[int, int] = {}
    ids = set()
    for index, node in enumerate(nodes):
        if node.id in ids:
            raise InventoryError(("numaNodes", index, "id"), f"each node id once, found {node.id} again")
        ids.add(node.id)
        for place, core in enumerate(node.cores):
            for cpu in core:
                if cpu in node_of_cpu:
                    raise InventoryError(("numaNodes", index, "cores", place), f"CPU {cpu} in one core only")
                node_of_cpu[cpu] = node.id
    return node_of_cpu


def _check_cpu_roles(host: Host, node_of_cpu: Mapping[int, int]) -> None:
    for key, cpus in (("reservedCpus", host.reserved_cpus), ("sharedCpus", host.shared_cpus)):
        unknown = sorted(cpu for cpu in cpus if cpu not in node_of_cpu)
        if unknown:
            raise InventoryError((key,), f"CPUs of the host's cores, found {unknown[0]}")
    both = sorted(host.reserved_cpus & host.shared_cpus)
    if both:
        raise InventoryError(("sharedCpus",), f"no reserved CPU, found {both[0]}")


def _check_nics(host: Host) -> None:
    ids = {node.id for node in host.numa_nodes}
    seen: set[str] = set()
    for index, nic in enumerate(host.nics):
        if nic.pci in seen:
            raise InventoryError(("nics", index, "pci"), f"each PCI address once, found {nic.pci} again")
        seen.add(nic.pci)
        if nic.numa_node is not None and nic.numa_node not in ids:
            raise InventoryError(("nics", index, "numaNode"), f"null or a node of the host, found {nic.numa_node}")
    if host.vswitch is not None:
        for index, node in enumerate(host.vswitch.nodes):
            if node not in ids:
                raise InventoryError(("vswitch", "nodes", index), f"a node of the host, found {node}")


class _Allocations:
    """What the allocations of one host hold, one after the other: nothing that is not there, and nothing twice."""

    def __init__(self, host: Host, node_of_cpu: Mapping[int, int]) -> None:
        self._host = host
        self._node_of_cpu = node_of_cpu
        self._nodes = {node.id: node for node in host.numa_nodes}
        self._nics = {nic.pci: nic for nic in host.nics}
        self._cpus: set[int] = set()
        self._vfs: set[tuple[str, int]] = set()
        self._memory_mib: Counter[tuple[int, int]] = Counter()

    def check(self) -> None:
        seen: set[str] = set()
        for index, allocation in enumerate(self._host.allocations):
            path: Path = ("allocations", index)
            if allocation.id in seen:
                raise InventoryError((*path, "id"), f"each allocation once, found {allocation.id!r:.60} again")
            seen.add(allocation.id)
            self._check_cells(allocation, path)
            self._check_cpus(allocation, path)
            for key, interface in allocation.interfaces.items():
                self._check_interface(interface, (*path, "interfaces", key))

    def _check_cells(self, allocation: Allocation, path: Path) -> None:
        """Nodes, their CPUs and their memory; of small pages whatever is no huge page counts, reserved or not."""
        for place, cell in enumerate(allocation.cells):
            where = (*path, "cells", place)
            if cell.node not in self._nodes:
                raise InventoryError((*where, "node"), f"a node of the host, found {cell.node}")
            astray = [cpu for cpu in cell.cpus if self._node_of_cpu.get(cpu) != cell.node]
            if astray:
                raise InventoryError((*where, "cpus"), f"CPUs of node {cell.node}, found {astray[0]}")
            self._memory_mib[cell.node, cell.page_size_kib] += cell.memory_mib
            there = _memory_of(self._nodes[cell.node], cell.page_size_kib)
            if self._memory_mib[cell.node, cell.page_size_kib] > there:
                pages = f"pages of {cell.page_size_kib} KiB on node {cell.node}"
                raise InventoryError((*where, "memoryMib"), f"at most {there} MiB by all allocations in {pages}")

    def _check_cpus(self, allocation: Allocation, path: Path) -> None:
        pinnable = {cpu for cell in allocation.cells for cpu in cell.cpus}
        for vcpu, cpu in allocation.vcpu_pins.items():
            if cpu not in pinnable:
                raise InventoryError((*path, "vcpuPins", str(vcpu)), f"a CPU of its cells, found {cpu}")
        for cpu in allocation.held_cpus():
            if cpu not in self._node_of_cpu:
                raise InventoryError(path, f"CPUs of the host's cores, found {cpu}")
            if cpu in self._cpus and cpu not in self._host.shared_cpus:
                raise InventoryError(path, f"CPUs that no other allocation holds, found {cpu}")
            self._cpus.add(cpu)

    def _check_interface(self, interface: InterfacePlacement, path: Path) -> None:
        if interface.node is not None and interface.node not in self._nodes:
            raise InventoryError((*path, "node"), f"null or a node of the host, found {interface.node}")
        if interface.pci is None:
            return
        nic = self._nics.get(interface.pci)
        if nic is None:
            raise InventoryError((*path, "pci"), f"a NIC of the host, found {interface.pci}")
        for place, vf in enumerate(interface.vfs):
            if vf >= nic.total_vfs:
                raise InventoryError((*path, "vfs", place), f"a VF below totalVfs {nic.total_vfs}, found {vf}")
        taken = [(nic.pci, vf) for vf in (interface.vfs or range(-1, nic.total_vfs))]
        if not self._vfs.isdisjoint(taken):
            raise InventoryError(path, f"VFs of {nic.pci} that no other interface holds")
        self._vfs.update(taken)


def _memory_of(node: NumaNode, page_size_kib: int) -> int:
    """MiB of the node in pages of that size."""
    if page_size_kib == SMALL_PAGE_KIB:
        return node.memory_mib - node.hugepage_memory_mib
    return node.hugepages.get(page_size_kib, 0) * page_size_kib // 1024
