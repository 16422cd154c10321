from __future__ import annotations

from typing import Any

import pytest

from mano.domain.nfvi import (
    Allocation,
    Cell,
    Host,
    InterfacePlacement,
    Inventory,
    InventoryError,
    Link,
    Nic,
    NumaNode,
    Vswitch,
    is_pci_address,
)

PCI = "0000:3b:00.0"
CARDS = (Nic("e", PCI, 0, total_vfs=4),)


def node(node_id=0, cores=((0, 4), (1, 5)), memory=8192, **pages: Any):
    return NumaNode(node_id, cores, memory, **pages)


def host(name="h1", allocations=(), nics=CARDS, shared=()):
    return Host(name, (node(),), nics=nics, allocations=allocations, shared_cpus=frozenset(shared))


def held(allocation_id="a", cpus=(), vfs=None, **more: Any):
    interfaces = {} if vfs is None else {"e": InterfacePlacement(PCI, vfs, 0)}
    return Allocation(allocation_id, (Cell(0, cpus),), interfaces=interfaces, **more)


FAULTS = {
    "a CPU twice in a core": (lambda: node(cores=((0, 0),)), "cores/0/1: expected each CPU in one core only"),
    "a CPU in two cores": (lambda: node(cores=((0,), (0,))), "cores/1/0"),
    "an empty core": (lambda: node(cores=((),)), "cores/0: expected at least one CPU"),
    "huge pages beyond the memory": (lambda: node(hugepages={1048576: 9}), "hugepages: expected huge pages within"),
    "a page that is no power of two": (lambda: node(hugepages={3000: 1}), "hugepages/3000: expected a page size"),
    "more reserved pages than pages": (lambda: node(reserved_hugepages={2048: 1}), "reservedHugepages/2048"),
    "a node twice": (lambda: Host("h", (node(), node(cores=((9,),)))), "numaNodes/1/id"),
    "a CPU on two nodes": (lambda: Host("h", (node(), node(1))), "numaNodes/1/cores/0"),
    "a reserved CPU that is not there": (
        lambda: Host("h", (node(),), reserved_cpus=frozenset({9})),
        "reservedCpus: expected CPUs of the host's cores, found 9",
    ),
    "a CPU both reserved and shared": (
        lambda: Host("h", (node(),), reserved_cpus=frozenset({0}), shared_cpus=frozenset({0})),
        "sharedCpus: expected no reserved CPU, found 0",
    ),
    "an overcommit of nothing": (lambda: Host("h", (node(),), cpu_overcommit=0), "cpuOvercommit"),
    "an overcommit that is no number": (lambda: Host("h", (node(),), cpu_overcommit=float("nan")), "cpuOvercommit"),
    "a NIC twice": (lambda: host(nics=(Nic("a", PCI), Nic("b", PCI))), "nics/1/pci"),
    "a NIC on a node that is not there": (lambda: host(nics=(Nic("a", PCI, 7),)), "nics/0/numaNode"),
    "an address that is none": (lambda: Nic("a", "3b:00.0"), "pci: expected a PCI address"),
    "a switch on a node that is not there": (
        lambda: Host("h", (node(),), vswitch=Vswitch("netdev", (3,))),
        "vswitch/nodes/0",
    ),
    "a datapath of another kind": (lambda: Vswitch("kernel"), "datapath: expected system or netdev"),
    "a VF beyond the NIC's": (lambda: host(allocations=(held(vfs=(4,)),)), "allocations/0/interfaces/e/vfs/0"),
    "a VF twice": (lambda: host(allocations=(held("a", vfs=(1,)), held("b", vfs=(1,)))), "allocations/1/interfaces/e"),
    "a VF of a NIC that is taken whole": (
        lambda: host(allocations=(held("a", vfs=()), held("b", vfs=(1,)))),
        "allocations/1/interfaces/e",
    ),
    "a whole NIC of which a VF is in use": (
        lambda: host(allocations=(held("a", vfs=(1,)), held("b", vfs=()))),
        "allocations/1/interfaces/e",
    ),
    "a NIC that is taken whole twice": (
        lambda: host(allocations=(held("a", vfs=()), held("b", vfs=())), nics=(Nic("e", PCI, 0),)),
        "allocations/1/interfaces/e",
    ),
    "a VF of no NIC": (lambda: InterfacePlacement(None, (1,)), "pci: expected the address"),
    "the same VF twice": (lambda: InterfacePlacement(PCI, (1, 1)), "vfs: expected each VF once"),
    "a NIC that the host does not have": (
        lambda: host(nics=(), allocations=(held(vfs=(0,)),)),
        "allocations/0/interfaces/e/pci: expected a NIC of the host",
    ),
    "a CPU held twice": (lambda: host(allocations=(held("a", (0,)), held("b", (0,)))), "allocations/1: expected CPUs"),
    "a CPU of another node": (lambda: host(allocations=(held(cpus=(9,)),)), "allocations/0/cells/0/cpus"),
    "an emulator CPU that is not there": (lambda: host(allocations=(held(emulator_cpus=(77,)),)), "allocations/0"),
    "a cell on a node that is not there": (
        lambda: host(allocations=(Allocation("a", (Cell(5),)),)),
        "allocations/0/cells/0/node",
    ),
    "memory that is no multiple of the page": (lambda: Cell(0, (), 3, 2048), "memoryMib: expected a multiple"),
    "an allocation twice on a host": (lambda: host(allocations=(held("a"), held("a"))), "allocations/1/id"),
    "an allocation on two hosts": (
        lambda: Inventory((host("h1", (held("a"),)), host("h2", (held("a"),)))),
        "hosts/1/allocations/0/id",
    ),
    "a host twice": (lambda: Inventory((host(), host())), "hosts/1/name: expected each host once"),
    "a link to itself": (lambda: Link("a", "a", 1), "b: expected another end"),
    "a negative number": (lambda: Link("a", "b", -1), "mbps: expected a whole number from 0"),
    "a flag for a number": (lambda: Cell(True), "node: expected a whole number"),
    "a name of nothing": (lambda: host(""), "name: expected 1 to 255 printable characters"),
    "a name with a line break": (lambda: host("a\nb"), "name"),
}


