"""Following one packet: through the rendered tables on the simulator, and through the switches' own eyes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Any

from mano.errors import InvalidInput
from mano.nfvo.chain_documents import PROTOCOLS, match_text
from mano.nfvo.data_plane import DataPlane
from mano.ports.service_paths import ServicePaths
from sfc.errors import SfcError
from sfc.model import Classifier, Match, PlannedChain
from sfc.model.addresses import IpAddress
from sfc.samples import samples
from sfc.simulator import Simulator
from sfc.simulator.keys import extract
from sfc.simulator.packets import Ethernet, Icmp, Ip, Nsh, Packet, Raw, Tcp, Udp, Vlan
from sfc.simulator.trace import Crossed, Delivered, Dropped, Matched, Received, Trace

FAR_END = {4: ip_address("203.0.113.80"), 6: ip_address("2001:db8::80")}
"""A destination in the internet for packets that say none (RFC 5737, RFC 3849)."""

SOURCE_PORT = 40000


@dataclass(frozen=True, slots=True)
class BridgeTrace:
    """One bridge's part of a packet's way: what the switch says, and what the simulator expects."""

    host: str
    packet: str
    verdict: str
    cookies: tuple[int, ...]
    expected: tuple[int, ...]

    @property
    def agrees(self) -> bool:
        """True when the switch met the same rules."""
        return self.cookies == self.expected

    def to_document(self) -> dict[str, Any]:
        """JSON with the cookies in hexadecimal, as Open vSwitch prints them."""
        return {
            "host": self.host,
            "packet": self.packet,
            "verdict": self.verdict,
            "cookies": [f"{cookie:#x}" for cookie in self.cookies],
            "expected": [f"{cookie:#x}" for cookie in self.expected],
            "agrees": self.agrees,
        }


def bridge_traces(paths: ServicePaths, plane: DataPlane, planned: PlannedChain) -> Iterator[BridgeTrace]:
    """Ask every switch on the forward way of one packet of each classifier what it would do."""
    for classifier in planned.chain.classifiers:
        packet = example_packet(plane, planned, classifier)
        if packet is None:
            continue
        trace = Simulator(plane.topology, plane.tables).inject(planned.chain.ingress, packet)
        yield from _asked(paths, plane, trace, match_text(classifier.match))


def _asked(paths: ServicePaths, plane: DataPlane, trace: Trace, what: str) -> Iterator[BridgeTrace]:
    crossing: Crossed | None = None
    for index, event in enumerate(trace.events):
        if isinstance(event, Crossed):
            crossing = event
        if not isinstance(event, Received):
            continue
        expected = _cookies_after(trace, index)
        fields = _fields(plane, event, crossing)
        step = paths.trace(event.sff, fields)
        yield BridgeTrace(event.sff, what, step.verdict, step.cookies, expected)
        crossing = None


def _cookies_after(trace: Trace, index: int) -> tuple[int, ...]:
    found = []
    for event in trace.events[index + 1 :]:
        if isinstance(event, Received):
            break
        if isinstance(event, Matched):
            found.append(event.flow.cookie.encode())
    return tuple(found)


def _fields(plane: DataPlane, event: Received, crossing: Crossed | None) -> dict[str, Any]:
    fields: dict[str, Any] = {field.text: value for field, value in extract(event.packet).items()}
    fields["in_port"] = event.ofport
    if crossing is not None:
        fields["tun_src"] = str(plane.topology.sff(crossing.from_sff).underlay_ip)
        fields["tun_id"] = crossing.vni
    inner = _inside(event.packet)
    if inner is not None:
        fields["inner"] = {field.text: value for field, value in extract(inner).items()}
    return fields


def _inside(packet: Packet) -> Packet | None:
    """What an NSH packet carries."""
    nsh = packet if isinstance(packet, Nsh) else packet.payload
    return nsh.inner if isinstance(nsh, Nsh) and not isinstance(nsh.inner, Raw) else None


def example_packet(plane: DataPlane, planned: PlannedChain, classifier: Classifier) -> Ethernet | None:
    """A packet that the classifier takes, from the station at the chain's ingress; None when that may send none."""
    end = plane.topology.port(planned.forward.end)
    return next(samples(plane.topology, planned.chain, end, planned.chain.classifiers.index(classifier)), None)


