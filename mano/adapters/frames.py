"""Frames as they really pass the hosts: one is sent through a bridge, and seen wherever it comes by.

A socket in each host's namespace sees every interface there. The frame is known by a token in its payload, so whatever
functions and tunnels do to its headers, it is found again; the kernel's clock orders what was seen.
"""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mano.adapters.vim_local import netns
from mano.ports.service_paths import SeenFrame
from sfc.model import Topology
from sfc.ovs.location import SwitchLocation
from sfc.ovs.openflow import OpenFlow
from sfc.ovs.ovsdb import Database

ETH_P_ALL = 0x0003
PACKET_OUTGOING = 4
SO_TIMESTAMPNS = 35
SO_RCVBUFFORCE = 33
BUFFER_OCTETS = 16 << 20
LARGEST_FRAME = 65535
QUIET_S = 0.3
"""When nothing more was seen for so long, the frame has arrived."""


@dataclass
class _Post:
    """A host's socket with the names of what it sees."""

    host: str
    socket: socket.socket
    ports: Mapping[str, str]
    """Interface to port identifier, of the integration bridge."""
    uplinks: frozenset[str]


def follow(
    locations: Mapping[str, SwitchLocation],
    topology: Topology,
    bridge: str,
    port_id: str,
    frame: bytes,
    token: bytes,
    wait_s: float,
) -> tuple[SeenFrame, ...]:
    """Send the frame through a bridge as if a port's station had sent it; everything that was seen of it, in order."""
    port = topology.port(port_id)
    with contextlib.ExitStack() as stack:
        posts = [stack.enter_context(_post(host, at, topology, bridge)) for host, at in locations.items()]
        with OpenFlow(locations[port.sff], bridge) as switch:
            switch.packet_out(port.ofport, frame)
        seen = list(_seen(posts, token, wait_s))
    return tuple(sorted(seen, key=lambda each: each.at))


@contextlib.contextmanager
def _post(host: str, location: SwitchLocation, topology: Topology, bridge: str) -> Iterator[_Post]:
    ids = {port.ofport: port.id for port in topology.ports if port.sff == host}
    with Database(location) as database:
        inner = {state.name: ids[state.ofport] for state in database.ports(bridge).values() if state.ofport in ids}
        # A bridge's own port is called like it: what passes it passes the uplink too.
        beside = [name for name in database.bridges() if name != bridge]
        others = {name for other in beside for name in database.ports(other) if name != other}
    opened = netns.inside(location.namespace, _open) if location.namespace else _open()
    with opened:
        yield _Post(host, opened, inner, frozenset(others))


def _open() -> socket.socket:
    opened = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    opened.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
    opened.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    opened.setblocking(False)
    return opened


def _seen(posts: list[_Post], token: bytes, wait_s: float) -> Iterator[SeenFrame]:
    """What bears the token, until nothing more comes or the time is over."""
    deadline = time.monotonic() + wait_s
    quiet = deadline
    by_socket = {post.socket: post for post in posts}
    while (left := min(deadline, quiet) - time.monotonic()) > 0:
        for ready in select.select(list(by_socket), [], [], left)[0]:
            for seen in _read(by_socket[ready], token):
                quiet = time.monotonic() + QUIET_S
                yield seen


def _read(post: _Post, token: bytes) -> Iterator[SeenFrame]:
    while True:
        try:
            data, ancillary, _, (interface, _, kind, *_) = post.socket.recvmsg(LARGEST_FRAME, 64)
        except BlockingIOError:
            return
        if token not in data:
            continue
        is_uplink = interface in post.uplinks
        if not is_uplink and interface not in post.ports:
            continue
        yield SeenFrame(
            host=post.host,
            port_id="" if is_uplink else post.ports[interface],
            outgoing=kind == PACKET_OUTGOING,
            at=_time_of(ancillary),
            data=data,
        )


def _time_of(ancillary: list[tuple[int, int, bytes]]) -> float:
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, SO_TIMESTAMPNS):
            seconds, nanoseconds = struct.unpack("qq", data[:16])
            return float(seconds) + float(nanoseconds) / 1e9
    return time.time()
