"""Echo requests and replies of RFC 9516 in the frames that a responder sends and receives on its bridge's OAM port.

A request is an NSH packet with the O bit and next protocol 7. A reply is a UDP datagram between responders, on a tunnel
key of its own, to the address and port of the request's source TLV.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from sfc.model.addresses import Mac
from sfc.model.chains import PathPosition
from sfc.model.fields import ETHERTYPE_NSH
from sfc.nsh import NextProtocol, NshError, NshHeader
from sfc.oam.echo import EchoMessage, EchoType, ReplyMode, probe_header
from sfc.oam.tlvs import OamError, OamTlvType, SourceId

ETHERTYPE_IPV4 = 0x0800
REPLY_PORT = 48951
"""UDP, of the range that nobody registers: where our responders want replies."""

_PROTOCOL_UDP = 17
_ETHERNET = struct.Struct("!6s6sH")
_IPV4 = struct.Struct("!BBHHHBBHII")
_UDP = struct.Struct("!HHHH")


class NoMessage(ValueError):
    """Octets that are no echo message for us."""


def echo_request(address: IPv4Address, handle: int, sequence: int, kind: EchoType = EchoType.REQUEST) -> EchoMessage:
    """A request that wants its reply by UDP at ``address``, port :data:`REPLY_PORT`."""
    return EchoMessage(kind, ReplyMode.UDP, handle, sequence, tlvs=(SourceId(address, REPLY_PORT).to_tlv(),))


def probe_frame(source: Mac, position: PathPosition, ttl: int, request: EchoMessage) -> bytes:
    """The frame that a responder gives its bridge: Ethernet, NSH with the O bit, the request."""
    return _ethernet(source, ETHERTYPE_NSH) + probe_header(position, ttl).encode() + request.encode()


def read_probe(frame: bytes) -> tuple[NshHeader, bytes]:
    """The NSH header and the active OAM message behind it; :class:`NoMessage` for anything else."""
    if frame[12:14] != ETHERTYPE_NSH.to_bytes(2, "big"):
        raise NoMessage("no NSH")
    try:
        header, used = NshHeader.decode(frame[14:])
    except NshError as error:
        raise NoMessage(str(error)) from None
    if not header.oam or header.next_protocol != NextProtocol.ACTIVE_OAM:
        raise NoMessage("no active OAM packet")
    return header, frame[14 + used :]


def source_of(request: EchoMessage) -> tuple[IPv4Address, int]:
    """Where the reply goes, address and UDP port; :class:`NoMessage` when the request does not say, or not here."""
    tlv = request.tlv(OamTlvType.SOURCE_ID)
    if tlv is None or request.reply_mode != ReplyMode.UDP:
        raise NoMessage("no reply by UDP is wanted, or nobody says where")
    try:
        source = SourceId.read(tlv)
    except OamError as error:
        raise NoMessage(str(error)) from None
    if not isinstance(source.address, IPv4Address):
        raise NoMessage("responders have IPv4 addresses")
    return source.address, source.port


def reply_frame(source: Mac, address: IPv4Address, to: IPv4Address, port: int, reply: EchoMessage) -> bytes:
    """The frame that carries a reply to another responder; its bridge sends it through the tunnel."""
    payload = reply.encode()
    udp = _UDP.pack(REPLY_PORT, port, _UDP.size + len(payload), 0) + payload
    words = (0x45, 0, _IPV4.size + len(udp), 0, 0, 64, _PROTOCOL_UDP)
    total = checksum(_IPV4.pack(*words, 0, int(address), int(to)))
    return _ethernet(source, ETHERTYPE_IPV4) + _IPV4.pack(*words, total, int(address), int(to)) + udp


def read_reply(frame: bytes, address: IPv4Address) -> EchoMessage:
    """The reply in a frame, addressed to us; raises :class:`NoMessage`."""
    if len(frame) < 14 + _IPV4.size + _UDP.size or frame[12:14] != b"\x08\x00" or frame[14] != 0x45:
        raise NoMessage("no plain IPv4 packet")
    *_, protocol, _, _, target = _IPV4.unpack_from(frame, 14)
    _, port, length, _ = _UDP.unpack_from(frame, 14 + _IPV4.size)
    if (protocol, target, port) != (_PROTOCOL_UDP, int(address), REPLY_PORT):
        raise NoMessage("not for us")
    begin = 14 + _IPV4.size + _UDP.size
    try:
        reply = EchoMessage.decode(frame[begin : begin + max(0, length - _UDP.size)])
    except NshError as error:
        raise NoMessage(str(error)) from None
    if reply.type not in (EchoType.REPLY, EchoType.CONSISTENCY_REPLY):
        raise NoMessage("no reply")
    return reply


def _ethernet(source: Mac, ethertype: int) -> bytes:
    # Only the bridge looks at the frame, and only at its source.
    return _ETHERNET.pack(b"\x02\x0a\x00\x00\x00\xfd", source.to_bytes(6, "big"), ethertype)


def checksum(octets: bytes) -> int:
    """RFC 1071, of an even number of octets."""
    total = sum(octets[::2]) * 256 + sum(octets[1::2])
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
