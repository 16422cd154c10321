"""ScaleNs, HealNs and UpdateNs as stories of durable steps (SOL005 clauses 6.4.5 to 6.4.7).

What comes is made and joined to the chains before what is to go leaves them:

    reservations     room for new VNFs, held since the decision
    sap:<sap>        a new SAP is attached
    vnf:<name>       a new VNF is instantiated
    vnfs             all of them are there
    work:<n>         an operation on a VNF, to its end
    vnffg:<id>       the chains of a new VNFFG
    chains           the chains take the new VNFs in, and let go of those that will leave
    no-vnffg:<id>    the chains of a VNFFG go
    gone-vnf:<name>  a VNF is terminated
    gone-sap:<sap>   a SAP is detached
    release          what they held is free
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.ns_instance import NsInstance
from mano.nfvo.chain_following import ChainFollowing
from mano.nfvo.ns_changes import NsChange, VnfWork, change_from_json, decide
from mano.nfvo.ns_situation import service_of
from mano.nfvo.ns_stories import RESERVATIONS, SAP, VNF, VNFS, NsStory
from mano.nfvo.ns_world import NsWorld
from mano.nfvo.plan import NsPlan, PlannedSap, PlannedVnf, plan_from_json
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step

WORK, VNFFG, CHAINS, NO_VNFFG, GONE_VNF, GONE_SAP, RELEASE = (
    "work:",
    "vnffg:",
    "chains",
    "no-vnffg:",
    "gone-vnf:",
    "gone-sap:",
    "release",
)
"""Names, or beginnings of names, of the steps."""


class ChangeNs(NsStory):
    """One of SCALE, HEAL, UPDATE."""

    def __init__(self, world: NsWorld, following: ChainFollowing, operation: str) -> None:
        super().__init__(world)
        self._following = following
        self.operation = operation

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Decide, plan and reserve what comes; once."""
        if op.plan:
            return _steps(*_decided(op), self._plan(op))
        with self._world.open_unit(read_only=True) as uow:
            change = decide(service_of(uow, uow.ns_instances.get(op.instance_id)), op.operation, op.parameters)
        self._refuse_empty_chains(op, change)
        new = self._world.grow(op, change)
        return _steps(change, new, self._plan(op))

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        change, new = _decided(op)
        kind, _, subject = name.partition(":")
        kind = f"{kind}:" if subject else kind
        if kind == RESERVATIONS:
            return Step(name, lambda: None, lambda: self._unreserve(op, new))
        if kind == SAP:
            sap = next(s for s in new.saps if s.sapd_id == subject)
            return Step(name, lambda: self._attach_sap(op, new, sap), lambda: self._detach_sap(op, new, sap))
        if kind == VNF:
            vnf = next(v for v in new.vnfs if v.name == subject)
            return Step(name, lambda: self._start_vnf(op, new, vnf), lambda: self._withdraw_vnf(op, vnf))
        if kind == VNFS:
            return Step(name, lambda: self._await_vnfs(op, new.vnfs), None)
        if kind == WORK:
            number = int(subject) - 1
            return Step(name, lambda: self._work(op, change, number), lambda: self._unwork(op, change, number))
        return self._late_step(op, change, name, kind, subject)

    def _late_step(self, op: LcmOpOcc, change: NsChange, name: str, kind: str, subject: str) -> Step:
        """What follows once everything new is there."""
        if kind == VNFFG:
            return Step(name, lambda: self._add_vnffg(op, subject), lambda: self._remove_vnffg(op, subject))
        if kind == CHAINS:
            return Step(name, lambda: self._follow(op, change), lambda: self._unfollow(op))
        if kind == NO_VNFFG:
            return Step(name, lambda: self._remove_vnffg(op, subject), lambda: self._restore_vnffg(op, subject))
        if kind == GONE_VNF:
            return Step(name, lambda: self._end_vnf(op, self._planned_vnf(op, subject)), None)
        if kind == GONE_SAP:
            return Step(name, lambda: self._end_sap(op, subject), None)
        return Step(name, lambda: self._forget(op, change), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The NS has what came, and nothing of what went."""
        change, new = _decided(op)
        ns = uow.ns_instances.get(op.instance_id)
        names = {**ns.vnf_instances, **{vnf.name: vnf.vnf_instance_id for vnf in new.vnfs}}
        kept = {name: vnf_id for name, vnf_id in names.items() if vnf_id not in change.remove}
        levels = dict(change.scale_levels) or dict(ns.scale_levels)
        uow.ns_instances.save(replace(ns, vnf_instances=kept, scale_levels=levels))
        self._world.announce(uow, "ns-instance", "changed", ns.id, ns.tenant_id, {"name": ns.name})

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """What was to come is not planned any more."""
        if op.plan:
            _, new = _decided(op)
            ns = uow.ns_instances.get(op.instance_id)
            uow.ns_instances.save(_without(ns, {v.vnf_instance_id for v in new.vnfs}, {s.id for s in new.saps}))

    # The plan of the instance

    def _plan(self, op: LcmOpOcc) -> NsPlan:
        with self._world.open_unit(read_only=True) as uow:
            return plan_from_json(uow.ns_instances.get(op.instance_id).plan)

    def _planned_vnf(self, op: LcmOpOcc, name: str) -> PlannedVnf | None:
        return next((vnf for vnf in self._plan(op).vnfs if vnf.name == name), None)

    def _unreserve(self, op: LcmOpOcc, new: NsPlan) -> None:
        with self._world.open_unit() as uow:
            for vnf in new.vnfs:
                for vnfc in vnf.vnfcs:
                    uow.reservations.remove(vnfc.reservation_id)

    def _forget(self, op: LcmOpOcc, change: NsChange) -> None:
        """What went holds nothing, and is planned no more."""
        with self._world.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            plan = plan_from_json(ns.plan)
            for vnf in plan.vnfs:
                if vnf.vnf_instance_id in change.remove:
                    for vnfc in vnf.vnfcs:
                        uow.reservations.remove(vnfc.reservation_id)
            saps = {sap.id for sap in plan.saps if sap.sapd_id in change.remove_saps}
            uow.ns_instances.save(_without(ns, set(change.remove), saps))

    # Operations of VNFs

    def _work(self, op: LcmOpOcc, change: NsChange, number: int) -> Mapping[str, Any]:
        work, vnf_op = change.work[number], derive_id(op.id, "work", str(number))
        vnfm, deadline = self._world.vnfm, self._deadline()
        if self._world.vnf_operation_state(vnf_op, op.tenant_id) is None:
            request = {**work.request, "additionalParams": _with_parent(work.request, op)}
            vnfm.change(work.vnf_instance_id, op.tenant_id, vnf_op, work.operation, request)
        elif op.attempt > 1:
            self._world.retry_if_failed(vnf_op, op)
        state = self._settled(vnf_op, op, deadline)
        if state is not OperationState.COMPLETED:
            error = self._failure(vnf_op, op.tenant_id, state)
            raise type(error)(f"{work.operation} of a VNF: {error.detail}", hint=error.hint, facts=error.facts)
        return {"vnfInstanceId": work.vnf_instance_id, "vnfLcmOpOccId": vnf_op}

    def _unwork(self, op: LcmOpOcc, change: NsChange, number: int) -> None:
        """An operation that failed is rolled back, one that completed is done the other way round."""
        work, vnf_op = change.work[number], derive_id(op.id, "work", str(number))
        deadline = self._deadline()
        state = self._world.vnf_operation_state(vnf_op, op.tenant_id)
        if state is None:
            return
        state = self._settled(vnf_op, op, deadline)
        if state is OperationState.FAILED_TEMP:
            self._world.vnfm.rollback(vnf_op, op.tenant_id)
            self._await(vnf_op, op, deadline, wanted=OperationState.ROLLED_BACK)
        elif state is OperationState.COMPLETED and work.undo:
            self._undo_work(op, work, derive_id(vnf_op, "undo"), deadline)

    def _undo_work(self, op: LcmOpOcc, work: VnfWork, undo_op: str, deadline: float) -> None:
        request = {name: value for name, value in work.undo.items() if name != "operation"}
        if self._world.vnf_operation_state(undo_op, op.tenant_id) is None:
            parameters = {**request, "additionalParams": _with_parent({}, op)}
            self._world.vnfm.change(
                work.vnf_instance_id, op.tenant_id, undo_op, str(work.undo["operation"]), parameters
            )
        else:
            self._world.retry_if_failed(undo_op, op)
        self._await(undo_op, op, deadline)

    # Chains

    def _refuse_empty_chains(self, op: LcmOpOcc, change: NsChange) -> None:
        if change.remove:
            self._following.differences(op.instance_id, op.tenant_id, self._leaving(op, change))

    def _leaving(self, op: LcmOpOcc, change: NsChange) -> frozenset[str]:
        found = [self._world.vnfm.vnf_instance(vnf_id, op.tenant_id) for vnf_id in change.remove]
        return frozenset(vnfc.id for vnf in found if vnf is not None for vnfc in vnf.vnfcs)

    def _follow(self, op: LcmOpOcc, change: NsChange) -> None:
        self._following.follow(op.instance_id, op.tenant_id, self._leaving(op, change))

    def _unfollow(self, op: LcmOpOcc) -> None:
        """New VNFs are about to be terminated again: chains let go of them first."""
        _, new = _decided(op)
        found = [self._world.vnfm.vnf_instance(vnf.vnf_instance_id, op.tenant_id) for vnf in new.vnfs]
        leaving = frozenset(vnfc.id for vnf in found if vnf is not None for vnfc in vnf.vnfcs)
        self._following.follow(op.instance_id, op.tenant_id, leaving)

    def _withdraw_vnf(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """A VNF joins the chains by itself as soon as it runs, however far its service's operation came."""
        self._unfollow(op)
        self._terminate_vnf(op, vnf)

    def _add_vnffg(self, op: LcmOpOcc, vnffgd_id: str) -> Mapping[str, Any]:
        self._world.add_chains(op, plan=self._plan(op), vnffgd_id=vnffgd_id)
        plane = self._world.graphs.refresh(self._world.hosts_of(op, self._plan(op)))
        return self._world.activate_chains(op, plane)

    def _restore_vnffg(self, op: LcmOpOcc, vnffgd_id: str) -> None:
        self._add_vnffg(op, vnffgd_id)

    def _remove_vnffg(self, op: LcmOpOcc, vnffgd_id: str) -> None:
        self._remove_chains(op, vnffgd_id=vnffgd_id, plan=self._plan(op))

    # What goes

    def _end_vnf(self, op: LcmOpOcc, vnf: PlannedVnf | None) -> None:
        if vnf is not None:
            self._terminate_vnf(op, vnf)

    def _end_sap(self, op: LcmOpOcc, sapd_id: str) -> None:
        plan = self._plan(op)
        sap: PlannedSap | None = next((s for s in plan.saps if s.sapd_id == sapd_id), None)
        if sap is not None:
            self._detach_sap(op, plan, sap)


def _decided(op: LcmOpOcc) -> tuple[NsChange, NsPlan]:
    return change_from_json(op.plan["change"]), plan_from_json(op.plan["new"])


def _steps(change: NsChange, new: NsPlan, plan: NsPlan) -> tuple[str, ...]:
    names = {vnf.vnf_instance_id: vnf.name for vnf in plan.vnfs}
    moves = bool(new.vnfs or change.remove)
    return (
        *((RESERVATIONS,) if new.vnfs else ()),
        *(SAP + sap.sapd_id for sap in new.saps),
        *(VNF + vnf.name for vnf in new.vnfs),
        *((VNFS,) if new.vnfs else ()),
        *(f"{WORK}{number + 1}" for number in range(len(change.work))),
        *(VNFFG + vnffg for vnffg in change.add_vnffgs),
        *((CHAINS,) if moves else ()),
        *(NO_VNFFG + vnffg for vnffg in change.remove_vnffgs),
        *(GONE_VNF + names[vnf_id] for vnf_id in change.remove if vnf_id in names),
        *(GONE_SAP + sapd_id for sapd_id in change.remove_saps),
        *((RELEASE,) if change.remove or change.remove_saps else ()),
    )


def _with_parent(request: Mapping[str, Any], op: LcmOpOcc) -> dict[str, Any]:
    return {**(request.get("additionalParams") or {}), "catenaParent": op.id}


def _without(ns: NsInstance, vnfs: set[str], saps: set[str]) -> NsInstance:
    """The NS without these VNFs and SAPs in its plan."""
    plan = plan_from_json(ns.plan)
    kept = replace(
        plan,
        vnfs=tuple(vnf for vnf in plan.vnfs if vnf.vnf_instance_id not in vnfs),
        saps=tuple(sap for sap in plan.saps if sap.id not in saps),
    )
    return replace(ns, plan=kept.to_json(), saps=tuple(sap for sap in ns.saps if sap.id not in saps))
