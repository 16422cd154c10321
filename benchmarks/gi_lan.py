"""The sample network service for benchmarks: a real ``mano serve``, three hosts, chains that carry packets."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch as patched

from benchmarks.harness import Skipped
from benchmarks.priority import prefer
from benchmarks.switch_losses import ended
from mano.bootstrap import lab_view
from mano.cli.demo import server
from mano.cli.demo.flow import Flow
from mano.cli.demo.full import Scene
from mano.cli.demo.service import GiLan, build_packages, sample_inventory
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, DemoWorld
from sfc.ovs.location import SwitchLocation

LAB, BRIDGE = "cbench", "br-int"
DRAIN_S = "0.3"
"""Longer than the sample's functions hold a packet; it begins when the switches have forgotten the former way."""

PROGRAMS = ("ovs-vswitchd", "ovsdb-server", "ip", "nft")
ADDRESS = INTERNET_ADDRESS.split("/")[0]

Patch = Mapping[str, Any]


class Bench:
    """The sample network service with a second firewall, its server, and flows through its chain ``other``."""

    def __init__(self, directory: Path, *, watches: bool) -> None:
        self.directory = directory
        self.environment = {"CATENA_DRAIN": DRAIN_S, "CATENA_WATCH": str(watches)}
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
        with patched.dict(os.environ, self.environment):
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

    def losses(self) -> Counter[str]:
        """What ended in the switches so far, by where."""
        return sum((ended(location_of(host), BRIDGE) for host in self.world.hosts), Counter[str]())

    def close(self) -> None:
        """Nothing is left."""
        self.process.stop()
        self.view.clean_up()


def location_of(host: str) -> SwitchLocation:
    """The switch of a host."""
    return SwitchLocation(host, Path(f"/run/catena/{LAB}/hosts/{host}/ovs"), f"cat-{LAB}-{host}")


@contextmanager
def bench(*, watches: bool = True) -> Iterator[Bench]:
    """All of it, and nothing left afterwards; one that does not watch mends nothing by itself."""
    if os.geteuid() != 0 or any(shutil.which(program) is None for program in PROGRAMS):
        raise Skipped("needs root and Open vSwitch: run make bench as root")
    with tempfile.TemporaryDirectory(prefix="cat-bench") as folder:
        lab_view(LAB, Path(folder)).clean_up()
        made = Bench(Path(folder), watches=watches)
        try:
            made.prepare()
            yield made
        finally:
            made.close()
