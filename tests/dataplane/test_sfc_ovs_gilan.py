"""The Gi-LAN, built by hand on three Open vSwitch instances with the sample functions and the rendered tables."""

from __future__ import annotations

import errno
import secrets
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from mano.adapters.sfc_paths import OvsServicePaths
from mano.nfvo.data_plane import DataPlane
from mano.nfvo.tracing import bridge_traces
from sfc.model import Mac
from sfc.model.chains import Direction
from sfc.model.cookies import Cookie, Kind
from sfc.ovs.openflow import compare_tables, replace_tables
from sfc.ovs.stats import connection_marks, flow_counters
from sfc.statistics import active_connections
from tests.dataplane.sfc_ovs_lab import (
    SERVE_TCP,
    SERVE_UDP,
    Function,
    HandLab,
    hand_lab,
    inside,
    neighbours_of,
    python,
    run,
    wait_for,
)
from tests.plugins.labs import remains_of
from tests.unit.images.conftest import load_image
from tests.unit.sfc.gilan import DPI, FIREWALL_IN, FIREWALL_OUT, GATEWAY, SUB, WEB_IP, GiLan, gilan

pytestmark = pytest.mark.dataplane

HOSTS = ("h1", "h2", "h3")


@dataclass
class World:
    lab: HandLab
    plan: GiLan
    firewall: Function
    dpi: Function
    nat: Function

    def location(self, host: str):
        return self.lab.switches[host].location

    def counts(self) -> dict[tuple[str, Kind, int, int, Direction], int]:
        """Packets of every flow so far, by host and what its cookie says."""
        found = {}
        with ThreadPoolExecutor(len(HOSTS)) as pool:  # each waits for its switch to settle
            counters = pool.map(lambda host: flow_counters(self.location(host), "br-int"), HOSTS)
        for host, flows in zip(HOSTS, counters, strict=True):
            for each in flows:
                cookie = Cookie.decode(each.cookie)
                found[host, cookie.kind, cookie.chain, cookie.hop, cookie.direction] = each.packets
        return found

    def request(self, host_name: str, port: int = 80, seconds: float = 5.0) -> bytes:
        """The web server's answer to a request of the subscriber."""

        def talk() -> bytes | OSError:
            try:
                with socket.create_connection((str(WEB_IP), port), seconds) as connection:
                    connection.sendall(f"GET / HTTP/1.1\r\nHost: {host_name}\r\n\r\n".encode())
                    return connection.recv(1000)
            except OSError as error:
                return error

        answer = inside(self.lab.namespace("sub"), talk)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def ask_dns(self, text: bytes) -> bytes:
        def talk() -> bytes:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
                client.settimeout(5)
                client.sendto(text, (str(WEB_IP), 53))
                return client.recv(65535)

        return inside(self.lab.namespace("sub"), talk)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    lab_id = f"t{secrets.token_hex(3)}"
    with hand_lab(lab_id, tmp_path_factory.mktemp("gilan")) as lab:
        yield build(lab)
    assert remains_of(lab_id) == []


def build(lab: HandLab) -> World:
    plan = gilan()
    lab.start_hosts(3)
    lab.plug("h1", 1, "sub", "eth0")
    lab.plug("h1", 11, "fw", "leg0")
    lab.plug("h1", 12, "fw", "leg1")
    lab.plug("h2", 21, "dpi", "sfc0", 1600)
    lab.plug("h3", 31, "nat", "leg0")
    lab.wire("nat", "vf0", "inet", "eth0")
    lab.station("sub", "eth0", str(SUB), "10.10.0.2/24", gateway="10.10.0.1")
    lab.station("fw", "leg0", str(FIREWALL_IN))
    lab.station("fw", "leg1", str(FIREWALL_OUT))
    lab.station("dpi", "sfc0", str(DPI))
    lab.station("nat", "leg0", str(GATEWAY), "10.10.0.1/24")
    lab.station("nat", "vf0", "02:98:00:00:00:02", "198.51.100.2/24")
    lab.station("inet", "eth0", "02:98:00:00:00:01", "198.51.100.1/24")
    lab.background("inet", *python(SERVE_TCP), "80", "443", "23", "8080")
    lab.background("inet", *python(SERVE_UDP), "53")
    world = World(lab, plan, *start_functions(lab))
    for host in HOSTS:
        replace_tables(world.location(host), "br-int", plan.tables[host])
    wait_for("the server listens", lambda: "LISTEN" in listening(lab))
    world.request("warm.example")
    return world


