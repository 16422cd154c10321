"""What an operation has done to a network service so far: SOL005's ``resourceChanges`` (clause 6.5.2.3). Pure.

It follows from the operation's plan and the records of its steps: what is done and not undone counts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, StepState
from mano.nfvo.plan import NsPlan, PlannedPnf, PlannedSap, PlannedVnf, plan_from_json, pnf_from_json, vnf_from_json

Document = dict[str, Any]
COMPLETED = "COMPLETED"

KINDS: Mapping[str, str] = {
    "SCALE": "SCALE",
    "SCALE_TO_LEVEL": "SCALE",
    "HEAL": "HEAL",
    "OPERATE": "OPERATE",
    "CHANGE_FLAVOUR": "CHANGE_FLAVOUR",
    "MODIFY_INFO": "MODIFY_INFORMATION",
    "CHANGE_EXT_CONN": "CHANGE_EXTERNAL_VNF_CONNECTIVITY",
    "CHANGE_VNFPKG": "CHANGE_VNFPKG",
    "REVERT_TO_SNAPSHOT": "MODIFY_INFORMATION",
}
"""Operation of a VNF to ``changeType`` of AffectedVnf (SOL005 clause 6.5.3.2), which has no word of its own for going
back to a snapshot; taking and deleting one leaves the VNF as it is."""


def ns_resource_changes(op: LcmOpOcc, vnfs: Mapping[str, Mapping[str, str]]) -> Document:
    """The affected VNFs, PNFs, nested NSs, virtual links, SAPs and forwarding graphs; empty while nothing was touched.

    ``vnfs`` tells of VNF instances that exist their ``vnfdId``, ``vnfProfileId`` and ``vnfName``.
    """
    if not op.plan:
        return {}
    done = [step.name for step in op.steps if step.state is StepState.DONE]
    found = {
        "affectedVnfs": list(_vnfs(op, done, vnfs)),
        "affectedPnfs": list(_pnfs(op, done)),
        "affectedNss": list(_nested(op)),
        "affectedVls": list(_links(op, done)),
        "affectedVnffgs": list(_vnffgs(op)),
        "affectedSaps": list(_saps(op, done)),
    }
    return {name: value for name, value in found.items() if value}


def _plan(op: LcmOpOcc) -> NsPlan:
    return plan_from_json(op.plan.get("new", op.plan))


def _is_end(op: LcmOpOcc) -> bool:
    return op.operation == "TERMINATE"


def _vnfs(op: LcmOpOcc, done: list[str], known: Mapping[str, Mapping[str, str]]) -> Iterator[Document]:
    kind = "TERMINATE" if _is_end(op) else "INSTANTIATE"
    for vnf in _plan(op).vnfs:
        if f"vnf:{vnf.name}" in done:
            yield _vnf(vnf, kind)
    for moved, step, word in (("joining", "join-vnf", "ADD"), ("leaving_vnfs", "leave-vnf", "REMOVE")):
        for document in op.plan.get(moved, ()):
            if f"{step}:{document['name']}" in done:
                yield _vnf(vnf_from_json(document), word)
    change = op.plan.get("change")
    if change is None:
        return
    for number, work in enumerate(change["work"]):
        if f"work:{number + 1}" in done and work["operation"] in KINDS:
            vnf_id = work["vnf_instance_id"]
            yield {"vnfInstanceId": vnf_id, **_facts(known, vnf_id), **_vnf_result(KINDS[work["operation"]])}
    gone = [name.partition(":")[2] for name in done if name.startswith("gone-vnf:")]
    for vnf_id, name in zip(change["remove"], gone, strict=False):
        yield {"vnfInstanceId": vnf_id, **_facts(known, vnf_id), "vnfName": name, **_vnf_result("REMOVE")}


def _vnf_result(kind: str) -> Document:
    """The OpenAPI document of SOL005 v3.7.1 requires ``changedExtConnectivity`` at this level, the text below
    ``changedInfo`` and only where connectivity was changed."""
    return {**_result(kind), "changedExtConnectivity": []}


def _facts(known: Mapping[str, Mapping[str, str]], vnf_id: str) -> Document:
    empty = {"vnfdId": "", "vnfProfileId": "", "vnfName": ""}
    return {**empty, **known.get(vnf_id, {})}


def _vnf(vnf: PlannedVnf, kind: str) -> Document:
    return {
        "vnfInstanceId": vnf.vnf_instance_id,
        "vnfdId": vnf.vnfd_id,
        "vnfProfileId": vnf.profile_id,
        "vnfName": vnf.name,
        **_vnf_result(kind),
    }


def _result(kind: str) -> Document:
    return {"changeType": kind, "changeResult": COMPLETED}


def _pnfs(op: LcmOpOcc, done: list[str]) -> Iterator[Document]:
    for pnf in _plan(op).pnfs:
        if f"pnf:{pnf.key}" in done:
            yield _pnf(pnf, "REMOVE" if _is_end(op) else "ADD")
    for document in op.plan.get("modified", ()):
        pnf = pnf_from_json(document)
        if f"new-pnf:{pnf.key}" in done:
            yield _pnf(pnf, "MODIFY")
    for document in op.plan.get("leaving_pnfs", ()):
        pnf = pnf_from_json(document)
        if f"gone-pnf:{pnf.key}" in done:
            yield _pnf(pnf, "REMOVE")


def _pnf(pnf: PlannedPnf, kind: str) -> Document:
    return {
        "pnfId": pnf.pnf_id,
        "pnfdId": pnf.pnfd_id,
        "pnfProfileId": pnf.profile_id,
        "pnfName": pnf.name,
        "cpInstanceId": [cp.cp_id for cp in pnf.cps],
        **_result(kind),
    }


def _nested(op: LcmOpOcc) -> Iterator[Document]:
    """What was asked of nested NSs, as the records of the steps tell it."""
    planned = {nested.key: nested for nested in _plan(op).nested}
    leaving = {str(document["key"]): document for document in op.plan.get("leaving_nested", ())}
    for step in op.steps:
        prefix, _, key = step.name.partition(":")
        if step.state is not StepState.DONE or prefix not in ("nested", "gone-nested", "nested-work"):
            continue
        gone = _is_end(op) or prefix == "gone-nested"
        kind = "INSTANTIATE" if step.result.get("nsLcmOpOccId") else "ADD"
        if gone:
            kind = "REMOVE" if step.result.get("kept") else "TERMINATE"
        nsd_id = planned[key].nsd_id if key in planned else str(leaving.get(key, {}).get("nsd_id", ""))
        if prefix == "nested-work":
            work = op.plan["change"]["nested_work"][int(key) - 1]
            kind, nsd_id = work["operation"], str(work["nsd_id"])
        yield {"nsInstanceId": str(step.result.get("nsInstanceId", "")), "nsdId": nsd_id, **_result(kind)}


def _links(op: LcmOpOcc, done: list[str]) -> Iterator[Document]:
    for document in op.plan.get("leaving_links", ()):
        if f"gone-network:{document['vld_id']}" in done:
            yield {
                "nsVirtualLinkInstanceId": document["id"],
                "nsVirtualLinkDescId": document["vld_id"],
                "vlProfileId": document["vld_id"],
                **_result("DELETE"),
            }
    for network in _plan(op).networks:
        if f"network:{network.vld_id}" in done:
            yield {
                "nsVirtualLinkInstanceId": network.id,
                "nsVirtualLinkDescId": network.vld_id,
                "vlProfileId": network.vld_id,
                **_result("DELETE" if _is_end(op) else "ADD"),
            }


def _saps(op: LcmOpOcc, done: list[str]) -> Iterator[Document]:
    for sap in _plan(op).saps:
        if f"sap:{sap.sapd_id}" in done:
            yield _sap(sap, "REMOVE" if _is_end(op) else "ADD")
    for name in done:
        if name.startswith("gone-sap:"):
            sapd_id = name.partition(":")[2]
            yield {"sapInstanceId": sapd_id, "sapdId": sapd_id, **_result("REMOVE")}


def _sap(sap: PlannedSap, kind: str) -> Document:
    return {"sapInstanceId": sap.id, "sapdId": sap.sapd_id, "sapName": sap.attachment, **_result(kind)}


def _vnffgs(op: LcmOpOcc) -> Iterator[Document]:
    """By the results of the steps that made or removed chains; a server of before told no instances."""
    for step in op.steps:
        prefix, _, descriptor = step.name.partition(":")
        if step.state is not StepState.DONE or prefix not in ("forwarding-graphs", "vnffg", "no-vnffg"):
            continue
        kind = "DELETE" if _is_end(op) or prefix == "no-vnffg" else "ADD"
        known: Mapping[str, str] = step.result.get("vnffgs") or {}
        for name in [descriptor] if descriptor else known:
            yield {"vnffgInstanceId": known.get(name, name), "vnffgdId": name, **_result(kind)}
