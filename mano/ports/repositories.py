"""The store as the use cases see it: repositories in a unit of work.

Everything of a user's has a tenant; a read with the wrong tenant finds nothing. A unit of work is one transaction:
left normally it commits, left by an exception it rolls back, and its events become visible with its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence, Set
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, TypeVar

from mano.domain.alarm import Alarm
from mano.domain.auto_scaling import AutoScaling
from mano.domain.catalogue import Package
from mano.domain.events import Event
from mano.domain.grant import Grant
from mano.domain.lcm_op_occ import LcmOpOcc, StepRecord
from mano.domain.nfvi import Host, Inventory
from mano.domain.ns_instance import Network, NsInstance, Reservation, ServiceChain
from mano.domain.performance import PmJob, PmReport, Threshold, UsageRecord
from mano.domain.port_chains import FlowClassifier, LogicalPort, PortChain, PortPair, PortPairGroup, ServiceGraph
from mano.domain.quota import Quota
from mano.domain.subscription import Subscription
from mano.domain.vnf_instance import VnfInstance
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import VnfSnapshotPackage
from mano.ports.notifier import Deliveries

T = TypeVar("T")


class Repository(Protocol[T]):
    """All resources of one kind.

    ``tenant_id=None`` reads across tenants: for operators and the engine only.
    """

    def get(self, id: str, tenant_id: str | None = None) -> T:
        """The resource; raises :class:`~mano.errors.NotFound`."""

    def find(self, id: str, tenant_id: str | None = None) -> T | None:
        """The resource or ``None``."""

    def add(self, value: T) -> None:
        """Store a new one; raises :class:`~mano.errors.AlreadyExists`."""

    def save(self, value: T) -> T:
        """Replace it if its generation is still the stored one (else :class:`~mano.errors.StaleGeneration`).

        Returns the value with its new generation.
        """

    def remove(self, id: str) -> None:
        """Delete it; nothing to do when it is gone."""

    def list(
        self, tenant_id: str | None = None, *, after: str = "", limit: int | None = None, **equals: Any
    ) -> Sequence[T]:
        """Resources in order of their identifiers, those after ``after``; ``equals`` compares indexed columns."""


class Operations(Repository[LcmOpOcc], Protocol):
    """Operation occurrences and their steps.

    Adding an occurrence, and saving it in a new state, appends the event that says so: no state changes unseen.
    ``steps`` are written by :meth:`record_step` alone; ``add`` and ``save`` leave them as they are.
    :meth:`add` raises :class:`~mano.errors.OperationInProgress` while another operation owns the instance.
    """

    def active(self, instance_id: str) -> LcmOpOcc | None:
        """The operation that owns the instance now (any state that has not ended)."""

    def record_step(self, op_id: str, step: StepRecord) -> None:
        """Insert the step's record or replace the one of the same name."""


NO_NODE = -1
"""Stands for what a host has only once, such as storage and NICs of unknown node, where its nodes are counted."""


