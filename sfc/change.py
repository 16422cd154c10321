"""Changing a running chain without losing a packet: make before break, as a plan of data.

The new version gets SPIs of its own and is programmed beside the old one, last hop first; then its classifiers take
over in one step; connections that only the other side speaks on follow by their mark; after a drain longer than the
slowest function holds a packet, the old version is removed. Every step leads from one proven set of tables to the
next, so a plan that was interrupted goes on, or back, from any of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from sfc.errors import PathError
from sfc.model.chains import PlannedChain
from sfc.model.cookies import OWNER
from sfc.model.flows import Flow, FlowTables, Group
from sfc.model.topology import Topology
from sfc.render import Renderer

DRAIN_S = 1.0
"""Longer than a function holds a packet, and than a datapath goes on by what it remembers of old flows: half a second,
unless :func:`sfc.ovs.stats.settle` waits for it after each step."""


class Phase(StrEnum):
    """Steps of a change, in order. A change of branches has no heirs: it leaves that step out."""

    ADD = "add the new paths"
    FLIP = "let the new version classify"
    INHERIT = "lead marked connections back on the new path"
    REMOVE = "remove the old paths"


@dataclass(frozen=True, slots=True)
class TableChange:
    """What one bridge gains and loses in one bundle. A flow with the same match as a lost one replaces it."""

    sff: str
    add: tuple[Flow, ...]
    delete: tuple[Flow, ...]
    set_groups: tuple[Group, ...] = ()
    """Groups that are new or changed; before the flows."""
    delete_groups: tuple[Group, ...] = ()
    """After the flows."""

    @property
    def is_empty(self) -> bool:
        """True when there is nothing to do."""
        return not (self.add or self.delete or self.set_groups or self.delete_groups)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a bundle for each bridge in this order, then ``wait_s`` seconds before the next step."""

    phase: Phase
    changes: tuple[TableChange, ...]
    chains: tuple[PlannedChain, ...]
    """All chains as they are after the step: rendering them gives the tables that then hold."""
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ChangePlan:
    """The whole change. Stored by its steps' ``chains``, it can be completed or undone after a crash."""

    chain: str
    steps: tuple[Step, ...]


def differences(before: Mapping[str, FlowTables], after: Mapping[str, FlowTables]) -> dict[str, TableChange]:
    """What leads each bridge from one set of tables to another; bridges without a change are left out."""
    changes = {}
    for sff in sorted(after):
        old = {flow.key: flow for flow in before[sff].flows} if sff in before else {}
        new = {flow.key: flow for flow in after[sff].flows}
        add = tuple(flow for key, flow in new.items() if old.get(key) != flow)
        delete = tuple(flow for key, flow in old.items() if key not in new)
        present = {group.id: group for group in before[sff].groups} if sff in before else {}
        wanted = {group.id: group for group in after[sff].groups}
        set_groups = tuple(group for number, group in wanted.items() if present.get(number) != group)
        gone = tuple(group for number, group in present.items() if number not in wanted)
        change = TableChange(sff, add, delete, set_groups, gone)
        if not change.is_empty:
            changes[sff] = change
    return changes


def make_before_break(
    topology: Topology,
    chains: Sequence[PlannedChain],
    new: PlannedChain,
    *,
    drain_s: float = DRAIN_S,
    owner: int = OWNER,
    epoch: int = 1,
) -> ChangePlan:
    """Replace the version of ``new``'s chain among ``chains`` by ``new``.

    Raises :class:`PathError` when the chain is not there or both versions share an SPI.
    """
    old = next((planned for planned in chains if planned.chain.id == new.chain.id and planned.classified), None)
    if old is None:
        raise PathError("NO_OLD", f"chain {new.chain.id} is not there to be changed", "program it as a new one")
    if old.share is not None or new.share is not None:
        raise PathError("SPREAD", f"chain {new.chain.id} spreads over branches", "change these by respread()")
    shared = {rsp.spi for rsp in old.rsps} & {rsp.spi for rsp in new.rsps}
    if shared:
        raise PathError("SPI_SHARED", f"both versions of chain {new.chain.id} use SPI {min(shared)}")
    rest = tuple(planned for planned in chains if planned is not old)
    retired = replace(old, classified=False)
    heired = replace(retired, heir=new.forward.spi) if new.reverse is not None else retired
    states = (
        (Phase.ADD, (*rest, old, replace(new, classified=False)), 0.0),
        (Phase.FLIP, (*rest, retired, new), 0.0),
        (Phase.INHERIT, (*rest, heired, new), drain_s),
        (Phase.REMOVE, (*rest, new), 0.0),
    )
    return _planned_steps(topology, chains, states, (old,), (new,), owner, epoch)


