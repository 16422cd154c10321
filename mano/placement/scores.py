"""What a fit on a host is worth: one small function per field, compared field by field, less being better.

The contract's cost comes first, then soft groups, then fragmentation, then the host's name. All of them are entry
points of the group `catena.placement.scores`; a third party's function gets the same `Proposal` and returns a whole
number, which counts after cost and soft groups, before fragmentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from mano.placement.free import FreeHost
from mano.placement.numa import Fit, Waste, waste_of
from mano.placement.request import VduRequest
from mano.placement.result import CHAIN_HOP_COST, CROSS_NUMA_COST, HOST_OPENED_COST

GROUP = "catena.placement.scores"

FIRST = ("cost", "softGroupsBroken")
LAST = ("brokenCores", "strandedPagesMib", "strandedVfs", "packing")
"""The order of our own fields; those of third parties stand in between, by name."""


@dataclass(frozen=True)
class Proposal:
    """A place for a VDU that is being judged.

    `host` is what is left of the host before it; `hops` sums the hop costs (0, 1 or 3) to the neighbours on its chains
    that have a place; `soft_groups_broken` counts soft groups; `packing` tells from 0 to 2**18 - 1 how badly the host
    goes with what is still to be placed.
    """

    host: FreeHost
    vdu: VduRequest
    fit: Fit
    hops: int = 0
    soft_groups_broken: int = 0
    packing: int = 0

    @cached_property
    def waste(self) -> Waste:
        """The fragmentation that it adds to its host."""
        return waste(self.host, self.host.take(self.fit.allocation))


ScoreFunction = Callable[[Proposal], int]


@dataclass(frozen=True, slots=True, order=True)
class Score:
    """What every score function said, in their order, and the host's name, which settles ties."""

    fields: tuple[tuple[str, int], ...]
    host: str

    def told(self) -> dict[str, int]:
        """For people: the fields in the order in which they decide, by the names used in results."""
        return dict(self.fields)


def cost(proposal: Proposal) -> int:
    """What the VDU adds to the contract's cost."""
    opened = HOST_OPENED_COST * (not proposal.host.opened)
    return opened + CROSS_NUMA_COST * proposal.fit.crosses_numa + CHAIN_HOP_COST * proposal.hops


def soft_groups_broken(proposal: Proposal) -> int:
    return proposal.soft_groups_broken


def broken_cores(proposal: Proposal) -> int:
    """Cores that it leaves partly used."""
    return proposal.waste.broken_cores


def stranded_pages_mib(proposal: Proposal) -> int:
    """MiB of huge pages on nodes that it leaves without a free CPU."""
    return proposal.waste.stranded_pages_mib


def stranded_vfs(proposal: Proposal) -> int:
    """VFs on such nodes."""
    return proposal.waste.stranded_vfs


def packing(proposal: Proposal) -> int:
    return proposal.packing


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
