"""Units of work: one transaction over every repository."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

import sqlalchemy as sa
import structlog

from mano.adapters.store import schema
from mano.adapters.store.alarms import SqlAlarms
from mano.adapters.store.deliveries import SqlDeliveries
from mano.adapters.store.engines import BUSY_TIMEOUT_MS, Engines
from mano.adapters.store.hosts import SqlHosts
from mano.adapters.store.leases import SqlLeases
from mano.adapters.store.numbers import SqlNumbers
from mano.adapters.store.operations import SqlOperations
from mano.adapters.store.outbox import SqlOutbox
from mano.adapters.store.resources import Kind, SqlRepository
from mano.adapters.store.signal import InProcessSignal
from mano.domain.alarm import Alarm
from mano.domain.auto_scaling import AutoScaling
from mano.domain.catalogue import Package
from mano.domain.events import Event
from mano.domain.grant import Grant
from mano.domain.ns_instance import Network, NsInstance, Reservation, ServiceChain
from mano.domain.performance import PmJob, PmReport, Threshold, UsageRecord
from mano.domain.port_chains import FlowClassifier, LogicalPort, PortChain, PortPair, PortPairGroup, ServiceGraph
from mano.domain.quota import Quota
from mano.domain.subscription import Subscription
from mano.domain.vnf_instance import VnfInstance
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import VnfSnapshotPackage
from mano.errors import StaleGeneration, Unreachable
from mano.ports.notifier import Deliveries
from mano.ports.repositories import Hosts, Leases, Numbers, Operations, Outbox, Repository

PACKAGES = Kind(schema.packages, Package, "package")
VNF_INSTANCES = Kind(schema.vnf_instances, VnfInstance, "VNF instance")
VNF_SNAPSHOTS = Kind(schema.vnf_snapshots, VnfSnapshot, "VNF snapshot")
VNF_SNAPSHOT_PACKAGES = Kind(schema.vnf_snapshot_packages, VnfSnapshotPackage, "VNF snapshot package")
NS_INSTANCES = Kind(schema.ns_instances, NsInstance, "NS instance")
NETWORKS = Kind(schema.networks, Network, "network")
CHAINS = Kind(schema.chains, ServiceChain, "chain")
RESERVATIONS = Kind(schema.reservations, Reservation, "reservation", is_kept=True)
GRANTS = Kind(schema.grants, Grant, "grant")
LOGICAL_PORTS = Kind(schema.logical_ports, LogicalPort, "port")
PORT_PAIRS = Kind(schema.port_pairs, PortPair, "port pair")
PORT_PAIR_GROUPS = Kind(schema.port_pair_groups, PortPairGroup, "port pair group")
FLOW_CLASSIFIERS = Kind(schema.flow_classifiers, FlowClassifier, "flow classifier")
PORT_CHAINS = Kind(schema.port_chains, PortChain, "port chain")
SERVICE_GRAPHS = Kind(schema.service_graphs, ServiceGraph, "service graph")
SUBSCRIPTIONS = Kind(schema.subscriptions, Subscription, "subscription")
PM_JOBS = Kind(schema.pm_jobs, PmJob, "PM job")
PM_REPORTS = Kind(schema.pm_reports, PmReport, "PM report")
THRESHOLDS = Kind(schema.thresholds, Threshold, "threshold")
QUOTAS = Kind(schema.quotas, Quota, "quota")
AUTO_SCALING = Kind(schema.auto_scaling, AutoScaling, "state of auto-scaling")
USAGE_RECORDS = Kind(schema.usage_records, UsageRecord, "usage record")

Guard = Callable[[sa.Connection], None]
"""Raises when this server may write no more; asked in each writing transaction, just before its commit."""

FanOut = Callable[["SqlUnitOfWork", Sequence[Event]], None]
"""Writes what follows from a transaction's events, as its last act before the guard."""

_REPEATABLE_STATES = ("40001", "40P01")
"""PostgreSQL: serialization failure and deadlock; the database chose us as the victim."""

_READ_ONLY = ("25006", 8)
"""A write in a read-only transaction: PostgreSQL's state and SQLite's code."""


