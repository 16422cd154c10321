"""What traffic a chain takes: matches on header fields, and classifiers with their precedence."""

from __future__ import annotations

from dataclasses import dataclass, field

from sfc.errors import ModelError
from sfc.model.addresses import Mac
from sfc.model.bits import Addresses, Bits, MacBits
from sfc.model.topology import check_range

ETH_IPV4, ETH_IPV6 = 0x0800, 0x86DD
PROTOCOL_ICMP, PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_ICMPV6, PROTOCOL_SCTP = 1, 6, 17, 58, 132
PROTOCOLS_WITH_PORTS = frozenset({PROTOCOL_TCP, PROTOCOL_UDP, PROTOCOL_SCTP})
PRIORITY_MAX = 65535
_ICMP_ANSWERS = {8: 0, 0: 8, 13: 14, 14: 13, 128: 129, 129: 128}  # echo and timestamp, RFC 792; echo, RFC 4443


@dataclass(frozen=True, slots=True, order=True)
class PortRange:
    """Transport ports ``first``..``last``, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        check_range("port range start", self.first, 0, 65535)
        check_range("port range end", self.last, self.first, 65535)

    @classmethod
    def parse(cls, text: str) -> PortRange:
        """Read ``"80"`` or ``"1000-2000"``."""
        first, dash, last = text.partition("-")
        numbers = [first, last if dash else first]
        if not all(number.isascii() and number.isdigit() and len(number) <= 5 for number in numbers):
            raise ModelError("PORT_RANGE", f"{text!r} is no port or port range", "write it as 80 or 1000-2000")
        return cls(int(numbers[0]), int(numbers[1]))

    def __contains__(self, port: object) -> bool:
        return isinstance(port, int) and self.first <= port <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first}-{self.last}"


@dataclass(frozen=True, slots=True)
class ContextMatch:
    """A value of one of the four context words of MD type 1, where ``mask`` has ones."""

    word: int
    """1 to 4. A function that speaks NSH writes the second one; what a proxy stands before is gone."""
    value: int
    mask: int = 0xFFFFFFFF

    def __post_init__(self) -> None:
        check_range("context word", self.word, 1, 4)
        check_range("mask of a context word", self.mask, 1, 0xFFFFFFFF)
        check_range("value of a context word", self.value, 0, 0xFFFFFFFF)
        if self.value & ~self.mask:
            raise ModelError("MATCH_CONTEXT", f"value {self.value:#x} has bits that its mask {self.mask:#x} lacks")

    def takes(self, words: tuple[int, int, int, int]) -> bool:
        """True when a packet with these context words has the value."""
        return words[self.word - 1] & self.mask == self.value


@dataclass(frozen=True, slots=True)
class Match:
    """Header values that select traffic; None means any."""

    ethertype: int | None = None
    """0x0800, 0x86dd or None for both."""
    protocol: int | None = None
    """IP protocol number."""
    source: Addresses | None = None
    destination: Addresses | None = None
    source_port: PortRange | Bits | None = None
    destination_port: PortRange | Bits | None = None
    vlan: int | None = None
    """Identifier of the packet's one VLAN tag (IEEE 802.1Q), 0 for a tag that has a priority only. None: no tag."""
    vlan_priority: int | None = None
    """Priority code point of that tag, 0 to 7."""
    dscp: int | Bits | None = None
    icmp_type: int | None = None
    """Of ICMP or ICMPv6, as ``protocol`` says."""
    icmp_code: int | None = None
    source_mac: Mac | MacBits | None = None
    destination_mac: Mac | MacBits | None = None
    context: ContextMatch | None = None
    """Only for a chain that follows another, and then alone: what a function of that one wrote into the header."""

    def __post_init__(self) -> None:
        if self.ethertype not in (None, ETH_IPV4, ETH_IPV6):
            raise ModelError(
                "MATCH_ETHERTYPE", f"ethertype {self.ethertype:#06x} never enters a chain", "0x0800 or 0x86dd"
            )
        if self.protocol is not None:
            check_range("protocol", self.protocol, 0, 255)
        if self.vlan is not None:
            check_range("vlan", self.vlan, 0, 4095)
        if self.vlan_priority is not None:
            check_range("vlan priority", self.vlan_priority, 0, 7)
            if self.vlan is None:
                raise ModelError("MATCH_VLAN", "a match on a VLAN tag's priority needs its VLAN", "0 for a tag of none")
        if self.dscp is not None:
            check_range("dscp", _highest(self.dscp), 0, 63)
        for ports in (self.source_port, self.destination_port):
            if isinstance(ports, Bits):
                check_range("mask of a port", ports.mask, 1, 65535)
        if self.has_ports and self.protocol not in PROTOCOLS_WITH_PORTS:
            raise ModelError("MATCH_PORTS", "a match on ports needs protocol 6 (TCP), 17 (UDP) or 132 (SCTP)")
        if self.icmp_type is not None:
            check_range("ICMP type", self.icmp_type, 0, 255)
            if self.protocol not in (PROTOCOL_ICMP, PROTOCOL_ICMPV6):
                raise ModelError("MATCH_ICMP", "a match on an ICMP type needs protocol 1 (ICMP) or 58 (ICMPv6)")
        if self.icmp_code is not None:
            check_range("ICMP code", self.icmp_code, 0, 255)
            if self.icmp_type is None:
                raise ModelError("MATCH_ICMP", "a match on an ICMP code needs an ICMP type")
        if self.context is not None and any(getattr(self, name) is not None for name in _OF_A_PACKET):
            raise ModelError("MATCH_CONTEXT", "a match on a context word is on that alone: the packet is inside NSH")
        if len(self.versions) == 0:
            raise ModelError("MATCH_FAMILY", "ethertype, source and destination name different IP versions")

    @property
    def has_ports(self) -> bool:
        """True when it looks at transport ports."""
        return self.source_port is not None or self.destination_port is not None

    @property
    def needs_whole(self) -> bool:
        """True when later fragments of a datagram cannot be told by this match."""
        return self.has_ports or self.icmp_type is not None

    @property
    def versions(self) -> tuple[int, ...]:
        """The IP versions that it can match."""
        possible = {4, 6}
        if self.ethertype is not None:
            possible &= {4 if self.ethertype == ETH_IPV4 else 6}
        for prefix in (self.source, self.destination):
            if prefix is not None:
                possible &= {prefix.version}
        if self.protocol == PROTOCOL_ICMP:
            possible &= {4}
        if self.protocol == PROTOCOL_ICMPV6:
            possible &= {6}
        return tuple(sorted(possible))

    def reversed(self) -> Match:
        """The match of the answers: both ends swapped."""
        return Match(
            ethertype=self.ethertype,
            protocol=self.protocol,
            source=self.destination,
            destination=self.source,
            source_port=self.destination_port,
            destination_port=self.source_port,
            vlan=self.vlan,  # without a priority: each sender sets its own
            dscp=self.dscp,
            icmp_type=None if self.icmp_type is None else _ICMP_ANSWERS.get(self.icmp_type, self.icmp_type),
            icmp_code=self.icmp_code,
            source_mac=self.destination_mac,
            destination_mac=self.source_mac,
        )


_OF_A_PACKET = (
    *("ethertype", "protocol", "source", "destination", "source_port", "destination_port", "vlan", "dscp"),
    *("vlan_priority", "icmp_type", "icmp_code", "source_mac", "destination_mac"),
)


def _highest(value: int | Bits) -> int:
    return value.mask if isinstance(value, Bits) else value


@dataclass(frozen=True, slots=True)
class Classifier:
    """One rule of a chain. The higher ``priority`` wins, then the chain's ``order``, then its id."""

    match: Match = field(default_factory=Match)
    priority: int = 0

    def __post_init__(self) -> None:
        check_range("classifier priority", self.priority, 0, PRIORITY_MAX)
