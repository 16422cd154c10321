from __future__ import annotations

from dpdk_helpers.hugepages import HugepagePool
from dpdk_helpers.pci import PciAddress
from dpdk_helpers.sysfs import discover
from dpdk_helpers.topology import Core, HostTopology, Nic, NumaNode
from mano.placement import inventory_from_document
from mano.placement.discovery import inventory_document_of

CARD = PciAddress.parse("10000:3b:00.0")


def topology(isolated_cpus=()):
    cores = (Core((0, 4), 0, 0, 0), Core((1, 5), 1, 0, 0), Core((2, 6), 0, 1, 3), Core((9,), 9, 1, None))
    nodes = (
        NumaNode(0, (0, 1, 4, 5), 65536, 1024, (HugepagePool(2048, 10, 7),), {0: 10, 3: 21}),
        NumaNode(3, (2, 6), 32768, 1024, (), {0: 21, 3: 10}),
        NumaNode(250, (), 16384, 16384),
    )
    nics = (
        Nic(CARD, 1, 2, "i40e", ("ens1",), 25000, 0, (), 64),
        Nic(PciAddress(0, 1, 0, 0), 1, 2, "vfio-pci", (), None, None, (3,)),
        Nic(PciAddress(0, 59, 2, 0), 1, 2, "iavf", (), None, 0, physical_function=CARD),
    )
    return HostTopology((), nodes, cores, nics, isolated_cpus)


def test_a_discovered_host_reads_as_an_inventory():
    document = inventory_document_of(topology(), name="h1", zone="rack1", physnets={"10000:3b:00.0": "dc1"})
    host = inventory_from_document(document).host("h1")
    assert host.zone == "rack1"
    assert [(node.id, node.socket, node.cores) for node in host.numa_nodes] == [
        (0, 0, ((0, 4), (1, 5))),
        (3, 1, ((2, 6),)),
        (250, None, ()),
    ]
    assert (host.node(0).memory_mib, host.node(0).hugepages, host.node(0).reserved_hugepages) == (
        64,
        {2048: 10},
        {2048: 3},
    )
    assert [(nic.name, nic.numa_node, nic.physnet, nic.link_mbps, nic.total_vfs) for nic in host.nics] == [
        ("ens1", 0, "dc1", 25000, 64),
        ("0000:01:00.0", None, None, None, 0),
    ]
    assert host.reserved_cpus == frozenset()


def test_where_cpus_are_isolated_the_others_belong_to_the_host():
    host = inventory_from_document(inventory_document_of(topology(isolated_cpus=(1, 5, 2)), name="h")).host("h")
    assert host.reserved_cpus == {0, 4, 6}


def test_this_machine_makes_an_inventory():
    host = inventory_from_document(inventory_document_of(discover("/sys"), name="here")).host("here")
    assert any(node.cores for node in host.numa_nodes)
