"""What an operation does, with the library that makes it durable replaced by a plain call."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.dbos_engine import RetryPolicy
from mano.adapters.dbos_engine.execution import COLLISIONS, Runner, Stopping
from mano.adapters.store import SqlStore, make_engines, upgrade
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationEvent, OperationState, StepState, advance
from mano.errors import (
    Conflict,
    DeadlineExceeded,
    InvalidInput,
    NotFound,
    NotPlaceable,
    StaleGeneration,
    Unreachable,
)
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step
from tests.fakes.clock import FakeClock
from tests.fakes.engine import InlineWorkflows
from tests.fakes.world import TENANT, Build, Raze, World, new_instance, new_operation, whole

S, E = OperationState, OperationEvent


@dataclass
class Bench:
    """A store, a clock, and the story of the day."""

    store: SqlStore
    clock: FakeClock = field(default_factory=FakeClock)

    def start(self, story: Any, op: LcmOpOcc, retries: RetryPolicy | None = None) -> LcmOpOcc:
        self.workflows = InlineWorkflows(self.store, self.clock, retries=retries)
        self.workflows.register(story)
        with self.store.open_unit() as uow:
            uow.ns_instances.add(new_instance(op.instance_id, self.clock))
            self.workflows.start(uow, op)
        return self.read(op.id)

    def go_on(self, op_id: str, event: OperationEvent) -> LcmOpOcc:
        with self.store.open_unit() as uow:
            self.workflows.resume(uow, advance(uow.operations.get(op_id), event, now=self.clock.now()))
        return self.read(op_id)

    def read(self, op_id: str) -> LcmOpOcc:
        with self.store.open_unit(read_only=True) as uow:
            return uow.operations.get(op_id)

    def events(self) -> list[str]:
        with self.store.open_unit(read_only=True) as uow:
            return [
                f"{event.data['step']} {event.data['stepState']}"
                if event.verb == "progressed"
                else event.data["operationState"]
                for event in uow.outbox.after(0)
            ]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    engines = make_engines(f"sqlite:///{tmp_path}/catena.db")
    upgrade(engines)
    yield Bench(SqlStore(engines))
    engines.dispose()


@dataclass
class Script:
    """A story written down: what each call shall do, and what was called."""

    steps: dict[str, Callable[[], Any]] = field(default_factory=dict)
    undo: dict[str, Callable[[], Any]] = field(default_factory=dict)
    preparing: Callable[[], Any] = lambda: None
    completing: Callable[[], Any] = lambda: None
    rolling_back: Callable[[], Any] = lambda: None
    names: tuple[str, ...] | None = None
    level: Level = Level.NS
    operation: str = "INSTANTIATE"
    calls: list[str] = field(default_factory=list)

    def _call(self, name: str, call: Callable[[], Any]) -> Any:
        self.calls.append(name)
        return call()

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        self._call("prepare", self.preparing)
        return self.names if self.names is not None else tuple(self.steps)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        undo = self.undo.get(name, lambda: None)
        return Step(name, lambda: self._call(name, self.steps[name]), lambda: self._call(f"undo {name}", undo))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.ns_instances.save(replace(uow.ns_instances.get(op.instance_id), name="complete"))
        self._call("complete", self.completing)

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.ns_instances.save(replace(uow.ns_instances.get(op.instance_id), name="rolled back"))
        self._call("rolled back", self.rolling_back)


class Failing:
    """Raises its errors one after the other, then succeeds."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.count = 0

    def __call__(self) -> None:
        self.count += 1
        if self.errors:
            raise self.errors.pop(0)


def ok() -> None:
    return None


def ns_op(**parameters: Any) -> LcmOpOcc:
    return new_operation("op", "ns", FakeClock(), level=Level.NS, **parameters)


def vnf_op(**parameters: Any) -> LcmOpOcc:
    return new_operation("op", "ns", FakeClock(), level=Level.VNF, **parameters)


def outcome(bench: Bench) -> str:
    with bench.store.open_unit(read_only=True) as uow:
        return uow.ns_instances.get("ns").name


