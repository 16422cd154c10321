"""ScaleNs, HealNs and UpdateNs as stories of durable steps (SOL005 clauses 6.4.5 to 6.4.7).

What comes is made and joined to the chains before what is to go leaves them:

    reservations       room for new VNFs, held since the decision
    network:<vl>       a new virtual link is made
    sap:<sap>          a new SAP is attached
    pnf:<key>          a PNF is attached
    new-pnf:<key>      a PNF gets another name or other addresses
    nested:<key>       a nested NS is made, or taken in
    vnf:<name>         a new VNF is instantiated
    vnfs               all of them are there
    work:<n>           an operation on a VNF, to its end
    nested-work:<n>    an operation on a nested NS, to its end
    join-vnf:<name>    a VNF that ran before serves from now on
    vnffg:<id>         the chains of a new VNFFG
    chains             the chains take the new VNFs in, and let go of those that will leave
    no-vnffg:<id>      the chains of a VNFFG go
    leave-vnf:<name>   a VNF leaves the chains, and is on its own
    hand-over:<n>      another NS takes VNFs in that left, to its operation's end
    gone-vnf:<name>    a VNF is terminated
    gone-nested:<key>  a nested NS is let go of, and terminated where this NS made it
    gone-pnf:<key>     a PNF is detached
    gone-sap:<sap>     a SAP is detached
    gone-network:<vl>  a virtual link goes
    release            what they held is free
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.ns_instance import NsInstance
from mano.nfvo.catalogue import mark_usage
from mano.nfvo.chain_following import ChainFollowing
from mano.nfvo.nested_services import NestedServices
from mano.nfvo.ns_change import CREATE_SNAPSHOT, DELETE_SNAPSHOT, NsChange, VnfWork, change_from_json
from mano.nfvo.ns_changes import decide
from mano.nfvo.ns_situation import service_of
from mano.nfvo.ns_snapshots import NsSnapshots, SnapshotResources, require_known, snapshot_of
from mano.nfvo.ns_stories import NESTED, NETWORK, PNF, RESERVATIONS, SAP, VNF, VNFS, NsStory
from mano.nfvo.ns_world import NsWorld
from mano.nfvo.plan import NsPlan, PlannedPnf, PlannedSap, PlannedVnf, plan_from_json, pnf_from_json
from mano.nfvo.transfer_steps import Transfers, joining_of, leaving_of, undo_id
from mano.nfvo.virtual_links import network_id_of
from mano.nfvo.vnf_transfers import let_go
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step

NEW_PNF, WORK, NESTED_WORK, VNFFG, CHAINS, NO_VNFFG = (
    "new-pnf:",
    "work:",
    "nested-work:",
    "vnffg:",
    "chains",
    "no-vnffg:",
)
GONE_VNF, GONE_NESTED, GONE_PNF, GONE_SAP = "gone-vnf:", "gone-nested:", "gone-pnf:", "gone-sap:"
GONE_NETWORK, RELEASE = "gone-network:", "release"
JOIN_VNF, LEAVE_VNF, HAND_OVER = "join-vnf:", "leave-vnf:", "hand-over:"
"""Names, or beginnings of names, of the steps."""


class ChangeNs(NsStory):
    """One of SCALE, HEAL, UPDATE."""

    def __init__(
        self,
        world: NsWorld,
        following: ChainFollowing,
        operation: str,
        snapshots: SnapshotResources | None = None,
    ) -> None:
        super().__init__(world)
        self._following = following
        self._snapshots = NsSnapshots(snapshots)
        self._transfers = Transfers(world, following)
        self.operation = operation

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Decide, plan and reserve what comes; once."""
        if op.plan:
            return _steps(op, *_decided(op), self._plan(op))
        with self._world.open_unit(read_only=True) as uow:
            service = service_of(uow, uow.ns_instances.get(op.instance_id), op.parameters)
            change = decide(service, op.operation, op.parameters)
            require_known(uow, op, change, self._snapshots.resources)
        self._world.require_takers(op, change)
        self._refuse_empty_chains(op, change)
        self._world.grow(op, change)
        with self._world.open_unit(read_only=True) as uow:
            decided = uow.operations.get(op.id)
        return _steps(decided, *_decided(decided), self._plan(op))

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        change, new = _decided(op)
        kind, _, subject = name.partition(":")
        kind = f"{kind}:" if subject else kind
        if kind == RESERVATIONS:
            return Step(name, lambda: None, lambda: self._unreserve(op, new))
        if kind == NETWORK:
            network = next(n for n in new.networks if n.vld_id == subject)
            return Step(name, lambda: self._add_network(op, network), lambda: self._remove_network(network))
        if kind in (PNF, NEW_PNF, NESTED):
            return self._constituent_step(op, new, name, kind, subject)
        if kind == SAP:
            sap = next(s for s in new.saps if s.sapd_id == subject)
            return Step(name, lambda: self._add_sap(op, new, sap), lambda: self._detach_sap(op, new, sap))
        if kind == VNF:
            vnf = next(v for v in new.vnfs if v.name == subject)
            return Step(name, lambda: self._start_vnf(op, new, vnf), lambda: self._withdraw_vnf(op, vnf))
        if kind == VNFS:
            return Step(name, lambda: self._await_vnfs(op, new.vnfs), None)
        if kind == WORK:
            number = int(subject) - 1
            return Step(name, lambda: self._work(op, change, number), lambda: self._unwork(op, change, number))
        if kind == NESTED_WORK:
            number = int(subject) - 1
            nested = self._world.nested
            return Step(name, lambda: self._nested_work(op, change, number), lambda: _undone(nested, op, subject))
        if kind in (JOIN_VNF, LEAVE_VNF, HAND_OVER):
            return self._transfer_step(op, change, name, kind, subject)
        return self._late_step(op, change, name, kind, subject)

    def _transfer_step(self, op: LcmOpOcc, change: NsChange, name: str, kind: str, subject: str) -> Step:
        """VNFs that ran before change hands."""
        parts = self._transfers
        if kind == JOIN_VNF:
            vnf = next(v for v in joining_of(op.plan) if v.name == subject)
            return Step(name, lambda: parts.enlist(op, vnf), lambda: parts.dismiss(op, vnf))
        if kind == LEAVE_VNF:
            vnf = next(v for v in leaving_of(op.plan) if v.name == subject)
            return Step(name, lambda: parts.leave(op, vnf), lambda: self._take_back(op, vnf))
        number = int(subject) - 1
        return Step(name, lambda: parts.hand_over(op, change, number), lambda: parts.hand_back(op, change, number))

    def _take_back(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """A VNF that left is back in the NS, on its links, and in the chains."""
        work = self._transfers.come_back(op, vnf.name)
        if work is not None:
            self._undo_work(op, work, undo_id(op, vnf), self._deadline())
        self._transfers.serve_again(op, vnf)

    def _constituent_step(self, op: LcmOpOcc, new: NsPlan, name: str, kind: str, key: str) -> Step:
        parts = self._constituents
        if kind == PNF:
            pnf = new.pnf(key)
            return Step(name, lambda: self._add_pnf(op, new, pnf), lambda: parts.remove_pnf(op, new, pnf))
        if kind == NESTED:
            nested = new.nested_ns(key)
            return Step(name, lambda: parts.add_nested(op, nested), lambda: self._undo_nested(op, nested))
        before, after = (_pnfs_of(op, which)[key] for which in ("former", "modified"))
        return Step(
            name,
            lambda: parts.change_pnf(op, new, before, after),
            lambda: parts.change_pnf(op, new, after, before),
        )

    def _add_sap(self, op: LcmOpOcc, new: NsPlan, sap: PlannedSap) -> Mapping[str, Any]:
        """Attach it, and let its bridge take its packets: no later step may come to that."""
        result = self._attach_sap(op, new, sap)
        self._world.graphs.refresh({sap.host} if sap.host else ())
        return result

    def _add_pnf(self, op: LcmOpOcc, new: NsPlan, pnf: PlannedPnf) -> Mapping[str, Any]:
        result = self._constituents.add_pnf(op, new, pnf)
        self._world.graphs.refresh({cp.host for cp in pnf.cps if cp.host})
        return result

    def _late_step(self, op: LcmOpOcc, change: NsChange, name: str, kind: str, subject: str) -> Step:
        """What follows once everything new is there."""
        if kind == VNFFG:
            undo = partial(self._discard_chains, op, subject, self._plan(op))
            return Step(name, lambda: self._add_vnffg(op, subject, change), undo)
        if kind == CHAINS:
            return Step(name, lambda: self._follow(op, change), lambda: self._unfollow(op))
        if kind == NO_VNFFG:
            return Step(name, lambda: self._remove_vnffg(op, subject), lambda: self._restore_vnffg(op, subject))
        if kind == GONE_VNF:
            return Step(name, lambda: self._end_vnf(op, self._planned_vnf(op, subject)), None)
        if kind == GONE_NESTED:
            return Step(name, lambda: self._end_nested(op, subject), None)
        if kind == GONE_PNF:
            return Step(name, lambda: self._end_pnf(op, subject), None)
        if kind == GONE_SAP:
            return Step(name, lambda: self._end_sap(op, subject), None)
        if kind == GONE_NETWORK:
            return Step(name, lambda: self._end_network(op, subject), None)
        return Step(name, lambda: self._forget(op, change), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The NS has what came, and nothing of what went."""
        change, new = _decided(op)
        ns = uow.ns_instances.get(op.instance_id)
        names = {**ns.vnf_instances, **{vnf.name: vnf.vnf_instance_id for vnf in new.vnfs}}
        kept = {name: vnf_id for name, vnf_id in names.items() if vnf_id not in change.remove}
        levels = dict(change.scale_levels) or dict(ns.scale_levels)
        changed = replace(ns, vnf_instances=kept, scale_levels=levels)
        if change.flavour_id:
            plan = {**ns.plan, "flavour_id": change.flavour_id}
            changed = replace(changed, flavour_id=change.flavour_id, plan=plan, scale_levels={})
        if change.nsd_info_id:
            package = uow.packages.get(change.nsd_info_id)
            changed = replace(changed, nsd_id=package.descriptor_id, nsd_info_id=package.id)
        uow.ns_instances.save(changed)
        for info_id in {ns.nsd_info_id, changed.nsd_info_id} if change.nsd_info_id else ():
            mark_usage(uow, info_id, partial(_is_of, uow, op.tenant_id, info_id))
        self._world.announce(uow, "ns-instance", "changed", ns.id, ns.tenant_id, {"name": ns.name})

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """What was to come is not planned any more."""
        if op.plan:
            change, new = _decided(op)
            for vnf in joining_of(op.plan):
                let_go(uow, op.instance_id, vnf.vnf_instance_id)
            ns = _without(uow.ns_instances.get(op.instance_id), _ids(new, change))
            plan, former = plan_from_json(ns.plan), _pnfs_of(op, "former")
            pnfs = tuple(former.get(pnf.key, pnf) for pnf in plan.pnfs)
            uow.ns_instances.save(replace(ns, plan=replace(plan, pnfs=pnfs).to_json()))
            for vld_id in change.add_links:
                for pool in ("vni", "subnet"):
                    uow.numbers.release(pool, network_id_of(op.id, vld_id))

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
            uow.ns_instances.save(_without(ns, _going(plan, change)))

    # Operations of VNFs

    def _work(self, op: LcmOpOcc, change: NsChange, number: int) -> Mapping[str, Any]:
        work, vnf_op = change.work[number], derive_id(op.id, "work", str(number))
        vnfm, deadline = self._world.vnfm, self._deadline()
        if work.operation == DELETE_SNAPSHOT:
            self._snapshots.delete(op, str(work.request["vnfSnapshotInfoId"]))
            return {"vnfInstanceId": work.vnf_instance_id}
        if self._world.vnf_operation_state(vnf_op, op.tenant_id) is None:
            asked = self._snapshots.requested(op, number, work)
            request = {**asked, "additionalParams": _with_parent(asked, op)}
            vnfm.change(work.vnf_instance_id, op.tenant_id, vnf_op, work.operation, request)
        elif op.attempt > 1:
            self._world.retry_if_failed(vnf_op, op)
        state = self._settled(vnf_op, op, deadline)
        if state is not OperationState.COMPLETED:
            error = self._failure(vnf_op, op.tenant_id, state)
            raise type(error)(f"{work.operation} of a VNF: {error.detail}", hint=error.hint, facts=error.facts)
        return {"vnfInstanceId": work.vnf_instance_id, "vnfLcmOpOccId": vnf_op}

    def _nested_work(self, op: LcmOpOcc, change: NsChange, number: int) -> Mapping[str, Any]:
        work = change.nested_work[number]
        op_id = self._world.nested.work(op, str(number), work.ns_instance_id, work.operation, work.request)
        return {"nsInstanceId": work.ns_instance_id, "nsLcmOpOccId": op_id}

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
        if work.operation == CREATE_SNAPSHOT:
            self._snapshots.delete(op, snapshot_of(op, number))
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
        going = (*change.remove, *change.leave)
        if going:
            self._following.differences(op.instance_id, op.tenant_id, self._vnfcs(op, going))

    def _vnfcs(self, op: LcmOpOcc, vnf_ids: Iterable[str]) -> frozenset[str]:
        found = [self._world.vnfm.vnf_instance(vnf_id, op.tenant_id) for vnf_id in vnf_ids]
        return frozenset(vnfc.id for vnf in found if vnf is not None for vnfc in vnf.vnfcs)

    def _follow(self, op: LcmOpOcc, change: NsChange) -> None:
        self._following.follow(op.instance_id, op.tenant_id, self._vnfcs(op, change.remove))

    def _unfollow(self, op: LcmOpOcc) -> None:
        """New VNFs are about to be terminated again: chains let go of them first."""
        _, new = _decided(op)
        coming = [vnf.vnf_instance_id for vnf in (*new.vnfs, *joining_of(op.plan))]
        self._following.follow(op.instance_id, op.tenant_id, self._vnfcs(op, coming))

    def _withdraw_vnf(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """A VNF joins the chains by itself as soon as it runs, however far its service's operation came."""
        self._unfollow(op)
        self._terminate_vnf(op, vnf)

    def _add_vnffg(self, op: LcmOpOcc, vnffgd_id: str, change: NsChange | None = None) -> Mapping[str, Any]:
        self._world.add_chains(op, self._plan(op), vnffgd_id, change)
        plane = self._world.graphs.refresh(self._world.hosts_of(op, self._plan(op)))
        return self._world.activate_chains(op, plane)

    def _restore_vnffg(self, op: LcmOpOcc, vnffgd_id: str) -> None:
        self._add_vnffg(op, vnffgd_id)

    def _remove_vnffg(self, op: LcmOpOcc, vnffgd_id: str) -> Mapping[str, Any]:
        return self._remove_chains(op, vnffgd_id=vnffgd_id, plan=self._plan(op))

    # What goes

    def _end_vnf(self, op: LcmOpOcc, vnf: PlannedVnf | None) -> None:
        if vnf is not None:
            self._terminate_vnf(op, vnf)

    def _end_sap(self, op: LcmOpOcc, sapd_id: str) -> None:
        plan = self._plan(op)
        sap: PlannedSap | None = next((s for s in plan.saps if s.sapd_id == sapd_id), None)
        if sap is not None:
            self._detach_sap(op, plan, sap)

    def _end_nested(self, op: LcmOpOcc, key: str) -> Mapping[str, Any]:
        planned = next((nested for nested in self._plan(op).nested if nested.key == key), None)
        return {} if planned is None else self._withdraw_nested(op, planned)

    def _end_pnf(self, op: LcmOpOcc, key: str) -> None:
        plan = self._plan(op)
        pnf = next((pnf for pnf in plan.pnfs if pnf.key == key), None)
        if pnf is not None:
            self._constituents.remove_pnf(op, plan, pnf)

    def _end_network(self, op: LcmOpOcc, vld_id: str) -> None:
        network = next((network for network in self._plan(op).networks if network.vld_id == vld_id), None)
        if network is not None:
            self._remove_network(network)


def _decided(op: LcmOpOcc) -> tuple[NsChange, NsPlan]:
    return change_from_json(op.plan["change"]), plan_from_json(op.plan["new"])


def _pnfs_of(op: LcmOpOcc, which: str) -> dict[str, PlannedPnf]:
    """The PNFs that are modified, as they were or as they will be, by key."""
    pnfs = (pnf_from_json(item) for item in op.plan.get(which, ()))
    return {pnf.key: pnf for pnf in pnfs}


def _steps(op: LcmOpOcc, change: NsChange, new: NsPlan, plan: NsPlan) -> tuple[str, ...]:
    going = _going(plan, change)
    joining = joining_of(op.plan)
    moves = bool(new.vnfs or change.remove or joining)
    return (
        *((RESERVATIONS,) if new.vnfs else ()),
        *(NETWORK + vld_id for vld_id in change.add_links),
        *(SAP + sap.sapd_id for sap in new.saps),
        *(PNF + pnf.key for pnf in new.pnfs),
        *(NEW_PNF + key for key in _pnfs_of(op, "modified")),
        *(NESTED + nested.key for nested in new.nested),
        *(VNF + vnf.name for vnf in new.vnfs),
        *((VNFS,) if new.vnfs else ()),
        *(f"{WORK}{number + 1}" for number in range(len(change.work))),
        *(f"{NESTED_WORK}{number + 1}" for number in range(len(change.nested_work))),
        *(JOIN_VNF + vnf.name for vnf in joining),
        *(VNFFG + vnffg for vnffg in change.add_vnffgs),
        *((CHAINS,) if moves else ()),
        *(NO_VNFFG + vnffg for vnffg in change.remove_vnffgs),
        *(LEAVE_VNF + vnf.name for vnf in leaving_of(op.plan)),
        *(f"{HAND_OVER}{number + 1}" for number in range(len(change.hand_over))),
        *(GONE_VNF + vnf.name for vnf in plan.vnfs if vnf.vnf_instance_id in going),
        *(GONE_NESTED + nested.key for nested in plan.nested if nested.ns_instance_id in change.remove_nested),
        *(GONE_PNF + pnf.key for pnf in plan.pnfs if pnf.pnf_id in change.remove_pnfs),
        *(GONE_SAP + sapd_id for sapd_id in change.remove_saps),
        *(GONE_NETWORK + vld_id for vld_id in change.remove_links),
        *((RELEASE,) if going else ()),
    )


def _going(plan: NsPlan, change: NsChange) -> set[str]:
    """The identifiers in the plan of what goes."""
    return {
        *change.remove,
        *change.remove_nested,
        *(sap.id for sap in plan.saps if sap.sapd_id in change.remove_saps),
        *(pnf.key for pnf in plan.pnfs if pnf.pnf_id in change.remove_pnfs),
        *(network.id for network in plan.networks if network.vld_id in change.remove_links),
    }


def _ids(new: NsPlan, change: NsChange) -> set[str]:
    """The identifiers in the plan of what was to come."""
    return {
        *(vnf.vnf_instance_id for vnf in new.vnfs),
        *(nested.ns_instance_id for nested in new.nested),
        *(sap.id for sap in new.saps),
        *(pnf.key for pnf in new.pnfs),
        *(network.id for network in new.networks if network.vld_id in change.add_links),
    }


def _undone(nested: NestedServices, op: LcmOpOcc, subject: str) -> None:
    nested.unwork(op, str(int(subject) - 1))


def _is_of(uow: UnitOfWork, tenant_id: str, nsd_info_id: str) -> bool:
    return bool(uow.ns_instances.list(tenant_id, limit=1, nsd_info_id=nsd_info_id))


def _with_parent(request: Mapping[str, Any], op: LcmOpOcc) -> dict[str, Any]:
    return {**(request.get("additionalParams") or {}), "catenaParent": op.id}


def _without(ns: NsInstance, ids: set[str]) -> NsInstance:
    """The NS without these in its plan."""
    plan = plan_from_json(ns.plan)
    kept = replace(
        plan,
        networks=tuple(network for network in plan.networks if network.id not in ids),
        vnfs=tuple(vnf for vnf in plan.vnfs if vnf.vnf_instance_id not in ids),
        saps=tuple(sap for sap in plan.saps if sap.id not in ids),
        pnfs=tuple(pnf for pnf in plan.pnfs if pnf.key not in ids),
        nested=tuple(nested for nested in plan.nested if nested.ns_instance_id not in ids),
    )
    return replace(ns, plan=kept.to_json(), saps=tuple(sap for sap in ns.saps if sap.id not in ids))
