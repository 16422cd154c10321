"""Hierarchical chains (RFC 8459): one function of an upper path is a whole domain with paths of its own.

At the border of a lower domain stands an internal boundary node (IBN): for the upper domain it is a function that
speaks NSH, for the lower one it is classifier and end. On the way in it chooses a lower path and keeps where the packet
was on the upper one; on the way out it puts that back, its service index decremented, as every function does. RFC 8459
section 4.1 names ways of keeping it, of which three are here:

* :attr:`Keeping.NESTED`: the upper header stays, inside the lower one (section 4.1.4);
* :attr:`Keeping.METADATA`: SPI, SI and TTL travel in a context header of the lower one (section 4.1.2);
* :attr:`Keeping.UNIQUE_PATHS`: each upper position has lower paths of its own, which say it (section 4.1.3).

All pure: headers in, headers out. Rendering puts one domain on Open vSwitch at a time; an IBN is a function that speaks
NSH and runs this code.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from sfc.errors import ModelError
from sfc.model.chains import PathPosition
from sfc.model.topology import check_name
from sfc.nsh import Buffer, ContextTlv, NextProtocol, NshError, NshHeader

TTL_FIRST = 63
UPPER_CLASS, UPPER_TYPE = 0xFFF7, 0x01
"""Class (of RFC 8300's range for experiments) and type of the context header that keeps a position."""
_UPPER = struct.Struct("!IBBH")


class Keeping(Enum):
    """How an IBN keeps the position on the upper path."""

    NESTED = "nested"
    METADATA = "metadata"
    UNIQUE_PATHS = "unique paths"


class HierarchyError(NshError):
    """A packet that an IBN cannot place: no rule for it, or what it kept is not there."""


@dataclass(frozen=True, slots=True)
class Lowering:
    """On the upper path at ``upper``, packets take the lower path ``lower``, which leaves the domain at ``leaves``."""

    upper: PathPosition
    lower: PathPosition
    leaves: PathPosition
    """Where the IBN gets them back: the position behind the lower path's last function."""

    def __post_init__(self) -> None:
        if self.upper.si < 2:
            raise ModelError("IBN", f"at {self.upper} no index is left for the domain")
        if self.lower.spi != self.leaves.spi or self.lower.si <= self.leaves.si:
            raise ModelError("IBN", f"a lower path from {self.lower} never leaves at {self.leaves}")


@dataclass(frozen=True)
class BoundaryNode:
    """An IBN: which lower path for which upper position, and how the upper one is kept."""

    id: str
    lowerings: tuple[Lowering, ...]
    keeping: Keeping = Keeping.NESTED
    _by_upper: Mapping[PathPosition, Lowering] = field(init=False, repr=False, compare=False)
    _by_leaving: Mapping[PathPosition, Lowering] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_name("boundary node", self.id)
        by_upper = {each.upper: each for each in self.lowerings}
        by_leaving = {each.leaves: each for each in self.lowerings}
        if len(by_upper) != len(self.lowerings):
            raise ModelError("IBN", f"boundary node {self.id} has two lower paths for one upper position")
        if self.keeping is Keeping.UNIQUE_PATHS and len(by_leaving) != len(self.lowerings):
            raise ModelError(
                "IBN",
                f"boundary node {self.id}: two upper positions leave by one lower path, which says neither",
                "give each a lower path of its own, or keep the position otherwise",
            )
        object.__setattr__(self, "_by_upper", by_upper)
        object.__setattr__(self, "_by_leaving", by_leaving)

    def enter(self, packet: Buffer) -> bytes:
        """A packet of the upper domain, as it enters the lower one. Raises :class:`~sfc.nsh.NshError`."""
        data = bytes(packet)
        upper, length = NshHeader.decode(data)
        lowering = self._by_upper.get(PathPosition(upper.spi, upper.si))
        if lowering is None:
            raise HierarchyError("IBN_ENTER", f"boundary node {self.id} has no lower path for {upper.spi}/{upper.si}")
        if self.keeping is Keeping.NESTED:
            return _lowered(lowering, upper, NextProtocol.NSH, bytes(16)) + data
        if self.keeping is Keeping.METADATA:
            kept = _UPPER.pack(upper.spi << 8 | upper.si, upper.ttl, 0, 0)
            context = (ContextTlv(UPPER_CLASS, UPPER_TYPE, kept), *_tlvs(upper))
            return _lowered(lowering, upper, upper.next_protocol, context) + data[length:]
        return _lowered(lowering, upper, upper.next_protocol, upper.context) + data[length:]

    def leave(self, packet: Buffer) -> bytes:
        """A packet at the end of a lower path, as it goes on in the upper domain. Raises :class:`~sfc.nsh.NshError`."""
        data = bytes(packet)
        lower, length = NshHeader.decode(data)
        here = PathPosition(lower.spi, lower.si)
        if here not in self._by_leaving:
            raise HierarchyError("IBN_LEAVE", f"no lower path of boundary node {self.id} ends at {here}")
        match self.keeping:
            case Keeping.NESTED:
                return self._unnested(lower, data[length:])
            case Keeping.METADATA:
                return self._from_metadata(lower, data[length:])
            case Keeping.UNIQUE_PATHS:
                upper = self._by_leaving[here].upper
                return _behind(lower, upper, TTL_FIRST, lower.context) + data[length:]

    def _unnested(self, lower: NshHeader, inner: bytes) -> bytes:
        if lower.next_protocol != NextProtocol.NSH:
            raise HierarchyError("IBN_KEPT", "there is no upper header inside the lower one")
        upper, length = NshHeader.decode(inner)
        position = PathPosition(upper.spi, upper.si)
        self._expect(position, lower)
        return _behind(upper, position, upper.ttl, upper.context) + inner[length:]

    def _from_metadata(self, lower: NshHeader, payload: bytes) -> bytes:
        tlvs = _tlvs(lower)
        kept = next((tlv for tlv in tlvs if (tlv.md_class, tlv.type) == (UPPER_CLASS, UPPER_TYPE)), None)
        if kept is None or len(kept.value) != _UPPER.size:
            raise HierarchyError("IBN_KEPT", "the context header with the upper position is not there")
        word, ttl, _, _ = _UPPER.unpack(kept.value)
        position = PathPosition(word >> 8, word & 0xFF)
        self._expect(position, lower)
        return _behind(lower, position, ttl & 0x3F, tuple(tlv for tlv in tlvs if tlv is not kept)) + payload

    def _expect(self, upper: PathPosition, lower: NshHeader) -> None:
        """What was kept must be what the node put on this lower path: a function could have written another."""
        lowering = self._by_upper.get(upper)
        if lowering is None or lowering.leaves != PathPosition(lower.spi, lower.si):
            raise HierarchyError("IBN_KEPT", f"{upper} never entered the lower path {lower.spi}/{lower.si}")


def _lowered(
    lowering: Lowering, upper: NshHeader, next_protocol: int, context: bytes | tuple[ContextTlv, ...]
) -> bytes:
    """The header at the beginning of a lower path."""
    here = lowering.lower
    return NshHeader(
        here.spi, here.si, ttl=TTL_FIRST, next_protocol=next_protocol, oam=upper.oam, context=context
    ).encode()


def _tlvs(header: NshHeader) -> tuple[ContextTlv, ...]:
    return header.context if isinstance(header.context, tuple) else ()


def _behind(like: NshHeader, upper: PathPosition, ttl: int, context: bytes | tuple[ContextTlv, ...]) -> bytes:
    """The upper header behind the domain: index decremented, O bit and payload's protocol as they come out."""
    return NshHeader(
        upper.spi, upper.si - 1, ttl=ttl, next_protocol=like.next_protocol, oam=like.oam, context=context
    ).encode()
