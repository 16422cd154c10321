"""Which host a VDU should take when others will follow: among equally costly ones, the one that packs the batch best.

A host that would have to be opened should hold as much as possible of what is still to come; of the open ones the
fullest should be filled up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mano.placement.arrays import FleetArrays
from mano.placement.request import PageClass, VduRequest

SCALE = 2**18 - 1
"""Keys are whole numbers from 0 (best) to this."""


@dataclass(frozen=True, slots=True)
class Demand:
    """The sum of what VDUs ask for: dedicated CPUs, MiB of huge pages, VFs."""

    cpus: int = 0
    pages_mib: int = 0
    vfs: int = 0

    def __bool__(self) -> bool:
        return bool(self.cpus or self.pages_mib or self.vfs)

    def and_also(self, vdu: VduRequest) -> Demand:
        huge = vdu.page_size is PageClass.LARGE or (isinstance(vdu.page_size, int) and vdu.page_size > 4)
        return Demand(
            self.cpus + vdu.dedicated_count,
            self.pages_mib + (vdu.memory_mib if huge else 0),
            self.vfs + sum(one.vfs for one in vdu.interfaces if one.takes_vfs),
        )


def demands_behind(vdus: Sequence[VduRequest]) -> list[Demand]:
    """For each VDU of a sequence what it and all behind it ask for."""
    behind = [Demand()]
    for vdu in reversed(vdus):
        behind.append(behind[-1].and_also(vdu))
    return behind[:0:-1]


def packing_keys(arrays: FleetArrays, demand: Demand) -> npt.NDArray[np.int64]:
    """A key for each host, less being better."""
    free = arrays.per_host(arrays.free)
    share = np.ones(arrays.size)
    if demand.cpus:
        share = np.minimum(share, free / demand.cpus)
    if demand.pages_mib and arrays.pages:
        there = sum(arrays.per_host(counts * size // 1024) for size, counts in arrays.pages.items())
        share = np.minimum(share, there / demand.pages_mib)
    if demand.vfs:
        vfs = np.bincount(arrays.nic_host, weights=arrays.nic_vfs, minlength=arrays.size)
        share = np.minimum(share, vfs / demand.vfs)
    fullness = free / max(1, int(free.max(initial=1)))
    worth = np.where(arrays.opened, fullness, 1.0 - share)
    return np.asarray(worth * SCALE).astype(np.int64)
