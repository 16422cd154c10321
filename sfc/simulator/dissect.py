"""Octets of a captured frame as a packet of the simulator; the other direction of :mod:`sfc.simulator.wire`.

What the tables never look at is not kept: checksums, IP options, TCP options, sequence numbers.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from sfc.errors import SimulationError
from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.model.classifiers import (
    ETH_IPV4,
    ETH_IPV6,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
)
from sfc.model.fields import ETHERTYPE_ARP, ETHERTYPE_NSH
from sfc.nsh import NextProtocol, NshError, NshHeader
from sfc.simulator.packets import (
    O_BIT,
    Arp,
    Ethernet,
    Fragment,
    Icmp,
    Ip,
    Neighbour,
    Nsh,
    Packet,
    Raw,
    Sctp,
    Tcp,
    Udp,
    Vlan,
)

_TPIDS = (0x8100, 0x88A8)
_FLAGS = "FSRPAU"
_V6_FRAGMENT = 44
_NESTED_MAX = 4


def decode(octets: bytes) -> Ethernet:
    """Read an Ethernet frame; :class:`SimulationError` when it is cut short or contradicts itself."""
    try:
        return _ethernet(octets, 0)
    except (struct.error, NshError) as error:
        raise SimulationError("FRAME", f"no frame that can be read: {error}") from error


def decode_gpe(datagram: bytes) -> tuple[int, Packet]:
    """Read the payload of a UDP datagram of VXLAN-GPE: the VNI and the packet under it."""
    try:
        flags, _, following, vni = struct.unpack_from("!BHBI", datagram)
        if flags & 0x0C != 0x0C:  # draft-ietf-nvo3-vxlan-gpe section 3.1: the I and P bits
            raise SimulationError("FRAME", "no VXLAN-GPE header with a VNI and a next protocol")
        if following == 4:
            return vni >> 8, _nsh(datagram[8:], 0)
        return vni >> 8, _ethernet(datagram[8:], 0)
    except (struct.error, NshError) as error:
        raise SimulationError("FRAME", f"no VXLAN-GPE datagram that can be read: {error}") from error


def _ethernet(octets: bytes, depth: int) -> Ethernet:
    if depth > _NESTED_MAX:
        raise SimulationError("FRAME", f"more than {_NESTED_MAX} headers in each other")
    destination, source, kind = struct.unpack_from("!6s6sH", octets)
    place, vlans = 14, []
    while kind in _TPIDS:
        tci, following = struct.unpack_from("!HH", octets, place)
        vlans.append(Vlan(tci & 0xFFF, tci >> 13, kind))
        kind, place = following, place + 4
    payload = _payload(kind, octets[place:], depth)
    return Ethernet(_mac(source), _mac(destination), payload, tuple(vlans))


def _payload(kind: int, octets: bytes, depth: int) -> Arp | Ip | Nsh | Raw:
    if kind == ETHERTYPE_ARP:
        return _arp(octets)
    if kind == ETH_IPV4:
        return _ipv4(octets)
    if kind == ETH_IPV6:
        return _ipv6(octets)
    if kind == ETHERTYPE_NSH:
        return _nsh(octets, depth)
    return Raw(kind, octets)


def _nsh(octets: bytes, depth: int) -> Nsh:
    header, length = NshHeader.decode(octets)
    rest = octets[length:]
    inner: Ethernet | Nsh | Raw
    if header.next_protocol == NextProtocol.ETHERNET:
        inner = _ethernet(rest, depth + 1)
    elif header.next_protocol == NextProtocol.NSH and depth < _NESTED_MAX:
        inner = _nsh(rest, depth + 1)
    else:
        inner = Raw(int(header.next_protocol), rest)
    if not isinstance(header.context, bytes):
        raise SimulationError("MD_TYPE", "the simulator carries NSH of MD type 1 only")
    first, second, third, fourth = struct.unpack("!4I", header.context)
    flags = O_BIT if header.oam else 0
    return Nsh(PathPosition(header.spi, header.si), inner, header.ttl, flags, (first, second, third, fourth))


def _arp(octets: bytes) -> Arp:
    op, sha, spa, tha, tpa = struct.unpack_from("!6xH6sI6sI", octets)
    return Arp(op, _mac(sha), spa, _mac(tha), tpa)


def _ipv4(octets: bytes) -> Ip:
    first, tos, total, fragment, ttl, protocol, source, destination = struct.unpack_from("!BBH2xHBB2xII", octets)
    length = (first & 0xF) * 4
    if first >> 4 != 4 or length < 20 or total < length:
        raise SimulationError("FRAME", "an IPv4 header that contradicts itself")
    kind = _fragment(fragment & 0x1FFF, bool(fragment & 0x2000))
    ends = (IPv4Address(source), IPv4Address(destination))
    return _ip(ends, protocol, octets[length:total], ttl, tos >> 2, kind)


def _ipv6(octets: bytes) -> Ip:
    first, length, following, limit, source, destination = struct.unpack_from("!IHBB16s16s", octets)
    if first >> 28 != 6:
        raise SimulationError("FRAME", "an IPv6 header that contradicts itself")
    body, kind = octets[40 : 40 + length], Fragment.NO
    if following == _V6_FRAGMENT:
        following, offset = struct.unpack_from("!BxH4x", body)
        body, kind = body[8:], _fragment(offset >> 3, bool(offset & 1))
    ends = (IPv6Address(source), IPv6Address(destination))
    return _ip(ends, following, body, limit, first >> 22 & 0x3F, kind)


def _fragment(offset: int, more: bool) -> Fragment:
    if offset:
        return Fragment.LATER
    return Fragment.FIRST if more else Fragment.NO


def _ip(ends: tuple[IpAddress, IpAddress], protocol: int, body: bytes, ttl: int, dscp: int, fragment: Fragment) -> Ip:
    # Of a later fragment nobody can tell the transport header: it is raw, of the right protocol.
    payload = Raw(protocol, body) if fragment is Fragment.LATER else _transport(protocol, body, ends[0].version)
    return Ip(ends[0], ends[1], payload, ttl, dscp, fragment)


def _transport(protocol: int, body: bytes, version: int) -> Tcp | Udp | Sctp | Icmp | Neighbour | Raw:
    if protocol == PROTOCOL_TCP:
        source, destination, offset, bits = struct.unpack_from("!HH8xBB", body)
        flags = "".join(letter for number, letter in enumerate(_FLAGS) if bits >> number & 1)
        return Tcp(source, destination, flags, body[(offset >> 4) * 4 :])
    if protocol == PROTOCOL_UDP:
        source, destination = struct.unpack_from("!HH4x", body)
        return Udp(source, destination, body[8:])
    if protocol == PROTOCOL_SCTP:
        source, destination = struct.unpack_from("!HH8x", body)
        return Sctp(source, destination)
    if protocol == (PROTOCOL_ICMP if version == 4 else PROTOCOL_ICMPV6):
        return _icmp(body, version)
    return Raw(protocol, body)


def _icmp(body: bytes, version: int) -> Icmp | Neighbour:
    kind, code, identifier = struct.unpack_from("!BB2xH2x", body)
    if version == 6 and kind in (135, 136):
        return _neighbour(kind, code, body)
    errors = (3, 4, 5, 11, 12) if version == 4 else (1, 2, 3, 4)
    if kind not in errors:
        return Icmp(kind, code, identifier)
    try:
        about = _ipv4(body[8:]) if version == 4 else _ipv6(body[8:])
    except (struct.error, SimulationError):
        about = None  # an error may carry less than a whole header
    return Icmp(kind, code, identifier, about)


def _neighbour(kind: int, code: int, body: bytes) -> Neighbour:
    reserved, target = struct.unpack_from("!4xI16s", body)
    option, address = 0, Mac(0)
    if len(body) >= 32 and body[24] in (1, 2) and body[25] == 1:
        option, address = body[24], _mac(body[26:32])
    return Neighbour(IPv6Address(target), kind, code, option, address, reserved)


def _mac(octets: bytes) -> Mac:
    return Mac(int.from_bytes(octets, "big"))