def respread(
    topology: Topology,
    chains: Sequence[PlannedChain],
    branches: Sequence[PlannedChain],
    *,
    drain_s: float = DRAIN_S,
    owner: int = OWNER,
    epoch: int = 1,
) -> ChangePlan:
    """Change the branches of a chain that spreads, among ``chains``: instances added, gone, weighted otherwise.

    Established connections stay on their branch; one that goes keeps those that it has for ``drain_s`` seconds. A
    branch that stays has its SPIs from before. Raises :class:`PathError` when the chain is not there or spreads
    nothing, when more than its path changes, or when an SPI would change its way.
    """
    if not branches or any(branch.share is None for branch in branches):
        raise PathError("NO_BRANCH", "a chain that spreads has no branch to go on with")
    chain = branches[0].chain.id
    old = tuple(each for each in chains if each.chain.id == chain and each.classified and each.share is not None)
    if not old:
        raise PathError("NO_OLD", f"chain {chain} is not there to be changed, or spreads nothing")
    if replace(old[0].chain, path=branches[0].chain.path) != branches[0].chain:
        raise PathError("MORE_THAN_BRANCHES", f"more of chain {chain} changes than its path")
    _refuse_moved(old, branches)
    rest = tuple(planned for planned in chains if planned not in old)
    kept = {branch.forward.spi for branch in branches}
    before = {branch.forward.spi for branch in old}
    # Chains compare equal among branches: while both live side by side, all show the new intent.
    current = tuple(replace(branch, chain=branches[0].chain) for branch in old)
    added = tuple(replace(branch, share=0) for branch in branches if branch.forward.spi not in before)
    leaving = tuple(replace(branch, share=0) for branch in current if branch.forward.spi not in kept)
    states = (
        (Phase.ADD, (*rest, *current, *added), 0.0),
        (Phase.FLIP, (*rest, *branches, *leaving), drain_s if leaving else 0.0),
        (Phase.REMOVE, (*rest, *branches), 0.0),
    )
    return _planned_steps(topology, chains, states, old, branches, owner, epoch)


def _refuse_moved(old: Sequence[PlannedChain], new: Sequence[PlannedChain]) -> None:
    paths = {rsp.spi: rsp for branch in old for rsp in branch.rsps}
    for rsp in (rsp for branch in new for rsp in branch.rsps):
        if paths.get(rsp.spi, rsp) != rsp:
            raise PathError("SPI_MOVED", f"SPI {rsp.spi} would change its path", "give the new branch SPIs of its own")


_State = tuple[Phase, tuple[PlannedChain, ...], float]


def _planned_steps(
    topology: Topology,
    chains: Sequence[PlannedChain],
    states: Sequence[_State],
    old: Sequence[PlannedChain],
    new: Sequence[PlannedChain],
    owner: int,
    epoch: int,
) -> ChangePlan:
    steps = []
    renderer = Renderer(owner=owner, epoch=epoch)
    tables = renderer.render(topology, chains)
    for phase, after, wait_s in states:
        rendered = renderer.render(topology, after)
        changes = differences(tables, rendered)
        steps.append(Step(phase, tuple(_sorted(changes, _order(phase, old, new))), after, wait_s))
        tables = rendered
    return ChangePlan(new[0].chain.id, tuple(steps))


def _order(phase: Phase, old: Sequence[PlannedChain], new: Sequence[PlannedChain]) -> list[str]:
    """Bridges of a path from its end to its beginning when it is made, from its beginning when it is removed."""
    paths = [planned.forward for planned in (old if phase is Phase.REMOVE else new)]
    walk = [paths[0].start_sff, *(hop.sff for path in paths for hop in path.hops), paths[0].end_sff]
    return walk if phase is Phase.REMOVE else walk[::-1]


def _sorted(changes: Mapping[str, TableChange], order: Sequence[str]) -> Iterable[TableChange]:
    ranks = {sff: rank for rank, sff in reversed(list(enumerate(order)))}
    return (changes[sff] for sff in sorted(changes, key=lambda sff: (ranks.get(sff, len(ranks)), sff)))
