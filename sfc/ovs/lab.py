"""A small lab for trying chains out: network namespaces on a private Open vSwitch, all gone at the end. Needs root.

Stations are namespaces with one address each; functions are namespaces with a Linux bridge between two legs. The
packet that passes a function is a real one: what a namespace's ``nftables`` says of it holds.
"""

from __future__ import annotations

import contextlib
import ctypes
import socket
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from types import TracebackType
from typing import Self

from sfc.model import (
    Awareness,
    Chain,
    Layer,
    Mac,
    Network,
    OnFailure,
    PlannedChain,
    Port,
    PortRole,
    ServiceFunction,
    Sff,
    SpiPool,
    Topology,
)
from sfc.model.flows import FlowTables
from sfc.ovs.commands import EnsureBridge, EnsurePort
from sfc.ovs.daemon import SwitchDaemon, prepare_switch
from sfc.ovs.errors import SwitchRefused
from sfc.ovs.location import SwitchLocation, check_identifier, find_program
from sfc.ovs.openflow import replace_tables
from sfc.ovs.ovsdb import Database
from sfc.path import plan_chains
from sfc.render import render
from sfc.verify import verify

BRIDGE = "br-int"
HOST = "lab"
_LEG_NAMES = ("in", "out")
_TUNNEL_OFPORT = 65000
_TUNNEL = {"exts": "gpe", "packet_type": "ptap", "remote_ip": "flow", "key": "flow", "dst_port": "4790"}
_TIMEOUT_S = 10.0
_CLONE_NEWNET = 0x40000000  # sched.h


