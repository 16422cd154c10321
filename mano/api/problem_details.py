"""Errors as RFC 7807 ``application/problem+json``: the only place that knows HTTP statuses of errors.

``status``, ``title``, ``detail``, ``type`` and ``instance`` are RFC 7807's; ``code`` and ``hint`` are ours, ``facts``
too where a decision explains itself. ``instance`` is a random URN that the server's log has as well. An answer never
shows a path of this machine, a stack or what the client sent.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec
from starlette.responses import Response

from mano import errors
from mano.api import faults

MEDIA_TYPE = "application/problem+json"

STATUSES: Mapping[type[errors.CatenaError], HTTPStatus] = {
    errors.CatenaError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.CallbackRefused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.UnknownReference: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Refused: HTTPStatus.CONFLICT,
    errors.Unreachable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    faults.RequestFault: HTTPStatus.BAD_REQUEST,
    faults.Unauthenticated: HTTPStatus.UNAUTHORIZED,
    faults.Forbidden: HTTPStatus.FORBIDDEN,
    faults.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    faults.NotAcceptable: HTTPStatus.NOT_ACCEPTABLE,
    faults.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    faults.TooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    faults.TooSlow: HTTPStatus.REQUEST_TIMEOUT,
    faults.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    faults.RangeUnsatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    faults.TooMany: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""The status of a class and of all its subclasses that have no line of their own."""

RETRY_AFTER_S = 5

_FROM_STATUS: Mapping[int, type[errors.CatenaError]] = {
    404: errors.NotFound,
    405: faults.MethodNotAllowed,
    406: faults.NotAcceptable,
    413: faults.TooLarge,
    415: faults.UnsupportedMediaType,
}
_SENTENCES: Mapping[int, str] = {
    404: "there is no such resource",
    405: "the resource does not have this method",
}
_LOCAL_PATH = re.compile(r"(?<![\w:/.])/(?:[\w.+@-]+/)+[\w.+@-]*")
_TELLING = (errors.InvalidInput, errors.Conflict, errors.Refused, faults.RequestFault)
PLAIN_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
"""Keys of a client's that an answer may name."""


def status_of(error: errors.CatenaError) -> HTTPStatus:
    """The HTTP status that tells this error."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return HTTPStatus.INTERNAL_SERVER_ERROR


def problem_of(error: errors.CatenaError, instance: str = "") -> dict[str, Any]:
    """The ProblemDetails object (SOL013 clause 6.3)."""
    status = status_of(error)
    tells = isinstance(error, _TELLING)
    document: dict[str, Any] = {
        "type": f"urn:catena:error:{error.code}",
        "title": status.phrase,
        "status": int(status),
        "detail": error.detail if tells else _LOCAL_PATH.sub("<path>", error.detail),
        "code": error.code,
    }
    if instance:
        document["instance"] = instance
    if error.hint:
        document["hint"] = error.hint
    if error.facts and tells:
        document["facts"] = error.facts
    return document


def problem_of_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """The ProblemDetails of an error that was stored with :meth:`mano.errors.CatenaError.to_document`."""
    return problem_of(errors.error_from_document(document))


def new_instance() -> str:
    """An identifier for one occurrence of a problem."""
    return uuid.uuid4().urn


def problem_response(
    error: errors.CatenaError, instance: str = "", *, extra: Mapping[str, Any] | None = None
) -> Response:
    """The answer that tells the error; ``extra`` adds members that another standard wants."""
    document = problem_of(error, instance or new_instance())
    document.update(extra or {})
    headers = dict(error.headers) if isinstance(error, faults.RequestFault) else {}
    if document["status"] == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    body = msgspec.json.encode(document)
    return Response(body, status_code=document["status"], headers=headers, media_type=MEDIA_TYPE)


def error_from_http(status: int, headers: Mapping[str, str] | None = None) -> errors.CatenaError:
    """The error of our tree for a status that the web framework chose (no route, wrong method)."""
    detail = _SENTENCES.get(status, "the request cannot be served")
    kind = _FROM_STATUS.get(status, faults.RequestFault if status < 500 else errors.CatenaError)
    if issubclass(kind, faults.RequestFault):
        return kind(detail, headers=headers)
    return kind(detail)


def error_from_validation(findings: Sequence[Mapping[str, Any]]) -> errors.CatenaError:
    """One error for everything that a request model refused.

    A malformed part of the URL's path names nothing: that is :class:`~mano.errors.NotFound`.
    """
    if any(finding["loc"][:1] == ("path",) for finding in findings):
        return error_from_http(404)
    where = [f"{_pointer(finding['loc'])}: {_sentence(finding)}" for finding in findings[:5]]
    more = f"; and {len(findings) - 5} more" if len(findings) > 5 else ""
    return errors.InvalidInput(
        "; ".join(where) + more, facts={"pointer": _pointer(findings[0]["loc"])} if findings else None
    )


def _pointer(location: Sequence[Any]) -> str:
    """A JSON pointer (RFC 6901) into the body, or ``query``/``header`` and the parameter's name."""
    origin, *rest = location or ("body",)
    parts = [str(part) if PLAIN_NAME.fullmatch(str(part)) else "*" for part in rest]
    if origin != "body":
        return f"{origin} {' '.join(parts)}".rstrip()
    return "/" + "/".join(parts) if parts else "the body"


_KINDS: Mapping[str, str] = {
    "missing": "is required",
    "string_type": "must be a string",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "list_type": "must be an array",
    "extra_forbidden": "is not known",
    "string_pattern_mismatch": "is not of the right form",
}


def _sentence(finding: Mapping[str, Any]) -> str:
    kind = str(finding.get("type", ""))
    limits = finding.get("ctx") or {}
    match kind:
        case "enum" | "literal_error":
            return f"must be one of {limits.get('expected', '')}"
        case "string_too_long" | "too_long":
            return f"must not be longer than {limits.get('max_length')}"
        case "string_too_short" | "too_short":
            return f"must not be shorter than {limits.get('min_length')}"
        case "greater_than_equal":
            return f"must be at least {limits.get('ge')}"
        case "less_than_equal":
            return f"must be at most {limits.get('le')}"
        case _:
            return _KINDS.get(kind, "is not valid")
