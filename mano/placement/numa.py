"""The exact fit of one VDU on one host: cells to nodes, CPUs, pages and NICs, or proof that there is none.

Distinct cells lie on distinct nodes, so whether a node takes a cell depends on the two of them alone, and cells to
nodes is an assignment problem. Interfaces ask for nodes that must be among those used; as more nodes never spoil an
attachment, it is enough to try the smallest sets of nodes that satisfy all interfaces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

from dpdk_helpers.cpuset import cpus_of
from mano.domain.nfvi import Allocation, Cell, InterfacePlacement
from mano.placement.assignment import assign
from mano.placement.cells import CellNeed, equal, rooms_of, stated, takes, unequal
from mano.placement.cpus import CpuMasks, choose, in_core_order
from mano.placement.effort import Effort
from mano.placement.free import FreeHost, FreeNode
from mano.placement.nics import ALL_DEMANDS, NO_RULES, NicDemand, NicRules, attach, crosses_numa, eligible
from mano.placement.request import EmulatorThreads, NumaAffinity, VduRequest

FEW_NODES = 4
"""Up to so many nodes are tried one by one without asking first whether all of them together would do."""


@dataclass(frozen=True, slots=True)
class FitRules:
    """What groups say about a VDU on one host: forbidden nodes, the exact set of nodes to use, and NICs."""

    forbidden_nodes: frozenset[int] = frozenset()
    exact_nodes: frozenset[int] | None = None
    nics: NicRules = NO_RULES

    def __bool__(self) -> bool:
        return bool(self.forbidden_nodes or self.exact_nodes is not None or self.nics)


NO_FIT_RULES = FitRules()


@dataclass(frozen=True, slots=True)
class Waste:
    """How much a fit fragments its host; compared in this order, less is better.

    Cores that it leaves partly used, and on nodes that it leaves without a free CPU: MiB of huge pages and VFs that
    no dedicated VDU can use any more.
    """

    broken_cores: int = 0
    stranded_pages_mib: int = 0
    stranded_vfs: int = 0

    def key(self) -> tuple[int, int, int]:
        return self.broken_cores, self.stranded_pages_mib, self.stranded_vfs


@dataclass(frozen=True, slots=True)
class Fit:
    """A VDU's place on a host."""

    allocation: Allocation
    crosses_numa: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """Cells on nodes, and the interfaces that go with them."""

    needs: tuple[CellNeed, ...]
    nodes: tuple[FreeNode, ...]
    interfaces: dict[str, InterfacePlacement]

    @property
    def node_ids(self) -> frozenset[int]:
        return frozenset(node.id for node in self.nodes)


def fit(
    host: FreeHost,
    vdu: VduRequest,
    rules: FitRules = NO_FIT_RULES,
    demand: NicDemand = ALL_DEMANDS,
    effort: Effort | None = None,
) -> Fit | None:
    """The best place of `vdu` on `host`, None when there is no place. Storage and labels are the filters' matter.

    Best is: no VF outside the cells' nodes if possible, larger pages where a class was asked for, then the least
    fragmentation, then nodes in order.
    """
    cut = _cut(host, vdu, rules, demand, effort or Effort())
    return None if cut is None else _allocate(vdu, cut)


def fits_cells(host: FreeHost, vdu: VduRequest) -> bool:
    """Whether CPUs and memory alone find a place, whatever the interfaces need."""
    return _cut(host, vdu, NO_FIT_RULES, None, Effort()) is not None


def _cut(
    host: FreeHost, vdu: VduRequest, rules: FitRules, demand: NicDemand | None, effort: Effort
) -> _Cut | None:  # fmt: skip
    search = _CellSearch(host, vdu, rules, demand, effort)
    if len(search.nodes) > FEW_NODES and not any(search.attachable(inside) for inside in search.insides()):
        return None
    if isinstance(vdu.numa, tuple):
        return search.first([stated(vdu)])
    sizes = sorted({size for node in host.nodes for size in node.pages}, reverse=True)
    if vdu.numa is not None:
        return search.first(equal(vdu, vdu.numa, sizes))
    for count in range(1, min(len(search.nodes), vdu.vcpus) + 1):
        cut = search.first(equal(vdu, count, sizes))
        if cut is None and count > 1:
            cut = search.unequal(count)
        if cut is not None:
            return cut
    return None


