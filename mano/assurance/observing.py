"""Observers: each looks at one kind of thing and tells every cause for an alarm that it sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from mano.domain.alarm import AlarmLevel, EventType, FaultyResourceType, PerceivedSeverity
from mano.domain.alarm_causes import Cause
from mano.domain.vnf_instance import InstantiationState, VnfcResource, VnfInstance, VnfOperationalState
from mano.errors import CatenaError
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.service_paths import Drift
from mano.ports.vim import VimDriver

HOSTS, VNFCS, BRIDGES, PAGES, DISK, CERTIFICATES = "host", "vnfc", "bridge", "hugepages", "disk", "certificate"
"""Names of the observers: the beginnings of their alarms' keys."""

PAGES_SHORT = 0.95
"""Share of a host's huge pages in use from which on they are short."""

DISK_SHORT, DISK_FULL = 0.10, 0.03
"""Free share of the data directory's file system below which it is short, and critically so."""

CERTIFICATE_WARNING, CERTIFICATE_MAJOR = timedelta(days=30), timedelta(days=7)

S, E, R, L = PerceivedSeverity, EventType, FaultyResourceType, AlarmLevel


class Observer(Protocol):
    """Looks at one or several kinds of things."""

    def look(self) -> Mapping[str, Sequence[Cause]]:
        """Name of the kind to every cause that is seen of it now."""


@dataclass(frozen=True, slots=True)
class Living:
    """The VNF instances that shall run, and where; those that an operation changes just now are left out."""

    instances: tuple[VnfInstance, ...]
    vim_of_host: Mapping[str, str]

    def vnfcs(self) -> Iterator[tuple[VnfInstance, VnfcResource]]:
        """Every VNFC that shall run."""
        for instance in self.instances:
            for vnfc in instance.vnfcs:
                if vnfc.state is VnfOperationalState.STARTED:
                    yield instance, vnfc


def living(uow: UnitOfWork) -> Living:
    """What shall run now."""
    hosts = {stored.host.name: stored.vim_id for stored in uow.hosts.list()}
    instances = uow.vnf_instances.list(instantiation_state=InstantiationState.INSTANTIATED.value)
    quiet = tuple(instance for instance in instances if not _is_changing(uow, instance))
    return Living(quiet, hosts)


def _is_changing(uow: UnitOfWork, instance: VnfInstance) -> bool:
    owners = (instance.id, instance.ns_instance_id)
    return any(owner and uow.operations.active(owner) is not None for owner in owners)


class InstanceObserver:
    """Hosts that do not answer, and VNFCs that do not run."""

    def __init__(self, open_unit: UnitOfWorkFactory, vims: Mapping[str, VimDriver]) -> None:
        self._open_unit = open_unit
        self._vims = vims

    def look(self) -> Mapping[str, Sequence[Cause]]:
        """Observer's name to its causes. What changed while we looked is judged the next time."""
        with self._open_unit(read_only=True) as uow:
            before = living(uow)
        dead = {host: why for host, vim in before.vim_of_host.items() if (why := self._silence(vim, host))}
        ended = {
            vnfc.id: why
            for _, vnfc in before.vnfcs()
            if vnfc.host not in dead and (why := self._end(before.vim_of_host.get(vnfc.host, ""), vnfc))
        }
        with self._open_unit(read_only=True) as uow:
            after = {instance.id: instance.generation for instance in living(uow).instances}
        settled = tuple(found for found in before.instances if after.get(found.id) == found.generation)
        now = Living(settled, before.vim_of_host)
        return {HOSTS: list(host_causes(now, dead)), VNFCS: list(vnfc_causes(now, ended))}

    def _silence(self, vim_id: str, host: str) -> str:
        """Why a host is out of reach; nothing when it answers, or when nobody can say."""
        if vim_id not in self._vims:
            return ""
        try:
            status = self._vims[vim_id].host_status(host)
        except CatenaError as error:
            return error.detail
        return "" if status.reachable else (status.detail or "it does not answer")

    def _end(self, vim_id: str, vnfc: VnfcResource) -> str:
        if vim_id not in self._vims:
            return ""
        try:
            status = self._vims[vim_id].compute_status(vnfc.compute_id, vnfc.host)
        except CatenaError:
            return ""  # the host will be found silent
        return "" if status.state in ("running", "starting") else f"{status.state}: {status.detail}".rstrip(": ")


