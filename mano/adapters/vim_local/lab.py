"""A lab: the set of everything that one local VIM makes on this machine, and how those things are called.

Network namespaces are ``cat-<lab>-<name>``, control groups ``cat-<lab>/...``, and everything that must be found again
lies below ``/run/catena/<lab>``: sockets, pid files, and one record per port, network and VNFC, written before the
thing is made and deleted after it is gone. That directory is the registry that a clean-up reads, so it needs no
database and no memory of a killed process. Records that outlive a reboot are in the data directory instead.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from mano.domain.ids import interface_name
from mano.errors import DeadlineExceeded, InvalidInput

RUN_ROOT = Path("/run/catena")

UNDERLAY_MTU = 1600
"""Octets: 1500 of a full inner packet, 74 of VXLAN-GPE, NSH and the Ethernet header, and some to spare."""

UNDERLAY_PREFIX_LENGTH = 16
_UNDERLAY = IPv4Address("10.99.0.0")
_OAM = IPv4Address("10.98.0.0")
HOSTS_MAX = 65_000

INTEGRATION_BRIDGE = "br-int"
UNDERLAY_BRIDGE = "br-phy"
TUNNEL_PORT = "gpe0"
OAM_PORT = "oam0"

TUNNEL_OFPORT = 1
OAM_OFPORT = 2
FIRST_PORT_OFPORT = 256
LAST_PORT_OFPORT = 0xFEFF

COMPUTE_PREFIX = "v-"
"""What the keys of VNFCs begin with; names of hosts and attachments do not."""

FABRIC = "fabric"
"""The namespace that holds the underlay's switch and the physical networks."""

_LAB_ID = re.compile(r"[a-z0-9]{1,8}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_LOCK_POLL_S = 0.01


def lab_id_of(data_directory: Path) -> str:
    """Six base-32 characters that depend on the data directory alone."""
    digest = hashlib.sha256(str(data_directory.absolute()).encode()).digest()
    return base64.b32encode(digest).decode().lower()[:6]


def check_name(kind: str, name: str) -> str:
    """``name`` if it may become part of a namespace's name; :class:`~mano.errors.InvalidInput` otherwise."""
    if not _NAME.fullmatch(name) or name == FABRIC or name.startswith(COMPUTE_PREFIX):
        raise InvalidInput(
            f"the {kind} name {name!r:.80} is not possible in the local VIM",
            hint=f"1 to 63 letters, digits and . _ -, not {FABRIC!r} and not beginning with 'v-'",
        )
    return name


def check_identifier(kind: str, text: str) -> str:
    """``text`` if it may become part of a label; :class:`~mano.errors.InvalidInput` otherwise."""
    if not _IDENTIFIER.fullmatch(text):
        raise InvalidInput(
            f"the identifier {text!r:.80} of a {kind} is not possible in the local VIM",
            hint="1 to 128 letters, digits and . _ : / -",
        )
    return text


@dataclass(frozen=True, slots=True)
class Lab:
    """Names and places of one lab. ``run_root`` is :data:`RUN_ROOT` but in tests of this class."""

    id: str
    run_root: Path = RUN_ROOT

    def __post_init__(self) -> None:
        if not _LAB_ID.fullmatch(self.id):
            raise ValueError(f"lab {self.id!r} must be 1 to 8 lower-case letters and digits")

    @property
    def run(self) -> Path:
        """The run directory: everything of the lab that a clean-up has to know."""
        return self.run_root / self.id

    @property
    def prefix(self) -> str:
        """What the names of all namespaces of this lab, and of no other, begin with."""
        return f"cat-{self.id}-"

    @property
    def cgroup(self) -> str:
        """The name of its control group, in every hierarchy."""
        return f"cat-{self.id}"

    @property
    def fabric(self) -> str:
        return self.prefix + FABRIC

    def namespace(self, name: str) -> str:
        """The namespace of a host or an attachment."""
        return self.prefix + name

    def compute_key(self, compute_id: str) -> str:
        """``v-`` and ten characters of a hash: the VNFC's part of its namespace, control group and directory."""
        return COMPUTE_PREFIX + interface_name(self.id, "compute", compute_id)[3:]

    def interface(self, *parts: str) -> str:
        """The name of a network interface for this purpose."""
        return interface_name(self.id, *parts)

    def host_directory(self, host: str) -> Path:
        return self.run / "hosts" / host

    def compute_directory(self, compute_id: str) -> Path:
        return self.run / "computes" / self.compute_key(compute_id)

    @contextmanager
    def locked(self, name: str, deadline_s: float = 30.0) -> Iterator[None]:
        """One holder at a time, among all threads and processes; a killed holder's lock is free at once.

        Raises :class:`~mano.errors.DeadlineExceeded` after ``deadline_s`` seconds.
        """
        path = self.run / "locks" / name
        deadline = time.monotonic() + deadline_s
        descriptor = _acquire(path, deadline)
        try:
            yield
        finally:
            os.close(descriptor)


def _acquire(path: Path, deadline: float) -> int:
    while True:
        descriptor = _opened(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The directory may have been removed, and made again, while we waited for the old file.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        os.close(descriptor)
        if time.monotonic() >= deadline:
            raise DeadlineExceeded(
                f"another operation of the local VIM holds {path.name!r} for too long",
                hint="see whether a second server uses the same data directory",
            )
        time.sleep(_LOCK_POLL_S)


def _opened(path: Path) -> int:
    """Its directory may be removed by another one right after it was made: once more then."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with suppress(FileNotFoundError):
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def underlay_ip(index: int) -> str:
    """The tunnel endpoint of the host with this number, 1 to 65 000."""
    return str(_UNDERLAY + index)


def oam_ip(index: int) -> str:
    """The OAM address of the host with this number, 1 to 65 000."""
    return str(_OAM + index)


def preferred_ofport(port_id: str) -> int:
    """Where the search for a free OpenFlow number begins: for one port the same everywhere and after a reboot."""
    span = LAST_PORT_OFPORT - FIRST_PORT_OFPORT + 1
    return FIRST_PORT_OFPORT + int.from_bytes(hashlib.sha256(port_id.encode()).digest()[:4], "big") % span


def choose_ofport(port_id: str, taken: set[int]) -> int:
    """The preferred number or the next one above that is not taken; wraps round."""
    span = LAST_PORT_OFPORT - FIRST_PORT_OFPORT + 1
    first = preferred_ofport(port_id) - FIRST_PORT_OFPORT
    for step in range(span):
        candidate = FIRST_PORT_OFPORT + (first + step) % span
        if candidate not in taken:
            return candidate
    raise InvalidInput(f"the bridge has no free OpenFlow number for port {port_id}")
