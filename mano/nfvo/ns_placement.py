"""From the plan of an NS to the request that places it: VDU instances, the rules between them, the chains."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, product
from typing import Any

from mano.domain.ns_instance import NsInstance
from mano.errors import Refused
from mano.nfvo.path_bounds import bounds_of
from mano.nfvo.plan import NsPlan, PlannedVnfc, plan_from_json
from mano.nfvo.plan_inputs import Constituent, PlanInputs
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import (
    AffinityKind,
    AffinityRule,
    ConstituentKind,
    Nfp,
    NfpConnectionPoint,
    Nsd,
    VduCp,
    VduKind,
    VnfFlavour,
    VnicType,
    from_json,
)


def growth_request(inputs: PlanInputs, plan: NsPlan, new: NsPlan) -> dict[str, Any]:
    """The PlacementRequest for newcomers; those that are there already bind them by their reservations."""
    document = placement_request(inputs, new, ())
    there = tuple(
        replace(vnf, vnfcs=tuple(replace(vnfc, key=vnfc.reservation_id) for vnfc in vnf.vnfcs)) for vnf in plan.vnfs
    )
    keys = {vnfc.key for vnf in new.vnfs for vnfc in vnf.vnfcs}
    together = replace(new, vnfs=(*there, *new.vnfs))
    binding = [group for group in _ns_groups(inputs, together) if keys & set(group["members"])]
    return {**document, "groups": [*_vnf_groups(inputs, new), *binding]}


def with_groups(request: Mapping[str, Any], groups: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The PlacementRequest with further groups."""
    return {**request, "groups": [*request["groups"], *groups]}


def outer_groups(uow: UnitOfWork, ns: NsInstance, plan: NsPlan) -> list[dict[str, Any]]:
    """What the NSDs around a nested NS ask of its VDUs and those of their other constituents.

    A nested NS is placed by its own operation; what is placed already binds it by its reservations.
    """
    new = [vnfc.key for vnf in plan.vnfs for vnfc in vnf.vnfcs]
    groups: list[dict[str, Any]] = []
    for parent in [uow.ns_instances.find(id) for id in ns.parents] if new else ():
        mine = {nested.profile_id for nested in parent.nested if nested.ns_instance_id == ns.id} if parent else set()
        if parent is None or not parent.plan or not mine:
            continue
        nsd = from_json(uow.packages.get(parent.nsd_info_id).descriptor)
        rules = nsd.flavour(parent.plan["flavour_id"]).affinity_rules if isinstance(nsd, Nsd) else ()
        for rule in rules:
            if mine & set(rule.members):
                members = [*_present(uow, parent, rule, ns), new]
                groups += [group for group in groups_of(rule, members) if set(new) & set(group["members"])]
    return groups


def _present(uow: UnitOfWork, parent: NsInstance, rule: AffinityRule, ns: NsInstance) -> Iterator[list[str]]:
    """The reservations of each member of a rule that is there, but for the nested NS in question."""
    held = uow.reservations.list(parent.tenant_id, ns_instance_id=parent.id)
    for vnf in plan_from_json(parent.plan).vnfs:
        if vnf.profile_id in rule.members:
            ids = {vnfc.reservation_id for vnfc in vnf.vnfcs}
            yield [one.id for one in held if one.id in ids]
    for nested in parent.nested:
        if nested.profile_id in rule.members and nested.ns_instance_id != ns.id:
            inner = uow.reservations.list(parent.tenant_id, ns_instance_id=nested.ns_instance_id)
            yield [one.id for one in inner]


