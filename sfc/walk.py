"""The planned walk of a packet: TTL and context at every point of a rendered path.

RFC 8300 section 2.2: every SFF decrements the TTL before its lookup. The classifier imposes 63; a proxy puts the
TTL on again that the packet had at the hand-off. The renderer, the verifier and a comparison with captures of the
underlay all read their numbers here.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sfc.errors import PathError
from sfc.model.chains import SI_FIRST, Chain, Direction, PathPosition, PlannedChain, Rsp
from sfc.model.topology import Topology

TTL_IMPOSED = 63  # RFC 8300 section 2.2: the default
CONTEXT_MARK = 0xCA << 24  # first context word of a chain that sets none, with the SPI below it

ContextWords = tuple[int | None, int | None, int | None, int | None]
"""Context header words of MD type 1; None where a function may have written its own."""


@dataclass(frozen=True, slots=True)
class Leg:
    """One crossing of the underlay."""

    direction: Direction
    from_sff: str
    to_sff: str
    position: PathPosition
    ttl: int
    context: ContextWords


@dataclass(frozen=True, slots=True)
class Stop:
    """A packet at one index of a path: where it comes from, where it is served, with which TTLs."""

    position: PathPosition
    from_sff: str
    """Where the header with this index was made or came back."""
    sff: str
    """Where the index is served."""
    imposed_ttl: int
    """TTL with which it enters ``from_sff``."""
    served_ttl: int
    """TTL at the lookup of ``sff``."""
    context: ContextWords
    over: tuple[str, ...] = ()
    """Forwarders that relay it, where there is no straight way."""

    @property
    def places(self) -> tuple[str, ...]:
        """Every forwarder on its way, both ends included; one alone where it does not cross."""
        return (self.from_sff, *self.over, self.sff) if self.crosses else (self.sff,)

    @property
    def crosses(self) -> bool:
        """True when it is carried over the underlay."""
        return self.from_sff != self.sff

    @property
    def wire_ttl(self) -> int:
        """TTL on the underlay, when it crosses; behind each relay one less."""
        return self.imposed_ttl - 1


def imposed_context(chain: Chain, rsp: Rsp, si: int) -> tuple[int, int, int, int]:
    """The context words that a classifier or proxy writes at ``si``."""
    first, second, third = chain.context
    return (first or CONTEXT_MARK | rsp.spi, second, third, rsp.position(si).word)


def stops(topology: Topology, chain: Chain, rsp: Rsp) -> tuple[Stop, ...]:
    """Every index of a path in order, its end included; :class:`PathError` when the TTL would run out."""
    result = []
    here, ttl = rsp.start_sff, TTL_IMPOSED
    context = _first_context(chain, rsp)
    for si in range(SI_FIRST, rsp.end_si - 1, -1):
        hop = rsp.hop(si)
        there = hop.sff if hop else rsp.end_sff
        over = _relays(rsp, here, there)
        served = ttl - 1 - (there != here) - len(over)
        if served < 1:
            raise PathError("TTL_OUT", f"chain {chain.id}: the path is too long for a TTL of {TTL_IMPOSED}")
        result.append(Stop(rsp.position(si), here, there, ttl, served, context, over))
        if hop:
            function = topology.function(hop.function)
            if function.is_proxied:
                context = imposed_context(chain, rsp, si - 1)
            elif function.writes_context:
                context = (context[0], None, None, context[3])
        here, ttl = there, served
    return tuple(result)


def _relays(rsp: Rsp, here: str, there: str) -> tuple[str, ...]:
    return next((way[1:-1] for way in rsp.detours if (way[0], way[-1]) == (here, there)), ())


def _first_context(chain: Chain, rsp: Rsp) -> ContextWords:
    """At the path's beginning; a chain that is chosen by context takes over what was written before it."""
    first, second, third, fourth = imposed_context(chain, rsp, SI_FIRST)
    taken_over = any(classifier.match.context is not None for classifier in chain.classifiers)
    if taken_over and rsp.direction is Direction.FORWARD:
        return (first, None, None, fourth)
    return (first, second, third, fourth)


def planned_walk(topology: Topology, planned: PlannedChain) -> tuple[Leg, ...]:
    """Every crossing of the underlay that a packet of the chain makes, forward direction first."""
    return tuple(
        Leg(rsp.direction, here, there, stop.position, stop.wire_ttl - relayed, stop.context)
        for rsp in planned.rsps
        for stop in stops(topology, planned.chain, rsp)
        for relayed, (here, there) in enumerate(pairwise(stop.places))
    )
