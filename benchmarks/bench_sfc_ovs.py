"""Service chains on real Open vSwitch: programming beside ``ovs-ofctl``, restarts, and what a failure costs.

As root, with Open vSwitch installed; elsewhere these benchmarks fail with the reason. Each makes a switch of its own.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Address
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.harness import Call, benchmark
from benchmarks.large_network import large_network
from sfc.model import Chain, Cookie, Kind, OnFailure, Output, PathGroup, SetField, Sff
from sfc.model.fields import PACKET_TYPE_NSH, Field, FieldMatch
from sfc.model.flows import Flow, FlowTables, flow
from sfc.ovs.keeper import BridgeKeeper
from sfc.ovs.lab import BRIDGE, Lab
from sfc.ovs.messages import add_flows
from sfc.ovs.network_watch import NetworkWatch
from sfc.ovs.openflow import OpenFlow, replace_tables
from sfc.ovs.ovsdb import Database
from sfc.render import render

MANY = 10_000


def many_flows(count: int, si: int = 254) -> list[Flow]:
    """Flows of an SFF: NSH at one position, on to a peer."""
    nsh = FieldMatch(Field.PACKET_TYPE, PACKET_TYPE_NSH)
    actions = (SetField(Field.TUN_ID, 7), SetField(Field.TUN_DST, 0x0A630002), SetField(Field.NSH_SI, si), Output(100))
    return [
        flow(10, 100, (nsh, FieldMatch(Field.NSH_SPI, 1 + spi)), actions, Cookie(Kind.TO_PEER, chain=1 + spi))
        for spi in range(count)
    ]


@contextlib.contextmanager
def a_lab() -> Iterator[Lab]:
    with Lab(f"b{secrets.token_hex(3)}") as lab:
        yield lab


def ofctl(lab: Lab, *arguments: str) -> None:
    """``ovs-ofctl`` as its users run it."""
    switch = f"unix:{lab.location.management_socket(BRIDGE)}"
    command = ["ovs-ofctl", "-O", "OpenFlow15", "--bundle", arguments[0], switch, *arguments[1:]]
    subprocess.run(command, check=True, timeout=60, env=dict(lab.location.environment))


@benchmark("openflow: one flow in a bundle by our client", number=50)
def one_flow() -> Iterator[Call]:
    with a_lab() as lab, OpenFlow(lab.location, BRIDGE, timeout=600) as switch:
        (only,) = many_flows(1)
        yield lambda: switch.commit(add_flows([only]))


@benchmark("openflow: one flow in a bundle by ovs-ofctl, the measure")
def one_flow_by_ofctl() -> Iterator[Call]:
    with a_lab() as lab, TemporaryDirectory() as directory:
        file = Path(directory) / "flows"
        file.write_text("".join(f"{each.text()}\n" for each in many_flows(1)))
        yield lambda: ofctl(lab, "add-flows", str(file))


@benchmark(f"openflow: {MANY} flows from rendered objects to barrier")
def all_flows() -> Iterator[Call]:
    with a_lab() as lab, OpenFlow(lab.location, BRIDGE, timeout=600) as switch:
        rendered = many_flows(MANY)
        yield lambda: switch.commit(add_flows(rendered))


@benchmark(f"openflow: {MANY} flows of a ready file by ovs-ofctl, the measure")
def all_flows_by_ofctl() -> Iterator[Call]:
    with a_lab() as lab, TemporaryDirectory() as directory:
        file = Path(directory) / "flows"
        file.write_text("".join(f"{each.text()}\n" for each in many_flows(MANY)))
        yield lambda: ofctl(lab, "add-flows", str(file))


@benchmark("sfc: make a bridge of 1 000 chains equal to its tables, nothing to do")
def nothing_to_do() -> Iterator[Call]:
    network = large_network(hosts=50, chains=1000, hops=3)
    tables = render(network.topology, network.chains)["h1"]
    with a_lab() as lab:
        replace_tables(lab.location, BRIDGE, tables)
        yield lambda: replace_tables(lab.location, BRIDGE, tables)


@benchmark("sfc: ovs-vswitchd killed with 5 000 flows and started: all are back")
def back_after_a_kill() -> Iterator[Call]:
    with a_lab() as lab:
        tables = FlowTables("lab", tuple(many_flows(5000)))
        with BridgeKeeper(lab.location, BRIDGE, tables) as keeper:
            keeper.attend(10.0)

            def kill_and_wait() -> None:
                lab.daemon.kill_vswitchd()
                lab.daemon.start()
                while keeper.attend(10.0) is None:
                    pass

            yield kill_and_wait


@benchmark("sfc: ovs-vswitchd killed with 5 000 flows and started: the watch tells, and all are back")
def back_by_the_watch() -> Iterator[Call]:
    with a_lab() as lab, network_watch(lab) as watch:
        tables = FlowTables("lab", tuple(many_flows(5000)))
        replace_tables(lab.location, BRIDGE, tables)

        def kill_and_wait() -> None:
            lab.daemon.kill_vswitchd()
            lab.daemon.start()
            while (sight := watch.changes(10.0)) is None or not sight.anew:
                pass
            replace_tables(lab.location, BRIDGE, tables)

        yield kill_and_wait


@benchmark("sfc: a port loses its carrier and gets it back: the watch tells both")
def carrier() -> Iterator[Call]:
    with a_lab() as lab, network_watch(lab) as watch:
        lab.station("a", "10.0.0.1")
        namespace = str(lab.location.namespace)
        with Database(lab.location) as database:
            port = next(name for name in database.ports(BRIDGE) if name.startswith("p"))
        watch.changes(1.0)

        def there_and_back() -> None:
            for state in ("down", "up"):
                subprocess.run(["ip", "-n", namespace, "link", "set", port, state], check=True, timeout=10)
                while watch.changes(10.0) is None:
                    pass

        yield there_and_back


def network_watch(lab: Lab) -> NetworkWatch:
    """A watch of a lab's one bridge, which it has reached."""
    watch = NetworkWatch([Sff("lab", IPv4Address("10.99.0.1"), 1)], {"lab": lab.location})
    watch.changes(0.5)
    return watch


