"""What to do when a function, a host or a link fails: a way round, planned, and proven before anything fails.

A function that is down is dealt with by ``render(…, down=…)`` on its own bridge. When that bridge is lost too, the
chain needs another path: :func:`plan_around` takes other instances where there are some, and leaves a function out
where its policy is open and none is left. It gets SPIs of its own; :func:`sfc.change.make_before_break` leads there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from sfc.errors import PathError
from sfc.model.chains import Chain, PathGroup, PlannedChain
from sfc.model.topology import OnFailure, Topology
from sfc.path import HopCost, Spis, plan_chain, same_host_first
from sfc.render import Renderer
from sfc.verify import Proof, Prover
from sfc.verify.results import Violation


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
