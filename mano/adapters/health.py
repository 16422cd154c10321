"""Whether this server is able to do its work."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout

from mano.adapters.store import SqlStore
from mano.errors import CatenaError

HEALTH_DEADLINE_S = 2.0


class Checks:
    """Is this server able to do its work? Implements :class:`mano.api.services.Health`."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(1, "health")

    def checks(self) -> Mapping[str, str]:
        """Part to what is wrong with it, the empty string when it is well; answers in time."""
        looked = self._pool.submit(self._database)
        try:
            return {"database": looked.result(HEALTH_DEADLINE_S)}
        except FutureTimeout:
            return {"database": f"it does not answer within {HEALTH_DEADLINE_S:.0f} s"}

    def _database(self) -> str:
        try:
            with self._store.open_unit(read_only=True) as uow:
                uow.outbox.bounds()
        except CatenaError as error:
            return error.detail
        return ""
