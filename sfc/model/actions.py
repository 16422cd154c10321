"""Actions of a flow as typed values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from sfc.errors import ModelError
from sfc.model.fields import NXM_NAMES, SET_NAMES, Field, format_value
from sfc.model.topology import OFPORT_MAX, check_range

TABLE_MAX = 254  # OpenFlow 1.5: OFPTT_MAX


@dataclass(frozen=True, slots=True)
class Output:
    """Send out of a port; silently nothing when the packet came in by that port."""

    ofport: int

    def __post_init__(self) -> None:
        check_range("output port", self.ofport, 1, OFPORT_MAX)

    def __str__(self) -> str:
        return f"output:{self.ofport}"


@dataclass(frozen=True, slots=True)
class OutputInPort:
    """Send back to where the packet came from."""

    def __str__(self) -> str:
        return "in_port"


@dataclass(frozen=True, slots=True)
class SetField:
    """Write a header field or register."""

    field: Field
    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value <= self.field.full_mask:
            raise ModelError("FIELD_RANGE", f"{self.value} does not fit {self.field.text} ({self.field.width} bits)")

    def __str__(self) -> str:
        return f"set_field:{format_value(self.field, self.value)}->{SET_NAMES.get(self.field, self.field.text)}"


@dataclass(frozen=True, slots=True)
class Move:
    """Copy one field to another of the same width."""

    source: Field
    target: Field

    def __post_init__(self) -> None:
        if self.source.width != self.target.width:
            raise ModelError("MOVE_WIDTH", f"{self.source.text} and {self.target.text} differ in width")
        _nxm(self.source)
        _nxm(self.target)

    def __str__(self) -> str:
        return f"move:{_nxm(self.source)}[]->{_nxm(self.target)}[]"


@dataclass(frozen=True, slots=True)
class Resubmit:
    """Look the packet up in another table, then go on."""

    table: int

    def __post_init__(self) -> None:
        check_range("table", self.table, 0, TABLE_MAX)

    def __str__(self) -> str:
        return f"resubmit(,{self.table})"


@dataclass(frozen=True, slots=True)
class EncapNsh:
    """Put an NSH header of MD type 1 before the packet."""

    def __str__(self) -> str:
        return "encap(nsh(md_type=1))"


@dataclass(frozen=True, slots=True)
class EncapEthernet:
    """Put an Ethernet header before an NSH packet."""

    def __str__(self) -> str:
        return "encap(ethernet)"


@dataclass(frozen=True, slots=True)
class Decap:
    """Take the outermost header off. Behind it only ``resubmit`` or ``output`` may follow."""

    def __str__(self) -> str:
        return "decap()"


@dataclass(frozen=True, slots=True)
class DecNshTtl:
    """Decrement the TTL of NSH; the packet is dropped when it reaches 0."""

    def __str__(self) -> str:
        return "dec_nsh_ttl"


@dataclass(frozen=True, slots=True)
class Ct:
    """Connection tracking: look up in ``zone``, maybe commit with a mark, maybe go on in ``table``."""

    zone: int
    commit: bool = False
    table: int | None = None
    mark: int | None = None

    def __post_init__(self) -> None:
        check_range("zone", self.zone, 0, 0xFFFF)
        if self.table is not None:
            check_range("table", self.table, 0, TABLE_MAX)
        if self.mark is not None:
            check_range("ct_mark", self.mark, 0, (1 << 32) - 1)
            if not self.commit:
                raise ModelError("CT_MARK", "a mark is set by a committing ct only")

    def __str__(self) -> str:
        parts = ["commit"] if self.commit else []
        if self.table is not None:
            parts.append(f"table={self.table}")
        parts.append(f"zone={self.zone}")
        if self.mark is not None:
            parts.append(f"exec(set_field:{self.mark:#x}->ct_mark)")
        return f"ct({','.join(parts)})"


class HashFields(Enum):
    """What :class:`Multipath` hashes: (name, number of ``NX_HASH_FIELDS``). Both ways of a connection hash alike."""

    L3 = ("symmetric_l3", 6)
    """Addresses: what all fragments of a datagram have."""
    L3L4 = ("symmetric_l3l4+udp", 3)
    """Addresses, protocol and the ports of TCP, UDP and SCTP."""

    def __init__(self, text: str, number: int) -> None:
        self.text = text
        self.number = number


@dataclass(frozen=True, slots=True)
class Multipath:
    """Write the remainder of the packet's hash divided by ``links`` to a register: one of 0 to ``links`` - 1."""

    fields: HashFields
    links: int
    target: Field

    def __post_init__(self) -> None:
        check_range("links of a multipath", self.links, 1, 1 << 16)
        _nxm(self.target)

    def __str__(self) -> str:
        return f"multipath({self.fields.text},0,modulo_n,{self.links},0,{_nxm(self.target)}[])"


@dataclass(frozen=True, slots=True)
class CheckLarger:
    """Write 1 to the lowest bit of a register when the frame has more than ``octets``, else 0."""

    octets: int
    target: Field

    def __post_init__(self) -> None:
        check_range("frame length", self.octets, 1, 65535)
        _nxm(self.target)

    def __str__(self) -> str:
        return f"check_pkt_larger({self.octets})->{_nxm(self.target)}[0]"


@dataclass(frozen=True, slots=True)
class PushVlan:
    """Put a VLAN tag (IEEE 802.1Q) on the frame; :class:`SetField` then says which."""

    def __str__(self) -> str:
        return "push_vlan:0x8100"


@dataclass(frozen=True, slots=True)
class PopVlan:
    """Take the outermost VLAN tag off."""

    def __str__(self) -> str:
        return "pop_vlan"


@dataclass(frozen=True, slots=True)
class Clone:
    """Do something to a copy of the packet; the packet itself goes on as it is."""

    actions: tuple[Action, ...]

    def __str__(self) -> str:
        return f"clone({','.join(map(str, self.actions))})"


@dataclass(frozen=True, slots=True)
class MeterBy:
    """Rate-limit by a meter; packets above its rate are dropped."""

    meter: int

    def __post_init__(self) -> None:
        check_range("meter", self.meter, 1, 0xFFFF0000)

    def __str__(self) -> str:
        return f"meter:{self.meter}"


@dataclass(frozen=True, slots=True)
class ToGroup:
    """Hand the packet to a group."""

    group: int

    def __post_init__(self) -> None:
        check_range("group", self.group, 0, 0xFFFFFF00)

    def __str__(self) -> str:
        return f"group:{self.group}"


Action = (
    Output
    | OutputInPort
    | SetField
    | Move
    | Resubmit
    | EncapNsh
    | EncapEthernet
    | Decap
    | DecNshTtl
    | Ct
    | Multipath
    | CheckLarger
    | PushVlan
    | PopVlan
    | Clone
    | MeterBy
    | ToGroup
)


def _nxm(field: Field) -> str:
    try:
        return NXM_NAMES[field]
    except KeyError:
        raise ModelError("NXM", f"{field.text} has no NXM name here") from None
