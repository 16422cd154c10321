"""What happens to the bridges of all hosts, told by themselves: tunnels, carrier, and switches that start anew.

::

    with NetworkWatch(topology.sffs, locations) as watch:
        while running:
            if (sight := watch.changes(timeout=1.0)) is not None:
                print(sight.cuts, sight.dark, sight.anew)

Nothing is polled: the databases tell what is new of their interfaces, BFD among it (:mod:`sfc.ovs.tunnels`), and the
connection to an ``ovs-vswitchd`` closes with it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from sfc.failover import Cut
from sfc.model.topology import Sff
from sfc.ovs.control import ask
from sfc.ovs.errors import SwitchError
from sfc.ovs.jsonrpc import connect_unix
from sfc.ovs.location import SwitchLocation
from sfc.ovs.monitor import InterfaceState, SwitchMonitor
from sfc.ovs.tunnels import Tunnels, bfd_name

AGAIN_S = 0.5
"""Between two attempts to reach a database."""

ANSWER_S = 1.0
"""How long one may take to answer."""

SOON_S = 0.02
"""Between two attempts to reach an ``ovs-vswitchd`` that ended: its start is to be noticed at once."""

SOON_FOR_S = 10.0
"""For so long; after that as seldom as a database."""


@dataclass(frozen=True, slots=True)
class Sight:
    """How things stand."""

    cuts: frozenset[Cut] = frozenset()
    """Tunnels that carry nothing."""
    dark: frozenset[tuple[str, int]] = frozenset()
    """(SFF, OpenFlow port) of ports that had a carrier and have none now."""
    anew: frozenset[str] = frozenset()
    """Forwarders whose switch has started anew since the last sight: they have forgotten everything."""


@dataclass
class _Link:
    """One host's two connections, and what its ports were when they were seen last."""

    host: str
    location: SwitchLocation
    monitor: SwitchMonitor | None = None
    control: socket.socket | None = None
    lost_at: float | None = None
    """When ovs-vswitchd ended; None while it is there, or was not there ever."""
    try_monitor_at: float = 0.0
    try_control_at: float = 0.0
    lit: dict[str, int] = field(default_factory=dict)
    """OpenFlow number, by name, of ports that were seen with a carrier."""


class NetworkWatch:
    """Watches every bridge of ``locations``. For one thread; :meth:`changes` does all the work."""

    def __init__(
        self, sffs: Iterable[Sff], locations: Mapping[str, SwitchLocation], *, known: Sight | None = None
    ) -> None:
        """``locations`` by SFF name; ``known`` is what another watch saw last. Raises nothing for who is not there."""
        self._peers = {bfd_name(sff): sff.name for sff in sffs}
        self._links = [_Link(host, location) for host, location in sorted(locations.items())]
        self._before = Sight() if known is None else Sight(known.cuts, known.dark)
        self._tunnels = Tunnels(self._before.cuts)
        self._dark = set(self._before.dark)
        self._anew: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of every switch."""
        for link in self._links:
            self._drop_monitor(link)
            self._drop_control(link)

    def changes(self, timeout: float) -> Sight | None:
        """How things stand once they are other than the last time; None when nothing changed in ``timeout`` seconds."""
        deadline = time.monotonic() + timeout
        while True:
            for link in self._links:
                self._reach(link)
            now = time.monotonic()
            sight = Sight(self._tunnels.cuts(now), frozenset(self._dark), frozenset(self._anew))
            if sight != self._before:
                self._before = Sight(sight.cuts, sight.dark)
                self._anew.clear()
                return sight
            if now >= deadline:
                return None
            self._wait(min(deadline - now, self._patience(now)))

    def _patience(self, now: float) -> float:
        """Seconds until something is to be done although nobody said anything."""
        waits = [wait] if (wait := self._tunnels.wait(now)) is not None else []
        waits += [link.try_monitor_at - now for link in self._links if link.monitor is None]
        waits += [link.try_control_at - now for link in self._links if link.control is None]
        return max(0.001, min(waits, default=60.0))

    def _wait(self, timeout: float) -> None:
        speaking = {link.monitor.fileno(): link for link in self._links if link.monitor is not None}
        ending = {link.control.fileno(): link for link in self._links if link.control is not None}
        if not speaking and not ending:
            time.sleep(timeout)
            return
        for number in select.select([*speaking, *ending], [], [], timeout)[0]:
            if number in speaking:
                self._hear(speaking[number])
            else:
                self._hung_up(ending[number])

    def _reach(self, link: _Link) -> None:
        now = time.monotonic()
        if link.control is None and now >= link.try_control_at:
            soon = link.lost_at is not None and now - link.lost_at < SOON_FOR_S
            link.try_control_at = now + (SOON_S if soon else AGAIN_S)
            with contextlib.suppress(SwitchError):
                if link.lost_at is not None:  # one that is dying still takes connections, but says nothing
                    ask(link.location, "version", timeout=ANSWER_S)
                link.control = connect_unix(link.host, link.location.control_socket, ANSWER_S)
                if link.lost_at is not None:
                    link.lost_at = None
                    self._anew.add(link.host)
                    self._tunnels.starts_anew(link.host, now)
        if link.monitor is None and now >= link.try_monitor_at:
            link.try_monitor_at = now + AGAIN_S
            with contextlib.suppress(SwitchError):
                link.monitor = SwitchMonitor(link.location, timeout=ANSWER_S)
                for state in link.monitor.interfaces.values():
                    self._learn(link, state)
                self._hear(link)  # what came with the answer makes no socket readable

    def _hear(self, link: _Link) -> None:
        if link.monitor is None:
            return
        try:
            changed = link.monitor.changes(0.0)
        except SwitchError:
            self._drop_monitor(link)
            self._says_nothing(link)
            return
        for state in changed:
            self._learn(link, state)

    def _learn(self, link: _Link, state: InterfaceState) -> None:
        if state.name in self._peers:
            # While ovs-vswitchd is away, its database goes on telling what it said last.
            said = None if state.gone or link.control is None else state.forwarding
            self._tunnels.tell(link.host, self._peers[state.name], said, time.monotonic())
        elif state.gone:
            self._dark.discard((link.host, link.lit.pop(state.name, 0)))
        elif state.ofport is not None and state.link_up:
            link.lit[state.name] = state.ofport
            self._dark.discard((link.host, state.ofport))
        elif state.name in link.lit:
            self._dark.add((link.host, link.lit[state.name]))
        elif state.ofport is not None and (link.host, state.ofport) in self._dark:
            link.lit[state.name] = state.ofport

    def _hung_up(self, link: _Link) -> None:
        """The switch has ended; who lost it says so, and it says nothing."""
        self._drop_control(link)
        link.lost_at = time.monotonic()
        link.try_control_at = 0.0
        self._says_nothing(link)

    def _says_nothing(self, link: _Link) -> None:
        now = time.monotonic()
        for peer in self._peers.values():
            if peer != link.host:
                self._tunnels.tell(link.host, peer, None, now)

    @staticmethod
    def _drop_monitor(link: _Link) -> None:
        if link.monitor is not None:
            link.monitor.close()
            link.monitor = None

    @staticmethod
    def _drop_control(link: _Link) -> None:
        if link.control is not None:
            link.control.close()
            link.control = None
