"""What context headers of MD type 2 say: the IETF's own types, as values.

RFC 9263: forwarding context, tenant, ingress node and interface, flow, groups, policy. RFC 8979: subscriber,
performance policy. All are of MD class 0. Open vSwitch carries them and looks into none: classifiers and functions that
speak NSH write and read them.

Reserved bits are sent as zeros and ignored when read, as both RFCs want it.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from sfc.nsh import TLV_VALUE_MAX, ContextTlv, NshError, OutOfRange

MD_CLASS_IETF = 0x0000  # RFC 8300 section 2.5.1: IETF Base NSH MD Class

_WORD = struct.Struct("!I")
_WORDS = struct.Struct("!II")


class BadMetadata(NshError):
    """A context header whose value is not what its type says."""


class MetadataType(IntEnum):
    """IANA's registry "NSH IETF-Assigned Optional Variable-Length Metadata Types"."""

    SUBSCRIBER_ID = 0x00
    """RFC 8979 section 3."""
    PERFORMANCE_POLICY_ID = 0x01
    """RFC 8979 section 4."""
    MAC_1 = 0x02
    """RFC 9145 section 5.1: see :mod:`sfc.integrity`."""
    MAC_2 = 0x03
    """RFC 9145 section 5.2."""
    FORWARDING_CONTEXT = 0x04
    """RFC 9263 section 4.1; so are the following."""
    TENANT_ID = 0x05
    INGRESS_NODE = 0x06
    INGRESS_INTERFACE = 0x07
    FLOW_ID = 0x08
    GROUPS = 0x09
    POLICY_ID = 0x0A


class ForwardingContextType(IntEnum):
    """RFC 9263 section 6.2."""

    VLAN = 0
    QINQ = 1
    MPLS_VPN = 2
    VNI = 3
    SESSION = 4


class FlowIdType(IntEnum):
    """RFC 9263 section 6.3."""

    IPV6_FLOW_LABEL = 0
    MPLS_ENTROPY_LABEL = 1


@dataclass(frozen=True, slots=True)
class VlanContext:
    """RFC 9263 figure 3; 12 bits."""

    vlan_id: int

    def __post_init__(self) -> None:
        _check("VLAN ID", self.vlan_id, 12)

    def to_tlv(self) -> ContextTlv:
        return _forwarding(ForwardingContextType.VLAN, self.vlan_id)


@dataclass(frozen=True, slots=True)
class QinqContext:
    """RFC 9263 figure 4; 12 bits each."""

    service_vlan_id: int
    customer_vlan_id: int

    def __post_init__(self) -> None:
        _check("service VLAN ID", self.service_vlan_id, 12)
        _check("customer VLAN ID", self.customer_vlan_id, 12)

    def to_tlv(self) -> ContextTlv:
        return _forwarding(ForwardingContextType.QINQ, self.service_vlan_id << 12 | self.customer_vlan_id)


@dataclass(frozen=True, slots=True)
class MplsVpnContext:
    """RFC 9263 figure 5; 20 bits."""

    label: int

    def __post_init__(self) -> None:
        _check("MPLS VPN label", self.label, 20)

    def to_tlv(self) -> ContextTlv:
        return _forwarding(ForwardingContextType.MPLS_VPN, self.label)


@dataclass(frozen=True, slots=True)
class VniContext:
    """RFC 9263 figure 6; 24 bits."""

    vni: int

    def __post_init__(self) -> None:
        _check("virtual network identifier", self.vni, 24)

    def to_tlv(self) -> ContextTlv:
        return _forwarding(ForwardingContextType.VNI, self.vni)


@dataclass(frozen=True, slots=True)
class SessionContext:
    """RFC 9263 figure 7: an L2TPv3 session, or the key of GRE; 32 bits."""

    session_id: int

    def __post_init__(self) -> None:
        _check("session ID", self.session_id, 32)

    def to_tlv(self) -> ContextTlv:
        value = _WORDS.pack(ForwardingContextType.SESSION << 28, self.session_id)
        return ContextTlv(MD_CLASS_IETF, MetadataType.FORWARDING_CONTEXT, value)


