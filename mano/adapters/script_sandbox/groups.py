"""Control groups of scripts, version 1 and 2: memory, processes and CPU time of all that one run starts.

A run's group is ``cat-scripts/<server's pid>.<its start>.<number>``: groups of servers that died are found by that. A
machine may refuse them; then the sandbox bounds each process by itself, counts the memory of all and says so.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mano.adapters.vim_local.launcher import process_start
from mano.ports.scripts import ScriptLimits

NAME = "cat-scripts"
CONTROLLERS = ("memory", "pids", "cpu")
CPU_PERIOD_US = 100_000
REMOVAL_S = 3.0
_POLL_S = 0.01
_NUMBERS = itertools.count(1)
_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Group:
    """The groups of one run; ``missing`` names the controllers that this machine refuses."""

    key: str
    places: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def process_files(self) -> list[str]:
        """Where a process writes its id to join."""
        return [str(place / "cgroup.procs") for place in self.places]

    @property
    def bounds_memory(self) -> bool:
        """Whether the kernel itself bounds the memory of all together."""
        return "memory" not in self.missing

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel ended a process for want of memory."""
        for place, name in itertools.product(self.places, ("memory.oom_control", "memory.events")):
            with contextlib.suppress(OSError):
                told = (place / name).read_text(encoding="ascii").split()
                if any(word == "oom_kill" and count != "0" for word, count in itertools.pairwise(told)):
                    return True
        return False

    def remove(self) -> None:
        """End what still runs in it, and delete it."""
        for place in self.places:
            _remove(place)


class ScriptGroups:
    """Makes and removes them."""

    def __init__(self, mounts: Path = Path("/proc/self/mounts")) -> None:
        self._mounts = mounts

    def make(self, limits: ScriptLimits) -> Group:
        """The groups of a new run, with its limits."""
        with _LOCK:
            self.sweep()
            key = f"{os.getpid()}.{process_start(os.getpid())}.{next(_NUMBERS)}"
            places: list[Path] = []
            missing = []
            found = self._hierarchies()
            for controller in CONTROLLERS:
                try:
                    root, version = found[controller]
                    place = _make(root, version, controller, key)
                    for name, value in _settings(controller, version, limits):
                        (place / name).write_text(value, encoding="ascii")
                    places.append(place)
                except (KeyError, OSError):
                    missing.append(controller)
        return Group(key, tuple(dict.fromkeys(places)), tuple(missing))

    def sweep(self) -> None:
        """Remove the groups of servers that are no more, and end what was left in them."""
        for place in self.directories():
            pid, start, _ = place.name.split(".", 2)
            if not _is_alive(pid, start):
                _remove(place)

    def directories(self) -> list[Path]:
        """What is there of all runs, in every hierarchy."""
        return [place for root in self._roots() for place in (root / NAME).glob("*.*.*/")]

    def _roots(self) -> set[Path]:
        return {root for root, _ in self._hierarchies().values()}

    def _hierarchies(self) -> dict[str, tuple[Path, int]]:
        found: dict[str, tuple[Path, int]] = {}
        for root, version, offered in self._mounted():
            for controller in CONTROLLERS:
                if controller in offered and (version == 1 or controller not in found):
                    found[controller] = (root, version)
        return found

    def _mounted(self) -> Iterator[tuple[Path, int, list[str]]]:
        for line in self._mounts.read_text(encoding="utf-8", errors="replace").splitlines():
            _, place, kind, options, *_ = line.split()
            if kind == "cgroup":
                yield Path(place), 1, options.split(",")
            elif kind == "cgroup2":
                with contextlib.suppress(OSError):
                    yield Path(place), 2, (Path(place) / "cgroup.controllers").read_text(encoding="ascii").split()


def _make(root: Path, version: int, controller: str, key: str) -> Path:
    if version == 2:
        _delegate(root, controller)
        (root / NAME).mkdir(exist_ok=True)
        _delegate(root / NAME, controller)
    place = root / NAME / key
    place.mkdir(parents=True, exist_ok=True)
    return place


def _delegate(group: Path, controller: str) -> None:
    control = group / "cgroup.subtree_control"
    if controller not in control.read_text(encoding="ascii").split():
        control.write_text(f"+{controller}", encoding="ascii")


def _settings(controller: str, version: int, limits: ScriptLimits) -> list[tuple[str, str]]:
    if controller == "pids":
        return [("pids.max", str(limits.processes))]
    if controller == "memory":
        octets = str(limits.memory_mib << 20)
        return [("memory.max", octets)] if version == 2 else [("memory.limit_in_bytes", octets)]
    quota = int(limits.cpu_share * CPU_PERIOD_US)
    if version == 2:
        return [("cpu.max", f"{quota} {CPU_PERIOD_US}")]
    return [("cpu.cfs_period_us", str(CPU_PERIOD_US)), ("cpu.cfs_quota_us", str(quota))]


def _is_alive(pid: str, start: str) -> bool:
    try:
        return process_start(int(pid)) == start
    except (OSError, ValueError):
        return False


def _remove(place: Path) -> None:
    deadline = time.monotonic() + REMOVAL_S
    while True:
        try:
            place.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise
        with contextlib.suppress(OSError, ValueError):
            for pid in (place / "cgroup.procs").read_text(encoding="ascii").split():
                os.kill(int(pid), signal.SIGKILL)
        time.sleep(_POLL_S)
