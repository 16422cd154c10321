"""The data plane as one value: what is stored, the paths that follow from it, and the tables of every bridge."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mano.domain.service_chain import ServiceChain
from mano.errors import ChainUnproven, InvalidInput
from mano.nfvo.chain_versions import planned
from sfc.classifier import Overlap, idle_classifiers, overlaps
from sfc.errors import SfcError
from sfc.failover import Cut, FailureProof, Mesh, out_of_reach, prove_failures, round_cuts
from sfc.model import FlowTables, PlannedChain, Port, PortRole, Rsp, Topology, Unclassified
from sfc.mtu import limited
from sfc.path import HopCost
from sfc.render import Renderer
from sfc.verify import Proof, Prover
from sfc.verify.replay import capture_of

SAME_HOST, SAME_ZONE, OTHER_ZONE = 0.0, 1.0, 3.0
"""Cost of one hop of a chain, as placement counts it."""

VIOLATIONS_TOLD = 50

CAPTURE_OCTETS = 48 << 10
"""Octets of the largest capture that goes along with an answer."""


@dataclass(frozen=True, slots=True)
class DataPlane:
    """What is stored, as the data plane sees it, and the tables that follow from it.

    ``broken`` says of chains that cannot be laid out over what there is, by identifier, why; the tables hold no flow of
    theirs, and nothing unclassified leaves their ingress. ``down`` are the functions that do not work, ``cuts`` the
    pairs of hosts whose tunnel carries nothing.
    """

    topology: Topology
    chains: tuple[PlannedChain, ...]
    tables: Mapping[str, FlowTables]
    ways: Mapping[str, tuple[PlannedChain, ...]] = field(default_factory=dict)
    broken: Mapping[str, InvalidInput] = field(default_factory=dict)
    down: frozenset[str] = frozenset()
    cuts: frozenset[Cut] = frozenset()

    def chain(self, chain_id: str) -> PlannedChain | None:
        """The planned chain of that identifier that takes packets: of several branches the first."""
        found = self.ways.get(chain_id, ())
        return next((one for one in found if one.classified), found[0] if found else None)

    def hosts_of(self, chain_id: str) -> tuple[str, ...]:
        """The hosts that the chain passes, those that relay it included."""
        rsps = [rsp for one in self.ways.get(chain_id, ()) for rsp in one.rsps]
        return tuple(sorted({host for rsp in rsps for host in hosts_on(rsp)}))

    def severed(self, chain_id: str) -> tuple[str, str] | None:
        """The hosts where the chain begins and ends when nothing gets from one to the other."""
        for one in self.ways.get(chain_id, ()):
            ends = (one.forward.start_sff, one.forward.end_sff)
            if ends[1] not in self.mesh.reached(ends[0]):
                return ends
        return None

    @property
    def mesh(self) -> Mesh:
        """The tunnels between the hosts."""
        return Mesh((sff.name for sff in self.topology.sffs), self.cuts)


def hosts_on(rsp: Rsp) -> tuple[str, ...]:
    """The hosts of a rendered path: those that it passes in order, then those that relay it."""
    relays = (place for way in rsp.detours for place in way[1:-1])
    return (rsp.start_sff, *(hop.sff for hop in rsp.hops), rsp.end_sff, *relays)


class Drawing:
    """Draws and proves the data plane again and again; only what changed is done anew. For one thread at a time."""

    def __init__(self) -> None:
        self._renderer = Renderer()
        self._prover = Prover()

    def draw(
        self,
        world: Topology,
        chains: Sequence[ServiceChain],
        cost: HopCost,
        down: Collection[str] = (),
        cuts: Collection[Cut] = (),
        underlay_mtus: Mapping[str, int] | None = None,
    ) -> DataPlane:
        """The tables of every bridge; raises InvalidInput for chains that Open vSwitch cannot carry together.

        Ports whose ways carry less than they may send, by ``underlay_mtus`` of hosts, are limited.
        """
        mesh = Mesh((sff.name for sff in world.sffs), cuts)
        ways: dict[str, tuple[PlannedChain, ...]] = {}
        broken: dict[str, InvalidInput] = {}
        for chain in chains:
            try:
                ways[chain.id] = _round_what_fails(world, chain, cost, down, mesh)
            except InvalidInput as error:
                broken[chain.id] = error
        together = tuple(one for way in ways.values() for one in way)
        ingresses = {str(chain.spec.get("ingress")) for chain in chains if chain.id in broken}
        world = closed(world, ingresses, {one.forward.start for one in together})
        world = limited(world, together, underlay_mtus or {})
        failed = frozenset(down) & world.function_by_id.keys()
        try:
            tables = self._renderer.render(world, together, down=failed)
        except SfcError as error:
            raise InvalidInput(
                f"the chains cannot be rendered: {error.message}", hint=error.hint, facts={"reason": error.code}
            ) from None
        return DataPlane(world, together, tables, ways, broken, failed, mesh.cuts)

    def failures(self, plane: DataPlane, functions: Collection[str]) -> tuple[FailureProof, ...]:
        """What the death of each of these functions alone would do, proven on tables that are never sent."""
        return tuple(
            prove_failures(
                plane.topology, plane.chains, functions=functions, renderer=self._renderer, prover=self._prover
            )
        )

    def prove(self, plane: DataPlane) -> Proof:
        """Run the tables on the simulator; what it found."""
        return self._prover.prove(plane.topology, plane.chains, plane.tables, down=plane.down)


def _round_what_fails(
    world: Topology, chain: ServiceChain, cost: HopCost, down: Collection[str], mesh: Mesh
) -> tuple[PlannedChain, ...]:
    """The paths of a chain round tunnels that are cut; functions out of its reach are as good as down for it."""
    ingress = world.port_by_id.get(str(chain.spec.get("ingress")))
    beyond = out_of_reach(world, mesh, ingress.sff) if ingress is not None else frozenset[str]()
    return tuple(round_cuts(world, one, mesh) for one in planned(world, chain, cost, {*down, *beyond}))


def closed(world: Topology, ports: Collection[str], starts: Collection[str]) -> Topology:
    """The topology in which nothing leaves these ports but what a chain of ``starts`` takes.

    A chain that cannot be laid out must not let its packets go by all its functions.
    """
    if not ports:
        return world
    return replace(world, ports=tuple(_closed(port, starts) if port.id in ports else port for port in world.ports))


def _closed(port: Port, starts: Collection[str]) -> Port:
    if port.role is not PortRole.TENANT:
        return port
    if port.id in starts:
        return replace(port, unclassified=Unclassified.DROP)
    return replace(port, addresses=(), allowed=())


def require_proven(plane: DataPlane, proof: Proof) -> Proof:
    """Raises ChainUnproven with every violation, and the packets that replay one."""
    if proof.violations:
        first = proof.violations[0]
        raise ChainUnproven(
            f"the rendered tables break {len(proof.violations)} invariants; the first: {first}",
            hint="nothing was programmed; this is a fault of the chain or of Catena: report it with the facts",
            facts={
                "violations": [str(violation) for violation in proof.violations[:VIOLATIONS_TOLD]],
                "capture": replaying(plane, proof),
            },
        )
    return proof


def replaying(plane: DataPlane, proof: Proof) -> str | None:
    """The packets that lead to the first violation, as pcapng in base64 (RFC 4648 section 4); None when there is none.

    :func:`sfc.verify.replay.replay` walks them through the tables again; Wireshark shows them.
    """
    for violation in proof.violations:
        if violation.history and len(octets := capture_of(plane.topology, violation)) <= CAPTURE_OCTETS:
            return base64.b64encode(octets).decode()
    return None


def programming_order(plane: DataPlane) -> tuple[str, ...]:
    """Hosts in the order in which they are programmed: those where chains begin come last.

    A path is then complete before the first packet is sent along it. Hosts that no other reaches come after all: they
    may not answer either, and nobody waits for them.
    """
    starts = {rsp.start_sff for one in plane.chains for rsp in one.rsps}
    mesh = plane.mesh
    alone = {host for host in plane.tables if len(mesh.sffs) > 1 and mesh.reached(host) == {host}}
    return tuple(sorted(plane.tables, key=lambda host: (host in alone, host in starts, host)))


def hop_cost(zones: Mapping[str, str]) -> HopCost:
    """The cost of a hop between two hosts of these zones."""

    def cost(here: str, there: str) -> float:
        if here == there:
            return SAME_HOST
        return SAME_ZONE if zones.get(here) == zones.get(there) else OTHER_ZONE

    return cost


def overlaps_of(plane: DataPlane, chain_id: str) -> tuple[Overlap, ...]:
    """Where the chain's classifiers and those of others want the same packets."""
    known = {one.chain.id: one.chain for one in plane.chains if one.classified}
    return tuple(each for each in overlaps(known.values()) if chain_id in (each.winner, each.loser))


