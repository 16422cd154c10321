"""Models of service functions that stand behind a bridge's ports."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address
from typing import Protocol

from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.model.topology import Layer, ServiceFunction, Topology
from sfc.render.tables import SFF_MAC
from sfc.simulator.packets import Ethernet, Ip, Nsh, Packet, Sctp, Tcp, Udp, answer_to

Sent = Iterable[tuple[str, Packet]]


class FunctionModel(Protocol):
    """Takes a packet on one of its ports and says what it sends, by port id."""

    def receive(self, port: str, packet: Packet) -> Sent: ...


@dataclass(frozen=True)
class BridgeModel:
    """A transparent function: in by one leg, out by the other. ``blocks`` says what it drops."""

    legs: tuple[str, str]
    blocks: Callable[[Packet], bool] = lambda packet: False

    def receive(self, port: str, packet: Packet) -> Sent:
        if self.blocks(packet):
            return ()
        return ((self.legs[1] if port == self.legs[0] else self.legs[0], packet),)


@dataclass(frozen=True)
class RouterModel:
    """A routing function: passes IP with its own MAC as source, the forwarder's as destination."""

    legs: tuple[str, str]
    macs: tuple[Mac, Mac]
    blocks: Callable[[Packet], bool] = lambda packet: False

    def receive(self, port: str, packet: Packet) -> Sent:
        if not isinstance(packet, Ethernet) or not isinstance(packet.payload, Ip) or self.blocks(packet):
            return ()
        out = 1 if port == self.legs[0] else 0
        return ((self.legs[out], replace(packet, source=self.macs[out], destination=SFF_MAC)),)


@dataclass(frozen=True)
class NshModel:
    """An NSH-aware function: decrements the service index, may write the second context word.

    It answers the forwarder that handed the packet over, from the MAC of the leg that it sends by.
    """

    legs: tuple[str, str]
    macs: tuple[Mac, Mac]
    writes: Callable[[Nsh], int] | None = None

    def receive(self, port: str, packet: Packet) -> Sent:
        if not isinstance(packet, Ethernet) or not isinstance(packet.payload, Nsh) or packet.payload.position.si <= 1:
            return ()
        nsh = packet.payload
        context = nsh.context
        if self.writes is not None:
            context = (context[0], self.writes(nsh), context[2], context[3])
        moved = replace(nsh, position=PathPosition(nsh.position.spi, nsh.position.si - 1), context=context)
        out = 1 if port == self.legs[0] else 0
        return ((self.legs[out], Ethernet(self.macs[out], packet.source, moved)),)


World = Callable[[Ethernet], Iterable[Ethernet]]


def echo_world(packet: Ethernet) -> Iterable[Ethernet]:
    """A world in which every packet is answered."""
    return (answer_to(packet),)


@dataclass
class NatModel:
    """A source NAT at a chain's end: its inside is a port of the bridge, its outside the ``world``.

    Ports are kept; the table of translations grows by connection.
    """

    inside: str
    mac: Mac
    outside: IPv4Address
    world: World = echo_world
    translations: dict[tuple[int, int], tuple[IpAddress, Mac]] = field(default_factory=dict)

    def receive(self, port: str, packet: Packet) -> Sent:
        if port != self.inside or not isinstance(packet, Ethernet) or not isinstance(packet.payload, Ip):
            return ()
        ip = packet.payload
        self.translations[_port_of(ip, source=True)] = (ip.source, packet.source)
        translated = replace(packet, payload=replace(ip, source=self.outside))
        return [(self.inside, back) for answer in self.world(translated) for back in self.inbound(answer)]

    def inbound(self, packet: Ethernet) -> Iterable[Ethernet]:
        """What comes from outside, on its way in; nothing when no translation knows it."""
        ip = packet.payload
        if not isinstance(ip, Ip) or _port_of(ip, source=False) not in self.translations:
            return ()
        address, mac = self.translations[_port_of(ip, source=False)]
        return (Ethernet(self.mac, mac, replace(ip, destination=address)),)


def default_models(topology: Topology) -> dict[str, FunctionModel]:
    """A model for each function that has one by its kind; a function at a chain's end is a plain receiver."""
    models = {function.id: _default(topology, function) for function in topology.functions}
    return {name: model for name, model in models.items() if model is not None}


def _default(topology: Topology, function: ServiceFunction) -> FunctionModel | None:
    if function.rewrites_5tuple or function.is_tap:
        return None
    legs = function.legs(True)
    macs = (topology.port(legs[0]).mac, topology.port(legs[1]).mac)
    if not function.is_proxied:
        return NshModel(legs, macs)
    if function.layer is Layer.L3:
        return RouterModel(legs, macs)
    return BridgeModel(legs)


def _port_of(ip: Ip, source: bool) -> tuple[int, int]:
    match ip.payload:
        case Tcp() | Udp() | Sctp() as transport:
            return ip.protocol, transport.source_port if source else transport.destination_port
        case payload:
            return ip.protocol, getattr(payload, "identifier", 0)
