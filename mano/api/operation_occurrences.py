"""VnfLcmOpOcc (SOL003 clause 5.5.2.13) and NsLcmOpOcc (SOL005 clause 6.5.2.3). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.api.collections import ListShape, names
from mano.api.links import link
from mano.api.problem_details import problem_of_document
from mano.api.resource_routes import timestamp
from mano.api.sol003.vnf_instance import ext_link
from mano.domain.coordination import Coordination
from mano.domain.lcm_op_occ import RUNNING, LcmOpOcc, OperationState, StepRecord
from mano.nfvo.ns_resource_changes import ns_resource_changes
from mano.vnfm import resource_changes as vnf_changes

VNF_OP_OCCS = "/vnflcm/v2/vnf_lcm_op_occs"
NS_OP_OCCS = "/nslcm/v2/ns_lcm_op_occs"

VNF_SHAPE = ListShape(
    attributes=names(
        "id operationState stateEnteredTime startTime vnfInstanceId grantId operation isAutomaticInvocation "
        "operationParams isCancelPending cancelMode error resourceChanges changedInfo affectedVipCps "
        "changedExtConnectivity modificationsTriggeredByVnfPkgChange vnfSnapshotInfoId lcmCoordinations "
        "rejectedLcmCoordinations warnings catena _links"
    ),
    mandatory=names(
        "id operationState stateEnteredTime startTime vnfInstanceId operation isAutomaticInvocation isCancelPending "
        "changedInfo _links"
    ),
    left_out=("operationParams", "error", "resourceChanges", "catena"),
)

NS_SHAPE = ListShape(
    attributes=names(
        "id operationState stateEnteredTime statusEnteredTime nsInstanceId lcmOperationType startTime "
        "isAutomaticInvocation operationParams isCancelPending cancelMode error resourceChanges lcmCoordinations "
        "rejectedLcmCoordinations warnings catena _links"
    ),
    mandatory=names(
        "id operationState stateEnteredTime statusEnteredTime nsInstanceId lcmOperationType startTime "
        "isAutomaticInvocation isCancelPending _links"
    ),
    left_out=("operationParams", "error", "resourceChanges", "catena"),
    unasked=False,
)


def vnf_lcm_op_occ(op: LcmOpOcc, root: str) -> dict[str, Any]:
    """VnfLcmOpOcc."""
    document: dict[str, Any] = {
        "id": op.id,
        "operationState": op.state.value,
        "stateEnteredTime": timestamp(op.state_entered_at),
        "startTime": timestamp(op.started_at),
        "vnfInstanceId": op.instance_id,
    }
    if op.grant_id:
        document["grantId"] = op.grant_id
    document |= {
        "operation": op.operation,
        "isAutomaticInvocation": op.is_automatic,
        "operationParams": dict(op.parameters),
        "isCancelPending": op.is_cancel_pending,
        **_cancel_mode(op),
        **_error(op),
        **_resources(vnf_changes.resource_changes(op)),
        **_changes(op),
        **_snapshot(op),
        **_coordinations(op),
        "catena": progress(op),
        "_links": _links(op, f"{root}{VNF_OP_OCCS}/{op.id}", _VNF_TASKS)
        | {"vnfInstance": link(f"{root}/vnflcm/v2/vnf_instances/{op.instance_id}")},
    }
    if "vnfSnapshotInfoId" in document:
        document["_links"]["vnfSnapshot"] = link(f"{root}/vnflcm/v2/vnf_snapshots/{document['vnfSnapshotInfoId']}")
    return document


def ns_lcm_op_occ(op: LcmOpOcc, root: str, vnfs: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """NsLcmOpOcc.

    In the OpenAPI document of SOL005 v3.7.1 ``operationParams`` is one word of an enumeration, in the standard's text
    the request's body. Both cannot be met: the body is told as ``catena.operationParams``. The document also requires
    ``statusEnteredTime`` where it and the text define ``stateEnteredTime``: both are told. ``vnfs`` are facts of the
    NS's VNFs, as :func:`~mano.nfvo.ns_resource_changes.ns_resource_changes` takes them.
    """
    entered = timestamp(op.state_entered_at)
    return {
        "id": op.id,
        "operationState": op.state.value,
        "stateEnteredTime": entered,
        "statusEnteredTime": entered,
        "nsInstanceId": op.instance_id,
        "lcmOperationType": op.operation,
        "startTime": timestamp(op.started_at),
        "isAutomaticInvocation": op.is_automatic,
        "isCancelPending": op.is_cancel_pending,
        **_cancel_mode(op),
        **_error(op),
        **_resources(ns_resource_changes(op, vnfs)),
        **_coordinations(op),
        "catena": {"operationParams": dict(op.parameters), **progress(op)},
        "_links": _links(op, f"{root}{NS_OP_OCCS}/{op.id}", _NS_TASKS)
        | {"nsInstance": link(f"{root}/nslcm/v2/ns_instances/{op.instance_id}")},
    }


_VNF_TASKS = ("retry", "rollback", "fail")
_NS_TASKS = ("retry", "rollback", "continue", "fail")


def _links(op: LcmOpOcc, here: str, tasks: tuple[str, ...]) -> dict[str, Any]:
    """The tasks are linked where the state allows them."""
    links = {"self": link(here)}
    if op.state is OperationState.FAILED_TEMP:
        links |= {task: link(f"{here}/{task}") for task in tasks}
    if op.state in RUNNING:
        links["cancel"] = link(f"{here}/cancel")
    return links


_MODIFIABLE = names("vnfInstanceName vnfInstanceDescription vnfConfigurableProperties metadata extensions")


def _changes(op: LcmOpOcc) -> dict[str, Any]:
    """What of the instance changed. The OpenAPI document of SOL003 v3.7.1 requires ``changedInfo`` of every operation
    that has no ``modificationsTriggeredByVnfPkgChange``, the standard's text of MODIFY_INFO only."""
    found = vnf_changes.further_changes(op)
    if "modificationsTriggeredByVnfPkgChange" not in found:
        found["changedInfo"] = vnf_changes.changed_info(op, _MODIFIABLE)
    if "changedExtConnectivity" in found:
        found["changedExtConnectivity"] = [ext_link(link, (), sol003=True) for link in found["changedExtConnectivity"]]
    return found


