"""Operations as durable workflows: stored with their start, resumed after every death, one attempt at a time."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import cast

import structlog

from mano.adapters.dbos_engine.execution import RetryPolicy, Runner, Stopping
from mano.adapters.dbos_engine.library import DurableQueues, QueueSettings, durable, workflow_id
from mano.adapters.dbos_engine.ownership import LEASE_S, Ownership, ownership
from mano.adapters.store import SqlStore, SqlUnitOfWork
from mano.domain.lcm_op_occ import RUNNING, LcmOpOcc
from mano.errors import Conflict
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Story

_one_a_process = threading.Lock()
"""The workflow library is one instance a process, and a POSIX file lock belongs to a process."""

EXIT_LEASE_LOST = 75
"""Exit status of a server that may write no more (EX_TEMPFAIL: start it again)."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """``lease_s`` is how long after its last heartbeat a server on PostgreSQL counts as dead; ``heartbeat_s``, at most
    a third of it, is also how often the work of dead servers is looked for; ``reconcile_s`` how often an operation
    without a workflow is; ``keep_s`` how long ended workflows and ``keep_events_s`` how long events are remembered.
    ``drain_s`` is how long a stopping server waits for the steps that run."""

    queues: QueueSettings = field(default_factory=QueueSettings)
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    drain_s: float = 20.0
    lease_s: float = LEASE_S
    heartbeat_s: float = 5.0
    reconcile_s: float = 30.0
    prune_s: float = 300.0
    keep_s: float = 3600.0
    keep_events_s: float = 7 * 86400.0

    def __post_init__(self) -> None:
        if not 0 < self.heartbeat_s <= self.lease_s / 3:
            raise ValueError("a lease must last three heartbeats or more")


def leave_at_once() -> None:
    """End the process without any clean-up: another server may be working on the same things already."""
    logging.shutdown()
    os._exit(EXIT_LEASE_LOST)


class DbosEngine:
    """Implements :class:`mano.ports.workflows.Workflows`. Register every story before :meth:`start`.

    ``server_id`` names this server among those of the database and must be the same after a restart: by it a server
    finds its own unfinished work at once. One engine a process.
    """

    def __init__(
        self,
        store: SqlStore,
        clock: Clock,
        *,
        server_id: str = "local",
        settings: EngineSettings | None = None,
        on_lost: Callable[[], None] = leave_at_once,
    ) -> None:
        self._store = store
        self._settings = settings or EngineSettings()
        self._stopping = threading.Event()
        self._runner = Runner(store.open_unit, clock, retries=self._settings.retries, is_stopping=self._stopping.is_set)
        self._clock = clock
        self._queues = DurableQueues(store.engines, server_id, self._settings.queues)
        self._right: Ownership = ownership(store.engines, server_id, self._settings.lease_s)
        self._on_lost = on_lost
        self._active = _Counter()
        self._heartbeat: _Recurring | None = None
        self._tasks: list[_Recurring] = []

    def register(self, story: Story) -> None:
        """Make a kind of operation known."""
        self._runner.register(story)

    # The port

    def start(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the operation and its workflow in the caller's transaction: both or neither."""
        uow.operations.add(op)
        self._enqueue(uow, op)

    def resume(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store an operation that was moved out of FAILED_TEMP and the workflow of its next attempt."""
        uow.operations.save(op)
        self._enqueue(uow, op)

    def _enqueue(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        self._queues.enqueue(cast("SqlUnitOfWork", uow).connection, op.level, op.id, op.attempt, op.depth)
        uow.after_commit(lambda: self._queues.wake(op.level))

    # The server's life

    def acquire(self) -> None:
        """Take the right to act for this database: before the first device is touched. Repeatable.

        Raises :class:`~mano.errors.Conflict` when another server has that right.
        """
        if self._heartbeat is not None:
            return
        if not _one_a_process.acquire(blocking=False):
            raise Conflict("another engine runs in this process", hint="stop it first")
        try:
            self._right.take()
        except BaseException:
            _one_a_process.release()
            raise
        self._store.guard = self._right.check
        self._heartbeat = _Recurring("catena-heartbeat", self._settings.heartbeat_s, self._beat)

    def _release(self) -> None:
        if self._heartbeat is None:
            return
        self._heartbeat.stop()
        self._heartbeat = None
        self._store.guard = None
        self._right.release()
        _one_a_process.release()

    def launch(self) -> None:
        """Acquire, resume what was under way, and begin to take new operations."""
        self._stopping.clear()
        self.acquire()
        try:
            self._queues.launch(self._run)
        except BaseException:
            self._release()
            raise
        settings = self._settings
        self._tasks = [
            _Recurring("catena-sweep", settings.heartbeat_s, self._sweep),
            _Recurring("catena-reconcile", settings.reconcile_s, self._reconcile),
            _Recurring("catena-prune", settings.prune_s, self._prune),
        ]

    def stop(self) -> bool:
        """Let the running steps end, for as long as the settings say; False when some did not.

        The rest of their operations is done after the next start. If it returns False, call it again, or leave the
        process by ``os._exit``: a thread that hangs in a device call would hold up a normal exit.
        """
        self._stopping.set()
        for task in self._tasks:
            task.stop()
        self._tasks = []
        self._queues.stop_taking()
        drained = self._active.wait_for_none(self._settings.drain_s)
        self._queues.destroy()
        if drained:
            self._release()
        return drained

    # The workflow

    def _run(self, op_id: str, attempt: int) -> None:
        with self._active:
            self._runner.run(op_id, attempt, durable)

    # What goes on beside

    def _beat(self) -> None:
        if not self._right.keep():
            structlog.get_logger(__name__).critical("this server lost its lease on the database and stops")
            self._stopping.set()
            self._on_lost()

    def _sweep(self) -> None:
        """Take over what dead servers had begun."""
        if self._store.engines.is_sqlite:
            return
        dead = self._right.dead(self._queues.executors_with_work())
        if dead:
            structlog.get_logger(__name__).warning("taking over the operations of dead servers", servers=sorted(dead))
            self._queues.take_over(sorted(dead))

    def _reconcile(self) -> None:
        """No operation may run for ever without a workflow behind it."""
        with self._store.open_unit(read_only=True) as uow:
            running = [op for state in RUNNING for op in uow.operations.list(state=state)]
        by_workflow = {workflow_id(op.id, op.attempt): op for op in running}
        for lost in self._queues.ended(list(by_workflow)):
            op = by_workflow[lost]
            self._runner.abandon(op.id, op.attempt)

    def _prune(self) -> None:
        """Forget old workflows and events."""
        self._queues.forget(timedelta(seconds=self._settings.keep_s))
        with self._store.open_unit() as uow:
            uow.outbox.prune(self._clock.now() - timedelta(seconds=self._settings.keep_events_s))


class _Recurring:
    """Does something again and again in a thread of its own; what fails is tried again at its next turn."""

    def __init__(self, name: str, every_s: float, task: Callable[[], None]) -> None:
        self._every_s = every_s
        self._task = task
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._end.set()
        self._thread.join(timeout=10)

    def _run(self) -> None:
        while not self._end.wait(self._every_s):
            try:
                self._task()
            except Stopping:
                return
            except Exception:
                structlog.get_logger(__name__).exception("maintenance failed", task=self._thread.name)


class _Counter:
    """How many workflows run in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def wait_for_none(self, timeout_s: float) -> bool:
        """True when none runs, False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, timeout_s)
