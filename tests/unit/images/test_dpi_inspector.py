"""The NSH-aware function, frame by frame."""

from __future__ import annotations

import struct
from ipaddress import ip_address
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

CLIENT, SERVER = "10.10.0.2", "198.51.100.1"
REQUEST = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"
SYN, ACK, SYN_ACK = 0x02, 0x10, 0x12
FIRST = 0xFFFFFFF0  # sequence numbers wrap inside the request


def tcp(payload: bytes, *, sequence: int = FIRST + 1, flags: int = ACK, back: bool = False, port: int = 40000) -> bytes:
    """An IP packet of the one connection; of v6 when asked by :func:`tcp_v6`."""
    ends = (SERVER, CLIENT) if back else (CLIENT, SERVER)
    ports = (80, port) if back else (port, 80)
    segment = struct.pack("!HHIIBBHHH", *ports, sequence & 0xFFFFFFFF, 0, 5 << 4, flags, 1024, 0, 0) + payload
    addresses = b"".join(ip_address(end).packed for end in ends)
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(segment), 0, 0, 64, 6, 0) + addresses + segment


def tcp_v6(payload: bytes) -> bytes:
    segment = struct.pack("!HHIIBBHHH", 40000, 80, 1, 0, 5 << 4, ACK, 1024, 0, 0) + payload
    addresses = ip_address("2001:db8::2").packed + ip_address("2001:db8::1").packed
    return struct.pack("!IHBB", 6 << 28, len(segment), 6, 64) + addresses + segment


def frame(
    packet: bytes,
    *,
    spi: int = 100,
    si: int = 254,
    ethertype: int = 0x0800,
    flags: int = 0,
    words: int = 6,
    md_type: int = 1,
    next_protocol: int = 3,
    c2: int = 0,
) -> bytearray:
    outer = bytes.fromhex("0221000000010 2ca00000002".replace(" ", "")) + b"\x89\x4f"
    base = struct.pack("!HBB", flags << 8 | 62 << 6 | words, md_type, next_protocol) + struct.pack("!I", spi << 8 | si)
    context = struct.pack("!IIII", 0xCA7E0064, c2, 0, 0)
    inner = bytes(6) + bytes(6) + ethertype.to_bytes(2, "big") + packet
    return bytearray(outer + base + context + inner)


class Probe:
    """An inspector and what it says."""

    def __init__(self, dpi: SimpleNamespace, connections: int = 1000) -> None:
        self.heard: list[tuple[str, int, str]] = []
        self.inspector = dpi.inspector.Inspector(
            lambda found, context, flow: self.heard.append((found.name, context, flow)), connections=connections
        )
        self.expected = dpi.names.context_value("example.org")

    def send(self, octets: bytearray) -> int | None:
        """The second context header of the frame as it comes out; None when it was dropped."""
        before = len(octets)
        passed = self.inspector.handle(octets, before)
        assert len(octets) == before
        return int.from_bytes(octets[26:30], "big") if passed else None


@pytest.fixture
def probe(dpi):
    return Probe(dpi)


def test_a_frame_goes_back_with_the_next_index_and_all_else_as_it_was(probe):
    octets = frame(tcp(b"", flags=SYN, sequence=FIRST))
    original = bytes(octets)
    assert probe.send(octets) == 0
    assert octets[0:6] == original[6:12]
    assert octets[6:12] == original[0:6]
    assert octets[21] == 253
    assert octets[12:21] + octets[22:] == original[12:21] + original[22:]


def test_a_request_marks_its_connection_in_both_directions(probe):
    probe.send(frame(tcp(b"", flags=SYN, sequence=FIRST)))
    probe.send(frame(tcp(b"", flags=SYN_ACK, back=True), spi=101))
    assert probe.send(frame(tcp(REQUEST))) == probe.expected
    assert probe.send(frame(tcp(b"HTTP/1.1 200 OK\r\n", back=True), spi=101)) == probe.expected
    assert probe.send(frame(tcp(b"more"))) == probe.expected
    assert probe.heard == [("example.org", probe.expected, "10.10.0.2:40000 > 198.51.100.1:80")]
    assert dict(probe.inspector.counters.names) == {"http:example.org": 1}


def test_another_connection_is_not_marked(probe):
    probe.send(frame(tcp(REQUEST)))
    assert probe.send(frame(tcp(b"hello", port=40001))) == 0


