"""A host goes, its VNFCs move, and it comes back with what nobody could remove from it."""

from __future__ import annotations

import pytest

from mano.adapters.vim_simulated.faults import Died, Fault, Kind
from mano.domain.lcm_op_occ import OperationState
from mano.domain.vnf_instance import VnfcResource
from mano.errors import InUse
from mano.nfvo.leftovers import Leftovers, is_left
from tests.scenarios.operations.conftest import Running


def look(running: Running) -> None:
    Leftovers(running.job.catena.store.open_unit, {"local": running.job.vim}).look()


def lose_host_of(running: Running, name: str) -> VnfcResource:
    """The VNFC as it was on a host that is silent now, healed away from it."""
    running.add_spare_host()
    before = running.vnf(name).vnfcs[0]
    running.job.vim.silence(before.host)
    op = running.change(name, "HEAL")
    assert op.state is OperationState.COMPLETED, op.error
    assert running.vnf(name).vnfcs[0].host == "h4"
    return before


def held_cpus(running: Running, host: str) -> list[int]:
    return [
        cpu
        for one in running.reservations()
        if one.host == host
        for cell in one.allocation["cells"]
        for cpu in cell["cpus"]
    ]


@pytest.mark.parametrize("name", ["dpi-0", "nat-0"])
def test_its_place_is_nobodys_until_it_is_removed(running: Running, name: str) -> None:
    before = lose_host_of(running, name)
    vim = running.job.vim
    there = {cpu for cell in before.placement["cells"] for cpu in cell["cpus"]}
    ports = {cp.port_id for cp in before.connection_points}
    assert there <= set(held_cpus(running, before.host))
    assert before.compute_id in vim.observe().computes
    look(running)
    assert there <= set(held_cpus(running, before.host))
    assert running.job.services.placing.free_leaks() == 0
    vim.wake(before.host)
    assert vim.compute_status(before.compute_id, before.host).state == "running"
    assert there <= set(held_cpus(running, before.host))
    assert not [each for each in running.job.services.placing.leaks().values() if each]
    look(running)
    assert before.compute_id not in vim.observe().computes
    assert not ports & set(vim.observe().ports)
    assert not there & set(held_cpus(running, before.host))
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


@pytest.mark.parametrize("moment", ["before compute.process-gone", "after compute.record-gone", "after port.park"])
def test_a_death_in_the_middle_forgets_nothing(running: Running, moment: str) -> None:
    before = lose_host_of(running, "nat-0")
    running.job.vim.wake(before.host)
    running.job.faults.planned = (Fault(moment, Kind.DIE),)
    with pytest.raises(Died):
        look(running)
    assert [one.host for one in running.reservations() if is_left(one)] == [before.host]
    running.fail_at()
    look(running)
    running.consistent()


def test_what_cannot_be_removed_yet_is_tried_again(running: Running) -> None:
    before = lose_host_of(running, "dpi-0")
    running.job.vim.wake(before.host)
    running.fail_at("before port.record-gone")
    look(running)
    assert [one.host for one in running.reservations() if is_left(one)] == [before.host]
    running.fail_at()
    look(running)
    running.consistent()


def test_a_host_that_is_lost_is_given_up_with_what_is_left_on_it(running: Running) -> None:
    running.add_spare_host()
    nfvi, vim = running.job.services.nfvi, running.job.vim
    op = running.change("dpi-0", "HEAL", {"additionalParams": {"catena": {"action": "move"}}})
    assert op.state is OperationState.COMPLETED, op.error
    host = running.vnf("dpi-0").vnfcs[0].host
    assert host == "h4"
    vim.silence("h4")
    op = running.change("dpi-0", "HEAL")
    assert op.state is OperationState.COMPLETED, op.error
    vim.wake("h4")
    with pytest.raises(InUse, match="dpi-0"):
        nfvi.remove("h4")
    vim.silence("h4")
    nfvi.remove("h4")
    assert not [one for one in running.reservations() if one.host == "h4"]
