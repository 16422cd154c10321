"""Table 0: what each port may send. Everything else is dropped and counted by its reason."""

from __future__ import annotations

from functools import lru_cache

from sfc.model.actions import Action, CheckLarger, Ct, Decap, MeterBy, Output, Resubmit, SetField
from sfc.model.addresses import IpNetwork, covers
from sfc.model.classifiers import PROTOCOL_UDP
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch, prefix_match
from sfc.model.flows import Meter
from sfc.model.topology import VNI_NSH, VNI_OAM_REPLY, Port, PortRole, Sff
from sfc.render.bridge import ENTER, Bridge
from sfc.render.matches import (
    ARP,
    ARP_REQUEST,
    ETHERNET,
    ETHERNET_NSH,
    FAMILY,
    ICMPV6,
    IPV4,
    IPV6,
    NSH,
    OAM_BIT,
    SOLICITATION,
    TAGGED,
    TWICE_TAGGED,
    UNTAGGED,
    Matches,
    eth_dst,
    eth_src,
    gpe,
    in_port,
    source,
)
from sfc.render.tables import METER_TOO_BIG, TOO_BIG_BASE, TOO_BIG_BURST, TOO_BIG_RATE_PPS, Table

ETHERNET_OCTETS, TAG_OCTETS = 14, 4
TOO_BIG_ERRORS: dict[int, tuple[Matches, ...]] = {
    4: ((IPV4, FieldMatch(Field.IP_PROTO, 1), FieldMatch(Field.ICMP_TYPE, 3), FieldMatch(Field.ICMP_CODE, 4)),),
    6: ((*ICMPV6, FieldMatch(Field.ICMPV6_TYPE, 2), FieldMatch(Field.ICMPV6_CODE, 0)),),
}
"""RFC 792 with RFC 1191, and RFC 4443 section 3.2, by IP version."""

FORGET_IN_PORT = SetField(Field.IN_PORT, 0)
"""Else a packet that must leave by the port it came from would vanish without a trace."""


CHATTER = (
    (IPV6, FieldMatch(Field.IPV6_SRC, 0xFE80 << 112, 0xFFC0 << 112)),
    (IPV6, FieldMatch(Field.IPV6_SRC, 0)),
)
"""Link-local and unspecified sources: router solicitations, MLD. Dropped as all that is not allowed, but counted apart
from forgeries, for every kernel sends them by itself."""


def render_guard(bridge: Bridge) -> None:
    """Table 0 for tunnels and the OAM responder."""
    bridge.add(Table.GUARD, 0, (), (), Kind.DROP_GUARD)
    _tunnels(bridge)
    _oam(bridge)


def render_port(bridge: Bridge, port: Port) -> None:
    """Table 0 for one port, but for what functions send back (:mod:`sfc.render.proxy`)."""
    _never(bridge, port)
    if port.role is PortRole.TENANT:
        _station(bridge, port)


def _tunnels(bridge: Bridge) -> None:
    tunnel = in_port(bridge.sff.tunnel_ofport)
    for peer in bridge.peers:
        head = (tunnel, FieldMatch(Field.TUN_SRC, int(peer.underlay_ip)))
        number = int(peer.underlay_ip) & 0xFFFFFF
        nsh = (*head, FieldMatch(Field.TUN_ID, VNI_NSH), NSH)
        bridge.add(Table.GUARD, 200, nsh, (FORGET_IN_PORT, ENTER), Kind.TUNNEL_NSH, number)
        for vni in _shared_networks(bridge, peer):
            frame = (*head, FieldMatch(Field.TUN_ID, vni), ETHERNET)
            actions = (SetField(Field.REG1, vni), Resubmit(Table.LOCAL))
            bridge.add(Table.GUARD, 200, frame, actions, Kind.TUNNEL_L2, vni, number & 0xFF)


def _shared_networks(bridge: Bridge, peer: Sff) -> list[int]:
    """Networks with a station on both bridges."""
    world, nobody = bridge.world, frozenset[str]()
    both = world.networks_at.get(bridge.sff.name, nobody) & world.networks_at.get(peer.name, nobody)
    return [world.topology.network(network).vni for network in sorted(both)]


