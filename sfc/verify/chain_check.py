"""The check of one chain: its packets there, their answers back, and back again when nobody remembers them."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sfc.forgery import STRANGER_MAC
from sfc.model.addresses import Mac
from sfc.model.chains import Chain, Direction, OnMiss, PlannedChain, Rsp
from sfc.model.classifiers import Match
from sfc.model.cookies import Kind
from sfc.model.topology import Awareness, Layer, OnFailure, Port, Topology
from sfc.render.tables import SFF_MAC
from sfc.samples import chain_back_for, chain_for, may_answer, may_begin, samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.functions import NshModel
from sfc.simulator.packets import Ethernet, Icmp, Ip, Nsh, Packet, Sctp, Tcp, Udp, Vlan, answer_to, ip_of
from sfc.simulator.trace import Delivered, Visited, nsh_of
from sfc.verify.graph_check import chains_taken, graph_samples, written_values
from sfc.verify.judging import crossings, ended_by, in_order
from sfc.verify.plan import Graph
from sfc.verify.results import Report, Rule, Violation, inject
from sfc.walk import Leg, planned_walk

NO_GRAPH = Graph()
VARIANTS_PER_BRANCH = 8
VARIANTS_MAX = 64
"""Connections tried of each sample of a chain that spreads."""


@dataclass(frozen=True, slots=True)
class _Fate:
    """What becomes of a packet on a path, functions that are down considered."""

    functions: tuple[str, ...]
    """Those that it meets."""
    end: str
    closed_at: int | None = None
    """Service index at which a function that is down ends it."""
    paths: int = 1
    """How many paths it gets to, one behind the other."""


@dataclass(frozen=True, slots=True)
class ChainCheck:
    """One chain there and back, then back again after every bridge has lost its connections."""

    branches: tuple[PlannedChain, ...]
    """What takes its packets: one, or those over which it spreads them."""
    rivals: tuple[PlannedChain, ...]
    """Classified chains of the same ingress, itself included."""
    heirs: tuple[PlannedChain, ...]
    """Classified chains between the same ends: an answer without a mark may be any one's of them."""
    down: frozenset[str] = frozenset()
    """Functions on it that are down."""
    graph: Graph = NO_GRAPH
    """The chains that follow it."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("chain", self.branches[0].chain.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        return _Play(self, network).run()


class _Play:
    """One run of the check."""

    def __init__(self, check: ChainCheck, network: Simulator) -> None:
        self.branches = check.branches
        self.rivals = [other.chain for other in check.rivals]
        self.heirs = check.heirs
        self.down = check.down
        self.graph = check.graph
        self.network = network
        self.topology = network.topology
        self.end = network.topology.port(check.branches[0].forward.end)
        self.legs: dict[int, list[Leg]] = {}
        """The planned crossings of each path, by SPI."""

    def run(self) -> Iterator[Violation]:
        if self.graph.followers:
            yield from self._run_graph()
            return
        asked: list[tuple[PlannedChain, Ethernet]] = []
        for packet in self._taken():
            branch = yield from self._there(packet)
            if branch is not None and branch.reverse is not None and may_answer(self.end, packet) and may_begin(packet):
                answer = self._answer(self.end, packet)
                asked.append((branch, answer))
                if self._fate((branch.forward,)).closed_at is None:
                    yield from self._back((branch.reverse,), answer)
        self.network.forget_connections()
        for branch, answer in asked:
            yield from self._miss(branch, answer)

    def _run_graph(self) -> Iterator[Violation]:
        """Each packet by each way through the graph, there and back."""
        first = self.branches[0]
        inside = (packet for packet in graph_samples(self.topology, self.graph) if self._takes(packet))
        packets = tuple(dict.fromkeys((*self._taken(), *inside)))
        asked: list[tuple[PlannedChain, Ethernet]] = []
        for written in written_values(self.topology, first, self.graph):
            with self._writing(written):
                for packet in packets:
                    ways = chains_taken(self.topology, first, self.graph, packet, written)
                    yield from self._along(ways, packet, asked if written is None else [])
        self.network.forget_connections()
        for last, answer in asked:
            yield from self._miss(last, answer)

    def _along(
        self, ways: tuple[PlannedChain, ...], packet: Ethernet, asked: list[tuple[PlannedChain, Ethernet]]
    ) -> Iterator[Violation]:
        report = Report(self.branches[0].chain.id, Direction.FORWARD, ways[0].forward.start, packet)
        trace = inject(self.network, report, ways[0].forward.start, packet)
        if isinstance(trace, Violation):
            yield trace
            return
        there = tuple(each.forward for each in ways)
        yield from self._judged(report, trace, there)
        end = self.topology.port(ways[-1].forward.end)
        if ways[-1].reverse is not None and may_answer(end, packet) and may_begin(packet):
            answer = self._answer(end, packet)
            asked.append((ways[-1], answer))
            if self._fate(there).closed_at is None:
                yield from self._back(tuple(each.reverse for each in ways[::-1] if each.reverse), answer)

    @contextmanager
    def _writing(self, value: int | None) -> Iterator[None]:
        """Meanwhile, functions that write context write this into the second word."""
        models = self.network.functions
        kept = dict(models)
        for name, model in kept.items():
            if value is not None and isinstance(model, NshModel) and self.topology.function(name).writes_context:
                models[name] = replace(model, writes=lambda _: value)
        try:
            yield
        finally:
            models.update(kept)

    def _takes(self, packet: Ethernet) -> bool:
        """True when the order of precedence leaves a packet to this chain."""
        chain = self.branches[0].chain
        taker = chain_for(self.rivals, chain.ingress, packet)
        return taker is not None and taker.id == chain.id

    def _taken(self) -> Iterator[Ethernet]:
        """Samples that the order of precedence leaves to this chain; of one that spreads, many connections of each."""
        chain = self.branches[0].chain
        count = min(VARIANTS_MAX, VARIANTS_PER_BRANCH * len(self.branches)) if len(self.branches) > 1 else 1
        for index, classifier in enumerate(chain.classifiers):
            for sample in samples(self.topology, chain, self.end, index):
                for packet in _variants(sample, classifier.match, count):
                    if self._takes(packet):
                        yield packet

    def _there(self, packet: Ethernet) -> Generator[Violation, None, PlannedChain | None]:
        """Walks a packet forward; the generator's value is the branch that it took."""
        rsp = self.branches[0].forward
        report = Report(self.branches[0].chain.id, Direction.FORWARD, rsp.start, packet)
        trace = inject(self.network, report, rsp.start, packet)
        if isinstance(trace, Violation):
            yield trace
            return None
        branch = self.branches[0] if len(self.branches) == 1 else _branch_of(self.branches, trace)
        if branch is None:
            yield report.violation(Rule.BRANCH, "it enters no branch of its chain", trace)
            return None
        if branch not in self._living():
            yield report.violation(Rule.BRANCH, "it takes a branch whose function is down", trace)
        yield from self._judged(report, trace, (branch.forward,))
        if len(self.branches) > 1:
            again = inject(self.network, report, rsp.start, packet)
            if isinstance(again, Violation):
                yield again
            elif _branch_of(self.branches, again) is not branch:
                yield report.violation(Rule.BRANCH, "its connection's next packet takes another branch", again)
        return branch

    def _back(self, rsps: tuple[Rsp, ...], answer: Ethernet) -> Iterator[Violation]:
        """An answer by its connection's mark."""
        rsp = rsps[0]
        report = Report(rsp.chain, rsp.direction, rsp.start, answer)
        trace = inject(self.network, report, rsp.start, answer)
        if isinstance(trace, Violation):
            yield trace
            return
        yield from self._judged(report, trace, rsps)
        if Kind.REVERSE_MARK not in trace.kinds:
            yield report.violation(Rule.MARK, "no rule takes it by its mark", trace)

    def _miss(self, branch: PlannedChain, answer: Ethernet) -> Iterator[Violation]:
        """An answer whose connection nobody remembers. An echo reply cannot begin one: tracking calls it invalid."""
        ip = ip_of(answer)
        start = branch.forward.end
        report = Report(self.branches[0].chain.id, Direction.REVERSE, start, answer)
        if ip is None or isinstance(ip.payload, Icmp):
            yield from self._invalid(report, answer)
            return
        heirs = self._heirs_of(branch)
        chain = chain_back_for(self.topology, _chains(heirs), self.topology.port(start), answer)
        if chain is None:
            return
        yield from self._astray(heirs, start, answer)
        trace = inject(self.network, report, start, answer)
        if isinstance(trace, Violation):
            yield trace
        elif chain.on_miss is OnMiss.DROP:
            if not ended_by(trace, Kind.DROP_REVERSE_MISS):
                yield report.violation(Rule.MISS, "it is not dropped and counted", trace)
        else:
            own = chain.id == branch.chain.id
            ways = (branch,) if own else tuple(other for other in heirs if other.chain.id == chain.id)
            fates = [self._fate(self._reverse_ways(way)) for way in ways if way.reverse is not None]
            tags = self._tags(chain, self.topology.port(chain.ingress))
            rightly = any(_met(fate, trace) for fate in fates)
            if not rightly or any(self._altered(left, answer, tags) for left in trace.deliveries):
                branched = " on the branch of its question" if len(self.branches) > 1 and own else ""
                yield report.violation(Rule.MISS, f"it does not come back on chain {chain.id}{branched}", trace)
                return
            yield from in_order(report, trace)
            if own and len(fates) == 1 and fates[0].closed_at is None:
                legs = [leg for rsp in self._reverse_ways(branch) for leg in self._legs(rsp)]
                yield from crossings(legs, report, trace)

    def _invalid(self, report: Report, answer: Ethernet) -> Iterator[Violation]:
        trace = inject(self.network, report, report.port, answer)
        if isinstance(trace, Violation):
            yield trace
        elif not ended_by(trace, Kind.DROP_INVALID):
            yield report.violation(Rule.MISS, "it answers no question, and is not dropped and counted for that", trace)

    def _astray(self, heirs: tuple[PlannedChain, ...], start: str, answer: Ethernet) -> Iterator[Violation]:
        """The same to somebody else is no answer of these chains."""
        strange = replace(answer, destination=STRANGER_MAC)
        if chain_back_for(self.topology, _chains(heirs), self.topology.port(start), strange) is not None:
            return
        report = Report(self.branches[0].chain.id, Direction.REVERSE, start, strange)
        trace = inject(self.network, report, start, strange)
        if isinstance(trace, Violation):
            yield trace
        elif any(nsh_of(event.packet) is not None for event in trace.events):
            yield report.violation(Rule.STRANGER, "it is addressed to a stranger and goes back on a chain", trace)

    def _heirs_of(self, planned: PlannedChain) -> tuple[PlannedChain, ...]:
        if planned in self.graph.followers:
            return self.graph.heirs[self.graph.followers.index(planned)]
        return self.heirs

    def _reverse_ways(self, planned: PlannedChain) -> tuple[Rsp, ...]:
        """The way back of a chain, and of those that it follows."""
        ways: list[Rsp] = []
        known = {each.chain.id: each for each in self.graph.before}
        while planned.reverse is not None:
            ways.append(planned.reverse)
            if not planned.chain.after or planned.chain.after[0] not in known:
                break
            planned = known[planned.chain.after[0]]
        return tuple(ways)

    def _judged(self, report: Report, trace: Trace, rsps: tuple[Rsp, ...]) -> Iterator[Violation]:
        fate = self._fate(rsps)
        if trace.functions != fate.functions:
            met, wanted = ", ".join(trace.functions) or "none", ", ".join(fate.functions) or "none"
            yield report.violation(Rule.FUNCTIONS, f"it meets {met} instead of {wanted}", trace)
        ports = tuple(delivery.port for delivery in trace.deliveries)
        if fate.closed_at is None and ports != (fate.end,):
            yield report.violation(
                Rule.DESTINATION, f"it leaves at {', '.join(ports) or 'no port'}, not {fate.end}", trace
            )
        tags = self._tags(self.branches[0].chain, self.topology.port(fate.end))
        sender = self.topology.port(rsps[-1].start).mac
        for left in trace.deliveries:
            if left.port == fate.end and (altered := self._altered(left, report.packet, tags, sender)):
                yield report.violation(Rule.DESTINATION, f"it leaves at {left.port} {altered}", trace)
        for visit in trace.visits:
            if wrong := _wrongly_handed(self.topology, visit):
                yield report.violation(Rule.FUNCTIONS, f"{visit.function} gets it {wrong}", trace)
        if fate.closed_at is not None and not ended_by(trace, Kind.DROP_FAILED):
            yield report.violation(Rule.FAILURE, "a function on its way is down, and it is not dropped there", trace)
        legs = [leg for rsp in rsps[: fate.paths] for leg in self._legs(rsp)]
        if fate.closed_at is not None:
            last = rsps[fate.paths - 1].spi
            legs = [leg for leg in legs if leg.position.spi != last or leg.position.si >= fate.closed_at]
        yield from crossings(legs, report, trace)
        yield from in_order(report, trace)

    def _tags(self, chain: Chain, end: Port) -> tuple[Vlan, ...]:
        """What packets of a chain wear where they leave."""
        return (Vlan(chain.vlan, chain.vlan_priority),) if chain.vlan is not None and end.trunk else ()

    def _altered(
        self, left: Delivered, packet: Packet, tags: tuple[Vlan, ...], sender: Mac | None = None
    ) -> str | None:
        """What is wrong with a packet that leaves; None when it is the one that came in, sent by ``sender``."""
        frame = left.packet
        if not isinstance(frame, Ethernet) or not isinstance(packet, Ethernet) or frame.payload != packet.payload:
            return "as another packet than it was"
        if frame.destination != self.topology.port(left.port).mac:
            return f"addressed to {frame.destination}, which is not the port's"
        if sender is not None and frame.source != sender:
            return f"from {frame.source}, which is not the MAC address of who sent it"
        if frame.vlans != tags:
            return f"with {_tag_text(frame.vlans)} instead of {_tag_text(tags)}"
        return None

    def _answer(self, end: Port, packet: Ethernet) -> Ethernet:
        """As the end port's station sends it: a NAT restores the addresses."""
        ip = packet.payload
        syn = isinstance(ip, Ip) and isinstance(ip.payload, Tcp)
        answer = answer_to(packet, "A" if syn else "")
        return replace(answer, source=end.mac, vlans=packet.vlans if end.trunk else ())

    def _legs(self, rsp: Rsp) -> list[Leg]:
        if rsp.spi not in self.legs:
            everything = (*self.branches, *self.graph.followers)
            planned = next(each for each in everything if any(rsp is path for path in each.rsps))
            walk = planned_walk(self.topology, planned)
            self.legs[rsp.spi] = [leg for leg in walk if leg.direction is rsp.direction]
        return self.legs[rsp.spi]

    def _living(self) -> list[PlannedChain]:
        """Branches that keep their connections; all when none is alive."""
        policies = {name: self.topology.function(name).policy for name in self.down}
        dead = {name for name, policy in policies.items() if policy is OnFailure.NEXT}
        living = [branch for branch in self.branches if dead.isdisjoint(branch.forward.functions)]
        return living or list(self.branches)

    def _fate(self, rsps: tuple[Rsp, ...]) -> _Fate:
        """Of a packet that takes these paths one behind the other."""
        met = []
        for number, rsp in enumerate(rsps, 1):
            for hop in rsp.hops:
                if hop.function not in self.down:
                    met.append(hop.function)
                elif self.topology.function(hop.function).policy is not OnFailure.OPEN:
                    return _Fate(tuple(met), rsp.end, hop.si, number)
        last = rsps[-1]
        end = (last.terminator,) if last.terminator and last.direction is Direction.FORWARD else ()
        return _Fate((*met, *end), last.end, None, len(rsps))


