"""A host's hardware as DPDK and placement see it: packages, NUMA nodes, cores, huge pages, NICs and their VFs.

Values only; `dpdk_helpers.sysfs.discover` makes them. Memory is in KiB, link speed in Mbit/s, CPUs are logical CPU
numbers of the operating system and always online ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.pci import PciAddress


@dataclass(frozen=True, slots=True)
class Core:
    """A physical core: its online hyper-threads, and the package and NUMA node it lies in (None: not known)."""

    cpus: tuple[int, ...]
    core_id: int | None
    package: int | None
    node: int | None


@dataclass(frozen=True, slots=True)
class Package:
    """A processor socket by the kernel's number (None: it has none), with its online CPUs."""

    id: int | None
    cpus: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NumaNode:
    """A NUMA node; it may have memory without CPUs (a GPU, high-bandwidth or far memory) or CPUs without memory.

    `distances` are the firmware's, 10 being local.
    """

    id: int
    cpus: tuple[int, ...]
    memory_kib: int | None
    free_kib: int | None
    hugepages: tuple[HugepagePool, ...] = ()
    distances: Mapping[int, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VirtualFunction:
    """A VF that exists, by its index below its PF (counted from 0)."""

    index: int
    address: PciAddress
    driver: str | None
    interfaces: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Nic:
    """A network controller on PCI.

    `numa_node` is None where the firmware does not say (numa_node is -1); `nearest_nodes` then tells the nodes of the
    CPUs that the kernel calls local to it, a hint only. `interfaces` is empty while a user-space driver such as
    vfio-pci has the device. `speed_mbps` is None while the link is down or unknown. `physical_function` is set for a
    VF. `total_vfs` is what the device can have, `vfs` those that exist.
    """

    address: PciAddress
    vendor_id: int | None
    device_id: int | None
    driver: str | None
    interfaces: tuple[str, ...]
    speed_mbps: int | None
    numa_node: int | None
    nearest_nodes: tuple[int, ...] = ()
    total_vfs: int = 0
    vfs: tuple[VirtualFunction, ...] = ()
    physical_function: PciAddress | None = None

    @property
    def in_user_space(self) -> bool:
        """Whether a driver for user-space networking has it."""
        return self.driver in USER_SPACE_DRIVERS


USER_SPACE_DRIVERS = frozenset({"vfio-pci", "igb_uio", "uio_pci_generic"})
"""Kernel drivers that hand a device to DPDK (DPDK "Linux Drivers" guide)."""


@dataclass(frozen=True, slots=True)
class HostTopology:
    """Everything `discover` found. `isolated_cpus` and `nohz_full_cpus` are kept from the scheduler at boot."""

    packages: tuple[Package, ...]
    numa_nodes: tuple[NumaNode, ...]
    cores: tuple[Core, ...]
    nics: tuple[Nic, ...] = ()
    isolated_cpus: tuple[int, ...] = ()
    nohz_full_cpus: tuple[int, ...] = ()

    @property
    def cpus(self) -> tuple[int, ...]:
        """All online CPUs."""
        return tuple(sorted(cpu for core in self.cores for cpu in core.cpus))

    @property
    def has_threads(self) -> bool:
        return any(len(core.cpus) > 1 for core in self.cores)

    def node(self, node_id: int) -> NumaNode:
        """Raises KeyError when there is no such node."""
        for node in self.numa_nodes:
            if node.id == node_id:
                return node
        raise KeyError(node_id)

    def node_of(self, cpu: int) -> int | None:
        """The NUMA node of an online CPU, None where it is not known. Raises KeyError for other CPUs."""
        return self.core_of(cpu).node

    def core_of(self, cpu: int) -> Core:
        """Raises KeyError when the CPU is not online."""
        for core in self.cores:
            if cpu in core.cpus:
                return core
        raise KeyError(cpu)

    def siblings(self, cpus: Iterable[int]) -> tuple[int, ...]:
        """The hyper-threads that share a core with any of `cpus`, these included. Raises KeyError for offline ones."""
        return tuple(sorted({sibling for cpu in cpus for sibling in self.core_of(cpu).cpus}))

    def cores_of(self, node_id: int) -> tuple[Core, ...]:
        return tuple(core for core in self.cores if core.node == node_id)
