"""What to do when a function, a host or a link fails: a way round, planned, and proven before anything fails.

A function that is down is dealt with by ``render(…, down=…)`` on its own bridge. When that bridge cannot be reached,
:func:`round_cuts` leads the chain round what is cut on the numbers that it has: another bridge relays where only a
tunnel is down, and where a host is out of reach the forwarder before stands in for its functions and does what their
policies say. It can be drawn at once, and undone as fast.

:func:`plan_around` plans a chain that lasts: on other instances where there are some, without a function whose policy
is open where none is left. It gets SPIs of its own; :func:`sfc.change.make_before_break` leads there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sfc.errors import PathError
from sfc.model.chains import Chain, PathGroup, PlannedChain, Rsp
from sfc.model.topology import OnFailure, Topology
from sfc.path import HopCost, Spis, plan_chain, same_host_first
from sfc.render import Renderer
from sfc.verify import Proof, Prover
from sfc.verify.results import Violation

Cut = tuple[str, str]
"""Two forwarders whose tunnel carries nothing, the smaller name first."""


def cut_between(one: str, other: str) -> Cut:
    """The pair in its order."""
    return (one, other) if one < other else (other, one)


class Mesh:
    """Tunnels between every two forwarders, but those that are cut."""

    def __init__(self, sffs: Iterable[str], cuts: Iterable[Cut] = ()) -> None:
        self.sffs = tuple(sorted(sffs))
        self.cuts = frozenset(cuts)
        self._ways: dict[str, dict[str, tuple[str, ...]]] = {}

    def way(self, here: str, there: str) -> tuple[str, ...] | None:
        """(here, over, …, there) over the fewest forwarders; None where there is no way."""
        if cut_between(here, there) not in self.cuts:
            return (here, there) if here != there else (here,)
        return self._from(here).get(there)

    def reached(self, here: str) -> frozenset[str]:
        """Every forwarder that packets of this one can come to, itself included."""
        return frozenset(self._from(here)) if self.cuts else frozenset(self.sffs)

    def _from(self, here: str) -> dict[str, tuple[str, ...]]:
        if here not in self._ways:
            found: dict[str, tuple[str, ...]] = {here: (here,)}
            waiting = [here]
            for place in waiting:
                for other in self.sffs:
                    if other not in found and cut_between(place, other) not in self.cuts:
                        found[other] = (*found[place], other)
                        waiting.append(other)
            self._ways[here] = found
        return self._ways[here]


def out_of_reach(topology: Topology, mesh: Mesh, here: str) -> frozenset[str]:
    """Functions on hosts that packets from a forwarder cannot come to."""
    return functions_on(topology, set(mesh.sffs) - mesh.reached(here)) if mesh.cuts else frozenset()


def round_cuts(topology: Topology, planned: PlannedChain, mesh: Mesh) -> PlannedChain:
    """The chain on the numbers that it has, round what is cut; itself where nothing on its way is.

    A chain whose beginning cannot reach its end stays as it is: nothing helps its packets.
    """
    reached = mesh.reached(planned.forward.start_sff)
    if not mesh.cuts or planned.forward.end_sff not in reached:
        return planned
    gone = frozenset(
        hop.function for rsp in planned.rsps for hop in rsp.hops if topology.port(hop.port_in).sff not in reached
    )
    reverse = None if planned.reverse is None else _bent(planned.reverse, mesh, gone)
    return replace(planned, forward=_bent(planned.forward, mesh, gone), reverse=reverse, cut_off=gone)


def _bent(rsp: Rsp, mesh: Mesh, gone: Collection[str]) -> Rsp:
    here, hops = rsp.start_sff, []
    for hop in rsp.hops:
        hops.append(replace(hop, sff=here) if hop.function in gone else hop)
        here = hops[-1].sff
    places = [rsp.start_sff, *(hop.sff for hop in hops), rsp.end_sff]
    ways = [way for one, other in pairwise(places) if (way := mesh.way(one, other)) is not None and len(way) > 2]
    return replace(rsp, hops=tuple(hops), detours=tuple(dict.fromkeys(ways)))


def functions_on(topology: Topology, hosts: Iterable[str]) -> frozenset[str]:
    """Functions that fail with their hosts."""
    lost = frozenset(hosts)
    return frozenset(each.id for each in topology.functions if topology.port(each.ingress).sff in lost)


def plan_around(
    topology: Topology,
    chain: Chain,
    spis: Spis,
    *,
    down: Collection[str] = (),
    lost_hosts: Collection[str] = (),
    hop_cost: HopCost = same_host_first,
) -> PlannedChain:
    """A path that meets nothing that is down and no host that is lost, as far as the functions' policies allow.

    Raises :class:`PathError` when the chain begins or ends on a lost host, when a function of it has no other instance
    and is no one to be left out (``closed``, ``next``), or when nothing of the chain would be left.
    """
    dead = frozenset(down) | functions_on(topology, lost_hosts)
    _check_end(topology, chain, lost_hosts)
    path = tuple(
        group for group in (_living(topology, chain, group, dead) for group in chain.path) if group is not None
    )
    if not path:
        raise PathError("NOTHING_LEFT", f"every function of chain {chain.id} is down", "let its traffic go unchained")
    planned = plan_chain(topology, replace(chain, path=path), spis[0], spis[1], hop_cost)
    return replace(planned, chain=chain)


def _check_end(topology: Topology, chain: Chain, lost_hosts: Collection[str]) -> None:
    for port in (chain.ingress, chain.egress):
        if port is not None and topology.port(port).sff in lost_hosts:
            raise PathError("END_LOST", f"chain {chain.id}: its end {port} is on a host that is lost")


def _living(topology: Topology, chain: Chain, group: PathGroup, dead: Collection[str]) -> PathGroup | None:
    """The group without its dead instances; None when it is to be left out."""
    living = tuple(each for each in group.instances if each.function not in dead)
    if living:
        return replace(group, instances=living)
    functions = [topology.function(each.function) for each in group.instances]
    closed = [each.id for each in functions if each.on_failure is not OnFailure.OPEN or each.rewrites_5tuple]
    if closed:
        raise PathError(
            "NO_BACKUP",
            f"chain {chain.id}: {', '.join(closed)} is down, and group {group.name} has no other instance",
            "add an instance to the group, or let the function's policy be open",
        )
    return None


@dataclass(frozen=True, slots=True)
class FailureProof:
    """What one failure does to the chains."""

    what: str
    """``function X`` or ``host X``."""
    down: frozenset[str]
    violations: tuple[Violation, ...]
    packets: int


def prove_failures(
    topology: Topology,
    chains: Sequence[PlannedChain],
    *,
    functions: Iterable[str] | None = None,
    renderer: Renderer | None = None,
    prover: Prover | None = None,
) -> Iterator[FailureProof]:
    """Prove for each single function (or those named), and for each host's functions together, what their policies say.

    Each proof walks only what the failure touches. ``renderer`` and ``prover`` may know the healthy network already.
    """
    renderer, prover = renderer or Renderer(), prover or Prover()
    passed = {name for planned in chains for rsp in planned.rsps for name in rsp.functions}
    prover.prove(topology, chains, renderer.render(topology, chains))
    for name in sorted(passed if functions is None else passed & set(functions)):
        yield _proven(f"function {name}", topology, chains, frozenset({name}), renderer, prover)
    for host in sorted(sff.name for sff in topology.sffs) if functions is None else ():
        down = functions_on(topology, (host,)) & passed
        if down:
            yield _proven(f"host {host}", topology, chains, down, renderer, prover)


def _proven(
    what: str,
    topology: Topology,
    chains: Sequence[PlannedChain],
    down: frozenset[str],
    renderer: Renderer,
    prover: Prover,
) -> FailureProof:
    proof: Proof = prover.prove(topology, chains, renderer.render(topology, chains, down=down), down=down)
    return FailureProof(what, down, proof.violations, proof.walked)
