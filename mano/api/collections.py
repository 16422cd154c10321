"""Lists: filtered, selected and paged (SOL013 clauses 5.2 to 5.4), the same way for every resource."""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar
from urllib.parse import urlencode

from fastapi import Request
from starlette.responses import Response

from mano.api import attribute_filter, attribute_selector
from mano.api.json_body import encode
from mano.api.links import uri
from mano.api.media import JSON, config_of
from mano.errors import InvalidInput

MARKER = "nextpage_opaque_marker"
SCAN_S = 1.0
"""Longest search for a page's members: after it the page is as long as it is, and ``Link`` tells where to go on."""

_PARAMETERS = frozenset({"filter", MARKER, *attribute_selector.SELECTORS})
_MARKED_ID = re.compile(r"[0-9A-Za-z._-]{1,128}")


class Identified(Protocol):
    """What a list is ordered by."""

    @property
    def id(self) -> str:
        """The identifier."""


T = TypeVar("T", bound=Identified)


@dataclass(frozen=True, slots=True)
class ListShape:
    """What is known of a resource type's attributes.

    All of them, those that are always there, and those that ``exclude_default`` leaves out; for most resource types
    these are left out as well when nothing is asked for (``unasked``).
    """

    attributes: frozenset[str]
    mandatory: frozenset[str]
    left_out: Collection[str] = field(default=())
    unasked: bool = True
    columns: Mapping[str, str] = field(default_factory=dict)
    """Attributes that the store looks up by itself, and their columns; ``read`` takes these as keywords then."""


def names(text: str) -> frozenset[str]:
    """Attribute names that are separated by blanks."""
    return frozenset(text.split())


ReadPage = Callable[..., Sequence[T]]
"""(identifier to start after, number, column=value, ...) to values in the order of their identifiers."""


def answer_list(
    request: Request, shape: ListShape, read: ReadPage[T], represent: Callable[[T], dict[str, Any]]
) -> Response:
    """One page of a list as the query asks for."""
    query = request.query_params
    older = [(name, value) for name, value in query.multi_items() if name not in _PARAMETERS]
    wanted = attribute_filter.parse(query.getlist("filter"), shape.attributes, older)
    selector = attribute_selector.parse(
        query,
        attributes=shape.attributes,
        mandatory=shape.mandatory,
        default=shape.left_out,
        unasked=shape.unasked,
    )
    size = config_of(request).limits.page_size
    read = partial(read, **wanted.equalities(shape.columns))
    page, next_after = _collect(read, represent, wanted, _after(query.get(MARKER, "")), size)
    headers = {} if next_after is None else {"Link": _link(request, next_after)}
    return Response(encode([selector.select(document) for document in page]), media_type=JSON, headers=headers)


def _collect(
    read: ReadPage[T],
    represent: Callable[[T], dict[str, Any]],
    wanted: attribute_filter.AttributeFilter,
    after: str,
    size: int,
) -> tuple[list[dict[str, Any]], str | None]:
    """At most ``size`` documents that fit, and the identifier to go on after (None at the end)."""
    page: list[dict[str, Any]] = []
    deadline = time.monotonic() + SCAN_S
    while True:
        values = read(after, size + 1)
        for value in values[:size]:
            if len(page) == size:
                return page, after
            after = value.id
            document = represent(value)
            if wanted.fits(document):
                page.append(document)
        if len(values) <= size:
            return page, None
        if len(page) == size or time.monotonic() > deadline:
            return page, after


def _after(marker: str) -> str:
    if not marker:
        return ""
    try:
        after = base64.urlsafe_b64decode(marker.encode() + b"=" * (-len(marker) % 4)).decode("ascii")
    except (binascii.Error, ValueError):
        after = ""
    if not _MARKED_ID.fullmatch(after):
        raise InvalidInput(f"{MARKER} is none that this server gave out", hint="follow the Link header as it is")
    return after


def _link(request: Request, after: str) -> str:
    marker = base64.urlsafe_b64encode(after.encode()).decode().rstrip("=")
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != MARKER]
    return f'<{uri(request, request.url.path)}?{urlencode([*kept, (MARKER, marker)])}>; rel="next"'
