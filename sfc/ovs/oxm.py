"""Match fields in OpenFlow's extensible form (OXM, OpenFlow 1.5.1 section 7.2.3).

Whatever has two spellings is written as Open vSwitch spells it when it is asked for its flows, so that octets sent and
octets read back can be compared: registers in pairs as packet registers, the VLAN tag as VLAN_VID.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sfc.errors import ModelError
from sfc.model.classifiers import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP
from sfc.model.fields import PACKET_TYPE_ETHERNET, Field, FieldMatch

CLASS_NXM_0, CLASS_NXM_1 = 0x0000, 0x0001  # Nicira's, before OpenFlow 1.2
CLASS_BASIC, CLASS_PACKET_REGISTERS = 0x8000, 0x8001  # section 7.2.3.2
CLASS_ND = 0x1000  # neighbour discovery's, of Open vSwitch 2.11
CLASS_EXPERIMENTER = 0xFFFF
NSH_EXPERIMENTER = 0x005AD650
MATCH_OXM = 1


@dataclass(frozen=True, slots=True)
class OxmId:
    """Class and number of a field, and the octets of its value."""

    oxm_class: int
    number: int
    octets: int
    plain: bytes = field(init=False, compare=False, repr=False)
    """What stands before a value; :attr:`masked` before one with a mask."""
    masked: bytes = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "plain", self._header(masked=False))
        object.__setattr__(self, "masked", self._header(masked=True))

    def header(self, masked: bool) -> bytes:
        """The four octets before the value; eight for a field of an experimenter."""
        return self.masked if masked else self.plain

    def _header(self, masked: bool) -> bytes:
        length = self.octets * (2 if masked else 1)
        if self.oxm_class != CLASS_EXPERIMENTER:
            return struct.pack("!HBB", self.oxm_class, self.number << 1 | masked, length)
        return struct.pack("!HBBI", self.oxm_class, self.number << 1 | masked, length + 4, NSH_EXPERIMENTER)


def _basic(number: int, octets: int) -> OxmId:
    return OxmId(CLASS_BASIC, number, octets)


def _nicira(number: int, octets: int) -> OxmId:
    return OxmId(CLASS_NXM_1, number, octets)


def _nsh(number: int, octets: int) -> OxmId:
    return OxmId(CLASS_EXPERIMENTER, number, octets)


OXM_IDS: dict[Field, OxmId] = {
    Field.IN_PORT: _basic(0, 4),
    Field.PACKET_TYPE: _basic(44, 4),
    Field.TUN_ID: _basic(38, 8),
    Field.TUN_SRC: _nicira(31, 4),
    Field.TUN_DST: _nicira(32, 4),
    Field.REG0: _nicira(0, 4),
    Field.REG1: _nicira(1, 4),
    Field.REG2: _nicira(2, 4),
    Field.REG3: _nicira(3, 4),
    Field.CT_STATE: _nicira(105, 4),
    Field.CT_MARK: _nicira(107, 4),
    Field.ETH_SRC: _basic(4, 6),
    Field.ETH_DST: _basic(3, 6),
    Field.VLAN_TCI: _basic(6, 2),
    Field.VLAN_PCP: _basic(7, 1),
    Field.ETH_TYPE: _basic(5, 2),
    Field.IPV4_SRC: _basic(11, 4),
    Field.IPV4_DST: _basic(12, 4),
    Field.IPV6_SRC: _basic(26, 16),
    Field.IPV6_DST: _basic(27, 16),
    Field.IP_PROTO: _basic(10, 1),
    Field.IP_DSCP: _basic(8, 1),
    Field.IP_FRAG: _nicira(26, 1),
    Field.ICMP_TYPE: _basic(19, 1),
    Field.ICMP_CODE: _basic(20, 1),
    Field.ICMPV6_TYPE: _basic(29, 1),
    Field.ICMPV6_CODE: _basic(30, 1),
    Field.ARP_OP: _basic(21, 2),
    Field.ARP_SPA: _basic(22, 4),
    Field.ARP_TPA: _basic(23, 4),
    Field.ARP_SHA: _basic(24, 6),
    Field.ARP_THA: _basic(25, 6),
    Field.ND_TARGET: _basic(31, 16),
    Field.ND_SLL: _basic(32, 6),
    Field.ND_TLL: _basic(33, 6),
    Field.ND_RESERVED: OxmId(CLASS_ND, 1, 4),
    Field.ND_OPTIONS_TYPE: OxmId(CLASS_ND, 2, 1),
    Field.NSH_FLAGS: _nsh(1, 1),
    Field.NSH_MDTYPE: _nsh(2, 1),
    Field.NSH_NP: _nsh(3, 1),
    Field.NSH_SPI: _nsh(4, 4),
    Field.NSH_SI: _nsh(5, 1),
    Field.NSH_C1: _nsh(6, 4),
    Field.NSH_C2: _nsh(7, 4),
    Field.NSH_C3: _nsh(8, 4),
    Field.NSH_C4: _nsh(9, 4),
    Field.NSH_TTL: _nsh(10, 1),
}

_PORTS: dict[tuple[Field, int], OxmId] = {
    (Field.L4_SRC, PROTOCOL_TCP): _basic(13, 2),
    (Field.L4_DST, PROTOCOL_TCP): _basic(14, 2),
    (Field.L4_SRC, PROTOCOL_UDP): _basic(15, 2),
    (Field.L4_DST, PROTOCOL_UDP): _basic(16, 2),
    (Field.L4_SRC, PROTOCOL_SCTP): _basic(17, 2),
    (Field.L4_DST, PROTOCOL_SCTP): _basic(18, 2),
}
_WHOLE_VID = 0x1FFF  # all bits that VLAN_VID has, section 7.2.3.7: a tag is there, and its number
_WRITTEN = {Field.IN_PORT: OxmId(CLASS_NXM_0, 0, 2)}
"""Fields that Open vSwitch writes by another name than it matches: 0 is no port of OpenFlow 1.5."""

_REGISTER_PAIRS = ((Field.REG0, Field.REG1), (Field.REG2, Field.REG3))
_REGISTERS = frozenset(register for pair in _REGISTER_PAIRS for register in pair)
_ETHERNET = OXM_IDS[Field.PACKET_TYPE].header(masked=False) + PACKET_TYPE_ETHERNET.to_bytes(4, "big")


def oxm_id(field: Field, protocol: int | None = None) -> OxmId:
    """The wire's name of a field; transport ports have one for each protocol."""
    found = OXM_IDS.get(field) or _PORTS.get((field, protocol or 0))
    if found is None:
        raise ModelError("OXM", f"{field.text} needs a match on TCP, UDP or SCTP beside it")
    return found


