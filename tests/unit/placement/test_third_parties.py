"""A package of somebody else adds a filter and a score through entry points, without touching ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from mano.placement.engine import Extensions
from tests.unit.placement.world import host, solve, vdu

MODULE = '''
from mano.placement.filters import Refusal


def licensed(host, vdu):
    """The vendor's VDUs run on hosts with the vendor's label alone."""
    if vdu.id.startswith("acme") and host.host.labels.get("acme") != "yes":
        return Refusal("ACME_LICENCE", {"ACME_LICENCE": 1})
    return None


def warmth(host, vdu, fit):
    return int(host.host.labels.get("celsius", "20"))
'''
METADATA = "Metadata-Version: 2.1\nName: acme-placement\nVersion: 1.0\n"
ENTRY_POINTS = """
[catena.placement.filters]
licensed = acme_placement:licensed

[catena.placement.scores]
warmth = acme_placement:warmth
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A directory where the package is installed."""
    (tmp_path / "acme_placement.py").write_text(dedent(MODULE))
    information = tmp_path / "acme_placement-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


@pytest.fixture
def acme(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "acme_placement", raising=False)


def test_nothing_is_installed_by_itself() -> None:
    assert Extensions.installed() == Extensions()


@pytest.mark.usefixtures("acme")
def test_a_filter_refuses_under_its_own_code_after_ours() -> None:
    world = [host("a"), host("b", labels={"acme": "yes"}, state="down"), host("c", labels={"acme": "yes"})]
    assert solve(world, vdu("acme-1"))["placements"]["acme-1"]["host"] == "c"
    assert solve(world, vdu("other"))["placements"]["other"]["host"] == "a"
    (refusal,) = solve(world[:2], vdu("acme-1"))["unplaced"].values()
    assert refusal["reasons"] == {"HOST_STATE": 1, "ACME_LICENCE": 1}


@pytest.mark.usefixtures("acme")
def test_a_score_decides_between_what_costs_the_same() -> None:
    world = [host("a", labels={"celsius": "60"}), host("b", labels={"celsius": "30"})]
    assert solve(world, vdu())["placements"]["v"]["host"] == "b"
    assert solve([*world, host("z", allocations=[{"id": "x"}])], vdu())["placements"]["v"]["host"] == "z"
    assert solve(world, vdu(), extensions=Extensions())["placements"]["v"]["host"] == "a"


def test_the_command_line_finds_them_too(site: Path, tmp_path: Path) -> None:
    both = tmp_path / "both.yaml"
    both.write_text(
        "{kind: Inventory, hosts: [{name: h, numaNodes: [{id: 0, cores: [[0]], memoryMib: 9}]}]}\n---\n"
        "{kind: PlacementRequest, vdus: [{id: acme-1, vcpus: 1, memoryMib: 1}]}\n"
    )
    words = [sys.executable, "-m", "mano.cli", "place", "plan", "--inventory", str(both), "--request", str(both)]
    ended = subprocess.run(
        words, env={"PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 3 and "ACME_LICENCE on 1" in ended.stderr
