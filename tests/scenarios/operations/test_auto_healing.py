"""VNFs that want it are healed without being asked, not at the first look, and not again and again."""

from __future__ import annotations

from mano.adapters.clock import random_id
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.vnfm.auto_healing import AutoHealing
from tests.fakes.clock import FakeClock
from tests.scenarios.operations.conftest import Running


def heals(running: Running) -> list[LcmOpOcc]:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return list(uow.operations.list(operation="HEAL"))


def kill(running: Running) -> None:
    running.job.vim.kill_compute(running.vnf("dpi-0").vnfcs[0].compute_id)


def test_who_stays_ill_is_healed_once_in_a_while(running: Running) -> None:
    clock = FakeClock()
    lifecycle = running.job.services.vnf_lifecycle
    open_unit = running.job.catena.store.open_unit
    healing = AutoHealing(open_unit, lambda _: running.job.vim, lifecycle, clock, random_id, looks=2, cool_down_s=60)
    kill(running)
    healing.look()
    healing.look()
    assert heals(running) == []
    running.change("dpi-0", "MODIFY_INFO", {"vnfConfigurableProperties": {"isAutohealEnabled": True}})
    healing.look()
    assert heals(running) == []
    healing.look()
    (op,) = heals(running)
    assert (op.state, op.is_automatic, op.parameters["cause"]) == ("COMPLETED", True, "dpi/0 does not work")
    running.consistent()
    kill(running)
    for _ in range(5):
        healing.look()
    assert len(heals(running)) == 1
    clock.advance(61)
    healing.look()
    assert len(heals(running)) == 2
    running.consistent()


def test_who_was_stopped_is_left_alone(running: Running) -> None:
    lifecycle, open_unit = running.job.services.vnf_lifecycle, running.job.catena.store.open_unit
    healing = AutoHealing(open_unit, lambda _: running.job.vim, lifecycle, FakeClock(), random_id, looks=1)
    running.change("dpi-0", "MODIFY_INFO", {"vnfConfigurableProperties": {"isAutohealEnabled": True}})
    running.change("dpi-0", "OPERATE", {"changeStateTo": "STOPPED"})
    healing.look()
    assert heals(running) == []
