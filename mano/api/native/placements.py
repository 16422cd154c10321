"""``/mano/v1/placements``: where everything is and why, what if, what was refused, what could be better, what leaks."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from mano.api.auth import Administrator, Caller, InfrastructureViewer
from mano.api.bodies import Body
from mano.api.native.hosts import PREFIX, without_quotations
from mano.api.openapi_document import Form
from mano.api.resource_routes import add, empty_answer, json_answer, new_router
from mano.api.services import Placing
from mano.nfvo.placing import Search
from mano.placement import DocumentError

MAX_SEARCH_S = 300.0

Seconds = Annotated[float, Field(gt=0, le=MAX_SEARCH_S, allow_inf_nan=False)]
Rounds = Annotated[int, Field(ge=0, le=1_000_000)]
HostNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=255)]], Field(max_length=10_000)]


class SearchQuestion(Body):
    """How long to search, as if some hosts were not there (``without``) or others were (``with``, an Inventory)."""

    time_limit_s: Annotated[Seconds, Field(strict=False)] = 10.0
    iterations: Rounds | None = None
    without: HostNames = Field(default_factory=list)
    with_: Annotated[dict[str, Any] | None, Field(alias="with")] = None


class PlacementQuestion(SearchQuestion):
    """What-if: a PlacementRequest, against the live NFVI or against an Inventory of the client's own."""

    request: dict[str, Any]
    inventory: dict[str, Any] | None = None
    optimize: Literal["fast", "best"] = "fast"


def router(placing: Placing) -> APIRouter:
    """The resources."""
    routes = new_router(PREFIX, "native")
    resources = PlacementResources(placing)
    add(routes, "GET", "/placements", resources.list_placements, form=Form.LIST)
    add(routes, "POST", "/placements", resources.plan)
    add(routes, "POST", "/placements/rebalance", resources.rebalance)
    add(routes, "GET", "/placements/refused", resources.list_refused, form=Form.LIST)
    add(routes, "GET", "/placements/leaks", resources.read_leaks)
    add(routes, "DELETE", "/placements/leaks", resources.free_leaks, HTTPStatus.NO_CONTENT)
    return routes


class PlacementResources:
    """Placements and questions about them."""

    def __init__(self, placing: Placing) -> None:
        self._placing = placing

    def list_placements(self, caller: Caller) -> Response:
        """List where everything is placed, and why there."""
        return json_answer(list(self._placing.placements(caller.tenant_id)))

    def plan(self, _: InfrastructureViewer, body: PlacementQuestion) -> Response:
        """Ask where a PlacementRequest would go; nothing is reserved."""
        try:
            return json_answer(self._placing.plan(body.request, body.inventory, _search(body, body.optimize)))
        except DocumentError as error:
            raise without_quotations(error) from None

    def rebalance(self, _: InfrastructureViewer, body: SearchQuestion) -> Response:
        """Ask which moves would make what is placed cheaper; nothing is moved."""
        try:
            return json_answer(self._placing.rebalance(_search(body, "best")))
        except DocumentError as error:
            raise without_quotations(error) from None

    def list_refused(self, caller: Caller) -> Response:
        """List the VDUs that operations found no place for, and why; the latest first."""
        return json_answer(list(self._placing.refused(caller.tenant_id)))

    def read_leaks(self, _: InfrastructureViewer) -> Response:
        """Compare reservations with instances and with what runs on the hosts."""
        return json_answer(self._placing.leaks())

    def free_leaks(self, _: Administrator) -> Response:
        """Give back the reservations that nobody uses."""
        self._placing.free_leaks()
        return empty_answer(HTTPStatus.NO_CONTENT)


def _search(body: SearchQuestion, optimize: str) -> Search:
    return Search(optimize, body.time_limit_s, body.iterations, tuple(body.without), body.with_)
