"""Chains over the underlay: which links each hop takes, what bandwidth is left on them, how long the way is.

Links carry both directions together. Hops are routed one at a time over the quickest links with enough bandwidth left;
without links in the inventory the underlay is unknown and bounds nothing. A chain that asks for neither bandwidth nor
a latency is never refused for the underlay's sake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from mano.domain.nfvi import Link
from mano.placement.request import ChainRequest
from mano.placement.result import ChainRoute, Code, Hop

FARTHEST = 16
"""Waypoints that are looked through for one with a place, before and behind a VDU: what is farther binds loosely."""

SAME_HOST, SAME_ZONE, OTHER_ZONE = 0, 1, 3
"""Hop costs; a switch has no zone, so that a hop to it counts like one to another zone."""


@dataclass(frozen=True, slots=True)
class Route:
    """The links of one hop by index, the names along it, and its latency."""

    links: tuple[int, ...]
    names: tuple[str, ...]
    latency_us: int


def graph_of(links: Sequence[Link]) -> Any:
    """The links as a multigraph. The library is loaded where there are links: that takes longer than most plans."""
    if not links:
        return ()
    import networkx as nx

    graph: Any = nx.MultiGraph()
    for index, link in enumerate(links):
        graph.add_edge(link.a, link.b, key=index)
    return graph


class Underlay:
    """The links and what is left of them. `reserve` and `release` change it; everything else looks."""

    def __init__(self, links: Sequence[Link], graph: Any = None) -> None:
        """`graph` is that of `graph_of`, where it was made already."""
        self.links = links
        self.left = [max(0, link.mbps - link.reserved_mbps) for link in links]
        self._latency = [link.latency_us for link in links]
        self._graph = graph_of(links) if graph is None else graph
        self._reach: dict[tuple[str, int], dict[str, int]] = {}
        self._widths: dict[str, dict[str, int]] = {}

    @property
    def known(self) -> bool:
        return bool(self.links)

    def __contains__(self, name: str) -> bool:
        return name in self._graph

    def _best(self, edges: Mapping[int, Any], mbps: int) -> int | None:
        """Of parallel links the quickest that has the bandwidth left."""
        able = [index for index in edges if self.left[index] >= mbps]
        return min(able, key=lambda index: (self.links[index].latency_us, index), default=None)

    def _weight(self, mbps: int) -> Any:
        left, latency = self.left, self._latency

        def weight(_: str, __: str, edges: Mapping[int, Any]) -> int | None:
            quickest = None
            for index in edges:
                if left[index] >= mbps and (quickest is None or latency[index] < quickest):
                    quickest = latency[index]
            return quickest

        return weight

    def latencies(self, source: str, mbps: int) -> Mapping[str, int]:
        """Microseconds from `source` to every name within reach over links that have `mbps` left."""
        key = (source, mbps)
        if key not in self._reach:
            if source not in self._graph:
                self._reach[key] = {source: 0}
            else:
                import networkx as nx

                weight = self._weight(mbps)
                self._reach[key] = dict(nx.single_source_dijkstra_path_length(self._graph, source, weight=weight))
        return self._reach[key]

    def widths(self, source: str) -> Mapping[str, int]:
        """The most Mbit/s that some way from `source` to each other name has left; names without a way are left out.

        As latencies are found, with the narrowest link in the place of the sum: the widest way goes on first.
        """
        if source not in self._widths:
            found: dict[str, int] = {}
            ahead = [(-max(self.left, default=0), source)]
            while ahead:
                width, name = heappop(ahead)
                if name in found or width == 0:
                    continue
                found[name] = -width
                for other, edges in self._graph[name].items() if name in self._graph else ():
                    if other not in found:
                        heappush(ahead, (max(width, -max(self.left[index] for index in edges)), other))
            self._widths[source] = found
        return self._widths[source]

    def route(self, source: str, target: str, mbps: int) -> Route | None:
        """The quickest way with `mbps` left on every link, None when there is none."""
        if source == target:
            return Route((), (source,), 0)
        if source not in self._graph or target not in self._graph:
            return None
        import networkx as nx

        try:
            names = nx.dijkstra_path(self._graph, source, target, weight=self._weight(mbps))
        except nx.NetworkXNoPath:
            return None
        best = [self._best(self._graph[a][b], mbps) for a, b in pairwise(names)]
        chosen = tuple(index for index in best if index is not None)
        return Route(chosen, tuple(names), sum(self.links[index].latency_us for index in chosen))

    def reserve(self, route: Route, mbps: int) -> None:
        for index in route.links:
            self.left[index] -= mbps
        if mbps and route.links:
            self._forget()

    def reset(self, left: Sequence[int]) -> None:
        """Have what an earlier moment had left."""
        if self.left != list(left):
            self.left = list(left)
            self._forget()

    def _forget(self) -> None:
        self._reach.clear()
        self._widths.clear()

    def release(self, route: Route, mbps: int) -> None:
        self.reserve(route, -mbps)


@dataclass(frozen=True, slots=True)
class ChainState:
    """The routed hops, and what they leave of each link."""

    routes: Mapping[tuple[str, int], Route]
    left: tuple[int, ...]


class Chains:
    """The chains of a request, the hops that are routed so far, and where their waypoints are."""

    def __init__(self, chains: Sequence[ChainRequest], underlay: Underlay) -> None:
        self.chains = chains
        self.underlay = underlay
        self._waypoints = {chain.id: _waypoints(chain) for chain in chains}
        self._spots: dict[str, dict[str, list[int]]] = {}
        self._of: dict[str, list[ChainRequest]] = {}
        for chain in chains:
            for at, (is_member, name) in enumerate(self._waypoints[chain.id]):
                if is_member:
                    spots = self._spots.setdefault(name, {})
                    if chain.id not in spots:
                        self._of.setdefault(name, []).append(chain)
                    spots.setdefault(chain.id, []).append(at)
        self._mbps = {chain.id: chain.bandwidth_mbps for chain in chains}
        self._routes: dict[tuple[str, int], Route] = {}
        self._broken: dict[str, int] = {}

    def begin(self, places: Mapping[str, str], *, standing: bool) -> None:
        """Route the hops whose ends are known from the start: between allocations, ingress and egress.

        What they take is reserved, unless the chains are `standing` ones that hold it already. A bounded chain takes no
        VDU when nothing can carry such a hop.
        """
        for chain in self.chains if self.underlay.known else ():
            mbps = 0 if standing else chain.bandwidth_mbps
            for index, ends in enumerate(pairwise(self._waypoints[chain.id])):
                source, target = (_place_of(end, places) for end in ends)
                if source is None or target is None:
                    continue
                route = self.underlay.route(source, target, mbps)
                if route is not None:
                    self.underlay.reserve(route, mbps)
                    self._routes[chain.id, index] = route
                elif self.bounded(chain):
                    self._broken[chain.id] = max(1, chain.bandwidth_mbps - self.underlay.widths(source).get(target, 0))
                    break

    def of(self, vdu: str) -> Sequence[ChainRequest]:
        return self._of.get(vdu, ())

    def bounded(self, chain: ChainRequest) -> bool:
        return self.underlay.known and (chain.bandwidth_mbps > 0 or chain.max_latency_us is not None)

    def _hops_at(self, chain: ChainRequest, vdu: str) -> list[int]:
        """The hops of a chain that begin or end at `vdu`, in order."""
        last = len(self._waypoints[chain.id]) - 1
        ends = self._spots[vdu][chain.id]
        return sorted({hop for at in ends for hop in (at - 1, at) if 0 <= hop < last})

    def neighbours(self, vdu: str, places: Mapping[str, str]) -> Iterator[str]:
        """The names of hosts (or switches) next to `vdu` on its chains, one for each hop whose other end is known."""
        me = (True, vdu)
        for chain in self.of(vdu):
            points = self._waypoints[chain.id]
            for hop in self._hops_at(chain, vdu):
                other = points[hop + 1] if points[hop] == me else points[hop]
                name = None if other == me else _place_of(other, places)
                if name is not None:
                    yield name

    def anchors(
        self, chain: ChainRequest, vdu: str, places: Mapping[str, str]
    ) -> Iterator[tuple[str | None, str | None]]:
        """For each time the chain visits `vdu`: the nearest known names before and after it."""
        points = self._waypoints[chain.id]
        for at in self._spots[vdu][chain.id]:
            before, behind = range(at - 1, -1, -1)[:FARTHEST], range(at + 1, len(points))[:FARTHEST]
            yield _first_known(points, before, vdu, places), _first_known(points, behind, vdu, places)

    def refusal(self, vdu: str, host: str, places: Mapping[str, str]) -> tuple[Code, int] | None:
        """Why the underlay keeps `vdu` from `host`, with Mbit/s or microseconds short; None when it does not.

        Bounds are tested with the least that the rest of a chain can take, so that what passes may yet fail when a
        later VDU is placed; `enter` says for certain.
        """
        for chain in self.of(vdu):
            if not self.bounded(chain):
                continue
            if chain.id in self._broken:
                return Code.LINK_BANDWIDTH, self._broken[chain.id]
            for anchors in self.anchors(chain, vdu, places):
                for name in anchors:
                    if name is not None and host not in self.underlay.latencies(name, chain.bandwidth_mbps):
                        return Code.LINK_BANDWIDTH, max(
                            1, chain.bandwidth_mbps - self.underlay.widths(name).get(host, 0)
                        )
        for chain in self.of(vdu):
            if not self.bounded(chain) or chain.max_latency_us is None:
                continue
            least = self.least_latency(chain, {**places, vdu: host})
            if least is not None and least > chain.max_latency_us:
                return Code.LATENCY, least - chain.max_latency_us
        return None

    def least_latency(self, chain: ChainRequest, places: Mapping[str, str]) -> int | None:
        """The least that the chain can take between the waypoints that have a place; None when a way is missing."""
        points = self._waypoints[chain.id]
        known = [(at, name) for at, point in enumerate(points) if (name := _place_of(point, places)) is not None]
        total = 0
        for (at, a), (_, b) in pairwise(known):
            route = self._routes.get((chain.id, at))
            if route is not None:
                total += route.latency_us
                continue
            reach = self.underlay.latencies(a, chain.bandwidth_mbps)
            if b not in reach:
                return None
            total += reach[b]
        return total

    def enter(self, vdu: str, places: Mapping[str, str]) -> Code | None:
        """Route and reserve the hops that become known with `vdu`'s place, which `places` has; on refusal nothing."""
        done: list[tuple[str, int]] = []
        for chain in self.of(vdu):
            hops = self._hops_at(chain, vdu) if self.underlay.known else ()
            code = Code.LINK_BANDWIDTH if chain.id in self._broken else self._route_hops(chain, hops, places, done)
            if code is not None:
                for key in done:
                    self._drop(key)
                return code
        return None

    def _route_hops(
        self, chain: ChainRequest, hops: Iterable[int], places: Mapping[str, str], done: list[tuple[str, int]]
    ) -> Code | None:
        points = self._waypoints[chain.id]
        for index in hops:
            source, target = _place_of(points[index], places), _place_of(points[index + 1], places)
            if source is None or target is None or (chain.id, index) in self._routes:
                continue
            route = self.underlay.route(source, target, chain.bandwidth_mbps)
            if route is None:
                if self.bounded(chain):
                    return Code.LINK_BANDWIDTH
                continue
            self.underlay.reserve(route, chain.bandwidth_mbps)
            self._routes[chain.id, index] = route
            done.append((chain.id, index))
        if chain.max_latency_us is not None and self._latency(chain) > chain.max_latency_us:
            return Code.LATENCY
        return None

    def _latency(self, chain: ChainRequest) -> int:
        hops = len(self._waypoints[chain.id]) - 1
        return sum(self._routes[chain.id, hop].latency_us for hop in range(hops) if (chain.id, hop) in self._routes)

    def _drop(self, key: tuple[str, int]) -> None:
        self.underlay.release(self._routes.pop(key), self._mbps[key[0]])

    def leave(self, vdu: str) -> None:
        """Take back every hop that begins or ends at `vdu`."""
        for chain in self.of(vdu):
            for index in self._hops_at(chain, vdu):
                if (chain.id, index) in self._routes:
                    self._drop((chain.id, index))

    def snapshot(self) -> ChainState:
        return ChainState(dict(self._routes), tuple(self.underlay.left))

    def restore(self, state: ChainState) -> None:
        self._routes = dict(state.routes)
        self.underlay.reset(state.left)

    def route_of(self, chain: ChainRequest, places: Mapping[str, str]) -> ChainRoute | None:
        """The chain as routed, None while a waypoint has no place."""
        hops = []
        for index, (a, b) in enumerate(pairwise(self._waypoints[chain.id])):
            source, target = _place_of(a, places), _place_of(b, places)
            if source is None or target is None:
                return None
            route = self._routes.get((chain.id, index))
            links = tuple(pairwise(route.names)) if route is not None else ()
            hops.append(Hop(source, target, links))
        if not hops and _place_of(self._waypoints[chain.id][0], places) is None:
            return None
        return ChainRoute(tuple(hops), self._latency(chain))

    def hop_ends(self, places: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Both ends of every hop whose ends are known."""
        for chain in self.chains:
            for a, b in pairwise(self._waypoints[chain.id]):
                source, target = _place_of(a, places), _place_of(b, places)
                if source is not None and target is not None:
                    yield source, target


Waypoint = tuple[bool, str]
"""Whether it is a member that has to be placed (else a name of the underlay), and its name."""


def _waypoints(chain: ChainRequest) -> tuple[Waypoint, ...]:
    ends = [(False, chain.ingress)] if chain.ingress is not None else []
    tail = [(False, chain.egress)] if chain.egress is not None else []
    return (*ends, *((True, member) for member in chain.path), *tail)


def _first_known(
    points: Sequence[Waypoint], indices: Iterable[int], vdu: str, places: Mapping[str, str]
) -> str | None:  # fmt: skip
    """The place of the first of these points that has one, that of `vdu` itself not counting."""
    for index in indices:
        if points[index] != (True, vdu) and (name := _place_of(points[index], places)) is not None:
            return name
    return None


def _place_of(point: Waypoint, places: Mapping[str, str]) -> str | None:
    is_member, name = point
    return places.get(name) if is_member else name


def hop_cost(a: str, b: str, zones: Mapping[str, str]) -> int:
    """The contract's cost of a hop between two names; `zones` has the zone of each host."""
    if a == b:
        return SAME_HOST
    zone = zones.get(a)
    return SAME_ZONE if zone is not None and zone == zones.get(b) else OTHER_ZONE
