"""Whom the VNFM asks on an operation's way: what the VNFD declares (SOL001 clause 6.10), and who is there to be asked.

An action whose endpoint is the VNF is asked for at the VNF's own coordination interface, in its management network;
any other at the element manager that the server was told of. Without one nobody is asked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from mano.domain.coordination import CoordinationAction, EndpointType, Stage
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource, VnfInstance, VnfOperationalState
from mano.errors import NotFound, Unreachable, WrongState
from mano.ports.coordination import Asked, Coordinator, Known, Reply
from mano.ports.management import Call
from mano.vnfm.lcm_scripts import flavour_of_document
from mano.vnfm.management import Management
from mano.vnfm.world import VnfmWorld

INTERFACE = "vnf_lcm_coordination"
"""Value of ``interface_name`` in the policy SupportedVnfInterface (SOL001 clause 6.10)."""

RESOURCE = "/lcmcoord/v1/coordinations"
VERSION = "1.0.0"
PORT = 80
ANSWER_S = 10.0
WORDS = {"CHANGE_EXT_CONN": "change_ext_conn", "CHANGE_VNFPKG": "change_current_package"}
"""Values of ``vnf_lcm_operation`` that are not the operation's name in small letters."""


class VnfCoordination:
    """Finds the actions of the VNFM's operations."""

    def __init__(self, world: VnfmWorld, management: Management, known: Sequence[Known]) -> None:
        self._world = world
        self._management = management
        self._known = known

    def actions_of(self, op: LcmOpOcc) -> Sequence[Asked]:
        """Those of the VNFD and of the server's settings, each with whoever is to be asked."""
        instance = self._world.instance(op)
        return (*self._declared(op, instance), *self._told(op, instance))

    def _declared(self, op: LcmOpOcc, instance: VnfInstance) -> Iterator[Asked]:
        try:
            _, document = self._world.nfvo.vnfd(instance.vnfd_id, op.tenant_id)
        except (NotFound, WrongState):
            return  # a VNF outlives its package
        flavour = flavour_of_document(document, str(op.parameters.get("flavourId") or instance.flavour_id))
        endpoint = _endpoint(flavour)
        for item in flavour.get("coordination_actions", ()):
            if WORDS.get(op.operation, op.operation.lower()) not in item["operations"] or not item["stage"]:
                continue
            stage = Stage(item["stage"])
            if item["endpoint_type"] == "vnf" or (not item["endpoint_type"] and endpoint is not None):
                if endpoint is not None and _runs(op, instance, stage):
                    yield Asked(_action(item, stage, EndpointType.VNF), self._of_vnf(op, endpoint))
            elif (found := self._manager(instance)) is not None:
                yield Asked(_action(item, stage, EndpointType.MGMT), found)

    def _told(self, op: LcmOpOcc, instance: VnfInstance) -> Iterator[Asked]:
        for one in self._known:
            if one.cares_for(instance.vnfd_id):
                yield from (Asked(a, one.coordinator) for a in one.actions if op.operation in a.operations)

    def _manager(self, instance: VnfInstance) -> Coordinator | None:
        return next((one.coordinator for one in self._known if one.cares_for(instance.vnfd_id)), None)

    def _of_vnf(self, op: LcmOpOcc, endpoint: _Endpoint) -> Coordinator:
        return _VnfItself(self._world, self._management, op, endpoint)


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where VNFCs serve the interface."""

    cp_ids: frozenset[str]
    port: int
    path: str


def _endpoint(flavour: Mapping[str, Any]) -> _Endpoint | None:
    for item in flavour.get("supported_interfaces", ()):
        if item["name"] == INTERFACE and item.get("scheme", "http") == "http":
            return _Endpoint(
                frozenset(item["cp_ids"]), int(item.get("port") or PORT), f"{item.get('path', '')}{RESOURCE}"
            )
    return None


def _runs(op: LcmOpOcc, instance: VnfInstance, stage: Stage) -> bool:
    """Can the VNF be asked then?"""
    if stage is Stage.START:
        return instance.vnf_state is VnfOperationalState.STARTED
    return op.operation != "TERMINATE" and op.parameters.get("changeStateTo") != "STOPPED"


def _action(item: Mapping[str, Any], stage: Stage, endpoint: EndpointType) -> CoordinationAction:
    return CoordinationAction(item["name"], tuple(item["operations"]), stage, endpoint, json.loads(item["inputs"]))


class _VnfItself:
    """A VNF's own coordination interface, over a place beside it in its management network."""

    def __init__(self, world: VnfmWorld, management: Management, op: LcmOpOcc, endpoint: _Endpoint) -> None:
        self._world = world
        self._management = management
        self._op = op
        self._endpoint = endpoint

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """POST /coordinations."""
        return self._call("POST", self._endpoint.path, request)

    def look(self, location: str) -> Reply:
        """GET the action; of the address that the VNF told only the path counts."""
        return self._call("GET", urlsplit(location).path, None)

    def cancel(self, location: str) -> Reply:
        """POST its task resource."""
        return self._call("POST", f"{urlsplit(location).path.rstrip('/')}/cancel", None)

    def _call(self, method: str, path: str, document: Mapping[str, Any] | None) -> Reply:
        instance = self._world.instance(self._op)
        vnfc, point = self._reachable(instance)
        headers = {"Version": VERSION}
        if token := instance.management.get("token"):
            headers["Authorization"] = f"Bearer {token}"
        if document is not None:
            headers["Content-Type"] = "application/json"
        address = point.addresses[0].split("/")[0]
        call = Call(address, self._endpoint.port, method, path, headers, document, vnfc.compute_id)
        with self._management.place(self._op, instance, vnfc, point) as (place, reach):
            answer = reach.call(place, call, ANSWER_S)
        wait = answer.headers.get("retry-after", "")
        later = min(float(wait[:6]), 3600.0) if wait.isascii() and wait.isdigit() else None
        return Reply(answer.status, answer.document, answer.headers.get("location", ""), later)

    def _reachable(self, instance: VnfInstance) -> tuple[VnfcResource, ConnectionPoint]:
        for vnfc in instance.vnfcs:
            for point in vnfc.connection_points if vnfc.state is VnfOperationalState.STARTED else ():
                if point.addresses and {point.cpd_id, point.ext_cpd_id} & self._endpoint.cp_ids:
                    return vnfc, point
        raise Unreachable("no VNFC of the VNF serves its coordination interface now")