class Lab:
    """One host. Names become ``cat-<lab>-<name>``; two labs of one name cannot live at the same time."""

    def __init__(self, name: str) -> None:
        self._name = check_identifier("lab", name)
        self._namespaces: list[str] = []
        self._ports: list[Port] = []
        self._functions: list[ServiceFunction] = []
        self._open = contextlib.ExitStack()
        self.chains: tuple[PlannedChain, ...] = ()
        self.tables = FlowTables(HOST, ())

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as undo:
            rundir = Path(undo.enter_context(tempfile.TemporaryDirectory(prefix=f"cat-{self._name}-")))
            undo.callback(self._delete_namespaces)
            self.location = SwitchLocation(HOST, rundir, self._namespace(HOST))
            self.daemon = SwitchDaemon(self.location)
            undo.callback(self.daemon.remove)
            self.daemon.start()
            with Database(self.location) as database:
                tunnel = EnsurePort(BRIDGE, "gpe0", _TUNNEL_OFPORT, type="vxlan", options=_TUNNEL)
                database.apply(EnsureBridge(BRIDGE), tunnel)
            prepare_switch(self.location)
            self._open = undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @property
    def topology(self) -> Topology:
        """What is there, as the library sees it."""
        sff = Sff(HOST, IPv4Address("192.0.2.1"), _TUNNEL_OFPORT)
        return Topology((sff,), (Network("lab", 100),), tuple(self._ports), tuple(self._functions))

    def station(self, name: str, address: str, *, trunk: bool = False) -> str:
        """A namespace with this address (``10.0.0.1/24``); returns the id of its port. A trunk may send VLAN tags."""
        interface = IPv4Interface(address)
        port = self._plug(name, "eth0", PortRole.TENANT, (interface.ip,))
        self._ports[-1] = replace(port, trunk=trunk)
        self._ip(name, f"address add {interface} dev eth0")
        return port.id

    def bridging_function(
        self, name: str, awareness: Awareness = Awareness.NONE, on_failure: OnFailure = OnFailure.CLOSED
    ) -> str:
        """A namespace that bridges its legs ``in`` and ``out``; returns the function's id.

        A bridge keeps VLAN tags, so it may be one that tells paths apart by them.
        """
        legs = [self._plug(name, leg, PortRole.SF, ()) for leg in _LEG_NAMES]
        self._ip(name, "link add name bridge type bridge mcast_snooping 0", "link set bridge up")
        self._ip(name, *(f"link set {leg} master bridge" for leg in _LEG_NAMES))
        self._functions.append(ServiceFunction(name, name, legs[0].id, legs[1].id, awareness, on_failure=on_failure))
        return name

    def tap(self, name: str, awareness: Awareness = Awareness.NONE) -> str:
        """A namespace that gets copies on its interface ``in``; returns the function's id."""
        port = self._plug(name, "in", PortRole.SF, ())
        self._functions.append(ServiceFunction(name, name, port.id, awareness=awareness, layer=Layer.TAP))
        return name

    def program(self, *chains: Chain) -> None:
        """Plan, render, prove and send these chains in place of all others."""
        topology = self.topology
        planned, _ = plan_chains(topology, chains, SpiPool())
        tables = render(topology, planned)
        violations = verify(topology, planned, tables)
        if violations:
            raise SwitchRefused(HOST, f"the chains cannot be proven: {violations[0]}")
        replace_tables(self.location, BRIDGE, tables[HOST])
        self.chains, self.tables = planned, tables[HOST]

    def run(self, name: str, *command: str, timeout: float = _TIMEOUT_S) -> str:
        """What a command prints in a namespace; :class:`SwitchRefused` when it fails."""
        return _run(("ip", "netns", "exec", self._known(name), *command), timeout)

    def socket(self, name: str, *kind: int) -> socket.socket:
        """A socket (TCP over IPv4 unless ``kind`` says otherwise) that lives in a namespace, whoever uses it."""
        namespace = Path("/run/netns") / self._known(name)
        made: list[socket.socket] = []

        def make() -> None:
            with namespace.open("rb") as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET):
                    return
            made.append(socket.socket(*kind))

        maker = threading.Thread(target=make)  # the namespace is the thread's, and ends with it
        maker.start()
        maker.join()
        if not made:
            raise SwitchRefused(HOST, f"no socket in {namespace.name}", "the lab needs root")
        made[0].settimeout(_TIMEOUT_S)
        return made[0]

    def _plug(self, name: str, device: str, role: PortRole, addresses: Sequence[IPv4Address]) -> Port:
        ofport = len(self._ports) + 1
        mac, namespace = Mac(0x02AB00000000 + ofport), self._namespace(name)
        self._ip(
            HOST,
            f"link add p{ofport} type veth peer name {device} netns {namespace}",
            f"link set p{ofport} up",
        )
        self._ip(name, f"link set {device} address {mac}", f"link set {device} up")
        # A packet's checksum is made when a real card sends it; here nobody would.
        self.run(name, "ethtool", "-K", device, "tx", "off")
        with Database(self.location) as database:
            database.apply(EnsurePort(BRIDGE, f"p{ofport}", ofport))
        network = "lab" if role is PortRole.TENANT else None
        port = Port(f"{name}/{device}", HOST, ofport, mac, tuple(addresses), network, role)
        self._ports.append(port)
        return port

    def _namespace(self, name: str) -> str:
        """Made on first use, without IPv6."""
        full = f"cat-{self._name}-{check_identifier('namespace', name)}"
        if full not in self._namespaces:
            _run(("ip", "netns", "add", full))
            self._namespaces.append(full)
            self._ip(name, "link set lo up")
            with contextlib.suppress(SwitchRefused):  # a kernel without IPv6 has nothing to switch off
                self.run(name, "sysctl", "-qw", "net.ipv6.conf.default.disable_ipv6=1")
        return full

    def _known(self, name: str) -> str:
        full = f"cat-{self._name}-{name}"
        if full not in self._namespaces:
            raise ValueError(f"lab {self._name} has no namespace {name!r}")
        return full

    def _ip(self, name: str, *commands: str) -> None:
        for command in commands:
            _run(("ip", "-n", self._known(name), *command.split()))

    def _delete_namespaces(self) -> None:
        for namespace in self._namespaces:
            with contextlib.suppress(SwitchRefused):
                _run(("ip", "netns", "delete", namespace))


def _run(command: Sequence[str], timeout: float = _TIMEOUT_S) -> str:
    program = find_program(HOST, command[0])
    try:
        done = subprocess.run(
            [program, *command[1:]], capture_output=True, text=True, errors="replace", timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise SwitchRefused(HOST, f"{' '.join(command)[:200]} took longer than {timeout:g} s") from None
    if done.returncode:
        words = (done.stderr or done.stdout).strip()[-500:]
        raise SwitchRefused(
            HOST, f"{' '.join(command)[:200]}: {words}", "the lab needs root, iproute2 and Open vSwitch"
        )
    return done.stdout
