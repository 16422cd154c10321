"""What Catena's NFVO and VNFM tell each other besides SOL003, when they are two processes.

The VNFM tells the NFVO that ports of a VNF came or are about to go, and waits until networks and chains have followed;
the standard's notifications tell only that an operation ended. The NFVO reads a VNF as the VNFM keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mano.api.auth import Administrator
from mano.api.bodies import Body, Identifier, KeyValuePairs
from mano.api.native.hosts import PREFIX
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router
from mano.api.services import Granting, VnfRecords
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput
from mano.ports.or_vnfm import Leftover
from mano.ports.repositories import UnitOfWorkFactory

Names = Annotated[list[Identifier], Field(max_length=4096)]


class VnfmReport(Body):
    """What a VNFM reports of one VNF."""

    event: Literal["changed", "leaving", "settled", "released", "created", "deleted"]
    vnf_instance_id: Identifier
    vnf_lcm_op_occ_id: Identifier | None = None
    done: bool = False
    hosts: Names | None = None
    vnfcs: Names | None = None
    left: Annotated[list[KeyValuePairs], Field(max_length=4096)] | None = None
    vnf_instance: KeyValuePairs | None = None


def nfvo_router(granting: Granting, records: VnfRecords) -> APIRouter:
    """The NFVO's side."""
    routes = new_router(PREFIX, "native")
    add(routes, "POST", "/vnfm_reports", Reports(granting, records).create, HTTPStatus.NO_CONTENT)
    return routes


def vnfm_router(open_unit: UnitOfWorkFactory) -> APIRouter:
    """The VNFM's side."""
    routes = new_router(PREFIX, "native")
    add(routes, "GET", "/vnf_instances/{id}", Instances(open_unit).read)
    return routes


class Reports:
    """Reports of VNFMs; each is done when it is answered, and may be repeated."""

    def __init__(self, granting: Granting, records: VnfRecords) -> None:
        self._granting = granting
        self._records = records

    def create(self, caller: Administrator, body: VnfmReport) -> Response:
        """Take a report of a VNFM."""
        id, tenant_id = body.vnf_instance_id, caller.tenant_id
        if body.vnf_instance is not None:
            self._records.keep(_instance(body.vnf_instance, id, tenant_id))
        match body.event:
            case "changed":
                self._granting.lcm_changed(id, tenant_id, body.hosts or ())
            case "leaving":
                self._granting.vnfcs_leave(id, tenant_id, body.vnfcs or ())
            case "settled":
                left = _leftovers(body.left or ())
                self._granting.settle(body.vnf_lcm_op_occ_id or "", tenant_id, done=body.done, left=left)
            case "released":
                self._granting.release(body.vnf_lcm_op_occ_id or "", tenant_id)
            case "deleted":
                self._records.forget(id, tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)


class Instances:
    """VNF instances as they are stored."""

    def __init__(self, open_unit: UnitOfWorkFactory) -> None:
        self._open_unit = open_unit

    def read(self, caller: Administrator, id: ResourceId) -> Response:
        """Read a VNF instance with everything that an NFVO of Catena keeps of it."""
        with self._open_unit(read_only=True) as uow:
            return json_answer(uow.vnf_instances.get(id, caller.tenant_id))


def _leftovers(documents: Sequence[dict[str, Any]]) -> Sequence[Leftover]:
    try:
        return msgspec.convert(list(documents), list[Leftover])
    except (msgspec.ValidationError, ValueError):
        raise InvalidInput("/left: is not what a host may hold of VNFCs", facts={"pointer": "/left"}) from None


def _instance(document: dict[str, Any], id: str, tenant_id: str) -> VnfInstance:
    try:
        instance = msgspec.convert(document, VnfInstance)
    except (msgspec.ValidationError, ValueError):
        raise InvalidInput("/vnfInstance: is no VNF instance", facts={"pointer": "/vnfInstance"}) from None
    if (instance.id, instance.tenant_id) != (id, tenant_id):
        raise InvalidInput("/vnfInstance: is another one's", facts={"pointer": "/vnfInstance"})
    return instance
