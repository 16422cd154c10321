"""Dedicated CPUs of one node under the three thread policies: whether they suffice, and which to take.

* prefer: any free CPUs; those of cores that are broken already go first, so that whole cores stay whole.
* require: whole cores only, all of whose online CPUs are free; what is left of the last one is blocked.
* isolate: one vCPU on each whole core; its other CPUs are blocked.

An isolated emulator thread takes one further free CPU of the node, wherever it lies.
"""

from __future__ import annotations

from dataclasses import dataclass

from dpdk_helpers.cpuset import cpus_of, mask_of
from mano.domain.nfvi import SMALL_PAGE_KIB
from mano.placement.free import FreeNode
from mano.placement.request import ThreadPolicy


@dataclass(frozen=True, slots=True)
class CpuMasks:
    """CPUs of the vCPUs, of the emulator, and siblings that stay empty, each as a mask."""

    cpus: int
    emulator: int
    blocked: int

    @property
    def all(self) -> int:
        return self.cpus | self.emulator | self.blocked


def room(node: FreeNode, policy: ThreadPolicy) -> int:
    """The most dedicated vCPUs that the node can carry."""
    if policy is ThreadPolicy.PREFER:
        return node.free_count
    return node.whole_cpus if policy is ThreadPolicy.REQUIRE else len(node.whole)


def room_beside_emulator(node: FreeNode, policy: ThreadPolicy) -> int:
    """The most dedicated vCPUs when one more CPU goes to the emulator; -1 when there is not even that one."""
    if not node.free_count:
        return -1
    count = min(room(node, policy), node.free_count - 1)
    while count > 0 and not suffices(node, count, policy, emulator=True):
        count -= 1
    return count


def suffices(node: FreeNode, count: int, policy: ThreadPolicy, *, emulator: bool) -> bool:
    """Whether the node can carry `count` dedicated vCPUs (and an emulator thread on a CPU of its own)."""
    if not count or policy is ThreadPolicy.PREFER:
        return count + emulator <= node.free_count
    if count > room(node, policy):
        return False
    return not emulator or _held(node, count, policy) < node.free_count


def _held(node: FreeNode, count: int, policy: ThreadPolicy) -> int:
    """How many CPUs `count` vCPUs hold at least, blocked ones included; there is room for them."""
    if policy is ThreadPolicy.ISOLATE:
        return sum(core.bit_count() for core in node.whole[:count])
    sizes = {core.bit_count() for core in node.whole}
    if len(sizes) == 1:
        size = sizes.pop()
        return -(-count // size) * size
    return sum(core.bit_count() for core in _cover(node.whole, count))


def _cover(cores: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Cores with the fewest CPUs in all that still have `count`; the bits of a number are the sums within reach."""
    reach = [1]
    for core in cores:
        reach.append(reach[-1] | reach[-1] << core.bit_count())
    beyond = reach[-1] >> count
    left = count + (beyond & -beyond).bit_length() - 1
    chosen = []
    for index in range(len(cores), 0, -1):
        if not reach[index - 1] >> left & 1:
            chosen.append(cores[index - 1])
            left -= cores[index - 1].bit_count()
    return tuple(reversed(chosen))


def choose(node: FreeNode, count: int, policy: ThreadPolicy, *, emulator: bool) -> CpuMasks:
    """The CPUs to take; `suffices` must hold."""
    if not count:
        cpus, blocked = 0, 0
    elif policy is ThreadPolicy.PREFER:
        cpus, blocked = _first(node, count), 0
    elif policy is ThreadPolicy.REQUIRE:
        cores = sum(_cover(node.whole, count))
        cpus = mask_of(in_core_order(node, cores)[:count])
        blocked = cores & ~cpus
    else:
        whole = node.whole[:count]
        cpus = sum(core & -core for core in whole)
        blocked = sum(whole) & ~cpus
    own = _first(node.take(cpus | blocked, 0, 0, SMALL_PAGE_KIB), 1) if emulator else 0
    return CpuMasks(cpus, own, blocked)


def in_core_order(node: FreeNode, cpus: int) -> tuple[int, ...]:
    """The CPUs of a mask with hyper-threads of a core next to each other: the order in which vCPUs get them."""
    ordered: list[int] = []
    for core in node.shape.cores:
        if core & cpus:
            ordered.extend(cpus_of(core & cpus))
    return tuple(ordered)


def _first(node: FreeNode, count: int) -> int:
    """`count` free CPUs: of broken cores first, the fullest core before others."""
    mask = 0
    for core in (*node.broken, *node.whole):
        if count >= core.bit_count():
            mask |= core
            count -= core.bit_count()
        else:
            for _ in range(count):
                mask |= core & -core
                core &= core - 1
            return mask
    return mask
