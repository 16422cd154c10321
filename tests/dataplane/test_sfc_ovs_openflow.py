"""Our OpenFlow client against real Open vSwitch, with ovs-ofctl as its oracle."""

from __future__ import annotations

import contextlib
import socket
import struct
from dataclasses import replace
from pathlib import Path

import pytest

from sfc.model import Layer
from sfc.model.actions import Action, EncapEthernet, Output, Resubmit, SetField, ToGroup
from sfc.model.cookies import Cookie, Kind
from sfc.model.fields import Field, FieldMatch
from sfc.model.flows import Bucket, Flow, FlowTables, Group, GroupType, Meter, flow
from sfc.ovs.commands import EnsureBridge, EnsurePort
from sfc.ovs.errors import SwitchRefused
from sfc.ovs.keeper import BridgeKeeper, Why
from sfc.ovs.messages import EncodedFlow, Type, add_flow, set_group, set_meter
from sfc.ovs.ofctl import diff_flows, dump_flows
from sfc.ovs.openflow import OpenFlow, compare_tables, replace_tables
from sfc.ovs.ovsdb import Database
from sfc.ovs.stats import flow_counters, group_counters, meter_counters, port_counters, settle
from tests.dataplane.sfc_ovs_lab import TUNNEL, hand_lab, inside, ip, run, wait_for
from tests.unit.sfc.gilan import gilan
from tests.unit.sfc_ovs.fakes import HELLO, openflow, read_openflow, serving

pytestmark = pytest.mark.dataplane

TABLES = {
    f"{layer.value} {host}": gilan(layer=layer).tables[host]
    for layer in (Layer.L2, Layer.L3)
    for host in ("h1", "h2", "h3")
}
GROUP = Group(
    5,
    GroupType.SELECT,
    (Bucket((SetField(Field.REG0, 1), Resubmit(3)), weight=3), Bucket((Output(12),))),
    (Field.IPV4_SRC, Field.IPV4_DST, Field.L4_SRC, Field.L4_DST),
)
FAILOVER = Group(
    6, GroupType.FAST_FAILOVER, (Bucket((Output(11),), watch_port=11), Bucket((Output(12),), watch_port=12))
)
METER = Meter(2, 1000, 100)


def rule(priority: int, *actions: Action, in_port: int = 11, table: int = 0) -> Flow:
    match = (FieldMatch(Field.IN_PORT, in_port),)
    return flow(table, priority, match, actions, Cookie(Kind.PORT_IP, chain=priority + table * 1000))


def tables(*flows: Flow, groups=(), meters=()) -> FlowTables:
    return FlowTables("h1", flows, groups, meters)


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    import secrets

    with hand_lab(f"t{secrets.token_hex(3)}", tmp_path_factory.mktemp("openflow")) as lab:
        lab.start_switch("h1")
        for ofport in (11, 12):
            lab.wire("h1", f"p{ofport}", "peer", f"e{ofport}")
        with Database(lab.switches["h1"].location) as database:
            database.apply(
                EnsureBridge("br-int"),
                EnsurePort("br-int", "p11", ofport=11),
                EnsurePort("br-int", "p12", ofport=12),
                EnsurePort("br-int", "gpe0", ofport=100, type="vxlan", options=TUNNEL),
            )
        yield lab


@pytest.fixture
def location(lab):
    location = lab.switches["h1"].location
    replace_tables(location, "br-int", tables())
    return location


def what_ofctl_sends(directory: Path, text: str, *command: str) -> list[bytes]:
    """Modifications, without headers, that ovs-ofctl makes of a text."""
    seen: list[bytes] = []

    def switch(connection: socket.socket) -> None:
        connection.sendall(HELLO)
        while True:
            kind, xid, body = read_openflow(connection)
            if kind == Type.BUNDLE_CONTROL:
                stage = struct.unpack_from("!H", body, 4)[0]
                connection.sendall(openflow(Type.BUNDLE_CONTROL, xid, body[:4] + struct.pack("!HH", stage + 1, 3)))
            elif kind == Type.BUNDLE_ADD:
                seen.append(body[16:])
            elif kind == Type.BARRIER_REQUEST:
                connection.sendall(openflow(Type.BARRIER_REPLY, xid))
            elif kind in (Type.GROUP_MOD, Type.METER_MOD):
                seen.append(body)

    with serving(directory / "oracle", switch):
        name, *rest = command
        options = [word for word in rest if word.startswith("--")]
        run(
            *("ovs-ofctl", "-O", "OpenFlow15", "--no-names", *options, name, f"unix:{directory / 'oracle'}"),
            *(word for word in rest if not word.startswith("--")),
            text=text,
        )
    return seen


