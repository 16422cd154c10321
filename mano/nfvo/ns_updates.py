"""What an UpdateNsRequest changes in a network service (SOL005 clause 6.4.6). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.ns_instance import PnfInstance
from mano.errors import InvalidInput
from mano.nfvo.ns_change import (
    CREATE_SNAPSHOT,
    DELETE_SNAPSHOT,
    REVERT_TO_SNAPSHOT,
    NsChange,
    Request,
    Service,
    VnfWork,
    keep_bounds,
    keep_nested_bounds,
    known_vnf,
    missing,
    only,
    unsupported,
)
from mano.nfvo.ns_membership import add_vnfs, move_vnfs
from mano.nfvo.ns_transitions import transition


def update(service: Service, request: Request) -> NsChange:
    """The change that an UpdateNsRequest asks for; raises InvalidInput with a pointer to what it cannot have."""
    # The OpenAPI document of SOL005 v3.7.1 spells one type with a space.
    kind = str(request.get("updateType")).replace(" ", "_")
    if kind in REFUSED:
        raise unsupported("/updateType", f"{kind}: {REFUSED[kind]}")
    if kind not in UPDATES:
        raise unsupported("/updateType", f"there are {', '.join(UPDATES)}")
    attribute, decide = UPDATES[kind]
    data = request.get(attribute) or request.get(SPELT.get(attribute, ""))
    if not data:
        raise missing(attribute, kind)
    return decide(service, data)


# VNFs


def _instantiate_vnfs(service: Service, data: Sequence[Request]) -> NsChange:
    add = _new_vnfs(service, data)
    keep_bounds(service.flavour, service.plan, add, ())
    return NsChange(add=add)


def _remove_vnfs(service: Service, data: Sequence[str]) -> NsChange:
    gone = tuple(known_vnf(service, str(id), f"/removeVnfInstanceId/{i}") for i, id in enumerate(data))
    keep_bounds(service.flavour, service.plan, {}, gone)
    return NsChange(remove=tuple(dict.fromkeys(gone)))


def _work(kind: str, attribute: str) -> Callable[[Service, Any], NsChange]:
    return lambda service, data: NsChange(work=tuple(_vnf_work(service, kind, attribute, data)))


def _vnf_work(service: Service, kind: str, attribute: str, data: Sequence[Request]) -> Iterator[VnfWork]:
    operation, undo = _WORK[kind]
    for i, item in enumerate(data):
        vnf_id = known_vnf(service, str(item.get("vnfInstanceId")), f"/{attribute}/{i}/vnfInstanceId")
        request = {name: value for name, value in item.items() if name not in ("vnfInstanceId", "additionalParam")}
        if "additionalParam" in item:
            request["additionalParams"] = item["additionalParam"]
        yield VnfWork(vnf_id, operation, request, undo(service.vnfs[vnf_id]))


def _snapshot(kind: str, attribute: str) -> Callable[[Service, Any], NsChange]:
    return lambda service, data: NsChange(work=(_snapshot_work(service, kind, attribute, data),))


def _snapshot_work(service: Service, kind: str, attribute: str, data: Request) -> VnfWork:
    vnf_id = known_vnf(service, str(data.get("vnfInstanceId")), f"/{attribute}/vnfInstanceId")
    if kind != CREATE_SNAPSHOT and not data.get("vnfSnapshotInfoId"):
        raise missing("vnfSnapshotInfoId", kind, f"/{attribute}")
    return VnfWork(vnf_id, kind, only(data, "vnfSnapshotInfoId", "additionalParams", "userDefinedData"))


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


# SAPs and forwarding graphs


def _add_saps(service: Service, data: Sequence[Request]) -> NsChange:
    return NsChange(add_saps=tuple(_new_sap(service, item, i) for i, item in enumerate(data)))


def _remove_saps(service: Service, data: Sequence[str]) -> NsChange:
    return NsChange(remove_saps=tuple(_known_sap(service, str(id), i) for i, id in enumerate(data)))


def _add_vnffgs(service: Service, data: Sequence[Request]) -> NsChange:
    return NsChange(add_vnffgs=tuple(_new_vnffg(service, item, i) for i, item in enumerate(data)))


def _remove_vnffgs(service: Service, data: Sequence[str]) -> NsChange:
    return NsChange(remove_vnffgs=tuple(_known_vnffg(service, str(id), i) for i, id in enumerate(data)))


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
            _require_unpassed(service, sap.id, f"SAP {sap.sapd_id}", f"/removeSapId/{index}")
            return sap.sapd_id
    raise InvalidInput("the NS has no such SAP", facts={"pointer": f"/removeSapId/{index}"})


def _new_vnffg(service: Service, item: Request, index: int) -> str:
    known = [vnffg.id for vnffg in service.flavour.vnffgs]
    attribute = "vnffgdId" if item.get("vnffgdId") else "vnffgName"
    name = str(item.get(attribute))
    pointer = {"pointer": f"/addVnffg/{index}/{attribute}"}
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


def _require_unpassed(service: Service, port: str, what: str, pointer: str) -> None:
    """Raises InvalidInput while a chain of the NS needs a port."""
    if port in service.passed:
        raise InvalidInput(
            f"chain {service.passed[port]} begins, passes or ends at {what}",
            hint="remove its VNFFG first, or lead it elsewhere",
            facts={"pointer": pointer},
        )


# PNFs


def _add_pnfs(service: Service, data: Sequence[Request]) -> NsChange:
    profiles = [profile.id for profile in service.flavour.pnf_profiles]
    known = {pnf.pnf_id for pnf in service.ns.pnfs}
    for i, item in enumerate(data):
        if item.get("pnfProfileId") not in profiles:
            raise InvalidInput(
                "the NSD has no such PNF profile",
                hint=f"it has: {', '.join(profiles) or 'none'}",
                facts={"pointer": f"/addPnfData/{i}/pnfProfileId"},
            )
        if item["pnfId"] in known:
            pointer = {"pointer": f"/addPnfData/{i}/pnfId"}
            raise InvalidInput(f"PNF {item['pnfId']} is part of the NS already", facts=pointer)
        known.add(str(item["pnfId"]))
    return NsChange(add_pnfs=tuple(dict(item) for item in data))


def _modify_pnfs(service: Service, data: Sequence[Request]) -> NsChange:
    for i, item in enumerate(data):
        _known_pnf(service, str(item.get("pnfId")), f"/modifyPnfData/{i}/pnfId")
        if not item.get("pnfName") and not item.get("cpData"):
            raise missing("pnfName", "ModifyPnfData without cpData", f"/modifyPnfData/{i}")
    if len({item["pnfId"] for item in data}) != len(data):
        raise InvalidInput("a PNF is modified twice", facts={"pointer": "/modifyPnfData"})
    return NsChange(modify_pnfs=tuple(dict(item) for item in data))


def _remove_pnfs(service: Service, data: Sequence[str]) -> NsChange:
    gone = []
    for i, id in enumerate(data):
        pnf = _known_pnf(service, str(id), f"/removePnfId/{i}")
        for cp in pnf.cps:
            point = cp.connection_point
            _require_unpassed(service, point.port_id, f"PNF {pnf.pnf_id}", f"/removePnfId/{i}")
        gone.append(pnf.pnf_id)
    return NsChange(remove_pnfs=tuple(dict.fromkeys(gone)))


def _known_pnf(service: Service, pnf_id: str, pointer: str) -> PnfInstance:
    for pnf in service.ns.pnfs:
        if pnf.pnf_id == pnf_id:
            return pnf
    known = ", ".join(pnf.pnf_id for pnf in service.ns.pnfs) or "none"
    raise InvalidInput("the NS has no such PNF", hint=f"it has: {known}", facts={"pointer": pointer})


# Nested NSs


def _add_nested(service: Service, data: Sequence[Request]) -> NsChange:
    profiles = [profile.id for profile in service.flavour.nested_ns_profiles]
    add: dict[str, int] = {}
    for i, item in enumerate(data):
        profile = item.get("nsProfileId") or (profiles[0] if len(profiles) == 1 else "")
        if profile not in profiles:
            raise InvalidInput(
                "the NSD has no such nested NS profile",
                hint=f"it has: {', '.join(profiles) or 'none'}",
                facts={"pointer": f"/addNestedNsData/{i}/nsProfileId"},
            )
        add[profile] = add.get(profile, 0) + 1
    keep_nested_bounds(service.flavour, service.ns, add, ())
    return NsChange(take_nested=tuple(dict(item) for item in data))


def _remove_nested(service: Service, data: Sequence[str]) -> NsChange:
    known = {nested.ns_instance_id: nested for nested in service.ns.nested}
    gone = []
    for i, id in enumerate(data):
        pointer = {"pointer": f"/removeNestedNsId/{i}"}
        if id not in known:
            there = ", ".join(f"{nested.key} {nested.ns_instance_id}" for nested in known.values()) or "none"
            raise InvalidInput("the NS has no such nested NS", hint=f"it has: {there}", facts=pointer)
        if id in service.tied:
            raise InvalidInput(
                f"chain {service.tied[id]} of that nested NS begins or ends at a port of this NS",
                hint="remove the VNFFG of the nested NS first",
                facts=pointer,
            )
        gone.append(str(id))
    keep_nested_bounds(service.flavour, service.ns, {}, gone)
    return NsChange(remove_nested=tuple(dict.fromkeys(gone)))


# Virtual links


def _add_links(service: Service, data: Sequence[Request]) -> NsChange:
    known = [link.id for link in service.flavour.virtual_links]
    there = {network.vld_id for network in service.plan.networks}
    added = []
    for i, item in enumerate(data):
        id = str(item.get("nsVirtualLinkProfileId"))
        pointer = {"pointer": f"/addNsVirtualLinkData/{i}/nsVirtualLinkProfileId"}
        if id not in known:
            raise InvalidInput(f"the NSD has no virtual link '{id}'", hint=f"it has: {', '.join(known)}", facts=pointer)
        if id in there:
            raise InvalidInput(f"virtual link {id} is there already", facts=pointer)
        there.add(id)
        added.append(id)
    return NsChange(add_links=tuple(added))


def _remove_links(service: Service, data: Sequence[str]) -> NsChange:
    gone = []
    for i, id in enumerate(data):
        pointer = {"pointer": f"/deleteNsVirtualLinkId/{i}"}
        network = next((n for n in service.plan.networks if id in (n.id, n.vld_id)), None)
        if network is None:
            there = ", ".join(f"{n.vld_id} {n.id}" for n in service.plan.networks) or "none"
            raise InvalidInput("the NS has no such virtual link", hint=f"it has: {there}", facts=pointer)
        user = next(users_of(service, network.id), "")
        if user:
            raise InvalidInput(
                f"{user} is connected to virtual link {network.vld_id}", hint="remove that first", facts=pointer
            )
        gone.append(network.vld_id)
    return NsChange(remove_links=tuple(dict.fromkeys(gone)))


def users_of(service: Service, network_id: str) -> Iterator[str]:
    """Who is connected to a network of the NS, in words."""
    plan, ns = service.plan, service.ns
    yield from (f"VNF {vnf.name}" for vnf in plan.vnfs if any(
        cp.network_id == network_id for vnfc in vnf.vnfcs for cp in vnfc.cps))  # fmt: skip
    yield from (f"SAP {sap.sapd_id}" for sap in plan.saps if sap.network_id == network_id)
    yield from (f"PNF {pnf.pnf_id}" for pnf in plan.pnfs if any(cp.network_id == network_id for cp in pnf.cps))
    yield from (f"nested NS {one.key}" for one in ns.nested if any(join.outer == network_id for join in one.joins))


# Another NSD, another flavour


def _new_version(service: Service, data: Request) -> NsChange:
    pointer = {"pointer": "/assocNewNsdVersionData/newNsdId"}
    if service.newer is None:
        raise InvalidInput("there is no such NSD on-boarded and enabled", facts=pointer)
    info_id, nsd = service.newer
    if nsd.descriptor_id == service.ns.nsd_id:
        raise InvalidInput("the NS is of that NSD already", facts=pointer)
    try:
        flavour = nsd.flavour(service.flavour.id)
    except KeyError:
        raise InvalidInput(
            f"that NSD has no flavour '{service.flavour.id}', which the NS has",
            hint=f"it has: {', '.join(each.id for each in nsd.flavours)}; change the flavour first: CHANGE_NS_DF",
            facts=pointer,
        ) from None
    if not data.get("sync"):
        return NsChange(nsd_info_id=info_id, flavour_id=flavour.id)
    return replace(transition(service, flavour, None), nsd_info_id=info_id)


def _new_flavour(service: Service, data: Request) -> NsChange:
    wanted, level = str(data.get("newNsFlavourId")), data.get("instantiationLevelId")
    nsd = service.nsd
    known = [] if nsd is None else [flavour.id for flavour in nsd.flavours]
    if nsd is None or wanted not in known or wanted == service.flavour.id:
        raise InvalidInput(
            f"the NS is of flavour '{wanted}' already" if wanted in known else f"the NSD has no flavour '{wanted}'",
            hint=f"it has: {', '.join(known)}",
            facts={"pointer": "/changeNsFlavourData/newNsFlavourId"},
        )
    flavour = nsd.flavour(wanted)
    if level is not None and level not in [each.id for each in flavour.instantiation_levels]:
        raise InvalidInput(
            f"flavour {wanted} has no NS instantiation level '{level}'",
            hint=f"it has: {', '.join(each.id for each in flavour.instantiation_levels) or 'none'}",
            facts={"pointer": "/changeNsFlavourData/instantiationLevelId"},
        )
    return transition(service, flavour, level)


UPDATES: Mapping[str, tuple[str, Callable[[Service, Any], NsChange]]] = {
    "INSTANTIATE_VNF": ("instantiateVnfData", _instantiate_vnfs),
    "REMOVE_VNF": ("removeVnfInstanceId", _remove_vnfs),
    "ADD_VNF": ("addVnfIstance", add_vnfs),
    "MOVE_VNF": ("moveVnfInstanceData", move_vnfs),
    "OPERATE_VNF": ("operateVnfData", _work("OPERATE_VNF", "operateVnfData")),
    "MODIFY_VNF_INFORMATION": ("modifyVnfInfoData", _work("MODIFY_VNF_INFORMATION", "modifyVnfInfoData")),
    "CHANGE_VNF_DF": ("changeVnfFlavourData", _work("CHANGE_VNF_DF", "changeVnfFlavourData")),
    "CHANGE_EXTERNAL_VNF_CONNECTIVITY": (
        "changeExtVnfConnectivityData",
        _work("CHANGE_EXTERNAL_VNF_CONNECTIVITY", "changeExtVnfConnectivityData"),
    ),
    "CHANGE_VNFPKG": ("changeVnfPackageData", _work("CHANGE_VNFPKG", "changeVnfPackageData")),
    "ADD_SAP": ("addSap", _add_saps),
    "REMOVE_SAP": ("removeSapId", _remove_saps),
    "ADD_NESTED_NS": ("addNestedNsData", _add_nested),
    "REMOVE_NESTED_NS": ("removeNestedNsId", _remove_nested),
    "ADD_VNFFG": ("addVnffg", _add_vnffgs),
    "REMOVE_VNFFG": ("removeVnffgId", _remove_vnffgs),
    "ADD_PNF": ("addPnfData", _add_pnfs),
    "MODIFY_PNF": ("modifyPnfData", _modify_pnfs),
    "REMOVE_PNF": ("removePnfId", _remove_pnfs),
    "CREATE_NS_VIRTUAL_LINK": ("addNsVirtualLinkData", _add_links),
    "DELETE_NS_VIRTUAL_LINK": ("deleteNsVirtualLinkId", _remove_links),
    "ASSOC_NEW_NSD_VERSION": ("assocNewNsdVersionData", _new_version),
    "CHANGE_NS_DF": ("changeNsFlavourData", _new_flavour),
    "CREATE_VNF_SNAPSHOT": ("createSnapshotData", _snapshot(CREATE_SNAPSHOT, "createSnapshotData")),
    "REVERT_VNF_TO_SNAPSHOT": ("revertVnfToSnapshotData", _snapshot(REVERT_TO_SNAPSHOT, "revertVnfToSnapshotData")),
    "DELETE_VNF_SNAPSHOT_INFO": ("deleteVnfSnapshotData", _snapshot(DELETE_SNAPSHOT, "deleteVnfSnapshotData")),
}
"""Types of UpdateNs that do their work, with the attribute that holds their data (SOL005 clause 6.5.2.12)."""

SPELT: Mapping[str, str] = {"addVnfIstance": "addVnfInstance"}
"""How an attribute may be spelt besides: the OpenAPI document of SOL005 v3.7.1 lacks a letter."""

REFUSED: Mapping[str, str] = {
    "UPDATE_VNFFG": "change its chains one by one, without losing a packet: PUT /mano/v1/chains/{id} "
    "(mano chain update)",
    "MODIFY_WAN_CONNECTION_INFO": "this NFVO manages one site, and no WAN between sites",
}
"""The other types, and why they are refused."""
