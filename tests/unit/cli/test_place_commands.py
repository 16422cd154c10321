"""`mano place` without a server: plans, what-ifs and proposals, and how they end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mano.cli.commands import mano
from tests.unit.placement.world import allocation, host, node, vdu


def run(*words: object, code: int = 0, stdin: str | None = None) -> Result:
    result = CliRunner().invoke(mano, ["place", *(str(word) for word in words)], input=stdin)
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    return result


def planned(*words: object, code: int = 0) -> dict[str, Any]:
    document = json.loads(run(*words, "-o", "json", code=code).stdout)
    assert isinstance(document, dict)
    return document


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Two hosts, and two VDUs that fill one of them."""
    inventory, request = tmp_path / "hosts.json", tmp_path / "vdus.json"
    inventory.write_text(json.dumps({"hosts": [host("h1", nodes=[node(cores=2)]), host("h2", nodes=[node(cores=2)])]}))
    request.write_text(json.dumps({"vdus": [vdu("a"), vdu("b")]}))
    return inventory, request


def test_a_plan_prints_the_contract_and_nothing_else(files: tuple[Path, Path]) -> None:
    result = planned("plan", "--inventory", files[0], "--request", files[1])
    assert list(result) == ["placements", "chains", "objective", "unplaced", "decisionMs"]
    assert {one["host"] for one in result["placements"].values()} == {"h1"}
    assert result["objective"] == {"cost": 1000, "hostsOpened": 1, "crossNumaVfs": 0, "chainHops": 0}
    assert isinstance(result["decisionMs"], float)


def test_the_best_plan_is_the_same_for_the_same_rounds(files: tuple[Path, Path]) -> None:
    words = ("--inventory", files[0], "--request", files[1], "--optimize", "best", "--iterations", 3)
    first, second = (planned("plan", *words, "--time-limit", 30) for _ in range(2))
    assert {**first, "decisionMs": 0} == {**second, "decisionMs": 0}
    assert first["objective"]["cost"] == 1000


def test_what_if_a_host_were_missing_or_there(files: tuple[Path, Path], tmp_path: Path) -> None:
    words = ("plan", "--inventory", files[0], "--request", files[1])
    moved = planned(*words, "--without", "h1")
    assert {one["host"] for one in moved["placements"].values()} == {"h2"}
    refused = planned(*words, "--without", "h1", "--without", "h2", code=3)
    assert set(refused["unplaced"]) == {"a", "b"} and refused["unplaced"]["a"]["hosts"] == 0
    more = tmp_path / "more.json"
    more.write_text(json.dumps({"hosts": [host("a0", nodes=[node(cores=2)], allocations=[allocation("x")])]}))
    assert planned(*words, "--with", more)["objective"]["cost"] == 0
    alone = planned(*words, "--with", more, "--without", "h1", "--without", "h2")
    assert {one["host"] for one in alone["placements"].values()} == {"a0"}
    assert "leave out" in run(*words, "--without", "h9", code=1).stderr
    assert json.loads(files[0].read_text())["hosts"][0]["name"] == "h1"


def test_a_table_tells_reasons_on_stderr(files: tuple[Path, Path]) -> None:
    refused = run("plan", "--inventory", files[0], "--request", files[1], "--without", "h1", "--without", "h2", code=3)
    assert "unplaced: a: none of 0 hosts" in refused.stderr and "cost 0" in refused.stdout


@pytest.mark.parametrize("limit", ["0", "-1", "nan", "1e9"])
def test_a_time_limit_is_a_time(files: tuple[Path, Path], limit: str) -> None:
    run("plan", "--inventory", files[0], "--request", files[1], "--time-limit", limit, code=2)


@pytest.fixture
def spread(tmp_path: Path) -> tuple[Path, Path]:
    """One VDU on each of two hosts that could hold both."""
    inventory, request = tmp_path / "hosts.json", tmp_path / "vdus.json"
    hosts = [host(f"h{n}", allocations=[allocation(f"v{n}", cpus=[0, 50], memory=1024)]) for n in range(2)]
    inventory.write_text(json.dumps({"hosts": hosts}))
    request.write_text(json.dumps({"vdus": [vdu("v0"), vdu("v1")]}))
    return inventory, request


def test_moves_are_proposed_with_their_gain(spread: tuple[Path, Path]) -> None:
    words = ("rebalance", "--inventory", spread[0], "--request", spread[1], "--iterations", 4)
    proposal = planned(*words)
    assert proposal["gain"] == 1000 and len(proposal["moves"]) == 1 and proposal["unplaced"] == {}
    assert planned(*words, "--dry-run", code=10)["moves"] == proposal["moves"]
    told = run(*words).stdout
    assert "gain 1000" in told and proposal["moves"][0]["to"]["host"] in told


def test_a_host_can_be_emptied_on_paper(spread: tuple[Path, Path]) -> None:
    words = ("rebalance", "--inventory", spread[0], "--request", spread[1], "--iterations", 2)
    (move,) = planned(*words, "--without", "h0")["moves"]
    assert (move["vdu"], move["from"], move["to"]["host"]) == ("v0", "h0", "h1")
    nowhere = planned(*words, "--without", "h0", "--without", "h1", code=3)
    assert set(nowhere["unplaced"]) == {"v0", "v1"} and nowhere["unplaced"]["v0"]["reasons"] == {"HOST_STATE": 2}
    run(*words, "--without", "h9", code=1)
    run("rebalance", "--inventory", spread[0], code=2)


def test_both_documents_may_come_from_stdin() -> None:
    both = "\n---\n".join(
        json.dumps(one)
        for one in ({"kind": "Inventory", "hosts": [host("h1")]}, {"kind": "PlacementRequest", "vdus": [vdu("a")]})
    )
    assert run("plan", "--inventory", "-", "--request", "-", "-o", "name", stdin=both).stdout == "a\n"
