"""Steps of an NS's operation by which VNFs that run change hands (UpdateNs: ADD_VNF, MOVE_VNF).

A VNF that comes is the NS's since the decision, as its reservations are; it is reconnected like any VNF, and serves
chains from the step that says so. One that goes leaves the chains first. The NS that gets it takes it in by an
operation of its own, which this one waits for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.vnf_instance import VnfInstance
from mano.errors import OperationInProgress
from mano.nfvo.chain_following import ChainFollowing
from mano.nfvo.chain_users import passed_by
from mano.nfvo.ns_change import NestedWork, NsChange, VnfWork
from mano.nfvo.ns_world import NsWorld
from mano.nfvo.plan import PlannedVnf, vnf_from_json
from mano.nfvo.vnf_transfers import enlist, let_go, take
from mano.ports.repositories import UnitOfWork

JOINING, LEAVING = "joining", "leaving_vnfs"
"""In an operation's plan: the VNFs that come, and those that go."""

TRIES = 5
"""How often the chains are asked to let go of a VNF that another operation brings back into them."""


def joining_of(plan: Mapping[str, Any]) -> tuple[PlannedVnf, ...]:
    """The VNFs that come, by an operation's plan."""
    return tuple(vnf_from_json(item) for item in plan.get(JOINING, ()))


def leaving_of(plan: Mapping[str, Any]) -> tuple[PlannedVnf, ...]:
    """The VNFs that go to another NS, by an operation's plan."""
    return tuple(vnf_from_json(item) for item in plan.get(LEAVING, ()))


class Transfers:
    """What the steps do, and undo."""

    def __init__(self, world: NsWorld, following: ChainFollowing) -> None:
        self._world = world
        self._following = following

    def enlist(self, op: LcmOpOcc, vnf: PlannedVnf) -> Mapping[str, Any]:
        """A VNF that came serves from now on."""
        with self._world.open_unit() as uow:
            enlist(uow, vnf.vnf_instance_id, vnf.profile_id)
        return {"vnfInstanceId": vnf.vnf_instance_id}

    def dismiss(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """It serves no chain any more, and is to go back to where it came from."""
        self._without(op, vnf.vnf_instance_id, lambda uow: enlist(uow, vnf.vnf_instance_id, ""))

    def leave(self, op: LcmOpOcc, vnf: PlannedVnf) -> Mapping[str, Any]:
        """A VNF leaves the chains, and then the NS; what was planned of it last is kept for a rollback."""

        def go(uow: UnitOfWork) -> None:
            planned = let_go(uow, op.instance_id, vnf.vnf_instance_id)
            if planned is not None and planned != vnf:
                _keep(uow, op, planned)

        self._without(op, vnf.vnf_instance_id, go)
        return {"vnfInstanceId": vnf.vnf_instance_id}

    def come_back(self, op: LcmOpOcc, name: str) -> VnfWork | None:
        """It is planned by this NS again; the operation that reconnects it, if it was away."""
        with self._world.open_unit() as uow:
            now = uow.operations.get(op.id)
            vnf = next(one for one in leaving_of(now.plan) if one.name == name)
            take(uow, op.instance_id, vnf)
            instance = uow.vnf_instances.get(vnf.vnf_instance_id)
        links = now.plan["former_links"].get(vnf.vnf_instance_id, ())
        if list(links) == [dict(link) for link in instance.ext_virtual_links]:
            return None
        request = {"operation": "CHANGE_EXT_CONN", "extVirtualLinks": links}
        return VnfWork(instance.id, "CHANGE_EXT_CONN", {}, request)

    def serve_again(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """Back where it was, it serves the chains that it served."""
        self.enlist(op, vnf)
        self._following.follow(op.instance_id, op.tenant_id)

    def hand_over(self, op: LcmOpOcc, change: NsChange, number: int) -> Mapping[str, Any]:
        """The other NS takes the VNFs in, by an operation of its own."""
        work = change.hand_over[number]
        op_id = self._world.nested.work(
            op, f"hand-over-{number}", work.ns_instance_id, work.operation, work.request, noun="NS"
        )
        return {"nsInstanceId": work.ns_instance_id, "nsLcmOpOccId": op_id}

    def hand_back(self, op: LcmOpOcc, change: NsChange, number: int) -> None:
        """What failed there is rolled back; what was done is done the other way round."""
        work = change.hand_over[number]
        if self._world.nested.unwork(op, f"hand-over-{number}") is OperationState.COMPLETED:
            self._world.nested.work(
                op, f"hand-back-{number}", work.ns_instance_id, work.operation, _back(work), noun="NS"
            )

    def _without(self, op: LcmOpOcc, vnf_instance_id: str, then: Any) -> None:
        """``then`` in a transaction in which no chain of the NS passes the VNF."""
        for _ in range(TRIES):
            instance = self._world.vnfm.vnf_instance(vnf_instance_id, op.tenant_id)
            if instance is None:
                return
            vnfcs = frozenset(vnfc.id for vnfc in instance.vnfcs)
            self._following.follow(op.instance_id, op.tenant_id, vnfcs)
            with self._world.open_unit() as uow:
                if not _passes(uow, op, instance):
                    then(uow)
                    return
        raise OperationInProgress("another operation brings the VNF back into the chains", hint="retry this one")


def undo_id(op: LcmOpOcc, vnf: PlannedVnf) -> str:
    """The operation that reconnects a VNF which comes back."""
    return derive_id(op.id, "vnf", vnf.name, "come-back")


def _passes(uow: UnitOfWork, op: LcmOpOcc, instance: VnfInstance) -> bool:
    ports = {point.port_id for vnfc in instance.vnfcs for point in vnfc.connection_points}
    chains = uow.chains.list(op.tenant_id, ns_instance_id=op.instance_id)
    return any(ports & set(passed_by(chain)) for chain in chains)


def _keep(uow: UnitOfWork, op: LcmOpOcc, planned: PlannedVnf) -> None:
    now = uow.operations.get(op.id)
    vnfs = [planned if one.name == planned.name else one for one in leaving_of(now.plan)]
    uow.operations.save(replace(now, plan={**now.plan, LEAVING: [asdict(vnf) for vnf in vnfs]}))


def _back(work: NestedWork) -> dict[str, Any]:
    ids = [entry["vnfInstanceId"] for entry in work.request["addVnfIstance"]]
    return {"updateType": "MOVE_VNF", "moveVnfInstanceData": [{"vnfInstanceId": ids}]}
