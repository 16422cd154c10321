"""An operation that is cancelled stops before its next step, and is decided on like one that failed."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest

from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.errors import WrongState
from tests.scenarios.operations.conftest import Running, job_at
from tests.scenarios.operations.test_simulation import SeededEngine

OP = "00000000-0000-4000-8000-000000000077"
OUT = {"type": "SCALE_OUT", "aspectId": "load"}


@pytest.mark.parametrize(("turns", "state"), [(0, "ROLLED_BACK"), (3, "FAILED_TEMP")])
def test_what_is_cancelled_stops_and_can_be_rolled_back(
    service, archives, tmp_path: Path, turns: int, state: str
) -> None:
    shutil.copytree(service, tmp_path / "copy")
    engines: list[SeededEngine] = []

    def make(store) -> SeededEngine:
        engines.append(SeededEngine(store, random.Random(1), deaths=0.0))
        return engines[0]

    running = Running(job_at(tmp_path / "copy", archives, make))
    before = running.picture()
    lifecycle, tenant = running.job.services.vnf_lifecycle, running.job.tenant
    lifecycle.change(running.vnf("dpi-0").id, tenant, OP, "SCALE", OUT)
    for _ in range(turns):
        engines[0].turn()
    lifecycle.cancel(OP, tenant, CancelMode.GRACEFUL)
    assert running.job.operation(OP).is_cancel_pending
    while engines[0].turn():
        pass
    op = running.job.operation(OP)
    assert (op.state.value, op.is_cancel_pending) == (state, False)
    assert op.error is not None
    assert "cancelled" in op.error["detail"]
    if op.state is OperationState.FAILED_TEMP:
        lifecycle.rollback(OP, tenant)
        while engines[0].turn():
            pass
    assert running.job.operation(OP).state is OperationState.ROLLED_BACK
    assert running.picture() == before
    with pytest.raises(WrongState):
        lifecycle.cancel(OP, tenant, CancelMode.FORCEFUL)
    running.job.catena.stop()
