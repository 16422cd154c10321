"""What happens to a switch's interfaces, as its database tells by itself (RFC 7047 section 4.1.5): nothing is polled.

::

    with SwitchMonitor(location) as monitor:
        for interface in monitor.changes(timeout=1.0):
            print(interface.name, interface.link_up, interface.forwarding)
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sfc.ovs.jsonrpc import JsonRpc
from sfc.ovs.location import SwitchLocation
from sfc.ovs.ovsdb import DATABASE
from sfc.ovs.rows import from_map, optional

_COLUMNS = ("name", "ofport", "link_state", "bfd_status", "error")


@dataclass(frozen=True, slots=True)
class InterfaceState:
    """An interface at one moment."""

    name: str
    ofport: int | None
    link_up: bool | None
    """None: the switch does not say."""
    forwarding: bool | None
    """What BFD (RFC 5880) says of the way to its other end; None where none runs."""
    error: str = ""
    gone: bool = False


class SwitchMonitor:
    """One connection to a switch's ovsdb-server. For one thread."""

    def __init__(self, location: SwitchLocation, *, timeout: float = 5.0) -> None:
        """Raises the errors of :mod:`sfc.ovs.errors`, as every method does when the database goes away."""
        self._rpc = JsonRpc(location.host, location.database_socket, timeout=timeout)
        self._rows: dict[str, InterfaceState] = {}
        wish = {"Interface": {"columns": list(_COLUMNS)}}
        self._learn(self._rpc.call("monitor", DATABASE, None, wish, timeout=timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the connection."""
        self._rpc.close()

    def fileno(self) -> int:
        """For ``select`` over many switches."""
        return self._rpc.fileno()

    @property
    def interfaces(self) -> dict[str, InterfaceState]:
        """All of them, by name."""
        return {state.name: state for state in self._rows.values()}

    def changes(self, timeout: float) -> list[InterfaceState]:
        """Interfaces that changed; waits ``timeout`` seconds at most for the first change."""
        deadline = time.monotonic() + timeout
        found: list[InterfaceState] = []
        while True:
            wait = 0.0 if found else max(0.0, deadline - time.monotonic())
            message = self._rpc.notification(wait + 0.001)
            if message is None:
                return found
            if message["method"] == "update":
                found += self._learn(message["params"][1])

    def _learn(self, updates: Any) -> list[InterfaceState]:
        changed = []
        for uuid, update in updates.get("Interface", {}).items():
            before = self._rows.pop(uuid, None)
            if "new" in update:
                state = self._rows[uuid] = _state(update["new"])
            elif before is not None:
                state = InterfaceState(before.name, None, None, None, gone=True)
            else:
                continue
            if state != before:
                changed.append(state)
        return changed


def _state(row: dict[str, Any]) -> InterfaceState:
    link, ofport = optional(row["link_state"]), optional(row["ofport"])
    bfd = from_map(row["bfd_status"])
    return InterfaceState(
        name=row["name"],
        ofport=ofport if ofport is not None and ofport > 0 else None,
        link_up=None if link is None else link == "up",
        forwarding=bfd["forwarding"] == "true" if "forwarding" in bfd else None,
        error=optional(row["error"]) or "",
    )
