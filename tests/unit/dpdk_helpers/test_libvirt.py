"""A host by libvirt's words is the host that its sysfs shows."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest

from dpdk_helpers.libvirt import LibvirtError, read_capabilities
from dpdk_helpers.sysfs import discover
from dpdk_helpers.topology import HostTopology
from tests.plugins.tiers import skip_for_want_of
from tests.unit.dpdk_helpers.fake_sysfs import FakeSysfs
from tests.unit.dpdk_helpers.libvirt_xml import capabilities_of, devices_of
from tests.unit.dpdk_helpers.test_sysfs import two_nodes


@pytest.fixture
def host(tmp_path):
    fake = two_nodes(FakeSysfs(tmp_path))
    fake.pci("0000:3b:00.0", node=1, driver="i40e", interfaces=["ens1f0"], total_vfs=64, speed=25000)
    fake.vf("0000:3b:00.0", 0, "0000:3b:02.0", driver="iavf")
    fake.vf("0000:3b:00.0", 1, "0000:3b:02.1", driver="vfio-pci")
    fake.pci("10000:01:00.0", driver="vfio-pci", total_vfs=8)
    return discover(fake.root)


def told(host: HostTopology) -> HostTopology:
    """What libvirt can tell of it."""
    nodes = tuple(
        replace(node, free_kib=None, hugepages=tuple(replace(pool, free=0) for pool in node.hugepages))
        for node in host.numa_nodes
    )
    return replace(host, numa_nodes=nodes)


def test_libvirt_and_sysfs_tell_of_the_same_host(host):
    assert read_capabilities(capabilities_of(host), [devices_of(host)]) == told(host)


def test_devices_may_come_one_by_one_or_with_declarations(host):
    parts = [f"<?xml version='1.0'?>\n{part}</device>" for part in devices_of(host).split("</device>")[:-1]]
    assert read_capabilities(capabilities_of(host), parts) == told(host)
    assert read_capabilities(capabilities_of(host), ["\n".join(parts)]) == told(host)
    assert read_capabilities(capabilities_of(host)).nics == ()


def test_older_libvirt_names_no_class(host):
    text = devices_of(host).replace("<class>0x020000</class>", "").replace("<class>0x060100</class>", "")
    found = read_capabilities(capabilities_of(host), [text]).nics
    assert [str(nic.address) for nic in found] == ["0000:3b:00.0"], "what has an interface is a network controller"


def test_offline_cpus_are_listed_by_number_only(host):
    text = capabilities_of(host).replace(
        "<cpu id='4' socket_id='0' die_id='0' core_id='0' siblings='0,4'/>", "<cpu id='4'/>"
    )
    found = read_capabilities(text)
    assert found.core_of(0).cpus == (0,)
    assert 4 not in found.cpus and 4 not in found.node(0).cpus


def test_a_virtio_nic_is_found_by_the_path_of_its_interface(host):
    pci = (
        "<device><name>pci_0000_00_03_0</name><parent>computer</parent><capability type='pci'><class>0x020000</class>"
        "<domain>0</domain><bus>0</bus><slot>3</slot><function>0</function></capability></device>"
    )
    net = (
        "<device><name>net_eth0</name><path>/sys/devices/pci0000:00/0000:00:03.0/virtio2/net/eth0</path>"
        "<parent>virtio2</parent><capability type='net'><interface>eth0</interface>"
        "<link speed='4294967295' state='up'/></capability></device>"
    )
    (nic,) = read_capabilities(capabilities_of(host), [net + pci]).nics
    assert (nic.interfaces, nic.speed_mbps, nic.vendor_id, nic.numa_node) == (("eth0",), None, None, None)


BOMB = "<!DOCTYPE lolz [<!ENTITY a 'lol'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;'>]><capabilities>&b;</capabilities>"
FILE = "<!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><capabilities><host>&e;</host></capabilities>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB, "document type"),
        (FILE, "document type"),
        ("", "topology/cells/cell"),
        ("<capabilities/>", "topology/cells/cell"),
        ("<capabilities><host>", "line 1"),
        ("not XML & nothing like it", "line 1"),
        ("<a>" * 100 + "</a>" * 100, "64 levels"),
        ("<capabilities>&undefined;</capabilities>", "line 1"),
        ("\ud800", "line 1"),
        (" " * (2**25 + 1), "32 MiB"),
    ],
    ids=["bomb", "file", "empty", "no cells", "open", "text", "deep", "entity", "surrogate", "large"],
)
def test_what_libvirt_does_not_print_is_refused(text, message):
    with pytest.raises(LibvirtError, match=message):
        read_capabilities(text)
    with pytest.raises(LibvirtError):
        read_capabilities("<capabilities/>", [text])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<cell id='1'", "<cell id='0'", "cell once"),
        ("<cpu id='1' ", "<cpu id='0' ", "CPU once"),
        ("<cpu id='1' ", "<cpu id='65536' ", "from 0 to 65535"),
        ("<cpu id='1' ", "<cpu id='-1' ", "whole number"),
        ("siblings='0,4'", "siblings='0-'", "siblings"),
        ("<memory unit='KiB'>2048<", "<memory unit='KiB'>NaN<", "whole number"),
        ("<memory unit='KiB'>2048<", "<memory unit='furlong'>2048<", "unit"),
        ("<memory unit='KiB'>2048<", f"<memory unit='KiB'>{'9' * 4000}<", "whole number"),
        ("size='2048'>4<", "size='2047'>4<", "pages"),
        ("value='21'", "value='1e9'", "whole number"),
    ],
)
def test_impossible_cells_are_refused(host, old, new, message):
    text = capabilities_of(host)
    assert old in text
    with pytest.raises(LibvirtError, match=message):
        read_capabilities(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<bus>59</bus>", "<bus>256</bus>", "bus < 256"),
        ("<bus>59</bus>", "", "PCI address"),
        ("<slot>2</slot><function>1</function>", "<slot>2</slot><function>0</function>", "PCI device once"),
        ("<interface>ens1f0<", "<interface><", "name of an interface"),
        ("maxCount='64'", "maxCount='many'", "maxCount"),
        ("<class>0x020000<", "<class>network<", "class"),
    ],
)
def test_impossible_devices_are_refused(host, old, new, message):
    text = devices_of(host)
    assert old in text
    with pytest.raises(LibvirtError, match=message):
        read_capabilities(capabilities_of(host), [text.replace(old, new, 1)])


def test_the_test_driver_of_libvirt_is_understood():
    if shutil.which("virsh") is None:
        skip_for_want_of("virsh of the package libvirt-clients")
    run = subprocess.run(["virsh", "-c", "test:///default", "capabilities"], capture_output=True, text=True, timeout=60)
    if run.returncode:
        skip_for_want_of(f"answer of virsh's test driver: {run.stderr.strip()}")
    found = read_capabilities(run.stdout)
    assert [len(node.cpus) for node in found.numa_nodes] == [8, 8]
    assert [node.memory_kib for node in found.numa_nodes] == [2097152, 4194304]
