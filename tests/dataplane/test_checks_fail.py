"""The demo's checks can fail: one cause at a time is planted into the running main job, and exactly the checks that it
must bring down fall; then it is mended, and all hold again.

A cause in the flow tables also brings down the check that compares the bridges with what was rendered: that is its job.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass

import pytest
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw

from mano.adapters.vim_local import netns
from mano.cli.demo import look
from mano.cli.demo.checks import AFTERWARDS, WHILE_CAPTURING
from mano.cli.demo.world import INTERNET, DemoWorld
from sfc.nsh import NshHeader
from tests.dataplane.gi_lan import Bridge, Flow, Lab, everything_of, failing_checks, inside, internet, run, world_of
from tests.dataplane.leaks import LEAKS

pytestmark = pytest.mark.dataplane

HTTP = "HTTP is answered through the chain"
TLS = "TLS is answered through the chain"
FULL_SIZE = "full-size packets pass"
NAMES = "dpi recognises this run's names"
DNS = "DNS is answered"
FRAGMENTS = "fragments pass"
BLOCKED = "a blocked port dies in the firewall"
FORGED = "forged frames go nowhere"
MANAGEMENT = "the management network is real"
UNDERLAY = "SPI, SI, TTL and context on the underlay are as planned"
CONTEXT = "dpi's context header is on the next hop's wire"
COUNTED = "each chain counted its own traffic"
TRACES = "simulator and switches agree hop by hop"
TABLES = "the bridges hold what was rendered"


@dataclass
class Scene:
    """The running main job, and where to lay hands on it."""

    lab: Lab
    world: DemoWorld

    def bridge_of(self, vdu: str) -> Bridge:
        return self.lab.bridge(self.host_of(vdu))

    def host_of(self, vdu: str) -> str:
        return str(self.world.vnfc(vdu)["host"])

    def namespace_of(self, vdu: str) -> str:
        return self.lab.view.vnfc(str(self.world.vnfc(vdu)["id"]))

    @property
    def outside(self) -> str:
        return self.lab.view.attachment(INTERNET)

    def spi(self, chain: str, direction: str = "forward") -> int:
        return int(self.world.path(chain, direction)["spi"])

    @contextmanager
    def tampered(self, host: str) -> Iterator[Bridge]:
        """The host's bridge to tamper with; whatever was done is mended as an operator would."""
        try:
            yield self.lab.bridge(host)
        finally:
            self.lab.mend(host)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Scene]:
    lab = Lab(module_lab_id, tmp_path_factory.mktemp("main-job"), watches=False)
    try:
        lab.prepare()
        lab.instantiate()
        with internet(lab):
            world = world_of(lab)
            assert failing_checks(world) == {}
            yield Scene(lab, world)
    finally:
        lab.close()


Cause = Callable[[Scene], AbstractContextManager[None]]


# Causes in the flow tables


@contextmanager
def a_flow_of_web_is_gone(scene: Scene) -> Iterator[None]:
    """The way from the firewall's host to the dpi's."""
    spi = scene.spi("web")
    with scene.tampered(scene.host_of("firewall")) as bridge:
        bridge.delete(bridge.only(at("10", f"nsh_spi={spi:#x},nsh_si=254", "priority=100")))
        yield


@contextmanager
def a_flow_of_other_is_gone(scene: Scene) -> Iterator[None]:
    """What the nat gets of chain other at its end."""
    spi = scene.spi("other")
    with scene.tampered(scene.host_of("nat")) as bridge:
        bridge.delete(bridge.only(at("30", f"ip,reg0={spi << 8 | 254:#x}", "priority=100")))
        yield


@contextmanager
def the_classifier_says_a_wrong_spi(scene: Scene) -> Iterator[None]:
    """Web packets get the SPI of the other chain."""
    web, other = scene.spi("web"), scene.spi("other")
    with scene.tampered("h1") as bridge:
        flow = bridge.only(at("1", "tp_dst=80"))
        bridge.change(flow, f"set_field:{web:#x}->nsh_spi", f"set_field:{other:#x}->nsh_spi")
        yield


@contextmanager
def the_proxy_says_a_wrong_ttl(scene: Scene) -> Iterator[None]:
    with scene.tampered(scene.host_of("firewall")) as bridge:
        bridge.change(back_from_firewall(bridge, scene.spi("web")), "set_field:62->nsh_ttl", "set_field:40->nsh_ttl")
        yield


@contextmanager
def the_proxy_says_a_wrong_context(scene: Scene) -> Iterator[None]:
    with scene.tampered(scene.host_of("firewall")) as bridge:
        flow = back_from_firewall(bridge, scene.spi("other"))
        bridge.change(flow, "set_field:0->nsh_c3", "set_field:0xbad->nsh_c3")
        yield


