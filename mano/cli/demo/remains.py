"""Where a demo works, that only one does, and what a killed one leaves: found again and removed.

Everything of a run is in one directory or carries the lab's name, and each of its processes has the directory on its
command line or lives in a namespace of the lab. So nothing has to be remembered to remove it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mano.cli.demo.errors import DemoProblem
from mano.cli.demo.options import DEFAULT_LAB

KEPT = "kept.json"
END_DEADLINE_S = 10.0
SETTLED_S = 0.1
ROUNDS = 20
_OURS = (b"mano.cli", b"mano.cli.demo.internet", b"mano.cli.demo.subscriber", b"mano.cli.demo.streams", b"tcpdump")
"""Words on the command lines of a demo's processes, beside its directory."""


def working_directory(lab: str = DEFAULT_LAB) -> Path:
    """One place for each lab of a user, so that ``--cleanup`` finds it."""
    tail = "" if lab == DEFAULT_LAB else f"-{lab}"
    if os.geteuid() == 0:
        return Path(f"/run/catena-demo{tail}")
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and Path(runtime).is_dir():
        return Path(runtime) / f"catena-demo{tail}"
    return Path(tempfile.gettempdir()) / f"catena-demo-{os.getuid()}{tail}"


def cleanup_command(lab: str) -> str:
    """What a user types to remove a run."""
    return "mano demo --cleanup" + ("" if lab == DEFAULT_LAB else f" --lab {lab}")


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the demo's lock, or say who holds it. The kernel frees it with the process, however that ends."""
    path = directory.with_name(directory.name + ".lock")
    descriptor = _lock(path)
    try:
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _lock(path: Path) -> int:
    while True:
        descriptor = _open_lock(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 20, 0).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise DemoProblem(
                f"another demo is running, process {holder}: wait until it ends, stop it with kill {holder}, "
                "or give this one a lab of its own (--lab NAME)"
            ) from None
        # Whoever held it before us may have removed the file meanwhile: then our lock guards nothing.
        with contextlib.suppress(FileNotFoundError):
            if os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        os.close(descriptor)


def _open_lock(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise DemoProblem(
            f"the lock file {path} cannot be opened ({error.strerror}): remove it, if it is not another user's"
        ) from None


def make_directory(directory: Path) -> None:
    """A new directory that only we may enter; raises :class:`DemoProblem` saying what is in the way."""
    try:
        directory.mkdir(mode=0o700)
    except OSError as error:
        raise DemoProblem(
            f"the working directory {directory} cannot be made ({error.strerror}): "
            f"see to {directory.parent}, or name another place with XDG_RUNTIME_DIR"
        ) from None


def keep_note(directory: Path, url: str, server: int) -> None:
    """Note that this run goes on by intention: its server's process, and where it answers."""
    document = {"url": url, "server": server}
    (directory / KEPT).write_text(json.dumps(document), encoding="utf-8")


def kept(directory: Path) -> Mapping[str, Any] | None:
    """The note of a run that goes on by intention, ``None`` when there is none or its server is gone."""
    try:
        note: Mapping[str, Any] = json.loads((directory / KEPT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if note.get("server") in processes_of(directory) else None


def remove_remains(directory: Path, lab: str) -> list[str]:
    """End the processes and remove the lab and the directory of a run, whatever became of it; what was removed.

    Looks again until nothing is found: a process that was just ended may have started a last command.
    """
    removed: list[str] = []
    for _ in range(ROUNDS):
        found = [*_end_processes(directory), *_remove_lab(directory, lab), *_remove_directory(directory)]
        if not found:
            return removed
        removed += found
        time.sleep(SETTLED_S)
    raise DemoProblem(f"something goes on making {removed[-1]}: look for its process, then {cleanup_command(lab)}")


def processes_of(directory: Path) -> dict[int, str]:
    """The demo's processes that have its directory on their command line, but not ourselves; pid and command."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0")
                if _is_ours(words, directory):
                    found[int(entry.name)] = " ".join(word.decode(errors="replace") for word in words)[:120].strip()
    return found


def _is_ours(words: list[bytes], directory: Path) -> bool:
    place = os.fsencode(directory)
    inside = any(word == place or word.startswith(place + b"/") for word in words)
    return inside and any(word in _OURS for word in words)


def _end_processes(directory: Path) -> list[str]:
    ended: dict[int, str] = {}
    deadline = time.monotonic() + END_DEADLINE_S
    while living := processes_of(directory):
        for pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        ended |= living
        if time.monotonic() > deadline:
            raise DemoProblem(f"these processes do not end: {', '.join(map(str, living))}")
        time.sleep(0.01)
    return [f"process {pid}: {command}" for pid, command in ended.items()]


def _remove_lab(directory: Path, lab: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    from mano.bootstrap import lab_view

    view = lab_view(lab, directory)
    return view.clean_up() if view.remains() else []


def _remove_directory(directory: Path) -> list[str]:
    try:
        facts = directory.lstat()
    except FileNotFoundError:
        return []
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        raise DemoProblem(f"{directory} is not a directory of this user: it is not the demo's to remove, look at it")
    try:
        shutil.rmtree(directory)
    except OSError as error:
        raise DemoProblem(f"{error.filename} cannot be removed ({error.strerror})") from None
    return [f"directory {directory}"]
