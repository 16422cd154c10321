"""Forwarding graphs: what the bridges shall do, proven, programmed, and looked at afterwards.

The tables of all bridges are a pure function of what is stored: hosts, networks, ports, chains with the phase of their
change, functions that are down. :meth:`ForwardingGraphs.refresh` computes them, proves the chains on the simulator and
programs the bridges that differ; whoever changes what is stored calls it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import combinations
from typing import Any

import structlog

from mano.domain.ns_instance import NsInstance
from mano.domain.service_chain import ChainBranch, ChainState, ServiceChain
from mano.domain.vnf_instance import VnfOperationalState
from mano.errors import CatenaError, DeadlineExceeded, InvalidInput, Unreachable
from mano.nfvo.chain_documents import path_to_document
from mano.nfvo.chain_limits import underlay_mtus
from mano.nfvo.chain_versions import FIRST_SPI, LAST_SPI, WAYS, Allocate, choose, number
from mano.nfvo.chain_versions import planned as planned_ways
from mano.nfvo.data_plane import DataPlane, Drawing, hop_cost, programming_order, require_proven
from mano.nfvo.graph_translation import LivePnf, LiveVnf, functions_of, topology
from mano.nfvo.ns_families import joins_of
from mano.nfvo.ns_requests import pnfd_of
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.service_paths import Drift, ServicePaths
from sfc.failover import Cut, FailureProof
from sfc.model import PlannedChain, Topology
from sfc.path import HopCost
from sfc.verify import Proof
from sfc.walk import planned_walk
from vnf_descriptors.model import Vnfd, from_json

DATA_PLANE = "data-plane"
"""The lease of the server that programs the bridges."""

TURN_S, TURN_DEADLINE_S = 60.0, 90.0
"""Longest turn of one server, and how long another one waits for it."""

REMEMBERED_S = 1.0
"""Longest time for which a switch goes on by what its tables said before."""

ARRIVAL_S = 1.0
"""How long what is stored may take to come to a bridge before the difference counts as drift."""

_AT_ONCE = 8
"""Switches that are asked at the same time."""

DOWN = "service-function-down/"
"""Begins the key of an alarm that says that a function lets no probe through; its identifier follows."""

DARK = "service-function-dark/"
"""The same of a function one of whose ports has lost its carrier."""

CUT = "tunnel-down/"
"""Begins the key of an alarm that says that a tunnel carries nothing: two hosts follow, or one that no other reaches.

What belongs to such an alarm, of a network service, has a further part behind that."""
BETWEEN = "|"
"""Between two hosts in that key; no host's name has it."""

