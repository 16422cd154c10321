"""What a switch answers, whole and damaged."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.model.actions import Output
from sfc.model.fields import Field, FieldMatch
from sfc.ovs import replies
from sfc.ovs.messages import instructions
from sfc.ovs.oxm import join_match, match_parts

MATCH = (FieldMatch(Field.IN_PORT, 1), FieldMatch(Field.NSH_SI, 255))


def flow_entry(packets: int = 3, octets: int = 300) -> bytes:
    counters = struct.pack("!HBBQ", 0x8002, 4 << 1, 8, packets) + struct.pack("!HBBQ", 0x8002, 5 << 1, 8, octets)
    stats = struct.pack("!HH", 0, 4 + len(counters)) + counters
    stats += bytes(-len(stats) % 8)
    body = join_match(match_parts(MATCH)) + stats + instructions((Output(5),))
    return struct.pack("!H2xBxHHHHHQ", 24 + len(body), 10, 200, 0, 0, 0, 0, 0xCA) + body


def test_a_flow_is_read_with_its_counters_and_instructions():
    (first, second) = replies.read_flows(flow_entry() + flow_entry(packets=4))
    assert (first.table, first.priority, first.cookie, first.packets, first.octets) == (10, 200, 0xCA, 3, 300)
    assert first.key == (10, 200, frozenset(match_parts(MATCH)))
    assert first.match == join_match(match_parts(MATCH))
    assert first.instructions == instructions((Output(5),))
    assert second.packets == 4


def test_every_cut_of_a_flow_is_refused():
    whole = flow_entry()
    for length in range(1, len(whole)):
        with pytest.raises((replies.Malformed, struct.error)):
            list(replies.read_flows(whole[:length]))


@given(body=st.binary(max_size=200))
def test_no_octets_hang_or_break_the_readers(body):
    readers = (
        replies.read_flows,
        replies.read_ports,
        replies.read_groups,
        replies.read_group_buckets,
        replies.read_meters,
        replies.read_meter_ids,
    )
    for reader in readers:
        try:
            assert isinstance(list(reader(body)), list)
        except (replies.Malformed, struct.error):
            continue


def test_a_port_without_a_counter_counts_zero_and_reserved_ports_are_left_out():
    unknown = (1 << 64) - 1

    def port(number: int) -> bytes:
        return struct.pack("!H2xIII8Q", 80, number, 0, 0, 1, 2, 3, 4, unknown, unknown, unknown, unknown)

    found = dict(replies.read_ports(port(5) + port(0xFFFFFFFE)))
    assert found == {5: replies.PortCounter(1, 2, 3, 4, 0, 0)}


def test_groups_and_meters_are_read():
    group = struct.pack("!H2xII4xQQII", 72, 5, 1, 10, 1000, 0, 0) + struct.pack("!QQQQ", 4, 400, 6, 600)
    assert dict(replies.read_groups(group)) == {5: replies.GroupCounter(10, 1000, (4, 6))}
    meter = struct.pack("!IH6xIQQII", 1, 56, 0, 100, 1000, 0, 0) + struct.pack("!QQ", 7, 70)
    assert dict(replies.read_meters(meter)) == {1: replies.MeterCounter(100, 7)}
    described = struct.pack("!HBxIH6x", 24, 1, 5, 8) + b"a bucket"
    assert dict(replies.read_group_buckets(described)) == {5: (1, b"a bucket")}
    assert list(replies.read_meter_ids(struct.pack("!HHI", 8, 0, 1))) == [1]


@pytest.mark.parametrize(
    ("numbers", "words"),
    [((1, 10), "we are slave"), ((11, 0), "stale generation"), ((2, 9), "bad action"), ((99, 1), "error")],
)
def test_an_error_says_what_it_means_and_both_numbers(numbers, words):
    text = replies.error_text(struct.pack("!HH", *numbers) + b"data")
    assert text.startswith(words)
    assert text.endswith(f"(OpenFlow error {numbers[0]}/{numbers[1]})")
