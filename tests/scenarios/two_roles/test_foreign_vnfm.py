"""A VNFM of somebody else's under our NFVO: grants in the standard's words, identifiers of either side, crashes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.or_vnfm_http import ForeignVnfm, PeerClient
from mano.adapters.web_client import WebClient
from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.domain.vnf_instance import REMOTE, InstantiationState
from mano.errors import Conflict, NotFound
from mano.settings import Outbound, Peer
from tests.scenarios.two_roles.conftest import ADMIN_TOKEN, Pair, pair_in
from tests.scenarios.two_roles.foreign_vnfm import ForeignServer, foreign_vnfm

OURS = "33333333-3333-4333-8333-333333333333"
OPERATION = "44444444-4444-4444-8444-44444444444"


class Stage:
    """The foreign server, and what our NFVO has towards it."""

    def __init__(self, pair: Pair, server: ForeignServer, web: WebClient) -> None:
        self.pair, self.server, self.web, self.job = pair, server, web, pair.job
        server.nfvo, server.token = f"http://127.0.0.1:{pair.nfvo.api.port}", ADMIN_TOKEN
        self.ended: list[tuple[str, bool]] = []
        self.open_unit = pair.nfvo.catena.store.open_unit
        client = PeerClient(web, Peer(server.url, foreign=True), patience_s=0.5)
        self.vnfm = ForeignVnfm(client, self.open_unit, self._settle)

    def _settle(self, op_id: str, tenant_id: str, operation: str, done: bool) -> None:
        self.ended.append((operation, done))
        self.job.services.granting.end(op_id, tenant_id, operation, done)

    @property
    def vnfd_id(self) -> str:
        with self.open_unit(read_only=True) as uow:
            return next(str(p.descriptor_id) for p in uow.packages.list() if p.name == "firewall")

    def reservations(self) -> list[Any]:
        with self.open_unit(read_only=True) as uow:
            return list(uow.reservations.list())

    def create(self) -> str:
        return self.vnfm.create_vnf(OURS, self.job.tenant, self.vnfd_id, "box", {"description": "theirs"})


@pytest.fixture
def stage(tmp_path: Path, archives: dict[str, Path]) -> Iterator[Stage]:
    with ExitStack() as stack:
        pair = stack.enter_context(pair_in(tmp_path, archives))
        server = stack.enter_context(foreign_vnfm())
        web = WebClient(Outbound(loopback=True))
        stack.callback(web.close)
        pair.job.onboard()
        yield Stage(pair, server, web)


def test_a_vnf_lives_at_a_foreign_vnfm(stage: Stage) -> None:
    tenant, vnfm = stage.job.tenant, stage.vnfm
    stage.job.add_hosts()
    assert stage.create() == stage.create() == OURS
    assert len(stage.server.instances) == 1
    (theirs,) = stage.server.instances

    request = {
        "flavourId": "simple",
        "instantiationLevelId": None,
        "additionalParams": {"catenaParent": "x", "colour": 1},
    }
    assert vnfm.instantiate(OURS, tenant, OPERATION + "1", request) == OPERATION + "1"
    assert vnfm.instantiate(OURS, tenant, OPERATION + "1", request) == OPERATION + "1"
    sent = [body for _, path, body in stage.server.requests if path.endswith("/instantiate")]
    assert sent == [{"flavourId": "simple", "additionalParams": {"colour": 1}}]
    found = vnfm.operation(OPERATION + "1", tenant)
    assert found.state is OperationState.COMPLETED
    copy = vnfm.vnf_instance(OURS, tenant)
    assert copy is not None and copy.instantiation_state is InstantiationState.INSTANTIATED

    (grant,) = stage.server.grants
    assert grant["vnfInstanceId"] == theirs
    (added,) = grant["addResources"]
    (reserved,) = stage.reservations()
    assert (added["reservationId"], added["resourceProviderId"]) == (reserved.id, reserved.host)
    zones = {zone["id"]: zone["zoneId"] for zone in grant["zones"]}
    assert zones[added["zoneId"]].startswith("rack")
    assert grant["additionalParams"]["catenaPlacement"]["compute-1"]["cells"][0]["cpus"]

    with pytest.raises(Conflict):
        vnfm.instantiate(OURS, tenant, OPERATION + "2", request)
    vnfm.terminate(OURS, tenant, OPERATION + "3", {"terminationType": "FORCEFUL"})
    assert vnfm.operation(OPERATION + "3", tenant).state is OperationState.COMPLETED
    assert stage.reservations() == []
    assert stage.ended == [("INSTANTIATE", True), ("TERMINATE", True)]
    vnfm.delete_vnf(OURS, tenant)
    vnfm.delete_vnf(OURS, tenant)
    assert stage.server.instances == {}
    assert vnfm.vnf_instance(OURS, tenant) is None


def test_what_is_not_granted_is_told_with_its_reasons(stage: Stage) -> None:
    stage.create()
    stage.vnfm.instantiate(OURS, stage.job.tenant, OPERATION + "1", {"flavourId": "simple"})
    found = stage.vnfm.operation(OPERATION + "1", stage.job.tenant)
    assert found.state is OperationState.ROLLED_BACK
    assert found.error is not None and found.error["code"] == "NOT_PLACEABLE"
    assert stage.reservations() == []


def test_what_was_made_before_a_crash_is_found_again(stage: Stage) -> None:
    stage.job.add_hosts()
    stage.create()
    with stage.open_unit() as uow:
        uow.vnf_instances.remove(OURS)
    stage.create()
    assert len(stage.server.instances) == 1
    stage.vnfm.instantiate(OURS, stage.job.tenant, OPERATION + "1", {"flavourId": "simple"})
    with stage.open_unit() as uow:
        copy = uow.vnf_instances.get(OURS)
        forgotten = {**copy.metadata[REMOTE], "operations": {}}
        uow.vnf_instances.save(replace(copy, metadata={**copy.metadata, REMOTE: forgotten}))
    stage.vnfm.instantiate(OURS, stage.job.tenant, OPERATION + "1", {"flavourId": "simple"})
    assert len(stage.server.operations) == 1
    assert stage.vnfm.operation(OPERATION + "1", stage.job.tenant).state is OperationState.COMPLETED


def test_operations_that_nobody_has_are_not_found(stage: Stage) -> None:
    for call in (stage.vnfm.retry, stage.vnfm.rollback, stage.vnfm.operation):
        with pytest.raises(NotFound):
            call(OPERATION + "9", stage.job.tenant)
    with pytest.raises(NotFound):
        stage.vnfm.cancel(OPERATION + "9", stage.job.tenant, CancelMode.FORCEFUL)


@pytest.mark.deep
def test_a_foreign_vnfm_scales_and_heals_with_grants_of_ours(stage: Stage) -> None:
    tenant, vnfm = stage.job.tenant, stage.vnfm
    stage.job.add_hosts()
    stage.create()
    vnfm.instantiate(OURS, tenant, OPERATION + "1", {"flavourId": "simple"})
    assert vnfm.operation(OPERATION + "1", tenant).state is OperationState.COMPLETED
    for number, (operation, request, held) in enumerate(
        (
            ("SCALE", {"type": "SCALE_OUT", "aspectId": "load"}, 2),
            ("HEAL", {"cause": "a test"}, 2),
            ("SCALE", {"type": "SCALE_IN", "aspectId": "load"}, 1),
        ),
        2,
    ):
        vnfm.change(OURS, tenant, f"{OPERATION}{number}", operation, request)
        found = vnfm.operation(f"{OPERATION}{number}", tenant)
        assert found.state is OperationState.COMPLETED, found.error
        assert len(stage.reservations()) == held
    vnfm.terminate(OURS, tenant, OPERATION + "9", {"terminationType": "FORCEFUL"})
    assert vnfm.operation(OPERATION + "9", tenant).state is OperationState.COMPLETED
    assert stage.reservations() == []