class TestStraightOn:
    def test_a_vnf_operation_passes_all_its_states_and_tells_each(self, bench) -> None:
        op = bench.start(Script({"a": lambda: {"made": 1}, "b": ok}, level=Level.VNF), vnf_op())
        assert op.state is S.COMPLETED
        assert bench.events() == [
            "STARTING",
            "PROCESSING",
            "a RUNNING",
            "a DONE",
            "b RUNNING",
            "b DONE",
            "COMPLETED",
        ]
        assert op.step_names == ("a", "b")
        assert op.steps[0].result == {"made": 1}
        assert outcome(bench) == "complete"

    def test_an_ns_operation_is_processing_from_its_start(self, bench) -> None:
        op = bench.start(Script({"a": ok}), ns_op())
        assert op.state is S.COMPLETED
        assert bench.events()[0] == "PROCESSING"

    def test_an_operation_without_steps_completes(self, bench) -> None:
        assert bench.start(Script(), ns_op()).state is S.COMPLETED

    def test_times_are_those_of_the_clock(self, bench) -> None:
        op = bench.start(Script({"slow": lambda: bench.clock.advance(90)}), ns_op())
        assert op.steps[0].ended_at is not None
        assert (op.steps[0].ended_at - op.steps[0].started_at).total_seconds() == 90

    def test_the_outcome_may_change_the_operation_too(self, bench) -> None:
        class Planner(Script):
            def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
                uow.operations.save(replace(op, plan={"outcome": "good"}))

        op = bench.start(Planner({"a": ok}), ns_op())
        assert (op.state, op.plan) == (S.COMPLETED, {"outcome": "good"})


REFUSALS = [NotPlaceable("no room", facts={"unplaced": 1}), Conflict("no"), InvalidInput("no"), NotFound("no")]


class TestPreparing:
    @pytest.mark.parametrize("error", REFUSALS, ids=lambda error: type(error).__name__)
    @pytest.mark.parametrize("level", Level)
    def test_a_refusal_ends_the_operation_with_its_reasons(self, bench, error, level) -> None:
        story = Script({"a": ok}, preparing=Failing(error), level=level)
        op = bench.start(story, replace(ns_op(), level=level, state=S.STARTING if level is Level.VNF else S.PROCESSING))
        assert (op.state, op.error) == (S.ROLLED_BACK, error.to_document())
        assert story.calls == ["prepare", "rolled back"]
        assert outcome(bench) == "rolled back"

    @pytest.mark.parametrize("error", [RuntimeError("secret"), DeadlineExceeded("late")], ids=["bug", "late"])
    def test_another_failure_can_be_retried_on_the_ns_level(self, bench, error) -> None:
        op = bench.start(Script({"a": ok}, preparing=Failing(error)), ns_op())
        assert (op.state, op.step_names) == (S.FAILED_TEMP, None)
        assert bench.go_on("op", E.RETRY).state is S.COMPLETED

    def test_another_failure_ends_a_vnf_operation_that_is_starting(self, bench) -> None:
        op = bench.start(Script(preparing=Failing(RuntimeError("secret")), level=Level.VNF), vnf_op())
        assert op.state is S.ROLLED_BACK
        assert op.error is not None
        assert op.error["code"] == "INTERNAL"

    def test_an_unexpected_error_shows_no_text_of_its_own(self, bench) -> None:
        op = bench.start(Script(preparing=Failing(RuntimeError("password=hunter2"))), ns_op())
        assert op.error is not None
        assert "hunter2" not in str(op.error)
        assert op.error["facts"] == {"type": "RuntimeError"}

    def test_a_failed_preparation_is_rolled_back_without_undoing_anything(self, bench) -> None:
        story = Script({"a": ok}, preparing=Failing(RuntimeError()))
        bench.start(story, ns_op())
        assert bench.go_on("op", E.ROLLBACK).state is S.ROLLED_BACK
        assert story.calls == ["prepare", "rolled back"]

    def test_who_decided_on_stale_data_decides_again_at_once(self, bench) -> None:
        preparing = Failing(*[StaleGeneration("moved")] * 5)
        assert bench.start(Script({"a": ok}, preparing=preparing), ns_op()).state is S.COMPLETED
        assert preparing.count == 6

    def test_endless_collisions_end_in_a_failure_that_can_be_retried(self, bench) -> None:
        preparing = Failing(*[StaleGeneration("moved")] * 1000)
        op = bench.start(Script(preparing=preparing), ns_op())
        assert op.state is S.FAILED_TEMP
        assert preparing.count == COLLISIONS + 1

    def test_two_steps_of_one_name_are_a_fault_of_the_story(self, bench) -> None:
        op = bench.start(Script({"a": ok}, names=("a", "a")), ns_op())
        assert op.state is S.FAILED_TEMP

    def test_an_operation_that_no_story_tells_is_refused(self, bench) -> None:
        op = bench.start(Script({"a": ok}, operation="SCALE"), ns_op())
        assert (op.state, op.error and op.error["code"]) == (S.FAILED_TEMP, "REFUSED")

    def test_an_outcome_of_a_refusal_that_fails_does_not_keep_a_vnf_operation_starting(self, bench) -> None:
        story = Script(preparing=Failing(NotPlaceable("no")), rolling_back=Failing(RuntimeError()), level=Level.VNF)
        op = bench.start(story, vnf_op())
        assert (op.state, op.error and op.error["code"]) == (S.ROLLED_BACK, "NOT_PLACEABLE")

    def test_an_outcome_of_a_refusal_that_fails_can_be_retried_on_the_ns_level(self, bench) -> None:
        story = Script(preparing=Failing(NotPlaceable("no")), rolling_back=Failing(RuntimeError()))
        assert bench.start(story, ns_op()).state is S.FAILED_TEMP


