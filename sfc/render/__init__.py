"""Chains and topology in, flow tables out: pure and deterministic.

The tables are a bridge's whole desired state: guard, ARP and ND responder, plain networks, classifiers, SFF,
proxies and OAM. See ``docs/table-plan.md`` for the drawing.
"""

from __future__ import annotations

from collections.abc import Sequence

from sfc.errors import RenderError
from sfc.model.chains import PlannedChain
from sfc.model.cookies import OWNER
from sfc.model.flows import FlowTables
from sfc.model.topology import Sff, Topology
from sfc.render.bridge import Bridge, World
from sfc.render.classify import render_classifiers
from sfc.render.forward import render_entry, render_sff
from sfc.render.guard import render_guard
from sfc.render.networks import render_networks
from sfc.render.proxy import render_functions
from sfc.render.tables import NEIGHBOUR_EGRESS, NEIGHBOUR_INGRESS, SFF_MAC, Table, mac_tag

__all__ = ["NEIGHBOUR_EGRESS", "NEIGHBOUR_INGRESS", "SFF_MAC", "Table", "mac_tag", "render"]


def render(
    topology: Topology, chains: Sequence[PlannedChain] = (), *, owner: int = OWNER, epoch: int = 1
) -> dict[str, FlowTables]:
    """The flow tables of every bridge, by SFF name, sorted.

    ``owner`` and ``epoch`` go into each cookie. Raises :class:`RenderError` for a chain that cannot be put on
    Open vSwitch and :class:`ModelError` for one that names what the topology lacks.
    """
    _check(chains)
    world = World(topology, tuple(sorted(chains, key=lambda planned: planned.forward.spi)), owner, epoch)
    return {sff.name: _render_bridge(world, sff) for sff in sorted(topology.sffs, key=lambda sff: sff.name)}


def _render_bridge(world: World, sff: Sff) -> FlowTables:
    bridge = Bridge(world, sff)
    render_guard(bridge)
    render_networks(bridge)
    render_classifiers(bridge)
    render_entry(bridge)
    render_sff(bridge)
    render_functions(bridge)
    return bridge.tables()


def _check(chains: Sequence[PlannedChain]) -> None:
    owners: dict[int, str] = {}
    classified: set[str] = set()
    for planned in chains:
        if planned.classified and planned.chain.id in classified:
            raise RenderError("CHAIN_TWICE", f"two versions of chain {planned.chain.id} want its packets")
        if planned.classified:
            classified.add(planned.chain.id)
        for rsp in planned.rsps:
            if rsp.spi in owners:
                raise RenderError(
                    "SPI_TWICE", f"SPI {rsp.spi} belongs to chains {owners[rsp.spi]} and {planned.chain.id}"
                )
            owners[rsp.spi] = planned.chain.id