class Stream:
    """Datagrams from one station of a lab to another, numbered, a thousand a second."""

    def __init__(self, lab: Lab) -> None:
        self.sending, self.receiving = (lab.socket(name, socket.AF_INET, socket.SOCK_DGRAM) for name in ("a", "b"))
        self.receiving.bind(("10.0.0.2", 9))
        self.arrived: list[float] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=part) for part in (self._send, self._receive)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.001):
            self.sending.sendto(b"x", ("10.0.0.2", 9))

    def _receive(self) -> None:
        self.receiving.settimeout(0.2)
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                self.receiving.recv(100)
                self.arrived.append(time.perf_counter())

    def close(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.sending.close()
        self.receiving.close()

    def gap_after(self, moment: float) -> float:
        """The longest silence from ``moment`` on, once packets have come again for a tenth of a second."""
        time.sleep(0.1)
        times = [moment, *(each for each in self.arrived if each > moment)]
        return max((after - before for before, after in pairwise(times)), default=float("inf"))


_GAPS: list[float] = []


@benchmark("sfc: silence of a stream while a leg of its function has no carrier: open", clock=lambda: sum(_GAPS))
def carrier_loss() -> Iterator[Call]:
    yield from _carrier_loss(OnFailure.OPEN)


@benchmark("sfc: silence of a stream while a leg of its function has no carrier: next", clock=lambda: sum(_GAPS))
def carrier_loss_with_a_spare() -> Iterator[Call]:
    yield from _carrier_loss(OnFailure.NEXT)


def _carrier_loss(policy: OnFailure) -> Iterator[Call]:
    """Nobody tells the bridge: whatever runs beside it, its own tables bring the packets back."""
    with a_lab() as lab:
        ends = lab.station("a", "10.0.0.1/24"), lab.station("b", "10.0.0.2/24")
        instances = [lab.bridging_function(name, on_failure=policy) for name in ("fw", "spare")]
        lab.program(Chain("all", ends[0], (PathGroup.of("fw", *instances),), egress=ends[1]))
        stream = Stream(lab)
        time.sleep(0.5)

        def lose_and_find() -> None:
            begin = time.perf_counter()
            lab.run("fw", "ip", "link", "set", "out", "down")
            time.sleep(0.3)
            _GAPS.append(stream.gap_after(begin))
            lab.run("fw", "ip", "link", "set", "out", "up")
            time.sleep(0.3)

        try:
            yield lose_and_find
        finally:
            stream.close()
