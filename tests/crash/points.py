"""Where a server can die: before and after every commit that changes something, and every effect on the world.

One hook, :meth:`Points.reach`, sees them all. Commits are found in the drivers, not in our code: nobody can forget one.
Threads that only look (pollers, heartbeats) are left out, so that a run has the same points each time.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import Engines

WRITES = ("INSERT", "UPDATE", "DELETE")
THREADS = ("MainThread", "dbos-executor-", "catena-vnf-operations", "catena-ns-operations", "catena-chain-operations")

END_PATIENCE_S = 10.0


class Points:
    """Counts the points of one run; at number ``kill_at`` (from 1) the process kills itself. 0 kills never.

    ``visit`` is called at every point, by one thread at a time; meanwhile no other thread commits or acts on the world.
    """

    def __init__(self, kill_at: int = 0, visit: Callable[[], None] = lambda: None) -> None:
        self.names: list[str] = []
        self.is_armed = False
        self._kill_at = kill_at
        self._visit = visit
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """A point: note it, and perhaps die here."""
        with self._lock:
            if not self.is_armed or not threading.current_thread().name.startswith(THREADS):
                return
            self.names.append(name)
            if len(self.names) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self._visit()

    def end(self) -> None:
        """No more points, once every commit and effect that was begun has had its second one."""
        deadline = time.monotonic() + END_PATIENCE_S
        while True:
            with self._lock:
                begun = sum(name.startswith("before") for name in self.names)
                if 2 * begun == len(self.names) or time.monotonic() > deadline:
                    self.is_armed = False
                    return
            time.sleep(0.005)

    def watch(self, engines: Engines) -> None:
        """See every commit through these engines."""
        for label, engine in (("store", engines.units), ("library", engines.system)):
            self._watch(label, engine)

    def _watch(self, label: str, engine: sa.Engine) -> None:
        written: dict[int, str] = {}

        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            if statement.lstrip().upper().startswith(WRITES):
                words = statement.split()
                driver = connection.connection.dbapi_connection
                written.setdefault(id(driver), " ".join(words[:3]).lower())

        sa.event.listen(engine, "before_cursor_execute", note)
        commit: Callable[[Any], None] = engine.dialect.do_commit
        rollback: Callable[[Any], None] = engine.dialect.do_rollback

        def do_commit(connection: Any) -> None:
            what = written.pop(id(driver_of(connection)), None)
            if what is None:
                commit(connection)
                return
            self.reach(f"before {label} commits {what}")
            with self._lock:
                commit(connection)
            self.reach(f"after {label} committed {what}")

        def do_rollback(connection: Any) -> None:
            written.pop(id(driver_of(connection)), None)
            rollback(connection)

        dialect: Any = engine.dialect
        dialect.do_commit, dialect.do_rollback = do_commit, do_rollback


def driver_of(connection: Any) -> Any:
    """The driver's own connection, whether the pool wrapped it or not."""
    return getattr(connection, "dbapi_connection", connection)
