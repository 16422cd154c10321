"""What a request changes in a network service: which VNFs and nested NSs come and go, and which operations the others
are asked for (ScaleNs, HealNs: SOL005 clauses 6.4.5 and 6.4.7; UpdateNs in :mod:`mano.nfvo.ns_updates`). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.ns_change import (
    NestedWork,
    NsChange,
    Request,
    Service,
    VnfWork,
    keep_bounds,
    keep_nested_bounds,
    known_vnf,
    missing,
    only,
)
from mano.nfvo.ns_membership import add_vnfs
from mano.nfvo.ns_updates import update
from vnf_descriptors.model import NsFlavour, NsScalingAspect


def decide(service: Service, operation: str, request: Request) -> NsChange:
    """The change that a request asks for; raises InvalidInput with a pointer to what it cannot have."""
    return {"SCALE": _scale, "HEAL": _heal, "UPDATE": update}[operation](service, request)


# Scale


def _scale(service: Service, request: Request) -> NsChange:
    if request.get("scaleType") == "SCALE_VNF":
        data = request.get("scaleVnfData")
        if not data:
            raise missing("scaleVnfData", "SCALE_VNF")
        return NsChange(work=tuple(_scale_vnf(service, item, i) for i, item in enumerate(data)))
    data = request.get("scaleNsData")
    if not data:
        raise missing("scaleNsData", "SCALE_NS")
    level_id = (data.get("scaleNsToLevelData") or {}).get("nsInstantiationLevel")
    levels = {} if level_id else _target_levels(service, data)
    change = _to_levels(service, levels) if levels else NsChange()
    if level_id:
        change = _to_instantiation_level(service, str(level_id))
    removed = tuple(
        known_vnf(service, id, f"/scaleNsData/vnfInstanceToBeRemoved/{i}")
        for i, id in enumerate(data.get("vnfInstanceToBeRemoved") or ())
    )
    joining = add_vnfs(service, data.get("vnfInstanceToBeAdded") or (), "/scaleNsData/vnfInstanceToBeAdded").join
    if not levels and not level_id and not removed and not joining:
        raise missing("scaleNsByStepsData", "SCALE_NS")
    coming = Counter(change.add) + Counter(entry["vnfProfileId"] for entry in joining)
    keep_bounds(service.flavour, service.plan, coming, (*change.remove, *removed))
    keep_nested_bounds(service.flavour, service.ns, change.add_nested, change.remove_nested)
    return replace(change, join=joining, remove=tuple(dict.fromkeys((*change.remove, *removed))))


def _scale_vnf(service: Service, item: Request, index: int) -> VnfWork:
    pointer = f"/scaleVnfData/{index}"
    vnf = service.vnfs[known_vnf(service, str(item.get("vnfInstanceId")), f"{pointer}/vnfInstanceId")]
    kind = str(item.get("scaleVnfType"))
    if kind in ("SCALE_OUT", "SCALE_IN"):
        steps = item.get("scaleByStepData")
        if not steps:
            raise missing("scaleByStepData", kind, pointer)
        request = {"type": kind, **only(steps, "aspectId", "numberOfSteps", "additionalParams")}
        return VnfWork(vnf.id, "SCALE", request, _back_to_level(vnf))
    data = item.get("scaleToLevelData")
    if not data:
        raise missing("scaleToLevelData", kind, pointer)
    request = only(data, "additionalParams")
    if kind == "SCALE_TO_INSTANTIATION_LEVEL":
        request["instantiationLevelId"] = data.get("vnfInstantiationLevelId")
    else:
        info = data.get("vnfScaleInfo") or ()
        request["scaleInfo"] = [{"aspectId": i.get("aspectId"), "scaleToLevel": i.get("scaleLevel")} for i in info]
    return VnfWork(vnf.id, "SCALE_TO_LEVEL", request, _back_to_level(vnf))


def _back_to_level(vnf: VnfInstance) -> dict[str, Any]:
    info = [{"aspectId": aspect, "scaleToLevel": level} for aspect, level in vnf.scale_levels.items()]
    return {"operation": "SCALE_TO_LEVEL", "scaleInfo": info}


def _target_levels(service: Service, data: Request) -> dict[str, int]:
    steps, level = data.get("scaleNsByStepsData"), data.get("scaleNsToLevelData")
    if steps:
        aspect = _aspect(service.flavour, str(steps.get("aspectId")), "/scaleNsData/scaleNsByStepsData/aspectId")
        number = int(steps.get("numberOfSteps") or 1)
        sign = 1 if steps.get("scalingDirection") == "SCALE_OUT" else -1
        return {aspect.id: present_level(service.ns, aspect) + sign * number}
    if not level:
        return {}
    found = {}
    for i, entry in enumerate(level.get("nsScaleInfo") or ()):
        pointer = f"/scaleNsData/scaleNsToLevelData/nsScaleInfo/{i}"
        aspect = _aspect(service.flavour, str(entry.get("nsScalingAspectId")), f"{pointer}/nsScalingAspectId")
        ids = [level.id for level in aspect.levels]
        if entry.get("nsScaleLevelId") not in ids:
            raise InvalidInput(
                f"aspect {aspect.id} has no such scale level",
                hint=f"it has: {', '.join(ids)}",
                facts={"pointer": f"{pointer}/nsScaleLevelId"},
            )
        found[aspect.id] = ids.index(entry["nsScaleLevelId"])
    return found


def _to_instantiation_level(service: Service, level_id: str) -> NsChange:
    """To the numbers of an NS instantiation level; scale levels follow where one has the same numbers."""
    flavour = service.flavour
    known = [level.id for level in flavour.instantiation_levels]
    if level_id not in known:
        raise InvalidInput(
            f"the NS flavour has no instantiation level '{level_id}'",
            hint=f"it has: {', '.join(known) or 'none'}",
            facts={"pointer": "/scaleNsData/scaleNsToLevelData/nsInstantiationLevel"},
        )
    wanted, nested = flavour.instances(level_id), flavour.nested_instances(level_id)
    present = Counter(vnf.profile_id for vnf in service.plan.vnfs)
    inside = Counter(one.profile_id for one in service.ns.nested)
    levels = dict(service.ns.scale_levels)
    for aspect in flavour.scaling_aspects:
        numbers = {**wanted, **nested}
        fitting = [
            n for n, one in enumerate(aspect.levels) if all(numbers.get(k) == v for k, v in one.instances.items())
        ]
        levels |= {aspect.id: fitting[-1]} if fitting else {}
    return NsChange(
        {id: count - present[id] for id, count in wanted.items() if count > present[id]},
        tuple(gone for id, n in wanted.items() if n < present[id] for gone in _last_of(service, id, present[id] - n)),
        scale_levels=levels,
        add_nested={id: count - inside[id] for id, count in nested.items() if count > inside[id]},
        remove_nested=tuple(
            gone for id, n in nested.items() if n < inside[id] for gone in _last_nested(service, id, inside[id] - n)
        ),
    )


def present_level(ns: NsInstance, aspect: NsScalingAspect) -> int:
    """Number of the scale level that the NS has of an aspect."""
    return ns.scale_levels.get(aspect.id, 0)


def _to_levels(service: Service, wanted: Mapping[str, int]) -> NsChange:
    more: dict[str, int] = {}
    fewer: dict[str, int] = {}
    for aspect_id, level in wanted.items():
        aspect = _aspect(service.flavour, aspect_id, "")
        if not 0 <= level < len(aspect.levels):
            raise InvalidInput(
                f"NS scaling aspect {aspect_id} has the levels 0 to {len(aspect.levels) - 1}; it is at "
                f"{present_level(service.ns, aspect)}, {level} was asked for",
                hint="ask for fewer steps",
                facts={"pointer": "/scaleNsData"},
            )
        before, after = aspect.levels[present_level(service.ns, aspect)], aspect.levels[level]
        for profile in dict.fromkeys((*before.instances, *after.instances)):
            difference = after.instances.get(profile, 0) - before.instances.get(profile, 0)
            if difference:
                counted = more if difference > 0 else fewer
                counted[profile] = counted.get(profile, 0) + abs(difference)
    nested = {profile.id for profile in service.flavour.nested_ns_profiles}
    return NsChange(
        {profile: count for profile, count in more.items() if profile not in nested},
        tuple(id for name, count in fewer.items() if name not in nested for id in _last_of(service, name, count)),
        scale_levels={**service.ns.scale_levels, **wanted},
        add_nested={profile: count for profile, count in more.items() if profile in nested},
        remove_nested=tuple(id for name, count in fewer.items() for id in _last_nested(service, name, count)),
    )


def _last_nested(service: Service, profile: str, count: int) -> list[str]:
    mine = [nested.ns_instance_id for nested in service.ns.nested if nested.profile_id == profile]
    return mine[-count:]


def _last_of(service: Service, profile: str, count: int) -> list[str]:
    mine = sorted((vnf.index, vnf.vnf_instance_id) for vnf in service.plan.vnfs if vnf.profile_id == profile)
    return [vnf_id for _, vnf_id in mine[-count:]]


def _aspect(flavour: NsFlavour, aspect_id: str, pointer: str) -> NsScalingAspect:
    for aspect in flavour.scaling_aspects:
        if aspect.id == aspect_id:
            return aspect
    known = ", ".join(aspect.id for aspect in flavour.scaling_aspects) or "none"
    raise InvalidInput(
        f"the NSD has no NS scaling aspect '{aspect_id}'", hint=f"it has: {known}", facts={"pointer": pointer}
    )


# Heal


def _heal(service: Service, request: Request) -> NsChange:
    named = request.get("healVnfData")
    if named:
        return NsChange(work=tuple(_heal_vnf(service, item, i) for i, item in enumerate(named)))
    if not request.get("healNsData"):
        raise InvalidInput(
            "a HealNsRequest has healNsData or healVnfData (SOL005 clause 6.5.2.13)", hint="send one of them"
        )
    ill = {"additionalParams": {"catena": {"action": "ill"}}, "cause": "healing of the network service"}
    return NsChange(
        work=tuple(VnfWork(vnf_id, "HEAL", ill) for vnf_id in sorted(service.vnfs)),
        nested_work=tuple(
            NestedWork(nested.ns_instance_id, nested.nsd_id, "HEAL", {"healNsData": request["healNsData"]})
            for nested in service.ns.nested
        ),
    )


def _heal_vnf(service: Service, item: Request, index: int) -> VnfWork:
    vnf_id = known_vnf(service, str(item.get("vnfInstanceId")), f"/healVnfData/{index}/vnfInstanceId")
    return VnfWork(vnf_id, "HEAL", only(item, "cause", "additionalParams"))
