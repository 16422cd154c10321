"""Hosts come under management whole or not at all, and a draining one takes nothing new."""

from __future__ import annotations

from typing import Any

import pytest

from mano.domain.lcm_op_occ import OperationState
from mano.domain.nfvi import Host
from mano.errors import InvalidInput, NotFound, Unreachable
from mano.nfvo.placing import Search
from mano.placement import document_from_text
from mano.ports.vim import HostStatus
from tests.scenarios.main_job.conftest import SAMPLES, Job


def document() -> dict[str, Any]:
    text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    found = document_from_text(text, "Inventory")
    assert isinstance(found, dict)
    return found


def hosts(job: Job) -> dict[str, Any]:
    return {host["name"]: host for host in job.services.nfvi.list()}


def placed_on(job: Job) -> set[str]:
    return {placement["host"] for placement in job.services.placing.placements(job.tenant)}


def spare(name: str, **changes: Any) -> dict[str, Any]:
    """A host cabled like the third."""
    links = [{"a": name, "b": "tor2", "mbps": 25000, "latencyUs": 5}]
    return {"hosts": [{**document()["hosts"][2], "name": name, **changes}], "links": links}


ONE = {"vdus": [{"id": "v", "vcpus": 1, "memoryMib": 64}]}
HELD = {"id": "db-1", "cells": [{"node": 0, "cpus": [2], "memoryMib": 64}]}


def test_what_is_already_there_stays_on_a_draining_host_and_nothing_is_added(job: Job):
    ns_id = job.ready()
    job.services.nfvi.add_hosts(spare("h9"), "local")
    drained = job.services.nfvi.set_state("h3", "draining")
    assert (drained["state"], drained["inventory"]["allocations"]) == ("draining", [])
    assert job.instantiate(ns_id).state is OperationState.COMPLETED
    assert placed_on(job) == {"h1", "h2", "h9"}
    still = {name: job.services.nfvi.set_state(name, "draining") for name in ("h1", "h2", "h9")}
    assert all(host["inventory"]["allocations"] for host in still.values())
    refused = job.services.placing.plan(ONE, None, Search())
    assert refused["unplaced"]["v"]["reasons"] == {"HOST_STATE": 4}
    assert job.services.nfvi.set_state("h3", "enabled")["state"] == "enabled"
    again = job.services.placing.plan(ONE, None, Search())
    assert again["placements"]["v"]["host"] == "h3"
    assert job.terminate(ns_id).state is OperationState.COMPLETED


def test_a_state_that_is_none_and_a_host_that_is_none_are_refused(job: Job):
    job.add_hosts()
    with pytest.raises(InvalidInput):
        job.services.nfvi.set_state("h1", "drained")
    with pytest.raises(NotFound):
        job.services.nfvi.set_state("h77", "draining")


def test_a_second_document_with_a_known_allocation_changes_nothing(job: Job):
    job.services.nfvi.add_hosts(spare("h8", allocations=[HELD]), "local")
    with pytest.raises(InvalidInput, match="each allocation once") as refusal:
        job.services.nfvi.add_hosts(
            {"hosts": [*spare("h7")["hosts"], *spare("h9", allocations=[HELD])["hosts"]]}, "local"
        )
    assert "db-1" not in str(refusal.value)
    assert set(hosts(job)) == {"h8"}


def test_a_host_is_not_made_smaller_than_what_it_carries(job: Job):
    ns_id = job.ready()
    assert job.instantiate(ns_id).state is OperationState.COMPLETED
    before = hosts(job)
    busy = sorted(placed_on(job))[0]
    poorer = {"hosts": [{**before[busy]["inventory"], "numaNodes": [{"id": 77, "cores": [[0]], "memoryMib": 1}]}]}
    for part in ("allocations", "reservedCpus", "sharedCpus", "nics", "vswitch"):
        poorer["hosts"][0].pop(part, None)
    with pytest.raises(InvalidInput, match="no longer holds"):
        job.services.nfvi.add_hosts(poorer, "local")
    assert hosts(job) == before
    assert job.terminate(ns_id).state is OperationState.COMPLETED


def test_when_one_host_does_not_come_up_none_is_stored(job: Job, monkeypatch: pytest.MonkeyPatch):
    ensure = job.vim.ensure_host

    def breaking(host: Host) -> HostStatus:
        if host.name == "h2":
            raise Unreachable("it does not answer")
        return ensure(host)

    monkeypatch.setattr(job.vim, "ensure_host", breaking)
    with pytest.raises(Unreachable):
        job.add_hosts()
    assert hosts(job) == {}
    assert not job.vim.host_status("h1").reachable
    monkeypatch.undo()
    job.add_hosts()
    assert len(hosts(job)) == 3
