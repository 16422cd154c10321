"""Very many NSH headers of MD type 1 at once, as NumPy arrays: for captures and generators.

A batch holds one array per field, all of the same length n. It reads and writes the octets that :mod:`sfc.nsh` does,
some tens of millions of headers a second instead of some millions; MD type 2, whose headers differ in length, is for
:class:`~sfc.nsh.NshHeader` alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sfc.nsh import CONTEXT_OCTETS, NshError, NshHeader, OutOfRange, TruncatedHeader

HEADER_OCTETS = 24
_WIRE = np.dtype(">u4")
_AT_ONCE = 1 << 14
"""Rows that are written at once: what is in between stays in the processor's cache instead of taking fresh memory."""
_SHAPE, _SHAPE_TYPE_1 = 0xC03F0F00, 0x00060100  # version, length and MD type of the first word; 0, 6 and 1


@dataclass(frozen=True, eq=False, slots=True)
class NshBatch:
    """n headers. True from birth: raises :class:`~sfc.nsh.OutOfRange` for lengths that differ and values too large."""

    spi: NDArray[np.uint32]
    """24 bits."""
    si: NDArray[np.uint8]
    ttl: NDArray[np.uint8]
    """6 bits."""
    next_protocol: NDArray[np.uint8]
    oam: NDArray[np.bool_]
    unassigned: NDArray[np.uint8]
    """5 bits, as in :class:`~sfc.nsh.NshHeader`."""
    context: NDArray[np.uint32]
    """n rows of four context words."""

    def __post_init__(self) -> None:
        shape = np.shape(self.spi)
        names = ("si", "ttl", "next_protocol", "oam", "unassigned")
        if len(shape) != 1 or any(np.shape(getattr(self, name)) != shape for name in names):
            raise OutOfRange("SHAPE", "the arrays of a batch have one dimension and the same length")
        if np.shape(self.context) != (*shape, 4):
            raise OutOfRange("SHAPE", f"the context of {shape[0]} headers has {shape[0]} rows of 4 words")
        _check("service path identifier", self.spi, 0xFFFFFF)
        _check("service index", self.si, 0xFF)
        _check("TTL", self.ttl, 63)
        _check("next protocol", self.next_protocol, 0xFF)
        _check("unassigned bits", self.unassigned, 31)
        _check("context word", self.context, 0xFFFFFFFF)

    def __len__(self) -> int:
        return len(self.spi)

    def __getitem__(self, row: int) -> NshHeader:
        """One of the headers."""
        return NshHeader(
            int(self.spi[row]),
            int(self.si[row]),
            ttl=int(self.ttl[row]),
            next_protocol=int(self.next_protocol[row]),
            oam=bool(self.oam[row]),
            context=self.context[row].astype(_WIRE).tobytes(),
            unassigned=int(self.unassigned[row]),
        )

    @classmethod
    def of(cls, headers: Iterable[NshHeader]) -> Self:
        """A batch of these headers, which all are of MD type 1."""
        octets = b"".join(header.encode() for header in headers)
        return cls.decode(octets)

    @classmethod
    def decode(cls, octets: bytes | bytearray | memoryview | NDArray[np.uint8]) -> Self:
        """Read n headers of 24 octets each, one behind the other or in n rows.

        Raises the error that :meth:`NshHeader.decode` has for the first header that is malformed, its row named.
        """
        flat = np.ascontiguousarray(_octets(octets)).reshape(-1)
        if len(flat) % HEADER_OCTETS:
            raise TruncatedHeader("TRUNCATED", f"{len(flat)} octets are no whole headers of {HEADER_OCTETS} octets")
        return cls._of_words(flat.view(_WIRE).reshape(-1, HEADER_OCTETS // 4))

    @classmethod
    def gather(
        cls, octets: bytes | bytearray | memoryview | NDArray[np.uint8], offsets: NDArray[np.integer[Any]]
    ) -> Self:
        """Read the headers that begin at ``offsets`` of a capture's octets. Raises as :meth:`decode`."""
        flat = _octets(octets).reshape(-1)
        starts = np.asarray(offsets, dtype=np.int64)
        if len(starts) and (starts.min() < 0 or starts.max() + HEADER_OCTETS > len(flat)):
            raise TruncatedHeader("TRUNCATED", f"a header of {HEADER_OCTETS} octets runs over the end of {len(flat)}")
        if not len(starts):
            return cls.decode(b"")
        windows = np.lib.stride_tricks.sliding_window_view(flat, HEADER_OCTETS)
        return cls.decode(windows[starts])

    @classmethod
    def _of_words(cls, words: NDArray[Any]) -> Self:
        base, path = words[:, 0].astype(np.uint32), words[:, 1].astype(np.uint32)
        _require_type_1(words, base)
        return cls(
            spi=path >> np.uint32(8),
            si=path.astype(np.uint8),
            ttl=(base >> 22).astype(np.uint8) & np.uint8(0x3F),
            next_protocol=base.astype(np.uint8),
            oam=(base & np.uint32(1 << 29)) != 0,
            unassigned=((base >> 24 & np.uint32(0x10)) | (base >> 12 & np.uint32(0xF))).astype(np.uint8),
            context=words[:, 2:].astype(np.uint32),
        )

    def encode(self) -> NDArray[np.uint8]:
        """The headers' octets, n rows of 24."""
        words = np.empty((len(self), HEADER_OCTETS // 4), dtype=_WIRE)
        for start in range(0, len(self), _AT_ONCE):
            self._write(words, slice(start, start + _AT_ONCE))
        return words.view(np.uint8)

    def _write(self, words: NDArray[Any], rows: slice) -> None:
        unassigned = self.unassigned[rows].astype(np.uint32)
        words[rows, 0] = (
            np.uint32(_SHAPE_TYPE_1)
            | self.oam[rows].astype(np.uint32) << 29
            | (unassigned & np.uint32(0x10)) << 24
            | self.ttl[rows].astype(np.uint32) << 22
            | (unassigned & np.uint32(0xF)) << 12
            | self.next_protocol[rows]
        )
        words[rows, 1] = self.spi[rows].astype(np.uint32) << 8 | self.si[rows]
        words[rows, 2:] = self.context[rows]


def _octets(octets: bytes | bytearray | memoryview | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(octets, np.ndarray):
        return octets
    return np.frombuffer(octets, dtype=np.uint8)


def _check(what: str, values: NDArray[Any], largest: int) -> None:
    if values.dtype.kind not in "iu":
        raise OutOfRange("DTYPE", f"{what} is no array of integers")
    if np.iinfo(values.dtype).max <= largest and values.dtype.kind == "u":
        return
    if len(values) and (values.max() > largest or values.min() < 0):
        raise OutOfRange("RANGE", f"{what} of some header is not in 0..{largest}")


def _require_type_1(words: NDArray[Any], base: NDArray[np.uint32]) -> None:
    wrong = (base & np.uint32(_SHAPE)) != _SHAPE_TYPE_1
    if not wrong.any():
        return
    row = int(np.argmax(wrong))
    try:
        NshHeader.decode(words[row].tobytes())
    except NshError as error:
        raise type(error)(error.code, f"row {row}: {error.message}", error.hint) from None
    raise OutOfRange("MD_TYPE", f"row {row}: a batch holds MD type 1 with {CONTEXT_OCTETS} octets of context only")
