"""What a VNFM and an NFVO do with a VIM, in the order in which they do it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from mano.errors import NotFound
from mano.ports.vim import ComputeSpec, VimDriver
from tests.scenarios.vim_contract.samples import (
    INTERNET,
    NETWORKS,
    SUBSCRIBER,
    host,
    inside,
    internet_port,
    outside,
    subscriber_port,
)
from tests.scenarios.vim_contract.worlds import World

Story = Callable[[VimDriver], None]

PORTS = (inside(), outside(), subscriber_port(), internet_port())


def build_host(driver: VimDriver) -> None:
    """One host with the places where SAPs end."""
    driver.ensure_host(host("h1"))
    driver.add_attachment(SUBSCRIBER)
    driver.add_attachment(INTERNET)


def take_host_down(driver: VimDriver) -> None:
    """The opposite."""
    driver.remove_attachment(SUBSCRIBER.name)
    driver.remove_attachment(INTERNET.name)
    driver.remove_host("h1")


def instantiate(compute: ComputeSpec) -> Story:
    """Networks, ports and one VNFC on a host that is there."""

    def play(driver: VimDriver) -> None:
        for network in NETWORKS:
            driver.ensure_network(network)
        for port in PORTS:
            driver.ensure_port(port)
        driver.ensure_compute(compute)

    return play


def terminate(compute: ComputeSpec) -> Story:
    """The opposite, in the opposite order."""

    def play(driver: VimDriver) -> None:
        driver.remove_compute(compute.id, compute.host)
        for port in reversed(PORTS):
            driver.remove_port(port)
        for network in reversed(NETWORKS):
            driver.remove_network(network)

    return play


def moments_of(world: World, story: Story) -> list[str]:
    """The moments after each change that the story makes, the first of each kind only."""
    moments: list[str] = []
    story(world.driver(moments.append))
    return list(dict.fromkeys(moment for moment in moments if moment.startswith("after ")))


def play_until(world: World, story: Story, moment: str) -> bool:
    """Play the story in a process that is gone, without another word, at the moment; False if it never came."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            story(world.driver(lambda met: os._exit(9) if met == moment else None))
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def is_gone(driver: VimDriver, compute_ids: Sequence[str]) -> bool:
    """Whether the VIM knows nothing of these VNFCs."""
    try:
        return all(driver.compute_status(id_, "h1").state == "gone" for id_ in compute_ids)
    except NotFound:
        return True
