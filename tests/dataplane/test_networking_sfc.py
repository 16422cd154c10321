"""networking-sfc's API on real bridges: a chain made through it carries packets, and what is taken away does not.

The second test lets OpenStack's own client make the chain, from an environment of its own (requirements/openstack.txt).
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_local import links, netns
from mano.bootstrap import lab_view

pytestmark = pytest.mark.dataplane

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60
A, B = "10.7.0.1", "10.7.0.2"
NUMA = {"id": 0, "socket": 0, "cores": [[0], [1]], "memoryMib": 1024}
INVENTORY = {
    "apiVersion": "catena/v1",
    "kind": "Inventory",
    "hosts": [{"name": name, "numaNodes": [NUMA], "storageGib": 1} for name in ("h1", "h2")],
}


@dataclass
class Cloud:
    """A server without authentication over two hosts of its own lab."""

    url: str
    lab: str

    def call(self, method: str, path: str, body: Any = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def make(self, path: str, **attributes: Any) -> str:
        singular = path.rpartition("/")[2].removesuffix("s")
        return str(self.call("POST", f"/v2.0/{path}", {singular: attributes})[singular]["id"])

    def change(self, path: str, id: str, **attributes: Any) -> None:
        self.call("PUT", f"/v2.0/{path}/{id}", {path.rpartition("/")[2].removesuffix("s"): attributes})

    def namespace(self, place: str) -> str:
        return f"cat-{self.lab}-{place}"

    def bridge(self, function: str) -> None:
        """Let a place be a function that passes frames from one of its two ports to the other."""
        namespace = self.namespace(function)
        commands = [["link", "add", "bump", "type", "bridge"], ["link", "set", "dev", "bump", "up"]]
        commands += [["link", "set", "dev", port, "master", "bump"] for port in ("eth0", "eth1")]
        links.change(namespace, commands)

    def frames(self, function: str) -> int:
        """Frames that a function was given, both ways together."""
        text = netns.inside(self.namespace(function), Path("/proc/thread-self/net/dev").read_text)
        rows = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        return sum(int(rows[name].split()[1]) for name in rows if name.strip() in ("eth0", "eth1"))

    def exchange(self, port: int, count: int = 20) -> int:
        """How many of so many datagrams from ``a`` are answered by ``b``."""
        with _echo(self.namespace("b"), port):
            client = netns.inside(self.namespace("a"), lambda: _bound((A, 0)))
            with client:
                return sum(_answered(client, port, number) for number in range(count))


@contextlib.contextmanager
def _echo(namespace: str, port: int) -> Iterator[None]:
    server = netns.inside(namespace, lambda: _bound((B, port)))
    stop = threading.Event()

    def answer() -> None:
        while not stop.is_set():
            with contextlib.suppress(TimeoutError):
                data, client = server.recvfrom(100)
                server.sendto(data, client)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(DEADLINE_S)
        server.close()


def _bound(address: tuple[str, int]) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(0.5)
    made.bind(address)
    return made


def _answered(client: socket.socket, port: int, number: int) -> bool:
    client.sendto(bytes([number]), (B, port))
    try:
        return client.recvfrom(100)[0] == bytes([number])
    except TimeoutError:
        return False


@pytest.fixture
def cloud(tmp_path: Path, lab_id: str) -> Iterator[Cloud]:
    command = [sys.executable, "-m", "mano.cli", "serve", "--auth", "none", "--no-watch", "--listen", "127.0.0.1:0"]
    command += ["--tier", "root", "--lab", lab_id, "--data-dir", str(tmp_path / "data")]
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
    try:
        cloud = Cloud(_address(process, log), lab_id)
        cloud.call("POST", "/mano/v1/hosts", INVENTORY)
        yield cloud
    finally:
        process.terminate()
        process.wait(DEADLINE_S)
        lab_view(lab_id, tmp_path / "data").clean_up()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        for line in log.read_text(errors="replace").splitlines():
            if line.startswith("Catena listens on "):
                return line.split()[3]
        time.sleep(0.05)
    raise AssertionError(log.read_text(errors="replace"))


def test_packets_pass_the_functions_of_a_port_chain(cloud: Cloud) -> None:
    network = cloud.make("networks", name="lan")
    cloud.make("subnets", network_id=network, cidr="10.7.0.0/24")
    ports = {
        name: cloud.make(
            "ports",
            network_id=network,
            name=name,
            fixed_ips=[{"ip_address": address}] if address else [],
            device_id=name.partition("-")[0],
            **{"binding:host_id": host},
        )
        for name, host, address in (
            ("a", "h1", A),
            ("b", "h2", B),
            ("one-in", "h2", ""),
            ("one-out", "h2", ""),
            ("two-in", "h1", ""),
            ("two-out", "h1", ""),
        )
    }
    pairs = {
        name: cloud.make("sfc/port_pairs", ingress=ports[f"{name}-in"], egress=ports[f"{name}-out"])
        for name in ("one", "two")
    }
    for function in pairs:
        cloud.bridge(function)
    group = cloud.make("sfc/port_pair_groups", port_pairs=[pairs["one"]])
    classifier = cloud.make(
        "sfc/flow_classifiers",
        protocol="udp",
        destination_port_range_min="7000",
        destination_port_range_max="7009",
        logical_source_port=ports["a"],
        logical_destination_port=ports["b"],
    )
    before = cloud.frames("one")
    assert cloud.exchange(7000) == 20
    assert cloud.frames("one") == before

    symmetric = {"chain_parameters": {"symmetric": "True"}}
    chain = cloud.make("sfc/port_chains", port_pair_groups=[group], flow_classifiers=[classifier], **symmetric)
    assert cloud.exchange(7000) == 20
    assert cloud.frames("one") - before == 40
    assert cloud.exchange(8000) == 20
    assert cloud.frames("one") - before == 40

    cloud.change("sfc/port_pair_groups", group, port_pairs=[pairs["two"]])
    earlier = {name: cloud.frames(name) for name in pairs}
    assert cloud.exchange(7000) == 20
    assert {name: cloud.frames(name) - earlier[name] for name in pairs} == {"one": 0, "two": 40}

    tap = cloud.make("sfc/port_pair_groups", port_pairs=[pairs["one"]], tap_enabled=True)
    cloud.change("sfc/port_chains", chain, port_pair_groups=[tap, group])
    earlier = {name: cloud.frames(name) for name in pairs}
    assert cloud.exchange(7000) == 20
    gained = {name: cloud.frames(name) - earlier[name] for name in pairs}
    assert gained["two"] == 40 and gained["one"] >= 20

    cloud.call("DELETE", f"/v2.0/sfc/port_chains/{chain}")
    earlier = {name: cloud.frames(name) for name in pairs}
    assert cloud.exchange(7000) == 20
    assert {name: cloud.frames(name) for name in pairs} == earlier


@pytest.fixture(scope="module")
def openstack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """OpenStack's client as its authors publish it."""
    place = tmp_path_factory.mktemp("openstack") / "venv"
    uv = ROOT / ".venv" / "bin" / "uv"
    _run(str(uv), "venv", "--quiet", "--python", sys.executable, str(place))
    lock = str(ROOT / "requirements" / "openstack.txt")
    _run(
        str(uv), "pip", "install", "--quiet", "--require-hashes", "--python", str(place / "bin" / "python"), "-r", lock
    )
    return place / "bin" / "openstack"


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=_environment())
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("OS_")}


