from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpdk_helpers.cpuset import (
    CpusetError,
    cpus_of,
    format_kernel_mask,
    format_list,
    format_mask,
    mask_of,
    parse_list,
    parse_mask,
)

CPUS = st.sets(st.integers(0, 400))


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("", ()),
        ("\n", ()),
        ("0", (0,)),
        ("0-3,8", (0, 1, 2, 3, 8)),
        ("8,0-3", (0, 1, 2, 3, 8)),
        ("1,1,0-1", (0, 1)),
        (" 2 , 4-5\n", (2, 4, 5)),
        ("0-15:2/8", (0, 1, 8, 9)),
    ],
)
def test_lists_are_read_as_the_kernel_writes_them(text, cpus):
    assert parse_list(text) == cpus


@pytest.mark.parametrize(
    "text", ["a", "-1", "3-1", "0-", "1,,2", "0x3", "1;2", "0-99999999", "65536", "0-3:0/4", "0-3:5/4", "٣", "1 2"]
)
def test_other_text_is_no_list(text):
    with pytest.raises(CpusetError, match="expected"):
        parse_list(text)


@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("ff", tuple(range(8))),
        ("0xF", (0, 1, 2, 3)),
        ("00000001,00000000", (32,)),
        ("1,0", (32,)),
        ("0", ()),
        ("00000000,00000000", ()),
    ],
)
def test_masks_are_read_with_and_without_words(text, cpus):
    assert parse_mask(text) == cpus


@pytest.mark.parametrize("text", ["", "0x", "xyz", "1,123456789", "1,,1", "-1", "f" * 16385])
def test_other_text_is_no_mask(text):
    with pytest.raises(CpusetError, match="expected"):
        parse_mask(text)


@given(CPUS)
def test_every_notation_reads_back(cpus):
    expected = tuple(sorted(cpus))
    assert parse_list(format_list(cpus)) == expected
    assert parse_mask(format_mask(cpus)) == expected
    assert parse_mask(format_kernel_mask(cpus)) == expected
    assert cpus_of(mask_of(cpus)) == expected


def test_masks_look_as_their_readers_want_them():
    assert format_mask([0, 32]) == "0x100000001"
    assert format_kernel_mask([0, 32]) == "00000001,00000001"
    assert format_kernel_mask([]) == "00000000"
    assert format_list([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


@pytest.mark.parametrize("cpu", [-1, 65536])
def test_a_cpu_outside_the_range_has_no_bit(cpu):
    with pytest.raises(CpusetError):
        mask_of([cpu])


def test_a_negative_mask_is_refused():
    with pytest.raises(CpusetError):
        cpus_of(-1)
