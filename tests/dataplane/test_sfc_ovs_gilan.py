"""The Gi-LAN, built by hand on three Open vSwitch instances with the sample functions and the rendered tables."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from sfc.model.chains import Direction
from sfc.model.cookies import Cookie, Kind
from sfc.ovs.openflow import compare_tables, replace_tables
from sfc.ovs.stats import flow_counters
from tests.dataplane.sfc_ovs_lab import SERVE_TCP, SERVE_UDP, Function, HandLab, hand_lab, inside, python, wait_for
from tests.plugins.labs import remains_of
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
        for host in HOSTS:
            for each in flow_counters(self.location(host), "br-int"):
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
    return world


def listening(lab: HandLab) -> str:
    from tests.dataplane.sfc_ovs_lab import run

    return run("ip", "netns", "exec", lab.namespace("inet"), "ss", "-Hltn", "sport", "=", ":8080")


def start_functions(lab: HandLab) -> tuple[Function, Function, Function]:
    policy = {"blockedTcpPorts": [23], "insidePrefixes": ["10.10.0.0/24"], "ownAddress": "10.10.0.254/24"}
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


def test_a_datagram_takes_the_chain_other_and_not_the_dpi(world):
    seen = world.dpi.counters["packets"]
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
        import threading

        thread = threading.Thread(target=client.sendall, args=(sent,))
        thread.start()
        received = bytearray()
        while len(received) < len(sent):
            received += server.recv(1 << 16)
        thread.join()
    assert bytes(received) == sent


def test_a_blocked_port_dies_in_the_firewall(world):
    before = world.firewall.counters["blocked_tcp_23"]["packets"]
    with pytest.raises(TimeoutError):
        world.request("x.example", port=23, seconds=0.5)
    wait_for("its counter moves", lambda: world.firewall.counters["blocked_tcp_23"]["packets"] > before)


def test_a_refusal_by_the_server_reaches_the_subscriber_at_once(world):
    with pytest.raises(ConnectionRefusedError):
        world.request("x.example", port=4444)
