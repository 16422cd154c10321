"""``/mano/v1/auto_scaling/{id}``: why a VNF or a network service scaled or healed itself, or why it did not."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.bodies import Body
from mano.api.native.hosts import PREFIX
from mano.api.resource_routes import ResourceId, add, json_answer, new_router
from mano.api.services import AutoScaler


class Switch(Body):
    """Whether a network service may scale itself."""

    enabled: bool


def router(auto_scaler: AutoScaler) -> APIRouter:
    """The resource."""
    routes = new_router(PREFIX, "native")

    def read(caller: Caller, instance_id: ResourceId) -> Response:
        """Read the rules of a VNF or NS instance, what was seen of them, and the bounds."""
        return json_answer(dict(auto_scaler.explain(instance_id, caller.tenant_id)))

    def change(caller: Caller, instance_id: ResourceId, body: Switch) -> Response:
        """Let a network service scale itself, or not; a VNF's own configurable property is changed by modifying it."""
        return json_answer(dict(auto_scaler.switch(instance_id, caller.tenant_id, body.enabled)))

    add(routes, "GET", "/auto_scaling/{instance_id}", read)
    add(routes, "PATCH", "/auto_scaling/{instance_id}", change)
    return routes
