"""Liveness probes: which function gets which, the rules that let them through, what rounds of them say."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import ModelError
from sfc.liveness import PROBE_POSITION, Health, Life, ProbeKind, watch_of, watches
from sfc.model import Kind, Layer, LivenessProbe, Mac, Topology
from sfc.render import render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Nsh, Raw
from sfc.verify import Rule, verify
from sfc.verify.checks import probe_payload
from tests.unit.sfc.gilan import DPI, gilan

PROBE = LivenessProbe(IPv4Address("10.20.1.1"), IPv4Address("10.20.2.1"))


def with_probe(layer: Layer) -> Topology:
    lan = gilan(layer)
    functions = tuple(replace(each, probe=PROBE) if each.id == "fw" else each for each in lan.topology.functions)
    return replace(lan.topology, functions=functions)


def test_each_kind_of_function_has_its_probe() -> None:
    kinds = {watch.function: watch.kind for watch in watches(gilan().topology)}
    assert kinds == {"fw": ProbeKind.FRAME, "dpi": ProbeKind.NSH, "nat": ProbeKind.ARP}
    routing = gilan(Layer.L3).topology
    assert watch_of(routing, routing.function("fw")) is None
    for layer in (Layer.L2, Layer.L3):
        topology = with_probe(layer)
        found = watch_of(topology, topology.function("fw"))
        assert found is not None
        assert (found.kind, found.source, found.port) == (ProbeKind.DATAGRAM, PROBE.source, 48952)
    assert [watch.function for watch in watches(routing, "h2")] == ["dpi"]


def test_a_bridge_without_a_responder_probes_nothing() -> None:
    lan = gilan()
    sffs = tuple(replace(sff, oam_ofport=None) for sff in lan.topology.sffs)
    topology = replace(lan.topology, sffs=sffs)
    assert watches(topology) == ()
    assert not {flow.cookie.kind for flow in render(topology)["h1"].flows} & {Kind.PROBE_FUNCTION, Kind.PROBE_BACK}


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_every_probe_goes_through_its_function_and_back(layer: Layer) -> None:
    topology = with_probe(layer)
    assert verify(topology, gilan(layer).chains, render(topology, gilan(layer).chains)) == ()


def test_a_probe_that_cannot_come_back_breaks_the_proof() -> None:
    lan = gilan()
    tables = lan.tables
    kept = tuple(flow for flow in tables["h2"].flows if flow.cookie.kind is not Kind.PROBE_BACK)
    broken = {**tables, "h2": replace(tables["h2"], flows=kept)}
    (violation,) = verify(lan.topology, lan.chains, broken)
    assert violation.rule is Rule.LIVENESS and "dpi" in violation.message


def test_only_the_responder_may_probe_and_only_the_function_may_send_back() -> None:
    lan = gilan()
    network = Simulator(lan.topology, lan.tables)
    for watch in watches(lan.topology):
        forged = Ethernet(Mac(0x020000000099), watch.to_mac, probe_payload(watch))
        assert network.inject("sub", forged).deliveries == ()
        assert network.inject_at(watch.sff, 200, forged).deliveries == ()
    elsewhere = Nsh(replace(PROBE_POSITION, si=200), Raw(7), 60)
    (drop,) = network.inject("dpi-sfc", Ethernet(DPI, Mac(0x02CA00000002), elsewhere)).drops
    assert drop.flow is not None and drop.flow.table == 0


def test_a_probe_has_a_port() -> None:
    with pytest.raises(ModelError, match="port of a liveness probe"):
        LivenessProbe(PROBE.source, PROBE.destination, 0)


def test_a_function_is_dead_after_its_misses_and_alive_after_its_answers() -> None:
    health = Health(misses=3, answers=2)
    assert [health.round(answered) for answered in (False, True, False, False, True)] == [False, True, *3 * [False]]
    lives = []
    for rounds, changes in (
        ((False,) * 3, [False, False, True]),
        ((True, False, True, True), [False, False, False, True]),
    ):
        assert [health.round(answered) for answered in rounds] == changes
        lives.append(health.life)
    assert lives == [Life.DEAD, Life.ALIVE]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 4), st.integers(1, 4))
def test_nobody_dies_who_was_never_seen_alive(rounds: list[bool], misses: int, answers: int) -> None:
    health = Health(misses, answers)
    seen = False
    for answered in rounds:
        health.round(answered)
        seen = seen or answered
        assert seen or health.life is Life.UNKNOWN
