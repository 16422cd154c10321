"""What is left of a host: the state on which the exact fit works.

All values are immutable: `FreeHost.take` returns a new one that shares what did not change, so that a search can step
back by forgetting. CPUs are bit masks over logical CPU numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from dpdk_helpers.cpuset import mask_of
from mano.domain.nfvi import SMALL_PAGE_KIB, Allocation, Cell, Host, InterfacePlacement, Nic, NumaNode


@dataclass(frozen=True, slots=True)
class NodeShape:
    """What never changes about a node: its cores as masks of online CPUs, and what its CPUs are for."""

    id: int
    socket: int
    cores: tuple[int, ...]
    dedicated: int
    shared: int
    shared_capacity: int
    has_threads: bool


@dataclass(frozen=True)
class FreeNode:
    """What is left of a node: dedicated CPUs, vCPUs on the shared ones, MiB of small pages, huge pages by size."""

    shape: NodeShape
    free: int
    shared_left: int
    small_mib: int
    pages: Mapping[int, int]

    @property
    def id(self) -> int:
        return self.shape.id

    @cached_property
    def free_count(self) -> int:
        return self.free.bit_count()

    @cached_property
    def whole(self) -> tuple[int, ...]:
        """Cores of which every online CPU is free, smallest first, then by number."""
        free = self.free
        cores = [core for core in self.shape.cores if core & free == core]
        return tuple(sorted(cores, key=_core_order)) if self._uneven(cores) else tuple(cores)

    @staticmethod
    def _uneven(cores: list[int]) -> bool:
        return len({core.bit_count() for core in cores}) > 1

    @cached_property
    def whole_cpus(self) -> int:
        """CPUs in whole cores."""
        return sum(core.bit_count() for core in self.whole)

    @cached_property
    def broken(self) -> tuple[int, ...]:
        """The free CPUs of each core that is partly in other hands, fullest core first."""
        free = self.free
        parts = [core & free for core in self.shape.cores if core & free and core & free != core]
        return tuple(sorted(parts, key=_core_order))

    def takes_memory(self, memory_mib: int, page_size_kib: int) -> bool:
        if page_size_kib == SMALL_PAGE_KIB:
            return memory_mib <= self.small_mib
        needed, rest = divmod(memory_mib * 1024, page_size_kib)
        return not rest and needed <= self.pages.get(page_size_kib, 0)

    def take(self, cpus: int, shared: int, memory_mib: int, page_size_kib: int) -> FreeNode:
        small, pages = self.small_mib, self.pages
        if page_size_kib == SMALL_PAGE_KIB:
            small = max(0, small - memory_mib)
        else:
            left = self.pages.get(page_size_kib, 0) - memory_mib * 1024 // page_size_kib
            pages = {**self.pages, page_size_kib: max(0, left)}
        return FreeNode(self.shape, self.free & ~cpus, max(0, self.shared_left - shared), small, pages)


def _core_order(core: int) -> tuple[int, int]:
    return core.bit_count(), core & -core


@dataclass(frozen=True, slots=True)
class FreeNic:
    """What is left of a NIC: VFs as a mask over their numbers, Mbit/s (None: unknown), and whether it is untouched."""

    nic: Nic
    vfs: int
    mbps: int | None
    untouched: bool
    gone: bool = False

    @property
    def vf_count(self) -> int:
        return self.vfs.bit_count()

    def take(self, interface: InterfacePlacement) -> FreeNic:
        mbps = None if self.mbps is None else max(0, self.mbps - interface.bandwidth_mbps)
        if interface.whole_nic:
            return FreeNic(self.nic, 0, mbps, untouched=False, gone=True)
        return FreeNic(self.nic, self.vfs & ~mask_of(interface.vfs), mbps, untouched=False, gone=self.gone)


@dataclass(frozen=True, slots=True)
class FreeHost:
    """What is left of a host. `opened` is whether it carried anything before the request that is being decided."""

    host: Host
    nodes: tuple[FreeNode, ...]
    nics: tuple[FreeNic, ...]
    storage_gib: int
    held: tuple[Allocation, ...]
    opened: bool

    @property
    def has_threads(self) -> bool:
        return any(node.shape.has_threads for node in self.nodes)

    def take(self, allocation: Allocation) -> FreeHost:
        """The host after `allocation`, which must fit."""
        return replace(
            self,
            nodes=_take_nodes(self.nodes, allocation),
            nics=_take_nics(self.nics, allocation),
            storage_gib=max(0, self.storage_gib - allocation.storage_gib),
            held=(*self.held, allocation),
        )


def _take_nodes(nodes: tuple[FreeNode, ...], allocation: Allocation) -> tuple[FreeNode, ...]:
    """Emulator and blocked CPUs may lie on any of the nodes; shared CPUs among `cpus` count as vCPUs on them."""
    extra = mask_of((*allocation.emulator_cpus, *allocation.blocked_cpus))
    cells: dict[int, list[Cell]] = {}
    for cell in allocation.cells:
        cells.setdefault(cell.node, []).append(cell)
    taken = []
    for node in nodes:
        if node.free & extra:
            node = node.take(extra, 0, 0, SMALL_PAGE_KIB)
        for cell in cells.get(node.id, ()):
            floating = sum(1 for cpu in cell.cpus if node.shape.shared >> cpu & 1)
            node = node.take(mask_of(cell.cpus), cell.shared_vcpus + floating, cell.memory_mib, cell.page_size_kib)
        taken.append(node)
    return tuple(taken)


def _take_nics(nics: tuple[FreeNic, ...], allocation: Allocation) -> tuple[FreeNic, ...]:
    attached = [one for one in allocation.interfaces.values() if one.pci is not None]
    if not attached:
        return nics
    taken = []
    for nic in nics:
        for interface in attached:
            if interface.pci == nic.nic.pci:
                nic = nic.take(interface)
        taken.append(nic)
    return tuple(taken)


class FreeHosts:
    """Makes FreeHosts of Hosts; nodes and NICs that look the same and are untouched become one object."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[int, frozenset[int], frozenset[int], float], tuple[NumaNode, FreeNode]] = {}
        self._nics: dict[int, tuple[Nic, FreeNic]] = {}

    def of(self, host: Host) -> FreeHost:
        """What the host's allocations leave of it."""
        free = FreeHost(
            host=host,
            nodes=tuple(self._node(node, host) for node in host.numa_nodes),
            nics=tuple(self._nic(nic) for nic in host.nics),
            storage_gib=host.storage_gib,
            held=(),
            opened=bool(host.allocations),
        )
        for allocation in host.allocations:
            free = free.take(allocation)
        return free

    def _node(self, node: NumaNode, host: Host) -> FreeNode:
        key = (id(node), host.reserved_cpus, host.shared_cpus, host.cpu_overcommit)
        known = self._nodes.get(key)
        if known is None:
            known = self._nodes[key] = (node, _untouched(node, host))
        return known[1]

    def _nic(self, nic: Nic) -> FreeNic:
        known = self._nics.get(id(nic))
        if known is None:
            known = self._nics[id(nic)] = (nic, FreeNic(nic, (1 << nic.total_vfs) - 1, nic.link_mbps, untouched=True))
        return known[1]


def _untouched(node: NumaNode, host: Host) -> FreeNode:
    cores = tuple(sorted((mask_of(core) for core in node.cores), key=lambda core: core & -core))
    shared = _within(host.shared_cpus, node.cpus())
    reserved = _within(host.reserved_cpus, node.cpus())
    shape = NodeShape(
        id=node.id,
        socket=node.socket_or_own,
        cores=cores,
        dedicated=mask_of(node.cpus()) & ~shared & ~reserved,
        shared=shared,
        shared_capacity=int(shared.bit_count() * host.cpu_overcommit + 1e-9),
        has_threads=any(core.bit_count() > 1 for core in cores),
    )
    return FreeNode(
        shape=shape,
        free=shape.dedicated,
        shared_left=shape.shared_capacity,
        small_mib=max(0, node.memory_mib - node.hugepage_memory_mib - node.reserved_memory_mib),
        pages={size: count - node.reserved_hugepages.get(size, 0) for size, count in sorted(node.hugepages.items())},
    )


def _within(cpus: frozenset[int], of_node: Iterable[int]) -> int:
    return mask_of(cpu for cpu in of_node if cpu in cpus)
