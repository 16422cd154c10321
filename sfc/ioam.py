"""In situ OAM in NSH (RFC 9452): the pre-allocated trace of RFC 9197 section 4.4, along with users' packets.

NSH has next protocol 6 and, since a user's packet stays one, no O bit (RFC 9451). Behind it::

     0                   1                   2                   3
     0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
    +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
    |  IOAM-Type    | IOAM HDR Len  |    Reserved   | Next Protocol |
    |        Namespace-ID           | NodeLen | Flags | RemainingLen|
    |               IOAM Trace-Type                 |   Reserved    |
    ~                       node data                               ~

The encapsulating node leaves room for every node; each writes its data before what is there already, so the first node
stands last. Open vSwitch writes none: nodes are classifiers and functions that speak NSH. The opaque state snapshot
(bit 22), whose length each node chooses, is not there. A trace that asks for bits 12 to 21, which are undefined, is
kept, and a node writes :data:`UNAVAILABLE` for each; we ask for none. The reserved bit 23 is ignored, and sent as zero.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, IntFlag

from sfc.nsh import Buffer, NshError, OutOfRange

_HEAD = struct.Struct("!BBBB")
_TRACE = struct.Struct("!HHI")
_WORDS_MAX = 0x7F  # of RemainingLen
_NODE_WORDS_MAX = 0x1F  # of NodeLen
_LENGTH_MAX = 0xFF  # of IOAM HDR Len


class IoamError(NshError):
    """Octets that are no trace option of RFC 9452, or a trace that has no room."""


class OptionType(IntEnum):
    """IANA's registry of RFC 9197 section 7.1."""

    PRE_ALLOCATED_TRACE = 0
    INCREMENTAL_TRACE = 1
    PROOF_OF_TRANSIT = 2
    EDGE_TO_EDGE = 3


class TraceType(IntFlag):
    """What each node writes, RFC 9197 section 4.4.1: bits of the trace type, bit 0 being the highest of 24."""

    HOP_AND_NODE = 1 << 23
    INTERFACES = 1 << 22
    SECONDS = 1 << 21
    FRACTION = 1 << 20
    TRANSIT_DELAY = 1 << 19
    NAMESPACE_DATA = 1 << 18
    QUEUE_DEPTH = 1 << 17
    CHECKSUM_COMPLEMENT = 1 << 16
    HOP_AND_NODE_WIDE = 1 << 15
    INTERFACES_WIDE = 1 << 14
    NAMESPACE_DATA_WIDE = 1 << 13
    BUFFER_OCCUPANCY = 1 << 12


class Flag(IntFlag):
    """RFC 9197 section 4.4.1 and RFC 9322."""

    OVERFLOW = 8
    """A node found no room."""
    LOOPBACK = 4
    ACTIVE = 2


NO_FLAGS = Flag(0)
_WIDE = TraceType.HOP_AND_NODE_WIDE | TraceType.INTERFACES_WIDE | TraceType.NAMESPACE_DATA_WIDE
_UNDEFINED = 0xFFC  # bits 12 to 21
_ITEMS = sum(TraceType) | _UNDEFINED
_RESERVED_BIT, _SNAPSHOT = 1, 2
UNAVAILABLE = 0xFFFFFFFF
"""What a node writes for an item that it does not know, RFC 9197 section 4.4.1."""

NodeData = Mapping[TraceType, int]
"""What one node wrote: 32 bits of each item, 64 of the wide ones."""


def node_words(kinds: TraceType) -> int:
    """NodeLen: the words of 4 octets that each node writes."""
    return sum(2 if kind & _WIDE else 1 for kind in _in_order(kinds))


