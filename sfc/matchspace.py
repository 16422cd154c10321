"""What a match takes, as sets of header values: one set for each field, of which a packet must be in all.

The verifier and the report of overlaps reckon with these; the renderer does not.
"""

from __future__ import annotations

from functools import lru_cache

from sfc.headerspace import EVERYTHING, Cube, contains, meet, of_range
from sfc.model.bits import AddressBits, Addresses, Bits
from sfc.model.classifiers import Match, PortRange

TAGGED = 0x1000
Spaces = tuple[tuple[Cube, ...], ...]
_ALL: tuple[Cube, ...] = (EVERYTHING,)


def intersect(one: Match, other: Match) -> bool:
    """True when some packet satisfies both; matches on context words not looked at."""
    return any(
        all(a is b or meet(a, b) for a, b in zip(spaces(one, version), spaces(other, version), strict=True))
        for version in one.versions
        if version in other.versions
    )


def within(inner: Match, outer: Match) -> bool:
    """True when every packet of ``inner`` satisfies ``outer``; matches on context words not looked at."""
    return set(inner.versions) <= set(outer.versions) and all(
        all(b is a or contains(b, a) for a, b in zip(spaces(inner, version), spaces(outer, version), strict=True))
        for version in inner.versions
    )


@lru_cache(maxsize=16384)
def spaces(match: Match, version: int) -> Spaces:
    """The sets of one IP version, in one order for all matches."""
    width = 32 if version == 4 else 128
    return (
        _tag(match),
        _exact(match.vlan_priority, 3),
        _exact(match.source_mac, 48),
        _exact(match.destination_mac, 48),
        _exact(match.protocol, 8),
        _exact(match.dscp, 6),
        addresses_space(match.source, width),
        addresses_space(match.destination, width),
        ((0, 1),) if match.needs_whole else _ALL,  # a later fragment shows no ports
        _ports(match.source_port),
        _ports(match.destination_port),
        _exact(match.icmp_type, 8),
        _exact(match.icmp_code, 8),
    )


def _tag(match: Match) -> tuple[Cube, ...]:
    """A tag with its number, or none."""
    return ((0, TAGGED),) if match.vlan is None else ((TAGGED | match.vlan, TAGGED | 0xFFF),)


def _exact(wanted: int | Bits | None, width: int) -> tuple[Cube, ...]:
    if wanted is None:
        return _ALL
    if isinstance(wanted, Bits):
        return ((wanted.value, wanted.mask),)
    return ((int(wanted), (1 << width) - 1),)


def addresses_space(wanted: Addresses | None, width: int) -> tuple[Cube, ...]:
    """Addresses of one IP version, ``width`` bits wide."""
    if wanted is None:
        return _ALL
    if isinstance(wanted, AddressBits):
        return ((wanted.value, wanted.mask),)
    return ((int(wanted.network_address), int(wanted.netmask)),)


def _ports(wanted: PortRange | Bits | None) -> tuple[Cube, ...]:
    if wanted is None:
        return _ALL
    return ((wanted.value, wanted.mask),) if isinstance(wanted, Bits) else of_range(wanted.first, wanted.last, 16)
