"""A deterministic simulation: operations on all VNFs of the service at once, step by step in an order that a seed
gives, with faults and deaths between and inside the steps. A failure tells its seed: :func:`play` replays it.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import RetryPolicy, Runner
from mano.adapters.store import SqlStore
from mano.adapters.vim_simulated.faults import Died, Fault, Kind
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.errors import CatenaError
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Story
from tests.scenarios.operations.conftest import Running, job_at

VNFS = ("dpi-0", "firewall-0", "nat-0")
Attempt = Generator[None, None, None]


class SeededEngine:
    """Runs operations one durable step at a time; which one is next, and where a server dies, the seed decides."""

    def __init__(self, store: SqlStore, dice: random.Random, deaths: float = 0.1) -> None:
        """``deaths`` is the share of turns at which the server dies instead."""
        self._deaths = deaths
        self._runner = Runner(store.open_unit, SystemClock(), retries=RetryPolicy(attempts=1))
        self._dice = dice
        self._running: dict[tuple[str, int], Attempt] = {}

    def register(self, story: Story) -> None:
        self._runner.register(story)

    def start(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.operations.add(op)
        uow.after_commit(lambda: self._begin(op))

    def resume(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.operations.save(op)
        uow.after_commit(lambda: self._begin(op))

    def acquire(self) -> None:
        """Nobody else could have it."""

    launch = acquire

    def stop(self) -> bool:
        return True

    def _begin(self, op: LcmOpOcc) -> None:
        """What another operation waits for runs at once, the rest when the dice say so."""
        if op.level is Level.VNF and op.parent_id is None:
            self._running[op.id, op.attempt] = self._attempt(op.id, op.attempt)
        else:
            self._runner.run(op.id, op.attempt)

    def _attempt(self, op_id: str, attempt: int) -> Attempt:
        work = self._runner.begin(op_id, attempt)
        act: Callable[[str, int, str], bool] = self._runner.undo if work["mode"] == "undo" else self._runner.do
        for name in work["steps"]:
            yield
            if not act(op_id, attempt, name):
                return
        yield
        if work["mode"] != "end":
            self._runner.finish(op_id, attempt)

    def turn(self) -> bool:
        """One step of one operation, or its server's death; False when nothing is under way."""
        if not self._running:
            return False
        key = self._dice.choice(sorted(self._running))
        try:
            if self._dice.random() < self._deaths:
                raise Died("between two steps")
            next(self._running[key])
        except StopIteration:
            del self._running[key]
        except Died:
            self._running[key] = self._attempt(*key)
        return True


class Play:
    """One run of the simulation."""

    def __init__(self, directory: Path, archives: dict[str, Path], seed: int) -> None:
        self.dice = random.Random(seed)
        engines: list[SeededEngine] = []

        def make(store: SqlStore) -> SeededEngine:
            engines.append(SeededEngine(store, self.dice))
            return engines[0]

        self.running = Running(job_at(directory, archives, make))
        self.engine = engines[0]
        self.moments = [f"{when} {what}" for when in ("before", "after") for what in EFFECTS]
        self.number = 0
        self.ended: list[str] = []

    def round(self) -> None:
        """Ask for something on some VNFs, let things go wrong, and decide on what stopped."""
        self.break_something()
        for name in self.dice.sample(VNFS, self.dice.randint(1, 3)):
            self.ask(name)
        while self.engine.turn():
            pass
        for op in self.stopped():
            self.decide(op)
            while self.engine.turn():
                pass

    def break_something(self) -> None:
        kind = Kind.DIE if self.dice.random() < 0.5 else Kind.FAIL
        chosen = self.dice.sample(self.moments, self.dice.randint(0, 2))
        self.running.job.faults.planned = tuple(Fault(m, kind, times=self.dice.randint(1, 2)) for m in chosen)
        self.running.job.faults._struck.clear()

    def ask(self, name: str) -> None:
        self.number += 1
        operation, request = self.dice.choice(REQUESTS)
        op_id = f"00000000-0000-4000-8000-{self.number:012d}"
        vnf_id = self.running.vnf(name).id
        try:
            self.running.job.services.vnf_lifecycle.change(vnf_id, self.running.job.tenant, op_id, operation, request)
        except CatenaError:
            return
        self.ended.append(op_id)

    def stopped(self) -> list[LcmOpOcc]:
        with self.running.job.catena.store.open_unit(read_only=True) as uow:
            return list(uow.operations.list(state=OperationState.FAILED_TEMP, level=Level.VNF.value))

    def decide(self, op: LcmOpOcc) -> None:
        lifecycle, tenant = self.running.job.services.vnf_lifecycle, self.running.job.tenant
        self.running.fail_at()
        self.dice.choice([lifecycle.retry, lifecycle.rollback, lifecycle.fail])(op.id, tenant)

    def mend(self) -> None:
        """Heal whatever was given up half-way, and start whatever is stopped."""
        self.running.fail_at()
        for name in VNFS:
            for operation, request in (("HEAL", ILL), ("OPERATE", {"changeStateTo": "STARTED"})):
                self.number += 1
                op_id = f"00000000-0000-4000-8000-{self.number:012d}"
                vnf_id = self.running.vnf(name).id
                lifecycle = self.running.job.services.vnf_lifecycle
                lifecycle.change(vnf_id, self.running.job.tenant, op_id, operation, request)
                while self.engine.turn():
                    pass
                op = self.running.job.operation(op_id)
                assert op.state is OperationState.COMPLETED, op.error


EFFECTS = (
    "compute.record",
    "compute.process",
    "compute.ready",
    "compute.process-gone",
    "compute.record-gone",
    "port.record",
    "port.bridge",
    "port.bridge-gone",
    "port.record-gone",
)
ILL: dict[str, Any] = {"additionalParams": {"catena": {"action": "ill"}}}
REQUESTS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("SCALE", {"type": "SCALE_OUT", "aspectId": "load"}),
    ("SCALE", {"type": "SCALE_IN", "aspectId": "load"}),
    ("SCALE_TO_LEVEL", {"instantiationLevelId": "large"}),
    ("HEAL", {}),
    ("HEAL", {"additionalParams": {"catena": {"action": "recreate"}}}),
    ("HEAL", {"additionalParams": {"catena": {"action": "move"}}}),
    ("OPERATE", {"changeStateTo": "STOPPED"}),
    ("OPERATE", {"changeStateTo": "STARTED"}),
    ("MODIFY_INFO", {"metadata": {"seen": True}}),
)


def play(service: Path, archives: dict[str, Path], directory: Path, seed: int, rounds: int) -> None:
    """Some rounds of chaos, then order: everything is consistent, and nothing is left after termination."""
    shutil.copytree(service, directory)
    game = Play(directory, archives, seed)
    try:
        game.running.add_spare_host()
        for _ in range(rounds):
            game.round()
        game.mend()
        game.running.consistent()
        assert game.running.job.terminate(game.running.ns_id).state is OperationState.COMPLETED
        assert game.running.job.held() == {}
    except (AssertionError, CatenaError) as error:
        error.add_note(f"replay with seed {seed} and {rounds} rounds")
        raise
    finally:
        game.running.job.catena.stop()


@pytest.mark.deep
@pytest.mark.parametrize("seed", [1])
def test_a_few_operations_under_faults_and_deaths_leave_order(service, archives, tmp_path: Path, seed: int) -> None:
    play(service, archives, tmp_path / "play", seed, rounds=3)


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(100, 160))
def test_many_operations_under_faults_and_deaths_leave_order(service, archives, tmp_path: Path, seed: int) -> None:
    play(service, archives, tmp_path / "play", seed, rounds=12)
