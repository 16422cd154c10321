"""Keeping the data plane true: dead functions dealt with, bridges repaired, counters remembered.

Three threads of a server. One looks at the functions by probes, one listens to what the switches tell of tunnels,
carriers and their own start: :mod:`mano.nfvo.reacting` deals with either at once. The third compares the bridges with
what they are to hold, mends what differs, and reads the counters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.errors import CatenaError, DeadlineExceeded, Unreachable
from mano.nfvo.chain_counts import CountHistory, latency_of
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.forwarding_graphs import DOWN, ForwardingGraphs
from mano.nfvo.reacting import Reacting
from mano.nfvo.serving import active_functions
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.service_paths import Drift, FlowStatistics, NetworkSight, ServicePaths
from sfc.model import Topology

LOOK_S = 2.0
"""How often each bridge is compared: what differs is mended within this and the time of the comparison."""

LOOK_AGAIN_S = 0.5
"""How often a bridge is tried that did not answer: it comes back empty."""

PATIENCE_S = 0.25
"""How long the watch of functions waits before it looks whether there are others."""

RESTORE_S, RESTORE_AGAIN_S = 3.0, 0.05
"""How long a switch that has started anew is tried, and how often; it is looked at with all others after that."""

PAUSE_S = 1.0
"""Before a watch that failed is begun anew."""

MEASURED_AT_ONCE, MEASURE_WAIT_S = 2, 0.3
"""Paths whose latency is measured each time that counters are read; how long an answer may take."""

AT_ONCE = 8
"""Bridges read side by side."""

OBSERVER = DOWN.rstrip("/")


class Keeper:
    """Watches and mends while a server runs."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        graphs: ForwardingGraphs,
        paths: ServicePaths,
        clock: Clock,
        new_id: IdFactory,
        counts: CountHistory,
    ) -> None:
        self._open_unit = open_unit
        self._graphs = graphs
        self._paths = paths
        self._clock = clock
        self._new_id = new_id
        self._counts = counts
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []
        self._lives: dict[str, bool] = {}
        self._measured = 0
        self._reacting = Reacting(open_unit, graphs, clock, new_id)

    def start(self) -> None:
        """Begin to watch."""
        self._over.clear()
        self._threads = [
            threading.Thread(target=self._forever, args=(task,), name=name, daemon=True)
            for name, task in (
                ("catena-functions", self._watch_functions),
                ("catena-network", self._watch_network),
                ("catena-bridges", self._keep_bridges),
            )
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the threads; they are at a device for a few seconds at most."""
        self._over.set()
        for thread in self._threads:
            thread.join(timeout=15)
        self._threads = []

    def _forever(self, task: Callable[[], None]) -> None:
        while not self._over.is_set():
            try:
                task()
            except CatenaError as error:
                structlog.get_logger(__name__).warning("watching was interrupted", code=error.code, detail=error.detail)
            except Exception:
                structlog.get_logger(__name__).exception("watching failed")
            self._over.wait(PAUSE_S)

    # Functions

    def _watch_functions(self) -> None:
        """Watch the functions of the present topology, until it is another one."""
        plane = self._graphs.latest
        if plane is None or not plane.topology.functions:
            return
        known = {function: False for function in plane.down}
        watch = self._paths.watch(plane.topology, self._lives | known)
        if watch is None:
            self._over.wait()
            return
        try:
            while not self._over.is_set() and self._is_present(plane.topology):
                if watch.changes(PATIENCE_S):
                    self._lives = dict(watch.lives())
                    self._reacting.probed(self._lives)
        finally:
            watch.close()

    def _is_present(self, topology: Topology) -> bool:
        latest = self._graphs.latest
        return latest is not None and (latest.topology is topology or latest.topology == topology)

    def functions_changed(self, lives: Mapping[str, bool]) -> None:
        """Store which functions live and which do not, and let the bridges follow."""
        self._reacting.probed(lives)

    # Tunnels, carriers, switches

    def _watch_network(self) -> None:
        """Watch the bridges while there are these hosts."""
        plane = self._graphs.latest
        if plane is None or not plane.topology.sffs:
            return
        sffs = plane.topology.sffs
        known = self._reacting.recall(plane.topology)
        self._reacting.network_seen(plane.topology, known)  # what was told of hosts and functions that are gone is over
        watch = self._paths.watch_network(plane.topology, known)
        if watch is None:
            self._over.wait()
            return
        try:
            while not self._over.is_set():
                latest = self._graphs.latest
                if latest is None or latest.topology.sffs != sffs:
                    return
                sight = watch.changes(PATIENCE_S)
                if sight is not None:
                    self.network_changed(sight)
                self._reacting.catch_up()
        finally:
            watch.close()

    def network_changed(self, sight: NetworkSight) -> None:
        """Restore switches that started anew, then deal with tunnels and carriers."""
        for host in sorted(sight.anew):
            self._restore(host)
        plane = self._graphs.latest
        if plane is not None:
            self._reacting.network_seen(plane.topology, sight)

    def _restore(self, host: str) -> None:
        """Everything that a switch forgot when it ended."""
        begun = time.monotonic()
        log = structlog.get_logger(__name__)
        while not self._over.is_set():
            took_s = time.monotonic() - begun
            try:
                self._paths.revive(host)
                self._mend([host])
            except CatenaError as error:  # it may answer before it knows everything
                if took_s > RESTORE_S:
                    log.warning("a switch that started anew was not restored", host=host, detail=error.detail)
                    return
                self._over.wait(RESTORE_AGAIN_S)
                continue
            log.warning("a switch started anew", host=host, restored_ms=round((time.monotonic() - begun) * 1000))
            return

    # Bridges

    def _keep_bridges(self) -> None:
        """Compare, mend, count; again and again."""
        due: dict[str, float] = {}
        count_at = 0.0
        with ThreadPoolExecutor(AT_ONCE, "catena-bridges") as pool:
            while not self._over.wait(LOOK_AGAIN_S / 2):
                plane = self._graphs.latest
                if plane is None:
                    continue
                now = time.monotonic()
                hosts = [host for host in plane.tables if due.get(host, 0.0) <= now]
                if hosts:
                    looked = dict(zip(hosts, pool.map(partial(self._look, plane), hosts), strict=True))
                    took = time.monotonic() - now
                    for host, drift in looked.items():
                        due[host] = now + (LOOK_AGAIN_S if drift is None else max(LOOK_S, 10 * took))
                    if self._graphs.latest is plane:  # else they were compared with what is no more
                        self._mend([host for host, drift in looked.items() if drift])
                if plane.ways and count_at <= now:
                    count_at = now + self._counts.every_s
                    self._count(plane, pool)

    def _look(self, plane: DataPlane, host: str) -> Drift | None:
        """Where the bridge differs; ``None`` when it does not answer."""
        try:
            return next(iter(self._paths.drift({host: plane.tables[host]})))
        except (Unreachable, DeadlineExceeded):
            return None

    def _mend(self, hosts: Collection[str]) -> None:
        """Compare again while nobody else programs, and mend what still differs."""
        if not hosts:
            return
        for drift in self._graphs.repair(hosts):
            structlog.get_logger(__name__).warning(
                "a bridge was repaired", host=drift.host, missing=len(drift.missing), foreign=len(drift.foreign)
            )
            with self._open_unit() as uow:
                uow.outbox.append(
                    Event(
                        id=self._new_id(),
                        noun="bridge",
                        verb="repaired",
                        subject=drift.host,
                        tenant_id=DEFAULT_TENANT,
                        occurred_at=self._clock.now(),
                        data={"missing": len(drift.missing), "foreign": len(drift.foreign)},
                    )
                )

    def _count(self, plane: DataPlane, pool: ThreadPoolExecutor) -> None:
        hosts = sorted({host for chain in plane.ways for host in plane.hosts_of(chain)})
        found = dict(zip(hosts, pool.map(self._counters, hosts), strict=True))
        read = {host: counters for host, counters in found.items() if counters is not None}
        self._measure(plane)
        self._counts.add(self._clock.now(), plane, read, active_functions(self._paths, plane))

    def _measure(self, plane: DataPlane) -> None:
        """Probe a few paths, others each time: responders answer so many requests a second, and people ask too."""
        rsps = [rsp for one in plane.chains for rsp in one.rsps if plane.topology.sff(rsp.start_sff).oam_ofport]
        for _ in range(min(MEASURED_AT_ONCE, len(rsps))):
            self._measured = (self._measured + 1) % len(rsps)
            rsp = rsps[self._measured]
            try:
                found = self._paths.probe(plane.topology, rsp.start_sff, rsp.spi, wait_s=MEASURE_WAIT_S)
            except CatenaError:
                continue
            self._counts.measured(rsp.spi, latency_of(rsp, found, self._clock.now()))

    def _counters(self, host: str) -> Sequence[FlowStatistics] | None:
        try:
            return self._paths.statistics(host)
        except CatenaError:
            return None
