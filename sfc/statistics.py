"""What the counters of flows say of chains: packets per hop and direction, losses inside functions, drops by reason.

All pure: counters in, values out. :mod:`sfc.ovs.stats` reads them, every flow of a bridge at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sfc.model.chains import Direction, PlannedChain, Rsp
from sfc.model.cookies import Cookie, Kind
from sfc.model.topology import Topology

Counts = Iterable[tuple[int, int, int]]
"""(encoded cookie, packets, octets) of each flow of a bridge."""
Marks = Mapping[int, Mapping[int, int]]
"""Connections by mark, of each conntrack zone of a bridge."""

_HANDED = frozenset({Kind.HAND_OFF, Kind.HAND_OFF_ERROR, Kind.TO_SF, Kind.TO_TAP, Kind.STAND_IN})
_BACK = frozenset({Kind.PROXY_RETURN, Kind.SF_RETURN, Kind.MARK_RETURN, Kind.STAND_IN_BACK})
_ANSWERED = frozenset({Kind.TOO_BIG, Kind.TTL_OUT})
"""They go no further; their senders are told."""
_LEFT = frozenset({Kind.END, Kind.END_ERROR})
_ENTERED = frozenset({Kind.CLASSIFY, Kind.CLASSIFY_FRAGMENT, Kind.REVERSE_MARK, Kind.REVERSE_MISS})
_ENTERED_BRANCH = frozenset(
    {Kind.SPREAD_MARK, Kind.SPREAD_SHARE, Kind.SPREAD_SHARE_ERROR, Kind.REVERSE_MARK, Kind.REVERSE_SHARE}
)


@dataclass(frozen=True, slots=True)
class Count:
    """Packets and octets."""

    packets: int = 0
    octets: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.packets + other.packets, self.octets + other.octets)


@dataclass(frozen=True, slots=True)
class HopCount:
    """One meeting with a function. What it made itself (resets, ICMP errors) is on the path that it took."""

    si: int
    sff: str
    function: str
    handed: Count
    """Into the function, or the one that stands in for it."""
    back: Count
    """Out of it; a tap gives nothing back."""
    passed_by: Count
    """Past it while it was down, its policy being open."""
    dropped: Count
    """While it was down, its policy being closed."""


@dataclass(frozen=True, slots=True)
class PathCount:
    """One direction of a chain."""

    chain: str
    direction: Direction
    spi: int
    entered: Count
    """By its own classifiers or marks; of a chain that spreads, by the branch's."""
    hops: tuple[HopCount, ...]
    left: Count
    """At its end, into the network again."""


PORT_DROPS = frozenset(
    {
        *(Kind.DROP_FORGED_NSH, Kind.DROP_FORGED_NSH_TAGGED, Kind.DROP_TAGGED, Kind.DROP_LEG, Kind.DROP_NOT_ALLOWED),
        *(Kind.DROP_SPOOFED_IP, Kind.DROP_SPOOFED_IPV6, Kind.DROP_SPOOFED_ARP, Kind.DROP_NEIGHBOUR),
        *(Kind.DROP_UNCLASSIFIED, Kind.DROP_INVALID, Kind.DROP_TOO_BIG, Kind.TOO_BIG),
    }
)
"""Drops of what one port sent, which their cookies name. Link-local chatter and address detection lose nobody's packet,
and are counted by host alone."""


@dataclass(frozen=True, slots=True)
class DropCount:
    """Packets that a rule dropped and counted, or answered instead of passing them on."""

    sff: str
    reason: Kind
    packets: int
    octets: int


def path_counts(chains: Iterable[PlannedChain], counters: Mapping[str, Counts]) -> tuple[PathCount, ...]:
    """What each direction of each chain carried, from the counters of all bridges by SFF name."""
    found = _by_meaning(counters)
    return tuple(_path(planned, rsp, found) for planned in chains for rsp in planned.rsps)


