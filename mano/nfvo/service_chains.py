"""Service chains as operators look at them: what is programmed, what flows, what the bridges say."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from mano.domain.service_chain import ServiceChain
from mano.errors import WrongState
from mano.nfvo.chain_counts import (
    Beside,
    CountHistory,
    counted,
    direction_of,
    drops,
    functions_called,
    path_statistics,
    probed_path,
    refused,
)
from mano.nfvo.chain_files import as_it_is, document_of
from mano.nfvo.chain_limits import effective_mtu
from mano.nfvo.chain_views import functions_out, view
from mano.nfvo.data_plane import VIOLATIONS_TOLD, DataPlane, replaying, warnings_of
from mano.nfvo.following import followed, with_token
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.reasons import why
from mano.nfvo.serving import active_functions
from mano.nfvo.tracing import bridge_traces, classified_packet, simulated_walk
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.service_paths import ServicePaths
from sfc.failover import out_of_reach
from sfc.model import PlannedChain
from sfc.simulator import Simulator
from sfc.simulator.wire import encode

FOLLOW_S = 3.0
"""How long a packet is waited for, everywhere."""

FindLine = Callable[[str, str, str], Mapping[str, Any]]
"""(package, tenant, name of a node) to ``{file, line}``, empty when it is not found."""


def _token() -> bytes:
    return secrets.token_bytes(16)


def _problem(plane: DataPlane, chain_id: str) -> str | None:
    """Why the chain carries nothing, whoever's fault it is."""
    if chain_id in plane.broken:
        return plane.broken[chain_id].detail
    ends = plane.severed(chain_id)
    return ends and f"nothing gets from host {ends[0]}, where it begins, to host {ends[1]}, where it ends"


def _nowhere(_package: str, _tenant: str, _name: str) -> Mapping[str, Any]:
    return {}


