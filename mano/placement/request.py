"""What is to be placed: VDUs with their needs, groups that bind them, chains that run through them.

Values only; constructors check what one object can know about itself and raise `RequestError` with a path of document
keys. References between objects are checked by `PlacementRequest`; references to an inventory (group members that are
allocations, ingress hosts) by the engine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import gcd

from mano.domain.nfvi import InventoryError

MAX_VCPUS = 4_096
MAX_INTERFACES = 64
MAX_CELLS = 64

MAX_WAYPOINTS = 50_000
"""VDUs on the paths of all chains of a request together, each as often as it is there."""

Path = tuple[str | int, ...]


class RequestError(InventoryError):
    """A value that no placement request can hold; `path` and `expected` as in `InventoryError`."""


class CpuPolicy(StrEnum):
    """Dedicated vCPUs own a host CPU each, shared ones float over the host's shared CPUs, mixed VDUs have both."""

    DEDICATED = "dedicated"
    SHARED = "shared"
    MIXED = "mixed"


class ThreadPolicy(StrEnum):
    """How dedicated vCPUs lie on hyper-threads: anywhere (broken cores first), whole cores only, one per core."""

    PREFER = "prefer"
    REQUIRE = "require"
    ISOLATE = "isolate"


class EmulatorThreads(StrEnum):
    """Where the hypervisor's own threads run: on the VDU's CPUs, on the host's shared ones, on one of their own."""

    NONE = "none"
    SHARE = "share"
    ISOLATE = "isolate"


class PageClass(StrEnum):
    """A page size by class: small pages, any huge page, or the largest of all that fits."""

    SMALL = "small"
    LARGE = "large"
    ANY = "any"


class VnicType(StrEnum):
    """The port binding types of Neutron that Catena places."""

    NORMAL = "normal"
    VIRTIO_FORWARDER = "virtio-forwarder"
    DIRECT = "direct"
    MACVTAP = "macvtap"
    DIRECT_PHYSICAL = "direct-physical"


class NumaAffinity(StrEnum):
    """How close a NIC must be to the VDU's cells: on a node of theirs, if possible so, on a socket of theirs, any."""

    REQUIRED = "required"
    PREFERRED = "preferred"
    SOCKET = "socket"
    NONE = "none"


class GroupKind(StrEnum):
    AFFINITY = "affinity"
    ANTI_AFFINITY = "anti-affinity"


class Scope(StrEnum):
    """What the members of a group share or do not share."""

    HOST = "host"
    NUMA_NODE = "numa-node"
    ZONE = "zone"
    NIC = "nic"


@dataclass(frozen=True, slots=True)
class InterfaceRequest:
    """A network interface of a VDU. `vfs` VFs are taken of one NIC; `bandwidth_mbps` is their total.

    Its id has no slash, so that `vdu/interface` names it wherever the VDU's own has some.
    """

    id: str
    vnic_type: VnicType = VnicType.NORMAL
    physnet: str | None = None
    vfs: int = 1
    numa_affinity: NumaAffinity = NumaAffinity.REQUIRED
    bandwidth_mbps: int = 0
    traits: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if not 1 <= self.vfs <= 65_535:
            raise RequestError(("vfs",), f"1 to 65535 VFs, found {self.vfs}")
        if self.bandwidth_mbps < 0:
            raise RequestError(("bandwidthMbps",), f"0 or more, found {self.bandwidth_mbps}")
        if "/" in self.id:
            raise RequestError(("id",), f"a name without slashes, found {self.id!r:.60}")

    @property
    def takes_vfs(self) -> bool:
        return self.vnic_type in (VnicType.DIRECT, VnicType.MACVTAP, VnicType.VIRTIO_FORWARDER)

    @property
    def takes_nic(self) -> bool:
        """Whether it holds (a part of) a NIC, rather than a port of the virtual switch."""
        return self.vnic_type is not VnicType.NORMAL


@dataclass(frozen=True, slots=True)
class CellRequest:
    """One guest NUMA cell: its vCPU indices and its memory in MiB."""

    vcpus: tuple[int, ...]
    memory_mib: int

    def __post_init__(self) -> None:
        if not self.vcpus:
            raise RequestError(("vcpus",), "at least one vCPU in a cell")
        if self.memory_mib < 1:
            raise RequestError(("memoryMib",), f"1 MiB or more, found {self.memory_mib}")


