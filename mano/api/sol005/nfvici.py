"""``/nfvici/v1``: NFVI capacity and thresholds on it (SOL005 clause 10)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from pydantic import Field
from starlette.responses import Response

from mano.api.api_versions import NFVICI
from mano.api.auth import Administrator, InfrastructureViewer
from mano.api.bodies import Body, Identifier
from mano.api.collections import ListShape, answer_list, names
from mano.api.conditional import etag, required_generation
from mano.api.links import api_root, link, uri
from mano.api.openapi_document import Form
from mano.api.performance import Modifications, Number, new_threshold
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router, timestamp
from mano.api.services import Capacity, Performance
from mano.api.subscriptions import SubscriptionAuthentication, Uri, authentication_of
from mano.domain.ids import derive_id
from mano.domain.performance import Threshold
from mano.domain.subscription import Interface
from mano.errors import InvalidInput, NotFound
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

INFOS = f"{NFVICI.prefix}/nfvi_capacity_infos"
THRESHOLDS = f"{NFVICI.prefix}/capacity_thresholds"

INFO_SHAPE = ListShape(
    attributes=names("id vimId capacityInfoPerZone totalCapacityInfo timeInterval"),
    mandatory=names("id vimId capacityInfoPerZone"),
    unasked=False,
)
THRESHOLD_SHAPE = ListShape(
    attributes=names("id objectInstanceId subObjectInstanceIds criteria callbackUri _links"),
    mandatory=names("id objectInstanceId criteria callbackUri _links"),
    unasked=False,
)
VimId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="The VIM's name.")]


class CapacityMetric(Body):
    """capacityMetric."""

    resource_type: Literal["VR_COMPUTE", "VR_NETWORK", "VR_STORAGE", "HOST_COMPUTE"]
    capacity_measurement_name: Identifier
    capacity_type: Literal["TOTAL", "ALLOCATED", "RESERVED", "AVAILABLE"]


class CapacityDetails(Body):
    """simpleThresholdDetails."""

    threshold_value: Number
    hysteresis: Annotated[Number, Field(ge=0)]


class CapacityCriteria(Body):
    """CapacityThresholdCriteria; the OpenAPI document has a list where the text has one object."""

    capacity_metric: CapacityMetric
    threshold_type: Literal["SIMPLE"]
    simple_threshold_details: CapacityDetails | Annotated[list[CapacityDetails], Field(min_length=1, max_length=1)]

    def details(self) -> CapacityDetails:
        """The one threshold."""
        found = self.simple_threshold_details
        return found[0] if isinstance(found, list) else found


class CreateCapacityThreshold(Body):
    """CreateCapacityThresholdRequest (SOL005 clause 10.5.2.4)."""

    object_instance_id: Identifier
    sub_object_instance_ids: Annotated[list[Identifier], Field(max_length=1000)] | None = None
    criteria: CapacityCriteria
    callback_uri: Uri
    authentication: SubscriptionAuthentication | None = None


@dataclass(frozen=True, slots=True)
class _Vim:
    """One member of the list."""

    id: str
    document: dict[str, Any]


def router(capacity: Capacity, performance: Performance, open_unit: UnitOfWorkFactory) -> APIRouter:
    """The resources of the API."""
    routes = new_router(NFVICI.prefix, NFVICI.name)
    CapacityResources(capacity, performance, open_unit).add_routes(routes)
    return routes


class CapacityResources:
    """Capacity of VIMs, and thresholds."""

    def __init__(self, capacity: Capacity, performance: Performance, open_unit: UnitOfWorkFactory) -> None:
        self._capacity = capacity
        self._performance = performance
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/capacity_thresholds/{id}"
        add(router, "GET", "/nfvi_capacity_infos", self.list_infos, form=Form.PAGE)
        add(router, "GET", "/nfvi_capacity_infos/{vim_id}", self.read_info)
        add(router, "GET", "/capacity_thresholds", self.list_thresholds, form=Form.PAGE)
        add(router, "POST", "/capacity_thresholds", self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "PATCH", one, self.change)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)

    def list_infos(self, request: Request, _: InfrastructureViewer) -> Response:
        """List the capacity of every VIM by zone; takes filter and attribute selectors."""
        vims = [_Vim(found.vim_id, _info(found)) for found in self._capacity.all()]

        def page(after: str, limit: int) -> Sequence[_Vim]:
            return [vim for vim in vims if vim.id > after][:limit]

        return answer_list(request, INFO_SHAPE, page, lambda vim: vim.document)

    def read_info(self, _: InfrastructureViewer, vim_id: VimId) -> Response:
        """Read the capacity of one VIM by zone."""
        return json_answer(_info(self._capacity.get(vim_id)))

    def list_thresholds(self, request: Request, caller: InfrastructureViewer) -> Response:
        """List the thresholds; takes filter and the marker of the next page."""
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Threshold]:
                return uow.thresholds.list(caller.tenant_id, after=after, limit=limit, interface=Interface.NFVICI.value)

            return answer_list(request, THRESHOLD_SHAPE, page, lambda found: _document(request, found))

    def create(self, request: Request, caller: Administrator, body: CreateCapacityThreshold) -> Response:
        """Create a threshold on the capacity of a VIM; the callback must answer a GET with 204."""
        metric = body.criteria.capacity_metric
        known = self._capacity.get(body.object_instance_id)
        if known.total and not any(_is_of(found, metric) for found in known.total):
            raise InvalidInput(
                "this capacity is not measured",
                hint=", ".join(f"{found.resource_type} {found.name}" for found in known.total),
                facts={"pointer": "/criteria/capacityMetric"},
            )
        details = body.criteria.details()
        threshold = self._performance.create_threshold(
            new_threshold(
                Interface.NFVICI,
                caller.tenant_id,
                object_type="Vim",
                object_id=body.object_instance_id,
                sub_object_ids=body.sub_object_instance_ids or (),
                metric=metric.capacity_measurement_name,
                value=details.threshold_value,
                hysteresis=details.hysteresis,
                callback_uri=body.callback_uri,
                details={"capacityMetric": metric.document()},
            ),
            api_root(request),
            authentication_of(body.authentication),
        )
        document = _document(request, threshold)
        location = document["_links"]["self"]["href"]
        return json_answer(document, HTTPStatus.CREATED, Location=location, ETag=etag(threshold.generation))

    def read(self, request: Request, caller: InfrastructureViewer, id: ResourceId) -> Response:
        """Read one threshold."""
        with self._open_unit(read_only=True) as uow:
            found = _find(uow, id, caller.tenant_id)
        return json_answer(_document(request, found), ETag=etag(found.generation))

    def change(self, request: Request, caller: Administrator, id: ResourceId, body: Modifications) -> Response:
        """Give a threshold another callback, or other credentials for it."""
        with self._open_unit(read_only=True) as uow:
            generation = required_generation(request, _find(uow, id, caller.tenant_id).generation)
        found = self._performance.redirect_threshold(
            Interface.NFVICI,
            id,
            caller.tenant_id,
            callback_uri=body.callback_uri,
            authentication=authentication_of(body.authentication) if body.authentication else None,
            generation=generation,
        )
        changed = {"callbackUri": body.callback_uri} if body.callback_uri else {}
        return json_answer(changed, ETag=etag(found.generation))

    def delete(self, caller: Administrator, id: ResourceId) -> Response:
        """End a threshold."""
        self._performance.delete_threshold(Interface.NFVICI, id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)


def _find(uow: UnitOfWork, id: str, tenant_id: str) -> Threshold:
    found = uow.thresholds.get(id, tenant_id)
    if found.interface is not Interface.NFVICI:
        raise NotFound(f"there is no capacity threshold {id}")
    return found


def _is_of(measurement: Any, metric: CapacityMetric) -> bool:
    wanted = (metric.resource_type, metric.capacity_measurement_name)
    return (measurement.resource_type, measurement.name) == wanted


def _info(found: Any) -> dict[str, Any]:
    """NfviCapacityInfo (SOL005 clause 10.5.2.2)."""
    return {
        "id": derive_id("nfvi-capacity", found.vim_id),
        "vimId": found.vim_id,
        "capacityInfoPerZone": [
            {"resourceZoneId": zone, "capacityMeasurements": [one.document() for one in measured]}
            for zone, measured in found.zones.items()
        ],
        "totalCapacityInfo": [one.document() for one in found.total],
        "timeInterval": {"aTime": timestamp(datetime.now(UTC))},
    }


def _document(request: Request, found: Threshold) -> dict[str, Any]:
    """CapacityThreshold (SOL005 clause 10.5.2.5)."""
    document: dict[str, Any] = {"id": found.id, "objectInstanceId": found.object_id}
    if found.sub_object_ids:
        document["subObjectInstanceIds"] = list(found.sub_object_ids)
    return {
        **document,
        "criteria": {
            "capacityMetric": dict(found.details.get("capacityMetric", {})),
            "thresholdType": "SIMPLE",
            "simpleThresholdDetails": [{"thresholdValue": found.value, "hysteresis": found.hysteresis}],
        },
        "callbackUri": found.callback_uri,
        "_links": {
            "self": link(uri(request, f"{THRESHOLDS}/{found.id}")),
            "object": link(uri(request, f"{INFOS}/{found.object_id}")),
        },
    }
