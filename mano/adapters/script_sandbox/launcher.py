"""Starts one script of a VNF package with nothing of this machine in its reach, and watches over it to its end.

Run as ``python -m mano.adapters.script_sandbox.launcher STATUS`` with the number of a pipe to report to, and a
:class:`~mano.adapters.script_sandbox.plan.Plan` as the first line of standard input. Standard input is the lifeline
too: when the server closes it, or dies, everything ends. Four processes follow from each other:

    supervisor   joins control groups and perhaps a network, gives the next its user, ends all when the lifeline breaks
    builder      makes the namespaces: user, mount, process, IPC, UTS, control group and network
    first        process 1 in there: builds a root of read-only programs and a little memory, leaves the old one
    script       without capabilities or new privileges, behind limits and the seccomp filter

Each ends with the one before it. When process 1 has ended the kernel has ended everything that the script started.
Needs the standard library only, and everything is imported before the old root is left.
"""

from __future__ import annotations

import contextlib
import os
import resource
import select
import signal
import sys
from typing import NoReturn

from mano.adapters.script_sandbox import seccomp
from mano.adapters.script_sandbox.kernel import (
    CLONE_NEWCGROUP,
    CLONE_NEWUSER,
    NO_DEV,
    NO_EXEC,
    NO_SUID,
    PR_SET_CHILD_SUBREAPER,
    PR_SET_DUMPABLE,
    PR_SET_PDEATHSIG,
    READ_ONLY,
    SandboxKernel,
    bring_loopback_up,
    close_others,
)
from mano.adapters.script_sandbox.plan import ENDED, INPUT, READY, REFUSED, SCRIPTS, USER, WORK, Plan, words
from mano.adapters.vim_local.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MS_BIND,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
)

PROGRAMS = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
CONFIGURATION = ("alternatives", "ld.so.cache", "localtime", "nsswitch.conf", "protocols", "services", "ssl/certs")
"""What programs read below ``/etc``; nothing in there is secret."""

DEVICES = ("null", "zero", "full", "random", "urandom")
ACCOUNTS = {
    "passwd": f"script:x:{USER}:{USER}:script:{WORK}:/bin/false\n",
    "group": f"script:x:{USER}:\n",
    "hosts": "127.0.0.1 localhost\n::1 localhost\n",
    "resolv.conf": "",
}
ROOT = "/tmp"
"""Where the new root is built: any directory that every machine has."""

ROOT_SIZE = 8 << 20


def main(arguments: list[str]) -> int:
    status = int(arguments[0])
    plan = Plan.read(_first_line())
    try:
        content = {name: _content(path) for name, path in plan.files.items()}
        return _supervise(plan, content, status, SandboxKernel())
    except OSError as error:
        _refuse(status, error)
        return 1


def _first_line() -> bytes:
    """The plan, read octet by octet from large pieces' end: what follows it is the lifeline's silence."""
    found = bytearray()
    while not found.endswith(b"\n"):
        piece = os.read(0, 1 << 16)
        if not piece:
            raise SystemExit(1)
        found += piece
    return bytes(found)


def _content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


def _refuse(status: int, error: OSError) -> None:
    os.write(status, words(REFUSED, detail=str(error.strerror or error)))


# Supervisor -------------------------------------------------------------------------------------------------


def _supervise(plan: Plan, content: dict[str, bytes], status: int, kernel: SandboxKernel) -> int:
    for path in plan.process_files:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))
    kernel.prctl(PR_SET_CHILD_SUBREAPER, 1, "adopt orphans")
    if plan.network:
        kernel.enter(plan.network, CLONE_NEWNET)
    if plan.owner is not None:
        os.setgroups([])
    alive_end, held_end = os.pipe()
    made_end, make_end = os.pipe()
    mapped_end, map_end = os.pipe()
    supervisor = os.getpid()
    builder = os.fork()
    if builder == 0:
        for unused in (alive_end, made_end, map_end):
            os.close(unused)
        _build(plan, content, status, kernel, supervisor, make_end, mapped_end)
    for unused in (held_end, make_end, mapped_end):
        os.close(unused)
    if os.read(made_end, 1) == b"u":
        _map_user(builder, os.geteuid() if plan.owner is None else plan.owner, os.getegid(), plan.owner is None)
        os.write(map_end, b"m")
    _watch(alive_end)
    with contextlib.suppress(ProcessLookupError):
        os.kill(builder, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        while True:
            os.wait()
    return 0


def _map_user(pid: int, user: int, group: int, is_own: bool) -> None:
    """One user and one group exist inside; without privileges a process may map its own alone."""
    if is_own:
        _write(f"/proc/{pid}/setgroups", "deny")
    _write(f"/proc/{pid}/uid_map", f"{USER} {user} 1")
    _write(f"/proc/{pid}/gid_map", f"{USER} {group if is_own else user} 1")


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(text)


def _watch(alive: int) -> None:
    """Until the script's processes have ended, or the server has."""
    poll = select.poll()
    poll.register(0, select.POLLIN | select.POLLHUP)
    poll.register(alive, select.POLLIN | select.POLLHUP)
    while True:
        for descriptor, _ in poll.poll():
            if descriptor == alive or not os.read(0, 4096):
                return


# Builder ----------------------------------------------------------------------------------------------------


def _build(
    plan: Plan,
    content: dict[str, bytes],
    status: int,
    kernel: SandboxKernel,
    supervisor: int,
    make_end: int,
    mapped_end: int,
) -> NoReturn:
    try:
        _die_with_parent(kernel, supervisor)
        kernel.unshare(CLONE_NEWUSER)
        os.write(make_end, b"u")
        if os.read(mapped_end, 1) != b"m":
            os._exit(1)
        os.setresgid(USER, USER, USER)
        os.setresuid(USER, USER, USER)
        _die_with_parent(kernel, supervisor)
        own = 0 if plan.network else CLONE_NEWNET
        kernel.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP | own)
        if own:
            bring_loopback_up()
        builder = os.getpid()
        first = os.fork()
        if first == 0:
            _first_process(plan, content, status, kernel, builder)
        os.close(status)
        os.waitpid(first, 0)
    except OSError as error:
        _refuse(status, error)
        os._exit(1)
    os._exit(0)


