"""Liveness probes as octets, sent and recognised; orders for the responder; the monitor against a false responder."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import ARP, Ether

from sfc.errors import ModelError
from sfc.liveness import Life, ProbeKind, Watch
from sfc.model import Mac
from sfc.ovs.errors import SwitchRefused
from sfc.ovs.liveness import LivenessEvent, LivenessMonitor
from sfc.ovs.liveness_agent import Order, order_document
from sfc.ovs.liveness_probes import answers, probe_octets
from sfc.ovs.location import SwitchLocation
from tests.unit.sfc.gilan import gilan

MAC = Mac.parse("02:0a:00:00:00:01")
FRAME = Watch("fw", "h1", ProbeKind.FRAME, 11)
NSH = Watch("dpi", "h1", ProbeKind.NSH, 21)
ADDRESS_RESOLUTION = Watch("nat", "h1", ProbeKind.ARP, 31, destination=IPv4Address("10.10.0.1"))
DATAGRAM = Watch("r", "h1", ProbeKind.DATAGRAM, 41, IPv4Address("10.20.1.1"), IPv4Address("10.20.2.1"), 48952)
ALL = (FRAME, NSH, ADDRESS_RESOLUTION, DATAGRAM)


def back(watch: Watch, frame: bytes) -> bytes:
    """The frame as its function gives it back."""
    if watch.kind is ProbeKind.NSH:
        return frame[:21] + bytes([frame[21] - 1]) + frame[22:]
    if watch.kind is ProbeKind.ARP:
        asked = Ether(frame)[ARP]
        return bytes(Ether(type=0x0806) / ARP(op=2, hwsrc="02:10:00:00:00:01", psrc=asked.pdst, pdst="0.0.0.0"))
    return frame


@pytest.mark.parametrize("watch", ALL, ids=lambda watch: watch.kind.value)
def test_a_probe_is_recognised_when_it_comes_back_and_by_nobody_else(watch: Watch) -> None:
    frame = probe_octets(MAC, watch, 0xCAFE, 7)
    assert len(frame) >= 60
    assert answers(watch, 0xCAFE, back(watch, frame)) == (0 if watch.kind is ProbeKind.ARP else 7)
    if watch.kind is ProbeKind.ARP:
        other = replace(watch, destination=IPv4Address("10.10.0.9"))
    else:
        assert answers(watch, 0xBABE, back(watch, frame)) is None
        other = replace(watch, ofport=99)
    assert answers(other, 0xCAFE, back(watch, frame)) is None
    assert all(answers(each, 0xCAFE, back(watch, frame)) is None for each in ALL if each is not watch)


def test_what_comes_back_unserved_is_no_answer_of_a_function_that_speaks_nsh() -> None:
    assert answers(NSH, 1, probe_octets(MAC, NSH, 1, 1)) is None


def test_a_datagram_and_a_question_are_as_the_standards_have_them() -> None:
    packet = Ether(probe_octets(MAC, DATAGRAM, 1, 1))
    sent = packet[IP].chksum
    del packet[IP].chksum
    assert Ether(bytes(packet))[IP].chksum == sent
    assert (packet[UDP].dport, packet[IP].dst) == (48952, "10.20.2.1")
    asked = Ether(probe_octets(MAC, ADDRESS_RESOLUTION, 1, 1))[ARP]
    assert (asked.op, asked.psrc, asked.pdst) == (1, "0.0.0.0", "10.10.0.1")


@given(watch=st.sampled_from(ALL), octets=st.binary(max_size=120), cut=st.integers(0, 80))
def test_no_octets_break_the_reader(watch: Watch, octets: bytes, cut: int) -> None:
    good = back(watch, probe_octets(MAC, watch, 1, 1))
    for frame in (octets, good[:14] + octets, good[:cut]):
        assert answers(watch, 1, frame) in (None, 0, 1) or octets


def test_an_order_survives_its_document() -> None:
    lives = dict.fromkeys(ALL, Life.ALIVE)
    document = json.loads(json.dumps(order_document(lives, 75, 3, 2)))
    assert Order.read(document, "h1") == Order(ALL, (Life.ALIVE,) * 4, 0.075, 3, 2)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("intervalMs", 0),
        ("misses", 0),
        ("answers", "x"),
        ("watch", {}),
        ("watch", [{}]),
        ("watch", [{"function": "f", "kind": "frame", "ofport": 0, "port": 0, "source": None, "destination": None}]),
        ("watch", [{"function": "f", "kind": "none", "ofport": 1, "port": 0, "source": None, "destination": None}]),
    ],
)
def test_a_wrong_order_is_refused(key: str, value: object) -> None:
    document = {**order_document({FRAME: Life.UNKNOWN}, 75, 3, 2), key: value}
    with pytest.raises((ValueError, TypeError, KeyError, ModelError)):
        Order.read(document, "h1")


@pytest.fixture
def responder(tmp_path: Path) -> Iterator[tuple[SwitchLocation, socket.socket]]:
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(tmp_path / "oam.sock"))
    listening.listen()
    listening.settimeout(5)
    with listening:
        yield SwitchLocation("h1", tmp_path), listening


def accept(listening: socket.socket, lines: list[dict[str, Any]]) -> tuple[socket.socket, dict[str, Any]]:
    connection, _ = listening.accept()
    order = json.loads(connection.makefile("rb").readline())
    connection.sendall(b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    return connection, order


def test_the_monitor_tells_what_the_responder_finds_and_remembers_it_while_that_is_gone(
    responder: tuple[SwitchLocation, socket.socket],
) -> None:
    location, listening = responder
    orders: list[dict[str, Any]] = []

    def play() -> None:
        first, order = accept(listening, [{"function": "fw", "life": life} for life in ("unknown", "alive", "dead")])
        orders.append(order)
        first.close()
        second, order = accept(listening, [{"function": "fw", "life": "dead"}, {"function": "fw", "life": "alive"}])
        orders.append(order)
        listening.close()
        second.close()

    thread = threading.Thread(target=play)
    thread.start()
    with LivenessMonitor(gilan().topology, {"h1": location}) as monitor:
        seen: list[LivenessEvent] = []
        downs = []
        while len(seen) < 5:
            found = monitor.events(5.0)
            assert found
            seen += found
            downs.append(monitor.down)
        thread.join()
    assert [(event.function, event.life) for event in seen] == [
        ("fw", Life.ALIVE),
        ("fw", Life.DEAD),
        (None, Life.UNKNOWN),
        (None, Life.ALIVE),
        ("fw", Life.ALIVE),
    ]
    assert frozenset({"fw"}) in downs and monitor.down == frozenset()
    assert [item["life"] for order in orders for item in order["watch"]] == ["unknown", "dead"]


def test_a_responder_that_refuses_is_told(responder: tuple[SwitchLocation, socket.socket]) -> None:
    location, listening = responder
    thread = threading.Thread(target=lambda: accept(listening, [{"error": "no order"}])[0].close())
    thread.start()
    with (
        LivenessMonitor(gilan().topology, {"h1": location}) as monitor,
        pytest.raises(SwitchRefused, match="no order"),
    ):
        monitor.events(5.0)
    thread.join()


def test_nobody_there_is_no_event(tmp_path: Path) -> None:
    with LivenessMonitor(gilan().topology, {"h1": SwitchLocation("h1", tmp_path)}) as monitor:
        assert monitor.events(0.05) == []
        assert monitor.down == frozenset()
