from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.nsh import (
    BadLength,
    ContextTlv,
    NextProtocol,
    NshError,
    NshHeader,
    OutOfRange,
    TruncatedHeader,
    UnsupportedMdType,
    UnsupportedVersion,
)
from sfc.nsh_batch import NshBatch

# RFC 8300 figures 2 to 4, filled in: O bit, TTL 61, five unassigned bits, next protocol 7, path 0x123456, index 254.
FIRST = bytes.fromhex("3f46f107 123456fe 00000001 00000002 00000003 fffffffe")
SECOND = bytes.fromhex("0fc60103 000064ff 00000000 00000000 00000000 00000000")

headers = st.builds(
    NshHeader,
    st.integers(0, 0xFFFFFF),
    st.integers(0, 255),
    ttl=st.integers(0, 63),
    next_protocol=st.integers(0, 255),
    oam=st.booleans(),
    context=st.binary(min_size=16, max_size=16),
    unassigned=st.integers(0, 31),
)


def test_two_headers_octet_by_octet() -> None:
    batch = NshBatch.decode(FIRST + SECOND)
    assert len(batch) == 2
    assert batch.spi.tolist() == [0x123456, 100]
    assert batch.si.tolist() == [254, 255]
    assert batch.ttl.tolist() == [61, 63]
    assert batch.next_protocol.tolist() == [NextProtocol.ACTIVE_OAM, NextProtocol.ETHERNET]
    assert batch.oam.tolist() == [True, False]
    assert batch.unassigned.tolist() == [0b11111, 0]
    assert batch.context.tolist() == [[1, 2, 3, 0xFFFFFFFE], [0, 0, 0, 0]]
    assert batch.encode().tobytes() == FIRST + SECOND


@given(st.lists(headers, max_size=20))
def test_a_batch_reads_and_writes_what_the_header_does(some: list[NshHeader]) -> None:
    octets = b"".join(header.encode() for header in some)
    batch = NshBatch.of(some)
    assert [batch[row] for row in range(len(batch))] == some
    assert batch.encode().tobytes() == octets


def test_headers_are_gathered_out_of_a_capture() -> None:
    capture = b"\x01" * 5 + FIRST + b"\x02" * 3 + SECOND
    batch = NshBatch.gather(capture, np.array([32, 5]))
    assert batch.encode().tobytes() == SECOND + FIRST
    assert len(NshBatch.gather(capture, np.array([], dtype=np.int64))) == 0


@pytest.mark.parametrize("offset", [-1, 33])
def test_an_offset_outside_the_capture_is_refused(offset: int) -> None:
    with pytest.raises(TruncatedHeader):
        NshBatch.gather(bytes(5) + FIRST + bytes(3), np.array([offset]))


@pytest.mark.parametrize(
    ("second", "error"),
    [
        (b"\x4f" + SECOND[1:], UnsupportedVersion),
        (SECOND[:1] + b"\xc5" + SECOND[2:], BadLength),
        (SECOND[:2] + b"\x0f" + SECOND[3:], UnsupportedMdType),
        (NshHeader(1, 1, context=(ContextTlv(1, 2, bytes(12)),)).encode(), OutOfRange),
    ],
)
def test_the_first_malformed_header_is_named_with_its_own_error(second: bytes, error: type[NshError]) -> None:
    with pytest.raises(error, match="row 1") as refused:
        NshBatch.decode(FIRST + second + second)
    assert type(refused.value) is error


def test_half_a_header_is_refused() -> None:
    with pytest.raises(TruncatedHeader):
        NshBatch.decode(FIRST[:23])


def parts(**changed: Any) -> dict[str, Any]:
    octets = np.zeros(2, dtype=np.uint8)
    words = np.zeros((2, 4), dtype=np.uint32)
    names = ("si", "ttl", "next_protocol", "unassigned")
    plain = {"spi": np.zeros(2, dtype=np.uint32), "oam": np.zeros(2, dtype=np.bool_), "context": words}
    return {**plain, **{name: octets for name in names}, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"spi": np.array([1, 1 << 24], dtype=np.uint32)},
        {"si": np.array([0, 256])},
        {"ttl": np.array([0, 64], dtype=np.uint8)},
        {"ttl": np.array([0, -1])},
        {"next_protocol": np.array([1.5, 2])},
        {"unassigned": np.array([32, 0], dtype=np.uint8)},
        {"oam": np.zeros(3, dtype=np.bool_)},
        {"context": np.zeros((2, 3), dtype=np.uint32)},
        {"spi": np.zeros((2, 1), dtype=np.uint32)},
    ],
)
def test_values_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    assert len(NshBatch(**parts())) == 2
    with pytest.raises(OutOfRange):
        NshBatch(**parts(**changed))


def test_many_headers_are_written_in_their_order() -> None:
    count = 40_000  # more than are written at once
    rows = np.arange(count, dtype=np.uint32)
    zeros, octets = np.zeros(count, dtype=np.uint8), (rows % 251).astype(np.uint8)
    batch = NshBatch(rows, octets, zeros, octets, zeros.astype(np.bool_), zeros, np.repeat(rows[:, None], 4, axis=1))
    again = NshBatch.decode(batch.encode())
    assert (again.spi == rows).all() and (again.si == octets).all() and (again.next_protocol == octets).all()
    assert (again.context[:, 3] == rows).all()
