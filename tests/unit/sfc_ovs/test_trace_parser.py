"""Texts of ofproto/trace as Open vSwitch 3.1 writes them, and packets as it reads them."""

from __future__ import annotations

from ipaddress import IPv4Address

import pytest

from sfc.errors import ModelError
from sfc.model.fields import Field
from sfc.ovs.packet import packet_text, parse_packet
from sfc.ovs.trace import Verdict, parse_trace

CLASSIFIED = """\
Flow: tcp,in_port=1,vlan_tci=0x0000,dl_src=02:10:00:00:00:02,nw_src=10.10.0.2,nw_dst=198.51.100.1,nw_frag=no,tp_dst=80

bridge("br-int")
----------------
 0. ip,in_port=1,dl_src=02:10:00:00:00:02,nw_src=10.10.0.2, priority 200, cookie 0x1
    resubmit(,1)
 1. tcp,tp_dst=80, priority 90, cookie 0x1064
    ct(commit,zone=1,exec(set_field:0x64->ct_mark))
    set_field:0x64->ct_mark
     -> Sets the packet to an untracked state, and clears all the conntrack fields.
    encap(nsh(md_type=1))
    resubmit(,5)
10. packet_type=(1,0x894f),nsh_spi=0x64,nsh_si=255, priority 100, cookie 0xc64ff
    set_field:0x64ff->reg0
    decap()

Final flow: reg0=0x64ff,in_port=1,vlan_tci=0x0000,dl_type=0x894f,nsh_flags=0,nsh_ttl=62,nsh_spi=0x64,nsh_si=255
Megaflow: recirc_id=0,eth,tcp,in_port=1
Datapath actions: push_nsh(flags=0,ttl=62,mdtype=1,np=3,spi=0x64,si=255),pop_nsh(),recirc(0x1)
"""

TUNNELLED = """\
Flow: tcp,in_port=12,vlan_tci=0x0000,dl_src=02:ca:00:00:64:ff

bridge("br-int")
----------------
 0. ip,in_port=12,dl_src=02:ca:00:00:64:ff, priority 200, cookie 0xe64ff
    encap(nsh(md_type=1))
    resubmit(,10)
10. packet_type=(1,0x894f),nsh_spi=0x64,nsh_si=254, priority 100, cookie 0xa64fe
    set_field:0x7->tun_id
    set_field:10.99.0.2->tun_dst
    output:100
     -> output to native tunnel
     -> tunneling to 10.99.0.2 via br-phy
     -> tunneling from 62:d8:e5:ca:e6:47 10.99.0.1 to 02:00:00:00:00:02 10.99.0.2

bridge("br-phy")
----------------
 0. priority 0
    NORMAL
     -> no learned MAC for destination, flooding

Final flow: packet_type=(1,0x894f),tun_dst=10.99.0.2,in_port=12,nsh_flags=0,nsh_ttl=61,nsh_mdtype=1,nsh_np=3,\
nsh_spi=0x64,nsh_si=254,nsh_c1=0xca7e0064,nsh_c2=0x0
Megaflow: recirc_id=0,eth,ip,in_port=12
Datapath actions: push_nsh(flags=0,ttl=61),tnl_push(...)
"""

DROPPED = """\
Flow: ip,in_port=1,dl_src=02:10:00:00:00:03

bridge("br-int")
----------------
 0. ip,in_port=1, priority 150, cookie 0xbad4
    drop

Final flow: unchanged
Datapath actions: drop
"""

SUPPRESSED = """\
Flow: tcp,in_port=11

bridge("br-int")
----------------
 0. in_port=11, priority 9999
    output:77
     >> Nonexistent output port
    output:11
     >> skipping output to input port

Final flow: unchanged
Datapath actions: drop
"""

ANSWERED = """\
Flow: arp,in_port=1,arp_op=1

bridge("br-int")
----------------
 0. arp,in_port=1, priority 200, cookie 0x2
    resubmit(,40)
40. arp,arp_tpa=10.10.0.1,arp_op=1, priority 100, cookie 0x4000
    move:NXM_OF_ETH_SRC[]->NXM_OF_ETH_DST[]
     -> NXM_OF_ETH_DST[] is now 02:10:00:00:00:02
    IN_PORT

Final flow: arp,in_port=1,arp_op=2
Datapath actions: 5
"""

