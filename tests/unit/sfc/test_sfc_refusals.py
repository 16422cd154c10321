"""What goes together on no switch: tenants with the same addresses at one routing function, SPIs given out twice."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, ip_network

import pytest

from sfc.classifier import warnings
from sfc.errors import RenderError
from sfc.model import (
    Chain,
    Classifier,
    Layer,
    Mac,
    Match,
    Network,
    PathGroup,
    PlannedChain,
    Port,
    PortRange,
    Topology,
)
from sfc.path import plan_chain
from sfc.render import render
from sfc.verify import verify
from tests.unit.sfc.gilan import gilan

ANYWHERE = (ip_network("0.0.0.0/0"),)


def two_tenants(address: str, gateway: str = "10.10.0.1", layer: Layer = Layer.L3) -> tuple[Topology, PlannedChain]:
    """The Gi-LAN, and a second network whose subscriber passes the same firewall."""
    lan = gilan(layer)
    ports = (
        Port("sub2", "h1", 61, Mac(0x021000000061), (IPv4Address(address),), "second"),
        Port("gw2", "h3", 62, Mac(0x021000000062), (IPv4Address(gateway),), "second", allowed=ANYWHERE),
    )
    networks = (*lan.topology.networks, Network("second", 2000))
    topology = replace(lan.topology, networks=networks, ports=(*lan.topology.ports, *ports))
    return topology, plan_chain(topology, Chain("second", "sub2", (PathGroup.of("fw"),), egress="gw2"), 300, 301)


def test_tenants_with_the_same_addresses_do_not_share_a_routing_function() -> None:
    topology, second = two_tenants("10.10.0.2")
    with pytest.raises(RenderError) as refused:
        render(topology, (*gilan(Layer.L3).chains, second))
    assert refused.value.code == "L3_OVERLAP"
    for word in ("web", "second", "fw", "access", "an instance of its own"):
        assert word in str(refused.value)


def test_they_may_share_a_bridging_one() -> None:
    topology, second = two_tenants("10.10.0.2", layer=Layer.L2)
    chains = (*gilan().chains, second)
    assert verify(topology, chains, render(topology, chains)) == ()


def test_other_addresses_may_share_it_even_with_the_same_gateway() -> None:
    topology, second = two_tenants("10.10.0.3")
    chains = (*gilan(Layer.L3).chains, second)
    assert verify(topology, chains, render(topology, chains)) == ()


def test_a_prefix_that_holds_the_others_address_overlaps_too() -> None:
    topology, second = two_tenants("10.99.0.1")
    wide = tuple(
        replace(port, allowed=(ip_network("10.10.0.0/16"),)) if port.id == "sub2" else port for port in topology.ports
    )
    with pytest.raises(RenderError):
        render(replace(topology, ports=wide), (*gilan(Layer.L3).chains, second))


def test_a_chain_against_the_others_direction_overlaps_too() -> None:
    topology, _ = two_tenants("10.10.0.2")
    back = Chain("back", "gw2", (PathGroup.of("fw"),), egress="sub2")
    with pytest.raises(RenderError):
        render(topology, (gilan(Layer.L3).other, plan_chain(topology, back, 300, 301)))
    clear, _ = two_tenants("10.10.0.3")
    chains = (gilan(Layer.L3).other, plan_chain(clear, back, 300, 301))
    assert verify(clear, chains, render(clear, chains)) == ()


def test_both_directions_of_one_network_may_share_it() -> None:
    topology, second = two_tenants("10.10.0.3")
    back = Chain("back", "gw2", (PathGroup.of("fw"),), egress="sub2", symmetric=False)
    assert render(topology, (second, plan_chain(topology, back, 302)))


def test_an_spi_given_out_twice_is_refused() -> None:
    lan = gilan()
    twin = replace(lan.other, forward=replace(lan.other.forward, spi=100))
    with pytest.raises(RenderError, match="SPI 100 belongs to chains web and other"):
        render(lan.topology, (lan.web, twin))


def test_two_versions_that_both_classify_are_refused() -> None:
    lan = gilan()
    with pytest.raises(RenderError, match="two versions of chain web"):
        render(lan.topology, (lan.web, plan_chain(lan.topology, lan.web.chain, 500, 501)))


def test_warnings_tell_overlaps_and_idle_classifiers_as_sentences() -> None:
    path = (PathGroup.of("fw"), PathGroup.of("nat"))
    web = Chain("web", "sub", path, (Classifier(Match(protocol=6, destination_port=PortRange(80, 80)), 10),))
    rest = Chain("rest", "sub", path, order=1)
    six = Chain("six", "sub", path, (Classifier(Match(ethertype=0x86DD)),), order=2)
    assert warnings(gilan().topology, (rest, web, six)) == (
        "classifier 0 of chain web takes a part of the traffic of classifier 0 of chain rest at port sub, by priority",
        "classifier 0 of chain web takes a part of the traffic of classifier 0 of chain six at port sub, by priority",
        "classifier 0 of chain rest takes all of the traffic of classifier 0 of chain six at port sub, by order",
        "classifier 0 of chain six wants what port sub may not send",
    )