@pytest.mark.parametrize("name", TABLES)
def test_every_rendered_flow_has_the_octets_that_ovs_ofctl_sends(tmp_path, name):
    from sfc.ovs.oxm import split_match
    from sfc.ovs.replies import match_fields

    def parts(body: bytes) -> tuple[bytes, frozenset[bytes], bytes]:
        length = (struct.unpack_from("!H", body, 42)[0] + 7) // 8 * 8
        fields = split_match(match_fields(body[40 : 40 + length]))
        ethernet = bytes.fromhex("8000580400000000")
        return body[:40], fields - {ethernet}, body[40 + length :] or EMPTY

    EMPTY = b""
    oracle = what_ofctl_sends(tmp_path, TABLES[name].flow_text(), "add-flows", "--bundle", "-")
    assert len(oracle) == len(TABLES[name].flows)
    for each, theirs in zip(TABLES[name].flows, oracle, strict=True):
        ours_head, ours_match, ours_rest = parts(add_flow(EncodedFlow.of(each)).body)
        head, match, rest = parts(theirs)
        assert (ours_head, ours_match) == (head, match), each.text()
        # Of an empty list of actions ovs-ofctl makes an empty instruction, and Open vSwitch none.
        assert ours_rest == (b"" if rest == bytes.fromhex("0004000800000000") else rest), each.text()


def test_groups_and_meters_have_the_octets_that_ovs_ofctl_sends(tmp_path):
    for group in (GROUP, FAILOVER):
        assert what_ofctl_sends(tmp_path, "", "mod-group", "--may-create", group.text()) == [set_group(group).body]
    assert what_ofctl_sends(tmp_path, "", "add-meter", METER.text()) == [set_meter(METER, False).body]
    assert what_ofctl_sends(tmp_path, "", "mod-meter", METER.text()) == [set_meter(METER, True).body]


@pytest.mark.parametrize("name", TABLES)
def test_what_is_programmed_is_what_is_read_back(location, name):
    assert replace_tables(location, "br-int", TABLES[name]) == len(TABLES[name].flows)
    assert diff_flows(location, "br-int", TABLES[name]) == ([], [])
    assert not compare_tables(location, "br-int", TABLES[name])
    assert replace_tables(location, "br-int", TABLES[name]) == 0


def test_only_differences_are_sent_and_the_rest_keeps_its_counters(lab, location):
    first, second = rule(10, Output(12)), rule(20, in_port=12)
    replace_tables(location, "br-int", tables(first, second))
    send(lab, "e11", 5)
    assert counts(location) == {10: 5, 20: 0}
    assert replace_tables(location, "br-int", tables(first, rule(30, in_port=12))) == 2
    assert counts(location) == {10: 5, 30: 0}
    changed = replace(first, actions=(SetField(Field.REG0, 1), Output(12)))
    assert replace_tables(location, "br-int", tables(changed, rule(30, in_port=12))) == 1
    assert counts(location)[10] == 5


def test_a_flow_in_the_place_of_another_ones_counts_anew(lab, location):
    """What went by one chain is not told of the chain, or the drop, whose flow takes the same packets later."""
    first = rule(10, Output(12))
    replace_tables(location, "br-int", tables(first))
    send(lab, "e11", 5)
    assert counts(location) == {10: 5}
    other = replace(first, cookie=Cookie(Kind.DROP_NO_PATH, chain=77))
    assert replace_tables(location, "br-int", tables(other)) == 1
    assert counts(location) == {77: 0}
    send(lab, "e11", 3)
    assert counts(location) == {77: 3}