def _oam(bridge: Bridge) -> None:
    """Replies of the responders travel between them on their own VNI; a probe enters with the O bit only."""
    sff = bridge.sff
    if sff.oam_ofport is None or sff.oam_ip is None or sff.oam_mac is None:
        return
    udp = (IPV4, FieldMatch(Field.IP_PROTO, PROTOCOL_UDP))
    port = (in_port(sff.oam_ofport), eth_src(sff.oam_mac))
    for peer in bridge.peers:
        if peer.oam_ip is None:
            continue
        number = int(peer.underlay_ip) & 0xFFFFFF
        received = (
            in_port(sff.tunnel_ofport),
            FieldMatch(Field.TUN_SRC, int(peer.underlay_ip)),
            FieldMatch(Field.TUN_ID, VNI_OAM_REPLY),
            ETHERNET,
            *udp,
            FieldMatch(Field.IPV4_DST, int(sff.oam_ip)),
        )
        bridge.add(Table.GUARD, 200, received, (Output(sff.oam_ofport),), Kind.OAM_REPLY_IN, number)
        ends = (FieldMatch(Field.IPV4_SRC, int(sff.oam_ip)), FieldMatch(Field.IPV4_DST, int(peer.oam_ip)))
        bridge.add(
            Table.GUARD, 200, (*port, *udp, *ends), to_peer(bridge, peer, VNI_OAM_REPLY), Kind.OAM_REPLY_OUT, number
        )
    probe = (*port, ETHERNET_NSH, OAM_BIT)
    bridge.add(Table.GUARD, 200, probe, (FORGET_IN_PORT, Decap(), ENTER), Kind.OAM_PROBE)


def to_peer(bridge: Bridge, peer: Sff, vni: int) -> tuple[Action, ...]:
    """Send through the tunnel to ``peer`` with key ``vni``."""
    return _through_tunnel(bridge.sff.tunnel_ofport, int(peer.underlay_ip), vni)


@lru_cache(maxsize=4096)
def _through_tunnel(ofport: int, peer: int, vni: int) -> tuple[Action, ...]:
    return (SetField(Field.TUN_ID, vni), SetField(Field.TUN_DST, peer), Output(ofport))


def _never(bridge: Bridge, port: Port) -> None:
    """What no port may send: NSH unless its function speaks it, tagged frames, and what every IPv6 stack tries."""
    here = in_port(port.ofport)
    speaks_nsh = port.id in bridge.world.nsh_ports
    if not speaks_nsh:
        plain, tagged = (here, UNTAGGED, ETHERNET_NSH), (here, TAGGED, ETHERNET_NSH)
        bridge.add(Table.GUARD, 310, plain, (), Kind.DROP_FORGED_NSH, port.ofport)
        bridge.add(Table.GUARD, 309, tagged, (), Kind.DROP_FORGED_NSH_TAGGED, port.ofport)
    refused: tuple[Matches, ...] = TWICE_TAGGED if port.trunk else ((TAGGED,),)
    for several in refused:
        bridge.add(Table.GUARD, 305, (here, *several), (), Kind.DROP_TAGGED, port.ofport)
    for match in CHATTER:
        bridge.add(Table.GUARD, 160, (here, *match), (), Kind.DROP_CHATTER, port.ofport)
    if port.role is PortRole.SF:
        bridge.add(Table.GUARD, 140, (here,), (), Kind.DROP_LEG, port.ofport)


def _station(bridge: Bridge, port: Port) -> None:
    """A member of a network: its MAC, its addresses, ARP and ND about them."""
    here, mac = in_port(port.ofport), eth_src(port.mac)
    network = SetField(Field.REG1, bridge.world.topology.network(port.network or "").vni)
    onward = (network, *_onward(bridge, port))
    tagged = (network, *_onward(bridge, port, TAG_OCTETS))
    for version in port.versions:
        bridge.add(Table.GUARD, 300, (here, *gpe(version)), (), Kind.DROP_FORGED_GPE, port.ofport)
    for prefix in _widest(port):
        allowed = (here, mac, *source(prefix))
        bridge.add(Table.GUARD, 200, allowed, onward, Kind.PORT_IP, port.ofport)
        if tagged != onward and port.trunk:
            bridge.add(Table.GUARD, 201, (*allowed, TAGGED), tagged, Kind.PORT_IP, port.ofport)
    if 4 in port.versions:
        _arp(bridge, port, (here, mac), network)
    if 6 in port.versions:
        _neighbour_discovery(bridge, port, (here, mac), network)
    bridge.add(Table.GUARD, 150, (here, FAMILY[4]), (), Kind.DROP_SPOOFED_IP, port.ofport)
    bridge.add(Table.GUARD, 150, (here, FAMILY[6]), (), Kind.DROP_SPOOFED_IPV6, port.ofport)
    bridge.add(Table.GUARD, 150, (here, ARP), (), Kind.DROP_SPOOFED_ARP, port.ofport)
    bridge.add(Table.GUARD, 140, (here,), (), Kind.DROP_NOT_ALLOWED, port.ofport)
    if port.limits:
        _sizes(bridge, port)


def _widest(port: Port) -> list[IpNetwork]:
    """Source prefixes without those that another one contains."""
    return [
        prefix
        for prefix in port.sources
        if not any(other != prefix and covers(other, prefix) for other in port.sources)
    ]


