"""Faults of links, addresses, bit rates and affinity rules. Each function finds one fault."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, maps_of, text_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

_LINKS = ("tosca.nodes.nfv.VnfVirtualLink", "tosca.nodes.nfv.NsVirtualLink")
_CPS = ("tosca.nodes.nfv.Cp",)
_POLICY = "tosca.policies.nfv."
_RULES = tuple(
    f"tosca.policies.nfv.{name}"
    for name in ("AffinityRule", "AntiAffinityRule", "NsAffinityRule", "NsAntiAffinityRule")
)
_VERSIONS = {"ipv4": 4, "ipv6": 6}
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _links(context: Context) -> Iterator[tuple[Topology, NodeTemplate]]:
    for topology in context.flavours:
        for node in topology.of_type(*_LINKS):
            yield topology, node


def _subnets(context: Context) -> Iterator[tuple[Topology, Node]]:
    for topology, node in _links(context):
        for entry in maps_of(topology.property_of(node, "vl_profile", "virtual_link_protocol_data")):
            data = topology.follow(entry.get("l3_protocol_data"))
            if isinstance(data, Mapping):
                yield topology, data


def network_of(text: str) -> Network | None:
    """The network that a CIDR means, or None."""
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def address_in(text: str) -> Address | None:
    """The address that a text means, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def wrong_cidr(context: Context) -> Iterator[Finding]:
    """A subnet's CIDR is not well-formed, has host bits set, or is of another IP version."""
    for topology, data in _subnets(context):
        node = topology.follow(child(data, "cidr"))
        text = text_of(node)
        if node is None or text is None:
            continue
        network = network_of(text)
        version = _VERSIONS.get(text_of(child(data, "ip_version")) or "")
        if network is None:
            yield finding("VNFD016", node, f"{quote(text)} is no CIDR", "Write it like 10.0.0.0/24 or fd00::/64")
        elif str(network.network_address) != str(address_in(text.split("/")[0])):
            yield finding("VNFD016", node, f"{quote(text)} has host bits set", f"Did you mean {quote(network)}?")
        elif version is not None and network.version != version:
            yield finding("VNFD016", node, f"{quote(text)} is IPv{network.version}, but ip_version says IPv{version}")


def address_outside(context: Context) -> Iterator[Finding]:
    """A gateway or an end of a pool is not well-formed or not in the subnet."""
    for topology, data in _subnets(context):
        network = network_of(text_of(topology.follow(child(data, "cidr"))) or "")
        places = [child(data, "gateway_ip")]
        for pool in maps_of(child(data, "ip_allocation_pools")):
            places += [pool.get("start_ip_address"), pool.get("end_ip_address")]
            yield from _pool_order(pool)
        for place in places:
            text = text_of(place)
            if place is None or text is None:
                continue
            address = address_in(text)
            if address is None:
                yield finding("VNFD016", place, f"{quote(text)} is no IP address")
            elif network is not None and address not in network:
                yield finding("VNFD016", place, f"{quote(text)} is not in {network}")


def _pool_order(pool: Mapping) -> Iterator[Finding]:
    start, end = (address_in(text_of(pool.get(name)) or "") for name in ("start_ip_address", "end_ip_address"))
    if start is not None and end is not None and start.version == end.version and int(start) > int(end):
        yield finding("VNFD015", pool, f"the pool from {start} to {end} is empty")


def wrong_fixed_address(context: Context) -> Iterator[Finding]:
    """A connection point's fixed address is not well-formed."""
    for topology in context.flavours:
        for node in topology.of_type(*_CPS):
            for protocol in maps_of(topology.property_of(node, "protocol")):
                for entry in maps_of(protocol.get("address_data")):
                    fixed = child(entry, "l3_address_data", "fixed_ip_address")
                    for item in fixed.items if isinstance(fixed, Sequence) else ():
                        if isinstance(item, Scalar) and address_in(item.text) is None:
                            yield finding("VNFD016", item, f"{quote(item.text)} is no IP address")


def contradictory_bitrate(context: Context) -> Iterator[Finding]:
    """A link's minimum bit rate is greater than its maximum."""
    for topology, node in _links(context):
        for end in ("root", "leaf"):
            place = topology.property_of(node, "vl_profile", "min_bitrate_requirements", end)
            low = integer_of(place)
            high = integer_of(topology.property_of(node, "vl_profile", "max_bitrate_requirements", end))
            if low is not None and high is not None and low > high and place is not None:
                yield finding("VNFD015", place, f"the minimum of {low} bit/s is above the maximum of {high}")


def empty_port_range(context: Context) -> Iterator[Finding]:
    """A security group rule's first port is above its last, or one of them is no port."""
    for topology in context.flavours:
        for policy in topology.policies_of(f"{_POLICY}SecurityGroupRule"):
            places = [topology.follow(policy.properties.get(f"port_range_{end}")) for end in ("min", "max")]
            low, high = (integer_of(place) for place in places)
            if low is not None and high is not None and low > high and places[0] is not None:
                yield finding("VNFD015", places[0], f"the range of ports from {low} to {high} is empty")


def affinity_without_effect(context: Context) -> Iterator[Finding]:
    """An affinity rule has nothing to act on."""
    for topology in context.flavours:
        for policy in topology.policies_of(*_RULES):
            if not policy.members:
                yield finding("VNFD014", policy.key, f"the rule {quote(policy.name)} has no target")
            for member in policy.members:
                group = topology.groups.get(member.text)
                if group is not None and len({each.text for each in group.members}) < 2:
                    message = (
                        f"the group {quote(group.name)} of the rule {quote(policy.name)} has fewer than two members"
                    )
                    yield finding("VNFD014", member, message)


LINK_RULES = (
    wrong_cidr,
    address_outside,
    wrong_fixed_address,
    contradictory_bitrate,
    empty_port_range,
    affinity_without_effect,
)
