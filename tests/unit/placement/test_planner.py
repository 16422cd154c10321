"""Plans as a whole: determinism, batches, improvement, and a planner that follows its inventory."""

from __future__ import annotations

from random import Random

import pytest

from mano.placement import DocumentError, Planner, improve, inventory_from_document, plan, request_from_document
from tests.unit.placement.cases import random_host, random_vdu
from tests.unit.placement.oracle import HostView, faults_of
from tests.unit.placement.world import allocation, host, node, solve, vdu


@pytest.fixture(autouse=True)
def _little_effort(monkeypatch):
    """Rounds of the solver that end soon; what they find matters, not how good it is."""
    monkeypatch.setattr(improve, "DETERMINISTIC_S", 0.05)
    monkeypatch.setattr(improve, "STEPS_PER_VDU", 200)


def batch(seed: int, vdus: int, hosts: int):
    random = Random(seed)
    inventory = [
        host(
            f"h{n:02}", zone=f"z{n // 4}", nodes=[node(i, cores=random.choice([4, 6, 8]), threads=1) for i in range(2)]
        )
        for n in range(hosts)
    ]
    wanted = [vdu(f"v{n:02}", vcpus=random.choice([1, 2, 4]), numaNodes=1) for n in range(vdus)]
    chains = [{"id": f"c{n}", "path": [f"v{m:02}" for m in range(n, min(n + 4, vdus))]} for n in range(0, vdus, 4)]
    groups = [
        {"kind": "anti-affinity", "members": chain["path"][:2]} for chain in chains[::2] if len(chain["path"]) > 1
    ]
    return inventory_from_document({"hosts": inventory}), request_from_document(
        {"vdus": wanted, "groups": groups, "chains": chains}
    )


def told(result):
    return {key: value for key, value in result.to_json().items() if key != "decisionMs"}


@pytest.mark.parametrize("size", [(1, 3), (8, 4), (30, 12), (210, 80)])
def test_the_same_input_gives_the_same_output(size):
    first, second = (told(plan(*batch(1, *size))) for _ in range(2))
    assert first == second
    assert first["unplaced"] == {}


def test_best_gives_the_same_output_when_rounds_end_it():
    first, second = (
        told(plan(*batch(2, 24, 8), optimize="best", iterations=4, time_limit_s=600)) for _ in range(2)
    )  # fmt: skip
    assert first == second


@pytest.mark.parametrize("seed", range(3))
def test_best_is_never_worse_than_fast(seed):
    inventory, request = batch(seed, 16, 6)
    fast = plan(inventory, request)
    best = plan(inventory, request, optimize="best", iterations=6, time_limit_s=600)
    assert not best.unplaced
    assert best.objective.cost <= fast.objective.cost


def test_best_keeps_groups_and_capacities():
    inventory, request = batch(4, 30, 10)
    result = plan(inventory, request, optimize="best", iterations=9, time_limit_s=600)
    where = {key: placement.host for key, placement in result.placements.items()}
    for group in request.groups:
        assert where[group.members[0]] != where[group.members[1]]
    for placement in result.reservable():
        inventory = inventory.with_allocation(placement.host, placement.allocation)


def test_best_proves_the_optimum_of_a_small_case():
    """Two hosts hold four VDUs of two vCPUs each; a chain of three fits on one of them."""
    hosts = [host(f"h{n}", nodes=[node(0, cores=8, threads=1)]) for n in range(4)]
    wanted = [vdu(f"v{n}", vcpus=2) for n in range(8)]
    chains = [{"id": "a", "path": ["v0", "v2", "v4"]}, {"id": "b", "path": ["v1", "v3", "v5", "v7"]}]
    result = solve(hosts, wanted, chains=chains, optimize="best", time_limit_s=600, iterations=2)
    assert result["objective"] == {"cost": 2000, "hostsOpened": 2, "crossNumaVfs": 0, "chainHops": 0}


