"""The filter's numbers against libseccomp's, and the filter run by hand."""

from __future__ import annotations

import ctypes
import ctypes.util
import errno
import struct

import pytest

from mano.adapters.script_sandbox import seccomp
from tests.plugins.tiers import skip_for_want_of

ENCODED = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def _answer(machine: str, number: int, arguments: tuple[int, int] = (0, 0), audit: int | None = None) -> int:
    """What the kernel would do, by running the program."""
    arch = ENCODED[machine] if audit is None else audit
    data = struct.pack("=IIQ2Q4Q", number, arch, 0, *arguments, 0, 0, 0, 0)
    code = list(struct.iter_unpack("=HBBI", seccomp.program(machine)))
    held, place = 0, 0
    while True:
        what, if_true, if_false, constant = code[place]
        place += 1
        if what == 0x20:
            held = struct.unpack_from("=I", data, constant)[0]
        elif what == 0x06:
            return int(constant)
        else:
            yes = {0x15: held == constant, 0x25: held > constant, 0x45: bool(held & constant)}[what]
            place += if_true if yes else if_false


def _errno(machine: str, number: int, arguments: tuple[int, int] = (0, 0)) -> int:
    answer = _answer(machine, number, arguments)
    assert answer & 0xFFFF0000 == seccomp.ERRNO
    return answer & 0xFFFF


@pytest.mark.parametrize("machine", ENCODED)
def test_every_denied_call_is_refused_and_files_are_not(machine: str) -> None:
    for number in seccomp.ARCHITECTURES[machine].denied.values():
        assert _errno(machine, number) == errno.EPERM
    for number in {"x86_64": (0, 1, 2, 59, 61, 231, 257), "aarch64": (56, 63, 64, 93, 221, 260)}[machine]:
        assert _answer(machine, number) == seccomp.ALLOW


@pytest.mark.parametrize("machine", ENCODED)
def test_flags_and_families_decide(machine: str) -> None:
    known = seccomp.ARCHITECTURES[machine]
    assert _answer(machine, known.clone, (0x01200011, 0)) == seccomp.ALLOW
    for flag in (0x00020000, 0x10000000, 0x40000000):
        assert _errno(machine, known.clone, (flag | 17, 0)) == errno.EPERM
    for family in (1, 2, 10):
        assert _answer(machine, known.socket, (family, 0)) == seccomp.ALLOW
    for family in (16, 17, 38, 40):
        assert _errno(machine, known.socket, (family, 0)) == errno.EAFNOSUPPORT
        assert _errno(machine, known.socketpair, (family, 0)) == errno.EAFNOSUPPORT
    assert _errno(machine, known.ioctl, (0, 0x5412)) == errno.EPERM
    assert _answer(machine, known.ioctl, (0, 0x5401)) == seccomp.ALLOW


@pytest.mark.parametrize("machine", ENCODED)
def test_what_it_does_not_know_is_not_there(machine: str) -> None:
    assert _errno(machine, seccomp.CLONE3) == errno.ENOSYS
    assert _errno(machine, seccomp.LAST_KNOWN + 1) == errno.ENOSYS
    other = next(audit for name, audit in ENCODED.items() if name != machine)
    assert _answer(machine, 0, audit=other) == seccomp.KILL_PROCESS
    if machine == "x86_64":
        assert _answer(machine, 0x40000000) == seccomp.KILL_PROCESS


def test_the_numbers_are_those_of_libseccomp() -> None:
    name = ctypes.util.find_library("seccomp")
    if name is None:
        skip_for_want_of("libseccomp to compare with")
    resolve = ctypes.CDLL(name).seccomp_syscall_resolve_name_arch
    resolve.argtypes = [ctypes.c_uint32, ctypes.c_char_p]
    wrong = {}
    for machine, known in seccomp.ARCHITECTURES.items():
        calls = {**known.denied, "clone": known.clone, "socket": known.socket, "ioctl": known.ioctl}
        calls["socketpair"] = known.socketpair
        for call, number in calls.items():
            told = resolve(known.audit, call.encode())
            # -1: this libseccomp is older than the call.
            if told not in (number, -1):
                wrong[machine, call] = told
    assert wrong == {}
