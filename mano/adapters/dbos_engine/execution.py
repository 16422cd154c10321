"""What one attempt of an operation does, step by step; knows nothing of the library that makes it durable.

Each public method of :class:`Runner` is one durable step: it may be run again after a crash anywhere inside it, so it
looks at the stored operation first and does nothing twice that is recorded as done. It never raises for what went
wrong in a story: the outcome is in the operation's record, its return value says only how to go on.

The state is changed, the step's record written and the event appended in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypedDict, TypeVar

import structlog

from mano.domain.lcm_op_occ import (
    RUNNING,
    LcmOpOcc,
    Level,
    OperationEvent,
    OperationState,
    StepRecord,
    StepState,
    advance,
)
from mano.errors import CatenaError, Conflict, InvalidInput, NotFound, Refused, StaleGeneration, Unreachable
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Story

T = TypeVar("T")

COLLISIONS = 30
"""How often a transaction is repeated that lost against another one."""

PAUSE_SLICE_S = 0.2

_TO_UNDO = frozenset({StepState.DONE, StepState.RUNNING, StepState.FAILED, StepState.UNDOING})


class Work(TypedDict):
    """What an attempt is to do: ``mode`` is ``do``, ``undo`` or ``end``; the steps in the order to run them."""

    mode: str
    steps: list[str]


class Stopping(BaseException):
    """The server stops: leave the operation as it is, the next server goes on. No ``except Exception`` sees it."""


class TakenOver(Exception):
    """Another attempt, or another server, moved the operation meanwhile: this one has nothing more to say."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Unanswered calls are repeated ``attempts`` times in all, the first after ``first_s``, each wait ``factor``
    times the last, none begun later than ``deadline_s`` after the first call."""

    attempts: int = 5
    first_s: float = 0.5
    factor: float = 2.0
    deadline_s: float = 60.0

    def waits(self) -> Iterator[float]:
        """The pauses between the attempts, in seconds."""
        for attempt in range(self.attempts - 1):
            yield self.first_s * self.factor**attempt


OUTAGE = RetryPolicy(attempts=60, first_s=0.5, factor=1.1)
"""How long the engine waits for its own database: about 25 minutes."""


class Durable(Protocol):
    """Runs a call once, and after a crash gives the result that it had; a name and a place identify it."""

    def __call__(self, name: str, call: Callable[..., Any], /, *args: Any) -> Any: ...


def call_directly(name: str, call: Callable[..., Any], /, *args: Any) -> Any:
    """As durable as the process."""
    return call(*args)


def error_document(error: Exception) -> dict[str, Any]:
    """The document of an operation's error. What was not foreseen shows neither its text nor its stack."""
    if isinstance(error, CatenaError):
        return error.to_document()
    return {
        "code": "INTERNAL",
        "detail": "an unexpected error stopped the operation",
        "hint": "the server's log tells more under this operation's identifier; retry or roll back",
        "facts": {"type": type(error).__name__},
    }


def is_refusal(error: Exception) -> bool:
    """Does the error say that the operation was never possible, as against failed on its way?"""
    return isinstance(error, Refused | Conflict | InvalidInput | NotFound) and not isinstance(error, StaleGeneration)


