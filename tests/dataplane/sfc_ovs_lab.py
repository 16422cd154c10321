"""Hosts, ports and functions made by hand for the tests of :mod:`sfc.ovs` and of the sample images.

Nothing of mano is used, so that a fault of a VIM driver and one of the library are told apart.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

from sfc.ovs.commands import EnsureBridge, EnsurePort
from sfc.ovs.daemon import SwitchDaemon, TunnelNeighbour, prepare_switch
from sfc.ovs.location import SwitchLocation
from sfc.ovs.ovsdb import Database
from tests.architecture.tree import ROOT

T = TypeVar("T")
SAMPLES = ROOT / "vnf_descriptors" / "samples"
CLONE_NEWNET = 0x40000000
UNDERLAY_MTU = 1600
TUNNEL = {"exts": "gpe", "packet_type": "ptap", "remote_ip": "flow", "key": "flow", "dst_port": "4790"}


def run(*arguments: str, timeout: float = 10.0, text: str = "", check: bool = True) -> str:
    done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=timeout, check=False)
    assert not check or done.returncode == 0, f"{' '.join(arguments)}: {done.stderr}"
    return done.stdout


def ip(namespace: str, *commands: str) -> None:
    """Carry out ``ip`` commands in a namespace."""
    run("ip", "-n", namespace, "-batch", "-", text="".join(f"{command}\n" for command in commands))


def inside(namespace: str, action: Callable[[], T]) -> T:
    """Run ``action`` on a thread that lives in the namespace; sockets it makes stay there."""
    results: list[T] = []

    def enter() -> None:
        with open(f"/run/netns/{namespace}", "rb") as file:
            assert ctypes.CDLL(None).setns(file.fileno(), CLONE_NEWNET) == 0
        results.append(action())

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert results, f"the action in {namespace} failed"
    return results[0]


def wait_for(what: str, condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds} s"
        time.sleep(0.02)


@dataclass
class Function:
    """A running sample function and its directory."""

    process: subprocess.Popen[bytes]
    directory: Path
    namespace: str

    @property
    def counters(self) -> dict[str, Any]:
        return json.loads((self.directory / "state" / "counters.json").read_text())

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.directory / "log" / "vnf.log").read_text().splitlines()]

    def stop(self) -> None:
        """End it as the VIM does, and see it end well."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(timeout=10) == 0, self.log


