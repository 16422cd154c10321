"""Stored errors as ProblemDetails inside notifications (SOL013 clause 6.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STATUSES = {
    "INVALID_INPUT": 400,
    "NOT_FOUND": 404,
    "CONFLICT": 409,
    "WRONG_STATE": 409,
    "OPERATION_IN_PROGRESS": 409,
    "IN_USE": 409,
    "ALREADY_EXISTS": 409,
    "STALE_GENERATION": 409,
    "REFUSED": 409,
    "NOT_PLACEABLE": 409,
    "CHAIN_UNPROVEN": 409,
    "UNREACHABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""As the same errors are answered over HTTP."""

_TOLD = frozenset(STATUSES) - {"UNREACHABLE", "DEADLINE_EXCEEDED", "NOT_FOUND"}
"""Errors whose facts say nothing of this machine."""


def problem(document: Mapping[str, Any]) -> dict[str, Any]:
    """ProblemDetails of a document of :meth:`mano.errors.CatenaError.to_document`."""
    code = str(document.get("code", "ERROR"))
    told: dict[str, Any] = {
        "type": f"urn:catena:error:{code}",
        "status": STATUSES.get(code, 500),
        "detail": str(document.get("detail", "")) or "no details are known",
        "code": code,
    }
    if document.get("hint"):
        told["hint"] = document["hint"]
    if document.get("facts") and code in _TOLD:
        told["facts"] = document["facts"]
    return told
