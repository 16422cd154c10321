"""The verdict on all hosts at once, as far as arrays can give it.

`Screen.code` has for each host the reason that refuses it, where that is certain; `Screen.open` the hosts that no
necessary condition rules out, and `Screen.certain` those of them that fit for sure. What is neither refused for
certain nor certain to fit is left to the exact fit. The order of reasons is that of `filters`, and whatever is said
here is what the filters would say.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mano.domain.nfvi import SMALL_PAGE_KIB
from mano.placement.arrays import Flags, FleetArrays, Ints
from mano.placement.filters import DEFAULT_HUGE_PAGE_KIB, emulator_cpus
from mano.placement.groups import Bounds
from mano.placement.request import (
    InterfaceRequest,
    NumaAffinity,
    PageClass,
    ThreadPolicy,
    VduRequest,
    VnicType,
)
from mano.placement.result import CODE_ORDER, Code, pages_code

Codes = npt.NDArray[np.int8]

_NUMBER = {code: number for number, code in enumerate(CODE_ORDER, 1)}


@dataclass(slots=True)
class Screen:
    """Verdicts by host position; see the module's text. `inside` are hosts on whose nodes VFs and cells can meet."""

    code: Codes
    open: Flags
    certain: Flags
    inside: Flags
    pages_code: str

    def reasons(self) -> dict[str, int]:
        """The histogram of certain refusals."""
        counts = np.bincount(self.code, minlength=len(CODE_ORDER) + 1)
        return {self.name_of(number): int(counts[number]) for number in range(1, len(counts)) if counts[number]}

    def name_of(self, number: int) -> str:
        code = CODE_ORDER[number - 1]
        return self.pages_code if code is Code.PAGES else str(code)


class _Verdicts:
    """Collects refusals in order. `settled` are the hosts for which all answers so far were exact."""

    def __init__(self, size: int) -> None:
        self.code: Codes = np.zeros(size, dtype=np.int8)
        self.open: Flags = np.ones(size, dtype=bool)
        self.settled: Flags = np.ones(size, dtype=bool)

    def require(self, code: Code, holds: Flags) -> None:
        """`holds` is exactly the constraint, given those before it."""
        failing = self.open & ~holds
        self.code[failing & self.settled] = _NUMBER[code]
        self.open &= holds

    def unsettle(self, hosts: Flags) -> None:
        """From here on nothing certain can be said about these."""
        self.settled &= ~hosts


def screen(arrays: FleetArrays, vdu: VduRequest, bounds: Bounds) -> Screen:
    """Examine every host for `vdu`; chains are not part of it."""
    verdicts = _Verdicts(arrays.size)
    _identity(arrays, vdu, bounds, verdicts)
    _totals(arrays, vdu, verdicts)
    rows = _rows(arrays, vdu)
    _cells(arrays, vdu, rows, verdicts)
    verdicts.require(Code.STORAGE, arrays.storage >= vdu.storage_gib)
    inside = _interfaces(arrays, vdu, rows, verdicts)
    certain = verdicts.open & verdicts.settled
    for position, rules in bounds.rules.items():
        if rules:
            certain[position] = False
    if bounds.everywhere:
        certain[:] = False
    size = DEFAULT_HUGE_PAGE_KIB if isinstance(vdu.page_size, PageClass) else vdu.page_size
    return Screen(verdicts.code, verdicts.open, certain, inside, pages_code(size))


def _identity(arrays: FleetArrays, vdu: VduRequest, bounds: Bounds, verdicts: _Verdicts) -> None:
    verdicts.require(Code.HOST_STATE, arrays.enabled)
    for key, value in vdu.requires.items():
        verdicts.require(Code.LABEL, arrays.has_label(key, value))
    if vdu.zones:
        verdicts.require(Code.ZONE, _in_zones(arrays, vdu.zones))
    if bounds.forbidden_hosts:
        holds = np.ones(arrays.size, dtype=bool)
        holds[list(bounds.forbidden_hosts)] = False
        verdicts.require(Code.AFFINITY, holds)
    if bounds.only_hosts is not None:
        holds = np.zeros(arrays.size, dtype=bool)
        holds[list(bounds.only_hosts)] = True
        verdicts.require(Code.AFFINITY, holds)
    if bounds.forbidden_zones:
        verdicts.require(Code.AFFINITY, ~_in_zones(arrays, bounds.forbidden_zones))
    if bounds.only_zones is not None:
        verdicts.require(Code.AFFINITY, _in_zones(arrays, bounds.only_zones))


