"""Whether other hosts can be reached: BFD (RFC 5880) between every two bridges, in tunnels beside the one for traffic.

The one tunnel port of a bridge takes its destination from the flow, so nothing can be watched on it. Each peer gets a
port of its own with the same UDP port and a tunnel key of its own, on which Open vSwitch speaks BFD; no rule of the
tables mentions it, so nothing else passes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sfc.failover import Cut, cut_between
from sfc.model.topology import Sff, Topology
from sfc.ovs.commands import EnsurePort
from sfc.ovs.monitor import InterfaceState

VNI_BFD = 8
INTERVAL_MS = 100
MULTIPLIER = 3  # of Open vSwitch: a peer is lost after three intervals
_PREFIX = "bfd"

HEALED_S = 1.0
"""A tunnel that carries again counts as whole after so long without another loss."""

ANEW_S = 10.0
"""A switch that starts anew makes its sessions anew (a second or two, RFC 5880 section 6.8.3): until they are up, or
for so long, that says nothing about its tunnels."""


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


class Tunnels:
    """What the bridges of all hosts say of the tunnels between them, as it comes in. Pure: the time is an argument.

    A tunnel is cut from when one of its ends says that it carries nothing, if it ever did, until both ends say that it
    carries again. An end that tells nothing is not asked.
    """

    def __init__(self, known_cuts: Iterable[Cut] = ()) -> None:
        """``known_cuts``: tunnels that were cut when somebody looked last."""
        self._says: dict[tuple[str, str], bool] = {}
        """What the first host says of its tunnel to the second."""
        self._was_up: set[Cut] = set(known_cuts)
        self._cut: set[Cut] = set(known_cuts)
        self._whole_since: dict[Cut, float] = {}
        self._anew: dict[str, float] = {}

    def tell(self, host: str, peer: str, forwarding: bool | None, now: float) -> None:
        """One end's word; None: it has none."""
        if forwarding is None:
            self._says.pop((host, peer), None)
        else:
            self._says[host, peer] = forwarding
        self._judge(cut_between(host, peer), now)

    def starts_anew(self, host: str, now: float) -> None:
        """The host's switch has just begun: what was and is said of its tunnels holds no more."""
        self._anew[host] = now
        for ends in [ends for ends in self._says if host in ends]:
            del self._says[ends]
        for pair in [pair for pair in self._was_up | self._cut if host in pair]:
            self._was_up.discard(pair)
            self._cut.discard(pair)
            self._whole_since.pop(pair, None)

    def cuts(self, now: float) -> frozenset[Cut]:
        """The tunnels that carry nothing now."""
        for pair in [pair for pair, since in self._whole_since.items() if now - since >= HEALED_S]:
            del self._whole_since[pair]
            self._cut.discard(pair)
        for host in [host for host, since in self._anew.items() if now - since >= ANEW_S]:
            del self._anew[host]
            for pair in {cut_between(*ends) for ends in self._says if host in ends}:
                self._was_up.add(pair)
                self._judge(pair, now)
        return frozenset(self._cut)

    def wait(self, now: float) -> float | None:
        """Seconds until :meth:`cuts` may say something else although nobody told anything; None: never."""
        ends = [since + HEALED_S for since in self._whole_since.values()]
        ends += [since + ANEW_S for since in self._anew.values()]
        return max(0.0, min(ends) - now) if ends else None

    def _judge(self, pair: Cut, now: float) -> None:
        one, other = pair
        said = [self._says[ends] for ends in ((one, other), (other, one)) if ends in self._says]
        if said and all(said):
            self._was_up.add(pair)
            if pair in self._cut:
                self._whole_since.setdefault(pair, now)
            return
        self._whole_since.pop(pair, None)
        if said and pair in self._was_up:
            self._cut.add(pair)