@contextmanager
def the_bridge_wipes_the_dpis_context(scene: Scene) -> Iterator[None]:
    spi = scene.spi("web")
    with scene.tampered(scene.host_of("dpi")) as bridge:
        flow = bridge.only(at("0", f"nsh_spi={spi:#x},nsh_si=253", "dl_type=0x894f"))
        bridge.change(flow, "decap(),", "decap(),set_field:0->nsh_c2,")
        yield


@contextmanager
def the_firewall_is_bypassed(scene: Scene) -> Iterator[None]:
    """Web packets pass by it in both directions; on the wire only a context word tells."""
    forward, reverse = scene.spi("web"), scene.spi("web", "reverse")
    with scene.tampered(scene.host_of("firewall")) as bridge:
        for spi, si in ((forward, 255), (reverse, 254)):
            flow = bridge.only(at("10", f"nsh_spi={spi:#x},nsh_si={si}", "priority=100"))
            bridge.change(flow, flow.actions, f"set_field:{si - 1}->nsh_si,resubmit(,5)")
        yield


@contextmanager
def a_classifier_has_another_cookie(scene: Scene) -> Iterator[None]:
    """The packets go right, but by a rule that is not the rendered one."""
    with scene.tampered("h1") as bridge:
        flow = bridge.only(at("1", "tp_dst=443"))
        bridge.delete(flow)
        bridge.add(Flow("0x1", flow.table, flow.match, flow.actions))
        yield


@contextmanager
def the_guard_lets_nsh_fall_through(scene: Scene) -> Iterator[None]:
    """The rule against NSH is gone: a rule below drops it, but not as what it is."""
    with scene.tampered("h1") as bridge:
        bridge.delete(bridge.only(at("0", f"in_port={subscriber_port(bridge)},", "dl_type=0x894f", "priority=310")))
        yield


@contextmanager
def the_guard_lets_foreign_addresses_pass(scene: Scene) -> Iterator[None]:
    with scene.tampered("h1") as bridge:
        flow = bridge.only(at("0", f"priority=150,ip,in_port={subscriber_port(bridge)}"))
        allowed = bridge.only(at("0", f"priority=200,ip,in_port={subscriber_port(bridge)},"))
        bridge.change(flow, "drop", allowed.actions)
        yield


@contextmanager
def a_station_of_mgmt_is_not_reached(scene: Scene) -> Iterator[None]:
    mgmt = next(network for network in scene.world.topology["networks"] if network["name"] == "mgmt")
    ports = scene.world.ports(str(scene.world.vnfc("dpi")["id"]))
    mac = next(port["mac"] for port in ports if port["networkId"] == mgmt["id"])
    with scene.tampered(scene.host_of("nat")) as bridge:
        bridge.delete(bridge.only(at("51", f"dl_dst={mac}")))
        yield


@contextmanager
def somebody_added_a_flow(scene: Scene) -> Iterator[None]:
    """One that no packet meets."""
    with scene.tampered("h2") as bridge:
        bridge.add(Flow("0x2", "51", "priority=7,ip,nw_dst=203.0.113.99", "drop"))
        yield


# Causes elsewhere


@contextmanager
def the_nat_has_another_address(scene: Scene) -> Iterator[None]:
    """Web requests are answered, but from an address that nobody planned."""
    namespace = scene.namespace_of("nat")
    device = device_with(namespace, scene.world.nat_address())
    inside(namespace, "ip", "address", "add", "198.51.100.77/24", "dev", device)
    rule = f'oifname "{device}" tcp dport 80 snat ip to 198.51.100.77'
    try:
        with nftables(namespace, "type nat hook postrouting priority 90", rule):
            yield
    finally:
        inside(namespace, "ip", "address", "delete", "198.51.100.77/24", "dev", device)


@contextmanager
def the_web_server_is_closed(scene: Scene) -> Iterator[None]:
    with nftables(scene.outside, "type filter hook input priority 0", "tcp dport 443 drop"):
        yield


@contextmanager
def the_dns_server_is_silent(scene: Scene) -> Iterator[None]:
    with nftables(scene.outside, "type filter hook input priority 0", "udp dport 53 drop"):
        yield


@contextmanager
def later_fragments_are_lost(scene: Scene) -> Iterator[None]:
    rule = "ip frag-off & 0x1fff != 0 drop"
    with nftables(scene.outside, "type filter hook prerouting priority -450", rule):
        yield


@contextmanager
def the_nat_loses_large_segments(scene: Scene) -> Iterator[None]:
    rule = "tcp sport 80 meta length > 1400 drop"
    with nftables(scene.namespace_of("nat"), "type filter hook forward priority -10", rule):
        yield


