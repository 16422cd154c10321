"""The decision: for each VDU the cheapest host where it fits, for all of them together a plan without regrets.

A VDU's turn: screen all hosts at once, rank those that are left by what they would cost, fit exactly on the best few
and compare these field by field. When a VDU finds no place, the request is tried again with that VDU first; a small
request that still has no plan is searched completely, within a bound.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

import numpy as np
import numpy.typing as npt

from mano.placement.batch import Way, along_chains, fill, in_order
from mano.placement.board import Board, Fleet, Snapshot
from mano.placement.complete import Complete
from mano.placement.deadline import NEVER
from mano.placement.effort import Effort
from mano.placement.filters import first_refusal
from mano.placement.groups import Bounds
from mano.placement.nics import NicRules
from mano.placement.numa import Fit, FitRules
from mano.placement.packing import Demand, demands_behind, packing_keys
from mano.placement.paths import OTHER_ZONE, SAME_ZONE
from mano.placement.request import NumaAffinity, VduRequest
from mano.placement.result import CHAIN_HOP_COST, CROSS_NUMA_COST, HOST_OPENED_COST, Code
from mano.placement.scores import Proposal, Score
from mano.placement.screen import Screen, screen

EXACT_CANDIDATES = 8
"""Hosts that are fitted exactly and compared in full, once that many fit."""

GREEDY_UP_TO = 200
FILL_FROM = 12
"""Up to so many VDUs are placed turn by turn, from so many on by filling hosts; in between both ways compete."""

MAX_ATTEMPTS = 12
"""Orders of VDUs that are tried before the complete search."""

MAX_TURNS = 2_400
"""Turns that all these orders may take together."""

COMPLETE_UP_TO = 40
"""VDUs of a request that is searched completely."""

MAX_SEARCH_STEPS = 2_000
"""Seats tried in the complete search of a small request."""

IMPROVED_UP_TO, IMPROVED_ON, MAX_HOSTS_REFINED = 10, 256, 32
"""Requests of so many VDUs on so many hosts are improved at once, on so many of the best hosts for each VDU."""

IMPROVING_STEPS = 400
"""Seats tried for that."""

NOTHING = Demand()

_FAR = np.iinfo(np.int64).max


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host where the VDU fits, and what that is worth."""

    position: int
    fit: Fit
    score: Score


@dataclass(slots=True)
class Turn:
    """What one VDU's turn found: candidates from best to worst, and the verdicts on all hosts."""

    screen: Screen
    bounds: Bounds
    candidates: list[Candidate]
    underlay: dict[int, tuple[Code, int]] = field(default_factory=dict)


