"""Starts one VNFC and stays with it as the first process of its pid namespace.

Run as ``python -m mano.adapters.vim_local.launcher PLAN`` with the path of a JSON plan (see :class:`Plan`). Needs the
standard library only, and everything is imported before the old root is left. The order matters:

1. enter the VNFC's network namespace, its control groups and its CPU set;
2. new mount, pid, UTS and IPC namespaces; the child becomes process 1, the parent writes the pid file and ends;
3. build a root of its own: a tmpfs, the host's programs read-only, a fresh ``/proc``, a few devices, the image
   unpacked at ``/vnf``; leave the old root for good;
4. give up every capability but those of a network function in its own namespace;
5. run ``/vnf/entrypoint``, pass SIGTERM on, reap orphans, keep the console small, end when it ends.

What it and the entry point print goes to the VNFC's console, a file of the host, where the driver finds the reason of
a failure. What the VNFC writes to files below ``/vnf/log`` ends with it; the last lines are copied to the console.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.adapters.vim_local import image, state
from mano.adapters.vim_local.console import ConsoleKeeper
from mano.adapters.vim_local.kernel import (
    CLONE_NEWIPC,
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWPID,
    CLONE_NEWUTS,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_PRIVATE,
    MS_RDONLY,
    MS_REC,
    Kernel,
)
from mano.errors import CatenaError

CAPABILITIES_KEPT = {
    "CHOWN": 0,
    "DAC_OVERRIDE": 1,
    "FOWNER": 3,
    "FSETID": 4,
    "KILL": 5,
    "SETGID": 6,
    "SETUID": 7,
    "NET_BIND_SERVICE": 10,
    "NET_ADMIN": 12,
    "NET_RAW": 13,
    "IPC_LOCK": 14,
}

HOST_DIRECTORIES = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/libx32")
HOST_CONFIGURATION = (
    "alternatives",
    "ethertypes",
    "host.conf",
    "iproute2",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "mime.types",
    "nsswitch.conf",
    "protocols",
    "services",
)
"""What programs of the host read below ``/etc``; nothing in there is secret."""

DEVICES = ("null", "zero", "full", "random", "urandom", "tty", "net/tun")
PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus", "fs", "acpi", "scsi")
PROC_HIDDEN = ("kcore", "keys", "timer_list", "sched_debug", "latency_stats")

FILE_MAX = 64 << 20
LAST_WORDS = 2000
_TICK_S = 1.0
_LAST_WORDS_DEADLINE_S = 1.0
_OOM_SCORE = -900


@dataclass(frozen=True, slots=True)
class Plan:
    """What the driver asks for. Paths are the host's; ``root_mib`` bounds all that the VNFC can write."""

    name: str
    namespace: str
    process_files: list[str]
    cpus: list[int]
    image: str
    checksum: str
    configuration: str
    pid_file: str
    root: str
    root_mib: int
    hugepages: dict[str, int]
    state: str = ""
    """The archive of the state to begin with; empty to begin with the image."""
    state_checksum: str = ""

    @classmethod
    def read(cls, path: str) -> Plan:
        with open(path, encoding="utf-8") as file:
            return cls(**json.load(file))


def main(arguments: list[str]) -> int:
    plan = Plan.read(arguments[0])
    kernel = Kernel()
    kernel.enter(plan.namespace, CLONE_NEWNET)
    _join_groups(plan)
    os.sched_setaffinity(0, plan.cpus)
    kernel.unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
    wait_end, go_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(go_end)
        # A parent killed before it wrote the pid file closes the pipe without a word: nobody could find us.
        if os.read(wait_end, 1) != b"g":
            return 1
        os.close(wait_end)
        return _first_process(plan, kernel)
    os.close(wait_end)
    _write_pid_file(plan.pid_file, child)
    os.write(go_end, b"g")
    return 0


def process_start(pid: int) -> str:
    """When the process started, in clock ticks since boot: with the pid, an identity that is never used again.

    Raises ``OSError`` when there is no such process, or only what is left of it until its parent looks.
    """
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
    if fields[0] in ("Z", "X"):
        raise ProcessLookupError(f"process {pid} has ended")
    return fields[19]


def _join_groups(plan: Plan) -> None:
    for path in plan.process_files:
        with open(path, "w", encoding="ascii") as file:
            file.write(str(os.getpid()))


def _write_pid_file(path: str, pid: int) -> None:
    with open(path + ".new", "w", encoding="ascii") as file:
        file.write(f"{pid} {process_start(pid)}\n")
    os.replace(path + ".new", path)


def _first_process(plan: Plan, kernel: Kernel) -> int:
    """Everything as process 1; the exit status is the VNFC's."""
    signals = {signal.SIGTERM, signal.SIGINT, signal.SIGCHLD}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        _set_oom_score(_OOM_SCORE)
        _build_root(plan, kernel)
        kernel.set_hostname(plan.name)
        kernel.keep_capabilities(set(CAPABILITIES_KEPT.values()))
        keeper = ConsoleKeeper(console=1)
        child = _start_entry_point(plan, keeper.writer)
        keeper.start()
    except (OSError, CatenaError, KeyError, tarfile.TarError) as error:
        _say(f"cannot start: {error}")
        return 125
    return _watch(child, signals, keeper)


