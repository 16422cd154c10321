"""Programs of the machine: see what is missing, and let apt install it without starting or changing any service.

Only root on a Debian-like machine installs anything. While apt runs, a policy-rc.d of ours (only where there is none)
keeps the services of new packages from starting, and a file of ours keeps PostgreSQL's package from creating its
"main" cluster. Both are removed afterwards, and so are those that a killed run left behind.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from scripts.steps import ROOT, SetUpError, excerpt, only_one, say, warn

PACKAGE_LIST = ROOT / "scripts" / "system_packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")
CLUSTER_RULE = Path("/etc/postgresql-common/createcluster.d/catena-set-up.conf")
APT_LOCK = Path("/run/lock/catena-set-up.lock")
MARK = "# Written by Catena's set-up while apt runs, and removed by it afterwards.\n"


@dataclass(frozen=True)
class Need:
    """A program or a shared library that a purpose needs (any of the alternatives), and the package that brings it."""

    purpose: str
    alternatives: tuple[str, ...]
    package: str

    @property
    def met(self) -> bool:
        return any(_is_there(name) for name in self.alternatives)


def _is_there(name: str) -> bool:
    """Whether the machine has the program, or the library where the name is one's."""
    if ".so." not in name:
        return shutil.which(name, path=_search_path()) is not None
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def _search_path() -> str:
    """PATH and the directories that it often lacks; PostgreSQL's change while we install."""
    servers = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin", *map(str, servers)])


def needs(purposes: Sequence[str]) -> list[Need]:
    """The rows of the list for ``purposes``."""
    rows = [
        line.split()
        for line in PACKAGE_LIST.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    ]
    return [Need(row[0], tuple(row[1].split("|")), row[2]) for row in rows if row[0] in purposes]


def provide(purposes: Sequence[str]) -> None:
    """Install what ``purposes`` miss.

    Where that is not ours to do (not root, no apt) it says what is missing: the product then finds a lower tier.
    Raises SetUpError when apt fails, or when REQUIRE_TIER=root can't be had.
    """
    missing = [need for need in needs(purposes) if not need.met]
    if not missing:
        return
    packages = sorted({need.package for need in missing})
    reason = why_not_install()
    if reason is None:
        install(packages)
        missing = [need for need in missing if not need.met]
        if missing:
            names = ", ".join("|".join(need.alternatives) for need in missing)
            raise SetUpError(f"installed {' '.join(packages)}, but there is still no {names}")
        return
    advice = f"missing: {' '.join(packages)} ({reason}); as root: apt-get install --no-install-recommends"
    if os.environ.get("REQUIRE_TIER") == "root":
        raise SetUpError(f"{advice} {' '.join(packages)}")
    warn(f"{advice} {' '.join(packages)}. Going on without.")


def why_not_install() -> str | None:
    """None where we may install packages, else the reason why not."""
    if os.geteuid() != 0:
        return "not root"
    if shutil.which("apt-get") is None:
        return "no apt-get on this machine"
    return None


def install(packages: Sequence[str]) -> None:
    """Install Debian packages, and nothing but them and what they depend on; no service is started or stopped.

    The download can be interrupted; the installation proper is let finish, so that dpkg's database stays whole.
    Raises SetUpError with apt's words.
    """
    command = ["apt-get", "install", "--yes", "--no-install-recommends", "--no-remove", "--no-upgrade"]
    with only_one(APT_LOCK, "another set-up that installs system packages"):
        say(f"apt: {' '.join(packages)}")
        _apt(["apt-get", "update"])
        _apt([*command, "--download-only", *packages])
        with _interrupts_put_off(), services_kept_still(packages):
            _apt([*command, *packages], own_session=True)


@contextmanager
def services_kept_still(packages: Sequence[str]) -> Iterator[None]:
    """Keep the packages' services from starting and PostgreSQL from creating a cluster meanwhile."""
    with ExitStack() as stack:
        stack.enter_context(_our_file(POLICY, f"#!/bin/sh\n{MARK}exit 101\n", 0o755))
        if any(package.startswith("postgresql") for package in packages):
            stack.enter_context(_our_file(CLUSTER_RULE, f"{MARK}create_main_cluster = false\n", 0o644))
        yield


@contextmanager
def _our_file(file: Path, content: str, mode: int) -> Iterator[None]:
    """Have ``file`` there meanwhile. Somebody else's stays as it is; what a killed run of ours left is removed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with file.open("x") as handle:
            handle.write(content)
        file.chmod(mode)
    except FileExistsError:
        pass
    try:
        yield
    finally:
        if file.is_file() and MARK in file.read_text(errors="replace"):
            file.unlink()


@contextmanager
def _interrupts_put_off() -> Iterator[None]:
    """Let what is inside end before Ctrl-C or SIGTERM have their way."""
    arrived: list[int] = []

    def note(number: int, _frame: FrameType | None) -> None:
        arrived.append(number)
        warn("interrupted: letting apt finish first")

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        raise KeyboardInterrupt


def _apt(command: Sequence[str], *, own_session: bool = False) -> None:
    """Run apt without questions; in a session of its own the terminal's Ctrl-C does not reach it."""
    done = subprocess.run(
        [*command, "-q", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Use-Pty=0"],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=own_session,
    )
    if done.returncode != 0:
        raise SetUpError(f"`{' '.join(command)}` ended with {done.returncode}:\n{excerpt(done.stdout)}")
