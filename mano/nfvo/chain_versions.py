"""Which paths the bridges hold for a stored chain, whatever phase its change is in. Pure.

A chain's functions were chosen once, when its version was stored: its paths then stay as they are until somebody
changes the chain, wherever other instances come up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.service_chain import ChainBranch, ChainChange, ChainPhase, ChainState, ServiceChain
from mano.errors import InvalidInput
from mano.nfvo.chain_documents import chain_from_document
from sfc.errors import SfcError
from sfc.model import Chain, OnFailure, PathGroup, PlannedChain, Topology, WeightedInstance
from sfc.path import HopCost, branches, choose_instances, plan_chain, spreads

FIRST_SPI, LAST_SPI = 100, 0xFFFFFE
"""Service path identifiers (RFC 8300 section 2.3) that chains get."""

WAYS = ("forward", "reverse")

Spec = Mapping[str, Any]
Allocate = Callable[[str], int]
"""The service path identifier of a key."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Functions of one branch, with its weight among the branches of a version that spreads."""

    functions: tuple[str, ...]
    weight: int | None


def choose(world: Topology, spec: Spec, cost: HopCost) -> tuple[Choice, ...]:
    """The instances that a chain passes: one way, or one for each combination of the groups that spread.

    Raises InvalidInput for a chain that cannot be laid out over the topology.
    """
    chain = chain_from_document(spec)
    try:
        return tuple(
            Choice(tuple(f.id for f in choose_instances(world, one, cost)), weight if spreads(chain) else None)
            for one, weight in branches(chain)
        )
    except SfcError as error:
        raise _impossible(chain, spec, error) from None


def number(
    chain_id: str, choices: Sequence[Choice], symmetric: bool, version: int, spi_of: Allocate
) -> tuple[ChainBranch, ...]:
    """The branches of a version with path identifiers of their own."""
    made = []
    for index, choice in enumerate(choices):
        key = chain_id if (version, index) == (1, 0) else f"{chain_id}/{version}.{index}"
        made.append(
            ChainBranch(
                functions=choice.functions,
                forward_spi=spi_of(f"{key}/forward"),
                reverse_spi=spi_of(f"{key}/reverse") if symmetric else None,
                key=key,
                weight=choice.weight,
            )
        )
    return tuple(made)


def next_branches(
    chain: ServiceChain, spec: Spec, choices: Sequence[Choice], spi_of: Allocate
) -> tuple[ChainBranch, ...]:
    """The branches of a chain's next version.

    A way that stays keeps its numbers where the rest of the chain can change around it: when only classifiers change,
    and among the branches of a chain that spreads before and after. Any other change gets numbers of its own.
    """
    fresh = [choice for choice in choices if _kept(chain, spec, choices, choice) is None]
    symmetric = bool(spec.get("symmetric", True))
    numbered = iter(number(chain.id, fresh, symmetric, chain.version + 1, spi_of))
    found = []
    for choice in choices:
        kept = _kept(chain, spec, choices, choice)
        found.append(next(numbered) if kept is None else replace(kept, weight=choice.weight))
    return tuple(found)


def _kept(chain: ServiceChain, spec: Spec, choices: Sequence[Choice], choice: Choice) -> ChainBranch | None:
    if not _same_ends(chain.spec, spec) or _spread(chain.branches) != (choices[0].weight is not None):
        return None
    return next((branch for branch in chain.branches if branch.functions == choice.functions), None)


def _same_ends(one: Spec, other: Spec) -> bool:
    return all(one.get(name) == other.get(name) for name in ("ingress", "egress", "symmetric"))


def _spread(known: Sequence[ChainBranch]) -> bool:
    return bool(known) and known[0].weight is not None


def phases(chain: ServiceChain, change: ChainChange) -> tuple[ChainPhase, ...]:
    """The phases that a change passes, in order; what it does not need is left out."""
    before = {branch.forward_spi for branch in chain.branches}
    after = {branch.forward_spi for branch in change.branches}
    steps = [ChainPhase.ADDED] if after - before else []
    steps.append(ChainPhase.FLIPPED)
    if before - after and _has_heir(chain.branches, change.branches):
        steps.append(ChainPhase.INHERITED)
    if before - after or _function_ids(chain.spec) - _function_ids(change.spec):
        steps.append(ChainPhase.REMOVED)
    return tuple(steps)


def leaves_a_path(chain: ServiceChain, change: ChainChange) -> bool:
    """True when packets may be on a path that goes."""
    kept = {branch.forward_spi for branch in change.branches}
    return any(branch.forward_spi not in kept for branch in chain.branches)


def _function_ids(spec: Spec) -> frozenset[str]:
    return frozenset(function["id"] for function in spec.get("functions", ()))


def _has_heir(old: Sequence[ChainBranch], new: Sequence[ChainBranch]) -> bool:
    """One way takes over from another, so that connections marked by the one can be led back on the other."""
    symmetric = all(branch.reverse_spi is not None for branch in (*old, *new))
    return symmetric and len(old) == len(new) == 1 and not _spread(old) and not _spread(new)


