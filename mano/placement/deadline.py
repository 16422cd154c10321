"""How long a decision may take: asked in every loop that is long, so that a limit holds wherever the time went."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass


class OutOfTime(Exception):
    """The deadline has come; whoever can do with what there is catches this."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment on `time.perf_counter`'s clock, by default one that never comes."""

    at: float = math.inf

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        return cls(time.perf_counter() + seconds)

    def left_s(self) -> float:
        return self.at - time.perf_counter()

    def has_come(self) -> bool:
        return time.perf_counter() >= self.at

    def check(self) -> None:
        """Raises OutOfTime when it has come."""
        if time.perf_counter() >= self.at:
            raise OutOfTime


NEVER = Deadline()