class TestFailing:
    def test_a_failed_step_stops_the_operation_and_says_where_and_why(self, bench) -> None:
        story = Script({"a": ok, "b": Failing(Conflict("port in use")), "c": ok})
        op = bench.start(story, ns_op())
        assert op.state is S.FAILED_TEMP
        assert op.error == Conflict("port in use").to_document()
        assert [(step.name, step.state) for step in op.steps] == [("a", StepState.DONE), ("b", StepState.FAILED)]
        assert op.steps[1].result == {"error": op.error}
        assert story.calls == ["prepare", "a", "b"]

    def test_a_retry_begins_with_the_first_step_that_is_not_done(self, bench) -> None:
        story = Script({"a": ok, "b": Failing(Conflict("port in use")), "c": ok})
        bench.start(story, ns_op())
        op = bench.go_on("op", E.RETRY)
        assert (op.state, op.attempt, op.error) == (S.COMPLETED, 2, None)
        assert story.calls == ["prepare", "a", "b", "b", "c", "complete"]

    def test_a_rollback_undoes_what_was_begun_the_last_first(self, bench) -> None:
        story = Script({"a": ok, "b": ok, "c": Failing(Conflict("no")), "d": ok})
        bench.start(story, ns_op())
        op = bench.go_on("op", E.ROLLBACK)
        assert op.state is S.ROLLED_BACK
        assert story.calls[4:] == ["undo c", "undo b", "undo a", "rolled back"]
        assert {step.state for step in op.steps} == {StepState.UNDONE}
        assert outcome(bench) == "rolled back"

    def test_a_failed_rollback_goes_on_where_it_stopped(self, bench) -> None:
        story = Script({"a": ok, "b": ok, "c": Failing(Conflict("no"))}, {"b": Failing(Conflict("busy"))})
        bench.start(story, ns_op())
        assert bench.go_on("op", E.ROLLBACK).state is S.FAILED_TEMP
        assert bench.go_on("op", E.ROLLBACK).state is S.ROLLED_BACK
        assert story.calls[4:] == ["undo c", "undo b", "undo b", "undo a", "rolled back"]

    def test_after_a_failed_rollback_a_retry_does_again_what_was_undone(self, bench) -> None:
        story = Script({"a": ok, "b": ok, "c": Failing(Conflict("no"))}, {"b": Failing(Conflict("busy"))})
        bench.start(story, ns_op())
        bench.go_on("op", E.ROLLBACK)
        assert bench.go_on("op", E.RETRY).state is S.COMPLETED
        assert story.calls[6:] == ["b", "c", "complete"]

    def test_an_outcome_that_cannot_be_stored_is_a_failure_and_leaves_nothing_of_itself(self, bench) -> None:
        story = Script({"a": ok}, completing=Failing(RuntimeError("bug")))
        assert bench.start(story, ns_op()).state is S.FAILED_TEMP
        assert outcome(bench) == "ns"
        assert bench.go_on("op", E.RETRY).state is S.COMPLETED
        assert story.calls == ["prepare", "a", "complete", "complete"]

    def test_a_result_that_is_no_json_fails_its_step(self, bench) -> None:
        op = bench.start(Script({"a": lambda: {"load": float("nan")}}), ns_op())
        assert (op.state, op.steps[0].state) == (S.FAILED_TEMP, StepState.FAILED)

    def test_a_story_that_forgets_its_step_fails_that_step(self, bench) -> None:
        op = bench.start(Script({}, names=("a",)), ns_op())
        assert (op.state, op.steps[0].state) == (S.FAILED_TEMP, StepState.FAILED)

    def test_the_log_names_the_operation_and_keeps_the_stack(self, bench) -> None:
        import structlog

        with structlog.testing.capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            bench.start(Script({"a": Failing(RuntimeError("bug"))}), ns_op())
        (line,) = lines
        assert line["log_level"] == "error"
        assert (line["lcmOpOccId"], line["nsInstanceId"], line["step"]) == ("op", "ns", "a")
        assert isinstance(line["exc_info"], RuntimeError)