def warnings_of(plane: DataPlane, chain_id: str, names: Mapping[str, str]) -> tuple[str, ...]:
    """What the chain's author should know, with the chains called by their names."""
    chain = plane.chain(chain_id)
    if chain is None:
        return ()
    idle = idle_classifiers(plane.topology, [chain.chain])
    return (
        *(_overlap_text(each, names) for each in overlaps_of(plane, chain_id)),
        *(f"classifier {each.classifier} selects what port {each.ingress} may not send" for each in idle),
        *_limits_told(plane, chain),
    )


def _limits_told(plane: DataPlane, chain: PlannedChain) -> Iterator[str]:
    for port in map(plane.topology.port, (chain.forward.start, chain.forward.end)):
        if port.limits:
            yield (
                f"port {port.id} may send packets of {port.mtu} octets, and its ways carry {port.path_mtu}: larger "
                "ones are dropped, counted, and answered as too big"
            )


def _overlap_text(overlap: Overlap, names: Mapping[str, str]) -> str:
    winner, loser = (names.get(chain, chain) for chain in (overlap.winner, overlap.loser))
    share = "all" if overlap.shadows else "a part"
    return (
        f"classifier {overlap.winner_classifier} of chain {winner} wins over classifier {overlap.loser_classifier} of "
        f"chain {loser} by {overlap.decided_by.value}: it takes {share} of its traffic at port {overlap.ingress}"
    )
