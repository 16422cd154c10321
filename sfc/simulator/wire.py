"""Simulated packets as the octets that a switch would see, checksums included (but SCTP's); one direction only."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from sfc.model.addresses import IpAddress, Mac
from sfc.model.fields import Field
from sfc.nsh import NshHeader
from sfc.simulator.packets import O_BIT, Arp, Ethernet, Fragment, Icmp, Ip, Neighbour, Nsh, Packet, Raw, Sctp, Tcp, Udp

_TCP_FLAGS = {"F": 1, "S": 2, "R": 4, "P": 8, "A": 16, "U": 32}
_GPE_NEXT = {True: 4, False: 3}  # draft-ietf-nvo3-vxlan-gpe section 3.2: NSH, Ethernet
FRAGMENT_OCTETS = 1400  # a first fragment carries as many octets of the datagram, the later one all others


def encode(packet: Packet | Raw) -> bytes:
    """The packet's octets."""
    match packet:
        case Ethernet():
            return _ethernet(packet)
        case Nsh():
            return _nsh(packet) + encode(packet.inner)
        case Raw(data=data):
            return data


def encode_gpe(packet: Packet, vni: int, source: IPv4Address, destination: IPv4Address, macs: tuple[Mac, Mac]) -> bytes:
    """The packet as it crosses the underlay, in UDP to the port of VXLAN-GPE; ``macs`` are (source, destination)."""
    vxlan = struct.pack("!BHBI", 0x0C, 0, _GPE_NEXT[isinstance(packet, Nsh)], vni << 8)
    outer = Udp(50000, 4790, vxlan + encode(packet))
    return _ethernet(Ethernet(macs[0], macs[1], Ip(source, destination, outer)))


def checksum(data: bytes) -> int:
    """RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total = sum(int.from_bytes(padded[place : place + 2], "big") for place in range(0, len(padded), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ethernet(frame: Ethernet) -> bytes:
    tags = b"".join(struct.pack("!HH", vlan.tpid, vlan.pcp << 13 | vlan.vid) for vlan in frame.vlans)
    head = _mac(frame.destination) + _mac(frame.source) + tags + struct.pack("!H", frame.ethertype)
    match frame.payload:
        case Arp() as arp:
            return head + _arp(arp)
        case Ip() as ip:
            return head + _ip(ip)
        case payload:
            return head + encode(payload)


def _nsh(nsh: Nsh) -> bytes:
    context = struct.pack("!4I", *nsh.context)
    header = NshHeader(
        nsh.position.spi,
        nsh.position.si,
        ttl=nsh.ttl,
        next_protocol=nsh.next_protocol,
        oam=bool(nsh.flags & O_BIT),
        context=context,
    )
    return header.encode()


def _arp(arp: Arp) -> bytes:
    head = struct.pack("!HHBBH", 1, 0x0800, 6, 4, arp.op)
    return head + _mac(arp.sha) + struct.pack("!I", arp.spa) + _mac(arp.tha) + struct.pack("!I", arp.tpa)


def _ip(ip: Ip) -> bytes:
    payload = _transport(ip)
    if ip.fragment is Fragment.FIRST:
        payload = payload[:FRAGMENT_OCTETS]
    elif ip.fragment is Fragment.LATER:
        payload = payload[FRAGMENT_OCTETS:]
    if isinstance(ip.source, IPv4Address):
        return _ipv4(ip, payload)
    if ip.fragment is not Fragment.NO:
        offset = FRAGMENT_OCTETS if ip.fragment is Fragment.LATER else 0
        more = 1 if ip.fragment is Fragment.FIRST else 0
        payload = struct.pack("!BBHI", ip.protocol, 0, offset | more, 1) + payload
    following = 44 if ip.fragment is not Fragment.NO else ip.protocol
    limit = 255 if isinstance(ip.payload, Neighbour) else ip.ttl  # RFC 4861 section 7.1
    head = struct.pack("!IHBB", 6 << 28 | ip.dscp << 22, len(payload), following, limit)
    return head + ip.source.packed + ip.destination.packed + payload


def _ipv4(ip: Ip, payload: bytes) -> bytes:
    flags = {Fragment.NO: 0x4000, Fragment.FIRST: 0x2000, Fragment.LATER: FRAGMENT_OCTETS // 8}[ip.fragment]

    identity = 1 if ip.fragment else 0

    def header(total: int) -> bytes:
        octets = 20 + len(payload)
        words = struct.pack("!BBHHHBBH", 0x45, ip.dscp << 2, octets, identity, flags, ip.ttl, ip.protocol, total)
        return words + ip.source.packed + ip.destination.packed

    return header(checksum(header(0))) + payload


def _transport(ip: Ip) -> bytes:
    match ip.payload:
        case Tcp() as tcp:
            flags = sum(_TCP_FLAGS[letter] for letter in tcp.flags)
            body = struct.pack("!HHIIBBHHH", tcp.source_port, tcp.destination_port, 1, 1, 5 << 4, flags, 8192, 0, 0)
            return _summed(ip, body + tcp.data, 16)
        case Udp() as udp:
            body = struct.pack("!HHHH", udp.source_port, udp.destination_port, 8 + len(udp.data), 0) + udp.data
            return _summed(ip, body, 6)
        case Sctp() as sctp:
            return struct.pack("!HHII", sctp.source_port, sctp.destination_port, 0, 0)
        case Icmp() as icmp:
            return _icmp(ip, icmp)
        case Neighbour() as neighbour:
            return _neighbour(ip, neighbour)
        case Raw(data=data):
            return data


def _icmp(ip: Ip, icmp: Icmp) -> bytes:
    body = struct.pack("!BBHHH", icmp.type, icmp.code, 0, icmp.identifier, 0)
    if icmp.about is not None:
        body += _ip(icmp.about)
    if ip.source.version == 6:
        return _summed(ip, body, 2)
    return body[:2] + struct.pack("!H", checksum(body)) + body[4:]


def _neighbour(ip: Ip, neighbour: Neighbour) -> bytes:
    body = struct.pack("!BBHI", neighbour.type, neighbour.code, 0, neighbour.reserved) + neighbour.target.packed
    if neighbour.option_type:
        body += struct.pack("!BB", neighbour.option_type, 1) + _mac(neighbour.link_address)
    return _summed(ip, body, 2)


def _summed(ip: Ip, body: bytes, place: int) -> bytes:
    """The checksum over the pseudo header and the body, written at ``place``."""
    total = checksum(_pseudo(ip.source, ip.destination, ip.protocol, len(body)) + body) or 0xFFFF
    return body[:place] + struct.pack("!H", total) + body[place + 2 :]


def _pseudo(source: IpAddress, destination: IpAddress, protocol: int, length: int) -> bytes:
    tail = struct.pack("!BBH", 0, protocol, length) if source.version == 4 else struct.pack("!IxxxB", length, protocol)
    return source.packed + destination.packed + tail


def _mac(mac: Mac) -> bytes:
    return int(mac).to_bytes(Field.ETH_SRC.width // 8, "big")
