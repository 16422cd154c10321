"""One real packet, followed: its octets at every hop, each tied to the rule, the function and the placement. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from mano.domain.service_chain import ServiceChain
from mano.nfvo.data_plane import DataPlane
from mano.ports.service_paths import SeenFrame
from sfc.errors import SfcError
from sfc.model import Topology
from sfc.simulator.dissect import decode, decode_gpe
from sfc.simulator.packets import Ethernet, Icmp, Ip, Nsh, Packet, Raw, Tcp, Udp
from sfc.simulator.trace import Crossed, Delivered, Event, Matched, Received, Trace, Visited, nsh_of
from sfc.simulator.wire import checksum

Place = tuple[str, str, bool]
"""(host, port or "" for the underlay, out of the bridge)."""

OUTER_OCTETS = 14 + 20 + 8
"""Ethernet, IPv4 and UDP before VXLAN-GPE."""

OUTER_DESTINATION = slice(30, 34)
"""Where the outer IPv4 header has it."""


@dataclass(frozen=True, slots=True)
class Expected:
    """Where the simulator sees the packet, and the rules that it met since the place before."""

    place: Place
    rules: tuple[Matched, ...]


def with_token(packet: Ethernet, token: bytes) -> Ethernet:
    """The packet with a payload by which it is known again."""
    ip = packet.payload
    assert isinstance(ip, Ip)
    match ip.payload:
        case Tcp() as tcp:
            inner: Tcp | Udp | Raw = Tcp(tcp.source_port, tcp.destination_port, tcp.flags, token)
        case Udp() as udp:
            inner = Udp(udp.source_port, udp.destination_port, token)
        case Icmp() as icmp:
            inner = Raw(1 if ip.source.version == 4 else 58, _echo(icmp, token))
        case _:
            inner = Raw(ip.protocol, token)
    return Ethernet(packet.source, packet.destination, Ip(ip.source, ip.destination, inner, ip.ttl, ip.dscp))


def _echo(icmp: Icmp, token: bytes) -> bytes:
    head = bytes((icmp.type, icmp.code, 0, 0)) + bytes(4) + token
    return head[:2] + checksum(head).to_bytes(2, "big") + head[4:]


def place_of(event: Event, topology: Topology) -> Place | None:
    """Where a function was given the packet: the one at a chain's end is also where it is delivered."""
    return (topology.port(event.port).sff, event.port, True) if isinstance(event, Visited) else None


def expected_places(topology: Topology, walk: Trace) -> Iterator[Expected]:
    """The walk's places in order."""
    at = {(port.sff, port.ofport): port.id for port in topology.ports}
    rules: list[Matched] = []
    for step, event in enumerate(walk.events):
        place: list[Place] = []
        match event:
            case Matched():
                rules.append(event)
            case Received() if step and (event.sff, event.ofport) in at:
                place = [(event.sff, at[event.sff, event.ofport], False)]
            case Crossed():
                place = [(event.from_sff, "", True), (event.to_sff, "", False)]
            case Visited():
                place = [(topology.port(event.port).sff, event.port, True)]
            case Delivered() if place_of(walk.events[step - 1], topology) != (event.sff, event.port, True):
                place = [(event.sff, event.port, True)]
        for one in place:
            yield Expected(one, tuple(rules))
            rules = []


def followed(
    plane: DataPlane, chain: ServiceChain, seen: Sequence[SeenFrame], walk: Trace, names: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Every sight of the packet as JSON."""
    waiting = list(expected_places(plane.topology, walk))
    told: list[dict[str, Any]] = []
    own = [frame for frame in seen if not _flooded(plane.topology, frame)]
    for number, frame in enumerate(own, 1):
        place = (frame.host, frame.port_id, frame.outgoing)
        found = next((each for each in waiting if each.place == place), None)
        if found is not None:
            waiting.remove(found)
        told.append(_sight(plane, number, frame, found, names))
    return told


def _flooded(topology: Topology, frame: SeenFrame) -> bool:
    """A frame for another host, which a switch of the underlay has not learned yet."""
    if frame.port_id or frame.outgoing:
        return False
    return frame.data[OUTER_DESTINATION] != topology.sff(frame.host).underlay_ip.packed


def _sight(
    plane: DataPlane, number: int, frame: SeenFrame, found: Expected | None, names: Mapping[str, str]
) -> dict[str, Any]:
    nsh = _nsh(frame)
    owner = next((f for f in plane.topology.functions if frame.port_id in (f.ingress, f.egress)), None)
    return {
        "number": number,
        "time": datetime.fromtimestamp(frame.at, UTC).isoformat().replace("+00:00", "Z"),
        "seconds": frame.at,
        "host": frame.host,
        "portId": frame.port_id or None,
        "sfName": names.get(owner.id, owner.name) if owner else None,
        "where": _where(frame, names.get(owner.id, owner.name) if owner else ""),
        "direction": "out" if frame.outgoing else "in",
        "spi": nsh.position.spi if nsh else None,
        "si": nsh.position.si if nsh else None,
        "ttl": nsh.ttl if nsh else None,
        "octets": len(frame.data),
        "bytes": frame.data.hex(),
        "rules": [
            {"table": rule.flow.table, "rule": str(rule.flow.cookie), "cookie": f"{rule.flow.cookie.encode():#x}"}
            for rule in (found.rules if found else ())
        ],
        "expected": found is not None,
    }


def _where(frame: SeenFrame, function: str) -> str:
    if not frame.port_id:
        return "to the underlay" if frame.outgoing else "from the underlay"
    if function:
        return f"to {function}" if frame.outgoing else f"from {function}"
    return "to a station" if frame.outgoing else "from a station"


def _nsh(frame: SeenFrame) -> Nsh | None:
    """The NSH that the frame carries, in the tunnel or bare."""
    packet: Packet
    try:
        packet = decode(frame.data) if frame.port_id else decode_gpe(frame.data[OUTER_OCTETS:])[1]
    except (SfcError, ValueError, LookupError):
        return None
    return nsh_of(packet)