MISSED = """\
Flow: tcp,in_port=11

bridge("br-int")
----------------
 0. in_port=11, priority 5, cookie 0x7
    resubmit(,9)
 9. No match.
    drop

Final flow: unchanged
Datapath actions: drop
"""


def test_a_classified_packet_ends_at_its_decap():
    found = parse_trace(CLASSIFIED, "br-int")
    assert found.verdict is Verdict.DECAPSULATED
    assert [(hit.table, hit.priority, hit.cookie) for hit in found.hits] == [
        (0, 200, 0x1),
        (1, 90, 0x1064),
        (10, 100, 0xC64FF),
    ]
    assert found.registers == {"reg0": 0x64FF}
    assert found.nsh == {}
    assert found.hits[2].actions == ("set_field:0x64ff->reg0", "decap()")


def test_a_tunnelled_packet_names_its_peer_and_position_and_other_bridges_do_not_count():
    found = parse_trace(TUNNELLED, "br-int")
    assert found.verdict is Verdict.TUNNEL
    assert found.peer == IPv4Address("10.99.0.2")
    assert found.cookies == (0xE64FF, 0xA64FE)
    assert (found.nsh["nsh_spi"], found.nsh["nsh_si"], found.nsh["nsh_ttl"]) == (100, 254, 61)


def test_drops_misses_and_outputs_that_do_not_happen():
    assert parse_trace(DROPPED, "br-int").verdict is Verdict.DROP
    suppressed = parse_trace(SUPPRESSED, "br-int")
    assert (suppressed.verdict, suppressed.outputs) == (Verdict.DROP, ())
    assert suppressed.notes == ("Nonexistent output port", "skipping output to input port")
    missed = parse_trace(MISSED, "br-int")
    assert (missed.verdict, missed.cookies, missed.notes) == (Verdict.DROP, (7,), ("9. No match.",))


def test_an_answer_goes_back_by_the_port_it_came_from():
    found = parse_trace(ANSWERED, "br-int")
    assert (found.verdict, found.outputs) == (Verdict.OUTPUT, (1,))


def test_text_that_is_no_trace_is_a_drop_without_hits():
    found = parse_trace("syntax error\n\x00\n", "br-int")
    assert (found.verdict, found.hits) == (Verdict.DROP, ())


def test_a_packet_is_written_with_prerequisites_first():
    packet = parse_packet({"tcp_dst": 80, "ip_proto": 6, "eth_type": 0x0800, "nw_src": "10.10.0.2", "in_port": 1})
    assert packet_text(packet) == "in_port=1,dl_type=0x800,nw_src=10.10.0.2,nw_proto=6,tcp_dst=0x50"
    udp = {"eth_type": 0x0800, "ip_proto": 17, "tp_src": 53}
    assert packet_text(parse_packet(udp)) == "dl_type=0x800,nw_proto=17,udp_src=0x35"


def test_values_may_be_numbers_addresses_or_text():
    assert parse_packet({"nw_src": IPv4Address("1.2.3.4")}) == parse_packet({"ip_src": "1.2.3.4"})
    assert parse_packet({"eth_type": "0x0800"}) == {Field.ETH_TYPE: 0x0800}
    assert parse_packet({"dl_src": "02:00:00:00:00:01"}) == {Field.ETH_SRC: 0x020000000001}
    assert packet_text(parse_packet({"packet_type": 0x1894F, "nw_frag": 3})) == "packet_type=(1,0x894f),nw_frag=later"


@pytest.mark.parametrize(
    "packet",
    [
        {"nonsense": 1},
        {"in_port": "1,actions=drop"},
        {"nw_src": "10.0.0.1/8"},
        {"nw_src": True},
        {"in_port": 1 << 16},
        {"in_port": -1},
        {"dl_src": "02:00:00:00:00:01 "},
        {"tp_dst": None},
        {"nw_frag": 2},
    ],
)
def test_what_is_no_field_or_value_is_refused(packet):
    with pytest.raises(ModelError):
        packet_text(parse_packet(packet))
