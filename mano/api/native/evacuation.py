"""``/mano/v1/hosts/{name}/evacuation``: what would leave a host, in which order, and what cannot."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from mano.api.auth import InfrastructureViewer
from mano.api.native.hosts import PREFIX, HostName
from mano.api.resource_routes import add, json_answer, new_router
from mano.api.services import Evacuation

Budget = Annotated[int, Query(ge=1, le=1000, description="How many VNFs may be disturbed at the same time.")]


def router(evacuation: Evacuation) -> APIRouter:
    """The resource."""
    routes = new_router(PREFIX, "native")

    def read(_: InfrastructureViewer, name: HostName, budget: Budget = 1) -> Response:
        """Plan the emptying of a host; changes nothing."""
        return json_answer(evacuation.plan(name, budget))

    add(routes, "GET", "/hosts/{name}/evacuation", read)
    return routes
