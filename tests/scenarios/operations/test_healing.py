"""Heal VNFs: what died runs again, what sits on a dead host moves, and chains stay on what works."""

from __future__ import annotations

import pytest

from mano.domain.lcm_op_occ import OperationState
from mano.errors import InvalidInput
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere


def kill(running: Running, name: str) -> None:
    running.job.vim.kill_compute(running.vnf(name).vnfcs[0].compute_id)


def alive(running: Running, name: str) -> set[str]:
    return {running.job.vim.compute_status(v.compute_id, v.host).state for v in running.vnf(name).vnfcs}


def test_a_dead_function_runs_again_where_it_was(running: Running) -> None:
    before = running.vnf("firewall-0").vnfcs[0]
    kill(running, "firewall-0")
    assert alive(running, "firewall-0") == {"failed"}
    op = running.change("firewall-0", "HEAL", {"cause": "it died"})
    assert op.state is OperationState.COMPLETED, op.error
    assert alive(running, "firewall-0") == {"running"}
    assert running.vnf("firewall-0").vnfcs[0] == before
    running.consistent()


def test_without_a_cause_to_be_seen_all_start_anew(running: Running) -> None:
    op = running.change("dpi-0", "HEAL")
    assert op.state is OperationState.COMPLETED, op.error
    assert {step.name for step in op.steps} >= {"stop:dpi/0", "compute:dpi/0"}
    running.consistent()


def test_one_vnfc_of_several_is_healed_by_name(running: Running) -> None:
    running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    ill = running.vnf("dpi-0").vnfcs[1]
    op = running.change("dpi-0", "HEAL", {"vnfcInstanceId": [ill.id]})
    assert op.state is OperationState.COMPLETED, op.error
    assert {step.name for step in op.steps if step.name.startswith("stop")} == {"stop:dpi/1"}
    running.consistent()


def test_recreated_ports_are_new_ones_with_the_same_addresses(running: Running) -> None:
    before = running.vnf("dpi-0").vnfcs[0]
    op = running.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "recreate"}}})
    assert op.state is OperationState.COMPLETED, op.error
    after = running.vnf("dpi-0").vnfcs[0]
    assert [cp.addresses for cp in after.connection_points] == [cp.addresses for cp in before.connection_points]
    assert not {cp.port_id for cp in after.connection_points} & {cp.port_id for cp in before.connection_points}
    assert after.id == before.id
    running.consistent()


@pytest.mark.parametrize("name", ["dpi-0", "firewall-0", "nat-0"])
def test_it_moves_off_a_dead_host_with_its_addresses(running: Running, name: str) -> None:
    running.add_spare_host()
    before = running.vnf(name).vnfcs[0]
    running.job.vim.kill_switch(before.host)
    op = running.change(name, "HEAL")
    assert op.state is OperationState.COMPLETED, op.error
    after = running.vnf(name).vnfcs[0]
    assert (after.id, after.host) == (before.id, "h4")
    assert [(cp.mac, cp.addresses) for cp in after.connection_points] == [
        (cp.mac, cp.addresses) for cp in before.connection_points
    ]
    assert [one.host for one in running.reservations() if one.key == f"{name}/{before.vdu_id}/0"] == ["h4"]


def test_a_working_one_moves_when_asked_to(running: Running) -> None:
    running.add_spare_host()
    before = running.vnf("dpi-0").vnfcs[0]
    op = running.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "move"}}})
    assert op.state is OperationState.COMPLETED, op.error
    after = running.vnf("dpi-0").vnfcs[0]
    assert after.host != before.host
    running.consistent()
    chains, tenant = running.job.services.chains, running.job.tenant
    web = next(c for c in running.job.services.forwarding_graphs.list(tenant) if c["name"] == "web")
    shown = running.job.services.forwarding_graphs.get(web["id"], tenant)["document"]["functions"]
    ports = {cp.port_id for cp in after.connection_points}
    assert {one["ingress"] for one in shown if one["name"] == "dpi-0"} < ports
    op_id = chains.replace(web["id"], tenant, chains.patched(web["id"], tenant, {"name": "web-2"}))
    assert running.job.operation(op_id).state is OperationState.COMPLETED
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_nowhere_to_go_is_told_with_reasons_and_changes_nothing(running: Running) -> None:
    before = running.picture()
    running.job.vim.kill_switch(running.vnf("dpi-0").vnfcs[0].host)
    op = running.change("dpi-0", "HEAL")
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert op.error["code"] == "NOT_PLACEABLE"
    assert op.error["facts"]["unplaced"]
    assert running.picture() == before


def test_strangers_and_unknown_remedies_are_refused(running: Running) -> None:
    with pytest.raises(InvalidInput, match="does not have"):
        running.change("dpi-0", "HEAL", {"vnfcInstanceId": ["another"]})
    with pytest.raises(InvalidInput, match="no remedy"):
        running.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "pray"}}})


@SOME_AND_ALL
def test_a_restart_that_fails_is_rolled_back(start: Start, most: int) -> None:
    fail_everywhere(start, most, lambda there: there.change("dpi-0", "HEAL"))


@SOME_AND_ALL
def test_a_move_that_fails_is_rolled_back(start: Start, most: int) -> None:
    move = {"additionalParams": {"catena": {"action": "move"}}}
    fail_everywhere(
        start, most, lambda there: there.change("nat-0", "HEAL", move), lambda there: there.add_spare_host()
    )


def test_what_an_operation_left_half_made_is_mended(start: Start) -> None:
    running = start()
    running.fail_at("before compute.process")
    op = running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.FAILED_TEMP
    running.fail_at()
    running.job.services.vnf_lifecycle.fail(op.id, running.job.tenant)
    op = running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.ROLLED_BACK
    assert "not whole" in op.error["detail"]
    op = running.change("dpi-0", "HEAL")
    assert op.state is OperationState.COMPLETED, op.error
    running.consistent()
    op = running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})
    assert op.state is OperationState.COMPLETED, op.error
    running.consistent()


@SOME_AND_ALL
def test_a_virtual_function_is_let_go_before_its_new_port_takes_it(start: Start, most: int) -> None:
    recreate = {"additionalParams": {"catena": {"action": "recreate"}}}
    fail_everywhere(start, most, lambda there: there.change("nat-0", "HEAL", recreate))