def drop_counts(counters: Mapping[str, Counts]) -> tuple[DropCount, ...]:
    """Every reason for which packets were dropped, most first."""
    sums: dict[tuple[str, Kind], Count] = {}
    for sff, flows in counters.items():
        for cookie, count in _decoded(flows):
            if (cookie.kind.is_drop or cookie.kind in _ANSWERED) and count.packets:
                sums[sff, cookie.kind] = sums.get((sff, cookie.kind), Count()) + count
    drops = (DropCount(sff, kind, count.packets, count.octets) for (sff, kind), count in sums.items())
    return tuple(sorted(drops, key=lambda drop: (-drop.packets, drop.sff, drop.reason)))


def drops_at_ports(counters: Mapping[str, Counts]) -> dict[tuple[str, int], tuple[DropCount, ...]]:
    """Of these drops those of what one port sent, by SFF name and OpenFlow number, most first."""
    sums: dict[tuple[str, int], dict[Kind, Count]] = {}
    for sff, flows in counters.items():
        for cookie, count in _decoded(flows):
            if cookie.kind in PORT_DROPS and cookie.chain and count.packets:
                here = sums.setdefault((sff, cookie.chain), {})
                here[cookie.kind] = here.get(cookie.kind, Count()) + count
    return {
        place: tuple(
            DropCount(place[0], kind, count.packets, count.octets)
            for kind, count in sorted(here.items(), key=lambda item: (-item[1].packets, item[0]))
        )
        for place, here in sums.items()
    }


def active_connections(
    topology: Topology, chains: Iterable[PlannedChain], marks: Mapping[str, Marks]
) -> dict[str, int]:
    """How many connections each function serves now, from the marks that the ends of symmetric chains keep.

    ``marks`` by SFF name. Functions of chains that keep no marks are left out.
    """
    found: Counter[str] = Counter()
    for planned in chains:
        if planned.reverse is None:
            continue
        end = topology.port(planned.forward.end)
        count = marks.get(end.sff, {}).get(end.ofport, {}).get(planned.forward.spi, 0)
        found.update(dict.fromkeys({*planned.forward.functions, *planned.reverse.functions}, count))
    return dict(found)


_Meaning = tuple[Kind, int, Direction, int]


def _by_meaning(counters: Mapping[str, Counts]) -> dict[_Meaning, Count]:
    """Counts by kind, chain, direction and hop; several flows may say one thing."""
    sums: dict[_Meaning, Count] = {}
    for flows in counters.values():
        for cookie, count in _decoded(flows):
            if cookie.kind.serves_chain:
                key = (cookie.kind, cookie.chain, cookie.direction, cookie.hop)
                sums[key] = sums.get(key, Count()) + count
    return sums


def _decoded(flows: Counts) -> Iterable[tuple[Cookie, Count]]:
    for value, packets, octets in flows:
        try:
            yield Cookie.decode(value), Count(packets, octets)
        except ValueError:  # another owner's flow
            continue


def _path(planned: PlannedChain, rsp: Rsp, found: Mapping[_Meaning, Count]) -> PathCount:
    def sum_of(kinds: Iterable[Kind], si: int) -> Count:
        counts = (found.get((kind, planned.forward.spi, rsp.direction, si), Count()) for kind in kinds)
        return sum(counts, Count())

    hops = tuple(
        HopCount(
            hop.si,
            hop.sff,
            hop.function,
            sum_of(_HANDED, hop.si),
            sum_of(_BACK, hop.si),
            sum_of((Kind.FAIL_OPEN,), hop.si),
            sum_of((Kind.DROP_FAILED,), hop.si),
        )
        for hop in rsp.hops
    )
    ways_in = _ENTERED if planned.share is None else _ENTERED_BRANCH
    entered = (
        count
        for (kind, chain, direction, _), count in found.items()
        if kind in ways_in and (chain, direction) == (planned.forward.spi, rsp.direction)
    )
    return PathCount(
        planned.chain.id,
        rsp.direction,
        rsp.spi,
        sum(entered, Count()),
        hops,
        sum_of(_LEFT, rsp.end_si),
    )
