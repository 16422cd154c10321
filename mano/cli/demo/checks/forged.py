"""The claim that what a subscriber forges goes nowhere."""

from __future__ import annotations

from collections import Counter

from mano.cli.demo.checks.claims import expect, until
from mano.cli.demo.forgery import Forger, new_marker, send
from mano.cli.demo.world import SUBSCRIBER_ADDRESS, SUBSCRIBERS, DemoWorld

FORGERIES = 5
"""Frames of each forged kind."""


def check_forgeries(world: DemoWorld) -> str:
    """What a subscriber forges is dropped and counted, and reaches no wire."""
    marker = new_marker()
    forgeries = list(_forger(world).forgeries(marker))
    before = world.drops("web")
    interface = world.lab.interface_of_port(world.subscriber, world.sap(SUBSCRIBERS)["id"])
    frames = [forgery.frame for forgery in forgeries for _ in range(FORGERIES)]
    world.as_subscriber(lambda: send(interface, frames))
    wanted: Counter[str] = Counter()
    for forgery in forgeries:
        wanted[forgery.reason] += FORGERIES
    host = world.sap(SUBSCRIBERS)["host"]

    def counted() -> dict[str, int]:
        after = world.drops("web")
        return {reason: after.get((host, reason), 0) - before.get((host, reason), 0) for reason in wanted}

    got = until(world, counted, lambda counts: all(counts[reason] >= wanted[reason] for reason in wanted))
    short = [f"{reason}: {got[reason]} of {wanted[reason]}" for reason in wanted if got[reason] < wanted[reason]]
    expect(not short, f"not all forged frames were dropped by the guard: {'; '.join(short)}")
    expect(world.capture is None or not world.capture.contains(marker), "forged frames were seen on the underlay")
    return f"{len(frames)} frames of {len(forgeries)} kinds dropped and counted, none on any wire"


def _forger(world: DemoWorld) -> Forger:
    sap = world.sap(SUBSCRIBERS)
    path = world.path("web", "forward")
    namespace = world.subscriber
    inside = next(port for port in world.ports(world.vnfc("nat")["id"]) if port["cpdId"] == "inside")
    underlay = {host: address for address, host in world.underlay.items()}
    return Forger(
        mac=world.lab.mac_of_port(namespace, sap["id"]),
        gateway_mac=inside["mac"],
        address=SUBSCRIBER_ADDRESS.split("/")[0],
        target=world.server,
        host_underlay=underlay[path["egress"]["host"]],
        spi=path["spi"],
        si=path["hops"][-1]["si"] - 1,
    )
