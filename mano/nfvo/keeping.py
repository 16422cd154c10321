"""Keeping the data plane true: dead functions dealt with, bridges repaired, counters remembered.

Two threads of a server. One looks at the functions: when one dies, an alarm is stored, which is also what the tables
are drawn by, and the bridges follow at once. The other compares the bridges with what they are to hold, mends what
differs, and reads the counters.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import structlog

from mano.domain.alarm import AlarmLevel, EventType, FaultyResourceType, PerceivedSeverity
from mano.domain.alarm_causes import Cause, reconcile
from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.service_chain import ChainState, ServiceChain
from mano.errors import CatenaError, DeadlineExceeded, Unreachable
from mano.nfvo.chain_counts import CountHistory
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.forwarding_graphs import DOWN, ForwardingGraphs, with_paths
from mano.nfvo.graph_translation import functions_of
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.service_paths import Drift, FlowStatistics, FunctionWatch, ServicePaths
from sfc.model import OnFailure, Topology

LOOK_S = 2.0
"""How often each bridge is compared: what differs is mended within this and the time of the comparison."""

LOOK_AGAIN_S = 0.5
"""How often a bridge is tried that did not answer: it comes back empty."""

PATIENCE_S = 0.25
"""How long the watch of functions waits before it looks whether there are others."""

PAUSE_S = 1.0
"""Before a watch that failed is begun anew."""

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

    def start(self) -> None:
        """Begin to watch."""
        self._over.clear()
        self._threads = [
            threading.Thread(target=self._forever, args=(task,), name=name, daemon=True)
            for name, task in (("catena-functions", self._watch_functions), ("catena-bridges", self._keep_bridges))
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End both threads; they are at a device for a few seconds at most."""
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
                seen = watch.changes(PATIENCE_S)
                self._lives = dict(watch.lives())
                down = self._graphs.latest.down if self._graphs.latest else frozenset[str]()
                # A function that answers for the first time is nothing new.
                news = {function: lives for function, lives in seen.items() if lives is (function in down)}
                if news:
                    self.functions_changed(news, watch)
        finally:
            watch.close()

    def _is_present(self, topology: Topology) -> bool:
        latest = self._graphs.latest
        return latest is not None and (latest.topology is topology or latest.topology == topology)

    def functions_changed(self, changes: Mapping[str, bool], watch: FunctionWatch) -> None:
        """Store what died and what lives again, and let the bridges follow."""
        seen = time.monotonic()
        lives = watch.lives()
        plane = self._graphs.latest
        assert plane is not None
        with self._open_unit() as uow:
            standing = uow.alarms.list(cleared_at=None)
            dead = {alarm.key.removeprefix(DOWN) for alarm in standing if alarm.key.startswith(DOWN)}
            dead = {function for function in dead if lives.get(function) is not True}
            dead |= {function for function, lives_on in lives.items() if not lives_on}
            chains = uow.chains.list()
            causes = [cause for function in sorted(dead) for cause in causes_of(function, plane, chains)]
            found = reconcile(OBSERVER, standing, causes, now=self._clock.now())
            for alarm in found.new:
                uow.alarms.add(alarm)
            for alarm in found.changed:
                uow.alarms.save(alarm)
            for function, lives_on in changes.items():
                self._announce(uow, function, chains, "recovered" if lives_on else "failed")
        plane = self._graphs.refresh(())
        self._show_paths(plane, changes.keys())
        reaction = round((time.monotonic() - seen) * 1000)
        log = structlog.get_logger(__name__)
        for function, lives_on in changes.items():
            log.warning("a service function changed", function=function, lives=lives_on, reaction_ms=reaction)

    def _show_paths(self, plane: DataPlane, functions: Collection[str]) -> None:
        """What the chains of these functions pass now."""
        with self._open_unit() as uow:
            for chain in uow.chains.list():
                touched = functions_of([chain]).keys() & functions
                if touched and chain.state == ChainState.ACTIVE and chain.id in plane.ways:
                    uow.chains.save(with_paths(chain, plane.ways[chain.id], plane.topology))

    def _announce(self, uow: UnitOfWork, function: str, chains: Sequence[ServiceChain], verb: str) -> None:
        concerned = [chain for chain in chains if function in functions_of([chain])]
        described = functions_of(concerned).get(function, {})
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun="service-function",
                verb=verb,
                subject=function,
                tenant_id=concerned[0].tenant_id if concerned else DEFAULT_TENANT,
                occurred_at=self._clock.now(),
                data={
                    "name": described.get("name", function),
                    "onFailure": described.get("onFailure", OnFailure.CLOSED.value),
                    "chains": [{"id": chain.id, "name": chain.name} for chain in concerned],
                },
            )
        )

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
        self._counts.add(self._clock.now(), plane, read)

    def _counters(self, host: str) -> Sequence[FlowStatistics] | None:
        try:
            return self._paths.statistics(host)
        except CatenaError:
            return None


def causes_of(function: str, plane: DataPlane, chains: Sequence[ServiceChain]) -> Sequence[Cause]:
    """The alarm that a dead function is worth; none when no chain passes it any more."""
    concerned = [chain for chain in chains if function in functions_of([chain])]
    if not concerned:
        return ()
    described = functions_of(concerned)[function]
    policy = OnFailure(described.get("onFailure") or OnFailure.CLOSED)
    what_happens = {
        OnFailure.CLOSED: "its chains are closed until it is back",
        OnFailure.OPEN: "packets pass by it until it is back",
        OnFailure.NEXT: "another instance takes its packets where there is one",
    }
    known = plane.topology.function_by_id.get(function)
    host = plane.topology.port(known.ingress).sff if known else ""
    vnf = str(described.get("vnfInstanceId") or "")
    names = ", ".join(sorted(chain.name for chain in concerned))
    return (
        Cause(
            key=f"{DOWN}{function}",
            level=AlarmLevel.VNF if vnf else AlarmLevel.NS,
            managed_object_id=vnf or concerned[0].ns_instance_id or concerned[0].id,
            severity=PerceivedSeverity.MAJOR if policy is OnFailure.OPEN else PerceivedSeverity.CRITICAL,
            event_type=EventType.PROCESSING_ERROR,
            probable_cause="service function does not pass packets",
            tenant_id=concerned[0].tenant_id,
            fault_type="SERVICE_FUNCTION_DOWN",
            details=(
                f"{described['name']} on host {host or 'unknown'} gives no probe back",
                f"chains: {names}; {what_happens[policy]}",
            ),
            resource_type=FaultyResourceType.NETWORK,
            resource_id=str(described.get("ingress") or ""),
            component=str(described.get("vnfcId") or ""),
        ),
    )
