"""``/grant/v1``: a VNFM asks for resources (SOL003 clause 9).

A decision that is made at once is answered with 201; one that takes longer with 202, and its resource tells when it is
made. A VNFM that asks again for the same operation occurrence gets the same grant.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Request
from fastapi.routing import APIRoute
from pydantic import Field
from starlette.responses import Response

from mano.api.api_versions import GRANT
from mano.api.auth import Caller, Principal
from mano.api.bodies import Body, Identifier, KeyValuePairs, Text
from mano.api.links import api_root, uri
from mano.api.media import config_of
from mano.api.problem_details import MEDIA_TYPE, new_instance, problem_of
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router
from mano.api.services import Granting
from mano.domain.grant import Grant, GrantRequest
from mano.domain.grant_documents import grant_document, request_from_document
from mano.domain.ids import derive_id
from mano.domain.vnf_instance import REMOTE, VnfInstance
from mano.errors import CatenaError, NotFound, Refused
from mano.ports.repositories import UnitOfWorkFactory

WORKERS = 8
KEPT = 1000
"""Decisions under way or refused that are remembered."""

GRANTS = "/grant/v1/grants"

Index = Annotated[int, Field(ge=0, le=65_535)]


class OurDefinition(Body):
    """What Catena's VNFM adds to a resource definition."""

    index: Index = 0
    reservation_id: Annotated[str, Field(max_length=255)] | None = None
    former: Annotated[str, Field(max_length=300)] | None = None


class Definition(Body):
    """ResourceDefinition, SOL003 clause 9.5.3.2."""

    id: Identifier
    type: Literal["COMPUTE", "VL", "STORAGE", "LINKPORT", "NETWORK_ADDRESS"]
    vdu_id: Identifier | None = None
    resource_template_id: Identifier | Annotated[list[Identifier], Field(min_length=1, max_length=64)]
    catena: OurDefinition | None = None


class OurParameters(Body):
    """What Catena's VNFM adds to a request."""

    ext_virtual_links: Annotated[list[KeyValuePairs], Field(max_length=1024)] | None = None


class Parameters(Body):
    """``additionalParams``."""

    catena: OurParameters | None = None


class GrantRequestBody(Body):
    """GrantRequest, SOL003 clause 9.5.2.2."""

    vnf_instance_id: Identifier
    vnf_lcm_op_occ_id: Identifier
    vnfd_id: Identifier
    operation: Literal[
        "INSTANTIATE",
        "SCALE",
        "SCALE_TO_LEVEL",
        "CHANGE_FLAVOUR",
        "TERMINATE",
        "HEAL",
        "OPERATE",
        "CHANGE_EXT_CONN",
        "CHANGE_VNFPKG",
        "CREATE_SNAPSHOT",
        "REVERT_TO_SNAPSHOT",
    ]
    is_automatic_invocation: bool
    flavour_id: Text | None = None
    instantiation_level_id: Text | None = None
    add_resources: Annotated[list[Definition], Field(max_length=4096)] | None = None
    remove_resources: Annotated[list[Definition], Field(max_length=4096)] | None = None
    additional_params: Parameters | None = None


def router(granting: Granting, open_unit: UnitOfWorkFactory) -> APIRouter:
    """The resources of the API."""
    routes = new_router(GRANT.prefix, GRANT.name)
    grants = Grants(granting, open_unit)
    add(routes, "POST", "/grants", grants.create, HTTPStatus.CREATED)
    _may_take_longer(routes)
    add(routes, "GET", "/grants/{id}", grants.read)
    _may_take_longer(routes)
    return routes


