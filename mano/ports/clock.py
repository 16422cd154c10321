"""Clock and identifiers as arguments: decisions never read them from the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time as the use cases see it."""

    def now(self) -> datetime:
        """The present, UTC."""

    def monotonic(self) -> float:
        """Seconds that never run backwards, for deadlines."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class IdFactory(Protocol):
    """New identifiers."""

    def __call__(self) -> str:
        """A random UUID (version 4)."""
