"""What the routers of all resources share: identifiers, the documented answers, plain JSON answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Path
from starlette.responses import Response

from mano.api.json_body import encode
from mano.api.media import JSON, MediaRoute
from mano.api.problem_details import MEDIA_TYPE

UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"

ResourceId = Annotated[str, Path(pattern=UUID, description="The resource's identifier, a UUID.")]
"""Anything but a UUID names no resource: 404."""

PROBLEM_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "code": {"type": "string"},
        "hint": {"type": "string"},
        "facts": {"type": "object"},
    },
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}}
    for status, meaning in (("4XX", "The request cannot be served."), ("5XX", "The server cannot serve now."))
}


def new_router(prefix: str, tag: str) -> APIRouter:
    """A router whose routes speak only their media types and answer every error with problem details."""
    return APIRouter(prefix=prefix, route_class=MediaRoute, tags=[tag], responses=PROBLEMS)


def add(
    router: APIRouter, method: str, path: str, handler: Callable[..., Any], status: HTTPStatus = HTTPStatus.OK
) -> None:
    """One route; its OpenAPI operation is named after the API, the method and the path."""
    words = [word for word in f"{router.prefix}{path}".replace("{", "").replace("}", "").split("/") if word]
    router.add_api_route(
        path,
        handler,
        methods=[method],
        status_code=status,
        response_class=Response if status == HTTPStatus.NO_CONTENT else _JsonResponse,
        response_model=None,
        operation_id="-".join([method.lower(), *words]),
    )


class _JsonResponse(Response):
    media_type = JSON

    def render(self, content: Any) -> bytes:
        return encode(content)


def json_answer(content: Any, status: HTTPStatus = HTTPStatus.OK, **headers: str) -> Response:
    """A JSON answer; ``ETag="..."`` and the like become headers."""
    return Response(encode(content), status_code=status, headers=headers, media_type=JSON)


def empty_answer(status: HTTPStatus, **headers: str) -> Response:
    """An answer without a body."""
    return Response(status_code=status, headers=headers)


def timestamp(moment: datetime) -> str:
    """RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
