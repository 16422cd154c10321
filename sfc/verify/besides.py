"""What goes beside the packets of a connection: later fragments, errors about it, what its functions say themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sfc.forgery import FOREIGN, STRANGER_MAC
from sfc.model.chains import SI_FIRST, Direction, PathGroup, PlannedChain, Rsp
from sfc.model.cookies import Kind
from sfc.model.topology import Layer, Port, ServiceFunction
from sfc.render.tables import NEIGHBOUR_INGRESS
from sfc.samples import chain_for, may_answer, samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import Ethernet, Fragment, Icmp, Ip, Sctp, Tcp, Udp, answer_to
from sfc.simulator.trace import Visited, nsh_of
from sfc.verify.judging import crossings, ended_by, in_order
from sfc.verify.results import Report, Rule, Violation, inject
from sfc.walk import Leg, planned_walk

ERRORS = {4: (3, 11, 12), 6: (1, 2, 3, 4)}
"""RFC 792 and RFC 4443 section 2.1: types of ICMP errors."""
UNREACHABLE = {4: (3, 1), 6: (1, 3)}  # RFC 792 and RFC 4443 section 3.1: type and code of "host unreachable"


@dataclass(frozen=True, slots=True)
class BesidesCheck:
    """One connection of a chain in which nothing is down, and all that belongs to it without being of its 5-tuple."""

    planned: PlannedChain
    rivals: tuple[PlannedChain, ...]
    """Classified chains of the same ingress, itself included."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("besides", self.planned.chain.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        chain, end = self.planned.chain, network.topology.port(self.planned.forward.end)
        chains = [other.chain for other in self.rivals]
        for index in range(len(chain.classifiers)):
            for packet in samples(network.topology, chain, end, index):
                taker = chain_for(chains, chain.ingress, packet)
                if taker is not None and taker.id == chain.id and _has_ports(packet):
                    yield from _Connection(self, network, packet, chain.classifiers[index].match.needs_whole).run()
                    break  # one of each classifier stands for all


