"""CreateVnfSnapshot and RevertToVnfSnapshot (SOL003 clauses 5.4.21 and 5.4.26)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from mano.domain.grant import Grant
from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.vnf_snapshot import VnfcSnapshot, VnfSnapshot
from mano.errors import WrongState
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step
from mano.vnfm.bit_rates import rates_at, with_rates
from mano.vnfm.change_story import ChangeVnf, Situation
from mano.vnfm.changes import GRANT, RELEASE, Transition, VnfChange, change_from_json
from mano.vnfm.resources import PlannedCompute, VnfPlan
from mano.vnfm.scale_stories import in_order
from mano.vnfm.scaling import present_size
from mano.vnfm.snapshots import CREATE, REVERT, SECURED, TAKEN, keeper_of
from mano.vnfm.world import VnfmWorld, grant_request, standing_plan

SNAPSHOT = "snapshot:"
"""Beginning of the names of the steps that keep the state of one VNFC."""


class CreateSnapshot:
    """CREATE_SNAPSHOT: the state of one VNFC after the other is kept; the VNF goes on."""

    level = Level.VNF
    operation = CREATE

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Ask for the grant and name what is to be kept."""
        taken = op.plan[TAKEN] if op.plan else self._decide(op)
        return (GRANT, *(SNAPSHOT + _key(one) for one in taken), RELEASE)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        nfvo = self._world.nfvo
        if name == GRANT:
            return Step(name, lambda: {"grantId": op.grant_id}, lambda: nfvo.settle(op.id, op.tenant_id, done=False))
        if name == RELEASE:
            return Step(name, lambda: nfvo.settle(op.id, op.tenant_id, done=True), None)
        one = next(item for item in op.plan[TAKEN] if SNAPSHOT + _key(item) == name)
        keeper = keeper_of(self._world.vim(one["vimId"]), one["vimId"])
        return Step(name, lambda: self._take(one), lambda: keeper.remove_snapshot(one["id"]))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The resource holds the snapshot."""
        results = {step.name: step.result for step in uow.operations.get(op.id).steps}
        snapshot = uow.vnf_snapshots.get(str(op.parameters["vnfSnapshotInfoId"]), op.tenant_id)
        uow.vnf_snapshots.save(
            replace(
                snapshot,
                instance=uow.vnf_instances.get(op.instance_id),
                vnfcs=tuple(_vnfc_snapshot(one, results.get(SNAPSHOT + _key(one)) or {}) for one in op.plan[TAKEN]),
                started_at=op.started_at,
                finished_at=self._world.clock.now(),
                user_defined_data=dict(op.parameters.get("userDefinedData") or {}),
            )
        )

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The resource stays empty: another operation may fill it."""

    def _decide(self, op: LcmOpOcc) -> list[dict[str, Any]]:
        instance = self._world.instance(op)
        live = {vnfc.id for vnfc in instance.vnfcs}
        computes = [one for one in standing_plan(self._world, instance).computes if one.vnfc in live]
        for one in computes:
            keeper_of(self._world.vim(one.vim_id), one.vim_id)
        request = grant_request(op, instance, instance.flavour_id, instance.instantiation_level_id)
        grant = self._world.nfvo.grant(request, op.tenant_id)
        taken = [_planned(op, one) for one in computes]
        self._world.save_plan(op, {TAKEN: taken}, grant, None)
        return taken

    def _take(self, one: Mapping[str, Any]) -> Mapping[str, Any]:
        started = self._world.clock.now()
        keeper = keeper_of(self._world.vim(one["vimId"]), one["vimId"])
        kept = keeper.take_snapshot(one["id"], one["computeId"], one["host"])
        finished = self._world.clock.now()
        return {
            "sizeBytes": kept.size_bytes,
            "checksum": kept.checksum,
            "startedAt": started.isoformat(),
            "finishedAt": finished.isoformat(),
        }


def _planned(op: LcmOpOcc, one: PlannedCompute) -> dict[str, Any]:
    return {
        "id": derive_id(op.id, "snapshot", one.vnfc),
        "vnfcId": one.vnfc,
        "vduId": one.vdu_id,
        "index": one.index,
        "vimId": one.vim_id,
        "host": one.host,
        "computeId": one.compute_id,
    }


