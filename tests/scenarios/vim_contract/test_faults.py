"""Things die by themselves: it is told truly, calls fail in good time, and ensuring again mends it."""

from __future__ import annotations

import pytest

from mano.adapters.vim_simulated.faults import Died, Fault, Faults, Kind
from mano.errors import Unreachable
from tests.scenarios.vim_contract.samples import compute, host, inside, outside
from tests.scenarios.vim_contract.stories import build_host, instantiate, take_host_down, terminate
from tests.scenarios.vim_contract.worlds import World, dying_image, serving_image


def test_a_host_whose_switch_is_dead(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    number = driver.ensure_port(inside()).ofport
    world.kill_switch("h1")
    status = driver.host_status("h1")
    assert not status.reachable
    assert status.dataplane is None
    assert "h1" in status.detail
    with pytest.raises(Unreachable, match="h1"):
        driver.ensure_port(inside(id="port-new", mac="02:10:00:00:00:77"))
    assert driver.ensure_host(host("h1")).reachable
    assert driver.ensure_port(inside()).ofport == number
    for id_ in driver.observe().ports:
        driver.remove_port(inside(id=id_))
    take_host_down(driver)


def test_a_port_of_a_dead_switch_can_be_removed(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    driver.ensure_port(inside())
    world.kill_switch("h1")
    driver.remove_port(inside())
    assert driver.observe().ports == ()
    assert driver.ensure_host(host("h1")).reachable
    assert driver.observe().ports == ()
    take_host_down(driver)


def test_a_host_with_a_dead_switch_can_be_removed(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    world.kill_switch("h1")
    driver.remove_host("h1")
    assert world.remains() == []


def test_a_dead_switch_takes_no_vnfc_and_gives_its_vnfcs_up(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    world.kill_switch("h1")
    assert driver.compute_status(vnfc.id, "h1").state == "running"
    with pytest.raises(Unreachable, match="h1"):
        driver.ensure_compute(compute(serving_image(world), (inside(id="port-x"),), id="compute-x"))
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_compute("compute-x", "h1")
    driver.ensure_host(host("h1"))
    driver.remove_port(inside(id="port-x"))
    terminate(vnfc)(driver)
    take_host_down(driver)


def test_a_vnfc_that_died_is_seen_and_started_again(world: World) -> None:
    driver = world.driver()
    build_host(driver)
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(driver)
    number = driver.ensure_port(inside()).ofport
    world.kill_compute(vnfc.id)
    status = driver.compute_status(vnfc.id, "h1")
    assert status.state == "failed"
    assert status.detail
    assert driver.observe().computes == (vnfc.id,)
    assert driver.ensure_compute(vnfc).state == "running"
    assert driver.ensure_port(inside()).ofport == number
    terminate(vnfc)(driver)
    take_host_down(driver)


def test_a_vnfc_whose_entry_point_dies_says_its_last_words(world: World) -> None:
    driver = world.driver()
    driver.ensure_host(host("h1"))
    vnfc = compute(dying_image(world), (inside(),))
    with pytest.raises(Unreachable, match="the licence has run out") as caught:
        driver.ensure_compute(vnfc)
    assert "the licence has run out" in caught.value.facts["log"]
    assert driver.compute_status(vnfc.id, "h1").state == "failed"
    assert "the licence has run out" in driver.compute_status(vnfc.id, "h1").detail
    driver.remove_compute(vnfc.id, "h1")
    driver.remove_port(inside())
    driver.remove_host("h1")


def test_planned_faults_strike_once_and_the_story_is_finished(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    faults = Faults(
        (
            Fault("before port.record", Kind.FAIL),
            Fault("after port.bridge", Kind.DIE),
            Fault("before compute.process", Kind.FAIL, times=2),
            Fault("before port.move", Kind.DELAY, delay_s=0.01),
        )
    )
    story = instantiate(vnfc)
    outcomes = []
    for _ in range(5):
        try:
            story(world.driver(faults.watch))
            outcomes.append("done")
        except (Unreachable, Died) as error:
            outcomes.append(type(error).__name__)
    assert outcomes == ["Unreachable", "Died", "Unreachable", "Unreachable", "done"]
    assert "after compute.process" in faults.moments
    terminate(vnfc)(world.driver())
    take_host_down(world.driver())
