"""Programs that a VNF package brings along: run apart from everything, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class ScriptLanguage(StrEnum):
    """What runs a script."""

    SHELL = "shell"
    """``/bin/sh``."""
    BASH = "bash"
    """``/bin/bash``."""
    PYTHON = "python3"
    """``/usr/bin/python3``, with its standard library."""


@dataclass(frozen=True, slots=True)
class ScriptLimits:
    """What one run may use. Times in seconds, sizes as named; ``cpu_share`` in CPUs."""

    deadline_s: float = 60.0
    memory_mib: int = 256
    processes: int = 64
    file_mib: int = 16
    work_mib: int = 32
    output_kib: int = 64
    """Kept of what it prints; at 16 times as much it is ended."""
    cpu_share: float = 1.0

    def __post_init__(self) -> None:
        for name in ("deadline_s", "memory_mib", "processes", "file_mib", "work_mib", "output_kib", "cpu_share"):
            if getattr(self, name) <= 0:
                raise ValueError(f"limit {name} of a script must be positive")
        if self.deadline_s > MAX_DEADLINE_S:
            raise ValueError(f"a script's deadline is at most {MAX_DEADLINE_S:g} s")


MAX_DEADLINE_S = 3600.0


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """One run. ``files`` are the package's files that it sees, by name: ``path`` is one of them, on this machine.

    ``document`` is what it reads as JSON on its standard input and in ``/input.json``. ``environment`` holds the few
    variables it gets besides PATH, HOME and the like. ``network`` is the network namespace that it is put into, by its
    path; empty: it has no network.
    """

    name: str
    language: ScriptLanguage
    path: str
    files: Mapping[str, str] = field(default_factory=dict)
    document: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str = ""
    limits: ScriptLimits = field(default_factory=ScriptLimits)


@dataclass(frozen=True, slots=True)
class ScriptOutcome:
    """How a run ended: ``status`` is its exit status, or minus the signal that ended it.

    ``output`` is the beginning and end of what it printed, in printable characters; ``ended_for`` says which limit
    ended it (``deadline``, ``output``, ``memory``), empty when it ended by itself.
    """

    status: int
    output: str
    duration_s: float
    ended_for: str = ""
    notes: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """True for exit status 0 before its deadline."""
        return self.status == 0 and not self.ended_for


class ScriptRunner(Protocol):
    """Runs scripts."""

    def run(self, script: ScriptRun) -> ScriptOutcome:
        """Run it to its end, within its limits; when this returns nothing of it is left.

        Raises :class:`~mano.errors.SandboxUnavailable` where it cannot be kept apart: it is not run then.
        """
