"""Operations without a workflow library: the same runner over the same store, synchronously."""

from __future__ import annotations

from mano.adapters.dbos_engine import RetryPolicy, Runner
from mano.adapters.store import SqlStore
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Story


class InlineWorkflows:
    """Implements :class:`mano.ports.workflows.Workflows`: an operation has run when its unit of work is left.

    An operation that a step starts (a VNF operation of an NS operation) runs within that step, to its end.
    """

    def __init__(self, store: SqlStore, clock: Clock, *, retries: RetryPolicy | None = None) -> None:
        self._runner = Runner(store.open_unit, clock, retries=retries or RetryPolicy(attempts=1))

    def register(self, story: Story) -> None:
        """Make a kind of operation known."""
        self._runner.register(story)

    def start(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the operation; run it after the commit."""
        uow.operations.add(op)
        uow.after_commit(lambda: self.run(op.id, op.attempt))

    def resume(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the operation; run its next attempt after the commit."""
        uow.operations.save(op)
        uow.after_commit(lambda: self.run(op.id, op.attempt))

    def run(self, op_id: str, attempt: int) -> None:
        """One attempt, as :class:`mano.adapters.dbos_engine.DbosEngine` runs it."""
        self._runner.run(op_id, attempt)
