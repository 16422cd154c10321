"""What can be wrong with a request before any use case sees it: the HTTP side of the error tree.

CatenaError
└── RequestFault
    ├── Unauthenticated       no valid token
    ├── Forbidden             a valid token that does not allow this
    ├── MethodNotAllowed      the resource exists, the method does not
    ├── NotAcceptable         no media type or API version that both sides speak
    ├── UnsupportedMediaType  a body of a type that the resource does not take
    ├── TooLarge              a body beyond the limit
    ├── TooSlow               a body that stopped arriving
    ├── PreconditionFailed    If-Match names another version of the resource
    ├── RangeUnsatisfiable    no octet of the requested range exists
    └── TooMany               the server's own limit on simultaneous work
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.errors import CatenaError


class RequestFault(CatenaError):
    """A fault of the request itself; ``headers`` go with the answer."""

    code = "BAD_REQUEST"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        facts: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail, hint=hint, facts=facts)
        self.headers: dict[str, str] = dict(headers or {})


class Unauthenticated(RequestFault):
    """RFC 6750 clause 3."""

    code = "UNAUTHENTICATED"


class Forbidden(RequestFault):
    """The token's roles do not reach so far."""

    code = "FORBIDDEN"


class MethodNotAllowed(RequestFault):
    """SOL013 clause 5.2.1: 405 for methods that a resource does not have."""

    code = "METHOD_NOT_ALLOWED"


class NotAcceptable(RequestFault):
    """Neither the media type nor the version asked for is served."""

    code = "NOT_ACCEPTABLE"


class UnsupportedMediaType(RequestFault):
    """The body's Content-Type is none that the resource takes."""

    code = "UNSUPPORTED_MEDIA_TYPE"


class TooLarge(RequestFault):
    """The body is larger than the server takes."""

    code = "TOO_LARGE"


class TooSlow(RequestFault):
    """The body stopped arriving."""

    code = "TOO_SLOW"


class PreconditionFailed(RequestFault):
    """RFC 7232 clause 4.2."""

    code = "PRECONDITION_FAILED"


class RangeUnsatisfiable(RequestFault):
    """RFC 7233 clause 4.4."""

    code = "RANGE_UNSATISFIABLE"


class TooMany(RequestFault):
    """Too much of one kind of work at once; try again later."""

    code = "TOO_MANY"
