"""Comparisons of bits in an NfpRule (SOL001 ``extended_criteria``) as the header fields that they are about. Pure.

A mask names bits by their distance from the last bit of the frame's source MAC address: the ethertype begins at 1, and
in a frame without a tag the IP header at 17. Of the IP header, what stands at the same bits in every packet is read so:
DSCP, the addresses from their first bit on, and in IPv4 the protocol. Ports move with the options of the header.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Any

from mano.errors import InvalidInput
from vnf_descriptors.model import MaskRule

_ETHERTYPE, _IP_HEADER = 1, 17
_ADDRESS_BITS = {"ipv4": 32, "ipv6": 128}
_DSCP = {"ipv4": _IP_HEADER + 8, "ipv6": _IP_HEADER + 4}  # RFC 791 section 3.1 with RFC 2474; RFC 8200 section 3
_SOURCE = {"ipv4": _IP_HEADER + 96, "ipv6": _IP_HEADER + 64}
_PROTOCOL = _IP_HEADER + 72  # of IPv4; in IPv6 an extension header may stand first
_HINT = "with ether_type given, a mask covers DSCP, the protocol of IPv4, or an address from its first bit on"


def match_of_masks(rule: str, ether_type: str | None, masks: Iterable[MaskRule]) -> Mapping[str, Any]:
    """Members of a classifier's match, by name; raises InvalidInput for bits that no classifier matches."""
    found: dict[str, Any] = {}
    for mask in masks:
        name, value = _field(rule, ether_type, mask)
        if found.setdefault(name, value) != value:
            raise InvalidInput(f"NfpRule {rule}: two of its extended_criteria want different values of {name}")
    return found


def _field(rule: str, ether_type: str | None, mask: MaskRule) -> tuple[str, Any]:
    if len(mask.value) != mask.length or not re.fullmatch("[01]+", mask.value):
        raise InvalidInput(
            f"NfpRule {rule}: a mask of {mask.length} bits has the value {mask.value[:200]!r}",
            hint="write as many digits 0 and 1 as its length says",
        )
    bits, at = int(mask.value, 2), (mask.starting_point, mask.length)
    version = ether_type or ""
    if at == (_ETHERTYPE, 16):
        return "ethertype", bits
    if version in _ADDRESS_BITS:
        width = _ADDRESS_BITS[version]
        if at == (_DSCP[version], 6):
            return "dscp", bits
        if version == "ipv4" and at == (_PROTOCOL, 8):
            return "protocol", bits
        for name, start in (("source", _SOURCE[version]), ("destination", _SOURCE[version] + width)):
            if mask.starting_point == start and mask.length <= width:
                return name, _prefix(bits << width - mask.length, mask.length, width)
    raise InvalidInput(
        f"NfpRule {rule} selects by {mask.length} bits from bit {mask.starting_point} on, which no classifier matches",
        hint=_HINT,
    )


def _prefix(address: int, length: int, width: int) -> str:
    return f"{IPv4Address(address) if width == 32 else IPv6Address(address)}/{length}"
