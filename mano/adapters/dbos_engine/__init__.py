"""Durable life-cycle operations on DBOS Transact, in the store's own database.

``engine = DbosEngine(store, clock, server_id=...)``; ``engine.register(story)`` for each kind of operation;
``engine.start()``. Importing this package loads neither dbos nor a driver.
"""

from __future__ import annotations

from mano.adapters.dbos_engine.engine import DbosEngine, EngineSettings
from mano.adapters.dbos_engine.execution import RetryPolicy, Runner
from mano.adapters.dbos_engine.library import QueueSettings

__all__ = ["DbosEngine", "EngineSettings", "QueueSettings", "RetryPolicy", "Runner"]
