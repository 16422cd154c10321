"""Chains: what hops cost, which links they take, what they are refused for (classes C1 and C2)."""

from __future__ import annotations

import random
from typing import Any

import pytest

from mano.domain.nfvi import Link
from mano.placement import DocumentError, LinkLoad, inventory_from_document, loads_of, plan, request_from_document
from mano.placement.paths import Underlay
from tests.unit.placement.world import allocation, host, node, solve, vdu


def chain(*path: str, **more: Any) -> dict[str, Any]:
    return {"id": "c", "path": list(path), **more}


def tight(count: int, cores: int = 1, **more: Any) -> list[dict[str, Any]]:
    """Hosts that take one VDU of two vCPUs each."""
    return [host(f"h{n}", nodes=[node(0, cores=cores)], **more) for n in range(count)]


def names(count: int) -> list[dict[str, Any]]:
    return [vdu(f"v{n}") for n in range(count)]


def link(a: str, b: str, mbps: int = 1000, latency: int = 10, **more: Any) -> dict[str, Any]:
    return {"a": a, "b": b, "mbps": mbps, "latencyUs": latency, **more}


def test_hops_cost_by_host_and_zone():
    world = [*tight(2), host("h9", nodes=[node(0)], zone="far")]
    apart = [{"kind": "anti-affinity", "members": ["v0", "v1", "v2"]}]
    result = solve(world, names(3), groups=apart, chains=[chain("v0", "v1", "v2")])
    assert result["objective"] == {"cost": 3040, "hostsOpened": 3, "crossNumaVfs": 0, "chainHops": 4}
    same = solve([host("h9")], names(3), chains=[chain("v0", "v1", "v2")])
    assert same["objective"]["chainHops"] == 0
    assert same["chains"]["c"] == {"hops": [{"from": "h9", "to": "h9", "links": []}] * 2, "latencyUs": 0}


def test_attachments_count_as_hops():
    world = [host("h0", zone="a"), host("h1", zone="a"), host("h2", zone="b")]
    result = solve(world, names(1), chains=[chain("v0", ingress="h2", egress="h1")])
    assert result["placements"]["v0"]["host"] == "h1"
    assert result["objective"]["chainHops"] == 3
    assert [(hop["from"], hop["to"]) for hop in result["chains"]["c"]["hops"]] == [("h2", "h1"), ("h1", "h1")]


def test_neighbours_are_drawn_together():
    opened = [host(f"h{n}", zone=f"z{n}", allocations=[allocation(f"o{n}")]) for n in range(3)]
    result = solve(opened, names(1), chains=[chain("o2", "v0")])
    assert result["placements"]["v0"]["host"] == "h2"
    assert result["objective"]["cost"] == 0


def test_hops_take_the_quickest_links_and_say_which():
    links = [link("h0", "s1"), link("s1", "h1"), link("h0", "s2", latency=1), link("s2", "h1", latency=2)]
    result = solve(tight(2), names(2), chains=[chain("v0", "v1")], links=links)
    assert result["chains"]["c"]["hops"] == [{"from": "h0", "to": "h1", "links": [["h0", "s2"], ["s2", "h1"]]}]
    assert result["chains"]["c"]["latencyUs"] == 3


def test_bandwidth_is_reserved_on_links():
    links = [link("h0", "h1", mbps=1000, latency=1), link("h0", "s"), link("s", "h1")]
    chains = [chain("v0", "v1", bandwidthMbps=600) | {"id": f"c{n}"} for n in range(2)]
    result = solve(tight(2), names(2), chains=chains, links=links)
    taken = {key: route["hops"][0]["links"] for key, route in result["chains"].items()}
    assert taken == {"c0": [["h0", "h1"]], "c1": [["h0", "s"], ["s", "h1"]]}


def test_parallel_links_are_used_one_after_the_other():
    links = [link("h0", "h1", mbps=100), link("h0", "h1", mbps=100)]
    chains = [chain("v0", "v1", bandwidthMbps=80) | {"id": f"c{n}"} for n in range(2)]
    assert solve(tight(2), names(2), chains=chains, links=links)["unplaced"] == {}


