"""How a VDU is cut into NUMA cells, and what one cell needs of one node.

Cells are as the request states them, or equal (a count), or as few as possible: then equal ones first, and unequal
ones when these do not fit. Cells that the engine cuts hold consecutive vCPUs, as equally as possible.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mano.domain.nfvi import SMALL_PAGE_KIB
from mano.placement.cpus import room, room_beside_emulator, suffices
from mano.placement.effort import Effort
from mano.placement.free import FreeNode
from mano.placement.request import EmulatorThreads, PageClass, VduRequest, page_unit_mib
from mano.placement.shares import PageChoice, Way, level


@dataclass(frozen=True, slots=True)
class CellNeed:
    """One cell: its vCPUs, which of them are dedicated, its memory, and whether the emulator's CPU comes on top."""

    vcpus: tuple[int, ...]
    dedicated: tuple[int, ...]
    memory_mib: int
    emulator: bool

    @property
    def shared(self) -> int:
        return len(self.vcpus) - len(self.dedicated)


def page_for(node: FreeNode, memory_mib: int, page_size: int | PageClass) -> int | None:
    """The page size that the node gives `memory_mib` in: the one asked for, or the largest of the class that fits."""
    if isinstance(page_size, int):
        return page_size if node.takes_memory(memory_mib, page_size) else None
    if page_size is not PageClass.SMALL:
        for size in sorted(node.pages, reverse=True):
            if node.takes_memory(memory_mib, size):
                return size
    if page_size is not PageClass.LARGE and node.takes_memory(memory_mib, SMALL_PAGE_KIB):
        return SMALL_PAGE_KIB
    return None


def takes(node: FreeNode, need: CellNeed, vdu: VduRequest) -> int | None:
    """The page size with which `node` takes the cell, None when it does not."""
    if need.shared > node.shared_left:
        return None
    if not suffices(node, len(need.dedicated), vdu.thread_policy, emulator=need.emulator):
        return None
    return page_for(node, need.memory_mib, vdu.page_size)


def _need(vdu: VduRequest, vcpus: Sequence[int], memory_mib: int, first: bool) -> CellNeed:
    emulator = first and vdu.emulator_threads is EmulatorThreads.ISOLATE
    return CellNeed(tuple(vcpus), tuple(one for one in vcpus if vdu.is_dedicated(one)), memory_mib, emulator)


def stated(vdu: VduRequest) -> tuple[CellNeed, ...]:
    """The cells that the request lists."""
    assert isinstance(vdu.numa, tuple)
    return tuple(_need(vdu, sorted(cell.vcpus), cell.memory_mib, place == 0) for place, cell in enumerate(vdu.numa))


def equal(vdu: VduRequest, count: int, page_sizes: Sequence[int]) -> Iterator[tuple[CellNeed, ...]]:
    """The VDU in `count` equal cells; where a rest remains the first ones have one vCPU or one page more.

    For a class of pages one way for each size in which the memory can be cut evenly, the largest page first.
    """
    cuts = _parts(vdu.vcpus, count)
    seen = set()
    for unit in _units(vdu, page_sizes):
        units, rest = divmod(vdu.memory_mib, unit)
        if rest or units < count:
            continue
        memory = tuple(share * unit for share in _parts(units, count))
        if memory in seen:
            continue
        seen.add(memory)
        start, needs = 0, []
        for place, vcpus in enumerate(cuts):
            needs.append(_need(vdu, range(start, start + vcpus), memory[place], place == 0))
            start += vcpus
        yield tuple(needs)


def _units(vdu: VduRequest, page_sizes: Sequence[int]) -> list[int]:
    if isinstance(vdu.page_size, int):
        return [page_unit_mib(vdu.page_size)]
    if vdu.page_size is PageClass.SMALL:
        return [1]
    units = {page_unit_mib(size) for size in page_sizes}
    return sorted(units | {1}, reverse=True)


def _parts(total: int, count: int) -> tuple[int, ...]:
    share, rest = divmod(total, count)
    return tuple(share + (place < rest) for place in range(count))