@contextmanager
def the_underlay_of_a_host_is_too_small(scene: Scene) -> Iterator[None]:
    """At the dpi's host: too small for a full packet with its tunnel headers."""
    namespace = scene.lab.view.host(scene.host_of("dpi"))
    database = f"--db=unix:/run/catena/{scene.lab.id}/hosts/{scene.host_of('dpi')}/ovs/db.sock"
    uplink = run("ovs-vsctl", "--timeout=5", database, "list-ports", "br-phy").strip()
    run("ip", "-n", namespace, "link", "set", "dev", uplink, "mtu", "1400")
    try:
        yield
    finally:
        run("ip", "-n", namespace, "link", "set", "dev", uplink, "mtu", "1600")


@contextmanager
def the_firewall_takes_telnet(scene: Scene) -> Iterator[None]:
    namespace = scene.namespace_of("firewall")
    inside(namespace, "nft", "insert", "rule", "inet", "catena", "forward", "tcp", "dport", "23", "accept")
    try:
        yield
    finally:
        listed = inside(namespace, "nft", "-a", "list", "chain", "inet", "catena", "forward")
        handle = next(line.split()[-1] for line in listed.splitlines() if "tcp dport 23 accept" in line)
        inside(namespace, "nft", "delete", "rule", "inet", "catena", "forward", "handle", handle)


@contextmanager
def something_else_stands_in_for_the_dpi(scene: Scene) -> Iterator[None]:
    """It sends every frame back as the dpi does, but looks at nothing and writes nothing."""
    namespace = scene.namespace_of("dpi")
    device = scene.lab.view.interface_of_port(namespace, port_of(scene, "dpi", "sfc"))
    pids = netns.processes(namespace)
    over = threading.Event()
    stand_in = threading.Thread(target=lambda: netns.inside(namespace, lambda: reflect(device, over)))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    stand_in.start()
    try:
        yield
    finally:
        over.set()
        stand_in.join()
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def a_stranger_sends_nsh_on_the_underlay(scene: Scene) -> Iterator[None]:
    """From the fabric to the dpi's host, for a path that there is not."""
    host, fabric = scene.host_of("dpi"), scene.lab.view.fabric
    address = next(address for address, name in scene.world.underlay.items() if name == host)
    index = next(index for index, name in scene.lab.view.uplinks(scene.world.hosts).items() if name == host)
    header = bytes.fromhex("0c00000400000700") + NshHeader(0xABCDE, 200).encode()
    packet = IP(src="10.99.0.99", dst=address) / UDP(sport=5000, dport=4790) / Raw(header + bytes(60))
    frame = bytes(Ether(src="02:00:00:00:00:99", dst="ff:ff:ff:ff:ff:ff") / packet)
    over = threading.Event()
    stranger = threading.Thread(target=lambda: netns.inside(fabric, lambda: send_often(index, frame, over)))
    stranger.start()
    try:
        yield
    finally:
        over.set()
        stranger.join()


CAUSES: dict[Cause, set[str]] = {
    a_flow_of_web_is_gone: {HTTP, TLS, FULL_SIZE, NAMES, UNDERLAY, CONTEXT, COUNTED, TRACES, TABLES},
    a_flow_of_other_is_gone: {DNS, FRAGMENTS, UNDERLAY, COUNTED, TRACES, TABLES},
    the_classifier_says_a_wrong_spi: {NAMES, CONTEXT, COUNTED, TRACES, TABLES},
    the_proxy_says_a_wrong_ttl: {UNDERLAY, TABLES},
    the_proxy_says_a_wrong_context: {UNDERLAY, TABLES},
    the_bridge_wipes_the_dpis_context: {CONTEXT, TABLES},
    the_firewall_is_bypassed: {UNDERLAY, COUNTED, TRACES, TABLES},
    a_classifier_has_another_cookie: {TRACES, TABLES},
    the_guard_lets_nsh_fall_through: {FORGED, TABLES},
    the_guard_lets_foreign_addresses_pass: {FORGED, TABLES},
    a_station_of_mgmt_is_not_reached: {MANAGEMENT, TABLES},
    somebody_added_a_flow: {TABLES},
    the_nat_has_another_address: {HTTP},
    the_web_server_is_closed: {TLS, NAMES, CONTEXT},
    the_dns_server_is_silent: {DNS},
    later_fragments_are_lost: {FRAGMENTS},
    the_nat_loses_large_segments: {FULL_SIZE},
    the_underlay_of_a_host_is_too_small: {FULL_SIZE, MANAGEMENT},
    the_firewall_takes_telnet: {BLOCKED},
    something_else_stands_in_for_the_dpi: {NAMES, CONTEXT},
    a_stranger_sends_nsh_on_the_underlay: {UNDERLAY},
}
"""Each cause with exactly the checks that must fall with it."""


