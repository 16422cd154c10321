"""System calls that Python 3.11 has no names for: namespaces, mounts, capabilities. Standard library only."""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MNT_DETACH = 0x2

PR_SET_NO_NEW_PRIVS = 38
PR_CAPBSET_DROP = 24
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41, "riscv64": 41, "ppc64le": 203, "s390x": 217}


class Kernel:
    """System calls that Python 3.11 has no names for. Raises ``OSError`` with what was tried."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def enter(self, path: str, kind: int) -> None:
        with open(path, "rb") as namespace:
            self._done(self._libc.setns(namespace.fileno(), kind), f"enter {path}")

    def unshare(self, kinds: int) -> None:
        self._done(self._libc.unshare(kinds), "make new namespaces")

    def mount(self, source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
        done = self._libc.mount(
            source.encode(), target.encode(), kind.encode() or None, ctypes.c_ulong(flags), data.encode() or None
        )
        self._done(done, f"mount {source} at {target}")

    def bind(self, source: str, target: str, flags: int = 0) -> None:
        """A bind mount of one tree; further flags need a second call, for the first ignores them."""
        self.mount(source, target, flags=MS_BIND)
        if flags:
            self.mount("none", target, flags=MS_BIND | MS_REMOUNT | flags)

    def unmount(self, target: str) -> None:
        self._done(self._libc.umount2(target.encode(), MNT_DETACH), f"unmount {target}")

    def pivot(self, root: str, old: str) -> None:
        number = _SYS_PIVOT_ROOT[os.uname().machine]
        self._done(self._libc.syscall(number, root.encode(), old.encode()), f"make {root} the root")

    def set_hostname(self, name: str) -> None:
        encoded = name.encode()
        self._done(self._libc.sethostname(encoded, len(encoded)), "set the host name")

    def keep_capabilities(self, kept: set[int]) -> None:
        """Drop all others from every set, for this process and all it starts."""
        for number in range(64):
            if number not in kept:
                # EINVAL: the kernel has no capability of this number.
                self._libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)
        low = sum(1 << number for number in kept if number < 32)
        header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(low, low, low, 0, 0, 0)
        self._done(self._libc.capset(header, data), "drop capabilities")
        self._done(self._libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "forbid new privileges")

    @staticmethod
    def _done(result: int, what: str) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"cannot {what}: {os.strerror(number)}")
