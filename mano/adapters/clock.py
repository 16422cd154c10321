"""The machine's clock and randomness behind the ports."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime


class SystemClock:
    """Implements :class:`mano.ports.clock.Clock`."""

    def now(self) -> datetime:
        """The present, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never run backwards."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)


def random_id() -> str:
    """A random UUID (version 4); implements :class:`mano.ports.clock.IdFactory`."""
    return str(uuid.uuid4())
