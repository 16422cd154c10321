"""Header fields and registers of a flow, as numbers with a width: no text ever gets into one.

Names are those of ``ovs-fields(7)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address

from sfc.errors import ModelError
from sfc.model.addresses import IpNetwork, Mac

PACKET_TYPE_ETHERNET = 0
PACKET_TYPE_NSH = 1 << 16 | 0x894F  # (namespace ethertype, NSH), OpenFlow 1.5 section 7.2.3.11
ETHERTYPE_ARP, ETHERTYPE_NSH = 0x0806, 0x894F

CT_NEW, CT_EST, CT_REL, CT_RPL, CT_INV, CT_TRK = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20
CT_STATE_NAMES = {CT_NEW: "new", CT_EST: "est", CT_REL: "rel", CT_RPL: "rpl", CT_INV: "inv", CT_TRK: "trk"}

FRAG_NO, FRAG_FIRST, FRAG_LATER = 0, 1, 3  # values of nw_frag; the second bit means a non-zero offset


class Format(Enum):
    """How a value is written."""

    DECIMAL = "decimal"
    HEX = "hex"
    MAC = "mac"
    IPV4 = "ipv4"
    IPV6 = "ipv6"
    FRAG = "frag"
    CT_STATE = "ct_state"
    PACKET_TYPE = "packet_type"


class Field(Enum):
    """One matchable field: (name, width in bits, how it is written). Order is the order of printing."""

    IN_PORT = ("in_port", 16, Format.DECIMAL)
    PACKET_TYPE = ("packet_type", 32, Format.PACKET_TYPE)
    TUN_ID = ("tun_id", 64, Format.DECIMAL)
    TUN_SRC = ("tun_src", 32, Format.IPV4)
    TUN_DST = ("tun_dst", 32, Format.IPV4)
    REG0 = ("reg0", 32, Format.HEX)
    REG1 = ("reg1", 32, Format.HEX)
    REG2 = ("reg2", 32, Format.HEX)
    REG3 = ("reg3", 32, Format.HEX)
    CT_STATE = ("ct_state", 8, Format.CT_STATE)
    CT_MARK = ("ct_mark", 32, Format.HEX)
    ETH_SRC = ("dl_src", 48, Format.MAC)
    ETH_DST = ("dl_dst", 48, Format.MAC)
    VLAN_TCI = ("vlan_tci", 16, Format.HEX)
    VLAN_PCP = ("vlan_pcp", 3, Format.DECIMAL)
    ETH_TYPE = ("dl_type", 16, Format.HEX)
    IPV4_SRC = ("nw_src", 32, Format.IPV4)
    IPV4_DST = ("nw_dst", 32, Format.IPV4)
    IPV6_SRC = ("ipv6_src", 128, Format.IPV6)
    IPV6_DST = ("ipv6_dst", 128, Format.IPV6)
    IP_PROTO = ("nw_proto", 8, Format.DECIMAL)
    IP_DSCP = ("ip_dscp", 6, Format.DECIMAL)
    IP_FRAG = ("nw_frag", 2, Format.FRAG)
    L4_SRC = ("tp_src", 16, Format.HEX)
    L4_DST = ("tp_dst", 16, Format.HEX)
    ICMP_TYPE = ("icmp_type", 8, Format.DECIMAL)
    ICMP_CODE = ("icmp_code", 8, Format.DECIMAL)
    ICMPV6_TYPE = ("icmpv6_type", 8, Format.DECIMAL)
    ICMPV6_CODE = ("icmpv6_code", 8, Format.DECIMAL)
    ARP_OP = ("arp_op", 16, Format.DECIMAL)
    ARP_SPA = ("arp_spa", 32, Format.IPV4)
    ARP_TPA = ("arp_tpa", 32, Format.IPV4)
    ARP_SHA = ("arp_sha", 48, Format.MAC)
    ARP_THA = ("arp_tha", 48, Format.MAC)
    ND_TARGET = ("nd_target", 128, Format.IPV6)
    ND_SLL = ("nd_sll", 48, Format.MAC)
    ND_TLL = ("nd_tll", 48, Format.MAC)
    ND_OPTIONS_TYPE = ("nd_options_type", 8, Format.DECIMAL)
    ND_RESERVED = ("nd_reserved", 32, Format.HEX)
    NSH_FLAGS = ("nsh_flags", 8, Format.DECIMAL)
    NSH_TTL = ("nsh_ttl", 6, Format.DECIMAL)
    NSH_MDTYPE = ("nsh_mdtype", 8, Format.DECIMAL)
    NSH_NP = ("nsh_np", 8, Format.DECIMAL)
    NSH_SPI = ("nsh_spi", 24, Format.DECIMAL)
    NSH_SI = ("nsh_si", 8, Format.DECIMAL)
    NSH_C1 = ("nsh_c1", 32, Format.HEX)
    NSH_C2 = ("nsh_c2", 32, Format.HEX)
    NSH_C3 = ("nsh_c3", 32, Format.HEX)
    NSH_C4 = ("nsh_c4", 32, Format.HEX)

    def __init__(self, text: str, width: int, form: Format) -> None:
        self.text = text
        self.width = width
        self.form = form
        self.full_mask = (1 << width) - 1
        self.rank = 0

    __hash__ = object.__hash__  # every lookup hashes fields: members are singletons, and this is C


for _rank, _field in enumerate(Field):
    _field.rank = _rank

SET_NAMES = {Field.ETH_SRC: "eth_src", Field.ETH_DST: "eth_dst", Field.VLAN_TCI: "vlan_vid"}
"""Names that ``set_field`` wants instead of the match's."""

