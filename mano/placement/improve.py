"""Large-neighbourhood search: free the VDUs of a few hosts, let CP-SAT place them anew, keep what is not worse.

Each round looks at another few hosts: those of the chain that hops most, the emptiest with others that might take its
VDUs, or any. Walks (`walk.py`) between the rounds shorten the chains. A round that cannot be carried out exactly, or
makes the plan dearer, is undone. Rounds and seeds are fixed, so that the outcome is too, unless the time limit comes
first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from mano.placement.deadline import NEVER, Deadline, OutOfTime
from mano.placement.engine import FILL_FROM, Engine
from mano.placement.neighbourhood import Limits, Model, Solution
from mano.placement.numa import Fit, FitRules
from mano.placement.packing import Demand, packing_keys
from mano.placement.request import VduRequest
from mano.placement.walk import Walk, is_free_to_walk

DETERMINISTIC_S = 0.6
"""Solver effort of one round, about that many seconds on a quiet machine."""

WHOLE_AT_ONCE = 400
"""A request with at most this many pairs of a VDU and a host is also put into one model, with ten times the effort."""

WHOLE_BEHIND = 11
"""The round behind which that is done."""

SMALL, SMALL_STEPS = 12, 4_000
"""Up to so many VDUs other plans are looked through one by one, so many seats."""

WALK_EVERY = 3
"""Rounds from one walk to the next."""

STEPS_PER_VDU, MOST_STEPS = 4_000, 400_000
"""Steps of a walk: so many for each VDU that takes part, but no more than that, two seconds' worth."""

HOSTS_AT_A_TIME = (2, 3, 3, 4, 5)


@dataclass(frozen=True, slots=True)
class _Worth:
    missing: int
    cost: int

    def key(self) -> tuple[int, int]:
        return self.missing, self.cost


def default_iterations(vdus: int) -> int:
    """Rounds that a request of that size deserves."""
    return min(200, 10 + 2 * vdus)


def improve(
    engine: Engine,
    missing: Sequence[VduRequest],
    *,
    iterations: int | None,
    deadline: Deadline,
    restarts: bool = True,
) -> list[VduRequest]:
    """Improve the plan on the engine's board; returns the VDUs that still have no place. Never worse than before.

    Whatever is under way when the deadline comes is given up. Without `restarts` no plan is made anew: what is there
    is moved only where that pays.
    """
    search = _Search(engine, list(missing), deadline, sideways=restarts)
    rounds = default_iterations(len(engine.board.request.vdus)) if iterations is None else iterations
    engine.deadline = deadline
    try:
        search.run(rounds, restarts=restarts)
    except OutOfTime:
        search.go_back()
    finally:
        engine.deadline = NEVER
    return search.missing


