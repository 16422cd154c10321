"""Affinity and anti-affinity in all scopes, strict and soft (classes G1 and G2 of docs/placement.md)."""

from __future__ import annotations

from typing import Any

import pytest

from mano.placement import DocumentError
from tests.unit.placement.world import allocation, direct, host, nic, node, placed, reasons, solve, vdu


def group(kind: str, *members: str, **more: Any) -> dict[str, Any]:
    return {"kind": kind, "members": list(members), **more}


def hosts(count: int = 3, **more: Any) -> list[dict[str, Any]]:
    return [host(f"h{n}", nodes=[node(0), node(1)], zone=f"z{n // 2}", **more) for n in range(count)]


def at(placements: dict[str, Any]) -> list[str]:
    return [placements[key]["host"] for key in sorted(placements)]


def names(count: int) -> list[dict[str, Any]]:
    return [vdu(f"v{n}") for n in range(count)]


def test_anti_affine_vdus_lie_on_different_hosts():
    apart = group("anti-affinity", "v0", "v1", "v2")
    assert at(placed(hosts(), names(3), groups=[apart])) == ["h0", "h1", "h2"]


def test_one_vdu_more_than_hosts_is_refused_for_affinity():
    apart = group("anti-affinity", "v0", "v1", "v2", "v3")
    result = solve(hosts(), names(4), groups=[apart])
    (unplaced,) = result["unplaced"].values()
    assert unplaced["reasons"] == {"AFFINITY": 3}
    assert unplaced["wouldFitIf"] == ["strict: false in group 1 (anti-affinity, scope host)"]
    assert len(result["placements"]) == 3, "the rest is still printed"


def test_affine_vdus_lie_on_one_host_even_if_the_first_choice_is_too_small():
    small = host("a", nodes=[node(0, cores=1)])
    assert at(placed([small, host("b")], names(2), groups=[group("affinity", "v0", "v1")])) == ["b", "b"]


def test_allocations_are_members():
    world = [host("h0", allocations=[allocation("db")]), host("h1")]
    assert at(placed(world, names(1), groups=[group("anti-affinity", "v0", "db")])) == ["h1"]
    assert at(placed(world, names(1), groups=[group("affinity", "v0", "db")])) == ["h0"]


def test_allocations_that_carry_the_group_s_id_are_members():
    world = [host("h0", allocations=[allocation("db", groups=["g"])]), host("h1")]
    assert at(placed(world, names(1), groups=[group("anti-affinity", "v0", id="g")])) == ["h1"]


def test_affinity_to_two_hosts_at_once_is_impossible():
    world = [host(f"h{n}", allocations=[allocation(f"o{n}")]) for n in range(2)]
    assert reasons(world, names(1), groups=[group("affinity", "v0", "o0", "o1")]) == {"AFFINITY": 2}


def test_zones_are_shared_or_not():
    apart = group("anti-affinity", "v0", "v1", scope="zone")
    assert at(placed(hosts(), names(2), groups=[apart])) == ["h0", "h2"]
    together = [group("affinity", "v0", "v1", scope="zone"), group("anti-affinity", "v0", "v1")]
    assert at(placed(hosts(), names(2), groups=together)) == ["h0", "h1"]


def test_anti_affine_nodes_have_none_in_common():
    apart = group("anti-affinity", "v0", "v1", scope="numa-node")
    placements = placed(hosts(1), names(2), groups=[apart])
    assert [placements[key]["cells"][0]["node"] for key in ("v0", "v1")] == [0, 1]
    assert reasons(hosts(1), names(3), groups=[group("anti-affinity", "v0", "v1", "v2", scope="numa-node")]) == {
        "AFFINITY": 1
    }


def test_all_nodes_of_a_vdu_count():
    wide = vdu("v0", numaNodes=2)
    apart = group("anti-affinity", "v0", "v1", scope="numa-node")
    assert reasons(hosts(1), [wide, vdu("v1")], groups=[apart]) == {"AFFINITY": 1}
    assert at(placed(hosts(2), [wide, vdu("v1")], groups=[apart])) == ["h0", "h1"]


