"""Where a server can die: before and after every commit that changes something, and every effect on the world.

One hook, :meth:`Points.reach`, sees them all. Commits are found in the drivers, not in our code: nobody can forget one.
Threads that only look (pollers, heartbeats) are left out, so that a run has the same points each time.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from mano.adapters.store import Engines

WRITES = ("INSERT", "UPDATE", "DELETE")
THREADS = ("MainThread", "dbos-executor-", "catena-vnf-operations", "catena-ns-operations", "catena-chain-operations")


class Points:
    """Counts the points of one run; at number ``kill_at`` (from 1) the process kills itself. 0 kills never."""

    def __init__(self, kill_at: int = 0) -> None:
        self.names: list[str] = []
        self.is_armed = False
        self._kill_at = kill_at
        self._lock = threading.Lock()

    def reach(self, name: str) -> None:
        """A point: note it, and perhaps die here."""
        if not self.is_armed or not threading.current_thread().name.startswith(THREADS):
            return
        with self._lock:
            self.names.append(name)
            if len(self.names) == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

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
