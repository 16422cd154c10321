"""What a request changes in a network service: which VNFs, SAPs and forwarding graphs come and go, and which
operations its VNFs are asked for (ScaleNs, HealNs, UpdateNs: SOL005 clauses 6.4.5 to 6.4.7). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.nfvo.plan import NsPlan
from vnf_descriptors.model import NsFlavour, NsScalingAspect

Request = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class VnfWork:
    """One operation on a VNF of the NS, and the one that undoes it; empty ``undo`` for one that needs no undoing."""

    vnf_instance_id: str
    operation: str
    request: Mapping[str, Any]
    undo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NsChange:
    """The decision on a request. ``add`` maps a VNF profile to how many more instances of it there shall be.

    ``names`` are those that a request gives to new VNFs, by profile.
    """

    add: Mapping[str, int] = field(default_factory=dict)
    remove: tuple[str, ...] = ()
    add_saps: tuple[Mapping[str, Any], ...] = ()
    remove_saps: tuple[str, ...] = ()
    add_vnffgs: tuple[str, ...] = ()
    remove_vnffgs: tuple[str, ...] = ()
    work: tuple[VnfWork, ...] = ()
    scale_levels: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`change_from_json` reads them."""
        return asdict(self)


def change_from_json(document: Mapping[str, Any]) -> NsChange:
    """The change that :meth:`NsChange.to_json` wrote."""
    lists = ("remove", "add_saps", "remove_saps", "add_vnffgs", "remove_vnffgs")
    fields = {**document, **{name: tuple(document[name]) for name in lists}}
    return NsChange(**{**fields, "work": tuple(VnfWork(**item) for item in document["work"])})


@dataclass(frozen=True, slots=True)
class Service:
    """What there is: the NS, its flavour, its plan, its VNFs, and its chains as (VNFFG info id, VNFFGD)."""

    ns: NsInstance
    flavour: NsFlavour
    plan: NsPlan
    vnfs: Mapping[str, VnfInstance]
    vnffgs: Mapping[str, str]


def decide(service: Service, operation: str, request: Request) -> NsChange:
    """The change that a request asks for; raises InvalidInput with a pointer to what it cannot have."""
    return {"SCALE": _scale, "HEAL": _heal, "UPDATE": _update}[operation](service, request)


# Scale


def _scale(service: Service, request: Request) -> NsChange:
    if request.get("scaleType") == "SCALE_VNF":
        data = request.get("scaleVnfData")
        if not data:
            raise _missing("scaleVnfData", "SCALE_VNF")
        return NsChange(work=tuple(_scale_vnf(service, item, i) for i, item in enumerate(data)))
    data = request.get("scaleNsData")
    if not data:
        raise _missing("scaleNsData", "SCALE_NS")
    if data.get("vnfInstanceToBeAdded"):
        raise _unsupported("/scaleNsData/vnfInstanceToBeAdded", "VNFs that exist already cannot join an NS")
    levels = _target_levels(service, data)
    change = _to_levels(service, levels) if levels else NsChange()
    removed = tuple(
        _known_vnf(service, id, f"/scaleNsData/vnfInstanceToBeRemoved/{i}")
        for i, id in enumerate(data.get("vnfInstanceToBeRemoved") or ())
    )
    if not levels and not removed:
        raise _missing("scaleNsByStepsData", "SCALE_NS")
    _keep_minimum(service, change.add, (*change.remove, *removed))
    return NsChange(change.add, tuple(dict.fromkeys((*change.remove, *removed))), scale_levels=change.scale_levels)


def _scale_vnf(service: Service, item: Request, index: int) -> VnfWork:
    pointer = f"/scaleVnfData/{index}"
    vnf = service.vnfs[_known_vnf(service, str(item.get("vnfInstanceId")), f"{pointer}/vnfInstanceId")]
    kind = str(item.get("scaleVnfType"))
    if kind in ("SCALE_OUT", "SCALE_IN"):
        steps = item.get("scaleByStepData")
        if not steps:
            raise _missing("scaleByStepData", kind, pointer)
        request = {"type": kind, **_only(steps, "aspectId", "numberOfSteps", "additionalParams")}
        return VnfWork(vnf.id, "SCALE", request, _back_to_level(vnf))
    data = item.get("scaleToLevelData")
    if not data:
        raise _missing("scaleToLevelData", kind, pointer)
    request = _only(data, "additionalParams")
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
    if level.get("nsInstantiationLevel"):
        raise _unsupported("/scaleNsData/scaleNsToLevelData/nsInstantiationLevel", "scale by nsScaleInfo instead")
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


def present_level(ns: NsInstance, aspect: NsScalingAspect) -> int:
    """Number of the scale level that the NS has of an aspect."""
    return ns.scale_levels.get(aspect.id, 0)


