"""A server's engine room for tests: one store, one world, engines that come and go."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine, EngineSettings
from mano.adapters.store import SqlStore
from mano.domain.lcm_op_occ import LcmOpOcc, OperationEvent, OperationState, advance
from tests.fakes.world import World, new_instance

PATIENCE_S = 30.0


@dataclass
class Plant:
    """Starts and stops engines, starts operations and waits for them."""

    store: SqlStore
    clock: SystemClock
    root: Path
    settings: EngineSettings
    engine: DbosEngine | None = None
    lost: list[str] = field(default_factory=list)

    @property
    def world(self) -> World:
        return World(self.root)

    def launch(self, *stories: Any, server_id: str = "local", settings: EngineSettings | None = None) -> DbosEngine:
        self.engine = DbosEngine(
            self.store,
            self.clock,
            server_id=server_id,
            settings=settings or self.settings,
            on_lost=lambda: self.lost.append(server_id),
        )
        for story in stories:
            self.engine.register(story(self) if callable(story) else story)
        self.engine.launch()
        return self.engine

    def stop(self) -> bool:
        engine, self.engine = self.engine, None
        return engine.stop() if engine is not None else True

    def start(self, op: LcmOpOcc) -> None:
        assert self.engine is not None
        with self.store.open_unit() as uow:
            uow.ns_instances.add(new_instance(op.instance_id, self.clock))
            self.engine.start(uow, op)

    def go_on(self, op_id: str, event: OperationEvent) -> None:
        assert self.engine is not None
        with self.store.open_unit() as uow:
            self.engine.resume(uow, advance(uow.operations.get(op_id), event, now=self.clock.now()))

    def read(self, op_id: str) -> LcmOpOcc:
        with self.store.open_unit(read_only=True) as uow:
            return uow.operations.get(op_id)

    def settled(self, op_id: str) -> LcmOpOcc:
        """The operation when it has ended or waits for a person."""
        wait_until(lambda: self.read(op_id).ended or self.read(op_id).state is OperationState.FAILED_TEMP)
        return self.read(op_id)

    def ended(self, op_id: str) -> LcmOpOcc:
        """The operation when it has ended."""
        wait_until(lambda: self.read(op_id).ended)
        return self.read(op_id)


def wait_until(condition: Callable[[], bool]) -> None:
    """Fail after a time that only a hung program needs."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        time.sleep(0.01)