def test_affine_nodes_are_the_same():
    world = host("h0", nodes=[node(0), node(1)], allocations=[allocation("db", node_id=1)])
    together = group("affinity", "v0", "db", scope="numa-node")
    assert placed(world, names(1), groups=[together])["v0"]["cells"][0]["node"] == 1
    assert reasons(world, [vdu("v0", numaNodes=2)], groups=[together]) == {"AFFINITY": 1}


def two_cards(**more: Any) -> dict[str, Any]:
    return host("h0", nodes=[node(0)], nics=[nic(0), nic(1)], **more)


def pair() -> dict[str, Any]:
    return vdu("v0", interfaces=[direct("a"), direct("b")])


def test_interfaces_of_one_vdu_are_kept_on_different_nics_or_on_one():
    apart = placed(two_cards(), [pair()], groups=[group("anti-affinity", "v0/a", "v0/b", scope="nic")])["v0"]
    assert apart["interfaces"]["a"]["pci"] != apart["interfaces"]["b"]["pci"]
    one = placed(two_cards(), [pair()], groups=[group("affinity", "v0/a", "v0/b", scope="nic")])["v0"]
    assert one["interfaces"]["a"]["pci"] == one["interfaces"]["b"]["pci"]


def test_different_nics_cannot_be_had_where_there_is_one():
    single = host("h0", nics=[nic(0)])
    assert reasons(single, [pair()], groups=[group("anti-affinity", "v0/a", "v0/b", scope="nic")]) == {"AFFINITY": 1}


def test_nics_of_allocations_count():
    held = allocation("db", interfaces={"e": {"pci": nic(0)["pci"], "vfs": [0], "node": 0}})
    world = two_cards(allocations=[held])
    single = vdu("v0", interfaces=[direct("a")])
    apart = placed(world, [single], groups=[group("anti-affinity", "v0/a", "db/e", scope="nic")])["v0"]
    assert apart["interfaces"]["a"]["pci"] == nic(1)["pci"]
    together = placed(world, [single], groups=[group("affinity", "v0/a", "db/e", scope="nic")])["v0"]
    assert together["interfaces"]["a"]["pci"] == nic(0)["pci"]


def test_soft_groups_only_break_ties():
    soft = group("anti-affinity", "v0", "v1", strict=False)
    assert at(placed(hosts(), names(2), groups=[soft])) == ["h0", "h0"], "a second host costs 1000"
    opened = hosts(2)
    for position, world in enumerate(opened):
        world["allocations"] = [allocation(f"o{position}")]
    assert at(placed(opened, names(2), groups=[soft])) == ["h0", "h1"], "now both cost nothing"


def test_soft_groups_of_nodes_and_nics_break_ties_too():
    soft = group("anti-affinity", "v0", "v1", scope="numa-node", strict=False)
    placements = placed(hosts(1), names(2), groups=[soft])
    assert [placements[key]["cells"][0]["node"] for key in ("v0", "v1")] == [0, 1]
    soft = group("anti-affinity", "v0/a", "v0/b", scope="nic", strict=False)
    interfaces = placed(two_cards(), [pair()], groups=[soft])["v0"]["interfaces"]
    assert interfaces["a"]["pci"] != interfaces["b"]["pci"]
    assert placed(host("h0", nics=[nic(0)]), [pair()], groups=[soft])["v0"]["host"] == "h0"


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        (
            group("anti-affinity", "v0", "nobody"),
            "/groups/0/members/1: expected a VDU or an allocation, found 'nobody'",
        ),
        (group("affinity", "v0/x", scope="nic"), "/groups/0/members/0: expected an interface of 'v0', found 'x'"),
        (group("affinity", "v0", scope="nic"), "/groups/0/members/0: expected vdu/interface"),
        (group("affinity", "v0", "v0"), "/groups/0/members/1: expected each member once"),
        (group("near", "v0"), "/groups/0/kind: expected one of affinity, anti-affinity, found 'near'"),
    ],
)
def test_groups_that_name_nothing_are_refused(wrong, pointer):
    with pytest.raises(DocumentError, match=pointer):
        solve(hosts(), names(1), groups=[wrong])
