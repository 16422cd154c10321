"""What the renderer collects for one bridge, and what every part of it needs to know.

A bridge is drawn in sections. Each is named by everything that it depends on beside the topology, so a section of the
same name is the same as before and need not be drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, zip_longest
from math import gcd

from sfc.classifier import ranking
from sfc.errors import RenderError
from sfc.model.actions import Action, EncapNsh, Resubmit, SetField
from sfc.model.chains import Chain, Direction, Hop, PlannedChain, Rsp
from sfc.model.classifiers import PortRange
from sfc.model.cookies import Cookie, Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import Flow, FlowTables, Group, Meter, flow
from sfc.model.topology import OnFailure, Port, PortRole, ServiceFunction, Sff, Topology
from sfc.render.matches import NSH, Matches
from sfc.render.tables import CLASSIFIER_BOTTOM, CLASSIFIER_TOP, SHARES_MAX, Table
from sfc.walk import Stop, imposed_context, stops

ENTER = Resubmit(Table.ENTRY)
"""On to the SFF, as bare NSH."""


@dataclass(frozen=True, eq=False)
class Route:
    """One direction of a planned chain with everything its flows need, computed once; equals itself only."""

    planned: PlannedChain
    rsp: Rsp
    stops: tuple[Stop, ...]
    versions: tuple[int, ...]
    failed: Mapping[str, OnFailure] = field(default_factory=dict)
    """Functions on it that are down, with what is then to be done."""
    _imposed: dict[int, tuple[Action, ...]] = field(default_factory=dict, repr=False)

    @property
    def chain(self) -> Chain:
        return self.planned.chain

    @property
    def mark(self) -> int:
        """Connection mark of the chain, the same in both directions."""
        return self.planned.forward.spi

    @cached_property
    def stops_at(self) -> dict[str, list[tuple[Stop, str | None]]]:
        """The stops that each bridge has a part in, with the bridge that it sends on to; None where it serves them."""
        found: dict[str, list[tuple[Stop, str | None]]] = {}
        for stop in self.stops:
            for here, there in zip_longest(stop.places, stop.places[1:]):
                found.setdefault(here, []).append((stop, there))
        return found

    @cached_property
    def hops_at(self) -> dict[str, list[Hop]]:
        """The hops whose functions are behind each bridge; of those out of reach, none is."""
        found: dict[str, list[Hop]] = {}
        for hop in self.rsp.hops:
            if hop.function not in self.planned.cut_off:
                found.setdefault(hop.sff, []).append(hop)
        return found

    @property
    def is_dead(self) -> bool:
        """True when its connections are to go to another branch."""
        return OnFailure.NEXT in self.failed.values()

    def stop(self, si: int) -> Stop:
        """The stop at ``si``."""
        return self.stops[255 - si]

    def at(self, si: int) -> Matches:
        """A bare NSH packet at one position of the path."""
        return (NSH, self._on_path, FieldMatch(Field.NSH_SI, si))

    @cached_property
    def _on_path(self) -> FieldMatch:
        return FieldMatch(Field.NSH_SPI, self.rsp.spi)

    def impose(self, si: int) -> tuple[Action, ...]:
        """Put NSH on as the plan has it at ``si`` and enter the SFF."""
        if si not in self._imposed:
            self._imposed[si] = self._impose(si)
        return self._imposed[si]

    def _impose(self, si: int) -> tuple[Action, ...]:
        head, context, enter = self._alike
        changing = (SetField(Field.NSH_SI, si), SetField(Field.NSH_TTL, self.stop(si).imposed_ttl))
        return (*head, *changing, *context, SetField(Field.NSH_C4, self.rsp.position(si).word), *enter)

    @cached_property
    def _alike(self) -> tuple[tuple[Action, ...], tuple[Action, ...], tuple[Action, ...]]:
        """What every imposition has: before the index, before the fourth context word, and behind it."""
        first, second, third, _ = imposed_context(self.chain, self.rsp, 0)
        context = (SetField(Field.NSH_C1, first), SetField(Field.NSH_C2, second), SetField(Field.NSH_C3, third))
        head = (EncapNsh(), SetField(Field.NSH_SPI, self.rsp.spi))
        return head, (SetField(Field.NSH_FLAGS, 0), *context), (ENTER,)


def routes_of(topology: Topology, planned: PlannedChain, failed: Mapping[str, OnFailure]) -> tuple[Route, ...]:
    """Both directions of a planned chain, or its only one."""
    versions = _versions(topology, planned)
    return tuple(Route(planned, rsp, stops(topology, planned.chain, rsp), versions, failed) for rsp in planned.rsps)


@dataclass(frozen=True, eq=False)
class Spread:
    """The branches of a chain that spreads its connections."""

    branches: tuple[Route, ...]
    """Forward routes, by SPI."""

    @property
    def number(self) -> int:
        """What tells it from other chains in a register."""
        return self.branches[0].mark

    @property
    def living(self) -> tuple[Route, ...]:
        """Branches that keep their connections; all when none is alive, for then each does as its functions say."""
        return tuple(route for route in self.branches if not route.is_dead) or self.branches

    @cached_property
    def shares(self) -> tuple[tuple[Route, PortRange], ...]:
        """The remainders of the hash that fall to each branch that takes new connections."""
        taking = [route for route in self.living if route.planned.share] or list(self.living)
        weights = _scaled([route.planned.share or 1 for route in taking])
        ends = list(accumulate(weights))
        return tuple(
            (route, PortRange(end - weight, end - 1)) for route, weight, end in zip(taking, weights, ends, strict=True)
        )

    @property
    def links(self) -> int:
        """How many remainders there are."""
        return self.shares[-1][1].last + 1


def _scaled(weights: list[int]) -> list[int]:
    """The weights, reduced, and scaled down where they are too many; each keeps 1 at least."""
    divisor = gcd(*weights)
    reduced = [weight // divisor for weight in weights]
    total = sum(reduced)
    if total <= SHARES_MAX:
        return reduced
    return [max(1, weight * (SHARES_MAX - len(weights)) // total) for weight in reduced]


def _versions(topology: Topology, planned: PlannedChain) -> tuple[int, ...]:
    """IP versions that the chain carries: what its classifiers match and its ingress may send."""
    wanted = {version for classifier in planned.chain.classifiers for version in classifier.match.versions}
    return tuple(sorted(wanted & set(topology.port(planned.chain.ingress).versions)))


@dataclass(frozen=True)
class World:
    """The whole input of one rendering, indexed."""

    topology: Topology
    routes: tuple[Route, ...]
    """Every direction of every chain, by the chain's forward SPI."""
    owner: int
    epoch: int
    shared: dict[Hashable, tuple[Flow, ...]] = field(default_factory=dict)
    """Flows that several bridges have alike."""

    @cached_property
    def routes_at(self) -> dict[str, list[Route]]:
        """Routes that touch each bridge."""
        touched: dict[str, list[Route]] = {}
        for route in self.routes:
            for sff in sorted(route.stops_at):
                touched.setdefault(sff, []).append(route)
        return touched

    @cached_property
    def route_of(self) -> dict[tuple[int, Direction], Route]:
        """Route by the chain's forward SPI and the direction."""
        return {(route.mark, route.rsp.direction): route for route in self.routes}

    @cached_property
    def following(self) -> dict[str, list[tuple[Route, int]]]:
        """Of a graph: what chooses at the end of each chain, by id: routes and numbers of classifiers, best first.

        Matches on context come first, for they are made before the header is taken off.
        """
        routes = {
            route.chain.id: route
            for route in self.routes
            if route.chain.after and route.planned.classified and _is_forward(route)
        }
        grouped: dict[str, list[tuple[Route, int]]] = {}
        for chain, index in ranking(route.chain for route in routes.values()):
            for name in chain.after:
                grouped.setdefault(name, []).append((routes[chain.id], index))
        for rules in grouped.values():
            rules.sort(key=lambda rule: rule[0].chain.classifiers[rule[1]].match.context is None)
        return grouped

    @cached_property
    def _current_reverse(self) -> dict[str, Route]:
        """Reverse routes of classified chains, by id."""
        return {route.chain.id: route for route in self.routes if route.planned.classified and not _is_forward(route)}

    def before(self, route: Route) -> Route | None:
        """The reverse route by which the answers of a chain go on that follows another."""
        if _is_forward(route) or not route.chain.after:
            return None
        return self._current_reverse.get(route.chain.after[0])

    def beside(self, route: Route) -> tuple[tuple[Route, int] | Route | None, ...]:
        """The other routes that its flows depend on."""
        return (*(self.following.get(route.chain.id, ()) if _is_forward(route) else ()), self.before(route))

    def way_back(self, route: Route) -> Route:
        """The reverse route of connections that carry a reverse route's mark: its own, or its heir's."""
        if route.planned.heir is None:
            return route
        return self.route_of.get((route.planned.heir, Direction.REVERSE), route)

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Chains that spread, by id."""
        grouped: dict[str, list[Route]] = {}
        for route in self.routes:
            if route.planned.share is not None and route.planned.classified and _is_forward(route):
                grouped.setdefault(route.chain.id, []).append(route)
        return {chain: Spread(tuple(branches)) for chain, branches in grouped.items()}

    def spread_of(self, route: Route) -> Spread | None:
        """The branches among which a classified route's packets are spread."""
        return self.spreads.get(route.chain.id) if route.planned.classified else None

    def other(self, route: Route) -> Route | None:
        """The same chain's other direction."""
        other = route.planned.other(route.rsp.direction)
        return None if other is None else self.route_of[route.mark, other.direction]

    @cached_property
    def ports_at(self) -> dict[str, list[Port]]:
        """Ports of each bridge by OpenFlow port."""
        grouped: dict[str, list[Port]] = {}
        for port in sorted(self.topology.ports, key=lambda port: port.ofport):
            grouped.setdefault(port.sff, []).append(port)
        return grouped

    @cached_property
    def members(self) -> dict[str, list[Port]]:
        """Stations of each network, sorted by id."""
        grouped: dict[str, list[Port]] = {}
        for port in sorted(self.topology.ports, key=lambda port: port.id):
            if port.role is PortRole.TENANT and port.network is not None:
                grouped.setdefault(port.network, []).append(port)
        return grouped

    @cached_property
    def networks_at(self) -> dict[str, frozenset[str]]:
        """Networks with a station on each bridge."""
        grouped: dict[str, set[str]] = {}
        for network, members in self.members.items():
            for port in members:
                grouped.setdefault(port.sff, set()).add(network)
        return {sff: frozenset(networks) for sff, networks in grouped.items()}

    @cached_property
    def functions_at(self) -> dict[str, list[ServiceFunction]]:
        """Functions of each bridge, by id."""
        grouped: dict[str, list[ServiceFunction]] = {}
        for function in sorted(self.topology.functions, key=lambda function: function.id):
            grouped.setdefault(self.topology.port(function.ingress).sff, []).append(function)
        return grouped

    @cached_property
    def nsh_ports(self) -> frozenset[str]:
        """Ports of functions that speak NSH."""
        aware = (function for function in self.topology.functions if function.sends_nsh)
        return frozenset(port for function in aware for port in function.legs(True))

    @cached_property
    def starts(self) -> dict[str, list[Route]]:
        """Forward routes by the port of their classifier; not those that follow others."""
        return _by_start((route for route in self.routes if not route.chain.after), Direction.FORWARD)

    @cached_property
    def ends(self) -> dict[str, list[Route]]:
        """Reverse routes by the port of their classifier: the end of a symmetric chain."""
        return _by_start(self.routes, Direction.REVERSE)


