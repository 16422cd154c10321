"""VNF identifiers and VNF life-cycle operation occurrences (SOL003 clauses 5.5.2.17 to 5.5.2.19)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mano.assurance.notices.problems import problem
from mano.domain.events import Event
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.subscription import Interface, Notice
from mano.domain.vnf_instance import VnfcResource, VnfInstance
from mano.ports.repositories import UnitOfWork

VNF_INSTANCES = "/vnflcm/v2/vnf_instances"
VNF_OP_OCCS = "/vnflcm/v2/vnf_lcm_op_occs"

STARTS = frozenset({OperationState.STARTING, OperationState.PROCESSING, OperationState.ROLLING_BACK})
"""notificationStatus START; every other state is a RESULT (SOL003 clause 5.6.2.2)."""


def vnf_facts(instance: VnfInstance) -> Mapping[str, Sequence[str]]:
    """What a VnfInstanceSubscriptionFilter asks for (SOL003 clause 4.4.1.5)."""
    return {
        "vnfdIds": (instance.vnfd_id,),
        "vnfInstanceIds": (instance.id,),
        "vnfInstanceNames": (instance.name,),
    }


def product(instance: VnfInstance) -> tuple[str, ...]:
    """(provider, product, software version, VNFD version)."""
    return (instance.provider, instance.product_name, instance.software_version, instance.descriptor_version)


def of_instance(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An identifier was created or deleted."""
    kinds = {"created": "VnfIdentifierCreationNotification", "deleted": "VnfIdentifierDeletionNotification"}
    if event.verb not in kinds:
        return
    instance = uow.vnf_instances.find(event.subject)
    data = event.data
    facts = vnf_facts(instance) if instance else _remembered(event)
    named = ("provider", "productName", "softwareVersion", "descriptorVersion")
    products = product(instance) if instance else tuple(str(data.get(name, "")) for name in named)
    yield Notice(
        id=event.id,
        interface=Interface.VNFLCM,
        type=kinds[event.verb],
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        facts=facts,
        products=products,
        body={"vnfInstanceId": event.subject},
        links={"vnfInstance": f"{VNF_INSTANCES}/{event.subject}"},
    )


def _remembered(event: Event) -> Mapping[str, Sequence[str]]:
    return {
        "vnfdIds": (str(event.data.get("vnfdId", "")),),
        "vnfInstanceIds": (event.subject,),
        "vnfInstanceNames": (str(event.data.get("name", "")),),
    }


def of_operation(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An operation occurrence entered a state."""
    op = uow.operations.find(event.subject)
    if op is None:
        return
    instance = uow.vnf_instances.find(op.instance_id)
    state = OperationState(event.data["operationState"])
    body: dict[str, Any] = {
        "notificationStatus": "START" if state in STARTS else "RESULT",
        "operationState": state.value,
        "vnfInstanceId": op.instance_id,
        "operation": op.operation,
        "isAutomaticInvocation": op.is_automatic,
        "vnfLcmOpOccId": op.id,
    }
    if event.data.get("error"):
        body["error"] = problem(event.data["error"])
    yield Notice(
        id=event.id,
        interface=Interface.VNFLCM,
        type="VnfLcmOperationOccurrenceNotification",
        tenant_id=event.tenant_id,
        order_key=op.instance_id,
        occurred_at=event.occurred_at,
        facts={
            **(vnf_facts(instance) if instance else {"vnfInstanceIds": (op.instance_id,)}),
            "operationTypes": (op.operation,),
            "operationStates": (state.value,),
        },
        products=product(instance) if instance else (),
        body=body,
        detail={} if state in STARTS else _affected(op, instance),
        links={
            "vnfInstance": f"{VNF_INSTANCES}/{op.instance_id}",
            "vnfLcmOpOcc": f"{VNF_OP_OCCS}/{op.id}",
        },
    )


CHANGES: Mapping[str, str] = {"INSTANTIATE": "ADDED", "TERMINATE": "REMOVED"}


def _affected(op: LcmOpOcc, instance: VnfInstance | None) -> dict[str, Any]:
    """The resources that the operation touched: what it recorded, else what follows from its kind."""
    recorded = getattr(op, "resource_changes", None)
    if recorded:
        return dict(recorded)
    change = CHANGES.get(op.operation)
    if instance is None or change is None or not instance.vnfcs:
        return {}
    return {"affectedVnfcs": [_affected_vnfc(vnfc, change) for vnfc in instance.vnfcs]}


def _affected_vnfc(vnfc: VnfcResource, change: str) -> dict[str, Any]:
    return {
        "id": vnfc.id,
        "vduId": vnfc.vdu_id,
        "changeType": change,
        "computeResource": {
            "resourceProviderId": vnfc.host,
            "resourceId": vnfc.compute_id,
            "vimLevelResourceType": "compute",
        },
        "affectedVnfcCpIds": [point.id for point in vnfc.connection_points],
    }