Needed = Collection[str] | Callable[[DataPlane], Collection[str]] | None
"""The hosts that must be programmed."""


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
        self._drawing = Drawing()
        self.latest: DataPlane | None = None
        """What the bridges were made to follow last, by this server."""
        self._pen = threading.Lock()

    def refresh(self, needed: Needed = None, *, since: DataPlane | None = None) -> DataPlane:
        """Make the bridges follow what is stored: render, prove, program what differs.

        ``needed`` names the hosts that must answer, ``None`` all of them, a function those that it chooses by the new
        data plane; another one that is dead is passed over: it is programmed whole when it comes back. Bridges whose
        tables are as they were in ``since`` are not looked at. Raises
        :class:`~mano.errors.ChainUnproven` before anything is sent, :class:`~mano.errors.Unreachable` naming a needed
        host that does not answer.
        """
        with self._one_at_a_time, self._turn() as token:
            plane = self.latest = self.proven()
            silent: dict[str, CatenaError] = {}
            for host in programming_order(plane):
                if since is not None and since.tables.get(host) == plane.tables[host]:
                    continue
                try:
                    self._paths.program(host, plane.tables[host], generation=token)
                except (Unreachable, DeadlineExceeded) as error:
                    silent[host] = error
        must = needed(plane) if callable(needed) else needed
        for host, problem in silent.items():
            if must is None or host in must:
                raise problem
            structlog.get_logger(__name__).warning("a bridge was passed over", host=host, detail=problem.detail)
        return plane

    def drain(self, chain_id: str, drain_s: float) -> None:
        """Wait until nothing goes by a chain's former way any more and what did came out of it, in ``drain_s`` seconds.

        The time runs from when the chain's bridges have forgotten that way, however short it is. One that cannot say
        so is given the time that a switch remembers at most.
        """
        plane = self.data_plane()
        with ThreadPoolExecutor(_AT_ONCE, "settle") as pool:
            unsure = [host for host, sure in pool.map(self._settled, plane.hosts_of(chain_id)) if not sure]
        if unsure:
            structlog.get_logger(__name__).warning("bridges may remember a former way", hosts=unsure)
        self._clock.sleep(drain_s + (REMEMBERED_S if unsure else 0.0))

    def _settled(self, host: str) -> tuple[str, bool]:
        try:
            self._paths.settle(host)
        except CatenaError:
            return host, False
        return host, True

    def repair(self, hosts: Collection[str]) -> Sequence[Drift]:
        """Make bridges what they are to be, whoever changed them; where each differed. Silent hosts are left out."""
        mended = []
        with self._one_at_a_time, self._turn() as token:
            plane = self.latest = self.proven()
            for drift in self.drift(plane, hosts):
                self._paths.program(drift.host, plane.tables[drift.host], generation=token)
                mended.append(drift)
        return mended

    def standing_drift(self) -> Sequence[Drift]:
        """Where bridges differ from what is stored, and still do once whatever is being programmed has arrived."""
        plane = self.data_plane()
        suspects = [drift.host for drift in self.drift(plane, plane.tables)]
        if not suspects:
            return ()
        self._clock.sleep(ARRIVAL_S)
        with self._one_at_a_time, self._turn():
            return self.drift(self.data_plane(), suspects)

    def drift(self, plane: DataPlane, hosts: Collection[str]) -> Sequence[Drift]:
        """The bridges of these hosts that differ from the data plane; silent ones are left out."""
        found = []
        for host in sorted(set(hosts) & plane.tables.keys()):
            with suppress(Unreachable, DeadlineExceeded):
                found += [each for each in self._paths.drift({host: plane.tables[host]}) if each]
        return found

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

    def data_plane(self, instead: Sequence[ServiceChain] = ()) -> DataPlane:
        """The tables of every bridge from what is stored now; reads only.

        Chains of ``instead`` stand in for the stored ones of the same identifier, or are there besides.
        """
        with self._pen:
            return self._draw(instead)

    def proven(self, instead: Sequence[ServiceChain] = ()) -> DataPlane:
        """As :meth:`data_plane`, and run on the simulator; raises :class:`~mano.errors.ChainUnproven`."""
        with self._pen:
            plane = self._draw(instead)
            require_proven(plane, self._drawing.prove(plane))
            return plane

    def proof(self, plane: DataPlane) -> Proof:
        """What the simulator says of a data plane."""
        with self._pen:
            return self._drawing.prove(plane)

    def failures(self, plane: DataPlane, functions: Collection[str]) -> Sequence[FailureProof]:
        """What the simulator says of the death of each of these functions."""
        with self._pen:
            return self._drawing.failures(plane, functions)

    def _draw(self, instead: Sequence[ServiceChain]) -> DataPlane:
        with self._open_unit(read_only=True) as uow:
            chains = {chain.id: chain for chain in (*uow.chains.list(), *instead)}
            world = self.world(uow, list(chains.values()))
            cost = self.cost(uow)
            down = functions_down(uow) | functions_stopped(uow, list(chains.values()))
            cuts = tunnels_cut(uow)(sff.name for sff in world.sffs)
            mtus = underlay_mtus(uow.hosts.list())
        return self._drawing.draw(world, list(chains.values()), cost, down, cuts, mtus)

    def cost(self, uow: UnitOfWork) -> HopCost:
        """What a hop of a chain costs between the hosts that there are."""
        return hop_cost({host.host.name: host.host.zone for host in uow.hosts.list()})

    def world(self, uow: UnitOfWork, chains: Sequence[ServiceChain] | None = None) -> Topology:
        """The topology of everything that is stored; with ``chains`` instead of the stored ones."""
        services = uow.ns_instances.list()
        others = [sap.connection_point for ns in services for sap in ns.saps]
        others += [port.point for port in uow.logical_ports.list() if port.point is not None]
        known = uow.chains.list() if chains is None else chains
        pnfs = [pnf for ns in services for pnf in self.live_pnfs(uow, ns)]
        joins = joins_of(services)
        return topology(uow.hosts.list(), uow.networks.list(), self.live_vnfs(uow), others, known, pnfs, joins)

    def live_pnfs(self, uow: UnitOfWork, ns: NsInstance) -> Sequence[LivePnf]:
        """The PNFs of an NS, with their descriptors."""
        packages = ((pnf, uow.packages.find(pnf.pnfd_info_id)) for pnf in ns.pnfs)
        return [LivePnf(pnf, pnfd_of(package)) for pnf, package in packages if package is not None]

    def new_chain(
        self, uow: UnitOfWork, spec: Mapping[str, Any], tenant_id: str, ns_instance_id: str = ""
    ) -> ServiceChain:
        """A chain of this specification with its instances chosen and numbers allocated; not stored yet."""
        blank = ServiceChain(spec["id"], tenant_id, ns_instance_id, spec["name"], 0, None, spec)
        world = self.world(uow, [*uow.chains.list(), blank])
        choices = choose(world, spec, self.cost(uow))
        return numbered(blank, number(blank.id, choices, bool(spec["symmetric"]), 1, spis(uow)))

    def ways(self, uow: UnitOfWork, world: Topology, chain: ServiceChain) -> tuple[PlannedChain, ...]:
        """The paths of a chain over a topology."""
        return planned_ways(world, chain, self.cost(uow))

    def live_vnfs(self, uow: UnitOfWork, tenant_id: str | None = None, **equals: Any) -> Sequence[LiveVnf]:
        """Every VNF instance that has VNFCs, with its descriptor; none on a VNFM alone, which stores no package."""
        return [
            LiveVnf(instance, vnfd)
            for instance in uow.vnf_instances.list(tenant_id, **equals)
            if instance.vnfcs and (vnfd := self._vnfd(uow, instance.package_id)) is not None
        ]

    def _vnfd(self, uow: UnitOfWork, package_id: str) -> Vnfd | None:
        """Read once: what a package holds never changes while instances are made of it."""
        if package_id not in self._vnfds:
            package = uow.packages.find(package_id)
            if package is None:
                return None
            model = from_json(package.descriptor)
            if not isinstance(model, Vnfd):
                raise InvalidInput(f"package {package_id} holds no VNFD")
            self._vnfds[package_id] = model
        return self._vnfds[package_id]


