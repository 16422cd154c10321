"""What is done when functions die, lose their carrier or live again, and when tunnels between hosts break or heal.

What was seen is stored as alarms first, and those are what the tables are drawn by: a server that dies in between goes
on where it was. Then the bridges follow, those alone whose tables are others now.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from mano.domain.alarm import Alarm
from mano.domain.alarm_causes import Cause, reconcile
from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.service_chain import ChainState, ServiceChain
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.failure_causes import dark_causes, dead_causes, subjects_of, tunnel_causes
from mano.nfvo.forwarding_graphs import BETWEEN, CUT, DARK, DOWN, ForwardingGraphs, tunnels_cut, with_paths
from mano.nfvo.graph_translation import functions_of
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.service_paths import NetworkSight
from sfc.failover import Cut
from sfc.model import OnFailure, Topology


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known at one moment."""

    lives: Mapping[str, bool] = field(default_factory=dict)
    """Of functions that answered probes ever: whether they do."""
    dark: frozenset[str] | None = None
    """Functions one of whose ports has no carrier; ``None``: nobody has looked yet, what is stored holds."""
    cuts: frozenset[Cut] | None = None
    """Pairs of hosts whose tunnel carries nothing; ``None`` as above."""


class Reacting:
    """Stores what is seen and lets the bridges follow; safe for several threads."""

    def __init__(self, open_unit: UnitOfWorkFactory, graphs: ForwardingGraphs, clock: Clock, new_id: IdFactory) -> None:
        self._open_unit = open_unit
        self._graphs = graphs
        self._clock = clock
        self._new_id = new_id
        self._one_at_a_time = threading.Lock()
        self._seen = Seen()
        self._behind = False
        """The bridges have not followed what is stored."""

    def recall(self, topology: Topology) -> NetworkSight:
        """What stands in the alarms of tunnels and carriers, for those who look at them from now on."""
        with self._open_unit(read_only=True) as uow:
            standing = [alarm.key for alarm in uow.alarms.list(cleared_at=None)]
            cuts = tunnels_cut(uow)(sff.name for sff in topology.sffs)
        dark = {key.removeprefix(DARK) for key in standing if key.startswith(DARK)}
        with self._one_at_a_time:
            self._seen = Seen(self._seen.lives, frozenset(dark), cuts)
        known = [topology.function_by_id[each] for each in dark if each in topology.function_by_id]
        legs = [topology.port(leg) for function in known for leg in function.legs(True) if leg in topology.port_by_id]
        return NetworkSight(cuts, frozenset((leg.sff, leg.ofport) for leg in legs))

    def probed(self, lives: Mapping[str, bool]) -> None:
        """What probes through the functions say now."""
        with self._one_at_a_time:
            self._react(Seen(dict(lives), self._seen.dark, self._seen.cuts))

    def network_seen(self, topology: Topology, sight: NetworkSight) -> None:
        """What the bridges say of their ports and tunnels now."""
        with self._one_at_a_time:
            self._react(Seen(self._seen.lives, functions_at(topology, sight.dark), sight.cuts))

    def _react(self, now: Seen) -> None:
        begun = time.monotonic()
        plane = self._graphs.latest
        assert plane is not None
        self._seen = now
        with self._open_unit() as uow:
            standing = uow.alarms.list(cleared_at=None)
            dead = _still(standing, DOWN, now.lives) | {each for each, lives in now.lives.items() if not lives}
            chains = uow.chains.list()
            passed = functions_of(chains).keys()
            was = {key for alarm in standing for key in _functions((alarm.key,))}
            dark = _still(standing, DARK, {}) if now.dark is None else now.dark
            self._store(uow, standing, DARK, [c for each in sorted(dark) for c in dark_causes(each, plane, chains)])
            self._store(uow, standing, DOWN, [c for each in sorted(dead) for c in dead_causes(each, plane, chains)])
            told = self._announce(uow, was & passed, (dead | dark) & passed, chains)
            if now.cuts is not None:
                self._store(uow, standing, CUT, tunnel_causes(now.cuts, plane, chains))
                told += self._announce_cuts(uow, standing, now.cuts, plane.topology)
            self._behind = self._behind or bool(told)
        self._follow(plane)
        took_ms = round((time.monotonic() - begun) * 1000)
        for what in told:
            structlog.get_logger(__name__).warning("the data plane reacted", what=what, reaction_ms=took_ms)

    def catch_up(self) -> None:
        """Let the bridges follow if they could not when it happened."""
        with self._one_at_a_time:
            if self._behind and self._graphs.latest is not None:
                self._follow(None)

    def _follow(self, since: DataPlane | None) -> None:
        if self._behind:
            self._show_paths(self._graphs.refresh((), since=since))
            self._behind = False

    def _store(self, uow: UnitOfWork, standing: Sequence[Alarm], kind: str, causes: Sequence[Cause]) -> None:
        found = reconcile(kind.rstrip("/"), standing, causes, now=self._clock.now())
        for alarm in found.new:
            uow.alarms.add(alarm)
        for alarm in found.changed:
            uow.alarms.save(alarm)

    def _show_paths(self, plane: DataPlane) -> None:
        """What the chains pass now."""
        with self._open_unit() as uow:
            for chain in uow.chains.list():
                if chain.state == ChainState.ACTIVE and chain.id in plane.ways:
                    shown = with_paths(chain, plane.ways[chain.id], plane.topology)
                    if shown.paths != chain.paths:
                        uow.chains.save(shown)

    def _announce(
        self, uow: UnitOfWork, before: Collection[str], after: Collection[str], chains: Sequence[ServiceChain]
    ) -> list[str]:
        told = []
        for function in sorted(set(before) ^ set(after)):
            verb = "failed" if function in after else "recovered"
            concerned = [chain for chain in chains if function in functions_of([chain])]
            described = functions_of(concerned).get(function, {})
            data = {
                "name": described.get("name", function),
                "onFailure": described.get("onFailure", OnFailure.CLOSED.value),
                "chains": [{"id": chain.id, "name": chain.name} for chain in concerned],
            }
            self._tell(uow, "service-function", verb, function, data, concerned)
            told.append(f"service function {function} {verb}")
        return told

    def _announce_cuts(
        self, uow: UnitOfWork, standing: Sequence[Alarm], cuts: Collection[Cut], topology: Topology
    ) -> list[str]:
        told = []
        was = {alarm.key.removeprefix(CUT) for alarm in standing if alarm.key.startswith(CUT)}
        now = subjects_of(cuts, [sff.name for sff in topology.sffs])
        for subject in sorted({each for each in was if "/" not in each} ^ now):
            verb = "lost" if subject in now else "restored"
            ends = subject.split(BETWEEN)
            if len(ends) > 1 and not (now if verb == "restored" else was).isdisjoint(ends):
                continue  # told of the whole host
            noun = "tunnel" if len(ends) > 1 else "underlay-host"
            self._tell(uow, noun, verb, subject, {"hosts": ends}, ())
            told.append(f"{noun} {subject} {verb}")
        return told

    def _tell(
        self,
        uow: UnitOfWork,
        noun: str,
        verb: str,
        subject: str,
        data: Mapping[str, Any],
        chains: Sequence[ServiceChain],
    ) -> None:
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun=noun,
                verb=verb,
                subject=subject,
                tenant_id=chains[0].tenant_id if chains else DEFAULT_TENANT,
                occurred_at=self._clock.now(),
                data=data,
            )
        )


def functions_at(topology: Topology, ports: Collection[tuple[str, int]]) -> frozenset[str]:
    """The functions one of whose legs is among these ports, by host and OpenFlow number."""
    if not ports:
        return frozenset()
    at = {(port.sff, port.ofport): port.id for port in topology.ports}
    dark = {at[place] for place in ports if place in at}
    return frozenset(each.id for each in topology.functions if not dark.isdisjoint(_legs(topology, each.id)))


def _legs(topology: Topology, function: str) -> Iterable[str]:
    known = topology.function_by_id[function]
    return (known.ingress,) if known.rewrites_5tuple else known.legs(True)


def _functions(keys: Iterable[str]) -> Iterable[str]:
    return (key.removeprefix(begin) for key in keys for begin in (DOWN, DARK) if key.startswith(begin))


def _still(standing: Sequence[Alarm], kind: str, lives: Mapping[str, bool]) -> set[str]:
    """The functions that alarms call dead, and of which nobody knows better."""
    keys = [alarm.key.removeprefix(kind) for alarm in standing if alarm.key.startswith(kind)]
    return {function for function in keys if lives.get(function) is not True}
