"""Why a VDU found no place: the reason of every host, and the hosts that came nearest with what they lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from mano.placement.assignment import assign
from mano.placement.cells import CellNeed, equal, page_for, stated
from mano.placement.cpus import room
from mano.placement.engine import Engine, Turn
from mano.placement.filters import (
    DEFAULT_HUGE_PAGE_KIB,
    bandwidth,
    cpu_dedicated,
    cpu_shared,
    first_refusal,
    memory,
    pages,
    storage,
    thread_policy,
    vf,
)
from mano.placement.free import FreeHost, FreeNode
from mano.placement.nics import eligible
from mano.placement.numa import fit
from mano.placement.request import NumaAffinity, PageClass, VduRequest
from mano.placement.result import CODE_ORDER, Code, NearMiss, pages_code

MAX_NEAREST = 3
MAX_EXAMINED = 48
"""Hosts whose shortage is worked out to find the nearest ones."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The histogram of reasons in their order, and the nearest misses."""

    reasons: Mapping[str, int]
    nearest: tuple[NearMiss, ...]


def diagnose(engine: Engine, vdu: VduRequest, turn: Turn) -> Diagnosis:
    """The reason of every host, as things are on the engine's board; `turn` is a turn that found nothing."""
    codes = codes_of_all(engine, vdu, turn)
    counted = Counter(codes)
    ordered = sorted(counted, key=_order)
    return Diagnosis({code: counted[code] for code in ordered}, tuple(_nearest(engine, vdu, codes)))


def _order(code: str) -> tuple[int, str]:
    plain = Code.PAGES if code.startswith("PAGES_") else code
    numbers = {str(one): number for number, one in enumerate(CODE_ORDER)}
    return numbers.get(str(plain), len(numbers)), code


def codes_of_all(engine: Engine, vdu: VduRequest, turn: Turn) -> list[str]:
    """The reason of each host by position; hosts that look alike are examined once."""
    known: dict[tuple[object, ...], str] = {}
    codes = []
    for position, number in enumerate(turn.screen.code.tolist()):
        if number:
            codes.append(turn.screen.name_of(number))
            continue
        host = engine.fleet.hosts[position]
        special = position in turn.bounds.rules or position in turn.underlay
        key = (host.host.zone, host.storage_gib, host.host.vswitch, *map(id, host.nodes), *map(id, host.nics))
        if special or engine.parts.foreign_filters or engine.board.chains.of(vdu.id):
            codes.append(code_of(engine, vdu, turn, position))
            continue
        if key not in known:
            known[key] = code_of(engine, vdu, turn, position)
        codes.append(known[key])
    return codes


def code_of(engine: Engine, vdu: VduRequest, turn: Turn, position: int) -> str:
    """The first constraint that keeps `vdu` from the host; "" where none does."""
    number = int(turn.screen.code[position])
    if number:
        return turn.screen.name_of(number)
    host = engine.fleet.hosts[position]
    refusal = first_refusal(engine.parts.resources, host, vdu)
    if refusal is not None:
        return str(refusal.code)
    rules = turn.bounds.rules_at(position)
    if rules and fit(host, vdu, rules) is None:
        return Code.AFFINITY
    refusal = first_refusal(engine.parts.foreign_filters, host, vdu)
    if refusal is not None:
        return str(refusal.code)
    underlay = engine.board.chains.refusal(vdu.id, host.host.name, engine.board.places)
    underlay = underlay or turn.underlay.get(position)
    return str(underlay[0]) if underlay is not None else ""


def _nearest(engine: Engine, vdu: VduRequest, codes: list[str]) -> Iterable[NearMiss]:
    """Hosts that lack least, of those that lack something that can be counted."""
    first = _order(Code.CPU_DEDICATED)[0]
    arrays = engine.fleet.arrays
    free = arrays.per_host(arrays.free)
    orders = np.array([_order(code)[0] if code else -1 for code in codes], dtype=np.int64)
    able = np.flatnonzero(orders >= first)
    best = able[np.lexsort((engine.fleet.rank[able], -free[able], -orders[able]))][:MAX_EXAMINED]
    found = []
    for position in best.tolist():
        short = shortage(engine.fleet.hosts[position], vdu)
        underlay = engine.board.chains.refusal(vdu.id, engine.board.host_name(position), engine.board.places)
        if not short and underlay is not None:
            short = {str(underlay[0]): underlay[1]}
        if short:
            found.append((_size(short, vdu), int(engine.fleet.rank[position]), position, short))
    for _, _, position, short in sorted(found, key=lambda one: one[:2])[:MAX_NEAREST]:
        yield NearMiss(engine.board.host_name(position), short)


