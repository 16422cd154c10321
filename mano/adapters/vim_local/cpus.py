"""From the CPUs, nodes and pages of a placement to those of this machine.

An id that is online here is taken as it is. Any other runs on the id modulo the online CPUs: the Inventory of a lab may
describe a bigger machine than the one it runs on.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.domain.vnf_instance import Realisation

SMALL_PAGE_KIB = 4
_SYSTEM = Path("/sys/devices/system")
_PAGES = Path("/sys/kernel/mm/hugepages")


@dataclass(frozen=True, slots=True)
class CpuSet:
    """Where a VNFC's threads may run, and whether these are the CPUs that were planned."""

    cpus: tuple[int, ...]
    realisation: Realisation
    note: str = ""


def parse_list(text: str) -> tuple[int, ...]:
    """The kernel's notation of a set: ``0-3,8``."""
    numbers: list[int] = []
    for part in text.strip().split(","):
        if part:
            low, _, high = part.partition("-")
            numbers.extend(range(int(low), int(high or low) + 1))
    return tuple(sorted(numbers))


def usable_cpus() -> tuple[int, ...]:
    """CPUs that are online and that this process may use."""
    return tuple(sorted(os.sched_getaffinity(0)))


def usable_nodes() -> tuple[int, ...]:
    """NUMA nodes that have memory; node 0 where the kernel does not say."""
    try:
        return parse_list((_SYSTEM / "node" / "has_memory").read_text(encoding="ascii"))
    except OSError:
        return (0,)


def planned_cpus(placement: Mapping[str, Any], shared: Sequence[int]) -> tuple[int, ...]:
    """All CPUs of a placement: dedicated ones, the emulator's, and the host's shared ones when it has none."""
    dedicated = [cpu for cell in placement.get("cells", ()) for cpu in cell.get("cpus", ())]
    floating = any(cell.get("sharedVcpus") for cell in placement.get("cells", ()))
    planned = {*dedicated, *placement.get("emulatorCpus", ())}
    if floating or not planned:
        planned.update(shared)
    return tuple(sorted(planned))


def realise_cpus(planned: Sequence[int], usable: Sequence[int]) -> CpuSet:
    """The CPUs of this machine that stand for the planned ones; all of them when none is planned."""
    if not planned:
        return CpuSet(tuple(usable), Realisation.EMULATED, "no CPUs are planned: it runs on any")
    missing = sorted(set(planned) - set(usable))
    cpus = tuple(sorted({cpu if cpu in usable else usable[cpu % len(usable)] for cpu in planned}))
    if not missing:
        return CpuSet(cpus, Realisation.ENFORCED)
    note = f"CPU {', '.join(map(str, missing))} not usable here: run on id modulo {len(usable)}"
    return CpuSet(cpus, Realisation.EMULATED, note)


def realise_nodes(placement: Mapping[str, Any], usable: Sequence[int]) -> tuple[int, ...]:
    """NUMA nodes of the placement that are here; empty, for any, unless all are."""
    nodes = {int(cell["node"]) for cell in placement.get("cells", ())}
    return tuple(sorted(nodes)) if nodes and nodes <= set(usable) else ()


def planned_pages(placement: Mapping[str, Any]) -> dict[int, int]:
    """Huge pages of a placement: size in KiB to count."""
    pages: dict[int, int] = {}
    for cell in placement.get("cells", ()):
        size = int(cell.get("pageSizeKib") or SMALL_PAGE_KIB)
        if size > SMALL_PAGE_KIB:
            pages[size] = pages.get(size, 0) + int(cell.get("memoryMib", 0)) * 1024 // size
    return {size: count for size, count in pages.items() if count}


def free_pages(size_kib: int, directory: Path = _PAGES) -> int:
    """Huge pages of this size that nobody uses or has reserved."""
    place = directory / f"hugepages-{size_kib}kB"
    try:
        free, reserved = ((place / name).read_text(encoding="ascii") for name in ("free_hugepages", "resv_hugepages"))
    except OSError:
        return 0
    return max(0, int(free) - int(reserved))


def pages_to_mount(placement: Mapping[str, Any], directory: Path = _PAGES) -> dict[str, int]:
    """What a VNFC gets as real huge pages: all that its placement plans, or none when one size is short."""
    planned = planned_pages(placement)
    enough = all(free_pages(size, directory) >= count for size, count in planned.items())
    return {str(size): count for size, count in planned.items()} if enough else {}
