"""networking-sfc's API as its client speaks it, over the real use cases: what is made of it classifies and forwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.api.config import ApiConfig
from mano.settings import AuthMode
from tests.api.conftest import serving
from tests.scenarios.main_job.conftest import new_job
from tests.scenarios.main_job.openstack import Bench, Cloud, refused

GONE = "99999999-9999-4999-8999-999999999999"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Iterator[Cloud]:
    """The sample network service is up, and the server listens."""
    job = new_job(tmp_path_factory.mktemp("cloud"), archives)
    job.instantiate(job.ready())
    with serving(job.services, ApiConfig(auth=AuthMode.NONE)) as api:
        api.token = None
        yield Cloud(api, job)
    job.catena.stop()


@pytest.fixture
def bench(cloud: Cloud) -> Iterator[Bench]:
    network = cloud.make("networks", name="bench")["id"]
    subnet = cloud.make("subnets", network_id=network, cidr="10.7.0.0/24", name="s1", ip_version=4)["id"]
    ports = {}
    for name, host, addresses in (
        ("a", "h1", [{"ip_address": "10.7.0.1"}]),
        ("b", "h2", [{"subnet_id": subnet}]),
        ("one-in", "h2", []),
        ("one-out", "h2", []),
        ("two-in", "h3", []),
        ("two-out", "h3", []),
    ):
        place = {"binding:host_id": host, "device_id": name.partition("-")[0] + "-place"}
        ports[name] = cloud.make("ports", network_id=network, name=name, fixed_ips=addresses, **place)["id"]
    pairs = {
        name: cloud.make("sfc/port_pairs", name=name, ingress=ports[f"{name}-in"], egress=ports[f"{name}-out"])["id"]
        for name in ("one", "two")
    }
    yield Bench(cloud, network, ports, pairs)
    for kind in ("service_graphs", "port_chains", "flow_classifiers", "port_pair_groups", "port_pairs"):
        for each in cloud.api.get(f"/v2.0/sfc/{kind}").json[kind]:
            assert cloud.delete(f"sfc/{kind}", each["id"]) == 204, (kind, each)
    for id in ports.values():
        assert cloud.delete("ports", id) == 204
    assert cloud.delete("subnets", subnet) == 204
    assert cloud.delete("networks", network) == 204
    assert cloud.chains() == []
    assert not set(ports.values()) & set(cloud.job.vim.observe().ports)
    assert not [name for name in cloud.job.vim.attachments() if name.endswith("-place")]


def test_a_client_that_knows_only_the_address_finds_the_version(cloud: Cloud) -> None:
    answer = cloud.api.get("/", Accept="application/json")
    (version,) = answer.json["versions"]
    assert version["id"] == "v2.0" and version["status"] == "CURRENT"
    assert version["links"] == [{"rel": "self", "href": f"http://127.0.0.1:{cloud.api.port}/v2.0/"}]
    assert cloud.api.get("/", Accept="text/html").status == 307
    aliases = {one["alias"] for one in cloud.api.get("/v2.0/extensions").json["extensions"]}
    assert {"sfc", "flow_classifier"} <= aliases
    assert cloud.api.get("/v2.0/extensions/sfc").json["extension"]["alias"] == "sfc"
    assert cloud.api.get("/v2.0/extensions/trunk").status == 404
    names = {one["name"] for one in cloud.api.get("/v2.0/").json["resources"]}
    assert {"ports", "sfc/port_chains"} <= names


def test_ports_of_vnfcs_and_saps_are_seen_as_what_they_are(cloud: Cloud) -> None:
    inside = cloud.api.get(f"/v2.0/ports/{cloud.port('gi-lan/nat-0:inside')}").json["port"]
    assert inside["fixed_ips"][0]["ip_address"] == "10.10.0.1"
    assert inside["status"] == "ACTIVE" and inside["binding:vif_type"] == "ovs"
    assert inside["device_owner"] == f"compute:{inside['binding:host_id']}"
    outside = cloud.api.get(f"/v2.0/ports/{cloud.port('gi-lan/nat-0:outside')}").json["port"]
    assert outside["binding:vnic_type"] == "direct" and outside["binding:profile"]["pci_slot"]
    sap = cloud.api.get(f"/v2.0/ports/{cloud.port('gi-lan:subscribers')}").json["port"]
    assert sap["device_owner"] == "catena:sap" and sap["network_id"] == inside["network_id"]
    network = cloud.api.get(f"/v2.0/networks/{inside['network_id']}").json["network"]
    assert network["name"] == "gi-lan/access" and network["provider:network_type"] == "vxlan"
    assert "life cycle" in refused(cloud.api.call("DELETE", f"/v2.0/ports/{inside['id']}"), 409)
    assert "life cycle" in refused(cloud.put("ports", inside["id"], name="mine"), 409)
    assert "life cycle" in refused(cloud.api.call("DELETE", f"/v2.0/networks/{network['id']}"), 409)


def test_lists_are_asked_as_neutron_is_asked(cloud: Cloud) -> None:
    everything = cloud.api.get("/v2.0/ports?sort_key=mac_address").json["ports"]
    assert [port["mac_address"] for port in everything] == sorted(port["mac_address"] for port in everything)
    first, second = everything[:2]
    page = cloud.api.get(f"/v2.0/ports?sort_key=mac_address&limit=1&marker={first['id']}&fields=id").json["ports"]
    assert page == [{"id": second["id"]}]
    by_address = cloud.api.get("/v2.0/ports?fixed_ips=ip_address%3D10.10.0.1").json["ports"]
    assert [port["name"] for port in by_address] == ["gi-lan/nat-0:inside"]
    assert cloud.api.get("/v2.0/ports?colour=blue").json == {"ports": []}
    refused(cloud.api.get("/v2.0/ports?limit=many"), 400)
    refused(cloud.api.get("/v2.0/ports?sort_key=colour"), 400)


def test_a_chain_through_vnfs_of_a_network_service(cloud: Cloud) -> None:
    firewall = cloud.make(
        "sfc/port_pairs",
        name="fw",
        ingress=cloud.port("gi-lan/firewall-0:in"),
        egress=cloud.port("gi-lan/firewall-0:out"),
        service_function_parameters={"correlation": None, "weight": "1"},
    )
    nat = cloud.make(
        "sfc/port_pairs",
        name="nat",
        ingress=cloud.port("gi-lan/nat-0:inside"),
        egress=cloud.port("gi-lan/nat-0:outside"),
    )
    groups = [cloud.make("sfc/port_pair_groups", name=p["name"], port_pairs=[p["id"]])["id"] for p in (firewall, nat)]
    classifier = cloud.make(
        "sfc/flow_classifiers",
        protocol="UDP",
        destination_port_range_min="53",
        destination_port_range_max="53",
        logical_source_port=cloud.port("gi-lan:subscribers"),
    )
    assert (classifier["protocol"], classifier["destination_port_range_min"]) == ("udp", 53)
    made = cloud.make(
        "sfc/port_chains",
        name="dns",
        port_pair_groups=groups,
        flow_classifiers=[classifier["id"]],
        chain_parameters={"symmetric": "true", "correlation": "nsh"},
    )
    assert made["chain_parameters"] == {"correlation": "nsh", "symmetric": True}
    assert made["chain_id"] == cloud.chains()[0]["forwardSpi"]
    assert cloud.way("dns", "10.10.0.2", "198.51.100.1", "udp", 53) == ["firewall-0"]
    assert [path["direction"] for path in cloud.chains()[0]["paths"]] == ["forward", "reverse"]

    nsh = cloud.make("sfc/port_pairs", ingress=(dpi := cloud.port("gi-lan/dpi-0:sfc")), egress=dpi)
    wrong = cloud.post("sfc/port_pairs", ingress=dpi, egress=dpi, service_function_parameters={"correlation": None})
    assert "already" in refused(wrong, 400)
    assert cloud.delete("sfc/port_pairs", nsh["id"]) == 204
    wrong = cloud.post("sfc/port_pairs", ingress=dpi, egress=dpi, service_function_parameters={"correlation": None})
    assert "VNFD says nsh" in refused(wrong, 400)

    for kind, id in (
        ("port_pairs", firewall["id"]),
        ("port_pair_groups", groups[0]),
        ("flow_classifiers", classifier["id"]),
    ):
        assert "in use by" in refused(cloud.api.call("DELETE", f"/v2.0/sfc/{kind}/{id}"), 409)
    for kind, ids in (
        ("port_chains", [made["id"]]),
        ("flow_classifiers", [classifier["id"]]),
        ("port_pair_groups", groups),
        ("port_pairs", [firewall["id"], nat["id"]]),
    ):
        for id in ids:
            assert cloud.delete(f"sfc/{kind}", id) == 204
            refused(cloud.api.call("DELETE", f"/v2.0/sfc/{kind}/{id}"), 404)
    assert cloud.chains() == []


def test_groups_and_classifiers_of_a_running_chain_change(bench: Bench) -> None:
    cloud = bench.cloud
    one, two = bench.group("g1", "one"), bench.group("g2", "two")
    web = bench.classifier("web", protocol="tcp", destination_port_range_min=80, destination_port_range_max=88)
    parameters = {"chain_parameters": {"correlation": "nsh"}}
    made = cloud.make("sfc/port_chains", name="c", port_pair_groups=[one], flow_classifiers=[web], **parameters)
    assert made["chain_parameters"]["symmetric"] is False
    assert cloud.way("c", "10.7.0.1", "10.7.0.254", "tcp", 80) == ["one"]

    changed = cloud.put("sfc/port_chains", made["id"], port_pair_groups=[one, two], name="c")
    assert changed.json["port_chain"]["port_pair_groups"] == [one, two]
    assert cloud.way("c", "10.7.0.1", "10.7.0.254", "tcp", 88) == ["one", "two"]

    ssh = bench.classifier("ssh", protocol="tcp", destination_port_range_min=22, destination_port_range_max=22)
    assert cloud.put("sfc/port_chains", made["id"], flow_classifiers=[ssh]).status == 200
    assert cloud.way("c", "10.7.0.1", "10.7.0.254", "tcp", 22) == ["one", "two"]
    assert cloud.delete("sfc/flow_classifiers", web) == 204

    assert cloud.put("sfc/port_chains", made["id"], flow_classifiers=[]).status == 200
    assert cloud.chains() == []
    assert cloud.put("sfc/port_chains", made["id"], description="idle").json["port_chain"]["description"] == "idle"


def test_connections_are_spread_over_the_pairs_of_a_group_by_weight(bench: Bench) -> None:
    cloud = bench.cloud
    group = bench.group("lb", "one", "two", port_pair_group_parameters={"lb_fields": ["ip_src", "ip_dst", "tcp_src"]})
    every = bench.classifier("every")
    made = cloud.make(
        "sfc/port_chains",
        name="lb",
        port_pair_groups=[group],
        flow_classifiers=[every],
        chain_parameters={"symmetric": True},
    )
    (chain,) = cloud.chains()
    forward = [path for path in chain["paths"] if path["direction"] == "forward"]
    assert sorted(hop["sfName"] for path in forward for hop in path["hops"]) == ["one", "two"]
    ways = {tuple(cloud.way("lb", "10.7.0.1", "10.7.0.254", "tcp", port)) for port in range(1, 40)}
    assert ways == {("one",), ("two",)}
    assert cloud.put("sfc/port_pair_groups", group, port_pairs=[bench.pairs["two"]]).status == 200
    assert cloud.way("lb", "10.7.0.1", "10.7.0.254", "udp", 9) == ["two"]
    assert "no port pair" in refused(cloud.put("sfc/port_pair_groups", group, port_pairs=[]), 400)
    assert cloud.way("lb", "10.7.0.1", "10.7.0.254", "udp", 9) == ["two"]
    assert cloud.api.get(f"/v2.0/sfc/port_chains/{made['id']}").status == 200


def test_a_group_that_balances_over_addresses_keeps_two_stations_together(bench: Bench) -> None:
    cloud = bench.cloud
    group = bench.group("lb", "one", "two", port_pair_group_parameters={"lb_fields": ["ip_src", "ip_dst"]})
    every = bench.classifier("every", protocol="tcp")
    cloud.make("sfc/port_chains", name="lb", port_pair_groups=[group], flow_classifiers=[every])
    ways = {tuple(cloud.way("lb", "10.7.0.1", "10.7.0.254", "tcp", port)) for port in range(1, 40)}
    assert len(ways) == 1
    (pair,) = next(iter(ways))
    assert pair in ("one", "two")


def test_a_tap_gets_copies_and_is_no_station_on_the_way(bench: Bench) -> None:
    cloud = bench.cloud
    tap, one = bench.group("tap", "two", tap_enabled="True"), bench.group("g1", "one")
    every = bench.classifier("every")
    made = cloud.post("sfc/port_chains", name="tapped", port_pair_groups=[tap, one], flow_classifiers=[every])
    assert made.status == 201, made.body
    (chain,) = cloud.chains()
    assert [hop["layer"] for hop in chain["paths"][0]["hops"]] == ["tap", "l2"]


def test_a_service_graph_leads_on_what_both_chains_take(bench: Bench) -> None:
    cloud = bench.cloud
    one, two = bench.group("g1", "one"), bench.group("g2", "two")
    every = bench.classifier("every", protocol="tcp")
    web = cloud.make(
        "sfc/flow_classifiers",
        name="web",
        protocol="tcp",
        destination_port_range_min=80,
        destination_port_range_max=80,
        logical_source_port=bench.ports["one-out"],
    )["id"]
    first = cloud.make("sfc/port_chains", name="first", port_pair_groups=[one], flow_classifiers=[every])["id"]
    second = cloud.make("sfc/port_chains", name="second", port_pair_groups=[two], flow_classifiers=[web])["id"]
    assert [chain["name"] for chain in cloud.chains()] == ["first"]

    assert "behind it" in refused(cloud.post("sfc/service_graphs", port_chains={first: []}), 400)
    assert "cycle" in refused(cloud.post("sfc/service_graphs", port_chains={first: [second], second: [first]}), 400)
    graph = cloud.make("sfc/service_graphs", name="tree", port_chains={first: [second]})
    assert [chain["name"] for chain in cloud.chains()] == ["first", "first/second"]
    assert cloud.way("first/second", "10.7.0.1", "10.7.0.254", "tcp", 80) == ["one", "two"]
    assert cloud.way("first", "10.7.0.1", "10.7.0.254", "tcp", 22) == ["one"]

    assert "in use by service graph tree" in refused(cloud.api.call("DELETE", f"/v2.0/sfc/port_chains/{first}"), 409)
    answer = cloud.post("sfc/service_graphs", port_chains={second: [first]})
    assert "in use" in refused(answer, 409)
    assert "cannot be changed" in refused(cloud.put("sfc/service_graphs", graph["id"], port_chains={}), 400)
    assert cloud.delete("sfc/service_graphs", graph["id"]) == 204
    assert [chain["name"] for chain in cloud.chains()] == ["first"]


def test_ports_are_made_where_they_can_be(bench: Bench) -> None:
    cloud, network = bench.cloud, bench.network
    said = {"network_id": network, "binding:host_id": "h1"}
    assert "--host" in refused(cloud.post("ports", network_id=network), 400)
    assert "there is no host" in refused(cloud.post("ports", network_id=network, **{"binding:host_id": "h9"}), 400)
    assert "in use" in refused(cloud.post("ports", fixed_ips=[{"ip_address": "10.7.0.1"}], **said), 409)
    assert "no subnet" in refused(cloud.post("ports", fixed_ips=[{"ip_address": "10.8.0.1"}], **said), 400)
    assert "is on host h2" in refused(cloud.post("ports", device_id="one-place", **said), 400)
    assert "attachment" in refused(cloud.post("ports", device_id="a/b", **said), 400)
    mac = cloud.api.get(f"/v2.0/ports/{bench.ports['a']}").json["port"]["mac_address"]
    assert "MAC" in refused(cloud.post("ports", mac_address=mac, **said), 409)
    assert "no network" in refused(cloud.post("ports", network_id=GONE), 404)
    renamed = cloud.put("ports", bench.ports["a"], name="alpha", description="first").json["port"]
    assert (renamed["name"], renamed["description"]) == ("alpha", "first")
    assert "ports" in refused(cloud.api.call("DELETE", f"/v2.0/networks/{network}"), 409)
    subnet = cloud.id("subnets", "s1")
    assert "ports use" in refused(cloud.api.call("DELETE", f"/v2.0/subnets/{subnet}"), 409)
    assert "already" in refused(cloud.post("subnets", network_id=network, cidr="10.9.0.0/24"), 409)


@pytest.mark.parametrize(
    ("kind", "attributes", "says"),
    [
        ("port_pairs", {"ingress": GONE}, "needs egress"),
        ("port_pairs", {"ingress": "fw", "egress": GONE}, "a UUID"),
        ("port_pairs", {"ingress": GONE, "egress": GONE, "colour": 1}, "no attribute colour"),
        (
            "port_pairs",
            {"ingress": GONE, "egress": GONE, "service_function_parameters": {"correlation": "mpls"}},
            "carried by NSH",
        ),
        (
            "port_pairs",
            {"ingress": GONE, "egress": GONE, "service_function_parameters": {"weight": "heavy"}},
            "a whole number",
        ),
        ("port_pairs", {"ingress": GONE, "egress": GONE, "name": "x" * 300}, "255"),
        ("port_pairs", {"ingress": GONE, "egress": GONE, "tenant_id": GONE}, "not the caller's"),
        ("port_pair_groups", {"port_pairs": "all"}, "a list"),
        ("port_pair_groups", {"port_pair_group_parameters": {"lb_fields": ["colour"]}}, "a list of some of"),
        ("port_pair_groups", {"tap_enabled": "perhaps"}, "true or false"),
        (
            "port_pair_groups",
            {"port_pair_group_parameters": {"ppg_n_tuple_mapping": {"ingress_n_tuple": {"source_ip_prefix": "::/0"}}}},
            "no member",
        ),
        ("flow_classifiers", {"protocol": "tcp", "source_port_range_min": 70000}, "65535"),
        ("flow_classifiers", {"source_port_range_min": 7}, "needs protocol"),
        ("flow_classifiers", {"protocol": "tcp", "source_port_range_min": 9, "source_port_range_max": 7}, "ends"),
        ("flow_classifiers", {"ethertype": "IPv6", "source_ip_prefix": "10.0.0.0/8"}, "IPv6"),
        ("flow_classifiers", {"ethertype": "IPX"}, "one of IPv4, IPv6"),
        ("flow_classifiers", {"protocol": "gre"}, "one of tcp"),
        ("flow_classifiers", {"destination_ip_prefix": "10.0.0.0/8;drop"}, "an IP prefix"),
        ("flow_classifiers", {"l7_parameters": {"url": "x"}}, "no member"),
        ("port_chains", {"port_pair_groups": []}, "at least one"),
        ("port_chains", {"port_pair_groups": [GONE], "chain_parameters": {"correlation": "mpls"}}, "carried by NSH"),
        ("port_chains", {"port_pair_groups": [GONE], "chain_id": 7}, "allocates"),
        ("service_graphs", {"port_chains": {"x": [GONE]}}, "a UUID"),
        ("service_graphs", {"port_chains": []}, "an object"),
    ],
)
def test_what_is_wrong_is_told(cloud: Cloud, kind: str, attributes: dict[str, Any], says: str) -> None:
    assert says in refused(cloud.post(f"sfc/{kind}", **attributes), 400)


def test_bodies_that_are_none_are_refused(cloud: Cloud) -> None:
    bodies: list[Any] = [[], {}, {"port_chain": []}, {"port_pair": {}}, {"port_chain": {}, "more": 1}, None]
    for body in bodies:
        refused(cloud.api.call("POST", "/v2.0/sfc/port_chains", body), 400)
    refused(cloud.api.call("POST", "/v2.0/sfc/port_chains", b"{", {"Content-Type": "application/json"}), 400)
    refused(cloud.api.call("PATCH", "/v2.0/sfc/port_chains", {}), 405)
    refused(cloud.api.get("/v2.0/sfc/taps"), 404)
    refused(cloud.put("sfc/port_pairs", GONE, name="x"), 404)
    refused(cloud.post("sfc/port_pairs", ingress=GONE, egress=GONE), 404)


def test_what_contradicts_other_resources_is_refused(bench: Bench) -> None:
    cloud = bench.cloud
    one = bench.group("g1", "one")
    again = cloud.post("sfc/port_pairs", ingress=bench.ports["one-in"], egress=bench.ports["a"])
    assert "already" in refused(again, 400)
    apart = cloud.post("sfc/port_pairs", ingress=bench.ports["a"], egress=bench.ports["b"])
    assert "hosts h1 and h2" in refused(apart, 400)
    assert "in use by port pair group g1" in refused(
        cloud.post("sfc/port_pair_groups", port_pairs=[bench.pairs["one"]]), 409
    )
    both = [bench.pairs["one"], bench.pairs["two"]]
    assert cloud.put("sfc/port_pair_groups", one, port_pairs=both).status == 200
    fields = {"lb_fields": ["ip_src"]}
    assert cloud.put("sfc/port_pair_groups", one, port_pairs=[]).status == 200
    answer = cloud.post("sfc/port_pair_groups", port_pairs=both, port_pair_group_parameters=fields)
    assert "both ways" in refused(answer, 400)
    assert cloud.put("sfc/port_pair_groups", one, port_pairs=both[:1]).status == 200
    web = bench.classifier("web", protocol="tcp")
    ends = {"logical_source_port": bench.ports["a"], "logical_destination_port": bench.ports["b"]}
    assert "conflicts with flow classifier web" in refused(
        cloud.post("sfc/flow_classifiers", source_ip_prefix="10.7.0.0/28", **ends), 400
    )
    cloud.make("sfc/port_chains", name="c1", port_pair_groups=[one], flow_classifiers=[web])
    taken = cloud.post("sfc/port_chains", name="c2", port_pair_groups=[one], flow_classifiers=[web])
    assert "in use by port chain c1" in refused(taken, 409)
    twice = cloud.post("sfc/port_chains", port_pair_groups=[one, one])
    assert "twice" in refused(twice, 400)
    third = cloud.make(
        "ports", network_id=bench.network, name="c", **{"binding:host_id": "h1", "device_id": "c-place"}
    )["id"]
    open_end = cloud.make(
        "sfc/flow_classifiers", protocol="icmp", name="where-to", logical_source_port=bench.ports["a"]
    )["id"]
    answer = cloud.post("sfc/port_chains", port_pair_groups=[one], flow_classifiers=[open_end])
    assert "where its packets go" in refused(answer, 400)
    assert cloud.delete("ports", third) == 204
    unplaced = cloud.make("sfc/flow_classifiers", name="from-nowhere", protocol="udp")["id"]
    answer = cloud.post("sfc/port_chains", port_pair_groups=[one], flow_classifiers=[unplaced])
    assert "at which port its packets come in" in refused(answer, 400)
    assert [chain["name"] for chain in cloud.chains()] == ["c1"]


def test_the_ends_of_a_chain_are_found_by_their_addresses(bench: Bench) -> None:
    cloud = bench.cloud
    group = bench.group("g1", "one")
    one_way = cloud.make(
        "sfc/flow_classifiers", source_ip_prefix="10.7.0.1/32", destination_ip_prefix="10.7.0.254/32", protocol="icmp"
    )["id"]
    cloud.make("sfc/port_chains", name="ping", port_pair_groups=[group], flow_classifiers=[one_way])
    (chain,) = cloud.chains()
    assert (chain["paths"][0]["ingress"]["port"], chain["paths"][0]["egress"]["port"]) == (
        bench.ports["a"],
        bench.ports["b"],
    )


def test_the_only_other_station_of_a_network_is_the_end(cloud: Cloud) -> None:
    pair = cloud.make(
        "sfc/port_pairs",
        ingress=cloud.port("gi-lan/firewall-0:in"),
        egress=cloud.port("gi-lan/firewall-0:out"),
    )["id"]
    group = cloud.make("sfc/port_pair_groups", port_pairs=[pair])["id"]
    subscribers = cloud.port("gi-lan:subscribers")
    every = cloud.make("sfc/flow_classifiers", protocol="sctp", logical_source_port=subscribers)["id"]
    chain = cloud.make("sfc/port_chains", name="sctp", port_pair_groups=[group], flow_classifiers=[every])["id"]
    (made,) = cloud.chains()
    inside = cloud.port("gi-lan/nat-0:inside")
    assert made["paths"][0]["egress"]["port"] == inside
    said = cloud.make(
        "sfc/flow_classifiers",
        protocol="sctp",
        destination_port_range_min=9,
        logical_source_port=subscribers,
        logical_destination_port=inside,
    )["id"]
    assert cloud.put("sfc/port_chains", chain, flow_classifiers=[said]).status == 200
    (made,) = cloud.chains()
    assert made["paths"][0]["terminator"]["sfName"] == "nat-0"
    for path, id in (
        ("port_chains", chain),
        ("flow_classifiers", every),
        ("flow_classifiers", said),
        ("port_pair_groups", group),
        ("port_pairs", pair),
    ):
        assert cloud.delete(f"sfc/{path}", id) == 204


def test_another_tenant_sees_nothing(bench: Bench) -> None:
    services = bench.cloud.job.services
    stranger = "22222222-2222-4222-8222-222222222222"
    assert services.logical_networks.ports(stranger) == []
    assert services.logical_networks.networks(stranger) == []
    assert services.port_chaining.list("port_pairs", stranger) == []


def test_what_a_dead_server_left_half_made_is_finished(bench: Bench) -> None:
    cloud = bench.cloud
    group = bench.group("g1", "one")
    every = bench.classifier("every")
    cloud.make("sfc/port_chains", name="c", port_pair_groups=[group], flow_classifiers=[every])
    services = cloud.job.services
    (chain,) = cloud.chains()
    services.chains.delete(chain["id"], cloud.job.tenant)
    assert cloud.chains() == []
    services.port_chaining.recover()
    services.logical_networks.recover()
    assert [one["name"] for one in cloud.chains()] == ["c"]
