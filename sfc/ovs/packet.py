"""Describes a packet to ``ofproto/trace``: fields by name, values checked before they become text."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from sfc.errors import ModelError
from sfc.model.addresses import Mac
from sfc.model.classifiers import PROTOCOL_SCTP, PROTOCOL_TCP, PROTOCOL_UDP
from sfc.model.fields import Field, Format, format_masked

_ALIASES: Mapping[str, str] = {
    "eth_src": "dl_src",
    "eth_dst": "dl_dst",
    "eth_type": "dl_type",
    "ip_src": "nw_src",
    "ip_dst": "nw_dst",
    "ipv4_src": "nw_src",
    "ipv4_dst": "nw_dst",
    "ip_proto": "nw_proto",
    "tcp_src": "tp_src",
    "tcp_dst": "tp_dst",
    "udp_src": "tp_src",
    "udp_dst": "tp_dst",
    "sctp_src": "tp_src",
    "sctp_dst": "tp_dst",
    "tunnel_id": "tun_id",
}
"""Names of OpenFlow 1.5 beside those of Open vSwitch."""


_TRANSPORT: Mapping[int, str] = {PROTOCOL_TCP: "tcp", PROTOCOL_UDP: "udp", PROTOCOL_SCTP: "sctp"}


def parse_packet(packet: Mapping[str, object]) -> dict[Field, int]:
    """Fields by name (Open vSwitch's or OpenFlow's) with integers, address objects or their text.

    Raises :class:`~sfc.errors.ModelError` for an unknown field and for a value that does not fit it.
    """
    by_name = {field.text: field for field in Field}
    parsed: dict[Field, int] = {}
    for name, value in packet.items():
        field = by_name.get(_ALIASES.get(name, name))
        if field is None:
            raise ModelError("FIELD_UNKNOWN", f"a packet has no field {name[:40]!r}", "see ovs-fields(7)")
        parsed[field] = _number(field, value)
    return parsed


def packet_text(packet: Mapping[Field, int]) -> str:
    """The packet as ``ofproto/trace`` reads it."""
    ordered = sorted(packet.items(), key=lambda item: item[0].rank)
    protocol = _TRANSPORT.get(packet.get(Field.IP_PROTO, 0), "tcp")
    # Of a packet, unlike of a flow, the names must say whose ports they are.
    names = {Field.L4_SRC: f"{protocol}_src", Field.L4_DST: f"{protocol}_dst"}
    return ",".join(f"{names.get(field, field.text)}={format_masked(field, value, None)}" for field, value in ordered)


def _number(field: Field, value: object) -> int:
    number = _from_text(field, value) if isinstance(value, str) else value
    if isinstance(number, (IPv4Address, IPv6Address)):
        number = int(number)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= field.full_mask:
        raise ModelError("FIELD_RANGE", f"the value of {field.text} is no number of {field.width} bits")
    return number


def _from_text(field: Field, text: str) -> int:
    try:
        match field.form:
            case Format.MAC:
                return Mac.parse(text)
            case Format.IPV4:
                return int(IPv4Address(text))
            case Format.IPV6:
                return int(IPv6Address(text))
            case _:
                return int(text, 0)
    except (AddressValueError, ValueError):
        raise ModelError(
            "FIELD_TEXT", f"the value of {field.text} cannot be read", "give a number or an address"
        ) from None
