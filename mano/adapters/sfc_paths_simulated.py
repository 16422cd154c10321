"""Service function paths without a switch: the very tables that Open vSwitch would get, run by :mod:`sfc.simulator`.

Nothing outlives the process: a server programs its tables again when it starts. Packets have no length here, so
counters of octets are 0.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address

from mano.adapters.vim_local.lab import TUNNEL_OFPORT
from mano.errors import InvalidInput, Unreachable
from mano.ports.service_paths import Drift, FlowStatistics, NetworkSight, PathHop, PathProbe, SeenFrame, TraceStep
from sfc.errors import SfcError
from sfc.model import SI_FIRST, FlowTables, Kind, Mac, PathPosition, Sff, Topology
from sfc.model.classifiers import (
    ETH_IPV4,
    ETH_IPV6,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
)
from sfc.model.fields import ETHERTYPE_ARP, ETHERTYPE_NSH, PACKET_TYPE_NSH, Field
from sfc.ovs.packet import parse_packet
from sfc.simulator import Simulator
from sfc.simulator.dissect import decode
from sfc.simulator.machine import BridgeMachine
from sfc.simulator.packets import O_BIT, Arp, Ethernet, Fragment, Icmp, Ip, Nsh, Packet, Raw, Sctp, Tcp, Udp, Vlan
from sfc.simulator.trace import Crossed, Delivered, Dropped, Event, Matched, Received, Trace, Visited, nsh_of
from sfc.simulator.wire import encode, encode_gpe
from sfc.walk import TTL_IMPOSED

_TABLES_ONLY = IPv4Address("192.0.2.1")
"""Stands where a bridge's own address would: of one bridge alone, nothing looks at it."""

_IN_NO_PACKET = (Field.IN_PORT, Field.TUN_SRC, Field.TUN_ID, Field.TUN_DST)
Fields = Mapping[Field, int]


@dataclass
class _Bridge:
    """What one host's simulated bridge holds."""

    tables: FlowTables
    packets: Counter[int] = field(default_factory=Counter)


