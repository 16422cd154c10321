"""vhost-user: the two ends of a socket between a switch and a VNF.

The side that listens is the server. A switch that is the client (`dpdkvhostuserclient`) reconnects when the VNF comes
back, and lives through its own restart, so that is the way Catena uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from dpdk_helpers.eal import Vdev

MAX_SOCKET_PATH = 107
"""Octets of a UNIX socket's path, the closing NUL left out (unix(7))."""

MAX_QUEUE_PAIRS = 128
"""Queue pairs of one vhost-user port in DPDK (VHOST_MAX_QUEUE_PAIRS)."""

_PATH = re.compile(r"/[A-Za-z0-9_./-]+")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,15}")


class VhostError(ValueError):
    """A path, name or number that no vhost-user port can have."""


@dataclass(frozen=True, slots=True)
class VhostPort:
    """A port of a switch and its socket; `queues` counts pairs. The VNF is the server."""

    name: str
    socket: str
    queues: int = 1

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise VhostError(f"expected an interface name of at most 15 characters, found {self.name[:40]!r}")
        if _PATH.fullmatch(self.socket) is None or len(self.socket) > MAX_SOCKET_PATH or ".." in self.socket:
            raise VhostError(
                f"expected an absolute path of at most {MAX_SOCKET_PATH} octets, found {self.socket!r:.80}"
            )
        if not 1 <= self.queues <= MAX_QUEUE_PAIRS:
            raise VhostError(f"expected 1 to {MAX_QUEUE_PAIRS} queue pairs, found {self.queues}")

    def ovs_interface(self) -> dict[str, str | dict[str, str]]:
        """The columns of the switch's Interface record."""
        return {"type": "dpdkvhostuserclient", "options": {"vhost-server-path": self.socket}}

    def virtio_user(self, index: int) -> Vdev:
        """The VNF's end as a device of a DPDK application, `index` telling its devices apart."""
        return Vdev(f"net_virtio_user{index}", {"path": self.socket, "server": 1, "queues": self.queues})