def classified_packet(plane: DataPlane, planned: PlannedChain, packet: Mapping[str, Any]) -> Ethernet:
    """The packet that a user describes by its 5-tuple; raises InvalidInput naming what is wrong."""
    try:
        match = Match(protocol=_protocol(packet.get("protocol")))
        destination = ip_address(str(packet["destination"])) if packet.get("destination") else FAR_END[4]
        own = _source(plane, planned, destination.version)
        source = ip_address(str(packet["source"])) if packet.get("source") else own
        ports = [_port(packet.get(name), default) for name, default in (("sourcePort", 40000), ("destinationPort", 9))]
        vlan = None if packet.get("vlan") in (None, "") else Match(vlan=int(packet["vlan"])).vlan
    except (SfcError, ValueError) as error:
        raise InvalidInput(
            f"the packet cannot be made: {error}", hint="give source, destination, protocol, ports"
        ) from None
    if source.version != destination.version:
        raise InvalidInput("source and destination are of different IP versions")
    payload = _transport(match.protocol or PROTOCOLS["udp"], ports[0], ports[1])
    frame = _frame(plane, planned, source, destination, payload)
    return frame if vlan is None else replace(frame, vlans=(Vlan(vlan),))


def _source(plane: DataPlane, planned: PlannedChain, version: int) -> IpAddress:
    for address in plane.topology.port(planned.chain.ingress).addresses:
        if address.version == version:
            return address
    raise ValueError(f"the chain's ingress has no IPv{version} address")


def _frame(
    plane: DataPlane, planned: PlannedChain, source: IpAddress, destination: IpAddress, payload: Tcp | Udp | Icmp | Raw
) -> Ethernet:
    """Addressed to the gateway, as a station sends what leaves its subnet."""
    topology = plane.topology
    ingress = topology.port(planned.chain.ingress)
    end = topology.port(planned.forward.end)
    return Ethernet(ingress.mac, end.mac, Ip(source, destination, payload))


def _transport(protocol: int, source: int, destination: int) -> Tcp | Udp | Icmp | Raw:
    if protocol == PROTOCOLS["tcp"]:
        return Tcp(source, destination, "S")
    if protocol == PROTOCOLS["udp"]:
        return Udp(source, destination)
    if protocol == PROTOCOLS["icmp"]:
        return Icmp(8)
    if protocol == PROTOCOLS["icmpv6"]:
        return Icmp(128)
    return Raw(protocol)


def _protocol(value: Any) -> int | None:
    if value is None or value == "":
        return None
    name = str(value).lower()
    return PROTOCOLS[name] if name in PROTOCOLS else int(name)


def _port(value: Any, default: int) -> int:
    port = default if value in (None, "") else int(value)
    if not 0 <= port <= 65535:
        raise ValueError(f"port {port} is outside 0..65535")
    return port


def simulated_walk(plane: DataPlane, planned: PlannedChain, packet: Ethernet) -> dict[str, Any]:
    """The packet's whole walk as JSON: every rule with the packet's NSH position, and its end."""
    trace = Simulator(plane.topology, plane.tables).inject(planned.chain.ingress, packet)
    hops = [_hop(event) for event in trace.events if isinstance(event, Matched)]
    return {"hops": hops, "functions": list(trace.functions), "verdict": _verdict(trace), "simulated": True}


def _hop(event: Matched) -> dict[str, Any]:
    position = event.position
    return {
        "host": event.sff,
        "table": event.flow.table,
        "rule": str(event.flow.cookie),
        "cookie": f"{event.flow.cookie.encode():#x}",
        "spi": position.spi if position else None,
        "si": position.si if position else None,
        "ttl": event.ttl,
    }


def _verdict(trace: Trace) -> str:
    last = trace.events[-1] if trace.events else None
    if isinstance(last, Dropped):
        return f"dropped on {last.sff}: {last}"
    if isinstance(last, Delivered):
        return f"delivered on {last.sff} by port {last.port}"
    return "it left no trace"