def listening(lab: HandLab) -> str:
    return run("ip", "netns", "exec", lab.namespace("inet"), "ss", "-Hltn", "sport", "=", ":8080")


def start_functions(lab: HandLab) -> tuple[Function, Function, Function]:
    policy = {
        "blockedTcpPorts": [23],
        "rejectedTcpPorts": [111],
        "rejectedUdpPorts": [69],
        "insidePrefixes": ["10.10.0.0/24"],
        "ownAddress": "10.10.0.254/24",
    }
    legs = [{"name": "in", "device": "leg0"}, {"name": "out", "device": "leg1"}]
    sides = [
        {"name": "inside", "device": "leg0", "addresses": ["10.10.0.1/24"]},
        {"name": "outside", "device": "vf0", "addresses": ["198.51.100.2/24"]},
    ]
    return (
        lab.start_function("firewall", "fw", legs, policy),
        lab.start_function("dpi", "dpi", [{"name": "sfc", "device": "sfc0"}]),
        lab.start_function("nat", "nat", sides),
    )


def test_the_bridges_hold_exactly_what_was_rendered(world):
    for host in HOSTS:
        assert not compare_tables(world.location(host), "br-int", world.plan.tables[host])


def test_a_web_request_takes_the_chain_web_there_and_back(world):
    name = f"{secrets.token_hex(4)}.example"
    before = world.counts()
    assert world.request(name).endswith(b"hello from 80")
    after = world.counts()
    moved = {key for key, packets in after.items() if packets > before[key]}
    spi = world.plan.web.forward.spi
    steps = {(host, kind) for host, kind, chain, _, way in moved if chain == spi and kind.serves_chain}
    assert {
        ("h1", Kind.CLASSIFY),
        ("h1", Kind.HAND_OFF),
        ("h1", Kind.PROXY_RETURN),
        ("h1", Kind.TO_PEER),
        ("h2", Kind.TO_SF),
        ("h2", Kind.SF_RETURN),
        ("h3", Kind.END),
        ("h3", Kind.REVERSE_MARK),
        ("h1", Kind.END),
    } <= steps
    assert not {key for key in moved if key[1].is_drop}
    wait_for("the name is counted", lambda: world.dpi.counters["names"].get(f"http:{name}") == 1)


def quiet(count: Callable[[], int]) -> int:
    """The count once it stands still: the last segments of an earlier connection may be under way."""
    last = count()
    for _ in range(20):
        time.sleep(1.0)
        now = count()
        if now == last:
            return now
        last = now
    raise AssertionError("the count does not come to rest")


def test_the_connections_of_a_chain_are_counted_by_their_mark(world):
    assert world.request("counted.example").endswith(b"hello from 80")
    marks = {host: connection_marks(world.location(host)) for host in HOSTS}
    assert marks["h3"][31][world.plan.web.forward.spi] >= 1
    assert active_connections(world.plan.topology, world.plan.chains, marks)["dpi"] >= 1


def test_a_datagram_takes_the_chain_other_and_not_the_dpi(world):
    seen = quiet(lambda: world.dpi.counters["packets"])
    before = world.counts()
    assert world.ask_dns(b"question") == b"noitseuq"
    after = world.counts()
    moved = {key for key, packets in after.items() if packets > before[key]}
    spi = world.plan.other.forward.spi
    assert {chain for _, kind, chain, _, _ in moved if kind.serves_chain} == {spi}
    assert not {key for key in moved if key[1].is_drop}
    assert world.dpi.counters["packets"] == seen


def test_a_fragmented_datagram_takes_the_chain_other(world):
    question = bytes(range(250)) * 12
    assert world.ask_dns(question) == question[::-1]


