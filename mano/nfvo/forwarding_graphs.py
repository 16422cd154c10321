"""Forwarding graphs: what the bridges shall do, proven, programmed, and looked at afterwards.

The tables of all bridges are a pure function of what is stored: hosts, networks, ports, chains.
:meth:`ForwardingGraphs.refresh` computes them, proves the chains on the simulator and programs the bridges that differ;
whoever changes what is stored calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import structlog

from mano.domain.catalogue import Package
from mano.domain.ns_instance import ServiceChain
from mano.errors import CatenaError, ChainUnproven, DeadlineExceeded, InvalidInput, Unreachable
from mano.nfvo.chain_documents import chain_from_document, match_text, match_to_document, path_to_document
from mano.nfvo.graph_translation import LiveVnf, topology
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.service_paths import ServicePaths
from sfc.errors import SfcError
from sfc.model import FlowTables, PlannedChain, Topology
from sfc.path import HopCost, plan_chain
from sfc.render import render
from sfc.verify import Proof, prove
from sfc.walk import planned_walk
from vnf_descriptors.model import Vnfd, from_json

DATA_PLANE = "data-plane"
"""The lease of the server that programs the bridges."""

TURN_S, TURN_DEADLINE_S = 60.0, 90.0
"""Longest turn of one server, and how long another one waits for it."""

SAME_HOST, SAME_ZONE, OTHER_ZONE = 0.0, 1.0, 3.0
"""Cost of one hop of a chain, as placement counts it."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """What is stored, as the data plane sees it, and the tables that follow from it."""

    topology: Topology
    chains: tuple[PlannedChain, ...]
    tables: Mapping[str, FlowTables]

    def chain(self, chain_id: str) -> PlannedChain | None:
        """The planned chain of that identifier."""
        return next((planned for planned in self.chains if planned.chain.id == chain_id), None)


class ForwardingGraphs:
    """Chains of all tenants and the bridges that carry them."""

    def __init__(self, open_unit: UnitOfWorkFactory, paths: ServicePaths, clock: Clock, owner: str) -> None:
        """``owner`` names this server; after a restart it is the same."""
        self._open_unit = open_unit
        self._paths = paths
        self._clock = clock
        self._owner = owner
        self._vnfds: dict[str, Vnfd] = {}
        self._one_at_a_time = threading.Lock()

    def refresh(self, needed: Collection[str] | None = None) -> DataPlane:
        """Make the bridges follow what is stored: render, prove, program what differs.

        ``needed`` names the hosts that must answer, ``None`` all of them; another one that is dead is passed over: it
        is programmed whole when it comes back. Raises :class:`~mano.errors.ChainUnproven` before anything is sent,
        :class:`~mano.errors.Unreachable` naming a needed host that does not answer.
        """
        with self._one_at_a_time, self._turn() as token:
            plane = self.data_plane()
            require_proven(plane)
            silent: dict[str, CatenaError] = {}
            for host in programming_order(plane):
                try:
                    self._paths.program(host, plane.tables[host], generation=token)
                except (Unreachable, DeadlineExceeded) as error:
                    silent[host] = error
        for host, problem in silent.items():
            if needed is None or host in needed:
                raise problem
            structlog.get_logger(__name__).warning("a bridge was passed over", host=host, detail=problem.detail)
        return plane

    @contextmanager
    def _turn(self) -> Iterator[int]:
        """One server at a time programs, with a token that grows: a bridge refuses one that lost its turn."""
        deadline = self._clock.monotonic() + TURN_DEADLINE_S
        while True:
            with self._open_unit() as uow:
                lease = uow.leases.take(DATA_PLANE, self._owner, TURN_S)
            if lease is not None:
                break
            if self._clock.monotonic() > deadline:
                raise DeadlineExceeded("another server programs the bridges for too long", hint="try again")
            self._clock.sleep(0.05)
        try:
            yield lease.token
        finally:
            with self._open_unit() as uow:
                uow.leases.release(lease)

    def data_plane(self) -> DataPlane:
        """The tables of every bridge from what is stored now; reads only."""
        with self._open_unit(read_only=True) as uow:
            world = self.world(uow)
            zones = {host.host.name: host.host.zone for host in uow.hosts.list()}
            chains = uow.chains.list()
        planned = tuple(plan_stored(world, chain, hop_cost(zones)) for chain in chains)
        return DataPlane(world, planned, render_all(world, planned))

    def world(self, uow: UnitOfWork) -> Topology:
        """The topology of everything that is stored."""
        hosts = [host for host in uow.hosts.list() if host.dataplane]
        names = {host.host.name for host in hosts}
        vnfs = self.live_vnfs(uow)
        saps = [sap.connection_point for ns in uow.ns_instances.list() for sap in ns.saps]
        known = [cp for cp in saps if cp.host in names]
        return topology(hosts, uow.networks.list(), vnfs, known, uow.chains.list())

    def live_vnfs(self, uow: UnitOfWork, **equals: Any) -> Sequence[LiveVnf]:
        """Every VNF instance that has VNFCs, with its descriptor."""
        return [
            LiveVnf(instance, self._vnfd(uow.packages.get(instance.package_id)))
            for instance in uow.vnf_instances.list(**equals)
            if instance.vnfcs
        ]

    def _vnfd(self, package: Package) -> Vnfd:
        if package.id not in self._vnfds:
            model = from_json(package.descriptor)
            if not isinstance(model, Vnfd):
                raise InvalidInput(f"package {package.id} holds no VNFD")
            self._vnfds[package.id] = model
        return self._vnfds[package.id]


def hop_cost(zones: Mapping[str, str]) -> HopCost:
    """The cost of a hop between two hosts of these zones."""

    def cost(here: str, there: str) -> float:
        if here == there:
            return SAME_HOST
        return SAME_ZONE if zones.get(here) == zones.get(there) else OTHER_ZONE

    return cost


def plan_stored(world: Topology, chain: ServiceChain, cost: HopCost) -> PlannedChain:
    """The paths of a stored chain with its own SPIs."""
    try:
        return plan_chain(world, chain_from_document(chain.spec), chain.forward_spi, chain.reverse_spi, cost)
    except SfcError as error:
        raise InvalidInput(f"chain {chain.name} cannot be laid out: {error}") from None


def render_all(world: Topology, chains: Sequence[PlannedChain]) -> Mapping[str, FlowTables]:
    """The tables of every bridge; raises InvalidInput for a chain that Open vSwitch cannot carry."""
    try:
        return render(world, chains)
    except SfcError as error:
        raise InvalidInput(f"the chains cannot be rendered: {error}") from None


def require_proven(plane: DataPlane) -> Proof:
    """Run the tables on the simulator; raises ChainUnproven with every violation."""
    proof = prove(plane.topology, plane.chains, plane.tables)
    if proof.violations:
        first = proof.violations[0]
        raise ChainUnproven(
            f"the rendered tables break {len(proof.violations)} invariants; the first: {first}",
            hint="nothing was programmed; this is a fault of the chain or of Catena: report it with the facts",
            facts={"violations": [str(violation) for violation in proof.violations[:50]]},
        )
    return proof


def programming_order(plane: DataPlane) -> tuple[str, ...]:
    """Hosts in the order in which they are programmed: those where chains begin come last.

    A path is then complete before the first packet is sent along it.
    """
    starts = {rsp.start_sff for planned in plane.chains for rsp in planned.rsps}
    return tuple(sorted(plane.tables, key=lambda host: (host in starts, host)))


def view(chain: ServiceChain) -> dict[str, Any]:
    """The chain as ``/mano/v1/chains`` shows it."""
    intent = chain_from_document(chain.spec)
    return {
        "id": chain.id,
        "name": chain.name,
        "nsInstanceId": chain.ns_instance_id,
        "state": chain.state,
        "version": chain.version,
        "symmetric": intent.symmetric,
        "forwardSpi": chain.forward_spi,
        "reverseSpi": chain.reverse_spi,
        "classifiers": [
            {"priority": c.priority, "match": match_to_document(c.match), "text": match_text(c.match)}
            for c in intent.classifiers
        ],
        "paths": list(chain.paths),
    }


def with_paths(chain: ServiceChain, planned: PlannedChain, world: Topology) -> ServiceChain:
    """The stored chain with the paths that are programmed for it."""
    names = {function["id"]: function for function in chain.spec.get("functions", ())}
    legs = planned_walk(world, planned)
    paths = tuple(path_to_document(rsp, legs, names) for rsp in planned.rsps)
    return replace(chain, paths=paths, state="active")
