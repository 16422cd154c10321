"""Further system calls of the sandbox that Python 3.11 has no names for. Standard library only."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct

from mano.adapters.vim_local.kernel import Kernel

CLONE_NEWUSER = 0x10000000
CLONE_NEWCGROUP = 0x02000000

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_SET_CHILD_SUBREAPER = 36

_SECCOMP_MODE_FILTER = 2
_SYS_MOUNT_SETATTR = 442
_AT_RECURSIVE = 0x8000
_AT_FDCWD = -100
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC = 0x1, 0x2, 0x4, 0x8


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p)]


class SandboxKernel(Kernel):
    """What a process does to leave almost everything behind. Raises ``OSError`` with what was tried."""

    def prctl(self, option: int, value: int, what: str) -> None:
        self._done(self._libc.prctl(option, value, 0, 0, 0), what)

    def restrict(self, target: str, attributes: int) -> None:
        """Set attributes of a mount and of all below it (mount_setattr(2), Linux 5.12); none is ever taken away."""
        wanted = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
        done = self._libc.syscall(
            _SYS_MOUNT_SETATTR, _AT_FDCWD, target.encode(), _AT_RECURSIVE, wanted, ctypes.sizeof(wanted)
        )
        self._done(done, f"restrict {target}")

    def filter_calls(self, program: bytes) -> None:
        """Load a seccomp filter; for good, and for all that is started from now on."""
        held = _Filter(len(program) // 8, program)
        self._done(
            self._libc.prctl(PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(held), 0, 0), "load the seccomp filter"
        )


def bring_loopback_up() -> None:
    """In a network namespace of one's own."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
        fcntl.ioctl(connection, 0x8914, struct.pack("16sh22x", b"lo", 0x1 | 0x40))


def close_others(first: int) -> None:
    """Close every file descriptor from ``first`` on."""
    os.closerange(first, 1 << 16)
