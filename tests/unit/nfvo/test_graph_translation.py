"""From VNFFGs, VNFCs and SAPs to chains, ports and service functions."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest

from mano.domain.ns_instance import ServiceChain
from mano.errors import InvalidInput
from mano.nfvo.chain_documents import chain_from_document, match_text
from mano.nfvo.graph_translation import Parts, chain_documents, topology
from sfc.model import Awareness, Layer, Match, PortRole
from sfc.model.bits import Bits, addresses
from sfc.path import plan_chain
from sfc.render import render
from tests.fakes import gi_lan as fixture
from tests.fakes.descriptors import gi_lan
from vnf_descriptors.model import MaskRule, NfpRule, NsFlavour


def documents(flavour: NsFlavour | None = None) -> dict[str, dict[str, Any]]:
    made = chain_documents(fixture.ns(), flavour or gi_lan().flavour(), Parts(fixture.live_vnfs()), "op")
    return {document["name"]: document for document in made}


def world(chains: list[dict[str, Any]]):
    vnfs = [live for lives in fixture.live_vnfs().values() for live in lives]
    saps = [fixture.subscribers()]
    return topology(
        fixture.hosts(),
        fixture.networks(),
        vnfs,
        saps,
        [ServiceChain(spec["id"], "t", "ns", spec["name"], 100, 101, spec) for spec in chains],
    )


def with_rules(*rules: NfpRule) -> NsFlavour:
    flavour = gi_lan().flavour()
    vnffg = flavour.vnffgs[0]
    nfps = (replace(vnffg.nfps[0], rules=rules), *vnffg.nfps[1:])
    return replace(flavour, vnffgs=(replace(vnffg, nfps=nfps),))


def test_each_nfp_becomes_a_chain_with_its_functions_in_order():
    chains = documents()
    assert [group["group"] for group in chains["web"]["path"]] == ["firewall", "dpi", "nat"]
    assert [group["group"] for group in chains["other"]["path"]] == ["firewall", "nat"]
    assert chains["web"]["ingress"] == fixture.subscribers().port_id
    assert chains["web"]["egress"] is None
    assert chains["web"]["order"] < chains["other"]["order"]


def test_rules_become_classifiers():
    web = chain_from_document(documents()["web"])
    assert [match_text(c.match) for c in web.classifiers] == ["tcp destination port 80", "tcp destination port 443"]
    assert [c.priority for c in web.classifiers] == [100, 100]
    other = chain_from_document(documents()["other"])
    assert [match_text(c.match) for c in other.classifiers] == ["any IP packet"]


def test_what_a_function_is_stands_on_its_connection_point():
    chains = documents()
    functions = {f.name: f for f in world(list(chains.values())).functions}
    assert functions["firewall-0"].awareness is Awareness.NONE
    assert functions["firewall-0"].layer is Layer.L2
    assert functions["dpi-0"].awareness is Awareness.NSH
    assert functions["nat-0"].rewrites_5tuple
    assert len(functions) == 3, "chains share their functions"


def test_ports_of_functions_are_no_members_of_their_network():
    ports = {port.id: port for port in world(list(documents().values())).ports}
    roles = {
        cp.cpd_id: ports[cp.port_id].role
        for lives in fixture.live_vnfs().values()
        for cp in lives[0].instance.vnfcs[0].connection_points
        if cp.port_id in ports
    }
    assert roles["in"] is roles["out"] is roles["sfc"] is PortRole.SF
    assert roles["inside"] is roles["mgmt"] is PortRole.TENANT
    assert "outside" not in roles, "an SR-IOV VF bypasses the bridges"


def test_a_bump_in_the_wire_is_no_member_even_without_a_chain():
    roles = [port.role for port in world([]).ports]
    assert roles.count(PortRole.SF) == 3


def test_the_nats_inside_may_send_from_everywhere():
    ports = {port.id: port for port in world(list(documents().values())).ports}
    inside = next(
        cp for cp in fixture.live_vnfs()["nat"][0].instance.vnfcs[0].connection_points if cp.cpd_id == "inside"
    )
    assert [str(prefix) for prefix in ports[inside.port_id].allowed] == ["0.0.0.0/0"]


def test_the_translated_chains_render():
    chains = documents()
    plane = world(list(chains.values()))
    planned = [
        plan_chain(plane, chain_from_document(chains["web"]), 100, 101),
        plan_chain(plane, chain_from_document(chains["other"]), 200, 201),
    ]
    tables = render(plane, planned)
    assert sorted(tables) == ["h1", "h2", "h3"]
    assert all(table.flows for table in tables.values())


BIT = 17
"""Where the IP header begins, counted from the last bit of the source MAC address."""


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (NfpRule("r", vlan_tags=("7", "8")), "2 VLAN tags, one inside the other"),
        (NfpRule("r", masks=(MaskRule(1, 8, "0" * 8),)), "some bits of ethertype"),
        (NfpRule("r", ether_type="ipv4", masks=(MaskRule(BIT + 70, 4, "0" * 4),)), "bit 87 is in no field"),
        (NfpRule("r", ether_type="ipv6", masks=(MaskRule(BIT, 4, "0100"),)), "contradict its ether_type ipv6"),
        (
            NfpRule("r", ether_type="ipv4", source_prefix="10.0.0.0/8", masks=(MaskRule(BIT + 96, 1, "1"),)),
            "contradict",
        ),
        (NfpRule("r", masks=(MaskRule(BIT + 8, 6, "101110"),)), "6 bits from bit 25"),
        (NfpRule("r", ether_type="ipv4", masks=(MaskRule(BIT + 160, 16, "0" * 16),)), "16 bits from bit 177"),
        (NfpRule("r", ether_type="ipv4", masks=(MaskRule(BIT + 8, 6, "46"),)), "has the value '46'"),
        (NfpRule("r", ether_type="ipv4", dscp=10, masks=(MaskRule(BIT + 8, 6, "101110"),)), "contradict"),
        (NfpRule("r", ether_type="ipv4", masks=(MaskRule(1, 16, f"{0x86DD:016b}"),)), "contradict"),
        (
            NfpRule("r", ether_type="ipv4", masks=(MaskRule(BIT + 96, 1, "0"), MaskRule(BIT + 96, 1, "1"))),
            "different values of source",
        ),
    ],
)
def test_a_criterion_that_cannot_be_matched_is_refused_and_never_left_out(rule: NfpRule, why: str):
    with pytest.raises(InvalidInput, match=f"NfpRule r.*{why}"):
        documents(with_rules(rule))


@pytest.mark.parametrize(
    ("ether_type", "masks", "match"),
    [
        (None, (MaskRule(1, 16, f"{0x86DD:016b}"),), Match(ethertype=0x86DD)),
        ("ipv4", (MaskRule(BIT + 8, 6, "101110"),), Match(ethertype=0x0800, dscp=46)),
        ("ipv6", (MaskRule(BIT + 4, 6, "101110"),), Match(ethertype=0x86DD, dscp=46)),
        ("ipv4", (MaskRule(BIT + 72, 8, "00010001"),), Match(ethertype=0x0800, protocol=17)),
        (
            "ipv4",
            (MaskRule(BIT + 96, 8, "00001010"), MaskRule(BIT + 128, 32, "11000000000000000000001000000001")),
            Match(ethertype=0x0800, source=IPv4Network("10.0.0.0/8"), destination=IPv4Network("192.0.2.1/32")),
        ),
        (
            "ipv6",
            (MaskRule(BIT + 64, 3, "001"), MaskRule(BIT + 192, 16, f"{0xFD00:016b}")),
            Match(ethertype=0x86DD, source=IPv6Network("2000::/3"), destination=IPv6Network("fd00::/16")),
        ),
        (
            "ipv4",
            (MaskRule(BIT + 120, 9, "000001011"), MaskRule(BIT + 8, 2, "10")),
            Match(
                ethertype=0x0800,
                source=addresses("0.0.0.5/0.0.0.255"),
                destination=IPv4Network("128.0.0.0/1"),
                dscp=Bits(0x20, 0x30),
            ),
        ),
        (
            "ipv4",
            (MaskRule(1, 16, f"{0x8100:016b}"), MaskRule(17, 3, "101"), MaskRule(21, 12, f"{10:012b}")),
            Match(ethertype=0x0800, vlan=10, vlan_priority=5),
        ),
        (
            "ipv4",
            (
                MaskRule(1, 16, f"{0x8100:016b}"),
                MaskRule(21, 28, f"{10:012b}{0x0800:016b}"),
                MaskRule(121, 8, "00010001"),
            ),
            Match(ethertype=0x0800, vlan=10, protocol=17),
        ),
    ],
)
def test_bits_that_are_a_header_field_select_by_that(ether_type: str | None, masks: tuple[MaskRule, ...], match: Match):
    rule = NfpRule("r", ether_type=ether_type, masks=masks)
    assert chain_from_document(documents(with_rules(rule))["web"]).classifiers[0].match == match


def test_rules_may_select_by_the_tag_of_a_vlan():
    rule = NfpRule("r", ether_type="ipv4", vlan_tags=("0x7",), dscp=46, masks=(MaskRule(BIT + 8, 1, "1"),))
    web = chain_from_document(documents(with_rules(rule))["web"])
    assert web.classifiers[0].match == Match(ethertype=0x0800, vlan=7, dscp=46)
    assert match_text(web.classifiers[0].match) == "VLAN 7 DSCP 46"


def test_masks_narrow_a_prefix():
    rule = NfpRule("r", ether_type="ipv4", source_prefix="10.0.0.0/8", masks=(MaskRule(BIT + 127, 1, "1"),))
    web = chain_from_document(documents(with_rules(rule))["web"])
    assert web.classifiers[0].match.source == addresses("10.0.0.1/255.0.0.1")


def test_trunks_are_declared_by_descriptors():
    ports = world(list(documents().values())).ports
    assert not any(port.trunk for port in ports)
    saps = [replace(fixture.subscribers(), trunk=True)]
    plane = topology(fixture.hosts(), fixture.networks(), [], saps, ())
    assert [port.trunk for port in plane.ports] == [True]


def test_rules_may_select_by_mac_addresses():
    rule = NfpRule("r", source_mac="02:00:00:00:00:01", destination_mac="02:00:00:00:00:02")
    web = chain_from_document(documents(with_rules(rule))["web"])
    assert match_text(web.classifiers[0].match) == "from 02:00:00:00:00:01 to 02:00:00:00:00:02"


def test_a_position_on_a_vnf_without_instances_is_refused():
    with pytest.raises(InvalidInput, match="names vnf dpi, which has no instance"):
        vnfs = {name: lives for name, lives in fixture.live_vnfs().items() if name != "dpi"}
        list(chain_documents(fixture.ns(), gi_lan().flavour(), Parts(vnfs), "op"))


def test_a_path_without_a_sap_position_begins_at_the_only_sap_on_a_bridge():
    flavour = gi_lan().flavour()
    vnffg = flavour.vnffgs[0]
    nfps = tuple(replace(nfp, positions=nfp.positions[1:]) for nfp in vnffg.nfps)
    chains = documents(replace(flavour, vnffgs=(replace(vnffg, nfps=nfps),)))
    assert chains["web"]["ingress"] == fixture.subscribers().port_id
