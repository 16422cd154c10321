from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from sfc.errors import PathError
from sfc.model import (
    Awareness,
    Chain,
    Direction,
    Mac,
    Network,
    PathGroup,
    PathPosition,
    Port,
    PortRole,
    ServiceFunction,
    SpiPool,
    Topology,
    WeightedInstance,
)
from sfc.path import choose_instances, plan_chain, plan_chains
from sfc.walk import planned_walk
from tests.unit.sfc.gilan import DPI, FIREWALL_IN, FIREWALL_OUT, gilan, sff


def test_a_chain_ends_at_the_inside_of_its_nat_and_comes_back_the_other_way() -> None:
    web = gilan().web
    assert web.forward.functions == ("fw", "dpi", "nat")
    assert web.reverse is not None
    assert web.reverse.functions == ("nat", "dpi", "fw")
    assert (web.forward.end, web.reverse.start, web.reverse.end) == ("nat-in", "nat-in", "sub")
    assert [(hop.si, hop.function, hop.port_in, hop.port_out) for hop in web.reverse.hops] == [
        (255, "dpi", "dpi-sfc", "dpi-sfc"),
        (254, "fw", "fw-out", "fw-in"),
    ]
    assert web.forward.end_si == 253


def test_planned_walk_gives_the_ttl_on_every_crossing() -> None:
    lan = gilan()
    seen = [
        (leg.from_sff, leg.to_sff, str(leg.position), leg.ttl)
        for planned in lan.chains
        for leg in planned_walk(lan.topology, planned)
    ]
    assert seen == [
        ("h1", "h2", "100/254", 61),
        ("h2", "h3", "100/253", 59),
        ("h3", "h2", "101/255", 62),
        ("h2", "h1", "101/254", 60),
        ("h1", "h3", "200/254", 61),
        ("h3", "h1", "201/255", 62),
    ]


def test_planned_walk_tells_the_context_until_a_function_may_write_it() -> None:
    lan = gilan()
    legs = planned_walk(lan.topology, lan.web)
    assert legs[0].context == (0xCA000064, 0, 0, PathPosition(100, 254).word)
    assert legs[1].context == (0xCA000064, None, None, PathPosition(100, 254).word)
    assert legs[2].direction is Direction.REVERSE
    assert legs[2].context == (0xCA000065, 0, 0, PathPosition(101, 255).word)


def two_firewalls() -> Topology:
    lan = gilan()
    extra = (
        Port("fw2-in", "h2", 15, Mac(FIREWALL_IN + 1), role=PortRole.SF),
        Port("fw2-out", "h2", 16, Mac(FIREWALL_OUT + 1), role=PortRole.SF),
    )
    function = ServiceFunction("fw2", "firewall", "fw2-in", "fw2-out")
    return replace(lan.topology, ports=(*lan.topology.ports, *extra), functions=(*lan.topology.functions, function))


def test_the_instance_on_the_way_is_chosen_then_the_heavier_one() -> None:
    topology = two_firewalls()
    either = PathGroup("firewall", (WeightedInstance("fw"), WeightedInstance("fw2", 5)))
    chain = Chain("c", "sub", (either, PathGroup.of("dpi"), PathGroup.of("nat")))
    assert [function.id for function in choose_instances(topology, chain)] == ["fw2", "dpi", "nat"]
    free_from_h1 = choose_instances(topology, chain, lambda a, b: 0 if a == b or a == "h1" else 1)
    assert free_from_h1[0].id == "fw2"

    def h1_is_far_from_h2(here: str, there: str) -> float:
        return 0 if here == there else 10 if {here, there} == {"h1", "h2"} else 1

    short = Chain("c", "sub", (either, PathGroup.of("nat")))
    assert [function.id for function in choose_instances(topology, short, h1_is_far_from_h2)] == ["fw", "nat"]


