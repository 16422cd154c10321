"""What would have to be freed on a host that came near: the host as if others held a little less, tried in earnest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice, product

from dpdk_helpers.cpuset import cpus_of, mask_of
from mano.placement.engine import Engine
from mano.placement.free import FreeHost, FreeNic, FreeNode
from mano.placement.misses import Diagnosis
from mano.placement.numa import fit
from mano.placement.request import VduRequest
from mano.placement.result import Code

MAX_TRIES = 64
"""Ways to free what is short that are tried on one host."""

MORE_FOR_WHOLE_CORES = 8
"""CPUs beyond the missing ones that may have to be freed until cores are whole."""

UNITS = {
    Code.CPU_DEDICATED: "dedicated CPUs",
    Code.THREAD_POLICY: "dedicated CPUs",
    Code.CPU_SHARED: "shared vCPUs",
    Code.MEMORY: "MiB",
    Code.STORAGE: "GiB of storage",
    Code.VF: "VFs",
    Code.BANDWIDTH: "Mbit/s",
}


@dataclass(frozen=True, slots=True)
class Freed:
    """A host with a little less on it, and what that is."""

    host: FreeHost
    text: str

    @property
    def verb(self) -> str:
        return "was" if self.text.startswith("1 ") and " and " not in self.text else "were"


def what_to_free(engine: Engine, vdu: VduRequest, diagnosis: Diagnosis) -> Iterator[str]:
    """For the nearest of the hosts that came near what would have to be freed there; verified by fitting again."""
    board = engine.board
    bounds = board.groups.bounds(vdu.id, board.seats)
    for miss in diagnosis.nearest:
        position = engine.fleet.inventory.position(miss.host)
        if board.chains.refusal(vdu.id, miss.host, board.places) is not None:
            continue
        for freed in islice(_ways(engine.fleet.hosts[position], miss.short), MAX_TRIES):
            enough = freed.host.storage_gib >= vdu.storage_gib
            if enough and fit(freed.host, vdu, bounds.rules_at(position), effort=engine.effort) is not None:
                yield f"{freed.text} on {miss.host} {freed.verb} freed"
                return


def _ways(host: FreeHost, short: Mapping[str, int]) -> Iterator[Freed]:
    """The host with all that is short freed, in all ways; where whole cores are, CPUs are freed only for these."""
    codes = sorted(code for code in short if code != Code.CPU_DEDICATED or Code.THREAD_POLICY not in short)
    steps = [list(_changes(host, code, short[code])) for code in codes]
    for chosen in product(*steps):
        changed = host
        for change in chosen:
            changed = change.on(changed)
        yield Freed(changed, " and ".join(change.text for change in chosen))


@dataclass(frozen=True, slots=True)
class _Change:
    """One thing that is freed: on a node, on a NIC, or storage."""

    text: str
    node: int | None = None
    nic: str | None = None
    cpus: int = 0
    shared: int = 0
    small_mib: int = 0
    pages: tuple[int, int] = (0, 0)
    vfs: int = 0
    mbps: int = 0
    storage_gib: int = 0

    def on(self, host: FreeHost) -> FreeHost:
        return replace(
            host,
            nodes=tuple(self._on_node(node) if node.id == self.node else node for node in host.nodes),
            nics=tuple(self._on_nic(nic) if nic.nic.pci == self.nic else nic for nic in host.nics),
            storage_gib=host.storage_gib + self.storage_gib,
        )

    def _on_node(self, node: FreeNode) -> FreeNode:
        size, count = self.pages
        pages = {**node.pages, size: node.pages.get(size, 0) + count} if count else node.pages
        return FreeNode(
            node.shape, node.free | self.cpus, node.shared_left + self.shared, node.small_mib + self.small_mib, pages
        )

    def _on_nic(self, nic: FreeNic) -> FreeNic:
        mbps = None if nic.mbps is None else nic.mbps + self.mbps
        return FreeNic(nic.nic, nic.vfs | self.vfs, mbps, nic.untouched, nic.gone)


def _changes(host: FreeHost, code: str, missing: int) -> Iterator[_Change]:
    """The places where that much can be freed; nothing for what nobody holds."""
    if code.startswith("PAGES_"):
        yield from _pages(host, int(code.removeprefix("PAGES_")), missing)
    elif code in UNITS:
        text = _counted(missing, UNITS[Code(code)])
        yield from _BY_CODE[Code(code)](host, missing, text)


def _counted(number: int, things: str) -> str:
    one = number == 1 and things != UNITS[Code.BANDWIDTH]
    return f"{number} {things.removesuffix('s') if one else things}"


def _pages(host: FreeHost, size: int, missing: int) -> Iterator[_Change]:
    for shape, node in zip(host.host.numa_nodes, host.nodes, strict=True):
        usable = shape.hugepages.get(size, 0) - shape.reserved_hugepages.get(size, 0)
        if usable - node.pages.get(size, 0) >= missing:
            yield _Change(f"{_counted(missing, 'pages')} of {size} KiB", node=node.id, pages=(size, missing))


def _cpus(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    for node in host.nodes:
        held = _by_core(node)
        if len(held) >= missing:
            yield _Change(text, node=node.id, cpus=mask_of(held[:missing]))


def _whole_cores(host: FreeHost, missing: int, _: str) -> Iterator[_Change]:
    for count in range(1, missing + MORE_FOR_WHOLE_CORES):
        for node in host.nodes:
            held = _by_core(node)
            if len(held) >= count:
                yield _Change(_counted(count, UNITS[Code.THREAD_POLICY]), node=node.id, cpus=mask_of(held[:count]))


def _by_core(node: FreeNode) -> list[int]:
    """Held CPUs, those first whose core lacks fewest of them."""
    held = node.shape.dedicated & ~node.free
    cores = sorted(node.shape.cores, key=lambda core: ((core & held).bit_count(), core & -core))
    return [cpu for core in cores for cpu in cpus_of(core & held)]


def _shared(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    for node in host.nodes:
        if node.shape.shared_capacity - node.shared_left >= missing:
            yield _Change(text, node=node.id, shared=missing)


def _memory(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    for shape, node in zip(host.host.numa_nodes, host.nodes, strict=True):
        usable = shape.memory_mib - shape.hugepage_memory_mib - shape.reserved_memory_mib
        if usable - node.small_mib >= missing:
            yield _Change(text, node=node.id, small_mib=missing)


def _storage(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    if host.host.storage_gib - host.storage_gib >= missing:
        yield _Change(text, storage_gib=missing)


def _vfs(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    for nic in host.nics:
        held = ((1 << nic.nic.total_vfs) - 1) & ~nic.vfs
        if held.bit_count() >= missing and not nic.gone:
            yield _Change(text, nic=nic.nic.pci, vfs=mask_of(cpus_of(held)[:missing]))


def _bandwidth(host: FreeHost, missing: int, text: str) -> Iterator[_Change]:
    for nic in host.nics:
        if nic.mbps is not None and (nic.nic.link_mbps or 0) - nic.mbps >= missing:
            yield _Change(text, nic=nic.nic.pci, mbps=missing)


_BY_CODE = {
    Code.CPU_DEDICATED: _cpus,
    Code.THREAD_POLICY: _whole_cores,
    Code.CPU_SHARED: _shared,
    Code.MEMORY: _memory,
    Code.STORAGE: _storage,
    Code.VF: _vfs,
    Code.BANDWIDTH: _bandwidth,
}
