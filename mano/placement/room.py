"""Whether an allocation that was decided earlier still finds its place free."""

from __future__ import annotations

from collections import Counter

from dpdk_helpers.cpuset import mask_of
from mano.domain.nfvi import Allocation, Host
from mano.placement.free import FreeHost, FreeHosts


def has_room(host: Host, allocation: Allocation) -> bool:
    """Whether every CPU, page, VF and GiB of `allocation` is free on the host as it is now."""
    return has_room_on(FreeHosts().of(host), allocation)


def has_room_on(free: FreeHost, allocation: Allocation) -> bool:
    """The same of what is left of a host."""
    return allocation.storage_gib <= free.storage_gib and _nodes(free, allocation) and _nics(free, allocation)


def _nodes(free: FreeHost, allocation: Allocation) -> bool:
    nodes = {node.id: node for node in free.nodes}
    for cell in allocation.cells:
        node = nodes.get(cell.node)
        if node is None or mask_of(cell.cpus) & ~node.free or cell.shared_vcpus > node.shared_left:
            return False
        if not node.takes_memory(cell.memory_mib, cell.page_size_kib):
            return False
    everything = sum(node.free for node in free.nodes)
    return not mask_of((*allocation.emulator_cpus, *allocation.blocked_cpus)) & ~everything


def _nics(free: FreeHost, allocation: Allocation) -> bool:
    nics = {nic.nic.pci: nic for nic in free.nics}
    load: Counter[str] = Counter()
    for interface in allocation.interfaces.values():
        if interface.pci is None:
            continue
        nic = nics.get(interface.pci)
        if nic is None or nic.gone or mask_of(interface.vfs) & ~nic.vfs or (interface.whole_nic and not nic.untouched):
            return False
        load[interface.pci] += interface.bandwidth_mbps
        if load[interface.pci] and (nic.mbps is None or load[interface.pci] > nic.mbps):
            return False
    return True