def _chains(planned: Iterable[PlannedChain]) -> list[Chain]:
    """Their chains, each once."""
    return list({each.chain.id: each.chain for each in planned}.values())


def _variants(packet: Ethernet, match: Match, count: int) -> Iterator[Ethernet]:
    """The packet, and the same of other connections, by a port that the match leaves open."""
    yield packet
    ip = packet.payload
    if not isinstance(ip, Ip) or not isinstance(ip.payload, Tcp | Udp | Sctp):
        return
    name = "source_port" if match.source_port is None else "destination_port"
    if getattr(match, name) is None:
        for number in range(1, count):
            port = (getattr(ip.payload, name) + number) % 65536
            yield replace(packet, payload=replace(ip, payload=replace(ip.payload, **{name: port})))


def _branch_of(branches: tuple[PlannedChain, ...], trace: Trace) -> PlannedChain | None:
    """The branch on which a packet was put."""
    for event in trace.events:
        nsh = nsh_of(event.packet)
        if nsh is not None:
            return next((branch for branch in branches if branch.forward.spi == nsh.position.spi), None)
    return None


def _tag_text(tags: tuple[Vlan, ...]) -> str:
    return ", ".join(f"VLAN tag {tag.vid} of priority {tag.pcp}" for tag in tags) or "no VLAN tag"


def _wrongly_handed(topology: Topology, visit: Visited) -> str | None:
    """What is wrong with a frame that a function gets; None when it can make something of it."""
    function, port = topology.function(visit.function), topology.port(visit.port)
    frame = visit.packet
    speaks_nsh = function.awareness is Awareness.NSH
    if not isinstance(frame, Ethernet) or isinstance(frame.payload, Nsh) is not speaks_nsh:
        return "without NSH" if speaks_nsh else "with NSH"
    if not function.rewrites_5tuple and bool(frame.vlans) is not (function.awareness is Awareness.VLAN):
        return f"with {_tag_text(frame.vlans)}"
    reads_macs = speaks_nsh or function.rewrites_5tuple or function.layer is Layer.L3
    if reads_macs and frame.destination != port.mac:
        return f"addressed to {frame.destination}"
    from_sff = reads_macs and not function.rewrites_5tuple
    return f"from {frame.source}" if from_sff and frame.source != SFF_MAC else None


def _met(fate: _Fate, trace: Trace) -> bool:
    if trace.functions != fate.functions:
        return False
    if fate.closed_at is not None:
        return ended_by(trace, Kind.DROP_FAILED)
    return [left.port for left in trace.deliveries] == [fate.end]
