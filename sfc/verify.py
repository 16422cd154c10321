"""Proof before programming: rendered tables are run on packets that stand for all traffic, and must do as planned.

For every chain and both directions: each sample of each classifier meets exactly the chain's functions in order, is
carried over the underlay with the planned SPI, SI, TTL and context, and leaves at its destination; its answer comes
back by the connection's mark, and without one as the reversed classifiers say. What a port may not send dies in
table 0. What no classifier takes meets no function. OAM packets reach no NSH-unaware function.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sfc.errors import SimulationError
from sfc.forgery import forgeries
from sfc.model.chains import SI_FIRST, Direction, OnMiss, PathPosition, PlannedChain, Rsp
from sfc.model.cookies import Kind
from sfc.model.flows import Flow, FlowTables
from sfc.model.topology import Port, PortRole, Topology, Unclassified
from sfc.samples import chain_back_for, chain_for, may_answer, plain_samples, samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import O_BIT, Ethernet, Icmp, Ip, Nsh, Packet, Raw, Tcp, answer_to, ip_of
from sfc.simulator.trace import Dropped, Matched, nsh_of
from sfc.walk import TTL_IMPOSED, Leg, planned_walk


class Rule(StrEnum):
    """The invariants."""

    FUNCTIONS = "meets exactly its functions in order"
    DESTINATION = "leaves at its destination"
    UNDERLAY = "crosses the underlay as planned"
    INDEX = "service index and TTL strictly fall"
    STRANGER = "nothing else enters a chain"
    GUARD = "a forged frame dies at the guard"
    OAM = "an OAM packet reaches no NSH-unaware function"
    MARK = "an answer comes back by its connection's mark"
    MISS = "an answer without a mark does as the chain says"
    EXECUTABLE = "the tables can be executed"


@dataclass(frozen=True, slots=True)
class Violation:
    """One packet that does not do as planned; injecting it at ``port`` replays it."""

    rule: Rule
    chain: str | None
    direction: Direction | None
    port: str
    """Where the packet is injected; of the underlay: ``SFF/tunnel``."""
    message: str
    packet: Packet
    sff: str | None = None
    """Where it went wrong, as far as that can be told."""
    flow: Flow | None = None
    """The last rule that it met."""

    def __str__(self) -> str:
        where = f" at {self.sff}" if self.sff else ""
        rule = f", last rule table {self.flow.table} cookie {self.flow.cookie.encode():#x}" if self.flow else ""
        chain = f"chain {self.chain}: " if self.chain else ""
        return f"{chain}{self.rule.value}: {self.message}{where}{rule}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verification found, and on how many injected packets it rests."""

    violations: tuple[Violation, ...]
    packets: int


def prove(topology: Topology, chains: Sequence[PlannedChain], tables: Mapping[str, FlowTables]) -> Proof:
    """As :func:`verify`, with the number of packets that were tried."""
    proof = _Proof(topology, tuple(chains), Simulator(topology, tables))
    return Proof(tuple(proof.run()), proof.network.injected)


def verify(
    topology: Topology, chains: Sequence[PlannedChain], tables: Mapping[str, FlowTables]
) -> tuple[Violation, ...]:
    """Every violation found, () when the tables do as planned. Nothing is sent anywhere."""
    return prove(topology, chains, tables).violations


