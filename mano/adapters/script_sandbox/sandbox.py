"""Runs scripts of VNF packages in a sandbox of Linux; where the kernel does not give one, it does not run them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import mano
from mano.adapters.script_sandbox.groups import Group, ScriptGroups
from mano.adapters.script_sandbox.launcher import PROGRAMS
from mano.adapters.script_sandbox.plan import ENDED, INPUT, REFUSED, SCRIPTS, WORK, Plan
from mano.adapters.script_sandbox.seccomp import ARCHITECTURES
from mano.adapters.vim_local.commands import SYSTEM_PATH
from mano.errors import InvalidInput, SandboxUnavailable
from mano.ports.scripts import ScriptLanguage, ScriptLimits, ScriptOutcome, ScriptRun, ScriptRunner

INTERPRETERS: Mapping[ScriptLanguage, tuple[str, ...]] = {
    ScriptLanguage.SHELL: ("/bin/sh",),
    ScriptLanguage.BASH: ("/bin/bash",),
    ScriptLanguage.PYTHON: ("/usr/bin/python3", "-B"),
}
OPEN_FILES = 256
OUTPUT_FACTOR = 16
FILES_MAX = 8 << 20
"""Octets of all files of one run."""

DOCUMENT_MAX = 1 << 20
FIRST_OWNER = 0x60000000
"""Users outside that scripts are, one for each run: no account of any machine has such a number."""

LEAVE_S = 5.0
_TICK_S = 0.1
_PIECE = 1 << 16
_RUNS = itertools.count()


class ScriptSandbox(ScriptRunner):
    """The sandbox of one server.

    ``hidden`` are places that no script may come to see. Safe for many threads.
    """

    def __init__(self, hidden: tuple[Path, ...] = (), *, groups: ScriptGroups | None = None) -> None:
        self._hidden = hidden
        self._groups = groups or ScriptGroups()

    def run(self, script: ScriptRun) -> ScriptOutcome:
        """Implements :meth:`mano.ports.scripts.ScriptRunner.run`."""
        self._require(script)
        group = self._groups.make(script.limits)
        try:
            return self._launched(script, group)
        finally:
            group.remove()

    def _require(self, script: ScriptRun) -> None:
        if sys.platform != "linux" or os.uname().machine not in ARCHITECTURES:
            raise SandboxUnavailable(
                "scripts of packages run on Linux alone, on x86_64 and aarch64", hint="serve from such a machine"
            )
        interpreter = INTERPRETERS[script.language][0]
        if not os.access(interpreter, os.X_OK):
            raise SandboxUnavailable(f"{interpreter} is not on this machine", hint="install it")
        for place in self._hidden:
            if any(place.resolve().is_relative_to(Path(one).resolve()) for one in PROGRAMS if os.path.isdir(one)):
                raise SandboxUnavailable(
                    "the server's data lies among the machine's programs, which scripts can read",
                    hint="give the server a data directory outside /usr, /bin and /lib",
                )
        if script.path not in script.files:
            raise InvalidInput(f"the script {script.path} is none of the files that it is run with")
        if sum(os.path.getsize(path) for path in script.files.values()) > FILES_MAX:
            raise InvalidInput(f"a script and its dependencies have at most {FILES_MAX >> 20} MiB together")

    def _launched(self, script: ScriptRun, group: Group) -> ScriptOutcome:
        plan = self._plan(script, group)
        status_end, tell_end = os.pipe()
        try:
            launcher = subprocess.Popen(
                [sys.executable, "-S", "-m", "mano.adapters.script_sandbox.launcher", str(tell_end)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={
                    "PATH": SYSTEM_PATH,
                    "PYTHONPATH": str(Path(mano.__path__[0]).parent),
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
                pass_fds=(tell_end,),
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            os.close(status_end)
            raise SandboxUnavailable(f"no process for a script: {error.strerror}") from None
        finally:
            os.close(tell_end)
        with launcher, os.fdopen(status_end, "rb", buffering=0) as status:
            watched = _Watched(launcher, status.fileno(), script.limits, group, time.monotonic())
            try:
                with contextlib.suppress(BrokenPipeError):
                    assert launcher.stdin is not None
                    launcher.stdin.write(plan.to_line())
                watched.watch()
            finally:
                _leave(launcher)
        return watched.outcome(_notes(group))

    def _plan(self, script: ScriptRun, group: Group) -> Plan:
        document = json.dumps(script.document)
        if len(document) > DOCUMENT_MAX:
            raise InvalidInput(f"the input of a script has at most {DOCUMENT_MAX >> 10} KiB")
        return Plan(
            interpreter=[*INTERPRETERS[script.language], f"{SCRIPTS}/{script.path}"],
            files=dict(script.files),
            document=document,
            environment={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": WORK,
                "TMPDIR": WORK,
                "LANG": "C.UTF-8",
                "CATENA_INPUT": INPUT,
                **script.environment,
            },
            owner=_next_owner() if os.geteuid() == 0 else None,
            process_files=group.process_files,
            network=script.network,
            limits=_resource_limits(script.limits),
            work_size=script.limits.work_mib << 20,
            machine=os.uname().machine,
        )


def _next_owner() -> int:
    return FIRST_OWNER + (os.getpid() % 1_000_000 * 100 + next(_RUNS)) % 100_000_000


def _resource_limits(limits: ScriptLimits) -> dict[str, int]:
    """For each process alone, by their names without ``RLIMIT_``; those of user and groups bound all together."""
    return {
        "AS": limits.memory_mib << 20,
        "CORE": 0,
        "CPU": int(limits.deadline_s) + 1,
        "FSIZE": limits.file_mib << 20,
        "MEMLOCK": 0,
        "MSGQUEUE": 0,
        "NOFILE": OPEN_FILES,
        "NPROC": limits.processes,
        "STACK": 8 << 20,
    }


def _notes(group: Group) -> tuple[str, ...]:
    if not group.missing:
        return ()
    return (f"this machine refuses control groups for {', '.join(group.missing)}: each process is bounded by itself",)


def _leave(launcher: subprocess.Popen[bytes]) -> None:
    """Break the lifeline; when the launcher has ended nothing of the script is left."""
    with contextlib.suppress(OSError):
        if launcher.stdin is not None:
            launcher.stdin.close()
    try:
        launcher.wait(LEAVE_S)
    except subprocess.TimeoutExpired:
        launcher.kill()
        launcher.wait()


@dataclass(slots=True)
class _Watched:
    """A run under way: what it says is kept within bounds, and it is left alone until a limit is reached."""

    launcher: subprocess.Popen[bytes]
    status: int
    limits: ScriptLimits
    group: Group
    begun: float
    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    octets: int = 0
    told: bytearray = field(default_factory=bytearray)
    ended_for: str = ""

    def watch(self) -> None:
        """Until both pipes are closed, or a limit is reached."""
        assert self.launcher.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self.launcher.stdout.fileno(), selectors.EVENT_READ, self._hear)
            selector.register(self.status, selectors.EVENT_READ, self._take)
            while selector.get_map():
                self._check()
                if self.ended_for:
                    return
                for key, _ in selector.select(_TICK_S):
                    piece = os.read(key.fd, _PIECE)
                    key.data(piece)
                    if not piece:
                        selector.unregister(key.fd)

    def _hear(self, piece: bytes) -> None:
        half = self.limits.output_kib << 9
        room = half - len(self.head)
        self.head += piece[: max(0, room)]
        self.tail += piece[max(0, room) :]
        del self.tail[:-half]
        self.octets += len(piece)

    def _take(self, piece: bytes) -> None:
        self.told += piece[: _PIECE - len(self.told)]

    def _check(self) -> None:
        if time.monotonic() - self.begun > self.limits.deadline_s:
            self.ended_for = "deadline"
        elif self.octets > OUTPUT_FACTOR * (self.limits.output_kib << 10):
            self.ended_for = "output"
        elif not self.group.bounds_memory and memory_below(self.launcher.pid) > self.limits.memory_mib << 20:
            self.ended_for = "memory"

    def outcome(self, notes: tuple[str, ...]) -> ScriptOutcome:
        """How it ended; raises :class:`SandboxUnavailable` when it never began."""
        status = -9
        for line in bytes(self.told).splitlines():
            word: dict[str, Any] = json.loads(line)
            if word["kind"] == REFUSED:
                raise SandboxUnavailable(
                    f"the script was not run, for it cannot be kept apart here: {word['detail']}",
                    hint="the machine must allow user namespaces and seccomp (Linux 5.12 or newer)",
                )
            if word["kind"] == ENDED:
                status = int(word["status"])
        if not self.told and not self.ended_for:
            raise SandboxUnavailable(f"the launcher of scripts failed: {self._output()[-500:]}")
        reason = self.ended_for or ("memory" if status != 0 and self.group.ran_out_of_memory() else "")
        return ScriptOutcome(status, self._output(), time.monotonic() - self.begun, reason, notes)

    def _output(self) -> str:
        lost = self.octets - len(self.head) - len(self.tail)
        gap = f"\n... {lost} octets left out ...\n".encode() if lost else b""
        return printable(bytes(self.head) + gap + bytes(self.tail))


def printable(octets: bytes) -> str:
    """Text in which nothing but line ends and tabs controls a terminal; what is no UTF-8 becomes U+FFFD."""
    text = octets.decode("utf-8", errors="replace")
    return "".join(one if one.isprintable() or one in "\n\t" else "\ufffd" for one in text)


def memory_below(pid: int) -> int:
    """Octets of the resident memory of all that a process started, by the sessions that follow from it."""
    parents: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                fields = (
                    Path(entry.path, "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                )
                parents.setdefault(int(fields[1]), []).append(int(entry.name))
                resident[int(entry.name)] = int(fields[21]) * page
    below, found = [pid], 0
    while below:
        children = parents.get(below.pop(), [])
        found += sum(resident[child] for child in children)
        below += children
    return found
