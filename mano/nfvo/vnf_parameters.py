"""What a request on an NS says of its VNFs and their places: parameters for VNF profiles, further rules. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import OperationState
from mano.domain.ns_instance import NsInstance
from mano.errors import InvalidInput
from mano.nfvo.plan import NsPlan, PlannedVnf
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import AffinityKind, AffinityRule, NsFlavour

Request = Mapping[str, Any]

RULES = "additionalAffinityOrAntiAffinityRule"
_SCOPES = {"NFVI_NODE": "nfvi_node", "ZONE": "zone", "ZONE_GROUP": "zone_group", "NFVI_POP": "nfvi_pop"}


def params_for(request: Request, plan: NsPlan, vnf: PlannedVnf) -> Request:
    """ParamsForVnf (SOL005 clause 6.5.3.22) for a newcomer of a plan; empty where there is none.

    They stand in InstantiateNsRequest and ScaleNsData as such, and in the InstantiateVnfData of an UpdateNsRequest.
    """
    scaling: Request = request.get("scaleNsData") or {}
    named = [*(request.get("additionalParamsForVnf") or ()), *(scaling.get("additionalParamsForVnf") or ())]
    for item in named:
        if item.get("vnfProfileId") == vnf.profile_id:
            return dict(item)
    mine = [
        item
        for item in request.get("instantiateVnfData") or ()
        if (item.get("vnfProfileId") or vnf.profile_id) == vnf.profile_id
        and (item.get("vnfdId") or vnf.vnfd_id) == vnf.vnfd_id
    ]
    alike = [one.vnf_instance_id for one in plan.vnfs if one.profile_id == vnf.profile_id]
    rank = alike.index(vnf.vnf_instance_id)
    return dict(mine[rank]) if rank < len(mine) else {}


def named(request: Request, plan: NsPlan, vnf: PlannedVnf) -> tuple[str, dict[str, Any]]:
    """(name, metadata) of a newcomer: as asked for, with its number where several have the name."""
    asked = params_for(request, plan, vnf)
    metadata = dict(asked.get("metadata") or {})
    if asked.get("vnfInstanceDescription"):
        metadata["description"] = asked["vnfInstanceDescription"]
    name = str(asked.get("vnfInstanceName") or "")
    alone = sum(one.profile_id == vnf.profile_id for one in plan.vnfs) == 1
    return (name if alone else f"{name}-{vnf.index}") if name else vnf.name, metadata


def first_request(uow: UnitOfWork, ns: NsInstance) -> Request:
    """The InstantiateNsRequest that made an NS what it is; empty when it is no longer known."""
    made = [
        op
        for op in uow.operations.list(ns.tenant_id, instance_id=ns.id, operation="INSTANTIATE")
        if op.state in (OperationState.COMPLETED, OperationState.PARTIALLY_COMPLETED, OperationState.FAILED)
    ]
    return max(made, key=lambda op: op.started_at).parameters if made else {}


def require_profiles(flavour: NsFlavour, request: Request) -> None:
    """Raise InvalidInput for parameters of a VNF profile that the flavour does not have."""
    known = [profile.id for profile in flavour.vnf_profiles]
    for where in ("", "/scaleNsData"):
        holder: Request = request if not where else request.get("scaleNsData") or {}
        for index, item in enumerate(holder.get("additionalParamsForVnf") or ()):
            if item.get("vnfProfileId") not in known:
                raise InvalidInput(
                    "the NS flavour has no such VNF profile",
                    hint=f"it has: {', '.join(known) or 'none'}",
                    facts={"pointer": f"{where}/additionalParamsForVnf/{index}/vnfProfileId"},
                )


def with_rules(flavour: NsFlavour, request: Request) -> NsFlavour:
    """The flavour with the affinity and anti-affinity rules of an InstantiateNsRequest (SOL005 clause 6.5.3.17)."""
    rules = tuple(_rules(flavour, request.get(RULES) or ()))
    return replace(flavour, affinity_rules=(*flavour.affinity_rules, *rules)) if rules else flavour


def _rules(flavour: NsFlavour, items: Sequence[Request]) -> Iterator[AffinityRule]:
    for index, item in enumerate(items):
        pointer = f"/{RULES}/{index}"
        # The OpenAPI document of SOL005 v3.7.1 misspells the attribute, the standard's text does not.
        kind = item.get("affinityOrAntiAffinity", item.get("affinityOrAntiAffiinty"))
        if kind not in ("AFFINITY", "ANTI_AFFINITY") or item.get("scope") not in _SCOPES:
            raise InvalidInput(
                "a rule needs affinityOrAntiAffinity (AFFINITY, ANTI_AFFINITY) and scope",
                hint=f"scopes are {', '.join(_SCOPES)}",
                facts={"pointer": pointer},
            )
        members = tuple(dict.fromkeys(_members(flavour, item, pointer)))
        yield AffinityRule(
            id=f"request-{index}",
            kind=AffinityKind.AFFINITY if kind == "AFFINITY" else AffinityKind.ANTI_AFFINITY,
            scope=_SCOPES[str(item["scope"])],
            members=members,
        )


def _members(flavour: NsFlavour, item: Request, pointer: str) -> Iterator[str]:
    profiles = {profile.id: profile.vnfd_id for profile in flavour.vnf_profiles}
    for number, name in enumerate(item.get("vnfProfileId") or ()):
        if name not in profiles:
            raise InvalidInput(
                "the NS flavour has no such VNF profile",
                hint=f"it has: {', '.join(profiles) or 'none'}",
                facts={"pointer": f"{pointer}/vnfProfileId/{number}"},
            )
        yield str(name)
    for number, vnfd_id in enumerate(item.get("vnfdId") or ()):
        found = [name for name, of in profiles.items() if of == vnfd_id]
        if not found:
            raise InvalidInput(
                "no VNF profile of the NS flavour is of that VNFD", facts={"pointer": f"{pointer}/vnfdId/{number}"}
            )
        yield from found
