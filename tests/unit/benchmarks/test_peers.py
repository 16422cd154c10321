"""The comparisons with others: what they hand over, and that they say when a peer is not there."""

from __future__ import annotations

import shutil
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import networkx as nx
import pytest

from benchmarks import against_lstopo, bench_placement_peers
from benchmarks.bench_placement_peers import Nova, nova_hosts
from benchmarks.run import main
from benchmarks.virne_adapter import Embedding, node_of
from dpdk_helpers.sysfs import discover
from mano.placement import inventory_from_document
from tests.plugins.tiers import skip_for_want_of
from tests.unit.dpdk_helpers.fake_sysfs import FakeSysfs
from tests.unit.dpdk_helpers.test_sysfs import two_nodes

SKIPPING = """
from benchmarks.harness import Skipped, benchmark

@benchmark("a peer")
def peer():
    raise Skipped("it is not installed")
    yield
"""

HOST = {
    "name": "h1",
    "numaNodes": [
        {"id": 0, "socket": 0, "cores": [[0, 2], [1, 3]], "memoryMib": 4096, "hugepages": {"2048": 512}},
    ],
    "reservedCpus": [0],
    "nics": [{"name": "e", "pci": "0000:01:00.0", "numaNode": 0, "physnet": "dc1", "totalVfs": 4}],
    "allocations": [
        {
            "id": "a",
            "cells": [{"node": 0, "cpus": [3], "memoryMib": 256, "pageSizeKib": 2048}],
            "interfaces": {"e": {"pci": "0000:01:00.0", "vfs": [0], "node": 0}},
        }
    ],
}


def test_a_peer_that_is_not_there_is_skipped_visibly(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bench_it.py").write_text(SKIPPING)
    assert main([], tmp_path) == 0
    assert "skipped: it is not installed" in capsys.readouterr().out
    monkeypatch.delenv(bench_placement_peers.PYTHON, raising=False)
    assert bench_placement_peers.main(["--hosts", "4", "--decisions", "1"]) == 0
    assert "skipped: no Nova" in capsys.readouterr().out


def test_hosts_are_described_to_nova_with_their_load() -> None:
    (told,) = nova_hosts(inventory_from_document({"hosts": [HOST]}))
    (node,) = told["nodes"]
    assert (node["cpus"], node["pinned"], node["siblings"]) == ([1, 2, 3], [3], [[2], [1, 3]])
    assert node["pages"] == [[4, (4096 - 1024) * 256, 0], [2048, 512, 128]]
    assert told["pools"] == [{"node": 0, "physnet": "dc1", "count": 3}]


def test_a_python_without_nova_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Nova(sys.executable, inventory_from_document({"hosts": [HOST]})) as nova,
        pytest.raises((RuntimeError, BrokenPipeError)),
    ):
        nova.run()
    assert "nova" in capfd.readouterr().err


def test_captures_are_compared_field_by_field(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(against_lstopo.LSTOPO) is None:
        skip_for_want_of("lstopo of the package hwloc")
    fake = two_nodes(FakeSysfs(tmp_path / "made"))
    fake.pci("0000:3b:00.0", node=1, driver="i40e", interfaces=["ens1f0"], total_vfs=64)
    fake.vf("0000:3b:00.0", 0, "0000:3b:02.0", driver="iavf")
    for cpu in range(8):
        packages = [other for other in range(8) if other % 4 // 2 == cpu % 4 // 2]
        fake.cpu(
            cpu,
            siblings=(cpu % 4, cpu % 4 + 4),
            package=cpu % 4 // 2,
            core_id=cpu % 2,
            package_cpus=packages,
            lists=False,
        )
    for node, cpus in ((0, "33"), (1, "cc")):
        fake.write(f"devices/system/node/node{node}/cpumap", cpus)
    fake.link("class/net/ens1f0", "../../devices/pci0000:00/0000:3b:00.0/net/ens1f0")
    fake.link("devices/pci0000:00/0000:3b:00.0/net/ens1f0/device", "../../../0000:3b:00.0")
    (fake.proc / "cpuinfo").write_text("")
    directory = tmp_path / "captures"
    directory.mkdir()
    with tarfile.open(directory / "one.tar.bz2", "w:bz2") as archive:
        archive.add(tmp_path / "made", "one")
    shutil.copytree(tmp_path / "made", directory / "two", symlinks=True)
    assert against_lstopo.main([str(directory)]) == 0
    assert "2 of 2 captures agree" in capsys.readouterr().out
    monkeypatch.setattr("benchmarks.against_lstopo.discover", lambda *_: discover("/sys"))
    assert against_lstopo.main([str(directory), "--json", str(tmp_path / "told.json")]) == 1
    assert "0 of 2 captures agree" in capsys.readouterr().out
    assert "NUMA nodes" in (tmp_path / "told.json").read_text()


def test_archives_do_not_write_outside(tmp_path: Path) -> None:
    archive = tmp_path / "captures" / "bad.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as made:
        for name in ("../outside", "/tmp/cat-outside", "bad/sys/devices/system/cpu/online"):
            made.addfile(tarfile.TarInfo(name))
    names = [name for name, _ in against_lstopo.captures(archive.parent, tmp_path / "scratch")]
    assert names == ["bad"]
    assert not (tmp_path / "outside").exists() and not Path("/tmp/cat-outside").exists()


class Network(nx.Graph):
    """As much of virne's networks as the adapter looks at."""

    @property
    def links(self) -> Any:
        return self.edges


def network(cpu: int, bandwidth: int, edges: Sequence[tuple[int, int]]) -> Network:
    made = Network()
    made.add_edges_from(edges, bw=bandwidth)
    for node in made.nodes:
        made.nodes[node]["cpu"] = cpu
    return made


def test_the_engine_embeds_a_virtual_network() -> None:
    physical = network(10, 30, [(a, (a + 1) % 12) for a in range(12)])
    embedding = Embedding(physical, network(8, 20, [(0, 1), (1, 2)]))
    plans = list(embedding.plans(3))
    assert len(plans) == 3
    for plan in plans:
        assert len(set(plan.hosts.values())) == 3, "each virtual node has a physical one of its own"
        for (a, b), path in embedding.paths(plan).items():
            assert (path[0][0], path[-1][1]) == (node_of(plan.hosts[f"v{a}"]), node_of(plan.hosts[f"v{b}"]))
            assert all(physical.has_edge(*step) for step in path)
    assert min(map(embedding.bandwidth, plans)) == 40, "neighbours lie on neighbours"
    assert list(Embedding(physical, network(11, 1, [(0, 1)])).plans(3)) == []
    assert list(Embedding(physical, network(1, 31, [(0, 1)])).plans(3)) == []
