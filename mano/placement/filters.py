"""Why a host cannot take a VDU: one small function per reason, in the order in which reasons count.

Each says what is short and by how much. CPUs, memory and pages are first summed over the whole host; whether they lie
on the right nodes is NUMA_CELLS. A filter assumes that those before it passed. All of them are entry points of the
group `catena.placement.filters`, ours by the name of their code; a third party's is a function of a `FreeHost` and a
`VduRequest` that returns a `Refusal` with a code of its own, or None, and is asked about hosts that pass all of ours.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from mano.domain.nfvi import SMALL_PAGE_KIB, HostState
from mano.placement.cells import rooms_of
from mano.placement.free import FreeHost
from mano.placement.nics import NicDemand, attach, eligible, on_physnet
from mano.placement.numa import fit, fits_cells
from mano.placement.request import EmulatorThreads, PageClass, ThreadPolicy, VduRequest, VnicType
from mano.placement.result import Code, pages_code

GROUP = "catena.placement.filters"
DEFAULT_HUGE_PAGE_KIB = 2048

_CODE = re.compile(r"[A-Z0-9_]{1,64}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The code under which a host counts, and by how much each resource is short."""

    code: str
    short: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _CODE.fullmatch(self.code):
            raise ValueError(f"a code is 1 to 64 capital letters, digits and underscores, not {self.code!r:.60}")


Filter = Callable[[FreeHost, VduRequest], Refusal | None]


def _short(code: str, needed: int, there: int) -> Refusal | None:
    return Refusal(code, {code: needed - there}) if there < needed else None


def host_state(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return None if host.host.state is HostState.ENABLED else Refusal(Code.HOST_STATE)


def label(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    labels = host.host.labels
    return None if all(labels.get(key) == value for key, value in vdu.requires.items()) else Refusal(Code.LABEL)


def zone(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return None if not vdu.zones or host.host.zone in vdu.zones else Refusal(Code.ZONE)


def emulator_cpus(vdu: VduRequest) -> int:
    return int(vdu.emulator_threads is EmulatorThreads.ISOLATE)


def cpu_dedicated(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    needed = vdu.dedicated_count + emulator_cpus(vdu)
    return _short(Code.CPU_DEDICATED, needed, sum(node.free_count for node in host.nodes))


def cpu_shared(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return _short(Code.CPU_SHARED, vdu.shared_count, sum(node.shared_left for node in host.nodes))


def thread_policy(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    if vdu.thread_policy is ThreadPolicy.PREFER or not vdu.dedicated_count:
        return None
    if vdu.thread_policy is ThreadPolicy.REQUIRE and not host.has_threads:
        return Refusal(Code.THREAD_POLICY)
    there = sum(rooms_of(node, vdu)[0] for node in host.nodes)
    return _short(Code.THREAD_POLICY, vdu.dedicated_count, there)


def memory(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    if vdu.page_size not in (PageClass.SMALL, PageClass.ANY, SMALL_PAGE_KIB):
        return None
    return _short(Code.MEMORY, vdu.memory_mib, sum(rooms_of(node, vdu)[2] for node in host.nodes))


def pages(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    """Short in pages; those of class large count as pages of 2 MiB."""
    size = DEFAULT_HUGE_PAGE_KIB if vdu.page_size is PageClass.LARGE else vdu.page_size
    if isinstance(size, PageClass) or size == SMALL_PAGE_KIB:
        return None
    if vdu.page_size is PageClass.LARGE:
        there = sum(rooms_of(node, vdu)[2] for node in host.nodes) * 1024 // size
    else:
        there = sum(node.pages.get(size, 0) for node in host.nodes)
    return _short(pages_code(size), -(-vdu.memory_mib * 1024 // size), there)


def numa_cells(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return None if fits_cells(host, vdu) else Refusal(Code.NUMA_CELLS)


def storage(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return _short(Code.STORAGE, vdu.storage_gib, host.storage_gib)


def physnet(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    """A port of the virtual switch needs its physical network on the host too."""
    for interface in vdu.interfaces:
        wanted = interface.takes_nic or interface.physnet is not None
        if wanted and not any(on_physnet(nic, interface) for nic in host.nics):
            return Refusal(Code.PHYSNET)
    return None


def vf(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    nodes = frozenset(node.id for node in host.nodes)
    if attach(host, vdu.interfaces, nodes, demand=NicDemand(numa=False, bandwidth=False)) is not None:
        return None
    return Refusal(Code.VF, {Code.VF: _vfs_short(host, vdu)})


def _vfs_short(host: FreeHost, vdu: VduRequest) -> int:
    """VFs missing on the NIC that comes closest, for the interface that lacks most; 1 if all are served one by one."""
    missing = 1
    for interface in vdu.interfaces:
        if not interface.takes_nic or any(eligible(nic, interface) for nic in host.nics):
            continue
        wanted = interface.vfs if interface.vnic_type is not VnicType.DIRECT_PHYSICAL else 1
        suited = [nic for nic in host.nics if on_physnet(nic, interface) and interface.traits <= nic.nic.traits]
        best = max((nic.vf_count for nic in suited), default=0) if interface.takes_vfs else 0
        missing = max(missing, wanted - best)
    return missing


def nic_numa(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    return None if fit(host, vdu, demand=NicDemand(bandwidth=False)) is not None else Refusal(Code.NIC_NUMA)


def bandwidth(host: FreeHost, vdu: VduRequest) -> Refusal | None:
    if not any(one.takes_nic and one.bandwidth_mbps for one in vdu.interfaces) or fit(host, vdu) is not None:
        return None
    return Refusal(Code.BANDWIDTH, {Code.BANDWIDTH: _mbps_short(host, vdu)})


def _mbps_short(host: FreeHost, vdu: VduRequest) -> int:
    missing = 1
    for interface in vdu.interfaces:
        if interface.takes_nic:
            rates = [nic.mbps or 0 for nic in host.nics if eligible(nic, interface)]
            missing = max(missing, interface.bandwidth_mbps - max(rates, default=0))
    return missing


def first_refusal(filters: Sequence[Filter], host: FreeHost, vdu: VduRequest) -> Refusal | None:
    for one in filters:
        refusal = one(host, vdu)
        if refusal is not None:
            return refusal
    return None
