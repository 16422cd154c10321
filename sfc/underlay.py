"""The network between the hosts: links with latency and bandwidth, and what a chain's way over them costs.

:meth:`Underlay.hop_cost` is what :func:`sfc.path.plan_chains` takes to choose instances by::

    underlay = Underlay((Link("h1", "tor1", mbps=25000, latency_us=5), Link("tor1", "h2", mbps=25000, latency_us=5)))
    planned, pool = plan_chains(topology, chains, pool, underlay.hop_cost(load=carried, mbps=100))

Names that are no hosts are switches. All pure; networkx finds the ways, and is imported when the first is looked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

from sfc.errors import ModelError, PathError
from sfc.model.chains import Chain, PathGroup, PlannedChain, WeightedInstance
from sfc.model.topology import check_name, check_range
from sfc.path import HopCost

if TYPE_CHECKING:
    import networkx

LATENCY_US_MAX = 60_000_000
MBPS_MAX = 10_000_000

Edge = tuple[str, str]
"""Both ends of a link, the smaller name first."""


@dataclass(frozen=True, slots=True)
class Link:
    """A cable between hosts and switches; both directions alike."""

    a: str
    b: str
    mbps: int
    latency_us: int = 0

    def __post_init__(self) -> None:
        for name in (self.a, self.b):
            check_name("link end", name)
        if self.a == self.b:
            raise ModelError("LINK", f"a link from {self.a} to itself")
        check_range(f"link {self.a} - {self.b}: mbps", self.mbps, 1, MBPS_MAX)
        check_range(f"link {self.a} - {self.b}: latency_us", self.latency_us, 0, LATENCY_US_MAX)

    @property
    def edge(self) -> Edge:
        return _edge(self.a, self.b)


@dataclass(frozen=True)
class Underlay:
    """Links; two between the same ends are refused."""

    links: tuple[Link, ...]
    _ways: dict[tuple[str, str, frozenset[Edge]], tuple[str, ...] | None] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        if len({link.edge for link in self.links}) != len(self.links):
            raise ModelError("TWICE", "two links between the same ends", "add their bandwidths up")

    def way(
        self, here: str, there: str, *, load: Mapping[Edge, float] | None = None, mbps: int = 0
    ) -> tuple[str, ...] | None:
        """The names along the way of least latency whose links have ``mbps`` to spare; None when there is none."""
        return self._way(here, there, self._full(load or {}, mbps))

    def latency_us(self, way: Sequence[str]) -> int:
        """Sum over the links of a way."""
        return sum(self._by_edge[edge].latency_us for edge in edges(way))

    def hop_cost(self, *, load: Mapping[Edge, float] | None = None, mbps: int = 0, load_weight: float = 1.0) -> HopCost:
        """Cost of the way between two hosts, for a chain of ``mbps``.

        Latency in microseconds plus 1 for each link, and as much again as the fullest link of the way is full, times
        ``load_weight``. ``load``: what links carry already, in Mbit/s. No way costs infinity.
        """
        carried = load or {}
        full = self._full(carried, mbps)

        def cost(here: str, there: str) -> float:
            if here == there:
                return 0.0
            way = self._way(here, there, full)
            if way is None:
                return float("inf")
            base = self.latency_us(way) + len(way) - 1
            fullest = max((carried.get(edge, 0.0) + mbps) / self._by_edge[edge].mbps for edge in edges(way))
            return base * (1.0 + load_weight * fullest)

        return cost

    def path_way(self, planned: PlannedChain, *, load: Mapping[Edge, float] | None = None, mbps: int = 0) -> ChainWay:
        """Where the forward direction of a chain goes; :class:`PathError` when the links cannot carry it."""
        rsp = planned.forward
        hosts = [rsp.start_sff, *(hop.sff for hop in rsp.hops), rsp.end_sff]
        ways = []
        for here, there in pairwise(hosts):
            way = (here,) if here == there else self.way(here, there, load=load, mbps=mbps)
            if way is None:
                raise PathError(
                    "NO_WAY",
                    f"chain {planned.chain.id}: no way from {here} to {there} with {mbps} Mbit/s to spare",
                    "add links, take load off them, or place its functions elsewhere",
                )
            ways.append(way)
        return ChainWay(tuple(ways), sum(map(self.latency_us, ways)), mbps)

    @cached_property
    def _by_edge(self) -> dict[Edge, Link]:
        return {link.edge: link for link in self.links}

    @cached_property
    def _graph(self) -> networkx.Graph[str]:
        import networkx

        graph: networkx.Graph[str] = networkx.Graph()
        for link in self.links:
            graph.add_edge(link.a, link.b, latency=link.latency_us)
        return graph

    def _full(self, load: Mapping[Edge, float], mbps: int) -> frozenset[Edge]:
        """Links that cannot carry as much more."""
        return frozenset(edge for edge, link in self._by_edge.items() if load.get(edge, 0.0) + mbps > link.mbps)

    def _way(self, here: str, there: str, full: frozenset[Edge]) -> tuple[str, ...] | None:
        key = (here, there, full)
        if key not in self._ways:
            self._ways[key] = self._find(here, there, full)
        return self._ways[key]

    def _find(self, here: str, there: str, full: frozenset[Edge]) -> tuple[str, ...] | None:
        import networkx

        def latency(one: str, other: str, data: Mapping[str, int]) -> float | None:
            return None if _edge(one, other) in full else data["latency"] + 1

        if here not in self._graph or there not in self._graph:
            return None
        try:
            return tuple(networkx.dijkstra_path(self._graph, here, there, weight=latency))
        except networkx.NetworkXNoPath:
            return None


@dataclass(frozen=True, slots=True)
class ChainWay:
    """The ways between a chain's hosts, one behind the other, and what they sum up to."""

    ways: tuple[tuple[str, ...], ...]
    latency_us: int
    mbps: int

    def load(self) -> dict[Edge, float]:
        """What the chain adds to each link; a link that it passes twice carries it twice."""
        found: dict[Edge, float] = {}
        for edge in (edge for way in self.ways for edge in edges(way)):
            found[edge] = found.get(edge, 0.0) + self.mbps
        return found


def edges(way: Sequence[str]) -> Iterable[Edge]:
    """The links of a way."""
    return (_edge(one, other) for one, other in pairwise(way))


def weighed_by_load(chain: Chain, connections: Mapping[str, int]) -> Chain:
    """The chain with instances weighed down by the connections that they serve (:mod:`sfc.statistics`).

    A group's idlest instances keep their weight; one with n times as many connections gets an n-th of it, at least 1.
    """
    return replace(chain, path=tuple(_weighed(group, connections) for group in chain.path))


def _weighed(group: PathGroup, connections: Mapping[str, int]) -> PathGroup:
    least = 1 + min(connections.get(each.function, 0) for each in group.instances)

    def weighed(each: WeightedInstance) -> WeightedInstance:
        weight = each.weight * least // (1 + connections.get(each.function, 0))
        return replace(each, weight=max(1, weight)) if each.weight else each

    return replace(group, instances=tuple(map(weighed, group.instances)))


def _edge(one: str, other: str) -> Edge:
    return (one, other) if one < other else (other, one)
