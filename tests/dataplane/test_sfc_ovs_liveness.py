"""Functions that die and come back on real Open vSwitch: probes through them find out, and traffic passes them by."""

from __future__ import annotations

import contextlib
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sfc.failover import functions_on
from sfc.liveness import Life
from sfc.model import OnFailure
from sfc.ovs.commands import RemovePort
from sfc.ovs.liveness import LivenessMonitor
from sfc.ovs.monitor import SwitchMonitor
from sfc.ovs.oam import ensure_responder, stop_responder
from sfc.ovs.openflow import compare_tables, replace_tables
from sfc.ovs.ovsdb import Database
from sfc.ovs.tunnels import bfd_ports, lost_peers, unreachable
from sfc.render import Renderer, render
from tests.dataplane.sfc_ovs_lab import hand_lab, ip, run, wait_for
from tests.dataplane.test_sfc_ovs_gilan import HOSTS, World, build
from tests.plugins.labs import remains_of

pytestmark = pytest.mark.dataplane


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    lab_id = f"t{secrets.token_hex(3)}"
    with hand_lab(lab_id, tmp_path_factory.mktemp("liveness")) as lab:
        world = build(lab)
        for number, host in enumerate(HOSTS, 1):
            mac = f"02:0a:00:00:00:{number:02x}"
            ensure_responder(world.location(host), "oam0", mac, IPv4Address(f"192.168.200.{number}"))
        yield world
        for host in HOSTS:
            stop_responder(world.location(host))
    assert remains_of(lab_id) == []


@pytest.fixture
def monitor(world: World) -> Iterator[LivenessMonitor]:
    locations = {host: world.location(host) for host in HOSTS}
    with LivenessMonitor(world.plan.topology, locations) as monitor:
        wait_for("all are seen alive", lambda: monitor.events(0.2) == [] and settled(monitor))
        yield monitor


def settled(monitor: LivenessMonitor) -> bool:
    return set(monitor.lives.values()) == {Life.ALIVE}


def becomes(monitor: LivenessMonitor, *down: str) -> None:
    def arrived() -> bool:
        monitor.events(0.2)
        return monitor.down == set(down)

    wait_for(f"{down} are down", arrived)


def test_a_function_whose_process_hangs_is_found_and_when_it_goes_on_too(world: World, monitor: LivenessMonitor):
    assert set(monitor.lives) == {"fw", "dpi", "nat"}
    world.dpi.process.send_signal(signal.SIGSTOP)
    try:
        becomes(monitor, "dpi")
    finally:
        world.dpi.process.send_signal(signal.SIGCONT)
    becomes(monitor)


def test_a_bridge_with_a_dead_inside_is_found_although_its_legs_are_up(world: World, monitor: LivenessMonitor):
    namespace = world.lab.namespace("fw")
    (bridge,) = bridges(namespace)
    ip(namespace, "link set leg1 nomaster")
    becomes(monitor, "fw")
    ip(namespace, f"link set leg1 master {bridge}")
    becomes(monitor)


def bridges(namespace: str) -> list[str]:
    return [
        line.split()[0] for line in run("ip", "-n", namespace, "-br", "link", "show", "type", "bridge").splitlines()
    ]


def test_traffic_passes_a_dead_function_by_when_its_policy_is_open(world: World, monitor: LivenessMonitor):
    lan = world.plan
    functions = tuple(replace(each, on_failure=OnFailure.OPEN) for each in lan.topology.functions)
    topology, renderer = replace(lan.topology, functions=functions), Renderer()

    def program() -> None:
        for host, tables in renderer.render(topology, lan.chains, down=monitor.down).items():
            replace_tables(world.location(host), "br-int", tables)

    program()
    assert world.request("before.example").endswith(b"hello from 80")
    world.dpi.process.send_signal(signal.SIGSTOP)
    try:
        becomes(monitor, "dpi")
        program()
        assert world.request("without.example").endswith(b"hello from 80")
    finally:
        world.dpi.process.send_signal(signal.SIGCONT)
    becomes(monitor)
    program()
    assert world.request("after.example").endswith(b"hello from 80")
    assert "http:without.example" not in world.dpi.counters["names"]
    wait_for("the dpi sees traffic again", lambda: "http:after.example" in world.dpi.counters["names"])


def test_a_lost_host_is_told_by_bfd_and_by_the_database_itself(world: World):
    topology = world.plan.topology
    for sff in topology.sffs:
        with Database(world.location(sff.name)) as database:
            database.apply(*bfd_ports("br-int", sff, topology.sffs, interval_ms=100))
            database.apply(*bfd_ports("br-int", sff, topology.sffs, interval_ms=100))
    fabric = world.lab.namespace("fabric")
    with contextlib.ExitStack() as stack:
        monitors = {host: stack.enter_context(SwitchMonitor(world.location(host))) for host in HOSTS}

        def lost() -> frozenset[str]:
            for monitor in monitors.values():
                monitor.changes(0.05)
            return unreachable({host: lost_peers(topology, each.interfaces) for host, each in monitors.items()})

        def all_forward() -> bool:
            lost()
            states = [state for each in monitors.values() for state in each.interfaces.values()]
            return sum(state.forwarding is True for state in states) == 6

        wait_for("all tunnels forward", all_forward)
        assert world.request("beside.example").endswith(b"hello from 80")
        ip(fabric, "link set h2 nomaster")
        try:
            wait_for("h2 is lost", lambda: lost() == {"h2"})
        finally:
            ip(fabric, "link set h2 master underlay")
        assert functions_on(topology, lost()) == {"dpi"}
        wait_for("h2 is back", lambda: lost() == frozenset())
        ip(world.lab.namespace("fw"), "link set leg0 down")
        wait_for("the leg is told", lambda: lost() or monitors["h1"].interfaces["p11"].link_up is False)
        ip(world.lab.namespace("fw"), "link set leg0 up")
        wait_for("and that it is back", lambda: lost() or monitors["h1"].interfaces["p11"].link_up is True)
    for sff in topology.sffs:
        with Database(world.location(sff.name)) as database:
            database.apply(*(RemovePort(port.name) for port in bfd_ports("br-int", sff, topology.sffs)))


@pytest.mark.parametrize("leg", ["leg0", "leg1"])
def test_a_bridge_passes_by_a_leg_without_carrier_by_itself(world: World, leg: str):
    lan = world.plan
    functions = tuple(replace(each, on_failure=OnFailure.OPEN) for each in lan.topology.functions)
    tables = render(replace(lan.topology, functions=functions), lan.chains)
    for host in HOSTS:
        replace_tables(world.location(host), "br-int", tables[host])
        assert not compare_tables(world.location(host), "br-int", tables[host])
    assert world.request("with.example").endswith(b"hello from 80")
    seen = world.firewall.counters
    ip(world.lab.namespace("fw"), f"link set {leg} down")
    try:
        assert world.request("without.example").endswith(b"hello from 80")
    finally:
        ip(world.lab.namespace("fw"), f"link set {leg} up")
    assert seen["accepted_new"]["packets"] > 0
    wait_for("the firewall serves again", lambda: served_again(world))


def served_again(world: World) -> bool:
    before = world.firewall.counters["accepted_new"]["packets"]
    world.request("again.example")
    time.sleep(0.3)
    return world.firewall.counters["accepted_new"]["packets"] > before
