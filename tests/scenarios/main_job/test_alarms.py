"""Alarms from real causes: what breaks under a running service is told, and is over when it is mended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from mano.adapters.clock import SystemClock
from mano.assurance.alarms import Alarms
from mano.assurance.observing import (
    BridgeObserver,
    InstanceObserver,
    Observer,
    ResourceObserver,
    certificate_causes,
    disk_causes,
    pages_causes,
)
from mano.domain.alarm import Alarm, AlarmLevel
from mano.domain.alarm_causes import Cause
from mano.domain.lcm_op_occ import OperationState
from mano.ports.service_paths import Drift
from tests.scenarios.main_job.conftest import Job

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def running(job: Job) -> Job:
    ns_id = job.ready()
    assert job.instantiate(ns_id).state is OperationState.COMPLETED
    return job


def look(job: Job, observer: Observer) -> list[Alarm]:
    """Look once; the alarms that stand then."""
    alarms = Alarms(job.catena.store.open_unit, SystemClock())
    for name, causes in observer.look().items():
        alarms.observed(name, causes)
    with job.catena.store.open_unit(read_only=True) as uow:
        return list(uow.alarms.list(cleared_at=None))


def instances(job: Job) -> InstanceObserver:
    return InstanceObserver(job.catena.store.open_unit, {"local": job.vim})


def told(alarms: Sequence[Alarm]) -> set[tuple[str, str]]:
    return {(alarm.level.value, alarm.probable_cause) for alarm in alarms}


def test_a_healthy_service_has_no_alarms(running: Job) -> None:
    assert look(running, instances(running)) == []


def test_a_dead_vnfc_alarms_its_vnf_and_its_service_until_it_runs_again(running: Job) -> None:
    with running.catena.store.open_unit(read_only=True) as uow:
        vnf = uow.vnf_instances.list()[0]
    vnfc = vnf.vnfcs[0]
    running.vim.kill_compute(vnfc.compute_id)
    standing = look(running, instances(running))
    assert told(standing) == {("vnf", "vnfc-not-running"), ("ns", "vnfc-not-running")}
    of_vnf = next(alarm for alarm in standing if alarm.level is AlarmLevel.VNF)
    of_ns = next(alarm for alarm in standing if alarm.level is AlarmLevel.NS)
    assert (of_vnf.managed_object_id, of_vnf.component) == (vnf.id, vnfc.id)
    assert (of_ns.managed_object_id, of_ns.correlated_ids) == (vnf.ns_instance_id, (of_vnf.id,))
    assert look(running, instances(running)) == standing, "the same cause raises nothing twice"
    running.terminate(vnf.ns_instance_id)
    assert look(running, instances(running)) == []


def test_a_silent_host_alarms_everything_that_is_on_it(running: Job) -> None:
    with running.catena.store.open_unit(read_only=True) as uow:
        vnf = uow.vnf_instances.list()[0]
    running.vim.kill_switch(vnf.vnfcs[0].host)
    standing = look(running, instances(running))
    assert told(standing) == {(level, "host-unreachable") for level in ("nfvi", "vnf", "ns")}
    assert {alarm.managed_object_id for alarm in standing} >= {vnf.id, vnf.ns_instance_id, vnf.vnfcs[0].host}


def test_what_an_operation_changes_just_now_is_not_judged(running: Job) -> None:
    with running.catena.store.open_unit(read_only=True) as uow:
        vnf = uow.vnf_instances.list()[0]
    running.vim.kill_compute(vnf.vnfcs[0].compute_id)

    class Busy(InstanceObserver):
        """An operation changes the instance while the observer looks."""

        def _silence(self, vim_id: str, host: str) -> str:
            with running.catena.store.open_unit() as uow:
                uow.vnf_instances.save(uow.vnf_instances.get(vnf.id))
            return super()._silence(vim_id, host)

    assert look(running, Busy(running.catena.store.open_unit, {"local": running.vim})) == []


def test_drift_alarms_the_bridge_and_the_services_with_a_chain_through_it(running: Job) -> None:
    with running.catena.store.open_unit(read_only=True) as uow:
        chain = uow.chains.list()[0]
    host = chain.paths[0]["hops"][0]["host"]
    drifts = [Drift(host, missing=("flow",))]
    observer = BridgeObserver(running.catena.store.open_unit, lambda: drifts)
    standing = look(running, observer)
    assert told(standing) == {("nfvi", "flow-table-drift"), ("ns", "flow-table-drift")}
    drifts.clear()
    assert look(running, observer) == []


def test_the_real_bridges_have_not_drifted(running: Job) -> None:
    assert look(running, BridgeObserver(running.catena.store.open_unit, running.catena.graphs.standing_drift)) == []


def test_huge_pages_disk_and_certificates_are_watched(running: Job) -> None:
    ends: Mapping[str, datetime] = {"listener": SystemClock().now() + timedelta(days=3)}
    observer = ResourceObserver(running.catena.store.open_unit, SystemClock(), lambda: (100, 2), lambda: ends)
    assert told(look(running, observer)) >= {("nfvi", "disk-short"), ("nfvi", "certificate-ends")}


def test_alarms_are_forgotten_long_after_they_were_cleared(job: Job) -> None:
    class Ago(SystemClock):
        """A week and a day ago."""

        def now(self) -> datetime:
            return super().now() - timedelta(days=8)

    then = Alarms(job.catena.store.open_unit, Ago())
    for causes in ([*disk_causes(100, 2), *certificate_causes({"c": NOW}, NOW)], list(disk_causes(100, 2))):
        then.observed("disk", [cause for cause in causes if cause.key.startswith("disk")])
        then.observed("certificate", [cause for cause in causes if cause.key.startswith("certificate")])
    assert Alarms(job.catena.store.open_unit, SystemClock()).forget_old() == 1
    with job.catena.store.open_unit(read_only=True) as uow:
        assert [alarm.probable_cause for alarm in uow.alarms.list()] == ["disk-short"]


def severities(causes: Sequence[Cause]) -> list[str]:
    return [cause.severity.value for cause in causes]


def test_disk_is_short_by_degrees() -> None:
    told = [severities(list(disk_causes(100, free))) for free in (50, 10, 9, 2)]
    assert told == [[], [], ["WARNING"], ["CRITICAL"]]
    assert severities(list(disk_causes(0, 0))) == []


def test_certificates_end_by_degrees() -> None:
    ends = {str(days): NOW + timedelta(days=days) for days in (31, 29, 6, -1)}
    found = {cause.managed_object_id: cause.severity.value for cause in certificate_causes(ends, NOW)}
    assert found == {"29": "WARNING", "6": "MAJOR", "-1": "CRITICAL"}


def test_pages_are_short_when_nearly_all_are_in_use() -> None:
    assert [bool(list(pages_causes("h", 0, 2048, 100, used))) for used in (0, 94, 95, 100)] == [0, 0, 1, 1]
    assert list(pages_causes("h", 0, 2048, 0, 0)) == []
