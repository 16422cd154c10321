"""The smallest relaxations that would make a VDU fit, each tried before it is told.

A relaxation changes one thing: an attribute of the VDU, a group, a bound of a chain, a host's state, or what others
hold on the host that came nearest (`holdings`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mano.domain.nfvi import HostState
from mano.placement.effort import Effort
from mano.placement.engine import Engine
from mano.placement.groups import GroupBook
from mano.placement.holdings import what_to_free
from mano.placement.misses import Diagnosis, diagnose
from mano.placement.numa import fit
from mano.placement.paths import Chains
from mano.placement.request import (
    ChainRequest,
    CpuPolicy,
    EmulatorThreads,
    Group,
    InterfaceRequest,
    NumaAffinity,
    PageClass,
    ThreadPolicy,
    VduRequest,
)
from mano.placement.result import Code, Unplaced

MAX_TOLD = 5

MAX_INTERFACES = 8
"""Interfaces of a VDU that are relaxed one by one."""

_OF_CELLS = frozenset[str]({Code.AFFINITY, Code.NUMA_CELLS, Code.NIC_NUMA, Code.BANDWIDTH})
_OF_NICS = frozenset[str]({Code.AFFINITY, Code.PHYSNET, Code.VF, Code.NIC_NUMA, Code.BANDWIDTH})
_OF_CORES = _OF_CELLS | {Code.THREAD_POLICY}
_OF_CPUS = _OF_CORES | {Code.CPU_DEDICATED}
_OF_PAGES = _OF_CELLS | {Code.MEMORY, Code.PAGES}
_ALL_CODES = frozenset[str](Code)

MAX_RELAXING = 100_000
"""Steps of the exact fit that all relaxations of one VDU may take."""


@dataclass(frozen=True, slots=True)
class Relaxation:
    """A changed VDU, what to say about the change, and the codes of hosts that it may win."""

    text: str
    vdu: VduRequest
    codes: frozenset[str]


def explained(engine: Engine, vdu: VduRequest, *, relax: bool = True) -> Unplaced:
    """Why a VDU has no place as things are on the engine's board; without `relax` no relaxations are sought."""
    diagnosis = diagnose(engine, vdu, engine.turn(vdu))
    texts = would_fit_if(engine, vdu, diagnosis) if relax else ()
    return Unplaced(engine.fleet.arrays.size, diagnosis.reasons, diagnosis.nearest, texts)