def test_a_megabyte_passes_in_full_sized_segments(world):
    listener = inside(world.lab.namespace("inet"), lambda: socket.create_server((str(WEB_IP), 9090)))
    client = inside(world.lab.namespace("sub"), lambda: socket.create_connection((str(WEB_IP), 9090), 5))
    with listener, client, listener.accept()[0] as server:
        server.settimeout(10)
        sent = secrets.token_bytes(1 << 20)
        thread = threading.Thread(target=client.sendall, args=(sent,))
        thread.start()
        received = bytearray()
        while len(received) < len(sent):
            received += server.recv(1 << 16)
        thread.join()
    assert bytes(received) == sent


def test_open_vswitch_itself_says_that_each_classifier_match_walks_the_planned_rules(world):
    paths = OvsServicePaths(world.location)
    plane = DataPlane(world.plan.topology, world.plan.chains, world.plan.tables)
    for planned in world.plan.chains:
        traces = list(bridge_traces(paths, plane, planned))
        assert {trace.host for trace in traces} >= {"h1", "h3"}
        assert [trace for trace in traces if not trace.agrees] == []


@dataclass(frozen=True)
class Seen:
    """An NSH packet on the underlay."""

    source: str
    spi: int
    si: int
    ttl: int
    context: tuple[int, int, int, int]


def capture(world: World, host: str, seconds_quiet: float = 0.5):
    """Listen at a host's uplink; returns a function that ends it and gives what was seen."""

    def open_socket() -> socket.socket:
        packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0800))
        packets.bind(("uplink", 0x0800))
        packets.settimeout(seconds_quiet)
        return packets

    packets = inside(world.lab.namespace(host), open_socket)

    def finish() -> list[Seen]:
        found: list[Seen] = []
        with packets:
            while True:
                try:
                    octets, address = packets.recvfrom(2000)
                except TimeoutError:
                    return found
                if address[2] != socket.PACKET_OUTGOING and octets[23] == 17 and octets[36:38] == b"\x12\xb6":
                    found.append(read_gpe(octets))

    return finish


def read_gpe(octets: bytes) -> Seen:
    """By hand: Ethernet 14, IPv4 20, UDP 8, VXLAN-GPE 8, NSH."""
    assert octets[42] == 0x0C, "VXLAN-GPE flags: instance and next protocol"
    assert octets[45] == 4, "VXLAN-GPE next protocol: NSH"
    first, path, *context = struct.unpack_from("!6I", octets, 50)
    ttl = first >> 22 & 0x3F
    return Seen(socket.inet_ntoa(octets[26:30]), path >> 8, path & 0xFF, ttl, tuple(context))


def test_the_underlay_carries_the_planned_path_and_what_the_dpi_found(world):
    forward, reverse = world.plan.web.forward.spi, world.plan.web.reverse.spi
    name = f"{secrets.token_hex(4)}.example"
    finish = {host: capture(world, host) for host in ("h1", "h2", "h3")}
    assert world.request(name).endswith(b"hello from 80")
    seen = {host: stop() for host, stop in finish.items()}
    hops = {(host, each.source, each.spi, each.si, each.ttl) for host, found in seen.items() for each in found}
    assert hops == {
        ("h2", "10.99.0.1", forward, 254, 61),
        ("h3", "10.99.0.2", forward, 253, 59),
        ("h2", "10.99.0.3", reverse, 255, 62),
        ("h1", "10.99.0.2", reverse, 254, 60),
    }
    found = load_image("dpi").names.context_value(name)
    assert {each.context[1] for each in seen["h2"]} == {0}
    assert found in {each.context[1] for each in seen["h3"]}
    assert found in {each.context[1] for each in seen["h1"]}


def frame(kind: bytes, payload: bytes, source: str = str(SUB)) -> bytes:
    return bytes(Mac.parse(str(GATEWAY)).to_bytes(6, "big") + Mac.parse(source).to_bytes(6, "big")) + kind + payload


def ipv4(source: str, protocol: int, payload: bytes) -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    return head + socket.inet_aton(source) + socket.inet_aton(str(WEB_IP)) + payload


def udp(port: int, payload: bytes = b"") -> bytes:
    return struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload


