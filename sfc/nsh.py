"""The Network Service Header, RFC 8300: octets in, values out, and back without losing a bit.

::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |Ver|O|U|    TTL    |   Length  |U|U|U|U|MD Type| Next Protocol |
    |          Service Path Identifier              | Service Index |
    |  MD type 1: 16 octets of context; MD type 2: a list of TLVs   |

Unassigned bits are kept as they came (section 2.2 tells a sender to write zeros and everybody else to preserve
them), and so is the padding of a TLV. Both types are immutable. They are tuples underneath, which are made twice as
fast as frozen dataclasses; a header is its two words and its context, of which the properties show the parts.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from operator import itemgetter
from typing import Any, Self, final

from sfc.errors import NshError

Buffer = bytes | bytearray | memoryview
"""What ``decode`` is declared to take; at run time anything with a contiguous buffer will do."""

__all__ = [
    "BadLength",
    "ContextTlv",
    "NextProtocol",
    "NshError",
    "NshHeader",
    "OutOfRange",
    "TruncatedHeader",
    "TruncatedTlv",
    "UnsupportedMdType",
    "UnsupportedVersion",
    "read_tlvs",
]

MD_TYPE_1, MD_TYPE_2 = 1, 2  # section 2.2; 0 is reserved, 0xf is for experiments
MD_TYPE_1_WORDS = 6  # section 2.4: the length of MD type 1 in words of four octets
HEADER_WORDS_MIN = 2  # section 2.2: base header and service path header
HEADER_WORDS_MAX = 63  # six bits
CONTEXT_OCTETS = 16  # section 2.4
TLV_VALUE_MAX = 127  # section 2.5.1: seven bits
TTL_DEFAULT = 63  # section 2.2

_PATH = struct.Struct("!II")
_FIXED = struct.Struct("!II16s")
_TLV = struct.Struct("!HBB")

_unpack_fixed = _FIXED.unpack_from
_new = tuple.__new__

_O_BIT = 1 << 29
_SHAPE = 0b11 << 30 | 0x3F << 16 | 0xF << 8  # version, length and MD type of the first word
_SHAPE_TYPE_1 = MD_TYPE_1_WORDS << 16 | MD_TYPE_1 << 8


class TruncatedHeader(NshError):
    """Fewer octets than the header says it has."""


class UnsupportedVersion(NshError):
    """A version other than 0 (section 2.2: the packet is to be discarded)."""


class UnsupportedMdType(NshError):
    """Metadata of neither type 1 nor type 2."""


class BadLength(NshError):
    """A length field that contradicts the metadata type."""


class TruncatedTlv(NshError):
    """A context header of MD type 2 that runs over the end of the header."""


class OutOfRange(NshError):
    """A value that does not fit its field."""


class NextProtocol(IntEnum):
    """What follows the header: section 2.2 and IANA's registry "NSH Next Protocol"."""

    IPV4 = 1
    IPV6 = 2
    ETHERNET = 3
    NSH = 4
    MPLS = 5
    IOAM = 6
    """RFC 9452."""
    ACTIVE_OAM = 7
    """RFC 9516."""
    EXPERIMENT_1 = 0xFE
    EXPERIMENT_2 = 0xFF


_KNOWN_PROTOCOLS: dict[int, NextProtocol] = {int(protocol): protocol for protocol in NextProtocol}