class SimulatedServicePaths:
    """The simulated bridges of all hosts; safe for several threads."""

    def __init__(self, tunnel_ofport: int = TUNNEL_OFPORT) -> None:
        self._tunnel_ofport = tunnel_ofport
        self._bridges: dict[str, _Bridge] = {}
        self._one_at_a_time = threading.Lock()

    def program(self, host: str, tables: FlowTables, *, generation: int | None = None) -> None:
        """Take over the tables; flows that stay keep their counters. Nobody else could program: no fencing."""
        with self._one_at_a_time:
            old = self._bridges.get(host)
            kept = old.packets if old else Counter[int]()
            packets = Counter({cookie: count for cookie, count in kept.items() if cookie in tables.by_cookie})
            self._bridges[host] = _Bridge(tables, packets)

    def settle(self, host: str) -> None:
        """Nothing is remembered here beside the tables."""
        with self._one_at_a_time:
            self._bridge(host)

    def statistics(self, host: str) -> tuple[FlowStatistics, ...]:
        """Packets of every flow that :meth:`send` took through the host's bridge."""
        with self._one_at_a_time:
            bridge = self._bridge(host)
            return tuple(FlowStatistics(cookie, bridge.packets[cookie], 0) for cookie in bridge.tables.by_cookie)

    def connections(self, host: str) -> Mapping[int, Mapping[int, int]]:
        """None: a packet that was walked leaves no connection behind."""
        return {}

    def drift(self, tables: Mapping[str, FlowTables]) -> tuple[Drift, ...]:
        """Compare what was programmed with the intended tables, in the order of the hosts' names."""
        with self._one_at_a_time:
            return tuple(self._drift_of(host, tables[host]) for host in sorted(tables))

    def trace(self, host: str, packet: Mapping[str, object]) -> TraceStep:
        """Run one packet through the host's bridge; counts nothing and remembers no connection.

        ``packet`` as :meth:`mano.adapters.sfc_paths.OvsServicePaths.trace` takes it.
        """
        with self._one_at_a_time:
            tables = self._bridge(host).tables
        inner = packet.get("inner")
        try:
            fields = parse_packet({name: value for name, value in packet.items() if name != "inner"})
            concrete = packet_of(fields, parse_packet(inner) if isinstance(inner, Mapping) else None)
            events, verdict = self._run(host, tables, concrete, fields)
        except (SfcError, ValueError) as error:
            raise InvalidInput(f"this packet cannot be: {error}") from error
        cookies = tuple(event.flow.cookie.encode() for event in events if isinstance(event, Matched))
        return TraceStep(host, cookies, verdict, "\n".join(("simulated", *Trace(tuple(events)).lines())))

    def send(self, topology: Topology, port_id: str, packet: Packet) -> Trace:
        """Let the station at a port send a packet through all bridges, and count it on every rule that it meets."""
        with self._one_at_a_time:
            tables = {sff.name: self._bridge(sff.name).tables for sff in topology.sffs}
            walk = Simulator(topology, tables).inject(port_id, packet)
            for event in walk.events:
                if isinstance(event, Matched):
                    self._bridges[event.sff].packets[event.flow.cookie.encode()] += 1
            return walk

    def probe(self, topology: Topology, host: str, spi: int, *, count: int = 1, wait_s: float = 1.0) -> PathProbe:
        """Walk an echo request of each TTL through the bridges' tables; no time passes."""
        with self._one_at_a_time:
            tables = {sff.name: self._bridge(sff.name).tables for sff in topology.sffs}
        network, hops = Simulator(topology, tables), []
        for ttl in range(1, TTL_IMPOSED + 1):
            hops.append(_answer(network, topology.sff(host), PathPosition(spi, SI_FIRST), ttl, count))
            if hops[-1].end or hops[-1].host is None:
                break
        silent = not hops[-1].end
        return PathProbe(tuple(hops), f"nobody answers a simulated request of TTL {hops[-1].ttl}" if silent else "")

    def follow(
        self, topology: Topology, port_id: str, frame: bytes, token: bytes, wait_s: float
    ) -> tuple[SeenFrame, ...]:
        """Walk the frame through the tables; what it would look like at every hop. Time does not pass, order does."""
        walk = self.send(topology, port_id, decode(frame))
        return tuple(SeenFrame(*place, float(step), data) for step, (place, data) in enumerate(_frames(topology, walk)))

    def watch(self, topology: Topology, lives: Mapping[str, bool]) -> None:
        """No process stands behind a simulated function: there is nothing to look at."""
        return None

    def watch_network(self, topology: Topology, known: NetworkSight) -> None:
        """There is no cable that could break."""
        return None

    def revive(self, host: str) -> None:
        """A simulated bridge forgets nothing while the server lives."""

    def _bridge(self, host: str) -> _Bridge:
        if host not in self._bridges:
            raise Unreachable(f"{host}: its simulated bridge was never programmed", facts={"host": host})
        return self._bridges[host]

    def _drift_of(self, host: str, tables: FlowTables) -> Drift:
        if host in self._bridges and self._bridges[host].tables.flows == tables.flows:
            return Drift(host, (), ())
        wanted = set(tables.flow_text().splitlines())
        present = set(self._bridges[host].tables.flow_text().splitlines()) if host in self._bridges else set[str]()
        return Drift(host, tuple(sorted(wanted - present)), tuple(sorted(present - wanted)))

    def _run(self, host: str, tables: FlowTables, packet: Packet, fields: Fields) -> tuple[list[Event], str]:
        events: list[Event] = []
        sent: list[str] = []

        def emit(ofport: int, leaving: Packet, vni: int, peer: int) -> None:
            sent.append(
                _verdict(leaving, f"tunnel {IPv4Address(peer)}" if self._is_tunnel(ofport) else f"output {ofport}")
            )

        machine = BridgeMachine(Sff(host, _TABLES_ONLY, self._tunnel_ofport), tables)
        machine.process(packet, {name: fields.get(name, 0) for name in _IN_NO_PACKET}, events, emit)
        dropped = [event for event in events if isinstance(event, Dropped)]
        return events, sent[-1] if sent else f"drop: {dropped[-1]}" if dropped else "drop"

    def _is_tunnel(self, ofport: int) -> bool:
        return ofport == self._tunnel_ofport


def _frames(topology: Topology, walk: Trace) -> Iterator[tuple[tuple[str, str, bool], bytes]]:
    """((host, port or "" for the underlay, out of the bridge), octets) of a walk."""
    at = {(port.sff, port.ofport): port.id for port in topology.ports}
    for step, event in enumerate(walk.events):
        if isinstance(event, Received) and step and (event.sff, event.ofport) in at:
            yield (event.sff, at[event.sff, event.ofport], False), encode(event.packet)
        elif isinstance(event, Crossed):
            here, there = topology.sff(event.from_sff), topology.sff(event.to_sff)
            macs = (here.oam_mac or Mac(0), there.oam_mac or Mac(0))
            data = encode_gpe(event.packet, event.vni, here.underlay_ip, there.underlay_ip, macs)
            yield (here.name, "", True), data
            yield (there.name, "", False), data
        elif isinstance(event, Visited):
            yield (topology.port(event.port).sff, event.port, True), encode(event.packet)
        elif isinstance(event, Delivered) and event.port in topology.port_by_id and not _is_visit(walk, step - 1):
            yield (event.sff, event.port, True), encode(event.packet)


def _is_visit(walk: Trace, step: int) -> bool:
    """The function at a chain's end is visited where the packet is delivered: that is one frame."""
    return isinstance(walk.events[step], Visited)


