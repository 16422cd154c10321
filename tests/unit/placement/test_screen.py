"""What the arrays say of all hosts at once is what the filters say of each (class X2)."""

from __future__ import annotations

from random import Random

import pytest

from mano.placement import inventory_from_document, vdu_from_document
from mano.placement.board import Fleet
from mano.placement.filters import BEFORE_GROUPS, RESOURCES, first_refusal
from mano.placement.free import FreeHosts
from mano.placement.groups import Bounds
from mano.placement.screen import screen
from tests.unit.placement.cases import random_host, random_vdu


def random_fleet(random: Random, count: int, nodes: int | None = None):
    hosts = []
    for number in range(count):
        world = random_host(random, f"h{number}", nodes)
        world["state"] = random.choice(["enabled"] * 9 + ["down"])
        world["zone"] = random.choice("ab")
        world["labels"] = random.choice([{}, {"disk": "ssd"}])
        for held in world["allocations"]:
            held["id"] += f"-{number}"
        hosts.append(world)
    return inventory_from_document({"hosts": hosts})


@pytest.mark.parametrize("nodes", [None, 2])
@pytest.mark.parametrize("seed", range(25))
def test_arrays_and_filters_agree_on_every_host(seed, nodes):
    random = Random(seed)
    fleet = Fleet(random_fleet(random, 40, nodes))
    for _ in range(4):
        document = random_vdu(random)
        document["zones"] = random.choice([[], ["a"]])
        document["requires"] = random.choice([{}, {"disk": "ssd"}])
        vdu = vdu_from_document(document)
        verdicts = screen(fleet.arrays, vdu, Bounds())
        for position, host in enumerate(fleet.hosts):
            refusal = first_refusal((*BEFORE_GROUPS, *RESOURCES), host, vdu)
            number = int(verdicts.code[position])
            expected = str(refusal.code) if refusal else ""
            if number:
                assert verdicts.name_of(number) == expected
            if refusal is None:
                assert verdicts.open[position], "a host that fits is never ruled out"
            if verdicts.certain[position]:
                assert refusal is None


def test_arrays_follow_the_hosts():
    random = Random(3)
    inventory = random_fleet(random, 30)
    fleet = Fleet(inventory)
    other = Fleet(random_fleet(Random(4), 30))
    maker = FreeHosts()
    for position, host in enumerate(inventory.hosts):
        bare = maker.of(inventory.hosts[position]).host
        fleet.put(position, maker.of(host))
        assert bare is host
    again = Fleet(inventory)
    for name in ("free", "whole_cpus", "whole_cores", "shared", "small", "nic_vfs", "nic_mbps", "storage"):
        assert (getattr(fleet.arrays, name) == getattr(again.arrays, name)).all()
    assert other.arrays.size == 30


def test_a_node_takes_no_more_than_two_hundred_octets():
    arrays = Fleet(random_fleet(Random(1), 200)).arrays
    assert arrays.octets / arrays.row_start[-1] < 200
