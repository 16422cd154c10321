"""Removes what a lab left on the machine, without asking any database and whatever became of its processes.

Everything is found twice: by the lab's run directory and by names, since every namespace and control group of a lab
begins with ``cat-<lab>``. Nothing without that prefix is touched.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from mano.adapters.vim_local import netns
from mano.adapters.vim_local.cgroups import ControlGroups
from mano.adapters.vim_local.commands import CommandFailed, run
from mano.adapters.vim_local.lab import RUN_ROOT, Lab
from mano.adapters.vim_local.records import remove_tree
from mano.adapters.vim_local.registry import is_worked_with
from mano.errors import DeadlineExceeded

END_DEADLINE_S = 5.0
_POLL_S = 0.01


def labs() -> list[str]:
    """The labs that have a run directory."""
    if not RUN_ROOT.is_dir():
        return []
    found = [path.name for path in RUN_ROOT.iterdir() if re.fullmatch(r"[a-z0-9]{1,8}", path.name)]
    return sorted(name for name in found if (RUN_ROOT / name).is_dir())


def living_labs() -> list[str]:
    """The labs that a running server or demo works with."""
    return [name for name in labs() if is_worked_with(Lab(name))]


def cleanup(lab: str | None = None) -> list[str]:
    """Remove one lab, in use or not, or every registered lab that no process works with; says what it removed.

    VNFCs and switches outlive their server by design: a lab whose server is stopped counts as left behind here.
    Raises :class:`~mano.errors.DeadlineExceeded` when a process does not end.
    """
    chosen = [lab] if lab is not None else [name for name in labs() if name not in living_labs()]
    removed = [line for name in chosen for line in _clean(Lab(name))]
    with contextlib.suppress(OSError):
        RUN_ROOT.rmdir()
    return removed


def find_remains(lab: str | None = None) -> list[str]:
    """What is on the machine of one lab, or of all labs; empty when nothing is."""
    chosen = [lab] if lab is not None else labs()
    return [line for name in chosen for line in _remains(Lab(name))]


def _remains(lab: Lab) -> Iterator[str]:
    for pid, command in _processes(lab):
        yield f"process {pid} of lab {lab.id}: {command}"
    for name in netns.names(lab.prefix):
        yield f"network namespace {name}"
    for path in ControlGroups(lab.cgroup).directories():
        yield f"control group {path}"
    for target in _mounts(lab):
        yield f"mount {target}"
    if lab.run.exists():
        yield f"directory {lab.run}"


def _clean(lab: Lab) -> list[str]:
    found = list(_remains(lab))
    _end_processes(lab)
    for name in netns.names(lab.prefix):
        netns.delete(name)
    groups = ControlGroups(lab.cgroup)
    groups.remove_all()
    for target in _mounts(lab):
        with contextlib.suppress(CommandFailed):
            run(["umount", "--lazy", target])
    remove_tree(lab.run)
    return found


def _end_processes(lab: Lab) -> None:
    deadline = time.monotonic() + END_DEADLINE_S
    while processes := _processes(lab):
        for pid, _ in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            raise DeadlineExceeded(f"processes of lab {lab.id} do not end: {[pid for pid, _ in processes]}")
        time.sleep(_POLL_S)


def _processes(lab: Lab) -> list[tuple[int, str]]:
    """Processes in the lab's namespaces and control groups, and ones that were told its run directory."""
    groups = ControlGroups(lab.cgroup)
    pids = {pid for name in netns.names(lab.prefix) for pid in netns.processes(name)}
    pids |= {pid for key in groups.members() for pid in groups.processes(key)}
    pids |= {pid for pid, command in _commands() if f"{lab.run}/" in command and "catena" in command}
    pids.discard(os.getpid())
    return [(pid, command[:120]) for pid, command in _commands() if pid in pids]


def _commands() -> Iterator[tuple[int, str]]:
    """Every process that is more than a dead entry of the table."""
    for entry in sorted(Path("/proc").glob("[0-9]*"), key=lambda path: int(path.name)):
        with contextlib.suppress(OSError):
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            state = (entry / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
            if state not in ("Z", "X"):
                yield int(entry.name), "".join(c if c.isprintable() else "?" for c in text) or entry.name


def _mounts(lab: Lab) -> list[str]:
    """Mounts below the lab's run directory in our own mount namespace, the innermost first."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    targets = [line.split()[1] for line in lines]
    return sorted((target for target in targets if target.startswith(f"{lab.run}/")), reverse=True)
