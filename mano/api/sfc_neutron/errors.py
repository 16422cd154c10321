"""Errors below ``/v2.0`` in the shape that OpenStack's clients read: ``{"NeutronError": {...}}``."""

from __future__ import annotations

import msgspec
from starlette.responses import Response

from mano.api.media import JSON
from mano.api.problem_details import new_instance, problem_of, problem_response, status_of
from mano.errors import CatenaError

ROOT = "/v2.0"


def is_neutron(path: str) -> bool:
    """Whether a path belongs to this interface."""
    return path == ROOT or path.startswith(ROOT + "/")


def neutron_response(error: CatenaError, instance: str) -> Response:
    """The answer that tells the error; ``type`` is Catena's code and ``detail`` the hint."""
    problem = problem_of(error, instance)
    hint = problem.get("hint", "")
    message = f"{problem['detail']} ({hint})" if hint else problem["detail"]
    document = {"NeutronError": {"type": problem["code"], "message": message, "detail": hint, "instance": instance}}
    headers = dict(getattr(error, "headers", None) or {})
    return Response(msgspec.json.encode(document), status_code=int(status_of(error)), headers=headers, media_type=JSON)


def error_response(path: str, error: CatenaError, instance: str = "") -> Response:
    """The answer that tells an error, in the shape of the interface that the path belongs to."""
    if is_neutron(path):
        return neutron_response(error, instance or new_instance())
    return problem_response(error, instance)
