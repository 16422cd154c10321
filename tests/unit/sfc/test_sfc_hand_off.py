"""Hand-off by VLAN and copies to taps: planned, rendered, proven, and what goes wrong refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.errors import ModelError, RenderError
from sfc.model import (
    Awareness,
    Kind,
    Layer,
    Mac,
    OnFailure,
    PlannedChain,
    Port,
    PortRole,
    ServiceFunction,
    Topology,
)
from sfc.model.chains import PathGroup
from sfc.path import plan_chain
from sfc.render import render
from sfc.render.tables import vlan_tag
from sfc.simulator import Simulator
from sfc.simulator.functions import NshModel
from sfc.simulator.packets import Ethernet, Nsh, Vlan, answer_to
from sfc.verify import verify
from sfc.walk import planned_walk
from tests.unit.sfc.gilan import DPI, GiLan, gilan
from tests.unit.sfc.traffic import tcp


def in_vlans(layer: Layer = Layer.L2) -> tuple[Topology, tuple[PlannedChain, ...]]:
    lan = gilan(layer, own_address=False)
    functions = tuple(
        replace(each, awareness=Awareness.VLAN) if each.id == "fw" else each for each in lan.topology.functions
    )
    return replace(lan.topology, functions=functions), lan.chains


def with_tap(awareness: Awareness, host: str = "h2") -> GiLan:
    """A tap between the firewall and the dpi of the chain web."""
    lan = gilan()
    ids = ServiceFunction("ids", "ids", "ids-in", awareness=awareness, layer=Layer.TAP)
    port = Port("ids-in", host, 61, Mac(0x026100000001), role=PortRole.SF)
    topology = replace(lan.topology, ports=(*lan.topology.ports, port), functions=(*lan.topology.functions, ids))
    path = lan.web.chain.path
    web = replace(lan.web.chain, path=(path[0], PathGroup.of("ids"), *path[1:]))
    return GiLan(topology, (plan_chain(topology, web, 100, 101), lan.other))


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
@pytest.mark.parametrize("down", [(), ("fw",)])
def test_chains_through_a_function_with_vlans_are_proven(layer: Layer, down: tuple[str, ...]) -> None:
    topology, chains = in_vlans(layer)
    assert verify(topology, chains, render(topology, chains, down=down), down=down) == ()


def test_each_path_has_a_vlan_of_its_own_inside_the_function() -> None:
    topology, chains = in_vlans()
    network = Simulator(topology, render(topology, chains))
    seen = []

    class Spy:
        def receive(self, port: str, packet: Ethernet) -> list[tuple[str, Ethernet]]:
            seen.append((port, packet.vlans[0].vid))
            return [("fw-out" if port == "fw-in" else "fw-in", packet)]

    network.functions["fw"] = Spy()  # type: ignore[assignment]
    network.inject("sub", tcp())
    network.inject("sub", tcp(22))
    network.inject("nat-in", answer_to(tcp(), "A"))
    assert seen == [("fw-in", vlan_tag(100)), ("fw-in", vlan_tag(200)), ("fw-out", vlan_tag(101))]


def test_a_reset_made_inside_a_vlan_goes_back() -> None:
    topology, chains = in_vlans()
    network = Simulator(topology, render(topology, chains))
    reset = replace(answer_to(tcp(), "RA"), vlans=(Vlan(vlan_tag(100)),))
    assert [left.port for left in network.inject("fw-in", reset).deliveries] == ["sub"]


@pytest.mark.parametrize(
    "vlans", [(), (Vlan(0),), (Vlan(7),), (Vlan(vlan_tag(100)), Vlan(6)), (Vlan(5, tpid=0x88A8), Vlan(vlan_tag(100)))]
)
def test_what_is_in_no_planned_vlan_does_not_come_back(vlans: tuple[Vlan, ...]) -> None:
    topology, chains = in_vlans()
    network = Simulator(topology, render(topology, chains))
    trace = network.inject("fw-out", replace(tcp(), vlans=vlans))
    assert trace.deliveries == () and trace.crossings == ()


def test_two_paths_of_one_vlan_are_refused_at_the_function_they_share() -> None:
    topology, chains = in_vlans()
    twin = plan_chain(topology, chains[1].chain, 100 + 4094, 300)
    with pytest.raises(RenderError, match="SPI 100 of chain web and SPI 4194 of chain other") as refused:
        render(topology, (chains[0], twin))
    assert refused.value.code == "VLAN_TWICE"


@pytest.mark.parametrize("awareness", [Awareness.NONE, Awareness.NSH])
@pytest.mark.parametrize("host", ["h1", "h2"])
def test_a_tap_gets_copies_of_both_directions_and_the_packets_go_on(awareness: Awareness, host: str) -> None:
    lan = with_tap(awareness, host)
    assert verify(lan.topology, lan.chains, lan.tables) == ()
    network = Simulator(lan.topology, lan.tables)
    there = network.inject("sub", tcp())
    assert there.functions == ("fw", "ids", "dpi", "nat")
    assert [left.port for left in there.deliveries] == ["nat-in"]
    back = network.inject("nat-in", answer_to(tcp(), "A"))
    assert back.functions == ("dpi", "ids", "fw")
    copies = [event.packet for event in there.visits if event.function == "ids"]
    assert [isinstance(copy, Ethernet) and isinstance(copy.payload, Nsh) for copy in copies] == [
        awareness is Awareness.NSH
    ]
    assert network.inject("sub", tcp(22)).functions == ("fw", "nat")


def test_what_a_function_wrote_survives_a_tap_that_speaks_nsh() -> None:
    lan = with_tap(Awareness.NSH)
    path = lan.web.chain.path
    web = replace(lan.web.chain, path=(path[0], path[2], path[1], path[3]))
    chains = (plan_chain(lan.topology, web, 100, 101), lan.other)
    model = NshModel(("dpi-sfc", "dpi-sfc"), (DPI, DPI), writes=lambda nsh: 0xABCD)
    network = Simulator(lan.topology, render(lan.topology, chains), {"dpi": model})
    crossed = network.inject("sub", tcp()).crossings
    assert isinstance(crossed[-1].packet, Nsh) and crossed[-1].packet.context[1] == 0xABCD
    assert planned_walk(lan.topology, chains[0])[1].context[1] is None


@pytest.mark.parametrize("policy", OnFailure)
def test_a_tap_that_is_down_keeps_nothing_up(policy: OnFailure) -> None:
    lan = with_tap(Awareness.NONE)
    functions = tuple(replace(each, on_failure=policy) for each in lan.topology.functions)
    topology = replace(lan.topology, functions=functions)
    tables = render(topology, lan.chains, down=("ids",))
    assert verify(topology, lan.chains, tables, down=("ids",)) == ()
    assert Simulator(topology, tables).inject("sub", tcp()).functions == ("fw", "dpi", "nat")


@pytest.mark.parametrize("awareness", [Awareness.NONE, Awareness.NSH])
def test_nothing_comes_back_from_a_tap(awareness: Awareness) -> None:
    lan = with_tap(awareness)
    network = Simulator(lan.topology, lan.tables)
    (copy,) = (event.packet for event in network.inject("sub", tcp()).visits if event.function == "ids")
    assert isinstance(copy, Ethernet)
    trace = network.inject("ids-in", copy)
    assert trace.deliveries == () and trace.crossings == ()
    (drop,) = trace.drops
    assert drop.reason in (Kind.DROP_FORGED_NSH, Kind.DROP_LEG)


def test_a_tap_has_one_leg_and_hands_nothing_back() -> None:
    assert ServiceFunction("t", "t", "a", "b", layer=Layer.TAP).legs(False) == ("a", "a")
    with pytest.raises(ModelError, match="hands nothing back"):
        ServiceFunction("t", "t", "a", awareness=Awareness.VLAN, layer=Layer.TAP)
