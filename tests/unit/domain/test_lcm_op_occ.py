"""The life-cycle operation machines of SOL003 5.6.2 and SOL005 6.6.2, state by state."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mano.domain.lcm_op_occ import (
    ENDED,
    INITIAL,
    RUNNING,
    TRANSITIONS,
    LcmOpOcc,
    Level,
    OperationEvent,
    OperationState,
    StepRecord,
    StepState,
    advance,
    state_event,
    step_event,
)
from mano.errors import WrongState

S, E = OperationState, OperationEvent
NOW = datetime(2026, 3, 1, tzinfo=UTC)
ERROR = {"code": "UNREACHABLE", "detail": "h1 does not answer", "hint": "", "facts": {}}

# Written down from the standards, not from the code: what each state accepts, and where it leads.
VNF_MOVES = {
    S.STARTING: {E.GRANTED: S.PROCESSING, E.REFUSED: S.ROLLED_BACK},
    S.PROCESSING: {E.SUCCEEDED: S.COMPLETED, E.FAILED: S.FAILED_TEMP, E.BEYOND_REPAIR: S.FAILED},
    S.FAILED_TEMP: {E.RETRY: S.PROCESSING, E.ROLLBACK: S.ROLLING_BACK, E.GIVE_UP: S.FAILED},
    S.ROLLING_BACK: {E.SUCCEEDED: S.ROLLED_BACK, E.FAILED: S.FAILED_TEMP},
}
NS_MOVES = {
    S.PROCESSING: {
        E.SUCCEEDED: S.COMPLETED,
        E.PARTLY_SUCCEEDED: S.PARTIALLY_COMPLETED,
        E.FAILED: S.FAILED_TEMP,
        E.BEYOND_REPAIR: S.FAILED,
        E.REFUSED: S.ROLLED_BACK,
    },
    S.FAILED_TEMP: {
        E.RETRY: S.PROCESSING,
        E.CONTINUE: S.PROCESSING,
        E.ROLLBACK: S.ROLLING_BACK,
        E.GIVE_UP: S.FAILED,
    },
    S.ROLLING_BACK: {E.SUCCEEDED: S.ROLLED_BACK, E.FAILED: S.FAILED_TEMP},
}
# A change of a chain is no standard's operation: an NS's, which either holds or does not, and is not gone on with.
CHAIN_MOVES = {
    S.PROCESSING: {
        E.SUCCEEDED: S.COMPLETED,
        E.FAILED: S.FAILED_TEMP,
        E.BEYOND_REPAIR: S.FAILED,
        E.REFUSED: S.ROLLED_BACK,
    },
    S.FAILED_TEMP: {E.RETRY: S.PROCESSING, E.ROLLBACK: S.ROLLING_BACK, E.GIVE_UP: S.FAILED},
    S.ROLLING_BACK: {E.SUCCEEDED: S.ROLLED_BACK, E.FAILED: S.FAILED_TEMP},
}
MOVES = {Level.VNF: VNF_MOVES, Level.NS: NS_MOVES, Level.CHAIN: CHAIN_MOVES}
EVERY_PAIR = [(level, state, event) for level in Level for state in S for event in E]


def operation(level: Level, state: OperationState, **fields: object) -> LcmOpOcc:
    op = LcmOpOcc(
        id="op-1",
        tenant_id="tenant",
        level=level,
        instance_id="instance",
        operation="INSTANTIATE",
        state=state,
        state_entered_at=NOW,
        started_at=NOW,
    )
    return replace(op, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(("level", "state", "event"), EVERY_PAIR)
def test_each_event_leads_where_the_standard_says_or_is_refused(level, state, event) -> None:
    op = operation(level, state, error=ERROR, attempt=3)
    before = replace(op)
    target = MOVES[level].get(state, {}).get(event)
    if target is None:
        with pytest.raises(WrongState) as refusal:
            advance(op, event, now=NOW)
        assert refusal.value.facts == {"state": state.value, "event": event.value}
    else:
        later = NOW + timedelta(seconds=5)
        moved = advance(op, event, now=later)
        assert (moved.state, moved.state_entered_at) == (target, later)
    assert op == before


@pytest.mark.parametrize("level", Level)
def test_nothing_leads_out_of_an_ended_state_and_something_out_of_every_other(level) -> None:
    exits = {state for state, _ in TRANSITIONS[level]}
    reachable = {INITIAL[level], *TRANSITIONS[level].values()}
    assert exits.isdisjoint(ENDED)
    assert reachable - ENDED == exits
    assert RUNNING.isdisjoint(ENDED)


def test_only_a_vnf_operation_starts_and_only_an_ns_operation_completes_partially() -> None:
    states = {level: {INITIAL[level], *TRANSITIONS[level].values()} for level in Level}
    assert states[Level.VNF] == set(S) - {S.PARTIALLY_COMPLETED}
    assert states[Level.NS] == set(S) - {S.STARTING}
    assert states[Level.CHAIN] == states[Level.NS] - {S.PARTIALLY_COMPLETED}


@pytest.mark.parametrize("event", [E.RETRY, E.ROLLBACK, E.CONTINUE])
def test_another_attempt_is_counted_and_keeps_the_error_that_made_it_needed(event) -> None:
    moved = advance(operation(Level.NS, S.FAILED_TEMP, error=ERROR), event, now=NOW)
    assert (moved.attempt, moved.error) == (2, ERROR)


def test_success_clears_the_error_and_a_rollback_keeps_it() -> None:
    assert advance(operation(Level.NS, S.PROCESSING, error=ERROR), E.SUCCEEDED, now=NOW).error is None
    assert advance(operation(Level.NS, S.ROLLING_BACK, error=ERROR), E.SUCCEEDED, now=NOW).error == ERROR


def test_a_new_error_replaces_the_old_one() -> None:
    newer = {**ERROR, "detail": "h2 does not answer"}
    assert advance(operation(Level.VNF, S.PROCESSING, error=ERROR), E.FAILED, now=NOW, error=newer).error == newer


def test_a_wish_to_cancel_ends_with_the_work() -> None:
    op = operation(Level.VNF, S.STARTING, is_cancel_pending=True)
    granted = advance(op, E.GRANTED, now=NOW)
    assert granted.is_cancel_pending
    assert not advance(granted, E.FAILED, now=NOW).is_cancel_pending


def test_ended_says_whether_another_operation_may_start() -> None:
    assert {state for state in S if operation(Level.NS, state).ended} == set(ENDED)


def test_an_event_tells_the_state_and_is_the_same_when_told_twice() -> None:
    op = operation(Level.VNF, S.STARTING, parent_id="ns-op")
    told = state_event(op)
    assert told == state_event(op)
    assert told.type == "catena.vnf-lcm-op-occ.created.v1"
    assert told.data == {
        "operation": "INSTANTIATE",
        "operationState": "STARTING",
        "vnfInstanceId": "instance",
        "attempt": 1,
        "parentId": "ns-op",
    }
    failed = state_event(operation(Level.NS, S.FAILED_TEMP, error=ERROR))
    assert failed.type == "catena.ns-lcm-op-occ.changed.v1"
    assert failed.data["error"] == ERROR
    assert failed.id != told.id


def test_a_steps_begin_and_end_are_two_events() -> None:
    op = operation(Level.NS, S.PROCESSING)
    running = StepRecord("networks", StepState.RUNNING, NOW)
    done = replace(running, state=StepState.DONE, ended_at=NOW)
    first, second = step_event(op, running), step_event(op, done)
    assert first.verb == second.verb == "progressed"
    assert first.id != second.id
    assert (second.data["step"], second.data["stepState"]) == ("networks", "DONE")


class OperationWalk(RuleBasedStateMachine):
    """Any sequence of events, legal or not: the occurrence stays in the tables, and moves exactly when they say."""

    op: LcmOpOcc

    @initialize(level=st.sampled_from(Level))
    def accept(self, level: Level) -> None:
        self.op = operation(level, INITIAL[level])
        self.clock = NOW
        self.again = 0

    @rule(event=st.sampled_from(E), error=st.none() | st.just(ERROR))
    def take(self, event: OperationEvent, error: dict[str, object] | None) -> None:
        self.clock += timedelta(seconds=1)
        before = self.op
        target = MOVES[before.level].get(before.state, {}).get(event)
        try:
            self.op = advance(before, event, now=self.clock, error=error)
        except WrongState:
            assert target is None
            assert self.op is before
            return
        assert self.op.state is target
        self.again += event in (E.RETRY, E.CONTINUE, E.ROLLBACK)

    @rule()
    def wish_to_cancel(self) -> None:
        if self.op.state in RUNNING:
            self.op = replace(self.op, is_cancel_pending=True)

    @invariant()
    def attempts_are_counted(self) -> None:
        assert self.op.attempt == 1 + self.again

    @invariant()
    def only_running_work_can_be_about_to_be_cancelled(self) -> None:
        assert self.op.state in RUNNING or not self.op.is_cancel_pending

    @invariant()
    def a_completed_operation_has_no_error(self) -> None:
        assert self.op.state is not S.COMPLETED or self.op.error is None


TestOperationWalk = OperationWalk.TestCase
