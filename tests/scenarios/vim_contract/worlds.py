"""Where a scenario is played: the local VIM on this machine, or the simulated one."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from pathlib import Path
from typing import Any, Protocol

from mano.adapters.vim_local import LocalVim, netns
from mano.adapters.vim_local.cleanup import cleanup, find_remains
from mano.adapters.vim_local.commands import run
from mano.adapters.vim_local.effects import Watcher
from mano.adapters.vim_local.launcher import process_start
from mano.adapters.vim_simulated import SimulatedVim
from mano.ports.vim import ComputeSpec, VimDriver
from tests.scenarios.vim_contract.samples import DIES, NEVER_READY, SERVES, Image, build_image, member


class World(Protocol):
    """What a scenario needs besides the driver."""

    directory: Path

    def driver(self, watcher: Watcher | None = None) -> VimDriver:
        """A new driver, as a server makes one when it starts; what earlier ones made is there."""

    def kill_switch(self, host: str) -> None:
        """The host's switch dies by itself."""

    def kill_compute(self, compute_id: str) -> None:
        """The VNFC's process dies by itself."""

    def write(self, compute_id: str, content: str) -> None:
        """The VNFC writes its state down."""

    def read(self, compute_id: str) -> str:
        """What it finds written; empty when there is nothing."""

    def bit_rates(self, port_id: str) -> set[int]:
        """The limits of what goes through a port in either direction, in bit/s; 0 for none."""

    def remains(self) -> list[str]:
        """An independent look: everything that is left, in words."""

    def clean_up(self) -> None:
        """After a failed test."""


class LocalWorld:
    """Namespaces, switches and processes of one lab."""

    def __init__(self, directory: Path, lab: str) -> None:
        self.directory = directory
        self.lab = lab

    def driver(self, watcher: Watcher | None = None) -> LocalVim:
        return LocalVim(self.directory, lab=self.lab, watcher=watcher, ready_deadline_s=10.0)

    def kill_switch(self, host: str) -> None:
        rundir = self.driver().switch_of(host).rundir
        _kill(int((rundir / "ovs-vswitchd.pid").read_text()))

    def kill_compute(self, compute_id: str) -> None:
        directory = self.driver().lab.compute_directory(compute_id)
        _kill(int((directory / "pid").read_text().split()[0]))

    def write(self, compute_id: str, content: str) -> None:
        self._file(compute_id).write_text(content)
        (self._file(compute_id).parent / "elsewhere").symlink_to("/etc/hostname")

    def read(self, compute_id: str) -> str:
        path = self._file(compute_id)
        return path.read_text() if path.exists() else ""

    def _file(self, compute_id: str) -> Path:
        directory = self.driver().lab.compute_directory(compute_id)
        return Path(f"/proc/{(directory / 'pid').read_text().split()[0]}/root/var/lib/state")

    def bit_rates(self, port_id: str) -> set[int]:
        found = set()
        for namespace in netns.names(f"cat-{self.lab}-"):
            shown = run(["ip", "-n", namespace, "-json", "link", "show"])
            for link in json.loads(shown):
                if link.get("ifalias") == f"catena:port={port_id}":
                    queues = run(["tc", "-n", namespace, "-json", "qdisc", "show", "dev", link["ifname"]])
                    found.add(_limit(json.loads(queues), namespace, link["ifname"]))
        return found

    def remains(self) -> list[str]:
        return find_remains(self.lab)

    def clean_up(self) -> None:
        cleanup(self.lab)


def _limit(queues: list[dict[str, Any]], namespace: str, device: str) -> int:
    """By tc: a token bucket, or the class of an hierarchical one that everything falls into."""
    if any(queue["kind"] == "htb" for queue in queues):
        shown = run(["tc", "-n", namespace, "class", "show", "dev", device, "classid", "1:1"])
        amount, unit = re.findall(r"ceil (\d+)([KMG]?)bit", shown)[0]
        return int(amount) * {"": 1, "K": 10**3, "M": 10**6, "G": 10**9}[unit]
    return sum(8 * int(queue["options"]["rate"]) for queue in queues if queue["kind"] == "tbf")


class SimulatedWorld:
    """A file. Images are not run; the ones that fail here are known by their checksums."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def driver(self, watcher: Watcher | None = None) -> SimulatedVim:
        return SimulatedVim(self.directory, watcher=watcher, verdict=self._verdict)

    def kill_switch(self, host: str) -> None:
        self.driver().kill_switch(host)

    def kill_compute(self, compute_id: str) -> None:
        self.driver().kill_compute(compute_id)

    def write(self, compute_id: str, content: str) -> None:
        self.driver().write(compute_id, content)

    def read(self, compute_id: str) -> str:
        return self.driver().read(compute_id)

    def bit_rates(self, port_id: str) -> set[int]:
        return {self.driver().bit_rate_bps(port_id)}

    def remains(self) -> list[str]:
        observed = self.driver().observe()
        return [*observed.networks, *observed.ports, *observed.computes]

    def clean_up(self) -> None:
        """The directory is the test's own."""

    def _verdict(self, compute: ComputeSpec) -> str:
        content = Path(compute.image_path).read_bytes()
        return "the licence has run out" if DIES in content else ""


def _kill(pid: int) -> None:
    """SIGKILL, and wait for the end."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            process_start(pid)
        except OSError:
            return
        time.sleep(0.005)
    raise AssertionError(f"process {pid} does not end")


def serving_image(world: World) -> Image:
    """One whose entry point becomes ready and serves."""
    return build_image(world.directory, [member("entrypoint", SERVES)], "serves.tar")


def dying_image(world: World) -> Image:
    """One whose entry point ends with an error."""
    return build_image(world.directory, [member("entrypoint", DIES)], "dies.tar")


def hanging_image(world: World) -> Image:
    """One whose entry point never becomes ready."""
    return build_image(world.directory, [member("entrypoint", NEVER_READY)], "hangs.tar")
