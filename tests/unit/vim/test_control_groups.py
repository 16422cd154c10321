"""Control groups of both versions, on directories that look like theirs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from mano.adapters.vim_local.cgroups import ControlGroups, Limits, cpu_list

LIMITS = Limits(cpus=(3, 1), nodes=(0,), memory_mib=256)


def version_1(tmp_path: Path, controllers: Iterable[str] = ("cpuset", "memory", "pids")) -> ControlGroups:
    lines = []
    for name in controllers:
        root = tmp_path / name
        root.mkdir()
        if name == "cpuset":
            for place in (root, root / "cat-t", root / "cat-t" / "v-1"):
                place.mkdir(exist_ok=True)
                (place / "cpuset.cpus").write_text("0-3\n" if place == root else "\n")
                (place / "cpuset.mems").write_text("0\n" if place == root else "\n")
        lines.append(f"cgroup {root} cgroup rw,relatime,{name} 0 0")
    mounts = tmp_path / "mounts"
    mounts.write_text("\n".join(["proc /proc proc rw 0 0", *lines]) + "\n")
    return ControlGroups("cat-t", mounts)


def version_2(tmp_path: Path, controllers: str = "cpuset cpu memory pids") -> ControlGroups:
    root = tmp_path / "unified"
    (root / "cat-t").mkdir(parents=True)
    (root / "cgroup.controllers").write_text(controllers + "\n")
    for place in (root, root / "cat-t"):
        (place / "cgroup.subtree_control").write_text("\n")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"cgroup2 {root} cgroup2 rw,nosuid 0 0\n")
    return ControlGroups("cat-t", mounts)


def content(path: Path) -> str:
    return path.read_text().strip()


def test_version_1_limits_in_each_hierarchy(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    made = groups.make("v-1", LIMITS)
    assert made.refused == {}
    assert {path.parent.parent.parent.name for path in made.process_files} == {"cpuset", "memory", "pids"}
    assert content(tmp_path / "cpuset/cat-t/v-1/cpuset.cpus") == "1,3"
    assert content(tmp_path / "cpuset/cat-t/v-1/cpuset.mems") == "0"
    assert content(tmp_path / "cpuset/cat-t/cpuset.cpus") == "0-3"
    assert content(tmp_path / "memory/cat-t/v-1/memory.limit_in_bytes") == str(256 << 20)
    assert int(content(tmp_path / "pids/cat-t/v-1/pids.max")) > 0
    assert groups.memory_limit_mib("v-1") == 256
    assert groups.members() == ["v-1"]


def test_version_2_delegates_and_limits_in_one_group(tmp_path: Path) -> None:
    groups = version_2(tmp_path)
    made = groups.make("v-1", LIMITS)
    group = tmp_path / "unified/cat-t/v-1"
    assert made.refused == {}
    assert made.process_files == (group / "cgroup.procs",)
    assert content(tmp_path / "unified/cgroup.subtree_control").startswith("+")
    assert content(tmp_path / "unified/cat-t/cgroup.subtree_control").startswith("+")
    assert content(group / "memory.max") == str(256 << 20)
    assert content(group / "cpuset.cpus") == "1,3"
    assert groups.memory_limit_mib("v-1") == 256


def test_a_missing_controller_is_told_and_the_others_work(tmp_path: Path) -> None:
    made = version_1(tmp_path, ["pids"]).make("v-1", LIMITS)
    assert set(made.refused) == {"cpuset", "memory"}
    assert "no memory control group" in made.refused["memory"]
    assert len(made.process_files) == 1


def test_a_controller_that_refuses_is_told(tmp_path: Path) -> None:
    groups = version_2(tmp_path, "memory")
    (tmp_path / "unified/cgroup.subtree_control").unlink()
    (tmp_path / "unified/cgroup.subtree_control").mkdir()
    made = groups.make("v-1", LIMITS)
    assert "refuses" in made.refused["memory"]
    assert made.process_files == ()
    assert groups.memory_limit_mib("v-1") is None


def test_no_limit_is_told_from_a_limit(tmp_path: Path) -> None:
    groups = version_2(tmp_path)
    groups.make("v-1", LIMITS)
    (tmp_path / "unified/cat-t/v-1/memory.max").write_text("max\n")
    assert groups.memory_limit_mib("v-1") is None
    assert groups.memory_limit_mib("v-2") is None


def test_version_1_s_number_for_no_limit_is_none(tmp_path: Path) -> None:
    groups = version_1(tmp_path)
    groups.make("v-1", LIMITS)
    (tmp_path / "memory/cat-t/v-1/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert groups.memory_limit_mib("v-1") is None


@pytest.mark.parametrize(("kills", "expected"), [("0", False), ("1", True), ("12", True)])
def test_an_end_for_want_of_memory_is_seen(tmp_path: Path, kills: str, expected: bool) -> None:
    groups = version_2(tmp_path)
    groups.make("v-1", LIMITS)
    (tmp_path / "unified/cat-t/v-1/memory.events").write_text(f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {kills}\n")
    assert groups.ran_out_of_memory("v-1") is expected
    assert not groups.ran_out_of_memory("v-9")


def test_processes_of_all_hierarchies_are_found_once(tmp_path: Path) -> None:
    groups = version_1(tmp_path, ["memory", "pids"])
    groups.make("v-1", LIMITS)
    (tmp_path / "memory/cat-t/v-1/cgroup.procs").write_text("11\n12\n")
    (tmp_path / "pids/cat-t/v-1/cgroup.procs").write_text("12\n13\n")
    assert groups.processes("v-1") == [11, 12, 13]
    assert groups.processes("v-2") == []


def test_a_machine_without_control_groups_accounts_for_everything(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    groups = ControlGroups("cat-t", tmp_path / "mounts")
    assert set(groups.make("v-1", LIMITS).refused) == {"cpuset", "memory", "pids"}
    assert not groups.members()
    assert not groups.directories()
    assert not groups.processes("v-1")
    groups.remove("v-1")


def test_cpu_lists_are_sorted_without_doubles() -> None:
    assert cpu_list((5, 1, 5, 0)) == "0,1,5"
