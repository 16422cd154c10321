"""What servers leave that are killed at every point of one run, without a run for each of them.

At each point the running server is forked. The image, a process with the server's memory at that moment, takes a copy
of the data directory for its own and is killed with SIGKILL; the server goes on to its next point. So what lies in the
copy is what a server leaves that was killed there, neither flushed nor closed: the database with its write-ahead log,
the world, and what the client had been answered. Points between which nothing was written leave the same; one image is
killed for all of them.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

INDEX_HEADER_OCTETS = 96
"""The two copies of the header of SQLite's WAL index: every commit changes them."""

KEPT_BY_REFERENCE = "packages"
"""A directory in the data directory that no operation changes."""


@dataclass(frozen=True)
class Remains:
    """``points`` are the numbers, from 1, of those at which a killed server leaves what lies in ``directory``."""

    points: tuple[int, ...]
    directory: Path


class Executioner:
    """Kills an image of the process that it lives in wherever something was written since the last one."""

    def __init__(self, data: Path, target: Path) -> None:
        self._data = data
        self._target = target
        self._seen: object = None
        self._points: list[list[int]] = []
        self._count = 0

    def visit(self) -> None:
        """One point."""
        self._count += 1
        state = durable_state(self._data)
        if state != self._seen:
            self._seen = state
            self._points.append([])
            self._kill_an_image(self._target / str(len(self._points)))
        self._points[-1].append(self._count)

    def _kill_an_image(self, target: Path) -> None:
        image = os.fork()
        if image == 0:
            try:
                copy_data(self._data, target)
                os.kill(os.getpid(), signal.SIGKILL)
            finally:
                os._exit(1)
        status = os.waitpid(image, 0)[1]
        if not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(f"an image of the server was not killed but ended with {status}")

    def write_down(self) -> None:
        """For :func:`read_remains`."""
        (self._target / "points.json").write_text(json.dumps(self._points), encoding="ascii")


def read_remains(target: Path) -> list[Remains]:
    """What an executioner left, in the order of the points."""
    points = json.loads((target / "points.json").read_text(encoding="ascii"))
    return [Remains(tuple(numbers), target / str(number)) for number, numbers in enumerate(points, 1)]


def durable_state(data: Path) -> object:
    """Something that differs whenever anything was written to the data directory."""
    with (data / "catena.db-shm").open("rb") as index:
        header = index.read(INDEX_HEADER_OCTETS)
    things = {entry.name for entry in os.scandir(data) if entry.name.startswith("accepted")}
    worlds = [stamp(data / name) for name in ("vim_simulated.json", "world")]
    return header, things, worlds


def stamp(path: Path) -> object:
    """A file that is only ever replaced, or a directory, as it is now."""
    if path.is_dir():
        return {entry.name for entry in os.scandir(path)}
    return (path.stat().st_ino, path.stat().st_mtime_ns) if path.exists() else None


def copy_data(source: Path, target: Path) -> None:
    """A data directory of its own, without what only living processes share."""
    target.mkdir(parents=True)
    for entry in os.scandir(source):
        if entry.name == KEPT_BY_REFERENCE:
            (target / entry.name).symlink_to(entry.path)
        elif entry.is_dir():
            shutil.copytree(entry.path, target / entry.name)
        elif not entry.name.endswith("-shm"):
            shutil.copyfile(entry.path, target / entry.name)