def placement_request(inputs: PlanInputs, plan: NsPlan, chains: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The PlacementRequest document for all VDU instances of the plan together."""
    vdus = [_vdu_request(inputs.constituents[vnf.profile_id], vnfc, plan) for vnf in plan.vnfs for vnfc in vnf.vnfcs]
    return {
        "apiVersion": "catena/v1",
        "kind": "PlacementRequest",
        "options": {"allOrNothing": True},
        "vdus": vdus,
        "groups": [*_vnf_groups(inputs, plan), *_ns_groups(inputs, plan)],
        "chains": list(chains),
    }


def _vdu_request(constituent: Constituent, vnfc: PlannedVnfc, plan: NsPlan) -> dict[str, Any]:
    physnets = {cp.cpd_id: plan.network(cp.network_id).physical_network for cp in vnfc.cps}
    return vdu_request(constituent.flavour, vnfc.vdu_id, vnfc.key, physnets)


def vdu_request(
    flavour: VnfFlavour, vdu_id: str, key: str, physnets: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One VDU instance in the words of a PlacementRequest.

    ``physnets`` maps each connection point that gets a port to the physical network of its virtual link (or empty);
    without it every connection point of the VDU counts. Refused for containers, which no VIM of ours runs.
    """
    vdu = flavour.vdu(vdu_id)
    if vdu.kind is VduKind.OS_CONTAINER:
        raise Refused(
            f"VDU {vdu_id} is a group of containers, and no container cluster is attached as a VIM",
            hint="choose a deployment flavour of virtual machines; this package can be on-boarded, not instantiated",
        )
    request: dict[str, Any] = {
        "id": key,
        "vcpus": vdu.cpu.vcpus,
        "cpuPolicy": vdu.cpu.policy.value,
        "threadPolicy": vdu.cpu.thread_policy.value,
        "emulatorThreads": vdu.cpu.emulator_threads.value,
        "memoryMib": vdu.memory_mib,
        "storageGib": vdu.storage_gib,
        "requires": dict(vdu.requires),
        "interfaces": [
            _interface(cp, (physnets or {}).get(cp.id, ""))
            for cp in flavour.cps_of(vdu_id)
            if physnets is None or cp.id in physnets
        ],
    }
    if vdu.cpu.dedicated_vcpus:
        request["dedicatedVcpus"] = list(vdu.cpu.dedicated_vcpus)
    if vdu.page_size_kib is not None:
        request["pageSizeKib"] = vdu.page_size_kib if isinstance(vdu.page_size_kib, int) else vdu.page_size_kib.value
    if vdu.numa_cells:
        request["numaNodes"] = [{"vcpus": list(cell.vcpus), "memoryMib": cell.memory_mib} for cell in vdu.numa_cells]
    elif vdu.numa_nodes is not None:
        request["numaNodes"] = vdu.numa_nodes
    return request


def _interface(cp: VduCp, network_physnet: str) -> dict[str, Any]:
    request: dict[str, Any] = {"id": cp.id, "vnicType": cp.vnic_type.value, "bandwidthMbps": cp.bandwidth_mbps}
    if cp.vnic_type in (VnicType.DIRECT, VnicType.MACVTAP, VnicType.DIRECT_PHYSICAL):
        request |= {"vfs": cp.vfs, "numaAffinity": cp.numa_affinity.value, "traits": list(cp.traits)}
        physnet = cp.physnet or network_physnet
        if physnet:
            request["physnet"] = physnet
    return request


_SCOPES = {"nfvi_node": "host", "network_link_and_node": "host", "zone": "zone", "zone_group": "zone"}
"""SOL001's scopes in the placement's words; nfvi_pop and the container scopes hold for one VIM by themselves."""


def _vnf_groups(inputs: PlanInputs, plan: NsPlan) -> Iterator[dict[str, Any]]:
    """The VNFDs' own rules, once for each VNF instance."""
    for vnf in plan.vnfs:
        for rule in inputs.constituents[vnf.profile_id].flavour.affinity_rules:
            members = [[vnfc.key] for vnfc in vnf.vnfcs if vnfc.vdu_id in rule.members]
            yield from groups_of(rule, members)


def _ns_groups(inputs: PlanInputs, plan: NsPlan) -> Iterator[dict[str, Any]]:
    """The NSD's rules between VNF profiles: the VDUs inside one VNF are not each other's concern."""
    for rule in inputs.flavour.affinity_rules:
        members = [[vnfc.key for vnfc in vnf.vnfcs] for vnf in plan.vnfs if vnf.profile_id in rule.members]
        yield from groups_of(rule, members)


def groups_of(rule: AffinityRule, members: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """One group for all members, or, to keep them apart, one for each pair of VDUs of different members."""
    if rule.scope not in _SCOPES or len(members) < 2:
        return
    together = rule.kind is AffinityKind.AFFINITY
    sets: Iterable[Iterable[str]] = (
        [[key for member in members for key in member]]
        if together
        else [pair for one, other in combinations(members, 2) for pair in product(one, other)]
    )
    for keys in sets:
        yield {"kind": rule.kind.value, "scope": _SCOPES[rule.scope], "members": list(keys), "strict": True}


def chain_requests(inputs: PlanInputs, plan: NsPlan) -> list[dict[str, Any]]:
    """The NSD's forwarding paths in the words of a PlacementRequest: they stay short, and within what links promise."""
    return [
        _chain_request(inputs, f"{vnffg.id}/{nfp.id}", members, _ingress_host(plan, nfp))
        for vnffg in inputs.flavour.vnffgs
        for nfp in vnffg.nfps
        if (members := list(_nfp_vdus(inputs, plan, nfp)))
    ]


def _chain_request(
    inputs: PlanInputs, chain_id: str, members: Sequence[tuple[str, str | None]], ingress: str | None
) -> dict[str, Any]:
    hops = [link for _, link in members]
    bounds = bounds_of(inputs.flavour, hops if ingress is not None else hops[1:])
    return {"id": chain_id, "path": [vdu for vdu, _ in members], "ingress": ingress, "egress": None, **bounds}


def _nfp_vdus(inputs: PlanInputs, plan: NsPlan, nfp: Nfp) -> Iterator[tuple[str, str | None]]:
    """The VDU instance that each position of a path meets first, and the virtual link by which packets come to it."""
    for position in nfp.positions:
        point = position.elements[0].ingress
        if point.kind is not ConstituentKind.VNF or point.constituent_id not in inputs.constituents:
            continue
        flavour = inputs.constituents[point.constituent_id].flavour
        vdu_id = _vdu_behind(flavour, point.cp)
        for vnf in plan.vnfs:
            keys = [vnfc.key for vnfc in vnf.vnfcs if vnfc.vdu_id == vdu_id]
            if vnf.profile_id == point.constituent_id and keys:
                yield keys[0], _link_to(inputs.constituents[point.constituent_id], point)
                break


def _link_to(constituent: Constituent, point: NfpConnectionPoint) -> str | None:
    """A connection point of a path is named by a requirement of the profile, or by an external connection point."""
    names = [point.cp, *(ext.requirement for ext in constituent.flavour.ext_cps if point.cp in (ext.id, ext.vdu_cp_id))]
    links = (constituent.profile.virtual_link_of(name) for name in names)
    return point.virtual_link_id or next((link for link in links if link is not None), None)


def _vdu_behind(flavour: VnfFlavour, cp_name: str) -> str:
    try:
        cpd_id = flavour.ext_cp(cp_name).vdu_cp_id or cp_name
    except KeyError:
        cpd_id = cp_name
    return next((cp.vdu_id for cp in flavour.vdu_cps if cp.id == cpd_id), "")


def _ingress_host(plan: NsPlan, nfp: Nfp) -> str | None:
    first = nfp.positions[0].elements[0].ingress if nfp.positions else None
    if first is None or first.kind is not ConstituentKind.SAP:
        return next((sap.host for sap in plan.saps if sap.host), None)
    return next((sap.host or None for sap in plan.saps if sap.sapd_id == first.constituent_id), None)
