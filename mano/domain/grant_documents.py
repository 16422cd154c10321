"""Grants in the JSON of SOL003 clause 9.5, both ways: the VNFM and the NFVO of two processes meet in it. Pure.

What Catena's VNFM and NFVO tell each other besides stands under ``catena``, which any other side leaves unread: which
instance of its VDU a resource is, and the external links. The exact places of a grant are in
``additionalParams.catenaPlacement``, so a foreign VNFM sees which were asked for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mano.domain.grant import Grant, GrantedResource, GrantRequest, ResourceDefinition

Document = Mapping[str, Any]

OURS = "catena"


def request_document(request: GrantRequest, vnflcm: str) -> dict[str, Any]:
    """GrantRequest (SOL003 clause 9.5.2.2); ``vnflcm`` is where the VNFM serves ``/vnflcm/v2``."""
    document: dict[str, Any] = {
        "vnfInstanceId": request.vnf_instance_id,
        "vnfLcmOpOccId": request.vnf_lcm_op_occ_id,
        "vnfdId": request.vnfd_id,
        "operation": request.operation,
        "isAutomaticInvocation": request.is_automatic,
        "_links": {
            "vnfLcmOpOcc": {"href": f"{vnflcm}/vnf_lcm_op_occs/{request.vnf_lcm_op_occ_id}"},
            "vnfInstance": {"href": f"{vnflcm}/vnf_instances/{request.vnf_instance_id}"},
        },
    }
    if request.flavour_id:
        document["flavourId"] = request.flavour_id
    if request.instantiation_level_id:
        document["instantiationLevelId"] = request.instantiation_level_id
    for name, resources in (("addResources", request.add_resources), ("removeResources", request.remove_resources)):
        if resources:
            document[name] = [_definition_document(resource) for resource in resources]
    if request.ext_virtual_links:
        document["additionalParams"] = {OURS: {"extVirtualLinks": [dict(link) for link in request.ext_virtual_links]}}
    return document


def request_from_document(document: Document) -> GrantRequest:
    """The request; raises :class:`KeyError` or :class:`TypeError` for a document that is none."""
    ours = (document.get("additionalParams") or {}).get(OURS) or {}
    return GrantRequest(
        vnf_instance_id=document["vnfInstanceId"],
        vnf_lcm_op_occ_id=document["vnfLcmOpOccId"],
        vnfd_id=document["vnfdId"],
        operation=document["operation"],
        flavour_id=document.get("flavourId") or "",
        instantiation_level_id=document.get("instantiationLevelId") or "",
        add_resources=_definitions(document.get("addResources") or ()),
        remove_resources=_definitions(document.get("removeResources") or ()),
        is_automatic=bool(document["isAutomaticInvocation"]),
        ext_virtual_links=tuple(ours.get("extVirtualLinks") or ()),
    )


def grant_document(grant: Grant, root: str, vnflcm: str = "") -> dict[str, Any]:
    """Grant (SOL003 clause 9.5.2.3); ``root`` is the NFVO's address, ``vnflcm`` the VNFM's ``/vnflcm/v2``."""
    zones = {resource.zone_id: _zone_id(resource) for resource in grant.add_resources}
    document: dict[str, Any] = {
        "id": grant.id,
        "vnfInstanceId": grant.vnf_instance_id,
        "vnfLcmOpOccId": grant.vnf_lcm_op_occ_id,
        "_links": {
            "self": {"href": f"{root}/grant/v1/grants/{grant.id}"},
            "vnfLcmOpOcc": {"href": f"{vnflcm}/vnf_lcm_op_occs/{grant.vnf_lcm_op_occ_id}"},
            "vnfInstance": {"href": f"{vnflcm}/vnf_instances/{grant.vnf_instance_id}"},
        },
    }
    if zones:
        document["zones"] = [{"id": id, "zoneId": zone or "default"} for zone, id in zones.items()]
    for name, resources in (("addResources", grant.add_resources), ("removeResources", grant.remove_resources)):
        if resources:
            document[name] = [_granted_document(resource) for resource in resources]
    if grant.ext_virtual_links:
        document["extVirtualLinks"] = [dict(link) for link in grant.ext_virtual_links]
    if grant.additional_parameters:
        document["additionalParams"] = dict(grant.additional_parameters)
    return document


def grant_from_document(document: Document, tenant_id: str, request: GrantRequest) -> Grant:
    """The grant as a VNFM reads it; VDUs and indices are those of its own request.

    Raises :class:`KeyError` or :class:`TypeError` for a document that is none.
    """
    zones = {zone["id"]: zone["zoneId"] for zone in document.get("zones") or ()}
    extra = dict(document.get("additionalParams") or {})
    places = extra.get("catenaPlacement") or {}
    asked = {each.id: each for each in (*request.add_resources, *request.remove_resources)}

    def granted(item: Document) -> GrantedResource:
        wish = asked.get(item["resourceDefinitionId"])
        return GrantedResource(
            resource_definition_id=item["resourceDefinitionId"],
            reservation_id=item.get("reservationId") or "",
            zone_id=zones.get(item.get("zoneId"), ""),
            resource_provider_id=item.get("resourceProviderId") or "",
            placement=places.get(item["resourceDefinitionId"]) or {},
            vdu_id=wish.vdu_id if wish else "",
            index=wish.index if wish else 0,
        )

    return Grant(
        id=document["id"],
        tenant_id=tenant_id,
        vnf_instance_id=document["vnfInstanceId"],
        vnf_lcm_op_occ_id=document["vnfLcmOpOccId"],
        add_resources=tuple(granted(item) for item in document.get("addResources") or ()),
        remove_resources=tuple(granted(item) for item in document.get("removeResources") or ()),
        ext_virtual_links=tuple(document.get("extVirtualLinks") or ()),
        additional_parameters=extra,
    )


def _definition_document(resource: ResourceDefinition) -> dict[str, Any]:
    """ResourceDefinition (SOL003 clause 9.5.3.2)."""
    document: dict[str, Any] = {
        "id": resource.id,
        "type": resource.type,
        "vduId": resource.vdu_id,
        "resourceTemplateId": resource.vdu_id,
        OURS: {"index": resource.index},
    }
    if resource.reservation_id:
        document[OURS]["reservationId"] = resource.reservation_id
    if resource.former:
        document[OURS]["former"] = resource.former
    return document


def _definitions(items: Sequence[Document]) -> tuple[ResourceDefinition, ...]:
    """Compute resources; which instance of its VDU one is follows from the order where it is not said."""
    seen: Counter[str] = Counter()
    found = []
    for item in items:
        if item["type"] != "COMPUTE":
            continue
        vdu_id = item.get("vduId") or _first(item["resourceTemplateId"])
        ours = item.get(OURS) or {}
        found.append(
            ResourceDefinition(
                id=item["id"],
                vdu_id=vdu_id,
                index=int(ours.get("index", seen[vdu_id])),
                type=item["type"],
                reservation_id=ours.get("reservationId") or "",
                former=ours.get("former") or "",
                is_numbered="index" in ours,
            )
        )
        seen[vdu_id] += 1
    return tuple(found)


def _first(template: Any) -> str:
    """``resourceTemplateId`` is one identifier in older editions and a list in newer ones."""
    return str(template[0] if isinstance(template, list | tuple) else template)


def _granted_document(resource: GrantedResource) -> dict[str, Any]:
    """GrantInfo (SOL003 clause 9.5.3.3)."""
    document = {"resourceDefinitionId": resource.resource_definition_id}
    for name, value in (
        ("reservationId", resource.reservation_id),
        ("resourceProviderId", resource.resource_provider_id),
        ("zoneId", _zone_id(resource) if resource.placement else ""),
    ):
        if value:
            document[name] = value
    return document


def _zone_id(resource: GrantedResource) -> str:
    return f"zone-{resource.zone_id or 'default'}"
