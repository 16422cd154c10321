"""Addresses, protocols, bit rates and quality of links and connection points, as the model has them."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.model import AddressAssignment, Bitrate, IpRange, L2Protocol, L3Protocol, Qos
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import boolean_of, child, integer_of, maps_of, text_of, texts_of
from vnf_descriptors.yamltree import Node, Scalar

_VERSIONS = {"ipv4": 4, "ipv6": 6}


def addresses_of(topology: Topology, node: NodeTemplate) -> tuple[AddressAssignment, ...]:
    """How the protocols of a connection point get their addresses."""
    return tuple(_addresses(topology, node))


def _addresses(topology: Topology, node: NodeTemplate) -> Iterator[AddressAssignment]:
    for protocol in maps_of(topology.property_of(node, "protocol")):
        layer = text_of(protocol.get("associated_layer_protocol")) or ""
        for entry in maps_of(topology.follow(protocol.get("address_data"), (), node)):
            yield _address(topology, node, layer, entry)


def _address(topology: Topology, node: NodeTemplate, layer: str, entry: Node) -> AddressAssignment:
    kind = text_of(child(entry, "address_type")) or "ip_address"
    if kind == "mac_address":
        by_mano = boolean_of(child(entry, "l2_address_data", "mac_address_assignment"), True)
        return AddressAssignment(kind, by_mano)
    data = child(entry, "l3_address_data")
    fixed = texts_of(topology.follow(child(data, "fixed_ip_address"), (), node))
    version = _VERSIONS.get(text_of(child(data, "ip_address_type")) or layer)
    return AddressAssignment(
        kind,
        boolean_of(child(data, "ip_address_assignment"), True),
        version,
        fixed,
        integer_of(child(data, "number_of_ip_address")) or max(1, len(fixed)),
        boolean_of(child(data, "floating_ip_activated")),
    )


def l2_of(topology: Topology, profile: Node | None) -> L2Protocol | None:
    """The layer 2 data of a link's profile; None when it gives none."""
    for entry in maps_of(topology.follow(profile, ("virtual_link_protocol_data",))):
        data = topology.follow(entry.get("l2_protocol_data"))
        if data is not None and not isinstance(data, Scalar):
            return L2Protocol(
                text_of(child(data, "name")),
                text_of(child(data, "network_type")),
                integer_of(child(data, "segmentation_id")),
                integer_of(child(data, "mtu")),
                boolean_of(child(data, "vlan_transparent")),
            )
    return None


def l3_of(topology: Topology, profile: Node | None) -> tuple[L3Protocol, ...]:
    """The subnets of a link's profile."""
    return tuple(_subnets(topology, profile))


def _subnets(topology: Topology, profile: Node | None) -> Iterator[L3Protocol]:
    for entry in maps_of(topology.follow(profile, ("virtual_link_protocol_data",))):
        data = topology.follow(entry.get("l3_protocol_data"))
        cidr = text_of(topology.follow(child(data, "cidr")))
        if cidr is None:
            continue
        dhcp = child(data, "dhcp_enabled")
        yield L3Protocol(
            _VERSIONS.get(text_of(child(data, "ip_version")) or "ipv4", 4),
            cidr,
            text_of(child(data, "name")),
            tuple(
                IpRange(text_of(pool.get("start_ip_address")) or "", text_of(pool.get("end_ip_address")) or "")
                for pool in maps_of(child(data, "ip_allocation_pools"))
            ),
            text_of(child(data, "gateway_ip")),
            boolean_of(dhcp) if dhcp is not None else None,
        )


def bitrate_of(topology: Topology, profile: Node | None, name: str) -> Bitrate | None:
    """The bit rates of a link's profile; None when it gives none."""
    root = integer_of(topology.follow(profile, (name, "root")))
    return None if root is None else Bitrate(root, integer_of(topology.follow(profile, (name, "leaf"))))


def qos_of(topology: Topology, profile: Node | None) -> Qos | None:
    """The quality of a link's profile; None when it gives none."""
    qos = topology.follow(profile, ("qos",))
    latency, jitter = text_of(child(qos, "latency")), text_of(child(qos, "packet_delay_variation"))
    if latency is None or jitter is None:
        return None
    loss = child(qos, "packet_loss_ratio")
    ratio = float(loss.value) if isinstance(loss, Scalar) and isinstance(loss.value, int | float) else None
    return Qos(units.time_us(latency), units.time_us(jitter), ratio, integer_of(child(qos, "priority")))
