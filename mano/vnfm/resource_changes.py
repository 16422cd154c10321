"""What an operation has done to the VNF's resources so far: SOL003's ``resourceChanges`` (clause 5.5.2.13). Pure.

It follows from the operation's plan and the records of its steps: what is done and not undone counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, StepState
from mano.vnfm.changes import (
    COMPUTE,
    LINK,
    PORTS,
    RATE,
    STOP,
    UNPLUG,
    Action,
    ChangeType,
    Transition,
    actions,
    change_from_json,
)
from mano.vnfm.resources import PlannedCompute, PlannedPort, plan_from_json

Document = dict[str, Any]


def resource_changes(op: LcmOpOcc) -> Document:
    """``affectedVnfcs``, ``affectedVirtualLinks`` and ``affectedExtLinkPorts``; empty while nothing was touched."""
    if not op.plan or not {"waves", "computes"} & op.plan.keys():
        return {}
    done = {step.name for step in op.steps if step.state is StepState.DONE}
    vnfcs, links, ports = _of_change(op, done) if "waves" in op.plan else _of_life(op, done)
    found = {"affectedVnfcs": vnfcs, "affectedVirtualLinks": links, "affectedExtLinkPorts": ports}
    return {name: documents for name, documents in found.items() if documents}


def _of_life(op: LcmOpOcc, done: set[str]) -> tuple[list[Document], list[Document], list[Document]]:
    """Of an instantiation or termination."""
    kind = ChangeType.REMOVED if op.operation == "TERMINATE" else ChangeType.ADDED
    plan = plan_from_json(op.plan)
    vnfcs = [_vnfc(op, one, kind) for one in plan.computes if f"{COMPUTE}:{one.key}" in done]
    ports = [
        _port(port, kind)
        for one in plan.computes
        if f"{PORTS}:{one.key}" in done
        for port in one.ports
        if port.ext_cpd_id
    ]
    inner = [port for one in plan.computes for port in one.ports if f"{LINK}:{port.network_id}" in done]
    return vnfcs, _links(inner, kind.value), ports


def _of_change(op: LcmOpOcc, done: set[str]) -> tuple[list[Document], list[Document], list[Document]]:
    vnfcs: dict[str, Document] = {}
    ports: list[Document] = []
    inner: dict[str, list[PlannedPort]] = {}
    for action in actions(change_from_json(op.plan)):
        each = action.transition
        if each is None or action.name not in done:
            continue
        for kind, touched in _on_links(action, each):
            inner.setdefault(kind, []).extend(touched)
        if action.verb in (COMPUTE, STOP):
            shown = _shown(each, action.verb)
            vnfcs[shown.vnfc] = _vnfc(op, shown, each.change_type)
        elif action.verb in (PORTS, UNPLUG):
            ports += _ports_of(each, action.verb)
    links = [document for kind, touched in inner.items() for document in _links(touched, kind)]
    return list(vnfcs.values()), links, ports


def _on_links(action: Action, each: Transition) -> Iterator[tuple[str, tuple[PlannedPort, ...]]]:
    """What an action did to virtual links inside the VNF, with the ports concerned."""
    if action.verb == PORTS:
        yield "LINK_PORT_ADDED", each.new_ports
    elif action.verb == UNPLUG:
        yield "LINK_PORT_REMOVED", each.old_ports
    if action.verb in (RATE, COMPUTE) and each.before and each.after:
        former = {port.spec.id: port.spec.bit_rate_bps for port in each.before.ports}
        new = each.after.ports
        yield "MODIFIED", tuple(p for p in new if former.get(p.spec.id, p.spec.bit_rate_bps) != p.spec.bit_rate_bps)


def _links(ports: Iterable[PlannedPort], kind: str) -> list[Document]:
    """AffectedVirtualLink (SOL003 clause 5.5.3.14), one for each link that one of these ports is on."""
    found: dict[str, Document] = {}
    for port in ports:
        if port.link_id:
            document = found.setdefault(port.network_id, _link(port, kind))
            document["vnfLinkPortIds"].append(port.spec.id)
    return list(found.values())


def _link(port: PlannedPort, kind: str) -> Document:
    document: Document = {
        "id": port.network_id,
        "vnfVirtualLinkDescId": port.link_id,
        "changeType": kind,
        "networkResource": {"resourceId": port.network_id, "vimLevelResourceType": "network"},
        "vnfLinkPortIds": [],
    }
    if port.spec.bit_rate_bps:
        document["metadata"] = {"catena": {"bitRateBps": port.spec.bit_rate_bps}}
    return document


def _shown(each: Transition, verb: str) -> PlannedCompute:
    found = each.after if verb == COMPUTE else each.after or each.before
    assert found is not None
    return found


def _ports_of(each: Transition, verb: str) -> Iterator[Document]:
    if verb == PORTS:
        yield from (_port(port, ChangeType.ADDED) for port in each.new_ports if port.ext_cpd_id)
    else:
        yield from (_port(port, ChangeType.REMOVED) for port in each.old_ports if port.ext_cpd_id)


def _vnfc(op: LcmOpOcc, compute: PlannedCompute, kind: ChangeType) -> Document:
    """AffectedVnfc (SOL003 clause 5.5.3.13)."""
    return {
        "id": compute.vnfc,
        "vduId": compute.vdu_id,
        "changeType": kind.value,
        "computeResource": {
            "vimConnectionId": compute.vim_id,
            "resourceProviderId": compute.host,
            "resourceId": compute.compute_id,
            "vimLevelResourceType": "compute",
        },
        "affectedVnfcCpIds": [port.spec.id for port in compute.ports],
    }


def _port(port: PlannedPort, kind: ChangeType) -> Document:
    """AffectedExtLinkPort (SOL003 clause 5.5.3.15)."""
    return {
        "id": port.spec.id,
        "changeType": kind.value,
        "extCpInstanceId": f"ext-{port.spec.id}",
        "resourceHandle": {"resourceId": port.spec.id, "vimLevelResourceType": "port"},
    }


def further_changes(op: LcmOpOcc) -> Document:
    """What else SOL003 clause 5.5.2.13 tells of an operation that completed."""
    if op.state.value != "COMPLETED":
        return {}
    facts: Mapping[str, Any] = op.plan.get("facts", {}) if op.plan else {}
    if op.operation == "CHANGE_EXT_CONN":
        return {"changedExtConnectivity": list(facts.get("ext_virtual_links", ()))}
    if op.operation == "CHANGE_VNFPKG":
        return {
            "modificationsTriggeredByVnfPkgChange": {
                "vnfdId": facts.get("vnfd_id"),
                "vnfProvider": facts.get("provider"),
                "vnfProductName": facts.get("product_name"),
                "vnfSoftwareVersion": facts.get("software_version"),
                "vnfdVersion": facts.get("descriptor_version"),
            }
        }
    return {}


def changed_info(op: LcmOpOcc, attributes: Iterable[str]) -> Document:
    """``changedInfo`` of a MODIFY_INFO that completed: what the request changed."""
    if op.operation != "MODIFY_INFO" or op.state.value != "COMPLETED":
        return {}
    return {name: op.parameters[name] for name in attributes if name in op.parameters}
