"""Control groups of VNFCs, version 1 and 2, whichever a controller is mounted as.

A VNFC's group is ``cat-<lab>/<key>`` in every hierarchy that has one of our controllers. A machine, or a container on
it, may offer none of them or refuse to write: then the resource is accounted and not enforced, and the reason is kept
for the reader.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("cpuset", "memory", "pids")
PIDS_MAX = 512
_OOM_FILE = {1: "memory.oom_control", 2: "memory.events"}
_POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Limits:
    """What a VNFC gets. ``nodes`` are NUMA nodes to take memory from, empty for any."""

    cpus: tuple[int, ...]
    nodes: tuple[int, ...]
    memory_mib: int


@dataclass(frozen=True, slots=True)
class Made:
    """``process_files``: where a process writes its id to join; ``refused``: controller to reason."""

    process_files: tuple[Path, ...]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """Where one controller is."""

    root: Path
    version: int


class ControlGroups:
    """The groups of one lab; ``name`` is the lab's group."""

    def __init__(self, name: str, mounts: Path = Path("/proc/self/mounts")) -> None:
        self._name = name
        self._mounts = mounts

    def make(self, key: str, limits: Limits) -> Made:
        """Make the VNFC's groups with its limits; repeating it sets them again."""
        files: list[Path] = []
        refused: dict[str, str] = {}
        hierarchies = self.hierarchies()
        for controller in CONTROLLERS:
            hierarchy = hierarchies.get(controller)
            if hierarchy is None:
                refused[controller] = f"this machine offers no {controller} control group"
                continue
            try:
                group = self._make_group(hierarchy, controller, key)
                for name, value in _settings(controller, hierarchy.version, limits):
                    (group / name).write_text(value, encoding="ascii")
                files.append(group / "cgroup.procs")
            except OSError as error:
                refused[controller] = f"the {controller} control group refuses: {error.strerror}"
        return Made(tuple(dict.fromkeys(files)), refused)

    def memory_limit_mib(self, key: str) -> int | None:
        """The limit that is in force, ``None`` for no limit."""
        hierarchy = self.hierarchies().get("memory")
        if hierarchy is None:
            return None
        name = "memory.max" if hierarchy.version == 2 else "memory.limit_in_bytes"
        try:
            text = (hierarchy.root / self._name / key / name).read_text(encoding="ascii").strip()
        except OSError:
            return None
        limit = None if text == "max" else int(text) >> 20
        return limit if limit is None or limit < 1 << 40 else None

    def ran_out_of_memory(self, key: str) -> bool:
        """Whether the kernel ended a process of the VNFC for want of memory."""
        hierarchy = self.hierarchies().get("memory")
        if hierarchy is None:
            return False
        words = _words(hierarchy.root / self._name / key / _OOM_FILE[hierarchy.version])
        return any(name == "oom_kill" and count != "0" for name, count in itertools.pairwise(words))

    def processes(self, key: str) -> list[int]:
        """Ids of the processes in the VNFC's groups."""
        found: set[int] = set()
        for group in self._groups(key):
            with contextlib.suppress(OSError):
                found |= {int(pid) for pid in (group / "cgroup.procs").read_text(encoding="ascii").split()}
        return sorted(found)

    def remove(self, key: str, deadline_s: float = 3.0) -> None:
        """End what still runs in the VNFC's groups, and delete them and the lab's own when it is empty."""
        deadline = time.monotonic() + deadline_s
        for group in self._groups(key):
            _remove_group(group, deadline)
        for root in self._roots():
            with contextlib.suppress(OSError):
                (root / self._name).rmdir()

    def remove_all(self) -> None:
        """Remove the groups of all VNFCs of the lab."""
        for key in self.members():
            self.remove(key)
        for path in self.directories():
            path.rmdir()

    def members(self) -> list[str]:
        """The groups of VNFCs that are there."""
        return sorted({path.name for root in self._roots() for path in (root / self._name).glob("*/")})

    def directories(self) -> list[Path]:
        """The lab's own group in every hierarchy where it is."""
        return [root / self._name for root in self._roots() if (root / self._name).is_dir()]

    def hierarchies(self) -> dict[str, Hierarchy]:
        """Where each of our controllers is mounted; version 1 wins, for there a controller is in one place only."""
        found: dict[str, Hierarchy] = {}
        for root, kind, options in self._mounted():
            if kind == "cgroup":
                found |= {name: Hierarchy(root, 1) for name in CONTROLLERS if name in options}
            else:
                offered = _words(root / "cgroup.controllers")
                for name in CONTROLLERS:
                    if name in offered:
                        found.setdefault(name, Hierarchy(root, 2))
        return found

    def _mounted(self) -> list[tuple[Path, str, list[str]]]:
        lines = [line.split() for line in self._mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
        return [(Path(line[1]), line[2], line[3].split(",")) for line in lines if line[2] in ("cgroup", "cgroup2")]

    def _roots(self) -> list[Path]:
        return list(dict.fromkeys(hierarchy.root for hierarchy in self.hierarchies().values()))

    def _groups(self, key: str) -> list[Path]:
        return [path for root in self._roots() if (path := root / self._name / key).is_dir()]

    def _make_group(self, hierarchy: Hierarchy, controller: str, key: str) -> Path:
        parent = hierarchy.root / self._name
        group = parent / key
        if hierarchy.version == 2:
            _delegate(hierarchy.root, controller)
            parent.mkdir(exist_ok=True)
            _delegate(parent, controller)
        group.mkdir(parents=True, exist_ok=True)
        if hierarchy.version == 1 and controller == "cpuset":
            # A new cpuset of version 1 is empty, and a group below an empty one can hold nothing.
            for path in (parent, group):
                for name in ("cpuset.cpus", "cpuset.mems"):
                    if not (path / name).read_text(encoding="ascii").strip():
                        inherited = (path.parent / name).read_text(encoding="ascii")
                        (path / name).write_text(inherited, encoding="ascii")
        return group


def cpu_list(numbers: Sequence[int]) -> str:
    """As the kernel writes it, without ranges: ``0,1,5``."""
    return ",".join(str(number) for number in sorted(set(numbers)))


def _settings(controller: str, version: int, limits: Limits) -> list[tuple[str, str]]:
    """Files and their values, in the order of writing."""
    if controller == "cpuset":
        settings = [("cpuset.cpus", cpu_list(limits.cpus))]
        return settings + ([("cpuset.mems", cpu_list(limits.nodes))] if limits.nodes else [])
    if controller == "pids":
        return [("pids.max", str(PIDS_MAX))]
    octets = str(limits.memory_mib << 20)
    return [("memory.max", octets)] if version == 2 else [("memory.limit_in_bytes", octets)]


def _delegate(group: Path, controller: str) -> None:
    control = group / "cgroup.subtree_control"
    if controller not in _words(control):
        control.write_text(f"+{controller}", encoding="ascii")


def _words(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").split()
    except OSError:
        return []


def _remove_group(group: Path, deadline: float) -> None:
    while True:
        try:
            group.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() >= deadline:
                raise
        for pid in map(int, _words(group / "cgroup.procs")):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_POLL_S)
