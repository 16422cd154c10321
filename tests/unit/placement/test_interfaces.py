"""VFs, whole NICs, bandwidth and ports of the virtual switch (classes I1 to I5 of docs/placement.md)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.placement.world import allocation, direct, host, nic, node, placed, reasons, solve, vdu


def world(*nics: Any, nodes=2, **more: Any):
    return host(nodes=[node(n) for n in range(nodes)], nics=list(nics), **more)


def with_interface(**more: Any):
    return vdu(interfaces=[direct(**more)])


def where(placement, interface="e"):
    return placement["interfaces"][interface]


def test_vfs_come_from_one_nic_lowest_first():
    card = nic()
    held = allocation(interfaces={"e": {"pci": card["pci"], "vfs": [0, 2], "node": 0}})
    placement = placed(world(card, allocations=[held]), with_interface(vfs=2))
    assert where(placement) == {"pci": card["pci"], "vfs": [1, 3], "node": 0}


@pytest.mark.parametrize(
    ("card", "code"),
    [
        (nic(physnet="other"), "PHYSNET"),
        (nic(physnet=None), "PHYSNET"),
        (nic(vfs=1), "VF"),
        (nic(vfs=0), "VF"),
        (nic(traits=["fast"]), "VF"),
        (nic(node_id=None), "NIC_NUMA"),
    ],
)
def test_a_nic_that_does_not_do_says_why(card, code):
    assert reasons(world(card), with_interface(vfs=2, traits=["trusted"] if "traits" in card else [])) == {code: 1}


def test_a_host_without_nics_has_no_physical_network():
    assert reasons(world(), with_interface()) == {"PHYSNET": 1}


def test_vfs_of_one_interface_are_never_spread_over_nics():
    assert reasons(world(nic(0, vfs=1), nic(1, vfs=1)), with_interface(vfs=2)) == {"VF": 1}


def test_two_interfaces_compete_for_vfs():
    pair = vdu(interfaces=[direct("a"), direct("b")])
    assert reasons(world(nic(vfs=1)), pair) == {"VF": 1}
    both = placed(world(nic(0, vfs=1), nic(1, vfs=1)), pair)["interfaces"]
    assert both["a"]["pci"] != both["b"]["pci"]


def test_a_nic_without_traits_is_spent_first():
    placement = placed(world(nic(0, traits=["trusted"]), nic(1)), with_interface())
    assert where(placement)["pci"] == nic(1)["pci"]


def test_any_network_will_do_where_none_is_named():
    assert where(placed(world(nic(physnet="x")), vdu(interfaces=[{"id": "e", "vnicType": "direct"}])))["vfs"] == [0]


def test_required_brings_the_cell_to_the_nic():
    assert placed(world(nic(node_id=1)), with_interface())["cells"][0]["node"] == 1


def full_node_1(**more: Any):
    cpus = [*range(100, 104), *range(150, 154)]
    return world(nic(node_id=1), allocations=[allocation(node_id=1, cpus=cpus)], **more)


def test_required_is_refused_where_the_nic_s_node_is_full():
    result = solve(full_node_1(), with_interface() | {"numaNodes": 1})
    assert result["unplaced"]["v"]["reasons"] == {"NIC_NUMA": 1}
    assert result["unplaced"]["v"]["nearest"] == [{"host": "h1", "short": {"VF": 1}}]
    assert "numaAffinity: preferred on interface 'e'" in result["unplaced"]["v"]["wouldFitIf"]


@pytest.mark.parametrize("affinity", ["preferred", "none"])
def test_softer_affinities_cost_fifty_where_the_vf_is_far(affinity):
    result = solve(full_node_1(), with_interface(numaAffinity=affinity))
    assert result["objective"] == {"cost": 50, "hostsOpened": 0, "crossNumaVfs": 1, "chainHops": 0}


def test_preferred_is_near_where_it_can_be():
    result = solve(world(nic(0, node_id=1), nic(1, node_id=None)), with_interface(numaAffinity="preferred"))
    assert result["placements"]["v"]["cells"][0]["node"] == 1
    assert result["objective"]["crossNumaVfs"] == 0


def test_vdus_are_counted_not_vfs():
    soft = [direct(name, numaAffinity="preferred", vfs=2) for name in "ab"]
    assert solve(full_node_1(), vdu(interfaces=soft))["objective"]["crossNumaVfs"] == 1


def test_a_nic_of_unknown_node_counts_as_far():
    assert solve(world(nic(node_id=None)), with_interface(numaAffinity="none"))["objective"]["crossNumaVfs"] == 1


def test_socket_takes_another_node_of_the_same_socket_but_no_other():
    cpus = [*range(100, 104), *range(150, 154)]
    held = [allocation(node_id=1, cpus=cpus)]
    same = [node(0) | {"socket": 7}, node(1) | {"socket": 7}]
    near = host(nodes=same, nics=[nic(node_id=1)], allocations=held)
    request = with_interface(numaAffinity="socket") | {"numaNodes": 1}
    assert solve(near, request)["objective"]["crossNumaVfs"] == 1
    assert reasons(host(nodes=[node(0), node(1)], nics=[nic(node_id=1)], allocations=held), request) == {"NIC_NUMA": 1}
    assert reasons(world(nic(node_id=None)), request) == {"NIC_NUMA": 1}


def test_a_cell_is_added_where_that_reaches_the_nic():
    held = [allocation(node_id=1, cpus=[101, 102, 103, 151, 152, 153])]
    tight = world(nic(node_id=1), allocations=held)
    placement = placed(tight, with_interface() | {"vcpus": 4})
    assert {cell["node"] for cell in placement["cells"]} == {0, 1}


def test_several_cells_reach_nics_on_several_nodes():
    pair = vdu(interfaces=[direct("a", physnet="x"), direct("b", physnet="y")], numaNodes=2)
    nodes = [node(n) for n in range(4)]
    reach = host(nodes=nodes, nics=[nic(0, node_id=3, physnet="x"), nic(1, node_id=1, physnet="y")])
    assert sorted(cell["node"] for cell in placed(reach, pair)["cells"]) == [1, 3]


def test_direct_physical_takes_a_nic_that_nobody_uses():
    placement = placed(world(nic()), with_interface(vnicType="direct-physical"))
    assert where(placement) == {"pci": nic()["pci"], "vfs": [], "node": 0}
    used = allocation(interfaces={"e": {"pci": nic()["pci"], "vfs": [7], "node": 0}})
    assert reasons(world(nic(), allocations=[used]), with_interface(vnicType="direct-physical")) == {"VF": 1}


def test_a_nic_that_is_taken_whole_has_no_vfs_left():
    used = allocation(interfaces={"e": {"pci": nic()["pci"], "vfs": [], "node": 0}})
    assert reasons(world(nic(), allocations=[used]), with_interface()) == {"VF": 1}
    both = vdu(interfaces=[direct("a", vnicType="direct-physical"), direct("b")])
    assert reasons(world(nic()), both) == {"VF": 1}


def test_bandwidth_adds_up_on_a_nic():
    used = allocation(interfaces={"e": {"pci": nic()["pci"], "vfs": [0], "node": 0, "bandwidthMbps": 20000}})
    tight = world(nic(), allocations=[used])
    assert where(placed(tight, with_interface(bandwidthMbps=5000)))["bandwidthMbps"] == 5000
    result = solve(tight, with_interface(bandwidthMbps=5001))
    assert result["unplaced"]["v"]["reasons"] == {"BANDWIDTH": 1}
    assert result["unplaced"]["v"]["nearest"] == [{"host": "h1", "short": {"BANDWIDTH": 1}}]


def test_a_nic_of_unknown_speed_promises_nothing():
    assert reasons(world(nic(linkMbps=None)), with_interface(bandwidthMbps=1)) == {"BANDWIDTH": 1}
    assert where(placed(world(nic(linkMbps=None)), with_interface()))["vfs"] == [0]


def test_a_port_of_the_switch_needs_no_nic():
    placement = placed(world(), vdu(interfaces=[{"id": "e"}]))
    assert where(placement) == {"pci": None, "vfs": [], "node": None}


def test_a_port_on_a_physical_network_needs_that_network_on_the_host():
    port = vdu(interfaces=[{"id": "e", "physnet": "dc1"}])
    assert reasons(world(), port) == {"PHYSNET": 1}
    assert where(placed(world(nic(vfs=0)), port))["pci"] is None


def test_a_port_of_a_dpdk_switch_lies_near_its_pmd_threads():
    near = world(vswitch={"datapath": "netdev", "nodes": [1]})
    placement = placed(near, vdu(interfaces=[{"id": "e"}]))
    assert (placement["cells"][0]["node"], where(placement)["node"]) == (1, 1)
    kernel = world(vswitch={"datapath": "system", "nodes": [1]})
    assert placed(kernel, vdu(interfaces=[{"id": "e"}]))["cells"][0]["node"] == 0


def test_where_the_pmd_node_is_full_only_softer_ports_fit():
    cpus = [*range(100, 104), *range(150, 154)]
    full = world(vswitch={"datapath": "netdev", "nodes": [1]}, allocations=[allocation(node_id=1, cpus=cpus)])
    assert reasons(full, vdu(interfaces=[{"id": "e"}])) == {"NIC_NUMA": 1}
    assert placed(full, vdu(interfaces=[{"id": "e", "numaAffinity": "preferred"}]))["cells"][0]["node"] == 0