@dataclass(frozen=True, eq=False)
class Section:
    """A part of a bridge's tables; equals itself only."""

    flows: tuple[Flow, ...]
    groups: tuple[Group, ...]
    meters: tuple[Meter, ...]


@dataclass
class Bridge:
    """One bridge while it is being drawn."""

    world: World
    sff: Sff
    before: Mapping[Hashable, Section] = field(default_factory=dict)
    """Sections that were drawn of the same topology."""
    sections: dict[Hashable, Section] = field(default_factory=dict)
    flows: list[Flow] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    meters: list[Meter] = field(default_factory=list)

    def draw(self, name: Hashable, draw: Callable[[], None]) -> None:
        """Draw a section, unless it was drawn before."""
        section = self.before.get(name)
        if section is None:
            self.flows, self.groups, self.meters = [], [], []
            draw()
            section = Section(tuple(self.flows), tuple(self.groups), tuple(self.meters))
        self.sections[name] = section

    def draw_alike(self, name: Hashable, draw: Callable[[], None]) -> None:
        """Draw flows that are the same on every bridge, once for all."""
        known = self.world.shared.get(name)
        if known is None:
            start = len(self.flows)
            draw()
            self.world.shared[name] = tuple(self.flows[start:])
        else:
            self.flows.extend(known)

    @property
    def routes(self) -> list[Route]:
        """Routes that touch this bridge."""
        return self.world.routes_at.get(self.sff.name, [])

    @property
    def ports(self) -> list[Port]:
        """Ports of this bridge."""
        return self.world.ports_at.get(self.sff.name, [])

    @property
    def functions(self) -> list[ServiceFunction]:
        """Functions behind this bridge, with chains or without."""
        return self.world.functions_at.get(self.sff.name, [])

    @property
    def peers(self) -> list[Sff]:
        """Every other bridge, by name."""
        return sorted((sff for sff in self.world.topology.sffs if sff is not self.sff), key=lambda sff: sff.name)

    def ofport(self, port_id: str) -> int:
        """OpenFlow number of a port of the topology."""
        return self.world.topology.port(port_id).ofport

    def add(
        self,
        table: Table,
        priority: int,
        match: Iterable[FieldMatch],
        actions: Iterable[Action],
        kind: Kind,
        subject: int = 0,
        index: int = 0,
    ) -> None:
        """One flow that serves no chain; ``subject`` and ``index`` fill the cookie."""
        cookie = Cookie(kind, subject, index, Direction.FORWARD, self.world.epoch, self.world.owner)
        self.flows.append(flow(table, priority, match, actions, cookie))

    def add_for(
        self,
        route: Route,
        si: int,
        table: Table,
        priority: int,
        match: Iterable[FieldMatch],
        actions: Iterable[Action],
        kind: Kind,
    ) -> None:
        """One flow that serves a chain; ``si`` goes to the cookie's hop."""
        cookie = Cookie(kind, route.mark, si, route.rsp.direction, self.world.epoch, self.world.owner)
        self.flows.append(flow(table, priority, match, actions, cookie))

    def tables(self) -> FlowTables:
        """All sections, as a value."""
        drawn = self.sections.values()
        return FlowTables(
            self.sff.name,
            tuple(flow for section in drawn for flow in section.flows),
            tuple(group for section in drawn for group in section.groups),
            tuple(meter for section in drawn for meter in section.meters),
        )


def ranked(routes: Iterable[Route], place: str) -> list[tuple[int, Route, int]]:
    """Classifiers of several routes as (flow priority, route, number in its chain), best first."""
    route_of: dict[str, Route] = {}
    for route in routes:
        if route.planned.classified:
            route_of.setdefault(route.chain.id, route)
    rules = ranking(route.chain for route in route_of.values())
    if len(rules) > CLASSIFIER_TOP - CLASSIFIER_BOTTOM:
        raise RenderError("CLASSIFIERS", f"port {place} has {len(rules)} classifiers, more than priorities")
    return [(CLASSIFIER_TOP - rank, route_of[chain.id], index) for rank, (chain, index) in enumerate(rules)]


def _is_forward(route: Route) -> bool:
    return route.rsp.direction is Direction.FORWARD


def _by_start(routes: Iterable[Route], direction: Direction) -> dict[str, list[Route]]:
    grouped: dict[str, list[Route]] = {}
    for route in routes:
        if route.rsp.direction is direction:
            grouped.setdefault(route.rsp.start, []).append(route)
    return grouped
