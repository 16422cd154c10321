"""Networks, subnets and ports in Neutron's JSON, and which ports there are. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.ns_instance import Network, NetworkKind
from mano.domain.port_chains import LogicalPort
from mano.domain.vnf_instance import ConnectionPoint
from mano.ports.repositories import UnitOfWork


@dataclass(frozen=True, slots=True)
class SeenPort:
    """A port of the bridges with whom it belongs to. ``vnfc_id`` is set for a VNFC's."""

    point: ConnectionPoint
    name: str
    tenant_id: str
    description: str
    device_id: str
    device_owner: str
    vnfc_id: str = ""
    vnf_instance_id: str = ""


def seen_ports(uow: UnitOfWork, tenant_id: str | None) -> Iterator[SeenPort]:
    """Ports of VNFCs, then of SAPs, then those made by hand that the VIM has."""
    names = {ns.id: ns.name for ns in uow.ns_instances.list(tenant_id)}
    for vnf in uow.vnf_instances.list(tenant_id):
        prefix = f"{names[vnf.ns_instance_id]}/" if vnf.ns_instance_id in names else ""
        for vnfc in vnf.vnfcs:
            which = "" if len(vnf.vnfcs) == 1 else f"/{vnfc.vdu_id}/{vnfc.index}"
            for point in vnfc.connection_points:
                yield SeenPort(
                    point,
                    f"{prefix}{vnf.name}{which}:{point.cpd_id}",
                    vnf.tenant_id,
                    f"connection point {point.cpd_id} of VNF {vnf.name}",
                    vnfc.compute_id,
                    f"compute:{point.host}",
                    vnfc.id,
                    vnf.id,
                )
    for ns in uow.ns_instances.list(tenant_id):
        for sap in ns.saps:
            what = f"service access point {sap.sapd_id} of {ns.name}"
            yield SeenPort(
                sap.connection_point, f"{ns.name}:{sap.sapd_id}", ns.tenant_id, what, sap.attachment, "catena:sap"
            )
    for port in uow.logical_ports.list(tenant_id):
        if port.point is not None:
            yield SeenPort(port.point, port.name, port.tenant_id, port.description, port.device_id, port.device_owner)


def subnet_id(network_id: str, prefix: str) -> str:
    """The identifier of a network's subnet."""
    return derive_id("subnet", network_id, prefix)


def unfinished(port: LogicalPort) -> SeenPort:
    """A port made by hand that the VIM does not have yet."""
    point = ConnectionPoint(port.id, "", port.id, port.network_id, port.mac, port.addresses, port.host)
    return SeenPort(point, port.name, port.tenant_id, port.description, port.device_id, port.device_owner)


def network_document(network: Network, services: Mapping[str, str]) -> dict[str, Any]:
    """A network; ``services`` names network services by identifier."""
    provider = network.kind is NetworkKind.PROVIDER
    name = network.name or f"{services.get(network.ns_instance_id, network.ns_instance_id)}/{network.vld_id}"
    return {
        "id": network.id,
        "name": name if network.ns_instance_id else network.name,
        "description": network.description,
        "tenant_id": network.tenant_id,
        "project_id": network.tenant_id,
        "admin_state_up": True,
        "status": "ACTIVE",
        "shared": False,
        "router:external": False,
        "mtu": network.mtu,
        "subnets": [subnet_id(network.id, prefix) for prefix in network.subnets],
        "provider:network_type": ("vlan" if network.segment else "flat") if provider else "vxlan",
        "provider:physical_network": network.physical_network or None,
        "provider:segmentation_id": (network.segment or None) if provider else network.vni,
        "port_security_enabled": True,
        "vlan_transparent": network.vlan_transparent,
    }


def subnet_documents(network: Network) -> Iterator[dict[str, Any]]:
    """The subnets of a network."""
    for index, text in enumerate(network.subnets):
        prefix = ip_network(text)
        names = network.subnet_names
        gateway = next((gateway for gateway in network.gateways if ip_address(gateway) in prefix), None)
        yield {
            "id": subnet_id(network.id, text),
            "name": (names[index] if index < len(names) else "") or text,
            "description": "",
            "tenant_id": network.tenant_id,
            "project_id": network.tenant_id,
            "network_id": network.id,
            "ip_version": prefix.version,
            "cidr": text,
            "gateway_ip": gateway,
            "enable_dhcp": False,
            "dns_nameservers": [],
            "host_routes": [],
            "allocation_pools": [],
        }


def port_document(port: SeenPort, network: Network | None) -> dict[str, Any]:
    """A port; ``network`` is its own."""
    point = port.point
    subnets = network.subnets if network is not None else ()
    return {
        "id": point.port_id,
        "name": port.name,
        "description": port.description,
        "tenant_id": port.tenant_id,
        "project_id": port.tenant_id,
        "network_id": point.network_id,
        "admin_state_up": True,
        "status": "ACTIVE" if point.interface else "BUILD",
        "mac_address": point.mac,
        "fixed_ips": [
            {"ip_address": text.split("/")[0], "subnet_id": _subnet_of(point.network_id, subnets, text)}
            for text in point.addresses
        ],
        "device_id": port.device_id,
        "device_owner": port.device_owner,
        "binding:host_id": point.host,
        "binding:vnic_type": "direct" if point.pci else "normal",
        "binding:vif_type": "ovs" if point.ofport is not None else "other",
        "binding:vif_details": {"port_name": point.interface, "ofport": point.ofport},
        "binding:profile": {"pci_slot": point.pci, "vf": point.vf} if point.pci else {},
        "allowed_address_pairs": [],
        "security_groups": [],
        "port_security_enabled": True,
    }


def _subnet_of(network_id: str, subnets: Sequence[str], address: str) -> str | None:
    own = ip_address(address.split("/")[0])
    return next((subnet_id(network_id, prefix) for prefix in subnets if own in ip_network(prefix)), None)
