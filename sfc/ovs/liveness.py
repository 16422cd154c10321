"""Which functions live, as the responders of their bridges find out by probes through them (:mod:`sfc.liveness`).

::

    with LivenessMonitor(topology, locations) as monitor:
        for event in monitor.events(timeout=1.0):
            tables = renderer.render(topology, chains, down=monitor.down)

A function is ``down`` from the moment that it is found dead until it is found alive again. One that never answered is
not: its policy starts to count once it was seen alive.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from sfc.liveness import Life, Watch, watches
from sfc.model.topology import Topology
from sfc.ovs.errors import SwitchError, SwitchRefused
from sfc.ovs.jsonrpc import connect_unix
from sfc.ovs.liveness_agent import order_document
from sfc.ovs.location import SwitchLocation

INTERVAL_MS, MISSES, ANSWERS = 75, 3, 3
"""A dead function is found within four intervals: 300 ms."""
_AGAIN_S = 0.5
"""Between two attempts to reach a responder."""


@dataclass(frozen=True, slots=True)
class LivenessEvent:
    """What is new. ``function`` is None when the responder of ``host`` is lost or back, and with it its sight."""

    host: str
    function: str | None
    life: Life


@dataclass
class _Link:
    location: SwitchLocation
    watches: tuple[Watch, ...]
    connection: socket.socket | None = None
    received: bytearray = field(default_factory=bytearray)
    next_try: float = 0.0


class LivenessMonitor:
    """Watches every function of a topology that can be probed. For one thread; :meth:`events` does all the work."""

    def __init__(
        self,
        topology: Topology,
        locations: Mapping[str, SwitchLocation],
        *,
        interval_ms: int = INTERVAL_MS,
        misses: int = MISSES,
        answers: int = ANSWERS,
    ) -> None:
        """``locations`` of the switches by SFF name; functions of others are not watched."""
        self._order = (interval_ms, misses, answers)
        self._links = [
            _Link(location, found) for sff, location in locations.items() if (found := watches(topology, sff))
        ]
        self.lives: dict[str, Life] = {watch.function: Life.UNKNOWN for link in self._links for watch in link.watches}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """The responders stop probing."""
        for link in self._links:
            self._hang_up(link)

    @property
    def down(self) -> frozenset[str]:
        """Functions found dead: what ``render``, ``verify`` and ``plan_chain`` take as ``down``."""
        return frozenset(function for function, life in self.lives.items() if life is Life.DEAD)

    def events(self, timeout: float) -> list[LivenessEvent]:
        """What changed; waits ``timeout`` seconds at most for the first change, [] when there was none.

        A responder that cannot be reached is tried again twice a second; what was known of its functions stays.
        """
        deadline = time.monotonic() + timeout
        while True:
            found = [event for link in self._links for event in self._reach(link)]
            left = 0.0 if found else max(0.0, deadline - time.monotonic())
            ready = self._wait(left)
            found += [event for link in ready for event in self._read(link)]
            if found or time.monotonic() >= deadline:
                return found

    def _wait(self, left: float) -> list[_Link]:
        linked = {link.connection: link for link in self._links if link.connection is not None}
        lost = len(linked) < len(self._links)
        if not linked:
            time.sleep(min(left, _AGAIN_S))
            return []
        ready = select.select(list(linked), [], [], min(left, _AGAIN_S) if lost else left)[0]
        return [linked[connection] for connection in ready]

    def _reach(self, link: _Link) -> list[LivenessEvent]:
        if link.connection is not None or time.monotonic() < link.next_try:
            return []
        again = link.next_try > 0
        link.next_try = time.monotonic() + _AGAIN_S
        with contextlib.suppress(SwitchError, OSError):
            link.connection = connect_unix(link.location.host, link.location.rundir / "oam.sock", 1.0)
            known = {watch: self.lives[watch.function] for watch in link.watches}
            order = json.dumps(order_document(known, *self._order))
            link.connection.sendall(order.encode() + b"\n")
            link.received.clear()
            return [LivenessEvent(link.location.host, None, Life.ALIVE)] if again else []
        self._hang_up(link)
        return []

    def _read(self, link: _Link) -> list[LivenessEvent]:
        try:
            chunk = link.connection.recv(65536) if link.connection is not None else b""
        except OSError:
            chunk = b""
        if not chunk:
            self._hang_up(link)
            return [LivenessEvent(link.location.host, None, Life.UNKNOWN)]
        link.received += chunk
        *lines, rest = bytes(link.received).split(b"\n")
        link.received = bytearray(rest)
        return [event for line in lines for event in self._learn(link, line)]

    def _learn(self, link: _Link, line: bytes) -> list[LivenessEvent]:
        told = json.loads(line)
        if "error" in told:
            raise SwitchRefused(link.location.host, f"liveness: {told['error']}")
        function, life = str(told["function"]), Life(told["life"])
        # A responder that starts anew knows nothing; what was known before holds until it knows better.
        if life is Life.UNKNOWN or function not in self.lives or self.lives[function] is life:
            return []
        self.lives[function] = life
        return [LivenessEvent(link.location.host, function, life)]

    def _hang_up(self, link: _Link) -> None:
        if link.connection is not None:
            link.connection.close()
            link.connection = None
