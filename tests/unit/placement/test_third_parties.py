"""A package of somebody else adds a filter, a score and a fit through entry points, without touching ours."""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from textwrap import dedent

import pytest
from click.testing import CliRunner, Result

from mano.cli.commands import mano
from mano.errors import PluginError
from mano.placement import Planner, inventory_from_document, plugins, request_from_document
from mano.placement.parts import Parts
from tests.unit.placement.world import cpus_of, host, node, placed, solve, vdu

MODULE = '''
from dataclasses import replace

from mano.placement.filters import Refusal
from mano.placement.numa import fit


def licensed(host, vdu):
    """The vendor's VDUs run on hosts with the vendor's label alone."""
    if vdu.id.startswith("acme") and host.host.labels.get("acme") != "yes":
        return Refusal("ACME_LICENCE", {"ACME_LICENCE": 1})
    return None


def warmth(proposal):
    return int(proposal.host.host.labels.get("celsius", "20"))


def from_the_top(host, vdu, rules, *, effort=None):
    """The vendor's VDUs of one vCPU take the last free CPU of their node."""
    found = fit(host, vdu, rules, effort=effort) if vdu.id.startswith("acme-top") else None
    if found is None:
        return None
    (cell,) = found.allocation.cells
    (node,) = (node for node in host.nodes if node.id == cell.node)
    cpu = node.free.bit_length() - 1
    allocation = replace(found.allocation, cells=(replace(cell, cpus=(cpu,)),), vcpu_pins={0: cpu})
    return replace(found, allocation=allocation)


def raises(*_, **__):
    raise KeyError("no licence server")


def ends(*_, **__):
    return "well"


def greedy(host, vdu, rules, *, effort=None):
    """A fit that sells what others hold."""
    found = fit(host, vdu, rules)
    (cell,) = found.allocation.cells
    taken = host.held[0].cells[0].cpus[: vdu.vcpus]
    return replace(found, allocation=replace(found.allocation, cells=(replace(cell, cpus=taken),)))
'''
METADATA = "Metadata-Version: 2.1\nName: acme-placement\nVersion: 1.0\n"
ENTRY_POINTS = """
[catena.placement.filters]
licensed = acme_placement:licensed

[catena.placement.scores]
warmth = acme_placement:warmth

[catena.placement.fits]
from_the_top = acme_placement:from_the_top
"""


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory where the package is installed."""
    (tmp_path / "acme_placement.py").write_text(dedent(MODULE))
    information = tmp_path / "acme_placement-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(METADATA)
    (information / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "acme_placement", raising=False)
    return tmp_path


def register(site: Path, text: str) -> None:
    """Have the package register something else."""
    (site / "acme_placement-1.0.dist-info" / "entry_points.txt").write_text(text)


def test_ours_are_entry_points_too_in_the_order_of_the_contract():
    parts = Parts.installed()
    assert [one.name for one in parts.filters] == [
        *("host_state", "label", "zone", "cpu_dedicated", "cpu_shared", "thread_policy", "memory", "pages"),
        *("numa_cells", "storage", "physnet", "vf", "nic_numa", "bandwidth"),
    ]
    assert [one.name for one in parts.scores] == [
        *("cost", "softGroupsBroken", "brokenCores", "strandedPagesMib", "strandedVfs", "packing")
    ]
    assert [one.name for one in parts.fits] == ["numa"]
    assert parts == parts.ours() and Parts.installed() is parts


def test_what_is_installed_is_what_is_declared():
    """The metadata of the installation and the checkout's own declaration, which stands in where there is none."""
    declared = tomllib.loads(plugins.CHECKOUT.read_text())["project"]["entry-points"]
    installed = {(point.group, point.name, point.value) for point in distribution("catena-mano").entry_points}
    for group in ("filters", "scores", "fits"):
        points = declared[f"catena.placement.{group}"]
        assert points and {(f"catena.placement.{group}", *point) for point in points.items()} <= installed


@pytest.mark.usefixtures("site")
def test_a_filter_refuses_under_its_own_code_after_ours():
    world = [host("a"), host("b", labels={"acme": "yes"}, state="down"), host("c", labels={"acme": "yes"})]
    assert solve(world, vdu("acme-1"))["placements"]["acme-1"]["host"] == "c"
    assert solve(world, vdu("other"))["placements"]["other"]["host"] == "a"
    (refusal,) = solve(world[:2], vdu("acme-1"))["unplaced"].values()
    assert refusal["reasons"] == {"HOST_STATE": 1, "ACME_LICENCE": 1}


@pytest.mark.usefixtures("site")
def test_a_score_decides_between_what_costs_the_same_and_is_told():
    world = [host("a", labels={"celsius": "60"}), host("b", labels={"celsius": "30"})]
    assert solve(world, vdu())["placements"]["v"]["host"] == "b"
    assert solve([*world, host("z", allocations=[{"id": "x"}])], vdu())["placements"]["v"]["host"] == "z"
    assert solve(world, vdu(), parts=Parts.installed().ours())["placements"]["v"]["host"] == "a"
    inventory, request = inventory_from_document({"hosts": world}), request_from_document({"vdus": [vdu()]})
    decision = Planner(inventory).plan(request).decisions["v"]
    assert (decision.score["warmth"], decision.runner_up_score["warmth"]) == (30, 60)
    assert list(decision.score)[:3] == ["cost", "softGroupsBroken", "warmth"]


