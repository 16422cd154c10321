"""Packets that stand for a classifier's traffic, and which chain should take a packet, decided without any table.

This is the reference that the verifier holds the rendered tables against, so it shares no code with the renderer but
the order of precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from sfc import matchspace
from sfc.classifier import ranking
from sfc.headerspace import common, member
from sfc.model.addresses import IpAddress, IpNetwork, Mac
from sfc.model.bits import AddressBits, Addresses, Bits
from sfc.model.chains import Chain
from sfc.model.classifiers import (
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
    PROTOCOLS_WITH_PORTS,
    Match,
    PortRange,
)
from sfc.model.topology import Port, Topology
from sfc.simulator.packets import Ethernet, Icmp, Ip, Raw, Sctp, Tcp, Udp, Vlan

# TEST-NET-3 of RFC 5737 and the documentation prefix of RFC 3849: somewhere outside.
OUTSIDE: dict[int, IpAddress] = {4: IPv4Address("203.0.113.1"), 6: IPv6Address("2001:db8::1")}
EPHEMERAL = 40000
UNUSED_VLAN = 4001
"""Of a trunk's packets in no chain; where a chain takes it, these are not tried."""
DISCARD = 9


def samples(topology: Topology, chain: Chain, end: Port, index: int) -> Iterator[Ethernet]:
    """Packets of one classifier as its port may send them: every version, the edges of every range."""
    ingress = topology.port(chain.ingress)
    match = chain.classifiers[index].match
    if not _is(match.source_mac, ingress.mac):
        return
    tags = () if match.vlan is None else (Vlan(match.vlan, match.vlan_priority or 0),)
    to_mac = end.mac if match.destination_mac is None else Mac(_some(match.destination_mac, end.mac))
    for version in match.versions:
        source = _source(ingress, match.source, version)
        if source is None:
            continue
        destination = _destination(end, match.destination, version)
        for payload in _payloads(match, version):
            ip = Ip(source, destination, payload, dscp=_some(match.dscp, 0))
            yield Ethernet(ingress.mac, to_mac, ip, tags)


def plain_samples(ingress: Port, to: Port) -> Iterator[Ethernet]:
    """A packet of each kind that a port may send to another."""
    for version in ingress.versions:
        source = _source(ingress, None, version)
        if source is not None:
            for payload in _payloads(Match(), version):
                yield Ethernet(ingress.mac, to.mac, Ip(source, _destination(to, None, version), payload))
                if ingress.trunk:
                    tag = (Vlan(UNUSED_VLAN),)
                    yield Ethernet(ingress.mac, to.mac, Ip(source, _destination(to, None, version), payload), tag)


def takes(match: Match, frame: Ethernet) -> bool:
    """True when the packet satisfies the match; later fragments have no ports."""
    ip = frame.payload
    if not isinstance(ip, Ip) or ip.source.version not in match.versions:
        return False
    if match.context is not None or not _of_vlan(match, frame.vlans):
        return False
    if match.protocol not in (None, ip.protocol) or not _is(match.dscp, ip.dscp):
        return False
    if not _is(match.source_mac, frame.source) or not _is(match.destination_mac, frame.destination):
        return False
    if not _within(ip.source, match.source) or not _within(ip.destination, match.destination):
        return False
    return not match.needs_whole or _takes_transport(match, ip)


def _of_vlan(match: Match, tags: tuple[Vlan, ...]) -> bool:
    if match.vlan is None or len(tags) != 1:
        return match.vlan is None and not tags
    return tags[0].vid == match.vlan and match.vlan_priority in (None, tags[0].pcp)


def _takes_transport(match: Match, ip: Ip) -> bool:
    payload = ip.payload
    if ip.fragment:
        return False
    if match.icmp_type is not None:
        return isinstance(payload, Icmp) and match.icmp_type == payload.type and match.icmp_code in (None, payload.code)
    return (
        isinstance(payload, Tcp | Udp | Sctp)
        and _in_range(payload.source_port, match.source_port)
        and _in_range(payload.destination_port, match.destination_port)
    )


def chain_for(chains: Iterable[Chain], port: str, frame: Ethernet) -> Chain | None:
    """The chain that a packet from ``port`` enters."""
    for chain, index in ranking(chain for chain in chains if chain.ingress == port and not chain.after):
        if takes(chain.classifiers[index].match, frame):
            return chain
    return None


def chain_back_for(topology: Topology, chains: Iterable[Chain], end: Port, answer: Ethernet) -> Chain | None:
    """The chain that an answer without a mark belongs to; ``chains`` are those that end at ``end``, where it came from.

    Packets have no tag at an end that is no trunk: there, VLANs tell no answers apart.
    """
    for chain, index in ranking(chain for chain in chains if chain.symmetric):
        wanted = chain.classifiers[index].match.reversed()
        wanted = wanted if end.trunk else replace(wanted, vlan=None)
        if topology.port(chain.ingress).mac == answer.destination and takes(wanted, answer):
            return chain
    return None


