"""OpenFlow 1.5.1 messages that program a bridge, from typed flows, groups and meters to octets.

Actions beyond OpenFlow's own are Nicira extensions as ``ovs-actions(7)`` describes them; the tests hold every octet
against what ``ovs-ofctl`` sends for the same text.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from typing import NamedTuple

from sfc.model.actions import (
    Action,
    CheckLarger,
    Clone,
    Ct,
    Decap,
    DecNshTtl,
    EncapEthernet,
    EncapNsh,
    MeterBy,
    Move,
    Multipath,
    Output,
    OutputInPort,
    PopVlan,
    PushVlan,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.classifiers import PROTOCOL_TCP
from sfc.model.fields import Field
from sfc.model.flows import Bucket, Flow, Group, GroupType, Meter
from sfc.ovs.oxm import encode_value, join_match, match_parts, oxm_id, pad, written_as

VERSION = 0x06
_NO_BUFFER = _ANY_PORT = _ANY_GROUP = _ALL_BUCKETS = 0xFFFFFFFF
_PORT_IN_PORT = 0xFFFFFFF8
_NX_IN_PORT = 0xFFF8
_NO_TABLE = 0xFF
_RESET_COUNTS = 1 << 2  # OFPFF_RESET_COUNTS, section 7.3.4.2
_INSTRUCTION_APPLY = 4
_NICIRA = 0x00002320
_NETRONOME = 0x0000154D
_PACKET_TYPE_NSH = 0x0001894F
_PACKET_TYPE_NEXT = 0xFFFE  # decap: whatever the header says comes next


class Type(IntEnum):
    """Message types, section 7.1.1."""

    HELLO = 0
    ERROR = 1
    ECHO_REQUEST = 2
    ECHO_REPLY = 3
    PACKET_OUT = 13
    FLOW_MOD = 14
    GROUP_MOD = 15
    MULTIPART_REQUEST = 18
    MULTIPART_REPLY = 19
    BARRIER_REQUEST = 20
    BARRIER_REPLY = 21
    ROLE_REQUEST = 24
    ROLE_REPLY = 25
    METER_MOD = 29
    BUNDLE_CONTROL = 33
    BUNDLE_ADD = 34


class Command(IntEnum):
    """What a flow, group or meter modification does; numbers differ by message."""

    FLOW_ADD = 0
    FLOW_DELETE_STRICT = 4
    GROUP_DELETE = 2
    GROUP_ADD_OR_MODIFY = 0x8000  # Open vSwitch's
    METER_ADD = 0
    METER_MODIFY = 1
    METER_DELETE = 2


class _Subtype(IntEnum):
    """Nicira actions."""

    MULTIPATH = 10
    RESUBMIT_TABLE = 14
    CT = 35
    CLONE = 42
    ENCAP = 46
    DECAP = 47
    DEC_NSH_TTL = 48
    CHECK_LARGER = 49


class Message(NamedTuple):
    """A message without its header; ``str(about)`` says for people what it is for."""

    type: Type
    body: bytes
    about: object = ""

    def encode(self, xid: int) -> bytes:
        """With the header of section 7.1.1."""
        return struct.pack("!BBHI", VERSION, self.type, 8 + len(self.body), xid) + self.body


@dataclass(frozen=True, slots=True)
class EncodedFlow:
    """A flow with the octets of its parts; ``fields`` stand behind their prerequisites."""

    flow: Flow
    cookie: int
    fields: tuple[bytes, ...]
    instructions: bytes

    @classmethod
    def of(cls, flow: Flow) -> EncodedFlow:
        return cls(flow, flow.cookie.encode(), tuple(match_parts(flow.match)), instructions(flow.actions))

    @property
    def key(self) -> tuple[int, int, frozenset[bytes]]:
        """What tells it from other flows of the bridge; a switch gives fields back in an order of its own."""
        return (self.flow.table, self.flow.priority, frozenset(self.fields))


def add_flows(flows: Iterable[Flow]) -> Iterator[Message]:
    """As :func:`add_flow`, for very many: what they have in common is encoded once."""
    encoded: dict[int, bytes] = {}  # by identity: rendered flows share their lists of actions
    for flow in flows:
        actions = encoded.get(id(flow.actions))
        if actions is None:
            actions = encoded[id(flow.actions)] = instructions(flow.actions)
        head = _flow_head(flow.cookie.encode(), flow.table, Command.FLOW_ADD, flow.priority)
        yield Message(Type.FLOW_MOD, head + join_match(match_parts(flow.match)) + actions, flow)


_BUNDLED = struct.Struct("!BBHIIHHBBHI")


def bundled(message: Message, xid: int, bundle: int, flags: int) -> bytes:
    """The message inside another that adds it to a bundle (section 7.3.9.4); both have one transaction."""
    length = 8 + len(message.body)
    head = (VERSION, Type.BUNDLE_ADD, 16 + length, xid, bundle, 0, flags, VERSION, message.type, length, xid)
    return _BUNDLED.pack(*head) + message.body


def add_flow(encoded: EncodedFlow, *, counts_anew: bool = False) -> Message:
    """Add the flow, in place of one with the same table, priority and match, whose counters it takes over or not."""
    flags = _RESET_COUNTS if counts_anew else 0
    head = _flow_head(encoded.cookie, encoded.flow.table, Command.FLOW_ADD, encoded.flow.priority, flags)
    return Message(Type.FLOW_MOD, head + join_match(encoded.fields) + encoded.instructions, encoded.flow)


def delete_flow(table: int, priority: int, match: bytes) -> Message:
    """Delete exactly one flow; ``match`` is the whole structure as the switch gave it."""
    head = _flow_head(0, table, Command.FLOW_DELETE_STRICT, priority)
    return Message(Type.FLOW_MOD, head + match, f"delete a flow of table {table}")


_FLOW_HEAD = struct.Struct("!QQBBHHHIIIHH")


def _flow_head(cookie: int, table: int, command: Command, priority: int, flags: int = 0) -> bytes:
    return _FLOW_HEAD.pack(cookie, 0, table, command, 0, 0, priority, _NO_BUFFER, _ANY_PORT, _ANY_GROUP, flags, 0)


def instructions(actions: Iterable[Action]) -> bytes:
    """Apply the actions at once (section 7.2.4); nothing at all for a rule that drops."""
    encoded = encode_actions(actions)
    return struct.pack("!HHI", _INSTRUCTION_APPLY, 8 + len(encoded), 0) + encoded if encoded else b""


def encode_actions(actions: Iterable[Action]) -> bytes:
    """A list of actions (section 7.2.6)."""
    return b"".join(map(_action, actions))


def _action(action: Action) -> bytes:
    match action:
        case Output(ofport=ofport):
            return struct.pack("!HHIHHI", 0, 16, ofport, 0, 0, 0)
        case OutputInPort():
            return struct.pack("!HHIHHI", 0, 16, _PORT_IN_PORT, 0, 0, 0)
        case SetField(field=field, value=value):
            return _set_field(field, value)
        case Move(source=source, target=target):
            octets = oxm_id(source).header(masked=False) + oxm_id(target).header(masked=False)
            return struct.pack("!HHHHHH", 28, 24, source.width, 0, 0, 0) + octets + bytes(4)
        case ToGroup(group=group):
            return struct.pack("!HHI", 22, 8, group)
        case MeterBy(meter=meter):
            return struct.pack("!HHI", 29, 8, meter)
        case Resubmit(table=table):
            return _nicira(_Subtype.RESUBMIT_TABLE, struct.pack("!HB3x", _NX_IN_PORT, table))
        case EncapNsh():
            # One property: class NSH (4), type MD type (1), length 5, value 1.
            return _nicira(_Subtype.ENCAP, struct.pack("!HIHBBB3x", 0, _PACKET_TYPE_NSH, 4, 1, 5, 1))
        case EncapEthernet():
            return _nicira(_Subtype.ENCAP, struct.pack("!HI", 0, 0))
        case Decap():
            return _nicira(_Subtype.DECAP, struct.pack("!HI", 0, _PACKET_TYPE_NEXT))
        case DecNshTtl():
            return _nicira(_Subtype.DEC_NSH_TTL, bytes(6))
        case Ct():
            return _ct(action)
        case CheckLarger(octets=most, target=target):
            return _nicira(_Subtype.CHECK_LARGER, struct.pack("!HH", most, 0) + oxm_id(target).plain)
        case PushVlan():
            return struct.pack("!HHH2x", 17, 8, 0x8100)
        case PopVlan():
            return struct.pack("!HH4x", 18, 8)
        case Clone(actions=inner):
            return _nicira(_Subtype.CLONE, bytes(6) + encode_actions(inner))
        case Multipath(fields=fields, links=links, target=target):
            # Basis 0, algorithm modulo_n (0) without an argument; all bits of the register.
            body = struct.pack("!HHHHHIHH", fields.number, 0, 0, 0, links - 1, 0, 0, target.width - 1)
            return _nicira(_Subtype.MULTIPATH, body + oxm_id(target).header(masked=False))


def _set_field(field: Field, value: int) -> bytes:
    head, octets, padding = _around_value(field)
    return head + value.to_bytes(octets, "big") + padding


@cache
def _around_value(field: Field) -> tuple[bytes, int, bytes]:
    """What stands before a value that is set, its octets, and what stands behind it."""
    octets = pad(struct.pack("!HH", 25, 0) + encode_value(field, 0))
    name = written_as(field)
    begin = 4 + len(name.plain)
    head = octets[:2] + struct.pack("!H", len(octets)) + octets[4:begin]
    return head, name.octets, octets[begin + name.octets :]


def _ct(action: Ct) -> bytes:
    nested = b"" if action.mark is None else _set_field(Field.CT_MARK, action.mark)
    table = _NO_TABLE if action.table is None else action.table
    return _nicira(_Subtype.CT, struct.pack("!HIHB3xH", action.commit, 0, action.zone, table, 0) + nested)


def _nicira(subtype: _Subtype, body: bytes) -> bytes:
    octets = pad(struct.pack("!HHIH", 0xFFFF, 0, _NICIRA, subtype) + body)
    return octets[:2] + struct.pack("!H", len(octets)) + octets[4:]


_DECAP_THEN_RESUBMIT = re.compile(
    rb"\xff\xff\x00\x10\x00\x00\x23\x20\x00\x2f.{6}\xff\xff\x00\x10\x00\x00\x23\x20\x00\x0e\xff\xf8(.)", re.DOTALL
)


def table_behind_decap(octets: bytes) -> int | None:
    """The table in which a flow's ``decap(),resubmit(,TABLE)`` goes on, of its instructions as a switch gives them."""
    found = _DECAP_THEN_RESUBMIT.search(octets)
    return found.group(1)[0] if found else None


