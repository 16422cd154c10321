"""Network interfaces by ``ip``: one call reads a whole namespace, one call makes a list of changes."""

from __future__ import annotations

import fcntl
import json
import re
import socket
import struct
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mano.adapters.vim_local import netns
from mano.adapters.vim_local.commands import CommandFailed, run

LABEL = "catena:"
"""Every interface of ours carries an alias that begins so and says what it is for."""

_ARGUMENT = re.compile(r"[A-Za-z0-9._:/@+=-]+")
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x00000017  # linux/ethtool.h


@dataclass(frozen=True, slots=True)
class Link:
    """An interface as it is. ``master`` is the bridge it is a port of; ``addresses`` with their prefix lengths."""

    name: str
    mac: str
    mtu: int
    up: bool
    alias: str
    master: str
    addresses: frozenset[str]
    alternative_names: frozenset[str]


def label(kind: str, identifier: str) -> str:
    """The alias of an interface, such as ``catena:port=...``."""
    return f"{LABEL}{kind}={identifier}"


def read_links(namespace: str) -> dict[str, Link]:
    """All interfaces of a namespace by name."""
    rows = json.loads(run(["ip", "-n", namespace, "-json", "-details", "address", "show"]) or "[]")
    return {row["ifname"]: _link(row) for row in rows if row}


def change(namespace: str, commands: Iterable[Sequence[str]]) -> None:
    """Carry out ``ip`` commands in order, in one process; the first that fails ends it with an error.

    Every argument is checked: none can hold a second command.
    """
    lines = [" ".join(_checked(argument) for argument in command) for command in commands]
    if lines:
        run(["ip", "-n", namespace, "-batch", "-"], text="\n".join(lines) + "\n")


def remove(namespace: str, name: str) -> None:
    """Delete one interface, and with it the other end of a pair; nothing to do when it is gone."""
    if name not in read_links(namespace):
        return
    try:
        change(namespace, [["link", "delete", "dev", name]])
    except CommandFailed:
        # The kernel ends a deleted namespace in its own time, and pairs that reach into it with it.
        if name in read_links(namespace):
            raise


def switch_checksum_offload_off(namespace: str, interface: str) -> None:
    """Let the kernel fill in checksums: a userspace switch sends on what it reads, and nobody would do it later."""

    def ask() -> None:
        value = array("B", struct.pack("II", _ETHTOOL_STXCSUM, 0))
        request = struct.pack("16sP", interface.encode(), value.buffer_info()[0])
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as connection:
            fcntl.ioctl(connection, _SIOCETHTOOL, request)

    netns.inside(namespace, ask)


def _checked(argument: str) -> str:
    if not _ARGUMENT.fullmatch(argument):
        raise ValueError(f"{argument!r} cannot be an argument of ip")
    return argument


def _link(row: dict[str, object]) -> Link:
    flags = row.get("flags")
    addresses = row.get("addr_info")
    return Link(
        name=str(row["ifname"]),
        mac=str(row.get("address", "")),
        mtu=int(str(row.get("mtu", 0))),
        up=isinstance(flags, list) and "UP" in flags,
        alias=str(row.get("ifalias", "")),
        master=str(row.get("master", "")),
        addresses=frozenset(
            f"{item['local']}/{item['prefixlen']}"
            for item in (addresses if isinstance(addresses, list) else [])
            if item
        ),
        alternative_names=frozenset(str(name) for name in _strings(row.get("altnames"))),
    )


def _strings(value: object) -> list[object]:
    return value if isinstance(value, list) else []
