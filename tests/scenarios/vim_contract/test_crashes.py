"""A process that is killed just after any of its changes: doing it again mends it, removing it leaves nothing."""

from __future__ import annotations

from mano.ports.vim import Observed
from tests.scenarios.vim_contract.samples import compute, host, inside, outside
from tests.scenarios.vim_contract.stories import (
    PORTS,
    build_host,
    instantiate,
    moments_of,
    play_until,
    take_host_down,
    terminate,
)
from tests.scenarios.vim_contract.worlds import World, serving_image

NOTHING = Observed((), (), ())


def test_killed_anywhere_in_an_instantiation_it_is_finished_by_another(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    play, undo = instantiate(vnfc), terminate(vnfc)
    moments = moments_of(world, play)
    undo(world.driver())
    assert len(moments) >= 5
    for moment in moments:
        assert play_until(world, play, moment), moment
        driver = world.driver()
        play(driver)
        assert driver.compute_status(vnfc.id, "h1").state == "running", moment
        assert driver.observe().ports == tuple(sorted(port.id for port in PORTS)), moment
        undo(driver)
        assert driver.observe() == NOTHING, moment
    take_host_down(world.driver())


def test_killed_anywhere_in_an_instantiation_it_can_be_removed_as_it_is(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    play, undo = instantiate(vnfc), terminate(vnfc)
    moments = moments_of(world, play)
    undo(world.driver())
    for moment in moments:
        assert play_until(world, play, moment), moment
        assert world.driver().observe() != NOTHING or moment.endswith(".namespace"), moment
        undo(world.driver())
        assert world.driver().observe() == NOTHING, moment
    take_host_down(world.driver())


def test_killed_anywhere_in_a_termination_another_finishes_it(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    play, undo = instantiate(vnfc), terminate(vnfc)
    play(world.driver())
    moments = moments_of(world, undo)
    assert len(moments) >= 4
    for moment in moments:
        play(world.driver())
        assert play_until(world, undo, moment), moment
        undo(world.driver())
        assert world.driver().observe() == NOTHING, moment
    take_host_down(world.driver())


def test_killed_anywhere_while_a_host_is_prepared_it_is_mended(world: World) -> None:
    moments = moments_of(world, build_host)
    take_host_down(world.driver())
    for moment in moments:
        assert play_until(world, build_host, moment), moment
        build_host(world.driver())
        assert world.driver().host_status("h1").reachable, moment
        assert world.driver().ensure_port(inside()).ofport, moment
        world.driver().remove_port(inside())
        take_host_down(world.driver())
        assert world.remains() == [], moment


def test_killed_anywhere_while_a_host_is_removed_it_is_removed(world: World) -> None:
    build_host(world.driver())
    moments = moments_of(world, take_host_down)
    for moment in moments:
        build_host(world.driver())
        assert play_until(world, take_host_down, moment), moment
        driver = world.driver()
        for name in set(driver.attachments()):
            driver.remove_attachment(name)
        driver.remove_host("h1")
        assert world.remains() == [], moment
    assert not world.driver().host_status(host("h1").name).reachable
