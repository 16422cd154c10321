"""Chains by VLAN and by bits, and chains of which some functions are met one way: on real Open vSwitch."""

from __future__ import annotations

import secrets
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sfc.model import Chain, Classifier, Cookie, Direction, Kind, Mac, Match, PathGroup, PortRange
from sfc.model.bits import Bits, addresses, mac_bits
from sfc.ovs.lab import BRIDGE, Lab
from sfc.ovs.openflow import compare_tables
from sfc.ovs.stats import flow_counters
from sfc.simulator.packets import Ethernet, Ip, Udp, Vlan
from sfc.simulator.wire import encode
from tests.plugins.labs import remains_of

pytestmark = pytest.mark.dataplane
ETH_P_ALL, SOL_PACKET, PACKET_AUXDATA = 3, 263, 8
TAG_VALID = 0x10  # TP_STATUS_VLAN_VALID of linux/if_packet.h
CLIENT, SERVER = IPv4Address("10.0.0.1"), IPv4Address("10.0.0.2")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    name = f"v{secrets.token_hex(3)}"
    with Lab(name) as lab:
        yield lab
    assert remains_of(name) == []


class Wire:
    """One interface as it is seen from inside its namespace: frames with their tags."""

    def __init__(self, lab: Lab, name: str, interface: str) -> None:
        self.socket = lab.socket(name, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        self.socket.bind((interface, ETH_P_ALL))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setblocking(False)

    def received(self) -> list[tuple[bytes, int | None]]:
        """Frames that came in, with the tag (TCI) that the kernel took off."""
        found: list[tuple[bytes, int | None]] = []
        while True:
            try:
                octets, extra, _, address = self.socket.recvmsg(4096, 256)
            except BlockingIOError:
                return found
            if address[2] == socket.PACKET_OUTGOING:
                continue
            status, _, _, _, _, tci = struct.unpack_from("=IIIHHH", extra[0][2])
            found.append((octets, tci if status & TAG_VALID else None))

    def tags_of(self, payload: bytes, count: int = 1) -> list[int | None]:
        """Tags of the frames with a payload, as soon as there are so many."""
        found: list[int | None] = []
        deadline = time.monotonic() + 5
        while len(found) < count and time.monotonic() < deadline:
            found += [tci for octets, tci in self.received() if payload in octets]
            time.sleep(0.005)
        return found


def question(payload: bytes, *tags: Vlan, port: int = 80) -> bytes:
    frame = Ethernet(Mac(0x02AB00000001), Mac(0x02AB00000002), Ip(CLIENT, SERVER, Udp(4000, port, payload)), tags)
    return encode(frame)


def counted(lab: Lab, kind: Kind) -> int:
    return sum(each.packets for each in flow_counters(lab.location, BRIDGE) if Cookie.decode(each.cookie).kind is kind)


def eventually(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(scope="module")
def ends(lab: Lab) -> tuple[str, str]:
    return lab.station("client", f"{CLIENT}/24", trunk=True), lab.station("server", f"{SERVER}/24")


@pytest.fixture(scope="module")
def firewall(lab: Lab, ends: tuple[str, str]) -> str:
    return lab.bridging_function("fw")


def test_a_chain_takes_the_tag_off_and_puts_it_back(lab: Lab, ends: tuple[str, str], firewall: str):
    match = Match(vlan=10, vlan_priority=5, protocol=17, destination_port=PortRange(80, 80))
    lab.program(Chain("ten", ends[0], (PathGroup.of(firewall),), (Classifier(match),), egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    with ExitStack() as wires:
        client, inside = Wire(lab, "client", "eth0"), Wire(lab, "fw", "in")
        server = wires.enter_context(lab.socket("server", socket.AF_INET, socket.SOCK_DGRAM))
        wires.callback(client.socket.close)
        wires.callback(inside.socket.close)
        server.bind((str(SERVER), 80))
        server.settimeout(5)
        client.socket.send(question(b"in VLAN 10", Vlan(10, pcp=5)))
        payload, peer = server.recvfrom(100)
        assert (payload, peer) == (b"in VLAN 10", (str(CLIENT), 4000))
        assert inside.tags_of(b"in VLAN 10") == [None], "functions see no tag"
        server.sendto(b"an answer", peer)
        assert client.tags_of(b"an answer") == [5 << 13 | 10]

        forged = counted(lab, Kind.DROP_TAGGED)
        others = ((Vlan(11),), (Vlan(10, pcp=4),), (), (Vlan(10, tpid=0x88A8), Vlan(10)), (Vlan(10), Vlan(10)))
        for tags in others:
            client.socket.send(question(b"not for the chain", *tags))
        eventually(lambda: counted(lab, Kind.DROP_TAGGED) == forged + 2)
        eventually(lambda: counted(lab, Kind.DROP_L2_TAGGED) == 2)
        assert server.recv(100) == b"not for the chain", "without a tag it goes the plain way"
        assert inside.tags_of(b"not for the chain", 0) == []


def test_what_is_no_trunk_gets_no_tag_through(lab: Lab, ends: tuple[str, str]):
    lab.program(Chain("none", ends[0], (PathGroup.of("fw"),), egress=ends[1]))
    with Wire(lab, "server", "eth0").socket as server:
        before = counted(lab, Kind.DROP_TAGGED)
        frame = Ethernet(Mac(0x02AB00000002), Mac(0x02AB00000001), Ip(SERVER, CLIENT, Udp(1, 2)), (Vlan(10),))
        server.send(encode(frame))
        eventually(lambda: counted(lab, Kind.DROP_TAGGED) == before + 1)


def test_chains_by_bits_stand_in_the_switch_as_they_were_sent(lab: Lab, ends: tuple[str, str]):
    match = Match(
        protocol=17,
        source=addresses("0.0.0.1/0.0.0.255"),
        destination=addresses("10.0.0.2/255.0.0.3"),
        destination_port=Bits(0x50, 0x00FF),
        dscp=Bits(0x08, 0x38),
        source_mac=mac_bits("02:ab:00:00:00:00/ff:ff:00:00:00:00"),
    )
    lab.program(Chain("bits", ends[0], (PathGroup.of("fw"),), (Classifier(match),), egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    client, inside = Wire(lab, "client", "eth0"), Wire(lab, "fw", "in")
    with client.socket, inside.socket:
        for port, dscp, payload in ((0x1250, 0x0F, b"taken"), (0x1251, 0x0F, b"left"), (0x1250, 0x10, b"left")):
            ip = Ip(CLIENT, SERVER, Udp(4000, port, payload), dscp=dscp)
            client.socket.send(encode(Ethernet(Mac(0x02AB00000001), Mac(0x02AB00000002), ip)))
        assert inside.tags_of(b"taken") == [None]
        assert inside.tags_of(b"left", 0) == []


@pytest.mark.deep
def test_functions_of_one_direction_see_that_direction_alone(lab: Lab, ends: tuple[str, str], firewall: str):
    there, back = lab.bridging_function("there"), lab.bridging_function("back")
    groups = (
        PathGroup.of(firewall),
        replace(PathGroup.of(there), only=Direction.FORWARD),
        replace(PathGroup.of(back), only=Direction.REVERSE),
    )
    lab.program(Chain("partly", ends[0], groups, egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    wires = {name: Wire(lab, name, leg) for name in (firewall, there, back) for leg in ("in",)}
    far = {name: Wire(lab, name, "out") for name in (firewall, there, back)}
    try:
        with lab.socket("server") as server, lab.socket("client") as client:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            server.bind((str(SERVER), 8080))
            server.listen()
            client.connect((str(SERVER), 8080))
            talking, _ = server.accept()
            with talking:
                for _ in range(20):
                    client.sendall(b"the question")
                    assert talking.recv(100) == b"the question"
                    talking.sendall(b"the answer")
                    assert client.recv(100) == b"the answer"
        seen: Counter[tuple[str, bytes]] = Counter()
        for name in wires:
            for octets, _ in (*wires[name].received(), *far[name].received()):
                seen.update((name, words) for words in (b"the question", b"the answer") if words in octets)
    finally:
        for wire in (*wires.values(), *far.values()):
            wire.socket.close()
    assert seen[firewall, b"the question"] == seen[firewall, b"the answer"] == 20
    assert (seen[there, b"the question"], seen[there, b"the answer"]) == (20, 0)
    assert (seen[back, b"the question"], seen[back, b"the answer"]) == (0, 20)
    moved = {
        (cookie.kind, cookie.direction)
        for cookie, packets in (
            (Cookie.decode(each.cookie), each.packets) for each in flow_counters(lab.location, BRIDGE)
        )
        if packets and cookie.kind is Kind.HAND_OFF
    }
    assert moved == {(Kind.HAND_OFF, Direction.FORWARD), (Kind.HAND_OFF, Direction.REVERSE)}
