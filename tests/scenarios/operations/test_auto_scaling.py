"""VNFs and services that want it scale without being asked: once, in time, within bounds, and they say why."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.assurance.auto_scaling import AutoScaler, Subject
from mano.assurance.measuring import Measuring
from mano.assurance.readings import Readings
from mano.domain.auto_scaling import Reading, Rule
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, NotFound
from mano.nfvo.auto_scaling import ScalableServices
from mano.vnfm.auto_scaling import ScalableVnfs
from tests.fakes.clock import FakeClock
from tests.scenarios.operations.conftest import Running

ON = {"vnfConfigurableProperties": {"isAutoscaleEnabled": True, "catenaAutoscale": {"coolDownS": 120}}}


class Automatic:
    """The auto-scaling of a server over the running service, looking when the test says so."""

    def __init__(self, running: Running, clock: FakeClock | None = None) -> None:
        job = running.job
        self.running = running
        self.clock = clock or FakeClock(datetime.now(UTC))
        self.open_unit = job.catena.store.open_unit
        measuring = Measuring(self.open_unit, {"local": job.vim}, lambda *_: (0, 0))
        readings = Readings(self.open_unit, {"local": job.vim}, measuring, SystemClock())
        lifecycle = job.services.vnf_lifecycle
        self.vnfs = ScalableVnfs(self.open_unit, job.services.granting, lifecycle, readings.of)
        services = ScalableServices(self.open_unit, job.services.ns_lifecycle, readings.of, readings.of_service)
        self.scaler = AutoScaler(self.open_unit, (self.vnfs, services), self.clock)

    def look(self, times: int = 1, seconds: float = 5) -> None:
        for _ in range(times):
            self.clock.advance(seconds)
            self.scaler.look()

    def bear(self, **values: float) -> None:
        """Every VNFC of the dpi tells these numbers."""
        for vnfc in self.running.vnf("dpi-0").vnfcs:
            self.running.job.vim.use(vnfc.compute_id, cpu_s=1, memory_bytes=1 << 20, **values)

    def why(self, rule: str = "") -> Mapping[str, Any]:
        found = self.scaler.explain(self.running.vnf("dpi-0").id, self.running.job.tenant)
        return next(one for one in found["rules"] if one["id"] == rule) if rule else found

    def all_vnfs(self) -> list[VnfInstance]:
        with self.open_unit(read_only=True) as uow:
            return list(uow.vnf_instances.list())

    def done(self, operation: str = "SCALE", instance_id: str | None = None) -> list[LcmOpOcc]:
        with self.open_unit(read_only=True) as uow:
            found = uow.operations.list(operation=operation)
        return [op for op in found if instance_id in (None, op.instance_id)]


def switch(running: Running, properties: Mapping[str, Any]) -> None:
    op = running.change("dpi-0", "MODIFY_INFO", properties)
    assert op.state == "COMPLETED"


def test_a_vnf_scales_out_and_in_and_says_why(running: Running) -> None:
    automatic = Automatic(running)
    automatic.bear(load=95)
    automatic.look(5)
    assert automatic.done() == []
    assert automatic.why()["why"] == "isAutoscaleEnabled is not true"
    switch(running, ON)
    automatic.look(2)
    assert (automatic.done(), automatic.why("dpi_load/more")["verdict"]) == ([], "counting")
    assert automatic.why("dpi_load/more")["why"] == "load 95: true in 2 of 3 looks"
    automatic.look()
    (op,) = automatic.done()
    assert (op.state, op.is_automatic, op.parameters) == (
        "COMPLETED",
        True,
        {"type": "SCALE_OUT", "aspectId": "load", "numberOfSteps": 1},
    )
    assert len(running.vnf("dpi-0").vnfcs) == 2
    running.consistent()
    assert automatic.why()["last"] == "dpi_load/more: load 95: load from 0 to 1"
    automatic.bear(load=90)
    automatic.look(6)
    assert len(automatic.done()) == 1
    assert automatic.why("dpi_load/more")["verdict"] == "cooling"
    assert "it rests until" in automatic.why()["why"]
    automatic.bear(load=15)
    automatic.clock.advance(120)
    automatic.look(2)
    assert len(automatic.done()) == 1, "not yet for long enough"
    automatic.look()
    assert [op.parameters["type"] for op in sorted(automatic.done(), key=lambda op: op.started_at)] == [
        "SCALE_OUT",
        "SCALE_IN",
    ]
    assert len(running.vnf("dpi-0").vnfcs) == 1
    running.consistent()
    automatic.look()
    automatic.clock.advance(120)
    automatic.look(4)
    assert automatic.why("dpi_load/less")["verdict"] == "bound"
    assert automatic.why()["aspects"] == [{"aspectId": "load", "scaleLevel": 0, "minScaleLevel": 0, "maxScaleLevel": 3}]


def test_of_two_servers_one_acts_and_a_new_one_goes_on_counting(running: Running) -> None:
    first = Automatic(running)
    switch(running, ON)
    first.bear(load=95)
    first.look(2)
    second = Automatic(running, first.clock)
    second.clock.advance(5)
    read = second.vnfs.readings

    def meanwhile(subject: Subject, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        first.scaler.look()
        return read(subject, names, reader)

    second.vnfs.readings = meanwhile  # type: ignore[method-assign]
    second.scaler.look()
    assert len(first.done()) == 1
    running.consistent()
    third = Automatic(running, first.clock)
    third.look(3)
    assert third.why("dpi_load/more")["verdict"] == "cooling", "the cool-down outlives the server"


def test_a_server_that_died_before_it_started_anything_leaves_nothing_behind(running: Running) -> None:
    automatic = Automatic(running)
    switch(running, ON)
    automatic.bear(load=95)
    automatic.look(2)
    start = automatic.vnfs.start

    def dies(subject: Subject, op_id: str, rule: Rule, steps: int) -> None:
        raise KeyboardInterrupt

    automatic.vnfs.start = dies  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        automatic.look()
    assert automatic.why()["operationId"]
    automatic.vnfs.start = start  # type: ignore[method-assign]
    automatic.look()
    assert len(automatic.done()) == 1


def test_it_is_switched_off_bounded_and_set_by_modifying(running: Running) -> None:
    automatic = Automatic(running)
    bounds = {"coolDownS": 0, "maxLevels": {"load": 0}}
    switch(running, {"vnfConfigurableProperties": {"isAutoscaleEnabled": True, "catenaAutoscale": bounds}})
    automatic.bear(load=95)
    automatic.look(4)
    assert (automatic.done(), automatic.why("dpi_load/more")["verdict"]) == ([], "bound")
    assert "0 of 0" in automatic.why("dpi_load/more")["why"]
    switch(running, {"vnfConfigurableProperties": {"isAutoscaleEnabled": False, "catenaAutoscale": None}})
    automatic.look(4)
    assert (automatic.done(), automatic.why("dpi_load/more")["verdict"]) == ([], "off")
    wrong: dict[str, Any]
    for wrong in (
        {"isAutoscaleEnabled": "yes"},
        {"catenaAutoscale": {"coolDown": 3}},
        {"catenaAutoscale": {"coolDownS": -1}},
        {"catenaAutoscale": {"minLevels": {"load": "1"}}},
        {"catenaAutoscale": []},
    ):
        with pytest.raises(InvalidInput, match="vnfConfigurableProperties"):
            running.change("dpi-0", "MODIFY_INFO", {"vnfConfigurableProperties": wrong})


def test_it_waits_for_other_operations_and_heals_what_says_that_it_is_ill(running: Running) -> None:
    automatic = Automatic(running)
    switch(running, {"vnfConfigurableProperties": {"isAutohealEnabled": True, "isAutoscaleEnabled": True}})
    automatic.bear(load=95, stuck=1)
    running.fail_at("before compute.process")
    automatic.look(2)
    (heal,) = automatic.done("HEAL")
    assert (heal.state, heal.parameters["cause"], heal.is_automatic) == ("FAILED_TEMP", "it is stuck", True)
    automatic.look(4)
    assert automatic.why("dpi_load/more")["verdict"] == "busy"
    running.fail_at()
    running.job.services.vnf_lifecycle.retry(heal.id, running.job.tenant)
    automatic.bear(load=95)
    automatic.look(4)
    assert automatic.why("dpi_load/more")["verdict"] == "cooling"
    assert automatic.done() == []


def test_a_change_that_is_refused_is_not_tried_at_every_look(running: Running) -> None:
    """No host has room: the operation is rolled back, and the next try comes after twice the rest."""
    automatic = Automatic(running)
    switch(running, ON)
    for host in "h1", "h2", "h3":
        running.job.services.nfvi.set_state(host, "draining")
    automatic.bear(load=95)
    automatic.look(3)
    (op,) = automatic.done()
    assert op.state == "ROLLED_BACK"
    automatic.look(20)
    assert len(automatic.done()) == 1
    assert "1 failed in a row" in automatic.why("dpi_load/more")["why"]
    automatic.clock.advance(240)
    automatic.look(3)
    assert len(automatic.done()) == 2


def test_a_service_scales_as_its_nsd_says_until_an_operator_switches_it_off(running: Running) -> None:
    automatic = Automatic(running)
    tenant = running.job.tenant
    running.add_spare_host()
    off = automatic.scaler.switch(running.ns_id, tenant, False)
    assert (off["kind"], off["why"]) == ("ns", "an operator switched it off")
    automatic.bear(sessions=600, load=50)
    automatic.look(3)
    automatic.bear(sessions=1600, load=50)
    automatic.look(3)
    assert automatic.done() == []
    automatic.scaler.switch(running.ns_id, tenant, True)
    automatic.look(2)
    (op,) = automatic.done(instance_id=running.ns_id)
    assert (op.state, op.is_automatic, op.level) == ("COMPLETED", True, "ns")
    assert {"dpi-0", "dpi-1"} <= {vnf.name for vnf in automatic.all_vnfs()}
    told = automatic.scaler.explain(running.ns_id, tenant)
    assert told["last"] == "by_inspection/more: dpi.sessions 1600: inspection from 0 to 1"
    running.consistent()
    with pytest.raises(InvalidInput, match="isAutoscaleEnabled"):
        automatic.scaler.switch(running.vnf("dpi-0").id, tenant, False)
    with pytest.raises(NotFound):
        automatic.scaler.explain("00000000-0000-4000-8000-00000000dead", tenant)
