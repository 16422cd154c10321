"""The engine of a proof: which checks there are, which of them still hold, and the making of the others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sfc.collector import paused
from sfc.limits import Fault, faults
from sfc.liveness import watches
from sfc.model.addresses import Mac
from sfc.model.chains import Direction, PlannedChain
from sfc.model.flows import Flow, FlowTables
from sfc.model.topology import Port, PortRole, Topology
from sfc.render.tables import Table
from sfc.simulator import Simulator
from sfc.simulator.footprint import Spot, spot_of_flow, spot_of_group
from sfc.simulator.packets import Ethernet, Raw
from sfc.verify.besides import BesidesCheck
from sfc.verify.carrier import carrier_checks
from sfc.verify.chain_check import ChainCheck
from sfc.verify.checks import Check, LivenessCheck, OamCheck, PlainCheck, PortGuardCheck, TtlCheck, TunnelGuardCheck
from sfc.verify.classified import Misfit, misfits
from sfc.verify.plan import NOBODYS, Plan
from sfc.verify.results import Proof, Report, Rule, Violation, inject
from sfc.verify.stations import StationCheck

Name = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Made:
    """A check that was made: what it found, by how many packets, and where they looked."""

    check: Check
    violations: tuple[Violation, ...]
    packets: int
    spots: frozenset[Spot]


class Prover:
    """Proves again and again; after a change, only what the change could have touched. Not for several threads at once.

    What it says is always what a new one would say of the same topology, chains and tables.
    """

    def __init__(self) -> None:
        self._network: Simulator | None = None
        self._made: dict[Name, _Made] = {}
        self._looked_at: dict[Spot, set[Name]] = {}
        self._faulty = True
        """Some rule was found that Open vSwitch would not do, or nobody has looked yet."""
        self._fitting: dict[str, tuple[tuple[PlannedChain, ...], tuple[Flow, ...]]] = {}
        """Chains and rules of each port's classifiers that were found to fit each other."""

    def prove(
        self,
        topology: Topology,
        chains: Sequence[PlannedChain],
        tables: Mapping[str, FlowTables],
        *,
        down: Collection[str] = (),
    ) -> Proof:
        """Every violation of the tables, with the number of packets that say so."""
        if self._network is None or self._network.topology != topology:
            self._forget_all()
            network = Simulator(topology, tables)
            impossible = self._impossible({}, network.tables, topology)
        else:
            network = self._network
            before = network.tables
            network.reprogram(tables)
            impossible = self._impossible(before, network.tables, topology)
            self._forget_touched(_changed_spots(before, network.tables))
        self._network = network
        walked = network.injected
        with paused():
            plan = Plan(topology, chains, down)
            misfitting = tuple(self._misfitting(plan, network))
            found = [self._known(check) or self._make(check, network) for check in _checks(plan)]
        self._forget(self._made.keys() - {made.check.name for made in found})
        violations = tuple(violation for made in found for violation in made.violations)
        return Proof(
            (*impossible, *misfitting, *violations), sum(made.packets for made in found), network.injected - walked
        )

    def _impossible(
        self, before: Mapping[str, FlowTables], after: Mapping[str, FlowTables], topology: Topology
    ) -> tuple[Violation, ...]:
        """Rules that Open vSwitch would not do; once there were none, only the new ones are looked at."""
        whole = self._faulty or not before
        found: list[Fault] = []
        for sff, tables in after.items():
            if whole:
                found.extend(faults(tables, lacks=topology.sff(sff).lacks))
            elif tables is not before[sff]:
                fresh = _fresh(before[sff].flows, tables.flows)
                found.extend(faults(tables, fresh, lacks=topology.sff(sff).lacks))
        self._faulty = bool(found)
        return tuple(_impossible(fault) for fault in found)

    def _misfitting(self, plan: Plan, network: Simulator) -> Iterator[Violation]:
        """Rules of classifiers that take more or less than these ask for; those that fit are not looked at again."""
        for name, starts in plan.starting_at.items():
            port = plan.topology.port(name)
            rules = network.tables[port.sff].by_table.get(Table.CLASSIFY, ())
            if self._fitting.get(name) == (starts, rules):
                continue
            found = [_misfit(network, port, each) for each in misfits(port, starts, rules)]
            if not found:
                self._fitting[name] = (starts, rules)
            yield from found

    def _known(self, check: Check) -> _Made | None:
        made = self._made.get(check.name)
        return made if made is not None and made.check == check else None

    def _make(self, check: Check, network: Simulator) -> _Made:
        before = network.injected
        network.forget_connections()
        with network.watched() as spots:
            violations = tuple(replace(found, history=tuple(network.history)) for found in check.run(network))
        self._forget((check.name,))
        made = self._made[check.name] = _Made(check, violations, network.injected - before, frozenset(spots))
        for spot in made.spots:
            self._looked_at.setdefault(spot, set()).add(check.name)
        return made

    def _forget_touched(self, spots: Iterable[Spot]) -> None:
        self._forget({name for spot in spots for name in self._looked_at.get(spot, ())})

    def _forget(self, names: Iterable[Name]) -> None:
        for name in tuple(names):
            made = self._made.pop(name, None)
            for spot in made.spots if made else ():
                self._looked_at[spot].discard(name)
                if not self._looked_at[spot]:
                    del self._looked_at[spot]

    def _forget_all(self) -> None:
        self._made.clear()
        self._looked_at.clear()
        self._fitting.clear()


