"""Named network namespaces, as ``ip netns`` keeps them in ``/run/netns``."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from mano.adapters.vim_local.commands import CommandFailed, run
from mano.adapters.vim_local.kernel import CLONE_NEWNET, Kernel
from mano.errors import DeadlineExceeded

T = TypeVar("T")

DIRECTORY = Path("/run/netns")
_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
_POLL_S = 0.01


def exists(name: str) -> bool:
    """Whether the namespace is there and whole: a killed ``ip netns add`` leaves a file that is none."""
    path = DIRECTORY / name
    try:
        return path.stat().st_dev != DIRECTORY.stat().st_dev
    except FileNotFoundError:
        return False


def names(prefix: str) -> list[str]:
    """All namespaces, whole or half-made, whose names begin so."""
    if not DIRECTORY.is_dir():
        return []
    return sorted(path.name for path in DIRECTORY.iterdir() if path.name.startswith(prefix))


def add(name: str) -> None:
    """Have a namespace with its loopback up, and with IPv6 off on interfaces to come; repeating it is cheap."""
    if not exists(name):
        (DIRECTORY / name).unlink(missing_ok=True)
        run(["ip", "netns", "add", name])

    def prepare() -> None:
        _write_ipv6("default", False)
        _bring_up("lo")

    inside(name, prepare)


def delete(name: str, deadline_s: float = 5.0) -> None:
    """End all its processes and delete it, with every interface in it; nothing to do when it is gone."""
    if not (DIRECTORY / name).exists():
        return
    if exists(name):
        end_processes(name, deadline_s)
        with contextlib.suppress(CommandFailed):
            run(["ip", "netns", "delete", name])
    (DIRECTORY / name).unlink(missing_ok=True)


def processes(name: str) -> list[int]:
    """Ids of the processes that live in the namespace."""
    try:
        wanted = (DIRECTORY / name).stat()
    except FileNotFoundError:
        return []
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                seen = os.stat(f"/proc/{entry.name}/ns/net")
                if (seen.st_dev, seen.st_ino) == (wanted.st_dev, wanted.st_ino):
                    found.append(int(entry.name))
    return sorted(found)


def end_processes(name: str, deadline_s: float = 5.0) -> None:
    """SIGKILL every process of the namespace, and those they start meanwhile, until none is left."""
    deadline = time.monotonic() + deadline_s
    while pids := processes(name):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() >= deadline:
            raise DeadlineExceeded(f"processes {pids} in namespace {name} do not end")
        time.sleep(_POLL_S)


def inside(name: str, action: Callable[[], T]) -> T:
    """The action's result, run in the namespace: on a thread of its own, which ends with it."""
    results: list[T] = []
    errors: list[BaseException] = []

    def enter_and_act() -> None:
        try:
            Kernel().enter(str(DIRECTORY / name), CLONE_NEWNET)
            results.append(action())
        except BaseException as error:  # handed to the caller's thread
            errors.append(error)

    # A daemon: an interrupt while we wait for it must not keep the interpreter from ending.
    thread = threading.Thread(target=enter_and_act, name=f"in {name}", daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def set_ipv6(name: str, interface: str, enabled: bool) -> None:
    """Switch IPv6 on or off for one interface, or for those to come (``default``); a kernel without IPv6 is as good."""

    inside(name, lambda: _write_ipv6(interface, enabled))


def _write_ipv6(interface: str, enabled: bool) -> None:
    with contextlib.suppress(FileNotFoundError):
        base = Path("/proc/sys/net/ipv6/conf") / interface
        (base / "disable_ipv6").write_text("0" if enabled else "1", encoding="ascii")
        for setting in ("accept_ra", "autoconf", "accept_dad"):
            (base / setting).write_text("0", encoding="ascii")


def _bring_up(interface: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        request = struct.pack("16sh22x", interface.encode(), 0)
        answer = fcntl.ioctl(connection, _SIOCGIFFLAGS, request)
        flags = struct.unpack_from("16xh", answer)[0] | _IFF_UP
        fcntl.ioctl(connection, _SIOCSIFFLAGS, struct.pack("16sh22x", interface.encode(), flags))
