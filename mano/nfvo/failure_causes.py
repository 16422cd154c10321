"""Which alarms dead functions, dark ports and cut tunnels are worth, and what they tell of the chains. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, pairwise

from mano.domain.alarm import AlarmLevel, EventType, FaultyResourceType, PerceivedSeverity
from mano.domain.alarm_causes import Cause
from mano.domain.service_chain import ServiceChain
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.forwarding_graphs import BETWEEN, CUT, DARK, DOWN
from mano.nfvo.graph_translation import functions_of
from sfc.failover import Cut, Mesh, cut_between, out_of_reach
from sfc.model import OnFailure, Rsp, Topology

WHAT_HAPPENS = {
    OnFailure.CLOSED: "its chains are closed until it is back",
    OnFailure.OPEN: "packets pass by it until it is back",
    OnFailure.NEXT: "another instance takes its packets where there is one",
}


RELAYED = "its packets are relayed by another host"


def dead_causes(function: str, plane: DataPlane, chains: Sequence[ServiceChain]) -> Sequence[Cause]:
    """The alarm that a function which lets no probe through is worth; none when no chain passes it any more."""
    return _function_causes(
        function, plane, chains, DOWN, "service function does not pass packets", "gives no probe back"
    )


def dark_causes(function: str, plane: DataPlane, chains: Sequence[ServiceChain]) -> Sequence[Cause]:
    """The same of a function one of whose ports has lost its carrier."""
    return _function_causes(function, plane, chains, DARK, "service function has no carrier", "has lost its carrier")


def _function_causes(
    function: str, plane: DataPlane, chains: Sequence[ServiceChain], kind: str, probable: str, seen: str
) -> Sequence[Cause]:
    concerned = [chain for chain in chains if function in functions_of([chain])]
    if not concerned:
        return ()
    described = functions_of(concerned)[function]
    policy = OnFailure(described.get("onFailure") or OnFailure.CLOSED)
    known = plane.topology.function_by_id.get(function)
    host = plane.topology.port(known.ingress).sff if known else ""
    vnf = str(described.get("vnfInstanceId") or "")
    names = ", ".join(sorted(chain.name for chain in concerned))
    return (
        Cause(
            key=f"{kind}{function}",
            level=AlarmLevel.VNF if vnf else AlarmLevel.NS,
            managed_object_id=vnf or concerned[0].ns_instance_id or concerned[0].id,
            severity=PerceivedSeverity.MAJOR if policy is OnFailure.OPEN else PerceivedSeverity.CRITICAL,
            event_type=EventType.PROCESSING_ERROR if kind == DOWN else EventType.COMMUNICATIONS,
            probable_cause=probable,
            tenant_id=concerned[0].tenant_id,
            fault_type="SERVICE_FUNCTION_DOWN",
            details=(
                f"{described['name']} on host {host or 'unknown'} {seen}",
                f"chains: {names}; {WHAT_HAPPENS[policy]}",
            ),
            resource_type=FaultyResourceType.NETWORK,
            resource_id=str(described.get("ingress") or ""),
            component=str(described.get("vnfcId") or ""),
        ),
    )


def subjects_of(cuts: Collection[Cut], hosts: Collection[str]) -> frozenset[str]:
    """The cuts as they are told: a host that no other reaches as a whole, every other tunnel by its two ends."""
    known = frozenset(cuts)
    alone = {host for host in hosts if len(hosts) > 2 and _is_alone(host, hosts, known)}
    return frozenset({*alone, *(BETWEEN.join(pair) for pair in known if alone.isdisjoint(pair))})


def _is_alone(host: str, hosts: Collection[str], cuts: Collection[Cut]) -> bool:
    return all(pair in cuts for pair in combinations(sorted(hosts), 2) if host in pair)


def tunnel_causes(cuts: Collection[Cut], plane: DataPlane, chains: Sequence[ServiceChain]) -> list[Cause]:
    """An alarm for each of :func:`subjects_of`, and for each network service that has a chain which suffers from it."""
    mesh = Mesh((sff.name for sff in plane.topology.sffs), cuts)
    fates = {chain.id: fate for chain in chains if (fate := _fate(plane, chain.id, mesh))} if cuts else {}
    found = []
    for subject in sorted(subjects_of(cuts, mesh.sffs)):
        ends = subject.split(BETWEEN)
        alone = len(ends) == 1
        found.append(
            Cause(
                key=f"{CUT}{subject}",
                level=AlarmLevel.NFVI,
                managed_object_id=ends[0],
                severity=PerceivedSeverity.CRITICAL if alone else PerceivedSeverity.MAJOR,
                event_type=EventType.COMMUNICATIONS,
                probable_cause="host-cut-off" if alone else "tunnel-down",
                details=(
                    f"no other host hears BFD of host {ends[0]}"
                    if alone
                    else f"hosts {ends[0]} and {ends[1]} do not hear each other's BFD",
                    *(f"chain {chain.name}: {fates[chain.id]}" for chain in chains if chain.id in fates),
                ),
                resource_type=FaultyResourceType.NETWORK,
                resource_id=subject,
            )
        )
        found += _of_services(f"{CUT}{subject}", subject, alone, fates, chains)
    return found


def _of_services(
    root: str, subject: str, alone: bool, fates: Mapping[str, str], chains: Sequence[ServiceChain]
) -> Iterator[Cause]:
    services: dict[str, list[ServiceChain]] = {}
    for chain in chains:
        if chain.ns_instance_id and chain.id in fates:
            services.setdefault(chain.ns_instance_id, []).append(chain)
    for ns_id, touched in sorted(services.items()):
        suffers = any(fates[chain.id] != RELAYED for chain in touched)
        yield Cause(
            key=f"{root}/ns/{ns_id}",
            level=AlarmLevel.NS,
            managed_object_id=ns_id,
            tenant_id=touched[0].tenant_id,
            severity=PerceivedSeverity.MAJOR if suffers else PerceivedSeverity.WARNING,
            event_type=EventType.COMMUNICATIONS,
            probable_cause="host-cut-off" if alone else "tunnel-down",
            details=tuple(f"chain {chain.name}: {fates[chain.id]}" for chain in touched),
            resource_type=FaultyResourceType.NETWORK,
            resource_id=subject,
            root=root,
        )


def _fate(plane: DataPlane, chain_id: str, mesh: Mesh) -> str:
    """What becomes of a chain; empty when it passes nothing that is cut."""
    told: set[str] = set()
    for one in plane.ways.get(chain_id, ()):
        start, end = one.forward.start_sff, one.forward.end_sff
        if end not in mesh.reached(start):
            return f"nothing gets from {start}, where it begins, to {end}, where it ends"
        beyond = out_of_reach(plane.topology, mesh, start)
        told |= {_policy(plane.topology, each) for each in one.forward.functions if each in beyond}
        if any(cut_between(*pair) in mesh.cuts for rsp in one.rsps for pair in pairwise(_homes(plane.topology, rsp))):
            told.add(RELAYED)
    return "; ".join(sorted(told - {RELAYED} or told))


def _homes(topology: Topology, rsp: Rsp) -> list[str]:
    """Where a path passes while nothing is cut."""
    return [rsp.start_sff, *(topology.port(hop.port_in).sff for hop in rsp.hops), rsp.end_sff]


def _policy(topology: Topology, function: str) -> str:
    known = topology.function(function)
    return f"{known.name} is out of reach: {WHAT_HAPPENS[known.policy]}"
