"""The routes of ``/v2.0``: one handler for each method, the same for every kind of resource."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Request
from fastapi.routing import APIRoute
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.chain_services import LogicalNetworks, PortChaining
from mano.api.resource_routes import add, empty_answer, json_answer, new_router
from mano.api.sfc_neutron.attributes import NETWORKS, PORTS, SFC, SUBNETS, Collection, check_together
from mano.api.sfc_neutron.errors import ROOT
from mano.api.sfc_neutron.queries import answer_list, select
from mano.errors import NotFound

Document = Mapping[str, Any]
Name = Annotated[str, Path(max_length=255, description="The resource's identifier.")]
Sent = Annotated[Any, Body(description="An object with one member, named after the resource.")]

EXTENSIONS: Mapping[str, str] = {
    "sfc": "Service Function Chaining",
    "flow_classifier": "Flow Classifier",
    "sfc_tap": "Tap service functions",
    "service_graph": "Service Graph",
    "binding": "Port Binding",
    "provider": "Provider Network",
    "net-mtu": "Network MTU",
    "port-security": "Port Security",
    "standard-attr-description": "Descriptions",
}


@dataclass(frozen=True, slots=True)
class UseCase:
    """What the handlers of one collection call; ``update`` is ``None`` where nothing can be changed."""

    list: Callable[[str], Sequence[Document]]
    create: Callable[[str, Document], str]
    delete: Callable[[str, str], None]
    update: Callable[[str, str, Document], None] | None = None


def router(networks: LogicalNetworks | None, chaining: PortChaining | None) -> APIRouter:
    """The resources of the use cases that there are."""
    routes = new_router(ROOT, "networking-sfc")
    add(routes, "GET", "/", _resources)
    add(routes, "GET", "/extensions", _extensions)
    add(routes, "GET", "/extensions/{id}", _extension)
    for collection, use_case in _use_cases(networks, chaining):
        _add(routes, Resources(collection, use_case))
    return routes


def versions(request: Request) -> Response:
    """What a client that knows only the server's address asks first."""
    return json_answer({"versions": [_version(request)]})


def _version(request: Request) -> dict[str, Any]:
    address = f"{str(request.base_url).rstrip('/')}{ROOT}/"
    return {"id": "v2.0", "status": "CURRENT", "links": [{"rel": "self", "href": address}]}


def _resources(request: Request) -> Response:
    """What there is below."""
    names = [collection.path.strip("/") for collection in (NETWORKS, SUBNETS, PORTS, *SFC)]
    base = f"{str(request.base_url).rstrip('/')}{ROOT}"
    return json_answer(
        {
            "resources": [
                {"name": name, "collection": name, "links": [{"rel": "self", "href": f"{base}/{name}"}]}
                for name in names
            ]
        }
    )


def _self(base: str, name: str) -> list[dict[str, str]]:
    return [{"rel": "self", "href": f"{base}/{name}"}]


def _extensions(caller: Caller) -> Response:
    """What of Neutron's extensions is served."""
    return json_answer({"extensions": [_about(alias) for alias in EXTENSIONS]})


def _extension(caller: Caller, id: Name) -> Response:
    """One extension by its alias."""
    if id not in EXTENSIONS:
        raise NotFound("there is no such extension here")
    return json_answer({"extension": _about(id)})


def _about(alias: str) -> dict[str, Any]:
    return {"alias": alias, "name": EXTENSIONS[alias], "description": EXTENSIONS[alias], "links": []}


def _use_cases(networks: LogicalNetworks | None, chaining: PortChaining | None) -> Iterator[tuple[Collection, UseCase]]:
    if networks is not None:
        yield (
            NETWORKS,
            UseCase(networks.networks, networks.create_network, networks.delete_network, networks.update_network),
        )
        yield SUBNETS, UseCase(networks.subnets, networks.create_subnet, networks.delete_subnet)
        yield PORTS, UseCase(networks.ports, networks.create_port, networks.delete_port, networks.update_port)
    if chaining is not None:
        for collection in SFC:
            yield collection, _chaining(chaining, collection.plural)


def _chaining(chaining: PortChaining, kind: str) -> UseCase:
    return UseCase(
        lambda tenant_id: chaining.list(kind, tenant_id),
        lambda tenant_id, values: chaining.create(kind, tenant_id, values),
        lambda id, tenant_id: chaining.delete(kind, id, tenant_id),
        lambda id, tenant_id, values: chaining.update(kind, id, tenant_id, values),
    )


class Resources:
    """The handlers of one collection, over resources of the caller's tenant."""

    def __init__(self, collection: Collection, use_case: UseCase) -> None:
        self.collection = collection
        self.use_case = use_case

    def list_all(self, caller: Caller, request: Request) -> Response:
        """List the resources; attributes in the query select."""
        documents = answer_list(self.use_case.list(caller.tenant_id), request.query_params.multi_items())
        return json_answer({self.collection.plural: documents})

    def create(self, caller: Caller, body: Sent) -> Response:
        """Make a resource."""
        values = self.collection.created(body, caller.tenant_id)
        check_together(self.collection, values)
        id = self.use_case.create(caller.tenant_id, values)
        return json_answer({self.collection.singular: self._find(id, caller.tenant_id)}, HTTPStatus.CREATED)

    def read(self, caller: Caller, id: Name, request: Request) -> Response:
        """Read one resource."""
        found = self._find(id, caller.tenant_id)
        return json_answer({self.collection.singular: select(found, request.query_params.getlist("fields"))})

    def update(self, caller: Caller, id: Name, body: Sent) -> Response:
        """Change a resource; lists are replaced."""
        found = self._find(id, caller.tenant_id)
        values = self.collection.updated(body, caller.tenant_id)
        if values and self.use_case.update is not None:
            self.use_case.update(found["id"], caller.tenant_id, values)
        return json_answer({self.collection.singular: self._find(found["id"], caller.tenant_id)})

    def delete(self, caller: Caller, id: Name) -> Response:
        """Remove a resource; 409 while another one refers to it."""
        self.use_case.delete(self._find(id, caller.tenant_id)["id"], caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def _find(self, id: str, tenant_id: str) -> Document:
        for document in self.use_case.list(tenant_id):
            if document["id"] == id.lower():
                return document
        noun = self.collection.singular.replace("_", " ")
        raise NotFound(f"there is no {noun} of that identifier", hint="names are found by ?name=")


def _add(routes: APIRouter, resources: Resources) -> None:
    path, one = resources.collection.path, resources.collection.path + "/{id}"
    add(routes, "GET", path, resources.list_all)
    add(routes, "POST", path, resources.create, HTTPStatus.CREATED)
    _describe_body(routes, resources.collection.schema(creating=True))
    add(routes, "GET", one, resources.read)
    if resources.use_case.update is not None:
        add(routes, "PUT", one, resources.update)
        _describe_body(routes, resources.collection.schema(creating=False))
    add(routes, "DELETE", one, resources.delete, HTTPStatus.NO_CONTENT)


def _describe_body(routes: APIRouter, schema: Mapping[str, Any]) -> None:
    """What the route that was added last takes, in our OpenAPI document."""
    route = routes.routes[-1]
    assert isinstance(route, APIRoute) and route.openapi_extra is not None
    route.openapi_extra["requestBody"] = {
        "required": True,
        "content": {"application/json": {"schema": dict(schema)}},
    }
