"""The simulated world: one JSON file that survives a restart, as the real world survives its server.

It holds what a look at a real machine would find, half-made things included, so a crash between two changes leaves
here what it would leave there.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from mano.adapters.vim_local.effects import Effects
from mano.errors import DeadlineExceeded

KINDS = ("hosts", "networks", "ports", "computes", "attachments", "snapshots")
_LOCK_DEADLINE_S = 30.0
_POLL_S = 0.005


Things = dict[str, dict[str, Any]]
Stamp = tuple[int, int, int]
"""What tells one version of the file from another: every change makes a new file."""


class World:
    """Things by kind and name. One writer at a time, among all threads and processes."""

    def __init__(self, path: Path, effects: Effects) -> None:
        self._path = path
        self._effects = effects
        self._seen: tuple[Stamp | None, dict[str, Things]] = (None, {kind: {} for kind in KINDS})

    def things(self, kind: str) -> Things:
        """All things of a kind, as copies."""
        return {name: dict(thing) for name, thing in self._read()[kind].items()}

    def get(self, kind: str, name: str) -> dict[str, Any] | None:
        """One thing, as a copy."""
        found = self._read()[kind].get(name)
        return None if found is None else dict(found)

    def put(self, effect: str, kind: str, name: str, **facts: Any) -> dict[str, Any]:
        """Make the thing have these facts besides those it has; no effect where it has them already."""
        present = self.get(kind, name)
        wanted = {**(present or {}), **facts}
        if wanted != present:
            with self._effects(effect):
                things = self._read()[kind]
                self._write(kind, {**things, name: {**things.get(name, {}), **facts}})
        return wanted

    def drop(self, effect: str, kind: str, name: str) -> None:
        """Make the thing gone; no effect where it is gone already."""
        if self.get(kind, name) is not None:
            with self._effects(effect):
                things = self._read()[kind]
                self._write(kind, {other: thing for other, thing in things.items() if other != name})

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

    def _read(self) -> dict[str, Things]:
        """The world as it is in the file, parsed once for each version of it. Not to be changed."""
        stamp = _stamp(self._path)
        seen, world = self._seen
        if stamp is None or stamp != seen:
            found = {} if stamp is None else msgspec.json.decode(self._path.read_bytes())
            world = {kind: found.get(kind, {}) for kind in KINDS}
            self._seen = (stamp, world)
        return world

    def _write(self, kind: str, things: Things) -> None:
        """Replace the file in one step by one with these things of a kind."""
        world = {**self._read(), kind: things}
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(world))
            os.replace(name, self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _locks(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
