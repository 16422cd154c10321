"""NFVI inventory: hosts, their NUMA nodes and NICs, what is allocated on them, and the links between them.

Values only, and an object that exists is consistent: every constructor checks its ranges and cross references and
raises `InventoryError` naming the place by a path of keys, relative to the object. Sizes are MiB for memory, KiB for
pages, GiB for storage, Mbit/s for bandwidth and microseconds for latency. Nothing is ever changed in place: an update
(`Inventory.with_allocation` and friends) returns a new value that shares all untouched parts with the old one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from mano.domain.allocation import (
    MAX_CPU,
    MAX_NODE,
    SMALL_PAGE_KIB,
    Allocation,
    Cell,
    InterfacePlacement,
    InventoryError,
    check_host_name,
    check_name,
    check_page,
    check_whole,
    is_pci_address,
)
from mano.domain.nfvi_checks import check_host

__all__ = [
    "SMALL_PAGE_KIB",
    "Allocation",
    "Cell",
    "Host",
    "HostState",
    "InterfacePlacement",
    "Inventory",
    "InventoryError",
    "Link",
    "Nic",
    "NumaNode",
    "Vswitch",
    "is_pci_address",
]


class HostState(StrEnum):
    """Only an enabled host takes new allocations; a draining one keeps what it has."""

    ENABLED = "enabled"
    DRAINING = "draining"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class NumaNode:
    """A NUMA node. `cores` lists the online logical CPUs of each physical core; `memory_mib` includes huge pages."""

    id: int
    cores: tuple[tuple[int, ...], ...]
    memory_mib: int
    socket: int | None = None
    hugepages: Mapping[int, int] = field(default_factory=dict)
    reserved_memory_mib: int = 0
    reserved_hugepages: Mapping[int, int] = field(default_factory=dict)
    distances: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_whole(self.id, ("id",), high=MAX_NODE)
        check_whole(self.memory_mib, ("memoryMib",))
        check_whole(self.reserved_memory_mib, ("reservedMemoryMib",))
        if self.socket is not None:
            check_whole(self.socket, ("socket",))
        self._check_cores()
        self._check_pages()
        for node, distance in self.distances.items():
            check_whole(node, ("distances", str(node)), high=MAX_NODE)
            check_whole(distance, ("distances", str(node)), high=2**16)

    def _check_cores(self) -> None:
        seen: set[int] = set()
        for index, core in enumerate(self.cores):
            if not core:
                raise InventoryError(("cores", index), "at least one CPU in a core")
            for place, cpu in enumerate(core):
                check_whole(cpu, ("cores", index, place), high=MAX_CPU)
                if cpu in seen:
                    raise InventoryError(("cores", index, place), f"each CPU in one core only, found CPU {cpu} again")
                seen.add(cpu)

    def _check_pages(self) -> None:
        for size, count in self.hugepages.items():
            check_page(size, ("hugepages", str(size)))
            check_whole(count, ("hugepages", str(size)))
        if self.hugepage_memory_mib > self.memory_mib:
            raise InventoryError(("hugepages",), f"huge pages within the node's {self.memory_mib} MiB")
        for size, count in self.reserved_hugepages.items():
            check_whole(count, ("reservedHugepages", str(size)))
            if count > self.hugepages.get(size, 0):
                raise InventoryError(
                    ("reservedHugepages", str(size)), f"at most the {self.hugepages.get(size, 0)} pages of that size"
                )

    @property
    def hugepage_memory_mib(self) -> int:
        return sum(size * count for size, count in self.hugepages.items()) // 1024

    @property
    def socket_or_own(self) -> int:
        """The socket; a node that names none is a socket by itself, told apart by a negative number."""
        return self.socket if self.socket is not None else -1 - self.id

    def cpus(self) -> Iterator[int]:
        for core in self.cores:
            yield from core


@dataclass(frozen=True, slots=True)
class Nic:
    """A physical NIC. `numa_node` None is unknown, `link_mbps` None too: no bandwidth can be promised on it."""

    name: str
    pci: str
    numa_node: int | None = None
    physnet: str | None = None
    link_mbps: int | None = None
    total_vfs: int = 0
    traits: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        check_name(self.name, ("name",))
        if not is_pci_address(self.pci):
            raise InventoryError(("pci",), f"a PCI address such as 0000:3b:00.0, found {self.pci!r:.60}")
        if self.physnet is not None:
            check_name(self.physnet, ("physnet",))
        if self.link_mbps is not None:
            check_whole(self.link_mbps, ("linkMbps",))
        check_whole(self.total_vfs, ("totalVfs",), high=65_535)


@dataclass(frozen=True, slots=True)
class Vswitch:
    """The host's virtual switch; a `netdev` one forwards in PMD threads that run on `nodes`."""

    datapath: str = "system"
    nodes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.datapath not in ("system", "netdev"):
            raise InventoryError(("datapath",), f"system or netdev, found {self.datapath!r:.60}")

    @property
    def affine_nodes(self) -> frozenset[int]:
        """Nodes that a port belongs near to; empty where it makes no difference."""
        return frozenset(self.nodes) if self.datapath == "netdev" else frozenset()


