"""Metering: what a service holds is counted from the operation that made it to the one that ends it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mano.adapters.clock import SystemClock
from mano.assurance.indicators import Indicators
from mano.assurance.measuring import Measuring, Round
from mano.assurance.metering import Metering
from mano.domain.performance import METRICS
from mano.errors import InvalidInput
from tests.scenarios.main_job.conftest import Job


def test_usage_runs_from_instantiation_to_termination(job: Job) -> None:
    ns_id = job.ready()
    job.instantiate(ns_id)
    with job.catena.store.open_unit(read_only=True) as uow:
        standing = [record for record in uow.usage_records.list() if record.kind == "vnfc"]
        vnfcs = {vnfc.id for vnf in uow.vnf_instances.list() for vnfc in vnf.vnfcs}
    assert {record.subject for record in standing} == vnfcs and len(standing) == len(vnfcs)
    assert all(record.ended_at is None and record.vcpus > 0 and record.memory_mib > 0 for record in standing)
    assert sum(record.vfs for record in standing) == 1, "the NAT's outside interface"
    now = SystemClock().now()
    metering = job.services.metering
    (hour,) = Metering(job.catena.store.open_unit, lambda id, tenant: (0, 0), Later()).usage(None, since=now)
    assert hour["nsInstanceId"] == ns_id and hour["nsInstanceName"] == "gi-lan"
    assert hour["vcpuHours"] == pytest.approx(sum(record.vcpus for record in standing), rel=0.01)
    assert hour["vfHours"] == pytest.approx(1, rel=0.01)
    job.terminate(ns_id)
    with job.catena.store.open_unit(read_only=True) as uow:
        ended = {record.id: record.ended_at for record in uow.usage_records.list() if record.kind == "vnfc"}
    assert set(ended) == {record.id for record in standing} and None not in ended.values()
    assert metering.usage("00000000-0000-4000-8000-0000000000ff") == []
    with pytest.raises(InvalidInput, match="before it begins"):
        metering.usage(None, since=now + timedelta(days=1))


class Later(SystemClock):
    """In an hour."""

    def now(self):
        return super().now() + timedelta(hours=1)


def test_a_chains_octets_are_added_up_over_restarts_of_its_counters(job: Job) -> None:
    job.instantiate(job.ready())
    counter = [100]
    metering = Metering(job.catena.store.open_unit, lambda id, tenant: (0, counter[0]), SystemClock())
    for read in (100, 250, 30, 30):
        counter[0] = read
        metering.read_chains()
    (row,) = metering.usage(None)
    assert row["chainBytes"] == 2 * (250 + 30), "both chains"


def test_what_a_vnfc_uses_is_measured(job: Job) -> None:
    job.instantiate(job.ready())
    with job.catena.store.open_unit(read_only=True) as uow:
        vnf = next(vnf for vnf in uow.vnf_instances.list() if len(vnf.vnfcs) == 1)
    vnfc = vnf.vnfcs[0]
    measuring = Measuring(job.catena.store.open_unit, {"local": job.vim}, lambda id, tenant: (0, 0))
    metrics = [metric.name for metric in METRICS["Vnf"]]
    cpus = len(vnfc.placement["vcpuPins"])

    def measured(second: float, cpu_s: float) -> dict[str, float]:
        job.vim.use(vnfc.compute_id, cpu_s=cpu_s, memory_bytes=64 << 20)
        now = Round(SystemClock().now(), second)
        return {found.metric: found.value for found in measuring.samples("r", "Vnf", vnf.id, (), metrics, now)}

    assert "VCpuUsageMeanVnf" not in measured(0.0, 5.0), "a mean needs two readings"
    found = measured(10.0, 5.0 + 5.0 * cpus)
    assert found["VCpuUsageMeanVnf"] == pytest.approx(50.0)
    memory = sum(cell["memoryMib"] for cell in vnfc.placement["cells"])
    assert found["VMemoryUsageMeanVnf"] == pytest.approx(100 * 64 / memory)
    job.vim.kill_compute(vnfc.compute_id)
    now = Round(SystemClock().now(), 20.0)
    assert measuring.samples("r", "Vnf", vnf.id, (), metrics, now) == []


def test_what_a_vnfc_tells_of_its_work_is_an_indicator(job: Job) -> None:
    job.instantiate(job.ready())
    with job.catena.store.open_unit(read_only=True) as uow:
        vnf = uow.vnf_instances.list()[0]
    job.vim.use(vnf.vnfcs[0].compute_id, cpu_s=1.0, memory_bytes=1000, sessions=12.0)
    indicators = Indicators(
        job.catena.store.open_unit, {"local": job.vim}, SystemClock(), lambda descriptor: {"sessions": "sessions"}
    )
    told = {found.id: found.value for found in indicators.of(vnf.id, vnf.tenant_id)}
    assert told == {"catena.runningVnfcs": len(vnf.vnfcs), "catena.memoryBytes": 1000, "sessions": 12.0}