class _CellSearch:
    """One VDU against one host. `demand` None leaves interfaces out."""

    def __init__(
        self, host: FreeHost, vdu: VduRequest, rules: FitRules, demand: NicDemand | None, effort: Effort
    ) -> None:  # fmt: skip
        self.host, self.vdu, self.rules, self.demand, self.effort = host, vdu, rules, demand, effort
        usable = (node for node in host.nodes if node.id not in rules.forbidden_nodes)
        if rules.exact_nodes is not None:
            usable = (node for node in usable if node.id in (rules.exact_nodes or ()))
        self.nodes = tuple(usable)
        self._attached: dict[tuple[frozenset[int], bool], dict[str, InterfacePlacement] | None] = {}

    def first(self, ways: Sequence[tuple[CellNeed, ...]] | Iterator[tuple[CellNeed, ...]]) -> _Cut | None:
        """The first way of cutting that finds nodes, VFs inside the cells' nodes before all others."""
        for needs in ways:
            if len(needs) > len(self.nodes) or not self._exact(len(needs)):
                continue
            cut = self._single(needs) if len(needs) == 1 else self._several(needs)
            if cut is not None:
                return cut
        return None

    def _exact(self, count: int) -> bool:
        return self.rules.exact_nodes is None or count == len(self.rules.exact_nodes)

    def insides(self) -> tuple[bool, ...]:
        """Whether to ask for VFs inside the cells: first yes, then no, if any interface leaves it open."""
        soft = any(one.takes_vfs and one.numa_affinity is not NumaAffinity.REQUIRED for one in self.vdu.interfaces)
        return (True, False) if soft and self.demand is not None and self.demand.numa else (False,)

    def attach(self, nodes: frozenset[int], inside: bool) -> dict[str, InterfacePlacement] | None:
        if self.demand is None or not self.vdu.interfaces:
            return {}
        key = (nodes, inside)
        if key not in self._attached:
            if not self.effort.spend(1 + len(self.vdu.interfaces) * len(self.host.nics) // 16):
                return None
            demand = NicDemand(self.demand.numa, self.demand.bandwidth, inside)
            self._attached[key] = attach(
                self.host, self.vdu.interfaces, nodes, self.rules.nics, demand, self.effort
            )  # fmt: skip
        return self._attached[key]

    def attachable(self, inside: bool) -> bool:
        """Whether the interfaces could be attached if the cells lay on all nodes; if not, no set of nodes will do."""
        return self.attach(frozenset(node.id for node in self.nodes), inside) is not None

    def _single(self, needs: tuple[CellNeed, ...]) -> _Cut | None:
        pages = [(node, takes(node, needs[0], self.vdu)) for node in self.nodes]
        prices = [(price, node) for node, page in pages if (price := self._price(needs[0], node, page)) is not None]
        prices.sort(key=lambda entry: entry[0])
        for inside in self.insides():
            for _, node in prices:
                attached = self.attach(frozenset((node.id,)), inside)
                if attached is not None:
                    return _Cut(needs, (node,), attached)
        return None

    def _several(self, needs: tuple[CellNeed, ...]) -> _Cut | None:
        if not self.effort.spend(len(needs)):
            return None
        pages = self._pages(needs)
        if pages is None:
            return None
        prices = [
            [self._price(need, node, page) for node, page in zip(self.nodes, row, strict=True)]
            for need, row in zip(needs, pages, strict=True)
        ]
        if assign(prices) is None:
            return None
        for inside in self.insides():
            if not self.attachable(inside):
                continue
            settled: list[frozenset[int]] = []
            for must in self._node_sets(len(needs)):
                if any(known <= must for known in settled):
                    continue
                if not self.effort.spend(len(needs)):
                    return None
                if self.attach(frozenset(self.nodes[place].id for place in must), inside) is None:
                    continue
                settled.append(must)
                chosen = assign(prices, must)
                if chosen is not None:
                    return self._cut_at(needs, chosen, inside)
        return None

    def _pages(self, needs: tuple[CellNeed, ...]) -> list[list[int | None]] | None:
        """For each cell and node the page size with which it fits; None where a cell fits nowhere."""
        rows = []
        for need in needs:
            row = [takes(node, need, self.vdu) for node in self.nodes]
            if not any(row):
                return None
            rows.append(row)
        return rows

    def _cut_at(self, needs: tuple[CellNeed, ...], chosen: Sequence[int], inside: bool) -> _Cut:
        nodes = tuple(self.nodes[place] for place in chosen)
        attached = self.attach(frozenset(node.id for node in nodes), inside)
        assert attached is not None, "more nodes never spoil an attachment"
        return _Cut(needs, nodes, attached)

    def _node_sets(self, cells: int) -> Iterator[frozenset[int]]:
        """Sets of places in `self.nodes` that interfaces may insist on, smallest first."""
        relevant = self._relevant_places()
        for size in range(min(cells, len(relevant), len(self.vdu.interfaces)) + 1):
            for places in combinations(relevant, size):
                yield frozenset(places)

    def _relevant_places(self) -> list[int]:
        """The nodes whose use can make an interface possible."""
        if self.demand is None or not self.demand.numa:
            return []
        interfaces = self.vdu.interfaces
        if any(one.numa_affinity is NumaAffinity.SOCKET for one in interfaces):
            return list(range(len(self.nodes)))
        affine = self.host.host.vswitch.affine_nodes if self.host.host.vswitch else frozenset()
        wanted = set(affine)
        for nic in self.host.nics:
            if nic.nic.numa_node is not None and any(one.takes_nic and eligible(nic, one) for one in interfaces):
                wanted.add(nic.nic.numa_node)
        return [place for place, node in enumerate(self.nodes) if node.id in wanted]

    def unequal(self, count: int) -> _Cut | None:
        """Cells of unequal sizes on some `count` of the nodes."""
        if not self._exact(count):
            return None
        for inside in self.insides():
            if not self.attachable(inside):
                continue
            for nodes in self._roomy_sets(count):
                attached = self.attach(frozenset(node.id for node in nodes), inside)
                if attached is None:
                    continue
                for turn in range(count if self.vdu.emulator_threads is EmulatorThreads.ISOLATE else 1):
                    order = (*nodes[turn:], *nodes[:turn])
                    needs = unequal(self.vdu, order, self.effort)
                    if needs is not None:
                        return _Cut(needs, order, attached)
        return None

    def _roomy_sets(self, count: int) -> Iterator[tuple[FreeNode, ...]]:
        """Sets of nodes that have enough of everything in sum."""
        need = (self.vdu.dedicated_count, self.vdu.shared_count, self.vdu.memory_mib)
        rooms = [rooms_of(node, self.vdu) for node in self.nodes]
        if any(
            sum(sorted(column)[-count:]) < least for column, least in zip(zip(*rooms, strict=True), need, strict=True)
        ):
            return
        for places in combinations(range(len(self.nodes)), count):
            if not self.effort.spend():
                return
            if all(sum(rooms[place][kind] for place in places) >= need[kind] for kind in range(3)):
                yield tuple(self.nodes[place] for place in places)

    def _price(self, need: CellNeed, node: FreeNode, page: int | None) -> int | None:
        """What a cell costs on a node with pages of a size (None: it does not fit): large ones first, then
        fragmentation."""
        if page is None:
            return None
        smallness = 0 if isinstance(self.vdu.page_size, int) else 40 - page.bit_length()
        waste = waste_of(node, node_after(node, need, self.vdu, page)[1])
        broken = max(0, min(waste.broken_cores + 64, 127))
        return smallness * 2**20 + broken * 2**12 + min(waste.stranded_pages_mib // 1024, 4095)


def node_after(node: FreeNode, need: CellNeed, vdu: VduRequest, page: int) -> tuple[CpuMasks, FreeNode]:
    """The CPUs a cell takes of a node, and the node after it."""
    picked = choose(node, len(need.dedicated), vdu.thread_policy, emulator=need.emulator)
    return picked, node.take(picked.all, need.shared, need.memory_mib, page)


def waste_of(before: FreeNode, after: FreeNode) -> Waste:
    """The fragmentation that a change of a node adds; VFs are counted per host by the scores."""
    stranded = 0
    if not after.free and before.free:
        stranded = sum(size * count for size, count in after.pages.items()) // 1024
    return Waste(len(after.broken) - len(before.broken), stranded)


def _allocate(vdu: VduRequest, cut: _Cut) -> Fit:
    cells: list[Cell] = []
    pins: dict[int, int] = {}
    emulator: list[int] = []
    blocked: list[int] = []
    for need, node in zip(cut.needs, cut.nodes, strict=True):
        page = takes(node, need, vdu)
        assert page is not None, "the cell was found to fit"
        picked = choose(node, len(need.dedicated), vdu.thread_policy, emulator=need.emulator)
        cpus = in_core_order(node, picked.cpus)
        vcpus = need.vcpus if len(cut.needs) > 1 else ()
        cells.append(Cell(node.id, cpus, need.memory_mib, page, need.shared, vcpus))
        pins.update(zip(need.dedicated, cpus, strict=True))
        emulator.extend(cpus_of(picked.emulator))
        blocked.extend(cpus_of(picked.blocked))
    allocation = Allocation(
        id=vdu.id,
        cells=tuple(cells),
        vcpu_pins=pins,
        emulator_cpus=tuple(emulator),
        blocked_cpus=tuple(sorted(blocked)),
        interfaces=cut.interfaces,
        storage_gib=vdu.storage_gib,
    )
    return Fit(allocation, crosses_numa(cut.interfaces, cut.node_ids))
