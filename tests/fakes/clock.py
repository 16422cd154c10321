"""A clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Implements :class:`mano.ports.clock.Clock`. Sleeping moves it at once; ``slept`` remembers how long."""

    def __init__(self, start: datetime = datetime(2026, 3, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._passed = 0.0
        self.slept: list[float] = []
        self.while_asleep: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        """The present, UTC."""
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Let time pass, and what happens meanwhile."""
        self.slept.append(seconds)
        self._passed += seconds
        self.while_asleep()

    def advance(self, seconds: float) -> None:
        """Let time pass without anybody sleeping."""
        self._passed += seconds
