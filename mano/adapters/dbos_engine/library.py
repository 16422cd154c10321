"""The only module that touches DBOS: one instance a process, started and stopped by :class:`DurableQueues`.

What it is set to and why:

* Values are JSON (``DBOSPortableJSON``): with the default, pickle, whoever can write the database could run code.
* ``application_version`` is pinned to :data:`FORMAT`: the default is a hash of our source, and a workflow is only ever
  resumed by its own version, so each upgrade would strand what is under way.
* A queue for each level, because an NS operation waits for VNF and chain operations: in one queue a full house of NS
  operations would wait for ever for others that find no room. So nested NSs have a queue for each depth, too.
* The library polls its queues. We let it listen to none of ours and run its own queue worker in a thread of ours whose
  pause a commit in this process ends: an operation starts at once, and an idle server polls seldom.
  ``queue_worker_thread`` and ``_recover_pending_workflows`` are not public; ``pyproject.toml`` pins the minor version
  and tests cover both.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from mano.adapters.store.engines import Engines
from mano.domain.lcm_op_occ import Level

if TYPE_CHECKING:
    from dbos import DBOSClient

FORMAT = "1"
"""Workflow format. Raise it only together with code that still runs workflows of the former one."""

APPLICATION = "catena"
WORKFLOW = "catena.operation"
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
_BUSY_PAUSE_S = 0.1
_GATHER_S = 0.01

Body = Callable[[str, int], None]
"""What a workflow does with an operation's identifier and attempt."""


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Operations at a time for each level, and how often an idle queue is looked at (seconds)."""

    ns_operations: int = 16
    vnf_operations: int = 16
    nested_operations: int = 4
    poll_s: float = 1.0

    def of(self, level: Level, depth: int = 0) -> int:
        """Operations of a level at a time; ``depth`` counts the NS operations that wait for one."""
        if depth:
            return self.nested_operations
        return self.ns_operations if level is Level.NS else self.vnf_operations

    @property
    def threads(self) -> int:
        """As many as there may be operations at a time; they are begun when they are needed."""
        return self.ns_operations + 2 * self.vnf_operations + MAX_DEPTH * self.nested_operations + 2


MAX_DEPTH = 3
"""How deep NSs are nested: as many queues there are for them."""


def queue_name(level: Level, depth: int = 0) -> str:
    """The queue of a level's operations, those of NSs by how deep they are nested."""
    return f"{level.value}-operations" + (f"-{min(depth, MAX_DEPTH)}" if depth else "")


def workflow_id(op_id: str, attempt: int) -> str:
    """The workflow of one attempt: starting it twice is starting it once."""
    return f"{op_id}.{attempt}"


