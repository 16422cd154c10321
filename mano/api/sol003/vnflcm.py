"""``/vnflcm/v2``: VNF life-cycle management (SOL003 clause 5)."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mano.api.api_versions import VNFLCM
from mano.api.auth import Caller, Principal, caller
from mano.api.bodies import Body, CreateVnf, InstantiateVnf, TerminateVnf
from mano.api.collections import answer_list
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.life_cycles import VnfLifecycle, VnfSnapshots
from mano.api.links import api_root, uri
from mano.api.openapi_document import Form
from mano.api.operation_occurrences import VNF_OP_OCCS, VNF_SHAPE, vnf_lcm_op_occ
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router
from mano.api.sol003.requests import (
    CancelOperation,
    ChangeExtConnectivity,
    ChangeVnfFlavour,
    ChangeVnfPackage,
    HealVnf,
    ModifyVnf,
    OperateVnf,
    ScaleVnf,
    ScaleVnfToLevel,
)
from mano.api.sol003.vnf_instance import SHAPE, VNF_INSTANCES, vnf_instance
from mano.api.sol003.vnf_snapshots import CreateSnapshot, SnapshotOfVnf, VnfSnapshotResources
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, Level
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, NotFound
from mano.ports.clock import IdFactory
from mano.ports.repositories import UnitOfWorkFactory

TASKS: Mapping[str, tuple[str, type[Body]]] = {
    "scale": ("SCALE", ScaleVnf),
    "scale_to_level": ("SCALE_TO_LEVEL", ScaleVnfToLevel),
    "change_flavour": ("CHANGE_FLAVOUR", ChangeVnfFlavour),
    "operate": ("OPERATE", OperateVnf),
    "heal": ("HEAL", HealVnf),
    "change_ext_conn": ("CHANGE_EXT_CONN", ChangeExtConnectivity),
    "change_vnfpkg": ("CHANGE_VNFPKG", ChangeVnfPackage),
    "create_snapshot": ("CREATE_SNAPSHOT", CreateSnapshot),
    "revert_to_snapshot": ("REVERT_TO_SNAPSHOT", SnapshotOfVnf),
}
"""Task resource to its operation (LcmOperationType) and its request."""

_OURS = frozenset({"catenaParent", "nsInstanceId", "vnfProfileId"})
"""Parameters and metadata that only the NFVO sets: a client cannot claim to act for an NS."""


IDEMPOTENCY_KEY = "Idempotency-Key"
"""A UUID of an administrator's: the identifier of what is made, so that a repetition makes nothing else."""


def router(
    lifecycle: VnfLifecycle, snapshots: VnfSnapshots | None, open_unit: UnitOfWorkFactory, new_id: IdFactory
) -> APIRouter:
    """The resources of the API."""
    routes = new_router(VNFLCM.prefix, VNFLCM.name)
    VnfInstances(lifecycle, open_unit, new_id).add_routes(routes)
    VnfLcmOpOccs(lifecycle, open_unit).add_routes(routes)
    if snapshots is not None:
        VnfSnapshotResources(snapshots, open_unit).add_routes(routes)
    return routes


def _peer_key(request: Request, caller: Principal) -> str:
    """The identifier that an NFVO chose for what it asks for; empty for every other client."""
    key = request.headers.get(IDEMPOTENCY_KEY, "")
    if not key or not caller.is_admin:
        return ""
    try:
        return str(uuid.UUID(key))
    except ValueError:
        raise InvalidInput(f"{IDEMPOTENCY_KEY} is not a UUID") from None


