"""`mano host discover`: another host's /sys becomes an Inventory that placement takes."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from dpdk_helpers.sysfs import discover
from mano.cli.discovery import discover_inventory
from mano.cli.hosts import host
from mano.placement import inventory_from_document
from tests.unit.dpdk_helpers.fake_sysfs import FakeSysfs
from tests.unit.dpdk_helpers.libvirt_xml import UUID, capabilities_of, devices_of


def two_sockets(base: Path) -> FakeSysfs:
    """Two nodes of two cores with two threads each, huge pages and a NIC with VFs on node 1."""
    tree = FakeSysfs(base)
    tree.online(range(8))
    for cpu in range(8):
        node = cpu % 2
        siblings = (cpu % 4, cpu % 4 + 4)
        package_cpus = tuple(range(node, 8, 2))
        tree.cpu(cpu, siblings=siblings, package=node, package_cpus=package_cpus, core_id=cpu % 4 // 2)
    for node in range(2):
        tree.node(
            node, range(node, 8, 2), kib=16 << 20, distances="10 21" if node == 0 else "21 10", pages=[(2048, 1024, 9)]
        )
    tree.pci("0000:3b:00.0", node=1, driver="i40e", interfaces=("ens1f0",), total_vfs=64, speed=25000)
    tree.vf("0000:3b:00.0", 0, "0000:3b:02.0")
    tree.pci("0000:5e:00.0", driver="vfio-pci", total_vfs=8)
    return tree


def test_what_the_kernel_tells_becomes_an_inventory(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path)
    document = discover_inventory(str(tree.root), str(tree.proc), "h9")
    (found,) = document["hosts"]
    assert found["name"] == "h9" and found["storageGib"] == 0
    first, second = found["numaNodes"]
    assert first["cores"] == [[0, 4], [2, 6]] and second["cores"] == [[1, 5], [3, 7]]
    assert (first["socket"], second["socket"]) == (0, 1) and first["distances"] == {"0": 10, "1": 21}
    assert first["memoryMib"] == 16384 and first["hugepages"] == {"2048": 1024}
    assert first["reservedMemoryMib"] == 2048 and second["reservedMemoryMib"] == 0
    assert found["reservedCpus"] == [0, 4]
    by_pci = {nic["pci"]: nic for nic in found["nics"]}
    assert by_pci["0000:3b:00.0"]["name"] == "ens1f0" and by_pci["0000:3b:00.0"]["numaNode"] == 1
    assert by_pci["0000:3b:00.0"]["linkMbps"] == 25000 and by_pci["0000:3b:00.0"]["totalVfs"] == 64
    assert by_pci["0000:5e:00.0"]["numaNode"] is None and by_pci["0000:5e:00.0"]["totalVfs"] == 8
    assert "0000:3b:02.0" not in by_pci
    assert inventory_from_document(document).hosts[0].name == "h9"


def test_isolated_cpus_are_left_to_the_vdus(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path)
    tree.write("devices/system/cpu/isolated", "2-7")
    document = discover_inventory(str(tree.root), str(tree.proc), "h9")
    assert document["hosts"][0]["reservedCpus"] == [0, 1]


def test_the_command_prints_yaml_and_says_what_is_left_to_do(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path)
    arguments = ["discover", "--sysfs-root", str(tree.root), "--proc-root", str(tree.proc), "--name", "h9"]
    printed = CliRunner().invoke(host, [*arguments, "-o", "json"])
    assert printed.exit_code == 0 and json.loads(printed.stdout)["hosts"][0]["name"] == "h9"
    assert "physnet" in printed.stderr
    assert CliRunner().invoke(host, arguments).stdout.startswith("apiVersion: catena/v1")


def test_a_host_that_libvirt_describes_is_the_same(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path)
    topology = discover(tree.root)
    capabilities, devices = tmp_path / "capabilities.xml", tmp_path / "devices.xml"
    capabilities.write_text(capabilities_of(topology))
    devices.write_text(devices_of(topology))
    arguments = ["discover", "--libvirt-capabilities", str(capabilities), "--libvirt-nodedevs", str(devices)]
    printed = CliRunner().invoke(host, [*arguments, "--name", "h9", "-o", "json"])
    assert json.loads(printed.stdout) == discover_inventory(str(tree.root), None, "h9")
    unnamed = json.loads(CliRunner().invoke(host, [*arguments, "-o", "json"]).stdout)
    assert unnamed["hosts"][0]["name"] == UUID


def test_what_libvirt_does_not_print_is_told(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xml"
    bomb.write_text("<!DOCTYPE x [<!ENTITY a 'b'>]><capabilities>&a;</capabilities>")
    refused = CliRunner().invoke(host, ["discover", "--libvirt-capabilities", str(bomb)])
    assert refused.exit_code == 1 and "document type" in refused.stderr and "virsh" in refused.stderr
    lonely = CliRunner().invoke(host, ["discover", "--libvirt-nodedevs", str(bomb)])
    assert lonely.exit_code == 2 and "--libvirt-capabilities" in lonely.stderr


def test_the_files_beside_the_sysfs_are_those_of_the_same_host(tmp_path: Path) -> None:
    tree = two_sockets(tmp_path)
    (tree.proc / "cmdline").write_text("isolcpus=4-7")
    printed = CliRunner().invoke(host, ["discover", "--sysfs-root", str(tree.root), "-o", "json"])
    assert json.loads(printed.stdout)["hosts"][0]["reservedCpus"] == [0, 1, 2, 3]


def test_a_directory_that_is_no_sysfs_is_told(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    result = CliRunner().invoke(host, ["discover", "--sysfs-root", str(empty), "--proc-root", str(empty)])
    assert result.exit_code == 1 and result.stderr.startswith("Error:")