class HandLab:
    """A few namespaces of one lab, all gone after :meth:`close`."""

    def __init__(self, lab_id: str, directory: Path) -> None:
        self.id = lab_id
        self.directory = directory
        self.switches: dict[str, SwitchDaemon] = {}
        self.functions: list[Function] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        self._namespaces: list[str] = []

    def close(self) -> None:
        for process in [*self._processes, *(function.process for function in self.functions)]:
            if process.poll() is None:
                process.kill()
                process.wait()
        for daemon in self.switches.values():
            daemon.remove()
        for name in self._namespaces:
            run("ip", "netns", "delete", name)

    def namespace(self, short: str) -> str:
        """The namespace of that short name, made on first use, without IPv6 but with loopback."""
        name = f"cat-{self.id}-{short}"
        if name not in self._namespaces:
            run("ip", "netns", "add", name)
            self._namespaces.append(name)
            ip(name, "link set lo up")
            run("ip", "netns", "exec", name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1", check=False)
        return name

    def wire(self, one: str, interface: str, other: str, peer: str, mtu: int = 1500) -> None:
        """A cable between two namespaces, both ends up."""
        here, there = self.namespace(one), self.namespace(other)
        ip(here, f"link add {interface} mtu {mtu} type veth peer name {peer} netns {there}", f"link set {interface} up")
        ip(there, f"link set {peer} mtu {mtu} up")

    def station(self, name: str, device: str, mac: str, *addresses: str, gateway: str = "") -> None:
        """Set up an end of a cable as a host's interface."""
        namespace = self.namespace(name)
        ip(namespace, f"link set {device} address {mac}", *(f"address add {each} dev {device}" for each in addresses))
        if gateway:
            ip(namespace, f"route add default via {gateway}")
        run("ip", "netns", "exec", namespace, "ethtool", "-K", device, "tx", "off")

    def background(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """A process in a namespace, killed at the end."""
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._processes.append(process)
        return process

    def start_function(
        self, image: str, name: str, interfaces: list[dict[str, Any]], user_data: Mapping[str, Any] | None = None
    ) -> Function:
        """Run a sample image in a namespace, as a plain process."""
        directory = self.directory / name
        directory.mkdir()
        document = {"name": name, "interfaces": interfaces, "userData": dict(user_data or {})}
        (directory / "config.json").write_text(json.dumps(document))
        process = subprocess.Popen(
            ["ip", "netns", "exec", self.namespace(name), str(SAMPLES / image / "images" / image / "entrypoint")],
            env={"PATH": os.environ["PATH"], "VNF_DIR": str(directory)},
            stdin=subprocess.DEVNULL,
        )
        function = Function(process, directory, self.namespace(name))
        self.functions.append(function)
        wait_for(f"{name} is ready", lambda: (directory / "ready").exists() or function.process.poll() is not None)
        assert process.poll() is None, function.log
        return function

    def start_switch(self, host: str) -> SwitchDaemon:
        """A private Open vSwitch in a namespace of its own."""
        daemon = SwitchDaemon(SwitchLocation(host, self.directory / host, self.namespace(host)))
        self.switches[host] = daemon
        daemon.start()
        return daemon

    def start_hosts(self, count: int) -> None:
        """``h1``... with an underlay between them: bridges, the tunnel port 100 and the OAM port 200."""
        fabric = self.namespace("fabric")
        ip(fabric, f"link add underlay mtu {UNDERLAY_MTU} type bridge", "link set underlay up")
        hosts = [f"h{number}" for number in range(1, count + 1)]
        for number, host in enumerate(hosts, 1):
            self.wire("fabric", host, host, "uplink", UNDERLAY_MTU)
            ip(fabric, f"link set {host} master underlay")
            self._start_host(host, number)
        for host in hosts:
            neighbours_of(self, host)

    def _start_host(self, host: str, number: int) -> None:
        location = self.start_switch(host).location
        with Database(location) as database:
            database.apply(
                EnsureBridge(
                    "br-phy", fail_mode="standalone", mtu=UNDERLAY_MTU, other_config={"hwaddr": underlay_mac(number)}
                ),
                EnsurePort("br-phy", "uplink"),
                EnsureBridge("br-int"),
                EnsurePort("br-int", "gpe0", 100, type="vxlan", options=TUNNEL),
                EnsurePort("br-int", "oam0", 200, type="internal", mtu=UNDERLAY_MTU),
            )
        ip(
            self.namespace(host),
            f"address add 10.99.0.{number}/24 dev br-phy",
            "link set br-phy up",
            f"link set oam0 address 02:0a:00:00:00:{number:02x} up",
            f"address add 192.168.200.{number}/24 dev oam0",
        )

    def plug(self, host: str, ofport: int, name: str, device: str, mtu: int = 1500) -> None:
        """A cable from the integration bridge of ``host`` to a namespace."""
        port = f"p{ofport}"
        self.wire(host, port, name, device, mtu)
        ip(self.namespace(host), f"link set {port} mtu {UNDERLAY_MTU}")
        with Database(self.switches[host].location) as database:
            database.apply(EnsurePort("br-int", port, ofport))


def underlay_mac(number: int) -> str:
    return f"02:99:00:00:00:{number:02x}"


def neighbours_of(lab: HandLab, host: str) -> None:
    """Tell a host's switch what it forgets at each start."""
    peers = [_neighbour(int(name[1:])) for name in lab.switches if name != host]
    prepare_switch(lab.switches[host].location, neighbours=peers)


def _neighbour(number: int) -> TunnelNeighbour:
    return TunnelNeighbour("br-phy", IPv4Address(f"10.99.0.{number}"), underlay_mac(number))


@contextlib.contextmanager
def hand_lab(lab_id: str, directory: Path) -> Iterator[HandLab]:
    lab = HandLab(lab_id, directory)
    try:
        yield lab
    finally:
        lab.close()


def python(code: str) -> tuple[str, ...]:
    """Arguments that run a short program with this interpreter, without any library of ours."""
    return (sys.executable, "-I", "-c", code)


SERVE_TCP = """
import socketserver, sys
class Handler(socketserver.StreamRequestHandler):
    def handle(self):
        if line := self.rfile.readline():
            self.wfile.write(b"HTTP/1.0 200 OK\\r\\n\\r\\nhello from " + str(self.server.server_address[1]).encode())
class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
servers = [Server(("", int(port)), Handler) for port in sys.argv[1:]]
import threading
for server in servers[1:]:
    threading.Thread(target=server.serve_forever, daemon=True).start()
servers[0].serve_forever()
"""

SERVE_UDP = """
import socket, sys
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("", int(sys.argv[1])))
while True:
    data, peer = server.recvfrom(65535)
    server.sendto(data[::-1], peer)
"""
