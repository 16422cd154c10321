"""Media types: what a resource takes and gives, declared at its handler and enforced before it runs.

:class:`MediaRoute` stands between the router and FastAPI's own handling: it answers 406 and 415, reads a JSON body
within its limit and decodes it strictly, so that FastAPI's own lenient parser never sees the bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute

from mano.api import json_body
from mano.api.api_versions import ROOTS
from mano.api.config import ApiConfig
from mano.api.faults import NotAcceptable, TooLarge, TooSlow, UnsupportedMediaType

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
ZIP = "application/zip"
TEXT = "text/plain"
YAML = "application/yaml"
OCTETS = "application/octet-stream"
EVENT_STREAM = "text/event-stream"
FORM = "application/x-www-form-urlencoded"

_ATTRIBUTE = "__catena_media__"
_DEFAULT_CONSUMES = {"PATCH": (MERGE_PATCH, JSON)}
_WITHOUT_BODY = frozenset({"GET", "HEAD", "DELETE"})
_JSON_TYPES = frozenset({JSON, MERGE_PATCH})

Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Media:
    """What one handler takes and gives. ``raw`` handlers read the body themselves."""

    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = (JSON,)
    raw: bool = False


def media(
    *, consumes: Iterable[str] = (), produces: Iterable[str] = (JSON,), raw: bool = False
) -> Callable[[Handler], Handler]:
    """Declare a handler's media types where they are not JSON both ways."""

    def mark(handler: Handler) -> Handler:
        setattr(handler, _ATTRIBUTE, Media(tuple(consumes), tuple(produces), raw))
        return handler

    return mark


def media_of(handler: Callable[..., Any]) -> Media:
    """What the handler declared; JSON both ways unless it did."""
    declared: Media = getattr(handler, _ATTRIBUTE, Media())
    return declared


class MediaRoute(APIRoute):
    """A route that speaks only the media types of its handler."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's hook for whatever has to happen before its own parsing."""
        inner = super().get_route_handler()
        declared = media_of(self.endpoint)

        async def handle(request: Request) -> Response:
            if not (declared.produces == (OCTETS,) and is_of_older_api(request)):
                best_offer(request, declared.produces)
            if declared.raw or request.method in _WITHOUT_BODY:
                return await inner(request)
            return await inner(
                await _read(request, declared.consumes or _DEFAULT_CONSUMES.get(request.method, (JSON,)))
            )

        return handle


def is_of_older_api(request: Request) -> bool:
    """True below a root for older clients. These ask for artifacts as if they were JSON and take what comes."""
    root = next((root for prefix, root in ROOTS.items() if request.url.path.startswith(prefix + "/")), None)
    return root is not None and not root.strict


def best_offer(request: Request, offers: Sequence[str]) -> str:
    """The offered media type that the client likes most (RFC 9110 clause 12.5.1), the first one among equals.

    Without ``Accept`` anything goes. Raises :class:`~mano.api.faults.NotAcceptable`.
    """
    accept = ",".join(request.headers.getlist("accept"))
    if not accept.strip():
        return offers[0]
    ranges = [_parse_range(part) for part in accept.split(",")]
    quality, best = max(
        ((_quality(offer, ranges), offer) for offer in offers), key=lambda scored: scored[0], default=(0.0, "")
    )
    if quality <= 0.0:
        raise NotAcceptable("no media type of the Accept header is served here", hint=f"accept {' or '.join(offers)}")
    return best


def require_content_type(request: Request, consumes: Sequence[str]) -> str:
    """The body's media type without parameters; raises :class:`~mano.api.faults.UnsupportedMediaType`."""
    sent = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if sent not in consumes:
        raise UnsupportedMediaType(
            "the body has a Content-Type that is not taken here", hint=f"send {' or '.join(consumes)}"
        )
    return sent


def declared_length(request: Request) -> int | None:
    """``Content-Length``, ``None`` where the client did not say."""
    text = request.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None


async def read_limited(request: Request, limit: int) -> bytes:
    """The whole body of at most ``limit`` octets; a longer one is refused before it is read."""
    if (declared_length(request) or 0) > limit:
        raise _too_large(limit)
    body = bytearray()
    try:
        async with asyncio.timeout(config_of(request).limits.upload_pause_s):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        raise TooSlow("the body did not arrive in time") from None
    return bytes(body)


class ReadRequest(Request):
    """A request whose body was read and decoded already."""

    def __init__(self, request: Request, content: bytes, value: Any) -> None:
        super().__init__(request.scope, request.receive)
        self._content = content
        self._value = value

    async def body(self) -> bytes:
        """The octets."""
        return self._content

    async def json(self) -> Any:
        """The decoded value."""
        return self._value


async def _read(request: Request, consumes: Sequence[str]) -> ReadRequest:
    limits = config_of(request).limits
    content = await read_limited(request, limits.json_body)
    if not content:
        return ReadRequest(request, b"", None)
    sent = require_content_type(request, consumes)
    value = json_body.decode(content, limits.json_depth) if sent in _JSON_TYPES else None
    return ReadRequest(request, content, value)


def config_of(request: Request) -> ApiConfig:
    """The configuration that the application was made with."""
    config: ApiConfig = request.app.state.config
    return config


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the body is longer than {limit} octets", facts={"limit": limit})


def _parse_range(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    quality = next((parameter[2:] for parameter in parameters if parameter.startswith("q=")), "1")
    try:
        return name, float(quality)
    except ValueError:
        return name, 0.0


def _quality(offer: str, ranges: Sequence[tuple[str, float]]) -> float:
    """Of the most specific range that matches."""
    for pattern in (offer, offer.partition("/")[0] + "/*", "*/*"):
        for name, quality in ranges:
            if name == pattern:
                return quality
    return 0.0
