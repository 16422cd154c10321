"""The demo's network service for tests: a real ``mano serve`` with hosts, functions and chains; rounds of checks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from mano.bootstrap import lab_view
from mano.cli.demo import look, outside
from mano.cli.demo.captures import UnderlayCapture
from mano.cli.demo.checks import AFTERWARDS, WHILE_CAPTURING, outcome
from mano.cli.demo.server import Api, ServerProcess, start
from mano.cli.demo.service import GiLan, build_packages, sample_inventory
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, DemoWorld

if TYPE_CHECKING:
    from mano.bootstrap import LabView

PATIENCE_S = 2.0
INTERNET_IP = INTERNET_ADDRESS.split("/")[0]


def run(*arguments: str, timeout: float = 15.0, text: str | None = None) -> str:
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=timeout, input=text, check=False)
    assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout


def inside(namespace: str, *arguments: str, text: str | None = None) -> str:
    return run("ip", "netns", "exec", namespace, *arguments, text=text)


@dataclass
class Lab:
    """One lab with its server; everything of it is gone after :meth:`close`."""

    id: str
    directory: Path
    hosts: int = 3
    inventory: dict[str, Any] = field(default_factory=dict)
    processes: list[ServerProcess] = field(default_factory=list)
    nsd_id: str = ""
    ns_id: str = ""
    watches: bool = True
    """False: the server mends nothing by itself, so that what is planted stays."""

    def __post_init__(self) -> None:
        self.inventory = sample_inventory(self.hosts)

    @property
    def view(self) -> LabView:
        return lab_view(self.id, self.directory)

    @property
    def server(self) -> ServerProcess:
        return self.processes[-1]

    @property
    def api(self) -> Api:
        return self.server.api

    @property
    def service(self) -> GiLan:
        return GiLan(self.api)

    @property
    def database(self) -> Path:
        return self.directory / "catena.db"

    def serve(self) -> None:
        """Start a server with this lab, or start it again."""
        with patch.dict(os.environ, CATENA_WATCH=str(self.watches)):
            self.processes.append(start(self.directory, self.id, "root", "127.0.0.1:0"))

    def prepare(self) -> None:
        """Server, hosts, packages, and an NS instance that is not instantiated yet."""
        self.serve()
        self.service.add_hosts(self.inventory)
        self.nsd_id = self.service.onboard(build_packages(self.directory))
        self.ns_id = self.service.create(self.nsd_id)

    def instantiate(self) -> None:
        self.service.instantiate(self.ns_id, _unwatched)

    def terminate(self) -> None:
        self.service.terminate(self.ns_id, _unwatched)

    def mend(self, host: str) -> None:
        """What an operator does with a host that is not as it should be: add it again."""
        mine = [each for each in self.inventory["hosts"] if each["name"] == host]
        self.api.post("/mano/v1/hosts", {**self.inventory, "hosts": mine})

    def mano(self, *arguments: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """The command line against this server."""
        environment = {**os.environ, "CATENA_URL": self.api.url, "CATENA_DATA_DIR": str(self.directory)}
        command = [sys.executable, "-m", "mano.cli", *arguments]
        return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment, check=False)

    def bridge(self, host: str) -> Bridge:
        return Bridge(self.id, host)

    def close(self) -> None:
        for process in self.processes:
            process.stop()
        self.view.clean_up()


def _unwatched(_operation: Mapping[str, Any]) -> None:
    """Nobody watches."""


@contextmanager
def internet(lab: Lab) -> Iterator[None]:
    """The servers of the internet."""
    process = outside.internet(lab.view.attachment(INTERNET), INTERNET_IP, lab.directory)
    process.start()
    try:
        yield
    finally:
        process.stop()


def world_of(lab: Lab) -> DemoWorld:
    return DemoWorld(lab.api, lab.view, lab.ns_id, lab.directory, patience_s=PATIENCE_S)


def failing_checks(world: DemoWorld) -> dict[str, str]:
    """One round of all checks; what did not hold, with what was seen instead."""
    world.load()
    capture = UnderlayCapture(world.lab.fabric, world.lab.uplinks(world.hosts), world.directory / "underlay.pcap")
    capture.start()
    world.capture = capture
    try:
        outcomes = {check.name: outcome(check, world) for check in WHILE_CAPTURING}
    finally:
        capture.stop()
    outcomes |= {check.name: outcome(check, world) for check in AFTERWARDS}
    return {name: evidence for name, (held, evidence) in outcomes.items() if not held}


@dataclass(frozen=True)
class Flow:
    """One flow as ``ovs-ofctl dump-flows --no-stats`` prints it."""

    cookie: str
    table: str
    match: str
    actions: str

    @classmethod
    def parse(cls, line: str) -> Flow:
        head, _, actions = line.strip().partition(" actions=")
        words = [word.strip() for word in head.split(", ")]
        cookie = words.pop(0).removeprefix("cookie=")
        table = words.pop(0).removeprefix("table=") if words[0].startswith("table=") else "0"
        return cls(cookie, table, ",".join(words), actions)

    @property
    def key(self) -> str:
        return f"table={self.table},{self.match}"

    @property
    def text(self) -> str:
        return f"cookie={self.cookie},{self.key},actions={self.actions}"


class Bridge:
    """A host's integration bridge through ``ovs-ofctl``, as somebody with a shell on the host would change it."""

    def __init__(self, lab: str, host: str) -> None:
        self._bridge = f"unix:/run/catena/{lab}/hosts/{host}/ovs/br-int.mgmt"

    def flows(self) -> list[Flow]:
        lines = self._ofctl("dump-flows", self._bridge, "--no-stats").splitlines()
        return [Flow.parse(line) for line in lines if "cookie=" in line]

    def only(self, suits: Callable[[Flow], bool]) -> Flow:
        """The one flow that suits."""
        found = [flow for flow in self.flows() if suits(flow)]
        assert len(found) == 1, [flow.text for flow in found]
        return found[0]

    def delete(self, flow: Flow) -> None:
        self._ofctl("--strict", "del-flows", self._bridge, flow.key)

    def add(self, flow: Flow) -> None:
        self._ofctl("add-flow", self._bridge, flow.text)

    def change(self, flow: Flow, old: str, new: str) -> None:
        """The flow with other actions; its counters stay."""
        assert old in flow.actions, (old, flow.text)
        changed = Flow(flow.cookie, flow.table, flow.match, flow.actions.replace(old, new))
        self._ofctl("--strict", "mod-flows", self._bridge, changed.text)

    def _ofctl(self, *arguments: str) -> str:
        return run("ovs-ofctl", "-O", "OpenFlow15", *arguments)


def everything_of(lab: Lab) -> look.Before:
    """What is there now, for :func:`look.leftovers`."""
    return look.Before.of(lab.id, [host["name"] for host in lab.inventory["hosts"]])
