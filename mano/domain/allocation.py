"""What one VDU instance holds on one host, and the checks that all NFVI values share.

Memory is in MiB, pages in KiB, storage in GiB, bandwidth in Mbit/s. Constructors raise `InventoryError` naming the
culprit by a path of document keys, relative to the object that was being built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

SMALL_PAGE_KIB = 4
"""The page that memory consists of where no huge pages are asked for."""

MAX_CPU = 65_535
MAX_NODE = 4_095
MAX_QUANTITY = 10**12
"""Upper bound of every size: far above any machine, far below what overflows a 64-bit array."""

_PCI = re.compile(r"[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")

Path = tuple[str | int, ...]


class InventoryError(ValueError):
    """A value that no inventory can hold.

    `path` leads from the object that was being built to the culprit, with the key names of the Inventory document;
    `expected` says what belongs there.
    """

    def __init__(self, path: Path, expected: str) -> None:
        self.path = path
        self.expected = expected
        super().__init__(f"{'/'.join(str(step) for step in path) or 'value'}: expected {expected}")

    def under(self, *prefix: str | int) -> InventoryError:
        """The same fault seen from an enclosing object."""
        return InventoryError((*prefix, *self.path), self.expected)


def check_whole(value: Any, path: Path, low: int = 0, high: int = MAX_QUANTITY) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InventoryError(path, f"a whole number from {low} to {high}, found {value!r:.60}")


def check_name(value: Any, path: Path) -> None:
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
        raise InventoryError(path, f"1 to 255 printable characters, found {value!r:.60}")


def check_host_name(value: Any, path: Path) -> None:
    """A name that can also stand in a path and in a URL's."""
    check_name(value, path)
    if "/" in value or "\\" in value or value in (".", ".."):
        raise InventoryError(path, f"a name without slashes that is not . or .., found {value!r:.60}")


def is_pci_address(text: str) -> bool:
    """Whether `text` is `domain:bus:device.function` in lower case; domains have up to 32 bits (VMD, Hyper-V)."""
    return _PCI.fullmatch(text) is not None


def check_page(size: Any, path: Path, low: int = SMALL_PAGE_KIB * 2) -> None:
    check_whole(size, path, low=low, high=2**34)
    if size & (size - 1):
        raise InventoryError(path, f"a page size in KiB that is a power of two, found {size}")


@dataclass(frozen=True, slots=True)
class Cell:
    """The part of an allocation that lies on one NUMA node.

    `cpus` are the dedicated logical CPUs in the order of the vCPUs they carry, `vcpus` all vCPU indices of the cell
    (empty in an only cell: all of them), `shared_vcpus` how many of them float over the node's shared CPUs.
    """

    node: int
    cpus: tuple[int, ...] = ()
    memory_mib: int = 0
    page_size_kib: int = SMALL_PAGE_KIB
    shared_vcpus: int = 0
    vcpus: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        check_whole(self.node, ("node",), high=MAX_NODE)
        for index, cpu in enumerate(self.cpus):
            check_whole(cpu, ("cpus", index), high=MAX_CPU)
        check_whole(self.memory_mib, ("memoryMib",))
        check_page(self.page_size_kib, ("pageSizeKib",), low=SMALL_PAGE_KIB)
        check_whole(self.shared_vcpus, ("sharedVcpus",))
        if len(set(self.vcpus)) != len(self.vcpus):
            raise InventoryError(("vcpus",), "each vCPU once")
        if self.memory_mib * 1024 % self.page_size_kib:
            raise InventoryError(("memoryMib",), f"a multiple of the page of {self.page_size_kib} KiB")


@dataclass(frozen=True, slots=True)
class InterfacePlacement:
    """Where an interface is attached.

    With `pci` and `vfs`: those VFs (counted from 0) of that NIC. With `pci` alone: the whole NIC. Without `pci`: a
    port of the virtual switch. `node` is the NIC's (or the switch's) NUMA node, None where unknown.
    """

    pci: str | None = None
    vfs: tuple[int, ...] = ()
    node: int | None = None
    bandwidth_mbps: int = 0

    def __post_init__(self) -> None:
        if self.pci is not None and not is_pci_address(self.pci):
            raise InventoryError(("pci",), f"a PCI address such as 0000:3b:00.0, found {self.pci!r:.60}")
        for index, vf in enumerate(self.vfs):
            check_whole(vf, ("vfs", index))
        if len(set(self.vfs)) != len(self.vfs):
            raise InventoryError(("vfs",), "each VF once")
        if self.vfs and self.pci is None:
            raise InventoryError(("pci",), "the address of the NIC that has the VFs")
        check_whole(self.bandwidth_mbps, ("bandwidthMbps",))

    @property
    def whole_nic(self) -> bool:
        return self.pci is not None and not self.vfs


@dataclass(frozen=True, slots=True)
class Allocation:
    """What one VDU instance holds on one host; the shape in which a plan states its placements."""

    id: str
    cells: tuple[Cell, ...] = ()
    vcpu_pins: Mapping[int, int] = field(default_factory=dict)
    emulator_cpus: tuple[int, ...] = ()
    blocked_cpus: tuple[int, ...] = ()
    interfaces: Mapping[str, InterfacePlacement] = field(default_factory=dict)
    storage_gib: int = 0
    groups: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_name(self.id, ("id",))
        for key, cpus in (("emulatorCpus", self.emulator_cpus), ("blockedCpus", self.blocked_cpus)):
            for index, cpu in enumerate(cpus):
                check_whole(cpu, (key, index), high=MAX_CPU)
        check_whole(self.storage_gib, ("storageGib",))
        for index, group in enumerate(self.groups):
            check_name(group, ("groups", index))

    @property
    def nodes(self) -> tuple[int, ...]:
        return tuple(cell.node for cell in self.cells)

    def held_cpus(self) -> Iterator[int]:
        """Every CPU that nobody else may use: those of the vCPUs, of the emulator, and blocked siblings."""
        for cell in self.cells:
            yield from cell.cpus
        yield from self.emulator_cpus
        yield from self.blocked_cpus
