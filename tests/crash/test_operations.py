"""The whole server is killed while a VNF of the sample service is scaled, healed and moved on the simulated NFVI.

The points are those of a dry run. The judge reads the database by SQL and the simulated world by its file.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.crash.conftest import Mother, Site
from tests.crash.test_network_service import MakeSite, copies, kill_at, ready, running, site_at

__all__ = ["copies", "ready", "running"]

SCENARIOS = (
    "service:scale_out",
    "service:scale_in",
    "service:heal",
    "service:move",
    "service:take_snapshot",
    "service:go_back",
)


@pytest.fixture(scope="module")
def scaled(mother: Mother, running: Path) -> Path:
    """The service with a second dpi."""
    directory = running.with_name("scaled")
    shutil.copytree(running, directory)
    site = site_at(mother, directory)
    site.expect_orderly_end(site.live("service:scale_out"))
    return directory


@pytest.fixture(scope="module")
def snapped(mother: Mother, running: Path) -> Path:
    """The service with a snapshot of its dpi."""
    directory = running.with_name("snapped")
    shutil.copytree(running, directory)
    site = site_at(mother, directory)
    site.expect_orderly_end(site.live("service:take_snapshot"))
    return directory


@pytest.fixture(scope="module")
def counts(mother: Mother, running: Path, templates: dict[str, Path]) -> dict[str, int]:
    """How many points each scenario has, by a dry run."""
    found = {}
    for scenario in SCENARIOS:
        directory = running.with_name(f"dry-{scenario.partition(':')[2]}")
        shutil.copytree(templates[scenario], directory)
        found[scenario] = len(site_at(mother, directory).points(scenario))
    return found


@pytest.fixture(scope="module")
def templates(running: Path, scaled: Path, snapped: Path) -> dict[str, Path]:
    """What each scenario begins with."""
    return {**dict.fromkeys(SCENARIOS, running), "service:scale_in": scaled, "service:go_back": snapped}


def judge(scenario: str) -> Callable[[Site], None]:
    """What must be true once the operation is over, however often its server died."""
    dpis = 2 if scenario == "service:scale_out" else 1

    def look(site: Site) -> None:
        world = json.loads((site.directory / "vim_simulated.json").read_text())
        vnfs = [json.loads(row[0]) for row in site.rows("SELECT document FROM vnf_instances")]
        services = [json.loads(row[0]) for row in site.rows("SELECT document FROM ns_instances")]
        vnfcs = [vnfc for vnf in vnfs for vnfc in vnf["vnfcs"]]
        ports = {point["port_id"] for vnfc in vnfcs for point in vnfc["connection_points"]}
        ports |= {sap["connection_point"]["port_id"] for ns in services for sap in ns["saps"]}
        assert Counter(vnfc["vdu_id"] for vnfc in vnfcs) == {"firewall": 1, "dpi": dpis, "nat": 1}
        assert {vnfc["state"] for vnfc in vnfcs} == {"STARTED"}
        assert set(world["computes"]) == {vnfc["compute_id"] for vnfc in vnfcs}
        assert {compute["state"] for compute in world["computes"].values()} == {"running"}
        assert set(world["ports"]) == ports
        reservations = [json.loads(row[0]) for row in site.rows("SELECT document FROM reservations")]
        assert len(reservations) == len(vnfcs)
        assert not [one["key"] for one in reservations if "~" in one["key"]]
        held = [(r["host"], cpu) for r in reservations for cell in r["allocation"]["cells"] for cpu in cell["cpus"]]
        assert len(held) == len(set(held))
        assert {(one["host"], len(reservations)) for one in reservations}
        assert sorted(one["host"] for one in reservations) == sorted(vnfc["host"] for vnfc in vnfcs)
        for plan in (ns["plan"] for ns in services):
            planned = {v["reservation_id"] for vnf in plan["vnfs"] for v in vnf["vnfcs"]}
            assert planned == {one["id"] for one in reservations}
        chains = [json.loads(row[0]) for row in site.rows("SELECT document FROM chains")]
        assert {chain["state"] for chain in chains} == {"active"}
        web = next(chain for chain in chains if chain["name"] == "web")
        dpi = [f for f in web["spec"]["functions"] if f["name"].startswith("dpi")]
        assert len(dpi) == dpis
        assert set(site.states().values()) == {"COMPLETED"}
        snapshots = [json.loads(row[0]) for row in site.rows("SELECT document FROM vnf_snapshots")]
        assert set(world.get("snapshots", ())) == {vnfc["id"] for one in snapshots for vnfc in one["vnfcs"]}

    return look


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("scenario", "share"),
    [("service:scale_out", 0.75), ("service:scale_in", 0.3), ("service:move", 0.5), ("service:go_back", 0.6)],
)
def test_an_operation_survives_a_kill(copies, counts, templates: dict[str, Path], scenario: str, share: float) -> None:
    kill_at(copies(templates[scenario]), scenario, judge(scenario), share, counts[scenario])


@pytest.mark.deep
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("part", range(10))
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_an_operation_survives_a_kill_at_every_point(
    copies: Callable[[Path], MakeSite], counts, templates: dict[str, Path], scenario: str, part: int
) -> None:
    make = copies(templates[scenario])
    look, count, failures = judge(scenario), counts[scenario], []
    for number in range(1 + part, count - 4, 10):
        site = make()
        try:
            site.die_and_live_again(scenario, number)
            assert site.unfinished_workflows() == 0
            look(site)
        except AssertionError as error:
            failures.append(f"point {number} of {count}: {error}\n{site.log()}")
        shutil.rmtree(site.directory)
    assert failures == []
