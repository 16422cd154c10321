"""How large a packet may be that a chain or a network carries: too-large ones are lost in silence by the tunnel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from sfc.model.chains import PlannedChain
from sfc.model.topology import MTU_MAX, MTU_MIN, Port, PortRole, Topology

ETHERNET_OCTETS, IPV4_OCTETS, UDP_OCTETS, VXLAN_OCTETS, NSH_OCTETS = 14, 20, 8, 8, 24
NETWORK_OVERHEAD = IPV4_OCTETS + UDP_OCTETS + VXLAN_OCTETS + ETHERNET_OCTETS
"""Outer headers and the inner Ethernet header of a frame in VXLAN-GPE: 50 octets."""
CHAIN_OVERHEAD = NETWORK_OVERHEAD + NSH_OCTETS
"""The same with NSH of MD type 1: 74 octets."""


@dataclass(frozen=True, slots=True)
class TooSmall:
    """An underlay or a function's leg that cannot carry what a member may send."""

    what: str
    mtu: int
    needed: int

    def __str__(self) -> str:
        return f"{self.what} carries {self.mtu} octets, {self.needed} are needed"


def chain_mtu(underlay_mtu: int) -> int:
    """The largest IP packet that a chain carries between hosts; 1526 on an underlay of 1600."""
    return underlay_mtu - CHAIN_OVERHEAD


def network_mtu(underlay_mtu: int) -> int:
    """The largest IP packet that a plain network carries between hosts."""
    return underlay_mtu - NETWORK_OVERHEAD


def path_mtu(topology: Topology, chains: Iterable[PlannedChain], underlay_mtu: int, port: str) -> int:
    """Octets of IP that the smallest way from a port carries: its network's, and that of every chain at it.

    Given to the port (``Port.path_mtu``), larger packets are answered as too big instead of being lost in a tunnel.
    """
    here = topology.port(port)
    found = [here.mtu]
    if here.network is not None and _spans(topology, here.network):
        found.append(network_mtu(underlay_mtu))
    for planned in chains:
        if port not in (planned.forward.start, planned.forward.end):
            continue
        if any(rsp.start_sff != rsp.end_sff for rsp in planned.rsps) or _leaves(planned):
            found.append(chain_mtu(underlay_mtu))
        for hop in (hop for rsp in planned.rsps for hop in rsp.hops):
            speaks_nsh = not topology.function(hop.function).is_proxied
            inside = ETHERNET_OCTETS + NSH_OCTETS if speaks_nsh else 0
            found += [topology.port(leg).mtu - inside for leg in (hop.port_in, hop.port_out)]
    return min(found)


def chain_limit(topology: Topology, planned: PlannedChain, underlay_mtus: Mapping[str, int]) -> int | None:
    """Octets of IP that a chain carries: what the tunnels on its way leave, and the ports of functions that speak NSH.

    ``underlay_mtus`` by SFF name; None when nothing limits it.
    """
    found = []
    for rsp in planned.rsps:
        relays = {place for way in rsp.detours for place in way}
        passed = {rsp.start_sff, rsp.end_sff, *(hop.sff for hop in rsp.hops), *relays}
        if len(passed) > 1:
            found += [chain_mtu(underlay_mtus[sff]) for sff in passed if sff in underlay_mtus]
        for hop in rsp.hops:
            if not topology.function(hop.function).is_proxied:
                inside = ETHERNET_OCTETS + NSH_OCTETS
                found += [topology.port(leg).mtu - inside for leg in {hop.port_in, hop.port_out}]
    return min(found, default=None)


def limited(topology: Topology, chains: Iterable[PlannedChain], underlay_mtus: Mapping[str, int]) -> Topology:
    """The topology in which every port that may send more than its ways carry is told so (``Port.path_mtu``).

    What is larger is dropped at the port, counted, and answered as too big, instead of being lost in a tunnel. The same
    topology where nothing is too small, which costs its packets nothing.
    """
    limits: dict[str, int] = {}
    for planned in chains:
        carried = chain_limit(topology, planned, underlay_mtus)
        if carried is not None:
            for end in (planned.forward.start, planned.forward.end):
                limits[end] = min(carried, limits.get(end, MTU_MAX))
    for port_id, left in _network_limits(topology, underlay_mtus):
        limits[port_id] = min(left, limits.get(port_id, MTU_MAX))
    if not any(limits.get(port.id, MTU_MAX) < port.mtu for port in topology.ports):
        return topology
    return replace(topology, ports=tuple(_with_limit(port, limits.get(port.id, MTU_MAX)) for port in topology.ports))


def _network_limits(topology: Topology, underlay_mtus: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """What tunnels leave to the stations of networks on several hosts, where that is less than the network's MTU."""
    members: dict[str, list[Port]] = {}
    for port in topology.ports:
        if port.role is PortRole.TENANT and port.network is not None:
            members.setdefault(port.network, []).append(port)
    for stations in members.values():
        hosts = {port.sff for port in stations}
        carried = min((network_mtu(underlay_mtus[host]) for host in hosts if host in underlay_mtus), default=MTU_MAX)
        if len(hosts) > 1:
            yield from ((port.id, carried) for port in stations if carried < port.mtu)


def _with_limit(port: Port, carried: int) -> Port:
    return replace(port, path_mtu=max(carried, MTU_MIN)) if carried < port.mtu else port


def too_small(topology: Topology, chains: Iterable[PlannedChain], underlay_mtu: int) -> tuple[TooSmall, ...]:
    """Everything that would lose full-size packets: () when each member's MTU fits everywhere."""
    found = [
        TooSmall(f"the underlay, for network {network.id},", underlay_mtu, network.mtu + NETWORK_OVERHEAD)
        for network in topology.networks
        if network_mtu(underlay_mtu) < network.mtu and _spans(topology, network.id)
    ]
    for planned in chains:
        sent = max(topology.port(planned.forward.start).mtu, topology.port(planned.forward.end).mtu)
        if (
            any(rsp.start_sff != rsp.end_sff or _leaves(planned) for rsp in planned.rsps)
            and chain_mtu(underlay_mtu) < sent
        ):
            what = f"the underlay, for chain {planned.chain.id},"
            found.append(TooSmall(what, underlay_mtu, sent + CHAIN_OVERHEAD))
        found.extend(_small_legs(topology, planned, sent))
    return tuple(found)


def _spans(topology: Topology, network: str) -> bool:
    hosts = {port.sff for port in topology.ports if port.network == network and port.role is PortRole.TENANT}
    return len(hosts) > 1


def _leaves(planned: PlannedChain) -> bool:
    """True when some hop is on another host than the chain's beginning."""
    return any(hop.sff != rsp.start_sff for rsp in planned.rsps for hop in rsp.hops)


def _small_legs(topology: Topology, planned: PlannedChain, sent: int) -> Iterable[TooSmall]:
    """An NSH-aware function's port carries Ethernet and NSH on top of the member's packet."""
    for port_id in sorted({port for rsp in planned.rsps for hop in rsp.hops for port in (hop.port_in, hop.port_out)}):
        function = next(
            topology.function(hop.function)
            for rsp in planned.rsps
            for hop in rsp.hops
            if port_id in (hop.port_in, hop.port_out)
        )
        needed = sent if function.is_proxied else sent + ETHERNET_OCTETS + NSH_OCTETS
        if topology.port(port_id).mtu < needed:
            yield TooSmall(f"port {port_id} of function {function.id}", topology.port(port_id).mtu, needed)
