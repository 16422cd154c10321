"""Comparisons of bits in an NfpRule (SOL001 ``extended_criteria``) as the header fields that they are about. Pure.

A mask names bits by their distance from the last bit of the frame's source MAC address: the ethertype begins at 1, and
in a frame without a tag the IP header at 17. Where a mask says that the frame has a VLAN tag (0x8100 at 1), the tag's
16 bits begin at 17 and all that follows stands 32 bits later. Of the IP header, what stands at the same bits in every
packet is read so, bit by bit: DSCP, the addresses, and in IPv4 the protocol. Ports move with the options of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mano.errors import InvalidInput
from sfc.headerspace import Cube, common
from sfc.matchspace import addresses_space
from sfc.model.bits import Bits, addresses, masked_addresses, number_bits
from vnf_descriptors.model import MaskRule

TAGGED_FRAME = 0x8100  # IEEE 802.1Q
_HINT = (
    "with ether_type given, masks cover bits of DSCP, of addresses, the protocol of IPv4, and behind 0x8100 at bit 1 "
    "the tag's VLAN and priority"
)


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    start: int
    width: int
    whole: bool = False
    """All of its bits must be compared, or none."""


_ETHERTYPE = _Field("ethertype", 1, 16, whole=True)
_TAG = (_Field("vlanPriority", 17, 3, whole=True), _Field("vlan", 21, 12, whole=True))
_IP = {
    "ipv4": (  # RFC 791 section 3.1, DSCP by RFC 2474
        _Field("version", 17, 4, whole=True),
        _Field("dscp", 25, 6),
        _Field("protocol", 89, 8, whole=True),
        _Field("source", 113, 32),
        _Field("destination", 145, 32),
    ),
    "ipv6": (  # RFC 8200 section 3; behind "next header" an extension may stand first
        _Field("version", 17, 4, whole=True),
        _Field("dscp", 21, 6),
        _Field("source", 81, 128),
        _Field("destination", 209, 128),
    ),
}


def match_of_masks(rule: str, ether_type: str | None, masks: Iterable[MaskRule]) -> Mapping[str, Any]:
    """Members of a classifier's match, by name; raises InvalidInput for bits that no classifier matches."""
    checked = [_checked(rule, mask) for mask in masks]
    if not checked:
        return {}
    found: dict[str, tuple[_Field, Cube]] = {}
    for mask in checked:
        for field, cube in _parts(rule, _layout(ether_type, checked), mask):
            together = common(found[field.name][1], cube) if field.name in found else cube
            if together is None:
                raise InvalidInput(
                    f"NfpRule {rule}: two of its extended_criteria want different values of {field.name}"
                )
            found[field.name] = field, together
    read = {name: _read(rule, ether_type, field, cube) for name, (field, cube) in found.items()}
    return {name: value for name, value in read.items() if name not in ("version", "tag")}


def both(name: str, one: Any, other: Any) -> Any:
    """What two criteria on one member say together; None when no packet fulfils both."""
    if str(one) == str(other):
        return one
    if name == "dscp":
        found = common(_cube(one), _cube(other))
        return None if found is None else _told(found, 6)
    if name in ("source", "destination"):
        some, others = addresses(str(one)), addresses(str(other))
        width = 32 if some.version == 4 else 128
        cube = common(addresses_space(some, width)[0], addresses_space(others, width)[0])
        return str(masked_addresses(some.version, *cube)) if cube and some.version == others.version else None
    return None


def _cube(dscp: int | str) -> Cube:
    wanted = number_bits(str(dscp)) if "/" in str(dscp) else Bits(int(dscp), 63)
    return wanted.value, wanted.mask


def _told(cube: Cube, width: int) -> int | str:
    value, mask = cube
    return value if mask == (1 << width) - 1 else f"{value:#x}/{mask:#x}"


def _checked(rule: str, mask: MaskRule) -> MaskRule:
    if len(mask.value) != mask.length or not re.fullmatch("[01]+", mask.value):
        raise InvalidInput(
            f"NfpRule {rule}: a mask of {mask.length} bits has the value {mask.value[:200]!r}",
            hint="write as many digits 0 and 1 as its length says",
        )
    return mask


def _layout(ether_type: str | None, masks: Iterable[MaskRule]) -> tuple[_Field, ...]:
    """The fields of the frames that the masks are about."""
    first = [int(mask.value[:16], 2) for mask in masks if mask.starting_point == 1 and mask.length >= 16]
    behind = _IP.get(ether_type or "", ())
    if TAGGED_FRAME not in first:
        return (_ETHERTYPE, *behind)
    later = tuple(_Field(field.name, field.start + 32, field.width, field.whole) for field in (_ETHERTYPE, *behind))
    return (_Field("tag", 1, 16, whole=True), *_TAG, *later)


def _parts(rule: str, layout: tuple[_Field, ...], mask: MaskRule) -> Iterator[tuple[_Field, Cube]]:
    """The mask, cut at the borders of fields."""
    at, end = mask.starting_point, mask.starting_point + mask.length
    while at < end:
        field = next((each for each in layout if each.start <= at < each.start + each.width), None)
        if field is None:
            raise InvalidInput(
                f"NfpRule {rule} selects by {mask.length} bits from bit {mask.starting_point} on, of which bit {at} is "
                "in no field that a classifier matches",
                hint=_HINT,
            )
        until = min(end, field.start + field.width)
        shift = field.start + field.width - until
        bits = int(mask.value[at - mask.starting_point : until - mask.starting_point], 2)
        yield field, (bits << shift, ((1 << until - at) - 1) << shift)
        at = until


def _read(rule: str, ether_type: str | None, field: _Field, cube: Cube) -> Any:
    """The member's value as a Chain document has it."""
    value, mask = cube
    exact = mask == (1 << field.width) - 1
    if field.whole and not exact:
        what = f"NfpRule {rule} selects by some bits of {field.name}, which is compared as a whole"
        raise InvalidInput(what, hint=_HINT)
    version = 6 if ether_type == "ipv6" else 4
    if field.name == "version" and value != version:
        raise InvalidInput(f"NfpRule {rule}: its extended_criteria contradict its ether_type {ether_type}")
    if field.name in ("source", "destination"):
        return str(masked_addresses(version, value, mask))
    return _told(cube, field.width)
