"""Packets that are too big for their way: found, counted, and answered; the others go on as ever."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, ip_network

import pytest

from sfc.errors import ModelError
from sfc.model import Kind, Layer, Mac, Port, Topology
from sfc.mtu import chain_limit, limited, path_mtu
from sfc.render import render
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Icmp, Ip, Udp, answer_to
from sfc.statistics import drop_counts
from sfc.verify import verify
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, gilan
from tests.unit.sfc.traffic import tcp

OAM = Mac(0x020A00000001)


def narrow(layer: Layer = Layer.L2, mtu: int = 1400) -> Topology:
    lan = gilan(layer)
    ends = ("sub", "nat-in")
    ports = tuple(replace(each, path_mtu=mtu) if each.id in ends else each for each in lan.topology.ports)
    return replace(lan.topology, ports=ports)


def network(topology: Topology) -> Simulator:
    return Simulator(topology, render(topology, gilan().chains))


def datagram(octets: int) -> Ethernet:
    """An IPv4 packet of that many octets."""
    return Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(4000, 53, bytes(octets - 28))))


@pytest.mark.parametrize("layer", [Layer.L2, Layer.L3])
def test_chains_with_limits_are_proven(layer: Layer) -> None:
    topology = narrow(layer)
    assert verify(topology, gilan(layer).chains, render(topology, gilan(layer).chains)) == ()


def test_what_fits_goes_on_and_what_does_not_goes_to_the_responder() -> None:
    lan = network(narrow())
    assert lan.inject("sub", datagram(1400)).functions == ("fw", "nat")
    trace = lan.inject("sub", datagram(1401))
    assert [(left.port, left.sff) for left in trace.deliveries] == [("oam", "h1")]
    assert trace.kinds[-1] is Kind.TOO_BIG
    (told,) = (left.packet for left in trace.deliveries)
    assert isinstance(told, Ethernet) and told.source == SUB
    assert int(told.destination) == 0x020C << 32 | 1400 << 16 | 1


def test_an_answer_that_is_too_big_is_told_to_the_end_that_sent_it() -> None:
    lan = network(narrow())
    lan.inject("sub", tcp())
    answer = answer_to(tcp(), "A")
    big = replace(answer, payload=Ip(WEB_IP, SUB_IP, Udp(53, 4000, bytes(1400))))
    assert [(left.port, left.sff) for left in lan.inject("nat-in", big).deliveries] == [("oam", "h3")]
    assert lan.inject("nat-in", answer).functions == ("dpi", "fw")


def test_the_responders_answer_leaves_by_the_port_and_nothing_else_of_it_does() -> None:
    lan = network(narrow())
    error = Ethernet(OAM, SUB, Ip(WEB_IP, SUB_IP, Icmp(3, 4)))
    assert [left.port for left in lan.inject_at("h1", 200, error).deliveries] == ["sub"]
    for other in (Icmp(3, 1), Icmp(8), Udp(1, 2)):
        stray = Ethernet(OAM, SUB, Ip(WEB_IP, SUB_IP, other))
        assert lan.inject_at("h1", 200, stray).deliveries == ()
    assert lan.inject("nat-in", replace(error, source=OAM)).deliveries == ()


def test_without_a_responder_it_is_dropped_and_counted() -> None:
    topology = narrow()
    sffs = tuple(replace(each, oam_ofport=None) for each in topology.sffs)
    (drop,) = network(replace(topology, sffs=sffs)).inject("sub", datagram(1401)).drops
    assert drop.reason is Kind.DROP_TOO_BIG


def test_ipv6_is_answered_by_its_own_error() -> None:
    address = IPv6Address("fd00::2")
    topology = narrow()
    own = {
        "sub": {"addresses": (SUB_IP, address)},
        "nat-in": {"allowed": (ip_network("0.0.0.0/0"), ip_network("::/0"))},
    }
    ports = tuple(replace(each, **own.get(each.id, {})) for each in topology.ports)  # type: ignore[arg-type]
    lan = network(replace(topology, ports=ports))
    outside = IPv6Address("2001:db8::1")
    trace = lan.inject("sub", Ethernet(SUB, GATEWAY, Ip(address, outside, Udp(1, 2, bytes(1400)))))
    assert trace.kinds[-1] is Kind.TOO_BIG
    error = Ethernet(OAM, SUB, Ip(outside, address, Icmp(2)))
    assert [left.port for left in lan.inject_at("h1", 200, error).deliveries] == ["sub"]


@pytest.mark.parametrize("mtu", [1500, 9000, None])
def test_a_way_that_carries_everything_costs_no_rule(mtu: int | None) -> None:
    topology = narrow(mtu=mtu or 1500)
    assert not topology.port("sub").limits
    assert render(topology, gilan().chains) == render(gilan().topology, gilan().chains)


def test_the_way_is_as_wide_as_its_narrowest_place() -> None:
    lan = gilan()
    assert path_mtu(lan.topology, lan.chains, 1600, "sub") == 1500 - 38  # the dpi speaks NSH on a port of 1500
    ports = tuple(replace(each, mtu=1600 if each.id == "dpi-sfc" else 1500) for each in lan.topology.ports)
    wide = replace(lan.topology, ports=ports)
    assert path_mtu(wide, lan.chains, 1600, "sub") == 1500
    assert path_mtu(wide, lan.chains, 1500, "sub") == path_mtu(wide, lan.chains, 1500, "nat-in") == 1426
    assert path_mtu(wide, (), 1500, "sub") == 1450


def test_a_limit_is_a_number_of_octets() -> None:
    with pytest.raises(ModelError, match="path_mtu"):
        Port("p", "h1", 1, SUB, network="access", path_mtu=10)


def test_every_port_is_limited_to_what_its_ways_carry_and_nothing_changes_where_all_fit() -> None:
    lan = gilan()
    dpi = tuple(replace(each, mtu=1538) if each.id == "dpi-sfc" else each for each in lan.topology.ports)
    wide = replace(lan.topology, ports=dpi)
    assert limited(wide, lan.chains, dict.fromkeys(("h1", "h2", "h3"), 1600)) is wide
    uneven = {"h1": 1600, "h2": 1520, "h3": 1600}
    told = limited(wide, lan.chains, uneven)
    assert {port.id: port.path_mtu for port in told.ports if port.path_mtu} == {
        **{"sub": 1446, "nat-in": 1446},
        **dict.fromkeys(("fw-mgmt", "dpi-mgmt", "nat-mgmt"), 1470),
    }
    assert [chain_limit(wide, each, uneven) for each in lan.chains] == [1446, 1526]
    assert chain_limit(lan.topology, lan.web, {}) == 1500 - 38
    assert verify(told, lan.chains, render(told, lan.chains)) == ()


def test_what_was_too_big_is_told_among_the_drops() -> None:
    switches = network(narrow())
    switches.inject("sub", datagram(1401))
    counters = {sff: [(cookie, n, 0) for cookie, n in each.packets.items()] for sff, each in switches.bridges.items()}
    assert [(drop.sff, drop.reason, drop.packets) for drop in drop_counts(counters)] == [("h1", Kind.TOO_BIG, 1)]
