"""Virtualisation deployment units with the storage that they attach (IFA011 clause 7.1.6).

The facts that placement needs stand on a VDU directly, under the names and in the units of a placement request:
numbers of vCPUs, MiB of memory, KiB of page size, GiB of storage.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vnf_descriptors.model.checks import check_at_least, check_name
from vnf_descriptors.model.containers import OsContainer
from vnf_descriptors.model.frozen import EMPTY, FrozenMap
from vnf_descriptors.model.images import SwImage
from vnf_descriptors.model.vnf_facts import MonitoringParameter, RequestedCapability


class CpuPolicy(StrEnum):
    """Whether vCPUs own their logical CPUs."""

    DEDICATED = "dedicated"
    SHARED = "shared"
    MIXED = "mixed"


class ThreadPolicy(StrEnum):
    """How dedicated vCPUs use hyper-threads."""

    PREFER = "prefer"
    REQUIRE = "require"
    ISOLATE = "isolate"


class EmulatorThreads(StrEnum):
    """Where the hypervisor's own threads run."""

    NONE = "none"
    SHARE = "share"
    ISOLATE = "isolate"


class PageSizeClass(StrEnum):
    """A page size that is not a number of KiB."""

    SMALL = "small"
    LARGE = "large"
    ANY = "any"


class VduKind(StrEnum):
    """What runs a VDU: a virtual machine (or its equal) or a group of containers."""

    COMPUTE = "compute"
    OS_CONTAINER = "os-container-deployable-unit"


@dataclass(frozen=True, slots=True)
class VduCpu:
    """The CPUs that one instance of a VDU needs."""

    vcpus: int
    policy: CpuPolicy = CpuPolicy.SHARED
    #: Indices of the vCPUs that are dedicated when the policy is mixed; empty otherwise.
    dedicated_vcpus: tuple[int, ...] = ()
    thread_policy: ThreadPolicy = ThreadPolicy.PREFER
    emulator_threads: EmulatorThreads = EmulatorThreads.NONE
    architecture: str | None = None
    clock_mhz: int | None = None

    def __post_init__(self) -> None:
        check_at_least(self.vcpus, 1, "the number of vCPUs")
        if (self.policy is CpuPolicy.MIXED) != bool(self.dedicated_vcpus):
            raise ValueError("dedicated_vcpus belongs to the policy mixed, and the policy mixed needs it")
        if any(not 0 <= index < self.vcpus for index in self.dedicated_vcpus):
            raise ValueError(f"dedicated_vcpus must be indices below {self.vcpus}")


@dataclass(frozen=True, slots=True)
class NumaCell:
    """One NUMA node as the guest sees it."""

    vcpus: tuple[int, ...]
    memory_mib: int

    def __post_init__(self) -> None:
        check_at_least(self.memory_mib, 1, "the memory of a NUMA cell in MiB")


@dataclass(frozen=True, slots=True)
class BootData:
    """What a VDU instance is told when it boots (SOL001 clause 6.2)."""

    #: Keys and values for the VIM's metadata service.
    kvp: FrozenMap[str, str] = EMPTY
    #: The text that becomes the instance's user data.
    content: str | None = None
    source_path: str | None = None
    destination_path: str | None = None


@dataclass(frozen=True, slots=True)
class VirtualStorage:
    """A virtual storage node that VDUs attach to (SOL001 clause 6.8)."""

    id: str
    #: `block`, `object` or `file`.
    kind: str
    size_gib: int
    #: False when all instances of the VDU share one storage.
    per_vnfc_instance: bool = True
    sw_image: SwImage | None = None


@dataclass(frozen=True, slots=True)
class Vdu:
    """A virtualisation deployment unit: what one VNFC instance needs (IFA 011 clause 7.1.6)."""

    id: str
    name: str
    description: str
    cpu: VduCpu
    memory_mib: int
    #: A number of KiB, a class, or None when the descriptor leaves the page size open.
    page_size_kib: int | PageSizeClass | None = None
    #: How many NUMA cells; None leaves it to the placement. Excludes `numa_cells`.
    numa_nodes: int | None = None
    numa_cells: tuple[NumaCell, ...] = ()
    #: The descriptor's `numa_enabled`.
    numa_enabled: bool = False
    #: Local and attached block storage of one instance together.
    storage_gib: int = 0
    #: Labels that the host must carry.
    requires: FrozenMap[str, str] = EMPTY
    storages: tuple[VirtualStorage, ...] = ()
    sw_image: SwImage | None = None
    boot_data: BootData | None = None
    #: Instances at instantiation when no level says otherwise (VduInitialDelta).
    initial_instances: int = 1
    min_instances: int = 1
    max_instances: int = 1
    kind: VduKind = VduKind.COMPUTE
    nfvi_constraints: FrozenMap[str, str] = EMPTY
    requested_capabilities: tuple[RequestedCapability, ...] = ()
    monitoring_parameters: tuple[MonitoringParameter, ...] = ()
    #: The containers of a deployable unit, in its order.
    containers: tuple[OsContainer, ...] = ()
    #: Requirement keys that this library does not know, as they were written.
    other_requirements: FrozenMap[str, str] = EMPTY

    def __post_init__(self) -> None:
        check_name(self.id, "the identifier of a VDU")
        check_at_least(self.memory_mib, 1, f"the memory of VDU {self.id} in MiB")
        check_at_least(self.storage_gib, 0, f"the storage of VDU {self.id} in GiB")
        check_at_least(self.min_instances, 0, f"min_instances of VDU {self.id}")
        check_at_least(self.max_instances, self.min_instances, f"max_instances of VDU {self.id}")
        if self.numa_nodes is not None and self.numa_cells:
            raise ValueError(f"VDU {self.id} gives both a number of NUMA nodes and cells")
