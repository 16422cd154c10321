from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfc.errors import ModelError, PathError
from sfc.model import (
    Awareness,
    Chain,
    Classifier,
    Cookie,
    Ct,
    Direction,
    EncapNsh,
    Field,
    FieldMatch,
    FlowTables,
    Kind,
    Mac,
    Match,
    Meter,
    Move,
    Network,
    Output,
    PathGroup,
    PathPosition,
    Port,
    PortRange,
    PortRole,
    Resubmit,
    ServiceFunction,
    SetField,
    Sff,
    SpiPool,
    Topology,
    flow,
)


def test_mac_prints_what_it_read() -> None:
    assert str(Mac.parse("02:CA:00:00:64:ff")) == "02:ca:00:00:64:ff"


@pytest.mark.parametrize("text", ["", "02:ca", "02:ca:00:00:64:gg", "02:ca:00:00:64:ff\n", "02-ca-00-00-64-ff"])
def test_what_is_no_mac_is_refused(text: str) -> None:
    with pytest.raises(ModelError):
        Mac.parse(text)


@given(
    kind=st.sampled_from(Kind),
    chain=st.integers(0, 0xFFFFFF),
    hop=st.integers(0, 255),
    direction=st.sampled_from(Direction),
    epoch=st.integers(0, 0xFFFF),
    owner=st.integers(0, 255),
)
def test_a_cookie_survives_its_64_bits(
    kind: Kind, chain: int, hop: int, direction: Direction, epoch: int, owner: int
) -> None:
    cookie = Cookie(kind, chain, hop, direction, epoch, owner)
    assert Cookie.decode(cookie.encode()) == cookie
    assert cookie.encode() < 1 << 64


def test_cookie_layout_is_owner_epoch_chain_hop_direction_kind() -> None:
    cookie = Cookie(Kind.CLASSIFY, chain=100, hop=255, direction=Direction.REVERSE, epoch=3, owner=0xCA)
    assert cookie.encode() == 0xCA_0003_000064_FF_90


def test_every_kind_has_a_meaning_and_drops_are_told_apart() -> None:
    assert len({kind.meaning for kind in Kind}) == len(Kind)
    assert Kind.DROP_GUARD.is_drop and not Kind.END.is_drop


def test_a_flow_prints_as_ovs_ofctl_reads_it() -> None:
    rendered = flow(
        1,
        90,
        (
            FieldMatch(Field.L4_DST, 0x50, 0xFFF0),
            FieldMatch(Field.IP_PROTO, 6),
            FieldMatch(Field.ETH_TYPE, 0x0800),
            FieldMatch(Field.IN_PORT, 1),
            FieldMatch(Field.CT_STATE, 0x20, 0x30),
            FieldMatch(Field.IP_FRAG, 0),
        ),
        (Ct(1, commit=True, mark=100), EncapNsh(), SetField(Field.NSH_SPI, 100), Resubmit(5)),
        Cookie(Kind.CLASSIFY, 100),
    )
    assert rendered.text() == (
        "cookie=0xca00010000640010,table=1,priority=90,in_port=1,ct_state=-inv+trk,dl_type=0x800,nw_proto=6,nw_frag=no,"
        "tp_dst=0x50/0xfff0 actions=ct(commit,zone=1,exec(set_field:0x64->ct_mark)),encap(nsh(md_type=1)),"
        "set_field:100->nsh_spi,resubmit(,5)"
    )


def test_a_flow_without_actions_drops() -> None:
    assert flow(0, 0, (), (), Cookie(Kind.DROP_GUARD)).text().endswith(" actions=drop")


def test_values_that_do_not_fit_their_field_are_refused() -> None:
    with pytest.raises(ModelError):
        FieldMatch(Field.NSH_SPI, 1 << 24)
    with pytest.raises(ModelError):
        SetField(Field.NSH_SI, 256)
    with pytest.raises(ModelError):
        FieldMatch(Field.IPV4_SRC, 0x0A000001, 0xFFFFFF00)
    with pytest.raises(ModelError):
        Move(Field.ETH_SRC, Field.ARP_SPA)
    with pytest.raises(ModelError):
        Move(Field.NSH_SPI, Field.NSH_SPI)
    with pytest.raises(ModelError):
        Output(0xFFFD)
    with pytest.raises(ModelError):
        Meter(1, 0, 1)


def test_tables_are_sorted_and_refuse_two_flows_with_one_key_or_cookie() -> None:
    low = flow(0, 0, (), (), Cookie(Kind.DROP_GUARD))
    high = flow(0, 9, (), (Output(1),), Cookie(Kind.PORT_IP))
    assert FlowTables("h1", (low, high)).flows == (high, low)
    with pytest.raises(ModelError, match="one match"):
        FlowTables("h1", (low, flow(0, 0, (), (), Cookie(Kind.DROP_LEG))))
    with pytest.raises(ModelError, match="one cookie"):
        FlowTables("h1", (low, flow(1, 0, (), (), Cookie(Kind.DROP_GUARD))))
    both = tuple(flow(1, 5, (FieldMatch(Field.ETH_TYPE, kind),), (), Cookie(Kind.DROP_LEG)) for kind in (0x800, 0x86DD))
    assert FlowTables("h1", both).by_cookie == {both[0].cookie.encode(): both}


