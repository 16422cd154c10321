"""A server with one life: it is given a request, carries it out, and may die at a chosen point.

``python -m tests.crash.server`` is the mother of such servers: it imports everything once, reads one line of JSON for
each life from its standard input, forks a child that lives it, and answers with how the child ended. A fork has its own
memory, files, threads and working directory; killed, it leaves what a killed process leaves.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import alembic.command
import dbos._queue
import dbos._sys_db_sqlite
import networkx.algorithms
import structlog

from mano.adapters.clock import SystemClock
from mano.adapters.dbos_engine import DbosEngine
from mano.adapters.store import Engines, SqlStore, upgrade
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationEvent, OperationState, advance
from tests.crash import network_service, real_service
from tests.crash.lives import SETTINGS, Life, engines_at, lead, settled
from tests.crash.points import Points
from tests.fakes.world import Assemble, Build, Raze, World, new_instance, new_operation

LOADED = (alembic.command, dbos._queue, dbos._sys_db_sqlite, networkx.algorithms)
"""What a server imports when it starts: its mother has it already."""


class Client:
    """Asks for operations as a user would: what was accepted it never asks again."""

    def __init__(self, life: Life, store: SqlStore, engine: DbosEngine, clock: SystemClock) -> None:
        self.life, self.store, self.engine, self.clock = life, store, engine, clock

    def accepted(self, name: str) -> Path:
        return Path(self.life.directory) / f"accepted-{name}"

    def request(
        self,
        name: str,
        parameters: Mapping[str, Any] = MappingProxyType({}),
        *,
        operation: str = "INSTANTIATE",
        level: Level = Level.VNF,
    ) -> None:
        """Start an operation unless an answer 202 was had for it; the answer is had only after the commit."""
        if self.accepted(name).exists():
            return
        op = new_operation(
            name, "one", self.clock, operation=operation, level=level, things=list(self.life.things), **parameters
        )
        with self.store.open_unit() as uow:
            if uow.operations.find(name) is None:
                if uow.ns_instances.find("one") is None:
                    uow.ns_instances.add(new_instance("one", self.clock))
                self.engine.start(uow, op)
        self.accepted(name).touch()

    def go_on(self, name: str, event: OperationEvent) -> None:
        with self.store.open_unit() as uow:
            op = uow.operations.get(name)
            if op.state is OperationState.FAILED_TEMP:
                self.engine.resume(uow, advance(op, event, now=self.clock.now()))

    def settled(self, name: str) -> LcmOpOcc:
        return settled(self.store, name)


def instantiate(client: Client) -> None:
    client.request("build")
    client.settled("build")


def instantiate_and_terminate(client: Client) -> None:
    instantiate(client)
    client.request("raze", operation="TERMINATE")
    client.settled("raze")


def fail_and_roll_back(client: Client) -> None:
    client.request("build", {"break": client.life.things[-1]})
    while not client.settled("build").ended:
        client.go_on("build", OperationEvent.ROLLBACK)


def fail_and_retry(client: Client) -> None:
    client.request("build", {"break": client.life.things[-1]})
    while not client.settled("build").ended:
        client.go_on("build", OperationEvent.RETRY)


def refuse(client: Client) -> None:
    client.request("build", {"refuse": True})
    client.settled("build")


def ns_with_vnf(client: Client) -> None:
    client.request("build", level=Level.NS)
    client.settled("build")


def nothing(client: Client) -> None:
    """Start, and that is all."""


def wait_for_takeover(client: Client) -> None:
    """No client at all: whatever another server had accepted must end by itself."""
    client.settled("build")


SCENARIOS: dict[str, Callable[[Client], None]] = {
    scenario.__name__: scenario
    for scenario in (
        instantiate,
        instantiate_and_terminate,
        fail_and_roll_back,
        fail_and_retry,
        refuse,
        ns_with_vnf,
        nothing,
        wait_for_takeover,
    )
}


def live(life: Life) -> None:
    """One life, until its work is done; nobody stops this server, it just ends."""
    made: list[Client] = []

    def prepare(points: Points) -> Engines:
        engines = engines_at(life.url)
        points.watch(engines)
        upgrade(engines)
        store, clock = SqlStore(engines), SystemClock()
        engine = DbosEngine(store, clock, server_id=life.server_id, settings=replace(SETTINGS, lease_s=life.lease_s))
        world = World(Path(life.directory) / "world", points.reach)
        engine.register(Build(world, store.open_unit))
        engine.register(Raze(world, store.open_unit))
        engine.register(Assemble(world, store.open_unit, engine, clock))
        engine.launch()
        made.append(Client(life, store, engine, clock))
        return engines

    lead(life, prepare, lambda: SCENARIOS[life.scenario](made[0]))


LIVES: Mapping[str, Callable[[Life], None]] = {"service": network_service.live, "real": real_service.live}
"""Lives of whole servers, by how their scenarios' names begin."""


def bear(life: Life) -> int:
    """Fork a child that lives; its wait status."""
    if life.at_home:
        return network_service.live_at_home(life)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.chdir(life.directory)
            quiet = open("log", "a", encoding="utf-8")  # noqa: SIM115
            os.dup2(quiet.fileno(), 1)
            os.dup2(quiet.fileno(), 2)
            structlog.configure(logger_factory=structlog.PrintLoggerFactory(quiet))
            LIVES.get(life.scenario.partition(":")[0], live)(life)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return os.waitpid(child, 0)[1]


def main() -> None:
    """Read lives, answer wait statuses."""
    for line in sys.stdin:
        print(bear(Life.from_line(line)), flush=True)
        gc.collect()
        gc.freeze()


if __name__ == "__main__":
    main()
