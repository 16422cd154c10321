"""``/mano/v1/quotas``: what tenants may hold at most, and what they hold."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mano.api.auth import Administrator, Caller
from mano.api.bodies import Body
from mano.api.life_cycles import QuotaUseCases
from mano.api.native.hosts import PREFIX
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router
from mano.errors import NotFound

Amount = Annotated[float, Field(ge=0, le=1e12)] | Annotated[int, Field(ge=0, le=10**12)]


class PutQuota(Body):
    """The limits of a tenant."""

    limits: Annotated[dict[str, Amount], Field(max_length=20)]


def router(quotas: QuotaUseCases) -> APIRouter:
    """The resources."""
    routes = new_router(PREFIX, "native")
    resources = QuotaResources(quotas)
    add(routes, "GET", "/quotas", resources.list_all, form=Form.LIST)
    add(routes, "GET", "/quotas/{id}", resources.read)
    add(routes, "PUT", "/quotas/{id}", resources.put)
    add(routes, "DELETE", "/quotas/{id}", resources.remove, HTTPStatus.NO_CONTENT)
    return routes


class QuotaResources:
    """Quotas by tenant; a tenant sees its own, the operator all."""

    def __init__(self, quotas: QuotaUseCases) -> None:
        self._quotas = quotas

    def list_all(self, caller: Caller) -> Response:
        """List the quotas with what is held of them."""
        return json_answer(self._quotas.list(None if caller.sees_infrastructure else caller.tenant_id))

    def read(self, caller: Caller, id: ResourceId) -> Response:
        """Read one tenant's quota."""
        if not caller.sees_infrastructure and caller.tenant_id != id.lower():
            raise NotFound("there is no such quota")
        return json_answer(self._quotas.get(id.lower()))

    def put(self, caller: Administrator, id: ResourceId, body: PutQuota) -> Response:
        """Limit a tenant, replacing its quota; what it holds beyond a limit stays."""
        return json_answer(self._quotas.put(id.lower(), body.limits))

    def remove(self, caller: Administrator, id: ResourceId) -> Response:
        """Lift a tenant's limits."""
        self._quotas.remove(id.lower())
        return empty_answer(HTTPStatus.NO_CONTENT)