@dataclass(frozen=True, slots=True)
class Link:
    """An underlay link; a name that is no host is a switch. `mbps` serves both directions together."""

    a: str
    b: str
    mbps: int
    latency_us: int = 0
    reserved_mbps: int = 0

    def __post_init__(self) -> None:
        check_name(self.a, ("a",))
        check_name(self.b, ("b",))
        if self.a == self.b:
            raise InventoryError(("b",), "another end than a")
        for key, value in (("mbps", self.mbps), ("latencyUs", self.latency_us), ("reservedMbps", self.reserved_mbps)):
            check_whole(value, (key,))


@dataclass(frozen=True, slots=True)
class Host:
    """One NFVI host. `shared_cpus` serve VDUs with shared CPUs, up to `cpu_overcommit` vCPUs each, per node."""

    name: str
    numa_nodes: tuple[NumaNode, ...]
    zone: str = "default"
    state: HostState = HostState.ENABLED
    labels: Mapping[str, str] = field(default_factory=dict)
    reserved_cpus: frozenset[int] = frozenset()
    shared_cpus: frozenset[int] = frozenset()
    cpu_overcommit: float = 1.0
    storage_gib: int = 0
    vswitch: Vswitch | None = None
    nics: tuple[Nic, ...] = ()
    allocations: tuple[Allocation, ...] = ()
    generation: int = field(default=0, compare=False)

    def __post_init__(self) -> None:
        check_host_name(self.name, ("name",))
        check_name(self.zone, ("zone",))
        check_whole(self.storage_gib, ("storageGib",))
        check_whole(self.generation, ("generation",), high=2**63 - 1)
        if not 0 < self.cpu_overcommit <= 1000:
            raise InventoryError(("cpuOvercommit",), f"a number above 0 and up to 1000, found {self.cpu_overcommit}")
        check_host(self)

    def node(self, node_id: int) -> NumaNode:
        """Raises KeyError when the host has no such node."""
        for node in self.numa_nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)

    def nic(self, pci: str) -> Nic:
        """Raises KeyError when the host has no such NIC."""
        for nic in self.nics:
            if nic.pci == pci:
                return nic
        raise KeyError(pci)

    def with_allocation(self, allocation: Allocation) -> Host:
        """The host after `allocation`. Raises InventoryError where it overlaps with one that is there."""
        return replace(self, allocations=(*self.allocations, allocation))

    def without_allocation(self, allocation_id: str) -> Host:
        """The host after the release of an allocation. Raises KeyError when it has none of that id."""
        kept = tuple(one for one in self.allocations if one.id != allocation_id)
        if len(kept) == len(self.allocations):
            raise KeyError(allocation_id)
        return replace(self, allocations=kept)


@dataclass(frozen=True, slots=True)
class Inventory:
    """All hosts, in a fixed order, and the links between them (none: the underlay is unknown, thus unlimited)."""

    hosts: tuple[Host, ...] = ()
    links: tuple[Link, ...] = ()
    _index: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        index: dict[str, int] = {}
        owners: dict[str, str] = {}
        for position, host in enumerate(self.hosts):
            if host.name in index:
                raise InventoryError(("hosts", position, "name"), f"each host once, found {host.name!r:.60} again")
            index[host.name] = position
            for place, allocation in enumerate(host.allocations):
                if allocation.id in owners:
                    raise InventoryError(
                        ("hosts", position, "allocations", place, "id"),
                        f"each allocation once, found {allocation.id!r:.60} on {owners[allocation.id]!r:.60} too",
                    )
                owners[allocation.id] = host.name
        object.__setattr__(self, "_index", index)

    def host(self, name: str) -> Host:
        """Raises KeyError when there is no such host."""
        return self.hosts[self._index[name]]

    def __contains__(self, name: object) -> bool:
        return name in self._index

    def position(self, name: str) -> int:
        return self._index[name]

    def with_host(self, host: Host) -> Inventory:
        """The inventory with `host` added, or put in the place of the one of that name."""
        position = self._index.get(host.name)
        if position is None:
            return replace(self, hosts=(*self.hosts, host))
        return replace(self, hosts=(*self.hosts[:position], host, *self.hosts[position + 1 :]))

    def without_host(self, name: str) -> Inventory:
        """The inventory without that host and its links. Raises KeyError when there is no such host."""
        position = self._index[name]
        links = tuple(link for link in self.links if name not in (link.a, link.b))
        return Inventory(self.hosts[:position] + self.hosts[position + 1 :], links)

    def with_allocation(self, host: str, allocation: Allocation) -> Inventory:
        """The inventory after `allocation` on `host`. Raises InventoryError where it overlaps with another."""
        return self.with_host(self.host(host).with_allocation(allocation))

    def without_allocation(self, host: str, allocation_id: str) -> Inventory:
        """The inventory after a release. Raises KeyError when the host has no such allocation."""
        return self.with_host(self.host(host).without_allocation(allocation_id))