def unequal(vdu: VduRequest, nodes: Sequence[FreeNode], effort: Effort) -> tuple[CellNeed, ...] | None:
    """Cells of whatever sizes that fill exactly these nodes, in their order; None when there are none.

    The emulator's CPU belongs to the first node. Each cell has a vCPU and a page at least. None also where the effort
    does not suffice.
    """
    isolated = vdu.emulator_threads is EmulatorThreads.ISOLATE
    dedicated_room = [
        room_beside_emulator(node, vdu.thread_policy) if isolated and not place else room(node, vdu.thread_policy)
        for place, node in enumerate(nodes)
    ]
    if min(dedicated_room) < 0:
        return None
    counts = _vcpu_counts(vdu, dedicated_room, [node.shared_left for node in nodes])
    memory = _memory_shares(vdu, nodes, effort) if counts is not None else None
    if counts is None or memory is None:
        return None
    dedicated = [vcpu for vcpu in range(vdu.vcpus) if vdu.is_dedicated(vcpu)]
    floating = [vcpu for vcpu in range(vdu.vcpus) if not vdu.is_dedicated(vcpu)]
    needs = []
    for place, (own, shared) in enumerate(counts):
        vcpus = sorted(dedicated[:own] + floating[:shared])
        del dedicated[:own], floating[:shared]
        needs.append(_need(vdu, vcpus, memory[place], place == 0))
    return tuple(needs)


def rooms_of(node: FreeNode, vdu: VduRequest) -> tuple[int, int, int]:
    """The most dedicated vCPUs, shared vCPUs and MiB that one cell of the VDU can have on the node."""
    memory = max((_most(node, size) for size in _sizes(node, vdu.page_size)), default=0)
    return room(node, vdu.thread_policy), node.shared_left, memory


def _vcpu_counts(vdu: VduRequest, dedicated: Sequence[int], shared: Sequence[int]) -> list[tuple[int, int]] | None:
    """Dedicated and shared vCPUs per node: one of either kind for each node first, the others as evenly as possible."""
    first = [_first_kind(own, floating) for own, floating in zip(dedicated, shared, strict=True)]
    spare = vdu.dedicated_count - first.count("dedicated")
    for place, kind in enumerate(first):
        if kind == "either":
            first[place] = "dedicated" if spare > 0 else "shared"
            spare -= 1
    if None in first:
        return None
    own = _level_above([int(kind == "dedicated") for kind in first], vdu.dedicated_count, dedicated)
    floating = _level_above([int(kind == "shared") for kind in first], vdu.shared_count, shared)
    return None if own is None or floating is None else list(zip(own, floating, strict=True))


def _first_kind(dedicated_room: int, shared_room: int) -> str | None:
    if dedicated_room and shared_room:
        return "either"
    if dedicated_room:
        return "dedicated"
    return "shared" if shared_room else None


def _level_above(base: Sequence[int], total: int, limits: Sequence[int]) -> list[int] | None:
    """`total` dealt out evenly on top of what each place has already; None when it does not work out."""
    if sum(base) > total:
        return None
    more = level(total - sum(base), [limit - have for limit, have in zip(limits, base, strict=True)])
    return None if more is None else [have + extra for have, extra in zip(base, more, strict=True)]


def _memory_shares(vdu: VduRequest, nodes: Sequence[FreeNode], effort: Effort) -> list[int] | None:
    """MiB per node, each a multiple of a page size of which the node has enough; the largest pages come first."""
    if isinstance(vdu.page_size, int) or vdu.page_size is PageClass.SMALL:
        ways = [[_way(node, size) for size in _sizes(node, vdu.page_size)] for node in nodes]
    else:
        ways = [_ways(node, vdu.page_size) for node in nodes]
    return PageChoice(vdu.memory_mib, ways).run(effort)


def _ways(node: FreeNode, page_size: PageClass) -> list[Way]:
    """The sizes of which the node has any."""
    return [way for size in _sizes(node, page_size) if (way := _way(node, size))[1]]


def _way(node: FreeNode, page_size_kib: int) -> Way:
    unit = page_unit_mib(page_size_kib)
    return unit, _most(node, page_size_kib) // unit


def _sizes(node: FreeNode, page_size: int | PageClass) -> list[int]:
    if isinstance(page_size, int):
        return [page_size]
    small = [] if page_size is PageClass.LARGE else [SMALL_PAGE_KIB]
    large = [] if page_size is PageClass.SMALL else sorted(node.pages, reverse=True)
    return large + small


def _most(node: FreeNode, page_size_kib: int) -> int:
    """MiB that the node can give in pages of that size."""
    if page_size_kib == SMALL_PAGE_KIB:
        return node.small_mib
    return node.pages.get(page_size_kib, 0) * page_size_kib // 1024
