"""Operation occurrences: one at work per instance, steps beside them, an event with every change."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from mano.adapters.store import SqlStore
from mano.domain.lcm_op_occ import ENDED, OperationEvent, OperationState, StepRecord, StepState, advance
from mano.errors import NotFound, OperationInProgress, StaleGeneration
from tests.unit.store.samples import NOW, operation


def verbs(store: SqlStore) -> list[str]:
    with store.open_unit(read_only=True) as uow:
        return [f"{event.verb} {event.data['operationState']}" for event in uow.outbox.after(0)]


@pytest.mark.parametrize("state", OperationState)
def test_a_second_operation_waits_until_the_first_has_ended(store: SqlStore, state) -> None:
    with store.open_unit() as uow:
        uow.operations.add(operation("op-1", state=state))
    if state in ENDED:
        with store.open_unit() as uow:
            uow.operations.add(operation("op-2"))
    else:
        with pytest.raises(OperationInProgress) as refusal, store.open_unit() as uow:
            uow.operations.add(operation("op-2"))
        assert refusal.value.facts == {"lcmOpOccId": "op-1", "operationState": state.value}


def test_the_active_operation_is_the_one_that_has_not_ended(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.operations.add(operation("op-1", state=OperationState.FAILED))
        uow.operations.add(operation("op-2"))
        assert uow.operations.active("ns-1") == operation("op-2")
        assert uow.operations.active("ns-2") is None


def test_of_many_that_start_at_once_one_wins(store: SqlStore) -> None:
    won: list[str] = []
    barrier = threading.Barrier(6)

    def start(id: str) -> None:
        barrier.wait()
        try:
            with store.open_unit() as uow:
                uow.operations.add(operation(id))
            won.append(id)
        except OperationInProgress:
            pass

    threads = [threading.Thread(target=start, args=(f"op-{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    with store.open_unit(read_only=True) as uow:
        assert [op.id for op in uow.operations.list()] == won


def test_every_new_state_appends_its_event_with_the_state_and_never_without(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.operations.add(operation())
    with store.open_unit() as uow:
        op = uow.operations.get("op-1")
        op = uow.operations.save(replace(op, plan={"networks": 3}))
        assert op.generation == 1
    with store.open_unit() as uow:
        failed = uow.operations.save(advance(op, OperationEvent.FAILED, now=NOW, error={"code": "UNREACHABLE"}))
    with pytest.raises(StaleGeneration), store.open_unit() as uow:
        uow.operations.save(advance(op, OperationEvent.SUCCEEDED, now=NOW))
    with store.open_unit() as uow:
        uow.operations.save(advance(failed, OperationEvent.GIVE_UP, now=NOW))
    assert verbs(store) == ["created PROCESSING", "changed FAILED_TEMP", "changed FAILED"]


def test_steps_keep_their_order_and_their_last_state(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.operations.add(operation())
        uow.operations.record_step("op-1", StepRecord("networks", StepState.RUNNING, NOW))
        uow.operations.record_step("op-1", StepRecord("a vnf", StepState.RUNNING, NOW))
        done = StepRecord("networks", StepState.DONE, NOW, NOW, {"count": 3})
        uow.operations.record_step("op-1", done)
    with store.open_unit(read_only=True) as uow:
        expected = (done, StepRecord("a vnf", StepState.RUNNING, NOW))
        assert uow.operations.get("op-1").steps == expected
        assert uow.operations.list()[0].steps == expected
        active = uow.operations.active("ns-1")
        assert active is not None
        assert active.steps == expected
    assert [verb.split()[0] for verb in verbs(store)] == ["created", "progressed", "progressed", "progressed"]


def test_saving_an_operation_leaves_its_steps_as_recorded(store: SqlStore) -> None:
    record = StepRecord("networks", StepState.DONE, NOW, NOW)
    with store.open_unit() as uow:
        uow.operations.add(operation())
        uow.operations.record_step("op-1", record)
        stale_view = operation()
        uow.operations.save(replace(stale_view, grant_id="g"))
        assert uow.operations.get("op-1").steps == (record,)


def test_steps_of_an_unknown_operation_are_refused(store: SqlStore) -> None:
    with pytest.raises(NotFound), store.open_unit() as uow:
        uow.operations.record_step("no", StepRecord("networks", StepState.DONE, NOW))


def test_steps_go_with_their_operation(store: SqlStore) -> None:
    with store.open_unit() as uow:
        uow.operations.add(operation())
        uow.operations.record_step("op-1", StepRecord("networks", StepState.DONE, NOW))
        uow.operations.remove("op-1")
    with store.open_unit() as uow:
        uow.operations.add(operation())
        assert uow.operations.get("op-1").steps == ()
