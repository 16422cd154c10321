"""The simulated world: one JSON file that survives a restart, as the real world survives its server.

It holds what a look at a real machine would find, half-made things included, so a crash between two changes leaves
here what it would leave there.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_local.records import read_record, write_record
from mano.errors import DeadlineExceeded

KINDS = ("hosts", "networks", "ports", "computes", "attachments")
_LOCK_DEADLINE_S = 30.0
_POLL_S = 0.005


class World:
    """Things by kind and name. One writer at a time, among all threads and processes."""

    def __init__(self, path: Path, effects: Effects) -> None:
        self._path = path
        self._effects = effects

    def things(self, kind: str) -> dict[str, dict[str, Any]]:
        """All things of a kind, as copies."""
        found: dict[str, dict[str, Any]] = self._read()[kind]
        return found

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        return self.things(kind).get(name)

    def put(self, effect: str, kind: str, name: str, **facts: Any) -> dict[str, Any]:
        """Make the thing have these facts besides those it has; no effect where it has them already."""
        present = self.get(kind, name)
        wanted = {**(present or {}), **facts}
        if wanted != present:
            with self._effects(effect), self._changed() as world:
                world[kind][name] = {**world[kind].get(name, {}), **facts}
        return wanted

    def drop(self, effect: str, kind: str, name: str) -> None:
        """Make the thing gone; no effect where it is gone already."""
        if self.get(kind, name) is not None:
            with self._effects(effect), self._changed() as world:
                world[kind].pop(name, None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else decides meanwhile; a killed holder's lock is free at once."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + _LOCK_DEADLINE_S
        try:
            while not _locks(descriptor):
                if time.monotonic() >= deadline:
                    raise DeadlineExceeded("another operation of the simulated VIM does not end")
                time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)

    @contextmanager
    def _changed(self) -> Iterator[dict[str, Any]]:
        world = self._read()
        yield world
        write_record(self._path, world)

    def _read(self) -> dict[str, Any]:
        world = read_record(self._path) or {}
        return {kind: world.get(kind, {}) for kind in KINDS}


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
