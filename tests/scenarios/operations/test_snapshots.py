"""Snapshots of VNFs: taken while they run, and gone back to with what was then."""

from __future__ import annotations

from typing import Any

import pytest

from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.errors import InUse, InvalidInput, NotFound, UnknownReference, WrongState
from mano.nfvo.ns_resource_changes import ns_resource_changes
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere


def resources(running: Running) -> Any:
    return running.job.services.vnf_snapshots


def taken(running: Running, name: str = "dpi-0") -> VnfSnapshot:
    """A snapshot of the VNF as it is now."""
    made = resources(running).create(running.job.tenant)
    op = running.change(name, "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": made.id, "userDefinedData": {"why": "a test"}})
    assert op.state is OperationState.COMPLETED, op.error
    return stored(running, made.id)


def stored(running: Running, id: str) -> VnfSnapshot:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return uow.vnf_snapshots.get(id, running.job.tenant)


def revert(running: Running, id: str, name: str = "dpi-0") -> LcmOpOcc:
    return running.change(name, "REVERT_TO_SNAPSHOT", {"vnfSnapshotInfoId": id})


def write(running: Running, content: str, name: str = "dpi-0") -> None:
    for vnfc in running.vnf(name).vnfcs:
        running.job.vim.write(vnfc.compute_id, content)


def states(running: Running, name: str = "dpi-0") -> list[str]:
    return [running.job.vim.read(vnfc.compute_id) for vnfc in running.vnf(name).vnfcs]


def test_a_vnf_goes_back_to_its_state(running: Running) -> None:
    write(running, "then")
    before = running.vnf("dpi-0")
    snapshot = taken(running)
    assert snapshot.instance == before
    assert [vnfc.vnfc_id for vnfc in snapshot.vnfcs] == [vnfc.id for vnfc in before.vnfcs]
    assert snapshot.size_bytes == 4 and snapshot.user_defined_data == {"why": "a test"}
    write(running, "now")
    op = revert(running, snapshot.id)
    assert op.state is OperationState.COMPLETED, op.error
    assert states(running) == ["then"]
    assert running.vnf("dpi-0").vnfcs == before.vnfcs
    running.consistent()
    assert running.job.vim.snapshots() == tuple(sorted(vnfc.id for vnfc in snapshot.vnfcs))


def test_it_has_its_former_size_and_configuration_again(running: Running) -> None:
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    running.change("dpi-0", "MODIFY_INFO", {"extensions": {"mode": "then"}})
    write(running, "then")
    snapshot = taken(running)
    assert len(snapshot.vnfcs) == 2
    running.change("dpi-0", "SCALE", {"type": "SCALE_IN", "aspectId": "load"})
    running.change("dpi-0", "MODIFY_INFO", {"extensions": {"mode": "now"}})
    op = revert(running, snapshot.id)
    assert op.state is OperationState.COMPLETED, op.error
    vnf = running.vnf("dpi-0")
    assert states(running) == ["then", "then"]
    assert {vnfc.id for vnfc in vnf.vnfcs} == {vnfc.vnfc_id for vnfc in snapshot.vnfcs}
    assert (vnf.scale_levels, vnf.extensions) == ({"load": 1}, {"mode": "then"})
    running.consistent()
    small = taken(running)
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert revert(running, small.id).state is OperationState.COMPLETED
    assert len(running.vnf("dpi-0").vnfcs) == 2
    running.consistent()


def test_a_dead_or_stopped_vnfc_comes_back_too(running: Running) -> None:
    write(running, "then")
    snapshot = taken(running)
    running.job.vim.kill_compute(running.vnf("dpi-0").vnfcs[0].compute_id)
    assert revert(running, snapshot.id).state is OperationState.COMPLETED
    assert states(running) == ["then"]
    running.change("dpi-0", "OPERATE", {"changeStateTo": "STOPPED"})
    with pytest.raises(WrongState, match="do not run"):
        taken(running)
    assert revert(running, snapshot.id).state is OperationState.COMPLETED
    assert states(running) == ["then"] and running.vnf("dpi-0").vnf_state.value == "STARTED"
    running.consistent()


@SOME_AND_ALL
def test_a_failed_reversion_leaves_what_ran(start: Start, most: int) -> None:
    def prepare(there: Running) -> None:
        write(there, "then")
        taken(there)
        write(there, "now")

    def act(there: Running) -> LcmOpOcc:
        with there.job.catena.store.open_unit(read_only=True) as uow:
            (snapshot,) = uow.vnf_snapshots.list()
        return revert(there, snapshot.id)

    fail_everywhere(start, most, act, prepare)