class TestRepeating:
    POLICY = RetryPolicy(attempts=4, first_s=1.0, factor=2.0, deadline_s=100.0)

    def test_an_unanswered_call_is_repeated_after_growing_pauses(self, bench) -> None:
        call = Failing(*[Unreachable("h1")] * 3)
        assert bench.start(Script({"a": call}), ns_op(), self.POLICY).state is S.COMPLETED
        assert call.count == 4
        assert sum(bench.clock.slept) == pytest.approx(1 + 2 + 4)

    def test_it_is_repeated_so_often_and_no_more(self, bench) -> None:
        call = Failing(*[Unreachable("h1")] * 10)
        op = bench.start(Script({"a": call}), ns_op(), self.POLICY)
        assert (op.state, call.count) == (S.FAILED_TEMP, 4)
        assert op.error == Unreachable("h1").to_document()

    def test_no_repetition_begins_after_the_deadline(self, bench) -> None:
        policy = RetryPolicy(attempts=50, first_s=10.0, factor=1.0, deadline_s=35.0)
        call = Failing(*[Unreachable("h1")] * 50)
        bench.start(Script({"a": call}), ns_op(), policy)
        assert call.count == 4

    def test_preparation_and_undoing_are_repeated_too(self, bench) -> None:
        undo = Failing(Unreachable("h1"))
        story = Script({"a": Failing(Conflict("no"))}, {"a": undo}, preparing=Failing(Unreachable("h1")))
        bench.start(story, ns_op(), self.POLICY)
        assert bench.go_on("op", E.ROLLBACK).state is S.ROLLED_BACK
        assert undo.count == 2

    @pytest.mark.parametrize("error", [DeadlineExceeded("late"), Conflict("no"), RuntimeError()])
    def test_an_answer_is_an_answer(self, bench, error) -> None:
        call = Failing(error)
        assert bench.start(Script({"a": call}), ns_op(), self.POLICY).state is S.FAILED_TEMP
        assert call.count == 1


class TestStopping:
    def test_a_server_that_stops_leaves_the_operation_where_it_was(self, bench) -> None:
        stop = [False]
        runner = Runner(bench.store.open_unit, bench.clock, is_stopping=lambda: stop[0])
        story = Script({"a": ok, "b": Failing(Unreachable("h1")), "c": ok})
        runner.register(story)
        with bench.store.open_unit() as uow:
            uow.ns_instances.add(new_instance("ns", bench.clock))
            uow.operations.add(ns_op())

        def stop_now() -> None:
            stop[0] = True

        bench.clock.while_asleep = stop_now
        with pytest.raises(Stopping):
            runner.run("op", 1)
        op = bench.read("op")
        assert op.state is S.PROCESSING
        assert [step.state for step in op.steps] == [StepState.DONE, StepState.RUNNING]
        stop[0] = False
        bench.clock.while_asleep = lambda: None
        runner.run("op", 1)
        assert bench.read("op").state is S.COMPLETED
        assert story.calls == ["prepare", "a", "b", "b", "c", "complete"]

    def test_stopping_is_no_error_that_a_story_could_catch(self) -> None:
        assert not issubclass(Stopping, Exception)

    @pytest.mark.parametrize("attempt", [0, 1, 3])
    def test_another_attempt_than_the_present_one_does_nothing(self, bench, attempt) -> None:
        story = Script({"a": Failing(Conflict("no"), Conflict("no"))})
        bench.start(story, ns_op())
        bench.go_on("op", E.RETRY)
        calls = list(story.calls)
        bench.workflows.run("op", attempt)
        bench.workflows.run("unknown", attempt)
        assert story.calls == calls

    def test_an_attempt_that_was_taken_over_changes_nothing_more(self, bench) -> None:
        """A second server has failed and retried the operation while the first was in a device call."""

        def taken_over() -> None:
            with bench.store.open_unit() as uow:
                op = uow.operations.get("op")
                failed = uow.operations.save(advance(op, E.FAILED, now=bench.clock.now(), error={"code": "X"}))
                uow.operations.save(advance(failed, E.RETRY, now=bench.clock.now()))

        story = Script({"a": taken_over, "b": ok})
        op = bench.start(story, ns_op())
        assert (op.state, op.attempt) == (S.PROCESSING, 2)
        assert [step.state for step in op.steps] == [StepState.RUNNING]
        assert story.calls == ["prepare", "a"]

    def test_a_failure_after_a_take_over_is_not_the_operations(self, bench) -> None:
        def taken_over() -> None:
            with bench.store.open_unit() as uow:
                op = uow.operations.get("op")
                failed = uow.operations.save(advance(op, E.FAILED, now=bench.clock.now(), error={"code": "X"}))
                uow.operations.save(advance(failed, E.RETRY, now=bench.clock.now()))
            raise RuntimeError("cut off")

        op = bench.start(Script({"a": taken_over}), ns_op())
        assert (op.state, op.attempt, op.error) == (S.PROCESSING, 2, {"code": "X"})


