"""Servers that live and die in a simulation, and the queue of operations that outlives them.

A server is the whole product over one SQLite file: use cases, stories, tables, store. In place of the workflow library
stands :class:`SeededEngine`, behind the same port, with the same promises: an operation is queued with the transaction
that stores it, each durable step has its result remembered once it is over, and what a dead server was doing is begun
again from its last remembered step, by itself or by another server.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from mano import bootstrap
from mano.adapters.dbos_engine import RetryPolicy, Runner
from mano.adapters.sfc_paths_simulated import SimulatedServicePaths
from mano.adapters.store import Engines, SqlStore, make_engines
from mano.adapters.vim_simulated.faults import Died
from mano.bootstrap import Catena
from mano.bootstrap.aside import AtOnce
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.errors import CatenaError
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Story
from mano.settings import AuthMode, Settings, Tier
from sfc.verify.results import Proof
from tests.simulation.nfvi import FarVim, Weather
from tests.simulation.tasks import Tasks, Turnstile

JULIAN_EPOCH = 2440587.5
RESTART_S = (0.5, 5.0, 40.0)
TAKEOVER_S = 15.0
"""How long it takes another server to see that one is dead."""

Attempt = tuple[str, int]


@dataclass
class Queue:
    """What was accepted: the durable part of the engine, which no death touches."""

    waiting: list[Attempt] = field(default_factory=list)
    begun: dict[Attempt, str] = field(default_factory=dict)
    """By which server."""
    results: dict[Attempt, list[Any]] = field(default_factory=dict)
    """What each attempt's durable steps returned, in order."""