def refusal(result: dict[str, Any]) -> dict[str, Any]:
    (unplaced,) = result["unplaced"].values()
    return unplaced


def test_too_narrow_links_are_a_reason():
    links = [link("h0", "h1", mbps=1000, reservedMbps=500)]
    result = solve(tight(2), names(2), chains=[chain("v0", "v1", bandwidthMbps=600)], links=links)
    assert refusal(result)["reasons"] == {"CPU_DEDICATED": 1, "LINK_BANDWIDTH": 1}
    assert {"host": "h1", "short": {"LINK_BANDWIDTH": 100}} in refusal(result)["nearest"]
    assert "c" not in result["chains"]


def test_too_long_a_way_is_a_reason():
    result = solve(tight(2), names(2), chains=[chain("v0", "v1", maxLatencyUs=9)], links=[link("h0", "h1")])
    assert refusal(result)["reasons"] == {"CPU_DEDICATED": 1, "LATENCY": 1}
    assert {"host": "h1", "short": {"LATENCY": 1}} in refusal(result)["nearest"]
    fits = solve(tight(2), names(2), chains=[chain("v0", "v1", maxLatencyUs=10)], links=[link("h0", "h1")])
    assert fits["unplaced"] == {}


def test_the_whole_chain_keeps_within_its_latency():
    links = [link("h0", "h1"), link("h1", "h2"), link("h2", "h3"), link("h0", "h3", latency=100)]
    result = solve(tight(4), names(3), chains=[chain("v0", "v1", "v2", maxLatencyUs=20)], links=links)
    assert result["unplaced"] == {}
    assert result["chains"]["c"]["latencyUs"] == 20


def test_attachments_are_kept_within_the_latency_too():
    links = [link("h0", "h1"), link("h1", "h2")]
    world = tight(3)
    placed = solve(world, names(1), chains=[chain("v0", ingress="h0", egress="h2", maxLatencyUs=20)], links=links)
    assert placed["chains"]["c"]["latencyUs"] == 20
    refused = solve(world, names(1), chains=[chain("v0", ingress="h0", egress="h2", maxLatencyUs=19)], links=links)
    assert refusal(refused)["reasons"] == {"LATENCY": 3}


def test_a_greedy_dead_end_is_left_again():
    """v0 alone would go to h0, from where no link leads to the only host that has room for v1."""
    world = [
        host("h0", nodes=[node(0, cores=1)]),
        host("h1", nodes=[node(0, cores=1)]),
        host("h2", nodes=[node(0, cores=4)]),
    ]
    links = [link("h1", "h2")]
    big = [vdu("v0"), vdu("v1", vcpus=8)]
    result = solve(world, big, chains=[chain("v0", "v1", bandwidthMbps=10)], links=links)
    assert result["unplaced"] == {}
    assert result["placements"]["v0"]["host"] == "h1"


def test_without_links_nothing_is_bounded():
    result = solve(tight(2), names(2), chains=[chain("v0", "v1", bandwidthMbps=10**9, maxLatencyUs=0)])
    assert result["unplaced"] == {}
    assert result["chains"]["c"] == {"hops": [{"from": "h0", "to": "h1", "links": []}], "latencyUs": 0}


def test_a_chain_that_asks_for_nothing_is_never_refused():
    result = solve(tight(2), names(2), chains=[chain("v0", "v1")], links=[link("h0", "s")])
    assert result["unplaced"] == {}


def test_switches_can_be_attachments():
    links = [link("h0", "tor"), link("h1", "tor", latency=1)]
    result = solve(tight(2), names(1), chains=[chain("v0", ingress="tor", maxLatencyUs=5)], links=links)
    assert result["placements"]["v0"]["host"] == "h1"
    assert result["objective"]["chainHops"] == 3


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (chain("v0", "nobody"), "/chains/0/path/1: expected a VDU or an allocation, found 'nobody'"),
        (chain("v0", ingress="nowhere"), "/chains/0/ingress: expected a host, or a switch of the links"),
        (chain(), "/chains/0/path: expected at least one VDU"),
        (chain("v0", bandwidthMbps=-1), "/chains/0/bandwidthMbps: expected a whole number from 0"),
    ],
)
def test_chains_that_lead_nowhere_are_refused(wrong, fault):
    with pytest.raises(DocumentError, match=fault):
        solve(tight(1), names(1), chains=[wrong])


