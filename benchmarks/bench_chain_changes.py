"""Changes of a running chain on real Open vSwitch, there and back, under 2 000 numbered datagrams a second each way.

At seven repetitions each kind is played 105 times. A lost datagram fails the benchmark, unless a flow of the same
length that nobody disturbs loses as many.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.harness import Skipped, benchmark
from mano.bootstrap import lab_view
from mano.cli.demo import server
from mano.cli.demo.flow import Flow
from mano.cli.demo.full import BEFORE, SECOND, WITH_DPI, Scene, path
from mano.cli.demo.service import GiLan, build_packages, sample_inventory
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, DemoWorld

LAB = "cbench"
TIMES = 15
PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ip", "nft")
ADDRESS = INTERNET_ADDRESS.split("/")[0]
TURNED = path("dpi-0", "firewall-0", "nat-0")
OTHER_FIREWALL = path(SECOND, "nat-0")


def spread(*firewalls: str) -> list[dict[str, Any]]:
    """A group of firewalls that connections are spread over."""
    group = {"group": "firewall", "spread": True, "instances": [{"sf": name, "weight": 1} for name in firewalls]}
    return [group, *path("nat-0")]


@contextmanager
def scene() -> Iterator[tuple[Scene, Callable[[], Flow]]]:
    """The sample network service with a second firewall; and a flow through its chain ``other``."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in PROGRAMS):
        raise Skipped("needs root and Open vSwitch: run make bench as root")
    with tempfile.TemporaryDirectory(prefix="cat-bench") as folder:
        directory = Path(folder)
        view = lab_view(LAB, directory)
        process = server.start(directory, LAB, "root", "127.0.0.1:0")
        try:
            service = GiLan(process.api)
            service.add_hosts(sample_inventory(3))
            ns_id = service.create(service.onboard(build_packages(directory)))
            service.instantiate(ns_id, lambda _: None)
            world = DemoWorld(process.api, view, ns_id, directory)
            world.load()
            made = Scene(world, ADDRESS)
            made.second_firewall()
            yield made, lambda: Flow(world.subscriber, view.attachment(INTERNET), ADDRESS)
        finally:
            process.stop()
            view.clean_up()


def lost(flow: Flow) -> int:
    """Datagrams that never came, both ways together."""
    try:
        return sum(way.lost for way in flow.end())
    finally:
        flow.kill()


def there_and_back(there: list[dict[str, Any]], back: list[dict[str, Any]]) -> Iterator[Callable[[], object]]:
    """Both changes as one call, while datagrams pass."""
    with scene() as (made, begin):
        made.change(back)
        flow, started = begin(), time.monotonic()

        def change() -> None:
            made.change(there)
            made.change(back)

        yield change
        lasted = time.monotonic() - started
        missing = lost(flow)
        if missing:
            control = begin()
            time.sleep(min(lasted, 120.0))
            undisturbed = lost(control)
            if missing > undisturbed:
                raise AssertionError(f"{missing} datagrams lost, {undisturbed} without a change")


@benchmark("a function into a running chain and out", number=TIMES)
def insert_and_remove() -> Iterator[Callable[[], object]]:
    yield from there_and_back(WITH_DPI, BEFORE)


@benchmark("two functions of a running chain in another order and back", number=TIMES)
def reorder() -> Iterator[Callable[[], object]]:
    yield from there_and_back(TURNED, WITH_DPI)


@benchmark("a running chain to another instance and back", number=TIMES)
def move() -> Iterator[Callable[[], object]]:
    yield from there_and_back(OTHER_FIREWALL, BEFORE)


@benchmark("a group of a running chain scaled out and in", number=TIMES)
def scale() -> Iterator[Callable[[], object]]:
    yield from there_and_back(spread("firewall-0", SECOND), spread("firewall-0"))
