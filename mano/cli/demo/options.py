"""How one run of the demo is to be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_LAB = "demo"


@dataclass(frozen=True, slots=True)
class Options:
    """``directory`` holds everything that the run writes; ``listen`` is the server's HOST:PORT; ``lab`` names its
    namespaces (``cat-<lab>-...``): two runs side by side need two labs and two directories."""

    directory: Path
    tier: str
    listen: str
    lab: str = DEFAULT_LAB
    hosts: int = 3
    keep: bool = False
    full: bool = False

    @property
    def is_real(self) -> bool:
        """True where packets are sent."""
        return self.tier != "simulated"
