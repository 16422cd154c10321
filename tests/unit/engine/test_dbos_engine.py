"""The engine on the real library, on both databases."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine.library import workflow_id
from mano.adapters.store import SqlStore, make_engines, upgrade
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationEvent, OperationState, StepState
from mano.errors import Conflict, OperationInProgress
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step
from tests.fakes.world import Assemble, Build, new_instance, new_operation, whole
from tests.unit.engine.conftest import SETTINGS
from tests.unit.engine.plant import Plant, wait_until

S, E = OperationState, OperationEvent


def build(plant: Plant) -> Build:
    return Build(plant.world, plant.store.open_unit)


def assemble(plant: Plant) -> Assemble:
    assert plant.engine is not None
    return Assemble(plant.world, plant.store.open_unit, plant.engine, plant.clock)


class Gate:
    """A story with one step that waits for us."""

    level = Level.VNF
    operation = "INSTANTIATE"

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self.runs: list[str] = []

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        return ("wait", "after")

    def step(self, op: LcmOpOcc, name: str) -> Step:
        def do() -> None:
            self.runs.append(name)
            if name == "wait":
                self.entered.set()
                assert self.open.wait(30)

        return Step(name, do)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to keep."""

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to keep."""


def op(plant: Plant, id: str = "op", **parameters: Any) -> LcmOpOcc:
    return new_operation(id, f"instance-{id}", plant.clock, things=["x", "y"], **parameters)


def test_an_operation_runs_once_it_is_stored(plant: Plant) -> None:
    plant.launch(build)
    plant.start(op(plant))
    assert plant.settled("op").state is S.COMPLETED
    assert plant.world.things() == whole("instance-op", "x", "y")


def test_what_is_not_committed_never_runs(plant: Plant) -> None:
    engine = plant.launch(build)
    with pytest.raises(ZeroDivisionError), plant.store.open_unit() as uow:
        uow.ns_instances.add(new_instance("instance-op", plant.clock))
        engine.start(uow, op(plant))
        raise ZeroDivisionError
    plant.start(op(plant, "later"))
    plant.settled("later")
    assert plant.world.things() == whole("instance-later", "x", "y")
    with plant.store.open_unit(read_only=True) as uow:
        assert [one.id for one in uow.operations.list()] == ["later"]


def test_a_second_operation_on_the_instance_is_refused_while_the_first_goes_on(plant: Plant) -> None:
    gate = Gate()
    engine = plant.launch(gate)
    plant.start(op(plant))
    gate.entered.wait(30)
    with pytest.raises(OperationInProgress), plant.store.open_unit() as uow:
        engine.start(uow, replace(op(plant), id="op-2"))
    gate.open.set()
    assert plant.settled("op").state is S.COMPLETED
    with plant.store.open_unit() as uow:
        engine.start(uow, replace(op(plant), id="op-2"))
    assert plant.settled("op-2").state is S.COMPLETED


def test_a_failed_operation_is_retried_and_another_rolled_back(plant: Plant) -> None:
    plant.launch(build)
    for name, event, expected, left in [
        ("again", E.RETRY, S.COMPLETED, whole("instance-again", "x", "y")),
        ("back", E.ROLLBACK, S.ROLLED_BACK, whole("instance-again", "x", "y")),
    ]:
        plant.start(op(plant, name, **{"break": "y"}))
        assert plant.settled(name).state is S.FAILED_TEMP
        plant.go_on(name, event)
        plant.ended(name)
        assert plant.read(name).state is expected
        assert plant.world.things() == left


def test_a_refused_operation_touches_nothing(plant: Plant) -> None:
    plant.launch(build)
    plant.start(op(plant, refuse=True))
    settled = plant.settled("op")
    assert (settled.state, settled.error and settled.error["code"]) == (S.ROLLED_BACK, "NOT_PLACEABLE")
    assert plant.world.things() == set()


def test_ns_operations_that_wait_for_vnf_operations_leave_them_room(plant: Plant) -> None:
    """Three times as many as there are places for NS operations."""
    plant.launch(build, assemble)
    for number in range(6):
        plant.start(new_operation(f"ns-{number}", f"i-{number}", plant.clock, level=Level.NS, things=["x"]))
    states = {plant.settled(f"ns-{number}").state for number in range(6)}
    assert states == {S.COMPLETED}
    assert len(plant.world.things()) == 12


def test_a_server_that_stops_lets_the_step_end_and_the_next_one_goes_on(plant: Plant) -> None:
    gate = Gate()
    plant.launch(gate)
    plant.start(op(plant))
    gate.entered.wait(30)
    threading.Timer(0.2, gate.open.set).start()
    assert plant.stop()
    stopped = plant.read("op")
    assert stopped.state is S.PROCESSING
    assert [(step.name, step.state) for step in stopped.steps] == [("wait", StepState.DONE)]
    plant.launch(gate)
    assert plant.settled("op").state is S.COMPLETED
    assert gate.runs == ["wait", "after"]


def test_a_server_that_cannot_wait_for_a_step_says_so_and_the_step_is_repeated(plant: Plant) -> None:
    gate = Gate()
    plant.launch(gate, settings=replace(plant.settings, drain_s=0.1))
    plant.start(op(plant))
    gate.entered.wait(30)
    engine = plant.engine
    assert engine is not None
    assert plant.stop() is False
    gate.open.set()
    wait_until(engine.stop)
    assert plant.read("op").state is S.PROCESSING
    plant.launch(gate)
    assert plant.settled("op").state is S.COMPLETED
    assert gate.runs[-1] == "after"


def test_an_operation_stored_while_no_server_ran_is_done_by_the_next(plant: Plant) -> None:
    engine = plant.launch(build)
    engine._queues.stop_taking()
    plant.start(op(plant))
    plant.stop()
    assert plant.read("op").state is S.STARTING
    plant.launch(build)
    assert plant.settled("op").state is S.COMPLETED


def test_an_operation_whose_workflow_is_gone_fails_instead_of_running_for_ever(plant: Plant) -> None:
    plant.launch(build)
    with plant.store.open_unit() as uow:
        uow.ns_instances.add(new_instance("instance-op", plant.clock))
        uow.operations.add(replace(op(plant), state=S.PROCESSING))
    settled = plant.settled("op")
    assert (settled.state, settled.error and settled.error["code"]) == (S.FAILED_TEMP, "INTERNAL")


def test_nothing_in_the_database_is_pickled(plant: Plant) -> None:
    plant.launch(build)
    plant.start(op(plant, refuse=True))
    plant.start(op(plant, "op-2"))
    plant.settled("op")
    plant.settled("op-2")
    prefix = "" if plant.store.engines.is_sqlite else "dbos."
    with plant.store.engines.views.connect() as connection:
        for table in ("workflow_status", "operation_outputs"):
            kinds = connection.execute(sa.text(f"SELECT DISTINCT serialization FROM {prefix}{table}")).scalars().all()
            assert kinds == ["portable_json"], table


def test_ended_workflows_are_forgotten_and_their_operations_are_not(plant: Plant) -> None:
    engine = plant.launch(build)
    plant.start(op(plant))
    plant.settled("op")
    queues = engine._queues
    wait_until(lambda: bool(queues.ended([workflow_id("op", 1)])))
    assert queues.forget(timedelta(hours=1)) == 0
    assert queues.forget(timedelta(seconds=-5)) == 1
    prefix = "" if plant.store.engines.is_sqlite else "dbos."
    with plant.store.engines.views.connect() as connection:
        for table in ("workflow_status", "operation_outputs"):
            assert connection.execute(sa.text(f"SELECT count(*) FROM {prefix}{table}")).scalar_one() == 0
    assert plant.read("op").state is S.COMPLETED


def test_the_library_is_silent_but_its_warnings_reach_our_log(plant: Plant, capfd, caplog) -> None:
    plant.launch(build)
    logger = logging.getLogger("dbos")
    assert [type(handler) for handler in logger.handlers] == [logging.NullHandler]
    with caplog.at_level(logging.WARNING):
        logger.warning("something is odd")
    plant.stop()
    assert "something is odd" in caplog.text
    out, err = capfd.readouterr()
    assert "console.dbos.dev" not in out + err


def test_a_second_server_is_refused_with_what_to_do(plant: Plant, database_url: str) -> None:
    plant.launch(build)
    program = (
        "import sys\n"
        "from mano.adapters.store import SqlStore, make_engines\n"
        "from mano.adapters.dbos_engine import DbosEngine\n"
        "from mano.adapters.dbos_engine.ownership import LeaseOwnership\n"
        "from mano.adapters.clock import SystemClock\n"
        "from mano.errors import Conflict\n"
        f"engine = DbosEngine(SqlStore(make_engines({database_url!r})), SystemClock())\n"
        "if isinstance(engine._right, LeaseOwnership): engine._right._patience_s = 0.2\n"
        "try:\n    engine.launch()\n"
        "except Conflict as error:\n    print(error)\n"
        "print('dbos' in sys.modules)\n"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    message, loaded = answer.stdout.splitlines()
    assert ("--data-dir" in message) or ("identifier" in message)
    assert loaded == "False"


def test_acquiring_twice_is_acquiring_once(plant: Plant) -> None:
    engine = plant.launch(build)
    engine.acquire()
    plant.start(op(plant))
    assert plant.settled("op").state is S.COMPLETED


def test_a_launch_that_fails_gives_the_right_back(plant: Plant, monkeypatch) -> None:
    from mano.adapters.dbos_engine.library import DurableQueues

    with monkeypatch.context() as patch:
        patch.setattr(DurableQueues, "launch", lambda self, body: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            plant.launch(build)
        plant.engine = None
    plant.launch(build)


def test_two_engines_in_one_process_are_refused(plant: Plant) -> None:
    plant.launch(build)
    other = Plant(plant.store, plant.clock, plant.root, plant.settings)
    with pytest.raises(Conflict, match="process"):
        other.launch(build, server_id="other")


def test_a_server_starts_on_a_database_that_has_nothing_yet(tmp_path: Path) -> None:
    engines = make_engines(f"sqlite:///{tmp_path}/new.db")
    upgrade(engines)
    plant = Plant(SqlStore(engines), SystemClock(), tmp_path / "world", SETTINGS)
    plant.launch(build)
    plant.start(op(plant))
    assert plant.settled("op").state is S.COMPLETED
    plant.stop()
    engines.dispose()