def test_path_position_is_24_and_8_bits() -> None:
    assert PathPosition(100, 255).word == 25855
    with pytest.raises(ModelError):
        PathPosition(1 << 24, 1)
    with pytest.raises(ModelError):
        PathPosition(1, 256)


@pytest.mark.parametrize("text", ["", "-", "1-", "-2", "2-1", "65536", "80,81", "８０", "0x50"])
def test_bad_port_ranges_are_refused(text: str) -> None:
    with pytest.raises(ModelError):
        PortRange.parse(text)


def test_port_ranges_read_both_forms() -> None:
    assert PortRange.parse("80") == PortRange(80, 80)
    assert PortRange.parse("1000-2000") == PortRange(1000, 2000)


def test_a_match_that_contradicts_itself_is_refused() -> None:
    with pytest.raises(ModelError, match="ports"):
        Match(destination_port=PortRange(80, 80))
    with pytest.raises(ModelError, match="IP versions"):
        Match(ethertype=0x86DD, source=IPv4Network("10.0.0.0/8"))
    with pytest.raises(ModelError):
        Match(ethertype=0x0806)


def test_a_reversed_match_swaps_both_ends() -> None:
    match = Match(protocol=6, source=IPv4Network("10.0.0.0/8"), destination_port=PortRange(80, 80))
    assert match.reversed() == Match(protocol=6, destination=IPv4Network("10.0.0.0/8"), source_port=PortRange(80, 80))
    assert match.reversed().reversed() == match


def test_spis_are_not_reused_before_the_pool_went_round() -> None:
    pool = SpiPool(100, 103)
    first, pool = pool.allocate(2)
    second, pool = pool.release(first).allocate(2)
    assert (first, second) == ((100, 101), (102, 103))
    third, pool = pool.allocate(1)
    assert third == (100,)
    with pytest.raises(PathError):
        pool.allocate(2)


def test_names_that_could_reach_a_shell_or_a_log_line_are_refused() -> None:
    for name in ("", "a b", "a\nb", "$(x)", "é", "-a", "a" * 200):
        with pytest.raises(ModelError):
            Network(name, vni=100)


def _sffs() -> tuple[Sff, ...]:
    return (Sff("h1", IPv4Address("10.99.0.1"), 100), Sff("h2", IPv4Address("10.99.0.2"), 100))


def _leg(name: str, ofport: int, sff: str = "h1") -> Port:
    return Port(name, sff, ofport, Mac(0x020000000000 + ofport), role=PortRole.SF)


def test_a_topology_refuses_what_contradicts_itself() -> None:
    network = Network("access", vni=100)
    here = Port("a", "h1", 1, Mac(0x020000000001), (IPv4Address("10.0.0.1"),), "access")
    wrong: list[dict[str, object]] = [
        {"ports": (here, Port("b", "h1", 1, Mac(0x020000000002), (), "access"))},
        {"ports": (here, Port("b", "h2", 1, Mac(0x020000000001), (), "access"))},
        {"ports": (here, Port("b", "h2", 1, Mac(0x020000000002), (IPv4Address("10.0.0.1"),), "access"))},
        {"ports": (Port("b", "h9", 1, Mac(0x020000000002), (), "access"),)},
        {"ports": (Port("b", "h1", 1, Mac(0x020000000002), (), "core"),)},
        {"ports": (Port("b", "h1", 100, Mac(0x020000000002), (), "access"),)},
        {"networks": (network, Network("core", vni=100))},
        {"ports": (here,), "functions": (ServiceFunction("dpi", "dpi", "a", awareness=Awareness.NSH),)},
        {"ports": (_leg("i", 11), _leg("o", 12, "h2")), "functions": (ServiceFunction("fw", "fw", "i", "o"),)},
    ]
    assert Topology(_sffs(), (network,), (here,)).port("a") is here
    for parts in wrong:
        arguments: dict[str, object] = {"networks": (network,), "ports": (), **parts}
        with pytest.raises(ModelError):
            Topology(_sffs(), **arguments)  # type: ignore[arg-type]


def test_a_proxied_function_needs_two_legs() -> None:
    with pytest.raises(ModelError):
        ServiceFunction("fw", "fw", "i")
    with pytest.raises(ModelError):
        ServiceFunction("fw", "fw", "i", "i")


def test_a_chain_needs_a_classifier_and_a_hop() -> None:
    with pytest.raises(ModelError):
        Chain("c", "sub", (PathGroup.of("fw"),), classifiers=())
    with pytest.raises(ModelError):
        Chain("c", "sub", ())
    assert Chain("c", "sub", (PathGroup.of("fw"),)).classifiers == (Classifier(),)
