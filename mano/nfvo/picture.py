"""Hosts, VNFCs and networks as the dashboard draws them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mano.domain.nfvi import Host, NumaNode
from mano.domain.ns_instance import Network, NsInstance, PnfCp, PnfInstance, SapInstance
from mano.domain.vnf_instance import ConnectionPoint, VnfcResource
from mano.nfvo.graph_translation import LiveVnf
from mano.ports.vim import HostStatus


def picture_host(host: Host, status: HostStatus, keys: Mapping[str, str]) -> dict[str, Any]:
    """One host with its NUMA nodes: which CPU, page and VF serves whom. ``keys`` names allocations for people."""
    use = _cpu_use(host, keys)
    return {
        "name": host.name,
        "zone": host.zone,
        "state": host.state.value,
        "reachable": status.reachable,
        "detail": status.detail,
        "numaNodes": [_node(host, node, use) for node in host.numa_nodes],
        "nics": [
            {
                "name": nic.name,
                "pci": nic.pci,
                "numaNode": nic.numa_node,
                "physnet": nic.physnet,
                "totalVfs": nic.total_vfs,
                "usedVfs": [
                    {"vf": vf, "by": keys.get(allocation.id, allocation.id)}
                    for allocation in host.allocations
                    for interface in allocation.interfaces.values()
                    if interface.pci == nic.pci
                    for vf in interface.vfs
                ],
            }
            for nic in host.nics
        ],
    }


def _cpu_use(host: Host, keys: Mapping[str, str]) -> dict[int, str]:
    use = {cpu: "reserved" for cpu in host.reserved_cpus} | {cpu: "shared" for cpu in host.shared_cpus}
    for allocation in host.allocations:
        for cpu in allocation.held_cpus():
            use[cpu] = keys.get(allocation.id, allocation.id)
    return use


def _node(host: Host, node: NumaNode, use: Mapping[int, str]) -> dict[str, Any]:
    cells = [cell for allocation in host.allocations for cell in allocation.cells if cell.node == node.id]
    used_pages = {size: 0 for size in node.hugepages}
    for cell in cells:
        if cell.page_size_kib in used_pages:
            used_pages[cell.page_size_kib] += cell.memory_mib * 1024 // cell.page_size_kib
    return {
        "id": node.id,
        "socket": node.socket,
        "cores": [{"cpus": list(core), "use": {str(cpu): use.get(cpu) for cpu in core}} for core in node.cores],
        "memoryMib": node.memory_mib,
        "memoryUsedMib": sum(cell.memory_mib for cell in cells),
        "hugepages": {
            str(size): {"total": total, "used": used_pages[size]} for size, total in sorted(node.hugepages.items())
        },
    }


def picture_vnfcs(host: str, live: Iterable[LiveVnf], tenant_id: str) -> dict[str, Any]:
    """The VNFCs of a tenant on one host, and their ports."""
    here = [
        (one, vnfc)
        for one in live
        if one.instance.tenant_id == tenant_id
        for vnfc in one.instance.vnfcs
        if vnfc.host == host
    ]
    return {
        "vnfcs": [_vnfc(one, vnfc) for one, vnfc in here],
        "ports": [_port(vnfc.id, cp) for _, vnfc in here for cp in vnfc.connection_points],
    }


def _vnfc(one: LiveVnf, vnfc: VnfcResource) -> dict[str, Any]:
    facts = [found for cp in vnfc.connection_points if (found := one.facts(cp.cpd_id)) is not None]
    cells = vnfc.placement.get("cells") or ()
    return {
        "id": vnfc.id,
        "name": f"{one.instance.name}/{vnfc.vdu_id}/{vnfc.index}",
        "vnfInstanceId": one.instance.id,
        "vnfName": one.instance.name,
        "vduId": vnfc.vdu_id,
        "cpus": [cpu for cell in cells for cpu in cell["cpus"]],
        "numaNodes": [cell["node"] for cell in cells],
        "sf": {"awareness": facts[0].encapsulation.value, "layer": facts[0].layer.value} if facts else None,
        "state": vnfc.state.value,
    }


def _port(owner_id: str, cp: ConnectionPoint) -> dict[str, Any]:
    return {
        "id": cp.port_id,
        "cpdId": cp.cpd_id,
        "interface": cp.interface,
        "ofport": cp.ofport,
        "mac": cp.mac,
        "addresses": list(cp.addresses),
        "networkId": cp.network_id,
        "ownerId": owner_id,
        "realisation": cp.realisation.value,
        "pci": cp.pci,
    }


def picture_network(network: Network) -> dict[str, Any]:
    """One network."""
    return {
        "id": network.id,
        "name": network.vld_id,
        "kind": network.kind.value,
        "vni": network.vni,
        "mtu": network.mtu,
        "subnets": list(network.subnets),
        "physicalNetwork": network.physical_network,
    }


def picture_sap(sap: SapInstance) -> dict[str, Any]:
    """One SAP."""
    point = sap.connection_point
    return {
        "id": sap.id,
        "name": sap.sapd_id,
        "attachment": sap.attachment,
        "host": point.host,
        "addresses": list(point.addresses),
        "networkId": point.network_id,
        "interface": point.interface,
        "ofport": point.ofport,
    }


def picture_pnf(pnf: PnfInstance, cp: PnfCp) -> dict[str, Any]:
    """One connection point of a PNF: a place outside, as a SAP is."""
    point = cp.connection_point
    return {
        "id": point.port_id,
        "name": f"{pnf.name} ({cp.cpd_id})",
        "attachment": cp.attachment,
        "host": point.host,
        "addresses": list(point.addresses),
        "networkId": point.network_id,
        "interface": point.interface,
        "ofport": point.ofport,
        "pnfId": pnf.pnf_id,
    }


def picture_ns(ns: NsInstance) -> dict[str, Any]:
    """One NS instance, with those that it nests."""
    return {
        "id": ns.id,
        "name": ns.name,
        "state": ns.state.value,
        "nested": [nested.ns_instance_id for nested in ns.nested],
        "nestedIn": list(ns.parents),
    }
