"""A fault at every effect of an instantiation: the operation stops, and rollback or retry puts the world right."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.domain.lcm_op_occ import OperationState, StepState
from mano.domain.vnf_instance import InstantiationState
from mano.placement import document_from_text
from tests.scenarios.main_job.conftest import SAMPLES, Job

MakeJob = Callable[..., Job]


def moments_of_an_instantiation(job: Job) -> list[str]:
    """Every moment, before and after each effect, that the VIM met between request and COMPLETED."""
    ns_id = job.ready()
    job.faults.moments.clear()
    assert job.instantiate(ns_id).state is OperationState.COMPLETED
    return list(dict.fromkeys(job.faults.moments))


def test_a_dry_run_finds_the_moments(job: Job):
    moments = moments_of_an_instantiation(job)
    assert len(moments) >= 6
    assert {moment.split()[0] for moment in moments} == {"before", "after"}


@pytest.mark.parametrize("number", range(12))
def test_a_failed_instantiation_rolls_back_to_nothing(make_job: MakeJob, tmp_path_factory, number: int, job: Job):
    moments = moments_of_an_instantiation(job)
    if number >= len(moments):
        assert number < 12, "more moments than are tried: raise the range"
        return
    moment = moments[number]
    job.catena.stop()
    broken = make_job_elsewhere(make_job, tmp_path_factory, Fault(moment, Kind.FAIL, times=50))
    ns_id = broken.ready()
    op = broken.instantiate(ns_id)
    assert op.state is OperationState.FAILED_TEMP, moment
    assert op.error is not None
    assert "planned fault" in op.error["detail"]
    broken.faults.planned = ()
    broken.services.ns_lifecycle.rollback(op.id, broken.tenant)
    ended = broken.operation(op.id)
    assert ended.state is OperationState.ROLLED_BACK, ended.error
    assert broken.held() == {}
    with broken.catena.store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.get(ns_id).state is InstantiationState.NOT_INSTANTIATED
    assert broken.instantiate(ns_id).state is OperationState.COMPLETED


def make_job_elsewhere(make_job: MakeJob, tmp_path_factory, *faults: Fault) -> Job:
    return make_job(*faults, directory=tmp_path_factory.mktemp("broken"))


def test_a_retry_goes_on_with_the_step_that_failed(make_job: MakeJob, job: Job, tmp_path_factory):
    moment = next(m for m in moments_of_an_instantiation(job) if m.startswith("before compute"))
    broken = make_job_elsewhere(make_job, tmp_path_factory, Fault(moment, Kind.FAIL, times=50))
    ns_id = broken.ready()
    op = broken.instantiate(ns_id)
    assert op.state is OperationState.FAILED_TEMP
    done = {step.name for step in op.steps if step.state is StepState.DONE}
    assert "network:access" in done
    broken.faults.planned = ()
    broken.services.ns_lifecycle.retry(op.id, broken.tenant)
    again = broken.operation(op.id)
    assert again.state is OperationState.COMPLETED, again.error
    assert again.attempt == 2
    assert broken.held()["vim computes"] == 3
    assert broken.terminate(ns_id).state is OperationState.COMPLETED
    assert broken.held() == {}


def test_a_dead_switch_is_named_and_mended(job: Job):
    ns_id = job.ready()
    job.vim.kill_switch("h2")
    op = job.instantiate(ns_id)
    assert op.state is OperationState.FAILED_TEMP
    assert "h2" in op.error["detail"]
    job.add_hosts()
    job.services.ns_lifecycle.retry(op.id, job.tenant)
    assert job.operation(op.id).state is OperationState.COMPLETED


def test_a_failed_operation_can_be_given_up_and_terminated_later(make_job: MakeJob, job: Job, tmp_path_factory):
    moment = next(m for m in moments_of_an_instantiation(job) if m.startswith("before compute"))
    broken = make_job_elsewhere(make_job, tmp_path_factory, Fault(moment, Kind.FAIL, times=50))
    ns_id = broken.ready()
    op = broken.instantiate(ns_id)
    broken.services.ns_lifecycle.fail(op.id, broken.tenant)
    assert broken.operation(op.id).state is OperationState.FAILED
    broken.faults.planned = ()
    assert broken.terminate(ns_id).state is OperationState.COMPLETED
    assert broken.held() == {}


def test_a_dead_host_that_nothing_is_on_stops_nobody(job: Job):
    ns_id = job.ready()
    text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    spare = document_from_text(text, "Inventory")
    spare["hosts"] = [{**spare["hosts"][2], "name": "h9", "state": "draining"}]
    del spare["links"]
    job.services.nfvi.add_hosts(spare, "local")
    job.vim.kill_switch("h9")
    op = job.instantiate(ns_id)
    assert op.state is OperationState.COMPLETED, op.error
    assert job.terminate(ns_id).state is OperationState.COMPLETED


def test_one_server_at_a_time_programs_the_bridges(job: Job):
    """Whoever holds the turn keeps others out until its lease ends; its token grows with every change of hands."""
    job.ready()
    with job.catena.store.open_unit() as uow:
        lease = uow.leases.take("data-plane", "another server", 0.3)
    assert lease is not None
    job.catena.graphs.refresh()
    with job.catena.store.open_unit() as uow:
        later = uow.leases.take("data-plane", "another server", 0.3)
    assert later is not None
    assert later.token == lease.token + 2
