"""Quotas of tenants: kept by every reservation, refused with their reasons, told of when there is room again."""

from __future__ import annotations

from typing import Any

import pytest

from mano.api.config import ApiConfig
from mano.domain.lcm_op_occ import OperationState
from mano.domain.quota import Quota, Resource, asked_by, shortage
from mano.errors import InvalidInput, NotFound
from mano.settings import AuthMode
from tests.api.conftest import serving
from tests.scenarios.operations.conftest import Running


def quotas(running: Running) -> Any:
    return running.job.services.quotas


def events(running: Running) -> list[Any]:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return [event for event in uow.outbox.after(0, 10_000) if event.noun == "quota"]


def grow(running: Running) -> Any:
    return running.change("dpi-0", "SCALE", {"type": "SCALE_OUT", "aspectId": "load"})


def test_what_goes_beyond_a_quota_is_refused_with_the_reasons_until_there_is_room(running: Running) -> None:
    tenant = running.job.tenant
    held = quotas(running).put(tenant, {"vnfcs": 4})["held"]
    assert held["vnfcs"] == 3 and held["vcpus"] > 0 and held["memoryMib"] > 0
    assert grow(running).state is OperationState.COMPLETED
    before = running.picture()
    op = grow(running)
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None and op.error["code"] == "QUOTA_EXCEEDED"
    assert op.error["facts"]["quota"] == {"vnfcs": {"limit": 4, "held": 4, "asked": 1}}
    assert running.picture() == before
    assert quotas(running).get(tenant)["waiting"] == {"vnfcs": 1}
    quotas(running).look()
    assert events(running) == []
    running.change("dpi-0", "SCALE", {"type": "SCALE_IN", "aspectId": "load"})
    for _ in range(2):
        quotas(running).look()
    (told,) = events(running)
    assert told.data == {"told": {"resourceGroupId": tenant}, "resourceTypes": ["COMPUTE"]}
    assert grow(running).state is OperationState.COMPLETED
    running.consistent()


def test_snapshots_count_as_storage(running: Running) -> None:
    tenant = running.job.tenant
    before = quotas(running).put(tenant, {"storageGib": 1})["held"]["storageGib"]
    running.job.vim.write(running.vnf("dpi-0").vnfcs[0].compute_id, "x" * (11 << 20))
    made = running.job.services.vnf_snapshots.create(tenant)
    running.change("dpi-0", "CREATE_SNAPSHOT", {"vnfSnapshotInfoId": made.id})
    assert quotas(running).get(tenant)["held"]["storageGib"] == pytest.approx(before + 0.011, abs=0.001)


def test_the_resource_and_its_refusals(running: Running) -> None:
    one = f"/mano/v1/quotas/{running.job.tenant}"
    with serving(running.job.services, ApiConfig(auth=AuthMode.NONE)) as api:
        api.token = None
        assert api.get(one).problem()["code"] == "NOT_FOUND"
        assert api.call("PUT", one, {"limits": {"gold": 1}}).problem()["status"] == 400
        assert api.call("PUT", one, {"limits": {"vcpus": -1}}).problem()["status"] == 400
        answer = api.call("PUT", one, {"limits": {"vcpus": 100, "vfs": 2}})
        assert (answer.status, answer.json["limits"]) == (200, {"vcpus": 100, "vfs": 2})
        assert api.get("/mano/v1/quotas").json == [api.get(one).json] == [answer.json]
        assert api.call("DELETE", one).status == 204 and api.get("/mano/v1/quotas").json == []


def test_only_what_is_asked_for_can_be_short() -> None:
    quota = Quota("t", "t", {Resource.VCPUS: 4, Resource.VFS: 0})
    held = asked_by([{"vcpus": 8, "interfaces": [{"vfs": 1}]}])
    assert shortage(quota, held, asked_by([{"memoryMib": 1}])) == {}
    assert shortage(quota, held, asked_by([{"vcpus": 1}])) == {Resource.VCPUS: {"limit": 4, "held": 8, "asked": 1}}
    with pytest.raises(ValueError, match="negative"):
        Quota("t", "t", {Resource.VCPUS: -1})


def test_what_is_not_there_cannot_be_limited(running: Running) -> None:
    with pytest.raises(InvalidInput):
        quotas(running).put(running.job.tenant, {"gold": 1})
    with pytest.raises(NotFound):
        quotas(running).get(running.job.tenant)
