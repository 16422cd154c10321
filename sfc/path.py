"""From an intended path (SFP) to rendered service paths (RSPs): which instances, which SPI and SI.

The choice is a shortest path over the groups: the sum of hop costs between neighbouring hosts is least; between
equals the heavier instance wins, then the smaller id, so that one input has one result. A group that is to spread its
load gets all of its instances: the chain then has a branch, with SPIs of its own, for each combination of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from math import prod

from sfc.errors import PathError
from sfc.model.chains import SI_FIRST, Chain, Direction, Hop, PathGroup, PlannedChain, Rsp, SpiPool, WeightedInstance
from sfc.model.topology import PortRole, ServiceFunction, Topology

HopCost = Callable[[str, str], float]
"""Cost of the way between two SFFs, by name; not negative."""
Spis = tuple[int, int | None]
"""Service path identifiers of a branch: forward, and reverse when the chain is symmetric."""
BRANCHES_MAX = 64


def same_host_first(here: str, there: str) -> float:
    """The plainest cost: 0 on one host, 1 between two."""
    return 0.0 if here == there else 1.0


def plan_chains(
    topology: Topology, chains: Iterable[Chain], pool: SpiPool, hop_cost: HopCost = same_host_first
) -> tuple[tuple[PlannedChain, ...], SpiPool]:
    """Plan every chain with SPIs from ``pool``; the pool comes back without them.

    Raises :class:`PathError` (and :class:`ModelError` for unknown names); nothing is allocated then.
    """
    wanted = tuple(chains)
    spis: dict[str, list[Spis]] = {}
    for chain in wanted:
        if chain.id in spis:
            raise PathError("CHAIN_TWICE", f"two chains have the id {chain.id}")
        row, pool = pool.allocate((2 if chain.symmetric else 1) * len(branches(chain)))
        spis[chain.id] = list(_pairs(row)) if chain.symmetric else [(spi, None) for spi in row]
    planned: dict[str, tuple[PlannedChain, ...]] = {}
    for chain in in_order(wanted):
        begins_at = _begin(chain, [planned[name][0] for name in chain.after])
        if spreads(chain):
            planned[chain.id] = plan_branches(topology, chain, spis[chain.id], hop_cost)
        else:
            planned[chain.id] = (plan_chain(topology, chain, *spis[chain.id][0], hop_cost, begins_at=begins_at),)
    return tuple(each for chain in wanted for each in planned[chain.id]), pool


def in_order(chains: Sequence[Chain]) -> tuple[Chain, ...]:
    """Chains with those that they follow before them; :class:`PathError` for one that is not there, or a circle."""
    by_id = {chain.id: chain for chain in chains}
    done: dict[str, Chain] = {}
    waiting = list(by_id.values())
    while waiting:
        ready = [chain for chain in waiting if all(name in done for name in chain.after)]
        if not ready:
            raise _no_order(waiting, by_id)
        done.update((chain.id, chain) for chain in ready)
        waiting = [chain for chain in waiting if chain.id not in done]
    return tuple(done.values())


def _no_order(waiting: Sequence[Chain], by_id: Mapping[str, Chain]) -> PathError:
    for chain in waiting:
        for name in chain.after:
            if name not in by_id:
                return PathError("GRAPH_UNKNOWN", f"chain {chain.id} follows {name}, which is not there")
    names = ", ".join(sorted(chain.id for chain in waiting))
    return PathError("GRAPH_CIRCLE", f"chains {names} follow each other in a circle", "a graph has no way back")


def _begin(chain: Chain, before: Sequence[PlannedChain]) -> str | None:
    """The forwarder where a chain begins that follows others; None for one that begins at its ingress."""
    for planned in before:
        if planned.chain.ingress != chain.ingress:
            raise PathError(
                "GRAPH_INGRESS",
                f"chain {chain.id} follows {planned.chain.id}, but names ingress {chain.ingress} "
                f"and not {planned.chain.ingress}",
                "all chains of a graph have the ingress of its first one",
            )
        if planned.share is not None or spreads(chain):
            raise PathError("GRAPH_SPREAD", f"chain {chain.id} or {planned.chain.id} spreads: no part of a graph may")
        if chain.symmetric and (len(before) > 1 or planned.reverse is None):
            raise PathError(
                "GRAPH_JOIN",
                f"chain {chain.id} is symmetric, and its answers would not know which chain they go back by",
                "let it follow one symmetric chain, or be asymmetric",
            )
    places = sorted({planned.forward.end_sff for planned in before})
    if len(places) > 1:
        raise PathError("GRAPH_PLACES", f"chain {chain.id} would begin on {' and '.join(places)}")
    return places[0] if places else None


def _pairs(spis: tuple[int, ...]) -> Iterable[tuple[int, int]]:
    """(forward, reverse) of each branch, as they lie in a row."""
    return zip(spis[::2], spis[1::2], strict=True)


def spreads(chain: Chain) -> bool:
    """True when the chain's connections are spread over several branches."""
    return any(group.spread for group in chain.path)


def plan_chain(
    topology: Topology,
    chain: Chain,
    forward_spi: int,
    reverse_spi: int | None = None,
    hop_cost: HopCost = same_host_first,
    down: Collection[str] = (),
    *,
    begins_at: str | None = None,
) -> PlannedChain:
    """Choose the chain's instances and lay its directions out over them.

    Instances that are ``down`` are chosen only where no other is left. A chain that follows others ``begins_at`` the
    forwarder where these end.
    """
    if (begins_at is None) == bool(chain.after):
        raise PathError(
            "GRAPH_BEGIN", f"chain {chain.id} begins at its ingress, or at a forwarder if it follows others"
        )
    if spreads(chain):
        raise PathError("SPREAD", f"chain {chain.id} spreads over several instances", "use plan_branches()")
    functions = choose_instances(topology, chain, hop_cost, down, begins_at)
    return _planned(topology, chain, functions, (forward_spi, reverse_spi), begins_at)