class VnfInstances:
    """VNF instances and their tasks (SOL003 clauses 5.4.2 to 5.4.8)."""

    def __init__(self, lifecycle: VnfLifecycle, open_unit: UnitOfWorkFactory, new_id: IdFactory) -> None:
        self._lifecycle = lifecycle
        self._open_unit = open_unit
        self._new_id = new_id

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/vnf_instances/{id}"
        add(router, "GET", "/vnf_instances", self.list_all, form=Form.PAGE)
        add(router, "POST", "/vnf_instances", self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
        add(router, "POST", f"{one}/instantiate", self.instantiate, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/terminate", self.terminate, HTTPStatus.ACCEPTED)
        add(router, "PATCH", one, self.modify, HTTPStatus.ACCEPTED)
        for task, (operation, body) in TASKS.items():
            add(router, "POST", f"{one}/{task}", self._task(operation, body), HTTPStatus.ACCEPTED)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the VNF instances; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int, **equals: str) -> Sequence[VnfInstance]:
                return uow.vnf_instances.list(caller.tenant_id, after=after, limit=limit, **equals)

            return answer_list(request, SHAPE, page, lambda instance: vnf_instance(instance, root))

    def create(self, request: Request, caller: Caller, body: CreateVnf) -> Response:
        """Create a VNF instance resource of an on-boarded VNFD."""
        peer = _peer_key(request, caller)
        metadata = {name: value for name, value in (body.metadata or {}).items() if peer or name not in _OURS}
        if body.vnf_instance_description:
            metadata["description"] = body.vnf_instance_description
        id = self._lifecycle.create_vnf(
            peer or self._new_id(), caller.tenant_id, body.vnfd_id, body.vnf_instance_name or "", metadata
        )
        instance = self._find(id, caller.tenant_id)
        document = vnf_instance(instance, api_root(request))
        location = uri(request, f"{VNF_INSTANCES}/{id}")
        return json_answer(document, HTTPStatus.CREATED, Location=location, ETag=etag(instance.generation))

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one VNF instance."""
        instance = self._find(id, caller.tenant_id)
        if is_unchanged(request, instance.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(instance.generation))
        return json_answer(vnf_instance(instance, api_root(request)), ETag=etag(instance.generation))

    def delete(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Delete an instance that is not instantiated."""
        required_generation(request, self._find(id, caller.tenant_id).generation)
        self._lifecycle.delete_vnf(id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def instantiate(self, request: Request, caller: Caller, id: ResourceId, body: InstantiateVnf) -> Response:
        """Instantiate the VNF; the operation occurrence is at Location."""
        return self._start(request, self._lifecycle.instantiate, id, caller.tenant_id, body.document())

    def terminate(self, request: Request, caller: Caller, id: ResourceId, body: TerminateVnf) -> Response:
        """Terminate the VNF; the operation occurrence is at Location."""
        return self._start(request, self._lifecycle.terminate, id, caller.tenant_id, body.document())

    def modify(self, request: Request, caller: Caller, id: ResourceId, body: ModifyVnf) -> Response:
        """Change names, metadata, extensions and configurable properties; the operation occurrence is at Location."""
        required_generation(request, self._find(id, caller.tenant_id).generation)
        return self._changed(request, "MODIFY_INFO", id, caller.tenant_id, body.document())

    def _task(self, operation: str, kind: type[Body]) -> Callable[..., Response]:
        """The handler of one task resource."""

        def handle(request: Request, caller: Caller, id: ResourceId, body: Any) -> Response:
            return self._changed(request, operation, id, caller.tenant_id, body.document())

        handle.__annotations__["body"] = kind
        handle.__annotations__["caller"] = Caller
        handle.__annotations__["id"] = ResourceId
        handle.__annotations__["request"] = Request
        handle.__doc__ = f"{operation} of the VNF; the operation occurrence is at Location."
        return handle

    def _changed(
        self, request: Request, operation: str, id: str, tenant_id: str, parameters: dict[str, Any]
    ) -> Response:
        def start(id: str, tenant_id: str, op_id: str, parameters: Mapping[str, Any]) -> str:
            return self._lifecycle.change(id, tenant_id, op_id, operation, parameters)

        return self._start(request, start, id, tenant_id, parameters)

    def _start(
        self,
        request: Request,
        operation: Callable[[str, str, str, Mapping[str, Any]], str],
        id: str,
        tenant_id: str,
        parameters: dict[str, Any],
    ) -> Response:
        peer = _peer_key(request, caller(request))
        extra = parameters.get("additionalParams")
        if extra and not peer:
            parameters["additionalParams"] = {name: value for name, value in extra.items() if name not in _OURS}
        op_id = operation(id, tenant_id, peer or self._new_id(), parameters)
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{VNF_OP_OCCS}/{op_id}"))

    def _find(self, id: str, tenant_id: str) -> VnfInstance:
        with self._open_unit(read_only=True) as uow:
            return uow.vnf_instances.get(id, tenant_id)


class VnfLcmOpOccs:
    """VNF LCM operation occurrences and their tasks (SOL003 clauses 5.4.12 to 5.4.16)."""

    def __init__(self, lifecycle: VnfLifecycle, open_unit: UnitOfWorkFactory) -> None:
        self._lifecycle = lifecycle
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/vnf_lcm_op_occs/{id}"
        add(router, "GET", "/vnf_lcm_op_occs", self.list_all, form=Form.PAGE)
        add(router, "GET", one, self.read)
        add(router, "POST", f"{one}/retry", self.retry, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/rollback", self.rollback, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/fail", self.fail)
        add(router, "POST", f"{one}/cancel", self.cancel, HTTPStatus.ACCEPTED)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the operation occurrences; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[LcmOpOcc]:
                return uow.operations.list(caller.tenant_id, after=after, limit=limit, level=Level.VNF.value)

            return answer_list(request, VNF_SHAPE, page, lambda op: vnf_lcm_op_occ(op, root))

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one operation occurrence."""
        op = self._find(id, caller.tenant_id)
        return json_answer(vnf_lcm_op_occ(op, api_root(request)), ETag=etag(op.generation))

    def retry(self, caller: Caller, id: ResourceId) -> Response:
        """Run a failed operation again."""
        return self._task(self._lifecycle.retry, id, caller.tenant_id)

    def rollback(self, caller: Caller, id: ResourceId) -> Response:
        """Undo a failed operation."""
        return self._task(self._lifecycle.rollback, id, caller.tenant_id)

    def fail(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Give a failed operation up."""
        self._find(id, caller.tenant_id)
        self._lifecycle.fail(id, caller.tenant_id)
        return json_answer(vnf_lcm_op_occ(self._find(id, caller.tenant_id), api_root(request)))

    def cancel(self, caller: Caller, id: ResourceId, body: CancelOperation) -> Response:
        """Stop an operation that runs."""
        self._find(id, caller.tenant_id)
        self._lifecycle.cancel(id, caller.tenant_id, CancelMode(body.cancel_mode))
        return empty_answer(HTTPStatus.ACCEPTED)

    def _task(self, task: Callable[[str, str], None], id: str, tenant_id: str) -> Response:
        self._find(id, tenant_id)
        task(id, tenant_id)
        return empty_answer(HTTPStatus.ACCEPTED)

    def _find(self, id: str, tenant_id: str) -> LcmOpOcc:
        with self._open_unit(read_only=True) as uow:
            op = uow.operations.get(id, tenant_id)
        if op.level is not Level.VNF:
            raise NotFound("there is no such VNF life-cycle operation")
        return op
