"""What cannot be put on Open vSwitch, whichever bridge it is, told before anything is drawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from sfc.errors import RenderError
from sfc.model.addresses import IpNetwork, covers
from sfc.model.chains import PlannedChain, Rsp
from sfc.model.topology import Awareness, Layer, Port, ServiceFunction, Topology
from sfc.render.tables import VLANS, vlan_tag
from sfc.render.vlan_refusals import refuse_vlans


def refuse_impossible(topology: Topology, chains: Sequence[PlannedChain]) -> None:
    """Raises :class:`RenderError` naming the chains that do not go together."""
    _refuse_twins(chains)
    _refuse_broken_graphs(chains)
    _refuse_shared_vlans(topology, chains)
    refuse_vlans(topology, chains)
    routers = {function.id: function for function in topology.functions if _routes(function)}
    for function, ends in _through(topology, chains, routers):
        _refuse_overlap(function, ends)


def _refuse_twins(chains: Sequence[PlannedChain]) -> None:
    owners: dict[int, str] = {}
    classified: dict[str, PlannedChain] = {}
    for planned in chains:
        if planned.classified:
            first = classified.setdefault(planned.chain.id, planned)
            if first is not planned and not _are_branches(first, planned):
                raise RenderError("CHAIN_TWICE", f"two versions of chain {planned.chain.id} want its packets")
        for rsp in planned.rsps:
            if rsp.spi in owners:
                raise RenderError(
                    "SPI_TWICE", f"SPI {rsp.spi} belongs to chains {owners[rsp.spi]} and {planned.chain.id}"
                )
            owners[rsp.spi] = planned.chain.id


def _are_branches(one: PlannedChain, other: PlannedChain) -> bool:
    ends = (one.forward.start, one.forward.end) == (other.forward.start, other.forward.end)
    return ends and one.chain == other.chain and None not in (one.share, other.share)


def _refuse_broken_graphs(chains: Sequence[PlannedChain]) -> None:
    current = {planned.chain.id: planned for planned in chains if planned.classified}
    for planned in chains:
        for name in planned.chain.after:
            before = current.get(name)
            if before is None:
                raise RenderError(
                    "GRAPH_UNKNOWN",
                    f"chain {planned.chain.id} follows {name}, which is not there",
                    "keep both, or none",
                )
            if planned.forward.start_sff != before.forward.end_sff:
                raise RenderError(
                    "GRAPH_PLACES",
                    f"chain {planned.chain.id} begins on {planned.forward.start_sff}, but {name}, which it follows, "
                    f"ends on {before.forward.end_sff}",
                    "plan it anew",
                )


def _refuse_shared_vlans(topology: Topology, chains: Sequence[PlannedChain]) -> None:
    """Inside a function that tells paths apart by VLAN, each meeting needs a VLAN of its own."""
    vlans = {function.id for function in topology.functions if function.awareness is Awareness.VLAN}
    taken: dict[tuple[str, int], Rsp] = {}
    meetings = ((rsp, hop) for planned in chains for rsp in planned.rsps for hop in rsp.hops if hop.function in vlans)
    for path, hop in meetings:
        tag = vlan_tag(path.spi)
        other = taken.setdefault((hop.function, tag), path)
        if other is not path or sum(each.function == hop.function for each in path.hops) > 1:
            raise RenderError(
                "VLAN_TWICE",
                f"SPI {other.spi} of chain {other.chain} and SPI {path.spi} of chain {path.chain} would have VLAN "
                f"{tag} in common at function {hop.function}, which tells paths apart by VLAN",
                f"give them SPIs that differ modulo {VLANS}, and meet the function once on each path",
            )


@dataclass(frozen=True, slots=True)
class _Ends:
    """Between which stations a chain's connections are."""

    chain: str
    start: Port
    end: Port


def _routes(function: ServiceFunction) -> bool:
    return function.is_proxied and function.awareness is Awareness.NONE and function.layer is Layer.L3


def _through(
    topology: Topology, chains: Sequence[PlannedChain], routers: dict[str, ServiceFunction]
) -> Iterator[tuple[str, list[_Ends]]]:
    """For each routing function the ends of the chains that it sees, when these are of several networks."""
    passing: dict[str, dict[tuple[str, str], _Ends]] = {}
    for planned in chains if routers else ():
        start, end = topology.port(planned.forward.start), topology.port(planned.forward.end)
        for hop in planned.forward.hops:
            if hop.function in routers:
                pairs = passing.setdefault(hop.function, {})
                pairs.setdefault((start.id, end.id), _Ends(planned.chain.id, start, end))
    for function, ends in passing.items():
        if len({each.start.network for each in ends.values()}) > 1:
            yield function, list(ends.values())


def _refuse_overlap(function: str, ends: Sequence[_Ends]) -> None:
    """A routing function's packets are told apart by their connections: two tenants' must not look the same."""
    for one, other in _sharing_addresses(ends):
        if _alike(one.start, other.start, one.end, other.end) or _alike(one.start, other.end, one.end, other.start):
            raise RenderError(
                "L3_OVERLAP",
                f"chains {one.chain} and {other.chain} pass the routing function {function}, and their networks "
                f"{one.start.network} and {other.start.network} use the same addresses: their connections cannot be "
                "told apart",
                "give each an instance of its own, or a function that bridges",
            )


def _sharing_addresses(ends: Sequence[_Ends]) -> Iterator[tuple[_Ends, _Ends]]:
    """Pairs of different networks, some addresses of which overlap; a sweep over all addresses in order."""
    for version in (4, 6):
        spans = [
            (int(prefix.network_address), int(prefix.broadcast_address), number)
            for number, each in enumerate(ends)
            for port in (each.start, each.end)
            for prefix in _own(port)
            if prefix.version == version
        ]
        open_spans: list[tuple[int, int]] = []
        for first, last, number in sorted(spans):
            open_spans = [span for span in open_spans if span[0] >= first]
            for _, other in open_spans:
                if ends[other].start.network != ends[number].start.network:
                    yield ends[other], ends[number]
            open_spans.append((last, number))


def _alike(one: Port, its_twin: Port, other: Port, other_twin: Port) -> bool:
    """True when both ends of two connections may have the same addresses, and one of them its own ones."""
    own = _meet(_own(one), _own(its_twin)) or _meet(_own(other), _own(other_twin))
    return own and _meet(one.sources, its_twin.sources) and _meet(other.sources, other_twin.sources)


def _own(port: Port) -> list[IpNetwork]:
    """Its prefixes without "anywhere", which is no tenant's own."""
    return [prefix for prefix in port.sources if prefix.prefixlen]


def _meet(some: Iterable[IpNetwork], others: Sequence[IpNetwork]) -> bool:
    return any(covers(one, other) or covers(other, one) for one in some for other in others)