@dataclass(frozen=True, slots=True)
class HostGenerations:
    """How often a host changed as a whole, and what lies on each of its NUMA nodes (0 times where none is given)."""

    whole: int
    nodes: Mapping[int, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Changes of any kind: the host's generation."""
        return self.whole + sum(self.nodes.values())


@dataclass(frozen=True, slots=True)
class StoredHost:
    """A host with its place in the store; ``generation`` grows by one with every change of host or allocations.

    ``host.allocations`` holds what the operator's inventory declared, and nothing of Catena's own reservations.
    """

    host: Host
    vim_id: str
    generation: int = 0
    dataplane: Mapping[str, Any] = field(default_factory=dict)
    """What the VIM last told of the host as a forwarder: fields of :class:`mano.ports.vim.Dataplane`; may be empty."""
    node_generations: Mapping[int, int] = field(default_factory=dict, compare=False)
    """How often what lies on each NUMA node changed, a part of ``generation``; never written from here."""


class Hosts(Protocol):
    """The NFVI: hosts of all VIMs and the links between them."""

    def get(self, name: str) -> StoredHost:
        """Raises :class:`~mano.errors.NotFound`."""

    def list(self) -> Sequence[StoredHost]:
        """In order of their names."""

    def put(self, host: StoredHost) -> StoredHost:
        """Insert, or replace if the generation is still the stored one."""

    def remove(self, name: str) -> None:
        """Delete the host and the links that end there."""

    def put_links(self, links: Sequence[Mapping[str, Any]], of_hosts: Set[str] | None = None) -> None:
        """Replace the underlay's links (as in an Inventory document: a, b, mbps, latencyUs).

        With `of_hosts` only the links that end at one of these hosts go, and those between ends that are given anew.
        """

    def inventory(self) -> Inventory:
        """All hosts with their own and all reserved allocations, and the links: what placement decides on."""

    def generations(self) -> Mapping[str, HostGenerations]:
        """Of each host; to be read before the inventory that they are to stand for."""

    def touch(self, name: str, generation: int) -> None:
        """Advance the host's generation; raises :class:`~mano.errors.StaleGeneration` when it moved meanwhile."""

    def touch_nodes(self, name: str, seen: HostGenerations, nodes: Collection[int]) -> None:
        """Advance the generations of these nodes (NO_NODE for what belongs to none) and leave the others alone.

        Raises :class:`~mano.errors.StaleGeneration` when one of them moved meanwhile, or the host as a whole.
        """


class Outbox(Protocol):
    """Events in commit order: one with a smaller sequence never appears after one with a greater was read."""

    def append(self, event: Event) -> None:
        """Store an event in this transaction."""

    def after(self, sequence: int, limit: int = 500, tenant_id: str | None = None) -> Sequence[Event]:
        """Events with a greater sequence, in order."""

    def bounds(self) -> tuple[int, int]:
        """(oldest kept, newest) sequence; (0, 0) when empty."""

    def prune(self, before: datetime) -> int:
        """Forget events that occurred earlier, all but the newest; how many."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A name held by one owner until it expires; ``token`` grows each time that it changes hands (fencing)."""

    name: str
    owner: str
    token: int
    expires_at: datetime


class Leases(Protocol):
    """Leases with a fencing number, judged by the database's clock."""

    def take(self, name: str, owner: str, ttl_s: float, *, force: bool = False) -> Lease | None:
        """Take or renew ownership; ``None`` while somebody else holds it."""

    def keep(self, lease: Lease, ttl_s: float) -> bool:
        """Extend it; False when it was lost."""

    def release(self, lease: Lease) -> None:
        """Give it back."""


class Numbers(Protocol):
    """Unique small numbers (SPIs, VNIs, chain numbers), not given out again before a quarantine is over."""

    def allocate(self, pool: str, key: str, first: int, last: int) -> int:
        """The number of ``key`` in the pool: the one it has, else a free one. Raises :class:`~mano.errors.Refused`."""

    def release(self, pool: str, key: str) -> None:
        """Give the key's number back; it rests for the quarantine."""


class UnitOfWork(Protocol):
    """One transaction over everything that is stored."""

    packages: Repository[Package]
    vnf_instances: Repository[VnfInstance]
    vnf_snapshots: Repository[VnfSnapshot]
    vnf_snapshot_packages: Repository[VnfSnapshotPackage]
    ns_instances: Repository[NsInstance]
    networks: Repository[Network]
    chains: Repository[ServiceChain]
    reservations: Repository[Reservation]
    grants: Repository[Grant]
    alarms: Repository[Alarm]
    logical_ports: Repository[LogicalPort]
    port_pairs: Repository[PortPair]
    port_pair_groups: Repository[PortPairGroup]
    flow_classifiers: Repository[FlowClassifier]
    port_chains: Repository[PortChain]
    service_graphs: Repository[ServiceGraph]
    subscriptions: Repository[Subscription]
    pm_jobs: Repository[PmJob]
    pm_reports: Repository[PmReport]
    thresholds: Repository[Threshold]
    quotas: Repository[Quota]
    auto_scaling: Repository[AutoScaling]
    usage_records: Repository[UsageRecord]
    deliveries: Deliveries
    operations: Operations
    hosts: Hosts
    outbox: Outbox
    leases: Leases
    numbers: Numbers

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run ``call`` once the transaction has committed; never when it rolls back."""


class UnitOfWorkFactory(Protocol):
    """Opens a transaction: ``with open_unit() as uow: ...``.

    A ``read_only`` one sees a single moment, never waits for a writer and cannot write: use it for every query.
    A writing one is exclusive on SQLite, so decide before it is opened, or keep it short.
    """

    def __call__(self, *, read_only: bool = False) -> AbstractContextManager[UnitOfWork]: ...


class CommitSignal(Protocol):
    """Tells this process, without polling, that events were committed."""

    def subscribe(self, call: Callable[[], None]) -> Callable[[], None]:
        """Run ``call`` after each commit with events, on the committing thread: it must be quick and not raise.

        Returns what ends the subscription.
        """

    def wait(self, timeout_s: float) -> bool:
        """Sleep until the next commit with events; False when the time is over."""


class PackageStore(Protocol):
    """The archives of on-boarded packages, on disk."""

    def write(self, key: str, chunks: Iterator[bytes], max_bytes: int) -> tuple[int, str]:
        """Store content under a key; (size in octets, SHA-256 in lower hexadecimal). Nothing is left on failure."""

    def path(self, key: str) -> str:
        """The file's path; raises :class:`~mano.errors.NotFound`."""

    def member_path(self, key: str, member: str) -> str:
        """A file with one member of the archive, unpacked once."""

    def bundle_path(self, key: str, members: Sequence[str]) -> str:
        """A file with an archive of some members, packed once; the same octets whenever it is packed."""

    def has_digest(self, key: str, algorithm: str, digest: str) -> bool:
        """Is this the digest (``SHA-256``, ``SHA-512``, ...; lower hexadecimal) of the content?"""

    def remove(self, key: str) -> None:
        """Delete content and everything unpacked of it."""