NSH = struct.pack("!6I", 0x0FC60103, 101 << 8 | 253, 0, 0, 0, 0)
FORGED = {
    "NSH": (frame(b"\x89\x4f", NSH + bytes(40)), Kind.DROP_FORGED_NSH),
    "NSH in a VLAN": (frame(b"\x81\x00\x00\x05\x89\x4f", NSH + bytes(40)), Kind.DROP_FORGED_NSH_TAGGED),
    "NSH in QinQ": (frame(b"\x88\xa8\x00\x05\x81\x00\x00\x06\x89\x4f", NSH + bytes(40)), Kind.DROP_TAGGED),
    "NSH in two tags of 802.1Q": (
        frame(b"\x81\x00\x00\x05\x81\x00\x00\x06\x89\x4f", NSH + bytes(40)),
        Kind.DROP_TAGGED,
    ),
    "NSH in the tag that was used before QinQ": (
        frame(b"\x91\x00\x00\x05\x81\x00\x00\x06\x89\x4f", NSH + bytes(40)),
        Kind.DROP_NOT_ALLOWED,
    ),
    "its own packet in QinQ": (
        frame(b"\x88\xa8\x00\x05\x81\x00\x00\x06\x08\x00", ipv4("10.10.0.2", 17, udp(53))),
        Kind.DROP_TAGGED,
    ),
    "VXLAN-GPE": (frame(b"\x08\x00", ipv4("10.10.0.2", 17, udp(4790, bytes(8) + NSH))), Kind.DROP_FORGED_GPE),
    "a foreign IP address": (frame(b"\x08\x00", ipv4("10.10.0.77", 17, udp(53))), Kind.DROP_SPOOFED_IP),
    "a foreign MAC address": (
        frame(b"\x08\x00", ipv4("10.10.0.2", 17, udp(53)), "02:00:00:00:00:99"),
        Kind.DROP_SPOOFED_IP,
    ),
    "an unknown ethertype": (frame(b"\x88\xb5", bytes(50)), Kind.DROP_NOT_ALLOWED),
}


@pytest.mark.parametrize("what", FORGED)
def test_what_the_subscriber_forges_goes_nowhere_and_is_counted(world, what):
    octets, kind = FORGED[what]

    def drops() -> int:
        return sum(packets for (host, each, *_), packets in world.counts().items() if host == "h1" and each is kind)

    def send() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind(("eth0", 0))
            raw.send(octets)

    before = drops()
    inside(world.lab.namespace("sub"), send)
    wait_for("it is counted as dropped", lambda: drops() == before + 1)


def test_a_killed_vswitchd_comes_back_and_traffic_with_it(world):
    for host in ("h1", "h3"):
        daemon = world.lab.switches[host]
        daemon.kill_vswitchd()
        with pytest.raises(OSError, match="timed out"):
            world.request("dead.example", seconds=0.3)
        daemon.start()
        neighbours_of(world.lab, host)
        replace_tables(daemon.location, "br-int", world.plan.tables[host])
        assert world.request("alive.example").endswith(b"hello from 80")


def test_a_blocked_port_dies_in_the_firewall(world):
    before = world.firewall.counters["blocked_tcp_23"]["packets"]
    with pytest.raises(TimeoutError):
        world.request("x.example", port=23, seconds=0.5)
    wait_for("its counter moves", lambda: world.firewall.counters["blocked_tcp_23"]["packets"] > before)


def test_a_reset_of_the_firewall_reaches_the_subscriber_at_once(world):
    with pytest.raises(ConnectionRefusedError):
        world.request("x.example", port=111)


def test_an_icmp_error_of_the_firewall_reaches_the_subscriber_at_once(world):
    def ask() -> int | None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(3)
            client.connect((str(WEB_IP), 69))
            client.send(b"x")
            try:
                client.recv(100)
            except OSError as error:
                return error.errno
        return None

    assert inside(world.lab.namespace("sub"), ask) == errno.ECONNREFUSED


def test_a_refusal_by_the_server_reaches_the_subscriber_at_once(world):
    with pytest.raises(ConnectionRefusedError):
        world.request("x.example", port=4444)
