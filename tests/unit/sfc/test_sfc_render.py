from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import RenderError
from sfc.model import (
    Chain,
    Classifier,
    Direction,
    Flow,
    FlowTables,
    Kind,
    Layer,
    Mac,
    Match,
    PathGroup,
    PathPosition,
    PortRange,
    ServiceFunction,
    Topology,
    Unclassified,
)
from sfc.path import plan_chain
from sfc.render import Table, mac_tag, render
from sfc.render.matches import port_masks, traffic
from tests.unit.sfc.gilan import gilan


def of_kind(tables: FlowTables, kind: Kind) -> list[Flow]:
    return [flow for flow in tables.flows if flow.cookie.kind is kind]


def bodies(tables: FlowTables, kind: Kind) -> list[str]:
    """Flows of a kind without their cookies."""
    return [flow.text().partition(",")[2] for flow in of_kind(tables, kind)]


@given(st.integers(0, 65535), st.integers(0, 65535), st.integers(0, 65535))
def test_masks_of_a_port_range_take_exactly_its_ports(one: int, two: int, port: int) -> None:
    ports = PortRange(min(one, two), max(one, two))
    hits = [value for value, mask in port_masks(ports) if port & mask == value]
    assert len(hits) == (1 if port in ports else 0)


@pytest.mark.parametrize(
    ("first", "last", "count"), [(80, 80, 1), (0, 65535, 1), (1000, 2000, 8), (1, 65534, 30), (1024, 65535, 6)]
)
def test_masks_of_a_port_range_are_few(first: int, last: int, count: int) -> None:
    assert len(port_masks(PortRange(first, last))) == count


def test_a_range_of_all_ports_matches_no_bits() -> None:
    assert len(traffic(Match(protocol=6, destination_port=PortRange(0, 65535)), 4)) == 1


def test_rendering_is_deterministic_and_ignores_the_order_of_its_input() -> None:
    lan = gilan()
    topology = lan.topology
    shuffled = Topology(topology.sffs[::-1], topology.networks[::-1], topology.ports[::-1], topology.functions[::-1])
    assert render(shuffled, lan.chains[::-1]) == lan.tables
    assert [tables.flow_text() for tables in lan.tables.values()] == [t.flow_text() for t in gilan().tables.values()]


def test_the_proxy_hands_over_by_mac_tag_and_puts_the_planned_header_on_again() -> None:
    h1 = gilan().tables["h1"]
    impose = (
        "encap(nsh(md_type=1)),set_field:100->nsh_spi,set_field:254->nsh_si,set_field:62->nsh_ttl,set_field:0->nsh_flags,"
        "set_field:0xca000064->nsh_c1,set_field:0x0->nsh_c2,set_field:0x0->nsh_c3,set_field:0x64fe->nsh_c4,resubmit(,5)"
    )
    assert (
        "table=20,priority=100,reg0=0x64ff,dl_type=0x800 actions=set_field:02:ca:00:00:64:ff->eth_src,output:11"
        in bodies(h1, Kind.HAND_OFF)
    )
    assert f"table=0,priority=200,in_port=12,dl_src=02:ca:00:00:64:ff,dl_type=0x800 actions={impose}" in bodies(
        h1, Kind.PROXY_RETURN
    )


def test_every_table_ends_in_a_rule_of_its_own() -> None:
    for tables in gilan().tables.values():
        for table in Table:
            last = tables.by_table[table][-1]
            assert (last.priority, last.match) == (0, ())
            assert last.cookie.kind.is_drop or table is Table.LOCAL


def test_the_l3_firewall_is_told_apart_by_connection_mark() -> None:
    h1 = gilan(Layer.L3).tables["h1"]
    assert (
        "table=20,priority=100,reg0=0x64ff,dl_type=0x800 actions=set_field:02:11:00:00:00:01->eth_dst,"
        "set_field:02:ca:00:00:00:02->eth_src,ct(commit,zone=11,exec(set_field:0x64->ct_mark)),output:11"
        in bodies(h1, Kind.HAND_OFF)
    )
    assert {flow.table for flow in of_kind(h1, Kind.MARK_RETURN)} == {Table.MARK_RETURN}
    assert len(of_kind(h1, Kind.HAND_OFF_ERROR)) == 4 * 5


def test_an_asymmetric_chain_marks_nothing_and_has_no_way_back() -> None:
    h3 = gilan(symmetric=False).tables["h3"]
    assert not [flow for flow in h3.flows if "commit" in flow.text()]
    assert not of_kind(h3, Kind.REVERSE_MARK)


def test_networks_are_rendered_without_any_chain() -> None:
    topology = gilan().topology
    tables = render(topology)
    assert len(of_kind(tables["h2"], Kind.L2_REMOTE)) == 2
    assert len(of_kind(tables["h2"], Kind.ARP_ANSWER)) == 3
    assert len(of_kind(tables["h2"], Kind.ND_ANSWER)) == 3
    assert not of_kind(tables["h1"], Kind.CLASSIFY)


def test_networks_do_not_leak_their_stations_to_hosts_without_a_member() -> None:
    lan = gilan()
    access = lan.topology.network("access").vni
    assert not [flow for flow in lan.tables["h2"].flows if f"tun_id={access}" in flow.text()]