class SeededEngine:
    """Implements :class:`mano.bootstrap.Engine` for one life of one server."""

    def __init__(self, server: Server, store: SqlStore) -> None:
        self._server, self._tasks, self._queue = server, server.land.tasks, server.land.queue
        policy = RetryPolicy(attempts=1)
        self._runner = Runner(store.open_unit, self._tasks, retries=policy)

    def register(self, story: Story) -> None:
        self._runner.register(story)

    def start(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.operations.add(op)
        uow.after_commit(lambda: self._queue.waiting.append((op.id, op.attempt)))

    def resume(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        uow.operations.save(op)
        uow.after_commit(lambda: self._queue.waiting.append((op.id, op.attempt)))

    def acquire(self) -> None:
        """The simulation has each server once."""

    def launch(self) -> None:
        """Go on with what a former life of this server had begun, and begin to take what waits."""
        self._server.takes_work = True
        for attempt, server in list(self._queue.begun.items()):
            if server == self._server.name:
                self.go_on(attempt)

    def stop(self) -> bool:
        return True

    def go_on(self, attempt: Attempt) -> None:
        """Begin an attempt, or begin it again."""
        self._queue.begun[attempt] = self._server.name
        name = f"{self._server.name} {attempt[0]}.{attempt[1]}"
        self._tasks.begin(name, self._server.guarded(lambda: self._run(attempt)), self._server.name)

    def _run(self, attempt: Attempt) -> None:
        remembered = self._queue.results.setdefault(attempt, [])
        position = 0

        def durable(name: str, call: Callable[..., Any], /, *args: Any) -> Any:
            nonlocal position
            self._tasks.pause()
            if position == len(remembered):
                result = call(*args)
                self._server.may_die()
                remembered.append(result)
            position += 1
            return remembered[position - 1]

        self._runner.run(*attempt, durable)
        self._queue.begun.pop(attempt, None)
        self._queue.results.pop(attempt, None)


class Believer:
    """In place of the proof of the tables, which costs most of the time and has tests of its own."""

    def prove(self, *_: object, **__: object) -> Proof:
        return Proof((), 0, 0)


class Server:
    """One server of the land, dead or alive."""

    def __init__(self, name: str, land: Land) -> None:
        self.name, self.land = name, land
        self.catena: Catena | None = None
        self.engine: SeededEngine | None = None
        self.life = 0
        self.takes_work = False

    @property
    def services(self) -> Any:
        """The use cases of the present life."""
        assert self.catena is not None
        return self.catena.services

    def start(self) -> None:
        """A new life: nothing is known but what is stored."""
        self.life += 1
        directory, made = self.land.directory, list[SeededEngine]()

        def engine(store: SqlStore) -> SeededEngine:
            store.guard = lambda _: self.may_die()
            store.signal.subscribe(self.may_die)
            made.append(SeededEngine(self, store))
            return made[0]

        settings = Settings(data_dir=directory, auth=AuthMode.NONE, tier=Tier.SIMULATED, drain_s=0.1, watches=False)
        with (
            patch.object(bootstrap, "SystemClock", lambda: self.land.tasks),
            patch.object(bootstrap, "random_id", self.land.new_id),
            patch.object(bootstrap, "make_engines", self.land.engines),
            patch.object(bootstrap, "upgrade", lambda _: None),
            patch.object(bootstrap, "server_id", lambda _: self.name),
        ):
            built = bootstrap.build(settings, vims={"local": self.land.vim}, paths=self.land.paths, engine=engine)
        graphs: Any = built.graphs
        graphs._one_at_a_time = Turnstile(self.land.tasks)
        graphs._drawing._prover = Believer()
        self.catena, self.engine = replace(built, beside=(), ends=(), aside=AtOnce()), made[0]
        self.land.tasks.begin(f"{self.name} starts", self.guarded(self.catena.start), self.name)

    def may_die(self) -> None:
        """A moment at which this server could die."""
        if self.land.dice.random() < self.land.weather.death:
            raise Died(self.name)

    def guarded(self, call: Callable[[], object]) -> Callable[[], None]:
        """``call`` as an activity of this life; if it dies, all of the server dies."""
        life = self.life

        def body() -> None:
            try:
                call()
            except Died as death:
                if life == self.life and self.catena is not None:
                    self.die(death)

        return body

    def die(self, death: Died) -> None:
        """Nothing of this life goes on. It is started again a while later; another server may be faster."""
        assert self.catena is not None
        self.catena.store.guard = self._refuse
        self.catena, self.engine, self.takes_work = None, None, False
        self.land.deaths += 1
        self.land.tasks.end(self.name, death)
        self.land.tasks.begin(f"{self.name} is down", self._be_down)
        if len(self.land.servers) > 1:
            self.land.tasks.begin(f"{self.name} is missed", self._be_missed)

    def _refuse(self, _: object) -> None:
        raise Died(f"{self.name} is dead")

    def _be_down(self) -> None:
        self.land.tasks.sleep(self.land.dice.choice(RESTART_S))
        self.start()

    def _be_missed(self) -> None:
        life = self.life
        self.land.tasks.sleep(TAKEOVER_S)
        if self.catena is None and self.life == life:
            other = self.land.living()
            if other is not None and other.engine is not None:
                for attempt, server in list(self.land.queue.begun.items()):
                    if server == self.name:
                        other.engine.go_on(attempt)


class Land:
    """Everything that there is in one simulation."""

    def __init__(self, directory: Path, seed: int, servers: int) -> None:
        self.directory = directory
        self.dice = random.Random(seed)
        self.tasks = Tasks(self.dice)
        self.queue, self.weather, self.paths = Queue(), Weather(), SimulatedServicePaths()
        self.vim = FarVim(self.tasks, self.dice, self.weather)
        self.deaths = 0
        self._engines: Engines | None = None
        self.servers = [Server(f"server-{number}", self) for number in range(servers)]

    def new_id(self) -> str:
        """A random UUID, the same for the same seed."""
        return str(uuid.UUID(int=self.dice.getrandbits(128), version=4))

    def engines(self, url: str) -> Engines:
        """The one database, by the simulation's clock."""
        if self._engines is None:
            self._engines = make_engines(url)
            for engine in (self._engines.units, self._engines.views):
                sa.event.listen(engine, "connect", self._prepare)
        return self._engines

    def _prepare(self, connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA synchronous=OFF")
        connection.create_function("julianday", 1, lambda _: JULIAN_EPOCH + self.tasks.now().timestamp() / 86400.0)

    def living(self) -> Server | None:
        """A server that answers, whichever."""
        alive = [server for server in self.servers if server.takes_work]
        return self.dice.choice(alive) if alive else None

    def hand_out(self) -> None:
        """Let servers take what waits."""
        while self.queue.waiting and (server := self.living()):
            attempt = self.queue.waiting.pop(0)
            assert server.engine is not None
            server.engine.go_on(attempt)

    def ask(self, call: Callable[[Any], object]) -> str:
        """What a client hears of a request: "done", a code of a refusal, or nothing at all."""
        while (server := self.living()) is None:
            self.tasks.sleep(1.0)
        life = server.life
        try:
            call(server.services)
        except CatenaError as error:
            return error.code
        except Died as death:
            if server.life == life and server.catena is not None:
                server.die(death)
            return ""
        return "done"

    def close(self) -> None:
        """Free the database."""
        if self._engines is not None:
            self._engines.dispose()