def send(lab, device: str, packets: int) -> None:
    def frames() -> None:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
            raw.bind((device, 0))
            for _ in range(packets):
                raw.send(bytes.fromhex("020000000002 020000000001 88b5".replace(" ", "")) + bytes(50))

    inside(lab.namespace("peer"), frames)


def counts(location) -> dict[int, int]:
    return {Cookie.decode(each.cookie).chain: each.packets for each in flow_counters(location, "br-int")}


def test_groups_and_meters_come_with_the_flows_that_use_them_and_go_with_them(location):
    wanted = tables(rule(10, ToGroup(5)), rule(20, ToGroup(6), in_port=12), groups=(GROUP, FAILOVER), meters=(METER,))
    replace_tables(location, "br-int", wanted)
    assert not compare_tables(location, "br-int", wanted)
    replace_tables(location, "br-int", replace(wanted, meters=(Meter(2, 5, 5), Meter(3, 1, 1))))
    assert set(meter_counters(location, "br-int")) == {2, 3}
    assert set(group_counters(location, "br-int")) == {5, 6}
    replace_tables(location, "br-int", tables(rule(10)))
    assert meter_counters(location, "br-int") == {}
    assert group_counters(location, "br-int") == {}


def test_counters_of_groups_and_ports_count_packets(lab, location):
    group = Group(7, GroupType.SELECT, (Bucket((Output(12),)),), (Field.ETH_SRC,))
    replace_tables(location, "br-int", tables(rule(10, ToGroup(7)), groups=(group,)))
    settle(location)  # else the datapath may still drop, by the flow before
    before = port_counters(location, "br-int")
    send(lab, "e11", 4)
    assert group_counters(location, "br-int")[7].bucket_packets == (4,)
    after = port_counters(location, "br-int")
    assert after[11].rx_packets - before[11].rx_packets == 4
    wait_for("they leave", lambda: port_counters(location, "br-int")[12].tx_packets - before[12].tx_packets == 4)


def test_a_bundle_with_one_bad_flow_changes_nothing_and_names_it(location):
    good = tables(rule(10, Output(12)))
    replace_tables(location, "br-int", good)
    bad = rule(30, EncapEthernet(), SetField(Field.NSH_TTL, 5))
    with pytest.raises(SwitchRefused, match=r"h1: br-int: bad action .*priority=30"):
        replace_tables(location, "br-int", tables(rule(20), bad))
    assert not compare_tables(location, "br-int", good)


def test_differences_are_told_in_both_directions(location):
    kept, lost = rule(10, Output(12)), rule(20)
    replace_tables(location, "br-int", tables(kept, lost))
    wanted = tables(kept, lost, groups=(GROUP,), meters=(METER,))
    socket_ = f"unix:{location.management_socket('br-int')}"
    run("ovs-ofctl", "-O", "OpenFlow15", "del-flows", socket_, f"cookie={lost.cookie.encode():#x}/-1")
    run("ovs-ofctl", "-O", "OpenFlow15", "add-flow", socket_, "cookie=0x99,priority=7,in_port=12,actions=drop")
    run("ovs-ofctl", "-O", "OpenFlow15", "add-meter", socket_, "meter=9,pktps,band=type=drop,rate=5")
    found = compare_tables(location, "br-int", wanted)
    assert [text for text in found.missing if "priority=20" in text]
    assert GROUP.text() in found.missing
    assert METER.text() in found.missing
    assert [text for text in found.foreign if "priority=7" in text]
    assert "meter=9" in found.foreign
    replace_tables(location, "br-int", wanted)
    assert not compare_tables(location, "br-int", wanted)


def test_an_older_server_is_fenced_off_also_in_the_middle_of_its_work(location):
    replace_tables(location, "br-int", tables(rule(10)), generation=5)
    with OpenFlow(location, "br-int") as old:
        old.become_master(6)
        replace_tables(location, "br-int", tables(rule(20)), generation=7)
        with pytest.raises(SwitchRefused, match="we are slave"):
            old.commit([add_flow(EncodedFlow.of(rule(30)))])
    with pytest.raises(SwitchRefused, match="a newer server is master"):
        replace_tables(location, "br-int", tables(rule(40)), generation=6)
    assert set(counts(location)) == {20}