class TestCancelling:
    def cancel(self, bench: Bench) -> None:
        with bench.store.open_unit() as uow:
            uow.operations.save(replace(uow.operations.get("op"), is_cancel_pending=True))

    def test_no_step_begins_after_the_wish_to_cancel(self, bench) -> None:
        story = Script({"a": lambda: self.cancel(bench), "b": ok})
        op = bench.start(story, ns_op())
        assert (op.state, op.is_cancel_pending) == (S.FAILED_TEMP, False)
        assert story.calls == ["prepare", "a"]
        assert bench.go_on("op", E.ROLLBACK).state is S.ROLLED_BACK

    def test_an_operation_cancelled_before_its_grant_is_rolled_back(self, bench) -> None:
        story = Script({"a": ok}, level=Level.VNF)
        op = bench.start(story, replace(vnf_op(), is_cancel_pending=True))
        assert op.state is S.ROLLED_BACK
        assert story.calls == ["rolled back"]


class TestLosing:
    @pytest.mark.parametrize(
        ("level", "state", "expected"),
        [
            (Level.VNF, S.STARTING, S.ROLLED_BACK),
            (Level.VNF, S.PROCESSING, S.FAILED_TEMP),
            (Level.NS, S.PROCESSING, S.FAILED_TEMP),
            (Level.NS, S.ROLLING_BACK, S.FAILED_TEMP),
            (Level.NS, S.COMPLETED, S.COMPLETED),
        ],
    )
    def test_an_operation_without_a_workflow_does_not_run_for_ever(self, bench, level, state, expected) -> None:
        runner = Runner(bench.store.open_unit, bench.clock)
        runner.register(Script(level=level))
        with bench.store.open_unit() as uow:
            uow.ns_instances.add(new_instance("ns", bench.clock))
            uow.operations.add(replace(ns_op(), level=level, state=state))
        runner.abandon("op", 1)
        assert bench.read("op").state is expected


class TestWorld:
    """The stories that the crash tests use."""

    def test_building_breaking_and_rolling_back(self, bench, tmp_path) -> None:
        world = World(tmp_path / "world")
        story = Build(world, bench.store.open_unit)
        op = vnf_op(things=["x", "y", "z"], **{"break": "y"})
        assert bench.start(story, op).state is S.FAILED_TEMP
        assert world.things() == whole("ns", "x", "y")
        assert bench.go_on("op", E.ROLLBACK).state is S.ROLLED_BACK
        assert world.things() == set()

    def test_razing_what_was_built(self, bench, tmp_path) -> None:
        world = World(tmp_path / "world")
        bench.start(Build(world, bench.store.open_unit), vnf_op(things=["x", "y"]))
        assert world.things() == whole("ns", "x", "y")
        bench.workflows.register(Raze(world, bench.store.open_unit))
        with bench.store.open_unit() as uow:
            bench.workflows.start(uow, new_operation("op-2", "ns", bench.clock, operation="TERMINATE"))
        assert world.things() == set()
        with bench.store.open_unit(read_only=True) as uow:
            assert uow.reservations.list(TENANT) == []


def test_a_kind_of_operation_is_registered_once(bench) -> None:
    runner = Runner(bench.store.open_unit, bench.clock)
    runner.register(Script())
    with pytest.raises(ValueError, match="already"):
        runner.register(Script())
