"""NS identifiers and NS life-cycle operation occurrences (SOL005 clauses 6.5.2.5 to 6.5.2.7, 6.5.2.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mano.assurance.notices.problems import problem
from mano.assurance.notices.vnf_life_cycle import STARTS
from mano.domain.events import Event
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.ns_instance import NsInstance
from mano.domain.subscription import Interface, Notice
from mano.ports.repositories import UnitOfWork

NS_INSTANCES = "/nslcm/v2/ns_instances"
NS_OP_OCCS = "/nslcm/v2/ns_lcm_op_occs"


def ns_facts(uow: UnitOfWork, ns: NsInstance) -> Mapping[str, Sequence[str]]:
    """What an NsInstanceSubscriptionFilter asks for (SOL005 clause 4.4.1.7)."""
    vnfs = uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id)
    return {
        "nsdIds": (ns.nsd_id,),
        "nsInstanceIds": (ns.id,),
        "nsInstanceNames": (ns.name,),
        "vnfdIds": tuple({vnf.vnfd_id for vnf in vnfs}),
        "pnfdIds": tuple({pnf.pnfd_id for pnf in ns.pnfs}),
    }


def of_instance(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An identifier was created or deleted."""
    kinds = {"created": "NsIdentifierCreationNotification", "deleted": "NsIdentifierDeletionNotification"}
    if event.verb not in kinds:
        return
    ns = uow.ns_instances.find(event.subject)
    remembered = {
        "nsdIds": (str(event.data.get("nsdId", "")),),
        "nsInstanceIds": (event.subject,),
        "nsInstanceNames": (str(event.data.get("name", "")),),
    }
    yield Notice(
        id=event.id,
        interface=Interface.NSLCM,
        type=kinds[event.verb],
        tenant_id=event.tenant_id,
        order_key=event.subject,
        occurred_at=event.occurred_at,
        facts=remembered if ns is None else ns_facts(uow, ns),
        body={"nsInstanceId": event.subject},
        links={"nsInstance": f"{NS_INSTANCES}/{event.subject}"},
    )


def of_operation(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An operation occurrence entered a state."""
    op = uow.operations.find(event.subject)
    if op is None:
        return
    ns = uow.ns_instances.find(op.instance_id)
    state = OperationState(event.data["operationState"])
    body: dict[str, Any] = {
        "nsInstanceId": op.instance_id,
        "nsLcmOpOccId": op.id,
        "operation": op.operation,
        "notificationStatus": "START" if state in STARTS else "RESULT",
        "operationState": state.value,
        "isAutomaticInvocation": op.is_automatic,
    }
    if event.data.get("error"):
        body["error"] = problem(event.data["error"])
    here = f"{NS_OP_OCCS}/{op.id}"
    yield Notice(
        id=event.id,
        interface=Interface.NSLCM,
        type="NsLcmOperationOccurrenceNotification",
        tenant_id=event.tenant_id,
        order_key=op.instance_id,
        occurred_at=event.occurred_at,
        facts={
            **(ns_facts(uow, ns) if ns else {"nsInstanceIds": (op.instance_id,)}),
            "operationTypes": (op.operation,),
            "operationStates": (state.value,),
        },
        body=body,
        detail={} if state in STARTS or ns is None else _affected(uow, op, ns, state),
        # the text of the standard and its OpenAPI document spell it differently
        links={"nsInstance": f"{NS_INSTANCES}/{op.instance_id}", "nsLcmOpOcc": here, "nslcmOpOcc": here},
    )


RESULTS: Mapping[OperationState, str] = {
    OperationState.COMPLETED: "COMPLETED",
    OperationState.PARTIALLY_COMPLETED: "COMPLETED",
    OperationState.ROLLED_BACK: "ROLLED_BACK",
    OperationState.FAILED: "FAILED",
    OperationState.FAILED_TEMP: "FAILED",
}


def _affected(uow: UnitOfWork, op: LcmOpOcc, ns: NsInstance, state: OperationState) -> dict[str, Any]:
    """The parts of the service that the operation touched: what it recorded, else what follows from its kind."""
    recorded = getattr(op, "resource_changes", None)
    if recorded:
        return {f"affected{name[8:-1]}" if name.endswith("s") else name: value for name, value in recorded.items()}
    constituents = _constituents(op, RESULTS[state])
    if op.operation not in ("INSTANTIATE", "TERMINATE"):
        return constituents
    added, result = op.operation == "INSTANTIATE", RESULTS[state]
    networks = uow.networks.list(ns.tenant_id, ns_instance_id=ns.id)
    chains = uow.chains.list(ns.tenant_id, ns_instance_id=ns.id)
    return {
        "affectedVnf": [
            {
                "vnfInstanceId": vnf.id,
                "vnfdId": vnf.vnfd_id,
                "vnfProfileId": vnf.vnf_profile_id,
                "vnfName": vnf.name,
                "changeType": op.operation,
                "changeResult": result,
            }
            for vnf in uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id)
        ],
        "affectedVl": [
            {
                "nsVirtualLinkInstanceId": network.id,
                "nsVirtualLinkDescId": network.vld_id,
                "vlProfileId": network.vld_id,
                "changeType": "ADD" if added else "DELETE",
                "changeResult": result,
            }
            for network in networks
        ],
        "affectedVnffg": [
            {
                "vnffgInstanceId": chain.id,
                "vnffgdId": str(chain.spec.get("vnffgdId", "")),
                "changeType": "ADD" if added else "DELETE",
                "changeResult": result,
            }
            for chain in chains
        ],
        "affectedSap": [
            {
                "sapInstanceId": sap.id,
                "sapdId": sap.sapd_id,
                "sapName": sap.attachment,
                "changeType": "ADD" if added else "REMOVE",
                "changeResult": result,
            }
            for sap in ns.saps
        ],
        **constituents,
    }


def _constituents(op: LcmOpOcc, result: str) -> dict[str, Any]:
    """The PNFs and nested NSs that an operation planned to bring in, or all of an NS that is taken down."""
    plan = op.plan.get("new", op.plan)
    gone = op.operation == "TERMINATE"
    pnfs = [
        {
            "pnfId": pnf["pnf_id"],
            "pnfdId": pnf["pnfd_id"],
            "pnfProfileId": pnf["profile_id"],
            "pnfName": pnf["name"],
            "cpInstanceId": [cp["cp_id"] for cp in pnf["cps"]],
            "changeType": "REMOVE" if gone else "ADD",
            "changeResult": result,
        }
        for pnf in plan.get("pnfs", ())
    ]
    verbs = ("TERMINATE", "REMOVE") if gone else ("INSTANTIATE", "ADD")
    nested = [
        {
            "nsInstanceId": one["ns_instance_id"],
            "nsdId": one["nsd_id"],
            "changeType": verbs[0] if one["operation_id"] else verbs[1],
            "changeResult": result,
        }
        for one in plan.get("nested", ())
    ]
    return {name: told for name, told in (("affectedPnf", pnfs), ("affectedNs", nested)) if told}
