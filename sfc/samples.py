"""Packets that stand for a classifier's traffic, and which chain should take a packet, decided without any table.

This is the reference that the verifier holds the rendered tables against, so it shares no code with the renderer but
the order of precedence.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address

from sfc.classifier import ranking
from sfc.model.addresses import IpAddress, IpNetwork, covers
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
from sfc.simulator.packets import Ethernet, Icmp, Ip, Raw, Sctp, Tcp, Udp

# TEST-NET-3 of RFC 5737 and the documentation prefix of RFC 3849: somewhere outside.
OUTSIDE: dict[int, IpAddress] = {4: IPv4Address("203.0.113.1"), 6: IPv6Address("2001:db8::1")}
EPHEMERAL = 40000
DISCARD = 9


def samples(topology: Topology, chain: Chain, end: Port, index: int) -> Iterator[Ethernet]:
    """Packets of one classifier as its port may send them: every version, the edges of every range."""
    ingress = topology.port(chain.ingress)
    match = chain.classifiers[index].match
    if match.source_mac not in (None, ingress.mac):
        return
    for version in match.versions:
        source = _source(ingress, match.source, version)
        if source is None:
            continue
        destination = _destination(end, match.destination, version)
        for payload in _payloads(match, version):
            ip = Ip(source, destination, payload, dscp=match.dscp or 0)
            yield Ethernet(ingress.mac, match.destination_mac or end.mac, ip)


def plain_samples(ingress: Port, to: Port) -> Iterator[Ethernet]:
    """A packet of each kind that a port may send to another."""
    for version in ingress.versions:
        source = _source(ingress, None, version)
        if source is not None:
            for payload in _payloads(Match(), version):
                yield Ethernet(ingress.mac, to.mac, Ip(source, _destination(to, None, version), payload))


def takes(match: Match, frame: Ethernet) -> bool:
    """True when the packet satisfies the match; later fragments have no ports."""
    ip = frame.payload
    if not isinstance(ip, Ip) or ip.source.version not in match.versions:
        return False
    if match.vlan is not None or match.context is not None:
        return False
    if match.protocol not in (None, ip.protocol) or match.dscp not in (None, ip.dscp):
        return False
    if match.source_mac not in (None, frame.source) or match.destination_mac not in (None, frame.destination):
        return False
    if not _within(ip.source, match.source) or not _within(ip.destination, match.destination):
        return False
    return not match.needs_whole or _takes_transport(match, ip)


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


def chain_back_for(topology: Topology, chains: Iterable[Chain], answer: Ethernet) -> Chain | None:
    """The chain that an answer without a mark belongs to; ``chains`` are those that end at the port it came from."""
    for chain, index in ranking(chain for chain in chains if chain.symmetric):
        if topology.port(chain.ingress).mac == answer.destination and takes(
            chain.classifiers[index].match.reversed(), answer
        ):
            return chain
    return None


def may_begin(frame: Ethernet) -> bool:
    """True when the packet may begin a connection: of ICMP only echo requests do."""
    ip = frame.payload
    return isinstance(ip, Ip) and (not isinstance(ip.payload, Icmp) or ip.payload.type in (8, 128))


def host_of(prefix: IpNetwork) -> IpAddress:
    """Some address of a prefix, not its first when there are others."""
    return prefix[1] if prefix.num_addresses > 1 else prefix[0]


def _source(port: Port, wanted: IpNetwork | None, version: int) -> IpAddress | None:
    for prefix in port.sources:
        if prefix.version != version:
            continue
        if wanted is None or covers(wanted, prefix):
            return host_of(prefix)
        if covers(prefix, wanted):
            return host_of(wanted)
    return None


def may_answer(end: Port, packet: Ethernet) -> bool:
    """True when the packet's destination is an address that the end may send from."""
    ip = packet.payload
    return isinstance(ip, Ip) and any(ip.destination in prefix for prefix in end.sources)


def _destination(end: Port, wanted: IpNetwork | None, version: int) -> IpAddress:
    """Somewhere outside when the end routes there, else an address that it has, as far as the match allows it."""
    outside = OUTSIDE[version]
    if (wanted is None or outside in wanted) and any(outside in prefix for prefix in end.sources):
        return outside
    own = _source(end, wanted, version)
    if own is not None:
        return own
    return outside if wanted is None else host_of(wanted)


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


def _edges(ports: PortRange | None, default: int) -> tuple[int, ...]:
    return (default,) if ports is None else tuple(dict.fromkeys((ports.first, ports.last)))


def _within(address: IpAddress, prefix: IpNetwork | None) -> bool:
    return prefix is None or address in prefix


def _in_range(port: int, ports: PortRange | None) -> bool:
    return ports is None or port in ports
