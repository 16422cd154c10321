"""Classifiers by bits: what they take, which of them overlap, and that the tables take exactly the same."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfc.classifier import contains, intersect, overlaps
from sfc.errors import ModelError, RenderError
from sfc.headerspace import beyond, common, member, minus, of_range
from sfc.headerspace import contains as takes_all
from sfc.model import Chain, Classifier, Field, Mac, Match, PathGroup, PortRange
from sfc.model.bits import AddressBits, Bits, MacBits, addresses, mac_bits, masked_addresses, number_bits
from sfc.path import plan_chain
from sfc.render import render
from sfc.render.matches import traffic
from sfc.samples import samples, takes
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Ip, Tcp
from sfc.verify import verify
from tests.unit.sfc.gilan import SUB, SUB_IP, GiLan, gilan

cubes = st.tuples(st.integers(0, 63), st.integers(0, 63)).map(lambda pair: (pair[0] & pair[1], pair[1]))


def members(cube: tuple[int, int]) -> set[int]:
    return {value for value in range(64) if value & cube[1] == cube[0]}


@given(cubes, cubes)
def test_the_algebra_of_sets_is_exact(one: tuple[int, int], other: tuple[int, int]) -> None:
    both = common(one, other)
    assert (members(both) if both else set()) == members(one) & members(other)
    pieces = list(minus(one, other))
    assert set().union(*map(members, pieces)) == members(one) - members(other)
    assert sum(map(len, map(members, pieces))) == len(members(one) - members(other))
    assert takes_all((other,), (one,)) is (members(one) <= members(other))


@given(st.integers(0, 63), st.integers(0, 63), st.lists(cubes, max_size=4))
def test_what_a_range_has_beyond_others(first: int, last: int, others: list[tuple[int, int]]) -> None:
    pairs = of_range(first, last, 6)
    assert set().union(*map(members, pairs)) == set(range(first, last + 1))
    left = beyond(pairs, others)
    assert set().union(*map(members, left)) == set(range(first, last + 1)) - set().union(*map(members, others))
    assert all(member(cube, 21) in members(cube) for cube in left)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("10.0.0.5/0.0.0.255", "0.0.0.5/0.0.0.255"),
        ("10.1.2.3/255.0.0.255", "10.0.0.3/255.0.0.255"),
        ("10.1.2.3/255.255.0.0", "10.1.0.0/16"),
        ("10.1.2.3/16", "10.1.0.0/16"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("1.2.3.4/0.0.0.0", "0.0.0.0/0"),
        ("2001:db8::7/ffff::ff", "2001::7/ffff::ff"),
    ],
)
def test_addresses_are_read_with_masks(text: str, told: str) -> None:
    assert str(addresses(text)) == told
    assert addresses(told) == addresses(text)


@pytest.mark.parametrize("text", ["10.0.0.1/ffff::", "10.0.0/8", "fe80::1%eth0", "10.0.0.0/33", "10.0.0.0/", "1" * 200])
def test_what_is_no_set_of_addresses_is_refused(text: str) -> None:
    with pytest.raises(ModelError, match="no address, prefix, or address with a mask"):
        addresses(text)


def test_bits_are_checked() -> None:
    assert str(number_bits("0x50/0xf0")) == "0x50/0xf0" and str(number_bits("16/48")) == "0x10/0x30"
    assert str(mac_bits("02:00:00:00:00:01/ff:00:00:00:00:01")) == "02:00:00:00:00:01/ff:00:00:00:00:01"
    for wrong in ("1/0", "0x11/0x10", "1", "x/1", "1/99999999999999999999"):
        with pytest.raises(ModelError):
            number_bits(wrong)
    for match in ({"dscp": Bits(64, 64)}, {"protocol": 6, "source_port": Bits(0, 1 << 16)}):
        with pytest.raises(ModelError):
            Match(**match)
    with pytest.raises(ModelError, match="none of an IPv4 address"):
        AddressBits(0, 1 << 32, 4)


@given(st.integers(0, 255), st.integers(1, 255), st.integers(0, 255), st.integers(1, 255))
@settings(max_examples=60)
def test_overlaps_of_masks_are_exact(value: int, mask: int, other: int, its_mask: int) -> None:
    one = Match(destination=masked_addresses(4, value & mask, mask))
    two = Match(destination=masked_addresses(4, other & its_mask, its_mask))
    taken = {number for number in range(256) if number & mask == value & mask}
    others = {number for number in range(256) if number & its_mask == other & its_mask}
    assert intersect(one, two) is bool(taken & others)
    assert contains(one, two) is (others <= taken)


def test_containment_looks_at_fragments_and_at_each_value() -> None:
    every_port = Match(protocol=17, destination_port=PortRange(0, 65535))
    assert not contains(every_port, Match(protocol=17))  # later fragments show no port
    assert contains(Match(protocol=17), every_port)
    low = Match(protocol=6, source_port=Bits(0, 0x8000))
    assert contains(low, Match(protocol=6, source_port=PortRange(1, 32767)))
    assert not contains(low, Match(protocol=6, source_port=PortRange(1, 32768)))
    assert contains(Match(dscp=Bits(32, 32)), Match(dscp=46)) and not intersect(Match(dscp=Bits(32, 32)), Match(dscp=8))


def test_an_overlap_of_masks_names_both_and_the_winner() -> None:
    odd = Chain("odd", "sub", (PathGroup.of("fw"),), (Classifier(Match(source=addresses("0.0.0.1/0.0.0.1"))),))
    tens = Chain("tens", "sub", (PathGroup.of("fw"),), (Classifier(Match(source=addresses("10.0.0.0/8")), 5),))
    even = Chain("even", "sub", (PathGroup.of("fw"),), (Classifier(Match(source=addresses("0.0.0.0/0.0.0.1"))),))
    told = [str(each) for each in overlaps((odd, tens, even))]
    assert told == [
        "classifier 0 of chain tens takes a part of the traffic of classifier 0 of chain even at port sub, by priority",
        "classifier 0 of chain tens takes a part of the traffic of classifier 0 of chain odd at port sub, by priority",
    ]


WITH_BITS = Match(
    protocol=6,
    source=addresses("0.0.0.2/0.0.0.254"),
    destination=addresses("198.0.0.1/255.0.0.1"),
    destination_port=Bits(0x50, 0x00FF),
    dscp=Bits(0x28, 0x38),
    source_mac=mac_bits("02:10:00:00:00:00/ff:ff:00:00:00:00"),
    destination_mac=MacBits(0x020000000000, 0x030000000000),
)


def by_bits(match: Match = WITH_BITS) -> GiLan:
    lan = gilan()
    chain = replace(lan.web.chain, classifiers=(Classifier(match, 10),))
    return GiLan(lan.topology, (plan_chain(lan.topology, chain, 100, 101), lan.other))


def test_chains_by_bits_are_proven() -> None:
    lan = by_bits()
    assert verify(lan.topology, lan.chains, lan.tables) == ()
    end = lan.topology.port("nat-in")
    assert all(takes(WITH_BITS, each) for each in samples(lan.topology, lan.web.chain, end, 0))


@settings(max_examples=80)
@given(st.integers(0, 63), st.integers(0, 65535), st.sampled_from(["198.51.100.1", "198.51.100.2", "8.0.0.1"]))
def test_tables_take_what_the_bits_say(dscp: int, port: int, destination: str) -> None:
    packet = Ethernet(SUB, Mac(0x021000000001), Ip(SUB_IP, IPv4Address(destination), Tcp(4000, port, "S"), dscp=dscp))
    taken = NETWORK.inject("sub", packet).functions == ("fw", "dpi", "nat")
    assert taken is takes(WITH_BITS, packet)
    assert taken is (dscp & 0x38 == 0x28 and port & 0xFF == 0x50 and destination == "198.51.100.1")


NETWORK = Simulator(by_bits().topology, by_bits().tables)


def test_each_value_of_some_dscp_bits_is_a_flow() -> None:
    flows = traffic(Match(dscp=Bits(0x28, 0x38)), 4)
    values = sorted(part.value for parts in flows for part in parts if part.field is Field.IP_DSCP)
    assert values == list(range(0x28, 0x30))


def test_a_classifier_of_too_many_flows_is_refused() -> None:
    wide = PortRange(1, 65534)
    match = Match(protocol=6, source_port=wide, destination_port=wide, dscp=Bits(1, 1))
    with pytest.raises(RenderError, match="flows, more than 4096") as refused:
        render(by_bits(match).topology, by_bits(match).chains)
    assert refused.value.code == "MATCH_FLOWS"


def test_a_full_mask_is_written_as_a_value() -> None:
    one = traffic(Match(protocol=6, destination_port=Bits(80, 0xFFFF), source_mac=MacBits(int(SUB), (1 << 48) - 1)), 4)
    assert one == traffic(Match(protocol=6, destination_port=PortRange(80, 80), source_mac=SUB), 4)


@pytest.mark.parametrize(("version", "length"), [(4, 0), (4, 7), (6, 24), (6, 128)])
def test_leading_ones_are_a_prefix(version: int, length: int) -> None:
    width = 32 if version == 4 else 128
    made = masked_addresses(version, 0, (1 << width) - (1 << width - length))
    assert not isinstance(made, AddressBits) and (made.version, made.prefixlen) == (version, length)