@dataclass(frozen=True, slots=True)
class Ipv6FlowId:
    """RFC 9263 figure 11: the flow label of IPv6; 20 bits, 0 says that there is none."""

    label: int

    def __post_init__(self) -> None:
        _check("IPv6 flow label", self.label, 20)

    def to_tlv(self) -> ContextTlv:
        return _flow(FlowIdType.IPV6_FLOW_LABEL, self.label)


@dataclass(frozen=True, slots=True)
class MplsEntropyLabel:
    """RFC 9263 figure 12; 20 bits."""

    label: int

    def __post_init__(self) -> None:
        _check("MPLS entropy label", self.label, 20)

    def to_tlv(self) -> ContextTlv:
        return _flow(FlowIdType.MPLS_ENTROPY_LABEL, self.label)


@dataclass(frozen=True, slots=True)
class Groups:
    """RFC 9263 section 4.6: 32 bits each, 0 where none is meant."""

    source: int = 0
    destination: int = 0

    def __post_init__(self) -> None:
        _check("source group", self.source, 32)
        _check("destination group", self.destination, 32)

    def to_tlv(self) -> ContextTlv:
        return ContextTlv(MD_CLASS_IETF, MetadataType.GROUPS, _WORDS.pack(self.source, self.destination))


@dataclass(frozen=True, slots=True)
class _Opaque:
    """An identifier whose inside is the operator's own business: 1 to 127 octets."""

    value: bytes
    type: ClassVar[MetadataType]

    def __post_init__(self) -> None:
        if not 1 <= len(self.value) <= TLV_VALUE_MAX:
            raise OutOfRange("RANGE", f"{self.type.name} has {len(self.value)} octets, not 1 to {TLV_VALUE_MAX}")

    def to_tlv(self) -> ContextTlv:
        return ContextTlv(MD_CLASS_IETF, self.type, self.value)


@dataclass(frozen=True, slots=True)
class SubscriberId(_Opaque):
    """RFC 8979 section 3: visible on the wire, so it should tell strangers nothing; several may name one subscriber."""

    type: ClassVar[MetadataType] = MetadataType.SUBSCRIBER_ID


@dataclass(frozen=True, slots=True)
class PerformancePolicyId(_Opaque):
    """RFC 8979 section 4."""

    type: ClassVar[MetadataType] = MetadataType.PERFORMANCE_POLICY_ID


@dataclass(frozen=True, slots=True)
class TenantId(_Opaque):
    """RFC 9263 section 4.2."""

    type: ClassVar[MetadataType] = MetadataType.TENANT_ID


@dataclass(frozen=True, slots=True)
class IngressNode(_Opaque):
    """RFC 9263 section 4.3: the classifier where the packet came in, say by its IPv4, IPv6 or MAC address."""

    type: ClassVar[MetadataType] = MetadataType.INGRESS_NODE


@dataclass(frozen=True, slots=True)
class IngressInterface(_Opaque):
    """RFC 9263 section 4.4: of the ingress node, so it goes with an :class:`IngressNode`."""

    type: ClassVar[MetadataType] = MetadataType.INGRESS_INTERFACE


@dataclass(frozen=True, slots=True)
class PolicyId(_Opaque):
    """RFC 9263 section 4.7."""

    type: ClassVar[MetadataType] = MetadataType.POLICY_ID


ForwardingContext = VlanContext | QinqContext | MplsVpnContext | VniContext | SessionContext
FlowId = Ipv6FlowId | MplsEntropyLabel
Identifier = SubscriberId | PerformancePolicyId | TenantId | IngressNode | IngressInterface | PolicyId
Metadata = ForwardingContext | FlowId | Groups | Identifier


def read_metadata(tlv: ContextTlv) -> Metadata | None:
    """What a context header says; None when its class or type is none of these.

    Raises :class:`BadMetadata` for a value of a wrong length or an unassigned context type. Every octet of the header
    should have been authenticated before, where :mod:`sfc.integrity` is in use (RFC 9263 section 5).
    """
    reader = _READERS.get(tlv.type) if tlv.md_class == MD_CLASS_IETF else None
    return reader(tlv) if reader is not None else None


