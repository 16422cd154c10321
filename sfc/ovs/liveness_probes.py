"""Liveness probes as octets: what the responder sends to a function, and whether a frame is the one that came back."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from sfc.liveness import ETHERTYPE_PROBE, PROBE_POSITION, ProbeKind, Watch
from sfc.model.addresses import Mac
from sfc.model.fields import ETHERTYPE_ARP, ETHERTYPE_NSH
from sfc.nsh import NshError, NshHeader
from sfc.oam.echo import EchoMessage, EchoType, ReplyMode, probe_header
from sfc.ovs.oam_message import ETHERTYPE_IPV4, checksum

ETHERTYPES = {
    ProbeKind.FRAME: ETHERTYPE_PROBE,
    ProbeKind.NSH: ETHERTYPE_NSH,
    ProbeKind.ARP: ETHERTYPE_ARP,
    ProbeKind.DATAGRAM: ETHERTYPE_IPV4,
}
_SFF_MAC = bytes.fromhex("02ca00000002")  # see sfc.render.tables
_MAGIC = b"CatL"
_BODY = struct.Struct("!4sHII")
_ARP = struct.Struct("!HHBBH6s4s6s4s")
_IPV4 = struct.Struct("!BBHHHBBH4s4s")
_UDP = struct.Struct("!HHHH")
_FRAME_MIN = 60


def probe_octets(source: Mac, watch: Watch, handle: int, sequence: int) -> bytes:
    """The frame of one probe; the bridge gives it its addresses. ``handle`` and ``sequence`` have 32 bits."""
    head = watch.to_mac.to_bytes(6, "big") + source.to_bytes(6, "big")
    frame = head + ETHERTYPES[watch.kind].to_bytes(2, "big") + _payload(watch, handle, sequence)
    return frame.ljust(_FRAME_MIN, b"\0")


def answers(watch: Watch, handle: int, frame: bytes) -> int | None:
    """The sequence number of the probe that a frame is, back from the function; 0 of ARP, which has none; else None."""
    if frame[12:14] != ETHERTYPES[watch.kind].to_bytes(2, "big"):
        return None
    match watch.kind:
        case ProbeKind.ARP:
            return _read_arp(watch, frame)
        case ProbeKind.NSH:
            return _read_nsh(watch, handle, frame)
        case ProbeKind.FRAME:
            return _read_body(watch, handle, frame[14:])
        case ProbeKind.DATAGRAM:
            return _read_body(watch, handle, frame[14 + _IPV4.size + _UDP.size :])


def _payload(watch: Watch, handle: int, sequence: int) -> bytes:
    match watch.kind:
        case ProbeKind.ARP:
            # RFC 5227 section 1.1: a sender address of 0 asks without making anybody learn it.
            return _ARP.pack(1, ETHERTYPE_IPV4, 6, 4, 1, _SFF_MAC, bytes(4), bytes(6), _packed(watch.destination))
        case ProbeKind.NSH:
            echo = EchoMessage(EchoType.REQUEST, ReplyMode.DO_NOT_REPLY, handle ^ watch.ofport, sequence)
            return probe_header(PROBE_POSITION).encode() + echo.encode()
        case ProbeKind.FRAME:
            return _body(watch, handle, sequence)
        case ProbeKind.DATAGRAM:
            return _datagram(watch, _body(watch, handle, sequence))


def _body(watch: Watch, handle: int, sequence: int) -> bytes:
    return _BODY.pack(_MAGIC, watch.ofport, handle, sequence)


def _datagram(watch: Watch, body: bytes) -> bytes:
    udp = _UDP.pack(watch.port, watch.port, _UDP.size + len(body), 0) + body
    words = (0x45, 0, _IPV4.size + len(udp), 0, 0, 64, 17)
    ends = (_packed(watch.source), _packed(watch.destination))
    return _IPV4.pack(*words, checksum(_IPV4.pack(*words, 0, *ends)), *ends) + udp


def _read_body(watch: Watch, handle: int, octets: bytes) -> int | None:
    if len(octets) < _BODY.size:
        return None
    magic, ofport, whose, sequence = _BODY.unpack_from(octets)
    return int(sequence) if (magic, ofport, whose) == (_MAGIC, watch.ofport, handle) else None


def _read_nsh(watch: Watch, handle: int, frame: bytes) -> int | None:
    try:
        header, used = NshHeader.decode(frame[14:])
        echo = EchoMessage.decode(frame[14 + used :])
    except NshError:
        return None
    at_home = (header.spi, header.si, echo.handle) == (PROBE_POSITION.spi, PROBE_POSITION.si - 1, handle ^ watch.ofport)
    return echo.sequence if at_home else None


def _read_arp(watch: Watch, frame: bytes) -> int | None:
    if len(frame) < 14 + _ARP.size:
        return None
    *_, operation, _, sender, _, _ = _ARP.unpack_from(frame, 14)
    return 0 if (operation, sender) == (2, _packed(watch.destination)) else None


def _packed(address: IPv4Address | None) -> bytes:
    return bytes(4) if address is None else address.packed