class Runner:
    """Runs the attempts of operations over the store."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        clock: Clock,
        *,
        retries: RetryPolicy | None = None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._open_unit = open_unit
        self._clock = clock
        self._retries = retries or RetryPolicy()
        self._is_stopping = is_stopping
        self._stories: dict[tuple[Level, str], Story] = {}

    def register(self, story: Story) -> None:
        """Make a kind of operation known; once for each."""
        key = (story.level, story.operation)
        if key in self._stories:
            raise ValueError(f"there is a story for {story.level.value} {story.operation} already")
        self._stories[key] = story

    def run(self, op_id: str, attempt: int, durable: Durable = call_directly) -> None:
        """One attempt from its first step to its last, each through ``durable``.

        Nothing is caught here: when a server stops, ``durable`` raises in the middle, and that is no failure.
        """
        work: Work = durable("begin", self.begin, op_id, attempt)
        if work["mode"] == "end":
            return
        act = self.undo if work["mode"] == "undo" else self.do
        for name in work["steps"]:
            if not durable(name, act, op_id, attempt, name):
                return
        durable("finish", self.finish, op_id, attempt)

    # The durable steps

    def begin(self, op_id: str, attempt: int) -> Work:
        """Prepare the operation if nobody did yet, and say what is left to do."""
        return self._attempt(op_id, attempt, self._begin, Work(mode="end", steps=[]))

    def do(self, op_id: str, attempt: int, name: str) -> bool:
        """Run one step; False when the operation has stopped."""
        return self._attempt(op_id, attempt, lambda op: self._guarded(op, name, self._do), False, step=name)

    def undo(self, op_id: str, attempt: int, name: str) -> bool:
        """Undo one step; False when the operation has stopped."""
        return self._attempt(op_id, attempt, lambda op: self._guarded(op, name, self._undo), False, step=name)

    def finish(self, op_id: str, attempt: int) -> None:
        """Store the outcome with the last state; a failure in it is a failure of the operation."""
        self._attempt(op_id, attempt, self._finish, None)

    def abandon(self, op_id: str, attempt: int) -> None:
        """Stop an attempt whose workflow is over although the operation is not: for the engine's own faults."""
        lost = RuntimeError("the operation's workflow ended without an outcome")
        self._attempt(op_id, attempt, lambda op: self._refuse_or_fail(op, lost), None)

    def _attempt(self, op_id: str, attempt: int, act: Callable[[LcmOpOcc], T], otherwise: T, **context: str) -> T:
        """``act`` on the operation while this attempt is at work on it."""
        if self._is_stopping():
            raise Stopping
        op = self._despite_outages(lambda: self._find(op_id))
        if op is None or op.attempt != attempt or op.state not in RUNNING:
            return otherwise
        context[f"{op.level.value}InstanceId"] = op.instance_id
        try:
            with structlog.contextvars.bound_contextvars(lcmOpOccId=op.id, attempt=attempt, **context):
                return act(op)
        except TakenOver:
            return otherwise

    # Preparing

    def _begin(self, op: LcmOpOcc) -> Work:
        if op.state is OperationState.ROLLING_BACK:
            return Work(mode="undo", steps=_steps_to_undo(op))
        names = op.step_names if op.step_names is not None else self._prepare(op)
        if names is None:
            return Work(mode="end", steps=[])
        done = {step.name for step in op.steps if step.state is StepState.DONE}
        return Work(mode="do", steps=[name for name in names if name not in done])

    def _prepare(self, op: LcmOpOcc) -> tuple[str, ...] | None:
        try:
            if op.is_cancel_pending:
                raise _cancelled()
            names = self._repeated(op, lambda: self._story(op).prepare(op))
            if len(set(names)) != len(names):
                raise ValueError(f"two steps have the same name: {names}")
            self._change(op, lambda uow, now: self._prepared(now, names))
        except Exception as error:
            self._refuse_or_fail(op, error)
            return None
        return names

    def _prepared(self, op: LcmOpOcc, names: tuple[str, ...]) -> LcmOpOcc:
        named = replace(op, step_names=names)
        return self._moved(named, OperationEvent.GRANTED) if op.state is OperationState.STARTING else named

    def _refuse_or_fail(self, op: LcmOpOcc, error: Exception) -> None:
        """Nothing was touched: end it if it was refused, and always in STARTING, which knows no other way out."""
        if isinstance(error, TakenOver):
            raise error
        is_starting = op.state is OperationState.STARTING
        if not is_starting and not (is_refusal(error) and op.level is not Level.VNF):
            self._fail(op, error)
            return
        _report(error, "operation refused")
        document = error_document(error)
        try:
            self._change(op, lambda uow, now: self._refused(uow, now, document))
        except Exception as second:
            if not is_starting:
                self._fail(op, second)
                return
            _report(second, "the outcome of a refusal could not be stored")
            self._change(op, lambda uow, now: self._moved(now, OperationEvent.REFUSED, document))

    def _refused(self, uow: UnitOfWork, op: LcmOpOcc, document: Mapping[str, Any]) -> LcmOpOcc:
        self._story(op).rolled_back(uow, op)
        return self._moved(uow.operations.get(op.id), OperationEvent.REFUSED, document)

    # Doing and undoing

    def _guarded(self, op: LcmOpOcc, name: str, act: Callable[[LcmOpOcc, str], None]) -> bool:
        try:
            act(op, name)
        except Exception as error:
            self._fail(op, error, step=name)
            return False
        return True

    def _do(self, op: LcmOpOcc, name: str) -> None:
        record = _record(op, name)
        if record is not None and record.state is StepState.DONE:
            return
        if op.is_cancel_pending:
            raise _cancelled()
        record = StepRecord(name, StepState.RUNNING, self._clock.now())
        self._recorded(op, record)
        step = self._story(op).step(op, name)
        result = self._repeated(op, step.do) or {}
        self._recorded(op, replace(record, state=StepState.DONE, ended_at=self._clock.now(), result=result))

    def _undo(self, op: LcmOpOcc, name: str) -> None:
        record = _record(op, name)
        if record is None or record.state is StepState.UNDONE:
            return
        if op.is_cancel_pending:
            raise _cancelled()
        self._recorded(op, replace(record, state=StepState.UNDOING, ended_at=None))
        step = self._story(op).step(op, name)
        if step.undo is not None:
            self._repeated(op, step.undo)
        self._recorded(op, replace(record, state=StepState.UNDONE, ended_at=self._clock.now()))

    def _recorded(self, op: LcmOpOcc, record: StepRecord) -> None:
        self._change(op, lambda uow, now: uow.operations.record_step(op.id, record))

    # Ending

    def _finish(self, op: LcmOpOcc) -> None:
        try:
            self._change(op, self._succeeded)
        except Exception as error:
            self._fail(op, error)

    def _succeeded(self, uow: UnitOfWork, op: LcmOpOcc) -> LcmOpOcc:
        story = self._story(op)
        outcome = story.rolled_back if op.state is OperationState.ROLLING_BACK else story.complete
        outcome(uow, op)
        return self._moved(uow.operations.get(op.id), OperationEvent.SUCCEEDED)

    def _fail(self, op: LcmOpOcc, error: Exception, step: str | None = None) -> None:
        """Move to FAILED_TEMP with the reason, and the step with it."""
        if isinstance(error, TakenOver):
            raise error
        _report(error, "operation failed")
        document = error_document(error)

        def write(uow: UnitOfWork, now: LcmOpOcc) -> LcmOpOcc:
            record = _record(now, step) if step is not None else None
            if record is not None:
                ended = self._clock.now()
                failed = replace(record, state=StepState.FAILED, ended_at=ended, result={"error": document})
                uow.operations.record_step(op.id, failed)
            return self._moved(now, OperationEvent.FAILED, document)

        self._change(op, write)

    def _moved(self, op: LcmOpOcc, event: OperationEvent, error: Mapping[str, Any] | None = None) -> LcmOpOcc:
        return advance(op, event, now=self._clock.now(), error=error)

    # The stored operation

    def _find(self, op_id: str) -> LcmOpOcc | None:
        with self._open_unit(read_only=True) as uow:
            return uow.operations.find(op_id)

    def _change(self, op: LcmOpOcc, write: Callable[[UnitOfWork, LcmOpOcc], LcmOpOcc | None]) -> None:
        """One transaction on the operation as it is now; saved if ``write`` returns it.

        Raises :class:`TakenOver` when it is no longer in the state in which this attempt found it.
        """

        def transaction() -> None:
            with self._open_unit() as uow:
                now = uow.operations.find(op.id)
                if now is None or now.attempt != op.attempt or now.state is not op.state:
                    raise TakenOver
                changed = write(uow, now)
                if changed is not None:
                    uow.operations.save(changed)

        self._despite_outages(transaction)

    # Repetition

    def _despite_outages(self, call: Callable[[], T]) -> T:
        """Call until the database answers: without it neither success nor failure can be recorded."""
        for wait in OUTAGE.waits():
            try:
                return self._despite_collisions(call)
            except Unreachable as error:
                structlog.get_logger(__name__).warning("the database does not answer", error=str(error), wait_s=wait)
            self._pause(wait)
        return self._despite_collisions(call)

    def _despite_collisions(self, call: Callable[[], T]) -> T:
        for collision in range(COLLISIONS):
            try:
                return call()
            except StaleGeneration:
                self._pause(min(0.005 * 1.5**collision, 0.5))
        return call()

    def _repeated(self, op: LcmOpOcc, call: Callable[[], T]) -> T:
        """Call a story until it is answered, within the policy; any other error is the call's own.

        An operation that is being cancelled is not tried again.
        """
        deadline = self._clock.monotonic() + self._retries.deadline_s
        for wait in self._retries.waits():
            try:
                return self._despite_collisions(call)
            except Unreachable as error:
                if self._clock.monotonic() + wait > deadline or self._is_cancelled(op):
                    raise
                structlog.get_logger(__name__).warning("no answer, trying again", error=str(error), wait_s=wait)
            self._pause(wait)
        return self._despite_collisions(call)

    def _is_cancelled(self, op: LcmOpOcc) -> bool:
        now = self._despite_outages(lambda: self._find(op.id))
        return now is not None and now.is_cancel_pending

    def _pause(self, seconds: float) -> None:
        """Wait in slices, so that a stopping server is not held up."""
        while seconds > 0:
            if self._is_stopping():
                raise Stopping
            self._clock.sleep(min(seconds, PAUSE_SLICE_S))
            seconds -= PAUSE_SLICE_S

    def _story(self, op: LcmOpOcc) -> Story:
        story = self._stories.get((op.level, op.operation))
        if story is None:
            raise Refused(f"this server has no operation {op.level.value.upper()} {op.operation}")
        return story


def _record(op: LcmOpOcc, name: str) -> StepRecord | None:
    return next((step for step in op.steps if step.name == name), None)


def _steps_to_undo(op: LcmOpOcc) -> list[str]:
    """Everything that was begun, the last first."""
    begun = {step.name for step in op.steps if step.state in _TO_UNDO}
    return [name for name in reversed(op.step_names or ()) if name in begun]


def _cancelled() -> Refused:
    return Refused("the operation was cancelled", hint="retry it, or roll it back")


def _report(error: Exception, what: str) -> None:
    log = structlog.get_logger(__name__)
    if isinstance(error, CatenaError):
        log.warning(what, code=error.code, detail=error.detail)
    else:
        log.error(what, exc_info=error)
