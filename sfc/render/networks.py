"""Plain overlay networks: ARP and ND answered on the spot, frames sent by known MAC, nothing flooded."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from ipaddress import IPv4Address, IPv6Address

from sfc.model.actions import Move, Output, OutputInPort, Resubmit, SetField
from sfc.model.addresses import IpAddress
from sfc.model.cookies import Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.topology import Network, Port
from sfc.render.bridge import Bridge
from sfc.render.guard import to_peer
from sfc.render.matches import (
    ADVERTISEMENT,
    ARP_REQUEST,
    GROUP_FRAME,
    SOLICITATION,
    TAGGED,
    Matches,
    eth_dst,
    in_port,
    on_network,
)
from sfc.render.tables import SFF_MAC, Table

ND_SOLICITED_OVERRIDE = 0x60000000  # RFC 4861 section 4.4: S and O
ND_ROUTER = 0x80000000  # the same section: R


def render_networks(bridge: Bridge) -> None:
    """Tables 40, 41, 50 and 51 of one bridge, for the networks that have a member on it."""
    bridge.add(Table.NEIGHBOUR, 0, (), (), Kind.DROP_ARP_MISS)
    bridge.add(Table.ND_COMPLETE, 0, (), (), Kind.DROP_ND_MISS)
    bridge.add(Table.LOCAL, 90, (GROUP_FRAME,), (), Kind.DROP_L2_GROUP)
    bridge.add(Table.LOCAL, 50, (in_port(bridge.sff.tunnel_ofport),), (), Kind.DROP_L2_TUNNEL)
    bridge.add(Table.LOCAL, 0, (), (Resubmit(Table.REMOTE),), Kind.L2_TO_REMOTE)
    bridge.add(Table.REMOTE, 0, (), (), Kind.DROP_L2_UNKNOWN)
    for network_id, members in sorted(bridge.world.members.items()):
        if any(port.sff == bridge.sff.name for port in members):
            network = bridge.world.topology.network(network_id)
            for port in members:
                _station(bridge, network, port)
            if any(port.trunk for port in members):
                _keep_from_others(bridge, network, members)


def _keep_from_others(bridge: Bridge, network: Network, members: Sequence[Port]) -> None:
    """Frames with a VLAN tag get to stations that have tags, and to nobody else."""
    for port in members:
        if port.sff == bridge.sff.name and not port.trunk:
            tagged = (on_network(network.vni), TAGGED, eth_dst(port.mac))
            bridge.add(Table.LOCAL, 110, tagged, (), Kind.DROP_L2_TAGGED, port.ofport)


def _station(bridge: Bridge, network: Network, port: Port) -> None:
    if port.sff == bridge.sff.name:
        match = (on_network(network.vni), eth_dst(port.mac))
        bridge.add(Table.LOCAL, 100, match, (Output(port.ofport),), Kind.L2_LOCAL, port.ofport)
        for address in port.addresses:
            if isinstance(address, IPv4Address):
                _announcement(bridge, network, port, address)
    else:
        bridge.draw_alike(("station", port.id, bridge.sff.tunnel_ofport), partial(_elsewhere, bridge, network, port))
    bridge.draw_alike(("answers", port.id), partial(_answers, bridge, network, port))


def _elsewhere(bridge: Bridge, network: Network, port: Port) -> None:
    """A station of another host, as all bridges see it whose tunnels have the same port."""
    peer = bridge.world.topology.sff(port.sff)
    match = (on_network(network.vni), eth_dst(port.mac))
    actions = to_peer(bridge, peer, network.vni)
    bridge.add(Table.REMOTE, 100, match, actions, Kind.L2_REMOTE, network.vni, int(peer.underlay_ip) & 0xFF)


def _answers(bridge: Bridge, network: Network, port: Port) -> None:
    for address in port.addresses:
        _answer(bridge, network, port, address)


def _answer(bridge: Bridge, network: Network, port: Port, address: IpAddress) -> None:
    if isinstance(address, IPv6Address):
        _answer_nd(bridge, network, port, address)
        return
    match = _asks(network, address)
    actions = (
        Move(Field.ETH_SRC, Field.ETH_DST),
        SetField(Field.ETH_SRC, int(port.mac)),
        SetField(Field.ARP_OP, 2),
        Move(Field.ARP_SHA, Field.ARP_THA),
        Move(Field.ARP_SPA, Field.ARP_TPA),
        SetField(Field.ARP_SHA, int(port.mac)),
        SetField(Field.ARP_SPA, int(address)),
        OutputInPort(),
    )
    bridge.add(Table.NEIGHBOUR, 100, match, actions, Kind.ARP_ANSWER, network.vni)


def _announcement(bridge: Bridge, network: Network, port: Port, address: IPv4Address) -> None:
    """A station that asks for its own address."""
    own = (in_port(port.ofport), *_asks(network, address))
    bridge.add(Table.NEIGHBOUR, 110, own, (), Kind.DROP_ANNOUNCEMENT, port.ofport)


def _asks(network: Network, address: IPv4Address) -> Matches:
    return (on_network(network.vni), *ARP_REQUEST, FieldMatch(Field.ARP_TPA, int(address)))


def _answer_nd(bridge: Bridge, network: Network, port: Port, address: IPv6Address) -> None:
    here = (on_network(network.vni), FieldMatch(Field.ND_TARGET, int(address)))
    turn = (
        Move(Field.ETH_SRC, Field.ETH_DST),
        SetField(Field.ETH_SRC, int(port.mac)),
        Move(Field.IPV6_SRC, Field.IPV6_DST),
        SetField(Field.IPV6_SRC, int(address)),
        SetField(Field.ICMPV6_TYPE, 136),
        SetField(Field.ICMPV6_CODE, 0),
        Resubmit(Table.ND_COMPLETE),
    )
    bridge.add(Table.NEIGHBOUR, 100, (*here, *SOLICITATION), turn, Kind.ND_ANSWER, network.vni)
    routes = any(prefix.version == 6 and not prefix.prefixlen for prefix in port.allowed)
    complete = (
        SetField(Field.ND_OPTIONS_TYPE, 2),
        SetField(Field.ND_RESERVED, ND_SOLICITED_OVERRIDE | (ND_ROUTER if routes else 0)),
        SetField(Field.ND_TLL, int(port.mac)),
        OutputInPort(),
    )
    bridge.add(Table.ND_COMPLETE, 100, (*here, *ADVERTISEMENT), complete, Kind.ND_COMPLETE, network.vni)


def answer_proxy_arp(bridge: Bridge, port: Port) -> None:
    """Whatever next hop a routing function asks for, the SFF's MAC answers."""
    actions = (
        Move(Field.ETH_SRC, Field.ETH_DST),
        SetField(Field.ETH_SRC, int(SFF_MAC)),
        SetField(Field.ARP_OP, 2),
        Move(Field.ARP_SHA, Field.ARP_THA),
        SetField(Field.ARP_SHA, int(SFF_MAC)),
        Move(Field.ARP_TPA, Field.REG3),
        Move(Field.ARP_SPA, Field.ARP_TPA),
        Move(Field.REG3, Field.ARP_SPA),
        OutputInPort(),
    )
    match = (in_port(port.ofport), *ARP_REQUEST)
    bridge.add(Table.NEIGHBOUR, 90, match, actions, Kind.PROXY_ARP_ANSWER, port.ofport)