def encode_value(field: Field, value: int) -> bytes:
    """Header and value without a mask, as ``set_field`` carries it."""
    identifier = written_as(field)
    return identifier.plain + value.to_bytes(identifier.octets, "big")


def written_as(field: Field) -> OxmId:
    """The wire's name of a field that is written."""
    return _WRITTEN.get(field) or oxm_id(field)


def join_match(parts: Iterable[bytes]) -> bytes:
    """The whole match structure, padded to eight octets (OpenFlow 1.5.1 section 7.2.3.1)."""
    fields = b"".join(parts)
    return pad(struct.pack("!HH", MATCH_OXM, 4 + len(fields)) + fields)


def match_parts(match: Iterable[FieldMatch]) -> list[bytes]:
    """One OXM for each field, in the order of the match; fields stand in the order of :class:`Field`."""
    parts: list[bytes] = []
    registers: dict[Field, FieldMatch] = {}
    protocol: int | None = None
    for part in match:
        field = part.field
        if field in _REGISTERS:
            registers[field] = part
            continue
        if field is Field.IP_PROTO:
            protocol = part.value
        elif field is Field.ETH_TYPE and _ETHERNET in parts:
            parts.remove(_ETHERNET)  # an ethertype says as much
        parts.append(_part(part, oxm_id(field, protocol)))
    if registers:
        parts += _register_parts(registers)
    return parts


def _part(part: FieldMatch, identifier: OxmId) -> bytes:
    value = part.value.to_bytes(identifier.octets, "big")
    if part.mask is None or (part.field is Field.VLAN_TCI and part.mask == _WHOLE_VID):
        return identifier.plain + value
    return identifier.masked + value + part.mask.to_bytes(identifier.octets, "big")


def _register_parts(registers: Mapping[Field, FieldMatch]) -> Iterator[bytes]:
    for number, (high, low) in enumerate(_REGISTER_PAIRS):
        if high in registers or low in registers:
            yield _register_pair(number, registers.get(high), registers.get(low))


def _register_pair(number: int, high: FieldMatch | None, low: FieldMatch | None) -> bytes:
    value = (high.value if high else 0) << 32 | (low.value if low else 0)
    mask = _mask(high) << 32 | _mask(low)
    identifier = OxmId(CLASS_PACKET_REGISTERS, number, 8)
    if mask == (1 << 64) - 1:
        return identifier.header(masked=False) + value.to_bytes(8, "big")
    return identifier.header(masked=True) + value.to_bytes(8, "big") + mask.to_bytes(8, "big")


def _mask(part: FieldMatch | None) -> int:
    if part is None:
        return 0
    return part.field.full_mask if part.mask is None else part.mask


def split_match(octets: bytes) -> frozenset[bytes]:
    """The OXMs of a match's fields, in no order: two matches are equal when these sets are."""
    parts = []
    position = 0
    while position + 4 <= len(octets):
        end = position + 4 + octets[position + 3]
        parts.append(octets[position:end])
        position = end
    return frozenset(parts)


def pad(octets: bytes) -> bytes:
    """Filled up with zeros to a multiple of eight octets."""
    return octets + bytes(-len(octets) % 8)