def branches(chain: Chain) -> tuple[tuple[Chain, int], ...]:
    """The chain once for each combination of the instances that its groups spread over, with the combination's weight.

    A chain that spreads nothing is its only branch. Raises :class:`PathError` for more than :data:`BRANCHES_MAX`.
    """
    combinations = [_alternatives(group) for group in chain.path]
    if prod(map(len, combinations)) > BRANCHES_MAX:
        raise PathError(
            "SPREAD_WIDE",
            f"chain {chain.id} would have {prod(map(len, combinations))} branches, {BRANCHES_MAX} are the most",
            "spread fewer of its groups, or over fewer instances",
        )
    return tuple((replace(chain, path=path), _weight(chain, path)) for path in product(*combinations))


def _alternatives(group: PathGroup) -> tuple[PathGroup, ...]:
    """Of a group that spreads, one for each of its instances."""
    if not group.spread:
        return (group,)
    return tuple(replace(group, instances=(each,), spread=False) for each in _candidates(group))


def _weight(chain: Chain, path: tuple[PathGroup, ...]) -> int:
    """Weights of the instances multiply; of groups whose instances all weigh 0, each counts 1."""
    chosen = (one.instances[0] for group, one in zip(chain.path, path, strict=True) if group.spread)
    return prod(instance.weight or 1 for instance in chosen)


def plan_branches(
    topology: Topology,
    chain: Chain,
    spis: Sequence[Spis],
    hop_cost: HopCost = same_host_first,
    down: Collection[str] = (),
) -> tuple[PlannedChain, ...]:
    """Plan a chain that spreads: one planned chain for each of its :func:`branches`, in their order.

    ``spis`` are (forward, reverse) of each. Raises :class:`PathError`; the function at the chain's end cannot be
    spread, for an answer without a mark must find the branch of its question.
    """
    wanted = branches(chain)
    if len(spis) != len(wanted):
        raise PathError("SPREAD_SPIS", f"chain {chain.id} has {len(wanted)} branches, {len(spis)} pairs of SPIs came")
    planned = [
        replace(_planned(topology, chain, choose_instances(topology, fixed, hop_cost, down), pair), share=weight)
        for (fixed, weight), pair in zip(wanted, spis, strict=True)
    ]
    if len({each.forward.end for each in planned}) != 1:
        raise PathError(
            "SPREAD_END",
            f"the branches of chain {chain.id} end at different ports",
            "leave the function at its end out of the spreading",
        )
    return tuple(planned)


def _planned(
    topology: Topology,
    chain: Chain,
    functions: tuple[ServiceFunction, ...],
    spis: Spis,
    begins_at: str | None = None,
) -> PlannedChain:
    forward_spi, reverse_spi = spis
    _check_ends(topology, chain, functions)
    _check_context(chain, functions)
    begin = begins_at or topology.port(chain.ingress).sff
    forward = _lay_out(topology, chain, functions, Direction.FORWARD, forward_spi, begin)
    if reverse_spi is None:
        return PlannedChain(chain, forward)
    return PlannedChain(chain, forward, _lay_out(topology, chain, functions, Direction.REVERSE, reverse_spi, begin))


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
    topology: Topology,
    chain: Chain,
    hop_cost: HopCost = same_host_first,
    down: Collection[str] = (),
    begins_at: str | None = None,
) -> tuple[ServiceFunction, ...]:
    """One instance of each group, the cheapest way from the ingress to the egress; ``down`` ones for want of others."""
    ways = [_Way(0.0, 0, ())]
    places = [begins_at or topology.port(chain.ingress).sff]
    for group in chain.path:
        candidates = _candidates(group, down)
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


def _candidates(group: PathGroup, down: Collection[str] = ()) -> tuple[WeightedInstance, ...]:
    alive = tuple(instance for instance in group.instances if instance.function not in down) or group.instances
    return tuple(instance for instance in alive if instance.weight) or alive


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
    if last.rewrites_5tuple and chain.path[-1].only is not None:
        raise PathError("END_ONE_WAY", f"chain {chain.id}: {last.id} is its end, and both directions meet it")
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
    topology: Topology,
    chain: Chain,
    functions: tuple[ServiceFunction, ...],
    direction: Direction,
    spi: int,
    begin: str,
) -> Rsp:
    forward = direction is Direction.FORWARD
    end = end_port(chain, functions)
    if end is None:
        raise PathError("NO_END", f"chain {chain.id} has no end")
    terminator = functions[-1].id if functions[-1].rewrites_5tuple else None
    met = [function for function, group in zip(functions, chain.path, strict=True) if group.only in (None, direction)]
    passed = [function for function in met if function.id != terminator]
    hops = []
    for index, function in enumerate(passed if forward else passed[::-1]):
        port_in, port_out = function.legs(forward)
        hops.append(Hop(SI_FIRST - index, topology.port(port_in).sff, function.id, port_in, port_out))
    ends = (chain.ingress, end) if forward else (end, chain.ingress)
    sffs = (begin, topology.port(end).sff) if forward else (topology.port(end).sff, begin)
    return Rsp(
        chain=chain.id,
        direction=direction,
        spi=spi,
        start=ends[0],
        end=ends[1],
        start_sff=sffs[0],
        end_sff=sffs[1],
        hops=tuple(hops),
        terminator=terminator,
    )
