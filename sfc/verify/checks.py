"""The checks that make up a proof. Each says what it rests on, so that it is made again only when that changes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Protocol

from sfc.errors import SimulationError
from sfc.forgery import FOREIGN, STRANGER_MAC, Forgery, of_leg, of_station, of_strangers
from sfc.liveness import ETHERTYPE_PROBE, PROBE_POSITION, ProbeKind, Watch
from sfc.model.addresses import Mac
from sfc.model.chains import SI_FIRST, PathPosition, PlannedChain, Rsp
from sfc.model.cookies import Kind
from sfc.model.topology import VNI_NSH, Layer, OnFailure, Port, PortRole, ServiceFunction, Sff, Unclassified
from sfc.render.tables import OAM_SOURCE_END, OAM_SOURCE_TTL, SFF_MAC, Table
from sfc.samples import chain_back_for, chain_for, plain_samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import O_BIT, Arp, Ethernet, Ip, Nsh, Raw, Udp
from sfc.simulator.trace import nsh_of
from sfc.verify.judging import ended_by, falls
from sfc.verify.plan import LegPlan
from sfc.verify.results import Report, Rule, Violation, inject
from sfc.walk import TTL_IMPOSED


class Check(Protocol):
    """A part of a proof; its result depends on what equals another of its name, and on the rules that it meets."""

    @property
    def name(self) -> tuple[str, ...]:
        """What it checks."""
        ...

    def run(self, network: Simulator) -> Iterator[Violation]:
        """Every violation; the network has no connections yet."""
        ...


@dataclass(frozen=True, slots=True)
class OamCheck:
    """A probe from a path's own beginning ends at the responder of its last forwarder."""

    rsp: Rsp
    down: frozenset[str] = frozenset()
    """Functions on it that are down."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("oam", str(self.rsp.spi))

    def run(self, network: Simulator) -> Iterator[Violation]:
        rsp, topology = self.rsp, network.topology
        start, end = topology.sff(rsp.start_sff), topology.sff(rsp.end_sff)
        if start.oam_ofport is None or start.oam_mac is None or end.oam_ofport is None:
            return
        if any(_closes(topology.function(name)) for name in self.down):
            return
        probe = Nsh(PathPosition(rsp.spi, SI_FIRST), Raw(7, b"probe"), TTL_IMPOSED, O_BIT)
        packet = Ethernet(start.oam_mac, start.oam_mac, probe)
        report = Report(rsp.chain, rsp.direction, f"{start.name}/oam", packet)
        try:
            trace = network.inject_at(start.name, start.oam_ofport, packet)
        except SimulationError as error:
            yield report.failure(error)
            return
        unaware = [name for name in trace.functions if topology.function(name).is_proxied]
        ends = [(left.sff, left.port) for left in trace.deliveries]
        if unaware or ends != [(end.name, "oam")]:
            met = ", ".join(unaware) or "none"
            yield report.violation(Rule.OAM, f"a probe meets {met} of them and ends at {ends}", trace)
        elif not _is_for_responder(trace, end, OAM_SOURCE_END):
            yield report.violation(Rule.OAM, "a probe is not what the responder at its end expects", trace)
        elif not falls(trace):
            yield report.violation(Rule.INDEX, "a probe's service index or TTL does not fall on the way", trace)


@dataclass(frozen=True, slots=True)
class PlainCheck:
    """What no chain takes of a port goes its plain way, or is dropped where the port says so."""

    port: Port
    neighbour: Port
    starts: tuple[PlannedChain, ...]
    """Classified chains that begin at the port."""
    ends: tuple[PlannedChain, ...]
    """Classified chains that end there."""
    is_end: bool
    """Some version of a chain begins or ends there."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("plain", self.port.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        for packet in plain_samples(self.port, self.neighbour):
            yield from self._plain(network, packet)

    def _plain(self, network: Simulator, packet: Ethernet) -> Iterator[Violation]:
        port = self.port
        chains = [planned.chain for planned in self.starts]
        if chain_for(chains, port.id, packet) is not None or self._may_go_back(network, packet):
            return
        report = Report(None, None, port.id, packet)
        trace = inject(network, report, port.id, packet)
        if isinstance(trace, Violation):
            yield trace
            return
        in_chain = any(nsh_of(event.packet) is not None for event in trace.events)
        if in_chain or any(not network.topology.function(name).rewrites_5tuple for name in trace.functions):
            yield report.violation(Rule.STRANGER, "a packet of no classifier is on a chain", trace)
        elif port.unclassified is Unclassified.FORWARD or not self.is_end:
            left = [delivery.port for delivery in trace.deliveries]
            if packet.vlans and not self.neighbour.trunk:
                if left:
                    message = f"tagged, it leaves at {left}, which has no VLANs"
                    yield report.violation(Rule.DESTINATION, message, trace)
            elif left != [self.neighbour.id]:
                message = f"in the plain network it leaves at {left}, not {self.neighbour.id}"
                yield report.violation(Rule.DESTINATION, message, trace)

    def _may_go_back(self, network: Simulator, packet: Ethernet) -> bool:
        """From the end of a symmetric chain, some packets are answers without a mark."""
        chains = [planned.chain for planned in self.ends]
        return chain_back_for(network.topology, chains, self.port, packet) is not None