class Engine:
    """Places the VDUs of one request on a board."""

    def __init__(self, board: Board) -> None:
        self.board = board
        self.fleet: Fleet = board.fleet
        self.parts = board.parts
        self.turns: dict[str, Turn] = {}
        self.effort: Effort | None = None
        """One effort for all fits to come, in the place of one for each."""
        self.deadline = NEVER
        """When `turn` and `attempt` raise OutOfTime."""

    # ---- one VDU

    def turn(self, vdu: VduRequest, *, limit: int = EXACT_CANDIDATES, pending: Demand = NOTHING) -> Turn:
        """The best hosts for `vdu` as things are; `pending` is what it and those behind it ask for."""
        bounds = self.board.groups.bounds(vdu.id, self.board.seats)
        verdicts = screen(self.fleet.arrays, vdu, bounds)
        turn = Turn(verdicts, bounds, [])
        packing = packing_keys(self.fleet.arrays, pending) if pending else None
        keys = self._keys(vdu, verdicts, packing)
        for position in _in_order(keys, limit):
            refusal = self.board.chains.refusal(vdu.id, self.board.host_name(position), self.board.places)
            if refusal is not None:
                turn.underlay[position] = refusal
                continue
            found = self._fit(vdu, position, bounds)
            if found is None:
                continue
            turn.candidates.append(Candidate(position, found, self._score(vdu, position, found, packing)))
            if len(turn.candidates) >= limit:
                break
        turn.candidates.sort(key=lambda one: one.score)
        return turn

    def _keys(
        self, vdu: VduRequest, verdicts: Screen, packing: npt.NDArray[np.int64] | None
    ) -> npt.NDArray[np.int64]:  # fmt: skip
        """An estimate of each open host's score in one number, the name's rank last; far for the others."""
        arrays = self.fleet.arrays
        cost = np.where(arrays.opened, 0, HOST_OPENED_COST)
        hops = self._hop_costs(vdu)
        if hops is not None:
            cost += CHAIN_HOP_COST * hops
        soft = any(one.takes_vfs and one.numa_affinity is not NumaAffinity.REQUIRED for one in vdu.interfaces)
        if soft:
            cost += np.where(verdicts.inside, 0, CROSS_NUMA_COST)
        key: npt.NDArray[np.int64] = np.minimum(cost, 2**20 - 1).astype(np.int64) << 38
        if packing is not None:
            key += packing << 18
        key += self.fleet.rank
        return np.where(verdicts.open, key, _FAR)

    def _hop_costs(self, vdu: VduRequest) -> npt.NDArray[np.int64] | None:
        """For each host the hop costs to the neighbours that have a place."""
        arrays, fleet = self.fleet.arrays, self.fleet
        costs: npt.NDArray[np.int64] | None = None
        for name in self.board.chains.neighbours(vdu.id, self.board.places):
            if costs is None:
                costs = np.zeros(arrays.size, dtype=np.int64)
            costs += OTHER_ZONE
            zone = fleet.zones.get(name)
            if zone is not None:
                costs[arrays.zone == arrays.zones.number(zone)] -= OTHER_ZONE - SAME_ZONE
                costs[fleet.inventory.position(name)] -= SAME_ZONE
        return costs

    def attempt(self, vdu: VduRequest, position: int) -> Fit | None:
        """The fit on one given host, None where anything forbids it."""
        host = self.fleet.hosts[position]
        if host.storage_gib < vdu.storage_gib or first_refusal(self.parts.before_groups, host, vdu) is not None:
            return None
        bounds = self.board.groups.bounds(vdu.id, self.board.seats)
        if not bounds.allows(position, host.host.zone):
            return None
        if self.board.chains.refusal(vdu.id, host.host.name, self.board.places) is not None:
            return None
        return self._fit(vdu, position, bounds)

    def _fit(self, vdu: VduRequest, position: int, bounds: Bounds) -> Fit | None:
        """The fit that keeps the strict rules, and the soft ones too if it can; third parties may refuse it."""
        self.deadline.check()
        host = self.fleet.hosts[position]
        if first_refusal(self.parts.foreign_filters, host, vdu) is not None:
            return None
        rules = bounds.rules_at(position)
        if any(not group.strict for group in self.board.groups.groups_of(vdu.id)):
            soft = self.board.groups.bounds(vdu.id, self.board.seats, soft=True).rules_at(position)
            found = self.parts.fit(host, vdu, both(rules, soft), effort=self.effort) if soft else None
            if found is not None:
                return found
        return self.parts.fit(host, vdu, rules, effort=self.effort)

    def _score(self, vdu: VduRequest, position: int, found: Fit, packing: npt.NDArray[np.int64] | None) -> Score:
        host = self.fleet.hosts[position]
        return self.parts.score(
            Proposal(
                host,
                vdu,
                found,
                hops=self.board.hops_to(vdu.id, position),
                soft_groups_broken=self.board.groups.violations(vdu, position, host.host.zone, found, self.board.seats),
                packing=0 if packing is None else int(packing[position]),
            )
        )

    # ---- all VDUs

    def solve(self, order: Sequence[VduRequest]) -> list[VduRequest]:
        """Place everything; returns those that found no place in the best plan found."""
        best, fewest = self._first_plan(order)
        missing = fewest
        hopeless = self._hopeless(missing)
        tried = {tuple(vdu.id for vdu in order)}
        for _ in range(min(MAX_ATTEMPTS, MAX_TURNS // max(1, len(order)))):
            urgent = [vdu for vdu in missing if vdu.id not in hopeless]
            urgent_ids = {vdu.id for vdu in urgent}
            order = [*urgent, *(vdu for vdu in order if vdu.id not in urgent_ids)]
            key = tuple(vdu.id for vdu in order)
            if not urgent or key in tried:
                break
            tried.add(key)
            self.board.clear()
            missing = self.place_each(order)
            if len(missing) < len(fewest):
                best, fewest = self.board.snapshot(), missing
        self.board.restore(best)
        if fewest and not hopeless and len(order) <= COMPLETE_UP_TO:
            self.board.clear()
            if Complete(self, MAX_SEARCH_STEPS, self.fleet.arrays.size).run(order, first=True):
                fewest = []
            else:
                self.board.restore(best)
        if 1 < len(order) <= IMPROVED_UP_TO and self.fleet.arrays.size <= IMPROVED_ON:
            self.refine(IMPROVING_STEPS)
        return fewest

    def refine(self, steps: int) -> None:
        """Look through other plans for what is placed, and keep a cheaper one."""
        placed = [vdu for vdu in self.board.request.vdus if vdu.id in self.board.fits]
        cost, kept = self.board.objective().cost, self.board.snapshot()
        if not cost:
            return
        self.board.clear()
        hosts = max(EXACT_CANDIDATES, min(self.fleet.arrays.size, MAX_HOSTS_REFINED))
        if not Complete(self, steps, hosts).run(placed, below=cost):
            self.board.restore(kept)

    def _first_plan(self, order: Sequence[VduRequest]) -> tuple[Snapshot, list[VduRequest]]:
        """The best of plans made in different ways; which ways depends on how many VDUs there are."""
        ways: list[Callable[[Sequence[VduRequest]], list[VduRequest]]] = []
        if len(order) <= GREEDY_UP_TO:
            ways.append(self.place_each)
        if len(order) >= FILL_FROM:
            ways += [partial(self._filled, way=way) for way in (along_chains, in_order)]
        best: tuple[tuple[int, int], Snapshot, list[VduRequest]] | None = None
        for way in ways:
            self.board.clear()
            missing = way(order)
            worth = (len(missing), self.board.objective().cost)
            if best is None or worth < best[0]:
                best = (worth, self.board.snapshot(), missing)
        assert best is not None, "small requests go one way, large ones the other"
        self.board.restore(best[1])
        return best[1], best[2]

    def _filled(self, order: Sequence[VduRequest], way: Way, luck: Random | None = None) -> list[VduRequest]:
        """Fill host after host, then give single turns to what is left; returns those that found no place."""
        return self.place_each(fill(self.board, order, self.attempt, way, luck))

    def try_luck(self, order: Sequence[VduRequest], luck: Random) -> list[VduRequest]:
        """Make another plan from nothing, hosts and chains in an order that chance has a part in."""
        self.board.clear()
        chains = list(self.board.request.chains)
        luck.shuffle(chains)
        by_id = {vdu.id: vdu for vdu in order}
        shuffled = [by_id.pop(one) for chain in chains for one in dict.fromkeys(chain.path) if one in by_id]
        return self._filled([*shuffled, *by_id.values()], along_chains, luck)

    def place_each(self, order: Sequence[VduRequest]) -> list[VduRequest]:
        """Place one after the other, where each is best; returns those that found no place."""
        missing = []
        behind = demands_behind(order) if len(order) > 1 else [NOTHING] * len(order)
        for vdu, pending in zip(order, behind, strict=True):
            turn = self.turn(vdu, pending=pending)
            self.turns[vdu.id] = turn
            if not self._seat_first(vdu, turn):
                missing.append(vdu)
        return missing

    def _seat_first(self, vdu: VduRequest, turn: Turn) -> bool:
        for candidate in turn.candidates:
            refusal = self.board.place(vdu.id, candidate.position, candidate.fit)
            if refusal is None:
                return True
            turn.underlay[candidate.position] = (refusal, 1)
        return bool(turn.candidates) and self._seat_any(vdu, turn)

    def _seat_any(self, vdu: VduRequest, turn: Turn) -> bool:
        """All the best hosts were refused by the underlay: go through every one."""
        known = {candidate.position for candidate in turn.candidates}
        for candidate in self.turn(vdu, limit=self.fleet.arrays.size).candidates:
            if candidate.position in known:
                continue
            refusal = self.board.place(vdu.id, candidate.position, candidate.fit)
            if refusal is None:
                turn.candidates = [candidate]
                return True
            turn.underlay[candidate.position] = (refusal, 1)
        return False

    def _hopeless(self, missing: Sequence[VduRequest]) -> set[str]:
        """The VDUs that find no place even where no other VDU of the request is."""
        if not missing:
            return set()
        kept = self.board.snapshot()
        self.board.clear()
        known: dict[str, bool] = {}
        hopeless = set()
        for vdu in missing:
            key = self.likeness(vdu)
            if key not in known:
                known[key] = not self.turn(vdu, limit=1).candidates
            if known[key]:
                hopeless.add(vdu.id)
        self.board.restore(kept)
        return hopeless

    def likeness(self, vdu: VduRequest) -> str:
        """Text that VDUs share of which one is like the other, as far as a decision goes."""
        alone = not self.board.groups.groups_of(vdu.id) and not self.board.chains.of(vdu.id)
        return repr(replace(vdu, id="")) if alone else vdu.id


def _in_order(keys: npt.NDArray[np.int64], first: int) -> Iterator[int]:
    """Positions of finite keys, ascending; the first few are found without sorting all."""
    count = len(keys)
    if count > 4 * first:
        few = np.argpartition(keys, 2 * first)[: 2 * first]
        few = few[np.argsort(keys[few], kind="stable")]
        for position in few:
            if keys[position] == _FAR:
                return
            yield int(position)
        edge = keys[few[-1]]
        rest = np.flatnonzero((keys > edge) & (keys < _FAR))
    else:
        rest = np.flatnonzero(keys < _FAR)
    for position in rest[np.argsort(keys[rest], kind="stable")]:
        yield int(position)


def both(a: FitRules, b: FitRules) -> FitRules:
    """Two sets of rules at once."""
    exact = a.exact_nodes if b.exact_nodes is None else b.exact_nodes
    if a.exact_nodes is not None and b.exact_nodes is not None and a.exact_nodes != b.exact_nodes:
        exact = frozenset()
    only = dict(a.nics.only)
    for interface, pcis in b.nics.only.items():
        only[interface] = only.get(interface, pcis) & pcis
    forbidden = dict(a.nics.forbidden)
    for interface, pcis in b.nics.forbidden.items():
        forbidden[interface] = forbidden.get(interface, frozenset()) | pcis
    nics = NicRules(forbidden, only, a.nics.same | b.nics.same, a.nics.different | b.nics.different)
    return FitRules(a.forbidden_nodes | b.forbidden_nodes, exact, nics)
