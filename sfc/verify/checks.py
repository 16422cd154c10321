"""The checks that make up a proof. Each says what it rests on, so that it is made again only when that changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from sfc.errors import SimulationError
from sfc.forgery import Forgery, of_leg, of_station, of_strangers
from sfc.model.chains import SI_FIRST, Direction, OnMiss, PathPosition, PlannedChain, Rsp
from sfc.model.cookies import Kind
from sfc.model.topology import Port, PortRole, Sff, Unclassified
from sfc.samples import chain_back_for, chain_for, may_answer, may_begin, plain_samples, samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import O_BIT, Ethernet, Icmp, Ip, Nsh, Packet, Raw, Tcp, answer_to, ip_of
from sfc.simulator.trace import nsh_of
from sfc.verify.plan import LegPlan
from sfc.verify.results import Report, Rule, Violation
from sfc.walk import TTL_IMPOSED, Leg, planned_walk


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
class ChainCheck:
    """One chain there and back, then back again after every bridge has lost its connections."""

    planned: PlannedChain
    rivals: tuple[PlannedChain, ...]
    """Classified chains of the same ingress, itself included."""
    heirs: tuple[PlannedChain, ...]
    """Classified chains between the same ends: an answer without a mark may be any one's of them."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("chain", self.planned.chain.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        planned, reverse = self.planned, self.planned.reverse
        end = network.topology.port(planned.forward.end)
        legs = planned_walk(network.topology, planned)
        taken = list(self._taken(network))
        answers = []
        for packet in taken:
            yield from self._walk(network, planned.forward, packet, legs)
            if reverse is not None and may_answer(end, packet) and may_begin(packet):
                answers.append(self._answer(end, packet))
                yield from self._walk(network, reverse, answers[-1], legs)
        network.forget_connections()
        for answer in answers:
            yield from self._miss(network, answer)

    def _taken(self, network: Simulator) -> Iterator[Ethernet]:
        """Samples that the order of precedence leaves to this chain."""
        chain, end = self.planned.chain, network.topology.port(self.planned.forward.end)
        rivals = [other.chain for other in self.rivals]
        for index in range(len(chain.classifiers)):
            for packet in samples(network.topology, chain, end, index):
                if chain_for(rivals, chain.ingress, packet) is chain:
                    yield packet

    def _answer(self, end: Port, packet: Ethernet) -> Ethernet:
        """As the end port's station sends it: a NAT restores the addresses."""
        ip = packet.payload
        syn = isinstance(ip, Ip) and isinstance(ip.payload, Tcp)
        answer = answer_to(packet, "A" if syn else "")
        return replace(answer, source=end.mac)

    def _walk(self, network: Simulator, rsp: Rsp, packet: Ethernet, legs: tuple[Leg, ...]) -> Iterator[Violation]:
        report = Report(self.planned.chain.id, rsp.direction, rsp.start, packet)
        trace = _inject(network, report, rsp.start, packet)
        if isinstance(trace, Violation):
            yield trace
            return
        expected = rsp.functions if rsp.direction is Direction.FORWARD else tuple(hop.function for hop in rsp.hops)
        if trace.functions != expected:
            met, wanted = ", ".join(trace.functions) or "none", ", ".join(expected)
            yield report.violation(Rule.FUNCTIONS, f"it meets {met} instead of {wanted}", trace)
        ports = tuple(delivery.port for delivery in trace.deliveries)
        if ports != (rsp.end,):
            yield report.violation(
                Rule.DESTINATION, f"it leaves at {', '.join(ports) or 'no port'}, not {rsp.end}", trace
            )
        if rsp.direction is Direction.REVERSE and Kind.REVERSE_MARK not in trace.kinds:
            yield report.violation(Rule.MARK, "no rule takes it by its mark", trace)
        yield from self._crossings([leg for leg in legs if leg.direction is rsp.direction], report, trace)
        if not _falls(trace):
            yield report.violation(Rule.INDEX, "its service index or TTL does not fall on the way", trace)

    def _crossings(self, legs: list[Leg], report: Report, trace: Trace) -> Iterator[Violation]:
        crossed = [event for event in trace.crossings if nsh_of(event.packet) is not None]
        for event, leg in zip(crossed, legs, strict=False):
            if not _as_planned(event.from_sff, event.to_sff, event.packet, leg):
                message = f"{event.from_sff} to {event.to_sff} is not as planned ({leg.position} ttl {leg.ttl})"
                yield report.violation(Rule.UNDERLAY, message, trace, event.from_sff)
        if len(crossed) != len(legs):
            yield report.violation(Rule.UNDERLAY, f"{len(crossed)} crossings instead of {len(legs)}", trace)

    def _miss(self, network: Simulator, answer: Ethernet) -> Iterator[Violation]:
        """An answer whose connection nobody remembers. An echo reply cannot begin one: tracking calls it invalid."""
        ip = ip_of(answer)
        if ip is None or isinstance(ip.payload, Icmp):
            return
        chain = chain_back_for(network.topology, [other.chain for other in self.heirs], answer)
        wanted = next((other for other in self.heirs if other.chain is chain), None)
        if wanted is None or wanted.reverse is None:
            return
        start = self.planned.forward.end
        report = Report(self.planned.chain.id, Direction.REVERSE, start, answer)
        trace = _inject(network, report, start, answer)
        if isinstance(trace, Violation):
            yield trace
        elif wanted.chain.on_miss is OnMiss.DROP:
            if not _ended_by(trace, Kind.DROP_REVERSE_MISS):
                yield report.violation(Rule.MISS, "it is not dropped and counted", trace)
        else:
            expected = tuple(hop.function for hop in wanted.reverse.hops)
            if trace.functions != expected or [left.port for left in trace.deliveries] != [wanted.chain.ingress]:
                yield report.violation(Rule.MISS, f"it does not come back on chain {wanted.chain.id}", trace)


