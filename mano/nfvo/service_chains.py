"""Service chains as operators look at them: what is programmed, what flows, what the bridges say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

from mano.domain.ns_instance import ServiceChain
from mano.errors import WrongState
from mano.nfvo.chain_files import document_of
from mano.nfvo.data_plane import VIOLATIONS_TOLD, DataPlane
from mano.nfvo.forwarding_graphs import ForwardingGraphs, view
from mano.nfvo.tracing import bridge_traces, classified_packet, simulated_walk
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.service_paths import FlowStatistics, ServicePaths
from sfc.model import Cookie, Direction, Kind, PlannedChain, Rsp

HANDED_OVER = (Kind.HAND_OFF, Kind.HAND_OFF_ERROR, Kind.TO_SF)
"""Kinds of flows that count the packets which a function was given."""

CAME_BACK = (Kind.SF_RETURN, Kind.PROXY_RETURN, Kind.MARK_RETURN)
"""Kinds of flows that count the packets which a function gave back."""

CLASSIFIED = (Kind.CLASSIFY, Kind.CLASSIFY_FRAGMENT, Kind.REVERSE_MARK, Kind.REVERSE_MISS)
"""Kinds of flows that count the packets which were put on a path."""

LEFT = (Kind.END, Kind.END_ERROR)
"""Kinds of flows that count the packets which left a path at its end."""


class ServiceChains:
    """Use cases of reading and checking chains."""

    def __init__(self, open_unit: UnitOfWorkFactory, graphs: ForwardingGraphs, paths: ServicePaths) -> None:
        self._open_unit = open_unit
        self._graphs = graphs
        self._paths = paths

    def list(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """All chains of the tenant."""
        with self._open_unit(read_only=True) as uow:
            return [view(chain) for chain in uow.chains.list(tenant_id)]

    def get(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """One chain, with the Chain document that it is made of."""
        chain = self._chain(id, tenant_id)
        return {**view(chain), "document": document_of(chain)}

    def statistics(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Packets and octets per path and hop, and the drops on the hosts that the chain passes."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        ways = self._ways(chain, plane)
        hosts = plane.hosts_of(chain.id)
        with ThreadPoolExecutor(max(1, len(hosts)), "chain-statistics") as pool:
            counters = dict(zip(hosts, pool.map(self._paths.statistics, hosts), strict=True))
        names = {function["id"]: function["name"] for function in chain.spec.get("functions", ())}
        return {
            "id": chain.id,
            "name": chain.name,
            "paths": [_path_statistics(one, rsp, counters, names) for one in ways for rsp in one.rsps],
            "drops": list(_drops(counters)),
        }

    def verify(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Prove the chain on the simulator, compare the bridges with the intended tables, ask them for their way."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        planned = self._planned(chain, plane)
        proof = self._graphs.proof(plane)
        return {
            "proven": not proof.violations,
            "packetsTried": proof.packets,
            "violations": [str(violation) for violation in proof.violations[:VIOLATIONS_TOLD]],
            "traces": [step.to_document() for step in bridge_traces(self._paths, plane, planned)],
            "drift": [asdict(drift) for drift in self._paths.drift(plane.tables) if drift.missing or drift.foreign],
        }

    def trace(self, id: str, tenant_id: str, packet: Mapping[str, Any]) -> Mapping[str, Any]:
        """The way of one packet through the rendered tables, on the simulator."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        planned = self._planned(chain, plane)
        return simulated_walk(plane, planned, classified_packet(plane, planned, packet))

    def _chain(self, id: str, tenant_id: str) -> ServiceChain:
        with self._open_unit(read_only=True) as uow:
            return uow.chains.get(id, tenant_id)

    def _planned(self, chain: ServiceChain, plane: DataPlane) -> PlannedChain:
        self._ways(chain, plane)
        planned = plane.chain(chain.id)
        assert planned is not None
        return planned

    def _ways(self, chain: ServiceChain, plane: DataPlane) -> Sequence[PlannedChain]:
        """The paths that the bridges hold for the chain."""
        if chain.id in plane.broken:
            problem = plane.broken[chain.id]
            raise WrongState(problem.detail, hint=problem.hint, facts=problem.facts)
        if chain.id not in plane.ways:
            raise WrongState(f"chain {chain.name} has no path", hint="its network service is being changed: try again")
        return plane.ways[chain.id]


def _path_statistics(
    planned: PlannedChain, rsp: Rsp, counters: Mapping[str, Sequence[FlowStatistics]], names: Mapping[str, str]
) -> dict[str, Any]:
    number = planned.forward.spi

    def count(host: str, kinds: Sequence[Kind], si: int | None) -> tuple[int, int]:
        found = [
            flow
            for flow in counters[host]
            if (cookie := _cookie(flow.cookie)) is not None
            and cookie.kind in kinds
            and (cookie.chain, cookie.direction) == (number, rsp.direction)
            and si in (None, cookie.hop)
        ]
        return sum(flow.packets for flow in found), sum(flow.bytes for flow in found)

    hops = []
    for hop in rsp.hops:
        packets, octets = count(hop.sff, HANDED_OVER, hop.si)
        name = names.get(hop.function, hop.function)
        returned, _ = count(hop.sff, CAME_BACK, hop.si)
        where = {"si": hop.si, "host": hop.sff, "sfName": name}
        hops.append({**where, "packets": packets, "bytes": octets, "returned": returned})
    classified, _ = count(rsp.start_sff, CLASSIFIED, None)  # whichever classifier of the chain it was
    ended, _ = count(rsp.end_sff, LEFT, rsp.end_si)
    return {
        "direction": "forward" if rsp.direction is Direction.FORWARD else "reverse",
        "spi": rsp.spi,
        "classified": classified,
        "hops": hops,
        "endPackets": ended,
    }


def _drops(counters: Mapping[str, Sequence[FlowStatistics]]) -> Iterator[dict[str, Any]]:
    for host, flows in counters.items():
        for flow in flows:
            cookie = _cookie(flow.cookie)
            if cookie is not None and cookie.kind.is_drop and flow.packets:
                yield {"host": host, "reason": cookie.kind.meaning, "packets": flow.packets}


def _cookie(value: int) -> Cookie | None:
    """The decoded cookie; ``None`` for a flow that is not ours."""
    try:
        return Cookie.decode(value)
    except ValueError:
        return None