class Grants:
    """Grants and the decisions that lead to them."""

    def __init__(self, granting: Granting, open_unit: UnitOfWorkFactory) -> None:
        self._granting = granting
        self._open_unit = open_unit
        self._pool = ThreadPoolExecutor(WORKERS, "grants")
        self._lock = threading.Lock()
        self._decisions: dict[str, Future[Grant]] = {}

    def create(self, request: Request, caller: Caller, body: GrantRequestBody) -> Response:
        """Ask for what an operation needs: 201 with the grant, 202 when it takes longer, 403 when it is refused."""
        asked = request_from_document(body.document())
        instance = self._instance(caller, asked.vnf_instance_id)
        asked, tenant_id = replace(asked, vnf_instance_id=instance.id), instance.tenant_id
        id = derive_id("grant", asked.vnf_lcm_op_occ_id)
        location = uri(request, f"{GRANTS}/{id}")
        decision = self._decision(id, asked, tenant_id)
        try:
            grant = decision.result(config_of(request).limits.grant_wait_s)
        except NotYet:
            return empty_answer(HTTPStatus.ACCEPTED, Location=location)
        except Refused as error:
            self._forget(id)
            return _refusal(error)
        except CatenaError:
            self._forget(id)
            raise
        self._forget(id)
        return json_answer(self._document(grant, request), HTTPStatus.CREATED, Location=location)

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read a grant: 202 while the decision is being made, 403 when it was refused."""
        id = id.lower()
        with self._open_unit(read_only=True) as uow:
            grant = uow.grants.find(id, None if caller.is_admin else caller.tenant_id)
        if grant is not None:
            return json_answer(self._document(grant, request))
        decision = self._decisions.get(id)
        if decision is None:
            raise NotFound("there is no such grant", hint="ask for it again: the same operation gets the same grant")
        if not decision.done():
            return empty_answer(HTTPStatus.ACCEPTED)
        try:
            return json_answer(self._document(decision.result(), request))
        except Refused as error:
            return _refusal(error)

    def _instance(self, caller: Principal, id: str) -> VnfInstance:
        """The VNF instance that a VNFM calls so; an administrator's VNFM acts for all tenants."""
        tenant_id = None if caller.is_admin else caller.tenant_id
        with self._open_unit(read_only=True) as uow:
            found = uow.vnf_instances.find(id, tenant_id)
            if found is not None:
                return found
            for copy in uow.vnf_instances.list(tenant_id):
                if copy.metadata.get(REMOTE, {}).get("id") == id:
                    return copy
        raise NotFound("there is no such VNF instance")

    def _document(self, grant: Grant, request: Request) -> dict[str, Any]:
        """The grant in the words of the VNFM that asked."""
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.find(grant.vnf_instance_id)
        theirs = instance.metadata.get(REMOTE, {}).get("id") if instance is not None else None
        return grant_document(replace(grant, vnf_instance_id=theirs or grant.vnf_instance_id), api_root(request))

    def _decision(self, id: str, asked: GrantRequest, tenant_id: str) -> Future[Grant]:
        with self._lock:
            found = self._decisions.get(id)
            if found is None or (found.done() and found.exception() is not None):
                while len(self._decisions) >= KEPT:
                    del self._decisions[next(iter(self._decisions))]
                found = self._decisions[id] = self._pool.submit(self._granting.grant, asked, tenant_id)
            return found

    def _forget(self, id: str) -> None:
        with self._lock:
            self._decisions.pop(id, None)


def _refusal(error: Refused) -> Response:
    """SOL003 clause 9.4.2.3.1: what is not granted is 403."""
    document = problem_of(error, new_instance())
    document |= {"status": int(HTTPStatus.FORBIDDEN), "title": HTTPStatus.FORBIDDEN.phrase}
    return Response(msgspec.json.encode(document), status_code=HTTPStatus.FORBIDDEN, media_type=MEDIA_TYPE)


def _may_take_longer(routes: APIRouter) -> None:
    """Say in our OpenAPI document that the route that was added last may answer 202."""
    route = routes.routes[-1]
    assert isinstance(route, APIRoute)
    extra: dict[str, Any] = {"description": "The decision takes longer; there is no body."}
    route.responses[202] = extra
