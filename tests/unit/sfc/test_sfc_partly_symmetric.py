"""Chains of which some functions are met in one direction only."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.errors import ModelError, PathError
from sfc.model import Direction, Layer, OnFailure, PathGroup
from sfc.path import plan_chain
from sfc.render import NEIGHBOUR_INGRESS, render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Icmp, Ip, Tcp, answer_to
from sfc.verify import verify
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, GiLan, gilan
from tests.unit.sfc.traffic import tcp

FORWARD, REVERSE = Direction.FORWARD, Direction.REVERSE


def partly(only: dict[str, Direction], layer: Layer = Layer.L2) -> GiLan:
    lan = gilan(layer)
    path = tuple(replace(group, only=only.get(group.name)) for group in lan.web.chain.path)
    web = plan_chain(lan.topology, replace(lan.web.chain, path=path), 100, 101)
    return GiLan(lan.topology, (web, lan.other))


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize(
    "only", [{"fw": FORWARD}, {"dpi": FORWARD}, {"dpi": REVERSE}, {"fw": REVERSE}, {"fw": FORWARD, "dpi": REVERSE}]
)
def test_partly_symmetric_chains_are_proven(layer: Layer, only: dict[str, Direction]) -> None:
    lan = partly(only, layer)
    assert verify(lan.topology, lan.chains, lan.tables) == ()
    functions = tuple(replace(each, on_failure=OnFailure.OPEN) for each in lan.topology.functions)
    topology = replace(lan.topology, functions=functions)
    for down in (("fw",), ("dpi",)):
        assert verify(topology, lan.chains, render(topology, lan.chains, down=down), down=down) == ()


def test_each_direction_meets_its_own() -> None:
    network = Simulator((lan := partly({"dpi": REVERSE})).topology, lan.tables)
    assert network.inject("sub", tcp()).functions == ("fw", "nat")
    assert network.inject("nat-in", answer_to(tcp(), "A")).functions == ("dpi", "fw")


@pytest.mark.parametrize("only", [{}, {"dpi": FORWARD}, {"dpi": REVERSE}, {"fw": FORWARD}])
def test_a_reset_of_a_function_takes_the_rest_of_the_way_back(only: dict[str, Direction]) -> None:
    lan = partly(only)
    network = Simulator(lan.topology, lan.tables)
    handed = next(event.packet for event in network.inject("sub", tcp()).visits if event.function == "fw")
    assert isinstance(handed, Ethernet)
    reset = Ethernet(handed.destination, handed.source, Ip(WEB_IP, SUB_IP, Tcp(80, 40000, "RA")))
    trace = network.inject("fw-in", reset)
    assert [left.port for left in trace.deliveries] == ["sub"] and trace.functions == ()


def test_an_icmp_error_of_a_one_way_function_takes_the_way_back() -> None:
    lan = partly({"fw": FORWARD})
    lan = GiLan(lan.topology, lan.chains[:1])
    network = Simulator(lan.topology, lan.tables)
    own = lan.topology.function("fw").own_address
    assert own is not None
    error = Ethernet(SUB, NEIGHBOUR_INGRESS, Ip(own, SUB_IP, Icmp(3, 13, about=Ip(SUB_IP, WEB_IP, Tcp(1, 80)))))
    assert [left.port for left in network.inject("fw-in", error).deliveries] == ["sub"]
    assert GATEWAY != SUB


def test_what_is_no_mirror_is_refused() -> None:
    lan = partly({"dpi": FORWARD})
    with pytest.raises(ModelError, match="different functions"):
        replace(lan.web, chain=gilan().web.chain)
    with pytest.raises(PathError, match="both directions meet it"):
        partly({"nat": FORWARD})


def test_a_group_is_for_both_directions_by_default() -> None:
    assert PathGroup.of("fw").only is None
