"""Simulated annealing of hops: VDUs move and change places between hosts that are open already.

A solver is good at sparing hosts and slow at hops; a walk of many small steps is the reverse. It works on the same
options and resources as the solver's model, and its outcome goes through the exact fit like the solver's.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from random import Random

from mano.placement.board import Board
from mano.placement.deadline import NEVER, Deadline
from mano.placement.neighbourhood import Option, Resource, Solution, capacities, options_of
from mano.placement.paths import hop_cost
from mano.placement.request import GroupKind, Scope, VduRequest
from mano.placement.result import CHAIN_HOP_COST, CROSS_NUMA_COST, HOST_OPENED_COST

HOT, COLD = 18.0, 1.5
"""Temperatures in units of cost, at the beginning and the end: a hop within a zone costs 10."""

STEPS_AT_A_TIME = 1_000
"""Steps between two looks at the clock."""

NEAR = 0.6
"""Share of steps that try the host of a neighbour on a chain."""


def is_free_to_walk(board: Board, vdu: VduRequest) -> bool:
    """Whether the walk knows all that binds the VDU: anti-affinity of hosts, and chains that bound nothing."""
    for group in board.groups.groups_of(vdu.id):
        if group.strict and (group.scope is not Scope.HOST or group.kind is not GroupKind.ANTI_AFFINITY):
            return False
    return not any(board.chains.bounded(chain) for chain in board.chains.of(vdu.id))


class Walk:
    """The VDUs (already taken off the board) on the hosts at `positions`, each beginning where `start` has it."""

    def __init__(
        self,
        board: Board,
        vdus: Sequence[VduRequest],
        positions: Sequence[int],
        start: Solution,
        deadline: Deadline = NEVER,
    ) -> None:
        """Raises OutOfTime, as `run` does, when the deadline comes."""
        self.board = board
        self.names = [vdu.id for vdu in vdus]
        self.hosts = list(positions)
        self._index = {name: number for number, name in enumerate(self.names)}
        place = {position: number for number, position in enumerate(positions)}
        self._deadline = deadline
        resources: dict[Resource, int] = {}
        self.left: list[int] = []
        for resource, amount in capacities(board, positions).items():
            resources[resource] = len(self.left)
            self.left.append(amount)
        self.options: list[list[Option]] = []
        self.uses: list[list[tuple[tuple[int, int], ...]]] = []
        self.at_host: list[list[list[int]]] = []
        for vdu in vdus:
            deadline.check()
            mine = [option for position in positions for option in options_of(board, vdu, position)]
            self.options.append(mine)
            self.uses.append([tuple((resources[key], amount) for key, amount in one.uses.items()) for one in mine])
            by_host: list[list[int]] = [[] for _ in positions]
            for number, option in enumerate(mine):
                by_host[place[option.position]].append(number)
            self.at_host.append(by_host)
        self._host_of_option = [[place[option.position] for option in mine] for mine in self.options]
        self._link(place)
        self.chosen = [self._begin(number, start) for number in range(len(self.names))]

    def _link(self, place: dict[int, int]) -> None:
        """Neighbours on chains, fixed ends of hops, pairs that may not meet, and what hops between hosts cost."""
        board, zones = self.board, self.board.fleet.zones
        names = [board.host_name(position) for position in self.hosts]
        self.hop = [[CHAIN_HOP_COST * hop_cost(a, b, zones) for b in names] for a in names]
        self.near: list[list[int]] = [[] for _ in self.names]
        self.fixed: list[list[int]] = [[0] * len(names) for _ in self.names]
        self.apart: list[set[int]] = [set() for _ in self.names]
        for chain in board.request.chains:
            for a, b in pairwise(chain.path):
                if a in self._index and b in self._index and a != b:
                    self.near[self._index[a]].append(self._index[b])
                    self.near[self._index[b]].append(self._index[a])
        for number, name in enumerate(self.names):
            for other in board.chains.neighbours(name, board.places):
                for host, own in enumerate(names):
                    self.fixed[number][host] += CHAIN_HOP_COST * hop_cost(own, other, zones)
        for group in board.request.groups:
            members = [self._index[member] for member in group.members if member in self._index]
            for member in members if group.strict else ():
                self.apart[member].update(one for one in members if one != member)

    def _begin(self, number: int, start: Solution) -> int:
        """The cheapest option that is where the VDU was, of those that there is room for; -1 if there is none."""
        position, nodes = start[self.names[number]]
        mine = self.options[number]
        for index in sorted(range(len(mine)), key=lambda one: mine[one].crosses):
            option = mine[index]
            if (option.position, option.nodes) == (position, nodes) and self._fits(number, index):
                self._take(number, index, 1)
                return index
        return -1

    def _fits(self, number: int, option: int) -> bool:
        left = self.left
        return all(left[resource] >= amount for resource, amount in self.uses[number][option])

    def _take(self, number: int, option: int, sign: int) -> None:
        for resource, amount in self.uses[number][option]:
            self.left[resource] -= sign * amount

    def _cost(self, number: int, option: int) -> int:
        """What the VDU costs with that option: hops to where others are, and VFs on a foreign node."""
        host = self._host_of_option[number][option]
        hops = self.hop[host]
        total = self.fixed[number][host] + CROSS_NUMA_COST * self.options[number][option].crosses
        for other in self.near[number]:
            total += hops[self._host_of_option[other][self.chosen[other]]]
        return total

    def _meets_foe(self, number: int, host: int) -> bool:
        return any(self._host_of_option[foe][self.chosen[foe]] == host for foe in self.apart[number])

    def run(self, steps: int, seed: int) -> Solution | None:
        """Walk, and return the cheapest arrangement met; None if the beginning could not be told in options."""
        if not self.names or min(self.chosen) < 0:
            return None
        random = Random(seed)
        self.members: list[list[int]] = [[] for _ in self.hosts]
        self.slot = [0] * len(self.names)
        for number, option in enumerate(self.chosen):
            self._join(number, self._host_of_option[number][option])
        opened = [self.board.fleet.hosts[position].opened for position in self.hosts]
        now = lowest = 0
        best = list(self.chosen)
        for step in range(steps):
            if not step % STEPS_AT_A_TIME:
                self._deadline.check()
            heat = HOT * (COLD / HOT) ** (step / steps)
            change = self._step(random, heat, opened)
            now += change
            if now < lowest:
                lowest, best = now, list(self.chosen)
        return {
            name: (self.options[number][best[number]].position, self.options[number][best[number]].nodes)
            for number, name in enumerate(self.names)
        }

    def _step(self, random: Random, heat: float, opened: Sequence[bool]) -> int:
        """Try one move, or an exchange where there is no room; returns what the cost changed by."""
        number = int(random.random() * len(self.names))
        near = self.near[number]
        if near and random.random() < NEAR:
            other = near[int(random.random() * len(near))]
            host = self._host_of_option[other][self.chosen[other]]
        else:
            host = int(random.random() * len(self.hosts))
        ways = self.at_host[number][host]
        if not ways:
            return 0
        option, old = ways[int(random.random() * len(ways))], self.chosen[number]
        source = self._host_of_option[number][old]
        if option == old or (host != source and self._meets_foe(number, host)):
            return 0
        before = self._cost(number, old)
        self._take(number, old, -1)
        if not self._fits(number, option):
            self._take(number, old, 1)
            return self._exchange(random, heat, number, option)
        change = self._cost(number, option) - before
        change += HOST_OPENED_COST * (not opened[host] and not self.members[host])
        change -= HOST_OPENED_COST * (host != source and not opened[source] and len(self.members[source]) == 1)
        if change > 0 and random.random() >= math.exp(-change / heat):
            self._take(number, old, 1)
            return 0
        self._take(number, option, 1)
        self._choose(number, option)
        return change

    def _join(self, number: int, host: int) -> None:
        self.slot[number] = len(self.members[host])
        self.members[host].append(number)

    def _choose(self, number: int, option: int) -> None:
        """Note the option, and the host that the VDU is on."""
        source = self._host_of_option[number][self.chosen[number]]
        host = self._host_of_option[number][option]
        self.chosen[number] = option
        if source == host:
            return
        members, slot = self.members[source], self.slot[number]
        last = members.pop()
        if last != number:
            members[slot] = last
            self.slot[last] = slot
        self._join(number, host)

    def _exchange(self, random: Random, heat: float, number: int, option: int) -> int:
        """Let the VDU and one that stands in its way change hosts."""
        old = self.chosen[number]
        source, host = self._host_of_option[number][old], self._host_of_option[number][option]
        others = self.members[host]
        if source == host or not others:
            return 0
        other = others[int(random.random() * len(others))]
        ways = self.at_host[other][source]
        if not ways:
            return 0
        back, theirs = ways[int(random.random() * len(ways))], self.chosen[other]
        before = self._cost(number, old) + self._cost(other, theirs)
        self._take(number, old, -1)
        self._take(other, theirs, -1)
        if self._fits(number, option):
            self._take(number, option, 1)
            if self._fits(other, back):
                self._take(other, back, 1)
                self._choose(number, option)
                self._choose(other, back)
                change = self._cost(number, option) + self._cost(other, back) - before
                foes = self._meets_foe(number, host) or self._meets_foe(other, source)
                if not foes and (change <= 0 or random.random() < math.exp(-change / heat)):
                    return change
                self._choose(number, old)
                self._choose(other, theirs)
                self._take(other, back, -1)
            self._take(number, option, -1)
        self._take(number, old, 1)
        self._take(other, theirs, 1)
        return 0