def _answer(network: Simulator, sff: Sff, position: PathPosition, ttl: int, count: int) -> PathHop:
    """Who takes an echo request with this TTL."""
    if sff.oam_ofport is None or sff.oam_mac is None:
        return PathHop(ttl, None, sent=count)
    request = Nsh(position, Raw(7, b"echo"), ttl, O_BIT)
    walk = network.inject_at(sff.name, sff.oam_ofport, Ethernet(sff.oam_mac, sff.oam_mac, request))
    taken = next((event for event in walk.deliveries if event.port == "oam"), None)
    arrived = nsh_of(taken.packet) if taken is not None else None
    if taken is None or arrived is None:
        return PathHop(ttl, None, sent=count)
    last = next(event for event in reversed(walk.events) if isinstance(event, Matched) and event.sff == taken.sff)
    return PathHop(
        ttl=ttl,
        host=taken.sff,
        spi=arrived.position.spi,
        si=arrived.position.si,
        end=last.flow.cookie.kind is Kind.OAM_END,
        rule=last.flow.cookie.encode(),
        sent=count,
        received=count,
    )


def _verdict(packet: Packet, way: str) -> str:
    nsh = nsh_of(packet)
    return way if nsh is None else f"{way} nsh {nsh.position.spi}/{nsh.position.si} ttl {nsh.ttl}"


def packet_of(fields: Fields, inner: Fields | None = None) -> Packet:
    """The packet that these fields describe; ``inner`` are those of what an NSH packet carries."""
    if fields.get(Field.PACKET_TYPE) == PACKET_TYPE_NSH:
        return _nsh(fields, inner)
    kind = fields.get(Field.ETH_TYPE, 0)
    payload: Arp | Ip | Nsh | Raw = Raw(kind)
    if kind == ETHERTYPE_NSH:
        payload = _nsh(fields, inner)
    elif kind == ETHERTYPE_ARP:
        payload = _arp(fields)
    elif kind in (ETH_IPV4, ETH_IPV6):
        payload = _ip(fields, four=kind == ETH_IPV4)
    tag = fields.get(Field.VLAN_TCI, 0)
    vlans = (Vlan(tag & 0xFFF, tag >> 13),) if tag & 0x1000 else ()
    return Ethernet(Mac(fields.get(Field.ETH_SRC, 0)), Mac(fields.get(Field.ETH_DST, 0)), payload, vlans)


def _nsh(fields: Fields, inner: Fields | None) -> Nsh:
    carried = Raw(fields.get(Field.NSH_NP, 0)) if inner is None else packet_of(inner)
    words = [fields.get(name, 0) for name in (Field.NSH_C1, Field.NSH_C2, Field.NSH_C3, Field.NSH_C4)]
    return Nsh(
        PathPosition(fields.get(Field.NSH_SPI, 0), fields.get(Field.NSH_SI, 0)),
        carried,
        fields.get(Field.NSH_TTL, 63),
        fields.get(Field.NSH_FLAGS, 0),
        (words[0], words[1], words[2], words[3]),
    )


def _arp(fields: Fields) -> Arp:
    return Arp(
        fields.get(Field.ARP_OP, 1),
        Mac(fields.get(Field.ARP_SHA, 0)),
        fields.get(Field.ARP_SPA, 0),
        Mac(fields.get(Field.ARP_THA, 0)),
        fields.get(Field.ARP_TPA, 0),
    )


def _ip(fields: Fields, four: bool) -> Ip:
    address = IPv4Address if four else IPv6Address
    names = (Field.IPV4_SRC, Field.IPV4_DST) if four else (Field.IPV6_SRC, Field.IPV6_DST)
    source, destination = (address(fields.get(name, 0)) for name in names)
    fragment = Fragment(fields.get(Field.IP_FRAG, 0))
    return Ip(source, destination, _transport(fields), dscp=fields.get(Field.IP_DSCP, 0), fragment=fragment)


def _transport(fields: Fields) -> Tcp | Udp | Sctp | Icmp | Raw:
    source, destination = fields.get(Field.L4_SRC, 0), fields.get(Field.L4_DST, 0)
    protocol = fields.get(Field.IP_PROTO, 0)
    if protocol == PROTOCOL_TCP:
        return Tcp(source, destination, "S")
    if protocol == PROTOCOL_UDP:
        return Udp(source, destination)
    if protocol == PROTOCOL_SCTP:
        return Sctp(source, destination)
    if protocol == PROTOCOL_ICMP:
        return Icmp(fields.get(Field.ICMP_TYPE, 0), fields.get(Field.ICMP_CODE, 0))
    if protocol == PROTOCOL_ICMPV6:
        return Icmp(fields.get(Field.ICMPV6_TYPE, 0), fields.get(Field.ICMPV6_CODE, 0))
    return Raw(protocol)