def test_ten_thousand_flows_are_programmed_at_once(location):
    many = tables(*(rule(10, Output(12), in_port=11, table=table) for table in range(2)), *bulk(10_000))
    replace_tables(location, "br-int", many)
    assert replace_tables(location, "br-int", many) == 0
    assert dump_flows(location, "br-int").count("n_packets=") == 10_002


def bulk(count: int) -> list[Flow]:
    return [
        flow(
            5,
            100,
            (FieldMatch(Field.PACKET_TYPE, 0x1894F), FieldMatch(Field.NSH_SPI, number), FieldMatch(Field.NSH_SI, 255)),
            (Resubmit(10),),
            Cookie(Kind.TO_PEER, number),
        )
        for number in range(1, count + 1)
    ]


def test_connections_that_break_off_change_nothing(lab, location):
    replace_tables(location, "br-int", tables(rule(10)))
    for octets in (b"", b"\x06\x00", HELLO[:12], HELLO + b"\xff" * 100):
        with contextlib.closing(socket.socket(socket.AF_UNIX)) as raw:
            raw.connect(str(location.management_socket("br-int")))
            raw.sendall(octets)
    assert set(counts(location)) == {10}
    ip(lab.namespace("h1"), "link show")


def many(count: int) -> FlowTables:
    actions = (SetField(Field.NSH_SI, 7), SetField(Field.TUN_ID, 7), Output(100))
    nsh = FieldMatch(Field.PACKET_TYPE, 0x1894F)
    flows = (
        flow(10, 100, (nsh, FieldMatch(Field.NSH_SPI, 1 + number)), actions, Cookie(Kind.TO_PEER, chain=1 + number))
        for number in range(count)
    )
    return tables(*flows, groups=(GROUP, FAILOVER), meters=(METER,))


def test_a_group_that_is_right_is_left_alone_and_one_that_is_not_is_told_and_mended(location):
    wanted = tables(rule(10, ToGroup(5)), groups=(GROUP, FAILOVER))
    assert replace_tables(location, "br-int", wanted) == 3
    assert replace_tables(location, "br-int", wanted) == 0
    other = replace(GROUP, buckets=GROUP.buckets[::-1])
    assert replace_tables(location, "br-int", replace(wanted, groups=(other, FAILOVER))) == 1
    assert compare_tables(location, "br-int", wanted).missing == (GROUP.text(),)


def test_the_keeper_puts_right_what_others_change(location):
    wanted = many(20)
    with BridgeKeeper(location, "br-int", wanted, period_s=0.05) as keeper:
        first = keeper.attend(2.0)
        assert (first.why, first.modifications) == (Why.DRIFT, 22)
        assert keeper.attend(0.2) is None
        changed = replace(wanted, flows=(*wanted.flows[1:], rule(7, Output(12))), groups=(FAILOVER,))
        replace_tables(location, "br-int", changed)
        assert keeper.attend(2.0).modifications == 3
        assert not compare_tables(location, "br-int", wanted)
        keeper.tables = many(21)
        assert keeper.attend(2.0).modifications == 1


def test_five_thousand_flows_are_back_after_vswitchd_was_killed(lab, location):
    wanted = many(5000)
    prepared = []
    with BridgeKeeper(location, "br-int", wanted, prepare=lambda: prepared.append(1)) as keeper:
        assert keeper.attend(5.0).modifications == 5002
        daemon = lab.switches["h1"]
        daemon.kill_vswitchd()
        assert (keeper.attend(0.1), keeper.is_reachable) == (None, False)
        daemon.start()
        found = keeper.attend(5.0)
        assert (found.why, found.modifications, bool(prepared)) == (Why.RESTART, 5002, True)
        assert (keeper.attend(0.0), keeper.is_reachable) == (None, True)
    assert not compare_tables(location, "br-int", wanted)


def test_a_keeper_of_an_old_server_is_refused_by_the_switch(location):
    with BridgeKeeper(location, "br-int", many(1), generation=6) as newer:
        newer.attend(1.0)
        with OpenFlow(location, "br-int") as master:
            master.become_master(7)
            with BridgeKeeper(location, "br-int", many(2), generation=5) as old, pytest.raises(SwitchRefused):
                old.attend(1.0)