def _restarts(vdus: int) -> int:
    """Plans that are made anew before the best of them is improved."""
    return max(4, min(60, 4000 // vdus)) if vdus >= FILL_FROM else 0


class _Search:
    """The plan on the board. With `sideways` a round may leave the cost as it is, which leads out of dead ends."""

    def __init__(self, engine: Engine, missing: list[VduRequest], deadline: Deadline, *, sideways: bool) -> None:
        self.engine, self.board, self.deadline, self.sideways = engine, engine.board, deadline, sideways
        self.missing = missing
        self._keep()

    def _keep(self) -> None:
        """Take the plan on the board for the one to go back to."""
        self._kept = (self.board.snapshot(), list(self.missing), self.worth())

    def go_back(self) -> None:
        """Have the plan that was kept last."""
        self.board.restore(self._kept[0])
        self.missing = list(self._kept[1])

    def worth(self) -> _Worth:
        return _Worth(len(self.missing), self.board.objective().cost)

    def run(self, rounds: int, *, restarts: bool) -> None:
        """Everything in its order; raises OutOfTime in the midst of it."""
        vdus, everywhere = len(self.board.request.vdus), range(self.engine.fleet.arrays.size)
        if restarts:
            self._begin(vdus)
        whole = vdus * len(everywhere) <= WHOLE_AT_ONCE
        for number in range(rounds):
            self.deadline.check()
            if self.perfect():
                return
            random = Random(number)
            if number % WALK_EVERY == 0:
                self.walk(number)
            if number % 3 == 0:
                self.round(self.spare(random), DETERMINISTIC_S, number, hops=False)
            else:
                self.round(self.choose(random, number), DETERMINISTIC_S, number)
            if whole and number == WHOLE_BEHIND:
                whole = False
                self.round(everywhere, 10 * DETERMINISTIC_S, 0)
        if whole and not self.perfect():
            self.round(everywhere, 10 * DETERMINISTIC_S, 0)

    def _begin(self, vdus: int) -> None:
        """Look through other plans, or make whole plans with some luck; stay with the best."""
        if vdus <= SMALL and not self.missing:
            self.engine.refine(SMALL_STEPS)
            self._keep()
        for number in range(_restarts(vdus)):
            self.missing = self.engine.try_luck(self.board.request.vdus, Random(number))
            if self.worth().key() < self._kept[2].key():
                self._keep()
        self.go_back()

    def perfect(self) -> bool:
        return not self.missing and self.board.objective().cost == 0

    def spare(self, random: Random) -> list[int]:
        """The hosts of a round that tries to do with one host less: an empty one, others, and some unused ones."""
        used = sorted(self.board.positions_in_use())
        if not used:
            return self._fresh(random, 3)
        ranked = sorted(used, key=lambda position: (len(tuple(self.board.vdus_on(position))), position))
        first = ranked[min(int(random.expovariate(0.7)), len(ranked) - 1)]
        others = [position for position in used if position != first]
        count = min(len(others), random.choice((3, 4, 6, 8)))
        return sorted({first, *random.sample(others, count), *self._fresh(random, random.choice((1, 2, 4)))})

    def choose(self, random: Random, number: int) -> list[int]:
        """The hosts of a round that minds everything."""
        used = sorted(self.board.positions_in_use())
        if not used:
            return self._fresh(random, 3)
        count = min(len(used), random.choice(HOSTS_AT_A_TIME))
        chosen = self._of_a_chain(used, count, random) if number % 2 else random.sample(used, count)
        return sorted({*chosen, *self._fresh(random, 1)})

    def _of_a_chain(self, used: Sequence[int], count: int, random: Random) -> list[int]:
        """Hosts of chains that hop, one chain after the other until there are enough."""
        places = self.board.places
        hopping = [
            chain
            for chain in self.board.request.chains
            if len({places[one] for one in chain.path if one in places}) > 1
        ]
        random.shuffle(hopping)
        inventory = self.engine.fleet.inventory
        usable = set(used)
        chosen: dict[int, None] = {}
        for chain in hopping:
            for member in chain.path:
                if member in places and len(chosen) < count:
                    position = inventory.position(places[member])
                    if position in usable:
                        chosen[position] = None
        return list(chosen) or random.sample(used, count)

    def _fresh(self, random: Random, count: int) -> list[int]:
        """Unused hosts that would hold much."""
        arrays = self.engine.fleet.arrays
        demand = Demand()
        for vdu in self.board.request.vdus:
            demand = demand.and_also(vdu)
        keys = packing_keys(arrays, demand)
        able = np.flatnonzero(arrays.enabled & ~arrays.opened)
        best = able[np.lexsort((self.engine.fleet.rank[able], keys[able]))][:24].tolist()
        return random.sample(best, min(count, len(best)))

    def walk(self, seed: int) -> None:
        """Anneal the hops of everything that is free to, on the hosts in use."""
        positions = sorted(self.board.positions_in_use())
        names = [one for position in positions for one in self.board.vdus_on(position)]
        free = [self.board.vdus[one] for one in names if is_free_to_walk(self.board, self.board.vdus[one])]
        was = {vdu.id: self.board.unplace(vdu.id) for vdu in free}
        walk = Walk(self.board, free, positions, _as_solution(was), self.deadline)
        solution = walk.run(min(MOST_STEPS, STEPS_PER_VDU * len(free)), seed)
        missing = self.missing
        done = solution is not None and self._carry_out(free, solution, was)
        self.missing = missing
        self._accept(done)

    def round(self, positions: Sequence[int], effort: float, seed: int, *, hops: bool = True) -> None:
        """Place the VDUs of these hosts anew, and those that have no place."""
        free = [self.board.vdus[one] for position in positions for one in self.board.vdus_on(position)]
        was = {vdu.id: self.board.unplace(vdu.id) for vdu in free}
        everyone = [*free, *self.missing]
        model = Model(self.board, everyone, sorted(positions), hops=hops, deadline=self.deadline)
        model.hint(_as_solution(was))
        solution = model.solve(Limits(effort, max(0.001, self.deadline.left_s()), seed))
        self._accept(solution is not None and self._carry_out(everyone, solution, was))

    def _accept(self, done: bool) -> None:
        """Keep what is on the board if it was carried out and is worth it, else go back."""
        now, before = self.worth(), self._kept[2]
        if done and (now.key() < before.key() or (self.sideways and now.key() == before.key())):
            self._keep()
        else:
            self.go_back()

    def _carry_out(self, vdus: Sequence[VduRequest], solution: Solution, was: Mapping[str, tuple[int, Fit]]) -> bool:
        """Place the VDUs exactly as the solution has them; False where the exact fit does not agree.

        Those that stay on their nodes keep their very CPUs and VFs.
        """
        self.missing = [vdu for vdu in vdus if vdu.id not in solution]
        moved = []
        for vdu in vdus:
            position, fit_before = was.get(vdu.id, (-1, None))
            stays = fit_before is not None and solution.get(vdu.id) == (
                position,
                frozenset(fit_before.allocation.nodes),
            )
            if fit_before is None or not stays:
                moved.append(vdu)
            elif self.board.place(vdu.id, position, fit_before) is not None:
                return False
        for vdu in sorted(moved, key=lambda one: -one.dedicated_count):
            if vdu.id not in solution:
                continue
            position, nodes = solution[vdu.id]
            found = self._fit(vdu, position, nodes)
            if found is None or self.board.place(vdu.id, position, found) is not None:
                return False
        return True

    def _fit(self, vdu: VduRequest, position: int, nodes: frozenset[int]) -> Fit | None:
        bounds = self.board.groups.bounds(vdu.id, self.board.seats)
        host = self.engine.fleet.hosts[position]
        if not bounds.allows(position, host.host.zone):
            return None
        rules = bounds.rules_at(position)
        if rules.exact_nodes is None and len(nodes) == 1:
            there = replace(rules, exact_nodes=nodes) if rules else FitRules(exact_nodes=nodes)
            found = self.engine.parts.fit(host, vdu, there)
            if found is not None:
                return found
        return self.engine.attempt(vdu, position)


def _as_solution(seats: Mapping[str, tuple[int, Fit]]) -> Solution:
    return {vdu: (position, frozenset(old.allocation.nodes)) for vdu, (position, old) in seats.items()}