@dataclass(frozen=True, slots=True)
class OamCheck:
    """A probe from a path's own beginning ends at the responder of its last forwarder."""

    rsp: Rsp

    @property
    def name(self) -> tuple[str, ...]:
        return ("oam", str(self.rsp.spi))

    def run(self, network: Simulator) -> Iterator[Violation]:
        rsp, topology = self.rsp, network.topology
        start, end = topology.sff(rsp.start_sff), topology.sff(rsp.end_sff)
        if start.oam_ofport is None or start.oam_mac is None or end.oam_ofport is None:
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
        trace = _inject(network, report, port.id, packet)
        if isinstance(trace, Violation):
            yield trace
            return
        in_chain = any(nsh_of(event.packet) is not None for event in trace.events)
        if in_chain or any(not network.topology.function(name).rewrites_5tuple for name in trace.functions):
            yield report.violation(Rule.STRANGER, "a packet of no classifier is on a chain", trace)
        elif port.unclassified is Unclassified.FORWARD or not self.is_end:
            left = [delivery.port for delivery in trace.deliveries]
            if left != [self.neighbour.id]:
                message = f"in the plain network it leaves at {left}, not {self.neighbour.id}"
                yield report.violation(Rule.DESTINATION, message, trace)

    def _may_go_back(self, network: Simulator, packet: Ethernet) -> bool:
        """From the end of a symmetric chain, some packets are answers without a mark."""
        return chain_back_for(network.topology, [planned.chain for planned in self.ends], packet) is not None


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


def _inject(network: Simulator, report: Report, port: str, packet: Packet) -> Trace | Violation:
    try:
        return network.inject(port, packet)
    except SimulationError as error:
        return report.failure(error)


def _as_planned(from_sff: str, to_sff: str, packet: Packet, leg: Leg) -> bool:
    nsh = nsh_of(packet)
    if nsh is None or (from_sff, to_sff, nsh.position, nsh.ttl) != (leg.from_sff, leg.to_sff, leg.position, leg.ttl):
        return False
    return all(planned in (None, word) for planned, word in zip(leg.context, nsh.context, strict=True))


def _falls(trace: Trace) -> bool:
    """Along the SFF lookups of one path the index never rises and the TTL always falls."""
    last: dict[int, tuple[int, int]] = {}
    for event in trace.rules:
        nsh = nsh_of(event.packet)
        if event.flow.table != 10 or nsh is None:
            continue
        spi, here = nsh.position.spi, (nsh.position.si, nsh.ttl)
        if spi in last and not (here[0] <= last[spi][0] and here[1] < last[spi][1]):
            return False
        last[spi] = here
    return True


def _ended_by(trace: Trace, kind: Kind) -> bool:
    return not trace.deliveries and any(drop.reason is kind for drop in trace.drops)