class ServiceChains:
    """Use cases of reading and checking chains."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        graphs: ForwardingGraphs,
        paths: ServicePaths,
        counts: CountHistory | None = None,
        find_line: FindLine | None = None,
        new_token: Callable[[], bytes] | None = None,
    ) -> None:
        """``find_line`` tells where a descriptor names something; ``new_token`` makes what a packet is known by."""
        self._open_unit = open_unit
        self._graphs = graphs
        self._paths = paths
        self._counts = counts or CountHistory()
        self._find_line = find_line or _nowhere
        self._new_token = new_token or _token

    def list(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """All chains of the tenant."""
        with self._open_unit(read_only=True) as uow:
            return [view(chain) for chain in uow.chains.list(tenant_id)]

    def get(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """One chain, with its MTU, what its author should know, and the Chain document that it is made of."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        with self._open_unit(read_only=True) as uow:
            hosts = {host.host.name: host for host in uow.hosts.list()}
            names = {other.id: other.name for other in uow.chains.list()}
            present = replace(chain, spec=as_it_is(chain.spec, uow.vnf_instances.list()))
        ways = plane.ways.get(chain.id)
        return {
            **view(chain),
            "mtu": effective_mtu(plane.topology, ways, hosts) if ways else None,
            "warnings": list(warnings_of(plane, chain.id, names)),
            "problem": _problem(plane, chain.id),
            "document": document_of(present),
        }

    def statistics(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Packets and octets per path and hop, the drops on the hosts that the chain passes, connections, latency, and
        which of its functions are down.

        ``active`` of a hop counts the connections of all chains that its function serves; null where no end tells.
        """
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        ways = self._ways(chain, plane)
        hosts = plane.hosts_of(chain.id)
        with ThreadPoolExecutor(max(1, len(hosts)), "chain-statistics") as pool:
            counters = dict(zip(hosts, pool.map(self._paths.statistics, hosts), strict=True))
        names = functions_called(chain)
        latencies = self._counts.latencies()
        also = Beside(active_functions(self._paths, plane), latencies, refused(plane.topology, counters))
        rsps = (rsp for one in ways for rsp in one.rsps)
        counts = zip(rsps, counted(ways, counters), strict=True)
        return {
            "id": chain.id,
            "name": chain.name,
            "paths": [path_statistics(rsp, count, names, also) for rsp, count in counts],
            "drops": list(drops(counters)),
            "down": self._down(chain, plane),
        }

    def _down(self, chain: ServiceChain, plane: DataPlane) -> Sequence[Mapping[str, Any]]:
        """The chain's functions that do not work, or that it cannot reach."""
        beyond = out_of_reach(plane.topology, plane.mesh, plane.ways[chain.id][0].forward.start_sff)
        if functions_called(chain).keys().isdisjoint(plane.down | beyond):
            return []
        with self._open_unit(read_only=True) as uow:
            standing = uow.alarms.list(cleared_at=None)
        known = plane.topology.function_by_id
        return list(functions_out(chain, [known[id] for id in plane.down | beyond], standing, beyond))

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
            "capture": replaying(plane, proof),
            "failures": self._failures(plane, chain),
            "traces": [step.to_document() for step in bridge_traces(self._paths, plane, planned)],
            "drift": [asdict(drift) for drift in self._paths.drift(plane.tables) if drift.missing or drift.foreign],
        }

    def _failures(self, plane: DataPlane, chain: ServiceChain) -> Sequence[Mapping[str, Any]]:
        """Whether the death of each function does as its policy says; not asked while one is dead."""
        if plane.down:
            return []
        names = functions_called(chain)
        policies = {each.id: each.on_failure.value for each in plane.topology.functions}
        passed = {f for one in plane.ways[chain.id] for rsp in one.rsps for f in rsp.functions}
        return [
            {
                "sfName": names.get(function, function),
                "onFailure": policies.get(function, ""),
                "proven": not found.violations,
                "violations": [str(violation) for violation in found.violations[:VIOLATIONS_TOLD]],
            }
            for found in self._graphs.failures(plane, passed)
            for function in found.down
        ]

    def trace(self, id: str, tenant_id: str, packet: Mapping[str, Any]) -> Mapping[str, Any]:
        """The way of one packet through the rendered tables, on the simulator."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        planned = self._planned(chain, plane)
        return simulated_walk(plane, planned, classified_packet(plane, planned, packet))

    def follow(self, id: str, tenant_id: str, packet: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one real packet ``{source, destination, protocol, sourcePort, destinationPort}`` into the chain.

        Its octets wherever it was seen, in order, each tied to the rules that it met on the way there; the functions
        with the placement that put them where they are; and the line of the NSD that asked for the chain.
        """
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        planned = self._planned(chain, plane)
        token = self._new_token()
        frame = with_token(classified_packet(plane, planned, packet), token)
        walk = Simulator(plane.topology, plane.tables).inject(planned.chain.ingress, frame)
        seen = self._paths.follow(plane.topology, planned.chain.ingress, encode(frame), token, FOLLOW_S)
        return {
            "id": chain.id,
            "name": chain.name,
            "sent": {"portId": planned.chain.ingress, "bytes": encode(frame).hex()},
            "sights": followed(plane, chain, seen, walk, functions_called(chain)),
            "functions": list(self._placed(chain, tenant_id)),
            "descriptor": self._line_of(chain, tenant_id),
        }

    def _placed(self, chain: ServiceChain, tenant_id: str) -> Iterator[Mapping[str, Any]]:
        """Each function with the reservation that it stands on."""
        with self._open_unit(read_only=True) as uow:
            vnfs = {vnf.id: vnf for vnf in uow.vnf_instances.list(tenant_id)}
            reserved = uow.reservations.list(tenant_id)
        for function in chain.spec.get("functions", ()):
            vnf = vnfs.get(str(function.get("vnfInstanceId")))
            vnfc = next((c for c in vnf.vnfcs if c.id == function.get("vnfcId")), None) if vnf else None
            told: dict[str, Any] = {"sfId": function["id"], "sfName": function["name"]}
            if vnf is not None and vnfc is not None:
                ends = (f"{vnf.name}/{vnfc.vdu_id}/{vnfc.index}", f"{vnf.id[:8]}/{vnfc.vdu_id}/{vnfc.index}")
                owners = (vnf.ns_instance_id, vnf.id)
                held = next((r for r in reserved if r.ns_instance_id in owners and r.key in ends), None)
                told |= {"host": vnfc.host, "placement": dict(vnfc.placement)}
                told |= {"why": list(why(held.decision))} if held is not None else {}
            yield told

    def _line_of(self, chain: ServiceChain, tenant_id: str) -> Mapping[str, Any] | None:
        """Where the NSD says that there is such a forwarding path."""
        path_id = chain.spec.get("nfpdId")
        if not chain.ns_instance_id or not path_id:
            return None
        with self._open_unit(read_only=True) as uow:
            package = uow.ns_instances.get(chain.ns_instance_id).nsd_info_id
        return {"packageId": package, "nfpdId": path_id, **self._find_line(package, tenant_id, str(path_id))}

    def traceroute(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Each hop of the chain's paths as the bridges themselves answer echo requests (RFC 9516).

        ``request``: ``direction`` (``forward``, ``reverse``; both unless given), ``count`` requests of each TTL,
        ``waitMs`` for each answer.
        """
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        count, wait_s = int(request.get("count") or 1), int(request.get("waitMs") or 1000) / 1000
        asked = [
            rsp
            for one in self._ways(chain, plane)
            for rsp in one.rsps
            if request.get("direction") in (None, direction_of(rsp))
        ]
        names = functions_called(chain)
        paths = []
        for rsp in asked:
            found = self._paths.probe(plane.topology, rsp.start_sff, rsp.spi, count=count, wait_s=wait_s)
            paths.append(probed_path(rsp, found, names))
        return {"id": chain.id, "name": chain.name, "paths": paths}

    def drift(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Where the bridges that the chain passes differ from what they are to hold."""
        chain = self._chain(id, tenant_id)
        plane = self._graphs.data_plane()
        self._ways(chain, plane)
        hosts = plane.hosts_of(chain.id)
        return {"id": chain.id, "hosts": list(hosts), "drift": list(map(asdict, self._graphs.drift(plane, hosts)))}

    def repair(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Make the bridges that the chain passes what they are to be; where each differed."""
        chain = self._chain(id, tenant_id)
        hosts = self._graphs.data_plane().hosts_of(chain.id)
        return {"id": chain.id, "repaired": list(map(asdict, self._graphs.repair(hosts)))}

    def history(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """What was counted of the chain lately, oldest first: packets on each path, drops on its hosts."""
        chain = self._chain(id, tenant_id)
        return {"id": chain.id, "everyS": self._counts.every_s, "samples": list(self._counts.of(chain.id))}

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
