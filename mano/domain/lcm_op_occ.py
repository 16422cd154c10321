"""Life-cycle operation occurrences: two state machines as tables, one for each standard, and our own for chains.

SOL003 clause 5.6.2 gives the VNF machine, SOL005 clause 6.6.2 the NS machine: without STARTING, with
PARTIALLY_COMPLETED. The change of a chain, which no standard has, goes like an NS operation that skips nothing. An
illegal move raises :class:`~mano.errors.WrongState` and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from mano.domain.coordination import Coordination
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.errors import OperationInProgress, WrongState


class Level(StrEnum):
    """Which standard's machine an operation follows."""

    VNF = "vnf"
    NS = "ns"
    CHAIN = "chain"


class OperationState(StrEnum):
    """States of SOL003's LcmOperationStateType and SOL005's NsLcmOperationStateType together."""

    STARTING = "STARTING"
    PROCESSING = "PROCESSING"
    COMPLETED = "COMPLETED"
    PARTIALLY_COMPLETED = "PARTIALLY_COMPLETED"
    FAILED_TEMP = "FAILED_TEMP"
    FAILED = "FAILED"
    ROLLING_BACK = "ROLLING_BACK"
    ROLLED_BACK = "ROLLED_BACK"


class OperationEvent(StrEnum):
    """What moves an operation occurrence."""

    GRANTED = "granted"
    REFUSED = "refused"
    SUCCEEDED = "succeeded"
    PARTLY_SUCCEEDED = "partly succeeded"
    FAILED = "failed"
    BEYOND_REPAIR = "beyond repair"
    RETRY = "retry"
    CONTINUE = "continue"
    ROLLBACK = "rollback"
    GIVE_UP = "fail"


S, E = OperationState, OperationEvent

_COMMON: dict[tuple[OperationState, OperationEvent], OperationState] = {
    (S.PROCESSING, E.SUCCEEDED): S.COMPLETED,
    (S.PROCESSING, E.FAILED): S.FAILED_TEMP,
    (S.PROCESSING, E.BEYOND_REPAIR): S.FAILED,
    (S.FAILED_TEMP, E.RETRY): S.PROCESSING,
    (S.FAILED_TEMP, E.ROLLBACK): S.ROLLING_BACK,
    (S.FAILED_TEMP, E.GIVE_UP): S.FAILED,
    (S.ROLLING_BACK, E.SUCCEEDED): S.ROLLED_BACK,
    (S.ROLLING_BACK, E.FAILED): S.FAILED_TEMP,
}

TRANSITIONS: Mapping[Level, Mapping[tuple[OperationState, OperationEvent], OperationState]] = {
    Level.VNF: {
        **_COMMON,
        (S.STARTING, E.GRANTED): S.PROCESSING,
        (S.STARTING, E.REFUSED): S.ROLLED_BACK,
    },
    Level.NS: {
        **_COMMON,
        (S.PROCESSING, E.REFUSED): S.ROLLED_BACK,
        (S.PROCESSING, E.PARTLY_SUCCEEDED): S.PARTIALLY_COMPLETED,
        (S.FAILED_TEMP, E.CONTINUE): S.PROCESSING,
    },
    Level.CHAIN: {
        **_COMMON,
        (S.PROCESSING, E.REFUSED): S.ROLLED_BACK,
    },
}
"""(state, event) to next state. What is not listed is illegal.

An NS operation that is refused before it touched a resource (no placement, broken forwarding graph) ends in
ROLLED_BACK like a refused grant does: there is nothing to repair.
"""

INITIAL: Mapping[Level, OperationState] = {
    Level.VNF: S.STARTING,
    Level.NS: S.PROCESSING,
    Level.CHAIN: S.PROCESSING,
}
"""State in which an accepted operation is stored."""

UNGRANTED: frozenset[str] = frozenset({"MODIFY_INFO"})
"""VNF operations that need no grant: they begin in PROCESSING (SOL003 clause 5.6.2.3)."""


def initial_state(level: Level, operation: str) -> OperationState:
    """The state in which an accepted operation of this kind is stored."""
    return S.PROCESSING if operation in UNGRANTED else INITIAL[level]


ENDED: frozenset[OperationState] = frozenset({S.COMPLETED, S.PARTIALLY_COMPLETED, S.FAILED, S.ROLLED_BACK})
"""States without an exit: another operation may start on the instance."""

_SUCCESS = frozenset({S.COMPLETED})

RUNNING: frozenset[OperationState] = frozenset({S.STARTING, S.PROCESSING, S.ROLLING_BACK})
"""States in which a workflow is at work; only these can be cancelled."""


class CancelMode(StrEnum):
    """How a running operation is stopped (CancelModeType, SOL003 clause 5.5.4.6, SOL005 clause 6.5.4.8)."""

    GRACEFUL = "GRACEFUL"
    """What runs is allowed to end; nothing new is begun."""
    FORCEFUL = "FORCEFUL"
    """Nothing is waited for any more."""


