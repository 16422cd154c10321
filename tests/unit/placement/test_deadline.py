"""A time limit holds wherever the time went, and what is under way when it comes leaves no trace."""

from __future__ import annotations

from itertools import count
from types import SimpleNamespace

import pytest

from benchmarks.bench_placement import batch_documents
from mano.placement import deadline, inventory_from_document, plan, request_from_document
from tests.unit.placement.oracle import faults_of


@pytest.fixture(scope="module")
def batch():
    documents = batch_documents(16, 8)
    return documents, inventory_from_document(documents[0]), request_from_document(documents[1])


@pytest.mark.parametrize("looks", [1, 2, 40, 300, 900, 1001, 1100, 1400])
def test_a_search_given_up_anywhere_leaves_a_sound_plan_that_is_no_worse(batch, looks, monkeypatch):
    """The clock stands still until it was looked at so many times, then the time is over."""
    (inventory_document, request_document), inventory, request = batch
    fast = plan(inventory, request)
    ticks = count()
    monkeypatch.setattr(deadline, "time", SimpleNamespace(perf_counter=lambda: 1e12 if next(ticks) >= looks else 0.0))
    best = plan(inventory, request, optimize="best", time_limit_s=1e6, iterations=6)
    assert next(ticks) >= looks, "the search was over before"
    assert best.complete and best.objective.cost <= fast.objective.cost
    world = inventory
    for placement in best.reservable():
        world = world.with_allocation(placement.host, placement.allocation)
    hosts = {host["name"]: host for host in inventory_document["hosts"]}
    printed = best.to_json()["placements"]
    for vdu in request_document["vdus"]:
        assert not faults_of(hosts[printed[vdu["id"]]["host"]], vdu, printed[vdu["id"]])


def test_the_limit_holds_by_the_wall(batch):
    _, inventory, request = batch
    result = plan(inventory, request, optimize="best", time_limit_s=0.3, iterations=10**6)
    assert result.complete and result.decision_ms < 2_000