def would_fit_if(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> tuple[str, ...]:
    """Texts, the mildest change first. Each was verified by placing the VDU again with that change alone."""
    engine.effort = Effort(MAX_RELAXING)
    try:
        return tuple(_told(engine, vdu, diagnosis))
    finally:
        engine.effort = None


def _told(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> list[str]:
    told: list[str] = []
    for texts in (_of_vdu, _of_chains, _of_groups, _of_hosts, what_to_free, _of_sizes):
        for text in texts(engine, vdu, diagnosis):
            if text not in told:
                told.append(text)
            if len(told) >= MAX_TOLD:
                return told
    return told


def _fits(engine: Engine, vdu: VduRequest) -> bool:
    """Whether the VDU would find a place now, with routes for its chains."""
    candidates = engine.turn(vdu, limit=1).candidates
    if not candidates or not engine.board.chains.of(vdu.id):
        return bool(candidates)
    for candidate in candidates:
        if engine.board.place(vdu.id, candidate.position, candidate.fit) is None:
            engine.board.unplace(vdu.id)
            return True
    return False


def _of_vdu(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> Iterator[str]:
    """A host that is refused for one thing is not won by relaxing what is examined later."""
    met = frozenset(Code.PAGES if code.startswith("PAGES_") else code for code in diagnosis.reasons)
    foreign = not met <= _ALL_CODES
    for relaxation in _relaxations(vdu):
        if (foreign or met & relaxation.codes) and _fits(engine, relaxation.vdu):
            yield relaxation.text


def _relaxations(vdu: VduRequest) -> Iterator[Relaxation]:
    for place, interface in enumerate(vdu.interfaces[:MAX_INTERFACES]):
        yield from _of_interface(vdu, place, interface)
    hard = [one for one in vdu.interfaces if one.numa_affinity in (NumaAffinity.REQUIRED, NumaAffinity.SOCKET)]
    if len(hard) > 1:
        softened = tuple(replace(one, numa_affinity=NumaAffinity.PREFERRED) for one in vdu.interfaces)
        yield Relaxation("numaAffinity: preferred on all interfaces", replace(vdu, interfaces=softened), _OF_NICS)
    if vdu.thread_policy is not ThreadPolicy.PREFER and vdu.dedicated_count:
        yield Relaxation("threadPolicy: prefer", replace(vdu, thread_policy=ThreadPolicy.PREFER), _OF_CORES)
    if vdu.emulator_threads is EmulatorThreads.ISOLATE:
        yield Relaxation("emulatorThreads: share", replace(vdu, emulator_threads=EmulatorThreads.SHARE), _OF_CPUS)
    if vdu.numa is not None and vdu.vcpus > 1:
        yield Relaxation("numaNodes: absent (cells cut as the host allows)", replace(vdu, numa=None), _OF_CELLS)
    if vdu.page_size is not PageClass.ANY:
        yield Relaxation("pageSizeKib: any", replace(vdu, page_size=PageClass.ANY), _OF_PAGES)
    for key in vdu.requires:
        others = {one: value for one, value in vdu.requires.items() if one != key}
        yield Relaxation(f"requires: without {key!r:.60}", replace(vdu, requires=others), frozenset({Code.LABEL}))
    if vdu.zones:
        yield Relaxation("zones: any", replace(vdu, zones=frozenset()), frozenset({Code.ZONE}))
    if vdu.storage_gib:
        yield Relaxation("storageGib: 0", replace(vdu, storage_gib=0), frozenset({Code.STORAGE}))
    if vdu.cpu_policy is not CpuPolicy.SHARED:
        shared = replace(vdu, cpu_policy=CpuPolicy.SHARED, dedicated_vcpus=frozenset())
        yield Relaxation("cpuPolicy: shared", shared, _OF_CPUS)


def _of_interface(vdu: VduRequest, place: int, interface: InterfaceRequest) -> Iterator[Relaxation]:
    def changed(new: InterfaceRequest) -> VduRequest:
        return replace(vdu, interfaces=(*vdu.interfaces[:place], new, *vdu.interfaces[place + 1 :]))

    name = f"{interface.id!r:.60}"
    if interface.numa_affinity in (NumaAffinity.REQUIRED, NumaAffinity.SOCKET):
        soft = changed(replace(interface, numa_affinity=NumaAffinity.PREFERRED))
        yield Relaxation(f"numaAffinity: preferred on interface {name}", soft, _OF_NICS)
    if interface.traits:
        yield Relaxation(f"traits: none on interface {name}", changed(replace(interface, traits=frozenset())), _OF_NICS)
    if interface.bandwidth_mbps and interface.takes_nic:
        yield Relaxation(
            f"bandwidthMbps: 0 on interface {name}", changed(replace(interface, bandwidth_mbps=0)), _OF_NICS
        )
    if interface.physnet is not None:
        yield Relaxation(f"physnet: any on interface {name}", changed(replace(interface, physnet=None)), _OF_NICS)


def _of_chains(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> Iterator[str]:
    """Without the latency bound of a chain, or without its bandwidth."""
    if not diagnosis.reasons.keys() & {Code.LINK_BANDWIDTH, Code.LATENCY}:
        return
    for chain in engine.board.chains.of(vdu.id):
        if chain.max_latency_us is not None and _fits_with(engine, vdu, replace(chain, max_latency_us=None)):
            yield f"maxLatencyUs: none on chain {chain.id!r:.60}"
        if chain.bandwidth_mbps and _fits_with(engine, vdu, replace(chain, bandwidth_mbps=0)):
            yield f"bandwidthMbps: 0 on chain {chain.id!r:.60}"


def _fits_with(engine: Engine, vdu: VduRequest, chain: ChainRequest) -> bool:
    """Whether it would find a place if this chain asked for less."""
    board = engine.board
    everything, routed = board.chains, board.chains.snapshot()
    others = [chain if one.id == chain.id else one for one in board.request.chains]
    board.chains = Chains(others, board.chains.underlay)
    board.chains.restore(routed)
    try:
        return _fits(engine, vdu)
    finally:
        board.chains = everything
        everything.restore(routed)


def _of_groups(engine: Engine, vdu: VduRequest, _: Diagnosis) -> Iterator[str]:
    board = engine.board
    everything = board.groups
    try:
        for place, group in enumerate(board.request.groups):
            if not group.strict or group not in everything.groups_of(vdu.id):
                continue
            softened = [replace(one, strict=False) if one is group else one for one in board.request.groups]
            board.groups = GroupBook(softened, board.fleet.tagged)
            if _fits(engine, vdu):
                yield f"strict: false in {_group_name(group, place)}"
    finally:
        board.groups = everything


def _group_name(group: Group, place: int) -> str:
    name = f" {group.id!r:.60}" if group.id else f" {place + 1}"
    return f"group{name} ({group.kind}, scope {group.scope})"


def _of_hosts(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> Iterator[str]:
    """Hosts that are draining or down and would take the VDU."""
    if Code.HOST_STATE not in diagnosis.reasons:
        return
    board = engine.board
    bounds = board.groups.bounds(vdu.id, board.seats)
    for position in engine.fleet.rank.argsort().tolist():
        host = engine.fleet.hosts[position]
        labels = all(host.host.labels.get(key) == value for key, value in vdu.requires.items())
        zones = not vdu.zones or host.host.zone in vdu.zones
        if host.host.state is HostState.ENABLED or not labels or not zones:
            continue
        if not bounds.allows(position, host.host.zone) or host.storage_gib < vdu.storage_gib:
            continue
        if board.chains.refusal(vdu.id, host.host.name, board.places) is None and fit(
            host, vdu, bounds.rules_at(position)
        ):
            yield f"host {host.host.name} were enabled (it is {host.host.state})"
            return


def _of_sizes(engine: Engine, vdu: VduRequest, _: Diagnosis) -> Iterator[str]:
    """The largest number of vCPUs, VFs or MiB with which it would fit, found by halving."""
    if not isinstance(vdu.numa, tuple) and vdu.cpu_policy is not CpuPolicy.MIXED:
        least = vdu.numa or 1
        most = _largest(least, vdu.vcpus - 1, lambda count: _fits(engine, replace(vdu, vcpus=count)))
        if most is not None:
            yield f"vcpus: {most}"
    if not isinstance(vdu.numa, tuple):
        unit = max(1, vdu.page_size // 1024) if isinstance(vdu.page_size, int) else 1
        units = vdu.memory_mib // unit - 1
        most = _largest(
            vdu.numa or 1, units, lambda count: _fits(engine, replace(vdu, memory_mib=count * unit))
        )  # fmt: skip
        if most is not None:
            yield f"memoryMib: {most * unit}"
    for place, interface in enumerate(vdu.interfaces[:MAX_INTERFACES]):
        if interface.takes_vfs and interface.vfs > 1:
            rest = vdu.interfaces[:place], vdu.interfaces[place + 1 :]

            def with_vfs(
                count: int,
                rest: tuple[tuple[InterfaceRequest, ...], ...] = rest,
                one: InterfaceRequest = interface,
            ) -> bool:
                return _fits(engine, replace(vdu, interfaces=(*rest[0], replace(one, vfs=count), *rest[1])))

            most = _largest(1, interface.vfs - 1, with_vfs)
            if most is not None:
                yield f"vfs: {most} on interface {interface.id!r:.60}"


def _largest(low: int, high: int, holds: Callable[[int], bool]) -> int | None:
    """The largest number from `low` to `high` that holds, when smaller ones hold as well; None if none does."""
    if low > high or not holds(low):
        return None
    while low < high:
        middle = (low + high + 1) // 2
        if holds(middle):
            low = middle
        else:
            high = middle - 1
    return low