_GROUP_KINDS = {GroupType.SELECT: 1, GroupType.FAST_FAILOVER: 3}


def set_group(group: Group) -> Message:
    """Add the group, or change it to this."""
    buckets, selection = _group_parts(group)
    head = _group_head(Command.GROUP_ADD_OR_MODIFY, _GROUP_KINDS[group.type], group.id, len(buckets))
    return Message(Type.GROUP_MOD, head + buckets + selection, group.text())


def group_octets(group: Group) -> tuple[int, bytes]:
    """Type, and buckets and properties, as a switch describes the group."""
    return _GROUP_KINDS[group.type], b"".join(_group_parts(group))


def _group_parts(group: Group) -> tuple[bytes, bytes]:
    buckets = b"".join(_bucket(number, bucket, group.type) for number, bucket in enumerate(group.buckets, 1))
    return buckets, _selection(group.fields) if group.type is GroupType.SELECT else b""


def delete_group(number: int) -> Message:
    """Delete the group, and flows that refer to it."""
    return Message(Type.GROUP_MOD, _group_head(Command.GROUP_DELETE, 0, number, 0), f"delete group {number}")


def _group_head(command: Command, kind: int, number: int, buckets: int) -> bytes:
    return struct.pack("!HBxIH2xI", command, kind, number, buckets, _ALL_BUCKETS)