def may_begin(frame: Ethernet) -> bool:
    """True when the packet may begin a connection: of ICMP only echo requests do."""
    ip = frame.payload
    return isinstance(ip, Ip) and (not isinstance(ip.payload, Icmp) or ip.payload.type in (8, 128))


def host_of(prefix: IpNetwork) -> IpAddress:
    """Some address of a prefix, not its first when there are others."""
    return prefix[1] if prefix.num_addresses > 1 else prefix[0]


def address_in(prefix: IpNetwork, wanted: Addresses | None) -> IpAddress | None:
    """Some address of a prefix that is one of those wanted; None when there is none."""
    if wanted is None:
        return host_of(prefix)
    own = (int(prefix.network_address), int(prefix.netmask))
    both = common(own, matchspace.addresses_space(wanted, prefix.max_prefixlen)[0])
    if both is None or prefix.version != wanted.version:
        return None
    narrow = wanted if isinstance(wanted, IPv4Network | IPv6Network) and wanted.prefixlen > prefix.prefixlen else prefix
    value = member(both, int(host_of(narrow)))
    return IPv4Address(value) if prefix.version == 4 else IPv6Address(value)


def _source(port: Port, wanted: Addresses | None, version: int) -> IpAddress | None:
    own = (address_in(prefix, wanted) for prefix in port.sources if prefix.version == version)
    return next((address for address in own if address is not None), None)


def may_answer(end: Port, packet: Ethernet) -> bool:
    """True when the packet's destination is an address that the end may send from."""
    ip = packet.payload
    return isinstance(ip, Ip) and any(ip.destination in prefix for prefix in end.sources)


def _destination(end: Port, wanted: Addresses | None, version: int) -> IpAddress:
    """Somewhere outside when the end routes there, else an address that it has, as far as the match allows it."""
    outside = OUTSIDE[version]
    if _within(outside, wanted) and any(outside in prefix for prefix in end.sources):
        return outside
    own = _source(end, wanted, version)
    if own is not None:
        return own
    return outside if wanted is None else some_address(wanted)


def some_address(wanted: Addresses) -> IpAddress:
    """One of the addresses of a match."""
    everywhere = IPv4Network("0.0.0.0/0") if wanted.version == 4 else IPv6Network("::/0")
    found = address_in(everywhere, wanted)
    assert found is not None
    return found


def _payloads(match: Match, version: int) -> Iterator[Tcp | Udp | Sctp | Icmp | Raw]:
    icmp = PROTOCOL_ICMP if version == 4 else PROTOCOL_ICMPV6
    protocols = (PROTOCOL_TCP, PROTOCOL_UDP, icmp) if match.protocol is None else (match.protocol,)
    for protocol in protocols:
        if protocol == icmp:
            echo = 8 if version == 4 else 128
            kind = echo if match.icmp_type is None else match.icmp_type
            yield Icmp(kind, match.icmp_code or 0, identifier=7)
        elif protocol in PROTOCOLS_WITH_PORTS:
            for source in _edges(match.source_port, EPHEMERAL):
                for destination in _edges(match.destination_port, DISCARD):
                    yield _transport(protocol, source, destination)
        else:
            yield Raw(protocol)


def _transport(protocol: int, source: int, destination: int) -> Tcp | Udp | Sctp:
    match protocol:
        case 6:
            return Tcp(source, destination, "S")
        case 17:
            return Udp(source, destination)
        case _:
            return Sctp(source, destination)


def _edges(ports: PortRange | Bits | None, default: int) -> tuple[int, ...]:
    if isinstance(ports, Bits):
        return tuple(dict.fromkeys((ports.value, ports.value | 0xFFFF & ~ports.mask)))
    return (default,) if ports is None else tuple(dict.fromkeys((ports.first, ports.last)))


def _within(address: IpAddress, wanted: Addresses | None) -> bool:
    if isinstance(wanted, AddressBits):
        return address.version == wanted.version and wanted.takes(int(address))
    return wanted is None or address in wanted


def _in_range(port: int, ports: PortRange | Bits | None) -> bool:
    return ports is None or (ports.takes(port) if isinstance(ports, Bits) else port in ports)


def _is(wanted: int | Bits | None, value: int) -> bool:
    return wanted is None or (wanted.takes(value) if isinstance(wanted, Bits) else wanted == value)


def _some(wanted: int | Bits | None, otherwise: int) -> int:
    """A value that a match takes."""
    if wanted is None:
        return otherwise
    return member((wanted.value, wanted.mask), otherwise) if isinstance(wanted, Bits) else wanted