@dataclass(frozen=True)
class Openstack:
    """The unmodified client, turned to one cloud."""

    program: Path
    url: str

    def __call__(self, *words: str) -> str:
        return _run(*self._command(words))

    def refused(self, *words: str) -> str:
        done = subprocess.run(
            self._command(words), capture_output=True, text=True, timeout=300, check=False, env=_environment()
        )
        assert done.returncode != 0, done.stdout
        return done.stderr

    def shown(self, *words: str) -> dict[str, Any]:
        """What a ``show`` tells, by the heads of its lines."""
        return dict(json.loads(self(*words, "-f", "json")))

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [str(self.program), "--os-auth-type", "none", "--os-endpoint", self.url, *words]


@pytest.mark.deep
@pytest.mark.timeout(900)
def test_the_unmodified_client_makes_a_chain_that_carries_packets(cloud: Cloud, openstack: Path) -> None:
    said = Openstack(openstack, cloud.url)
    refused = said.refused
    said("network", "create", "lan")
    said("subnet", "create", "--network", "lan", "--subnet-range", "10.7.0.0/24", "lan4")
    port = ("port", "create", "--network", "lan")
    said(*port, "--host", "h1", "--device", "a", "--fixed-ip", f"subnet=lan4,ip-address={A}", "a")
    said(*port, "--host", "h2", "--device", "b", "--fixed-ip", f"ip-address={B}", "b")
    for name in ("fw-in", "fw-out"):
        said(*port, "--host", "h2", "--device", "fw", "--no-fixed-ip", name)
    cloud.bridge("fw")
    parameters = ("--service-function-parameters", "correlation=None,weight=2")
    said("sfc", "port", "pair", "create", "--ingress", "fw-in", "--egress", "fw-out", *parameters, "pp1")
    balanced = ("--port-pair-group-parameters", "lb-fields=ip_src&ip_dst")
    said("sfc", "port", "pair", "group", "create", "--port-pair", "pp1", *balanced, "ppg1")
    ends = ("--logical-source-port", "a", "--logical-destination-port", "b")
    said("sfc", "flow", "classifier", "create", "--protocol", "udp", "--destination-port", "7000:7009", *ends, "fc1")
    of_chain = ("--port-pair-group", "ppg1", "--flow-classifier", "fc1")
    said("sfc", "port", "chain", "create", *of_chain, "--chain-parameters", "symmetric=true,correlation=nsh", "pc1")

    before = cloud.frames("fw")
    assert cloud.exchange(7000) == 20
    assert cloud.frames("fw") - before == 40

    assert "pc1" in said("sfc", "port", "chain", "list", "--long")
    assert "in use" in refused("sfc", "port", "pair", "delete", "pp1")
    assert "in use" in refused("port", "delete", "fw-in")
    assert "NSH" in refused("sfc", "port", "chain", "create", *of_chain, "--chain-parameters", "correlation=mpls", "x")
    said("sfc", "flow", "classifier", "create", "--protocol", "tcp", *ends, "fc2")
    said("sfc", "port", "chain", "set", "--flow-classifier", "fc2", "pc1")
    said("sfc", "port", "chain", "unset", "--flow-classifier", "fc1", "pc1")
    assert cloud.exchange(7000) == 20
    assert cloud.frames("fw") - before == 40

    said("sfc", "port", "chain", "delete", "pc1")
    said("sfc", "flow", "classifier", "delete", "fc1", "fc2")
    said("sfc", "port", "pair", "group", "delete", "ppg1")
    said("sfc", "port", "pair", "delete", "pp1")
    said("port", "delete", "a", "b", "fw-in", "fw-out")
    said("subnet", "delete", "lan4")
    said("network", "delete", "lan")
    assert not Path(f"/run/netns/{cloud.namespace('fw')}").exists()


