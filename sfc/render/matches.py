"""Matches that several tables share, and traffic matches written in OpenFlow's masks."""

from __future__ import annotations

from functools import lru_cache
from itertools import product

from sfc.errors import RenderError
from sfc.headerspace import of_range
from sfc.model.addresses import IpNetwork, Mac
from sfc.model.bits import AddressBits, Addresses, Bits, MacBits
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
TAG_PRESENT = 0x1000
TWICE_TAGGED = tuple((TAGGED, FieldMatch(Field.ETH_TYPE, tag)) for tag in (0x8100, 0x88A8))
"""A second tag behind the first: Open vSwitch looks behind one (other_config:vlan-limit)."""
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

FLOWS_MAX = 4096
"""Matches that one classifier may need."""

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
    return of_range(ports.first, ports.last, 16)


def traffic(match: Match, version: int) -> tuple[Matches, ...]:
    """A traffic match of one IP version as OpenFlow matches that do not overlap.

    A match on ports or ICMP types takes whole packets only: later fragments have none, and a datagram must not be torn
    apart.
    """
    parts = [FAMILY[version]]
    parts.extend(_mac(Field.ETH_SRC, match.source_mac))
    parts.extend(_mac(Field.ETH_DST, match.destination_mac))
    if match.protocol is not None:
        parts.append(FieldMatch(Field.IP_PROTO, match.protocol))
    parts.extend(_addresses(Field.IPV4_SRC if version == 4 else Field.IPV6_SRC, match.source))
    parts.extend(_addresses(Field.IPV4_DST if version == 4 else Field.IPV6_DST, match.destination))
    found = tuple((*parts, *dscp) for dscp in _dscp(match.dscp))
    if not match.needs_whole:
        return found
    if match.icmp_type is not None:
        return tuple((*each, WHOLE, *_icmp(match, version)) for each in found)
    sources = _port_matches(Field.L4_SRC, match.source_port)
    destinations = _port_matches(Field.L4_DST, match.destination_port)
    if len(found) * len(sources) * len(destinations) > FLOWS_MAX:
        raise RenderError(
            "MATCH_FLOWS",
            f"a classifier by ports and DSCP bits would need {len(found) * len(sources) * len(destinations)} flows, "
            f"more than {FLOWS_MAX}",
            "let its ranges begin and end at powers of two, or name fewer of them together",
        )
    return tuple((*each, WHOLE, *a, *b) for each, a, b in product(found, sources, destinations))


def tag_match(vlan: int | None, priority: int | None = None) -> Matches:
    """What a trunk's frame shows that is of this VLAN: its one tag, or none."""
    if vlan is None:
        return (UNTAGGED,)
    number = FieldMatch(Field.VLAN_TCI, TAG_PRESENT | vlan, TAG_PRESENT | 0xFFF)
    return (number,) if priority is None else (number, FieldMatch(Field.VLAN_PCP, priority))


def _icmp(match: Match, version: int) -> Matches:
    names = (Field.ICMP_TYPE, Field.ICMP_CODE) if version == 4 else (Field.ICMPV6_TYPE, Field.ICMPV6_CODE)
    wanted = (match.icmp_type, match.icmp_code)
    return tuple(FieldMatch(name, value) for name, value in zip(names, wanted, strict=True) if value is not None)


def _prefix(field: Field, prefix: IpNetwork) -> Matches:
    return (prefix_match(field, prefix),) if prefix.prefixlen else ()


def _addresses(field: Field, wanted: Addresses | None) -> Matches:
    if isinstance(wanted, AddressBits):
        return (_masked(field, wanted),)
    return () if wanted is None else _prefix(field, wanted)


def _mac(field: Field, wanted: Mac | MacBits | None) -> Matches:
    if isinstance(wanted, MacBits):
        return (_masked(field, wanted),)
    return () if wanted is None else (FieldMatch(field, int(wanted)),)


def _masked(field: Field, wanted: Bits) -> FieldMatch:
    return FieldMatch(field, wanted.value, None if wanted.mask == field.full_mask else wanted.mask)


def _dscp(wanted: int | Bits | None) -> tuple[Matches, ...]:
    """Open vSwitch compares all six bits: where only some count, each value is a match of its own."""
    if wanted is None:
        return ((),)
    if isinstance(wanted, Bits):
        return tuple((FieldMatch(Field.IP_DSCP, value),) for value in range(64) if wanted.takes(value))
    return ((FieldMatch(Field.IP_DSCP, wanted),),)


def _port_matches(field: Field, ports: PortRange | Bits | None) -> tuple[Matches, ...]:
    if ports is None:
        return ((),)
    if isinstance(ports, Bits):
        return ((_masked(field, ports),),)
    pairs = port_masks(ports)
    return tuple((FieldMatch(field, value, None if mask == 0xFFFF else mask),) if mask else () for value, mask in pairs)