class StepState(StrEnum):
    """Progress of one named step of an operation."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    UNDOING = "UNDOING"
    UNDONE = "UNDONE"


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What happened in one step: kept for ``mano op watch`` and for rollback."""

    name: str
    state: StepState
    started_at: datetime
    ended_at: datetime | None = None
    result: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LcmOpOcc:
    """One life-cycle operation occurrence (VnfLcmOpOcc, SOL003 5.5.2.13; NsLcmOpOcc, SOL005 6.5.2.3).

    ``operation`` is the standard's value (``INSTANTIATE``, ``TERMINATE``, ...), ``parameters`` the request body as
    received, ``plan`` the desired state that was decided for it, ``error`` a document of
    :meth:`mano.errors.CatenaError.to_document`. ``attempt`` counts retries and rollbacks from 1. Times are UTC.
    """

    id: str
    tenant_id: str
    level: Level
    instance_id: str
    operation: str
    state: OperationState
    state_entered_at: datetime
    started_at: datetime
    parameters: Mapping[str, Any] = field(default_factory=dict)
    plan: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None
    is_automatic: bool = False
    is_cancel_pending: bool = False
    cancel_mode: CancelMode | None = None
    grant_id: str | None = None
    parent_id: str | None = None
    depth: int = 0
    """How many NS operations wait for this one, each in the one before: 0 for one that a client asked for."""
    attempt: int = 1
    steps: tuple[StepRecord, ...] = ()
    step_names: tuple[str, ...] | None = None
    """Every step of the operation in order, done or to come; ``None`` until it was prepared."""
    coordinations: tuple[Coordination, ...] = ()
    """What others were asked on its way."""
    generation: int = 0

    @property
    def ended(self) -> bool:
        """True when nothing more will happen to this occurrence."""
        return self.state in ENDED


def advance(op: LcmOpOcc, event: OperationEvent, *, now: datetime, error: Mapping[str, Any] | None = None) -> LcmOpOcc:
    """The occurrence after ``event``.

    A retry, continue or rollback counts one attempt more. The error stays until the operation completes: SOL003
    clause 5.5.2.13 wants it while PROCESSING or ROLLING_BACK after FAILED_TEMP, and a person wants to know why it was
    rolled back. Raises :class:`~mano.errors.WrongState` for a move that the standard does not have.
    """
    target = TRANSITIONS[op.level].get((op.state, event))
    if target is None:
        raise WrongState(
            f"a {op.level.value.upper()} life-cycle operation in state {op.state.value} cannot take '{event.value}'",
            facts={"state": op.state.value, "event": event.value},
        )
    again = event in (E.RETRY, E.CONTINUE, E.ROLLBACK)
    return replace(
        op,
        state=target,
        state_entered_at=now,
        error=error if error is not None else (None if target in _SUCCESS else op.error),
        attempt=op.attempt + 1 if again else op.attempt,
        is_cancel_pending=False if target not in RUNNING else op.is_cancel_pending,
        cancel_mode=None if target not in RUNNING else op.cancel_mode,
    )


def cancel(op: LcmOpOcc, mode: CancelMode) -> LcmOpOcc:
    """The occurrence while it is being cancelled (SOL003 clause 5.4.17, SOL005 clause 6.4.15).

    Its state stays until the engine stops it. A FORCEFUL cancellation overrides a GRACEFUL one that is pending.
    Raises :class:`~mano.errors.WrongState` unless it runs.
    """
    if op.state not in RUNNING:
        raise WrongState(
            f"an operation in state {op.state.value} cannot be cancelled: nothing of it runs",
            hint="retry it, roll it back or fail it" if op.state is S.FAILED_TEMP else "it is over",
            facts={"state": op.state.value},
        )
    stronger = CancelMode.FORCEFUL if CancelMode.FORCEFUL in (mode, op.cancel_mode) else mode
    return replace(op, is_cancel_pending=True, cancel_mode=stronger)


def require_idle(owner: LcmOpOcc | None) -> None:
    """Refuse a second operation while ``owner`` has the instance: one operation per instance."""
    if owner is None:
        return
    waits = owner.state is OperationState.FAILED_TEMP
    raise OperationInProgress(
        f"operation {owner.id} ({owner.operation}, {owner.state.value}) is not over",
        hint="retry it, roll it back or fail it first" if waits else "wait for it",
        facts={"operationId": owner.id, "state": owner.state.value},
    )


def state_event(op: LcmOpOcc) -> Event:
    """The fact that the occurrence entered its state; the same state entered at the same time is the same event."""
    is_new = op.state is initial_state(op.level, op.operation) and op.attempt == 1
    return _event(op, "created" if is_new else "changed", op.state_entered_at)


def step_event(op: LcmOpOcc, step: StepRecord) -> Event:
    """The fact that a step of the occurrence began or ended."""
    at = step.ended_at or step.started_at
    return _event(op, "progressed", at, step=step.name, stepState=step.state.value)


def _event(op: LcmOpOcc, verb: str, at: datetime, **more: Any) -> Event:
    noun = f"{op.level.value}-lcm-op-occ"
    data: dict[str, Any] = {
        "operation": op.operation,
        "operationState": op.state.value,
        f"{op.level.value}InstanceId": op.instance_id,
        "attempt": op.attempt,
        **more,
    }
    if op.parent_id is not None:
        data["parentId"] = op.parent_id
    if op.error is not None:
        data["error"] = dict(op.error)
    moment = (op.state.value, str(op.attempt), at.isoformat(), *(str(value) for value in more.values()))
    identity = derive_id("event", op.id, verb, *moment)
    return Event(id=identity, noun=noun, verb=verb, subject=op.id, tenant_id=op.tenant_id, occurred_at=at, data=data)
