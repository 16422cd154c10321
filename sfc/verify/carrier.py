"""The check of what a bridge does by itself while a leg of a function behind it has no carrier."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sfc.model.chains import Direction, PlannedChain, Rsp
from sfc.model.topology import OnFailure, Port, Topology
from sfc.samples import chain_for, may_answer, may_begin, samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import Ethernet, Ip, Tcp, answer_to
from sfc.stand_in import stand_in
from sfc.verify.results import Report, Rule, Violation, inject


@dataclass(frozen=True, slots=True)
class CarrierCheck:
    """One function of a chain: passed by, or its packets given to another instance, there and back."""

    planned: PlannedChain
    rivals: tuple[PlannedChain, ...]
    """Classified chains of the same ingress, itself included."""
    function: str
    instead: str | None
    """The instance that stands in; None: nobody, the function is passed by."""

    @property
    def name(self) -> tuple[str, ...]:
        return ("carrier", self.planned.chain.id, self.function)

    def run(self, network: Simulator) -> Iterator[Violation]:
        packet = self._packet(network.topology)
        if packet is None:
            return
        legs = {network.topology.port(leg) for leg in network.topology.function(self.function).legs(True)}
        for leg in sorted(legs, key=lambda each: each.ofport):
            network.forget_connections()
            with without_carrier(network, leg):
                yield from self._both_ways(network, leg, packet)

    def _packet(self, topology: Topology) -> Ethernet | None:
        """One that the order of precedence leaves to the chain."""
        chain, end = self.planned.chain, topology.port(self.planned.forward.end)
        chains = [other.chain for other in self.rivals]
        for index in range(len(chain.classifiers)):
            for packet in samples(topology, chain, end, index):
                taker = chain_for(chains, chain.ingress, packet)
                if taker is not None and taker.id == chain.id and may_begin(packet):
                    return packet
        return None

    def _both_ways(self, network: Simulator, leg: Port, packet: Ethernet) -> Iterator[Violation]:
        yield from self._one_way(network, leg, self.planned.forward, packet)
        end = network.topology.port(self.planned.forward.end)
        if self.planned.reverse is not None and may_answer(end, packet):
            syn = isinstance(packet.payload, Ip) and isinstance(packet.payload.payload, Tcp)
            yield from self._one_way(network, leg, self.planned.reverse, answer_to(packet, "A" if syn else ""))

    def _one_way(self, network: Simulator, leg: Port, rsp: Rsp, packet: Ethernet) -> Iterator[Violation]:
        report = Report(rsp.chain, rsp.direction, rsp.start, packet)
        trace = inject(network, report, rsp.start, packet)
        if isinstance(trace, Violation):
            yield trace
        elif trace.functions != self._wanted(rsp) or not _leaves(trace, rsp):
            met, wanted = ", ".join(trace.functions) or "none", ", ".join(self._wanted(rsp)) or "none"
            message = f"while port {leg.id} has no carrier it meets {met} instead of {wanted}, or does not arrive"
            yield report.violation(Rule.FAILURE, message, trace)

    def _wanted(self, rsp: Rsp) -> tuple[str, ...]:
        passed = [self.instead if name == self.function else name for name in rsp.functions]
        if rsp.terminator is not None and rsp.direction is Direction.REVERSE:
            passed = passed[1:]  # it sends the answer
        return tuple(name for name in passed if name is not None)


def carrier_checks(
    topology: Topology, planned: PlannedChain, rivals: tuple[PlannedChain, ...]
) -> Iterator[CarrierCheck]:
    """For each function of a chain that its bridge itself deals with."""
    for hop in planned.forward.hops:
        function = topology.function(hop.function)
        if function.on_failure is OnFailure.OPEN and not function.is_tap:
            yield CarrierCheck(planned, rivals, function.id, None)
        elif (other := stand_in(topology, planned.chain, planned.forward, hop)) is not None:
            yield CarrierCheck(planned, rivals, function.id, other.function)


@contextmanager
def without_carrier(network: Simulator, *ports: Port) -> Iterator[None]:
    """Meanwhile, these ports have none."""
    dark: dict[str, set[int]] = {}
    for port in ports:
        dark.setdefault(port.sff, set()).add(port.ofport)
    before: dict[str, Collection[int]] = {sff: network.bridges[sff].down for sff in dark}
    try:
        for sff, numbers in dark.items():
            network.bridges[sff].down = frozenset(numbers) | frozenset(before[sff])
        yield
    finally:
        for sff, numbers_before in before.items():
            network.bridges[sff].down = frozenset(numbers_before)


def _leaves(trace: Trace, rsp: Rsp) -> bool:
    return [delivery.port for delivery in trace.deliveries] == [rsp.end]
