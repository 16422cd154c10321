"""What the arrays say of all hosts at once is what the filters say of each (class X2)."""

from __future__ import annotations

from random import Random

import pytest

from mano.placement import inventory_from_document, request_from_document, vdu_from_document
from mano.placement.board import Board, Fleet
from mano.placement.engine import Engine
from mano.placement.filters import first_refusal
from mano.placement.groups import Bounds
from mano.placement.parts import Parts
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
            refusal = first_refusal(Parts.installed().ours().filters, host, vdu)
            number = int(verdicts.code[position])
            expected = str(refusal.code) if refusal else ""
            if number:
                assert verdicts.name_of(number) == expected
            if refusal is None:
                assert verdicts.open[position], "a host that fits is never ruled out"
            if verdicts.certain[position]:
                assert refusal is None


CHANGING = ("free", "whole_cpus", "whole_cores", "shared", "small", "nic_vfs", "nic_mbps", "nic_untouched", "storage")


def contents(fleet: Fleet):
    arrays = {name: getattr(fleet.arrays, name).tolist() for name in CHANGING}
    return arrays, {size: counts.tolist() for size, counts in fleet.arrays.pages.items()}


@pytest.mark.parametrize("seed", range(5))
def test_arrays_follow_what_is_placed_and_come_back(seed):
    random = Random(seed)
    inventory = random_fleet(random, 30)
    request = request_from_document({"vdus": [random_vdu(random, f"v{n}") for n in range(8)]})
    fleet = Fleet(inventory)
    with Board(fleet, request, Parts.installed()) as board:
        Engine(board).solve(request.vdus)
        for vdu, fit in board.fits.items():
            inventory = inventory.with_allocation(board.places[vdu], fit.allocation)
        assert board.fits
        assert contents(fleet) == contents(Fleet(inventory))
    assert contents(fleet) == contents(Fleet(fleet.inventory))


def test_a_node_takes_no_more_than_two_hundred_octets():
    arrays = Fleet(random_fleet(Random(1), 200)).arrays
    assert arrays.octets / arrays.row_start[-1] < 200