def test_an_instance_of_weight_zero_waits_until_it_is_alone() -> None:
    topology = two_firewalls()
    spare = PathGroup("firewall", (WeightedInstance("fw"), WeightedInstance("fw2", 0)))
    alone = PathGroup("firewall", (WeightedInstance("fw2", 0),))
    nat = PathGroup.of("nat")
    assert choose_instances(topology, Chain("c", "sub", (spare, nat)))[0].id == "fw"
    assert choose_instances(topology, Chain("c", "sub", (alone, nat)))[0].id == "fw2"


def test_plan_chains_allocates_two_spis_for_a_symmetric_chain_and_one_else() -> None:
    lan = gilan()
    chains = [lan.web.chain, replace(lan.other.chain, symmetric=False)]
    planned, pool = plan_chains(lan.topology, chains, SpiPool(500, 502))
    assert [rsp.spi for each in planned for rsp in each.rsps] == [500, 501, 502]
    with pytest.raises(PathError):
        plan_chains(lan.topology, [lan.web.chain], pool)


def refused(chain: Chain, topology: Topology) -> str:
    with pytest.raises(PathError) as refusal:
        plan_chain(topology, chain, 100, 101)
    return refusal.value.code


def test_chains_that_cannot_be_are_refused_with_their_reason() -> None:
    topology = gilan().topology
    fw, dpi, nat = (PathGroup.of(name) for name in ("fw", "dpi", "nat"))
    assert refused(Chain("c", "sub", (nat, fw), egress="fw-mgmt"), topology) == "REWRITES_IN_THE_MIDDLE"
    assert refused(Chain("c", "sub", (fw, dpi)), topology) == "NO_END"
    assert refused(Chain("c", "sub", (fw, nat), egress="fw-mgmt"), topology) == "TWO_ENDS"
    assert refused(Chain("c", "sub", (fw,), egress="dpi-sfc"), topology) == "END_ROLE"
    assert refused(Chain("c", "sub", (fw,), egress="sub"), topology) == "SAME_ENDS"
    assert refused(Chain("c", "nat-in", (fw, nat)), topology) == "SAME_ENDS"


def test_a_reader_of_context_beyond_a_proxy_is_refused() -> None:
    lan = gilan()
    reader = ServiceFunction("policy", "policy", "policy-sfc", awareness=Awareness.NSH, reads_context=True)
    port = Port("policy-sfc", "h3", 51, Mac(DPI + 1), role=PortRole.SF)
    topology = replace(lan.topology, ports=(*lan.topology.ports, port), functions=(*lan.topology.functions, reader))
    groups = {name: PathGroup.of(name) for name in ("fw", "dpi", "nat", "policy")}
    beyond = Chain("c", "sub", (groups["dpi"], groups["fw"], groups["policy"], groups["nat"]), symmetric=False)
    beside = Chain("c", "sub", (groups["fw"], groups["dpi"], groups["policy"], groups["nat"]), symmetric=False)
    assert refused(beyond, topology) == "CONTEXT_LOST"
    assert plan_chain(topology, beside, 100).forward.functions == ("fw", "dpi", "policy", "nat")


def test_a_path_longer_than_the_ttl_is_refused() -> None:
    sffs = (sff(1), sff(2))
    ports = [
        Port("a", "h1", 1, Mac(0x020000000001), (IPv4Address("10.0.0.1"),), "n"),
        Port("b", "h1", 2, Mac(0x020000000002), (IPv4Address("10.0.0.2"),), "n"),
    ]
    functions = []
    for number in range(40):
        host = "h2" if number % 2 else "h1"
        ports.append(Port(f"p{number}", host, 10 + number, Mac(0x020000000100 + number), role=PortRole.SF))
        functions.append(ServiceFunction(f"f{number}", "f", f"p{number}", awareness=Awareness.NSH))
    topology = Topology(sffs, (Network("n", 100),), tuple(ports), tuple(functions))
    chain = Chain("long", "a", tuple(PathGroup.of(function.id) for function in functions), egress="b", symmetric=False)
    with pytest.raises(PathError, match="too long"):
        planned_walk(topology, plan_chain(topology, chain, 100))
