"""``/nslcm/v2``: NS life-cycle management (SOL005 clause 6)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from http import HTTPStatus

from fastapi import APIRouter, Request
from starlette.responses import Response

from mano.api.api_versions import NSLCM
from mano.api.auth import Caller
from mano.api.bodies import Body, CreateNs, TerminateNs
from mano.api.collections import answer_list
from mano.api.conditional import etag, required_generation
from mano.api.life_cycles import NsLifecycle, VnfSnapshots
from mano.api.links import api_root, uri
from mano.api.openapi_document import Form
from mano.api.operation_occurrences import NS_OP_OCCS, NS_SHAPE, ns_lcm_op_occ
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router
from mano.api.sol003.requests import CancelOperation
from mano.api.sol003.vnf_snapshots import IN_NSLCM, VnfSnapshotResources
from mano.api.sol005.constituents import InstantiateNs
from mano.api.sol005.ns_instance import NS_INSTANCES, SHAPE, Parts, ns_instance
from mano.api.sol005.requests import HealNs, ScaleNs, UpdateNs
from mano.api.sol005.unserved import refuse_unserved
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, Level
from mano.domain.ns_instance import NsInstance
from mano.errors import NotFound
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory


def router(lifecycle: NsLifecycle, open_unit: UnitOfWorkFactory, snapshots: VnfSnapshots | None = None) -> APIRouter:
    """The resources of the API."""
    routes = new_router(NSLCM.prefix, NSLCM.name)
    NsInstances(lifecycle, open_unit).add_routes(routes)
    NsLcmOpOccs(lifecycle, open_unit).add_routes(routes)
    if snapshots is not None:
        VnfSnapshotResources(snapshots, open_unit, IN_NSLCM).add_routes(routes)
    return routes


class NsInstances:
    """NS instances and their tasks (SOL005 clauses 6.4.2 to 6.4.8)."""

    def __init__(self, lifecycle: NsLifecycle, open_unit: UnitOfWorkFactory) -> None:
        self._lifecycle = lifecycle
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/ns_instances/{id}"
        add(router, "GET", "/ns_instances", self.list_all, form=Form.PAGE)
        add(router, "POST", "/ns_instances", self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
        add(router, "POST", f"{one}/instantiate", self.instantiate, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/terminate", self.terminate, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/scale", self.scale, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/heal", self.heal, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/update", self.update, HTTPStatus.ACCEPTED)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the NS instances; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int, **equals: str) -> Sequence[NsInstance]:
                return uow.ns_instances.list(caller.tenant_id, after=after, limit=limit, **equals)

            return answer_list(request, SHAPE, page, lambda ns: ns_instance(ns, _parts(uow, ns), root))

    def create(self, request: Request, caller: Caller, body: CreateNs) -> Response:
        """Create an NS instance resource of an on-boarded NSD."""
        ns = self._lifecycle.create(caller.tenant_id, body.nsd_id, body.ns_name, body.ns_description)
        location = uri(request, f"{NS_INSTANCES}/{ns.id}")
        return json_answer(
            ns_instance(ns, Parts(), api_root(request)),
            HTTPStatus.CREATED,
            Location=location,
            ETag=etag(ns.generation),
        )

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one NS instance."""
        with self._open_unit(read_only=True) as uow:
            ns = uow.ns_instances.get(id, caller.tenant_id)
            parts = _parts(uow, ns)
        return json_answer(ns_instance(ns, parts, api_root(request)), ETag=etag(ns.generation))

    def delete(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Delete an instance that is not instantiated."""
        with self._open_unit(read_only=True) as uow:
            required_generation(request, uow.ns_instances.get(id, caller.tenant_id).generation)
        self._lifecycle.delete(id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def instantiate(self, request: Request, caller: Caller, id: ResourceId, body: InstantiateNs) -> Response:
        """Instantiate the NS; the operation occurrence is at Location."""
        refuse_unserved("INSTANTIATE", body.document(), datetime.now(UTC))
        op_id = self._lifecycle.instantiate(id, caller.tenant_id, body.document())
        return self._accepted(request, op_id)

    def terminate(self, request: Request, caller: Caller, id: ResourceId, body: TerminateNs) -> Response:
        """Terminate the NS; the operation occurrence is at Location."""
        refuse_unserved("TERMINATE", body.document(), datetime.now(UTC))
        op_id = self._lifecycle.terminate(id, caller.tenant_id, body.document())
        return self._accepted(request, op_id)

    def scale(self, request: Request, caller: Caller, id: ResourceId, body: ScaleNs) -> Response:
        """Scale the NS by steps or to levels, or VNFs of it; the operation occurrence is at Location."""
        return self._changed(request, caller, id, "SCALE", body)

    def heal(self, request: Request, caller: Caller, id: ResourceId, body: HealNs) -> Response:
        """Heal the NS, or VNFs of it; the operation occurrence is at Location."""
        return self._changed(request, caller, id, "HEAL", body)

    def update(self, request: Request, caller: Caller, id: ResourceId, body: UpdateNs) -> Response:
        """Add, change and remove parts of the NS, or take another flavour or version of its NSD.

        The operation occurrence is at Location.
        """
        return self._changed(request, caller, id, "UPDATE", body)

    def _changed(self, request: Request, caller: Caller, id: str, operation: str, body: Body) -> Response:
        refuse_unserved(operation, body.document(), datetime.now(UTC))
        return self._accepted(request, self._lifecycle.change(id, caller.tenant_id, operation, body.document()))

    def _accepted(self, request: Request, op_id: str) -> Response:
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{NS_OP_OCCS}/{op_id}"))


def _parts(uow: UnitOfWork, ns: NsInstance) -> Parts:
    return Parts(
        vnfs=uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id),
        networks=uow.networks.list(ns.tenant_id, ns_instance_id=ns.id),
        chains=uow.chains.list(ns.tenant_id, ns_instance_id=ns.id),
    )


def _vnf_facts(uow: UnitOfWork, op: LcmOpOcc) -> dict[str, dict[str, str]]:
    """What an operation's resource changes tell of the NS's VNFs."""
    if "change" not in op.plan:
        return {}
    return {
        vnf.id: {"vnfdId": vnf.vnfd_id, "vnfProfileId": vnf.vnf_profile_id, "vnfName": vnf.name}
        for vnf in uow.vnf_instances.list(op.tenant_id, ns_instance_id=op.instance_id)
    }


class NsLcmOpOccs:
    """NS LCM operation occurrences and their tasks (SOL005 clauses 6.4.9 to 6.4.14)."""

    def __init__(self, lifecycle: NsLifecycle, open_unit: UnitOfWorkFactory) -> None:
        self._lifecycle = lifecycle
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/ns_lcm_op_occs/{id}"
        add(router, "GET", "/ns_lcm_op_occs", self.list_all, form=Form.PAGE)
        add(router, "GET", one, self.read)
        add(router, "POST", f"{one}/retry", self.retry, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/rollback", self.rollback, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/continue", self.proceed, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{one}/fail", self.fail)
        add(router, "POST", f"{one}/cancel", self.cancel, HTTPStatus.ACCEPTED)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the operation occurrences; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[LcmOpOcc]:
                return uow.operations.list(caller.tenant_id, after=after, limit=limit, level=Level.NS.value)

            return answer_list(request, NS_SHAPE, page, lambda op: ns_lcm_op_occ(op, root, _vnf_facts(uow, op)))

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one operation occurrence."""
        return self._told(request, id, caller.tenant_id)

    def retry(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Run a failed operation again."""
        return self._task(request, self._lifecycle.retry, id, caller.tenant_id)

    def rollback(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Undo a failed operation."""
        return self._task(request, self._lifecycle.rollback, id, caller.tenant_id)

    def proceed(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Go on with a failed operation (the standard's ``continue``)."""
        return self._task(request, self._lifecycle.continue_, id, caller.tenant_id)

    def fail(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Give a failed operation up."""
        self._find(id, caller.tenant_id)
        self._lifecycle.fail(id, caller.tenant_id)
        return self._told(request, id, caller.tenant_id)

    def _told(self, request: Request, id: str, tenant_id: str) -> Response:
        op = self._find(id, tenant_id)
        with self._open_unit(read_only=True) as uow:
            facts = _vnf_facts(uow, op)
        return json_answer(ns_lcm_op_occ(op, api_root(request), facts))

    def cancel(self, request: Request, caller: Caller, id: ResourceId, body: CancelOperation) -> Response:
        """Stop an operation that runs."""
        self._find(id, caller.tenant_id)
        self._lifecycle.cancel(id, caller.tenant_id, CancelMode(body.cancel_mode))
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{NS_OP_OCCS}/{id}"))

    def _task(self, request: Request, task: Callable[[str, str], None], id: str, tenant_id: str) -> Response:
        self._find(id, tenant_id)
        task(id, tenant_id)
        return empty_answer(HTTPStatus.ACCEPTED, Location=uri(request, f"{NS_OP_OCCS}/{id}"))

    def _find(self, id: str, tenant_id: str) -> LcmOpOcc:
        with self._open_unit(read_only=True) as uow:
            op = uow.operations.get(id, tenant_id)
        if op.level is not Level.NS:
            raise NotFound("there is no such NS life-cycle operation")
        return op
