"""PCI, huge pages, SR-IOV: what would be written, and what is refused."""

from __future__ import annotations

import pytest

from dpdk_helpers.hugepages import HugepageError, HugepagePool, boot_parameters, pages_for, resize
from dpdk_helpers.pci import PciAddress, PciError, SysfsWrite, bind, release
from dpdk_helpers.sriov import SriovError, is_capable, set_vfs, vf_address, vf_of
from dpdk_helpers.topology import Nic, VirtualFunction

CARD = PciAddress.parse("0000:3b:00.0")


def nic(vfs=(), total=8, physical=None):
    return Nic(CARD, 0x8086, 0x158B, "i40e", ("ens1f0",), 25000, 0, (), total, tuple(vfs), physical)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("0000:3b:00.1", "0000:3b:00.1"),
        ("3B:1F.7", "0000:3b:1f.7"),
        ("10000:00:02.0", "10000:00:02.0"),
        ("ffffffff:ff:1f.7",) * 2,
    ],
)
def test_addresses_print_as_the_kernel_writes_them(text, printed):
    assert str(PciAddress.parse(text)) == printed


@pytest.mark.parametrize(
    "text", ["", "0000:3b:00", "0000:3b:00.8", "0000:3b:20.0", "000:3b:00.0", "123456789:00:00.0", "0000:3b:00.0\n"]
)
def test_other_text_is_no_address(text):
    with pytest.raises(PciError, match="expected"):
        PciAddress.parse(text)


def test_a_device_is_moved_to_another_driver_alone():
    assert bind(CARD, "vfio-pci", "i40e") == (
        SysfsWrite("bus/pci/devices/0000:3b:00.0/driver_override", "vfio-pci"),
        SysfsWrite("bus/pci/drivers/i40e/unbind", "0000:3b:00.0"),
        SysfsWrite("bus/pci/drivers_probe", "0000:3b:00.0"),
    )
    assert [write.path for write in bind(CARD, "vfio-pci", None)] == [
        "bus/pci/devices/0000:3b:00.0/driver_override",
        "bus/pci/drivers_probe",
    ]
    assert bind(CARD, "i40e", "i40e") == ()
    assert release(CARD, "vfio-pci")[0] == SysfsWrite("bus/pci/devices/0000:3b:00.0/driver_override", "\n")
    assert release(CARD, None)[-1].path == "bus/pci/drivers_probe"


@pytest.mark.parametrize("driver", ["../../x", "a b", "", "x\n", "a" * 65])
def test_a_driver_name_is_never_a_path(driver):
    with pytest.raises(PciError):
        bind(CARD, driver, None)
    with pytest.raises(PciError):
        release(CARD, driver)


def test_pages_are_counted_up():
    assert pages_for(4096, 2048) == 2048
    assert pages_for(1025, 1048576) == 2
    assert pages_for(0, 2048) == 0
    assert HugepagePool(1048576, 4, 1).used == 3
    assert HugepagePool(1048576, 4, 1).memory_mib == 4096


@pytest.mark.parametrize(
    "arguments", [(3, 1, 1), (2047, 1, 0), (4, 1, 1), (2048, 1, 2), (2048, -1, -1), (2048, 1, 1, 2)]
)
def test_impossible_pools_are_refused(arguments):
    with pytest.raises(HugepageError):
        HugepagePool(*arguments)


def test_a_pool_is_resized_on_its_node():
    assert resize(1, 2048, 512) == SysfsWrite(
        "devices/system/node/node1/hugepages/hugepages-2048kB/nr_hugepages", "512"
    )
    for arguments in ((-1, 2048, 1), (0, 2000, 1), (0, 2048, -1)):
        with pytest.raises(HugepageError):
            resize(*arguments)
    for memory_mib, page_size_kib in ((-1, 2048), (1, 0)):
        with pytest.raises(HugepageError):
            pages_for(memory_mib, page_size_kib)


def test_boot_parameters_name_each_size():
    expected = "default_hugepagesz=1G hugepagesz=1G hugepages=16 hugepagesz=2M hugepages=0"
    assert boot_parameters({2048: 0, 1048576: 16}, 1048576) == expected
    assert boot_parameters({64: 1}, 64) == "default_hugepagesz=64K hugepagesz=64K hugepages=1"
    for counts, default in (({2048: -1}, 2048), ({2048: 1}, 3000)):
        with pytest.raises(HugepageError):
            boot_parameters(counts, default)


def test_vfs_that_exist_are_removed_before_their_number_changes():
    path = "bus/pci/devices/0000:3b:00.0/sriov_numvfs"
    two = [VirtualFunction(n, vf_address(CARD, 16, 1, n), None) for n in range(2)]
    assert set_vfs(nic(), 4) == (SysfsWrite(path, "4"),)
    assert set_vfs(nic(two), 4) == (SysfsWrite(path, "0"), SysfsWrite(path, "4"))
    assert set_vfs(nic(two), 2) == ()
    assert set_vfs(nic(two), 0) == (SysfsWrite(path, "0"),)
    assert vf_of(nic(two), 1) == PciAddress.parse("0000:3b:02.1")
    with pytest.raises(SriovError):
        vf_of(nic(two), 2)


@pytest.mark.parametrize(("card", "count"), [(nic(), 9), (nic(), -1), (nic(total=0), 1), (nic(physical=CARD), 1)])
def test_numbers_of_vfs_that_cannot_be_are_refused(card, count):
    with pytest.raises(SriovError, match="expected"):
        set_vfs(card, count)


def test_vf_addresses_cross_devices_and_buses():
    assert is_capable(nic())
    assert str(vf_address(CARD, 16, 1, 0)) == "0000:3b:02.0"
    assert str(vf_address(CARD, 0x100, 2, 5)) == "0000:3c:01.2"
    with pytest.raises(SriovError):
        vf_address(PciAddress(0, 255, 31, 7), 1, 1, 0)
    with pytest.raises(SriovError):
        vf_address(CARD, 1, 1, -1)
