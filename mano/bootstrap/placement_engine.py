"""Placement as the NFVO calls it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from mano.domain.nfvi import Inventory
from mano.placement import PlacementRequest, PlacementResult

if TYPE_CHECKING:
    from mano.placement import Planner


class PlacementEngine:
    """The placement engine, imported at its first use; what it prepared of the NFVI follows what changes there."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planner: Planner | None = None

    def __call__(self, inventory: Inventory, request: PlacementRequest) -> PlacementResult:
        """Where each VDU of the request goes."""
        from mano.placement import Planner

        with self._lock:
            if self._planner is None:
                self._planner = Planner(inventory)
            else:
                self._planner.sync(inventory)
            return self._planner.plan(request)