def _key(one: Mapping[str, Any]) -> str:
    return f"{one['vduId']}/{one['index']}"


def _vnfc_snapshot(one: Mapping[str, Any], result: Mapping[str, Any]) -> VnfcSnapshot:
    return VnfcSnapshot(
        id=one["id"],
        vnfc_id=one["vnfcId"],
        vdu_id=one["vduId"],
        index=one["index"],
        vim_id=one["vimId"],
        host=one["host"],
        compute_id=one["computeId"],
        size_bytes=result["sizeBytes"],
        checksum=result["checksum"],
        started_at=datetime.fromisoformat(result["startedAt"]),
        finished_at=datetime.fromisoformat(result["finishedAt"]),
    )


class RevertToSnapshot(ChangeVnf):
    """REVERT_TO_SNAPSHOT: the VNF has the size, the configuration and the VNFCs' states that it had then.

    VNFCs that came since go, those that went come back, each begins anew with what was kept of it. What runs now is
    kept until the operation is over, so that a rollback finds it again.
    """

    operation = REVERT

    def decide(self, situation: Situation) -> tuple[VnfChange, Grant | None]:
        """The VNFCs of then, on their present places where they have one."""
        op, before = situation.op, situation.plan
        snapshot = self._snapshot(op)
        then = snapshot.instance
        if then is None:
            raise WrongState(f"VNF snapshot {snapshot.id} is empty")
        wanted = {(one.vdu_id, one.index): one for one in snapshot.vnfcs}
        held = {(one.vdu_id, one.index) for one in before.computes}
        remove = [one for one in before.computes if (one.vdu_id, one.index) not in wanted]
        add = sorted(wanted.keys() - held)
        grant = self.ask(situation, then.instantiation_level_id, add=add, remove=remove)
        made = [replace(one, vnfc_id=wanted[one.vdu_id, one.index].vnfc_id) for one in self.made(situation, grant, add)]
        kept = [one for one in before.computes if one not in remove]
        rates = rates_at(situation.flavour, present_size(then, situation.flavour))
        computes = with_rates(in_order((*kept, *made)), rates)
        after = VnfPlan(before.flavour_id, then.instantiation_level_id, before.package_id, computes)
        old = {one.vnfc: one for one in kept}
        states = {vnfc.id: vnfc.state.value for vnfc in situation.instance.vnfcs}
        wave = (
            *(Transition(one, None) for one in remove),
            *(
                Transition(
                    old.get(one.vnfc),
                    one,
                    stopped=one.vnfc in old and states.get(one.vnfc) == "STOPPED",
                    snapshot=wanted[one.vdu_id, one.index].id,
                )
                for one in after.computes
            ),
        )
        facts = {
            "vnf_state": "STARTED",
            "instantiation_level_id": then.instantiation_level_id,
            "scale_levels": dict(then.scale_levels),
            "configuration": dict(then.configuration),
            "extensions": dict(then.extensions),
            SECURED: {one.key: derive_id(op.id, "secured", one.key) for one in kept},
        }
        return VnfChange(before, after, (wave,) if wave else (), facts), grant

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """As of every change; at the end, either way, what was kept for the way back goes."""
        found = super().step(op, name)
        if name == RELEASE:
            return replace(found, do=lambda: self._forget(op, found.do()))
        if name == GRANT and found.undo is not None:
            undo = found.undo
            return replace(found, undo=lambda: self._forget(op, undo()))
        return found

    def _snapshot(self, op: LcmOpOcc) -> VnfSnapshot:
        with self._world.open_unit(read_only=True) as uow:
            return uow.vnf_snapshots.get(str(op.parameters["vnfSnapshotInfoId"]), op.tenant_id)

    def _forget(self, op: LcmOpOcc, _: object) -> None:
        change = change_from_json(op.plan)
        secured: Mapping[str, str] = change.facts[SECURED]
        for one in change.before.computes:
            if one.key in secured:
                keeper_of(self._world.vim(one.vim_id), one.vim_id).remove_snapshot(secured[one.key])