@dataclass(frozen=True, slots=True)
class PortGuardCheck:
    """What a port may not send dies in table 0."""

    port: Port
    plan: LegPlan
    foreign: tuple[PathPosition, ...] = field(compare=False)
    """Positions tried: what a leg may send is a list, so any of the others stand for all."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("guard", self.port.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        if self.port.role is PortRole.TENANT:
            yield from _dead(network, of_station(self.port, self.foreign[0]))
        else:
            yield from _dead(network, of_leg(self.port, self.plan.is_aware, self.plan.expected, self.foreign))


@dataclass(frozen=True, slots=True)
class TunnelGuardCheck:
    """What no peer sends dies in table 0."""

    sff: Sff
    peer: Sff | None
    position: PathPosition = field(compare=False)

    @property
    def name(self) -> tuple[str, ...]:
        return ("tunnel", self.sff.name)

    def run(self, network: Simulator) -> Iterator[Violation]:
        yield from _dead(network, of_strangers(self.sff, self.peer, self.position))


@dataclass(frozen=True, slots=True)
class LivenessCheck:
    """A probe goes through exactly its function, and comes back to the responder that sent it."""

    watch: Watch

    @property
    def name(self) -> tuple[str, ...]:
        return ("liveness", self.watch.function)

    def run(self, network: Simulator) -> Iterator[Violation]:
        watch, sff = self.watch, network.topology.sff(self.watch.sff)
        if sff.oam_ofport is None or sff.oam_mac is None:
            return
        packet = Ethernet(sff.oam_mac, watch.to_mac, probe_payload(watch))
        report = Report(None, None, f"{sff.name}/oam", packet)
        try:
            trace = network.inject_at(sff.name, sff.oam_ofport, packet)
        except SimulationError as error:
            yield report.failure(error)
            return
        if watch.kind is ProbeKind.ARP:  # the walk ends at the function: a model answers nothing that is not IP
            own = network.topology.port(network.topology.function(watch.function).ingress)
            reached = [(left.sff, left.port) for left in trace.deliveries] == [(sff.name, own.id)]
            answer = Arp(2, own.mac, int(watch.destination or 0), SFF_MAC, 0)
            trace = network.inject(own.id, Ethernet(own.mac, SFF_MAC, answer))
        else:
            reached = trace.functions == (watch.function,) and _is_addressed(network, watch, trace)
        if not reached or [(left.sff, left.port) for left in trace.deliveries] != [(sff.name, "oam")]:
            met = ", ".join(trace.functions) or "none"
            yield report.violation(Rule.LIVENESS, f"the probe of {watch.function} meets {met}", trace)


@dataclass(frozen=True, slots=True)
class TtlCheck:
    """RFC 8300 section 2.2: a TTL of 1 goes no further than this bridge, and one of 0 counts as 64."""

    sff: Sff
    peer: Sff
    position: PathPosition = field(compare=False)

    @property
    def name(self) -> tuple[str, ...]:
        return ("ttl", self.sff.name)

    def run(self, network: Simulator) -> Iterator[Violation]:
        inner = Ethernet(STRANGER_MAC, STRANGER_MAC, Ip(FOREIGN[4], FOREIGN[4], Udp(1, 2)))
        for flags in (0, O_BIT):
            packet = Nsh(self.position, inner, 1, flags)
            yield from self._judged(network, packet, self._is_out)
            yield from self._judged(network, replace(packet, ttl=0), self._is_63)
            yield from self._judged(network, replace(packet, ttl=64 - 1), self._is_62)
        spent = Nsh(PathPosition(self.position.spi, 0), inner, TTL_IMPOSED)
        yield from self._judged(network, spent, lambda trace: ended_by(trace, Kind.DROP_SI_ZERO))

    def _judged(self, network: Simulator, packet: Nsh, is_right: Callable[[Trace], bool]) -> Iterator[Violation]:
        here = self.sff
        report = Report(None, None, f"{here.name}/tunnel", packet)
        try:
            trace = network.inject_at(here.name, here.tunnel_ofport, packet, int(self.peer.underlay_ip), VNI_NSH)
        except SimulationError as error:
            yield report.failure(error)
            return
        if not is_right(trace):
            told = f"NSH of a peer with TTL {packet.ttl} and index {packet.position.si} is not dealt with as it must be"
            yield report.violation(Rule.INDEX, told, trace)

    def _is_out(self, trace: Trace) -> bool:
        if trace.crossings or trace.functions:
            return False
        if self.sff.oam_ofport is None:
            return ended_by(trace, Kind.DROP_TTL)
        ends = [(left.sff, left.port) for left in trace.deliveries]
        return ends == [(self.sff.name, "oam")] and _is_for_responder(trace, self.sff, OAM_SOURCE_TTL)

    def _is_63(self, trace: Trace) -> bool:
        return _looked_up_with(trace) == TTL_IMPOSED

    def _is_62(self, trace: Trace) -> bool:
        return _looked_up_with(trace) == TTL_IMPOSED - 1


def _looked_up_with(trace: Trace) -> int | None:
    """The TTL of a packet at its first look-up by the SFF."""
    first = next((event for event in trace.rules if event.flow.table == Table.SFF), None)
    nsh = nsh_of(first.packet) if first is not None else None
    return None if nsh is None else nsh.ttl


def _is_for_responder(trace: Trace, sff: Sff, source: Mac) -> bool:
    """One frame, to the responder, from the MAC address that says why it gets it (RFC 9516 section 4)."""
    frames = [left.packet for left in trace.deliveries]
    return (
        len(frames) == 1
        and isinstance(frames[0], Ethernet)
        and (frames[0].destination, frames[0].source)
        == (
            sff.oam_mac,
            source,
        )
        and (source != OAM_SOURCE_TTL or (isinstance(frames[0].payload, Nsh) and frames[0].payload.ttl == 0))
    )


def probe_payload(watch: Watch) -> Arp | Ip | Nsh | Raw:
    """What the responder sends, as the simulator carries it."""
    match watch.kind:
        case ProbeKind.FRAME:
            return Raw(ETHERTYPE_PROBE)
        case ProbeKind.NSH:
            return Nsh(PROBE_POSITION, Raw(7, b"probe"), TTL_IMPOSED, O_BIT)
        case ProbeKind.ARP:
            return Arp(1, SFF_MAC, 0, Mac(0), int(watch.destination or 0))
        case ProbeKind.DATAGRAM:
            anywhere = IPv4Address(0)
            return Ip(watch.source or anywhere, watch.destination or anywhere, Udp(watch.port, watch.port))


def _is_addressed(network: Simulator, watch: Watch, trace: Trace) -> bool:
    """The function gets the probe with MAC addresses that it knows, a bridging one with the tag that it keeps."""
    function = network.topology.function(watch.function)
    frame = trace.visits[0].packet
    if not isinstance(frame, Ethernet):
        return False
    if function.is_proxied and function.layer is Layer.L2:
        return frame.source == watch.tag and frame.destination == watch.to_mac
    return frame.source == SFF_MAC and frame.destination == network.topology.port(function.ingress).mac


def _closes(function: ServiceFunction) -> bool:
    """True of a function that speaks NSH and ends OAM packets, as all others, while it is down."""
    return not function.is_proxied and function.policy is not OnFailure.OPEN


def _dead(network: Simulator, forgeries: Iterator[Forgery]) -> Iterator[Violation]:
    for forgery in forgeries:
        report = Report(None, None, forgery.port or f"{forgery.sff}/tunnel", forgery.packet)
        try:
            trace = network.inject_at(forgery.sff, forgery.ofport, forgery.packet, forgery.tun_src, forgery.tun_id)
        except SimulationError as error:
            yield report.failure(error)
            continue
        last = trace.drops[-1].flow if trace.drops else None
        if last is None or last.table != 0 or trace.crossings or trace.functions or trace.deliveries:
            yield report.violation(Rule.GUARD, f"{forgery.what} gets through", trace)