def test_explicit_priority_beats_order_beats_id() -> None:
    lan = gilan()
    fw, nat = PathGroup.of("fw"), PathGroup.of("nat")
    specs = [("b", 0, 5), ("a", 0, 5), ("c", 1, 5), ("late", 9, 6)]
    chains = [
        plan_chain(
            lan.topology,
            Chain(name, "sub", (fw, nat), (Classifier(Match(dscp=index), priority),), order=order),
            100 + 2 * index,
            101 + 2 * index,
        )
        for index, (name, order, priority) in enumerate(specs)
    ]
    rules = of_kind(render(lan.topology, chains)["h1"], Kind.CLASSIFY)
    names = {planned.forward.spi: planned.chain.id for planned in chains}
    assert [names[rule.cookie.chain] for rule in rules] == ["late", "a", "b", "c"]
    assert len({rule.priority for rule in rules}) == 4


def test_a_port_match_leaves_fragments_to_connection_marks() -> None:
    h1 = gilan().tables["h1"]
    assert all("nw_frag=no" in flow.text() for flow in of_kind(h1, Kind.CLASSIFY) if "tp_dst" in flow.text())
    assert {flow.text().split("nw_frag=")[1].split()[0] for flow in of_kind(h1, Kind.CLASSIFY_TRACK)} == {
        "first",
        "later",
    }


def test_what_no_chain_takes_may_be_dropped() -> None:
    lan = gilan()
    ports = tuple(
        replace(port, unclassified=Unclassified.DROP) if port.id == "sub" else port for port in lan.topology.ports
    )
    tables = render(replace(lan.topology, ports=ports), lan.chains)
    assert [flow.match[0].value for flow in of_kind(tables["h1"], Kind.DROP_UNCLASSIFIED)] == [1]
    assert not of_kind(tables["h1"], Kind.CLASSIFY_NONE)


def test_a_router_may_use_any_source_but_speak_arp_for_itself_only() -> None:
    h3 = gilan().tables["h3"]
    sources = [flow.text() for flow in of_kind(h3, Kind.PORT_IP) if "in_port=31" in flow.text()]
    assert len(sources) == 1 and "nw_src" not in sources[0]
    assert all("arp_spa=10.10.0.1" in flow.text() for flow in of_kind(h3, Kind.PORT_ARP) if "in_port=31" in flow.text())


def test_what_cannot_be_rendered_is_refused() -> None:
    lan = gilan()
    fw, nat = PathGroup.of("fw"), PathGroup.of("nat")
    vlan = plan_chain(lan.topology, Chain("v", "sub", (fw, nat), (Classifier(Match(vlan=5)),)), 300, 301)
    with pytest.raises(RenderError, match="VLAN"):
        render(lan.topology, [vlan])
    with pytest.raises(RenderError, match="belongs to chains"):
        render(lan.topology, [lan.web, replace(lan.other, forward=replace(lan.other.forward, spi=100))])


def test_a_routing_function_twice_on_one_chain_is_refused() -> None:
    lan = gilan(Layer.L3)
    fw, nat = PathGroup.of("fw"), PathGroup.of("nat")
    twice = plan_chain(lan.topology, Chain("c", "sub", (fw, fw, nat)), 300, 301)
    with pytest.raises(RenderError, match="twice"):
        render(lan.topology, [twice])
    bridged = gilan(Layer.L2)
    assert render(bridged.topology, [plan_chain(bridged.topology, twice.chain, 300, 301)])


def test_mac_tags_carry_the_position() -> None:
    assert str(mac_tag(PathPosition(0x010203, 254))) == "02:ca:01:02:03:fe"


def test_cookies_name_chain_direction_and_index() -> None:
    lan = gilan()
    flow = next(
        flow
        for flow in lan.tables["h2"].flows
        if flow.cookie.kind is Kind.SF_RETURN and flow.cookie.direction is Direction.REVERSE
    )
    assert (flow.cookie.chain, flow.cookie.hop) == (100, 255)
    assert str(flow.cookie) == "what the NSH-aware function may send back (chain with SPI 100, reverse, si 255)"


def test_a_subnet_behind_a_port_may_be_allowed() -> None:
    lan = gilan()
    behind = ip_network("10.20.0.0/16")
    assert isinstance(behind, IPv4Network)
    ports = tuple(replace(port, allowed=(behind,)) if port.id == "sub" else port for port in lan.topology.ports)
    h1 = render(replace(lan.topology, ports=ports), lan.chains)["h1"]
    assert [text for text in bodies(h1, Kind.PORT_IP) if "nw_src=10.20.0.0/255.255.0.0" in text]


def test_names_never_reach_a_flow() -> None:
    lan = gilan()
    odd = ServiceFunction("fw", "z.z:z/z-z", "fw-in", "fw-out", own_address=IPv4Address("10.10.0.254"))
    functions = (odd, *lan.topology.functions[1:])
    assert render(replace(lan.topology, functions=functions), lan.chains) == lan.tables
    assert Mac(1) == 1
