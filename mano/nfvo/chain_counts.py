"""What the bridges count of chains: packets and octets per path and hop, drops, and how they went lately. Pure."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mano.domain.service_chain import ServiceChain
from mano.nfvo.data_plane import DataPlane
from mano.ports.service_paths import FlowStatistics, PathProbe
from sfc.model import Cookie, Direction, Hop, Kind, PlannedChain, Rsp, Topology
from sfc.statistics import Count, DropCount, HopCount, PathCount, drop_counts, drops_at_ports, path_counts

SAMPLE_S = 5.0
"""How often the counters are read for the history."""

SAMPLES_KEPT = 360
"""Half an hour of them."""

Counters = Mapping[str, Sequence[FlowStatistics]]
"""Every flow's counters by host."""


@dataclass(frozen=True, slots=True)
class PathLatency:
    """How long echo requests (RFC 9516) took along a path and back, in milliseconds.

    They pass by functions that speak no NSH: what is measured is the way, with the functions that do.
    """

    at: datetime
    whole_ms: float
    to_ms: Mapping[int, float]
    """To where a function is met, by service index."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known of paths beside the counters of flows."""

    active: Mapping[str, int] = field(default_factory=dict)
    """Connections that each function serves, of chains whose ends keep marks."""
    latencies: Mapping[int, PathLatency] = field(default_factory=dict)
    refused: Mapping[str, Sequence[DropCount]] = field(default_factory=dict)
    """What each port sent and was dropped, or answered instead, by its identifier."""


class CountHistory:
    """Samples of each chain's counters in the memory of this server; the oldest are forgotten."""

    def __init__(self, every_s: float = SAMPLE_S) -> None:
        self.every_s = every_s
        self._kept: dict[str, deque[Mapping[str, Any]]] = {}
        self._latencies: dict[int, PathLatency] = {}
        self._lock = threading.Lock()

    def of(self, chain_id: str) -> Sequence[Mapping[str, Any]]:
        """A chain's samples, oldest first."""
        with self._lock:
            return list(self._kept.get(chain_id, ()))

    def add(self, now: datetime, plane: DataPlane, counters: Counters, active: Mapping[str, int] | None = None) -> None:
        """One sample of every chain; those of chains that are gone are forgotten."""
        with self._lock:
            also = Beside(active or {}, dict(self._latencies))
        counts = {count.spi: count for count in counted(plane.chains, counters)}
        dropped = {host: list(drops({host: flows})) for host, flows in counters.items()}
        taken = {
            chain: _sample(now, plane, chain, counts, dropped, also)
            for chain in plane.ways
            if set(plane.hosts_of(chain)) <= counters.keys()
        }
        spis = {rsp.spi for one in plane.chains for rsp in one.rsps}
        with self._lock:
            for gone in self._kept.keys() - plane.ways.keys():
                del self._kept[gone]
            for chain, sample in taken.items():
                self._kept.setdefault(chain, deque(maxlen=SAMPLES_KEPT)).append(sample)
            self._latencies = {spi: found for spi, found in self._latencies.items() if spi in spis}

    def measured(self, spi: int, latency: PathLatency | None) -> None:
        """What probes along a path found last; ``None``: its end did not answer."""
        with self._lock:
            if latency is None:
                self._latencies.pop(spi, None)
            else:
                self._latencies[spi] = latency

    def latencies(self) -> Mapping[int, PathLatency]:
        """What was measured last, by service path identifier."""
        with self._lock:
            return dict(self._latencies)


def _sample(
    now: datetime,
    plane: DataPlane,
    chain: str,
    counts: Mapping[int, PathCount],
    dropped: Mapping[str, Sequence[Mapping[str, Any]]],
    also: Beside,
) -> Mapping[str, Any]:
    rsps = [rsp for one in plane.ways[chain] for rsp in one.rsps]
    reasons: dict[str, int] = {}
    for drop in (drop for host in plane.hosts_of(chain) for drop in dropped[host]):
        reasons[drop["reason"]] = reasons.get(drop["reason"], 0) + drop["packets"]
    return {
        "time": _text(now),
        "paths": [_path_sample(counts[rsp.spi], also) for rsp in rsps],
        "active": {name: also.active[name] for rsp in rsps for name in rsp.functions if name in also.active},
        "drops": reasons,
    }


def _path_sample(count: PathCount, also: Beside) -> Mapping[str, Any]:
    latency = also.latencies.get(count.spi)
    return {
        "direction": "forward" if count.direction is Direction.FORWARD else "reverse",
        "spi": count.spi,
        "classified": count.entered.packets,
        "endPackets": count.left.packets,
        "endBytes": count.left.octets,
        "hops": [hop.handed.packets for hop in count.hops],
        "latencyMs": None if latency is None else latency.whole_ms,
    }


def functions_called(chain: ServiceChain) -> Mapping[str, str]:
    """Names of the chain's functions, of both its versions, by identifier."""
    specs = [chain.spec, chain.change.spec if chain.change else {}]
    return {function["id"]: function["name"] for spec in specs for function in spec.get("functions", ())}


def direction_of(rsp: Rsp) -> str:
    """``forward`` or ``reverse``."""
    return "forward" if rsp.direction is Direction.FORWARD else "reverse"


