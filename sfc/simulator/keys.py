"""A packet's fields as Open vSwitch extracts them, and fields written back into the packet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

from sfc.errors import SimulationError
from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.model.fields import PACKET_TYPE_ETHERNET, PACKET_TYPE_NSH, Field
from sfc.simulator.packets import Arp, Fragment, Icmp, Ip, Neighbour, Nsh, Packet, Raw, Sctp, Tcp, Udp, Vlan

Key = dict[Field, int]

_CONTEXT = (Field.NSH_C1, Field.NSH_C2, Field.NSH_C3, Field.NSH_C4)


def extract(packet: Packet) -> Key:
    """Every field of the packet that a match could name; a field that it lacks is absent."""
    if isinstance(packet, Nsh):
        key = {Field.PACKET_TYPE: PACKET_TYPE_NSH}
        _extract_nsh(packet, key)
        return key
    key = {
        Field.PACKET_TYPE: PACKET_TYPE_ETHERNET,
        Field.ETH_SRC: int(packet.source),
        Field.ETH_DST: int(packet.destination),
        Field.VLAN_TCI: packet.vlans[0].tci if packet.vlans else 0,
        # By default OVS looks behind one tag only (other_config:vlan-limit).
        Field.ETH_TYPE: packet.vlans[1].tpid if len(packet.vlans) > 1 else packet.ethertype,
    }
    if packet.vlans:
        key[Field.VLAN_PCP] = packet.vlans[0].pcp
    if len(packet.vlans) <= 1:
        match packet.payload:
            case Arp() as arp:
                _extract_arp(arp, key)
            case Ip() as ip:
                _extract_ip(ip, key)
            case Nsh() as nsh:
                _extract_nsh(nsh, key)
            case Raw():
                pass
    return key


def rewrite(packet: Packet, changes: Mapping[Field, int]) -> Packet:
    """The packet with these fields written."""
    if not changes:
        return packet
    if isinstance(packet, Nsh):
        return _rewrite_nsh(packet, changes)
    payload = packet.payload
    match payload:
        case Arp():
            payload = _rewrite_arp(payload, changes)
        case Ip():
            payload = _rewrite_ip(payload, changes)
        case Nsh():
            payload = _rewrite_nsh(payload, changes)
        case Raw():
            pass
    return replace(
        packet,
        vlans=_rewrite_tag(packet.vlans, changes),
        source=Mac(changes.get(Field.ETH_SRC, packet.source)),
        destination=Mac(changes.get(Field.ETH_DST, packet.destination)),
        payload=payload,
    )


def _rewrite_tag(vlans: tuple[Vlan, ...], changes: Mapping[Field, int]) -> tuple[Vlan, ...]:
    if Field.VLAN_TCI not in changes and Field.VLAN_PCP not in changes:
        return vlans
    if not vlans:
        raise SimulationError("PREREQUISITE", "a VLAN is written to a frame without a tag")
    vid = changes.get(Field.VLAN_TCI, vlans[0].vid) & 0xFFF
    return (replace(vlans[0], vid=vid, pcp=changes.get(Field.VLAN_PCP, vlans[0].pcp)), *vlans[1:])


def _extract_nsh(nsh: Nsh, key: Key) -> None:
    key[Field.NSH_FLAGS] = nsh.flags
    key[Field.NSH_TTL] = nsh.ttl
    key[Field.NSH_MDTYPE] = 1
    key[Field.NSH_NP] = nsh.next_protocol
    key[Field.NSH_SPI] = nsh.position.spi
    key[Field.NSH_SI] = nsh.position.si
    key.update(zip(_CONTEXT, nsh.context, strict=True))


def _extract_arp(arp: Arp, key: Key) -> None:
    key[Field.ARP_OP] = arp.op
    key[Field.ARP_SPA] = arp.spa
    key[Field.ARP_TPA] = arp.tpa
    key[Field.ARP_SHA] = int(arp.sha)
    key[Field.ARP_THA] = int(arp.tha)


def _extract_ip(ip: Ip, key: Key) -> None:
    four = ip.source.version == 4
    key[Field.IPV4_SRC if four else Field.IPV6_SRC] = int(ip.source)
    key[Field.IPV4_DST if four else Field.IPV6_DST] = int(ip.destination)
    key[Field.IP_PROTO] = ip.protocol
    key[Field.IP_DSCP] = ip.dscp
    key[Field.IP_FRAG] = int(ip.fragment)
    # OVS gives a later fragment the transport fields of all zeros.
    visible = ip.fragment is not Fragment.LATER
    match ip.payload:
        case Tcp() | Udp() | Sctp() as transport:
            key[Field.L4_SRC] = transport.source_port if visible else 0
            key[Field.L4_DST] = transport.destination_port if visible else 0
        case Icmp() as icmp:
            key[Field.ICMP_TYPE if four else Field.ICMPV6_TYPE] = icmp.type if visible else 0
            key[Field.ICMP_CODE if four else Field.ICMPV6_CODE] = icmp.code if visible else 0
        case Neighbour() as neighbour:
            _extract_neighbour(neighbour, key)
        case Raw():
            pass


def _extract_neighbour(neighbour: Neighbour, key: Key) -> None:
    key[Field.ICMPV6_TYPE] = neighbour.type
    key[Field.ICMPV6_CODE] = neighbour.code
    key[Field.ND_TARGET] = int(neighbour.target)
    key[Field.ND_RESERVED] = neighbour.reserved
    key[Field.ND_OPTIONS_TYPE] = neighbour.option_type
    key[Field.ND_SLL] = int(neighbour.link_address) if neighbour.option_type == 1 else 0
    key[Field.ND_TLL] = int(neighbour.link_address) if neighbour.option_type == 2 else 0


def _rewrite_nsh(nsh: Nsh, changes: Mapping[Field, int]) -> Nsh:
    return replace(
        nsh,
        position=PathPosition(changes.get(Field.NSH_SPI, nsh.position.spi), changes.get(Field.NSH_SI, nsh.position.si)),
        ttl=changes.get(Field.NSH_TTL, nsh.ttl),
        flags=changes.get(Field.NSH_FLAGS, nsh.flags),
        context=(
            changes.get(Field.NSH_C1, nsh.context[0]),
            changes.get(Field.NSH_C2, nsh.context[1]),
            changes.get(Field.NSH_C3, nsh.context[2]),
            changes.get(Field.NSH_C4, nsh.context[3]),
        ),
    )


def _rewrite_arp(arp: Arp, changes: Mapping[Field, int]) -> Arp:
    return Arp(
        op=changes.get(Field.ARP_OP, arp.op),
        sha=Mac(changes.get(Field.ARP_SHA, arp.sha)),
        spa=changes.get(Field.ARP_SPA, arp.spa),
        tha=Mac(changes.get(Field.ARP_THA, arp.tha)),
        tpa=changes.get(Field.ARP_TPA, arp.tpa),
    )


def _rewrite_ip(ip: Ip, changes: Mapping[Field, int]) -> Ip:
    four = ip.source.version == 4
    source = changes.get(Field.IPV4_SRC if four else Field.IPV6_SRC)
    destination = changes.get(Field.IPV4_DST if four else Field.IPV6_DST)
    payload = ip.payload
    if isinstance(payload, Neighbour):
        payload = _rewrite_neighbour(payload, changes)
    elif any(changes.get(name) is not None for name in (Field.L4_SRC, Field.L4_DST, Field.ICMP_TYPE, Field.IP_PROTO)):
        raise SimulationError("REWRITE", "the simulator rewrites no transport fields")
    return replace(
        ip,
        source=ip.source if source is None else _address(source, four),
        destination=ip.destination if destination is None else _address(destination, four),
        payload=payload,
        dscp=changes.get(Field.IP_DSCP, ip.dscp),
    )


def _rewrite_neighbour(neighbour: Neighbour, changes: Mapping[Field, int]) -> Neighbour:
    kind = changes.get(Field.ICMPV6_TYPE, neighbour.type)
    option = changes.get(Field.ND_OPTIONS_TYPE, neighbour.option_type)
    link_address = changes.get(Field.ND_TLL if option == 2 else Field.ND_SLL, int(neighbour.link_address))
    return replace(
        neighbour,
        type=kind,
        code=changes.get(Field.ICMPV6_CODE, neighbour.code),
        option_type=option,
        link_address=Mac(link_address),
        reserved=changes.get(Field.ND_RESERVED, neighbour.reserved),
    )


def _address(value: int, four: bool) -> IpAddress:
    return IPv4Address(value) if four else IPv6Address(value)