def _checks(plan: Plan) -> Iterator[Check]:
    """Everything that makes up a proof, in the order of its telling."""
    topology = plan.topology
    for branches in plan.offers.values():
        first = branches[0]
        graph = plan.graph_of(first)
        down = frozenset[str]()
        for each in (*branches, *graph.followers):
            down |= plan.failed(each, (name for rsp in each.rsps for name in rsp.functions))
        rivals, heirs = plan.starting_at[first.forward.start], plan.between_the_ends_of(first)
        yield ChainCheck(branches, rivals, heirs, down, graph)
        if first.share is None and not graph.followers and not down:
            yield BesidesCheck(first, rivals)
            if not plan.not_closed.isdisjoint(first.forward.functions):
                yield from carrier_checks(topology, first, rivals)
    for planned in plan.chains:
        for rsp in planned.rsps:
            yield OamCheck(rsp, plan.failed(planned, (hop.function for hop in rsp.hops)))
    for port, neighbour in plan.neighbours():
        starts, ends = plan.starting_at.get(port.id, ()), plan.ending_at.get(port.id, ())
        yield PlainCheck(port, neighbour, starts, ends, port.id in plan.ends)
    some = next((rsp.position(255) for planned in plan.chains for rsp in planned.rsps), NOBODYS)
    for port in topology.ports:
        leg = plan.leg(port)
        foreign = (some,) if port.role is PortRole.TENANT else plan.foreign(port, leg)
        yield PortGuardCheck(port, leg, foreign)
    for watch in watches(topology):
        yield LivenessCheck(watch)
    for port, askers in plan.stations():
        yield StationCheck(port, askers)
    for sff in topology.sffs:
        peer = next((peer for peer in topology.sffs if peer is not sff), None)
        yield TunnelGuardCheck(sff, peer, some)
        if peer is not None:
            yield TtlCheck(sff, peer, some)


def _impossible(fault: Fault) -> Violation:
    nothing = Ethernet(Mac(0), Mac(0), Raw(0))
    return Violation(Rule.EXECUTABLE, None, None, fault.sff, str(fault), nothing, fault.sff, fault.flow)


def _misfit(network: Simulator, port: Port, found: Misfit) -> Violation:
    """The packet that shows it, walked."""
    network.forget_connections()
    report = Report(found.chain, Direction.FORWARD, port.id, found.packet)
    trace = inject(network, report, port.id, found.packet)
    if isinstance(trace, Violation):
        return trace
    rule = Rule.STRANGER if found.takes else Rule.FUNCTIONS
    does = "takes a packet that it does not ask for" if found.takes else "leaves out a packet that it asks for"
    told = report.violation(rule, f"the rules of classifier {found.classifier} are not what it says: it {does}", trace)
    return replace(told, history=tuple(network.history))


def _fresh(before: Sequence[Flow], after: Sequence[Flow]) -> Iterator[Flow]:
    known = {id(flow) for flow in before}
    return (flow for flow in after if id(flow) not in known)


def _changed_spots(before: Mapping[str, FlowTables], after: Mapping[str, FlowTables]) -> Iterator[Spot]:
    """Where the rules and groups are that one set of tables has and the other has not."""
    for sff, tables in after.items():
        old = before[sff]
        if tables is old:
            continue
        for flow in _differing(old.flows, tables.flows):
            yield spot_of_flow(sff, flow)
        for group in set(old.groups) ^ set(tables.groups):
            yield spot_of_group(sff, group.id)


def _differing(before: Sequence[Flow], after: Sequence[Flow]) -> Iterator[Flow]:
    """Flows of one but not of the other; the same objects are told apart from others without a look inside."""
    known = {id(flow) for flow in before}
    staying = {id(flow) for flow in after}
    old = {flow.key: flow for flow in before if id(flow) not in staying}
    for flow in after:
        if id(flow) not in known:
            other = old.get(flow.key)
            if other == flow:
                del old[flow.key]
            else:
                yield flow
    yield from old.values()
