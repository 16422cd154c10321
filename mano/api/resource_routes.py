"""What the routers of all resources share: identifiers, the documented answers, plain JSON answers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from mano.api.json_body import encode
from mano.api.media import JSON, MediaRoute, media_of
from mano.api.openapi_document import Form, note

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

ResourceId = Annotated[str, Path(pattern=UUID, description="The resource's identifier, a UUID.")]
"""Anything but a UUID names no resource: 404."""


def new_router(prefix: str, tag: str) -> APIRouter:
    """A router whose routes speak only their media types and answer every error with problem details."""
    return APIRouter(prefix=prefix, route_class=MediaRoute, tags=[tag], responses={"4XX": {}, "5XX": {}})


def add(
    router: APIRouter,
    method: str,
    path: str,
    handler: Callable[..., Any],
    status: HTTPStatus = HTTPStatus.OK,
    *,
    form: Form = Form.OBJECT,
    also: Mapping[str, str] | None = None,
) -> None:
    """One route; its OpenAPI operation is named after the API, the method and the path."""
    words = re.findall(r"[A-Za-z0-9_]+", f"{router.prefix}{path}".replace(":path", ""))
    if status in (HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT):
        form = Form.NOTHING
    router.add_api_route(
        path,
        handler,
        methods=[method],
        status_code=status,
        response_class=Response,
        response_model=None,
        operation_id="-".join([method.lower(), *words]),
        openapi_extra=note(media_of(handler), form, also),
    )


def json_answer(content: Any, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    """A JSON answer; ``ETag="..."`` and the like become headers."""
    return Response(encode(content), status_code=status, headers=headers, media_type=JSON)


def empty_answer(status: HTTPStatus, **headers: str) -> Response:
    """An answer without a body."""
    return Response(status_code=status, headers=headers)


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
