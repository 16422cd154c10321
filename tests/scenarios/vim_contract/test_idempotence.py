"""Every call may be repeated: it observes first, and acts only where the world differs."""

from __future__ import annotations

from tests.scenarios.vim_contract.samples import INTERNET, NETWORKS, SUBSCRIBER, compute, host, inside, outside
from tests.scenarios.vim_contract.stories import PORTS, build_host, instantiate, take_host_down, terminate
from tests.scenarios.vim_contract.worlds import World, serving_image

# Settings that cost less to write again than to look at.
HARMLESS = {"fabric.namespace", "host.namespace", "attachment.namespace", "compute.namespace", "attachment.record"}
HOST_HARMLESS = HARMLESS | {"host.uplink-up", "host.bridges", "host.neighbours"}


def effects_of(moments: list[str]) -> set[str]:
    return {moment.split(" ", 1)[1] for moment in moments}


def test_ensuring_again_changes_nothing(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(world.driver())
    before = world.driver().observe()
    moments: list[str] = []
    driver = world.driver(moments.append)
    for network in NETWORKS:
        driver.ensure_network(network)
    first = [driver.ensure_port(port) for port in PORTS]
    status = driver.ensure_compute(vnfc)
    assert effects_of(moments) <= HARMLESS
    assert [driver.ensure_port(port) for port in PORTS] == first
    assert driver.ensure_compute(vnfc) == status
    assert driver.observe() == before
    terminate(vnfc)(driver)
    take_host_down(driver)


def test_ensuring_a_host_again_keeps_its_ports_and_vnfcs(world: World) -> None:
    build_host(world.driver())
    vnfc = compute(serving_image(world), (inside(), outside()))
    instantiate(vnfc)(world.driver())
    moments: list[str] = []
    driver = world.driver(moments.append)
    first = driver.host_status("h1")
    assert driver.ensure_host(host("h1")) == first
    for attachment in (SUBSCRIBER, INTERNET):
        driver.add_attachment(attachment)
    assert effects_of(moments) <= HOST_HARMLESS
    assert driver.compute_status(vnfc.id, "h1").state == "running"
    terminate(vnfc)(driver)
    take_host_down(driver)


def test_removing_again_and_removing_what_never_was_is_no_error(world: World) -> None:
    driver = world.driver()
    vnfc = compute(serving_image(world), (inside(), outside()))
    terminate(vnfc)(driver)
    driver.remove_host("h1")
    build_host(driver)
    instantiate(vnfc)(driver)
    for _ in range(2):
        terminate(vnfc)(driver)
    for _ in range(2):
        take_host_down(driver)
