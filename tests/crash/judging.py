"""Whether a service is whole, judged from outside: by SQL and by the file of the simulated NFVI. No code is asked."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.crash.conftest import Site

LEGAL = (
    ["STARTING", "PROCESSING", "COMPLETED"],
    ["PROCESSING", "COMPLETED"],
)
"""What is told of a VNF's operation, and of one of a service or chain, that nothing but death interrupted."""


def documents(site: Site, table: str) -> list[dict[str, Any]]:
    """Every row's document."""
    return [json.loads(document) for (document,) in site.rows(f"SELECT document FROM {table}")]


def expect_order(site: Site) -> None:
    """Whatever was begun is over, and was told once, in order."""
    assert site.unfinished_workflows() == 0
    for op_id, state in site.states().items():
        assert state == "COMPLETED", (op_id, state)
        assert site.told(op_id) in LEGAL, (op_id, site.told(op_id))


def expect_no_leaks(site: Site, inspectors: int) -> None:
    """The NFVI has what the database says, each of it once; ``inspectors`` VNFCs of the dpi, or no service at all."""
    world = json.loads((site.directory / "vim_simulated.json").read_text(encoding="utf-8"))
    services, vnfs, networks = (documents(site, table) for table in ("ns_instances", "vnf_instances", "networks"))
    chains, reservations = (documents(site, table) for table in ("chains", "reservations"))
    vnfcs = [vnfc for vnf in vnfs for vnfc in vnf["vnfcs"]]
    ends = [sap["connection_point"] for service in services for sap in service["saps"]]
    points = [point for vnfc in vnfcs for point in vnfc["connection_points"]] + ends
    wanted = {"computes": [vnfc["compute_id"] for vnfc in vnfcs], "networks": [network["id"] for network in networks]}
    wanted["ports"] = [point["port_id"] for point in points]
    for kind, ids in wanted.items():
        assert sorted(world.get(kind, {})) == sorted(ids), kind
    addresses = Counter((point["network_id"], address) for point in points for address in point["addresses"])
    assert set(addresses.values()) <= {1}, addresses
    assert Counter(vnfc["vdu_id"] for vnfc in vnfcs) == Counter({"dpi": inspectors} if inspectors else {})
    assert {vnfc["state"] for vnfc in vnfcs} <= {"STARTED"}
    assert {compute["state"] for compute in world.get("computes", {}).values()} <= {"running"}
    expect_nothing_twice(reservations)
    assert sorted(one["host"] for one in reservations) == sorted(vnfc["host"] for vnfc in vnfcs)
    expect_numbers(site, networks, chains)
    assert [service["state"] for service in services] == ["INSTANTIATED" if inspectors else "NOT_INSTANTIATED"]
    planned = {
        v["reservation_id"] for service in services for vnf in service["plan"].get("vnfs", ()) for v in vnf["vnfcs"]
    }
    assert planned == {one["id"] for one in reservations}
    assert {(chain["state"], chain["change"]) for chain in chains} <= {("active", None)}
    for chain in chains:
        assert len([f for f in chain["spec"]["functions"] if f["name"].startswith("dpi")]) == inspectors


def expect_nothing_twice(reservations: list[dict[str, Any]]) -> None:
    """No CPU is two VNFCs' own, and no reservation is left of a move."""
    held = [(one["host"], cpu) for one in reservations for cell in one["allocation"]["cells"] for cpu in cell["cpus"]]
    assert len(held) == len(set(held))
    assert not [one["key"] for one in reservations if "~" in one["key"]]


def expect_numbers(site: Site, networks: list[dict[str, Any]], chains: list[dict[str, Any]]) -> None:
    """Virtual network identifiers and paths are numbered by who has them, and nobody else keeps a number."""
    pools: dict[str, set[int]] = {"vni": set(), "spi": set()}
    for pool, number in site.rows("SELECT pool, number FROM numbers WHERE key IS NOT NULL"):
        pools.setdefault(pool, set()).add(number)
    assert pools["vni"] == {network["vni"] for network in networks if network["vni"]}
    used = {branch[way] for chain in chains for branch in chain["branches"] for way in ("forward_spi", "reverse_spi")}
    assert pools["spi"] == used - {None}
