"""Whether other hosts can be reached: BFD (RFC 5880) between every two bridges, in tunnels beside the one for traffic.

The one tunnel port of a bridge takes its destination from the flow, so nothing can be watched on it. Each peer gets a
port of its own with the same UDP port and a tunnel key of its own, on which Open vSwitch speaks BFD; no rule of the
tables mentions it, so nothing else passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sfc.model.topology import Sff, Topology
from sfc.ovs.commands import EnsurePort
from sfc.ovs.monitor import InterfaceState

VNI_BFD = 8
INTERVAL_MS = 100
MULTIPLIER = 3  # of Open vSwitch: a peer is lost after three intervals
_PREFIX = "bfd"


def bfd_name(peer: Sff) -> str:
    """Name of the port towards a peer."""
    return f"{_PREFIX}{int(peer.underlay_ip):08x}"


def bfd_ports(
    bridge: str, here: Sff, sffs: Iterable[Sff], *, interval_ms: int = INTERVAL_MS, dst_port: int = 4790
) -> tuple[EnsurePort, ...]:
    """The ports of one bridge towards all others; ``interval_ms`` between two messages, both ways."""
    bfd = {"enable": "true", "min_tx": str(interval_ms), "min_rx": str(interval_ms)}
    return tuple(
        EnsurePort(
            bridge,
            bfd_name(peer),
            type="vxlan",
            options={
                "exts": "gpe",
                "remote_ip": str(peer.underlay_ip),
                "local_ip": str(here.underlay_ip),
                "key": str(VNI_BFD),
                "dst_port": str(dst_port),
            },
            bfd=bfd,
        )
        for peer in sffs
        if peer.name != here.name
    )


def lost_peers(topology: Topology, interfaces: Mapping[str, InterfaceState]) -> frozenset[str]:
    """The peers that one bridge cannot reach."""
    names = {bfd_name(sff): sff.name for sff in topology.sffs}
    found = (state for name, state in interfaces.items() if name in names)
    return frozenset(names[state.name] for state in found if state.forwarding is False)


def unreachable(views: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Hosts that every other one has lost. ``views``: what each bridge that can be asked has lost.

    Of two that lost each other and nobody else is there to say which, both are unreachable to the other: the one that
    cannot be asked is meant.
    """
    everybody = set(views).union(*views.values())
    return frozenset(host for host in everybody if _lost_to_all(host, views))


def _lost_to_all(host: str, views: Mapping[str, frozenset[str]]) -> bool:
    seen = [view for name, view in views.items() if name != host]
    return bool(seen) and all(host in view for view in seen)
