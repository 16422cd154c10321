"""Octets of matches, actions and modifications, as ovs-ofctl 3.1 sends them for the same text."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_network

import pytest

from sfc.errors import ModelError
from sfc.model.actions import (
    Ct,
    Decap,
    DecNshTtl,
    EncapEthernet,
    EncapNsh,
    HashFields,
    MeterBy,
    Move,
    Multipath,
    Output,
    OutputInPort,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.addresses import Mac
from sfc.model.cookies import Cookie, Kind
from sfc.model.fields import Field, FieldMatch, prefix_match
from sfc.model.flows import Bucket, Group, GroupType, Meter, flow
from sfc.ovs import messages
from sfc.ovs.oxm import join_match, match_parts, split_match

MAC = int(Mac.parse("02:00:00:00:00:01"))


def octets(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


def is_(field: Field, value: int, mask: int | None = None) -> FieldMatch:
    return FieldMatch(field, value, mask)


@pytest.mark.parametrize(
    ("match", "expected"),
    [
        (
            (is_(Field.IN_PORT, 1), is_(Field.VLAN_TCI, 0, 0x1000), is_(Field.ETH_TYPE, 0x894F)),
            "80000004 00000001 80000a02 894f 80000d04 00001000",
        ),
        (
            (
                is_(Field.IN_PORT, 1),
                is_(Field.PACKET_TYPE, 0x1894F),
                is_(Field.TUN_ID, 7),
                is_(Field.TUN_SRC, 0x0A630002),
            ),
            "80005804 0001894f 80000004 00000001 80004c08 0000000000000007 00013e04 0a630002",
        ),
        (
            (is_(Field.NSH_FLAGS, 2, 2), is_(Field.NSH_TTL, 1), is_(Field.NSH_SPI, 100), is_(Field.NSH_SI, 255)),
            "ffff0306 005ad650 0202 ffff1405 005ad650 01 ffff0808 005ad650 00000064 ffff0a05 005ad650 ff",
        ),
        (
            (is_(Field.CT_STATE, 0x20, 0x30), is_(Field.CT_MARK, 100), is_(Field.IP_FRAG, 1, 1), is_(Field.REG0, 5)),
            "0001d308 0000002000000030 0001d604 00000064 00013502 0101 80010110 0000000500000000 ffffffff00000000",
        ),
        ((is_(Field.REG0, 5), is_(Field.REG1, 6)), "80010008 0000000500000006"),
        ((is_(Field.REG2, 7),), "80010310 0000000700000000 ffffffff00000000"),
        (
            (
                prefix_match(Field.IPV4_SRC, ip_network("10.0.0.0/8")),
                is_(Field.IP_PROTO, 6),
                is_(Field.L4_DST, 80, 0xFFF0),
            ),
            "80001708 0a000000ff000000 80001401 06 80001d04 0050fff0",
        ),
        (
            (is_(Field.IP_PROTO, 17), is_(Field.L4_SRC, 1), is_(Field.L4_DST, 2)),
            "80001401 11 80001e02 0001 80002002 0002",
        ),
        ((is_(Field.IP_PROTO, 132), is_(Field.L4_SRC, 1)), "80001401 84 80002202 0001"),
        ((is_(Field.ICMP_TYPE, 3), is_(Field.ICMP_CODE, 1)), "80002601 03 80002801 01"),
        (
            (
                is_(Field.ICMPV6_TYPE, 136),
                is_(Field.ICMPV6_CODE, 0),
                is_(Field.ND_TARGET, int(IPv6Address("fd10::1"))),
            ),
            "80003a01 88 80003c01 00 80003e10 fd100000000000000000000000000001",
        ),
        (
            (is_(Field.ARP_OP, 2), is_(Field.ARP_TPA, int(IPv4Address("1.2.3.4"))), is_(Field.ARP_THA, MAC)),
            "80002a02 0002 80002e04 01020304 80003206 020000000001",
        ),
        (
            (is_(Field.PACKET_TYPE, 0), is_(Field.ETH_SRC, 2 << 40, 0xFF << 40)),
            "80005804 00000000 8000090c 020000000000 ff0000000000",
        ),
        ((is_(Field.PACKET_TYPE, 0), is_(Field.ETH_TYPE, 0x0800)), "80000a02 0800"),
    ],
)
def test_matches(match, expected):
    parts = b"".join(match_parts(match))
    assert split_match(parts) == split_match(octets(expected))
    whole = join_match(match_parts(match))
    assert whole[:4] == b"\x00\x01" + (4 + len(parts)).to_bytes(2, "big")
    assert len(whole) % 8 == 0


def test_transport_ports_need_their_protocol():
    with pytest.raises(ModelError, match="needs a match on TCP, UDP or SCTP"):
        match_parts((is_(Field.L4_DST, 80),))


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        (Output(5), "00000010 00000005 0000000000000000"),
        (OutputInPort(), "00000010 fffffff8 0000000000000000"),
        (Resubmit(5), "ffff0010 00002320 000efff8 05000000"),
        (DecNshTtl(), "ffff0010 00002320 00300000 00000000"),
        (
            Multipath(HashFields.L3L4, 8, Field.REG2),
            "ffff0020 00002320 000a0003 00000000 00000007 00000000 0000001f 00010404",
        ),
        (EncapNsh(), "ffff0018 00002320 002e0000 0001894f 00040105 01000000"),
        (EncapEthernet(), "ffff0010 00002320 002e0000 00000000"),
        (Decap(), "ffff0010 00002320 002f0000 0000fffe"),
        (MeterBy(1), "001d0008 00000001"),
        (ToGroup(7), "00160008 00000007"),
        (
            Ct(1, commit=True, mark=100),
            "ffff0028 00002320 00230001 00000000 0001ff00 00000000 00190010 0001d604 00000064 00000000",
        ),
        (Ct(3, table=5), "ffff0018 00002320 00230000 00000000 00030500 00000000"),
        (SetField(Field.IN_PORT, 0), "00190010 00000002 0000000000000000"),
        (SetField(Field.TUN_ID, 7), "00190010 80004c08 0000000000000007"),
        (SetField(Field.TUN_DST, 0x0A630002), "00190010 00014004 0a63000200000000"),
        (SetField(Field.REG3, 6), "00190010 00010604 0000000600000000"),
        (SetField(Field.NSH_SPI, 100), "00190010 ffff0808 005ad650 00000064"),
        (SetField(Field.NSH_SI, 254), "00190010 ffff0a05 005ad650 fe000000"),
        (SetField(Field.ETH_SRC, MAC), "00190010 80000806 0200000000010000"),
        (SetField(Field.ND_OPTIONS_TYPE, 2), "00190010 10000401 0200000000000000"),
        (SetField(Field.ND_RESERVED, 0xE0000000), "00190010 10000204 e000000000000000"),
        (SetField(Field.ICMPV6_TYPE, 136), "00190010 80003a01 8800000000000000"),
        (Move(Field.ETH_SRC, Field.ETH_DST), "001c0018 00300000 00000000 80000806 80000606 00000000"),
        (Move(Field.ARP_SHA, Field.ARP_THA), "001c0018 00300000 00000000 80003006 80003206 00000000"),
        (Move(Field.IPV6_SRC, Field.IPV6_DST), "001c0018 00800000 00000000 80003410 80003610 00000000"),
    ],
)
def test_actions(action, expected):
    assert messages.encode_actions((action,)) == octets(expected)


def test_a_rule_that_drops_has_no_instructions():
    assert messages.instructions(()) == b""


def test_a_flow_is_added_with_its_cookie_and_its_text_for_people():
    rule = flow(10, 200, (is_(Field.NSH_SI, 255),), (Output(5),), Cookie(Kind.TO_SF, 100))
    message = messages.add_flow(messages.EncodedFlow.of(rule))
    assert str(message.about) == rule.text()
    assert message.body[:8] == rule.cookie.encode().to_bytes(8, "big")
    assert message.body[16:18] == b"\x0a\x00"
    assert message.body[22:24] == (200).to_bytes(2, "big")
    assert message.encode(7)[:8] == b"\x06\x0e" + (8 + len(message.body)).to_bytes(2, "big") + b"\x00\x00\x00\x07"


def test_a_select_group():
    group = Group(
        5,
        GroupType.SELECT,
        (Bucket((SetField(Field.REG0, 1), Resubmit(3)), weight=3), Bucket((Output(12),))),
        (Field.IPV4_SRC, Field.IPV4_DST, Field.L4_SRC),
    )
    expected = octets(
        "80000100 00000005 00500000 ffffffff 00300020 00000001 00190010 00010004 00000001 00000000 ffff0010 00002320"
        "000efff8 03000000 00000008 00030000 00200010 00000002 00000010 0000000c 00000000 00000000 00000008 00010000"
    )
    body = messages.set_group(group).body
    assert body[: len(expected)] == expected
    property_ = body[len(expected) :]
    assert property_[:12] == octets("ffff003e 0000154d 00000001")
    assert property_[16:24] == b"hash" + bytes(4)
    assert property_[40:] == octets("80001604 ffffffff 80001804 ffffffff 80001a02 ffff 0000")


def test_a_fast_failover_group():
    group = Group(
        6, GroupType.FAST_FAILOVER, (Bucket((Output(11),), watch_port=11), Bucket((Output(21),), watch_port=21))
    )
    assert messages.set_group(group).body == octets(
        "80000300 00000006 00400000 ffffffff 00200010 00000001 00000010 0000000b 00000000 00000000 00010008 0000000b"
        "00200010 00000002 00000010 00000015 00000000 00000000 00010008 00000015"
    )


def test_a_meter_is_added_changed_and_deleted():
    meter = Meter(1, 50, 20)
    assert messages.set_meter(meter, exists=False).body == octets(
        "00000006 00000001 00010010 00000032 00000014 00000000"
    )
    assert messages.set_meter(meter, exists=True).body[:2] == b"\x00\x01"
    assert messages.delete_meter(1).body == octets("00020000 00000001")


def test_the_table_behind_a_decap_is_found_in_the_instructions():
    rest = messages.instructions((SetField(Field.REG0, 5), Decap(), Resubmit(20)))
    assert messages.table_behind_decap(rest) == 20
    assert messages.table_behind_decap(messages.instructions((Decap(), Output(5)))) is None
