"""VNF fault management as an element manager has it (SOL002 clause 7): an alarm can be made graver.

Everything else of `/vnffm/v1` is the same in SOL003.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Literal

from fastapi import APIRouter
from starlette.responses import Response

from mano.api.api_versions import VNFFM
from mano.api.auth import Caller
from mano.api.bodies import Body
from mano.api.resource_routes import ResourceId, add, empty_answer, new_router
from mano.api.services import Alarms
from mano.domain.alarm import PerceivedSeverity


class PerceivedSeverityRequest(Body):
    """SOL002 clause 7.5.2.7."""

    proposed_perceived_severity: Literal["CRITICAL", "MAJOR", "MINOR", "WARNING", "INDETERMINATE"]


def router(alarms: Alarms) -> APIRouter:
    """The task of an individual alarm."""
    routes = new_router(VNFFM.prefix, VNFFM.name)
    add(routes, "POST", "/alarms/{id}/escalate", Escalation(alarms).create, HTTPStatus.NO_CONTENT)
    return routes


class Escalation:
    """What an element manager knows of a fault that the VNFM does not."""

    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms

    def create(self, caller: Caller, id: ResourceId, body: PerceivedSeverityRequest) -> Response:
        """Make an alarm graver than the VNFM holds it for."""
        self._alarms.escalate(id, caller.tenant_id, PerceivedSeverity(body.proposed_perceived_severity))
        return empty_answer(HTTPStatus.NO_CONTENT)
