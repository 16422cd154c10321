"""What the sandbox tells its launcher, and the words in which the launcher answers. Standard library only."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any

SCRIPTS = "/package"
"""Where a script sees the files of its package."""

WORK = "/scratch"
"""The one directory that it can write, in memory."""

INPUT = "/input.json"

USER = 1000
"""Its user and group, inside."""

READY, ENDED, REFUSED = "ready", "ended", "refused"
"""Words of the status pipe: it is about to begin; it ended by itself; it could not be kept apart."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One run. Sizes in octets; ``files`` maps names below :data:`SCRIPTS` to paths on this machine.

    ``owner`` is the user outside that the script is, ``None`` for the server's own. ``process_files`` are control
    groups to join, ``network`` is the path of a network namespace, empty for an empty one of its own.
    """

    interpreter: list[str]
    files: dict[str, str]
    document: str
    environment: dict[str, str]
    owner: int | None
    process_files: list[str]
    network: str
    limits: dict[str, int]
    work_size: int
    machine: str
    notes: list[str] = field(default_factory=list)

    def to_line(self) -> bytes:
        """One line of JSON."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def read(cls, line: bytes) -> Plan:
        """What :meth:`to_line` wrote."""
        return cls(**json.loads(line))


def words(kind: str, **facts: Any) -> bytes:
    """One line for the status pipe."""
    return json.dumps({"kind": kind, **facts}).encode() + b"\n"
