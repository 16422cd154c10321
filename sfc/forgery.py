"""Frames that nobody may send, made for a port or a tunnel: each must end in table 0."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address

from sfc.model.addresses import IpAddress, Mac
from sfc.model.chains import PathPosition
from sfc.model.topology import VNI_NSH, Port, Sff
from sfc.render.tables import mac_tag
from sfc.simulator.packets import Arp, Ethernet, Ip, Nsh, Packet, Raw, Udp, Vlan

STRANGER_MAC = Mac(0x06FFFFFFFF01)
EXPECTED_MAX = 2
"""Positions of one leg that are tried with what no leg may send: its rules for all of them are alike."""
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


def of_station(port: Port, position: PathPosition) -> Iterator[Forgery]:
    """What a member of a network may not send; ``position`` is that of forged NSH."""
    yield from _nsh_in_every_wrapping(port, position)
    for version in port.versions:
        own = next(prefix[0] for prefix in port.sources if prefix.version == version)
        ip = Ip(own, FOREIGN[version], Udp(40000, 53))
        frame = Ethernet(port.mac, STRANGER_MAC, ip)
        if not port.trunk:
            yield _at(port, "a tagged frame", replace(frame, vlans=(Vlan(5),)))
        yield _at(port, "a frame with two tags", replace(frame, vlans=(Vlan(5, tpid=0x88A8), Vlan(6))))
        yield _at(port, "a foreign MAC address", replace(frame, source=STRANGER_MAC))
        yield _at(port, "VXLAN-GPE", replace(frame, payload=replace(ip, payload=Udp(40000, 4790))))
        if not any(FOREIGN[version] in prefix for prefix in port.sources if prefix.version == version):
            yield _at(port, "a foreign source address", replace(frame, payload=replace(ip, source=FOREIGN[version])))
    stranger = Arp(2, port.mac, int(FOREIGN[4]), Mac(0), int(FOREIGN[4]))
    yield _at(port, "ARP about a foreign address", Ethernet(port.mac, STRANGER_MAC, stranger))
    yield _at(port, "an unknown ethertype", Ethernet(port.mac, STRANGER_MAC, Raw(0x88B5, b"?")))


def of_leg(
    port: Port, is_aware: bool, expected: Iterable[PathPosition], foreign: Sequence[PathPosition]
) -> Iterator[Forgery]:
    """What a function's leg may not send: NSH or, of an unaware function, MAC tags at ``foreign`` positions."""
    inner = Ethernet(port.mac, STRANGER_MAC, Ip(FOREIGN[4], FOREIGN[4], Udp(1, 2)))
    if is_aware:
        for position in foreign:
            yield _at(port, f"NSH at {position}", Ethernet(port.mac, STRANGER_MAC, Nsh(position, inner, 60)))
        for position in sorted(expected):
            stolen = Ethernet(STRANGER_MAC, port.mac, Nsh(position, inner, 60))
            yield _at(port, "NSH from a foreign MAC address", stolen)
    else:
        yield from _nsh_in_every_wrapping(port, foreign[0])
        for vid in (0, 0xFFF):
            yield _at(port, f"a frame in VLAN {vid}", replace(inner, vlans=(Vlan(vid),)))
        for position in foreign:
            yield _at(port, f"the MAC tag of {position}", replace(inner, source=mac_tag(position)))
        for position in foreign[:EXPECTED_MAX]:
            answer = replace(inner, destination=mac_tag(position), payload=Raw(0x88CC, b"?"))
            yield _at(port, f"an answer to {position} that is no IP packet", answer)
        for position in sorted(expected)[:EXPECTED_MAX]:
            tagged = replace(inner, source=mac_tag(position))
            yield _at(port, f"the MAC tag of {position} in a VLAN", replace(tagged, vlans=(Vlan(0xFFF),)))
            yield _at(port, f"the MAC tag of {position} on no IP packet", replace(tagged, payload=Raw(0x88CC, b"?")))
    yield _at(port, "a plain frame", replace(inner, source=STRANGER_MAC))


def of_strangers(sff: Sff, peer: Sff | None, position: PathPosition) -> Iterator[Forgery]:
    """On the underlay: an unknown peer, and ``peer`` with a key of no use."""
    inner = Ethernet(STRANGER_MAC, STRANGER_MAC, Ip(FOREIGN[4], FOREIGN[4], Udp(1, 2)))
    nsh = Nsh(position, inner, 60)
    yield Forgery("NSH of an unknown peer", sff.name, sff.tunnel_ofport, nsh, None, int(FOREIGN[4]), VNI_NSH)
    if peer is not None:
        address = int(peer.underlay_ip)
        yield Forgery("a frame on the key of NSH", sff.name, sff.tunnel_ofport, inner, None, address, VNI_NSH)
        yield Forgery("a frame on key 1", sff.name, sff.tunnel_ofport, inner, None, address, 1)


def _nsh_in_every_wrapping(port: Port, position: PathPosition) -> Iterator[Forgery]:
    frame = Ethernet(port.mac, STRANGER_MAC, Nsh(position, Ethernet(port.mac, STRANGER_MAC, Raw(0x88B5)), 60))
    yield _at(port, "NSH", frame)
    yield _at(port, "NSH in a VLAN", replace(frame, vlans=(Vlan(5),)))
    yield _at(port, "NSH in VID 0", replace(frame, vlans=(Vlan(0),)))
    yield _at(port, "NSH in QinQ", replace(frame, vlans=(Vlan(5, tpid=0x88A8), Vlan(6))))


def _at(port: Port, what: str, packet: Ethernet) -> Forgery:
    return Forgery(f"{what} from port {port.id}", port.sff, port.ofport, packet, port.id)
