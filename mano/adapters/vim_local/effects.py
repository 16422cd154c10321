"""Names for the moments just before and just after each change of the world.

Crash tests stop a driver at any of them. In production nobody watches and nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Watcher = Callable[[str], None]
"""Called with ``before <effect>`` and ``after <effect>``; it may raise or end the process."""


class Effects:
    """Wraps every change in ``with effects("port.veth"): ...``."""

    def __init__(self, watcher: Watcher | None = None) -> None:
        self._watcher = watcher

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        if self._watcher is not None:
            self._watcher(f"before {name}")
        yield
        if self._watcher is not None:
            self._watcher(f"after {name}")