class SqlUnitOfWork:
    """Implements :class:`mano.ports.repositories.UnitOfWork`. ``connection`` is for adapters that join in."""

    def __init__(self, connection: sa.Connection, quarantine_s: float) -> None:
        events = SqlOutbox(connection)
        self.connection = connection
        self.events = events
        self.outbox: Outbox = events
        self.packages: Repository[Package] = SqlRepository(connection, PACKAGES)
        self.vnf_instances: Repository[VnfInstance] = SqlRepository(connection, VNF_INSTANCES)
        self.vnf_snapshots: Repository[VnfSnapshot] = SqlRepository(connection, VNF_SNAPSHOTS)
        self.vnf_snapshot_packages: Repository[VnfSnapshotPackage] = SqlRepository(connection, VNF_SNAPSHOT_PACKAGES)
        self.ns_instances: Repository[NsInstance] = SqlRepository(connection, NS_INSTANCES)
        self.networks: Repository[Network] = SqlRepository(connection, NETWORKS)
        self.chains: Repository[ServiceChain] = SqlRepository(connection, CHAINS)
        self.reservations: Repository[Reservation] = SqlRepository(connection, RESERVATIONS)
        self.grants: Repository[Grant] = SqlRepository(connection, GRANTS)
        self.alarms: Repository[Alarm] = SqlAlarms(connection, events)
        self.logical_ports: Repository[LogicalPort] = SqlRepository(connection, LOGICAL_PORTS)
        self.port_pairs: Repository[PortPair] = SqlRepository(connection, PORT_PAIRS)
        self.port_pair_groups: Repository[PortPairGroup] = SqlRepository(connection, PORT_PAIR_GROUPS)
        self.flow_classifiers: Repository[FlowClassifier] = SqlRepository(connection, FLOW_CLASSIFIERS)
        self.port_chains: Repository[PortChain] = SqlRepository(connection, PORT_CHAINS)
        self.service_graphs: Repository[ServiceGraph] = SqlRepository(connection, SERVICE_GRAPHS)
        self.subscriptions: Repository[Subscription] = SqlRepository(connection, SUBSCRIPTIONS)
        self.pm_jobs: Repository[PmJob] = SqlRepository(connection, PM_JOBS)
        self.pm_reports: Repository[PmReport] = SqlRepository(connection, PM_REPORTS)
        self.thresholds: Repository[Threshold] = SqlRepository(connection, THRESHOLDS)
        self.quotas: Repository[Quota] = SqlRepository(connection, QUOTAS)
        self.auto_scaling: Repository[AutoScaling] = SqlRepository(connection, AUTO_SCALING)
        self.usage_records: Repository[UsageRecord] = SqlRepository(connection, USAGE_RECORDS)
        self.deliveries: Deliveries = SqlDeliveries(connection)
        self.operations: Operations = SqlOperations(connection, events)
        self.hosts: Hosts = SqlHosts(connection)
        self.leases: Leases = SqlLeases(connection)
        self.numbers: Numbers = SqlNumbers(connection, quarantine_s)
        self._afterwards: list[Callable[[], None]] = []

    def after_commit(self, call: Callable[[], None]) -> None:
        """Run ``call`` once the transaction has committed; never when it rolls back."""
        self._afterwards.append(call)

    def run_afterwards(self) -> None:
        """Make the calls. What is committed stays committed, so one that raises is logged and stops no other."""
        for call in self._afterwards:
            try:
                call()
            except Exception:
                structlog.get_logger(__name__).exception("a call after a commit failed")


class SqlStore:
    """Everything that is stored in the database of one server.

    ``quarantine_s`` is how long a released number rests. Call :func:`mano.adapters.store.upgrade` before the first
    unit of work.
    """

    def __init__(self, engines: Engines, *, quarantine_s: float = 60.0) -> None:
        self.engines = engines
        self.signal = InProcessSignal()
        self.guard: Guard | None = None
        self.fan_out: FanOut | None = None
        self._quarantine_s = quarantine_s
        self._writer = _OneWriter() if engines.is_sqlite else nullcontext()

    @contextmanager
    def open_unit(self, *, read_only: bool = False) -> Iterator[SqlUnitOfWork]:
        """A transaction; implements :class:`mano.ports.repositories.UnitOfWorkFactory`.

        Raises :class:`~mano.errors.Unreachable` when the database does not answer and
        :class:`~mano.errors.StaleGeneration` when it gave this transaction up for another one: repeat it.
        """
        with _translated(), self._view() if read_only else self._write() as uow:
            yield uow

    @contextmanager
    def _view(self) -> Iterator[SqlUnitOfWork]:
        with self.engines.views.connect() as connection:
            yield SqlUnitOfWork(connection, self._quarantine_s)
            connection.rollback()

    @contextmanager
    def _write(self) -> Iterator[SqlUnitOfWork]:
        with self._writer, self.engines.units.connect() as connection:
            uow = SqlUnitOfWork(connection, self._quarantine_s)
            yield uow
            if self.fan_out is not None and uow.events.waiting:
                self.fan_out(uow, uow.events.waiting)
            if self.guard is not None:
                self.guard(connection)
            has_events = uow.events.flush()
            connection.commit()
        uow.run_afterwards()
        if has_events:
            self.signal.notify()

    def close(self) -> None:
        """Close the connections."""
        self.engines.dispose()


class _OneWriter(AbstractContextManager[None]):
    """SQLite's writers of this process, one after the other.

    SQLite would make them wait too, by sleeping and trying again; a lock wakes the next one at once. A thread that
    opens a second unit inside its own would wait for itself: that is refused as the mistake that it is.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    def __enter__(self) -> None:
        me = threading.get_ident()
        if self._owner == me:
            raise RuntimeError("this thread has a writing unit of work open already; close it, or read with read_only")
        if not self._lock.acquire(timeout=BUSY_TIMEOUT_MS / 1000):
            raise Unreachable("another unit of work has kept the database busy", hint="try again later")
        self._owner = me

    def __exit__(self, *_: object) -> None:
        self._owner = None
        self._lock.release()


@contextmanager
def _translated() -> Iterator[None]:
    """Errors of the database in Catena's words."""
    try:
        yield
    except sa.exc.TimeoutError as error:
        raise Unreachable("all database connections are busy", hint="try again later") from error
    except sa.exc.DBAPIError as error:
        state = getattr(error.orig, "sqlstate", getattr(error.orig, "sqlite_errorcode", None))
        if state in _READ_ONLY:
            raise RuntimeError("a read-only unit of work cannot write") from error
        if state in _REPEATABLE_STATES:
            raise StaleGeneration("the database gave this transaction up for another one", hint="repeat it") from error
        if isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError) or error.connection_invalidated:
            raise Unreachable("the database does not answer", hint="see the server's log") from error
        raise
