"""What happens to the parts of a network service: NsChangeNotification (SOL005 clause 6.5.2.8).

A VNF or a nested NS whose own operation begins or ends is told to those who subscribed to the service.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mano.assurance.notices.ns_life_cycle import NS_INSTANCES, ns_facts
from mano.assurance.notices.problems import problem
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import OperationState
from mano.domain.subscription import Interface, Notice
from mano.ports.repositories import UnitOfWork

STATUSES: Mapping[OperationState, str] = {
    OperationState.COMPLETED: "COMPLETED",
    OperationState.PARTIALLY_COMPLETED: "PARTIALLY_COMPLETED",
    OperationState.FAILED_TEMP: "FAILED",
    OperationState.FAILED: "FAILED",
    OperationState.ROLLED_BACK: "ROLLED_BACK",
}
"""LcmOpOccStatusForChangeNotificationType of what ended; the beginning is START.

The OpenAPI document of SOL005 v3.7.1 repeats the names of operations there.
"""


def of_vnf_operation(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An operation on a VNF that is part of a service."""
    vnf = uow.vnf_instances.find(str(event.data["vnfInstanceId"]))
    if vnf is not None and vnf.ns_instance_id:
        yield from _told(uow, event, vnf.ns_instance_id, "VNF", vnf.id)


def of_ns_operation(uow: UnitOfWork, event: Event) -> Iterator[Notice]:
    """An operation on an NS that others nest."""
    ns = uow.ns_instances.find(str(event.data["nsInstanceId"]))
    for parent in ns.parents if ns is not None else ():
        yield from _told(uow, event, parent, "NS", str(event.data["nsInstanceId"]))


def _told(uow: UnitOfWork, event: Event, ns_id: str, kind: str, component: str) -> Iterator[Notice]:
    status = "START" if event.verb == "created" else STATUSES.get(OperationState(event.data["operationState"]))
    ns = uow.ns_instances.find(ns_id)
    if ns is None or status is None:
        return
    name = f"{kind}_{event.data['operation']}"
    body: dict[str, Any] = {
        "nsInstanceId": ns.id,
        "nsComponentType": kind,
        "nsComponentId": component,
        "lcmOpOccIdImpactingNsComponent": event.subject,
        "lcmOpNameImpactingNsComponent": name,
        "lcmOpOccStatusImpactingNsComponent": status,
    }
    if event.data.get("error"):
        body["error"] = problem(event.data["error"])
    yield Notice(
        id=derive_id("ns-change", event.id, ns.id),
        interface=Interface.NSLCM,
        type="NsChangeNotification",
        tenant_id=event.tenant_id,
        order_key=component,
        occurred_at=event.occurred_at,
        facts={
            **ns_facts(uow, ns),
            "nsComponentTypes": (kind,),
            "lcmOpNameImpactingNsComponent": (name,),
            "lcmOpOccStatusImpactingNsComponent": (status,),
        },
        body=body,
        links={"nsInstance": f"{NS_INSTANCES}/{ns.id}"},
    )
