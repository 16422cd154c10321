"""Keeps one bridge as it shall be: what somebody else changed is put right, and all of it after a restart.

::

    keeper = BridgeKeeper(location, "br-int", tables, prepare=lambda: prepare_switch(location, neighbours=peers))
    while running:
        if repair := keeper.attend(timeout=1.0):
            print(repair)

``ovs-vswitchd`` keeps its flows in memory: when it ends they are gone. The keeper holds a connection to its control
socket, which closes with it, so that a restart is noticed at once; anything else by a look at the tables every
``period_s`` seconds, over one connection and without a process.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Self

from sfc.model.flows import FlowTables
from sfc.ovs.errors import SwitchError
from sfc.ovs.jsonrpc import connect_unix
from sfc.ovs.location import SwitchLocation
from sfc.ovs.openflow import TIMEOUT_S, OpenFlow, count_differences, make_equal

PERIOD_S = 2.0
_POLL_S = 0.01


class Why(StrEnum):
    """What made a repair necessary."""

    RESTART = "restart"
    DRIFT = "drift"


@dataclass(frozen=True, slots=True)
class Repair:
    """What was put right."""

    why: Why
    modifications: int
    took_s: float
    """Seconds from when the keeper knew, to the tables being whole again."""


class BridgeKeeper:
    """For one thread. ``tables`` may be assigned anew at any time: that is what the bridge shall hold from then on."""

    def __init__(
        self,
        location: SwitchLocation,
        bridge: str,
        tables: FlowTables,
        *,
        prepare: Callable[[], None] = lambda: None,
        generation: int | None = None,
        period_s: float = PERIOD_S,
        timeout: float = TIMEOUT_S,
    ) -> None:
        """``prepare`` does what a started ovs-vswitchd needs before its flows (:func:`~sfc.ovs.daemon.prepare_switch`).

        ``generation`` fences off older servers; ``timeout`` seconds for one repair.
        """
        self.tables = tables
        self._location, self._bridge = location, bridge
        self._prepare, self._generation = prepare, generation
        self._period_s, self._timeout = period_s, timeout
        self._control: socket.socket | None = None
        self._look_at = 0.0
        self._lost: float | None = None
        self._reach()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the bridge alone."""
        if self._control is not None:
            self._control.close()
            self._control = None

    @property
    def is_reachable(self) -> bool:
        """False while ovs-vswitchd is away."""
        return self._control is not None

    def attend(self, timeout: float) -> Repair | None:
        """Wait ``timeout`` seconds at most for something to put right; the repair that was made, or None.

        A switch that is away is waited for. Raises :class:`~sfc.ovs.errors.SwitchRefused` when it refuses a repair,
        as it does when a newer server holds it.
        """
        deadline = time.monotonic() + timeout
        while True:
            repair = self._after_restart() if self._lost is not None else self._look()
            left = deadline - time.monotonic()
            if repair is not None or left <= 0:
                return repair
            if self._control is None:
                time.sleep(min(_POLL_S, left))
            elif select.select([self._control], [], [], min(left, max(0.0, self._look_at - time.monotonic())))[0]:
                self._hung_up()

    def _hung_up(self) -> None:
        self.close()
        self._lost = time.monotonic()

    def _reach(self) -> bool:
        if self._control is None:
            with contextlib.suppress(SwitchError):
                self._control = connect_unix(self._location.host, self._location.control_socket, 1.0)
        if self._control is None:
            self._lost = self._lost or time.monotonic()
        return self._control is not None

    def _after_restart(self) -> Repair | None:
        if not self._reach():
            return None
        begun = time.monotonic()
        try:
            self._prepare()
            made = self._put_right()
        except SwitchError:
            if time.monotonic() - begun > self._timeout or self._is_there():
                raise
            self.close()
            return None
        self._lost = None
        return Repair(Why.RESTART, made, time.monotonic() - begun)

    def _is_there(self) -> bool:
        """The bridge answers OpenFlow, so what it refused it meant."""
        with contextlib.suppress(SwitchError), OpenFlow(self._location, self._bridge, timeout=1.0):
            return True
        return False

    def _look(self) -> Repair | None:
        if time.monotonic() < self._look_at:
            return None
        self._look_at = time.monotonic() + self._period_s
        try:
            with OpenFlow(self._location, self._bridge, timeout=self._timeout) as switch:
                if not count_differences(switch, self.tables):
                    return None
        except SwitchError:
            self._hung_up()
            return None
        begun = time.monotonic()
        made = self._put_right()
        return Repair(Why.DRIFT, made, time.monotonic() - begun)

    def _put_right(self) -> int:
        with OpenFlow(self._location, self._bridge, timeout=self._timeout) as switch:
            if self._generation is not None:
                switch.become_master(self._generation)
            return make_equal(switch, self.tables)
