"""Service function paths in the switches: what the NFVO asks of the data plane."""

from __future__ import annotations

from collections.abc import Mapping
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


class ServicePaths(Protocol):
    """The bridges of all hosts."""

    def program(self, host: str, tables: Any, *, generation: int | None = None) -> None:
        """Make a host's tables equal to the given :class:`sfc.model.FlowTables`, in one atomic bundle.

        ``generation`` is the caller's growing token: a bridge that has seen a greater one refuses. Raises
        :class:`~mano.errors.Unreachable` when the host does not answer.
        """

    def statistics(self, host: str) -> tuple[FlowStatistics, ...]:
        """Counters of every flow on the host's bridge, settled."""

    def drift(self, tables: Mapping[str, Any]) -> tuple[Drift, ...]:
        """Compare the bridges with the intended tables."""

    def trace(self, host: str, packet: Mapping[str, Any]) -> TraceStep:
        """What the switch itself says it would do with a packet (``ofproto/trace``) on this host.

        ``packet`` maps OpenFlow match fields (``in_port``, ``eth_type``, ``nsh_spi``, ...) to integers or addresses.
        """
