"""What a start begins and does not wait for: hosts that hang must not hold up the operations of all others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

PATIENCE_S = 2.5
"""How long a start waits for one piece of work before it goes on beside it."""

STOP_PATIENCE_S = 20.0
"""How long a stop waits for what still goes on."""


class Aside:
    """Work in threads of its own, each with a moment to end before whoever began it goes on."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._patience_s = patience_s
        self._threads: list[threading.Thread] = []

    def do(self, what: str, call: Callable[[], None]) -> None:
        """Do this, and wait for it at most as long as patience lasts; what it raises until then is raised here."""
        failed: list[Exception] = []
        is_late = threading.Event()

        def body() -> None:
            try:
                call()
            except Exception as error:
                failed.append(error)
                if is_late.is_set():
                    structlog.get_logger(__name__).exception("failed beside the start", what=what)

        thread = threading.Thread(target=body, name=f"catena-aside-{what}", daemon=True)
        self._threads.append(thread)
        thread.start()
        thread.join(self._patience_s)
        if thread.is_alive():
            is_late.set()
            structlog.get_logger(__name__).warning("takes long and goes on beside the operations", what=what)
        elif failed:
            raise failed[0]

    def wait(self, timeout_s: float = STOP_PATIENCE_S) -> bool:
        """True when everything is over, within a time."""
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)


class AtOnce(Aside):
    """The same without threads, for who has one only."""

    def do(self, what: str, call: Callable[[], None]) -> None:
        """Do this and wait for its end."""
        call()
