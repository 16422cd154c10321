"""`mano host doctor` and `prepare` on copies of /sys; this machine is never changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from dpdk_helpers.pci import SysfsWrite
from mano.cli.exits import Failure
from mano.cli.host_preparation import Ground, run_command
from mano.cli.hosts import host
from tests.unit.cli.test_discovery import two_sockets
from tests.unit.dpdk_helpers.fake_sysfs import FakeSysfs

PAGES = "devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages"
NUMVFS = "bus/pci/devices/0000:3b:00.0/sriov_numvfs"


@pytest.fixture
def tree(tmp_path: Path) -> FakeSysfs:
    made = two_sockets(tmp_path)
    made.write("devices/pci0000:00/0000:3b:00.0/sriov_numvfs", 1)
    (made.proc / "cmdline").write_text("quiet")
    return made


def run(tree: FakeSysfs, verb: str, *arguments: str) -> Result:
    return CliRunner().invoke(host, [verb, *arguments, "--sysfs-root", str(tree.root), "-o", "json"])


def steps(result: Result) -> list[str]:
    return [row["step"] for row in json.loads(result.stdout)]


def test_the_doctor_tells_what_is_there_and_what_is_not(tree: FakeSysfs) -> None:
    result = run(tree, "doctor")
    assert result.exit_code == 0
    found = {row["name"]: row for row in json.loads(result.stdout)}
    assert found["CPUs"]["detail"].endswith("node 0: 0,2,4,6, node 1: 1,3,5,7")
    assert not found["isolated CPUs"]["there"] and not found["IOMMU"]["there"] and not found["vfio-pci"]["there"]
    assert "node 1: 9 of 1024 of 2048 KiB free" in found["huge pages"]["detail"]
    assert "0000:3b:00.0 (i40e): 1 of 64 VFs made" in found["SR-IOV"]["detail"]
    assert not found["NUMA nodes of NICs"]["there"] and "0000:5e:00.0" in found["NUMA nodes of NICs"]["detail"]


def test_a_host_that_has_everything_is_well(tree: FakeSysfs) -> None:
    tree.write("devices/system/cpu/isolated", "1-3,5-7")
    tree.write("devices/system/cpu/nohz_full", "1-3,5-7")
    tree.write("class/iommu/dmar0/x", "")
    tree.write("bus/pci/drivers/vfio-pci/x", "")
    tree.write("devices/pci0000:00/0000:5e:00.0/numa_node", 0)
    assert all(row["there"] for row in json.loads(run(tree, "doctor").stdout))
    ready = run(tree, "prepare", "--dry-run")
    assert (ready.exit_code, steps(ready)) == (0, [])


def test_a_dry_run_tells_and_touches_nothing(tree: FakeSysfs) -> None:
    result = run(tree, "prepare", "--dry-run", "--hugepages", "0:2048=2000", "--vfs", "0000:3b:00.0=4")
    assert result.exit_code == 10
    assert f"write 2000 to {PAGES}" in steps(result)
    assert f"write 4 to {NUMVFS}" in steps(result)
    assert any("isolcpus=1-3,5-7" in step for step in steps(result))
    assert (tree.root / PAGES).read_text() == "1024\n" and (tree.root / NUMVFS).read_text() == "1\n"


def test_preparing_writes_what_disturbs_nobody(tree: FakeSysfs) -> None:
    tree.write("class/iommu/dmar0/x", "")
    result = run(tree, "prepare", "--hugepages", "0:2048=2000", "--vfs", "0000:3b:00.0=4", "--isolate", "")
    assert result.exit_code == 1, "the VFs that exist may be in use"
    assert (tree.root / PAGES).read_text() == "2000\n" and (tree.root / NUMVFS).read_text() == "1\n"
    assert steps(result) == [f"write 0 to {NUMVFS}", f"write 4 to {NUMVFS}"]
    assert "done: node 0 has 1024 pages" in result.stderr
    forced = run(tree, "prepare", "--vfs", "0000:3b:00.0=4", "--isolate", "", "--force")
    assert (tree.root / NUMVFS).read_text() == "4\n" and forced.exit_code == 1
    again = run(tree, "prepare", "--hugepages", "0:2048=2000", "--isolate", "")
    assert (again.exit_code, steps(again)) == (0, []) and "ready" in again.stderr


def test_an_inventory_is_a_promise(tree: FakeSysfs, tmp_path: Path) -> None:
    printed = CliRunner().invoke(host, ["discover", "--sysfs-root", str(tree.root), "--name", "h1", "-o", "json"])
    document: dict[str, Any] = json.loads(printed.stdout)
    (promised,) = document["hosts"]
    promised |= {"reservedCpus": [0, 4, 1], "sharedCpus": [5], "vswitch": {"datapath": "netdev", "nodes": [1]}}
    promised["nics"] = [nic | {"totalVfs": 8} for nic in promised["nics"] if nic["pci"] == "0000:5e:00.0"]
    file = tmp_path / "inventory.json"
    file.write_text(json.dumps(document))
    result = run(tree, "prepare", str(file), "--dry-run", "--vf-driver", "vfio-pci")
    assert result.exit_code == 10
    assert steps(result) == [
        "add to the kernel's command line, and start anew: intel_iommu=on iommu=pt",
        "add to the kernel's command line, and start anew: isolcpus=2-3,6-7",
        "add to the kernel's command line, and start anew: nohz_full=2-3,6-7",
        "run modprobe vfio-pci",
        "write 8 to bus/pci/devices/0000:5e:00.0/sriov_numvfs",
        "run ovs-vsctl set Open_vSwitch . other_config:dpdk-init=true other_config:dpdk-lcore-mask=0x11 "
        'other_config:dpdk-socket-mem="0,1024" other_config:pmd-cpu-mask=0x2',
    ]
    promised["reservedCpus"] = [0, 4]
    file.write_text(json.dumps(document))
    refused = run(tree, "prepare", str(file), "--dry-run")
    assert refused.exit_code == 1 and "poll-mode thread" in refused.stderr
    assert run(tree, "prepare", str(file), "--name", "h2").exit_code == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["--hugepages", "0=1"],
        ["--hugepages", "0:2048=many"],
        ["--hugepages", "9:2048=1"],
        ["--hugepages", "0:2048=1"],
        ["--vfs", "0000:3b:00.0"],
        ["--vfs", "0000:3b:00.0=65"],
        ["--vfs", "nowhere=1"],
        ["--bind", "0000:3b:00.0=../x"],
        ["--isolate", "7-1"],
        ["--isolate", "0-99"],
    ],
)
def test_wishes_that_cannot_be_met_are_refused(tree: FakeSysfs, arguments: list[str]) -> None:
    result = run(tree, "prepare", *arguments)
    assert result.exit_code == 1 and "expected" in result.stderr
    assert (tree.root / PAGES).read_text() == "1024\n"


def test_links_do_not_lead_writes_out_of_the_root(tree: FakeSysfs, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("1\n")
    (tree.root / PAGES).unlink()
    (tree.root / PAGES).symlink_to(outside)
    with pytest.raises(OSError, match="leads out"):
        Ground(tree.root).write(SysfsWrite(PAGES, "5"))
    assert outside.read_text() == "1\n"


def test_commands_are_for_this_machine_only(tree: FakeSysfs) -> None:
    ran: list[tuple[str, ...]] = []

    def record(command: Any) -> str:
        ran.append(tuple(command))
        return ""

    ground = Ground(tree.root, run=record)
    assert not ground.is_here and ground.kernel().switch == {} and ran == []
    here = Ground(Path("/sys"), run=lambda _: '{dpdk-init="true", pmd-cpu-mask="0x2", dpdk-socket-mem="0,1024"}\n')
    assert here.kernel().switch == {"dpdk-init": "true", "pmd-cpu-mask": "0x2", "dpdk-socket-mem": "0,1024"}
    with pytest.raises(Failure, match="exit code 1"):
        run_command(["false"])
    with pytest.raises(Failure, match="no-such-program"):
        run_command(["no-such-program"])
