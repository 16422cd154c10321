"""From descriptors to the plan of an NS and the request to place it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mano.domain.ns_instance import NetworkKind
from mano.errors import InvalidInput, Refused
from mano.nfvo.ns_placement import chain_requests, placement_request, vdu_request
from mano.nfvo.path_bounds import bounds_of
from mano.nfvo.plan import plan_from_json
from mano.nfvo.plan_inputs import Constituent, PlanInputs, SapRequest
from mano.nfvo.planning import count_instances, plan_ns
from mano.placement import request_from_document
from tests.fakes.descriptors import VNFDS, firewall, gi_lan
from vnf_descriptors.model import Bitrate, L2Protocol, Nsd, Qos, VduKind


def inputs(nsd: Nsd | None = None, underlay_mtu: int = 1600) -> PlanInputs:
    nsd = nsd or gi_lan()
    flavour = nsd.flavour()
    return PlanInputs(
        ns_instance_id="ns",
        tenant_id="tenant",
        operation_id="op",
        nsd=nsd,
        flavour=flavour,
        constituents={p.id: Constituent(p, VNFDS[p.vnfd_id](), f"package-{p.id}") for p in flavour.vnf_profiles},
        saps={
            "subscribers": SapRequest("subscribers", "h1", ("10.10.0.2/24",)),
            "internet": SapRequest("internet", "", ("198.51.100.1",)),
        },
        counts=count_instances(flavour, None),
        underlay_mtu=underlay_mtu,
        vni_of=lambda key: 4096 + sum(key.encode()) % 1000,
        subnet_for=lambda key: "172.16.5.0/24",
    )


def with_link(nsd: Nsd, link_id: str, **changes: Any) -> Nsd:
    flavour = nsd.flavour()
    links = tuple(replace(link, **changes) if link.id == link_id else link for link in flavour.virtual_links)
    return replace(nsd, flavours=(replace(flavour, virtual_links=links),))


def addresses(plan, profile: str) -> dict[str, tuple[str, ...]]:
    return {cp.cpd_id: cp.addresses for cp in plan.vnf(profile, 0).vnfcs[0].cps}


def test_addresses_come_from_the_descriptor_or_the_ipam():
    plan = plan_ns(inputs())
    assert addresses(plan, "nat") == {
        "inside": ("10.10.0.1/24",),
        "outside": ("198.51.100.2/24",),
        "mgmt": ("192.0.2.3/24", "fd00:ca:7e::3/64"),
    }
    assert addresses(plan, "firewall")["in"] == ()
    assert addresses(plan, "firewall")["mgmt"] == ("192.0.2.1/24", "fd00:ca:7e::1/64")
    assert [sap.addresses for sap in plan.saps] == [("10.10.0.2/24",), ("198.51.100.1/24",)]


def test_gateways_reach_whoever_is_not_the_gateway():
    plan = plan_ns(inputs())
    gateways = {cp.cpd_id: cp.gateway for cp in plan.vnf("nat", 0).vnfcs[0].cps}
    assert gateways == {"inside": "", "outside": "198.51.100.1", "mgmt": ""}
    assert [sap.gateway for sap in plan.saps] == ["10.10.0.1", ""]


def test_a_flat_link_is_the_providers_and_the_others_are_overlays():
    networks = {network.vld_id: network for network in plan_ns(inputs()).networks}
    assert networks["internet"].kind is NetworkKind.PROVIDER
    assert (networks["internet"].physical_network, networks["internet"].vni) == ("dc1", 0)
    assert networks["access"].kind is NetworkKind.OVERLAY
    assert networks["access"].vni >= 4096
    assert {network.mtu for network in networks.values()} == {1500}


def test_the_mtu_leaves_room_for_tunnel_and_nsh():
    assert {n.vld_id: n.mtu for n in plan_ns(inputs(underlay_mtu=1500)).networks}["access"] == 1426
    nsd = with_link(gi_lan(), "mgmt", l2=L2Protocol(mtu=1500))
    with pytest.raises(InvalidInput, match=r"mgmt asks for an MTU of 1500; the underlay's 1500 octets leave 1426"):
        plan_ns(inputs(nsd, underlay_mtu=1500))


def test_a_link_without_a_subnet_gets_one_of_ours():
    plan = plan_ns(inputs(with_link(gi_lan(), "mgmt", l3=())))
    assert {n.vld_id: n.subnets for n in plan.networks}["mgmt"] == ("172.16.5.0/24",)
    assert addresses(plan, "dpi")["mgmt"] == ("172.16.5.2/24",)


def test_the_same_inputs_give_the_same_plan_and_json_keeps_it():
    plan = plan_ns(inputs())
    assert plan == plan_ns(inputs())
    assert plan_from_json(plan.to_json()) == plan


def test_no_mac_address_occurs_twice():
    plan = plan_ns(inputs())
    macs = [cp.mac for vnf in plan.vnfs for vnfc in vnf.vnfcs for cp in vnfc.cps] + [sap.mac for sap in plan.saps]
    assert len(macs) == len(set(macs)) == 10


def test_an_unknown_flavour_names_those_there_are():
    data = inputs()
    profile = replace(data.flavour.vnf_profiles[0], flavour_id="large")
    broken = Constituent(profile, data.constituents["firewall"].vnfd, "p")
    with pytest.raises(InvalidInput, match="flavour 'large'") as raised:
        plan_ns(replace(data, constituents={**data.constituents, "firewall": broken}))
    assert raised.value.hint == "it has simple"


def test_an_unknown_ns_level_is_refused():
    with pytest.raises(InvalidInput, match="no NS instantiation level 'huge'"):
        count_instances(gi_lan().flavour(), "huge")


def test_the_placement_request_asks_for_all_vdus_together():
    data = inputs()
    plan = plan_ns(data)
    document = placement_request(data, plan, chain_requests(data, plan))
    request = request_from_document(document)
    assert [vdu.id for vdu in request.vdus] == ["firewall-0/firewall/0", "dpi-0/dpi/0", "nat-0/nat/0"]
    nat = next(vdu for vdu in document["vdus"] if vdu["id"].startswith("nat"))
    assert nat["pageSizeKib"] == 2048
    outside = next(interface for interface in nat["interfaces"] if interface["id"] == "outside")
    assert (outside["vnicType"], outside["physnet"], outside["vfs"]) == ("direct", "dc1", 1)
    pairs = {frozenset(group["members"]) for group in document["groups"]}
    assert len(pairs) == 3
    assert all(group["kind"] == "anti-affinity" and group["scope"] == "host" for group in document["groups"])
    assert document["chains"][0]["path"] == ["firewall-0/firewall/0", "dpi-0/dpi/0", "nat-0/nat/0"]
    assert document["chains"][0]["ingress"] == "h1"


def test_a_container_is_refused_a_place_for_want_of_a_cluster():
    flavour = firewall().flavour()
    pods = replace(flavour, vdus=tuple(replace(vdu, kind=VduKind.OS_CONTAINER) for vdu in flavour.vdus))
    with pytest.raises(Refused, match="group of containers, and no container cluster is attached") as raised:
        vdu_request(pods, pods.vdus[0].id, "key")
    assert "on-boarded, not instantiated" in (raised.value.hint or "")


def chain_of(nsd: Nsd, **ingress: SapRequest) -> dict[str, Any]:
    data = inputs(nsd)
    data = replace(data, saps={**data.saps, **ingress})
    return chain_requests(data, plan_ns(data))[0]


def test_a_path_asks_for_the_rate_that_its_links_guarantee_and_the_latency_that_they_allow():
    fast = {"min_bitrate": Bitrate(1_500_000_001, 1), "max_bitrate": Bitrate(9 * 10**9), "qos": Qos(250, 10)}
    chain = chain_of(with_link(gi_lan(), "access", **fast))
    assert (chain["bandwidthMbps"], chain["maxLatencyUs"]) == (1501, 750)
    outside = {"subscribers": SapRequest("subscribers", "", ("10.10.0.2/24",))}
    assert chain_of(with_link(gi_lan(), "access", **fast), **outside)["maxLatencyUs"] == 500
    document = {"vdus": [{"id": one, "vcpus": 1, "memoryMib": 4} for one in chain["path"]], "chains": [chain]}
    (read,) = request_from_document(document).chains
    assert (read.bandwidth_mbps, read.max_latency_us) == (1501, 750)


def test_a_path_asks_for_nothing_that_the_nsd_does_not_say():
    limited = with_link(gi_lan(), "access", max_bitrate=Bitrate(10**9), min_bitrate=Bitrate(0))
    for nsd in (gi_lan(), limited, with_link(gi_lan(), "mgmt", min_bitrate=Bitrate(10**9), qos=Qos(1, 1))):
        assert not {"bandwidthMbps", "maxLatencyUs"} & set(chain_of(nsd))


def test_latency_is_bounded_where_that_of_every_hop_is():
    flavour = gi_lan().flavour()
    known, unknown = (
        replace(flavour.virtual_links[0], id=name, qos=qos) for name, qos in (("a", Qos(5, 1)), ("b", None))
    )
    flavour = replace(flavour, virtual_links=(known, unknown), saps=())
    assert bounds_of(flavour, ["a", "a"]) == {"maxLatencyUs": 10}
    for hops in ([], ["a", "b"], ["a", None], ["a", "c"]):
        assert bounds_of(flavour, hops) == {}