def _build_root(plan: Plan, kernel: Kernel) -> None:
    kernel.mount("none", "/", flags=MS_REC | MS_PRIVATE)
    root = plan.root
    kernel.mount("catena", root, "tmpfs", MS_NOSUID | MS_NODEV, f"size={plan.root_mib}m,mode=0755")
    for name in ("etc", "proc", "dev", "tmp", "run", "var/tmp", "var/lib", "vnf", "root", ".old"):
        os.makedirs(f"{root}/{name}")
    os.chmod(f"{root}/tmp", 0o1777)
    os.chmod(f"{root}/var/tmp", 0o1777)
    os.symlink("/run", f"{root}/var/run")
    _bind_host(root, kernel)
    _make_devices(plan, kernel)
    if plan.state:
        state.unpack(Path(plan.state), plan.state_checksum, Path(root))
    else:
        image.unpack(Path(plan.image), plan.checksum, Path(root, "vnf"))
    Path(root, "vnf", "config.json").write_bytes(Path(plan.configuration).read_bytes())
    os.makedirs(f"{root}/vnf/log")
    kernel.pivot(root, f"{root}/.old")
    os.chdir("/")
    _mount_proc(kernel)
    kernel.unmount("/.old")
    os.rmdir("/.old")


def _bind_host(root: str, kernel: Kernel) -> None:
    """The host's programs and libraries, read-only."""
    for directory in HOST_DIRECTORIES:
        if os.path.islink(directory):
            os.symlink(os.readlink(directory), root + directory)
        elif os.path.isdir(directory):
            os.makedirs(root + directory)
            kernel.bind(directory, root + directory, MS_RDONLY | MS_NOSUID | MS_NODEV)
    for name in HOST_CONFIGURATION:
        source, target = f"/etc/{name}", f"{root}/etc/{name}"
        if os.path.exists(source):
            _make_mount_point(source, target)
            kernel.bind(source, target, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC)
    accounts = {"passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"}
    accounts |= {"group": "root:x:0:\nnogroup:x:65534:\n", "hosts": "127.0.0.1 localhost\n::1 localhost\n"}
    for name, text in accounts.items():
        Path(root, "etc", name).write_text(text, encoding="ascii")


def _make_devices(plan: Plan, kernel: Kernel) -> None:
    root = plan.root
    for name in DEVICES:
        source, target = f"/dev/{name}", f"{root}/dev/{name}"
        if os.path.exists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            _make_mount_point(source, target)
            kernel.bind(source, target)
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{root}/dev/{name}")
    os.makedirs(f"{root}/dev/shm", mode=0o1777)
    for size_kib, pages in plan.hugepages.items():
        place = f"{root}/dev/hugepages-{size_kib}"
        os.makedirs(place)
        octets = int(size_kib) * 1024
        amount = pages * octets
        kernel.mount("hugetlbfs", place, "hugetlbfs", 0, f"pagesize={octets},size={amount},min_size={amount}")


def _mount_proc(kernel: Kernel) -> None:
    """A ``/proc`` of the new pid namespace, in which only the network's settings can be written."""
    flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
    kernel.mount("proc", "/proc", "proc", flags)
    kernel.mount("proc", "/.old", "proc", flags)
    for name in PROC_READ_ONLY:
        if os.path.exists(f"/proc/{name}"):
            kernel.bind(f"/proc/{name}", f"/proc/{name}", MS_RDONLY | flags)
    kernel.bind("/.old/sys/net", "/proc/sys/net")
    for name in PROC_HIDDEN:
        if os.path.exists(f"/proc/{name}"):
            kernel.bind("/dev/null", f"/proc/{name}")
    kernel.unmount("/.old")


def _make_mount_point(source: str, target: str) -> None:
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        Path(target).touch()


def _start_entry_point(plan: Plan, output: int) -> int:
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        os.dup2(output, 1)
        os.dup2(output, 2)
        _set_oom_score(0)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_MAX, FILE_MAX))
        os.chdir("/vnf")
        program = f"/vnf/{image.ENTRY_POINT}"
        environment = {
            "PATH": "/vnf/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LC_ALL": "C.UTF-8",
            "VNFC_NAME": plan.name,
        }
        os.execve(program, [program], environment)
    except OSError as error:
        _say(f"cannot run {image.ENTRY_POINT}: {error.strerror}")
    os._exit(126)


def _set_oom_score(score: int) -> None:
    """When memory runs out, the VNFC's own processes are to end, not the one that tells why."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(score))


def _watch(child: int, signals: set[signal.Signals], keeper: ConsoleKeeper) -> int:
    """Pass signals on, reap whatever ends, and return the entry point's exit status."""
    while True:
        found = signal.sigtimedwait(signals, _TICK_S)
        if found is not None and found.si_signo in (signal.SIGTERM, signal.SIGINT):
            os.killpg(child, signal.SIGTERM)
        status = _reap(child)
        if status is not None:
            keeper.finish(_LAST_WORDS_DEADLINE_S)
            _copy_last_words()
            _say(f"{image.ENTRY_POINT} ended {_how(status)}")
            return status if status >= 0 else 128 - status


def _reap(child: int) -> int | None:
    """The child's exit status, negative for a signal, once it ended; other orphans are just taken away."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return 0
        if pid == 0:
            return None
        if pid == child:
            return os.waitstatus_to_exitcode(status)


def _copy_last_words() -> None:
    """The ends of the logs that the VNFC wrote, for after its death they are gone."""
    for path in sorted(Path("/vnf/log").glob("*.log")):
        with contextlib.suppress(OSError), path.open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LAST_WORDS))
            os.write(1, file.read(LAST_WORDS))


def _how(status: int) -> str:
    return f"with status {status}" if status >= 0 else f"by {signal.Signals(-status).name}"


def _say(text: Any) -> None:
    os.write(2, f"launcher: {text}\n".encode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
