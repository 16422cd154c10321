"""From an intended path (SFP) to rendered service paths (RSPs): which instances, which SPI and SI.

The choice is a shortest path over the groups: the sum of hop costs between neighbouring hosts is least; between
equals the heavier instance wins, then the smaller id, so that one input has one result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sfc.errors import PathError
from sfc.model.chains import SI_FIRST, Chain, Direction, Hop, PathGroup, PlannedChain, Rsp, SpiPool, WeightedInstance
from sfc.model.topology import PortRole, ServiceFunction, Topology

HopCost = Callable[[str, str], float]
"""Cost of the way between two SFFs, by name; not negative."""


def same_host_first(here: str, there: str) -> float:
    """The plainest cost: 0 on one host, 1 between two."""
    return 0.0 if here == there else 1.0


def plan_chains(
    topology: Topology, chains: Iterable[Chain], pool: SpiPool, hop_cost: HopCost = same_host_first
) -> tuple[tuple[PlannedChain, ...], SpiPool]:
    """Plan every chain with SPIs from ``pool``; the pool comes back without them.

    Raises :class:`PathError` (and :class:`ModelError` for unknown names); nothing is allocated then.
    """
    planned = []
    for chain in chains:
        spis, pool = pool.allocate(2 if chain.symmetric else 1)
        planned.append(plan_chain(topology, chain, spis[0], spis[1] if chain.symmetric else None, hop_cost))
    return tuple(planned), pool


def plan_chain(
    topology: Topology,
    chain: Chain,
    forward_spi: int,
    reverse_spi: int | None = None,
    hop_cost: HopCost = same_host_first,
) -> PlannedChain:
    """Choose the chain's instances and lay its directions out over them."""
    functions = choose_instances(topology, chain, hop_cost)
    _check_ends(topology, chain, functions)
    _check_context(chain, functions)
    forward = _lay_out(topology, chain, functions, Direction.FORWARD, forward_spi)
    if reverse_spi is None:
        return PlannedChain(chain, forward)
    return PlannedChain(chain, forward, _lay_out(topology, chain, functions, Direction.REVERSE, reverse_spi))


@dataclass(frozen=True, slots=True)
class _Way:
    """The best way to one instance so far; compares by cost, then weight, then ids."""

    cost: float
    lightness: int
    ids: tuple[str, ...]

    @property
    def rank(self) -> tuple[float, int, tuple[str, ...]]:
        return (self.cost, self.lightness, self.ids)


def choose_instances(
    topology: Topology, chain: Chain, hop_cost: HopCost = same_host_first
) -> tuple[ServiceFunction, ...]:
    """One instance of each group, the cheapest way from the ingress to the egress."""
    ways = [_Way(0.0, 0, ())]
    places = [topology.port(chain.ingress).sff]
    for group in chain.path:
        candidates = _candidates(group)
        here = [_sff_of(topology, topology.function(candidate.function)) for candidate in candidates]
        ways = [
            min(
                (_extended(way, hop_cost(place, sff), candidate) for way, place in zip(ways, places, strict=True)),
                key=_rank,
            )
            for candidate, sff in zip(candidates, here, strict=True)
        ]
        places = here
    if chain.egress is not None:
        end = topology.port(chain.egress).sff
        ways = [
            _Way(way.cost + hop_cost(place, end), way.lightness, way.ids)
            for way, place in zip(ways, places, strict=True)
        ]
    return tuple(topology.function(function) for function in min(ways, key=_rank).ids)


def end_port(chain: Chain, functions: tuple[ServiceFunction, ...]) -> str | None:
    """Id of the port where the chain's packets leave; None when it has no end."""
    if chain.egress is not None:
        return chain.egress
    return functions[-1].ingress if functions[-1].rewrites_5tuple else None


def _rank(way: _Way) -> tuple[float, int, tuple[str, ...]]:
    return way.rank


def _extended(way: _Way, cost: float, candidate: WeightedInstance) -> _Way:
    return _Way(way.cost + cost, way.lightness - candidate.weight, (*way.ids, candidate.function))


def _candidates(group: PathGroup) -> tuple[WeightedInstance, ...]:
    return tuple(instance for instance in group.instances if instance.weight) or group.instances


def _sff_of(topology: Topology, function: ServiceFunction) -> str:
    return topology.port(function.ingress).sff


def _check_ends(topology: Topology, chain: Chain, functions: tuple[ServiceFunction, ...]) -> None:
    for function in functions[:-1]:
        if function.rewrites_5tuple:
            raise PathError(
                "REWRITES_IN_THE_MIDDLE",
                f"chain {chain.id}: {function.id} rewrites 5-tuples but is not the last function",
                "let the chain end at it and begin another behind it",
            )
    last = functions[-1]
    if chain.egress is not None and last.rewrites_5tuple:
        raise PathError("TWO_ENDS", f"chain {chain.id} ends at {last.id} and at {chain.egress}", "leave egress out")
    end = end_port(chain, functions)
    if end is None:
        raise PathError("NO_END", f"chain {chain.id} has no end", "name its egress port")
    for port in (chain.ingress, end):
        if topology.port(port).role is not PortRole.TENANT:
            raise PathError("END_ROLE", f"chain {chain.id}: port {port} is a function's leg, no member of a network")
    if chain.ingress == end:
        raise PathError("SAME_ENDS", f"chain {chain.id} begins and ends at port {end}")


def _check_context(chain: Chain, functions: tuple[ServiceFunction, ...]) -> None:
    """What a function wrote into the header is gone behind a proxy (RFC 8300 section 3, SFC proxy)."""
    for order in (functions, functions[::-1]) if chain.symmetric else (functions,):
        writer = lost_at = ""
        for function in order:
            if function.reads_context and writer and lost_at:
                raise PathError(
                    "CONTEXT_LOST",
                    f"chain {chain.id}: {function.id} reads what {writer} wrote, across NSH-unaware {lost_at}",
                    "put the reader before it",
                )
            if function.writes_context:
                writer, lost_at = function.id, ""
            elif function.is_proxied:
                lost_at = function.id


def _lay_out(
    topology: Topology, chain: Chain, functions: tuple[ServiceFunction, ...], direction: Direction, spi: int
) -> Rsp:
    forward = direction is Direction.FORWARD
    end = end_port(chain, functions)
    if end is None:
        raise PathError("NO_END", f"chain {chain.id} has no end")
    terminator = functions[-1].id if functions[-1].rewrites_5tuple else None
    passed = functions[:-1] if terminator else functions
    hops = []
    for index, function in enumerate(passed if forward else passed[::-1]):
        port_in, port_out = function.legs(forward)
        hops.append(Hop(SI_FIRST - index, topology.port(port_in).sff, function.id, port_in, port_out))
    ends = (chain.ingress, end) if forward else (end, chain.ingress)
    return Rsp(
        chain=chain.id,
        direction=direction,
        spi=spi,
        start=ends[0],
        end=ends[1],
        start_sff=topology.port(ends[0]).sff,
        end_sff=topology.port(ends[1]).sff,
        hops=tuple(hops),
        terminator=terminator,
    )
