"""What a fit on a host is worth: the contract's cost first, then fragmentation, then the host's name.

A third party adds a score through the entry point group `catena.placement.scores`: a function of a `FreeHost`, a
`VduRequest` and a `Fit` that returns a whole number, less being better. Scores of third parties count after cost and
soft groups, before fragmentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from mano.placement.free import FreeHost
from mano.placement.numa import Fit, Waste, waste_of
from mano.placement.plugins import installed
from mano.placement.request import VduRequest
from mano.placement.result import CHAIN_HOP_COST, CROSS_NUMA_COST, HOST_OPENED_COST

ENTRY_POINT_GROUP = "catena.placement.scores"

ScoreFunction = Callable[[FreeHost, VduRequest, Fit], int]


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """Compared field by field, less is better."""

    cost: int
    soft_groups: int
    others: int
    broken_cores: int
    stranded_pages_mib: int
    stranded_vfs: int
    packing: int
    name: str

    def told(self) -> dict[str, int]:
        """For people: the fields that decide, by the names used in results."""
        return {
            "cost": self.cost,
            "softGroupsBroken": self.soft_groups,
            "brokenCores": self.broken_cores,
            "strandedPagesMib": self.stranded_pages_mib,
            "strandedVfs": self.stranded_vfs,
        }


def marginal_cost(opened: bool, crosses_numa: bool, hop_cost: int) -> int:
    """What one more VDU adds to the contract's cost."""
    return HOST_OPENED_COST * (not opened) + CROSS_NUMA_COST * crosses_numa + CHAIN_HOP_COST * hop_cost


def waste(before: FreeHost, after: FreeHost) -> Waste:
    """The fragmentation that a placement adds to its host."""
    broken = pages = vfs = 0
    for old, new in zip(before.nodes, after.nodes, strict=True):
        if old is new:
            continue
        part = waste_of(old, new)
        broken += part.broken_cores
        pages += part.stranded_pages_mib
        if old.free and not new.free:
            vfs += sum(nic.vf_count for nic in after.nics if nic.nic.numa_node == new.id)
    return Waste(broken, pages, vfs)


def installed_scores() -> tuple[ScoreFunction, ...]:
    """The scores of third parties, by the name of their entry point."""
    return installed(ENTRY_POINT_GROUP)


def total(scores: Iterable[ScoreFunction], host: FreeHost, vdu: VduRequest, fit: Fit) -> int:
    return sum(score(host, vdu, fit) for score in scores)