@pytest.mark.parametrize(("make", "fault"), FAULTS.values(), ids=FAULTS.keys())
def test_what_cannot_be_is_refused_with_its_place(make, fault):
    with pytest.raises(InventoryError, match=fault):
        make()


def test_allocations_come_and_go_without_changing_what_was():
    before = Inventory((host("h1"), host("h2")))
    after = before.with_allocation("h2", held("a", (0, 4)))
    assert [len(one.allocations) for one in before.hosts] == [0, 0]
    assert [len(one.allocations) for one in after.hosts] == [0, 1]
    assert after.hosts[0] is before.hosts[0]
    assert after.without_allocation("h2", "a") == before
    with pytest.raises(InventoryError, match="no other allocation holds"):
        after.with_allocation("h2", held("b", (4,)))
    with pytest.raises(KeyError):
        before.without_allocation("h1", "a")


def test_hosts_come_and_go_with_their_links():
    inventory = Inventory((host("h1"), host("h2")), (Link("h1", "s", 1), Link("h2", "s", 1)))
    assert inventory.without_host("h1").links == (Link("h2", "s", 1),)
    assert "h1" not in inventory.without_host("h1")
    assert inventory.with_host(host("h3")).position("h3") == 2
    assert inventory.with_host(host("h1", (held("a"),))).host("h1").allocations[0].id == "a"
    with pytest.raises(KeyError):
        inventory.host("h9")


def test_shared_cpus_may_stand_in_several_allocations():
    assert len(host(allocations=(held("a", (4,)), held("b", (4,))), shared=(4,)).allocations) == 2


def test_an_allocation_knows_every_cpu_it_keeps():
    one = Allocation("a", (Cell(0, (1,)), Cell(1, (2,))), emulator_cpus=(3,), blocked_cpus=(4,))
    assert list(one.held_cpus()) == [1, 2, 3, 4]
    assert one.nodes == (0, 1)


def test_parts_of_a_host_are_found_by_their_names():
    world = host()
    assert world.node(0).memory_mib == 8192
    assert world.nic(PCI).name == "e"
    for find in (lambda: world.node(3), lambda: world.nic("0000:00:00.0")):
        with pytest.raises(KeyError):
            find()


def test_a_node_without_a_socket_is_one_by_itself():
    assert node(0).socket_or_own != node(1).socket_or_own
    assert NumaNode(0, (), 0, socket=3).socket_or_own == 3


@pytest.mark.parametrize(
    ("text", "valid"),
    [(PCI, True), ("10000:00:02.0", True), ("0000:3B:00.0", False), ("0000:3b:00.8", False), ("0000:3b:00.0 ", False)],
)
def test_addresses_are_the_kernel_s(text, valid):
    assert is_pci_address(text) is valid


def test_a_fault_can_be_seen_from_outside():
    error = InventoryError(("cells", 0), "something").under("hosts", 3)
    assert error.path == ("hosts", 3, "cells", 0)
    assert str(error) == "hosts/3/cells/0: expected something"


def test_only_a_switch_that_polls_has_a_place():
    assert Vswitch("netdev", (0, 1)).affine_nodes == {0, 1}
    assert Vswitch("system", (0,)).affine_nodes == frozenset()