def test_nothing_is_reserved_unless_all_are_placed():
    inventory = inventory_from_document({"hosts": [host()]})
    wanted = [vdu("v0", vcpus=6), vdu("v1", vcpus=6)]
    strict = plan(inventory, request_from_document({"vdus": wanted}))
    assert (len(strict.placements), strict.reservable(), strict.complete) == (1, (), False)
    loose = plan(inventory, request_from_document({"vdus": wanted, "options": {"allOrNothing": False}}))
    assert [placement.vdu for placement in loose.reservable()] == list(loose.placements)


def test_a_vdu_that_finds_no_place_is_tried_first():
    """The large one fits only where the small ones would go."""
    hosts = [host("a", nodes=[node(0, cores=2)]), host("b", nodes=[node(0, cores=1)], allocations=[])]
    wanted = [vdu("v0", vcpus=2, requires={}), vdu("v1", vcpus=4)]
    chains = [{"id": "c", "path": ["v0", "v1"]}]
    assert solve(hosts, wanted, chains=chains)["unplaced"] == {}


def test_a_planner_follows_its_inventory():
    inventory = inventory_from_document({"hosts": [host("a"), host("b", allocations=[allocation()])]})
    planner = Planner(inventory, None)
    request = request_from_document({"vdus": [vdu("v", vcpus=4)]})
    for number in range(3):
        (placement,) = planner.plan(request).reservable()
        renamed = request_from_document({"vdus": [vdu(f"w{number}", vcpus=4)]})
        (placement,) = planner.plan(renamed).reservable()
        inventory = inventory.with_allocation(placement.host, placement.allocation)
        planner.sync(inventory)
        fresh = Planner(inventory).plan(request)
        assert told(planner.plan(request)) == told(fresh)
    assert [len(one.allocations) for one in inventory.hosts] == [1, 3]
    planner.sync(inventory.without_host("a"))
    assert planner.plan(request).unplaced["v"].hosts == 1


def test_a_decision_leaves_the_planner_as_it_was():
    inventory = inventory_from_document({"hosts": [host("a"), host("b")]})
    planner = Planner(inventory)
    request = request_from_document({"vdus": [vdu("v0", vcpus=8), vdu("v1", vcpus=8), vdu("v2", vcpus=8)]})
    assert told(planner.plan(request)) == told(planner.plan(request))
    assert planner.inventory is inventory


def test_an_id_that_an_allocation_has_is_refused():
    with pytest.raises(DocumentError, match="/vdus/0/id: expected an id that no allocation has, found 'old'"):
        solve(host(allocations=[allocation()]), vdu("old"))


def test_an_empty_request_and_an_empty_inventory_are_fine():
    assert solve(host(), [])["objective"]["cost"] == 0
    assert solve([], vdu())["unplaced"]["v"]["hosts"] == 0


@pytest.mark.parametrize("block", range(4))
def test_joint_plans_on_random_hosts_are_sound(block):
    """Whatever is placed together fits together: each placement is checked on what those before it leave."""
    for seed in range(block * 25, block * 25 + 25):
        random = Random(seed)
        hosts = [random_host(random, f"h{n}") for n in range(4)]
        for position, world in enumerate(hosts):
            for held in world["allocations"]:
                held["id"] += f"-{position}"
        wanted = [random_vdu(random, f"v{n}") for n in range(6)]
        result = solve(hosts, wanted)
        by_name = {world["name"]: world for world in hosts}
        for vdu_id, placement in result["placements"].items():
            world = by_name[placement["host"]]
            document = next(one for one in wanted if one["id"] == vdu_id)
            assert world.get("state", "enabled") == "enabled"
            faults = faults_of(world, document, placement)
            assert all("a larger page" in fault for fault in faults), f"seed {seed}: {faults}"
            world["allocations"].append({"id": vdu_id, **{k: v for k, v in placement.items() if k != "host"}})
            assert HostView(world).storage >= 0
        inventory_from_document({"hosts": hosts})
