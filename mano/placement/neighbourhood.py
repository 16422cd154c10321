"""A few hosts and their VDUs as a model for CP-SAT: where should these VDUs go, all others staying where they are?

The model knows CPUs, pages, VFs, bandwidth, storage, groups and the contract's cost. It takes a VDU that spans
several nodes as one block and leaves thread siblings and link capacities to the exact fit, through which every
solution has to go before it counts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from mano.domain.nfvi import SMALL_PAGE_KIB, Allocation, InterfacePlacement
from mano.placement.board import Board
from mano.placement.cells import equal, takes
from mano.placement.deadline import NEVER, Deadline
from mano.placement.filters import first_refusal
from mano.placement.free import FreeHost
from mano.placement.nics import NicDemand, attach
from mano.placement.numa import FitRules, node_after
from mano.placement.paths import OTHER_ZONE, hop_cost
from mano.placement.request import GroupKind, Scope, VduRequest
from mano.placement.result import CHAIN_HOP_COST, CROSS_NUMA_COST, HOST_OPENED_COST

UNPLACED_COST = 10**6
"""Above any cost of placing a VDU, so that the model leaves one out only where it must."""

Resource = tuple[object, ...]

Solution = dict[str, tuple[int, frozenset[int]]]
"""Host position and nodes of each VDU that got a place."""


@dataclass(frozen=True, slots=True)
class Option:
    """One way to place a VDU: the host, the nodes of its cells, what it uses up, and whether VFs lie outside."""

    vdu: str
    position: int
    nodes: frozenset[int]
    uses: Mapping[Resource, int]
    crosses: bool


@dataclass(frozen=True, slots=True)
class Limits:
    """How long the solver may take: in its own deterministic unit, and in seconds as a last resort."""

    deterministic_s: float
    wall_s: float
    seed: int


def options_of(board: Board, vdu: VduRequest, position: int) -> Iterator[Option]:
    """The ways to place `vdu` on a host as it is now, VDUs that are to be placed anew not being on it."""
    host = board.fleet.hosts[position]
    if first_refusal((*board.parts.before_groups, *board.parts.foreign_filters), host, vdu) is not None:
        return
    bounds = board.groups.bounds(vdu.id, board.seats)
    if not bounds.allows(position, host.host.zone):
        return
    rules = bounds.rules_at(position)
    single = vdu.numa in (None, 1) or (isinstance(vdu.numa, tuple) and len(vdu.numa) == 1)
    found = list(_on_single_nodes(host, vdu, position, rules)) if single else []
    if found:
        yield from found
    else:
        block = board.parts.fit(host, vdu, rules)
        if block is not None:
            uses = dict(_uses_of(host, position, block.allocation))
            yield Option(vdu.id, position, frozenset(block.allocation.nodes), uses, block.crosses_numa)


def _on_single_nodes(host: FreeHost, vdu: VduRequest, position: int, rules: FitRules) -> Iterator[Option]:
    needs = next(equal(vdu, 1, ()), None)
    if needs is None:
        return
    need = needs[0]
    for node in host.nodes:
        if node.id in rules.forbidden_nodes or (rules.exact_nodes is not None and rules.exact_nodes != {node.id}):
            continue
        page = takes(node, need, vdu)
        if page is None:
            continue
        picked, _ = node_after(node, need, vdu, page)
        base: dict[Resource, int] = {
            ("cpu", position, node.id): picked.all.bit_count(),
            ("pool", position, node.id): need.shared,
            ("page", position, node.id, page): need.memory_mib * 1024 // page,
            ("storage", position): vdu.storage_gib,
        }
        for interfaces, crosses in _attachments(host, vdu, node.id, rules):
            uses = {key: amount for key, amount in {**base, **interfaces}.items() if amount}
            yield Option(vdu.id, position, frozenset((node.id,)), uses, crosses)


def _attachments(
    host: FreeHost, vdu: VduRequest, node: int, rules: FitRules
) -> Iterator[tuple[dict[Resource, int], bool]]:  # fmt: skip
    """NICs near the cell, and NICs near another node where the affinity allows that."""
    position_free = host.host.name
    own = frozenset((node,))
    inside = attach(host, vdu.interfaces, own, rules.nics, NicDemand(inside=True))
    if inside is not None:
        yield dict(_nic_uses(host, position_free, inside)), False
    if not any(one.takes_vfs for one in vdu.interfaces):
        return
    anywhere = attach(host, vdu.interfaces, own, rules.nics)
    if anywhere is None:
        return
    for other in host.nodes:
        if other.id == node:
            continue
        remote = attach(host, vdu.interfaces, frozenset((other.id,)), rules.nics, NicDemand(inside=True))
        soft = all(one.numa_affinity not in ("required", "socket") for one in vdu.interfaces if one.takes_nic)
        if remote is not None and soft:
            yield dict(_nic_uses(host, position_free, remote)), True
    if inside is None:
        yield dict(_nic_uses(host, position_free, anywhere)), True


def _nic_uses(
    host: FreeHost, name: str, interfaces: Mapping[str, InterfacePlacement]
) -> Iterator[tuple[Resource, int]]:  # fmt: skip
    vfs: dict[str, int] = defaultdict(int)
    mbps: dict[str, int] = defaultdict(int)
    for one in interfaces.values():
        if one.pci is None:
            continue
        vfs[one.pci] += len(one.vfs) if one.vfs else max(1, host.host.nic(one.pci).total_vfs)
        mbps[one.pci] += one.bandwidth_mbps
    for pci, count in vfs.items():
        yield ("vf", name, pci), count
        yield ("mbps", name, pci), mbps[pci]


def _uses_of(host: FreeHost, position: int, allocation: Allocation) -> Iterator[tuple[Resource, int]]:
    after = host.take(allocation)
    for before_node, node in zip(host.nodes, after.nodes, strict=True):
        yield ("cpu", position, node.id), before_node.free_count - node.free_count
        yield ("pool", position, node.id), before_node.shared_left - node.shared_left
        yield ("page", position, node.id, SMALL_PAGE_KIB), (before_node.small_mib - node.small_mib) * 256
        for size, count in before_node.pages.items():
            yield ("page", position, node.id, size), count - node.pages[size]
    yield ("storage", position), allocation.storage_gib
    yield from _nic_uses(host, host.host.name, allocation.interfaces)


def capacities(board: Board, positions: Sequence[int]) -> dict[Resource, int]:
    there: dict[Resource, int] = {}
    for position in positions:
        host = board.fleet.hosts[position]
        there["storage", position] = host.storage_gib
        for node in host.nodes:
            there["cpu", position, node.id] = node.free_count
            there["pool", position, node.id] = node.shared_left
            there["page", position, node.id, SMALL_PAGE_KIB] = node.small_mib * 256
            for size, count in node.pages.items():
                there["page", position, node.id, size] = count
        for nic in host.nics:
            there["vf", host.host.name, nic.nic.pci] = 0 if nic.gone else max(nic.vf_count, int(nic.untouched))
            there["mbps", host.host.name, nic.nic.pci] = nic.mbps if nic.mbps is not None else 10**12
    return there


class Model:
    """The CP-SAT model of some free VDUs (already taken off the board) on some hosts."""

    def __init__(
        self,
        board: Board,
        vdus: Sequence[VduRequest],
        positions: Sequence[int],
        *,
        hops: bool = True,
        deadline: Deadline = NEVER,
    ) -> None:
        """Without `hops` chains cost nothing: a smaller model, for finding out whether a host can be spared.

        Raises OutOfTime when the deadline comes.
        """
        from ortools.sat.python import cp_model

        self._cp = cp_model
        self.board, self.vdus, self.positions = board, vdus, positions
        self.model: Any = cp_model.CpModel()
        self.options: list[tuple[Option, Any]] = []
        for vdu in vdus:
            deadline.check()
            for position in positions:
                self.options += ((option, self.model.new_bool_var("")) for option in options_of(board, vdu, position))
        self._terms: list[Any] = []
        self.at: dict[tuple[str, int], list[Any]] = defaultdict(list)
        for option, chosen in self.options:
            self.at[option.vdu, option.position].append(chosen)
        self._one_each()
        self._capacity()
        self._opening()
        if hops:
            self._hops()
        self._groups()
        self.model.minimize(sum(self._terms))

    def _one_each(self) -> None:
        for vdu in self.vdus:
            mine = [chosen for option, chosen in self.options if option.vdu == vdu.id]
            left_out = self.model.new_bool_var("")
            self.model.add_exactly_one([*mine, left_out])
            self._terms.append(UNPLACED_COST * left_out)
        self._terms.extend(CROSS_NUMA_COST * chosen for option, chosen in self.options if option.crosses)

    def _capacity(self) -> None:
        uses: dict[Resource, list[Any]] = defaultdict(list)
        for option, chosen in self.options:
            for resource, amount in option.uses.items():
                if amount:
                    uses[resource].append(amount * chosen)
        there = capacities(self.board, self.positions)
        for resource, terms in uses.items():
            self.model.add(sum(terms) <= there.get(resource, 0))

    def _opening(self) -> None:
        for position in self.positions:
            if self.board.fleet.hosts[position].opened:
                continue
            used = self.model.new_bool_var("")
            for option, chosen in self.options:
                if option.position == position:
                    self.model.add_implication(chosen, used)
            self._terms.append(HOST_OPENED_COST * used)

    def _hops(self) -> None:
        """Hops from a free VDU to a place that is known, and between two free ones."""
        free = {vdu.id for vdu in self.vdus}
        zones = self.board.fleet.zones
        for vdu in self.vdus:
            for name in self.board.chains.neighbours(vdu.id, self.board.places):
                for position in self.positions:
                    cost = CHAIN_HOP_COST * hop_cost(self.board.host_name(position), name, zones)
                    self._terms.extend(cost * chosen for chosen in self.at[vdu.id, position])
        for chain in self.board.request.chains:
            for a, b in pairwise(chain.path):
                if a in free and b in free and a != b:
                    self._hop_between(a, b)

    def _hop_between(self, a: str, b: str) -> None:
        """Other zone, less what it saves to be in the same zone, less what it saves to be on the same host."""
        zones = self.board.fleet.zones
        by_zone: dict[str, list[int]] = defaultdict(list)
        for position in self.positions:
            by_zone[zones[self.board.host_name(position)]].append(position)
        self._terms.append(CHAIN_HOP_COST * OTHER_ZONE)
        for members in by_zone.values():
            self._save(a, b, members, 2 * CHAIN_HOP_COST)
        for position in self.positions:
            self._save(a, b, [position], CHAIN_HOP_COST)

    def _save(self, a: str, b: str, members: Sequence[int], worth: int) -> None:
        together = self.model.new_bool_var("")
        for vdu in (a, b):
            self.model.add(together <= sum(chosen for position in members for chosen in self.at[vdu, position]))
        self._terms.append(-worth * together)

    def _groups(self) -> None:
        free = {vdu.id for vdu in self.vdus}
        zones = self.board.fleet.zones
        for group in self.board.request.groups:
            members = [member for member in group.members if member in free]
            if not group.strict or len(members) < 2 or group.scope is Scope.NIC:
                continue
            places: dict[object, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
            for option, chosen in self.options:
                if option.vdu in members:
                    for place in _places(option, group.scope, zones[self.board.host_name(option.position)]):
                        places[place][option.vdu].append(chosen)
            for chosen_by in places.values():
                if group.kind is GroupKind.ANTI_AFFINITY:
                    self.model.add(sum(one for mine in chosen_by.values() for one in mine) <= 1)
                else:
                    for a, b in pairwise(members):
                        self.model.add(sum(chosen_by[a]) == sum(chosen_by[b]))

    def hint(self, snapshot: Solution) -> None:
        """Begin the search with where the VDUs were."""
        for option, chosen in self.options:
            self.model.add_hint(chosen, snapshot.get(option.vdu) == (option.position, option.nodes))

    def solve(self, limits: Limits) -> Solution | None:
        """Host and nodes of each VDU in the best solution found, None when none was found in time."""
        solver = self._cp.CpSolver()
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = limits.seed
        solver.parameters.max_deterministic_time = limits.deterministic_s
        solver.parameters.max_time_in_seconds = limits.wall_s
        status = solver.solve(self.model)
        if status not in (self._cp.OPTIMAL, self._cp.FEASIBLE):
            return None
        return {option.vdu: (option.position, option.nodes) for option, chosen in self.options if solver.value(chosen)}


def _places(option: Option, scope: Scope, zone: str) -> list[object]:
    if scope is Scope.ZONE:
        return [zone]
    if scope is Scope.HOST:
        return [option.position]
    return [(option.position, node) for node in sorted(option.nodes)]
