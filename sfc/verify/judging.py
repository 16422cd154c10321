"""What holds of every packet on a chain, whichever check walks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sfc.model.cookies import Kind
from sfc.simulator.packets import Packet
from sfc.simulator.trace import Trace, nsh_of
from sfc.verify.results import Report, Rule, Violation
from sfc.walk import Leg


def in_order(report: Report, trace: Trace) -> Iterator[Violation]:
    """No flag is set on the way, and index and TTL fall.

    RFC 9451 section 3: with the O bit, functions and responders would take it for something else; the others are
    unassigned and sent as zero (RFC 8300 section 2.2).
    """
    if any(_has_flags(event.packet) for event in trace.rules):
        yield report.violation(Rule.UNDERLAY, "it has flags of NSH set somewhere on its way", trace)
    if not falls(trace):
        yield report.violation(Rule.INDEX, "its service index or TTL does not fall on the way", trace)


def crossings(legs: Sequence[Leg], report: Report, trace: Trace) -> Iterator[Violation]:
    """Crosses the underlay by these legs and no others, with the planned position, TTL and context."""
    crossed = [event for event in trace.crossings if nsh_of(event.packet) is not None]
    for event, leg in zip(crossed, legs, strict=False):
        if not _as_planned(event.from_sff, event.to_sff, event.packet, leg):
            message = f"{event.from_sff} to {event.to_sff} is not as planned ({leg.position} ttl {leg.ttl})"
            yield report.violation(Rule.UNDERLAY, message, trace, event.from_sff)
    if len(crossed) != len(legs):
        yield report.violation(Rule.UNDERLAY, f"{len(crossed)} crossings instead of {len(legs)}", trace)


def _as_planned(from_sff: str, to_sff: str, packet: Packet, leg: Leg) -> bool:
    nsh = nsh_of(packet)
    if nsh is None or (from_sff, to_sff, nsh.position, nsh.ttl) != (leg.from_sff, leg.to_sff, leg.position, leg.ttl):
        return False
    return all(planned in (None, word) for planned, word in zip(leg.context, nsh.context, strict=True))


def _has_flags(packet: Packet) -> bool:
    nsh = nsh_of(packet)
    return nsh is not None and nsh.flags != 0


def falls(trace: Trace) -> bool:
    """Along the SFF lookups of one path the index never rises and the TTL always falls."""
    last: dict[int, tuple[int, int]] = {}
    for event in trace.rules:
        nsh = nsh_of(event.packet)
        if event.flow.table != 10 or nsh is None:
            continue
        spi, here = nsh.position.spi, (nsh.position.si, nsh.ttl)
        if spi in last and not (here[0] <= last[spi][0] and here[1] < last[spi][1]):
            return False
        last[spi] = here
    return True


def ended_by(trace: Trace, kind: Kind) -> bool:
    """Dropped and counted by a rule of this kind, and nothing came of it."""
    return not trace.deliveries and any(drop.reason is kind for drop in trace.drops)
