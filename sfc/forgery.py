"""Frames that nobody may send, made for a topology: each must end in table 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition, PlannedChain, Rsp
from sfc.model.topology import VNI_NSH, Awareness, Port, PortRole, Topology
from sfc.render.tables import mac_tag
from sfc.simulator.packets import Arp, Ethernet, Ip, Nsh, Packet, Raw, Udp, Vlan

POSITIONS_MAX = 64
"""Foreign positions tried at one leg: what a leg may send is a list, so any of the others stands for all."""
STRANGER_MAC = Mac(0x06FFFFFFFF01)
FOREIGN: dict[int, IpAddress] = {4: IPv4Address("240.0.0.1"), 6: IPv6Address("100::1")}
"""Addresses that no port has: reserved space and the discard prefix of RFC 6666."""


@dataclass(frozen=True, slots=True)
class Forgery:
    """One forged frame and where it comes in."""

    what: str
    sff: str
    ofport: int
    packet: Packet
    port: str | None = None
    tun_src: int = 0
    tun_id: int = 0


def forgeries(topology: Topology, chains: Sequence[PlannedChain]) -> Iterator[Forgery]:
    """Every forgery worth trying at every port and tunnel of the topology."""
    rsps = [rsp for planned in chains for rsp in planned.rsps]
    for port in topology.ports:
        if port.role is PortRole.TENANT:
            yield from _of_station(port, rsps)
        else:
            yield from _of_leg(topology, port, rsps)
    yield from _of_strangers(topology, rsps)


def _of_station(port: Port, rsps: Sequence[Rsp]) -> Iterator[Forgery]:
    yield from _nsh_in_every_wrapping(port, rsps)
    for version in port.versions:
        own = next(prefix[0] for prefix in port.sources if prefix.version == version)
        ip = Ip(own, FOREIGN[version], Udp(40000, 53))
        frame = Ethernet(port.mac, STRANGER_MAC, ip)
        yield _at(port, "a tagged frame", replace(frame, vlans=(Vlan(5),)))
        yield _at(port, "a foreign MAC address", replace(frame, source=STRANGER_MAC))
        yield _at(port, "VXLAN-GPE", replace(frame, payload=replace(ip, payload=Udp(40000, 4790))))
        if not any(FOREIGN[version] in prefix for prefix in port.sources if prefix.version == version):
            yield _at(port, "a foreign source address", replace(frame, payload=replace(ip, source=FOREIGN[version])))
    stranger = Arp(2, port.mac, int(FOREIGN[4]), Mac(0), int(FOREIGN[4]))
    yield _at(port, "ARP about a foreign address", Ethernet(port.mac, STRANGER_MAC, stranger))
    yield _at(port, "an unknown ethertype", Ethernet(port.mac, STRANGER_MAC, Raw(0x88B5, b"?")))


def _of_leg(topology: Topology, port: Port, rsps: Sequence[Rsp]) -> Iterator[Forgery]:
    aware = {
        leg for function in topology.functions if function.awareness is Awareness.NSH for leg in function.legs(True)
    }
    inner = Ethernet(port.mac, STRANGER_MAC, Ip(FOREIGN[4], FOREIGN[4], Udp(1, 2)))
    if port.id in aware:
        expected = {rsp.position(hop.si - 1) for rsp in rsps for hop in rsp.hops if hop.port_out == port.id}
        for position in _positions(rsps):
            if position not in expected:
                yield _at(port, f"NSH at {position}", Ethernet(port.mac, STRANGER_MAC, Nsh(position, inner, 60)))
        for position in expected:
            stolen = Ethernet(STRANGER_MAC, port.mac, Nsh(position, inner, 60))
            yield _at(port, "NSH from a foreign MAC address", stolen)
    else:
        yield from _nsh_in_every_wrapping(port, rsps)
        tags = {int(mac_tag(rsp.position(hop.si))) for rsp in rsps for hop in rsp.hops if hop.port_out == port.id}
        for position in _positions(rsps):
            if int(mac_tag(position)) not in tags:
                yield _at(port, f"the MAC tag of {position}", replace(inner, source=mac_tag(position)))
    yield _at(port, "a plain frame", replace(inner, source=STRANGER_MAC))


def _of_strangers(topology: Topology, rsps: Sequence[Rsp]) -> Iterator[Forgery]:
    """On the underlay: an unknown peer, a known one with a key of no use."""
    inner = Ethernet(STRANGER_MAC, STRANGER_MAC, Ip(FOREIGN[4], FOREIGN[4], Udp(1, 2)))
    for sff in topology.sffs:
        for rsp in rsps[:1]:
            nsh = Nsh(rsp.position(255), inner, 60)
            source = int(FOREIGN[4])
            yield Forgery("NSH of an unknown peer", sff.name, sff.tunnel_ofport, nsh, None, source, VNI_NSH)
        for peer in [peer for peer in topology.sffs if peer is not sff][:1]:
            address = int(peer.underlay_ip)
            yield Forgery("a frame on the key of NSH", sff.name, sff.tunnel_ofport, inner, None, address, VNI_NSH)
            yield Forgery("a frame on key 1", sff.name, sff.tunnel_ofport, inner, None, address, 1)


def _nsh_in_every_wrapping(port: Port, rsps: Sequence[Rsp]) -> Iterator[Forgery]:
    position = rsps[0].position(255) if rsps else PathPosition(1, 255)
    frame = Ethernet(port.mac, STRANGER_MAC, Nsh(position, Ethernet(port.mac, STRANGER_MAC, Raw(0x88B5)), 60))
    yield _at(port, "NSH", frame)
    yield _at(port, "NSH in a VLAN", replace(frame, vlans=(Vlan(5),)))
    yield _at(port, "NSH in VID 0", replace(frame, vlans=(Vlan(0),)))
    yield _at(port, "NSH in QinQ", replace(frame, vlans=(Vlan(5, tpid=0x88A8), Vlan(6))))


def _positions(rsps: Sequence[Rsp]) -> Iterator[PathPosition]:
    """Positions that some path uses, spread over all when they are many, and one that none does."""
    used = [rsp.position(si) for rsp in rsps for si in range(255, rsp.end_si - 1, -1)]
    yield from used[:: len(used) // POSITIONS_MAX + 1]
    yield PathPosition(0xFFFFFF, 255)


def _at(port: Port, what: str, packet: Ethernet) -> Forgery:
    return Forgery(f"{what} from port {port.id}", port.sff, port.ofport, packet, port.id)