@pytest.mark.usefixtures("site")
def test_a_fit_is_asked_before_ours_and_may_leave_the_matter_to_it():
    world = host(labels={"acme": "yes"}, nodes=[node(cores=4)])
    assert cpus_of(placed(world, vdu("acme-top", vcpus=1))) == [[53]]
    assert cpus_of(placed(world, vdu("acme-1", vcpus=1))) == [[0]]
    both = placed(world, [vdu("acme-top1", vcpus=1), vdu("acme-top2", vcpus=1)])
    assert [cpus_of(both[one]) for one in ("acme-top1", "acme-top2")] == [[[53]], [[52]]]


BROKEN = {
    "raises": ("[catena.placement.filters]\nx = acme_placement:raises", "failed: KeyError: 'no licence server'"),
    "a wrong answer": ("[catena.placement.filters]\nx = acme_placement:ends", "answered 'well' instead of Refusal"),
    "a wrong number": ("[catena.placement.scores]\nx = acme_placement:ends", "answered 'well' instead of int"),
    "no such module": ("[catena.placement.scores]\nx = acme_nowhere:warmth", "cannot be loaded from 'acme_nowhere:"),
    "no such function": ("[catena.placement.fits]\nx = acme_placement:nowhere", "cannot be loaded from"),
    "no function": ("[catena.placement.fits]\nx = acme_placement:__name__", "is no function"),
    "overbooking": ("[catena.placement.fits]\nx = acme_placement:greedy", "that is not free on the host"),
    "no entry point": ("[catena.placement.fits]\nx = ", "x"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_one_is_named_and_only_decisions_fail(site, fault):
    """A planner over it can be made and goes on as soon as the package is gone."""
    text, told = BROKEN[fault]
    register(site, text)
    busy = host(allocations=[{"id": "old", "cells": [{"node": 0, "cpus": [0, 50]}]}])
    planner = Planner(inventory_from_document({"hosts": [busy]}))
    request = request_from_document({"vdus": [vdu()]})
    with pytest.raises(PluginError) as caught:
        planner.plan(request)
    assert "acme-placement" in caught.value.detail and told in caught.value.detail
    assert caught.value.facts["distribution"] == "acme-placement" and "uninstall" in caught.value.hint
    sys.path.remove(str(site))
    assert planner.plan(request).complete


def test_a_name_of_ours_in_other_hands_neither_replaces_nor_reorders(site):
    register(site, "[catena.placement.filters]\nhost_state = acme_placement:licensed\n")
    world = [host("a", state="down"), host("b")]
    (refusal,) = solve(world, vdu("acme-1"))["unplaced"].values()
    assert refusal["reasons"] == {"HOST_STATE": 1, "ACME_LICENCE": 1}


def test_metadata_of_others_that_cannot_be_read_is_nobody_s_part(site):
    (site / "acme_placement-1.0.dist-info" / "entry_points.txt").write_bytes(b"\xff\xfe[catena.placement.filters]")
    assert Parts.installed() == Parts.installed().ours()


def test_a_checkout_without_an_installation_is_read_from_its_own_declaration(site, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(site)])
    assert [one.name for one in Parts.installed().fits] == ["from_the_top", "numa"]
    monkeypatch.setattr(plugins, "CHECKOUT", site / "pyproject.toml")
    monkeypatch.setattr(sys, "path", [str(site), str(site)])
    with pytest.raises(PluginError, match=r"nothing of catena.placement.\w+ is registered by .* catena-mano"):
        Parts.installed()


def planned(tmp_path: Path) -> Result:
    """What `mano place plan` says of a VDU of the vendor's."""
    both = tmp_path / "both.yaml"
    both.write_text(
        "{kind: Inventory, hosts: [{name: h, numaNodes: [{id: 0, cores: [[0]], memoryMib: 9}]}]}\n---\n"
        "{kind: PlacementRequest, vdus: [{id: acme-1, vcpus: 1, memoryMib: 1}]}\n"
    )
    return CliRunner().invoke(mano, ["place", "plan", "--inventory", str(both), "--request", str(both)])


@pytest.mark.usefixtures("site")
def test_the_command_line_finds_them_too(tmp_path):
    ended = planned(tmp_path)
    assert ended.exit_code == 3 and "ACME_LICENCE on 1" in ended.stderr


def test_the_command_line_tells_which_one_is_broken(site, tmp_path):
    register(site, BROKEN["raises"][0])
    ended = planned(tmp_path)
    assert ended.exit_code == 1 and "'x' (catena.placement.filters) of acme-placement failed" in ended.stderr
