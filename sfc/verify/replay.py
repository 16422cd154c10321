"""A violation as a capture file that replays it: pcapng, which Wireshark reads, one interface for each port.

::

    Path("violation.pcapng").write_bytes(capture_of(topology, violation))
    trace = replay(topology, tables, Path("violation.pcapng").read_bytes())

The file holds every packet that leads to the violation, the last one being the one that does wrong; its comment says
what. On tunnel ports the packets are as the underlay carries them, in UDP to the port of VXLAN-GPE.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Address

from sfc.errors import SimulationError
from sfc.model.addresses import IpAddress, Mac
from sfc.model.flows import FlowTables
from sfc.model.topology import Topology
from sfc.simulator import Injected, Simulator, Trace
from sfc.simulator.dissect import decode, decode_gpe
from sfc.simulator.packets import Ethernet, Fragment, Ip, Udp
from sfc.simulator.wire import encode, encode_gpe
from sfc.verify.results import Violation

_SECTION, _INTERFACE, _PACKET = 0x0A0D0D0A, 1, 6  # block types of draft-ietf-opsawg-pcapng
_MAGIC = 0x1A2B3C4D
_END, _COMMENT, _NAME = 0, 1, 2  # option codes
_ETHERNET = 1  # link type
_UNDERLAY = (Mac(0x020900000001), Mac(0x020900000002))
_PACKETS_MAX = 100_000


def capture_of(topology: Topology, violation: Violation) -> bytes:
    """The capture of a violation that a :class:`~sfc.verify.Prover` found."""
    return write_capture(topology, violation.history, str(violation))


def write_capture(topology: Topology, packets: Sequence[Injected], comment: str = "") -> bytes:
    """Packets as pcapng, a millisecond apart; ``comment`` stands at the last one."""
    places = list(dict.fromkeys((each.sff, each.ofport) for each in packets))
    blocks = [_block(_SECTION, struct.pack("<IHHq", _MAGIC, 1, 0, -1))]
    for sff, ofport in places:
        blocks.append(_block(_INTERFACE, struct.pack("<HHI", _ETHERNET, 0, 0) + _options((_NAME, f"{sff}/{ofport}"))))
    for number, each in enumerate(packets):
        octets = _octets(topology, each)
        moment = number * 1000
        head = struct.pack(
            "<IIIII", places.index((each.sff, each.ofport)), moment >> 32, moment & 0xFFFFFFFF, len(octets), len(octets)
        )
        last = comment and number == len(packets) - 1
        blocks.append(_block(_PACKET, head + _padded(octets) + (_options((_COMMENT, comment)) if last else b"")))
    return b"".join(blocks)


def read_capture(octets: bytes) -> tuple[Injected, ...]:
    """The packets of a file of :func:`write_capture`; :class:`SimulationError` for any other file."""
    try:
        return tuple(_read(octets))
    except (struct.error, ValueError, IndexError) as error:
        raise SimulationError("CAPTURE", f"this is no capture of a violation: {error}") from None


def replay(topology: Topology, tables: Mapping[str, FlowTables], octets: bytes) -> Trace:
    """Walk a capture's packets through tables; what the last one did."""
    network = Simulator(topology, tables)
    trace = None
    for each in read_capture(octets):
        trace = network.inject_at(each.sff, each.ofport, each.packet, each.tun_src, each.tun_id)
    if trace is None:
        raise SimulationError("CAPTURE", "the capture holds no packet")
    return trace


def _octets(topology: Topology, each: Injected) -> bytes:
    if not each.tun_id:
        return encode(each.packet)
    here = topology.sff(each.sff).underlay_ip
    return encode_gpe(each.packet, each.tun_id, IPv4Address(each.tun_src), here, _UNDERLAY)


def _read(octets: bytes) -> Iterator[Injected]:
    places: list[tuple[str, int]] = []
    whole: dict[tuple[IpAddress, IpAddress], Ip] = {}
    """The last first fragment between two addresses: later ones are of its datagram, as connection tracking sees it."""
    for number, (kind, body) in enumerate(_blocks(octets)):
        if number == 0 and kind != _SECTION:
            raise ValueError("it does not begin as pcapng does")
        if number > _PACKETS_MAX:
            raise ValueError(f"more than {_PACKETS_MAX} packets")
        if kind == _INTERFACE:
            name, _, port = _option(body[8:], _NAME).rpartition("/")
            places.append((name, int(port)))
        elif kind == _PACKET:
            place, _, _, length, _ = struct.unpack_from("<IIIII", body)
            sff, ofport = places[place]
            yield _of_datagram(_injected(sff, ofport, body[20 : 20 + length]), whole)


def _injected(sff: str, ofport: int, octets: bytes) -> Injected:
    frame = decode(octets)
    ip = frame.payload
    if isinstance(ip, Ip) and isinstance(ip.payload, Udp) and {frame.source, frame.destination} == set(_UNDERLAY):
        vni, packet = decode_gpe(ip.payload.data)
        return Injected(sff, ofport, packet, int(ip.source), vni)
    return Injected(sff, ofport, frame)


def _of_datagram(read: Injected, whole: dict[tuple[IpAddress, IpAddress], Ip]) -> Injected:
    frame = read.packet
    if not isinstance(frame, Ethernet) or not isinstance(frame.payload, Ip):
        return read
    ip = frame.payload
    ends = (ip.source, ip.destination)
    if ip.fragment is Fragment.FIRST:
        whole[ends] = ip
    first = whole.get(ends)
    if ip.fragment is not Fragment.LATER or first is None or first.protocol != ip.protocol:
        return read
    return replace(read, packet=replace(frame, payload=replace(ip, payload=first.payload)))


def _blocks(octets: bytes) -> Iterator[tuple[int, bytes]]:
    place = 0
    while place < len(octets):
        kind, length = struct.unpack_from("<II", octets, place)
        if length < 12 or length % 4 or place + length > len(octets):
            raise ValueError(f"a block of {length} octets at {place}")
        yield kind, octets[place + 8 : place + length - 4]
        place += length


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _options(*options: tuple[int, str]) -> bytes:
    parts = [struct.pack("<HH", code, len(text.encode())) + _padded(text.encode()) for code, text in options]
    return b"".join(parts) + struct.pack("<HH", _END, 0)


def _option(octets: bytes, wanted: int) -> str:
    place = 0
    while True:
        code, length = struct.unpack_from("<HH", octets, place)
        if code == wanted:
            return octets[place + 4 : place + 4 + length].decode()
        if code == _END:
            raise ValueError("an interface without a name")
        place += 4 + length + -length % 4


def _padded(octets: bytes) -> bytes:
    return octets + bytes(-len(octets) % 4)
