"""Probes and replies of the OAM responders, as octets and back.

A probe is an NSH packet with the O bit (RFC 9451) whose payload names where replies go. Its next protocol is one of the
two that RFC 8300 section 11.2.5 keeps for experiments: the messages are Catena's own, not those of RFC 9516. A reply is
a UDP datagram between responders, on a tunnel key of its own.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

from sfc.errors import NshError
from sfc.model.addresses import Mac
from sfc.model.fields import ETHERTYPE_NSH
from sfc.model.topology import check_range
from sfc.nsh import NextProtocol, NshHeader

ETHERTYPE_IPV4 = 0x0800
REPLY_PORT = 48951
"""UDP, of the range that nobody registers."""

_PROTOCOL_UDP = 17
_PROBE = struct.Struct("!4sB3xI16sI")
_REPLY = struct.Struct("!4sBBBxI16sIB")
_MAGIC = b"CatO"
_PROBE_TYPE, _REPLY_TYPE = 1, 2
_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")
_HOST_MAX = 64
TOKEN_OCTETS = 16


class NoMessage(ValueError):
    """Octets that are no probe or reply of ours."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What a probe carries: who wants to know, and a secret and number by which the reply is recognised."""

    origin: IPv4Address
    token: bytes
    number: int

    def encode(self) -> bytes:
        return _PROBE.pack(_MAGIC, _PROBE_TYPE, int(self.origin), self.token, self.number)

    @classmethod
    def decode(cls, octets: bytes) -> Probe:
        """Raises :class:`NoMessage`."""
        if len(octets) < _PROBE.size:
            raise NoMessage("too short for a probe")
        magic, kind, origin, token, number = _PROBE.unpack_from(octets)
        if (magic, kind) != (_MAGIC, _PROBE_TYPE):
            raise NoMessage("no probe")
        return cls(IPv4Address(origin), token, number)


@dataclass(frozen=True, slots=True)
class Reply:
    """Where a probe was taken: by which host, at which position, and whether the path ends there."""

    token: bytes
    number: int
    host: str
    spi: int
    si: int
    end: bool

    def __post_init__(self) -> None:
        check_range("spi", self.spi, 0, (1 << 24) - 1)
        check_range("si", self.si, 0, 255)

    def encode(self) -> bytes:
        host = self.host.encode()[:_HOST_MAX]
        head = _REPLY.pack(_MAGIC, _REPLY_TYPE, self.end, self.si, self.spi, self.token, self.number, len(host))
        return head + host

    @classmethod
    def decode(cls, octets: bytes) -> Reply:
        """Raises :class:`NoMessage`; a host's name that is not printable is refused."""
        if len(octets) < _REPLY.size:
            raise NoMessage("too short for a reply")
        magic, kind, end, si, spi, token, number, length = _REPLY.unpack_from(octets)
        host = octets[_REPLY.size : _REPLY.size + length].decode("ascii", errors="replace")
        if (magic, kind) != (_MAGIC, _REPLY_TYPE) or len(host) != length or not host.isprintable() or spi >> 24:
            raise NoMessage("no reply")
        return cls(token, number, host, spi, si, bool(end))


def probe_frame(source: Mac, spi: int, si: int, ttl: int, probe: Probe) -> bytes:
    """The frame that a responder gives to its bridge: O bit set, to be taken by the SFF where the TTL runs out."""
    header = NshHeader(spi, si, ttl=ttl, next_protocol=NextProtocol.EXPERIMENT_1, oam=True)
    return _ethernet(source, ETHERTYPE_NSH) + header.encode() + probe.encode()


def read_probe(frame: bytes) -> tuple[NshHeader, Probe]:
    """The probe in a frame that the bridge gave to its responder; raises :class:`NoMessage`."""
    if frame[12:14] != ETHERTYPE_NSH.to_bytes(2, "big"):
        raise NoMessage("no NSH")
    try:
        header, used = NshHeader.decode(frame[14:])
    except NshError as error:
        raise NoMessage(str(error)) from None
    if not header.oam or header.next_protocol != NextProtocol.EXPERIMENT_1:
        raise NoMessage("not an OAM packet of ours")
    return header, Probe.decode(frame[14 + used :])


def reply_frame(source: Mac, address: IPv4Address, to: IPv4Address, reply: Reply) -> bytes:
    """The frame that carries a reply to another responder; its bridge sends it through the tunnel."""
    payload = reply.encode()
    udp = _UDP.pack(REPLY_PORT, REPLY_PORT, _UDP.size + len(payload), 0) + payload
    words = (0x45, 0, _IPV4.size + len(udp), 0, 0, 64, _PROTOCOL_UDP)
    checksum = _checksum(_IPV4.pack(*words, 0, int(address), int(to)))
    return _ethernet(source, ETHERTYPE_IPV4) + _IPV4.pack(*words, checksum, int(address), int(to)) + udp


def read_reply(frame: bytes, address: IPv4Address) -> Reply:
    """The reply in a frame, addressed to us; raises :class:`NoMessage`."""
    if len(frame) < 14 + _IPV4.size + _UDP.size or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
        raise NoMessage("no plain IPv4 packet")
    *_, protocol, _, _, target = _IPV4.unpack_from(frame, 14)
    _, port, length, _ = _UDP.unpack_from(frame, 14 + _IPV4.size)
    if (protocol, target, port) != (_PROTOCOL_UDP, int(address), REPLY_PORT):
        raise NoMessage("not for us")
    begin = 14 + _IPV4.size + _UDP.size
    return Reply.decode(frame[begin : begin + max(0, length - _UDP.size)])


def _ethernet(source: Mac, ethertype: int) -> bytes:
    # Only the bridge looks at the frame, and only at its source.
    return _ETHERNET.pack(b"\x02\x0a\x00\x00\x00\xfd", source.to_bytes(6, "big"), ethertype)


def _checksum(octets: bytes) -> int:
    """RFC 1071, of an even number of octets."""
    total = sum(octets[::2]) * 256 + sum(octets[1::2])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