def _snapshot(op: LcmOpOcc) -> dict[str, Any]:
    """Which VNF snapshot the operation makes or goes back to."""
    about = op.operation in ("CREATE_SNAPSHOT", "REVERT_TO_SNAPSHOT")
    return {"vnfSnapshotInfoId": op.parameters["vnfSnapshotInfoId"]} if about else {}


def _coordinations(op: LcmOpOcc) -> dict[str, Any]:
    """``lcmCoordinations``, ``rejectedLcmCoordinations`` and the coordinators' ``warnings``."""
    taken = [_coordination(one) for one in op.coordinations if not one.rejected]
    rejected = [_rejection(one) for one in op.coordinations if one.rejected]
    warnings = [one.warnings for one in op.coordinations if one.warnings]
    found = {"lcmCoordinations": taken, "rejectedLcmCoordinations": rejected, "warnings": warnings}
    return {name: documents for name, documents in found.items() if documents}


def _coordination(one: Coordination) -> dict[str, Any]:
    document = {"id": one.id, "coordinationActionName": one.action, "startTime": timestamp(one.started_at)}
    if one.result is not None:
        document["coordinationResult"] = one.result.value
    if one.ended_at is not None:
        document["endTime"] = timestamp(one.ended_at)
    if one.delay_until is not None and one.result is None:
        document["delay"] = timestamp(one.delay_until)
    return document | {"endpointType": one.endpoint.value}


def _rejection(one: Coordination) -> dict[str, Any]:
    delay = timestamp(one.delay_until or one.started_at)
    asked = timestamp(one.started_at)
    named = {"coordinationActionName": one.action, "rejectionTime": asked, "delay": delay}
    return named | {"endpointType": one.endpoint.value}


def _cancel_mode(op: LcmOpOcc) -> dict[str, Any]:
    return {} if op.cancel_mode is None else {"cancelMode": op.cancel_mode.value}


def _resources(changes: Mapping[str, Any]) -> dict[str, Any]:
    return {"resourceChanges": dict(changes)} if changes else {}


def _error(op: LcmOpOcc) -> dict[str, Any]:
    return {} if op.error is None else {"error": problem_of_document(op.error)}


def progress(op: LcmOpOcc) -> dict[str, Any]:
    """How far it is: an extension, for ``mano op watch``."""
    return {"attempt": op.attempt, "steps": [_step(step) for step in op.steps]}


def _step(step: StepRecord) -> Mapping[str, Any]:
    return {
        "name": step.name,
        "state": step.state.value,
        "startedAt": timestamp(step.started_at),
        "endedAt": None if step.ended_at is None else timestamp(step.ended_at),
    }
