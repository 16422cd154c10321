"""Counters of VNFs, connection points and network services as samples: read where they are counted, never invented."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from mano.domain.ns_instance import NsInstance
from mano.domain.performance import LATENCY, Sample
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import CatenaError
from mano.ports.metering import ComputeUsage, Meter, PortCounters
from mano.ports.repositories import UnitOfWorkFactory

ChainCounters = Callable[[str, str], tuple[int, int]]
"""(chain, tenant) to (packets, octets) that came through it to its end, both directions together."""

ChainLatency = Callable[[str, str], float | None]
"""(chain, tenant) to milliseconds there and back; ``None`` where nobody answers, or where no time passes."""

KEPT_READINGS = 10_000


@dataclass(frozen=True, slots=True)
class Reading:
    """A VNFC's CPU time at a moment (monotonic seconds)."""

    at: float
    cpu_s: float


@dataclass
class Round:
    """What was read already in one round of measuring: no counter is read twice."""

    at: datetime
    monotonic: float
    usage: dict[str, ComputeUsage | None] = field(default_factory=dict)
    ports: dict[str, Mapping[int, PortCounters]] = field(default_factory=dict)
    latencies: dict[str, float | None] = field(default_factory=dict)


class Measuring:
    """Reads counters through the VIM drivers that count."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        meters: Mapping[str, Meter],
        chain_counters: ChainCounters,
        chain_latency: ChainLatency = lambda _id, _tenant: None,
    ) -> None:
        self._open_unit = open_unit
        self._meters = meters
        self._chain_counters = chain_counters
        self._chain_latency = chain_latency
        self._before: dict[tuple[str, str], Reading] = {}

    def samples(
        self,
        reader: str,
        kind: str,
        object_id: str,
        sub_object_ids: Sequence[str],
        metrics: Sequence[str],
        now: Round,
    ) -> list[Sample]:
        """What is measured of one object now; nothing for what does not run or cannot be read.

        ``reader`` is whose measurement it is: means are taken over the time since its last one.
        """
        if kind in ("Ns", "Sap"):
            with self._open_unit(read_only=True) as uow:
                ns = uow.ns_instances.find(object_id)
                chains = uow.chains.list(ns_instance_id=object_id) if ns else []
            if ns is None:
                return []
            if kind == "Sap":
                return list(self._saps(ns, sub_object_ids, metrics, now))
            return list(self._chains(ns, [chain.id for chain in chains], sub_object_ids, metrics, now))
        with self._open_unit(read_only=True) as uow:
            vnf = uow.vnf_instances.find(object_id)
        if vnf is None:
            return []
        if kind == "VnfExtCp":
            return list(self._ext_cps(vnf, sub_object_ids, metrics, now))
        return list(self._computes(reader, kind, vnf, sub_object_ids, metrics, now))

    # VNFs and VNFCs

    def _computes(
        self, reader: str, kind: str, vnf: VnfInstance, wanted: Sequence[str], metrics: Sequence[str], now: Round
    ) -> Iterator[Sample]:
        chosen = [vnfc for vnfc in vnf.vnfcs if not wanted or vnfc.id in wanted]
        read = [(vnfc, values) for vnfc in chosen if (values := self._values(reader, vnfc, now))]
        for metric in metrics:
            told = [(vnfc, values[metric]) for vnfc, values in read if metric in values]
            if kind == "Vnfc" or wanted:
                for vnfc, value in told:
                    yield Sample(vnf.id, metric, value, now.at, sub_object_id=vnfc.id)
            elif told:
                total = sum(value for _, value in told)
                mean = metric.endswith("MeanVnf")
                yield Sample(vnf.id, metric, total / len(told) if mean else total, now.at)

    def _values(self, reader: str, vnfc: VnfcResource, now: Round) -> dict[str, float]:
        usage = self._usage(vnfc, now)
        if usage is None:
            return {}
        values: dict[str, float] = {"VCpuTimeVnf": usage.cpu_s, "VMemoryBytesVnf": float(usage.memory_bytes)}
        memory_mib = sum(int(cell.get("memoryMib", 0)) for cell in vnfc.placement.get("cells", ()))
        if memory_mib:
            values["VMemoryUsageMeanVnf"] = 100.0 * usage.memory_bytes / (memory_mib << 20)
        key = (reader, vnfc.compute_id)
        before = self._before.get(key)
        if len(self._before) > KEPT_READINGS:
            self._before.clear()
        self._before[key] = Reading(now.monotonic, usage.cpu_s)
        if before is not None and now.monotonic > before.at and usage.cpu_s >= before.cpu_s:
            share = (usage.cpu_s - before.cpu_s) / (now.monotonic - before.at)
            values["VCpuUsageMeanVnf"] = 100.0 * share / max(_vcpus(vnfc), 1)
        return values

    def _usage(self, vnfc: VnfcResource, now: Round) -> ComputeUsage | None:
        if vnfc.compute_id not in now.usage:
            meter = self._meter_of(vnfc.host)
            try:
                now.usage[vnfc.compute_id] = meter.compute_usage(vnfc.compute_id, vnfc.host) if meter else None
            except CatenaError:
                now.usage[vnfc.compute_id] = None
        return now.usage[vnfc.compute_id]

    # Connection points

    def _ext_cps(self, vnf: VnfInstance, wanted: Sequence[str], metrics: Sequence[str], now: Round) -> Iterator[Sample]:
        for point in (point for vnfc in vnf.vnfcs for point in vnfc.connection_points if point.ext_cpd_id):
            name = f"ext-{point.id}"
            if not wanted or name in wanted or point.id in wanted:
                yield from self._port(vnf.id, name, point, metrics, "VnfExtCp", now)

    def _saps(self, ns: NsInstance, wanted: Sequence[str], metrics: Sequence[str], now: Round) -> Iterator[Sample]:
        for sap in ns.saps:
            if not wanted or sap.id in wanted:
                yield from self._port(ns.id, sap.id, sap.connection_point, metrics, "Sap", now)

    def _port(
        self, object_id: str, name: str, point: ConnectionPoint, metrics: Sequence[str], of: str, now: Round
    ) -> Iterator[Sample]:
        counters = self._ports_of(point.host, now).get(point.ofport) if point.ofport is not None else None
        if counters is None:
            return
        values = {
            f"ByteIncoming{of}": counters.incoming_bytes,
            f"ByteOutgoing{of}": counters.outgoing_bytes,
            f"PacketIncoming{of}": counters.incoming_packets,
            f"PacketOutgoing{of}": counters.outgoing_packets,
        }
        for metric in metrics:
            yield Sample(object_id, metric, float(values[metric]), now.at, sub_object_id=name)

    def _ports_of(self, host: str, now: Round) -> Mapping[int, PortCounters]:
        if host not in now.ports:
            meter = self._meter_of(host)
            try:
                now.ports[host] = meter.port_counters(host) if meter else {}
            except CatenaError:
                now.ports[host] = {}
        return now.ports[host]

    # Chains

    def _chains(
        self, ns: NsInstance, chains: Sequence[str], wanted: Sequence[str], metrics: Sequence[str], now: Round
    ) -> Iterator[Sample]:
        for chain_id in chains:
            if wanted and chain_id not in wanted:
                continue
            values = self._chain_values(chain_id, ns.tenant_id, metrics, now)
            for metric in metrics:
                if metric in values:
                    yield Sample(ns.id, metric, values[metric], now.at, sub_object_id=chain_id)

    def _chain_values(self, chain_id: str, tenant_id: str, metrics: Sequence[str], now: Round) -> dict[str, float]:
        """What can be read of these metrics; echo requests are sent only for who asks for latency."""
        values: dict[str, float] = {}
        if set(metrics) - {LATENCY.name}:
            with suppress(CatenaError):  # its bridge does not answer: there is nothing to tell
                packets, octets = self._chain_counters(chain_id, tenant_id)
                values |= {"ChainPackets": float(packets), "ChainBytes": float(octets)}
        if LATENCY.name in metrics and (latency := self._latency(chain_id, tenant_id, now)) is not None:
            values[LATENCY.name] = latency
        return values

    def _latency(self, chain_id: str, tenant_id: str, now: Round) -> float | None:
        if chain_id not in now.latencies:
            try:
                now.latencies[chain_id] = self._chain_latency(chain_id, tenant_id)
            except CatenaError:
                now.latencies[chain_id] = None
        return now.latencies[chain_id]

    def _meter_of(self, host: str) -> Meter | None:
        with self._open_unit(read_only=True) as uow:
            vims = {stored.host.name: stored.vim_id for stored in uow.hosts.list()}
        return self._meters.get(vims.get(host, ""))


def _vcpus(vnfc: VnfcResource) -> int:
    """How many vCPUs a VNFC has by its placement."""
    pins = vnfc.placement.get("vcpuPins") or {}
    return len(pins) or sum(len(cell.get("cpus", ())) for cell in vnfc.placement.get("cells", ()))
