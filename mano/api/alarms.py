"""Alarms of VNFs, of network services and of the infrastructure: the same resources over three interfaces."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from mano.api.auth import Caller, Principal
from mano.api.bodies import Body
from mano.api.collections import ListShape, answer_list, names
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.faults import PreconditionFailed
from mano.api.links import api_root, link
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer
from mano.api.services import Alarms
from mano.domain.alarm import AckState, Alarm, AlarmLevel, alarm_document
from mano.errors import NotFound, StaleGeneration
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

SHAPE = ListShape(
    attributes=names(
        "id managedObjectId vnfcInstanceIds rootCauseFaultyComponent rootCauseFaultyResource alarmRaisedTime "
        "alarmChangedTime alarmClearedTime alarmAcknowledgedTime ackState perceivedSeverity eventTime eventType "
        "faultType probableCause isRootCause correlatedAlarmIds faultDetails level _links"
    ),
    mandatory=names(
        "id managedObjectId alarmRaisedTime ackState perceivedSeverity eventTime eventType probableCause isRootCause "
        "_links"
    ),
    unasked=False,
)
OBJECTS = {AlarmLevel.VNF: "/vnflcm/v2/vnf_instances", AlarmLevel.NS: "/nslcm/v2/ns_instances"}


class AlarmModifications(Body):
    """AlarmModifications (SOL003 clause 7.5.2.8, SOL005 clause 8.5.2.8)."""

    ack_state: Literal["ACKNOWLEDGED", "UNACKNOWLEDGED"]


class AlarmResources:
    """The alarms of one level; without a level all of them, those of the infrastructure for who may see it."""

    def __init__(self, alarms: Alarms, open_unit: UnitOfWorkFactory, prefix: str, level: AlarmLevel | None) -> None:
        self._alarms = alarms
        self._open_unit = open_unit
        self._path = f"{prefix}/alarms"
        self._level = level

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        add(router, "GET", "/alarms", self.list_all, form=Form.PAGE)
        add(router, "GET", "/alarms/{id}", self.read)
        add(router, "PATCH", "/alarms/{id}", self.acknowledge)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the alarms; takes filter and the marker of the next page."""
        root = api_root(request)
        wanted = {} if self._level is None else {"level": self._level.value}
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Alarm]:
                return uow.alarms.list(self._tenant(caller), after=after, limit=limit, **wanted)

            return answer_list(request, SHAPE, page, lambda alarm: self._document(alarm, root))

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one alarm."""
        with self._open_unit(read_only=True) as uow:
            alarm = self._find(uow, id, caller)
        tag = etag(alarm.generation)
        if is_unchanged(request, alarm.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=tag)
        return json_answer(self._document(alarm, api_root(request)), ETag=tag)

    def acknowledge(self, request: Request, caller: Caller, id: ResourceId, body: AlarmModifications) -> Response:
        """Acknowledge an alarm, or take that back."""
        with self._open_unit(read_only=True) as uow:
            generation = required_generation(request, self._find(uow, id, caller).generation)
        try:
            alarm = self._alarms.acknowledge(
                id, self._tenant(caller), AckState(body.ack_state), level=self._level, generation=generation
            )
        except StaleGeneration as error:
            if generation is None:
                raise
            raise PreconditionFailed(error.detail, hint=error.hint) from None
        return json_answer({"ackState": alarm.ack_state.value}, ETag=etag(alarm.generation))

    def _find(self, uow: UnitOfWork, id: str, caller: Principal) -> Alarm:
        alarm = uow.alarms.get(id, self._tenant(caller))
        if self._level not in (None, alarm.level):
            raise NotFound(f"there is no alarm {id}")
        return alarm

    def _tenant(self, caller: Principal) -> str | None:
        """Whose alarms: an operator sees everybody's in the native list."""
        return None if self._level is None and caller.sees_infrastructure else caller.tenant_id

    def _document(self, alarm: Alarm, root: str) -> dict[str, Any]:
        document = alarm_document(alarm)
        if self._level is None:
            document["level"] = alarm.level.value
        links = {"self": link(f"{root}{self._path}/{alarm.id}")}
        if alarm.level in OBJECTS:
            links["objectInstance"] = link(f"{root}{OBJECTS[alarm.level]}/{alarm.managed_object_id}")
        return {**document, "_links": links}
