"""What a switch answers, from octets to values: its flows, groups, meters, counters and errors (OpenFlow 1.5.1)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

from sfc.ovs.oxm import split_match

_FLOW_HEAD = struct.Struct("!H2xBxHHHHHQ")
_PORT_HEAD = struct.Struct("!H2xIII6Q")
_GROUP_HEAD = struct.Struct("!H2xII4xQQII")
_METER_HEAD = struct.Struct("!IH6xIQQII")
_BAND = struct.Struct("!QQ")
_OXS_CLASS = 0x8002
_OXS_PACKETS, _OXS_BYTES = 4, 5
PORT_MAX = 0xFFFFFF00  # OFPP_MAX: above are the reserved ports


class Multipart(IntEnum):
    """What to ask for, section 7.3.5."""

    FLOW_DESCRIPTION = 1
    PORT_STATISTICS = 4
    GROUP_STATISTICS = 6
    GROUP_DESCRIPTION = 7
    METER_STATISTICS = 9
    METER_DESCRIPTION = 10


class Malformed(ValueError):
    """A reply that contradicts its own lengths."""


@dataclass(frozen=True, slots=True)
class InstalledFlow:
    """A flow as the switch holds it; ``match`` is the whole structure, ``instructions`` the octets behind it."""

    table: int
    priority: int
    cookie: int
    match: bytes
    instructions: bytes
    packets: int
    octets: int

    @property
    def key(self) -> tuple[int, int, frozenset[bytes]]:
        """What tells it from other flows of the bridge."""
        return (self.table, self.priority, split_match(match_fields(self.match)))


@dataclass(frozen=True, slots=True)
class PortCounter:
    """What went through one port, as the switch sees it: received from it, transmitted to it."""

    rx_packets: int
    tx_packets: int
    rx_bytes: int
    tx_bytes: int
    rx_dropped: int
    tx_dropped: int


@dataclass(frozen=True, slots=True)
class MeterCounter:
    """Packets that came to a meter and those that it dropped."""

    packets: int
    dropped: int


@dataclass(frozen=True, slots=True)
class GroupCounter:
    """Packets and octets through a group, and packets of each bucket."""

    packets: int
    octets: int
    bucket_packets: tuple[int, ...]


def match_fields(match: bytes) -> bytes:
    """The OXMs of a match structure, without its head and padding."""
    return match[4 : struct.unpack_from("!H", match, 2)[0]]


def read_flows(body: bytes) -> Iterator[InstalledFlow]:
    """The flows of one part of a reply (section 7.3.5.2)."""
    for entry in _entries(body, _FLOW_HEAD.size):
        _, table, priority, _, _, _, _, cookie = _FLOW_HEAD.unpack_from(entry)
        match_end = _FLOW_HEAD.size + _padded(entry, _FLOW_HEAD.size + 2)
        counters_end = match_end + _padded(entry, match_end + 2)
        if counters_end > len(entry):
            raise Malformed("a flow ends before its counters")
        counters = dict(_counters(entry[match_end + 4 : counters_end]))
        yield InstalledFlow(
            table,
            priority,
            cookie,
            entry[_FLOW_HEAD.size : match_end],
            entry[counters_end:],
            counters.get(_OXS_PACKETS, 0),
            counters.get(_OXS_BYTES, 0),
        )


def _counters(octets: bytes) -> Iterator[tuple[int, int]]:
    """OXS fields (section 7.2.4.2) of 64 bits."""
    position = 0
    while position + 4 <= len(octets):
        kind, number, length = struct.unpack_from("!HBB", octets, position)
        if kind == _OXS_CLASS and length == 8 and position + 12 <= len(octets):
            yield number >> 1, int.from_bytes(octets[position + 4 : position + 12], "big")
        if kind != _OXS_CLASS:
            return  # the padding
        position += 4 + length


def read_ports(body: bytes) -> Iterator[tuple[int, PortCounter]]:
    """Counters by port number (section 7.3.5.7); one that a device does not keep is 0."""
    for entry in _entries(body, _PORT_HEAD.size):
        _, number, _, _, *counters = _PORT_HEAD.unpack_from(entry)
        if number < PORT_MAX:
            yield number, PortCounter(*(0 if value == (1 << 64) - 1 else value for value in counters))


def read_groups(body: bytes) -> Iterator[tuple[int, GroupCounter]]:
    """Counters by group number (section 7.3.5.9)."""
    for entry in _entries(body, _GROUP_HEAD.size):
        _, number, _, packets, octets, _, _ = _GROUP_HEAD.unpack_from(entry)
        buckets = range(_GROUP_HEAD.size, len(entry) - 15, 16)
        yield number, GroupCounter(packets, octets, tuple(struct.unpack_from("!Q", entry, at)[0] for at in buckets))


def read_group_buckets(body: bytes) -> Iterator[tuple[int, tuple[int, bytes]]]:
    """Type and octets of the buckets and properties of each group, by number (section 7.3.5.10)."""
    for entry in _entries(body, 16):
        _, kind, number, _ = struct.unpack_from("!HBxIH", entry)
        yield number, (kind, entry[16:])


def read_meters(body: bytes) -> Iterator[tuple[int, MeterCounter]]:
    """Counters by meter number (section 7.3.5.12); of its first band."""
    for number, entry in _meter_entries(body):
        _, _, _, packets, _, _, _ = _METER_HEAD.unpack_from(entry)
        dropped = _BAND.unpack_from(entry, _METER_HEAD.size)[0] if len(entry) > _METER_HEAD.size else 0
        yield number, MeterCounter(packets, dropped)


def _meter_entries(body: bytes) -> Iterator[tuple[int, bytes]]:
    position = 0
    while position < len(body):
        if len(body) - position < _METER_HEAD.size:
            raise Malformed("a meter's counters are cut off")
        number, length = struct.unpack_from("!IH", body, position)
        if length < _METER_HEAD.size or position + length > len(body):
            raise Malformed("a meter's counters contradict their length")
        yield number, body[position : position + length]
        position += length


def read_meter_ids(body: bytes) -> Iterator[int]:
    """Numbers of the meters that exist (section 7.3.5.13)."""
    for entry in _entries(body, 8):
        yield struct.unpack_from("!I", entry, 4)[0]


def _entries(body: bytes, least: int) -> Iterator[bytes]:
    """Entries that begin with their own length."""
    position = 0
    while position < len(body):
        length = int.from_bytes(body[position : position + 2], "big")
        if length < least or position + length > len(body):
            raise Malformed(f"an entry of {length} octets where {len(body) - position} are left")
        yield body[position : position + length]
        position += length


def _padded(entry: bytes, at: int) -> int:
    """A length of 16 bits, rounded up to eight octets."""
    if at + 2 > len(entry):
        raise Malformed("an entry ends before its length")
    return (int.from_bytes(entry[at : at + 2], "big") + 7) // 8 * 8


_ERRORS = {
    (1, 10): "we are slave: another controller is master of this bridge",
    (3, 1): "a table that does not exist",
    (5, 1): "the table is full",
    (11, 0): "stale generation: a newer server is master of this bridge",
}
_ERROR_TYPES = {
    0: "hello failed",
    1: "bad request",
    2: "bad action",
    3: "bad instruction",
    4: "bad match",
    5: "flow refused",
    6: "group refused",
    11: "role refused",
    12: "meter refused",
    17: "bundle failed",
}


def error_text(body: bytes) -> str:
    """What an error message says (section 7.5.4), with both numbers for a look into the standard."""
    kind, code = struct.unpack_from("!HH", body)
    words = _ERRORS.get((kind, code)) or _ERROR_TYPES.get(kind, "error")
    return f"{words} (OpenFlow error {kind}/{code})"
