"""Chains and topology in, flow tables out: pure and deterministic.

The tables are a bridge's whole desired state: guard, ARP and ND responder, plain networks, classifiers, SFF,
proxies and OAM. See ``docs/table-plan.md`` for the drawing.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence
from functools import partial

from sfc.collector import paused
from sfc.model.chains import PlannedChain
from sfc.model.cookies import OWNER
from sfc.model.flows import FlowTables
from sfc.model.topology import Sff, Topology
from sfc.render.bridge import Bridge, Route, Section, World, routes_of
from sfc.render.classify import classifiers_rest_on, render_classifier_misses, render_classifiers
from sfc.render.forward import render_entry, render_path, render_path_misses
from sfc.render.graph import render_branches
from sfc.render.guard import render_guard, render_port, render_sizes
from sfc.render.liveness import render_liveness
from sfc.render.networks import render_networks
from sfc.render.proxy import functions_here, render_function, render_function_misses, render_functions_of
from sfc.render.refusals import refuse_impossible
from sfc.render.spread import render_spread, render_spread_misses, spreads_here
from sfc.render.tables import NEIGHBOUR_EGRESS, NEIGHBOUR_INGRESS, SFF_MAC, Table, mac_tag

__all__ = ["NEIGHBOUR_EGRESS", "NEIGHBOUR_INGRESS", "SFF_MAC", "Renderer", "Table", "mac_tag", "render"]


def render(
    topology: Topology,
    chains: Sequence[PlannedChain] = (),
    *,
    down: Collection[str] = (),
    owner: int = OWNER,
    epoch: int = 1,
) -> dict[str, FlowTables]:
    """The flow tables of every bridge, by SFF name, sorted.

    Functions that are ``down``, by id, are passed by or close their chains, as each one's policy says; of a chain that
    spreads, connections go to the next branch where it says so. ``owner`` and ``epoch`` go into each cookie. Raises
    :class:`RenderError` for a chain that cannot be put on Open vSwitch and :class:`ModelError` for one that names what
    the topology lacks.
    """
    return Renderer(owner=owner, epoch=epoch).render(topology, chains, down=down)


class Renderer:
    """Renders again and again; of the same topology, only what changed. Not for several threads at once.

    What it returns is always what :func:`render` would, and the same objects as last time where nothing changed.
    """

    def __init__(self, *, owner: int = OWNER, epoch: int = 1) -> None:
        self._owner = owner
        self._epoch = epoch
        self._topology: Topology | None = None
        self._routes: dict[int, tuple[Route, ...]] = {}
        self._sections: dict[str, dict[Hashable, Section]] = {}
        self._tables: dict[str, FlowTables] = {}

    def render(
        self, topology: Topology, chains: Sequence[PlannedChain] = (), *, down: Collection[str] = ()
    ) -> dict[str, FlowTables]:
        """As :func:`render`."""
        refuse_impossible(topology, chains)
        if self._topology != topology:
            self._topology, self._routes, self._sections = topology, {}, {}
        with paused():
            self._routes = {planned.forward.spi: self._routes_of(topology, planned, down) for planned in chains}
            routes = tuple(route for spi in sorted(self._routes) for route in self._routes[spi])
            world = World(topology, routes, self._owner, self._epoch)
            return {sff.name: self._bridge(world, sff) for sff in sorted(topology.sffs, key=lambda sff: sff.name)}

    def _routes_of(self, topology: Topology, planned: PlannedChain, down: Collection[str]) -> tuple[Route, ...]:
        known = self._routes.get(planned.forward.spi)
        gone = {name for rsp in planned.rsps for name in rsp.functions if name in down or name in planned.cut_off}
        failed = {name: topology.function(name).policy for name in gone}
        if known and known[0].planned == planned and known[0].failed == failed:
            return known
        return routes_of(topology, planned, failed)

    def _bridge(self, world: World, sff: Sff) -> FlowTables:
        before = self._sections.get(sff.name, {})
        bridge = Bridge(world, sff, before)
        _draw(bridge)
        if list(bridge.sections.values()) != list(before.values()):
            self._tables[sff.name] = bridge.tables()
        self._sections[sff.name] = bridge.sections
        return self._tables[sff.name]


def _draw(bridge: Bridge) -> None:
    world = bridge.world
    bridge.draw("bridge", partial(_render_standing, bridge))
    render_liveness(bridge)
    for port in bridge.ports:
        starts, ends = port.id in world.starts, port.id in world.ends
        bridge.draw(("port", port.id, starts, ends), partial(render_port, bridge, port))
        if starts or ends:
            rest_on = classifiers_rest_on(bridge, port)
            bridge.draw(("classifiers", port.id, rest_on), partial(render_classifiers, bridge, port))
    for spread in spreads_here(bridge):
        bridge.draw(("spread", spread.branches), partial(render_spread, bridge, spread))
    for route in bridge.routes:
        bridge.draw(("path", route, world.beside(route)), partial(_render_route, bridge, route))
    for function, through in functions_here(bridge):
        bridge.draw(("function", function.id, through), partial(render_function, bridge, function, through))


def _render_standing(bridge: Bridge) -> None:
    """What a bridge holds with and without chains."""
    render_guard(bridge)
    render_sizes(bridge)
    render_networks(bridge)
    render_classifier_misses(bridge)
    render_spread_misses(bridge)
    render_entry(bridge)
    render_path_misses(bridge)
    render_function_misses(bridge)


def _render_route(bridge: Bridge, route: Route) -> None:
    render_path(bridge, route)
    render_functions_of(bridge, route)
    render_branches(bridge, route)
