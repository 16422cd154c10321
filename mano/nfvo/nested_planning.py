"""Nested NSs in the plan of an NS (IFA 014 clause 6.3.11): which there are, and what their SAPs are connected to. Pure.

A SAP of a nested NS that the NSD around connects to a virtual link has no port: the network behind it and that of the
virtual link are one from then on. Everything on either side reaches everything on the other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkJoin
from mano.errors import InvalidInput
from mano.nfvo.plan import NsPlan, PlannedNested
from mano.nfvo.plan_inputs import NestedRequest, PlanInputs
from mano.nfvo.virtual_links import network_id_of
from vnf_descriptors.model import ConstituentKind, NestedNsProfile, Nsd, NsFlavour, Sap

MAX_DEPTH = 3
"""NSs within NSs within NSs, at most: the queues of the workflow engine are as many."""


def plan_nested(inputs: PlanInputs, plan: NsPlan, requests: Sequence[NestedRequest]) -> tuple[PlannedNested, ...]:
    """The nested NSs with the joins of their networks, over the networks, SAPs and PNFs of the plan."""
    held = {nested.key for nested in plan.nested}
    found = []
    for request in requests:
        number = next(n for n in range(len(held) + 1) if f"{request.profile_id}-{n}" not in held)
        key = f"{request.profile_id}-{number}"
        held.add(key)
        found.append(_nested(inputs, plan, request, key))
    return tuple(found)


def _nested(inputs: PlanInputs, plan: NsPlan, request: NestedRequest, key: str) -> PlannedNested:
    profile = inputs.flavour.nested_ns_profile(request.profile_id)
    flavour = flavour_for(profile, request.nsd, request.flavour_id)
    made = not request.ns_instance_id
    operation_id = derive_id(inputs.operation_id, "nested", key, "instantiate") if made else ""
    joins = []
    for connection in profile.connections:
        sap = sap_of(profile, request.nsd, flavour, connection.requirement)
        outer = next((n for n in plan.networks if n.vld_id == connection.virtual_link_id), None)
        if outer is None:
            raise InvalidInput(f"nested NS {profile.id} is connected to virtual link '{connection.virtual_link_id}', "
                               "which the NS does not have")  # fmt: skip
        _require_alike(profile, request, flavour, sap, outer)
        inner = network_id_of(operation_id, sap.virtual_link_id) if made else request.inner[sap.virtual_link_id].id
        entry = entry_port(plan, outer.id)
        if made and not entry and sap.id in _ends(flavour):
            raise InvalidInput(
                f"paths of nested NS {profile.id} begin or end at its SAP {sap.id}, and to virtual link "
                f"{outer.vld_id}, which that is connected to, not exactly one SAP or PNF comes from outside",
                hint="let that virtual link have one SAP or PNF on a host's bridge",
            )
        joins.append(NetworkJoin(sap.id, sap.virtual_link_id, outer.id, inner, entry))
    return PlannedNested(
        key=key,
        profile_id=profile.id,
        ns_instance_id=request.ns_instance_id or derive_id(inputs.operation_id, "nested", key),
        nsd_id=request.nsd.descriptor_id,
        package_id=request.package_id,
        flavour_id=flavour.id,
        level_id=profile.instantiation_level_id or "",
        operation_id=operation_id,
        joins=tuple(joins),
        parameters=request.parameters,
    )


def _ends(flavour: NsFlavour) -> set[str]:
    """The SAPs that forwarding paths begin or end at."""
    nfps = [nfp for vnffg in flavour.vnffgs for nfp in vnffg.nfps if nfp.positions]
    points = [point for nfp in nfps for point in (nfp.positions[0].elements[0], nfp.positions[-1].elements[-1])]
    return {point.ingress.constituent_id for point in points if point.ingress.kind is ConstituentKind.SAP}


def entry_port(plan: NsPlan, network_id: str) -> str:
    """The port by which the outside comes to a network, empty unless there is exactly one."""
    ports = [sap.id for sap in plan.saps if sap.network_id == network_id and sap.host]
    ports += [cp.id for pnf in plan.pnfs for cp in pnf.cps if cp.network_id == network_id and cp.host]
    return ports[0] if len(ports) == 1 else ""


def flavour_for(profile: NestedNsProfile, nsd: Nsd, present: str = "") -> NsFlavour:
    """The flavour of the nested NSD that the profile asks for; raises InvalidInput where it is not that one.

    ``present`` is the flavour of an instance that is there.
    """
    try:
        flavour = nsd.flavour(profile.flavour_id)
    except KeyError:
        if profile.flavour_id != "default":  # what a node without flavour_id is read as
            raise InvalidInput(
                f"nested NS profile {profile.id} asks for flavour '{profile.flavour_id}', which NSD "
                f"{nsd.descriptor_id} does not have",
                hint=f"it has {', '.join(flavour.id for flavour in nsd.flavours)}",
            ) from None
        flavour = nsd.flavour(present or None)
    if present and flavour.id != present:
        raise InvalidInput(
            f"the NS instance has flavour '{present}', nested NS profile {profile.id} asks for '{flavour.id}'",
            hint="choose an instance of that flavour",
        )
    return flavour


def sap_of(profile: NestedNsProfile, nsd: Nsd, flavour: NsFlavour, requirement: str) -> Sap:
    """The SAP that a profile connects; raises InvalidInput where the nested NSD has none."""
    try:
        return flavour.sap_behind(requirement)
    except KeyError:
        known = ", ".join(sap.requirement or sap.id for sap in flavour.saps) or "none"
        raise InvalidInput(
            f"nested NS profile {profile.id} connects '{requirement}', and NSD {nsd.descriptor_id} has no such SAP "
            "(SOL001 clause 7.8)",
            hint=f"it has: {known}",
        ) from None


def _require_alike(
    profile: NestedNsProfile, request: NestedRequest, flavour: NsFlavour, sap: Sap, outer: Network
) -> None:
    """One network can be made of two overlays, or of two links on one segment of a physical network."""
    if request.ns_instance_id:
        inner = request.inner.get(sap.virtual_link_id)
        if inner is None:
            raise InvalidInput(
                f"the NS instance has no virtual link {sap.virtual_link_id}, which its SAP {sap.id} opens",
                hint="add the virtual link to it first",
            )
        theirs = (inner.physical_network, inner.segment)
    else:
        link = flavour.virtual_link(sap.virtual_link_id)
        physical = link.physical_network or ""
        theirs = (physical, (link.l2.segmentation_id or 0) if link.l2 is not None and physical else 0)
    if theirs != (outer.physical_network, outer.segment):
        raise InvalidInput(
            f"nested NS profile {profile.id}: SAP {sap.id} lies on {_place(*theirs)}, virtual link {outer.vld_id} on "
            f"{_place(outer.physical_network, outer.segment)}: they cannot be one network",
            hint="let both be overlays, or the same segment of one physical network",
        )


def _place(physical: str, segment: int) -> str:
    vlan = f", VLAN {segment}" if segment else ""
    return f"physical network {physical}{vlan}" if physical else "an overlay"


def groups_of_networks(joins: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Each network that is joined to another, to the one that stands for all of them: the least identifier."""
    stands: dict[str, str] = {}

    def root(name: str) -> str:
        while stands.setdefault(name, name) != name:
            name = stands[name]
        return name

    for one, other in joins:
        first, second = sorted((root(one), root(other)))
        stands[second] = first
    return {name: root(name) for name in stands}


def child_request(nested: PlannedNested) -> dict[str, Any]:
    """InstantiateNsRequest (SOL005 clause 6.5.2.11) of a nested NS."""
    request: dict[str, Any] = {"nsFlavourId": nested.flavour_id, **nested.parameters}
    if nested.level_id:
        request["nsInstantiationLevelId"] = nested.level_id
    return request
