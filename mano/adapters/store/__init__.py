"""The store: repositories in units of work over SQLite or PostgreSQL, and the archives of packages on disk.

``make_engines`` -> ``upgrade`` -> ``SqlStore(engines).open_unit()``.
"""

from __future__ import annotations

from mano.adapters.store.engines import Engines, make_engines
from mano.adapters.store.packages import PackageDirectory
from mano.adapters.store.signal import InProcessSignal
from mano.adapters.store.unit_of_work import SqlStore, SqlUnitOfWork
from mano.adapters.store.upgrade import upgrade

__all__ = [
    "Engines",
    "InProcessSignal",
    "PackageDirectory",
    "SqlStore",
    "SqlUnitOfWork",
    "make_engines",
    "upgrade",
]
