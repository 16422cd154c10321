"""Durable operations: a story of named steps that survives the death of the process.

An operation's *story* decides first (``prepare``), then names its steps; the engine runs them in order, records each,
and after a failure can run them again (retry) or undo the done ones in reverse (rollback). Between two steps the
process may die at any point: the engine resumes with the first step that has no record of its end, so every step is
run at least once and must be repeatable: it observes, then acts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.ports.repositories import UnitOfWork


@dataclass(frozen=True, slots=True)
class Step:
    """One durable step. ``do`` may return a small JSON object that is kept with the step's record."""

    name: str
    do: Callable[[], Mapping[str, Any] | None]
    undo: Callable[[], None] | None = None


class Story(Protocol):
    """One kind of life-cycle operation."""

    @property
    def level(self) -> Level:
        """Whose operation it is."""

    @property
    def operation(self) -> str:
        """The standard's name of the operation."""

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Decide the desired state, store it, and name the steps to come, each name once.

        Runs until it succeeds once; repeatable. A :class:`~mano.errors.StaleGeneration` repeats it at once, an
        :class:`~mano.errors.Unreachable` after a pause, within the engine's bounds. Any other
        :class:`~mano.errors.Refused`, :class:`~mano.errors.Conflict`, :class:`~mano.errors.InvalidInput` or
        :class:`~mano.errors.NotFound` ends the operation as ROLLED_BACK: nothing was touched. What else goes wrong
        leads to FAILED_TEMP on the NS level; a VNF operation is STARTING and knows no way but ROLLED_BACK.
        """

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name; a pure look-up from the operation's stored plan.

        ``do`` and ``undo`` are repeated like :meth:`prepare`; whatever else they raise leads to FAILED_TEMP.
        """

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the outcome, in the transaction that moves the operation to COMPLETED.

        It may save the operation too. An error rolls the transaction back and leads to FAILED_TEMP.
        """

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the outcome of a refusal or rollback, in the transaction that moves it to ROLLED_BACK."""


class Workflows(Protocol):
    """The engine's side that use cases call."""

    def start(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store the operation and its workflow in the caller's transaction: both or neither.

        Raises :class:`~mano.errors.OperationInProgress` when another operation owns the instance.
        """

    def resume(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Store an operation that was moved out of FAILED_TEMP (retry, continue, rollback) and run its next attempt.

        A retry begins with the first step that is not done; a rollback undoes what was begun, the last step first.
        """
