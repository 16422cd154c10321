"""Frames that a subscriber must not be able to send: NSH, NSH behind VLAN tags, tunnels, foreign sources."""

from __future__ import annotations

import secrets
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address

from sfc.nsh import NshHeader

ETH_P_ALL = 3
NSH, VLAN, SERVICE_VLAN, IPV4 = 0x894F, 0x8100, 0x88A8, 0x0800
GPE_PORT = 4790


@dataclass(frozen=True, slots=True)
class Forgery:
    """One kind of forged frame; ``reason`` is what the guard counts it under."""

    name: str
    frame: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Forger:
    """A subscriber of bad will: its own and its gateway's addresses, and the path that it wants to get into."""

    mac: str
    gateway_mac: str
    address: str
    target: str
    host_underlay: str
    spi: int
    si: int

    def forgeries(self, marker: bytes) -> Iterator[Forgery]:
        """One frame of each kind; all carry ``marker``, so that none can hide in a capture."""
        inner = self._ethernet(IPV4) + self._udp(self.address, self.target, 9, marker)
        nsh = NshHeader(self.spi, self.si).encode() + inner
        yield Forgery("NSH", self._ethernet(NSH) + nsh, "guard: NSH forged by the port")
        tag = struct.pack("!HH", 1, NSH)
        yield Forgery("NSH in a VLAN", self._ethernet(VLAN) + tag + nsh, "guard: NSH forged by the port, in a VLAN")
        double = struct.pack("!HHHH", 1, VLAN, 2, NSH)
        yield Forgery("NSH in QinQ", self._ethernet(SERVICE_VLAN) + double + nsh, "guard: VLAN-tagged frame")
        gpe = struct.pack("!BBBBI", 0x0C, 0, 0, 4, 7 << 8) + nsh
        tunnel = self._udp(self.address, self.host_underlay, GPE_PORT, gpe)
        yield Forgery("VXLAN-GPE", self._ethernet(IPV4) + tunnel, "guard: VXLAN-GPE forged by the port")
        spoofed = self._udp("203.0.113.66", self.target, 53, marker)
        yield Forgery("foreign IP source", self._ethernet(IPV4) + spoofed, "guard: foreign IPv4 or MAC source")
        stranger = _octets(self.gateway_mac) + _octets("02:66:66:66:66:66") + struct.pack("!H", IPV4)
        own = self._udp(self.address, self.target, 53, marker)
        yield Forgery("foreign MAC source", stranger + own, "guard: foreign IPv4 or MAC source")

    def _ethernet(self, ethertype: int) -> bytes:
        return _octets(self.gateway_mac) + _octets(self.mac) + struct.pack("!H", ethertype)

    def _udp(self, source: str, destination: str, port: int, payload: bytes) -> bytes:
        datagram = struct.pack("!HHHH", 40000, port, 8 + len(payload), 0) + payload
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(datagram), 1, 0, 64, socket.IPPROTO_UDP, 0)
        addresses = IPv4Address(source).packed + IPv4Address(destination).packed
        checksum = _checksum(head + addresses)
        return head[:10] + struct.pack("!H", checksum) + addresses + datagram


def new_marker() -> bytes:
    """Octets that nothing else carries."""
    return b"forged:" + secrets.token_hex(12).encode()


def send(interface: str, frames: list[bytes]) -> None:
    """Put frames on an interface of the calling thread's namespace."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL)) as wire:
        wire.bind((interface, 0))
        for frame in frames:
            wire.send(frame)


def _octets(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def _checksum(head: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(head) // 2}H", head))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
