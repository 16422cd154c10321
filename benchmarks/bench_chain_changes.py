"""Changes of a running chain on real Open vSwitch, there and back, under 2 000 numbered datagrams a second each way.

At seven repetitions each kind of change is made 100 times or more. A benchmark fails when a datagram is lost, unless a
flow of the same length that nobody disturbs loses as many; and when one was given to a function twice, or to none.

What lies in the lab's namespaces (switches, functions, both ends of the flow) runs before everything else on the
machine where that is allowed: what is lost is then lost by the change, not by other work. The server does not.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch as patched

from benchmarks.harness import Skipped, benchmark
from mano.bootstrap import lab_view
from mano.cli.demo import server
from mano.cli.demo.flow import Flow, Way
from mano.cli.demo.full import BEFORE, SECOND, WITH_DPI, Scene, path
from mano.cli.demo.passages import Passages
from mano.cli.demo.service import GiLan, build_packages, sample_inventory
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, DemoWorld

LAB = "cbench"
BOTH_COUNT, ONE_COUNTS = 7, 15
"""Calls in a repetition, where there and back are both changes of the kind, and where they are two kinds."""

DRAIN_S = "0.3"
"""Longer than the sample's functions hold a packet; it begins when the switches have forgotten the former way."""

CONTROL_MAX_S = 120.0
PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ip", "nft")
ADDRESS = INTERNET_ADDRESS.split("/")[0]
FIREWALL = "firewall-0"

Patch = Mapping[str, Any]


def spread(*firewalls: str) -> list[dict[str, Any]]:
    """A group of firewalls that connections are spread over."""
    group = {"group": "firewall", "spread": True, "instances": [{"sf": name, "weight": 1} for name in firewalls]}
    return [group, *path("nat-0")]


FIRST: Patch = {"path": BEFORE}
LONGER: Patch = {"path": WITH_DPI}
TURNED: Patch = {"path": path("dpi-0", FIREWALL, "nat-0")}
MOVED: Patch = {"path": path(SECOND, "nat-0")}
ONE: Patch = {"path": spread(FIREWALL)}
TWO: Patch = {"path": spread(FIREWALL, SECOND)}
ANY: Patch = {"classifiers": [{"priority": 0, "match": {}}]}
NARROW: Patch = {"classifiers": [{"priority": 0, "match": {"protocol": name}} for name in ("udp", "tcp")]}


class Bench:
    """The sample network service with a second firewall, its server, and flows through its chain ``other``."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.view = lab_view(LAB, directory)
        self.process = self._start()

    def prepare(self) -> None:
        """Bring the service up."""
        service = GiLan(self.process.api)
        service.add_hosts(sample_inventory(3))
        ns_id = service.create(service.onboard(build_packages(self.directory)))
        service.instantiate(ns_id, lambda _: None)
        self.world = DemoWorld(self.process.api, self.view, ns_id, self.directory)
        self.world.load()
        self.scene = Scene(self.world, ADDRESS)
        self.scene.second_firewall()
        self.world.load()

    def _start(self) -> server.ServerProcess:
        with patched.dict(os.environ, CATENA_DRAIN=DRAIN_S):
            return server.start(self.directory, LAB, "root", "127.0.0.1:0")

    def change(self, to: Patch) -> None:
        """Change the chain."""
        self.scene.settle(self.scene.start(to))

    def change_over_a_death(self, to: Patch, after_s: float) -> None:
        """Change the chain while its server is killed, so many seconds after it took the change on, and started."""
        operation = self.scene.start(to)
        time.sleep(after_s)
        self.process.process.kill()
        self.process.process.wait()
        self.process = self._start()
        self.world.api = self.process.api
        self.scene.settle(operation)

    def flow(self) -> Flow:
        """Datagrams, from now on."""
        begun = Flow(self.world.subscriber, self.view.attachment(INTERNET), ADDRESS)
        prefer(f"cat-{LAB}-")
        return begun

    def close(self) -> None:
        """Nothing is left."""
        self.process.stop()
        self.view.clean_up()


def prefer(prefix: str) -> None:
    """Let what runs in network namespaces of these names run first, where that is allowed."""
    with contextlib.suppress(OSError):
        inside = {place.stat().st_ino for place in Path("/run/netns").glob(f"{prefix}*")}
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns" / "net").stat().st_ino in inside:
                    for thread in (process / "task").iterdir():
                        os.sched_setscheduler(int(thread.name), os.SCHED_RR, os.sched_param(1))


@contextmanager
def bench() -> Iterator[Bench]:
    """All of it, and nothing left afterwards."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in PROGRAMS):
        raise Skipped("needs root and Open vSwitch: run make bench as root")
    with tempfile.TemporaryDirectory(prefix="cat-bench") as folder:
        lab_view(LAB, Path(folder)).clean_up()
        made = Bench(Path(folder))
        try:
            made.prepare()
            yield made
        finally:
            made.close()


