"""Capture files in the classic format of libpcap: reading the first packet, writing what was seen."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mano.cli.exits import Failure, told

ETHERNET = 1
LONGEST = 262144
_MAGIC, _MAGIC_NANOSECONDS = 0xA1B2C3D4, 0xA1B23C4D
_HEAD = struct.Struct("IHHiIII")
_FILE_HEAD = 24
READ_OCTETS = 1 << 20


def write(path: Path, frames: Iterable[tuple[float, bytes]]) -> None:
    """(seconds since 1970, octets) of Ethernet frames, with nanoseconds."""
    octets = bytearray(_HEAD.pack(_MAGIC_NANOSECONDS, 2, 4, 0, 0, LONGEST, ETHERNET))
    for seconds, frame in frames:
        whole = int(seconds)
        octets += struct.pack("IIII", whole, round((seconds - whole) * 1e9) % 10**9, len(frame), len(frame)) + frame
    with told():
        path.write_bytes(octets)


def first_frame(path: Path) -> bytes:
    """The octets of the first packet of a capture of Ethernet frames."""
    with told(), path.open("rb") as file:
        data = file.read(READ_OCTETS)
    if len(data) < _FILE_HEAD + 16:
        raise Failure(f"{path} holds no packet")
    order = next((sign for sign in "<>" if struct.unpack_from(f"{sign}I", data)[0] in _MAGICS), "")
    if not order:
        raise Failure(f"{path} is no capture file", hint="libpcap's classic format, as tcpdump -w writes it")
    if struct.unpack_from(f"{order}I", data, 20)[0] != ETHERNET:
        raise Failure(f"{path} was not captured on Ethernet")
    length = struct.unpack_from(f"{order}I", data, _FILE_HEAD + 8)[0]
    frame = data[_FILE_HEAD + 16 : _FILE_HEAD + 16 + length]
    if len(frame) != length:
        raise Failure(f"the first packet of {path} is cut short")
    return frame


_MAGICS = (_MAGIC, _MAGIC_NANOSECONDS)


def packet_of(frame: bytes) -> Mapping[str, Any]:
    """The 5-tuple of a frame, as ``mano chain trace`` sends it."""
    from sfc.errors import SfcError
    from sfc.simulator.dissect import decode
    from sfc.simulator.packets import Ip, Tcp, Udp

    try:
        ip = decode(frame).payload
    except SfcError as error:
        raise Failure(f"the first packet cannot be read: {error.message}") from None
    if not isinstance(ip, Ip):
        raise Failure("the first packet is no IP packet")
    found: dict[str, Any] = {"source": str(ip.source), "destination": str(ip.destination), "protocol": ip.protocol}
    if isinstance(ip.payload, Tcp | Udp):
        found |= {"sourcePort": ip.payload.source_port, "destinationPort": ip.payload.destination_port}
    return found
