"""Bandwidth that placed chains hold on the links of the underlay, named by the ends of each link."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from mano.domain.nfvi import Link
from mano.placement.request import PlacementRequest
from mano.placement.result import PlacementResult


@dataclass(frozen=True, slots=True)
class LinkLoad:
    """So many Mbit/s on a link between two names."""

    a: str
    b: str
    mbps: int


def loads_of(request: PlacementRequest, result: PlacementResult) -> dict[str, tuple[LinkLoad, ...]]:
    """What each VDU's chains hold: a hop counts to the VDU at its end, else to the one where it begins.

    One between two that have a place already counts to the first VDU of the path that gets one now.
    """
    loads: dict[str, list[LinkLoad]] = defaultdict(list)
    for chain in request.chains:
        route = result.chains.get(chain.id)
        if route is None or not chain.bandwidth_mbps:
            continue
        members: list[str | None] = [*([None] if chain.ingress is not None else []), *chain.path]
        members += [None] if chain.egress is not None else []
        for (before, behind), hop in zip(pairwise(members), route.hops, strict=True):
            owner = next((one for one in (behind, before, *chain.path) if one in result.placements), None)
            if owner is not None:
                loads[owner] += (LinkLoad(a, b, chain.bandwidth_mbps) for a, b in hop.links)
    return {vdu: tuple(held) for vdu, held in loads.items()}


def with_loads(links: Sequence[Link], loads: Iterable[LinkLoad]) -> tuple[Link, ...]:
    """The links with that much more reserved; of parallel ones the quickest with room, as routing takes them.

    A load on a link that is not there any more holds nothing.
    """
    changed = list(links)
    between = _between(links)
    for load in loads:
        parallel = between.get(frozenset((load.a, load.b)))
        if parallel:
            index = min(parallel, key=lambda one: (_left(changed[one]) < load.mbps, links[one].latency_us, one))
            changed[index] = replace(changed[index], reserved_mbps=changed[index].reserved_mbps + load.mbps)
    return tuple(changed)


def without_loads(links: Sequence[Link], loads: Iterable[LinkLoad]) -> tuple[Link, ...]:
    """The links with that much less reserved, of parallel ones on the fullest."""
    changed = list(links)
    between = _between(links)
    for load in loads:
        parallel = between.get(frozenset((load.a, load.b)))
        if parallel:
            index = max(parallel, key=lambda one: changed[one].reserved_mbps)
            changed[index] = replace(changed[index], reserved_mbps=max(0, changed[index].reserved_mbps - load.mbps))
    return tuple(changed)


def _between(links: Sequence[Link]) -> dict[frozenset[str], list[int]]:
    between: dict[frozenset[str], list[int]] = defaultdict(list)
    for index, link in enumerate(links):
        between[frozenset((link.a, link.b))].append(index)
    return between


def _left(link: Link) -> int:
    return link.mbps - link.reserved_mbps
