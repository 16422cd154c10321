"""OVSDB (RFC 7047): read and change the bridges and ports of one switch.

::

    with Database(location) as database:
        database.apply(EnsureBridge("br-int"), EnsurePort("br-int", "p1", ofport=1))

All commands of one ``apply`` are one transaction, and ``apply`` returns when ovs-vswitchd has carried it out.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from sfc.ovs.commands import Command, EnsureBridge, EnsurePort, WrongBridge
from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchRefused, SwitchTimeout
from sfc.ovs.jsonrpc import JsonRpc
from sfc.ovs.location import SwitchLocation
from sfc.ovs.rows import Operation, select
from sfc.ovs.switch_state import BridgeState, PortState, Snapshot, read_snapshot, snapshot_operations

DATABASE = "Open_vSwitch"
_ATTEMPTS = 5
_POLL_S = 0.002


class Database:
    """One connection to a switch's ovsdb-server, for one thread, closed at the end of a piece of work."""

    def __init__(self, location: SwitchLocation, *, timeout: float = 5.0) -> None:
        self._location = location
        self._rpc = JsonRpc(location.host, location.database_socket, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._rpc.close()

    def apply(self, *commands: Command, timeout: float = 10.0, wait: bool = True) -> Snapshot:
        """Make all commands true in one transaction; returns what is there then.

        ``timeout`` in seconds covers the transaction and, unless ``wait`` is False, ovs-vswitchd's carrying it out.
        Raises :class:`SwitchRefused` when the switch reports an error for a port that a command names (no such
        device, number taken), :class:`SwitchTimeout`, and :class:`~sfc.ovs.errors.SwitchUnreachable`.
        """
        deadline = time.monotonic() + timeout
        for _ in range(_ATTEMPTS):
            now = self.snapshot()
            operations = self._plan(commands, now)
            if not operations:
                return self._accepted(commands, now)
            try:
                target = self._transact_change(operations, deadline)
            except _Overtaken:
                continue
            if not wait:
                return self.snapshot()
            self._await_configuration(target, deadline)
            return self._accepted(commands, self.snapshot())
        raise SwitchTimeout(self._location.host, f"other writers changed the switch {_ATTEMPTS} times in between")

    def snapshot(self) -> Snapshot:
        """All bridges and ports at this moment."""
        return read_snapshot(self.transact(snapshot_operations()))

    def bridges(self) -> dict[str, BridgeState]:
        return dict(self.snapshot().bridges)

    def ports(self, bridge: str) -> dict[str, PortState]:
        """Ports of one bridge by name, its own internal port among them; empty for a bridge that does not exist."""
        return {name: port for name, port in self.snapshot().ports.items() if port.bridge == bridge}

    def transact(self, operations: list[Operation], *, timeout: float = 10.0) -> list[dict[str, Any]]:
        """The results of raw operations; raises :class:`SwitchRefused` with the first error."""
        results: list[dict[str, Any]] = self._rpc.call("transact", DATABASE, *operations, timeout=timeout)
        for result in results:
            if result and result.get("error"):
                raise SwitchRefused(self._location.host, f"OVSDB: {result['error']}: {result.get('details', '')}")
        return results

    def _plan(self, commands: tuple[Command, ...], now: Snapshot) -> list[Operation]:
        known = set(now.bridges) | {command.name for command in commands if isinstance(command, EnsureBridge)}
        for command in commands:
            if isinstance(command, EnsurePort) and command.bridge not in known:
                raise SwitchRefused(self._location.host, f"port {command.name}: there is no bridge {command.bridge}")
        try:
            return [operation for command in commands for operation in command.operations(now)]
        except WrongBridge as error:
            raise SwitchRefused(self._location.host, str(error), "remove it there first") from None

    def _transact_change(self, operations: list[Operation], deadline: float) -> int:
        """Commit, and return the configuration number that ovs-vswitchd has to reach."""
        bump = {"op": "mutate", "table": "Open_vSwitch", "where": [], "mutations": [["next_cfg", "+=", 1]]}
        try:
            results = self.transact(
                [*operations, bump, select("Open_vSwitch", "next_cfg")], timeout=max(0.001, deadline - time.monotonic())
            )
        except SwitchRefused as error:
            if "timed out" in error.message:  # RFC 7047 section 5.2.6: a guard did not hold
                raise _Overtaken from None
            raise
        return int(results[-1]["rows"][0]["next_cfg"])

    def _await_configuration(self, target: int, deadline: float) -> None:
        while True:
            row = self.transact([select("Open_vSwitch", "cur_cfg")])[0]["rows"][0]
            if int(row["cur_cfg"]) >= target:
                return
            if time.monotonic() >= deadline:
                ask(self._location, "version", timeout=1.0)  # raises SwitchUnreachable when nobody is there
                raise SwitchTimeout(self._location.host, "ovs-vswitchd did not carry out a change in time")
            time.sleep(_POLL_S)

    def _accepted(self, commands: tuple[Command, ...], now: Snapshot) -> Snapshot:
        for command in commands:
            for name in command.touches:
                self._check_port(now.ports.get(name))
        return now

    def _check_port(self, port: PortState | None) -> None:
        if port is None:
            return
        if port.error or (port.ofport is None and port.name != port.bridge):
            raise SwitchRefused(
                self._location.host,
                f"port {port.name}: {port.error or 'it got no OpenFlow number'}",
                "see ovs-vsctl show",
            )
        if port.requested_ofport is not None and port.ofport != port.requested_ofport:
            raise SwitchRefused(
                self._location.host,
                f"port {port.name} got OpenFlow number {port.ofport}, not {port.requested_ofport}",
                "another port of the bridge holds it",
            )


class _Overtaken(Exception):
    """A guard of the transaction did not hold any more."""