def planned(
    world: Topology, chain: ServiceChain, cost: HopCost, down: Collection[str] = ()
) -> tuple[PlannedChain, ...]:
    """What the bridges hold for the chain; raises InvalidInput when it cannot be laid out over the topology.

    Where a function that is ``down`` leaves its packets to the next instance of its group, a chain that spreads nothing
    passes that one meanwhile, by the same numbers: whatever was on its way into the dead one is lost anyhow.
    """
    change = chain.change
    if change is not None and change.phase is ChainPhase.REMOVED:  # functions of the old version may be gone already
        return lay_out(world, change.spec, change.branches, down)
    current = lay_out(world, chain.spec, chain.branches or _anew(world, chain, cost), down)
    if chain.state == ChainState.DRAINING:
        return tuple(replace(one, classified=False) for one in current)
    if change is None or change.phase is ChainPhase.STORED:
        return current
    return during(change.phase, current, lay_out(world, change.spec, change.branches, down))


def during(
    phase: ChainPhase, current: Sequence[PlannedChain], successors: Sequence[PlannedChain]
) -> tuple[PlannedChain, ...]:
    """Both versions as a phase of the change has them."""
    if phase is ChainPhase.STORED:
        return tuple(current)
    if phase is ChainPhase.REMOVED:
        return tuple(successors)
    before = {one.forward.spi for one in current}
    after = {one.forward.spi for one in successors}
    arriving = [one for one in successors if one.forward.spi not in before]
    leaving = [one for one in current if one.forward.spi not in after]
    together = _are_branches([*current, *successors]) and len(leaving) < len(current)
    if phase is ChainPhase.ADDED:
        shown = current[0].chain
        waiting = (
            replace(one, chain=shown, share=0) if together else replace(one, classified=False) for one in arriving
        )
        return (*current, *waiting)
    intent = successors[0].chain
    heir = successors[0].forward.spi if phase is ChainPhase.INHERITED else None
    if together:
        return (*successors, *(replace(one, chain=intent, share=0) for one in leaving))
    return (*successors, *(replace(one, classified=False, heir=heir) for one in leaving))


def _are_branches(chains: Sequence[PlannedChain]) -> bool:
    ends = {(one.forward.start, one.forward.end, one.reverse is None) for one in chains}
    return len(ends) == 1 and all(one.share is not None for one in chains)


def lay_out(
    world: Topology, spec: Spec, ways: Sequence[ChainBranch], down: Collection[str] = ()
) -> tuple[PlannedChain, ...]:
    """The paths of one version over its own functions with its own numbers."""
    chain = chain_from_document(spec)
    try:
        return tuple(_way(world, spec, chain, branch, down) for branch in ways)
    except SfcError as error:
        raise _impossible(chain, spec, error) from None


def _way(world: Topology, spec: Spec, chain: Chain, branch: ChainBranch, down: Collection[str]) -> PlannedChain:
    fixed = tuple(
        PathGroup(group.name, (WeightedInstance(_standing_in(world, spec, group, function, branch, down)),))
        for group, function in zip(chain.path, branch.functions, strict=True)
    )
    way = plan_chain(world, replace(chain, path=fixed), branch.forward_spi, branch.reverse_spi)
    return replace(way, chain=chain, share=branch.weight)


def _standing_in(
    world: Topology, spec: Spec, group: PathGroup, function: str, branch: ChainBranch, down: Collection[str]
) -> str:
    """The function itself, or the living instance that takes its place if the chain wants that."""
    if function not in down or branch.weight is not None:
        return function
    policies = {each["id"]: each.get("onFailure") for each in spec.get("functions", ())}
    if policies.get(function) != OnFailure.NEXT:
        return function
    known = world.function_by_id
    living = [each for each in group.instances if each.function not in down and each.function in known]
    return min(living, key=lambda each: (-each.weight, each.function)).function if living else function


def _anew(world: Topology, chain: ServiceChain, cost: HopCost) -> tuple[ChainBranch, ...]:
    """Of a chain that was stored without its choice: chosen as it was then."""
    choice = choose(world, chain.spec, cost)[0]
    return (ChainBranch(choice.functions, chain.forward_spi, chain.reverse_spi, chain.id),)


def _impossible(chain: Chain, spec: Spec, error: SfcError) -> InvalidInput:
    """The model's refusal with the user's names in place of the model's identifiers."""
    why = error.message.replace(f"chain {chain.id}: ", "").replace(f"chain {chain.id}", "it")
    for function in spec.get("functions", ()):
        why = why.replace(str(function["id"]), str(function.get("name") or function["id"]))
    named = chain.name or chain.id
    return InvalidInput(f"chain {named} cannot be laid out: {why}", hint=error.hint, facts={"reason": error.code})
