"""Counters of what runs: what performance management and metering read. Only what is really counted is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class ComputeUsage:
    """What a VNFC has used. ``cpu_s`` seconds of CPU time since it started, ``memory_bytes`` now."""

    cpu_s: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class PortCounters:
    """A port's counters as the compute sees them: ``incoming`` is what it received."""

    incoming_bytes: int
    outgoing_bytes: int
    incoming_packets: int
    outgoing_packets: int


@runtime_checkable
class Meter(Protocol):
    """A VIM driver that counts. Errors are those of :class:`mano.ports.vim.VimDriver`."""

    def compute_usage(self, compute_id: str, host: str) -> ComputeUsage:
        """What a VNFC uses; :class:`~mano.errors.NotFound` when it does not run."""

    def port_counters(self, host: str) -> Mapping[int, PortCounters]:
        """Counters of the ports of the host's integration bridge, by port number."""

    def compute_values(self, compute_id: str, host: str) -> Mapping[str, float]:
        """The numbers that the VNFC itself tells of its work, by name; empty when it tells none."""
