"""Proposed moves pay, can be carried out in their order, and leave the others alone."""

from __future__ import annotations

import pytest

from mano.placement import DocumentError, improve, inventory_from_document, plan, request_from_document
from mano.placement.rebalance import rebalance
from mano.placement.room import has_room
from tests.unit.placement.world import allocation, direct, host, nic, node, vdu


@pytest.fixture(autouse=True)
def _little_effort(monkeypatch):
    monkeypatch.setattr(improve, "DETERMINISTIC_S", 0.1)


def spread(count=3):
    """One VDU of two CPUs on each of several hosts that could hold them all."""
    wanted = [vdu(f"v{n}") for n in range(count)]
    hosts = [host(f"h{n}", allocations=[allocation(f"v{n}", cpus=[0, 50], memory=1024)]) for n in range(count)]
    return inventory_from_document({"hosts": hosts}), request_from_document({"vdus": wanted})


def test_vdus_are_brought_together():
    inventory, movable = spread()
    proposal = rebalance(inventory, movable, iterations=6)
    assert (proposal.before.cost, proposal.after.cost) == (3000, 1000)
    assert len(proposal.moves) == 2
    assert proposal.blocked == ()
    assert proposal.to_json()["gain"] == 2000


def test_the_moves_can_be_carried_out_one_after_the_other():
    inventory, movable = spread(4)
    for move in rebalance(inventory, movable, iterations=6).moves:
        inventory = inventory.without_allocation(move.source, move.vdu)
        assert has_room(inventory.host(move.target.host), move.target.allocation)
        inventory = inventory.with_allocation(move.target.host, move.target.allocation)
    assert sum(bool(one.allocations) for one in inventory.hosts) == 1


def test_what_may_not_move_stays():
    inventory, _ = spread()
    proposal = rebalance(inventory, request_from_document({"vdus": [vdu("v0")]}), iterations=6)
    assert {move.vdu for move in proposal.moves} <= {"v0"}
    assert (proposal.before.cost, proposal.after.cost) == (1000, 0)


def test_a_good_plan_is_left_alone():
    hosts = inventory_from_document({"hosts": [host("a"), host("b")]})
    wanted = request_from_document({"vdus": [vdu("v0"), vdu("v1")], "chains": [{"id": "c", "path": ["v0", "v1"]}]})
    for placement in plan(hosts, wanted).reservable():
        hosts = hosts.with_allocation(placement.host, placement.allocation)
    proposal = rebalance(hosts, wanted, iterations=6)
    assert proposal.before == proposal.after


def test_only_what_is_placed_can_be_moved():
    inventory, _ = spread()
    with pytest.raises(DocumentError, match="/vdus/0/id: expected a VDU that is placed, found 'x'"):
        rebalance(inventory, request_from_document({"vdus": [vdu("x")]}))


def test_chains_have_to_hold_at_present():
    inventory, movable = spread(2)
    document = {"vdus": [vdu("v0"), vdu("v1")], "chains": [{"id": "c", "path": ["v0", "v1"], "bandwidthMbps": 5}]}
    narrow = inventory_from_document(
        {
            "hosts": [host(f"h{n}", allocations=[allocation(f"v{n}", cpus=[0, 50])]) for n in range(2)],
            "links": [{"a": "h0", "b": "h1", "mbps": 1}],
        }
    )
    with pytest.raises(DocumentError, match="LINK_BANDWIDTH refuses 'v1' on 'h1'"):
        rebalance(narrow, request_from_document(document))
    assert rebalance(inventory, movable, iterations=0).after.cost == 1000


@pytest.mark.parametrize(
    ("held", "there"),
    [
        (allocation("a", cpus=[1]), True),
        (allocation("a", cpus=[0]), False),
        (allocation("a", emulatorCpus=[50]), False),
        (allocation("a", memory=1025), False),
        (allocation("a", storageGib=11), False),
        (allocation("a", interfaces={"e": {"pci": nic()["pci"], "vfs": [1], "node": 0}}), True),
        (allocation("a", interfaces={"e": {"pci": nic()["pci"], "vfs": [0], "node": 0}}), False),
        (allocation("a", interfaces={"e": {"pci": nic()["pci"], "vfs": [], "node": 0}}), False),
        (
            allocation("a", interfaces={"e": {"pci": nic()["pci"], "vfs": [1], "node": 0, "bandwidthMbps": 25001}}),
            False,
        ),
    ],
)
def test_room_is_what_nobody_holds(held, there):
    used = allocation("o", cpus=[0, 50], interfaces={"e": {"pci": nic()["pci"], "vfs": [0], "node": 0}})
    world = host(nodes=[node(memory=1024)], nics=[nic()], storageGib=10, allocations=[used])
    inventory = inventory_from_document({"hosts": [world]})
    other = inventory_from_document({"hosts": [host(nodes=[node(memory=2048)], nics=[nic()], allocations=[held])]})
    assert has_room(inventory.host("h1"), other.host("h1").allocations[0]) is there


def test_a_vdu_with_vfs_is_moved_to_them():
    far = allocation("v", cpus=[0, 50], memory=1024, interfaces={"e": {"pci": nic()["pci"], "vfs": [0], "node": 1}})
    world = host(nodes=[node(0), node(1)], nics=[nic(node_id=1)], allocations=[far])
    movable = request_from_document({"vdus": [vdu("v", interfaces=[direct(numaAffinity="preferred")])]})
    proposal = rebalance(inventory_from_document({"hosts": [world]}), movable, iterations=4)
    assert (proposal.before.cross_numa_vfs, proposal.after.cross_numa_vfs) == (1, 0)
    assert proposal.moves[0].target.allocation.cells[0].node == 1