class _Connection:
    """One run of the check with one connection."""

    def __init__(self, check: BesidesCheck, network: Simulator, packet: Ethernet, by_ports: bool) -> None:
        self.planned = check.planned
        self.chains = [other.chain for other in check.rivals]
        self.ends = {other.chain.id: other.forward.end for other in check.rivals}
        self.network = network
        self.topology = network.topology
        self.packet = packet
        self.by_ports = by_ports
        self.walk: Sequence[Leg] = ()
        """The planned crossings of both paths, once somebody has asked."""
        self.end = network.topology.port(check.planned.forward.end)

    def run(self) -> Iterator[Violation]:
        there = self._walk(Direction.FORWARD, self.planned.forward.start, self.packet)
        if isinstance(there, Violation):
            return  # what is wrong with the connection itself is told by its own check
        if self.by_ports:
            yield from self._fragment(there)
        reverse = self.planned.reverse
        if reverse is None or not may_answer(self.end, self.packet):
            return
        answer = replace(
            answer_to(self.packet, "A"), source=self.end.mac, vlans=self.packet.vlans if self.end.trunk else ()
        )
        back = self._walk(Direction.REVERSE, self.end.id, answer)
        if isinstance(back, Violation) or Kind.REVERSE_MARK not in back.kinds:
            return
        yield from self._error(answer, back)
        yield from self._resets(there, self.planned.forward, reverse)
        yield from self._resets(back, reverse, self.planned.forward)
        yield from self._own_errors(there)

    def _walk(self, direction: Direction, port: str, packet: Ethernet) -> Trace | Violation:
        return inject(self.network, Report(self.planned.chain.id, direction, port, packet), port, packet)

    def _fragment(self, there: Trace) -> Iterator[Violation]:
        """Fragments of a later datagram take the way of the connection, though only the first has its ports."""
        ip = self.packet.payload
        if not isinstance(ip, Ip):
            return
        for which in (Fragment.FIRST, Fragment.LATER):
            fragment = replace(self.packet, payload=replace(ip, fragment=which))
            start = self.planned.forward.start
            report = Report(self.planned.chain.id, Direction.FORWARD, start, fragment)
            trace = inject(self.network, report, start, fragment)
            if isinstance(trace, Violation):
                yield trace
            elif trace.functions != there.functions or _ends(trace) != _ends(there):
                yield report.violation(Rule.BESIDES, "a fragment does not take the way of its connection", trace)
            else:
                yield from in_order(report, trace)
                yield from crossings(self._legs(self.planned.forward), report, trace)
        yield from self._unmarked(ip)

    def _unmarked(self, ip: Ip) -> Iterator[Violation]:
        """A fragment of a connection that nobody has seen is on no chain that asks for ports."""
        assert isinstance(ip.payload, Tcp | Udp | Sctp)
        ports = {name: getattr(ip.payload, name) ^ 1 for name in ("source_port", "destination_port")}
        for which in (Fragment.FIRST, Fragment.LATER):
            other = replace(ip, payload=replace(ip.payload, **ports), fragment=which)
            yield from self._off_it(replace(self.packet, payload=other))

    def _off_it(self, fragment: Ethernet) -> Iterator[Violation]:
        start = self.planned.forward.start
        taker = chain_for(self.chains, start, fragment)
        if taker is not None and taker.id == self.planned.chain.id:
            return
        report = Report(self.planned.chain.id, Direction.FORWARD, start, fragment)
        trace = inject(self.network, report, start, fragment)
        if isinstance(trace, Violation):
            yield trace
        elif self._is_on_it(trace):
            yield report.violation(Rule.BESIDES, "a fragment of another connection is on this chain", trace)

    def _is_on_it(self, trace: Trace) -> bool:
        spi = self.planned.forward.spi
        return any(nsh.position.spi == spi for event in trace.events if (nsh := nsh_of(event.packet)) is not None)

    def _legs(self, rsp: Rsp, behind: int = SI_FIRST + 1) -> list[Leg]:
        """Crossings of a path, from an index on."""
        if not self.walk:
            self.walk = planned_walk(self.topology, self.planned)
        return [leg for leg in self.walk if leg.direction is rsp.direction and leg.position.si < behind]

    def _error(self, answer: Ethernet, back: Trace) -> Iterator[Violation]:
        """The ingress says that it cannot take the answer; its connection stays on its chain."""
        about, ip = answer.payload, self.packet.payload
        if not isinstance(about, Ip) or not isinstance(ip, Ip):
            return
        for number in ERRORS[ip.source.version]:
            error = replace(self.packet, payload=Ip(ip.source, ip.destination, Icmp(number, about=about)))
            yield from self._error_out(error)
        report = Report(self.planned.chain.id, Direction.REVERSE, self.end.id, answer)
        again = inject(self.network, report, self.end.id, answer)
        if isinstance(again, Violation):
            yield again
        elif again.functions != back.functions or Kind.REVERSE_MARK not in again.kinds:
            yield report.violation(Rule.BESIDES, "an ICMP error about a connection takes it to another chain", again)

    def _error_out(self, error: Ethernet) -> Iterator[Violation]:
        start = self.planned.forward.start
        taker = chain_for(self.chains, start, error)
        if taker is None:
            return
        end = self.ends[taker.id]
        report = Report(self.planned.chain.id, Direction.FORWARD, start, error)
        trace = inject(self.network, report, start, error)
        if isinstance(trace, Violation):
            yield trace
            return
        if ended_by(trace, Kind.DROP_MARK_MISS):
            return  # a routing function of one direction alone knows the connection of no error of the other
        visited = next((visit.packet for visit in trace.visits if visit.port == end), None)
        left = next((each.packet for each in trace.deliveries if each.port == end), visited)
        if _ends(trace) not in ((end,), ()) or not isinstance(left, Ethernet) or not self._is_from_to(left, end):
            yield report.violation(Rule.BESIDES, f"an ICMP error does not leave at the end of chain {taker.id}", trace)

    def _is_from_to(self, frame: Ethernet, end: str) -> bool:
        """With the MAC addresses of both ends of the chain."""
        macs = (self.packet.source, self.topology.port(end).mac)
        return (frame.source, frame.destination) == macs

    def _resets(self, trace: Trace, there: Rsp, back: Rsp) -> Iterator[Violation]:
        """A bridging function answers by itself, on the leg that the packet came in by, its MACs swapped."""
        met: dict[str, int] = {}
        for visit in trace.visits:
            number = met[visit.function] = met.get(visit.function, -1) + 1
            function = self.topology.function(visit.function)
            if number >= sum(hop.function == visit.function for hop in there.hops):
                return  # it leads in a circle: the connection's own check tells that
            if function.is_proxied and function.layer is Layer.L2 and isinstance(visit.packet, Ethernet):
                yield from self._reset(visit, number, there, back)

    def _reset(self, visit: Visited, number: int, there: Rsp, back: Rsp) -> Iterator[Violation]:
        frame = visit.packet
        assert isinstance(frame, Ethernet)
        reset = replace(answer_to(frame, "RA"), source=frame.destination, destination=frame.source, vlans=frame.vlans)
        wanted = _behind(self.planned.chain.path, there, back, visit.function, number)
        report = Report(self.planned.chain.id, back.direction, visit.port, reset)
        trace = inject(self.network, report, visit.port, reset)
        if isinstance(trace, Violation):
            yield trace
        elif trace.functions != wanted or _ends(trace) != (back.end,):
            names, ports = ", ".join(trace.functions) or "none", ", ".join(_ends(trace)) or "no port"
            message = f"what {visit.function} answers by itself meets {names} and leaves at {ports}, not {back.end}"
            yield report.violation(Rule.BESIDES, message, trace)
        else:
            yield from in_order(report, trace)
            yield from self._on_planned_legs(report, trace, back)

    def _on_planned_legs(self, report: Report, trace: Trace, rsp: Rsp) -> Iterator[Violation]:
        """From where it joins a path, as everything on that."""
        joined = next((nsh.position for event in trace.events if (nsh := nsh_of(event.packet)) is not None), None)
        whole = all(group.only is None for group in self.planned.chain.path)
        if whole and joined is not None and joined.spi == rsp.spi:
            yield from crossings(self._legs(rsp, joined.si + 1), report, trace)

    def _own_errors(self, there: Trace) -> Iterator[Violation]:
        """An ICMP error of a bridging function's own stack reaches the ingress, unless another one has its address."""
        ip, ingress = self.packet.payload, self.topology.port(self.planned.forward.start)
        if not isinstance(ip, Ip) or ip.source.version != 4:
            return
        for name in dict.fromkeys(there.functions):
            function = self.topology.function(name)
            if function.own_address is None or not function.is_proxied or function.layer is not Layer.L2:
                continue
            if not self._alone(ingress):
                continue
            leg = self.topology.port(function.ingress)
            error = Ip(function.own_address, ip.source, Icmp(*UNREACHABLE[4], about=ip))
            yield from self._own_error(function, Ethernet(leg.mac, NEIGHBOUR_INGRESS, error), ingress)

    def _own_error(self, function: ServiceFunction, frame: Ethernet, ingress: Port) -> Iterator[Violation]:
        report = Report(self.planned.chain.id, Direction.REVERSE, function.ingress, frame)
        trace = inject(self.network, report, function.ingress, frame)
        if isinstance(trace, Violation):
            yield trace
        elif _ends(trace) != (ingress.id,) or function.id in trace.functions:
            message = f"an ICMP error of {function.id} itself leaves at {', '.join(_ends(trace)) or 'no port'}"
            yield report.violation(Rule.BESIDES, f"{message}, not {ingress.id}", trace)
        else:
            yield from in_order(report, trace)
            yield from self._forged_errors(function, frame)

    def _forged_errors(self, function: ServiceFunction, frame: Ethernet) -> Iterator[Violation]:
        """Its leg may say nothing in another's name, to another, or with another neighbour's MAC address."""
        error = frame.payload
        assert isinstance(error, Ip)
        forgeries = [
            replace(frame, destination=STRANGER_MAC),
            replace(frame, payload=replace(error, source=FOREIGN[4])),
        ]
        if not any(FOREIGN[4] in prefix for port in self.topology.ports for prefix in port.sources):
            forgeries.append(replace(frame, payload=replace(error, destination=FOREIGN[4])))
        for forged in forgeries:
            report = Report(self.planned.chain.id, Direction.REVERSE, function.ingress, forged)
            trace = inject(self.network, report, function.ingress, forged)
            if isinstance(trace, Violation):
                yield trace
            elif trace.deliveries or trace.crossings or trace.functions:
                yield report.violation(Rule.GUARD, f"a forged ICMP error from {function.ingress} gets through", trace)

    def _alone(self, ingress: Port) -> bool:
        """No other port may have its addresses: an error to an address of two might reach the wrong one."""
        others = [port for port in self.topology.ports if port.id != ingress.id and not port.allowed]
        return not any(
            mine.overlaps(prefix)
            for mine in ingress.sources
            if mine.version == 4
            for port in others
            for prefix in port.sources
            if prefix.version == 4
        )


def _behind(path: tuple[PathGroup, ...], there: Rsp, back: Rsp, function: str, number: int) -> tuple[str, ...]:
    """What a packet meets that a function sends back, met for the ``number``-th time on ``there``."""
    at = [index for index, hop in enumerate(there.hops) if hop.function == function][number]
    names = [hop.function for hop in back.hops]
    if all(group.only is None for group in path):
        rest = names[len(names) - at :] if at else []
    else:
        place = _place(path, function)
        forward = back.direction is Direction.FORWARD
        rest = [name for name in names if (_place(path, name) > place if forward else _place(path, name) < place)]
    return (*rest, back.terminator) if back.terminator and back.direction is Direction.FORWARD else tuple(rest)


def _place(path: tuple[PathGroup, ...], function: str) -> int:
    return next(
        (number for number, group in enumerate(path) if any(each.function == function for each in group.instances)),
        len(path),
    )


def _has_ports(packet: Ethernet) -> bool:
    return isinstance(packet.payload, Ip) and isinstance(packet.payload.payload, Tcp | Udp | Sctp)


def _ends(trace: Trace) -> tuple[str, ...]:
    return tuple(left.port for left in trace.deliveries)