@pytest.mark.parametrize(("cause", "falling"), CAUSES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_exactly_the_checks_fall_that_the_cause_concerns(scene: Scene, cause: Cause, falling: set[str]) -> None:
    with cause(scene):
        fallen = failing_checks(scene.world)
    assert set(fallen) == falling, fallen


def test_every_check_can_fail() -> None:
    names = {check.name for check in (*WHILE_CAPTURING, *AFTERWARDS)}
    assert set().union(*CAUSES.values()) == names


def test_all_hold_again_when_everything_is_mended(scene: Scene) -> None:
    assert failing_checks(scene.world) == {}


# The independent look, when the service is terminated


@dataclass
class Ended:
    """The lab after its network service was terminated, and what was there before it."""

    lab: Lab
    before: look.Before

    def leftovers(self) -> list[str]:
        return look.leftovers(self.lab.id, self.lab.database, self.before)


@pytest.fixture(scope="module")
def ended(scene: Scene) -> Ended:
    lab = scene.lab
    lab.terminate()
    before = everything_of(lab)
    assert look.leftovers(lab.id, lab.database, look.Before()) != []
    return Ended(lab, before)


@pytest.mark.parametrize("leak", LEAKS, ids=lambda leak: leak.__name__)
def test_what_is_leaked_is_seen_when_the_service_has_ended(
    ended: Ended, leak: Callable[[Lab], AbstractContextManager[str]]
) -> None:
    assert ended.leftovers() == []
    with leak(ended.lab) as wanted:
        left = seen_at_last(ended.leftovers, wanted)
        remains = look.remains(ended.lab.id)
    assert any(wanted in line for line in left), left
    if wanted.split()[0] in ("namespace", "process", "control"):
        assert any(wanted in line for line in remains), remains
    assert ended.leftovers() == []


def seen_at_last(look_again: Callable[[], list[str]], wanted: str) -> list[str]:
    """What a look sees once it sees the wanted thing; on a busy machine that may take another look."""
    for _ in range(5):
        found = look_again()
        if any(wanted in line for line in found):
            break
        time.sleep(0.2)
    return found


def test_nothing_remains_of_a_closed_lab(ended: Ended) -> None:
    ended.lab.close()
    assert look.remains(ended.lab.id) == []


# Tools of the causes


def at(table: str, *parts: str) -> Callable[[Flow], bool]:
    """Flows of a table whose match contains all of these."""
    return lambda flow: flow.table == table and all(part in flow.match for part in parts)


def back_from_firewall(bridge: Bridge, spi: int) -> Flow:
    """What puts the header of a path's first hop on again."""
    tag = f"02:ca:{spi >> 16:02x}:{spi >> 8 & 255:02x}:{spi & 255:02x}:ff"
    return bridge.only(at("0", f"dl_src={tag}", "priority=200"))


def subscriber_port(bridge: Bridge) -> str:
    flow = bridge.only(at("1", "tp_dst=80"))
    return next(part.removeprefix("in_port=") for part in flow.match.split(",") if part.startswith("in_port="))


def port_of(scene: Scene, vdu: str, cpd: str) -> str:
    ports = scene.world.ports(str(scene.world.vnfc(vdu)["id"]))
    return next(str(port["id"]) for port in ports if port["cpdId"] == cpd)


def device_with(namespace: str, address: str) -> str:
    for line in run("ip", "-n", namespace, "-oneline", "address", "show").splitlines():
        if f" {address}/" in line:
            return line.split()[1]
    raise AssertionError(f"nothing in {namespace} has {address}")


@contextmanager
def nftables(namespace: str, hook: str, rule: str) -> Iterator[None]:
    """A table of our own with one rule."""
    inside(
        namespace, "nft", "-f", "-", text=f"table ip sabotage {{\nchain c {{\n{hook}; policy accept;\n{rule}\n}}\n}}\n"
    )
    try:
        yield
    finally:
        inside(namespace, "nft", "delete", "table", "ip", "sabotage")


def reflect(device: str, over: threading.Event) -> None:
    """An NSH-aware function without eyes: service index minus one, MAC addresses swapped, back."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x894F)) as packets:
        packets.bind((device, 0x894F))
        packets.settimeout(0.1)
        while not over.is_set():
            with suppress(TimeoutError):
                data, sender = packets.recvfrom(65535)
                if sender[2] == socket.PACKET_OUTGOING:
                    continue
                frame = bytearray(data)
                frame[0:12] = frame[6:12] + frame[0:6]
                frame[21] -= 1
                packets.send(frame)


def send_often(index: int, frame: bytes, over: threading.Event) -> None:
    """The frame on the interface of that index, five times a second."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as wire:
        wire.bind((socket.if_indextoname(index), 0))
        while not over.wait(0.2):
            wire.send(frame)
