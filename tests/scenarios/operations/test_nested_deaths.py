"""The server dies while a service with a nested one comes up or goes: what takes over finishes both, and leaks nothing.

A death is before one of the commits of the store; the points are those of a dry run.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_simulated.faults import Died
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from tests.scenarios.operations.conftest import Ready, job_at
from tests.scenarios.operations.nested import Mobile

POINTS = 12
"""So many deaths are tried, spread evenly over the operation."""

ORDER = (Level.CHAIN, Level.VNF, Level.NS)
"""Who is waited for goes on first: the engine of these tests runs one operation at a time."""

pytestmark = pytest.mark.deep


class Guard:
    """Counts the commits, and dies before one of them."""

    def __init__(self, die_at: int = 0) -> None:
        self.count = 0
        self._die_at = die_at

    def __call__(self, *_: Any) -> None:
        self.count += 1
        if self.count == self._die_at:
            raise Died(f"before commit {self.count}")


def go_on(mobile: Mobile) -> None:
    """What the next server does: everything that had begun, to its end."""
    for _ in range(20):
        with mobile.job.catena.store.open_unit(read_only=True) as uow:
            running = [
                op for op in uow.operations.list() if op.state in (OperationState.STARTING, OperationState.PROCESSING)
            ]
        if not running:
            return
        first = min(running, key=lambda op: (ORDER.index(op.level), -op.depth))
        engine: Any = mobile.job.catena.engine
        engine.run(first.id, first.attempt)
    raise AssertionError("an operation does not end")


def outer(mobile: Mobile, operation: str) -> LcmOpOcc | None:
    found = [op for op in mobile.operations() if op.depth == 0 and op.operation == operation]
    return found[0] if found else None


@pytest.mark.parametrize("operation", ["INSTANTIATE", "TERMINATE"])
def test_both_services_end_as_if_nothing_had_been(
    catalogue: Ready, instantiated: Path, tmp_path: Path, operation: str
) -> None:
    template = instantiated if operation == "TERMINATE" else catalogue[0]
    act: Callable[[Mobile], Any] = (
        (lambda there: there.instantiate())
        if operation == "INSTANTIATE"
        else lambda there: there.job.terminate(there.ns.id)
    )

    def copy(name: str) -> Mobile:
        shutil.copytree(template, tmp_path / name)
        return Mobile(job_at(tmp_path / name, catalogue[1]))

    dry, guard = copy("dry"), Guard()
    dry.job.catena.store.guard = guard
    act(dry)
    wanted, services = dry.job.held(), set(dry.services())
    stride = max(1, guard.count // POINTS)
    for point in range(1 + stride // 2, guard.count, stride):
        there = copy(str(point))
        there.job.catena.store.guard = Guard(point)
        with pytest.raises(Died):
            act(there)
        there.job.catena.store.guard = None
        go_on(there)
        op = outer(there, operation)
        if op is not None:
            assert op.state is OperationState.COMPLETED, (point, op.error)
            assert (there.job.held(), set(there.services())) == (wanted, services), point
            there.proven()
        there.job.catena.stop()