def probed_path(rsp: Rsp, found: PathProbe, names: Mapping[str, str]) -> dict[str, Any]:
    """One path as its hops answered, each with the function that stands behind its rule."""
    hops = []
    for hop in found.hops:
        function = rsp.hop(hop.si) if hop.host is not None and rsp.end_si < hop.si <= 255 else None
        hops.append(
            {
                "ttl": hop.ttl,
                "host": hop.host,
                "spi": hop.spi if hop.host else None,
                "si": hop.si if hop.host else None,
                "sfName": names.get(function.function, function.function) if function else None,
                "end": hop.end,
                "rule": _rule(hop.rule),
                "cookie": f"{hop.rule:#x}" if hop.rule else None,
                "nextRule": _rule(hop.next_rule),
                "sent": hop.sent,
                "received": hop.received,
                "leastMs": hop.least_ms,
                "medianMs": hop.median_ms,
                "hopMs": hop.hop_ms,
            }
        )
    return {"direction": direction_of(rsp), "spi": rsp.spi, "whole": not found.why, "why": found.why, "hops": hops}


def _rule(cookie: int) -> str | None:
    found = _cookie(cookie) if cookie else None
    return str(found) if found else None


def path_statistics(rsp: Rsp, count: PathCount, names: Mapping[str, str], also: Beside) -> dict[str, Any]:
    """One path: what was put on it, what each function got and gave back, what left at its end, how long it takes.

    Drops stand where they occurred: of what the ingress sent, whichever chain it was for; at a hop of what its function
    sent, and of what it was not handed while it was down.
    """
    latency = also.latencies.get(count.spi)
    hops = zip(rsp.hops, count.hops, strict=True)
    return {
        "direction": "forward" if count.direction is Direction.FORWARD else "reverse",
        "spi": count.spi,
        "classified": count.entered.packets,
        "classifiedBytes": count.entered.octets,
        "ingressDrops": [_drop(found) for found in also.refused.get(rsp.start, ())],
        "hops": [_hop_statistics(hop, counted, names, also, latency) for hop, counted in hops],
        "endPackets": count.left.packets,
        "endBytes": count.left.octets,
        "latencyMs": None if latency is None else latency.whole_ms,
        "latencyAt": None if latency is None else _text(latency.at),
    }


def _hop_statistics(
    met: Hop, hop: HopCount, names: Mapping[str, str], also: Beside, latency: PathLatency | None
) -> dict[str, Any]:
    return {
        "si": hop.si,
        "host": hop.sff,
        "sfId": hop.function,
        "sfName": names.get(hop.function, hop.function),
        "packets": hop.handed.packets,
        "bytes": hop.handed.octets,
        "returned": hop.back.packets,
        "returnedBytes": hop.back.octets,
        "passedBy": hop.passed_by.packets,
        "dropped": hop.dropped.packets,
        "drops": [_drop(found) for found in (*_while_down(hop), *also.refused.get(met.port_out, ()))],
        "active": also.active.get(hop.function),
        "latencyMs": None if latency is None else latency.to_ms.get(hop.si),
    }


def _while_down(hop: HopCount) -> Iterator[DropCount]:
    if hop.dropped != Count():
        yield DropCount(hop.sff, Kind.DROP_FAILED, hop.dropped.packets, hop.dropped.octets)


def _drop(found: DropCount) -> dict[str, Any]:
    return {"reason": found.reason.meaning, "packets": found.packets, "bytes": found.octets}


def refused(topology: Topology, counters: Counters) -> Mapping[str, Sequence[DropCount]]:
    """What of each port's own packets was dropped, by its identifier."""
    found = drops_at_ports({host: _counts(flows) for host, flows in counters.items()})
    return {port.id: found[port.sff, port.ofport] for port in topology.ports if (port.sff, port.ofport) in found}


def drops(counters: Counters) -> Iterator[dict[str, Any]]:
    """What was dropped on each host, by reason, most first."""
    for found in drop_counts({host: _counts(flows) for host, flows in counters.items()}):
        yield {"host": found.sff} | _drop(found)


def counted(ways: Iterable[PlannedChain], counters: Counters) -> tuple[PathCount, ...]:
    """Each direction of planned chains; every flow is looked at once, however many chains there are."""
    return path_counts(ways, {host: _counts(flows) for host, flows in counters.items()})


def _counts(flows: Sequence[FlowStatistics]) -> Sequence[tuple[int, int, int]]:
    return [(flow.cookie, flow.packets, flow.bytes) for flow in flows]


def latency_of(rsp: Rsp, found: PathProbe, at: datetime) -> PathLatency | None:
    """The way there and back to each hop of a path, of echo requests; ``None`` unless its end answered."""
    if found.why or not found.hops or not found.hops[-1].median_ms:
        return None
    times: dict[int, float] = {}
    for hop in found.hops:
        if hop.host is not None and rsp.hop(hop.si) is not None:
            times[hop.si] = hop.median_ms
    return PathLatency(at, found.hops[-1].median_ms, times)


def _text(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _cookie(value: int) -> Cookie | None:
    """The decoded cookie; ``None`` for a flow that is not ours."""
    try:
        return Cookie.decode(value)
    except ValueError:
        return None