def test_a_request_in_pieces_out_of_order_and_repeated_is_recognised(probe):
    probe.send(frame(tcp(b"", flags=SYN, sequence=FIRST)))
    pieces = [(at, REQUEST[at : at + 10]) for at in range(0, len(REQUEST), 10)]
    for at, piece in [*pieces[:0:-1], pieces[1]]:
        assert probe.send(frame(tcp(piece, sequence=FIRST + 1 + at))) == 0
    assert probe.send(frame(tcp(pieces[0][1]))) == probe.expected


def test_a_new_connection_with_the_same_ports_starts_without_mark(probe):
    probe.send(frame(tcp(REQUEST)))
    assert probe.send(frame(tcp(b"", flags=SYN, sequence=5))) == 0
    assert probe.send(frame(tcp(b"hello there", sequence=6))) == 0


def test_a_request_over_ipv6_is_recognised(probe):
    assert probe.send(frame(tcp_v6(REQUEST), ethertype=0x86DD)) == probe.expected
    assert probe.heard[0][2] == "2001:db8::2:40000 > 2001:db8::1:80"


def test_a_context_that_another_function_wrote_stays_when_nothing_is_found(probe):
    assert probe.send(frame(tcp(b"hello there"), c2=7)) == 7


@pytest.mark.parametrize("si", [0, 1])
def test_a_service_index_that_would_end_is_dropped(probe, si):
    assert probe.send(frame(tcp(REQUEST), si=si)) is None
    assert probe.inspector.counters.dropped_si == 1


def test_an_oam_packet_passes_with_the_next_index_and_is_not_looked_into(probe):
    octets = frame(tcp(REQUEST), flags=0x20)
    assert probe.send(octets) == 0
    assert octets[21] == 253
    assert probe.inspector.counters.oam == 1


@pytest.mark.parametrize("change", [{"next_protocol": 1}, {"md_type": 2}, {"words": 5}])
def test_what_is_not_ethernet_in_md_type_1_passes_uninspected(probe, change):
    assert probe.send(frame(tcp(REQUEST), **change)) == 0
    assert probe.inspector.counters.not_inspected == 1


def test_a_later_fragment_is_not_taken_for_a_segment(probe):
    packet = bytearray(tcp(REQUEST))
    packet[7] = 10
    assert probe.send(frame(bytes(packet))) == 0
    assert len(probe.inspector.connections) == 0


def test_every_truncated_frame_is_dropped_or_passes_unmarked(probe):
    whole = frame(tcp(REQUEST))
    for length in range(len(whole)):
        assert probe.send(whole[:length]) in (None, 0)


@given(octets=st.binary(min_size=0, max_size=120))
def test_no_frame_breaks_the_function(dpi, octets):
    probe = Probe(dpi)
    probe.send(bytearray(octets))
    probe.send(frame(octets))
    probe.send(frame(octets, ethertype=0x86DD))
    assert sum(probe.inspector.counters.names.values()) == 0


def test_memory_is_bounded_and_the_longest_silent_connection_is_forgotten(dpi):
    probe = Probe(dpi, connections=3)
    for port in (1001, 1002, 1003):
        probe.send(frame(tcp(REQUEST, port=port)))
    probe.send(frame(tcp(b"x", port=1001)))
    probe.send(frame(tcp(b"x", port=1001, back=True)))
    probe.send(frame(tcp(REQUEST, port=1004)))
    assert len(probe.inspector.connections) == 3
    assert probe.send(frame(tcp(b"later", port=1001))) == probe.expected
    assert probe.send(frame(tcp(b"later", port=1002))) == 0


def test_an_endless_beginning_is_given_up(probe):
    probe.send(frame(tcp(b"", flags=SYN, sequence=FIRST)))
    for at in range(0, 9000, 1000):
        probe.send(frame(tcp(b"GET /" + b"x" * 995 if at == 0 else b"x" * 1000, sequence=FIRST + 1 + at)))
    assert probe.inspector.connections.get(next(iter(probe.inspector.connections._by_key))).beginnings is None


def test_names_are_bounded(dpi, monkeypatch):
    monkeypatch.setattr(dpi.inspector, "NAMES_MAX", 2)
    counters = dpi.inspector.Counters()
    for name in "abca":
        counters.count_name(dpi.names.Found("http", name))
    assert dict(counters.names) == {"http:a": 2, "http:b": 1, "http:(others)": 1}
