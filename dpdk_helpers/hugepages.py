"""Huge pages: pools as the kernel counts them, and what it takes to have as many as wanted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dpdk_helpers.pci import SysfsWrite


class HugepageError(ValueError):
    """A size or number of huge pages that cannot be."""


@dataclass(frozen=True, slots=True, order=True)
class HugepagePool:
    """Huge pages of one size on one node: how many there are and how many of them are free.

    `surplus` pages exist beyond the configured number and vanish when they are given back.
    """

    size_kib: int
    total: int
    free: int
    surplus: int = 0

    def __post_init__(self) -> None:
        if self.size_kib < 8 or self.size_kib & (self.size_kib - 1):
            raise HugepageError(f"expected a power of two of 8 KiB or more, found {self.size_kib}")
        if not 0 <= self.free <= self.total or not 0 <= self.surplus <= self.total:
            raise HugepageError(f"expected 0 <= free, surplus <= total, found {self}")

    @property
    def used(self) -> int:
        return self.total - self.free

    @property
    def memory_mib(self) -> int:
        """MiB that the pool takes of its node, free or not."""
        return self.total * self.size_kib // 1024


def pages_for(memory_mib: int, size_kib: int) -> int:
    """How many pages of `size_kib` hold `memory_mib`. Raises HugepageError for negative or zero input."""
    if memory_mib < 0 or size_kib <= 0:
        raise HugepageError(f"expected memory of 0 or more and a size above 0, found {memory_mib} and {size_kib}")
    return -(-memory_mib * 1024 // size_kib)


def resize(node: int, size_kib: int, count: int) -> SysfsWrite:
    """The write that asks the kernel for `count` pages on a node; it may give fewer, so read the pool again.

    See Documentation/admin-guide/mm/hugetlbpage.rst. Raises HugepageError for numbers that cannot be.
    """
    if node < 0 or count < 0 or size_kib < 8 or size_kib & (size_kib - 1):
        raise HugepageError(f"expected node, count >= 0 and a power of two, found {node}, {count}, {size_kib}")
    return SysfsWrite(f"devices/system/node/node{node}/hugepages/hugepages-{size_kib}kB/nr_hugepages", str(count))


def boot_parameters(counts: Mapping[int, int], default_kib: int) -> str:
    """Kernel parameters that reserve pages at boot, where 1 GiB pages are still to be had: counts by size in KiB."""
    parts = [f"default_hugepagesz={_size(default_kib)}"]
    for size_kib, count in sorted(counts.items(), reverse=True):
        if count < 0:
            raise HugepageError(f"expected 0 pages or more, found {count}")
        parts += [f"hugepagesz={_size(size_kib)}", f"hugepages={count}"]
    return " ".join(parts)


def _size(kib: int) -> str:
    if kib < 8 or kib & (kib - 1):
        raise HugepageError(f"expected a power of two of 8 KiB or more, found {kib}")
    if kib % 2**20 == 0:
        return f"{kib // 2**20}G"
    return f"{kib // 1024}M" if kib % 1024 == 0 else f"{kib}K"