def _in_zones(arrays: FleetArrays, zones: frozenset[str] | set[str]) -> Flags:
    known = [number for zone in zones if (number := arrays.zones.known(zone)) is not None]
    return np.isin(arrays.zone, known)


def _totals(arrays: FleetArrays, vdu: VduRequest, verdicts: _Verdicts) -> None:
    """CPUs, memory and pages, summed over each host."""
    needed = vdu.dedicated_count + emulator_cpus(vdu)
    if needed:
        verdicts.require(Code.CPU_DEDICATED, arrays.per_host(arrays.free) >= needed)
    if vdu.shared_count:
        verdicts.require(Code.CPU_SHARED, arrays.per_host(arrays.shared) >= vdu.shared_count)
    if vdu.dedicated_count and vdu.thread_policy is not ThreadPolicy.PREFER:
        if vdu.thread_policy is ThreadPolicy.REQUIRE:
            verdicts.require(Code.THREAD_POLICY, arrays.threads)
        rooms = arrays.per_host(_policy_rooms(arrays, vdu))
        verdicts.require(Code.THREAD_POLICY, rooms >= vdu.dedicated_count)
    if vdu.page_size in (PageClass.SMALL, PageClass.ANY, SMALL_PAGE_KIB):
        verdicts.require(Code.MEMORY, arrays.per_host(_memory(arrays, vdu)) >= vdu.memory_mib)
    elif vdu.page_size is PageClass.LARGE:
        pages = arrays.per_host(_memory(arrays, vdu)) * 1024 // DEFAULT_HUGE_PAGE_KIB
        verdicts.require(Code.PAGES, pages >= -(-vdu.memory_mib * 1024 // DEFAULT_HUGE_PAGE_KIB))
    else:
        assert isinstance(vdu.page_size, int)
        pages = arrays.per_host(_pages(arrays, vdu.page_size))
        verdicts.require(Code.PAGES, pages >= vdu.memory_mib * 1024 // vdu.page_size)


def _policy_rooms(arrays: FleetArrays, vdu: VduRequest) -> npt.NDArray[np.int32]:
    if vdu.thread_policy is ThreadPolicy.PREFER:
        return arrays.free
    return arrays.whole_cpus if vdu.thread_policy is ThreadPolicy.REQUIRE else arrays.whole_cores


def _pages(arrays: FleetArrays, size: int) -> Ints:
    known = arrays.pages.get(size)
    return np.zeros(len(arrays.free), dtype=np.int64) if known is None else known


def _memory(arrays: FleetArrays, vdu: VduRequest) -> Ints:
    """The most MiB that each node can give to one cell."""
    if vdu.page_size in (PageClass.SMALL, SMALL_PAGE_KIB):
        return arrays.small
    if isinstance(vdu.page_size, int):
        return _pages(arrays, vdu.page_size) * vdu.page_size // 1024
    most = arrays.small if vdu.page_size is PageClass.ANY else np.zeros(len(arrays.free), dtype=np.int64)
    for size, counts in arrays.pages.items():
        most = np.maximum(most, counts * size // 1024)
    return most


def _takes_memory(arrays: FleetArrays, vdu: VduRequest, memory_mib: int) -> Flags:
    """Nodes that can hold a cell of that memory."""
    if vdu.page_size in (PageClass.SMALL, SMALL_PAGE_KIB):
        return np.asarray(arrays.small >= memory_mib)
    if isinstance(vdu.page_size, int):
        return np.asarray(_pages(arrays, vdu.page_size) >= memory_mib * 1024 // vdu.page_size)
    takes = np.zeros(len(arrays.free), dtype=bool)
    if vdu.page_size is PageClass.ANY:
        takes |= arrays.small >= memory_mib
    for size, counts in arrays.pages.items():
        if memory_mib * 1024 % size == 0:
            takes |= counts >= memory_mib * 1024 // size
    return takes


@dataclass(slots=True)
class _Rows:
    """Nodes that can take a cell. `exact`: that is all there is to it. `least` nodes of a host are needed."""

    takes: Flags
    exact: bool
    least: int
    single: bool
    automatic: bool


def _rows(arrays: FleetArrays, vdu: VduRequest) -> _Rows:
    """The nodes that can take the whole VDU, or with several cells the smallest part of it that any cell can be."""
    emulator = emulator_cpus(vdu)
    tricky = bool(emulator and vdu.thread_policy is not ThreadPolicy.PREFER and vdu.dedicated_count)
    if vdu.numa is None or vdu.numa == 1 or (isinstance(vdu.numa, tuple) and len(vdu.numa) == 1):
        takes = _takes(arrays, vdu, vdu.dedicated_count, emulator, vdu.shared_count, vdu.memory_mib)
        return _Rows(takes, not tricky, 1, single=True, automatic=vdu.numa is None and vdu.vcpus > 1)
    if isinstance(vdu.numa, int):
        floor = vdu.vcpus // vdu.numa
        dedicated = floor if vdu.dedicated_count == vdu.vcpus else 0
        shared = floor if vdu.shared_count == vdu.vcpus else 0
        takes = _takes(arrays, vdu, dedicated, 0, shared, None)
        return _Rows(takes, False, vdu.numa, single=False, automatic=False)
    takes = np.zeros(len(arrays.free), dtype=bool)
    for cell in vdu.numa:
        dedicated = sum(1 for vcpu in cell.vcpus if vdu.is_dedicated(vcpu))
        takes |= _takes(arrays, vdu, dedicated, 0, len(cell.vcpus) - dedicated, cell.memory_mib)
    return _Rows(takes, False, len(vdu.numa), single=False, automatic=False)


def _takes(
    arrays: FleetArrays, vdu: VduRequest, dedicated: int, emulator: int, shared: int, memory_mib: int | None
) -> Flags:  # fmt: skip
    takes = np.ones(len(arrays.free), dtype=bool) if memory_mib is None else _takes_memory(arrays, vdu, memory_mib)
    if dedicated + emulator:
        takes &= arrays.free >= dedicated + emulator
    if dedicated and vdu.thread_policy is not ThreadPolicy.PREFER:
        takes &= _policy_rooms(arrays, vdu) >= dedicated
    if shared:
        takes &= arrays.shared >= shared
    return takes


def _cells(arrays: FleetArrays, vdu: VduRequest, rows: _Rows, verdicts: _Verdicts) -> None:
    if rows.single:
        found = arrays.hosts_with(rows.takes)
        if rows.automatic:
            verdicts.unsettle(~found & (arrays.node_count > 1))
            verdicts.require(Code.NUMA_CELLS, found | (arrays.node_count > 1))
        else:
            verdicts.require(Code.NUMA_CELLS, found)
        if not rows.exact:
            verdicts.unsettle(verdicts.open)
    else:
        verdicts.require(Code.NUMA_CELLS, arrays.per_host(rows.takes) >= rows.least)
        verdicts.unsettle(verdicts.open)


def _interfaces(arrays: FleetArrays, vdu: VduRequest, rows: _Rows, verdicts: _Verdicts) -> Flags:
    """Physical networks, VFs, their nodes and bandwidth. Returns the hosts where VFs can be on a cell's node."""
    for interface in vdu.interfaces:
        if interface.takes_nic or interface.physnet is not None:
            verdicts.require(Code.PHYSNET, arrays.hosts_with_nic(_on_physnet(arrays, interface)))
    takers = [one for one in vdu.interfaces if one.takes_nic]
    able = [_eligible(arrays, one) for one in takers]
    for nics in able:
        verdicts.require(Code.VF, arrays.hosts_with_nic(nics))
    if len(takers) > 1:
        verdicts.unsettle(verdicts.open)
    met = _meet(arrays, vdu, rows, takers, able)
    _nic_numa(arrays, vdu, rows, met, verdicts)
    if any(one.bandwidth_mbps for one in takers):
        _bandwidth(arrays, vdu, rows, takers, able, verdicts)
    return _inside(arrays, rows, takers, able)


def _on_physnet(arrays: FleetArrays, interface: InterfaceRequest) -> Flags:
    if interface.physnet is None:
        return np.ones(len(arrays.nic_host), dtype=bool)
    number = arrays.physnets.known(interface.physnet)
    return np.asarray(arrays.nic_physnet == (-2 if number is None else number))


def _eligible(arrays: FleetArrays, interface: InterfaceRequest) -> Flags:
    nics = _on_physnet(arrays, interface)
    if interface.traits:
        mask = arrays.trait_mask(interface.traits)
        nics &= arrays.nic_traits & mask == mask
    if interface.vnic_type is VnicType.DIRECT_PHYSICAL:
        return nics & arrays.nic_untouched
    return nics & (arrays.nic_vfs >= interface.vfs)


def _meet(
    arrays: FleetArrays, vdu: VduRequest, rows: _Rows, takers: list[InterfaceRequest], able: list[Flags]
) -> Flags:  # fmt: skip
    """Nodes that take a cell and satisfy every interface that insists on the cell's own node."""
    met = rows.takes.copy()
    for interface, nics in zip(takers, able, strict=True):
        if interface.numa_affinity is NumaAffinity.REQUIRED:
            met &= arrays.rows_with_nic(nics)
    if _insists_on_switch(vdu):
        met &= arrays.affine | ~arrays.has_affine_switch[arrays.row_host]
    return met


def _insists_on_switch(vdu: VduRequest) -> bool:
    return any(not one.takes_nic and one.numa_affinity is NumaAffinity.REQUIRED for one in vdu.interfaces)


def _nic_numa(arrays: FleetArrays, vdu: VduRequest, rows: _Rows, met: Flags, verdicts: _Verdicts) -> None:
    if any(one.numa_affinity is NumaAffinity.SOCKET for one in vdu.interfaces):
        verdicts.unsettle(verdicts.open)
    if not rows.single:
        return
    found = arrays.hosts_with(met)
    if rows.automatic:
        several = arrays.node_count > 1
        verdicts.unsettle(~found & several)
        found = found | several
    verdicts.require(Code.NIC_NUMA, found)


def _bandwidth(
    arrays: FleetArrays, vdu: VduRequest, rows: _Rows, takers: list[InterfaceRequest], able: list[Flags],
    verdicts: _Verdicts,
) -> None:  # fmt: skip
    fast = [
        nics & (arrays.nic_mbps >= one.bandwidth_mbps) if one.bandwidth_mbps else nics
        for one, nics in zip(takers, able, strict=True)
    ]
    for nics in fast:
        verdicts.require(Code.BANDWIDTH, arrays.hosts_with_nic(nics))
    if not rows.single:
        return
    found = arrays.hosts_with(_meet(arrays, vdu, rows, takers, fast))
    if rows.automatic:
        several = arrays.node_count > 1
        verdicts.unsettle(~found & several)
        found = found | several
    verdicts.require(Code.BANDWIDTH, found)


def _inside(arrays: FleetArrays, rows: _Rows, takers: list[InterfaceRequest], able: list[Flags]) -> Flags:
    """Hosts where some node takes a cell and has a NIC for every interface with VFs, as far as arrays can tell."""
    met = rows.takes
    for interface, nics in zip(takers, able, strict=True):
        if interface.takes_vfs:
            met = met & arrays.rows_with_nic(nics)
    return arrays.hosts_with(met)
