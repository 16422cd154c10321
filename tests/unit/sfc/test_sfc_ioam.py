"""IOAM traces: octet by octet, written by node after node, and refused when they contradict themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.ioam import Flag, IoamError, NodeData, Trace, TraceType, hop_and_node, node_words
from sfc.nsh import NextProtocol, NshHeader, OutOfRange
from sfc.oam import o_bit_fault

KINDS = TraceType.HOP_AND_NODE | TraceType.TRANSIT_DELAY
FIRST: NodeData = {TraceType.HOP_AND_NODE: hop_and_node(62, 1), TraceType.TRANSIT_DELAY: 500}
SECOND: NodeData = {TraceType.HOP_AND_NODE: hop_and_node(60, 2), TraceType.TRANSIT_DELAY: 700}
EMPTY = Trace(KINDS, NextProtocol.ETHERNET, room=2, namespace=0x0102)


def test_a_trace_octet_by_octet() -> None:
    assert EMPTY.encode().hex(" ", 4) == "00070003 01021004 88000000 00000000 00000000 00000000 00000000"
    one = EMPTY.written(FIRST)
    assert one.encode().hex(" ", 4) == "00070003 01021002 88000000 00000000 00000000 3e000001 000001f4"
    two = one.written(SECOND)
    assert two.encode().hex(" ", 4) == "00070003 01021000 88000000 3c000002 000002bc 3e000001 000001f4"


def test_what_nodes_wrote_is_read_the_first_first() -> None:
    trace = EMPTY.written(FIRST).written(SECOND)
    assert Trace.decode(trace.encode() + b"the frame") == (trace, 28)
    assert trace.nodes == (FIRST, SECOND) and trace.room == 0


def test_a_node_without_room_says_so_and_writes_nothing() -> None:
    full = EMPTY.written(FIRST).written(SECOND).written(FIRST)
    assert full.nodes == (FIRST, SECOND) and full.flags is Flag.OVERFLOW
    assert full.encode()[6:8].hex() == "1400"
    assert Trace.decode(full.encode())[0] == full


def test_it_rides_along_with_a_users_packet_that_stays_one() -> None:
    header = NshHeader(100, 255, next_protocol=NextProtocol.IOAM)
    assert o_bit_fault(header) is None
    packet = header.encode() + EMPTY.encode() + b"the frame"
    nsh, length = NshHeader.decode(packet)
    trace, more = Trace.decode(packet[length:])
    assert (nsh.next_protocol, trace.next_protocol, packet[length + more :]) == (6, 3, b"the frame")


def test_wide_items_take_two_words() -> None:
    assert node_words(TraceType.HOP_AND_NODE_WIDE | TraceType.QUEUE_DEPTH) == 3
    wide = Trace(TraceType.HOP_AND_NODE_WIDE, 3, room=1).written({TraceType.HOP_AND_NODE_WIDE: 1 << 63})
    assert Trace.decode(wide.encode())[0] == wide


@given(
    kinds=st.sets(st.sampled_from(list(TraceType)), min_size=1).map(lambda found: TraceType(sum(found))),
    nodes=st.integers(0, 4),
    room=st.integers(0, 4),
    number=st.integers(0, (1 << 32) - 1),
)
def test_every_trace_survives(kinds: TraceType, nodes: int, room: int, number: int) -> None:
    data = {kind: number for kind in TraceType if kind & kinds}
    trace = Trace(kinds, 3, room, (data,) * nodes)
    octets = trace.encode()
    assert Trace.decode(octets) == (trace, len(octets))


@pytest.mark.parametrize(
    ("octets", "words"),
    [
        ("", "octets of an IOAM trace"),
        ("01070003 01021004 88000000 00000000 00000000 00000000 00000000", "option type 1"),
        ("00080003 01021004 88000000 00000000 00000000 00000000 00000000", "where 28 are left"),
        ("00020003 01021004 88000000", "an IOAM header of 8 octets"),
        ("00070003 01021804 88000000 00000000 00000000 00000000 00000000", "nodes of 3 words"),
        ("00070003 01021003 88000000 00000000 00000000 00000000 00000000", "3 words of room"),
        ("00070003 0102107e 88000000 00000000 00000000 00000000 00000000", "126 words of room"),
        ("00070003 01021004 00000000 00000000 00000000 00000000 00000000", "trace type 0x0"),
        ("00070003 01021004 88000200 00000000 00000000 00000000 00000000", "does not read"),
    ],
)
def test_a_trace_that_contradicts_itself_is_refused(octets: str, words: str) -> None:
    with pytest.raises(IoamError, match=words):
        Trace.decode(bytes.fromhex(octets))


def test_the_reserved_bit_and_reserved_octets_are_ignored_and_sent_as_zeros() -> None:
    received = bytes.fromhex("00 07 ff 03 01021004 880001aa 00000000 00000000 00000000 00000000")
    trace, _ = Trace.decode(received)
    assert trace == EMPTY and trace.encode() == EMPTY.encode()


def test_what_an_undefined_bit_asks_for_is_kept_and_written_as_unavailable() -> None:
    """RFC 9197 section 4.4.1: bits 12 to 21 are a word each, behind those that have a name."""
    received = bytes.fromhex("00070003 01021002 80080000 00000000 00000000 3e000001 00000005")
    trace, _ = Trace.decode(received)
    assert trace.encode() == received and trace.room == 1
    written = trace.written({TraceType.HOP_AND_NODE: hop_and_node(60, 2)})
    assert written.encode()[12:].hex(" ", 4) == "3c000002 ffffffff 3e000001 00000005"
    assert Trace.decode(written.encode())[0] == written


@given(octets=st.binary(max_size=80))
def test_no_octets_break_it(octets: bytes) -> None:
    try:
        trace, length = Trace.decode(octets)
    except IoamError:
        return
    assert Trace.decode(trace.encode()) == (trace, length)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Trace(TraceType(0), 3, 1),
        lambda: Trace(TraceType(2), 3, 1),
        lambda: Trace(KINDS, 3, 64),
        lambda: Trace(KINDS, 3, -1),
        lambda: Trace(KINDS, 256, 1),
        lambda: Trace(KINDS, 3, 1, namespace=1 << 16),
        lambda: EMPTY.written({TraceType.HOP_AND_NODE: 1}),
        lambda: EMPTY.written({TraceType.HOP_AND_NODE: 1 << 32, TraceType.TRANSIT_DELAY: 0}),
        lambda: hop_and_node(256, 1),
    ],
)
def test_what_cannot_be_is_refused(make) -> None:
    with pytest.raises(OutOfRange):
        make()
