"""What a verification says: invariants, violations of them, and the proof as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sfc.errors import SimulationError
from sfc.model.chains import Direction
from sfc.model.flows import Flow
from sfc.simulator import Injected, Simulator, Trace
from sfc.simulator.packets import Packet
from sfc.simulator.trace import Dropped, Matched


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
    BRANCH = "a connection keeps to one living branch"
    BESIDES = "what belongs to a connection goes its way, and leaves it where it is"
    FAILURE = "a function that is down is dealt with as its policy says"
    NEIGHBOUR = "a bridge answers for stations as they are"
    LIVENESS = "a liveness probe goes through its function and back to its responder"
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
    history: tuple[Injected, ...] = field(default=(), compare=False, repr=False)
    """Every packet, in order, that leads to it: :mod:`sfc.verify.replay` writes them as a capture."""

    def __str__(self) -> str:
        where = f" at {self.sff}" if self.sff else ""
        rule = f", last rule table {self.flow.table} cookie {self.flow.cookie.encode():#x}" if self.flow else ""
        chain = f"chain {self.chain}: " if self.chain else ""
        return f"{chain}{self.rule.value}: {self.message}{where}{rule}"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a verification found, and on what it rests."""

    violations: tuple[Violation, ...]
    packets: int
    """Packets whose walks are the proof, those of earlier proofs that still hold included."""
    walked: int
    """Packets that were walked this time."""


@dataclass(frozen=True, slots=True)
class Report:
    """What all violations of one packet have in common."""

    chain: str | None
    direction: Direction | None
    port: str
    packet: Packet

    def violation(self, rule: Rule, message: str, trace: Trace, sff: str | None = None) -> Violation:
        """A violation that a walk shows."""
        last = next((event for event in reversed(trace.events) if isinstance(event, Matched)), None)
        drops = [str(event) for event in trace.events if isinstance(event, Dropped)]
        told = f"{message} (dropped: {'; '.join(drops)})" if drops else message
        place = sff or (last.sff if last else None)
        flow = last.flow if last else None
        return Violation(rule, self.chain, self.direction, self.port, told, self.packet, place, flow)

    def failure(self, error: SimulationError) -> Violation:
        """A walk that could not be made."""
        return Violation(Rule.EXECUTABLE, self.chain, self.direction, self.port, str(error), self.packet)


def inject(network: Simulator, report: Report, port: str, packet: Packet) -> Trace | Violation:
    """Walk a packet that the station at a port sends, or tell why it cannot be walked."""
    try:
        return network.inject(port, packet)
    except SimulationError as error:
        return report.failure(error)
