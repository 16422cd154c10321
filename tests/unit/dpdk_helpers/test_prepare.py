"""The steps from a host as it is to one that is ready."""

from __future__ import annotations

import pytest

from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.pci import PciAddress, SysfsWrite
from dpdk_helpers.prepare import Kernel, PrepareError, Wishes, plan
from dpdk_helpers.sriov import SriovError
from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode, Package, VirtualFunction

CARD = PciAddress.parse("0000:3b:00.0")
VF = PciAddress.parse("0000:3b:02.0")
READY = Kernel("intel_iommu=on", False, True, frozenset({"vfio-pci", "iavf"}))


def host(vfs=0, vf_driver=None, isolated=(), pages=4, used=0):
    made = tuple(VirtualFunction(index, VF, vf_driver) for index in range(vfs))
    card = Nic(CARD, 1, 2, "i40e", ("ens1",), None, 0, total_vfs=8, vfs=made)
    below = (Nic(VF, 1, 2, vf_driver, (), None, 0, physical_function=CARD),) if vfs else ()
    pool = HugepagePool(2048, pages, pages - used)
    return HostTopology(
        (Package(0, (0, 1, 2, 3)),),
        (NumaNode(0, (0, 1, 2, 3), 1 << 20, None, (pool,)),),
        tuple(Core((cpu,), cpu, 0, 0) for cpu in range(4)),
        (card, *below),
        isolated_cpus=isolated,
        nohz_full_cpus=isolated,
    )


def told(steps):
    return [(step.write.value if step.write else " ".join(step.command) or step.boot) for step in steps]


def test_a_host_that_has_everything_needs_no_step():
    wishes = Wishes({0: {2048: 4}}, {CARD: 1}, "vfio-pci", {}, (2, 3), True)
    assert plan(host(1, "vfio-pci", (2, 3)), READY, wishes) == ()
    assert plan(host(), READY, Wishes()) == ()


def test_pages_are_written_to_their_node():
    (step,) = plan(host(), READY, Wishes({0: {2048: 512}}))
    assert step.write == SysfsWrite("devices/system/node/node0/hugepages/hugepages-2048kB/nr_hugepages", "512")
    assert not step.disturbs


def test_what_counts_from_the_next_boot_is_told_as_parameters():
    bare = Kernel("quiet iommu=pt", False, False, frozenset())
    steps = plan(host(), bare, Wishes(isolated_cpus=(2, 3), iommu=True))
    assert told(steps) == ["intel_iommu=on", "isolcpus=2-3", "nohz_full=2-3"]
    amd = Kernel("", True, False, frozenset())
    assert told(plan(host(), amd, Wishes(iommu=True))) == ["iommu=pt"]


def test_vfs_are_made_first_and_bound_when_they_are_there():
    wishes = Wishes(vfs={CARD: 1}, vf_driver="vfio-pci")
    bare = Kernel("", False, True, frozenset())
    assert told(plan(host(), bare, wishes)) == ["modprobe vfio-pci", "1"]
    assert told(plan(host(1, "iavf"), READY, wishes)) == ["vfio-pci", str(VF), str(VF)]


def test_steps_that_take_something_away_say_so():
    steps = plan(host(1), READY, Wishes(vfs={CARD: 4}))
    assert told(steps) == ["0", "4"]
    assert all("1 VFs" in step.disturbs for step in steps)
    assert all("ens1" in step.disturbs for step in plan(host(), READY, Wishes(drivers={CARD: "vfio-pci"})))


def test_a_switch_is_told_what_differs_only():
    wishes = Wishes(switch={"dpdk-init": "true", "dpdk-socket-mem": "1024,1024"})
    (step,) = plan(host(), READY, wishes)
    assert step.command[:4] == ("ovs-vsctl", "set", "Open_vSwitch", ".")
    assert step.command[4:] == ("other_config:dpdk-init=true", 'other_config:dpdk-socket-mem="1024,1024"')
    set_up = Kernel("", False, True, frozenset(), {"dpdk-init": "true", "dpdk-socket-mem": "1024,1024", "x": "y"})
    assert plan(host(), set_up, wishes) == ()


@pytest.mark.parametrize(
    ("wishes", "error"),
    [
        (Wishes({7: {2048: 1}}), PrepareError),
        (Wishes({0: {1048576: 1}}), PrepareError),
        (Wishes({0: {2048: 1}}), PrepareError),
        (Wishes(vfs={CARD: 9}), SriovError),
        (Wishes(vfs={VF: 1}), PrepareError),
        (Wishes(drivers={VF: "vfio-pci"}), PrepareError),
        (Wishes(drivers={CARD: "../../etc"}), PrepareError),
        (Wishes(isolated_cpus=(3, 4)), PrepareError),
    ],
)
def test_what_the_hardware_cannot_have_is_refused(wishes, error):
    with pytest.raises(error, match="expected"):
        plan(host(used=2), READY, wishes)
