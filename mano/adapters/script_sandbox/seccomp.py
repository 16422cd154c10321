"""The system calls that a script has: a program in the kernel's filter language (seccomp, classic BPF). Pure.

What reaches beyond the script's own processes, files and sockets is refused with EPERM; what this list does not know
yet, because its kernel is newer, does not exist (ENOSYS); a call of another architecture ends the process.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

EPERM, ENOSYS, EAFNOSUPPORT = 1, 38, 97

KILL_PROCESS, ERRNO, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000

NEW_NAMESPACES = 0x7E020000
"""Flags of clone(2) that make a namespace: NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET."""

FAMILIES = (1, 2, 10)
"""AF_UNIX, AF_INET, AF_INET6. Others reach the kernel's own services, or the machine's host (AF_VSOCK)."""

TERMINAL_INPUT = (0x5412, 0x541C)
"""TIOCSTI and TIOCLINUX: what is typed into a terminal."""

LAST_KNOWN = 462

CLONE3 = 435

_NEWER: Mapping[str, int] = MappingProxyType(
    {
        "io_uring_setup": 425,
        "io_uring_enter": 426,
        "io_uring_register": 427,
        "open_tree": 428,
        "move_mount": 429,
        "fsopen": 430,
        "fsconfig": 431,
        "fsmount": 432,
        "fspick": 433,
        "pidfd_getfd": 438,
        "process_madvise": 440,
        "mount_setattr": 442,
        "quotactl_fd": 443,
        "memfd_secret": 447,
        "process_mrelease": 448,
    }
)
"""The same numbers on every architecture."""

_X86_64: Mapping[str, int] = MappingProxyType(
    {
        "shmget": 29,
        "semget": 64,
        "msgget": 68,
        "ptrace": 101,
        "syslog": 103,
        "mknod": 133,
        "uselib": 134,
        "personality": 135,
        "vhangup": 153,
        "modify_ldt": 154,
        "pivot_root": 155,
        "adjtimex": 159,
        "chroot": 161,
        "acct": 163,
        "settimeofday": 164,
        "mount": 165,
        "umount2": 166,
        "swapon": 167,
        "swapoff": 168,
        "reboot": 169,
        "sethostname": 170,
        "setdomainname": 171,
        "iopl": 172,
        "ioperm": 173,
        "init_module": 175,
        "delete_module": 176,
        "quotactl": 179,
        "nfsservctl": 180,
        "clock_settime": 227,
        "mbind": 237,
        "set_mempolicy": 238,
        "mq_open": 240,
        "kexec_load": 246,
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "migrate_pages": 256,
        "mknodat": 259,
        "unshare": 272,
        "move_pages": 279,
        "perf_event_open": 298,
        "fanotify_init": 300,
        "name_to_handle_at": 303,
        "open_by_handle_at": 304,
        "clock_adjtime": 305,
        "setns": 308,
        "process_vm_readv": 310,
        "process_vm_writev": 311,
        "kcmp": 312,
        "finit_module": 313,
        "memfd_create": 319,
        "kexec_file_load": 320,
        "bpf": 321,
        "userfaultfd": 323,
    }
)

_AARCH64: Mapping[str, int] = MappingProxyType(
    {
        "mknodat": 33,
        "umount2": 39,
        "mount": 40,
        "pivot_root": 41,
        "nfsservctl": 42,
        "chroot": 51,
        "vhangup": 58,
        "quotactl": 60,
        "acct": 89,
        "personality": 92,
        "unshare": 97,
        "kexec_load": 104,
        "init_module": 105,
        "delete_module": 106,
        "clock_settime": 112,
        "syslog": 116,
        "ptrace": 117,
        "reboot": 142,
        "sethostname": 161,
        "setdomainname": 162,
        "settimeofday": 170,
        "adjtimex": 171,
        "mq_open": 180,
        "msgget": 186,
        "semget": 190,
        "shmget": 194,
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "swapon": 224,
        "swapoff": 225,
        "mbind": 235,
        "set_mempolicy": 237,
        "migrate_pages": 238,
        "move_pages": 239,
        "perf_event_open": 241,
        "fanotify_init": 262,
        "name_to_handle_at": 264,
        "open_by_handle_at": 265,
        "clock_adjtime": 266,
        "setns": 268,
        "process_vm_readv": 270,
        "process_vm_writev": 271,
        "kcmp": 272,
        "finit_module": 273,
        "memfd_create": 279,
        "bpf": 280,
        "userfaultfd": 282,
        "kexec_file_load": 294,
    }
)


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the filter has to know of a machine; ``x32`` where a second set of numbers begins, 0 for none."""

    audit: int
    denied: Mapping[str, int]
    clone: int
    socket: int
    socketpair: int
    ioctl: int
    x32: int = 0


ARCHITECTURES: Mapping[str, Architecture] = MappingProxyType(
    {
        "x86_64": Architecture(0xC000003E, {**_X86_64, **_NEWER}, 56, 41, 53, 16, x32=0x40000000),
        "aarch64": Architecture(0xC00000B7, {**_AARCH64, **_NEWER}, 220, 198, 199, 29),
    }
)
"""By ``uname -m``. Elsewhere no script runs."""

_LOAD, _EQUAL, _GREATER, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24


def program(machine: str) -> bytes:
    """The filter for a machine; KeyError where there is none."""
    return b"".join(struct.pack("=HBBI", *one) for one in _instructions(ARCHITECTURES[machine]))


Instruction = tuple[int, int, int, int]
"""Code, jump if true, jump if false, constant."""


def _instructions(machine: Architecture) -> Iterator[Instruction]:
    yield _LOAD, 0, 0, _ARCHITECTURE
    yield _EQUAL, 1, 0, machine.audit
    yield _RETURN, 0, 0, KILL_PROCESS
    yield _LOAD, 0, 0, _NUMBER
    if machine.x32:
        yield from _refused(_GREATER, machine.x32 - 1, KILL_PROCESS)
    for number in sorted(machine.denied.values()):
        yield from _refused(_EQUAL, number, ERRNO | EPERM)
    yield from _refused(_GREATER, LAST_KNOWN, ERRNO | ENOSYS)
    # Its flags lie in memory, where a filter cannot look: the C library then uses clone(2).
    yield from _refused(_EQUAL, CLONE3, ERRNO | ENOSYS)
    yield _EQUAL, 0, 4, machine.clone
    yield _LOAD, 0, 0, _FIRST_ARGUMENT
    yield from _refused(_ANY_BIT, NEW_NAMESPACES, ERRNO | EPERM)
    yield _RETURN, 0, 0, ALLOW
    for number in (machine.socket, machine.socketpair):
        yield _EQUAL, 0, 2 * len(FAMILIES) + 2, number
        yield _LOAD, 0, 0, _FIRST_ARGUMENT
        for family in FAMILIES:
            yield from _refused(_EQUAL, family, ALLOW)
        yield _RETURN, 0, 0, ERRNO | EAFNOSUPPORT
    yield _EQUAL, 0, 2 * len(TERMINAL_INPUT) + 1, machine.ioctl
    yield _LOAD, 0, 0, _SECOND_ARGUMENT
    for request in TERMINAL_INPUT:
        yield from _refused(_EQUAL, request, ERRNO | EPERM)
    yield _RETURN, 0, 0, ALLOW


def _refused(test: int, value: int, answer: int) -> Iterator[Instruction]:
    yield test, 0, 1, value
    yield _RETURN, 0, 0, answer
