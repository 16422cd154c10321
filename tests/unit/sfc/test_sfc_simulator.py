from __future__ import annotations

from dataclasses import replace

import pytest

from sfc.errors import SimulationError
from sfc.model import (
    Bucket,
    Cookie,
    Decap,
    EncapNsh,
    Field,
    FieldMatch,
    FlowTables,
    Group,
    GroupType,
    Kind,
    Mac,
    Network,
    Output,
    Port,
    Resubmit,
    SetField,
    ToGroup,
    Topology,
    flow,
)
from sfc.model.actions import Action
from sfc.simulator import Simulator
from sfc.simulator.packets import (
    Fragment,
    Ip,
    Tcp,
)
from sfc.simulator.trace import Loss
from tests.unit.sfc.gilan import SUB_IP, WEB_IP, gilan
from tests.unit.sfc.traffic import tcp, udp

# The machine itself


def tiny(*actions: Action, groups: tuple[Group, ...] = (), down: frozenset[int] = frozenset()) -> Simulator:
    lan = gilan()
    rule = flow(0, 1, (), actions, Cookie(Kind.PORT_IP))
    empty = {name: FlowTables(name, ()) for name in ("h2", "h3")}
    ports = (Port("seven", "h1", 7, Mac(7), (), "n"), Port("eight", "h1", 8, Mac(8), (), "n"))
    topology = Topology(lan.topology.sffs, (Network("n", 100),), ports)
    return Simulator(topology, {"h1": FlowTables("h1", (rule,), groups), **empty}, down_ports={"h1": down})


def test_output_to_the_port_it_came_from_is_suppressed() -> None:
    trace = tiny(Output(5)).inject_at("h1", 5, tcp())
    assert [drop.reason for drop in trace.drops] == [Loss.SAME_PORT]
    forgotten = tiny(SetField(Field.IN_PORT, 0), Output(100)).inject_at("h1", 100, tcp())
    assert [drop.reason for drop in forgotten.drops] == [Loss.NO_PEER]


def test_a_table_miss_a_loop_and_an_unknown_port_are_told() -> None:
    assert [drop.reason for drop in tiny(Resubmit(9)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_RULE]
    assert [drop.reason for drop in tiny(Resubmit(0)).inject_at("h1", 5, tcp()).drops] == [Loss.LOOP]
    assert [drop.reason for drop in tiny(Output(9)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_PORT]
    assert [drop.reason for drop in tiny(EncapNsh(), Output(9)).inject_at("h1", 5, tcp()).drops] == [Loss.PACKET_TYPE]
    assert [drop.reason for drop in tiny(SetField(Field.REG0, 1)).inject_at("h1", 5, tcp()).drops] == [Loss.NO_OUTPUT]


def test_a_loop_between_bridges_ends() -> None:
    lan = gilan()
    tables = {}
    for here, there in (("h1", 2), ("h2", 1)):
        actions = (SetField(Field.IN_PORT, 0), SetField(Field.TUN_DST, 0x0A630000 + there), Output(100))
        tables[here] = FlowTables(here, (flow(0, 1, (), actions, Cookie(Kind.PORT_IP)),))
    network = Simulator(Topology(lan.topology.sffs), {**tables, "h3": FlowTables("h3", ())})
    assert network.inject_at("h1", 5, tcp()).drops[-1].reason is Loss.LOOP


def test_what_ovs_refuses_behind_a_decap_is_refused() -> None:
    with pytest.raises(SimulationError, match="decap"):
        tiny(EncapNsh(), Decap(), SetField(Field.ETH_SRC, 1)).inject_at("h1", 5, tcp())
    with pytest.raises(SimulationError):
        tiny(Decap()).inject_at("h1", 5, tcp())
    with pytest.raises(SimulationError):
        tiny(SetField(Field.NSH_SPI, 1)).inject_at("h1", 5, tcp())


def test_a_group_selects_by_hash_and_spreads() -> None:
    buckets = (Bucket((SetField(Field.REG0, 1), Output(7))), Bucket((Output(8),), 3))
    select = Group(1, GroupType.SELECT, buckets, (Field.L4_SRC,))
    outs = []
    for port in range(4):
        packet = replace(tcp(), payload=Ip(SUB_IP, WEB_IP, Tcp(port, 1)))
        outs += [tiny(ToGroup(1), groups=(select,)).inject_at("h1", 5, packet).deliveries[0].port for _ in "12"]
    assert (outs.count("seven"), outs.count("eight")) == (2, 6)
    assert select.text() == (
        "group_id=1,type=select,selection_method=hash,fields(tp_src),bucket=bucket_id:1,weight:1,"
        "actions=set_field:0x1->reg0,output:7,bucket=bucket_id:2,weight:3,actions=output:8"
    )
    with pytest.raises(SimulationError):
        tiny(ToGroup(2)).inject_at("h1", 5, tcp())


def test_a_fast_failover_group_takes_the_first_live_port() -> None:
    buckets = (Bucket((Output(7),), watch_port=7), Bucket((Output(8),), watch_port=8))
    group = Group(1, GroupType.FAST_FAILOVER, buckets)
    for down, port in ((frozenset[int](), "seven"), (frozenset({7}), "eight")):
        trace = tiny(ToGroup(1), groups=(group,), down=down).inject_at("h1", 5, tcp())
        assert [left.port for left in trace.deliveries] == [port]
    dead = tiny(ToGroup(1), groups=(group,), down=frozenset({7, 8})).inject_at("h1", 5, tcp())
    assert [drop.reason for drop in dead.drops] == [Loss.GROUP]
    assert tiny(Output(7), down=frozenset({7})).inject_at("h1", 5, tcp()).drops[0].reason is Loss.PORT_DOWN


def test_a_later_fragment_shows_zeros_where_its_ports_would_be() -> None:
    lan = gilan()
    match = (FieldMatch(Field.L4_DST, 0, 0xFC00),)
    rule = flow(0, 1, match, (), Cookie(Kind.DROP_GUARD))
    tables = {sff.name: FlowTables(sff.name, (rule,)) for sff in lan.topology.sffs}
    network = Simulator(Topology(lan.topology.sffs), tables)
    assert network.inject_at("h1", 5, udp(5353)).drops[0].reason is Loss.NO_RULE
    assert network.inject_at("h1", 5, udp(5353, Fragment.LATER)).drops[0].reason is Kind.DROP_GUARD
