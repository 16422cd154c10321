"""Concrete packets as values: what the simulator carries from table to table."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from ipaddress import IPv6Address

from sfc.errors import SimulationError
from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.model.classifiers import (
    ETH_IPV4,
    ETH_IPV6,
    PROTOCOL_ICMP,
    PROTOCOL_ICMPV6,
    PROTOCOL_SCTP,
    PROTOCOL_TCP,
    PROTOCOL_UDP,
)
from sfc.model.fields import ETHERTYPE_ARP, ETHERTYPE_NSH, FRAG_FIRST, FRAG_LATER, FRAG_NO

NEXT_ETHERNET = 3  # RFC 8300 section 2.2: next protocol of an Ethernet frame
O_BIT = 2  # of the flags as Open vSwitch shows them; 1 is the unassigned bit beside it


class Fragment(IntEnum):
    """Which part of an IP datagram a packet is."""

    NO = FRAG_NO
    FIRST = FRAG_FIRST
    LATER = FRAG_LATER


@dataclass(frozen=True, slots=True)
class Raw:
    """Octets that no table looks into: of an ethertype, an IP protocol or an NSH next protocol."""

    kind: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Tcp:
    source_port: int
    destination_port: int
    flags: str = "A"
    """Letters of F S R P A U."""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Udp:
    source_port: int
    destination_port: int
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Sctp:
    source_port: int
    destination_port: int


@dataclass(frozen=True, slots=True)
class Icmp:
    """ICMP or, under IPv6, ICMPv6."""

    type: int
    code: int = 0
    identifier: int = 0
    about: Ip | None = None
    """The packet that an error is about."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A neighbour solicitation (135) or advertisement (136) with at most one link-layer option, RFC 4861 section 4."""

    target: IPv6Address
    type: int = 135
    code: int = 0
    option_type: int = 0
    """0 none, 1 source, 2 target link-layer address."""
    link_address: Mac = field(default_factory=lambda: Mac(0))
    reserved: int = 0


@dataclass(frozen=True, slots=True)
class Ip:
    """IPv4 or IPv6, told by the addresses. ``payload`` of a later fragment is that of its whole datagram:
    connection tracking knows it, the tables don't.
    """

    source: IpAddress
    destination: IpAddress
    payload: Tcp | Udp | Sctp | Icmp | Neighbour | Raw
    ttl: int = 64
    dscp: int = 0
    fragment: Fragment = Fragment.NO

    def __post_init__(self) -> None:
        if self.source.version != self.destination.version:
            raise SimulationError("PACKET", f"{self.source} and {self.destination} are of different IP versions")

    @property
    def protocol(self) -> int:
        """Number in the header."""
        match self.payload:
            case Tcp():
                return PROTOCOL_TCP
            case Udp():
                return PROTOCOL_UDP
            case Sctp():
                return PROTOCOL_SCTP
            case Icmp():
                return PROTOCOL_ICMP if self.source.version == 4 else PROTOCOL_ICMPV6
            case Neighbour():
                return PROTOCOL_ICMPV6
            case Raw(kind=kind):
                return kind


@dataclass(frozen=True, slots=True)
class Arp:
    op: int
    sha: Mac
    spa: int
    tha: Mac
    tpa: int


@dataclass(frozen=True, slots=True)
class Vlan:
    vid: int
    pcp: int = 0
    tpid: int = 0x8100

    @property
    def tci(self) -> int:
        """As Open vSwitch shows it, with the bit that says that there is a tag."""
        return self.pcp << 13 | 0x1000 | self.vid


@dataclass(frozen=True, slots=True)
class Nsh:
    """An NSH header of MD type 1 before its payload."""

    position: PathPosition
    inner: Ethernet | Nsh | Raw
    ttl: int = 63
    flags: int = 0
    context: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def next_protocol(self) -> int:
        """RFC 8300 section 2.2."""
        match self.inner:
            case Ethernet():
                return NEXT_ETHERNET
            case Nsh():
                return 4
            case Raw(kind=kind):
                return kind


@dataclass(frozen=True, slots=True)
class Ethernet:
    source: Mac
    destination: Mac
    payload: Arp | Ip | Nsh | Raw
    vlans: tuple[Vlan, ...] = ()
    """Outermost first."""

    @property
    def ethertype(self) -> int:
        """Type of the payload."""
        match self.payload:
            case Arp():
                return ETHERTYPE_ARP
            case Ip(source=source):
                return ETH_IPV4 if source.version == 4 else ETH_IPV6
            case Nsh():
                return ETHERTYPE_NSH
            case Raw(kind=kind):
                return kind


Packet = Ethernet | Nsh


def ip_of(packet: Ethernet | Nsh | Raw) -> Ip | None:
    """The IP packet inside, however deep; None when there is none."""
    match packet:
        case Ethernet(payload=Ip() as ip):
            return ip
        case Ethernet(payload=Nsh() as inner):
            return ip_of(inner)
        case Nsh(inner=inner):
            return ip_of(inner)
        case _:
            return None


def answer_to(packet: Ethernet, flags: str = "SA") -> Ethernet:
    """What the other end sends back: both ends swapped on every layer."""
    ip = packet.payload
    if not isinstance(ip, Ip):
        raise SimulationError("PACKET", "only an IP packet has an answer")
    payload = ip.payload
    match payload:
        case Tcp():
            payload = Tcp(payload.destination_port, payload.source_port, flags)
        case Udp():
            payload = Udp(payload.destination_port, payload.source_port, payload.data)
        case Sctp():
            payload = Sctp(payload.destination_port, payload.source_port)
        case Icmp(type=8):
            payload = Icmp(0, payload.code, payload.identifier)
        case Icmp(type=128):
            payload = Icmp(129, payload.code, payload.identifier)
        case _:
            pass
    return Ethernet(packet.destination, packet.source, Ip(ip.destination, ip.source, payload, dscp=ip.dscp))