NXM_NAMES = {
    Field.ETH_SRC: "NXM_OF_ETH_SRC",
    Field.ETH_DST: "NXM_OF_ETH_DST",
    Field.ARP_SPA: "NXM_OF_ARP_SPA",
    Field.ARP_TPA: "NXM_OF_ARP_TPA",
    Field.ARP_SHA: "NXM_NX_ARP_SHA",
    Field.ARP_THA: "NXM_NX_ARP_THA",
    Field.IPV6_SRC: "NXM_NX_IPV6_SRC",
    Field.IPV6_DST: "NXM_NX_IPV6_DST",
    Field.REG0: "NXM_NX_REG0",
    Field.REG1: "NXM_NX_REG1",
    Field.REG2: "NXM_NX_REG2",
    Field.REG3: "NXM_NX_REG3",
}
"""Names that ``move`` and ``load`` want."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """``field`` equals ``value`` where ``mask`` (None: all bits) has ones."""

    field: Field
    value: int
    mask: int | None = None

    def __post_init__(self) -> None:
        full = self.field.full_mask
        if not 0 <= self.value <= full:
            raise ModelError("FIELD_RANGE", f"{self.value} does not fit {self.field.text} ({self.field.width} bits)")
        if self.mask is not None and (not 0 < self.mask <= full or self.value & ~self.mask):
            raise ModelError("FIELD_MASK", f"mask {self.mask:#x} of {self.field.text} does not cover {self.value:#x}")

    def covers(self, value: int) -> bool:
        """True when a packet with this value matches."""
        return value == self.value if self.mask is None else value & self.mask == self.value

    def __str__(self) -> str:
        return f"{self.field.text}={format_masked(self.field, self.value, self.mask)}"


def prefix_match(field: Field, prefix: IpNetwork) -> FieldMatch:
    """Match on an address prefix; a full-length one has no mask."""
    value = int(prefix.network_address)
    full = prefix.prefixlen == prefix.max_prefixlen
    return FieldMatch(field, value, None if full else int(prefix.netmask))


def format_value(field: Field, value: int) -> str:
    """One value as ``ovs-ofctl`` reads it."""
    match field.form:
        case Format.MAC:
            return str(Mac(value))
        case Format.IPV4:
            return str(IPv4Address(value))
        case Format.IPV6:
            return str(IPv6Address(value))
        case Format.HEX | Format.CT_STATE | Format.FRAG:
            return f"{value:#x}"
        case Format.PACKET_TYPE:
            return f"({value >> 16},{value & 0xFFFF:#x})"
        case Format.DECIMAL:
            return str(value)


def format_masked(field: Field, value: int, mask: int | None) -> str:
    """A value with its mask as ``ovs-ofctl`` reads them."""
    if field.form is Format.FRAG:
        return _format_frag(value, mask)
    if field.form is Format.CT_STATE:
        return _format_ct_state(value, field.full_mask if mask is None else mask)
    text = format_value(field, value)
    return text if mask is None else f"{text}/{format_value(field, mask)}"


def _format_frag(value: int, mask: int | None) -> str:
    names = {FRAG_NO: "no", FRAG_FIRST: "first", FRAG_LATER: "later"}
    if mask is not None or value not in names:
        raise ModelError("FRAG", f"nw_frag {value}/{mask} is none of no, first and later")
    return names[value]


def _format_ct_state(value: int, mask: int) -> str:
    signs = (("+" if value & bit else "-") + name for bit, name in CT_STATE_NAMES.items() if mask & bit)
    return "".join(signs)