def host_causes(now: Living, dead: Mapping[str, str]) -> Iterator[Cause]:
    """An alarm for each silent host, each VNF that has a VNFC there, and each NS of these."""
    for host, why in sorted(dead.items()):
        root = f"{HOSTS}/{host}"
        yield Cause(
            key=root,
            level=L.NFVI,
            managed_object_id=host,
            severity=S.CRITICAL,
            event_type=E.EQUIPMENT,
            probable_cause="host-unreachable",
            details=(why,),
            resource_type=R.COMPUTE,
            resource_id=host,
        )
        touched = [instance for instance in now.instances if any(vnfc.host == host for vnfc in instance.vnfcs)]
        yield from _of_vnfs(touched, root, "host-unreachable", E.EQUIPMENT, host)


def vnfc_causes(now: Living, ended: Mapping[str, str]) -> Iterator[Cause]:
    """An alarm for each VNF with a VNFC that does not run, and for its NS."""
    for instance in now.instances:
        lost = {vnfc.id: vnfc for vnfc in instance.vnfcs if vnfc.id in ended}
        for vnfc in lost.values():
            root = f"{VNFCS}/{vnfc.id}"
            yield Cause(
                key=root,
                level=L.VNF,
                managed_object_id=instance.id,
                tenant_id=instance.tenant_id,
                severity=S.CRITICAL,
                event_type=E.PROCESSING_ERROR,
                probable_cause="vnfc-not-running",
                details=(f"VNFC {vnfc.vdu_id}/{vnfc.index} on host {vnfc.host}: {ended[vnfc.id]}",),
                resource_type=R.COMPUTE,
                resource_id=vnfc.compute_id,
                component=vnfc.id,
            )
            if instance.ns_instance_id:
                yield _of_ns(instance, root, "vnfc-not-running", E.PROCESSING_ERROR, vnfc.compute_id)


def _of_vnfs(instances: Sequence[VnfInstance], root: str, why: str, kind: EventType, resource: str) -> Iterator[Cause]:
    services: set[str] = set()
    for instance in instances:
        yield Cause(
            key=f"{root}/vnf/{instance.id}",
            level=L.VNF,
            managed_object_id=instance.id,
            tenant_id=instance.tenant_id,
            severity=S.CRITICAL,
            event_type=kind,
            probable_cause=why,
            resource_type=R.COMPUTE,
            resource_id=resource,
            root=root,
        )
        if instance.ns_instance_id and instance.ns_instance_id not in services:
            services.add(instance.ns_instance_id)
            yield _of_ns(instance, root, why, kind, resource)


def _of_ns(instance: VnfInstance, root: str, why: str, kind: EventType, resource: str) -> Cause:
    return Cause(
        key=f"{root}/ns/{instance.ns_instance_id}",
        level=L.NS,
        managed_object_id=instance.ns_instance_id,
        tenant_id=instance.tenant_id,
        severity=S.MAJOR,
        event_type=kind,
        probable_cause=why,
        resource_type=R.COMPUTE,
        resource_id=resource,
        component=instance.id,
        root=root,
    )


class BridgeObserver:
    """Bridges that differ from what was programmed."""

    def __init__(self, open_unit: UnitOfWorkFactory, drift: Callable[[], Sequence[Drift]]) -> None:
        self._open_unit = open_unit
        self._drift = drift

    def look(self) -> Mapping[str, Sequence[Cause]]:
        """One cause for each bridge, and one for each NS that has a chain through it."""
        drifted = [found for found in self._drift() if found.missing or found.foreign]
        if not drifted:
            return {BRIDGES: []}
        with self._open_unit(read_only=True) as uow:
            chains = uow.chains.list()
        through: dict[str, dict[str, str]] = {}
        for chain in chains:
            for hop in (hop for path in chain.paths for hop in path.get("hops", ())):
                if chain.ns_instance_id:
                    through.setdefault(str(hop.get("host")), {})[chain.ns_instance_id] = chain.tenant_id
        return {BRIDGES: [cause for found in drifted for cause in bridge_causes(found, through.get(found.host, {}))]}