@dataclass(frozen=True, slots=True)
class VduRequest:
    """One VDU instance. `page_size` is a size in KiB or a class; `numa` is None (fewest nodes), a count, or cells.

    `dedicated_vcpus` matters to mixed VDUs only; `requires` are host labels, `zones` the zones it may lie in (empty:
    any).
    """

    id: str
    vcpus: int
    memory_mib: int
    cpu_policy: CpuPolicy = CpuPolicy.DEDICATED
    thread_policy: ThreadPolicy = ThreadPolicy.PREFER
    emulator_threads: EmulatorThreads = EmulatorThreads.NONE
    page_size: int | PageClass = PageClass.SMALL
    numa: int | tuple[CellRequest, ...] | None = None
    dedicated_vcpus: frozenset[int] = frozenset()
    storage_gib: int = 0
    requires: Mapping[str, str] = field(default_factory=dict)
    zones: frozenset[str] = frozenset()
    interfaces: tuple[InterfaceRequest, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.vcpus <= MAX_VCPUS:
            raise RequestError(("vcpus",), f"1 to {MAX_VCPUS} vCPUs, found {self.vcpus}")
        if self.memory_mib < 1:
            raise RequestError(("memoryMib",), f"1 MiB or more, found {self.memory_mib}")
        if self.storage_gib < 0:
            raise RequestError(("storageGib",), f"0 or more, found {self.storage_gib}")
        self._check_pages()
        self._check_cpus()
        if isinstance(self.numa, tuple):
            self._check_cells(self.numa)
        elif self.numa is not None:
            self._check_count(self.numa)
        if len(self.interfaces) > MAX_INTERFACES:
            raise RequestError(("interfaces",), f"at most {MAX_INTERFACES} interfaces, found {len(self.interfaces)}")
        _each_once([one.id for one in self.interfaces], ("interfaces",), "interface id")

    def _check_pages(self) -> None:
        size = self.page_size
        if isinstance(size, PageClass):
            return
        if size < 4 or size & (size - 1):
            raise RequestError(("pageSizeKib",), f"small, large, any or a power of two of 4 or more, found {size}")
        if self.memory_mib * 1024 % size:
            raise RequestError(("memoryMib",), f"a multiple of the page of {size} KiB, found {self.memory_mib} MiB")

    def _check_cpus(self) -> None:
        if self.cpu_policy is CpuPolicy.MIXED:
            if not self.dedicated_vcpus or len(self.dedicated_vcpus) >= self.vcpus:
                raise RequestError(("dedicatedVcpus",), "some but not all of the VDU's vCPUs, as cpuPolicy is mixed")
        elif self.dedicated_vcpus:
            raise RequestError(("dedicatedVcpus",), f"nothing, as cpuPolicy is {self.cpu_policy}")
        if any(not 0 <= index < self.vcpus for index in self.dedicated_vcpus):
            raise RequestError(("dedicatedVcpus",), f"vCPU indices from 0 to {self.vcpus - 1}")

    def _check_count(self, count: int) -> None:
        if not 1 <= count <= min(MAX_CELLS, self.vcpus):
            raise RequestError(("numaNodes",), f"1 to {min(MAX_CELLS, self.vcpus)} cells, found {count}")
        if count > self.memory_units:
            raise RequestError(("numaNodes",), f"at most one cell per page of its memory ({self.memory_units})")

    def _check_cells(self, cells: Sequence[CellRequest]) -> None:
        if not 1 <= len(cells) <= MAX_CELLS:
            raise RequestError(("numaNodes",), f"1 to {MAX_CELLS} cells, found {len(cells)}")
        seen: set[int] = set()
        for place, cell in enumerate(cells):
            for index, vcpu in enumerate(cell.vcpus):
                if not 0 <= vcpu < self.vcpus or vcpu in seen:
                    expected = f"each vCPU from 0 to {self.vcpus - 1} in one cell, found {vcpu}"
                    raise RequestError(("numaNodes", place, "vcpus", index), expected)
                seen.add(vcpu)
            if cell.memory_mib > self.memory_mib:
                expected = f"at most the VDU's {self.memory_mib} MiB, found {cell.memory_mib}"
                raise RequestError(("numaNodes", place, "memoryMib"), expected)
            if isinstance(self.page_size, int) and cell.memory_mib * 1024 % self.page_size:
                expected = f"a multiple of the page of {self.page_size} KiB, found {cell.memory_mib} MiB"
                raise RequestError(("numaNodes", place, "memoryMib"), expected)
        if len(seen) != self.vcpus:
            missing = min(set(range(self.vcpus)) - seen)
            raise RequestError(("numaNodes",), f"cells that hold all {self.vcpus} vCPUs, missing {missing}")
        total = sum(cell.memory_mib for cell in cells)
        if total != self.memory_mib:
            raise RequestError(("numaNodes",), f"cells whose memory adds up to {self.memory_mib} MiB, found {total}")

    @property
    def memory_units(self) -> int:
        """How many pieces its memory can be cut into: pages of its size, or MiB where they are smaller."""
        return self.memory_mib // page_unit_mib(self.page_size) if isinstance(self.page_size, int) else self.memory_mib

    def is_dedicated(self, vcpu: int) -> bool:
        if self.cpu_policy is CpuPolicy.MIXED:
            return vcpu in self.dedicated_vcpus
        return self.cpu_policy is CpuPolicy.DEDICATED

    @property
    def dedicated_count(self) -> int:
        if self.cpu_policy is CpuPolicy.MIXED:
            return len(self.dedicated_vcpus)
        return self.vcpus if self.cpu_policy is CpuPolicy.DEDICATED else 0

    @property
    def shared_count(self) -> int:
        return self.vcpus - self.dedicated_count


def page_unit_mib(page_size_kib: int) -> int:
    """The smallest piece of memory, in MiB, that is both whole MiB and whole pages."""
    return page_size_kib // gcd(page_size_kib, 1024)


def _each_once(names: Sequence[str], path: Path, what: str) -> None:
    seen: set[str] = set()
    for place, name in enumerate(names):
        if not 0 < len(name) <= 255 or not name.isprintable():
            raise RequestError((*path, place, "id"), f"1 to 255 printable characters, found {name!r:.60}")
        if name in seen:
            raise RequestError((*path, place, "id"), f"each {what} once, found {name!r:.60} again")
        seen.add(name)


@dataclass(frozen=True, slots=True)
class Group:
    """Members are VDU ids or allocation ids, with scope nic `vdu/interface`. A soft group only breaks ties.

    Allocations that carry the group's `id` are members too.
    """

    kind: GroupKind
    members: tuple[str, ...]
    scope: Scope = Scope.HOST
    strict: bool = True
    id: str | None = None

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for place, member in enumerate(self.members):
            if member in seen:
                raise RequestError(("members", place), f"each member once, found {member!r:.60} again")
            seen.add(member)
            if self.scope is Scope.NIC and "/" not in member:
                raise RequestError(("members", place), f"vdu/interface, as the scope is nic, found {member!r:.60}")


@dataclass(frozen=True, slots=True)
class ChainRequest:
    """Traffic of `bandwidth_mbps` that visits `path` (VDU or allocation ids) in order, `ingress` and `egress` being
    hosts or switches at its ends; `max_latency_us` bounds the sum over all its underlay links."""

    id: str
    path: tuple[str, ...]
    bandwidth_mbps: int = 0
    max_latency_us: int | None = None
    ingress: str | None = None
    egress: str | None = None

    def __post_init__(self) -> None:
        if not self.path:
            raise RequestError(("path",), "at least one VDU")
        if self.bandwidth_mbps < 0:
            raise RequestError(("bandwidthMbps",), f"0 or more, found {self.bandwidth_mbps}")
        if self.max_latency_us is not None and self.max_latency_us < 0:
            raise RequestError(("maxLatencyUs",), f"0 or more, found {self.max_latency_us}")


@dataclass(frozen=True, slots=True)
class PlacementRequest:
    """All that is to be placed together."""

    vdus: tuple[VduRequest, ...]
    groups: tuple[Group, ...] = ()
    chains: tuple[ChainRequest, ...] = ()
    all_or_nothing: bool = True

    def __post_init__(self) -> None:
        _each_once([vdu.id for vdu in self.vdus], ("vdus",), "VDU id")
        _each_once([chain.id for chain in self.chains], ("chains",), "chain id")
        waypoints = sum(len(chain.path) for chain in self.chains)
        if waypoints > MAX_WAYPOINTS:
            raise RequestError(("chains",), f"paths of at most {MAX_WAYPOINTS} VDUs together, found {waypoints}")
        interfaces = {vdu.id: {one.id for one in vdu.interfaces} for vdu in self.vdus}
        for place, group in enumerate(self.groups):
            if group.scope is not Scope.NIC:
                continue
            for index, member in enumerate(group.members):
                vdu, _, interface = member.rpartition("/")
                if vdu in interfaces and interface not in interfaces[vdu]:
                    expected = f"an interface of {vdu!r:.60}, found {interface!r:.60}"
                    raise RequestError(("groups", place, "members", index), expected)

    def vdu(self, vdu_id: str) -> VduRequest:
        """Raises KeyError when there is no such VDU."""
        for vdu in self.vdus:
            if vdu.id == vdu_id:
                return vdu
        raise KeyError(vdu_id)
