"""Our own OpenAPI document: what FastAPI derives from the handlers, completed by what only we know of them.

Each route carries a note under :data:`NOTE` (see :func:`note`): the media types both ways, the form of its answer, and
which of the general rules of SOL013 hold for it. :func:`complete` turns the notes into OpenAPI.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from mano.api.api_versions import ROOTS, ApiRoot
from mano.api.attribute_filter import MAX_LENGTH
from mano.api.auth import PUBLIC
from mano.api.collections import MARKER
from mano.api.media import JSON, Media
from mano.api.problem_details import MEDIA_TYPE
from mano.api.sfc_neutron.errors import is_neutron

NOTE = "x-catena"


class Form(StrEnum):
    """What an answer holds."""

    OBJECT = "object"
    LIST = "list"
    PAGE = "page"
    CONTENT = "content"
    PART = "part"
    NOTHING = "nothing"


PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "description": "urn:catena:error:<code>"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string", "description": "Names this occurrence, in the server's log too."},
        "code": {"type": "string", "description": "Stable; `mano explain CODE` tells more."},
        "hint": {"type": "string", "description": "What to do."},
        "facts": {"type": "object"},
    },
}
_NEUTRON_ERROR: Mapping[str, Any] = {
    "type": "object",
    "required": ["NeutronError"],
    "properties": {
        "NeutronError": {
            "type": "object",
            "required": ["type", "message", "detail"],
            "properties": {name: {"type": "string"} for name in ("type", "message", "detail", "instance")},
        }
    },
}
_NEUTRON_ANSWER = {JSON: {"schema": _NEUTRON_ERROR}}
_PROBLEM_ANSWER = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}

_PAGE_PARAMETERS: tuple[tuple[str, str], ...] = (
    ("filter", "Attribute filter: (op,attribute,value);… (SOL013 clause 5.2)."),
    ("fields", "Only these attributes (SOL013 clause 5.3)."),
    ("exclude_fields", "Not these attributes."),
    ("all_fields", "All attributes."),
    ("exclude_default", "Without the complex attributes."),
    (MARKER, "As in the Link header of the page before."),
)


def note(media: Media, form: Form, also: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The note on a route, for its ``openapi_extra``; ``also`` maps further statuses without a body to sentences."""
    return {
        NOTE: {
            "consumes": list(media.consumes),
            "produces": list(media.produces),
            "raw": media.raw,
            "form": form,
            "also": dict(also or {}),
        }
    }


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the notes' content in OpenAPI's own words."""
    components = document.setdefault("components", {})
    components.setdefault("schemas", {})["ProblemDetails"] = dict(PROBLEM)
    components["securitySchemes"] = {"bearer": {"type": "http", "scheme": "bearer"}}
    for path, operation in _operations(document):
        _complete_operation(path, operation, operation.pop(NOTE, {}))
    return document


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for operation in methods.values():
            yield path, operation


def _complete_operation(path: str, operation: dict[str, Any], about: Mapping[str, Any]) -> None:
    if path not in PUBLIC:
        operation["security"] = [{"bearer": []}]
    answers = operation["responses"]
    for status, meaning in (("4XX", "The request cannot be served."), ("5XX", "The server cannot serve now.")):
        content = _NEUTRON_ANSWER if is_neutron(path) else _PROBLEM_ANSWER
        answers[status] = {"description": meaning, "content": content}
    form = Form(about.get("form", Form.OBJECT))
    for status in [status for status in answers if status.startswith("2")]:
        answers[status] = _answer(form, about.get("produces") or [JSON])
        if form is Form.PART:
            answers["206"] = {**answers[status], "description": "The octets of the range that was asked for."}
    for status, meaning in about.get("also", {}).items():
        answers[status] = {"description": meaning}
    if about.get("raw") and about.get("consumes"):
        content = {kind: {"schema": {"type": "string", "format": "binary"}} for kind in about["consumes"]}
        operation["requestBody"] = {"required": True, "content": content}
    operation["parameters"] = [*operation.get("parameters", ()), *_parameters(path, form)]


def _answer(form: Form, produces: list[str]) -> dict[str, Any]:
    if form is Form.NOTHING:
        return {"description": "Done, or accepted; there is no body."}
    if form in (Form.CONTENT, Form.PART):
        schema: dict[str, Any] = {"type": "string", "format": "binary"}
    elif form is Form.OBJECT:
        schema = {"type": "object"}
    else:
        schema = {"type": "array", "items": {"type": "object"}}
    return {"description": "The answer.", "content": {kind: {"schema": schema} for kind in produces}}


def _parameters(path: str, form: Form) -> Iterator[dict[str, Any]]:
    root = next((root for prefix, root in ROOTS.items() if path.startswith(prefix + "/")), None)
    if root is not None and not path.endswith("/api_versions"):
        yield _version(root)
    if form is Form.PAGE:
        for name, meaning in _PAGE_PARAMETERS:
            schema = {"type": "string", "maxLength": MAX_LENGTH}
            yield {"name": name, "in": "query", "required": False, "description": meaning, "schema": schema}


def _version(root: ApiRoot) -> dict[str, Any]:
    return {
        "name": "Version",
        "in": "header",
        "required": True,
        "description": f"Any version of the API up to {root.version} (SOL013 clause 9.2).",
        "schema": {"type": "string"},
        "example": root.version,
    }
