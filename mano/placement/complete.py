"""A search through whole plans of small requests: depth first, over hosts, nodes and NICs, cut where it cannot pay.

It finds a plan where turns found none, and a cheaper one where they found a dear one. Every step is a seat that is
tried; when the steps are used up the best plan so far stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, islice
from typing import TYPE_CHECKING

from mano.placement.board import Snapshot
from mano.placement.filters import emulator_cpus
from mano.placement.groups import Bounds
from mano.placement.nics import NicRules, eligible
from mano.placement.numa import Fit, FitRules, fit
from mano.placement.request import VduRequest
from mano.placement.result import HOST_OPENED_COST

if TYPE_CHECKING:
    from mano.placement.engine import Engine, Turn

MAX_WAYS = 12
"""Ways to place a VDU on one host that are tried: by nodes, and by NICs."""

NO_COST_YET = 2**62


class Complete:
    """One search; `steps` seats are tried at most."""

    def __init__(self, engine: Engine, steps: int, hosts: int) -> None:
        """Each VDU is tried on the `hosts` best hosts."""
        self.engine, self.board = engine, engine.board
        self.steps, self.hosts = steps, hosts
        self.bound = NO_COST_YET
        self.found: Snapshot | None = None
        self._floor = 0
        self._turns: dict[str, Turn] = {}
        self._path: dict[str, Turn] = {}
        self._named = self._hosts_with_a_name()

    def run(self, order: Sequence[VduRequest], below: int = NO_COST_YET, *, first: bool = False) -> bool:
        """Look for a plan of all of `order` that costs less than `below`, starting from a board without them.

        Leaves the board with the best one found, or as it was when it returns False. With `first` any will do.
        """
        start = self.board.snapshot()
        self.bound = below
        self._floor = self._least(order)
        self._descend(list(order), first)
        if self.found is None:
            self.board.restore(start)
            return False
        self.board.restore(self.found)
        self.engine.turns.update(self._turns)
        return True

    def _descend(self, left: list[VduRequest], first: bool) -> bool:
        """Whether the search is over."""
        if self.bound != NO_COST_YET and self._least(left) >= self.bound:
            return False
        if not left:
            self.found, self.bound = self.board.snapshot(), self.board.objective().cost
            self._turns = dict(self._path)
            return first or self.bound <= self._floor
        vdu = left[0]
        turn = self.engine.turn(vdu, limit=self.hosts)
        self._path[vdu.id] = turn
        tried: set[tuple[object, ...]] = set()
        for candidate in turn.candidates:
            like = self._likeness(candidate.position)
            if like is not None and like in tried:
                continue
            tried.add(like or ())
            for way in self._ways(vdu, candidate.position, candidate.fit, turn.bounds):
                if self._is_over():
                    return True
                if self.board.place(vdu.id, candidate.position, way) is not None:
                    continue
                over = self._descend(left[1:], first)
                self.board.unplace(vdu.id)
                if over:
                    return True
        return False

    def _is_over(self) -> bool:
        self.steps -= 1
        return self.steps < 0

    def _least(self, left: Sequence[VduRequest]) -> int:
        """The least that any plan from here can cost: one more host where the open ones have too few CPUs."""
        cost = self.board.objective().cost
        wanted = sum(vdu.dedicated_count + emulator_cpus(vdu) for vdu in left)
        arrays = self.engine.fleet.arrays
        there = arrays.per_host(arrays.free)[arrays.opened & arrays.enabled].sum()
        return cost + HOST_OPENED_COST * bool(wanted > there)

    def _hosts_with_a_name(self) -> set[str]:
        """Hosts that are not like any other, as chains begin or end there."""
        chains = self.board.request.chains
        return {name for chain in chains for name in (chain.ingress, chain.egress) if name is not None}

    def _likeness(self, position: int) -> tuple[object, ...] | None:
        """What unused hosts share that are as good as each other; None for one that is like no other."""
        host = self.engine.fleet.hosts[position]
        if host.opened or self.board.fleet.inventory.links or host.host.name in self._named:
            return None
        labels = tuple(sorted(host.host.labels.items()))
        vswitch = host.host.vswitch
        parts = (*map(id, host.nodes), *map(id, host.nics))
        return host.host.zone, labels, vswitch, host.storage_gib, host.host.state, len(host.nodes), *parts

    def _ways(self, vdu: VduRequest, position: int, best: Fit, bounds: Bounds) -> Iterator[Fit]:
        """The best fit, then others that lie on other nodes or take VFs of other NICs."""
        yield best
        seen = {_seat_of(best)}
        for found in islice(self._others(vdu, position, best, bounds), MAX_WAYS):
            key = _seat_of(found)
            if key not in seen:
                seen.add(key)
                yield found

    def _others(self, vdu: VduRequest, position: int, best: Fit, bounds: Bounds) -> Iterator[Fit]:
        from mano.placement.engine import both

        host = self.engine.fleet.hosts[position]
        if len(host.nodes) == 1 and len(host.nics) < 2:
            return
        rules = bounds.rules_at(position)
        takers = [one for one in vdu.interfaces if one.takes_nic]
        choices = [NicRules()]
        if takers:
            pcis = [nic.nic.pci for nic in host.nics if any(eligible(nic, one) for one in takers)]
            choices += [NicRules(only={one.id: frozenset((pci,)) for one in takers}) for pci in pcis]
        for nodes in combinations(host.nodes, len(best.allocation.cells)):
            for nics in choices:
                wanted = FitRules(exact_nodes=frozenset(node.id for node in nodes), nics=nics)
                found = fit(host, vdu, both(rules, wanted), effort=self.engine.effort)
                if found is not None:
                    yield found


def _seat_of(found: Fit) -> tuple[object, ...]:
    nics = tuple(sorted((key, one.pci) for key, one in found.allocation.interfaces.items()))
    return frozenset(found.allocation.nodes), nics