def read_all(tlvs: Iterable[ContextTlv]) -> tuple[Metadata, ...]:
    """Everything that a header's TLVs say, in their order; unknown ones are left out."""
    return tuple(said for tlv in tlvs if (said := read_metadata(tlv)) is not None)


def _forwarding(kind: ForwardingContextType, value: int) -> ContextTlv:
    return ContextTlv(MD_CLASS_IETF, MetadataType.FORWARDING_CONTEXT, _WORD.pack(kind << 28 | value))


def _flow(kind: FlowIdType, label: int) -> ContextTlv:
    return ContextTlv(MD_CLASS_IETF, MetadataType.FLOW_ID, _WORD.pack(kind << 28 | label))


def _read_forwarding(tlv: ContextTlv) -> ForwardingContext:
    if len(tlv.value) == _WORDS.size:
        word, session_id = _WORDS.unpack(tlv.value)
        if word >> 28 == ForwardingContextType.SESSION:
            return SessionContext(session_id)
        raise _bad_length(tlv)
    if len(tlv.value) != _WORD.size:
        raise _bad_length(tlv)
    (word,) = _WORD.unpack(tlv.value)
    match word >> 28:
        case ForwardingContextType.VLAN:
            return VlanContext(word & 0xFFF)
        case ForwardingContextType.QINQ:
            return QinqContext(word >> 12 & 0xFFF, word & 0xFFF)
        case ForwardingContextType.MPLS_VPN:
            return MplsVpnContext(word & 0xFFFFF)
        case ForwardingContextType.VNI:
            return VniContext(word & 0xFFFFFF)
        case ForwardingContextType.SESSION:
            raise _bad_length(tlv)
        case unassigned:
            raise BadMetadata("CONTEXT_TYPE", f"forwarding context of type {unassigned} (RFC 9263 section 6.2)")


def _read_flow(tlv: ContextTlv) -> FlowId:
    if len(tlv.value) != _WORD.size:
        raise _bad_length(tlv)
    (word,) = _WORD.unpack(tlv.value)
    match word >> 28:
        case FlowIdType.IPV6_FLOW_LABEL:
            return Ipv6FlowId(word & 0xFFFFF)
        case FlowIdType.MPLS_ENTROPY_LABEL:
            return MplsEntropyLabel(word & 0xFFFFF)
        case unassigned:
            raise BadMetadata("CONTEXT_TYPE", f"flow ID of type {unassigned} (RFC 9263 section 6.3)")


def _read_groups(tlv: ContextTlv) -> Groups:
    if len(tlv.value) != _WORDS.size:
        raise _bad_length(tlv)
    return Groups(*_WORDS.unpack(tlv.value))


def _opaque(kind: Callable[[bytes], Identifier]) -> Callable[[ContextTlv], Identifier]:
    def read(tlv: ContextTlv) -> Identifier:
        if not tlv.value:
            raise _bad_length(tlv)
        return kind(tlv.value)

    return read


_READERS: dict[int, Callable[[ContextTlv], Metadata]] = {
    MetadataType.SUBSCRIBER_ID: _opaque(SubscriberId),
    MetadataType.PERFORMANCE_POLICY_ID: _opaque(PerformancePolicyId),
    MetadataType.FORWARDING_CONTEXT: _read_forwarding,
    MetadataType.TENANT_ID: _opaque(TenantId),
    MetadataType.INGRESS_NODE: _opaque(IngressNode),
    MetadataType.INGRESS_INTERFACE: _opaque(IngressInterface),
    MetadataType.FLOW_ID: _read_flow,
    MetadataType.GROUPS: _read_groups,
    MetadataType.POLICY_ID: _opaque(PolicyId),
}


def _check(what: str, value: int, bits: int) -> None:
    if not 0 <= value < 1 << bits:
        raise OutOfRange("RANGE", f"{what} is {value}, not a number of {bits} bits")


def _bad_length(tlv: ContextTlv) -> BadMetadata:
    name = MetadataType(tlv.type).name
    return BadMetadata("METADATA_LENGTH", f"{name} with {len(tlv.value)} octets, which its type does not have")