def _size(short: Mapping[str, int], vdu: VduRequest) -> float:
    """How far off a shortage is: the sum of its parts relative to what is asked for."""
    asked = {
        Code.CPU_DEDICATED: vdu.dedicated_count,
        Code.THREAD_POLICY: vdu.dedicated_count,
        Code.CPU_SHARED: vdu.shared_count,
        Code.MEMORY: vdu.memory_mib,
        Code.STORAGE: vdu.storage_gib,
        Code.VF: sum(one.vfs for one in vdu.interfaces if one.takes_vfs),
        Code.BANDWIDTH: max((one.bandwidth_mbps for one in vdu.interfaces), default=1),
    }
    total = 0.0
    for code, missing in short.items():
        pages_asked = vdu.memory_mib * 1024 // int(code[6:]) if code.startswith("PAGES_") else 1
        total += missing / max(1, asked.get(Code(code), 1) if code in asked else pages_asked)
    return total


def shortage(host: FreeHost, vdu: VduRequest) -> dict[str, int]:
    """What the host lacks of what can be counted: over all its nodes, or else on the nodes that come nearest."""
    short: dict[str, int] = {}
    for one in (cpu_dedicated, cpu_shared, thread_policy, memory, pages, storage, vf):
        refusal = one(host, vdu)
        if refusal is not None:
            short.update(refusal.short)
    if short:
        return short
    nodes = _shortage_of_nodes(host, vdu)
    if nodes:
        return nodes
    refusal = bandwidth(host, vdu)
    return dict(refusal.short) if refusal is not None else {}


def _shortage_of_nodes(host: FreeHost, vdu: VduRequest) -> dict[str, int]:
    """The least that is missing on nodes for the VDU's cells (one cell where it may choose), VFs on them included."""
    if isinstance(vdu.numa, tuple):
        needs = stated(vdu)
    else:
        ways = list(equal(vdu, vdu.numa or 1, sorted({size for node in host.nodes for size in node.pages})))
        if not ways:
            return {}
        needs = ways[0]
    table = [[_shortage_of_cell(host, node, need, vdu) for node in host.nodes] for need in needs]
    costs = [[min(2**29, round(_size(short, vdu) * 2**20)) for short in row] for row in table]
    chosen = assign(costs)
    if chosen is None:
        return {str(Code.NUMA_CELLS): len(needs) - len(host.nodes)}
    total: Counter[str] = Counter()
    for row, column in enumerate(chosen):
        total.update(table[row][column])
    return dict(total)


def _shortage_of_cell(host: FreeHost, node: FreeNode, need: CellNeed, vdu: VduRequest) -> dict[str, int]:
    short: dict[str, int] = {}
    wanted = len(need.dedicated) + need.emulator
    if node.free_count < wanted:
        short[Code.CPU_DEDICATED] = wanted - node.free_count
    elif need.dedicated and room(node, vdu.thread_policy) < len(need.dedicated):
        short[Code.THREAD_POLICY] = len(need.dedicated) - room(node, vdu.thread_policy)
    if need.shared > node.shared_left:
        short[Code.CPU_SHARED] = need.shared - node.shared_left
    if page_for(node, need.memory_mib, vdu.page_size) is None:
        code, missing = _memory_short(node, need.memory_mib, vdu.page_size)
        short[code] = max(1, missing)
    missing_vfs = _vfs_short_on(host, node, vdu) if vdu.numa is None or vdu.numa == 1 else 0
    if missing_vfs:
        short[Code.VF] = missing_vfs
    return {str(code): number for code, number in short.items()}


def _memory_short(node: FreeNode, memory_mib: int, page_size: int | PageClass) -> tuple[str, int]:
    if page_size in (PageClass.SMALL, PageClass.ANY, 4):
        return Code.MEMORY, memory_mib - node.small_mib
    size = DEFAULT_HUGE_PAGE_KIB if isinstance(page_size, PageClass) else page_size
    return pages_code(size), -(-memory_mib * 1024 // size) - node.pages.get(size, 0)


def _vfs_short_on(host: FreeHost, node: FreeNode, vdu: VduRequest) -> int:
    """VFs that interfaces insisting on the cell's own node miss there."""
    missing = 0
    for interface in vdu.interfaces:
        if not interface.takes_vfs or interface.numa_affinity is not NumaAffinity.REQUIRED:
            continue
        local = [nic for nic in host.nics if nic.nic.numa_node == node.id]
        if any(eligible(nic, interface) for nic in local):
            continue
        suited = [nic.vf_count for nic in local if interface.physnet in (None, nic.nic.physnet)]
        missing += max(1, interface.vfs - max(suited, default=0))
    return missing