def numbered(chain: ServiceChain, ways: Sequence[ChainBranch]) -> ServiceChain:
    """The chain on these branches."""
    first = ways[0]
    return replace(chain, forward_spi=first.forward_spi, reverse_spi=first.reverse_spi, branches=tuple(ways))


def spis(uow: UnitOfWork) -> Allocate:
    """Allocates service path identifiers; the same one for the same key."""
    return lambda key: uow.numbers.allocate("spi", key, FIRST_SPI, LAST_SPI)


def release_numbers(uow: UnitOfWork, chain: ServiceChain, ways: Sequence[ChainBranch] | None = None) -> None:
    """Let the identifiers of these branches rest, of all that the chain has unless said."""
    changing = chain.change.branches if chain.change else ()
    keys = [branch.key for branch in (ways if ways is not None else (*chain.branches, *changing))]
    for key in dict.fromkeys(keys if ways is not None else (chain.id, *keys)):
        for way in WAYS:
            uow.numbers.release("spi", f"{key}/{way}")


def functions_down(uow: UnitOfWork) -> frozenset[str]:
    """The functions of which an alarm that stands says that they do not work."""
    standing = [alarm.key for alarm in uow.alarms.list(cleared_at=None)]
    return frozenset(key.removeprefix(begin) for begin in (DOWN, DARK) for key in standing if key.startswith(begin))


def tunnels_cut(uow: UnitOfWork) -> Callable[[Iterable[str]], frozenset[Cut]]:
    """Of these hosts, the pairs of which an alarm that stands says that their tunnel carries nothing."""
    standing = [alarm.key.removeprefix(CUT) for alarm in uow.alarms.list(cleared_at=None) if alarm.key.startswith(CUT)]
    subjects = {key for key in standing if "/" not in key}

    def among(hosts: Iterable[str]) -> frozenset[Cut]:
        if not subjects:
            return frozenset()
        pairs = combinations(sorted(hosts), 2)
        return frozenset(pair for pair in pairs if not subjects.isdisjoint({*pair, BETWEEN.join(pair)}))

    return among


def functions_stopped(uow: UnitOfWork, chains: Sequence[ServiceChain]) -> frozenset[str]:
    """The functions whose VNFC was stopped, or is being healed: their policies on failure hold."""
    functions = functions_of(chains)
    owners = {str(function["vnfInstanceId"]) for function in functions.values() if function.get("vnfInstanceId")}
    found = [vnf for owner in sorted(owners) if (vnf := uow.vnf_instances.find(owner)) is not None]
    stopped = {v.id for vnf in found for v in vnf.vnfcs if v.state is VnfOperationalState.STOPPED}
    return frozenset(id for id, function in functions.items() if function.get("vnfcId") in stopped)


def with_paths(chain: ServiceChain, ways: Sequence[PlannedChain], world: Topology) -> ServiceChain:
    """The stored chain with the paths that are programmed for it."""
    names = {function["id"]: function for function in chain.spec.get("functions", ())}
    paths = tuple(
        path_to_document(rsp, legs, names) for one in ways for legs in [planned_walk(world, one)] for rsp in one.rsps
    )
    return replace(chain, paths=paths, state=ChainState.ACTIVE.value)