@dataclass(frozen=True, slots=True)
class Trace:
    """A pre-allocated trace option with what nodes wrote so far, the first node first."""

    kinds: TraceType
    next_protocol: int
    """Of what follows, as in NSH."""
    room: int
    """Nodes that may still write."""
    nodes: tuple[NodeData, ...] = ()
    namespace: int = 0
    flags: Flag = NO_FLAGS

    def __post_init__(self) -> None:
        _check("namespace", self.namespace, 16)
        _check("next protocol", self.next_protocol, 8)
        if not self.kinds > 0 or int(self.kinds) & ~_ITEMS:
            raise OutOfRange("TRACE_TYPE", f"trace type {int(self.kinds):#x} has no bits, or such that no node writes")
        words = node_words(self.kinds)
        total = words * (self.room + len(self.nodes))
        if self.room < 0 or words * self.room > _WORDS_MAX or total + 3 > _LENGTH_MAX:
            raise OutOfRange("ROOM", f"{total} words for {self.room + len(self.nodes)} nodes are more than fit")
        for node in self.nodes:
            _check_node(self.kinds, node)

    def written(self, node: NodeData) -> Trace:
        """With the data of one more node; without room it is flagged as overflown instead, RFC 9197 section 4.4.1."""
        node = dict.fromkeys(_in_order(TraceType(self.kinds & _UNDEFINED)), UNAVAILABLE) | dict(node)
        _check_node(self.kinds, node)
        if not self.room:
            return replace(self, flags=self.flags | Flag.OVERFLOW)
        return replace(self, room=self.room - 1, nodes=(*self.nodes, node))

    def encode(self) -> bytes:
        """The octets behind NSH, before what they ride along with."""
        words = node_words(self.kinds)
        data = bytes(4 * words * self.room) + b"".join(self._node(node) for node in self.nodes[::-1])
        middle = words << 11 | self.flags << 7 | words * self.room
        body = _TRACE.pack(self.namespace, middle, int(self.kinds) << 8) + data
        length = (_HEAD.size + len(body)) // 4
        return _HEAD.pack(OptionType.PRE_ALLOCATED_TRACE, length, 0, self.next_protocol) + body

    @classmethod
    def decode(cls, octets: Buffer) -> tuple[Trace, int]:
        """A trace and the octets that it takes. Raises :class:`IoamError`."""
        data = bytes(octets)
        if len(data) < _HEAD.size + _TRACE.size:
            raise IoamError("TRUNCATED", f"{len(data)} octets of an IOAM trace of {_HEAD.size + _TRACE.size} at least")
        kind, length, _, next_protocol = _HEAD.unpack_from(data)
        if kind != OptionType.PRE_ALLOCATED_TRACE:
            raise IoamError("OPTION", f"IOAM option type {kind} is no pre-allocated trace (RFC 9197 section 7.1)")
        end = 4 * length
        if end < _HEAD.size + _TRACE.size or end > len(data):
            raise IoamError("LENGTH", f"an IOAM header of {end} octets where {len(data)} are left")
        namespace, middle, kinds = _TRACE.unpack_from(data, _HEAD.size)
        kinds = kinds >> 8 & ~_RESERVED_BIT
        return cls._of(namespace, middle, kinds, data[_HEAD.size + _TRACE.size : end], next_protocol), end

    @classmethod
    def _of(cls, namespace: int, middle: int, kinds: int, data: bytes, next_protocol: int) -> Trace:
        if kinds & _SNAPSHOT or not kinds:
            raise IoamError("TRACE_TYPE", f"trace type {kinds:#x} has no bits, or such that this codec does not read")
        words, room = node_words(TraceType(kinds)), middle & 0x7F
        if middle >> 11 != words or room % words or len(data) % (4 * words) or 4 * room > len(data):
            raise IoamError("NODE_LENGTH", f"nodes of {middle >> 11} words, {room} words of room in {len(data)} octets")
        size = 4 * words
        parts = [data[place : place + size] for place in range(4 * room, len(data), size)]
        nodes = tuple(_read_node(TraceType(kinds), part) for part in parts[::-1])
        flags = Flag(middle >> 7 & 0xE)
        return cls(TraceType(kinds), next_protocol, room // words, nodes, namespace, flags)

    def _node(self, node: NodeData) -> bytes:
        return b"".join(node[kind].to_bytes(8 if kind & _WIDE else 4, "big") for kind in _in_order(self.kinds))


def hop_and_node(hop_limit: int, node: int) -> int:
    """The item :attr:`TraceType.HOP_AND_NODE`: 8 bits of the TTL that the node saw, 24 of its number."""
    _check("hop limit", hop_limit, 8)
    _check("node", node, 24)
    return hop_limit << 24 | node


def _in_order(kinds: TraceType) -> list[TraceType]:
    """Each bit by itself, the highest first: as nodes write their items."""
    return [TraceType(1 << place) for place in range(23, 1, -1) if kinds >> place & 1]


def _read_node(kinds: TraceType, octets: bytes) -> NodeData:
    found: dict[TraceType, int] = {}
    place = 0
    for kind in _in_order(kinds):
        size = 8 if kind & _WIDE else 4
        found[kind] = int.from_bytes(octets[place : place + size], "big")
        place += size
    return found


def _check_node(kinds: TraceType, node: NodeData) -> None:
    if set(node) != set(_in_order(kinds)):
        raise OutOfRange("NODE", "a node writes exactly what the trace type asks for")
    for kind, value in node.items():
        _check(kind.name or f"item {int(kind):#x}", value, 64 if kind & _WIDE else 32)


def _check(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise OutOfRange("RANGE", f"{what} is {value}, not a number of {bits} bits")
