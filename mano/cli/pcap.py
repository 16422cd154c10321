"""Capture files: reading the first packet of libpcap's two formats, writing what was seen, and what breaks a proof.

Read are the classic format and pcapng (draft-ietf-opsawg-pcapng), written the classic one. What replays a violation
comes from the server as pcapng, and is written as it is.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mano.cli.exits import Failure, told

VIOLATION = Path("catena-violation.pcapng")
"""Where the packets go that replay a refused change, unless told otherwise."""

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
    if len(data) < _FILE_HEAD:
        raise Failure(f"{path} holds no packet")
    if data.startswith(_SECTION):
        return _first_of_blocks(path, data)
    order = next((sign for sign in "<>" if struct.unpack_from(f"{sign}I", data)[0] in _MAGICS), "")
    if not order:
        raise Failure(f"{path} is no capture file", hint="pcap or pcapng, as tcpdump -w and Wireshark write them")
    if len(data) < _FILE_HEAD + 16:
        raise Failure(f"{path} holds no packet")
    _require_ethernet(path, struct.unpack_from(f"{order}I", data, 20)[0])
    length = struct.unpack_from(f"{order}I", data, _FILE_HEAD + 8)[0]
    return _whole(path, data[_FILE_HEAD + 16 : _FILE_HEAD + 16 + length], length)


_MAGICS = (_MAGIC, _MAGIC_NANOSECONDS)
_SECTION = b"\x0a\x0d\x0d\x0a"
_BYTE_ORDERS = {b"\x4d\x3c\x2b\x1a": "<", b"\x1a\x2b\x3c\x4d": ">"}
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6  # block types


def _first_of_blocks(path: Path, data: bytes) -> bytes:
    """The first packet of a pcapng file."""
    order = _BYTE_ORDERS.get(data[8:12], "")
    if not order:
        raise Failure(f"{path} is no capture file: it names no byte order")
    links: list[int] = []
    for kind, body in _blocks(path, data, order):
        if kind == _INTERFACE and len(body) >= 8:
            links.append(struct.unpack_from(f"{order}H", body)[0])
        elif kind in (_SIMPLE, _ENHANCED):
            head = 4 if kind == _SIMPLE else 20
            if len(body) < head:
                raise Failure(f"the first packet of {path} is cut short")
            interface = 0 if kind == _SIMPLE else struct.unpack_from(f"{order}I", body)[0]
            _require_ethernet(path, links[interface] if interface < len(links) else -1)
            length = struct.unpack_from(f"{order}I", body, head - 4 if kind == _SIMPLE else 12)[0]
            return _whole(path, body[head : head + length], length)
    raise Failure(f"{path} holds no packet")


def _blocks(path: Path, data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place + 12 <= len(data):
        kind, length = struct.unpack_from(f"{order}II", data, place)
        if length < 12 or length % 4:
            raise Failure(f"{path} is damaged: a block of {length} octets at octet {place}")
        yield kind, data[place + 8 : place + length - 4]
        place += length


def _require_ethernet(path: Path, link: int) -> None:
    if link != ETHERNET:
        raise Failure(f"{path} was not captured on Ethernet")


def _whole(path: Path, frame: bytes, length: int) -> bytes:
    if len(frame) != length:
        raise Failure(f"the first packet of {path} is cut short")
    return frame


@contextmanager
def replayable(path: Path = VIOLATION) -> Iterator[None]:
    """Write the packets that a refusal holds, which break an invariant, to a file; the refusal goes on and names it."""
    try:
        yield
    except Failure as failure:
        if write_violation(failure.facts.get("capture"), path):
            failure.hint = f"{failure.hint}; the packets that replay it are in {path}".removeprefix("; ")
        raise


def write_violation(capture: object, path: Path) -> bool:
    """Write a capture that an answer holds in base64; False when it holds none."""
    try:
        octets = base64.b64decode(capture, validate=True) if isinstance(capture, str) else b""
    except ValueError:
        return False
    if not octets.startswith(_SECTION):
        return False
    with told():
        path.write_bytes(octets)
    return True


def packet_of(frame: bytes) -> Mapping[str, Any]:
    """The 5-tuple of a frame, as ``mano chain trace`` sends it."""
    from sfc.errors import SfcError
    from sfc.simulator.dissect import decode
    from sfc.simulator.packets import Ip, Tcp, Udp

    try:
        read = decode(frame)
    except SfcError as error:
        raise Failure(f"the first packet cannot be read: {error.message}") from None
    ip = read.payload
    if not isinstance(ip, Ip):
        raise Failure("the first packet is no IP packet")
    found: dict[str, Any] = {"source": str(ip.source), "destination": str(ip.destination), "protocol": ip.protocol}
    if len(read.vlans) > 1:
        raise Failure(f"the first packet has {len(read.vlans)} VLAN tags; a chain takes one at most")
    if read.vlans:
        found["vlan"] = read.vlans[0].vid
    if isinstance(ip.payload, Tcp | Udp):
        found |= {"sourcePort": ip.payload.source_port, "destinationPort": ip.payload.destination_port}
    return found
