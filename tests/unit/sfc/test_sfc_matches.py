"""Classifiers by ICMP type and MAC address."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, ip_network

import pytest

from sfc.classifier import contains, idle_classifiers, intersect
from sfc.errors import ModelError
from sfc.model import Chain, Classifier, Mac, Match, PathGroup, PlannedChain, Topology
from sfc.path import plan_chain
from sfc.render import render
from sfc.samples import takes
from sfc.simulator import Simulator
from sfc.simulator.packets import Ethernet, Fragment, Icmp, Ip, Udp, answer_to
from sfc.verify import verify
from tests.unit.sfc.gilan import GATEWAY, SUB, SUB_IP, WEB_IP, gilan

OTHER = Mac(0x021000000099)


def chosen_by(*matches: Match, egress: str | None = None) -> tuple[Topology, tuple[PlannedChain, ...]]:
    """A chain through firewall and dpi for these, and the Gi-LAN's ``other`` for the rest."""
    lan = gilan()
    path = (PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat"))
    chain = Chain("chosen", "sub", path, tuple(Classifier(match, 9) for match in matches))
    return lan.topology, (plan_chain(lan.topology, chain, 300, 301), lan.other)


def ping(kind: int = 8, code: int = 0, destination: Mac = GATEWAY, fragment: Fragment = Fragment.NO) -> Ethernet:
    return Ethernet(SUB, destination, Ip(SUB_IP, WEB_IP, Icmp(kind, code, 7), fragment=fragment))


@pytest.mark.parametrize("kind", [8, 13, 3])
def test_an_icmp_type_chooses_the_chain(kind: int) -> None:
    topology, chains = chosen_by(Match(protocol=1, icmp_type=kind))
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    network = Simulator(topology, tables)
    assert network.inject("sub", ping(kind)).functions == ("fw", "dpi", "nat")
    assert network.inject("sub", ping(17)).functions == ("fw", "nat")
    assert network.inject("sub", Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(1, 2)))).functions == ("fw", "nat")


def test_a_code_narrows_the_type() -> None:
    topology, chains = chosen_by(Match(protocol=1, icmp_type=5, icmp_code=1))
    network = Simulator(topology, render(topology, chains))
    assert network.inject("sub", ping(5, 1)).functions == ("fw", "dpi", "nat")
    assert network.inject("sub", ping(5, 0)).functions == ("fw", "nat")


def test_the_answer_to_an_echo_goes_back_on_its_chain_and_so_do_fragments_of_the_next_one() -> None:
    topology, chains = chosen_by(Match(protocol=1, icmp_type=8))
    network = Simulator(topology, render(topology, chains))
    network.inject("sub", ping())
    assert network.inject("nat-in", answer_to(ping())).functions == ("dpi", "fw")
    for part in (Fragment.FIRST, Fragment.LATER):
        assert network.inject("sub", ping(fragment=part)).functions == ("fw", "dpi", "nat")


def test_an_icmp_error_that_chooses_a_chain_takes_no_mark_with_it() -> None:
    topology, chains = chosen_by(Match(protocol=1, icmp_type=3))
    network = Simulator(topology, render(topology, chains))
    question = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Udp(40000, 53)))
    network.inject("sub", question)
    answer = answer_to(question)
    assert isinstance(answer.payload, Ip)
    unreachable = Ethernet(SUB, GATEWAY, Ip(SUB_IP, WEB_IP, Icmp(3, 3, about=answer.payload)))
    assert network.inject("sub", unreachable).functions == ("fw", "dpi", "nat")
    assert network.inject("nat-in", answer).functions == ("fw",)


def test_icmpv6_has_types_of_its_own() -> None:
    lan = gilan()
    v6 = {"sub": IPv6Address("fd10::2"), "nat-in": IPv6Address("fd10::1")}
    ports = tuple(
        replace(port, addresses=(*port.addresses, v6[port.id]), allowed=(*port.allowed, ip_network("::/0")))
        if port.id in v6
        else port
        for port in lan.topology.ports
    )
    topology = replace(lan.topology, ports=ports)
    path = (PathGroup.of("fw"), PathGroup.of("dpi"), PathGroup.of("nat"))
    chain = Chain("six", "sub", path, (Classifier(Match(protocol=58, icmp_type=128), 9),))
    chains = (plan_chain(topology, chain, 300, 301), plan_chain(topology, lan.other.chain, 200, 201))
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    assert any("icmpv6_type=128" in line for line in tables["h1"].flow_text().splitlines())


def test_a_destination_mac_chooses_the_chain() -> None:
    topology, chains = chosen_by(Match(destination_mac=OTHER))
    tables = render(topology, chains)
    assert verify(topology, chains, tables) == ()
    network = Simulator(topology, tables)
    assert network.inject("sub", ping(destination=OTHER)).functions == ("fw", "dpi", "nat")
    assert network.inject("sub", ping()).functions == ("fw", "nat")


def test_the_ports_own_mac_chooses_all_of_it_and_another_nothing() -> None:
    for mac, taken in ((SUB, True), (OTHER, False)):
        topology, chains = chosen_by(Match(source_mac=mac))
        tables = render(topology, chains)
        assert verify(topology, chains, tables) == ()
        functions = Simulator(topology, tables).inject("sub", ping()).functions
        assert functions == (("fw", "dpi", "nat") if taken else ("fw", "nat"))
        idle = idle_classifiers(topology, [planned.chain for planned in chains])
        assert [each.chain for each in idle] == ([] if taken else ["chosen"])


@pytest.mark.parametrize(
    "wrong",
    [
        {"icmp_type": 8},
        {"protocol": 17, "icmp_type": 8},
        {"protocol": 1, "icmp_code": 0},
        {"protocol": 1, "icmp_type": 256},
        {"protocol": 1, "icmp_type": 3, "icmp_code": 256},
        {"protocol": 58, "icmp_type": 128, "ethertype": 0x0800},
    ],
)
def test_matches_that_contradict_themselves_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ModelError):
        Match(**wrong)  # type: ignore[arg-type]


def test_the_answers_match_has_everything_turned_round() -> None:
    match = Match(protocol=1, icmp_type=8, icmp_code=0, source_mac=SUB, destination_mac=GATEWAY)
    assert match.reversed() == Match(protocol=1, icmp_type=0, icmp_code=0, source_mac=GATEWAY, destination_mac=SUB)
    assert match.reversed().reversed() == match
    assert takes(match, ping()) and takes(match.reversed(), answer_to(ping()))
    assert not takes(match, ping(fragment=Fragment.LATER))


def test_overlaps_know_icmp_and_mac() -> None:
    echo, code = Match(protocol=1, icmp_type=8), Match(protocol=1, icmp_type=8, icmp_code=0)
    assert intersect(echo, code) and contains(echo, code) and not contains(code, echo)
    assert not intersect(echo, Match(protocol=1, icmp_type=13))
    assert not intersect(Match(destination_mac=SUB), Match(destination_mac=GATEWAY))
    assert contains(Match(), Match(source_mac=SUB)) and not contains(Match(source_mac=SUB), Match())