def _die_with_parent(kernel: SandboxKernel, parent: int) -> None:
    """Also when it died before this; a change of user forgets it."""
    kernel.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, "end with its parent")
    if os.getppid() not in (parent, 0):
        os._exit(1)


# Process 1 --------------------------------------------------------------------------------------------------


def _first_process(plan: Plan, content: dict[str, bytes], status: int, kernel: SandboxKernel, builder: int) -> NoReturn:
    try:
        _die_with_parent(kernel, builder)
        _build_root(plan, content, kernel)
        kernel.set_hostname("script")
        kernel.prctl(PR_SET_DUMPABLE, 0, "hide its memory")
        kernel.keep_capabilities(set())
        program = seccomp.program(plan.machine)
        script = os.fork()
        if script == 0:
            _script(plan, status, kernel, program)
        os.write(status, words(READY))
    except (OSError, KeyError) as error:
        _refuse(status, error if isinstance(error, OSError) else OSError(0, f"no filter for {plan.machine}"))
        os._exit(1)
    devices = os.open("/dev/null", os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(devices, descriptor)
    os.write(status, words(ENDED, status=_await(script)))
    os._exit(0)


def _await(script: int) -> int:
    """The script's status, negative for a signal; whatever else ends meanwhile is just taken away."""
    while True:
        pid, status = os.wait()
        if pid == script:
            return os.waitstatus_to_exitcode(status)


def _build_root(plan: Plan, content: dict[str, bytes], kernel: SandboxKernel) -> None:
    kernel.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    kernel.mount("script", ROOT, "tmpfs", MS_NOSUID | MS_NODEV, f"size={ROOT_SIZE + _size(plan, content)},mode=0755")
    for name in ("etc/ssl", "proc", "dev", "tmp", ".old", SCRIPTS[1:], WORK[1:]):
        os.makedirs(f"{ROOT}/{name}")
    _bind_programs(kernel)
    for name, text in ACCOUNTS.items():
        _store(f"{ROOT}/etc/{name}", text.encode())
    _store(ROOT + INPUT, plan.document.encode())
    for name, octets in content.items():
        _store(f"{ROOT}{SCRIPTS}/{name}", octets)
    data = f"size={plan.work_size},mode=0700,nr_inodes=4096"
    kernel.mount("work", ROOT + WORK, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, data)
    kernel.mount(ROOT + WORK, f"{ROOT}/tmp", flags=MS_BIND)
    kernel.pivot(ROOT, f"{ROOT}/.old")
    os.chdir("/")
    # Without its further files /proc tells of nothing but the processes in here.
    kernel.mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid,hidepid=invisible")
    kernel.unmount("/.old")
    os.rmdir("/.old")
    kernel.mount("none", "/", flags=MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV)


def _size(plan: Plan, content: dict[str, bytes]) -> int:
    return sum(map(len, content.values())) + len(plan.document) * 4


def _bind_programs(kernel: SandboxKernel) -> None:
    for directory in PROGRAMS:
        if os.path.islink(directory):
            os.symlink(os.readlink(directory), ROOT + directory)
        elif os.path.isdir(directory):
            os.makedirs(ROOT + directory)
            _bind(kernel, directory, NO_SUID | NO_DEV | READ_ONLY)
    for name in CONFIGURATION:
        if os.path.exists(f"/etc/{name}"):
            _bind(kernel, f"/etc/{name}", NO_SUID | NO_DEV | NO_EXEC | READ_ONLY)
    for name in DEVICES:
        _bind(kernel, f"/dev/{name}", NO_SUID | NO_EXEC)


def _bind(kernel: SandboxKernel, source: str, attributes: int) -> None:
    target = ROOT + source
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        _store(target, b"")
    kernel.mount(source, target, flags=MS_BIND | MS_REC)
    kernel.restrict(target, attributes)


def _store(path: str, octets: bytes) -> None:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(octets)


# The script -------------------------------------------------------------------------------------------------


def _script(plan: Plan, status: int, kernel: SandboxKernel, program: bytes) -> NoReturn:
    try:
        os.setsid()
        source = os.open(INPUT, os.O_RDONLY)
        os.dup2(source, 0)
        os.chdir(WORK)
        os.umask(0o077)
        os.nice(10)
        for name, value in plan.limits.items():
            number = getattr(resource, f"RLIMIT_{name}")
            hard = resource.getrlimit(number)[1]
            bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(number, (bound, bound))
        kernel.filter_calls(program)
        os.set_inheritable(status, False)
        close_others(3) if status < 3 else _close_all_but(status)
        os.execve(plan.interpreter[0], plan.interpreter, plan.environment)
    except OSError as error:
        _refuse(status, error)
    os._exit(126)


def _close_all_but(kept: int) -> None:
    """``kept`` closes itself when the script begins."""
    os.closerange(3, kept)
    close_others(kept + 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