class _Proof:
    def __init__(self, topology: Topology, chains: tuple[PlannedChain, ...], network: Simulator) -> None:
        self.topology = topology
        self.planned = {planned.chain.id: planned for planned in chains if planned.classified}
        self.all = chains
        self.network = network

    def run(self) -> Iterator[Violation]:
        for planned in self.planned.values():
            yield from self._chain(planned)
        for planned in self.all:
            for rsp in planned.rsps:
                yield from self._oam(planned, rsp)
        yield from self._unclassified()
        yield from self._forged()

    def _chain(self, planned: PlannedChain) -> Iterator[Violation]:
        """Samples there and back by mark, then back again after every bridge has lost its connections."""
        taken = list(self._taken(planned))
        end = self.topology.port(planned.forward.end)
        for packet in taken:
            yield from self._walk(planned, planned.forward, packet)
            if planned.reverse is not None and may_answer(end, packet):
                yield from self._walk(planned, planned.reverse, self._answer(planned, packet))
        for sff in self.network.bridges:
            self.network.restart(sff)
        if planned.reverse is not None:
            for packet in filter(lambda packet: may_answer(end, packet), taken):
                yield from self._miss(planned, planned.reverse, self._answer(planned, packet))

    def _taken(self, planned: PlannedChain) -> Iterator[Ethernet]:
        """Samples that the order of precedence leaves to this chain."""
        chain, end = planned.chain, self.topology.port(planned.forward.end)
        rivals = [other.chain for other in self.planned.values()]
        for index in range(len(chain.classifiers)):
            for packet in samples(self.topology, chain, end, index):
                ip = ip_of(packet)
                if ip is not None and chain_for(rivals, chain.ingress, ip) is chain:
                    yield packet

    def _answer(self, planned: PlannedChain, packet: Ethernet) -> Ethernet:
        """As the end port's station sends it: a NAT restores the addresses."""
        ip = packet.payload
        syn = isinstance(ip, Ip) and isinstance(ip.payload, Tcp)
        answer = answer_to(packet, "A" if syn else "")
        return replace(answer, source=self.topology.port(planned.forward.end).mac)

    def _walk(self, planned: PlannedChain, rsp: Rsp, packet: Ethernet) -> Iterator[Violation]:
        report = _Report(planned.chain.id, rsp.direction, rsp.start, packet)
        trace = self._inject(report, rsp.start, packet)
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
        yield from self._crossings(planned, rsp, report, trace)
        if not _falls(trace):
            yield report.violation(Rule.INDEX, "its service index or TTL does not fall on the way", trace)

    def _crossings(self, planned: PlannedChain, rsp: Rsp, report: _Report, trace: Trace) -> Iterator[Violation]:
        legs = [leg for leg in planned_walk(self.topology, planned) if leg.direction is rsp.direction]
        crossed = [event for event in trace.crossings if nsh_of(event.packet) is not None]
        for event, leg in zip(crossed, legs, strict=False):
            if not _as_planned(event.from_sff, event.to_sff, event.packet, leg):
                message = f"{event.from_sff} to {event.to_sff} is not as planned ({leg.position} ttl {leg.ttl})"
                yield report.violation(Rule.UNDERLAY, message, trace, event.from_sff)
        if len(crossed) != len(legs):
            yield report.violation(Rule.UNDERLAY, f"{len(crossed)} crossings instead of {len(legs)}", trace)

    def _miss(self, planned: PlannedChain, rsp: Rsp, answer: Ethernet) -> Iterator[Violation]:
        """An answer whose connection nobody remembers. An echo reply cannot begin one: tracking calls it invalid."""
        ip = ip_of(answer)
        if ip is None or isinstance(ip.payload, Icmp):
            return
        same_end = [other.chain for other in self.planned.values() if other.forward.end == rsp.start]
        wanted = chain_back_for(self.topology, same_end, answer)
        if wanted is None or self.planned[wanted.id].reverse is None:
            return
        report = _Report(planned.chain.id, rsp.direction, rsp.start, answer)
        trace = self._inject(report, rsp.start, answer)
        if isinstance(trace, Violation):
            yield trace
            return
        if wanted.on_miss is OnMiss.DROP:
            if not _ended_by(trace, Kind.DROP_REVERSE_MISS):
                yield report.violation(Rule.MISS, "it is not dropped and counted", trace)
            return
        reverse = self.planned[wanted.id].reverse
        expected = tuple(hop.function for hop in reverse.hops) if reverse else ()
        if trace.functions != expected or [left.port for left in trace.deliveries] != [wanted.ingress]:
            yield report.violation(Rule.MISS, f"it does not come back on chain {wanted.id}", trace)

    def _oam(self, planned: PlannedChain, rsp: Rsp) -> Iterator[Violation]:
        """A probe from the path's own beginning ends at the responder of its last forwarder."""
        start, end = self.topology.sff(rsp.start_sff), self.topology.sff(rsp.end_sff)
        if start.oam_ofport is None or start.oam_mac is None or end.oam_ofport is None:
            return
        probe = Nsh(PathPosition(rsp.spi, SI_FIRST), Raw(7, b"probe"), TTL_IMPOSED, O_BIT)
        packet = Ethernet(start.oam_mac, start.oam_mac, probe)
        report = _Report(planned.chain.id, rsp.direction, f"{start.name}/oam", packet)
        try:
            trace = self.network.inject_at(start.name, start.oam_ofport, packet)
        except SimulationError as error:
            yield report.failure(error)
            return
        unaware = [name for name in trace.functions if self.topology.function(name).is_proxied]
        ends = [(left.sff, left.port) for left in trace.deliveries]
        if unaware or ends != [(end.name, "oam")]:
            met = ", ".join(unaware) or "none"
            yield report.violation(Rule.OAM, f"a probe meets {met} of them and ends at {ends}", trace)

    def _unclassified(self) -> Iterator[Violation]:
        """What no chain takes goes its plain way, or is dropped where the port says so."""
        members = [port for port in self.topology.ports if port.role is PortRole.TENANT]
        for port in members:
            neighbours = [other for other in members if other.network == port.network and other is not port]
            for other in neighbours[:1]:
                for packet in plain_samples(port, other):
                    yield from self._plain(port, other, packet)

    def _plain(self, port: Port, other: Port, packet: Ethernet) -> Iterator[Violation]:
        ip = ip_of(packet)
        chains = [planned.chain for planned in self.planned.values()]
        if ip is None or chain_for(chains, port.id, ip) is not None or self._may_go_back(port, packet):
            return
        report = _Report(None, None, port.id, packet)
        trace = self._inject(report, port.id, packet)
        if isinstance(trace, Violation):
            yield trace
            return
        in_chain = any(nsh_of(event.packet) is not None for event in trace.events)
        if in_chain or any(self._is_chained(name) for name in trace.functions):
            yield report.violation(Rule.STRANGER, "a packet of no classifier is on a chain", trace)
        elif port.unclassified is Unclassified.FORWARD or not self._is_ingress(port):
            left = [delivery.port for delivery in trace.deliveries]
            if left != [other.id]:
                yield report.violation(
                    Rule.DESTINATION, f"in the plain network it leaves at {left}, not {other.id}", trace
                )

    def _may_go_back(self, port: Port, packet: Ethernet) -> bool:
        """From the end of a symmetric chain, some packets are answers without a mark."""
        same_end = [planned.chain for planned in self.planned.values() if planned.forward.end == port.id]
        return chain_back_for(self.topology, same_end, packet) is not None

    def _is_ingress(self, port: Port) -> bool:
        return any(port.id in (planned.forward.start, planned.forward.end) for planned in self.all)

    def _is_chained(self, function: str) -> bool:
        return not self.topology.function(function).rewrites_5tuple

    def _forged(self) -> Iterator[Violation]:
        for forgery in forgeries(self.topology, self.all):
            report = _Report(None, None, forgery.port or f"{forgery.sff}/tunnel", forgery.packet)
            try:
                trace = self.network.inject_at(
                    forgery.sff, forgery.ofport, forgery.packet, forgery.tun_src, forgery.tun_id
                )
            except SimulationError as error:
                yield report.failure(error)
                continue
            last = trace.drops[-1].flow if trace.drops else None
            if last is None or last.table != 0 or trace.crossings or trace.functions or trace.deliveries:
                yield report.violation(Rule.GUARD, f"{forgery.what} gets through", trace)

    def _inject(self, report: _Report, port: str, packet: Packet) -> Trace | Violation:
        try:
            return self.network.inject(port, packet)
        except SimulationError as error:
            return report.failure(error)


@dataclass(frozen=True, slots=True)
class _Report:
    """What all violations of one packet have in common."""

    chain: str | None
    direction: Direction | None
    port: str
    packet: Packet

    def violation(self, rule: Rule, message: str, trace: Trace, sff: str | None = None) -> Violation:
        last = next((event for event in reversed(trace.events) if isinstance(event, Matched)), None)
        drops = [str(event) for event in trace.events if isinstance(event, Dropped)]
        told = f"{message} (dropped: {'; '.join(drops)})" if drops else message
        place = sff or (last.sff if last else None)
        flow = last.flow if last else None
        return Violation(rule, self.chain, self.direction, self.port, told, self.packet, place, flow)

    def failure(self, error: SimulationError) -> Violation:
        return Violation(Rule.EXECUTABLE, self.chain, self.direction, self.port, str(error), self.packet)


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
