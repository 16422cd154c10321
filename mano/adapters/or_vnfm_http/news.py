"""What is known of a foreign VNFM's operation occurrences, and until when it may be believed.

While the VNFM tells of its occurrences, nobody needs to ask it again and again: what was seen of one holds until it
tells of it, and for a few seconds at most, since a notification may be lost. While it does not, nothing is kept.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from mano.domain.lcm_op_occ import ENDED
from mano.ports.or_vnfm import VnfOperation

LOOK_ANYWAY_S = 5.0
"""After which time an occurrence is looked at although nothing was told of it."""


class News:
    """Thread-safe; ``now`` gives seconds of a clock that never goes back."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._flows = False
        self._count = 0
        self._seen: dict[str, tuple[float, VnfOperation]] = {}

    def flow(self, flows: bool) -> None:
        """The VNFM tells of its occurrences from now on, or not any more."""
        with self._lock:
            self._flows = flows
            self._seen.clear()

    @property
    def flows(self) -> bool:
        """Does the VNFM tell?"""
        return self._flows

    def told(self, occurrence: str) -> None:
        """The VNFM told of an occurrence."""
        with self._lock:
            self._count += 1
            self._seen.pop(occurrence, None)

    def last(self, occurrence: str) -> VnfOperation | None:
        """What was seen of it; ``None`` where it must be looked at."""
        with self._lock:
            at, found = self._seen.get(occurrence, (0.0, None))
            return found if found is not None and self._now() - at < LOOK_ANYWAY_S else None

    def look(self) -> int:
        """Somebody is about to look: a number for :meth:`seen`."""
        with self._lock:
            return self._count

    def seen(self, occurrence: str, found: VnfOperation, since: int) -> None:
        """What it looked like; not kept when something was told meanwhile, or nothing more will be asked."""
        with self._lock:
            self._seen.pop(occurrence, None)
            if self._flows and since == self._count and found.state not in ENDED:
                self._seen[occurrence] = (self._now(), found)