def test_a_rollback_finds_the_state_that_was_left(running: Running) -> None:
    write(running, "then")
    snapshot = taken(running)
    write(running, "now")
    running.fail_at("before compute.ready")
    op = revert(running, snapshot.id)
    assert op.state is OperationState.FAILED_TEMP
    with pytest.raises(InUse):
        resources(running).delete(snapshot.id, running.job.tenant, None)
    running.fail_at()
    running.job.services.vnf_lifecycle.rollback(op.id, running.job.tenant)
    assert states(running) == ["now"]
    assert len(running.job.vim.snapshots()) == 1


def test_a_failed_snapshot_leaves_the_resource_empty_and_nothing_in_the_vim(running: Running) -> None:
    made = resources(running).create(running.job.tenant)
    running.fail_at("after snapshot")
    op = running.change("dpi-0", "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": made.id})
    assert op.state is OperationState.FAILED_TEMP
    running.fail_at()
    running.job.services.vnf_lifecycle.rollback(op.id, running.job.tenant)
    assert running.job.vim.snapshots() == () and not stored(running, made.id).is_filled
    again = running.change("dpi-0", "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": made.id})
    assert again.state is OperationState.COMPLETED


def test_what_was_given_up_is_swept_away(running: Running) -> None:
    snapshot = taken(running)
    running.fail_at("before compute.ready")
    op = revert(running, snapshot.id)
    running.fail_at()
    assert resources(running).sweep() == 0  # it may still be rolled back
    running.job.services.vnf_lifecycle.fail(op.id, running.job.tenant)
    assert resources(running).sweep() == 1
    resources(running).delete(snapshot.id, running.job.tenant, None)
    assert running.job.vim.snapshots() == ()


def test_only_a_filled_snapshot_of_the_same_vnf_will_do(running: Running) -> None:
    snapshot = taken(running)
    empty = resources(running).create(running.job.tenant)
    for id, name, error in (
        (empty.id, "dpi-0", WrongState),
        (snapshot.id, "firewall-0", WrongState),
        ("00000000-0000-4000-8000-00000000dead", "dpi-0", UnknownReference),
    ):
        with pytest.raises(error):
            revert(running, id, name)
    with pytest.raises(WrongState, match="has been filled"):
        running.change("dpi-0", "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": snapshot.id})
    resources(running).delete(empty.id, running.job.tenant, None)
    with pytest.raises(NotFound):
        resources(running).delete(empty.id, running.job.tenant, None)


def test_a_service_keeps_its_vnfs_goes_back_and_forgets(running: Running) -> None:
    write(running, "then")
    vnf = running.vnf("dpi-0").id
    taking = {"vnfInstanceId": vnf, "userDefinedData": {"why": "an update"}}
    op = running.change_ns("UPDATE", {"updateType": "CREATE_VNF_SNAPSHOT", "createSnapshotData": taking})
    assert op.state is OperationState.COMPLETED, op.error
    with running.job.catena.store.open_unit(read_only=True) as uow:
        (snapshot,) = uow.vnf_snapshots.list()
    assert snapshot.is_filled and snapshot.user_defined_data == {"why": "an update"}
    assert ns_resource_changes(op, {}) == {}
    write(running, "now")
    named = {"vnfInstanceId": vnf, "vnfSnapshotInfoId": snapshot.id}
    op = running.change_ns("UPDATE", {"updateType": "REVERT_VNF_TO_SNAPSHOT", "revertVnfToSnapshotData": named})
    assert op.state is OperationState.COMPLETED, op.error
    assert states(running) == ["then"]
    assert [one["vnfInstanceId"] for one in ns_resource_changes(op, {})["affectedVnfs"]] == [vnf]
    forget = {"updateType": "DELETE_VNF_SNAPSHOT_INFO", "deleteVnfSnapshotData": named}
    assert running.change_ns("UPDATE", forget).state is OperationState.COMPLETED
    assert running.job.vim.snapshots() == ()
    op = running.change_ns("UPDATE", forget)
    assert (op.state, (op.error or {})["code"]) == (OperationState.ROLLED_BACK, "UNKNOWN_REFERENCE")
    with pytest.raises(InvalidInput, match="needs vnfSnapshotInfoId"):
        running.change_ns("UPDATE", {**forget, "deleteVnfSnapshotData": {"vnfInstanceId": vnf}})
    running.consistent()


def test_a_snapshot_that_fails_in_an_update_leaves_no_resource(running: Running) -> None:
    running.fail_at("before snapshot")
    taking = {"vnfInstanceId": running.vnf("dpi-0").id}
    op = running.change_ns("UPDATE", {"updateType": "CREATE_VNF_SNAPSHOT", "createSnapshotData": taking})
    assert op.state is OperationState.FAILED_TEMP
    running.fail_at()
    running.job.services.ns_lifecycle.rollback(op.id, running.job.tenant)
    assert running.job.operation(op.id).state is OperationState.ROLLED_BACK
    with running.job.catena.store.open_unit(read_only=True) as uow:
        assert uow.vnf_snapshots.list() == []
    assert running.job.vim.snapshots() == ()
    running.consistent()
