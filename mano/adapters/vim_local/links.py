"""Network interfaces: netlink reads a whole namespace at once, one ``ip`` process makes a list of changes in order."""

from __future__ import annotations

import fcntl
import re
import socket
import struct
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.adapters.vim_local import netns
from mano.adapters.vim_local.commands import CommandFailed, run

LABEL = "catena:"
"""Every interface of ours carries an alias that begins so and says what it is for."""

_ARGUMENT = re.compile(r"[A-Za-z0-9._:/@+=-]+")
IFF_UP = 1  # linux/if.h
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
    qdisc: str = ""
    """How what it sends is queued, such as ``noqueue`` or ``tbf``."""


def label(kind: str, identifier: str) -> str:
    """The alias of an interface, such as ``catena:port=...``."""
    return f"{LABEL}{kind}={identifier}"


def read_links(namespace: str) -> dict[str, Link]:
    """All interfaces of a namespace by name; :class:`CommandFailed` when there is no such namespace."""
    try:
        messages, addresses = netns.inside(namespace, _ask_kernel)
    except FileNotFoundError:
        raise CommandFailed(f"there is no network namespace {namespace}") from None
    names = {int(message["index"]): str(message.get("ifname")) for message in messages}
    of_index: dict[int, set[str]] = {}
    for message in addresses:
        local = message.get("local") or message.get("address")
        of_index.setdefault(int(message["index"]), set()).add(f"{local}/{message['prefixlen']}")
    links = (_link(message, names, of_index.get(int(message["index"]), set())) for message in messages)
    return {link.name: link for link in links}


def _ask_kernel() -> tuple[list[Any], list[Any]]:
    """(link messages, address messages) of the calling thread's namespace, by rtnetlink."""
    from pyroute2 import IPRoute

    with IPRoute() as kernel:
        return list(kernel.get_links()), list(kernel.get_addr())


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


def _link(message: Any, names: Mapping[int, str], addresses: Iterable[str]) -> Link:
    master = message.get("master")
    properties = message.get("prop_list")
    alternatives = properties.get_attrs("IFLA_ALT_IFNAME") if properties is not None else ()
    return Link(
        name=str(message.get("ifname")),
        mac=str(message.get("address") or ""),
        mtu=int(message.get("mtu") or 0),
        up=bool(message["flags"] & IFF_UP),
        alias=str(message.get("ifalias") or ""),
        master=names.get(int(master), "") if master else "",
        addresses=frozenset(addresses),
        alternative_names=frozenset(str(name) for name in alternatives),
        qdisc=str(message.get("qdisc") or ""),
    )
