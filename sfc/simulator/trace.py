"""What a simulated packet did, event by event."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from sfc.model.chains import PathPosition
from sfc.model.cookies import Kind
from sfc.model.flows import Flow
from sfc.simulator.packets import Nsh, Packet


class Loss(StrEnum):
    """Why a packet ended without a rule that says so."""

    NO_RULE = "no rule of the table matches"
    SAME_PORT = "output to the port that it came from is suppressed"
    TTL = "NSH TTL reached 0"
    NO_PEER = "no bridge has this tunnel address"
    NO_PORT = "no such port"
    PORT_DOWN = "the port has no carrier"
    PACKET_TYPE = "a bare NSH packet cannot leave by this port"
    NEXT_PROTOCOL = "decap of an NSH next protocol that is neither Ethernet nor NSH"
    NO_OUTPUT = "the actions output nothing"
    FUNCTION = "the function kept it"
    LOOP = "it went round too long"
    GROUP = "no bucket of the group is alive"


@dataclass(frozen=True, slots=True)
class Received:
    """A packet came in by a port of a bridge."""

    sff: str
    ofport: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Matched:
    """A rule took the packet; ``packet`` is how the rule saw it."""

    sff: str
    flow: Flow
    packet: Packet

    @property
    def position(self) -> PathPosition | None:
        """Where on which path it was; None without NSH."""
        nsh = nsh_of(self.packet)
        return None if nsh is None else nsh.position

    @property
    def ttl(self) -> int | None:
        """Its NSH TTL; None without NSH."""
        nsh = nsh_of(self.packet)
        return None if nsh is None else nsh.ttl


@dataclass(frozen=True, slots=True)
class Crossed:
    """It was carried over the underlay."""

    from_sff: str
    to_sff: str
    vni: int
    packet: Packet


@dataclass(frozen=True, slots=True)
class Visited:
    """It was handed to a service function by one of its ports."""

    function: str
    port: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Delivered:
    """It left the bridges by a port that no function stands behind."""

    sff: str
    port: str
    packet: Packet


@dataclass(frozen=True, slots=True)
class Dropped:
    """It ended here."""

    sff: str
    reason: Kind | Loss
    packet: Packet
    flow: Flow | None = None
    """The last rule that it met."""

    def __str__(self) -> str:
        return self.reason.meaning if isinstance(self.reason, Kind) else self.reason.value


Event = Received | Matched | Crossed | Visited | Delivered | Dropped


@dataclass(frozen=True, slots=True)
class Trace:
    """One packet's whole walk over all bridges, copies and what functions made of it included."""

    events: tuple[Event, ...]

    @property
    def visits(self) -> tuple[Visited, ...]:
        """The hand-overs to functions, in order."""
        return tuple(event for event in self.events if isinstance(event, Visited))

    @property
    def functions(self) -> tuple[str, ...]:
        """Ids of the functions it was handed to, in order."""
        return tuple(event.function for event in self.events if isinstance(event, Visited))

    @property
    def deliveries(self) -> tuple[Delivered, ...]:
        """Where it left."""
        return tuple(event for event in self.events if isinstance(event, Delivered))

    @property
    def drops(self) -> tuple[Dropped, ...]:
        """Where it ended."""
        return tuple(event for event in self.events if isinstance(event, Dropped))

    @property
    def crossings(self) -> tuple[Crossed, ...]:
        """Its ways over the underlay."""
        return tuple(event for event in self.events if isinstance(event, Crossed))

    @property
    def rules(self) -> tuple[Matched, ...]:
        """Every rule that it met."""
        return tuple(event for event in self.events if isinstance(event, Matched))

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds of the rules that it met."""
        return tuple(event.flow.cookie.kind for event in self.rules)

    def lines(self) -> tuple[str, ...]:
        """One line per event, for people."""
        return tuple(_line(event) for event in self.events)


def nsh_of(packet: Packet) -> Nsh | None:
    """The outer NSH header, under Ethernet or bare."""
    if isinstance(packet, Nsh):
        return packet
    return packet.payload if isinstance(packet.payload, Nsh) else None


def _line(event: Event) -> str:
    nsh = nsh_of(event.packet)
    where = "" if nsh is None else f" [{nsh.position} ttl {nsh.ttl}]"
    match event:
        case Received(sff=sff, ofport=ofport):
            return f"{sff}: in by port {ofport}{where}"
        case Matched(sff=sff, flow=flow):
            return f"{sff}: table {flow.table} cookie {flow.cookie.encode():#x} {flow.cookie}{where}"
        case Crossed(from_sff=here, to_sff=there, vni=vni):
            return f"{here} -> {there} vni {vni}{where}"
        case Visited(function=function, port=port):
            return f"function {function} by {port}{where}"
        case Delivered(sff=sff, port=port):
            return f"{sff}: out by {port}{where}"
        case Dropped(sff=sff):
            return f"{sff}: dropped: {event}{where}"
