"""How many steps an exact search may take: counted rather than timed, so that the same input gives the same answer."""

from __future__ import annotations

MAX_EFFORT = 50_000
"""Steps that the search for one VDU on one host may take; what real hosts and VDUs ask for stays far below."""


class Effort:
    """Steps that are left. When they are used up a search says no, so that no input can hold up a decision."""

    __slots__ = ("left",)

    def __init__(self, left: int = MAX_EFFORT) -> None:
        self.left = left

    def spend(self, steps: int = 1) -> bool:
        """Whether there were that many left."""
        self.left -= steps
        return self.left >= 0
