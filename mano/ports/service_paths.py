"""Service function paths in the switches: what the NFVO asks of the data plane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class HostTables:
    """All flow and group tables of one host's integration bridge, as :func:`sfc.render.render` made them.

    ``tables`` is an :class:`sfc.model` value; the port passes it on unopened.
    """

    host: str
    tables: Any


@dataclass(frozen=True, slots=True)
class FlowStatistics:
    """Counters of one flow, named by its cookie."""

    cookie: int
    packets: int
    bytes: int


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One bridge's part of a traced packet: the tables and cookies that it met, and what became of it."""

    host: str
    cookies: tuple[int, ...]
    verdict: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class Drift:
    """Where a bridge differs from what was programmed last; both empty means it is true."""

    host: str
    missing: tuple[str, ...] = field(default=())
    foreign: tuple[str, ...] = field(default=())

    def __bool__(self) -> bool:
        """True when it differs."""
        return bool(self.missing or self.foreign)


@dataclass(frozen=True, slots=True)
class PathHop:
    """What echo requests (RFC 9516) with one TTL found on a path; times in milliseconds, there and back.

    ``host`` is ``None`` when nobody answered. ``rule`` and ``next_rule`` are cookies: of the rule that took the
    request, and of the one by which packets go on from there (0: there is none). ``hop_ms`` is what this hop adds.
    """

    ttl: int
    host: str | None
    spi: int = 0
    si: int = 0
    end: bool = False
    rule: int = 0
    next_rule: int = 0
    sent: int = 1
    received: int = 0
    least_ms: float = 0.0
    median_ms: float = 0.0
    hop_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class PathProbe:
    """A path as its hops answer. ``why`` tells where and why it breaks; empty when its end answered."""

    hops: tuple[PathHop, ...]
    why: str = ""


@dataclass(frozen=True, slots=True)
class SeenFrame:
    """A frame as it passed an interface of a host, outer headers included.

    ``port_id`` is empty for the host's way to the underlay. ``outgoing``: out of the bridge. ``at`` is seconds since
    1970, by one clock for all hosts.
    """

    host: str
    port_id: str
    outgoing: bool
    at: float
    data: bytes


class FunctionWatch(Protocol):
    """Looks whether functions live, by packets through them. For one thread."""

    def changes(self, timeout_s: float) -> Mapping[str, bool]:
        """Functions that were found dead (False) or alive again (True); waits so long for the first, {} when none."""

    def lives(self) -> Mapping[str, bool]:
        """What is known of each function that has answered ever."""

    def close(self) -> None:
        """Stop looking."""


@dataclass(frozen=True, slots=True)
class NetworkSight:
    """How the bridges of all hosts stand, as they tell by themselves.

    ``cuts``: pairs of hosts, the smaller name first, whose tunnel carries nothing. ``dark``: (host, OpenFlow port) of
    ports that had a carrier and have none. ``anew``: hosts whose switch has started anew since the last sight.
    """

    cuts: frozenset[tuple[str, str]] = frozenset()
    dark: frozenset[tuple[str, int]] = frozenset()
    anew: frozenset[str] = frozenset()


class NetworkWatch(Protocol):
    """Looks at the tunnels between hosts and at the carrier of ports. For one thread."""

    def changes(self, timeout_s: float) -> NetworkSight | None:
        """How things stand once they are other than before; ``None`` when nothing changed for so long."""

    def close(self) -> None:
        """Stop looking."""


class ServicePaths(Protocol):
    """The bridges of all hosts."""

    def program(self, host: str, tables: Any, *, generation: int | None = None) -> None:
        """Make a host's tables equal to the given :class:`sfc.model.FlowTables`, in one atomic bundle.

        ``generation`` is the caller's growing token: a bridge that has seen a greater one refuses. Raises
        :class:`~mano.errors.Unreachable` when the host does not answer.
        """

    def settle(self, host: str) -> None:
        """Return when the host's bridge does what was programmed before the call, with every packet.

        A switch may go on for a while by what it remembers. Raises :class:`~mano.errors.CatenaError` when the host
        does not answer, or cannot tell.
        """

    def statistics(self, host: str) -> tuple[FlowStatistics, ...]:
        """Counters of every flow on the host's bridge, settled."""

    def connections(self, host: str) -> Mapping[int, Mapping[int, int]]:
        """How many connections the host's bridge tracks, by zone and mark."""

    def drift(self, tables: Mapping[str, Any]) -> tuple[Drift, ...]:
        """Compare the bridges with the intended tables."""

    def trace(self, host: str, packet: Mapping[str, Any]) -> TraceStep:
        """What the switch itself says it would do with a packet (``ofproto/trace``) on this host.

        ``packet`` maps OpenFlow match fields (``in_port``, ``eth_type``, ``nsh_spi``, ...) to integers or addresses.
        """

    def probe(self, topology: Any, host: str, spi: int, *, count: int = 1, wait_s: float = 1.0) -> PathProbe:
        """Follow a path hop by hop from the host where it begins, with ``count`` echo requests of each TTL.

        ``topology`` is the :class:`sfc.model.Topology` that the path is laid over. NSH-unaware functions are passed
        by. Raises :class:`~mano.errors.Unreachable` when the host's responder does not answer.
        """

    def watch(self, topology: Any, lives: Mapping[str, bool]) -> FunctionWatch | None:
        """Begin to look at the functions of a topology; ``None`` where that cannot be done.

        ``lives`` is what is known already.
        """

    def watch_network(self, topology: Any, known: NetworkSight) -> NetworkWatch | None:
        """Begin to look at the bridges of a topology and the tunnels between them; ``None`` where that cannot be done.

        ``known`` is what was seen last.
        """

    def revive(self, host: str) -> None:
        """Give a host's switch, which has started anew, what it forgot besides its tables."""

    def follow(self, topology: Any, port_id: str, frame: bytes, token: bytes, wait_s: float) -> Sequence[SeenFrame]:
        """Send a frame through the bridge of a port as if its station had sent it, and see it wherever it comes by.

        ``token`` is what its payload, and no other's, holds. What was seen is in order of time.
        """