class DurableQueues:
    """The workflow library, bound to one database and one function."""

    def __init__(self, engines: Engines, executor_id: str, settings: QueueSettings) -> None:
        self._engines = engines
        self._executor_id = executor_id
        self._settings = settings
        self._client: DBOSClient | None = None
        self._bells: list[tuple[Level, _Bell]] = []
        self._threads: list[threading.Thread] = []

    def launch(self, body: Body) -> None:
        """Migrate the library's tables, resume what this executor was doing, and begin to take work."""
        from dbos import DBOS, DBOSClient, DBOSPortableJSONSerializer

        _silence()
        serializer = DBOSPortableJSONSerializer()
        DBOS(
            config={
                "name": APPLICATION,
                "system_database_url": _library_url(self._engines.url),
                "system_database_engine": self._engines.system,
                "application_version": FORMAT,
                "executor_id": self._executor_id,
                "max_executor_threads": self._settings.threads,
                "serializer": serializer,
                "log_level": "WARNING",
                "enable_otlp": False,
                "notification_listener_polling_interval_sec": 0.1,
                "scheduler_polling_interval_sec": 3600.0,
            }
        )
        DBOS.listen_queues([])
        DBOS.workflow(name=WORKFLOW, max_recovery_attempts=100)(_named(body))
        DBOS.launch()
        self._client = DBOSClient(
            system_database_engine=self._engines.system,
            serializer=serializer,
            application_name=APPLICATION,
            lazy=True,
        )
        for level in Level:
            self._listen(level)
        for depth in range(1, MAX_DEPTH + 1):
            self._listen(Level.NS, depth)

    def _listen(self, level: Level, depth: int = 0) -> None:
        from dbos import DBOS
        from dbos._dbos import _get_dbos_instance
        from dbos._queue import queue_worker_thread

        limit = self._settings.of(level, depth)
        name = queue_name(level, depth)
        queue = DBOS.register_queue(
            name,
            worker_concurrency=limit,
            polling_interval_sec=self._settings.poll_s,
            on_conflict="always_update",
        )
        dbos = _get_dbos_instance()
        bell = _Bell(lambda: dbos._active_workflows_set.count_for_queue(name) >= limit)
        thread = threading.Thread(
            target=queue_worker_thread, args=(bell, dbos, queue), name=f"catena-{name}", daemon=True
        )
        thread.start()
        self._bells.append((level, bell))
        self._threads.append(thread)

    def enqueue(self, connection: sa.Connection, level: Level, op_id: str, attempt: int, depth: int = 0) -> None:
        """Store the workflow in the caller's transaction."""
        if self._client is None:
            raise RuntimeError("the engine is not started")
        self._client.enqueue_in_transaction(
            connection,
            {
                "workflow_name": WORKFLOW,
                "queue_name": queue_name(level, depth),
                "workflow_id": workflow_id(op_id, attempt),
                "app_version": FORMAT,
            },
            op_id,
            attempt,
        )

    def wake(self, level: Level | None = None) -> None:
        """Look at a level's queue now, or at all."""
        for each, bell in self._bells:
            if level in (None, each):
                bell.ring()

    def stop_taking(self) -> None:
        """Begin nothing new; what runs goes on."""
        for _, bell in self._bells:
            bell.set()
        for thread in self._threads:
            thread.join(timeout=10)

    def destroy(self) -> None:
        """End the library. A workflow that still runs stays pending, and its executor resumes it after the start."""
        from dbos import DBOS

        self.stop_taking()
        DBOS.destroy(destroy_registry=True)
        if self._client is not None:
            self._client.destroy()
            self._client = None
        self._bells.clear()
        self._threads.clear()

    def ended(self, workflow_ids: Sequence[str]) -> set[str]:
        """Those of the workflows that are over or unknown."""
        from dbos import DBOS

        if not workflow_ids:
            return set()
        found = DBOS.list_workflows(workflow_ids=list(workflow_ids), load_input=False, load_output=False)
        going_on = {status.workflow_id for status in found if status.status not in _ENDED}
        return set(workflow_ids) - going_on

    def executors_with_work(self) -> set[str]:
        """Executors that workflows were begun by and not ended."""
        from dbos import DBOS

        found = DBOS.list_workflows(status="PENDING", load_input=False, load_output=False)
        return {status.executor_id for status in found if status.executor_id}

    def take_over(self, executor_ids: Sequence[str]) -> None:
        """Put the pending work of dead executors back into its queues.

        Of the public calls only ``resume_workflows`` does this, but it also revives what was cancelled, forgets how
        often a workflow was recovered, and would move one that a living executor has taken meanwhile.
        """
        from dbos import DBOS

        DBOS._recover_pending_workflows(list(executor_ids))
        self.wake()

    def forget(self, older_than: timedelta, limit: int = 500) -> int:
        """Delete the records of workflows that ended long ago; how many. The open package keeps them for ever."""
        from dbos import DBOS

        before = (datetime.now(UTC) - older_than).isoformat()
        old = DBOS.list_workflows(
            status=_ENDED, completed_before=before, limit=limit, load_input=False, load_output=False
        )
        if old:
            DBOS.delete_workflows([status.workflow_id for status in old])
        return len(old)


def durable(name: str, call: Callable[..., Any], /, *args: Any) -> Any:
    """A step of the present workflow, or the result that it had before a crash.

    Implements :class:`mano.adapters.dbos_engine.execution.Durable`.
    """
    from dbos import DBOS

    return DBOS.run_step({"name": name}, call, *args)


class _Bell(threading.Event):
    """The queue worker's stop event: set, it ends the worker; rung, it ends the worker's pause."""

    def __init__(self, is_full: Callable[[], bool]) -> None:
        super().__init__()
        self._is_full = is_full
        self._rung = threading.Event()

    def ring(self) -> None:
        self._rung.set()

    def set(self) -> None:
        super().set()
        self._rung.set()

    def wait(self, timeout: float | None = None) -> bool:
        """True when the worker shall end.

        With no room for more work the pause is short, as room comes without a ring, and no ring ends it. Else several
        rings within a moment are answered at once.
        """
        if self._is_full():
            return super().wait(_BUSY_PAUSE_S)
        if self._rung.wait(timeout):
            super().wait(_GATHER_S)
        self._rung.clear()
        return self.is_set()


def _named(body: Body) -> Callable[[str, int], None]:
    def operation(op_id: str, attempt: int) -> None:
        body(op_id, attempt)

    return operation


def _library_url(url: sa.URL) -> str:
    return url.set(drivername=url.drivername.partition("+")[0]).render_as_string(hide_password=False)


def _silence() -> None:
    """Without a handler of its own the library would write to the console; let its warnings go where ours go."""
    logger = logging.getLogger("dbos")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
        logger.addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    """A workflow that the library leaves at its end is no error: it stays pending and is resumed."""
    from dbos._error import DBOSException

    error = record.exc_info[1] if record.exc_info else None
    return not (type(error) is DBOSException and "before DBOS was launched" in str(error))