def there_and_back(
    kind: str,
    changes: Sequence[Patch],
    *,
    change: Callable[[Bench, Patch], None] = Bench.change,
    both_count: bool = True,
    once: Sequence[str] = (FIREWALL,),
    moved: Sequence[str] = (FIREWALL,),
) -> Iterator[Callable[[], object]]:
    """Changes to each in turn as one call, while datagrams pass.

    Each datagram is given to one of the functions ``once``, and some are given to each of ``moved``.
    """
    with bench() as made:
        made.change(changes[-1])
        passages, made_changes = Passages(made.world), 0
        flow, started = made.flow(), time.monotonic()

        def call() -> None:
            nonlocal made_changes
            for to in changes:
                change(made, to)
            made_changes += 1

        yield call
        lasted = time.monotonic() - started
        ways = ended(flow)
        told = f"{made_changes * (len(changes) if both_count else 1)} x {kind}: {', '.join(map(str, ways))}"
        if lost(ways):
            control = made.flow()
            time.sleep(min(lasted, CONTROL_MAX_S))
            undisturbed = ended(control)
            told += f"; undisturbed {', '.join(map(str, undisturbed))}"
            if lost(ways) * min(lasted, CONTROL_MAX_S) > lost(undisturbed) * lasted:
                raise AssertionError(told)
        given = passages.read()
        told += f"; given to {', '.join(f'{name} {count}' for name, count in sorted(given.items()))}"
        if not lost(ways) and sum(given[name] for name in once) != sum(way.received for way in ways):
            raise AssertionError(f"a datagram went past a function or met it twice: {told}")
        if not all(given[name] for name in moved):
            raise AssertionError(f"a function got nothing: {told}")
        print(told, flush=True)


def ended(flow: Flow) -> tuple[Way, Way]:
    """What became of the datagrams, each way."""
    try:
        return flow.end()
    finally:
        flow.kill()


def lost(ways: Sequence[Way]) -> int:
    """Datagrams that never came, both ways together."""
    return sum(way.lost for way in ways)


@benchmark("a function into a running chain and out", number=ONE_COUNTS)
def insert_and_remove() -> Iterator[Callable[[], object]]:
    kind = "a function in and as often out"
    yield from there_and_back(kind, (LONGER, FIRST), both_count=False, moved=(FIREWALL, "dpi-0"))


@benchmark("two functions of a running chain in another order and back", number=BOTH_COUNT)
def reorder() -> Iterator[Callable[[], object]]:
    yield from there_and_back("another order", (TURNED, LONGER), moved=(FIREWALL, "dpi-0"))


@benchmark("a running chain to another instance and back", number=BOTH_COUNT)
def move() -> Iterator[Callable[[], object]]:
    both = (FIREWALL, SECOND)
    yield from there_and_back("another instance", (MOVED, FIRST), once=both, moved=both)


@benchmark("a group of a running chain scaled out and in", number=BOTH_COUNT)
def scale() -> Iterator[Callable[[], object]]:
    # The flow is one connection: it stays on the instance that it began on.
    yield from there_and_back("a group scaled", (TWO, ONE))


@benchmark("classifiers of a running chain changed and back", number=BOTH_COUNT)
def classify() -> Iterator[Callable[[], object]]:
    yield from there_and_back("other classifiers", (NARROW, ANY))


@benchmark("a function into a running chain and out while the server is killed", number=BOTH_COUNT)
def restart() -> Iterator[Callable[[], object]]:
    moments = (n % 17 / 10 for n in range(1, 1 << 20))

    def change(made: Bench, to: Patch) -> None:
        made.change_over_a_death(to, next(moments))

    yield from there_and_back("the server killed", (LONGER, FIRST), change=change, moved=(FIREWALL, "dpi-0"))