def bridge_causes(found: Drift, services: Mapping[str, str]) -> Iterator[Cause]:
    """``services`` maps the NS instances with a chain through the bridge to their tenants."""
    root = f"{BRIDGES}/{found.host}"
    details = (f"{len(found.missing)} flows are missing, {len(found.foreign)} are not ours",)
    yield Cause(
        key=root,
        level=L.NFVI,
        managed_object_id=found.host,
        severity=S.MAJOR,
        event_type=E.COMMUNICATIONS,
        probable_cause="flow-table-drift",
        details=details,
        resource_type=R.NETWORK,
        resource_id=found.host,
    )
    for ns_id, tenant_id in sorted(services.items()):
        yield Cause(
            key=f"{root}/ns/{ns_id}",
            level=L.NS,
            managed_object_id=ns_id,
            tenant_id=tenant_id,
            severity=S.MAJOR,
            event_type=E.COMMUNICATIONS,
            probable_cause="flow-table-drift",
            details=details,
            resource_type=R.NETWORK,
            resource_id=found.host,
            root=root,
        )


class ResourceObserver:
    """What runs short: huge pages, the disk below the data, the time until certificates end."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        clock: Clock,
        disk: Callable[[], tuple[int, int]],
        certificates: Callable[[], Mapping[str, datetime]],
    ) -> None:
        self._open_unit = open_unit
        self._clock = clock
        self._disk = disk
        self._certificates = certificates

    def look(self) -> Mapping[str, Sequence[Cause]]:
        """The causes of each of the three."""
        total, free = self._disk()
        ends = self._certificates()
        return {
            PAGES: list(self._pages()),
            DISK: list(disk_causes(total, free)),
            CERTIFICATES: list(certificate_causes(ends, self._clock.now())),
        }

    def _pages(self) -> Iterator[Cause]:
        with self._open_unit(read_only=True) as uow:
            inventory = uow.hosts.inventory()
        for host in inventory.hosts:
            for node in host.numa_nodes:
                used: dict[int, int] = {}
                for cell in (cell for held in host.allocations for cell in held.cells if cell.node == node.id):
                    if cell.page_size_kib in node.hugepages:
                        used[cell.page_size_kib] = (
                            used.get(cell.page_size_kib, 0) + cell.memory_mib * 1024 // cell.page_size_kib
                        )
                for size, count in node.hugepages.items():
                    usable = count - node.reserved_hugepages.get(size, 0)
                    yield from pages_causes(host.name, node.id, size, usable, used.get(size, 0))


def pages_causes(host: str, node: int, size_kib: int, usable: int, used: int) -> Iterator[Cause]:
    """A warning when nearly all huge pages of a size are in use on a NUMA node."""
    if usable <= 0 or used / usable < PAGES_SHORT:
        return
    yield Cause(
        key=f"{PAGES}/{host}/{node}/{size_kib}",
        level=L.NFVI,
        managed_object_id=host,
        severity=S.WARNING,
        event_type=E.QOS,
        probable_cause="hugepages-short",
        details=(f"{used} of {usable} huge pages of {size_kib} KiB are in use on NUMA node {node}",),
        resource_type=R.COMPUTE,
        resource_id=host,
    )


def disk_causes(total: int, free: int) -> Iterator[Cause]:
    """A warning when the file system of the data directory is nearly full, critical when it almost is."""
    if total <= 0 or free / total >= DISK_SHORT:
        return
    yield Cause(
        key=f"{DISK}/data",
        level=L.NFVI,
        managed_object_id="data-directory",
        severity=S.CRITICAL if free / total < DISK_FULL else S.WARNING,
        event_type=E.EQUIPMENT,
        probable_cause="disk-short",
        details=(f"{100 * free // total} % of the file system below the data directory are free",),
        resource_type=R.STORAGE,
        resource_id="data-directory",
    )


def certificate_causes(ends: Mapping[str, datetime], now: datetime) -> Iterator[Cause]:
    """An alarm for each certificate that ends within 30 days; major within 7, critical when it has ended."""
    for name, end in sorted(ends.items()):
        left = end - now
        if left > CERTIFICATE_WARNING:
            continue
        severity = S.CRITICAL if left <= timedelta() else S.MAJOR if left <= CERTIFICATE_MAJOR else S.WARNING
        yield Cause(
            key=f"{CERTIFICATES}/{name}",
            level=L.NFVI,
            managed_object_id=name,
            severity=severity,
            event_type=E.ENVIRONMENTAL,
            probable_cause="certificate-ends",
            details=(f"the certificate '{name}' ends at {end.isoformat(timespec='minutes')}",),
        )
