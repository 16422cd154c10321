"""``/metrics`` in Prometheus' text format: requests by route template, operations that have not ended, chain counters.

Every application has a registry of its own, so that two in one process never mix.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import Request
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client import Counter as PrometheusCounter
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector
from starlette.responses import Response
from starlette.types import Scope

from mano.api.auth import InfrastructureViewer
from mano.api.media import TEXT, media
from mano.api.openapi_document import Form
from mano.api.resource_routes import add, new_router
from mano.api.services import Services
from mano.domain.lcm_op_occ import ENDED, OperationState
from mano.errors import CatenaError
from mano.ports.repositories import UnitOfWork

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text"
CHAIN_CACHE_S = 5.0
MAX_CHAINS = 200
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class HttpMetrics:
    """Counts and times of requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = PrometheusCounter(
            "catena_http_requests", "Requests answered.", ("method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "catena_http_request_seconds", "Time to answer.", ("method", "route"), registry=registry
        )

    def observe(self, scope: Scope, status: int, seconds: float) -> None:
        """Count one request under the template of its route, never under what the client wrote."""
        method = scope["method"] if scope["method"] in _METHODS else "other"
        route = getattr(scope.get("route"), "path", "unmatched")
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)


class StateCollector(Collector):
    """Reads the store, and the switches at most every five seconds, when it is asked."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._chains: list[tuple[Mapping[str, Any], Mapping[str, Any] | None]] = []
        self._chains_read_at = float("-inf")

    def describe(self) -> list[Any]:
        """Nothing is asked of the store before the first scrape."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """The families in a fixed order."""
        with self._services.open_unit(read_only=True) as uow:
            yield _operations(uow)
        yield from self._chain_families()

    def _chain_families(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        answered = GaugeMetricFamily("catena_chain_up", "1 when its switches answered.", labels=("chain",))
        packets = CounterMetricFamily(
            "catena_chain_hop_packets", "Packets by hop.", labels=("chain", "direction", "si", "host")
        )
        octets = CounterMetricFamily(
            "catena_chain_hop_bytes", "Octets by hop.", labels=("chain", "direction", "si", "host")
        )
        more = _MoreOfChains()
        for chain, statistics in self._read_chains():
            more.add(chain["id"], statistics or {})
            answered.add_metric([chain["id"]], 0 if statistics is None else 1)
            for path in (statistics or {}).get("paths", ()):
                for hop in path["hops"]:
                    labels = [chain["id"], path["direction"], str(hop["si"]), hop["host"]]
                    packets.add_metric(labels, hop["packets"])
                    octets.add_metric(labels, hop["bytes"])
        yield from (answered, packets, octets, *more.families())

    def _read_chains(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any] | None]]:
        if time.monotonic() - self._chains_read_at > CHAIN_CACHE_S:
            self._chains = [({"id": id}, self._statistics(id, tenant)) for id, tenant in self._chain_keys()]
            self._chains_read_at = time.monotonic()
        return self._chains

    def _chain_keys(self) -> list[tuple[str, str]]:
        if self._services.forwarding_graphs is None:
            return []
        with self._services.open_unit(read_only=True) as uow:
            return [(chain.id, chain.tenant_id) for chain in uow.chains.list(limit=MAX_CHAINS)]

    def _statistics(self, id: str, tenant_id: str) -> Mapping[str, Any] | None:
        graphs = self._services.forwarding_graphs
        try:
            return None if graphs is None else graphs.statistics(id, tenant_id)
        except CatenaError:
            return None  # told by catena_chain_up


class _MoreOfChains:
    """What chains lose, pass by, serve and take in time; drops are those of hosts, whichever chains pass them."""

    def __init__(self) -> None:
        hop = ("chain", "direction", "si", "host")
        self._passed_by = CounterMetricFamily("catena_chain_hop_passed_by_packets", "Past a dead function.", labels=hop)
        self._closed = CounterMetricFamily(
            "catena_chain_hop_closed_packets", "Dropped for a dead function.", labels=hop
        )
        self._active = GaugeMetricFamily(
            "catena_chain_function_connections", "Connections that a function serves.", labels=("chain", "function")
        )
        self._latency = GaugeMetricFamily(
            "catena_chain_latency_seconds", "Echo requests, there and back.", labels=("chain", "direction", "spi")
        )
        self._dropped = CounterMetricFamily(
            "catena_dropped_packets", "Packets that a bridge dropped, by reason.", labels=("host", "reason")
        )
        self._drops: dict[tuple[str, str], float] = {}

    def add(self, chain: str, statistics: Mapping[str, Any]) -> None:
        """One chain's statistics."""
        active: dict[str, int] = {}
        for path in statistics.get("paths", ()):
            for hop in path["hops"]:
                labels = [chain, path["direction"], str(hop["si"]), hop["host"]]
                self._passed_by.add_metric(labels, hop.get("passedBy") or 0)
                self._closed.add_metric(labels, hop.get("dropped") or 0)
                if hop.get("active") is not None:
                    active[hop["sfName"]] = hop["active"]
            if path.get("latencyMs") is not None:
                self._latency.add_metric([chain, path["direction"], str(path["spi"])], path["latencyMs"] / 1000)
        for function, count in active.items():
            self._active.add_metric([chain, function], count)
        for drop in statistics.get("drops", ()):
            self._drops[drop["host"], drop["reason"]] = drop["packets"]

    def families(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """In a fixed order."""
        for labels, packets in sorted(self._drops.items()):
            self._dropped.add_metric(list(labels), packets)
        yield from (self._passed_by, self._closed, self._active, self._latency, self._dropped)


def _operations(uow: UnitOfWork) -> GaugeMetricFamily:
    family = GaugeMetricFamily(
        "catena_operations", "Operation occurrences that have not ended.", labels=("level", "operation", "state")
    )
    counts: Counter[tuple[str, str, str]] = Counter()
    for state in OperationState:
        if state not in ENDED:
            counts.update((op.level.value, op.operation, op.state.value) for op in uow.operations.list(state=state))
    for labels, count in sorted(counts.items()):
        family.add_metric(list(labels), count)
    return family


@media(produces=(TEXT, OPENMETRICS))
def read_metrics(request: Request, _: InfrastructureViewer) -> Response:
    """What a Prometheus server scrapes."""
    registry: CollectorRegistry = request.app.state.registry
    return Response(generate_latest(registry), media_type=CONTENT_TYPE)


router = new_router("", "server")
add(router, "GET", "/metrics", read_metrics, form=Form.CONTENT)
