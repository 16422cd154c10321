"""Hand-off by VLAN, copies to taps, graphs: on real Open vSwitch with real packets."""

from __future__ import annotations

import secrets
import socket
from collections.abc import Iterator

import pytest

from sfc.model import (
    Awareness,
    Chain,
    Classifier,
    ContextMatch,
    Cookie,
    Kind,
    Match,
    OnFailure,
    PathGroup,
    PortRange,
)
from sfc.ovs.lab import BRIDGE, Lab
from sfc.ovs.openflow import compare_tables
from sfc.ovs.stats import flow_counters
from sfc.render.tables import vlan_tag
from tests.plugins.labs import remains_of

pytestmark = pytest.mark.dataplane
ETH_P_ALL = 3


@pytest.fixture
def lab() -> Iterator[Lab]:
    name = f"t{secrets.token_hex(3)}"
    with Lab(name) as lab:
        yield lab
    assert remains_of(name) == []


def listening(lab: Lab, name: str) -> socket.socket:
    packets = lab.socket(name, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    packets.bind(("in", ETH_P_ALL))
    packets.setblocking(False)
    return packets


def frames(packets: socket.socket) -> list[tuple[bytes, int]]:
    """What was received, without what was sent; the kernel keeps tags apart, so the ethertype tells nothing of them."""
    found: list[tuple[bytes, int]] = []
    while True:
        try:
            octets, address = packets.recvfrom(4096)
        except BlockingIOError:
            return found
        if address[2] != socket.PACKET_OUTGOING:
            found.append((octets, int.from_bytes(octets[12:14], "big")))


def connect(lab: Lab) -> None:
    with lab.socket("server") as server, lab.socket("client") as client:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("10.0.0.2", 80))
        server.listen()
        client.connect(("10.0.0.2", 80))
        client.sendall(b"question")
        talking, _ = server.accept()
        with talking:
            talking.settimeout(5)
            assert talking.recv(100) == b"question"
            talking.sendall(b"answer")
            assert client.recv(100) == b"answer"


def test_a_bridge_between_vlans_passes_both_directions(lab: Lab):
    ends = lab.station("client", "10.0.0.1/24"), lab.station("server", "10.0.0.2/24")
    lab.program(Chain("web", ends[0], (PathGroup.of(lab.bridging_function("fw", Awareness.VLAN)),), egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    with listening(lab, "fw") as packets:
        packets.setsockopt(263, 8, 1)  # PACKET_AUXDATA: tags
        connect(lab)
        tags = set()
        while True:
            try:
                _, extra, _, address = packets.recvmsg(4096, 256)
            except BlockingIOError:
                break
            if address[2] != socket.PACKET_OUTGOING and extra:
                tags.add(int.from_bytes(extra[0][2][16:18], "little") & 0xFFF)
    assert tags == {vlan_tag(100)}


@pytest.mark.parametrize("awareness", [Awareness.NONE, Awareness.NSH])
def test_a_tap_gets_every_packet_of_both_directions(lab: Lab, awareness: Awareness):
    ends = lab.station("client", "10.0.0.1/24"), lab.station("server", "10.0.0.2/24")
    firewall, ids = lab.bridging_function("fw"), lab.tap("ids", awareness)
    lab.program(Chain("web", ends[0], (PathGroup.of(ids), PathGroup.of(firewall)), egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    with listening(lab, "ids") as packets:
        connect(lab)
        seen = frames(packets)
    assert {kind for _, kind in seen} == {0x894F if awareness is Awareness.NSH else 0x0800}
    assert any(b"question" in octets for octets, _ in seen)
    assert any(b"answer" in octets for octets, _ in seen)


def test_a_graph_branches_by_the_packet_and_by_the_context_word(lab: Lab):
    ends = lab.station("client", "10.0.0.1/24"), lab.station("server", "10.0.0.2/24")
    first, cache, scrubber = map(lab.bridging_function, ("first", "cache", "scrubber"))
    web = Classifier(Match(protocol=6, destination_port=PortRange(80, 80)))
    marked = Classifier(Match(context=ContextMatch(2, 0xBAD0, 0xFFF0)))
    all_ = Chain("all", ends[0], (PathGroup.of(first),), egress=ends[1], context=(0, 0xBAD1, 0))
    by_packet = Chain("cached", ends[0], (PathGroup.of(cache),), (web,), egress=ends[1], after=("all",))
    by_context = Chain("scrubbed", ends[0], (PathGroup.of(scrubber),), (marked,), egress=ends[1], after=("all",))
    for graph, branch in (((all_, by_packet), cache), ((all_, by_packet, by_context), scrubber)):
        lab.program(*graph)
        assert not compare_tables(lab.location, BRIDGE, lab.tables)
        with listening(lab, "first") as there, listening(lab, branch) as taken:
            connect(lab)
            for packets in (there, taken):
                seen = [octets for octets, _ in frames(packets)]
                assert any(b"question" in octets for octets in seen)
        handed = {
            Cookie.decode(each.cookie).chain
            for each in flow_counters(lab.location, BRIDGE)
            if each.packets and Cookie.decode(each.cookie).kind is Kind.HAND_OFF
        }
        assert handed >= {lab.chains[0].forward.spi, lab.chains[-1].forward.spi}


def test_the_bridge_itself_gives_packets_to_the_next_instance_when_a_leg_loses_its_carrier(lab: Lab):
    ends = lab.station("client", "10.0.0.1/24"), lab.station("server", "10.0.0.2/24")
    both = [lab.bridging_function(name, on_failure=OnFailure.NEXT) for name in ("first", "second")]
    lab.program(Chain("web", ends[0], (PathGroup.of("firewall", *both),), egress=ends[1]))
    assert not compare_tables(lab.location, BRIDGE, lab.tables)
    with listening(lab, "second") as packets:
        connect(lab)
        assert not any(b"question" in octets for octets, _ in frames(packets))
        lab.run("first", "ip", "link", "set", "out", "down")
        connect(lab)
        assert any(b"question" in octets for octets, _ in frames(packets))
