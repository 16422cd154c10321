"""What a chain needs of the hosts that it passes, looked at before anything is programmed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from mano.domain.vnf_instance import ConnectionPoint
from mano.errors import ChainTooLarge, NoTunnel
from mano.ports.repositories import StoredHost
from sfc.model import PlannedChain, Topology
from sfc.mtu import CHAIN_OVERHEAD, chain_limit, chain_mtu

Hosts = Mapping[str, StoredHost]


def require_tunnels(points: Iterable[ConnectionPoint], hosts: Hosts) -> None:
    """Raises NoTunnel for a port beside the integration bridges, or on a host without a tunnel to the others."""
    for point in points:
        stored = hosts.get(point.host)
        if point.ofport is None:
            raise NoTunnel(
                f"connection point {point.cpd_id} of the chain is on no integration bridge: it bypasses them",
                hint="a chain begins, passes and ends at ports of the bridges; a VF belongs behind its last function",
            )
        if stored is None or not stored.dataplane or not int(stored.dataplane.get("tunnel_ofport") or 0):
            raise NoTunnel(
                f"host {point.host or 'unknown'}, with connection point {point.cpd_id} of the chain, has no tunnel",
                hint="add the host again, which makes its bridge: mano host add INVENTORY",
                facts={"host": point.host},
            )


def underlay_mtus(hosts: Iterable[StoredHost]) -> Mapping[str, int]:
    """The MTU of each host's way to the others, in octets."""
    return {host.host.name: int(host.dataplane["underlay_mtu"]) for host in hosts if host.dataplane}


def effective_mtu(world: Topology, ways: Sequence[PlannedChain], hosts: Hosts) -> int:
    """The largest IP packet in octets that the chain carries from end to end."""
    mtus = underlay_mtus(hosts.values())
    sent = [world.port(port).mtu for one in ways for port in (one.forward.start, one.forward.end)]
    return min([*sent, *(limit for one in ways if (limit := chain_limit(world, one, mtus)) is not None)])


def require_room(world: Topology, ways: Sequence[PlannedChain], hosts: Hosts, name: str) -> None:
    """Raises ChainTooLarge where what the ends of the chain may send does not fit the tunnels on its way."""
    carried = min(_tunnelled(ways, hosts), default=None)
    sent = max(world.port(port).mtu for one in ways for port in (one.forward.start, one.forward.end))
    if carried is not None and carried < sent:
        raise ChainTooLarge(
            f"the ends of chain {name} send packets of {sent} octets, and its tunnels carry {carried}",
            hint=f"an underlay MTU of {sent + CHAIN_OVERHEAD} carries them, or an MTU of {carried} on the network",
            facts={"mtu": sent, "carried": carried, "overhead": CHAIN_OVERHEAD},
        )


def _tunnelled(ways: Sequence[PlannedChain], hosts: Hosts) -> list[int]:
    """What each host's tunnel leaves for a packet; nothing for a chain that stays on one host."""
    passed = [{rsp.start_sff, rsp.end_sff, *(hop.sff for hop in rsp.hops)} for one in ways for rsp in one.rsps]
    return [
        chain_mtu(int(hosts[host].dataplane["underlay_mtu"]))
        for way in passed
        if len(way) > 1
        for host in way
        if host in hosts
    ]