class _Record(tuple[Any, ...]):
    """A tuple that equals its own kind only."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and tuple.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return tuple.__hash__(self)


@final
class ContextTlv(_Record):
    """One variable-length context header of MD type 2 (section 2.5.1).

    ``md_class`` 16 bits, ``type`` 8 bits, ``value`` 0 to 127 octets, ``unassigned`` 1 bit. ``padding`` fills the value
    up to four octets: empty means zeros; octets other than zeros are kept, and must be exactly as many as needed.
    """

    __slots__ = ()

    def __new__(cls, md_class: int, type: int, value: bytes, *, unassigned: int = 0, padding: bytes = b"") -> Self:
        """Raises :class:`OutOfRange`."""
        _check("MD class", md_class, 0xFFFF)
        _check("context type", type, 0xFF)
        _check("unassigned bit of a context header", unassigned, 1)
        _check("octets of a context header", len(value), TLV_VALUE_MAX)
        if padding and len(padding) != -len(value) % 4:
            raise OutOfRange("PADDING", f"{len(padding)} octets of padding behind {len(value)} of a context header")
        return tuple.__new__(cls, (md_class, type, bytes(value), unassigned, padding if any(padding) else b""))

    md_class: int = property(itemgetter(0))  # type: ignore[assignment]
    type: int = property(itemgetter(1))  # type: ignore[assignment]
    value: bytes = property(itemgetter(2))  # type: ignore[assignment]
    unassigned: int = property(itemgetter(3))  # type: ignore[assignment]
    padding: bytes = property(itemgetter(4))  # type: ignore[assignment]

    def encode(self) -> bytes:
        """Its octets, padding included."""
        value = self.value
        head = _TLV.pack(self.md_class, self.type, self.unassigned << 7 | len(value))
        return head + value + (self.padding or bytes(-len(value) % 4))

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        return (self[:3], {"unassigned": self.unassigned, "padding": self.padding})

    def __repr__(self) -> str:
        return f"ContextTlv({self.md_class:#06x}, {self.type:#04x}, {self.value!r}, unassigned={self.unassigned})"


Context = bytes | tuple[ContextTlv, ...]


@final
class NshHeader(_Record):
    """A whole header.

    ``spi`` 24 bits, ``si`` 8 bits, ``ttl`` 0 to 63 hops, ``oam`` the O bit, ``unassigned`` the five U bits as one
    number (the one beside the O bit highest). ``context``: 16 octets for MD type 1, a tuple of
    :class:`ContextTlv`, maybe empty, for MD type 2.
    """

    __slots__ = ()

    def __new__(
        cls,
        spi: int,
        si: int,
        *,
        ttl: int = TTL_DEFAULT,
        next_protocol: NextProtocol | int = NextProtocol.ETHERNET,
        oam: bool = False,
        context: Context = bytes(CONTEXT_OCTETS),
        unassigned: int = 0,
    ) -> Self:
        """Raises :class:`OutOfRange`."""
        fits = 0 <= spi <= 0xFFFFFF and 0 <= si <= 0xFF and 0 <= ttl <= 63
        if not (fits and 0 <= next_protocol <= 0xFF and 0 <= unassigned <= 31):
            _refuse(spi, si, ttl, next_protocol, unassigned)
        checked, shape = _checked_context(context)
        # Version 0; the highest unassigned bit stands right behind the O bit.
        high, low = unassigned >> 4, unassigned & 0xF
        base = bool(oam) << 29 | high << 28 | ttl << 22 | shape | low << 12 | next_protocol
        return tuple.__new__(cls, (base, spi << 8 | si, checked))

    context: Context = property(itemgetter(2))  # type: ignore[assignment]

    @property
    def spi(self) -> int:
        """Service path identifier."""
        path: int = self[1]
        return path >> 8

    @property
    def si(self) -> int:
        """Service index."""
        path: int = self[1]
        return path & 0xFF

    @property
    def ttl(self) -> int:
        """Hops that are left."""
        base: int = self[0]
        return base >> 22 & 0x3F

    @property
    def next_protocol(self) -> NextProtocol | int:
        """What follows the header; a bare number when the registry has no name for it."""
        number: int = self[0] & 0xFF
        return _KNOWN_PROTOCOLS.get(number, number)

    @property
    def oam(self) -> bool:
        """The O bit."""
        base: int = self[0]
        return base & _O_BIT != 0

    @property
    def unassigned(self) -> int:
        """The five U bits as one number."""
        base: int = self[0]
        return base >> 24 & 0x10 | base >> 12 & 0xF

    @property
    def md_type(self) -> int:
        """1 or 2."""
        base: int = self[0]
        return base >> 8 & 0xF

    def encode(self) -> bytes:
        """The header's octets, ready to be put before its payload."""
        base, path, context = self
        if type(context) is bytes:
            return _FIXED.pack(base, path, context)
        return _PATH.pack(base, path) + b"".join([tlv.encode() for tlv in context])

    @classmethod
    def decode(cls, data: Buffer) -> tuple[Self, int]:
        """Read a header from the front of ``data``: the header and how many octets it took.

        Never reads past the header's own length. Raises :class:`TruncatedHeader`, :class:`UnsupportedVersion`,
        :class:`UnsupportedMdType`, :class:`BadLength` or :class:`TruncatedTlv`.
        """
        try:
            words = _unpack_fixed(data)
        except struct.error:
            return cls._decode_any(data)
        if words[0] & _SHAPE != _SHAPE_TYPE_1:
            return cls._decode_any(data)
        return _new(cls, words), 24

    @classmethod
    def _decode_any(cls, data: Buffer) -> tuple[Self, int]:
        """Everything but a whole, right header of MD type 1."""
        try:
            base, path = _PATH.unpack_from(data)
        except struct.error:
            raise _too_short(memoryview(data).nbytes, HEADER_WORDS_MIN * 4) from None
        if base >> 30:
            raise UnsupportedVersion("VERSION", f"NSH version {base >> 30} (RFC 8300 section 2.2)")
        md_type = base >> 8 & 0xF
        words = base >> 16 & 0x3F
        if md_type == MD_TYPE_1:
            raise _bad_fixed(memoryview(data).nbytes, words)
        if md_type != MD_TYPE_2:
            raise UnsupportedMdType(
                "MD_TYPE", f"NSH MD type {md_type} (RFC 8300 section 2.2)", "types 1 and 2 are known"
            )
        return tuple.__new__(cls, (base, path, _variable_context(data, words))), words * 4

    def __getnewargs_ex__(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        names = ("ttl", "next_protocol", "oam", "context", "unassigned")
        return ((self.spi, self.si), {name: getattr(self, name) for name in names})

    def __repr__(self) -> str:
        return (
            f"NshHeader({self.spi}, {self.si}, ttl={self.ttl}, next_protocol={self.next_protocol!r}, oam={self.oam}, "
            f"context={self.context!r}, unassigned={self.unassigned})"
        )


def _check(what: str, value: int, largest: int) -> None:
    if not 0 <= value <= largest:
        raise OutOfRange("RANGE", f"{what} is {value}, not in 0..{largest}")


def _refuse(spi: int, si: int, ttl: int, next_protocol: int, unassigned: int) -> None:
    _check("service path identifier", spi, 0xFFFFFF)
    _check("service index", si, 0xFF)
    _check("TTL", ttl, 63)
    _check("next protocol", next_protocol, 0xFF)
    _check("unassigned bits", unassigned, 31)


def _checked_context(context: Context) -> tuple[Context, int]:
    """The context, and the length and type that it gives the first word."""
    if type(context) is bytes and len(context) == CONTEXT_OCTETS:
        return context, _SHAPE_TYPE_1
    if isinstance(context, bytes | bytearray | memoryview):
        if len(context) != CONTEXT_OCTETS:
            raise OutOfRange("CONTEXT", f"{len(context)} octets of context: MD type 1 has {CONTEXT_OCTETS}")
        return bytes(context), _SHAPE_TYPE_1
    tlvs = tuple(context)
    octets = sum(4 + len(tlv.value) + -len(tlv.value) % 4 for tlv in tlvs)
    if octets > (HEADER_WORDS_MAX - HEADER_WORDS_MIN) * 4:
        raise OutOfRange(
            "CONTEXT", f"{octets} octets of context headers do not fit a header of {HEADER_WORDS_MAX} words"
        )
    return tlvs, (HEADER_WORDS_MIN + octets // 4) << 16 | MD_TYPE_2 << 8


def _too_short(available: int, wanted: int) -> TruncatedHeader:
    return TruncatedHeader("TRUNCATED", f"{available} octets of an NSH header of at least {wanted}")


def _bad_fixed(available: int, words: int) -> NshError:
    if words != MD_TYPE_1_WORDS:
        return BadLength("LENGTH", f"MD type 1 with a length of {words} words, not {MD_TYPE_1_WORDS} (section 2.4)")
    return _too_short(available, MD_TYPE_1_WORDS * 4)


def _variable_context(data: Buffer, words: int) -> tuple[ContextTlv, ...]:
    if words < HEADER_WORDS_MIN:
        raise BadLength("LENGTH", f"MD type 2 with a length of {words} words, below {HEADER_WORDS_MIN} (section 2.5)")
    octets = bytes(memoryview(data).cast("B")[: words * 4])
    if len(octets) < words * 4:
        raise _too_short(len(octets), words * 4)
    return read_tlvs(octets[HEADER_WORDS_MIN * 4 :])


def read_tlvs(octets: bytes) -> tuple[ContextTlv, ...]:
    """Context headers one behind the other, each padded to a word. Raises :class:`TruncatedTlv`."""
    tlvs = []
    place = 0
    while place < len(octets):
        if len(octets) - place < _TLV.size:
            raise TruncatedTlv("TLV", f"{len(octets) - place} octets are no context header")
        md_class, kind, length = _TLV.unpack_from(octets, place)
        place += _TLV.size
        end = place + (length & 0x7F)
        following = end + -end % 4  # context headers begin on a word
        if following > len(octets):
            raise TruncatedTlv(
                "TLV", f"a context header of {length & 0x7F} octets runs {following - len(octets)} over the end"
            )
        padding = octets[end:following]
        tlvs.append(ContextTlv(md_class, kind, octets[place:end], unassigned=length >> 7, padding=padding))
        place = following
    return tuple(tlvs)
