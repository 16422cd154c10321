"""``/vnfind/v1``: indicators of VNF instances (SOL003 clause 8)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mano.api.api_versions import VNFIND
from mano.api.auth import Caller
from mano.api.collections import ListShape, answer_list, names
from mano.api.links import link, uri
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, json_answer, new_router
from mano.api.services import Indicators
from mano.domain.vnf_instance import InstantiationState
from mano.ports.repositories import UnitOfWorkFactory

SHAPE = ListShape(
    attributes=names("id name value vnfInstanceId _links"),
    mandatory=names("id value vnfInstanceId _links"),
    unasked=False,
)
IndicatorId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="The indicator.")]


@dataclass(frozen=True, slots=True)
class _Told:
    """One member of a list, in the order of instance and indicator."""

    id: str
    document: dict[str, Any]


class IndicatorResources:
    """Indicators of all instances, of one, and one of one."""

    def __init__(self, indicators: Indicators, open_unit: UnitOfWorkFactory) -> None:
        self._indicators = indicators
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        add(router, "GET", "/indicators", self.list_all, form=Form.PAGE)
        add(router, "GET", "/indicators/{vnf_instance_id}", self.list_of, form=Form.PAGE)
        add(router, "GET", "/indicators/{vnf_instance_id}/{indicator_id}", self.read)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the indicators of all instances; takes filter and the marker of the next page."""
        with self._open_unit(read_only=True) as uow:
            running = uow.vnf_instances.list(
                caller.tenant_id, instantiation_state=InstantiationState.INSTANTIATED.value
            )
        return self._answer(request, caller.tenant_id, [instance.id for instance in running])

    def list_of(self, request: Request, caller: Caller, vnf_instance_id: ResourceId) -> Response:
        """List the indicators of one instance."""
        return self._answer(request, caller.tenant_id, [vnf_instance_id])

    def read(
        self, request: Request, caller: Caller, vnf_instance_id: ResourceId, indicator_id: IndicatorId
    ) -> Response:
        """Read one indicator of one instance."""
        return json_answer(_document(request, self._indicators.one(vnf_instance_id, indicator_id, caller.tenant_id)))

    def _answer(self, request: Request, tenant_id: str, instances: Iterable[str]) -> Response:
        told = [
            _Told(f"{vnf_instance_id}.{number:04}", _document(request, indicator))
            for vnf_instance_id in sorted(instances)
            for number, indicator in enumerate(self._indicators.of(vnf_instance_id, tenant_id))
        ]

        def page(after: str, limit: int) -> Sequence[_Told]:
            return [one for one in told if one.id > after][:limit]

        return answer_list(request, SHAPE, page, lambda one: one.document)


def router(indicators: Indicators, open_unit: UnitOfWorkFactory) -> APIRouter:
    """The resources of the API."""
    routes = new_router(VNFIND.prefix, VNFIND.name)
    IndicatorResources(indicators, open_unit).add_routes(routes)
    return routes


def _document(request: Request, indicator: Any) -> dict[str, Any]:
    """VnfIndicator (SOL003 clause 8.5.2.2)."""
    here = f"{VNFIND.prefix}/indicators/{indicator.vnf_instance_id}/{indicator.id}"
    return {
        "id": indicator.id,
        "name": indicator.name,
        "value": indicator.value,
        "vnfInstanceId": indicator.vnf_instance_id,
        "_links": {
            "self": link(uri(request, here)),
            "vnfInstance": link(uri(request, f"/vnflcm/v2/vnf_instances/{indicator.vnf_instance_id}")),
        },
    }
