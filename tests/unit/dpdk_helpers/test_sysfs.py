from __future__ import annotations

import os
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dpdk_helpers.cpuset import parse_mask
from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.pci import PciAddress
from dpdk_helpers.sysfs import SysfsError, discover
from tests.plugins.tiers import skip_for_want_of
from tests.unit.dpdk_helpers.fake_sysfs import FakeSysfs


@pytest.fixture
def fake(tmp_path):
    return FakeSysfs(tmp_path)


def two_nodes(fake):
    for cpu in range(8):
        siblings = (cpu % 4, cpu % 4 + 4)
        package = cpu % 4 // 2
        fake.cpu(
            cpu,
            siblings=siblings,
            package=package,
            core_id=cpu % 2,
            package_cpus=[c for c in range(8) if c % 4 // 2 == package],
        )
    fake.online(range(8))
    fake.node(0, [0, 1, 4, 5], kib=2048, distances="10 21", pages=[(2048, 4, 3), (1048576, 1, 1)])
    fake.node(1, [2, 3, 6, 7], kib=4096, distances="21 10")
    fake.write("devices/system/node/online", "0-1")
    return fake


def test_an_ordinary_host_is_read_whole(fake):
    host = discover(two_nodes(fake).root)
    assert [(core.cpus, core.package, core.node) for core in host.cores] == [
        ((0, 4), 0, 0),
        ((1, 5), 0, 0),
        ((2, 6), 1, 1),
        ((3, 7), 1, 1),
    ]
    assert [(package.id, package.cpus) for package in host.packages] == [(0, (0, 1, 4, 5)), (1, (2, 3, 6, 7))]
    assert host.node(0).memory_kib == 2048
    assert host.node(0).distances == {0: 10, 1: 21}
    assert host.node(0).hugepages == (HugepagePool(2048, 4, 3), HugepagePool(1048576, 1, 1))
    assert host.node(1).hugepages == ()
    assert host.has_threads
    assert host.siblings([1]) == (1, 5)


def test_offline_cpus_leave_their_cores_with_what_is_online(fake):
    two_nodes(fake)
    fake.online([1, 2, 3, 4, 5, 6])
    host = discover(fake.root)
    assert [core.cpus for core in host.cores] == [(1, 5), (2, 6), (3,), (4,)]
    assert host.cpus == (1, 2, 3, 4, 5, 6)
    with pytest.raises(KeyError):
        host.node_of(0)


def test_without_a_list_each_cpu_says_whether_it_is_online(fake):
    two_nodes(fake)
    (fake.root / "devices/system/cpu/online").unlink()
    fake.write("devices/system/cpu/cpu3/online", 0)
    assert discover(fake.root).cpus == (0, 1, 2, 4, 5, 6, 7)


def test_node_zero_may_be_offline_and_numbers_sparse(fake):
    for cpu in (4, 9):
        fake.cpu(cpu, core_id=cpu)
    fake.online([4, 9])
    fake.node(2, [4], distances="10 40")
    fake.node(7, [9], distances="40 10")
    fake.node(0, [])
    fake.write("devices/system/node/online", "2,7")
    host = discover(fake.root)
    assert [(node.id, node.cpus) for node in host.numa_nodes] == [(2, (4,)), (7, (9,))]
    assert host.node(7).distances == {2: 40, 7: 10}


def test_a_node_without_cpus_keeps_its_memory(fake):
    two_nodes(fake)
    fake.node(250, [], kib=8192)
    fake.write("devices/system/node/online", "0-1,250")
    assert (discover(fake.root).node(250).cpus, discover(fake.root).node(250).memory_kib) == ((), 8192)


def test_a_node_that_claims_the_cpus_of_another_is_left_out(fake):
    two_nodes(fake)
    fake.node(1, [0, 1, 2, 3])
    assert [node.id for node in discover(fake.root).numa_nodes] == [0]


def test_a_kernel_without_numa_has_one_node_with_all_memory(fake):
    for cpu in (0, 1):
        fake.cpu(cpu, core_id=cpu)
    fake.online([0, 1])
    (fake.proc / "meminfo").write_text("MemTotal:  4096 kB\nMemFree:  1024 kB\n")
    fake.write("kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", 3)
    host = discover(fake.root)
    assert [(node.id, node.cpus, node.memory_kib) for node in host.numa_nodes] == [(0, (0, 1), 4096)]
    assert host.node(0).hugepages == (HugepagePool(2048, 3, 0),), "what is free is not known, so nothing is promised"


@pytest.mark.parametrize("lists", [True, False])
def test_kernels_before_5_4_have_other_names_and_some_only_masks(fake, lists):
    for cpu in range(4):
        fake.cpu(
            cpu, siblings=(cpu % 2, cpu % 2 + 2), package_cpus=range(4), core_id=cpu % 2, old_names=True, lists=lists
        )
    fake.online(range(4))
    host = discover(fake.root)
    assert [core.cpus for core in host.cores] == [(0, 2), (1, 3)]
    assert len(host.packages) == 1


def test_compute_units_whose_threads_are_cores_are_cores(fake):
    for cpu in range(4):
        fake.cpu(cpu, siblings=(cpu // 2 * 2, cpu // 2 * 2 + 1), core_id=cpu, package_cpus=range(4))
    fake.online(range(4))
    assert [core.cpus for core in discover(fake.root).cores] == [(0,), (1,), (2,), (3,)]


def test_packages_without_a_number_are_packages(fake):
    for cpu in range(4):
        fake.cpu(cpu, core_id=cpu, package=-1, package_cpus=(cpu // 2 * 2, cpu // 2 * 2 + 1))
    fake.online(range(4))
    host = discover(fake.root)
    assert [(package.id, package.cpus) for package in host.packages] == [(None, (0, 1)), (None, (2, 3))]
    assert {core.package for core in host.cores} == {None}


def test_contradicting_siblings_put_no_cpu_into_two_cores(fake):
    fake.cpu(0, siblings=(0, 1))
    fake.cpu(1, siblings=(1, 2))
    fake.cpu(2, siblings=(0, 1, 2))
    fake.online(range(3))
    assert sorted(discover(fake.root).cpus) == [0, 1, 2]


def test_cpus_without_topology_files_are_cores_by_themselves(fake):
    (fake.root / "devices/system/cpu/cpu0").mkdir()
    (fake.root / "devices/system/cpu/cpu1").mkdir()
    host = discover(fake.root)
    assert [core.cpus for core in host.cores] == [(0,), (1,)]
    assert host.packages == ()


def test_nics_are_network_controllers_on_pci(fake):
    two_nodes(fake)
    fake.pci("0000:3b:00.0", node=0, driver="i40e", interfaces=["ens1f0"], total_vfs=64, speed=25000)
    fake.pci("0000:00:1f.0", kind="0x060100")
    fake.pci("10000:01:00.0", node=1, driver="vfio-pci")
    fake.vf("0000:3b:00.0", 0, "0000:3b:02.0", driver="iavf")
    fake.vf("0000:3b:00.0", 1, "0000:3b:02.1", driver="vfio-pci")
    by_address = {str(nic.address): nic for nic in discover(fake.root).nics}
    assert set(by_address) == {"0000:3b:00.0", "0000:3b:02.0", "0000:3b:02.1", "10000:01:00.0"}
    card = by_address["0000:3b:00.0"]
    assert (card.driver, card.interfaces, card.speed_mbps, card.numa_node, card.total_vfs) == (
        "i40e",
        ("ens1f0",),
        25000,
        0,
        64,
    )
    assert [(vf.index, str(vf.address), vf.driver) for vf in card.vfs] == [
        (0, "0000:3b:02.0", "iavf"),
        (1, "0000:3b:02.1", "vfio-pci"),
    ]
    assert by_address["0000:3b:02.1"].physical_function == PciAddress.parse("0000:3b:00.0")
    assert by_address["0000:3b:02.1"].in_user_space
    assert by_address["10000:01:00.0"].numa_node == 1


def test_an_unknown_node_stays_unknown_with_a_hint(fake):
    two_nodes(fake)
    fake.pci("0000:01:00.0", node=-1, local=[2, 3, 6, 7])
    fake.pci("0000:02:00.0", node=-1, local=range(8))
    fake.pci("0000:03:00.0", node=5)
    nics = discover(fake.root).nics
    assert [nic.numa_node for nic in nics] == [None, None, None]
    assert [nic.nearest_nodes for nic in nics] == [(1,), (), ()]


def test_a_link_that_is_down_has_no_speed(fake):
    two_nodes(fake)
    fake.pci("0000:01:00.0", interfaces=["eth0"])
    assert discover(fake.root).nics[0].speed_mbps is None


def test_interfaces_of_virtio_devices_are_found(fake):
    two_nodes(fake)
    fake.pci("0000:00:03.0", driver="virtio-pci")
    fake.write("devices/pci0000:00/0000:00:03.0/virtio0/net/eth0/speed", 10000)
    assert discover(fake.root).nics[0].interfaces == ("eth0",)


def test_isolated_cpus_come_from_the_kernel_or_its_command_line(fake):
    two_nodes(fake)
    (fake.proc / "cmdline").write_text("quiet isolcpus=nohz,domain,2-3,99 nohz_full=1 isolcpus=managed_irq,2-3,6\n")
    assert discover(fake.root).isolated_cpus == (2, 3, 6)
    assert discover(fake.root).nohz_full_cpus == (1,)
    fake.write("devices/system/cpu/isolated", "7")
    assert discover(fake.root).isolated_cpus == (7,)


def test_unreadable_values_are_unknown(fake):
    two_nodes(fake)
    fake.write("devices/system/node/node0/meminfo", "nonsense")
    fake.write("devices/system/node/node0/distance", "10 x")
    fake.write("devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "-3")
    fake.pci("0000:01:00.0", node="soon", total_vfs="many")
    host = discover(fake.root)
    assert (host.node(0).memory_kib, host.node(0).distances) == (None, {})
    assert [pool.size_kib for pool in host.node(0).hugepages] == [1048576]
    assert (host.nics[0].numa_node, host.nics[0].total_vfs) == (None, 0)


def test_nothing_outside_the_root_is_read(fake, tmp_path):
    two_nodes(fake)
    (tmp_path / "secret").write_text("Node 0 MemTotal: 777 kB\n")
    meminfo = fake.root / "devices/system/node/node0/meminfo"
    meminfo.unlink()
    meminfo.symlink_to(tmp_path / "secret")
    os.mkfifo(fake.root / "devices/system/node/node1/fifo")
    (fake.root / "devices/system/node/node1/meminfo").unlink()
    (fake.root / "devices/system/node/node1/meminfo").symlink_to("fifo")
    host = discover(fake.root)
    assert [node.memory_kib for node in host.numa_nodes] == [None, None]


def test_a_loop_of_links_is_no_file(fake):
    two_nodes(fake)
    fake.link("bus/pci/devices/0000:09:00.0", "0000:09:00.0")
    assert discover(fake.root).nics == ()


def test_the_directory_above_sys_and_proc_is_a_captured_host(fake):
    two_nodes(fake)
    (fake.proc / "cmdline").write_text("isolcpus=2-N nohz_full=all")
    host = discover(fake.root.parent)
    assert host == discover(fake.root)
    assert (host.isolated_cpus, host.nohz_full_cpus) == ((2, 3, 4, 5, 6, 7), tuple(range(8)))


def test_distances_lead_to_nodes_that_are_there(fake):
    two_nodes(fake)
    fake.node(0, [0, 1, 4, 5], distances="10 21 30")
    fake.node(1, [2, 3, 6, 7], distances="21 10 30")
    fake.node(2, [3, 6, 7], distances="30 30 10")
    fake.write("devices/system/node/online", "0-2")
    assert [node.distances for node in discover(fake.root).numa_nodes] == [{0: 10, 1: 21}, {0: 21, 1: 10}]


def test_a_device_is_there_once_by_whatever_name(fake):
    two_nodes(fake)
    fake.pci("0000:3b:00.0", node=1, driver="i40e")
    fake.pci("00000000:3b:00.0", node=0)
    fake.pci("3b:00.0", node=0)
    fake.pci("0001:3b:00.0", node=0)
    assert [(str(nic.address), nic.numa_node) for nic in discover(fake.root).nics] == [
        ("0000:3b:00.0", 1),
        ("0001:3b:00.0", 0),
    ]


def test_a_driver_is_known_where_links_were_lost(fake):
    two_nodes(fake)
    fake.pci("0000:01:00.0")
    fake.write("devices/pci0000:00/0000:01:00.0/uevent", "PCI_CLASS=20000\nDRIVER=ixgbe\nPCI_ID=8086:10FB")
    assert discover(fake.root).nics[0].driver == "ixgbe"


def test_interfaces_may_only_be_known_by_their_class(fake):
    two_nodes(fake)
    fake.pci("0000:01:00.0")
    fake.write("class/net/eth7/speed", 1000)
    fake.link("class/net/eth7/device", "../../../devices/pci0000:00/0000:01:00.0")
    (nic,) = discover(fake.root).nics
    assert (nic.interfaces, nic.speed_mbps) == (("eth7",), 1000)


def test_names_that_could_move_a_terminals_cursor_are_left_out(fake):
    two_nodes(fake)
    fake.pci("0000:01:00.0", interfaces=["eth0", "e\x1b[2J", "e\nh"])
    (fake.root / "devices/pci0000:00/0000:01:00.0/net" / os.fsdecode(b"\xff\xfe")).mkdir()
    assert discover(fake.root).nics[0].interfaces == ("eth0",)


def test_a_file_of_any_size_is_read_to_its_limit_only(fake, monkeypatch):
    two_nodes(fake)
    with (fake.root / "devices/system/node/node0/meminfo").open("wb") as meminfo:
        meminfo.truncate(2**34)
    assert discover(fake.root).node(0).memory_kib is None
    monkeypatch.setattr("dpdk_helpers.sysfs.tree.MAX_OCTETS_TOGETHER", 2**20)
    with pytest.raises(SysfsError, match="MiB below"):
        discover(fake.root)


def test_more_cpus_than_there_are_directories_are_no_burden(fake):
    fake.online(range(65_536))
    assert len(discover(fake.root).cores) == 65_536
    fake.write("devices/system/cpu/online", "0-999999999")
    with pytest.raises(SysfsError, match="no CPUs"):
        discover(fake.root)


GARBAGE = [
    b"",
    b"\xff\x00\xfe",
    b"-1\n",
    b"9" * 4000,
    b"0-\n",
    b"0x\n",
    b"NaN\n",
    b"0-65535\n",
    b"1\n2\n3\n",
    b"ffffffff," * 900,
]


@given(data=st.data())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_whatever_files_hold_a_topology_is_consistent_or_refused(fake, data):
    shutil.rmtree(fake.root)
    (fake.root / "devices/system/cpu").mkdir(parents=True)
    two_nodes(fake)
    fake.pci("0000:3b:00.0", node=0, driver="i40e", interfaces=["ens1"], total_vfs=4, speed=1000)
    fake.vf("0000:3b:00.0", 0, "0000:3b:02.0")
    files = sorted(path for path in fake.root.rglob("*") if path.is_file() and not path.is_symlink())
    for path in data.draw(st.lists(st.sampled_from(files), min_size=1, max_size=12, unique=True)):
        path.unlink()
        if (garbage := data.draw(st.sampled_from([None, *GARBAGE]))) is not None:
            path.write_bytes(garbage)
    try:
        host = discover(fake.root)
    except SysfsError:
        return
    assert len(set(host.cpus)) == len(host.cpus) > 0
    ids = {node.id for node in host.numa_nodes}
    assert len(ids) == len(host.numa_nodes) > 0
    for node in host.numa_nodes:
        assert set(node.cpus) <= set(host.cpus)
        assert set(node.distances) <= ids
    assert {core.node for core in host.cores} <= {None, *ids}
    assert {nic.numa_node for nic in host.nics} <= {None, *ids}


@pytest.mark.parametrize("name", ["missing", "file", "empty"])
def test_what_is_no_sysfs_is_refused(tmp_path, name):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    with pytest.raises(SysfsError, match="expected a directory such as /sys"):
        discover(tmp_path / name)


def test_this_machine_agrees_with_lstopo():
    if shutil.which("lstopo-no-graphics") is None:
        skip_for_want_of("lstopo of the package hwloc")
    run = subprocess.run(
        ["lstopo-no-graphics", "--of", "xml", "--disallowed"], capture_output=True, text=True, timeout=60, check=True
    )  # fmt: skip
    objects = list(ElementTree.fromstring(run.stdout).iter("object"))

    def sets(kind):
        return sorted(
            parse_mask(one.get("cpuset", "0").replace(",0x", ",")) for one in objects if one.get("type") == kind
        )

    host = discover(Path("/sys"))
    assert sorted((cpu,) for cpu in host.cpus) == sets("PU")
    assert sorted(node.cpus for node in host.numa_nodes if node.cpus) == sorted(filter(None, sets("NUMANode")))
    if sets("Core"):
        assert sorted(core.cpus for core in host.cores) == sets("Core")