@pytest.mark.deep
@pytest.mark.timeout(1200)
def test_the_unmodified_client_branches_a_graph_and_taps_a_chain(cloud: Cloud, openstack: Path) -> None:
    """Three functions of which each gets exactly what the resources say, while every datagram is answered."""
    said = Openstack(openstack, cloud.url)
    said("network", "create", "lan")
    said("subnet", "create", "--network", "lan", "--subnet-range", "10.7.0.0/24", "lan4")
    port = ("port", "create", "--network", "lan")
    said(*port, "--host", "h1", "--device", "a", "--fixed-ip", f"ip-address={A}", "a")
    said(*port, "--host", "h2", "--device", "b", "--fixed-ip", f"ip-address={B}", "b")
    for function, host in (("one", "h2"), ("two", "h1")):
        for leg in ("in", "out"):
            said(*port, "--host", host, "--device", function, "--no-fixed-ip", f"{function}-{leg}")
        cloud.bridge(function)
        said("sfc", "port", "pair", "create", "--ingress", f"{function}-in", "--egress", f"{function}-out", function)
        said("sfc", "port", "pair", "group", "create", "--port-pair", function, f"{function}-group")
    said(*port, "--host", "h2", "--device", "eye", "--no-fixed-ip", "eye-port")
    said("sfc", "port", "pair", "create", "--ingress", "eye-port", "--egress", "eye-port", "eye")
    said("sfc", "port", "pair", "group", "create", "--port-pair", "eye", "--enable-tap", "eye-group")
    assert said.shown("sfc", "port", "pair", "group", "show", "eye-group")["Tap Enabled"] is True

    def seen(port: int) -> dict[str, int]:
        """Frames that each function got, both ways together, of 20 datagrams that are all answered."""
        before = {name: cloud.frames(name) for name in ("one", "two", "eye")}
        assert cloud.exchange(port) == 20
        return {name: cloud.frames(name) - before[name] for name in before}

    both = ("--chain-parameters", "symmetric=true")
    ends = ("--logical-source-port", "a", "--logical-destination-port", "b")
    said("sfc", "flow", "classifier", "create", "--protocol", "udp", *ends, "every")
    branch = ("--protocol", "udp", "--destination-port", "7000:7009", "--logical-source-port", "one-out")
    said("sfc", "flow", "classifier", "create", *branch, "some")
    chain = ("sfc", "port", "chain", "create", *both)
    said(*chain, "--port-pair-group", "one-group", "--flow-classifier", "every", "first")
    said(*chain, "--port-pair-group", "two-group", "--flow-classifier", "some", "second")
    assert seen(7000) == {"one": 40, "two": 0, "eye": 0}

    said("sfc", "service", "graph", "create", "--branching-point", "first:second", "graph")
    assert seen(7000) == {"one": 40, "two": 40, "eye": 0}
    assert seen(8000) == {"one": 40, "two": 0, "eye": 0}
    said("sfc", "service", "graph", "set", "--name", "tree", "--description", "branches", "graph")
    assert said.shown("sfc", "service", "graph", "show", "tree")["Description"] == "branches"
    assert "in use by service graph tree" in said.refused("sfc", "port", "chain", "delete", "second")
    assert "second" in said.refused("sfc", "service", "graph", "create", "--branching-point", "second:first", "x")
    said("sfc", "service", "graph", "delete", "tree")
    assert seen(7000) == {"one": 40, "two": 0, "eye": 0}

    groups = ("--port-pair-group", "one-group", "--port-pair-group", "eye-group")
    said("sfc", "port", "chain", "set", "--no-port-pair-group", *groups, "first")
    assert seen(8000) == {"one": 40, "two": 0, "eye": 40}
    said("sfc", "port", "chain", "unset", "--port-pair-group", "eye-group", "first")
    assert seen(8000) == {"one": 40, "two": 0, "eye": 0}

    for kind, old in (
        (("port", "pair"), "one"),
        (("port", "pair", "group"), "one-group"),
        (("flow", "classifier"), "every"),
        (("port", "chain"), "first"),
    ):
        said("sfc", *kind, "set", "--name", f"{old}-anew", "--description", "renamed", old)
        found = said.shown("sfc", *kind, "show", f"{old}-anew")
        assert (found["Name"], found["Description"]) == (f"{old}-anew", "renamed")
        assert "No " in said.refused("sfc", *kind, "show", old)
    assert seen(8000) == {"one": 40, "two": 0, "eye": 0}