def there(name: str, allocation_id: str) -> dict[str, Any]:
    return host(name, allocations=[allocation(allocation_id)])


OLD = [there("h0", "o0"), there("h1", "o1"), there("h2", "o2")]
STAR = [link("h0", "tor", mbps=100), link("h1", "tor", mbps=50), link("h2", "tor", mbps=100)]


def test_hops_between_what_is_there_already_are_routed_and_count():
    result = solve(OLD, names(1), chains=[chain("o0", "o2", "v0", bandwidthMbps=60)], links=STAR)
    assert result["placements"]["v0"]["host"] == "h2"
    assert result["chains"]["c"]["latencyUs"] == 20
    assert result["chains"]["c"]["hops"][0]["links"] == [["h0", "tor"], ["tor", "h2"]]


def test_hops_between_what_is_there_already_are_bounded():
    for path, ends in ((("o0", "o1", "v0"), {}), (("o1", "v0"), {"ingress": "tor"})):
        refused = solve(OLD, names(1), chains=[chain(*path, bandwidthMbps=60, **ends)], links=STAR)
        assert refused["unplaced"]["v0"]["reasons"] == {"LINK_BANDWIDTH": 3}
        assert refused["unplaced"]["v0"]["nearest"][0]["short"] == {"LINK_BANDWIDTH": 10}
    late = solve(OLD, names(1), chains=[chain("o0", "o1", "v0", maxLatencyUs=19)], links=STAR)
    assert late["unplaced"]["v0"]["reasons"] == {"LATENCY": 3}
    assert not solve(OLD, names(1), chains=[chain("o0", "o1", "v0", maxLatencyUs=20)], links=STAR)["unplaced"]


def test_what_a_hop_holds_itself_does_not_make_its_chain_late():
    slow = [link("h0", "h1", mbps=50), link("h0", "h1", mbps=50, latency=90), link("h1", "h2", mbps=50)]
    narrow = [host(f"h{n}", labels={"n": str(n)}) for n in range(3)]
    asked = [vdu(f"v{n}", requires={"n": str(n)}) for n in range(3)]
    result = solve(narrow, asked, chains=[chain("v0", "v1", "v2", bandwidthMbps=50, maxLatencyUs=20)], links=slow)
    assert (result["unplaced"], result["chains"]["c"]["latencyUs"]) == ({}, 20)


def test_loads_of_hops_between_what_is_there_count_to_a_vdu_that_is_placed():
    inventory = inventory_from_document({"hosts": OLD, "links": STAR})
    request = request_from_document({"vdus": names(1), "chains": [chain("o0", "o2", "v0", bandwidthMbps=60)]})
    assert loads_of(request, plan(inventory, request)) == {"v0": (LinkLoad("h0", "tor", 60), LinkLoad("tor", "h2", 60))}


def test_the_widest_way_is_the_most_bandwidth_for_which_there_is_a_way():
    chosen = random.Random(7)
    for _ in range(60):
        size = chosen.randint(2, 7)
        ends = [chosen.sample(range(size), 2) for _ in range(chosen.randint(0, 12))]
        underlay = Underlay([Link(f"n{a}", f"n{b}", 9, chosen.randint(0, 5)) for a, b in ends])
        underlay.left = [chosen.randint(0, 9) for _ in ends]
        for source in range(size):
            found = dict(underlay.widths(f"n{source}"))
            found.pop(f"n{source}", None)
            ways = {f"n{other}" for other in range(size)} - {f"n{source}"}
            reach = {mbps: underlay.latencies(f"n{source}", mbps).keys() for mbps in range(1, 10)}
            expected = {name: max((mbps for mbps in reach if name in reach[mbps]), default=0) for name in ways}
            assert found == {name: mbps for name, mbps in expected.items() if mbps}