def _onward(bridge: Bridge, port: Port, tag: int = 0) -> tuple[Action, ...]:
    """Where its IP goes: reverse classifier, classifier or plain network; before that to its size's check.

    ``tag``: octets that the frame has besides its Ethernet header and its packet.
    """
    if port.limits and port.path_mtu is not None:
        return (CheckLarger(port.path_mtu + ETHERNET_OCTETS + tag, Field.REG3), Resubmit(Table.SIZE))
    return _inward(bridge, port)


def _inward(bridge: Bridge, port: Port) -> tuple[Action, ...]:
    if port.id in bridge.world.ends:
        return (Ct(port.ofport, table=Table.REVERSE),)
    return (Resubmit(Table.CLASSIFY if port.id in bridge.world.starts else Table.LOCAL),)


def render_sizes(bridge: Bridge) -> None:
    """Table 4 for packets of no port that limits anything; a meter of its own, so that nobody drowns other OAM."""
    bridge.add(Table.SIZE, 0, (), (), Kind.DROP_TOO_BIG)
    if bridge.sff.oam_ofport is not None:
        bridge.meters.append(Meter(METER_TOO_BIG, TOO_BIG_RATE_PPS, TOO_BIG_BURST))


def _sizes(bridge: Bridge, port: Port) -> None:
    """What is too big for a port's way goes to the responder, which answers; its answers leave by the port."""
    sff, here = bridge.sff, in_port(port.ofport)
    larger = FieldMatch(Field.REG3, 1, 1)
    forget = SetField(Field.REG3, 0)
    for version in port.versions:  # what goes to connection tracking must be matched as IP
        onward = (forget, *_inward(bridge, port))
        bridge.add(Table.SIZE, 100, (here, FAMILY[version]), onward, Kind.SIZE_RIGHT, port.ofport)
    if sff.oam_ofport is None or sff.oam_mac is None:
        bridge.add(Table.SIZE, 200, (here, larger), (), Kind.DROP_TOO_BIG, port.ofport)
        return
    if port.trunk:  # its answer would come back without the tag
        bridge.add(Table.SIZE, 210, (here, TAGGED, larger), (), Kind.DROP_TOO_BIG, port.ofport)
    told = SetField(Field.ETH_DST, TOO_BIG_BASE | (port.path_mtu or 0) << 16 | port.ofport)
    to_responder = (MeterBy(METER_TOO_BIG), told, Output(sff.oam_ofport))
    bridge.add(Table.SIZE, 200, (here, larger), to_responder, Kind.TOO_BIG, port.ofport)
    answer = (in_port(sff.oam_ofport), eth_src(sff.oam_mac), eth_dst(port.mac))
    for version in port.versions:
        for kind in TOO_BIG_ERRORS[version]:
            actions = (Output(port.ofport),)
            bridge.add(Table.GUARD, 245, (*answer, *kind), actions, Kind.TOO_BIG_ANSWER, port.ofport)


def _arp(bridge: Bridge, port: Port, head: Matches, network: SetField) -> None:
    for prefix in port.sources:
        if prefix.version != 4 or not prefix.prefixlen:
            continue
        own = (
            ARP,
            FieldMatch(Field.ARP_SHA, int(port.mac)),
            prefix_match(Field.ARP_SPA, prefix),
        )
        actions = (network, Resubmit(Table.NEIGHBOUR))
        bridge.add(Table.GUARD, 200, (*head, *own), actions, Kind.PORT_ARP, port.ofport)


def _neighbour_discovery(bridge: Bridge, port: Port, head: Matches, network: SetField) -> None:
    """Solicitations with its own link-layer address go to the responder; nothing else of ND leaves the port."""
    here = head[0]
    unspecified = (here, *SOLICITATION, FieldMatch(Field.IPV6_SRC, 0))
    bridge.add(Table.GUARD, 230, unspecified, (), Kind.DROP_DAD, port.ofport)
    for prefix in port.sources:
        if prefix.version == 6 and prefix.prefixlen:
            own = (*SOLICITATION, prefix_match(Field.IPV6_SRC, prefix), FieldMatch(Field.ND_SLL, int(port.mac)))
            actions = (network, Resubmit(Table.NEIGHBOUR))
            bridge.add(Table.GUARD, 220, (*head, *own), actions, Kind.PORT_ND, port.ofport)
    for kind in range(133, 138):  # RFC 4861: router and neighbour messages, redirect
        other = (here, *ICMPV6, FieldMatch(Field.ICMPV6_TYPE, kind))
        bridge.add(Table.GUARD, 210, other, (), Kind.DROP_NEIGHBOUR, port.ofport)


def proxy_arp(bridge: Bridge, port: Port) -> None:
    """A routing function may ask for its next hops: the SFF is all of them."""
    here = (in_port(port.ofport), eth_src(port.mac), *ARP_REQUEST, FieldMatch(Field.ARP_SHA, int(port.mac)))
    bridge.add(Table.GUARD, 200, here, (Resubmit(Table.NEIGHBOUR),), Kind.PROXY_ARP, port.ofport)
