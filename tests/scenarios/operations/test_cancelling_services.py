"""An operation on a service that is cancelled while a VNF of it is made: it stops there and can be rolled back."""

from __future__ import annotations

import pytest

from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.domain.lcm_op_occ import CancelMode, OperationState
from tests.scenarios.operations.conftest import Running

STEPS = {"scalingDirection": "SCALE_OUT", "aspectId": "inspection", "numberOfSteps": 1}
OUT = {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": STEPS}}


@pytest.mark.parametrize("mode", list(CancelMode))
def test_it_stops_and_is_rolled_back(running: Running, mode: CancelMode) -> None:
    running.add_spare_host()
    before = running.picture()
    lifecycle, tenant = running.job.services.ns_lifecycle, running.job.tenant

    def cancel(_: float) -> None:
        with running.job.catena.store.open_unit(read_only=True) as uow:
            active = uow.operations.active(running.ns_id)
        assert active is not None
        lifecycle.cancel(active.id, tenant, mode)

    running.job.faults.sleep = cancel
    running.job.faults.planned = (Fault("before compute.process", Kind.DELAY),)
    op = running.change_ns("SCALE", OUT)
    assert (op.state, op.is_cancel_pending) == (OperationState.FAILED_TEMP, False)
    assert op.error is not None
    assert "cancelled" in op.error["detail"]
    lifecycle.rollback(op.id, tenant)
    assert running.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert running.picture() == before
    running.consistent()
