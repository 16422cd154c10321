"""Faults of NS descriptors. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.forwarding import constituent_kind, link_behind
from vnf_descriptors.read_links import l3_of
from vnf_descriptors.read_nsd import GATEWAY, gateways_of
from vnf_descriptors.read_vnfd import DescriptorFacts
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.rules.links import address_in, network_of
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, text_of
from vnf_descriptors.yamltree import Mapping, Scalar

_NODE = "tosca.nodes.nfv."
_POLICY = "tosca.policies.nfv."


def constituents(context: Context, topology: Topology) -> list[NodeTemplate]:
    """The VNFs, PNFs and nested NSs of an NS."""
    own = context.self_node(topology)
    return [node for node in topology.nodes.values() if node is not own and constituent_kind(context, node) is not None]


def unidentified_constituent(context: Context) -> Iterator[Finding]:
    """A constituent does not say which descriptor it is an instance of."""
    for topology in context.flavours:
        for node in constituents(context, topology):
            if not text_of(topology.property_of(node, "descriptor_id")):
                message = f"the constituent {quote(node.name)} has no descriptor_id"
                hint = "Give it in the node's properties or as a default of its type"
                yield finding("NSD001", node.key, message, hint)


def self_nesting(context: Context) -> Iterator[Finding]:
    """An NS nests itself."""
    if context.kind is None:
        return
    mine = DescriptorFacts(context, context.kind).text("descriptor_id")
    for topology in context.flavours:
        for node in constituents(context, topology):
            if mine and text_of(topology.property_of(node, "descriptor_id")) == mine:
                yield finding("NSD011", node.key, f"{quote(node.name)} is an instance of this very descriptor")


def contradictory_profile(context: Context) -> Iterator[Finding]:
    """A constituent's minimum number of instances is greater than its maximum."""
    for topology in context.flavours:
        for node in constituents(context, topology):
            for profile in ("vnf_profile", "ns_profile"):
                place = topology.property_of(node, profile, "min_number_of_instances")
                low = integer_of(place)
                high = integer_of(topology.property_of(node, profile, "max_number_of_instances"))
                if low is not None and high is not None and low > high and place is not None:
                    message = f"the minimum of {low} instances of {quote(node.name)} is above the maximum of {high}"
                    yield finding("VNFD015", place, message)


def sap_goes_nowhere(context: Context) -> Iterator[Finding]:
    """A SAP is attached to no virtual link of the NS."""
    for topology in context.flavours:
        for node in topology.of_type(f"{_NODE}Sap"):
            target = node.target("internal_virtual_link")
            if target is None or (target in topology.nodes and link_behind(topology, target) is None):
                yield finding("NSD002", node.key, f"the SAP {quote(node.name)} has no internal_virtual_link")


def unused_link(context: Context) -> Iterator[Finding]:
    """No constituent and no SAP is attached to a virtual link."""
    for topology in context.flavours:
        used = {use.target.text for node in topology.nodes.values() for use in node.requirements if use.target}
        for node in topology.of_type(f"{_NODE}NsVirtualLink"):
            if node.name not in used:
                yield finding("NSD012", node.key, f"nothing is attached to the virtual link {quote(node.name)}")


def wrong_gateway(context: Context) -> Iterator[Finding]:
    """A gateway in a virtual link's metadata is no address of one of its subnets."""
    for topology in context.flavours:
        for node in topology.of_type(f"{_NODE}NsVirtualLink"):
            place = child(node.node, "metadata", GATEWAY)
            networks = [network_of(subnet.cidr) for subnet in l3_of(topology, topology.property_of(node, "vl_profile"))]
            for text in gateways_of(node) if place is not None else ():
                address = address_in(text)
                if address is None or not any(network and address in network for network in networks):
                    yield finding("VNFD016", place or node.key, f"{quote(text)} is no address of {quote(node.name)}")


def cyclic_dependency(context: Context) -> Iterator[Finding]:
    """Constituents wait for each other."""
    for topology in context.flavours:
        waits = {
            node.name: [use.target.text for use in node.uses("dependency") if use.target]
            for node in constituents(context, topology)
        }
        for name in waits:
            if name in _reachable(waits, name):
                yield finding("NSD011", topology.nodes[name].key, f"{quote(name)} waits for itself")


