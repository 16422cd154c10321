"""Answers to packets that are too big for their way: ICMP (RFC 792, RFC 1191) and ICMPv6 (RFC 4443), as a router's.

The bridge hands such a packet to the responder with the destination MAC ``02:0c:MTU:PORT``. The answer goes to its
sender, in the name of the destination that could not be reached.
"""

from __future__ import annotations

import struct

from sfc.model.addresses import Mac
from sfc.ovs.oam_message import checksum

_MARK = b"\x02\x0c"
_IPV6_MIN = 1280  # RFC 4443 section 2.4 (c): an error is no longer
_QUOTED = 8  # octets behind the IPv4 header, RFC 792


def too_big_answer(frame: bytes, source: Mac) -> bytes | None:
    """The frame that answers a packet that was too big; None for any other, and for what no error may answer."""
    if frame[:2] != _MARK or len(frame) < 14 + 20:
        return None
    mtu = int.from_bytes(frame[2:4], "big")
    head = frame[6:12] + source.to_bytes(6, "big") + frame[12:14]
    match frame[12:14]:
        case b"\x08\x00":
            body = _icmp(frame[14:], mtu)
        case b"\x86\xdd":
            body = _icmpv6(frame[14:], mtu)
        case _:
            return None
    return None if body is None else head + body


def _icmp(packet: bytes, mtu: int) -> bytes | None:
    length = (packet[0] & 0x0F) * 4
    if packet[0] >> 4 != 4 or length < 20 or len(packet) < length + _QUOTED:
        return None
    later_fragment = int.from_bytes(packet[6:8], "big") & 0x1FFF
    is_error = packet[9] == 1 and packet[length] not in (0, 8, 13, 14)
    if later_fragment or is_error:  # RFC 1122 section 3.2.2
        return None
    quoted = packet[: length + _QUOTED]
    error = struct.pack("!BBHHH", 3, 4, 0, 0, mtu) + quoted
    error = error[:2] + checksum(_even(error)).to_bytes(2, "big") + error[4:]
    words = (0x45, 0xC0, 20 + len(error), 0, 0, 64, 1)
    ends = packet[16:20] + packet[12:16]
    total = checksum(struct.pack("!BBHHHBBH", *words, 0) + ends)
    return struct.pack("!BBHHHBBH", *words, total) + ends + error


def _icmpv6(packet: bytes, mtu: int) -> bytes | None:
    if packet[0] >> 4 != 6 or len(packet) < 40 or (packet[6] == 58 and len(packet) > 40 and packet[40] < 128):
        return None
    error = struct.pack("!BBHI", 2, 0, 0, mtu) + packet[: _IPV6_MIN - 48]
    ends = packet[24:40] + packet[8:24]
    pseudo = ends + struct.pack("!II", len(error), 58)
    error = error[:2] + checksum(_even(pseudo + error)).to_bytes(2, "big") + error[4:]
    return struct.pack("!IHBB", 6 << 28, len(error), 58, 64) + ends + error


def _even(octets: bytes) -> bytes:
    return octets + bytes(len(octets) % 2)
