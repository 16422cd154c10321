"""NFVI capacity per VIM and zone (SOL005 clause 10), counted from the inventory that placement decides on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.assurance.performance import Performance
from mano.domain.nfvi import Host, HostState
from mano.domain.performance import Sample
from mano.domain.subscription import Interface
from mano.errors import NotFound
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

CAPACITY_TYPES = ("TOTAL", "ALLOCATED", "RESERVED", "AVAILABLE")


@dataclass(frozen=True, slots=True)
class Measurement:
    """NfviCapacityMeasurement. ``reserved`` is what the operator keeps for the hosts themselves."""

    resource_type: str
    name: str
    total: float = 0
    allocated: float = 0
    reserved: float = 0

    @property
    def available(self) -> float:
        """What is left for new allocations."""
        return max(self.total - self.allocated - self.reserved, 0)

    def plus(self, other: Measurement) -> Measurement:
        """Both together."""
        return Measurement(
            self.resource_type,
            self.name,
            self.total + other.total,
            self.allocated + other.allocated,
            self.reserved + other.reserved,
        )

    def of(self, capacity_type: str) -> float:
        """The value of one of :data:`CAPACITY_TYPES`."""
        values = (self.total, self.allocated, self.reserved, self.available)
        return dict(zip(CAPACITY_TYPES, values, strict=True))[capacity_type]

    def document(self) -> dict[str, Any]:
        """NfviCapacityMeasurement (SOL005 clause 10.5.3.3)."""
        return {
            "resourceType": self.resource_type,
            "capacityMeasurementName": self.name,
            "totalCapacity": self.total,
            "allocatedCapacity": self.allocated,
            "reservedCapacity": self.reserved,
            "availableCapacity": self.available,
        }


@dataclass(frozen=True, slots=True)
class VimCapacity:
    """Measurements of one VIM by zone."""

    vim_id: str
    zones: Mapping[str, Sequence[Measurement]]

    @property
    def total(self) -> Sequence[Measurement]:
        """Of all zones together."""
        return summed(measurement for zone in self.zones.values() for measurement in zone)


class Capacity:
    """What there is, what is taken and what is left."""

    def __init__(self, open_unit: UnitOfWorkFactory, vims: Iterable[str]) -> None:
        self._open_unit = open_unit
        self._vims = tuple(sorted(vims))

    def all(self) -> Sequence[VimCapacity]:
        """Every VIM; one without hosts has no zones."""
        with self._open_unit(read_only=True) as uow:
            return [_capacity(uow, vim_id) for vim_id in self._vims]

    def get(self, vim_id: str) -> VimCapacity:
        """One VIM; raises :class:`~mano.errors.NotFound`."""
        if vim_id not in self._vims:
            raise NotFound("there is no such VIM", hint=f"there are: {', '.join(self._vims)}")
        with self._open_unit(read_only=True) as uow:
            return _capacity(uow, vim_id)


class CapacityWatch:
    """Judges the thresholds on capacity."""

    def __init__(
        self, open_unit: UnitOfWorkFactory, capacity: Capacity, performance: Performance, clock: Clock
    ) -> None:
        self._open_unit = open_unit
        self._capacity = capacity
        self._performance = performance
        self._clock = clock

    def look(self) -> None:
        """Compare each threshold with the capacity of its VIM, or of the zones that it names."""
        with self._open_unit(read_only=True) as uow:
            thresholds = uow.thresholds.list(interface=Interface.NFVICI.value)
        now = self._clock.now()
        for threshold in thresholds:
            try:
                found = self._capacity.get(threshold.object_id)
            except NotFound:
                continue
            metric = threshold.details.get("capacityMetric", {})
            for zone, measured in _chosen(found, threshold.sub_object_ids):
                for one in measured:
                    if (one.resource_type, one.name) == (metric.get("resourceType"), threshold.metric):
                        value = one.of(str(metric.get("capacityType")))
                        sample = Sample(threshold.object_id, threshold.metric, value, now, sub_object_id=zone)
                        self._performance.judge(threshold, [sample], one.document())


def _chosen(found: VimCapacity, zones: Sequence[str]) -> Iterable[tuple[str, Sequence[Measurement]]]:
    """(zone or nothing for the whole VIM, its measurements)."""
    return [(zone, found.zones.get(zone, ())) for zone in zones] if zones else [("", found.total)]


def _capacity(uow: UnitOfWork, vim_id: str) -> VimCapacity:
    ours = {stored.host.name for stored in uow.hosts.list() if stored.vim_id == vim_id}
    zones: dict[str, list[Measurement]] = defaultdict(list)
    for host in uow.hosts.inventory().hosts:
        if host.name in ours and host.state is not HostState.DOWN:
            zones[host.zone] += measure(host)
    return VimCapacity(vim_id, {zone: summed(found) for zone, found in sorted(zones.items())})


def summed(measurements: Iterable[Measurement]) -> Sequence[Measurement]:
    """Those of the same name added up, in the order of their first."""
    found: dict[tuple[str, str], Measurement] = {}
    for one in measurements:
        key = (one.resource_type, one.name)
        found[key] = found[key].plus(one) if key in found else one
    return list(found.values())


def measure(host: Host) -> list[Measurement]:
    """What one host has: CPUs, memory, huge pages of each size, storage, virtual functions."""
    cells = [cell for held in host.allocations for cell in held.cells]
    cpus = sum(len(core) for node in host.numa_nodes for core in node.cores)
    reserved = len(host.reserved_cpus) + len(host.shared_cpus)
    measured = [
        Measurement(
            "VR_COMPUTE", "dedicatedCpus", cpus, sum(len(set(held.held_cpus())) for held in host.allocations), reserved
        ),
        Measurement(
            "VR_COMPUTE",
            "memoryMib",
            sum(node.memory_mib for node in host.numa_nodes),
            sum(cell.memory_mib for cell in cells),
            sum(node.reserved_memory_mib for node in host.numa_nodes),
        ),
    ]
    for size in sorted({size for node in host.numa_nodes for size in node.hugepages}):
        measured.append(
            Measurement(
                "VR_COMPUTE",
                f"hugepages{size}Kib",
                sum(node.hugepages.get(size, 0) for node in host.numa_nodes),
                sum(cell.memory_mib * 1024 // size for cell in cells if cell.page_size_kib == size),
                sum(node.reserved_hugepages.get(size, 0) for node in host.numa_nodes),
            )
        )
    storage = sum(held.storage_gib for held in host.allocations)
    vfs = sum(len(placed.vfs) for held in host.allocations for placed in held.interfaces.values())
    return [
        *measured,
        Measurement("VR_STORAGE", "storageGib", host.storage_gib, storage),
        Measurement("VR_NETWORK", "virtualFunctions", sum(nic.total_vfs for nic in host.nics), vfs),
        Measurement("HOST_COMPUTE", "hosts", 1, 1 if host.allocations else 0),
    ]
