"""Matches that several tables share, and traffic matches written in OpenFlow's masks."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from sfc.errors import RenderError
from sfc.model.addresses import IpNetwork, Mac
from sfc.model.classifiers import ETH_IPV4, ETH_IPV6, PROTOCOL_ICMP, PROTOCOL_ICMPV6, PROTOCOL_UDP, Match, PortRange
from sfc.model.fields import (
    CT_INV,
    CT_TRK,
    ETHERTYPE_ARP,
    ETHERTYPE_NSH,
    FRAG_FIRST,
    FRAG_LATER,
    PACKET_TYPE_ETHERNET,
    PACKET_TYPE_NSH,
    Field,
    FieldMatch,
    prefix_match,
)

Matches = tuple[FieldMatch, ...]

IPV4 = FieldMatch(Field.ETH_TYPE, ETH_IPV4)
IPV6 = FieldMatch(Field.ETH_TYPE, ETH_IPV6)
FAMILY = {4: IPV4, 6: IPV6}
ARP = FieldMatch(Field.ETH_TYPE, ETHERTYPE_ARP)
ARP_REQUEST = (ARP, FieldMatch(Field.ARP_OP, 1))
ETHERNET_NSH = FieldMatch(Field.ETH_TYPE, ETHERTYPE_NSH)
NSH = FieldMatch(Field.PACKET_TYPE, PACKET_TYPE_NSH)
ETHERNET = FieldMatch(Field.PACKET_TYPE, PACKET_TYPE_ETHERNET)
OAM_BIT = FieldMatch(Field.NSH_FLAGS, 2, 2)  # RFC 8300 section 2.2: the O bit
TAGGED = FieldMatch(Field.VLAN_TCI, 0x1000, 0x1000)  # any VLAN tag, VID 0 and 802.1ad included
UNTAGGED = FieldMatch(Field.VLAN_TCI, 0, 0x1000)
GROUP_FRAME = FieldMatch(Field.ETH_DST, 1 << 40, 1 << 40)
FRAGMENTS = (FieldMatch(Field.IP_FRAG, FRAG_FIRST), FieldMatch(Field.IP_FRAG, FRAG_LATER))
"""Both kinds, one flow each: OVS 3.1 gives ``nw_frag=yes`` back with another mask than it was sent."""
WHOLE = FieldMatch(Field.IP_FRAG, 0)
TRACKED = FieldMatch(Field.CT_STATE, CT_TRK, CT_TRK)
UNTRACKED = FieldMatch(Field.CT_STATE, 0, CT_TRK)
TRACKED_INVALID = FieldMatch(Field.CT_STATE, CT_TRK | CT_INV, CT_TRK | CT_INV)
TRACKED_VALID = FieldMatch(Field.CT_STATE, CT_TRK, CT_TRK | CT_INV)
ICMPV6 = (IPV6, FieldMatch(Field.IP_PROTO, PROTOCOL_ICMPV6))
SOLICITATION = (*ICMPV6, FieldMatch(Field.ICMPV6_TYPE, 135), FieldMatch(Field.ICMPV6_CODE, 0))
ADVERTISEMENT = (*ICMPV6, FieldMatch(Field.ICMPV6_TYPE, 136), FieldMatch(Field.ICMPV6_CODE, 0))

GPE_PORT = 4790  # VXLAN-GPE, draft-ietf-nvo3-vxlan-gpe section 7

ICMP_ERRORS = (3, 4, 5, 11, 12)  # RFC 792 and RFC 1122 section 3.2.2: errors and redirects carry another packet
ICMPV6_ERRORS = (1, 2, 3, 4)  # RFC 4443 section 2.1


@lru_cache(maxsize=4096)  # every second flow names its port
def in_port(ofport: int) -> FieldMatch:
    return FieldMatch(Field.IN_PORT, ofport)


def eth_src(mac: Mac) -> FieldMatch:
    return FieldMatch(Field.ETH_SRC, int(mac))


def eth_dst(mac: Mac) -> FieldMatch:
    return FieldMatch(Field.ETH_DST, int(mac))


def reg0(value: int) -> FieldMatch:
    return FieldMatch(Field.REG0, value)


@lru_cache(maxsize=4096)
def on_network(vni: int) -> FieldMatch:
    """The network register that the guard wrote."""
    return FieldMatch(Field.REG1, vni)


def ct_mark(mark: int) -> FieldMatch:
    return FieldMatch(Field.CT_MARK, mark)


def source(prefix: IpNetwork) -> Matches:
    """IP packets from ``prefix``; from anywhere when its length is 0."""
    field = Field.IPV4_SRC if prefix.version == 4 else Field.IPV6_SRC
    return (FAMILY[prefix.version], *_prefix(field, prefix))


def destination(prefix: IpNetwork) -> Matches:
    """IP packets to ``prefix``; to anywhere when its length is 0."""
    field = Field.IPV4_DST if prefix.version == 4 else Field.IPV6_DST
    return (FAMILY[prefix.version], *_prefix(field, prefix))


def gpe(version: int) -> Matches:
    """UDP to the port of VXLAN-GPE."""
    return (FAMILY[version], FieldMatch(Field.IP_PROTO, PROTOCOL_UDP), FieldMatch(Field.L4_DST, GPE_PORT))


@lru_cache(maxsize=2)
def icmp_errors(version: int) -> tuple[Matches, ...]:
    """Unfragmented ICMP errors of one IP version, one match per type.

    They must not pass a committing ``ct``: it would overwrite the mark of the connection they are about.
    (Errors are at most 576 or 1280 octets long, so a fragmented one is none of an honest stack.)
    """
    if version == 4:
        head = (IPV4, FieldMatch(Field.IP_PROTO, PROTOCOL_ICMP), WHOLE)
        return tuple((*head, FieldMatch(Field.ICMP_TYPE, kind)) for kind in ICMP_ERRORS)
    return tuple((*ICMPV6, WHOLE, FieldMatch(Field.ICMPV6_TYPE, kind)) for kind in ICMPV6_ERRORS)


def port_masks(ports: PortRange) -> tuple[tuple[int, int], ...]:
    """A port range as the fewest (value, mask) pairs, ascending."""
    pairs = []
    first = ports.first
    while first <= ports.last:
        size = (first & -first) or 1 << 16
        while first + size - 1 > ports.last:
            size >>= 1
        pairs.append((first, 0xFFFF & ~(size - 1)))
        first += size
    return tuple(pairs)


def traffic(match: Match, version: int) -> tuple[Matches, ...]:
    """A traffic match of one IP version as OpenFlow matches that do not overlap.

    A match on ports or ICMP types takes whole packets only: later fragments have none, and a datagram must not be torn
    apart.
    """
    if match.vlan is not None:
        raise RenderError("VLAN_MATCH", "tagged frames are stopped at the guard: a match on VLAN cannot be rendered")
    parts = [FAMILY[version]]
    if match.source_mac is not None:
        parts.append(eth_src(match.source_mac))
    if match.destination_mac is not None:
        parts.append(eth_dst(match.destination_mac))
    if match.protocol is not None:
        parts.append(FieldMatch(Field.IP_PROTO, match.protocol))
    if match.dscp is not None:
        parts.append(FieldMatch(Field.IP_DSCP, match.dscp))
    if match.source is not None:
        parts.extend(_prefix(Field.IPV4_SRC if version == 4 else Field.IPV6_SRC, match.source))
    if match.destination is not None:
        parts.extend(_prefix(Field.IPV4_DST if version == 4 else Field.IPV6_DST, match.destination))
    if not match.needs_whole:
        return (tuple(parts),)
    if match.icmp_type is not None:
        return ((*parts, WHOLE, *_icmp(match, version)),)
    sources = _port_matches(Field.L4_SRC, match.source_port)
    destinations = _port_matches(Field.L4_DST, match.destination_port)
    return tuple((*parts, WHOLE, *a, *b) for a, b in product(sources, destinations))


def _icmp(match: Match, version: int) -> Matches:
    names = (Field.ICMP_TYPE, Field.ICMP_CODE) if version == 4 else (Field.ICMPV6_TYPE, Field.ICMPV6_CODE)
    wanted = (match.icmp_type, match.icmp_code)
    return tuple(FieldMatch(name, value) for name, value in zip(names, wanted, strict=True) if value is not None)


def _prefix(field: Field, prefix: IpNetwork) -> Matches:
    return (prefix_match(field, prefix),) if prefix.prefixlen else ()


def _port_matches(field: Field, ports: PortRange | None) -> tuple[Matches, ...]:
    if ports is None:
        return ((),)
    pairs = port_masks(ports)
    return tuple((FieldMatch(field, value, None if mask == 0xFFFF else mask),) if mask else () for value, mask in pairs)
