"""Wakes readers of the outbox in this process when something was committed to it."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog


class InProcessSignal:
    """Implements :class:`mano.ports.repositories.CommitSignal`."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0
        self._calls: dict[object, Callable[[], None]] = {}

    def subscribe(self, call: Callable[[], None]) -> Callable[[], None]:
        """Run ``call`` after each commit with events, until the returned function is called."""
        key = object()
        with self._changed:
            self._calls[key] = call

        def unsubscribe() -> None:
            with self._changed:
                self._calls.pop(key, None)

        return unsubscribe

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the next commit with events; False when the time is over."""
        with self._changed:
            seen = self._count
            return self._changed.wait_for(lambda: self._count != seen, timeout_s)

    def notify(self) -> None:
        """Tell everybody; the store calls it after a commit."""
        with self._changed:
            self._count += 1
            calls = tuple(self._calls.values())
            self._changed.notify_all()
        for call in calls:
            try:
                call()
            except Exception:  # what is committed stays committed, whoever cannot be told
                structlog.get_logger(__name__).exception("a reader of events could not be woken")
