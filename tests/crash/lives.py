"""What every life of a server has: its description, its engine's settings, and waiting for work to end."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from mano.adapters.dbos_engine import EngineSettings, QueueSettings, RetryPolicy
from mano.adapters.store import Engines, SqlStore
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState

PATIENCE_S = 60.0
SETTINGS = EngineSettings(
    queues=QueueSettings(ns_operations=4, vnf_operations=4, poll_s=0.1),
    retries=RetryPolicy(attempts=1),
    drain_s=20.0,
    heartbeat_s=0.3,
)


@dataclass(frozen=True)
class Life:
    """What a child is to do. ``scenario`` names a client; ``directory`` is the data directory."""

    directory: str
    url: str
    scenario: str
    things: tuple[str, ...] = ("x", "y")
    kill_at: int = 0
    server_id: str = "local"
    lease_s: float = 30.0

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Life:
        """What :meth:`to_line` wrote."""
        fields = json.loads(line)
        return cls(**{**fields, "things": tuple(fields["things"])})


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
        time.sleep(0.01)
    raise TimeoutError("a workflow does not end")