def _reachable(waits: dict[str, list[str]], start: str) -> set[str]:
    found: set[str] = set()
    waiting = list(waits.get(start, ()))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(waits.get(name, ()))
    return found


def wrong_level(context: Context) -> Iterator[Finding]:
    """An NS level is unknown, or gives a constituent fewer or more instances than its profile permits."""
    for topology in context.flavours:
        known = _ns_levels(topology)
        yield from _wrong_default(topology, known)
        kinds = (f"{_POLICY}VnfToInstantiationLevelMapping", f"{_POLICY}NsToInstantiationLevelMapping")
        for policy in topology.policies_of(*kinds):
            numbers = topology.follow(policy.properties.get("number_of_instances"))
            for level, key, count in numbers.items() if isinstance(numbers, Mapping) else ():
                if level not in known:
                    message = f"there is no NS instantiation level {quote(level)}"
                    yield finding("NSD009", key, message, did_you_mean(level, known))
                for member in policy.members:
                    problem = _outside(topology, member.text, integer_of(count))
                    if problem:
                        yield finding("NSD009", count, problem)


def _wrong_default(topology: Topology, known: set[str]) -> Iterator[Finding]:
    for policy in topology.policies_of(f"{_POLICY}NsInstantiationLevels"):
        default = topology.follow(policy.properties.get("default_level"))
        if isinstance(default, Scalar) and default.value is not None and default.text not in known:
            message = f"there is no NS instantiation level {quote(default.text)}"
            yield finding("NSD009", default, message, did_you_mean(default.text, known))


def _ns_levels(topology: Topology) -> set[str]:
    known: set[str] = set()
    for policy in topology.policies_of(f"{_POLICY}NsInstantiationLevels"):
        levels = topology.follow(policy.properties.get("ns_levels"))
        known.update(levels.entries if isinstance(levels, Mapping) else ())
    return known


def _outside(topology: Topology, name: str, count: int | None) -> str:
    node = topology.nodes.get(name)
    if node is None or count is None:
        return ""
    for profile in ("vnf_profile", "ns_profile"):
        low = integer_of(topology.property_of(node, profile, "min_number_of_instances"))
        high = integer_of(topology.property_of(node, profile, "max_number_of_instances"))
        if (low is not None and count < low) or (high is not None and count > high):
            return f"{count} instances of {quote(name)} are outside its profile's {low} to {high}"
    return ""


def wrong_aspect_mapping(context: Context) -> Iterator[Finding]:
    """A level mapping names an NS scaling aspect or a scale level that does not exist."""
    for topology in context.flavours:
        aspects = _ns_aspects(topology)
        kinds = (f"{_POLICY}VnfToLevelMapping", f"{_POLICY}NsToLevelMapping", f"{_POLICY}VirtualLinkToLevelMapping")
        for policy in topology.policies_of(*kinds):
            name = topology.follow(policy.properties.get("aspect"))
            if not isinstance(name, Scalar):
                continue
            if name.text not in aspects:
                message = f"there is no NS scaling aspect {quote(name.text)}"
                yield finding("NSD009", name, message, did_you_mean(name.text, aspects))
                continue
            numbers = topology.follow(
                policy.properties.get("number_of_instances") or policy.properties.get("bit_rate_requirements")
            )
            for level, key, _ in numbers.items() if isinstance(numbers, Mapping) else ():
                if level not in aspects[name.text]:
                    yield finding("NSD009", key, f"the aspect {quote(name.text)} has no scale level {quote(level)}")


def _ns_aspects(topology: Topology) -> dict[str, set[str]]:
    known: dict[str, set[str]] = {}
    for policy in topology.policies_of(f"{_POLICY}NsScalingAspects"):
        aspects = topology.follow(policy.properties.get("aspects"))
        for name, _, node in aspects.items() if isinstance(aspects, Mapping) else ():
            levels = node.get("ns_scale_levels") if isinstance(node, Mapping) else None
            known[name] = set(levels.entries) if isinstance(levels, Mapping) else set()
    return known


NSD_RULES = (
    unidentified_constituent,
    self_nesting,
    contradictory_profile,
    sap_goes_nowhere,
    unused_link,
    wrong_gateway,
    cyclic_dependency,
    wrong_level,
    wrong_aspect_mapping,
)
