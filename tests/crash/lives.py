"""What every life of a server has: its description, its engine's settings, and waiting for work to end."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mano.adapters.dbos_engine import EngineSettings, QueueSettings, RetryPolicy
from mano.adapters.store import Engines, SqlStore, make_engines
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from tests.crash.images import Executioner
from tests.crash.points import Points

FILE = "catena.db"
HERE = f"sqlite:///{FILE}"
"""A database in the working directory."""

PATIENCE_S = 600.0
"""For machines that do other things too; tests have time limits of their own."""
SETTINGS = EngineSettings(
    queues=QueueSettings(ns_operations=4, vnf_operations=4, poll_s=0.2),
    retries=RetryPolicy(attempts=1),
    drain_s=20.0,
    heartbeat_s=0.3,
)


@dataclass(frozen=True)
class Life:
    """What a child is to do. ``scenario`` names a client; ``directory`` is the data directory.

    With ``images``, a directory, an image of the server is killed at every point (:mod:`tests.crash.images`). A life
    ``at_home`` is the mother's own and ends orderly: whatever is born after it need not learn the same again. ``lab``
    names the data plane of a life on real switches (:mod:`tests.crash.real_service`), where ``turn`` tells wishes
    apart.
    """

    directory: str
    url: str
    scenario: str
    things: tuple[str, ...] = ("x", "y")
    kill_at: int = 0
    server_id: str = "local"
    lease_s: float = 30.0
    images: str = ""
    at_home: bool = False
    lab: str = ""
    turn: int = 0

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Life:
        """What :meth:`to_line` wrote."""
        fields = json.loads(line)
        return cls(**{**fields, "things": tuple(fields["things"])})


_known: list[Engines] = []


def engines_at(url: str) -> Engines:
    """Engines for a database. Those for a file in the working directory, which is a life's own, are made once and
    inherited, and with them every statement that was compiled for them."""
    if url != HERE:
        return make_engines(url)
    if not _known:
        engines = make_engines(url)
        for engine in (engines.units, engines.views, engines.system):
            sa.event.listen(engine, "do_connect", _connect_here)
        _known.append(engines)
    return _known[0]


def _connect_here(dialect: object, record: object, arguments: list[Any], more: dict[str, Any]) -> None:
    arguments[0] = str(Path.cwd() / FILE)


def lead(life: Life, prepare: Callable[[Points], Engines], work: Callable[[], None]) -> None:
    """One life: ``prepare`` starts the server, ``work`` is its client's; between the two begin the points."""
    executioner = Executioner(Path(life.directory), Path(life.images)) if life.images else None
    points = Points(life.kill_at, executioner.visit if executioner else lambda: None)
    engines = prepare(points)
    points.is_armed = True
    work()
    wait_until_quiet(engines)
    points.end()
    (Path(life.directory) / "points.json").write_text(json.dumps(points.names))
    if executioner:
        executioner.write_down()


def settled(store: SqlStore, op_id: str) -> LcmOpOcc:
    """The operation when it ended or waits for a person."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with store.open_unit(read_only=True) as uow:
            op = uow.operations.get(op_id)
        if op.ended or op.state is OperationState.FAILED_TEMP:
            return op
        store.signal.wait(0.02)
    raise TimeoutError(f"{op_id} is {op.state.value} for ever")


def wait_until_quiet(engines: Engines) -> None:
    """The library's last commit comes after the operation's: have it among the points, and let no recovery wait."""
    table = "workflow_status" if engines.is_sqlite else "dbos.workflow_status"
    unfinished = sa.text(f"SELECT count(*) FROM {table} WHERE status <> 'SUCCESS'")
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        with engines.views.connect() as connection:
            if connection.execute(unfinished).scalar_one() == 0:
                return
        time.sleep(0.02)
    raise TimeoutError("a workflow does not end")
