"""The plan of a VNF that runs already, as part of the NS that takes it in. Pure.

What lies on the right network keeps its address; what the NSD connects to another one gets an address there, and keeps
its MAC address. Where the VNF runs is as it is: the NSD's rules have to hold there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from mano.domain.ids import derive_id
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance
from mano.errors import InvalidInput, Refused
from mano.nfvo.growing import addresses_of, external_links
from mano.nfvo.ns_change import VnfWork
from mano.nfvo.ns_placement import groups_of
from mano.nfvo.plan import NsPlan, PlannedCp, PlannedVnf, PlannedVnfc
from mano.nfvo.plan_inputs import Constituent, PlanInputs
from mano.nfvo.planning import Slot, free_indices, planned_cp, slots_of
from mano.nfvo.virtual_links import Links
from vnf_descriptors.model import NsFlavour


@dataclass(frozen=True, slots=True)
class Joiner:
    """A VNF on its own, and the profile that it is to have."""

    vnf: VnfInstance
    profile_id: str


def join_vnfs(
    inputs: PlanInputs, plan: NsPlan, joiners: Sequence[Joiner], taken: Mapping[str, Iterable[str]]
) -> tuple[PlannedVnf, ...]:
    """The joiners as the NS plans its VNFs; ``taken`` maps a network to the addresses in use, theirs among them.

    Raises InvalidInput for a connection point that has no port yet, and where an address that a VNFD fixes is in use.
    """
    links = Links(inputs, {network.vld_id: network for network in plan.networks})
    links.take(taken)
    links.take(addresses_of(cp for vnf in plan.vnfs for vnfc in vnf.vnfcs for cp in vnfc.cps))
    joined: list[PlannedVnf] = []
    for joiner in joiners:
        together = replace(plan, vnfs=(*plan.vnfs, *joined))
        joined.append(_joined(inputs, links, together, joiner))
    return tuple(joined)


def _joined(inputs: PlanInputs, links: Links, plan: NsPlan, joiner: Joiner) -> PlannedVnf:
    constituent, vnf = inputs.constituents[joiner.profile_id], joiner.vnf
    index = free_indices(plan, joiner.profile_id, 1)[0]
    name = f"{joiner.profile_id}-{index}"
    return PlannedVnf(
        profile_id=joiner.profile_id,
        index=index,
        vnf_instance_id=vnf.id,
        operation_id="",
        vnfd_id=vnf.vnfd_id,
        package_id=vnf.package_id,
        flavour_id=vnf.flavour_id,
        level_id=vnf.instantiation_level_id,
        name=name,
        vnfcs=tuple(_vnfc(inputs, links, constituent, name, vnfc) for vnfc in vnf.vnfcs),
    )


def _vnfc(inputs: PlanInputs, links: Links, constituent: Constituent, vnf_name: str, vnfc: VnfcResource) -> PlannedVnfc:
    key = f"{vnf_name}/{vnfc.vdu_id}/{vnfc.index}"
    points = {point.cpd_id: point for point in vnfc.connection_points}
    return PlannedVnfc(
        key=key,
        vdu_id=vnfc.vdu_id,
        index=vnfc.index,
        reservation_id=derive_id(inputs.operation_id, "reservation", key),
        cps=tuple(_cp(inputs, links, slot, points.get(slot.cp.id)) for slot in slots_of(constituent, vnfc.vdu_id, key)),
    )


def _cp(inputs: PlanInputs, links: Links, slot: Slot, present: ConnectionPoint | None) -> PlannedCp:
    network = links.network_of(slot.link_id, slot.owner)
    if present is None:
        raise InvalidInput(
            f"connection point {slot.cp.id} has no port that could go to virtual link {slot.link_id}",
            hint="connect it first: ChangeExtVnfConnectivity of the VNF",
        )
    if present.network_id == network.id and (present.addresses or not slot.versions):
        return PlannedCp(slot.cp.id, present.ext_cpd_id, network.id, present.mac, present.addresses)
    return replace(planned_cp(inputs, links, slot), mac=present.mac)


def reconnection(planned: PlannedVnf, vnf: VnfInstance) -> VnfWork | None:
    """The operation that brings a joiner's connection points to the networks of the NS; none where they are there."""
    there = {
        (vnfc.vdu_id, vnfc.index, cp.cpd_id): (cp.network_id, cp.addresses)
        for vnfc in vnf.vnfcs
        for cp in vnfc.connection_points
    }
    moving = [
        (vnfc.index, cp)
        for vnfc in planned.vnfcs
        for cp in vnfc.cps
        if there.get((vnfc.vdu_id, vnfc.index, cp.cpd_id)) != (cp.network_id, cp.addresses)
    ]
    if not moving:
        return None
    return VnfWork(
        vnf.id,
        "CHANGE_EXT_CONN",
        {"extVirtualLinks": [dict(link) for link in external_links(moving)]},
        {"operation": "CHANGE_EXT_CONN", "extVirtualLinks": [dict(link) for link in vnf.ext_virtual_links]},
    )


def require_rules(
    flavour: NsFlavour,
    plan: NsPlan,
    joined: Sequence[PlannedVnf],
    hosts: Mapping[str, str],
    zones: Mapping[str, str],
) -> None:
    """Raises Refused where a joiner runs where the NSD's rules would not have let it.

    ``hosts`` maps the key of a VNFC of the NS or of a joiner to its host, ``zones`` a host to its zone.
    """
    new = {vnfc.key for vnf in joined for vnfc in vnf.vnfcs}
    vnfs = (*plan.vnfs, *joined)
    for rule in flavour.affinity_rules:
        members = [[vnfc.key for vnfc in vnf.vnfcs] for vnf in vnfs if vnf.profile_id in rule.members]
        for group in groups_of(rule, members):
            if not new & set(group["members"]):
                continue
            places = [hosts[key] if group["scope"] == "host" else zones[hosts[key]] for key in group["members"]]
            if (len(set(places)) == 1) is (group["kind"] == "anti-affinity") and len(places) > 1:
                where = f"{group['scope']} {', '.join(sorted(set(places)))}"
                raise Refused(
                    f"{' and '.join(group['members'])} are in {where}, and the NSD asks for {group['kind']}",
                    hint="move it first: HealVnf with the action 'move'",
                )