def _to_levels(service: Service, wanted: Mapping[str, int]) -> NsChange:
    add: dict[str, int] = {}
    remove: list[str] = []
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
            more = after.instances.get(profile, 0) - before.instances.get(profile, 0)
            if more > 0:
                add[profile] = add.get(profile, 0) + more
            elif more < 0:
                remove += _last_of(service, profile, -more)
    return NsChange(add, tuple(remove), scale_levels={**service.ns.scale_levels, **wanted})


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


def _keep_minimum(service: Service, add: Mapping[str, int], remove: Sequence[str]) -> None:
    """Numbers of instances stay within the VNF profiles' bounds (IFA 014 clause 6.3.3)."""
    for profile in service.flavour.vnf_profiles:
        mine = [vnf.vnf_instance_id for vnf in service.plan.vnfs if vnf.profile_id == profile.id]
        gone = len(set(mine) & set(remove))
        count = len(mine) - gone + add.get(profile.id, 0)
        if (gone and count < profile.min_instances) or (add.get(profile.id) and count > profile.max_instances):
            raise InvalidInput(
                f"VNF profile {profile.id} may have {profile.min_instances} to {profile.max_instances} instances, "
                f"not {count} (IFA 014 clause 6.3.3)",
                hint="change the NSD's vnf_profile, or scale the VNF itself",
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
    return NsChange(work=tuple(VnfWork(vnf_id, "HEAL", ill) for vnf_id in sorted(service.vnfs)))


def _heal_vnf(service: Service, item: Request, index: int) -> VnfWork:
    vnf_id = _known_vnf(service, str(item.get("vnfInstanceId")), f"/healVnfData/{index}/vnfInstanceId")
    return VnfWork(vnf_id, "HEAL", _only(item, "cause", "additionalParams"))


# Update

UPDATES = {
    "INSTANTIATE_VNF": "instantiateVnfData",
    "REMOVE_VNF": "removeVnfInstanceId",
    "OPERATE_VNF": "operateVnfData",
    "MODIFY_VNF_INFORMATION": "modifyVnfInfoData",
    "CHANGE_VNF_DF": "changeVnfFlavourData",
    "CHANGE_EXTERNAL_VNF_CONNECTIVITY": "changeExtVnfConnectivityData",
    "CHANGE_VNFPKG": "changeVnfPackageData",
    "ADD_SAP": "addSap",
    "REMOVE_SAP": "removeSapId",
    "ADD_VNFFG": "addVnffg",
    "REMOVE_VNFFG": "removeVnffgId",
}
"""Types of UpdateNs that there are, with the attribute that holds their data (SOL005 clause 6.5.2.12)."""


def _update(service: Service, request: Request) -> NsChange:
    # The OpenAPI document of SOL005 v3.7.1 spells one type with a space.
    kind = str(request.get("updateType")).replace(" ", "_")
    if kind not in UPDATES:
        raise _unsupported("/updateType", f"this NFVO has {', '.join(UPDATES)}")
    attribute = UPDATES[kind]
    data = request.get(attribute)
    if not data:
        raise _missing(attribute, kind)
    if kind == "INSTANTIATE_VNF":
        add = _new_vnfs(service, data)
        _keep_minimum(service, add, ())
        return NsChange(add=add)
    if kind == "REMOVE_VNF":
        gone = tuple(_known_vnf(service, str(id), f"/{attribute}/{i}") for i, id in enumerate(data))
        _keep_minimum(service, {}, gone)
        return NsChange(remove=tuple(dict.fromkeys(gone)))
    if kind == "ADD_SAP":
        return NsChange(add_saps=tuple(_new_sap(service, item, i) for i, item in enumerate(data)))
    if kind == "REMOVE_SAP":
        return NsChange(remove_saps=tuple(_known_sap(service, str(id), i) for i, id in enumerate(data)))
    if kind == "ADD_VNFFG":
        return NsChange(add_vnffgs=tuple(_new_vnffg(service, item, i) for i, item in enumerate(data)))
    if kind == "REMOVE_VNFFG":
        return NsChange(remove_vnffgs=tuple(_known_vnffg(service, str(id), i) for i, id in enumerate(data)))
    return NsChange(work=tuple(_vnf_work(service, kind, attribute, data)))


def _vnf_work(service: Service, kind: str, attribute: str, data: Sequence[Request]) -> Iterator[VnfWork]:
    operation, undo = _WORK[kind]
    for i, item in enumerate(data):
        vnf_id = _known_vnf(service, str(item.get("vnfInstanceId")), f"/{attribute}/{i}/vnfInstanceId")
        request = {name: value for name, value in item.items() if name not in ("vnfInstanceId", "additionalParam")}
        if "additionalParam" in item:
            request["additionalParams"] = item["additionalParam"]
        yield VnfWork(vnf_id, operation, request, undo(service.vnfs[vnf_id]))


_WORK: Mapping[str, tuple[str, Any]] = {
    "OPERATE_VNF": (
        "OPERATE",
        lambda vnf: {"operation": "OPERATE", "changeStateTo": (vnf.vnf_state or "STARTED")},
    ),
    "MODIFY_VNF_INFORMATION": (
        "MODIFY_INFO",
        lambda vnf: {
            "operation": "MODIFY_INFO",
            "vnfInstanceName": vnf.name,
            "vnfInstanceDescription": vnf.description,
            "metadata": dict(vnf.metadata),
            "extensions": dict(vnf.extensions),
            "vnfConfigurableProperties": dict(vnf.configuration),
        },
    ),
    "CHANGE_VNF_DF": (
        "CHANGE_FLAVOUR",
        lambda vnf: {
            "operation": "CHANGE_FLAVOUR",
            "newFlavourId": vnf.flavour_id,
            "instantiationLevelId": vnf.instantiation_level_id,
        },
    ),
    "CHANGE_EXTERNAL_VNF_CONNECTIVITY": (
        "CHANGE_EXT_CONN",
        lambda vnf: {"operation": "CHANGE_EXT_CONN", "extVirtualLinks": list(vnf.ext_virtual_links)},
    ),
    "CHANGE_VNFPKG": ("CHANGE_VNFPKG", lambda vnf: {"operation": "CHANGE_VNFPKG", "vnfdId": vnf.vnfd_id}),
}
"""Type of update to the VNF's operation, and what undoes it."""


def _new_vnfs(service: Service, data: Sequence[Request]) -> dict[str, int]:
    add: dict[str, int] = {}
    profiles = {profile.id: profile for profile in service.flavour.vnf_profiles}
    for i, item in enumerate(data):
        wanted = item.get("vnfProfileId") or next(
            (p.id for p in profiles.values() if p.vnfd_id == item.get("vnfdId")), None
        )
        if wanted not in profiles:
            raise InvalidInput(
                "the NSD has no such VNF profile",
                hint=f"it has: {', '.join(profiles)}",
                facts={"pointer": f"/instantiateVnfData/{i}/vnfProfileId"},
            )
        add[wanted] = add.get(wanted, 0) + 1
    return add


def _new_sap(service: Service, item: Request, index: int) -> Request:
    known = [sap.id for sap in service.flavour.saps]
    sapd_id = str(item.get("sapdId"))
    pointer = {"pointer": f"/addSap/{index}/sapdId"}
    if sapd_id not in known:
        raise InvalidInput(f"the NSD has no SAP '{sapd_id}'", hint=f"it has: {', '.join(known)}", facts=pointer)
    if any(sap.sapd_id == sapd_id for sap in service.plan.saps):
        raise InvalidInput(f"SAP {sapd_id} is attached already", hint="remove it first", facts=pointer)
    return dict(item)


def _known_sap(service: Service, sap_id: str, index: int) -> str:
    for sap in service.plan.saps:
        if sap_id in (sap.id, sap.sapd_id):
            return sap.sapd_id
    raise InvalidInput("the NS has no such SAP", facts={"pointer": f"/removeSapId/{index}"})


def _new_vnffg(service: Service, item: Request, index: int) -> str:
    known = [vnffg.id for vnffg in service.flavour.vnffgs]
    name = str(item.get("vnffgName"))
    pointer = {"pointer": f"/addVnffg/{index}/vnffgName"}
    if name not in known:
        raise InvalidInput(
            f"the NSD has no VNFFG '{name}'",
            hint=f"it has: {', '.join(known) or 'none'}; chains of your own: POST /mano/v1/chains",
            facts=pointer,
        )
    if name in service.vnffgs.values():
        raise InvalidInput(f"VNFFG {name} is there already", hint="remove it first", facts=pointer)
    return name


def _known_vnffg(service: Service, vnffg_id: str, index: int) -> str:
    for info_id, descriptor in service.vnffgs.items():
        if vnffg_id in (info_id, descriptor):
            return descriptor
    raise InvalidInput("the NS has no such VNFFG", facts={"pointer": f"/removeVnffgId/{index}"})


# Shared


def _known_vnf(service: Service, vnf_id: str, pointer: str) -> str:
    if vnf_id in service.vnfs:
        return vnf_id
    known = ", ".join(f"{vnf.name} {vnf.id}" for vnf in service.vnfs.values())
    raise InvalidInput("the NS has no such VNF instance", hint=f"it has: {known}", facts={"pointer": pointer})


def _only(item: Request, *names: str) -> dict[str, Any]:
    return {name: item[name] for name in names if item.get(name) is not None}


def _missing(attribute: str, kind: str, under: str = "") -> InvalidInput:
    return InvalidInput(f"{kind} needs {attribute}", hint="add it", facts={"pointer": f"{under}/{attribute}"})


def _unsupported(pointer: str, hint: str) -> InvalidInput:
    return InvalidInput("this NFVO does not support what was asked for", hint=hint, facts={"pointer": pointer})
