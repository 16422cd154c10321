"""``/mano/v1/hosts``, ``/topology``, ``/vims``: the NFVI and what is placed on it."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from mano.api import json_body
from mano.api.auth import Administrator, InfrastructureViewer
from mano.api.bodies import Body, Identifier
from mano.api.links import uri
from mano.api.media import JSON, YAML, config_of, media, read_limited, require_content_type
from mano.api.openapi_document import Form
from mano.api.problem_details import PLAIN_NAME
from mano.api.resource_routes import add, empty_answer, json_answer, new_router
from mano.api.services import Nfvi
from mano.errors import InvalidInput
from mano.placement import DocumentError, document_from_text

PREFIX = "/mano/v1"
_YAML_TYPES = (YAML, "application/x-yaml", "text/yaml")
_QUOTED = re.compile(r",? found .*", re.DOTALL)

HostName = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$", description="Its name.")]
VimName = Annotated[str, Query(alias="vim", max_length=255, description="The VIM; may be left out when there is one.")]


class HostChange(Body):
    """What may change of a host that is managed: whether it takes new work."""

    state: Literal["enabled", "draining", "down"]


class AttachmentRequest(Body):
    """A place outside where SAPs can end: on a host's bridge, or on a physical network."""

    name: Identifier
    host: Identifier | None = None
    physnet: Identifier | None = None


def router(nfvi: Nfvi) -> APIRouter:
    """The resources."""
    routes = new_router(PREFIX, "native")
    resources = NfviResources(nfvi)
    add(routes, "GET", "/hosts", resources.list_hosts, form=Form.LIST)
    add(routes, "POST", "/hosts", resources.add_hosts, HTTPStatus.CREATED, form=Form.LIST)
    add(routes, "GET", "/hosts/{name}", resources.read_host)
    add(routes, "PATCH", "/hosts/{name}", resources.change_host)
    add(routes, "DELETE", "/hosts/{name}", resources.remove_host, HTTPStatus.NO_CONTENT)
    add(routes, "GET", "/topology", resources.read_topology)
    add(routes, "GET", "/vims", resources.list_vims, form=Form.LIST)
    add(routes, "POST", "/vims/{name}/attachments", resources.add_attachment, HTTPStatus.CREATED)
    return routes


class NfviResources:
    """Hosts, topology and VIMs."""

    def __init__(self, nfvi: Nfvi) -> None:
        self._nfvi = nfvi

    def list_hosts(self, _: InfrastructureViewer) -> Response:
        """List the hosts with their inventory and what the VIM sees of them."""
        return json_answer(list(self._nfvi.list()))

    @media(consumes=(JSON, *_YAML_TYPES), raw=True)
    async def add_hosts(self, request: Request, _: Administrator, vim_id: VimName = "") -> Response:
        """Bring the hosts of an Inventory document (JSON or YAML) under management."""
        document = await _inventory(request)
        try:
            hosts = await run_in_threadpool(self._nfvi.add_hosts, document, vim_id)
        except DocumentError as error:
            raise without_quotations(error) from None
        return json_answer(list(hosts), HTTPStatus.CREATED, Location=uri(request, f"{PREFIX}/hosts"))

    def read_host(self, _: InfrastructureViewer, name: HostName) -> Response:
        """Read one host."""
        return json_answer(self._nfvi.get(name))

    def change_host(self, _: Administrator, name: HostName, body: HostChange) -> Response:
        """Drain a host, enable it or call it down; the answer's allocations are what is still there."""
        return json_answer(self._nfvi.set_state(name, body.state))

    def remove_host(self, _: Administrator, name: HostName) -> Response:
        """Leave the host as it was found."""
        self._nfvi.remove(name)
        return empty_answer(HTTPStatus.NO_CONTENT)

    def read_topology(self, caller: InfrastructureViewer) -> Response:
        """Read hosts, VNFCs, ports, networks, SAPs and chains in one picture."""
        return json_answer(self._nfvi.topology(caller.tenant_id))

    def list_vims(self, _: InfrastructureViewer) -> Response:
        """List the VIMs and the places where SAPs can end."""
        return json_answer(list(self._nfvi.vims()))

    def add_attachment(self, request: Request, _: Administrator, name: HostName, body: AttachmentRequest) -> Response:
        """Name a place where SAPs can end."""
        if (body.host is None) is (body.physnet is None):
            raise InvalidInput("an attachment is on a host or on a physical network", hint="send host or physnet")
        attachment = self._nfvi.add_attachment(name, body.document())
        return json_answer(attachment, HTTPStatus.CREATED, Location=uri(request, f"{PREFIX}/vims"))


async def _inventory(request: Request) -> dict[str, Any]:
    sent = require_content_type(request, (JSON, *_YAML_TYPES))
    limits = config_of(request).limits
    content = await read_limited(request, limits.json_body)
    if sent == JSON:
        document = json_body.decode(content, limits.json_depth)
    else:
        document = await run_in_threadpool(_yaml, content)
        json_body.check(document, limits.json_depth)
    if not isinstance(document, dict):
        raise InvalidInput("the document is not an object", hint="`mano place schema` prints its schema")
    return document


def _yaml(content: bytes) -> Any:
    try:
        return document_from_text(content.decode(), "Inventory")
    except UnicodeDecodeError:
        raise InvalidInput("the document is not UTF-8") from None
    except DocumentError as error:
        raise without_quotations(error) from None


def _known_pointer(pointer: str) -> str:
    """The pointer, with ``*`` for a key that is no plain word."""
    steps = [step if PLAIN_NAME.fullmatch(step) else "*" for step in pointer.split("/")[1:]]
    return "/" + "/".join(steps)


def without_quotations(error: DocumentError) -> InvalidInput:
    """The same faults without the values that were found: an answer never repeats the input."""
    faults = [(_known_pointer(fault.pointer), _QUOTED.sub("", fault.expected)) for fault in error.faults]
    if not faults:
        return InvalidInput(_QUOTED.sub("", error.detail), hint=error.hint)
    told = "; ".join(f"{pointer}: expected {expected}" for pointer, expected in faults[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    facts = {"faults": [{"pointer": pointer, "expected": expected} for pointer, expected in faults]}
    return InvalidInput(told + more, hint=error.hint, facts=facts)