def _bucket(number: int, bucket: Bucket, kind: GroupType) -> bytes:
    actions = encode_actions(bucket.actions)
    properties = b""
    if kind is GroupType.SELECT:
        properties += struct.pack("!HHHH", 0, 8, bucket.weight, 0)
    if bucket.watch_port is not None:
        properties += struct.pack("!HHI", 1, 8, bucket.watch_port)
    return struct.pack("!HHI", 8 + len(actions) + len(properties), len(actions), number) + actions + properties


def _selection(fields: Iterable[Field]) -> bytes:
    """Netronome's property: choose by a hash over these fields."""
    ids = [oxm_id(field, PROTOCOL_TCP) for field in fields]
    named = b"".join(each.header(masked=False) + b"\xff" * each.octets for each in ids)
    body = struct.pack("!III16sQ", _NETRONOME, 1, 0, b"hash", 0) + named
    return pad(struct.pack("!HH", 0xFFFF, 4 + len(body)) + body)


def set_meter(meter: Meter, exists: bool) -> Message:
    """Add the meter, or change it if it ``exists``."""
    command = Command.METER_MODIFY if exists else Command.METER_ADD
    packets_and_burst = 0b0110
    head = struct.pack("!HHI", command, packets_and_burst, meter.id)
    return Message(Type.METER_MOD, head + struct.pack("!HHIII", 1, 16, meter.rate_pps, meter.burst, 0), meter.text())


def delete_meter(number: int) -> Message:
    """Delete the meter, and flows that refer to it."""
    return Message(Type.METER_MOD, struct.pack("!HHI", Command.METER_DELETE, 0, number), f"delete meter {number}")
