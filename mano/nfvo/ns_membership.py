"""VNFs that run already and come to a network service, or go from it to another one (SOL005 clause 6.4.6). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.vnf_instance import REMOTE, InstantiationState, VnfInstance
from mano.errors import InvalidInput, WrongState
from mano.nfvo.ns_change import NestedWork, NsChange, Request, Service, keep_bounds, known_vnf, missing
from vnf_descriptors.model import VnfProfile

Entry = dict[str, str]
"""VnfInstanceData (SOL005 clause 6.5.3.19): a VNF instance and the profile that it is to have."""


def add_vnfs(service: Service, data: Sequence[Request], pointer: str = "/addVnfIstance") -> NsChange:
    """VNF instances on their own become part of the NS."""
    join = tuple(_joining(service, item, f"{pointer}/{number}") for number, item in enumerate(data))
    _require_once([entry["vnfInstanceId"] for entry in join], pointer)
    keep_bounds(service.flavour, service.plan, Counter(entry["vnfProfileId"] for entry in join), ())
    return NsChange(join=join)


def _joining(service: Service, item: Request, pointer: str) -> Entry:
    id, wanted = str(item.get("vnfInstanceId")), str(item.get("vnfProfileId"))
    where = {"pointer": f"{pointer}/vnfInstanceId"}
    vnf = service.strangers.get(id)
    if vnf is None:
        raise InvalidInput("there is no such VNF instance", facts=where)
    if vnf.ns_instance_id:
        raise InvalidInput(
            f"VNF {vnf.name} is part of NS instance {vnf.ns_instance_id}",
            hint="let that one hand it over: UpdateNs with MOVE_VNF",
            facts=where,
        )
    _require_movable(vnf, where)
    profile = next((one for one in service.flavour.vnf_profiles if one.id == wanted), None)
    if profile is None:
        raise InvalidInput(
            "the NSD has no such VNF profile",
            hint=f"it has: {', '.join(one.id for one in service.flavour.vnf_profiles)}",
            facts={"pointer": f"{pointer}/vnfProfileId"},
        )
    if not _fits(profile, vnf):
        raise InvalidInput(
            f"VNF {vnf.name} is of VNFD {vnf.vnfd_id} in flavour {vnf.flavour_id}; profile {profile.id} is of VNFD "
            f"{profile.vnfd_id} in flavour {profile.flavour_id or 'any'}",
            hint="name another profile, or change the VNF's package or flavour first",
            facts={"pointer": f"{pointer}/vnfProfileId"},
        )
    return {"vnfInstanceId": id, "vnfProfileId": profile.id}


def _require_movable(vnf: VnfInstance, where: Mapping[str, Any]) -> None:
    if REMOTE in vnf.metadata:
        raise InvalidInput(
            f"the VNFM of VNF {vnf.name} is elsewhere and would not learn of its new network service",
            hint="let the network service make one: INSTANTIATE_VNF",
            facts=where,
        )
    if vnf.instantiation_state is not InstantiationState.INSTANTIATED:
        raise WrongState(
            f"VNF instance {vnf.name} is {vnf.instantiation_state.value}",
            hint="instantiate it first, or let the network service make one: INSTANTIATE_VNF",
            facts=where,
        )


def _fits(profile: VnfProfile, vnf: VnfInstance) -> bool:
    return profile.vnfd_id == vnf.vnfd_id and profile.flavour_id in (None, "", vnf.flavour_id)


def _require_once(ids: Sequence[str], pointer: str) -> None:
    twice = [id for id, count in Counter(ids).items() if count > 1]
    if twice:
        raise InvalidInput(f"VNF instance {twice[0]} is named twice", facts={"pointer": pointer})


def move_vnfs(service: Service, data: Sequence[Request]) -> NsChange:
    """VNFs of the NS go to others. Without a target they only leave: that is how a hand-over is taken back."""
    gone: list[str] = []
    handed: list[NestedWork] = []
    for number, item in enumerate(data):
        pointer = f"/moveVnfInstanceData/{number}"
        ids = [str(id) for id in item.get("vnfInstanceId") or ()]
        if not ids:
            raise missing("vnfInstanceId", "MOVE_VNF", pointer)
        for place, id in enumerate(ids):
            where = f"{pointer}/vnfInstanceId/{place}"
            _require_movable(service.vnfs[known_vnf(service, id, where)], {"pointer": where})
        gone += ids
        if item.get("targetNsInstanceId"):
            handed.append(_handed(service, str(item["targetNsInstanceId"]), ids, pointer))
    _require_once(gone, "/moveVnfInstanceData")
    keep_bounds(service.flavour, service.plan, {}, gone)
    return NsChange(leave=tuple(gone), hand_over=tuple(handed))


def _handed(service: Service, target_id: str, ids: Sequence[str], pointer: str) -> NestedWork:
    where = {"pointer": f"{pointer}/targetNsInstanceId"}
    target = service.targets.get(target_id)
    if target is None:
        raise InvalidInput("there is no such NS instance that is instantiated", facts=where)
    if target_id == service.ns.id:
        raise InvalidInput("the VNFs are part of that NS already", facts=where)
    free = {id: replace(service.vnfs[id], ns_instance_id="") for id in ids}
    entries = [{"vnfInstanceId": id, "vnfProfileId": _profile_for(target, vnf, where)} for id, vnf in free.items()]
    add_vnfs(replace(target, strangers=free), entries, pointer)
    request = {"updateType": "ADD_VNF", "addVnfIstance": entries}
    return NestedWork(target_id, target.ns.nsd_id, "UPDATE", request)


def _profile_for(target: Service, vnf: VnfInstance, where: Mapping[str, Any]) -> str:
    """The one profile of the other NS that the VNF fits; of several the one of the same name."""
    fitting = [profile.id for profile in target.flavour.vnf_profiles if _fits(profile, vnf)]
    if vnf.vnf_profile_id in fitting:
        return vnf.vnf_profile_id
    if len(fitting) != 1:
        raise InvalidInput(
            f"NS instance {target.ns.name} has {'several profiles' if fitting else 'no profile'} for VNF {vnf.name} of "
            f"VNFD {vnf.vnfd_id} in flavour {vnf.flavour_id}",
            hint=f"it has: {', '.join(_told(target)) or 'none'}",
            facts=where,
        )
    return fitting[0]


def _told(target: Service) -> Iterator[str]:
    return (f"{profile.id} of {profile.vnfd_id}" for profile in target.flavour.vnf_profiles)
