"""From checked topologies to the model of an NS descriptor."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import replace

from vnf_descriptors.context import NS, PNF, VNF, Context, Kind
from vnf_descriptors.forwarding import connections, constituent_kind, link_behind, resolve_element
from vnf_descriptors.model import (
    AffinityRule,
    Bitrate,
    Dependency,
    ForwardingBehaviour,
    FrozenMap,
    L3Protocol,
    MaskRule,
    NestedNsProfile,
    Nfp,
    NfpElement,
    NfpPosition,
    NfpRule,
    Nsd,
    NsFlavour,
    NsLevel,
    NsScalingAspect,
    NsVirtualLink,
    PnfProfile,
    PortRange,
    Sap,
    Vnffg,
    VnfProfile,
)
from vnf_descriptors.read_links import bitrate_of, l2_of, l3_of, qos_of
from vnf_descriptors.read_scaling import affinity_rules
from vnf_descriptors.read_triggers import triggers_of
from vnf_descriptors.read_vnfd import DescriptorFacts, flavour_id_of
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import boolean_of, child, exposed, integer_of, maps_of, text_of, texts_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

_NODE = "tosca.nodes.nfv."
_POLICY = "tosca.policies.nfv."
#: Where a rule's explicit precedence and a path's symmetry stand: in the template's metadata, as texts.
PRIORITY = "catena:priority"
SYMMETRIC = "catena:symmetric"
#: Gateways of a virtual link, separated by commas: SOL001's data type of an NS's subnets has none.
GATEWAY = "catena:gateway"


def read_nsd(context: Context) -> Nsd:
    """The NSD of a context without errors; ValueError when the model itself refuses a value."""
    facts = DescriptorFacts(context, Kind.NSD)
    return Nsd(
        descriptor_id=facts.text("descriptor_id"),
        invariant_id=facts.text("invariant_id"),
        designer=facts.text("designer"),
        name=facts.text("name"),
        version=facts.text("version"),
        flavours=tuple(_flavour(context, topology) for topology in context.flavours),
        sol001_edition=context.templates.edition,
        strict_onboarding=facts.text("strict_nsd_constituent_onboarding").lower() != "false",
    )


def _flavour(context: Context, topology: Topology) -> NsFlavour:
    own = context.self_node(topology)
    constituents = [node for node in topology.nodes.values() if node is not own]
    counts = _initial_counts(topology)
    default = next((text_of(each.properties.get("default_level")) for each in _level_policies(topology)), None)
    return NsFlavour(
        id=flavour_id_of(context, topology) or "default",
        vnf_profiles=tuple(_vnf_profile(topology, node, counts) for node in constituents if _is(context, node, VNF)),
        pnf_profiles=tuple(_pnf_profile(topology, node) for node in constituents if _is(context, node, PNF)),
        nested_ns_profiles=tuple(
            _ns_profile(topology, node, counts) for node in constituents if _is(context, node, NS)
        ),
        virtual_links=tuple(_virtual_link(topology, node) for node in topology.of_type(f"{_NODE}NsVirtualLink")),
        saps=tuple(_sap(topology, node) for node in topology.of_type(f"{_NODE}Sap")),
        affinity_rules=tuple(_affinity(topology)),
        vnffgs=tuple(_vnffg(context, topology, group) for group in _graphs(context, topology)),
        dependencies=tuple(_dependencies(context, topology, constituents)),
        instantiation_levels=tuple(_levels(topology)),
        default_level_id=default,
        scaling_aspects=tuple(_aspects(topology)),
        auto_scaling=tuple(
            trigger
            for policy in topology.policies_of(f"{_POLICY}NsAutoScale")
            for trigger in triggers_of(topology, policy)
        ),
    )


def _is(context: Context, node: NodeTemplate, kind: str) -> bool:
    return context.types.is_a("node_types", node.type, kind)


# Constituents -------------------------------------------------------------------------------------------


def _vnf_profile(topology: Topology, node: NodeTemplate, counts: dict[str, int]) -> VnfProfile:
    low, high = _limits(topology, node, "vnf_profile")
    return VnfProfile(
        id=node.name,
        vnfd_id=text_of(topology.property_of(node, "descriptor_id")) or "",
        flavour_id=text_of(topology.property_of(node, "flavour_id")) or "default",
        instantiation_level_id=text_of(topology.property_of(node, "vnf_profile", "instantiation_level")),
        min_instances=low,
        max_instances=high,
        initial_instances=counts.get(node.name, max(low, min(1, high))),
        connections=tuple(connections(topology, node)),
    )


def _pnf_profile(topology: Topology, node: NodeTemplate) -> PnfProfile:
    return PnfProfile(
        node.name,
        text_of(topology.property_of(node, "descriptor_id")) or "",
        text_of(topology.property_of(node, "name")) or node.name,
        tuple(connections(topology, node)),
    )


def _ns_profile(topology: Topology, node: NodeTemplate, counts: dict[str, int]) -> NestedNsProfile:
    low, high = _limits(topology, node, "ns_profile")
    return NestedNsProfile(
        node.name,
        text_of(topology.property_of(node, "descriptor_id")) or "",
        text_of(topology.property_of(node, "flavour_id")) or "default",
        low,
        high,
        tuple(connections(topology, node)),
        counts.get(node.name, max(low, min(1, high))),
        text_of(topology.property_of(node, "ns_profile", "ns_instantiation_level")),
    )


def _limits(topology: Topology, node: NodeTemplate, profile: str) -> tuple[int, int]:
    low = integer_of(topology.property_of(node, profile, "min_number_of_instances"))
    high = integer_of(topology.property_of(node, profile, "max_number_of_instances"))
    return 1 if low is None else low, 1 if high is None else high


def _dependencies(context: Context, topology: Topology, constituents: list[NodeTemplate]) -> Iterator[Dependency]:
    kinds = {node.name for node in constituents if constituent_kind(context, node) is not None}
    for node in constituents:
        for use in node.uses("dependency"):
            if node.name in kinds and use.target is not None and use.target.text in kinds:
                yield Dependency(node.name, use.target.text)


def _virtual_link(topology: Topology, node: NodeTemplate) -> NsVirtualLink:
    profile = topology.property_of(node, "vl_profile")
    return NsVirtualLink(
        id=node.name,
        layer_protocols=texts_of(topology.property_of(node, "connectivity_type", "layer_protocols")),
        flow_pattern=text_of(topology.property_of(node, "connectivity_type", "flow_pattern")),
        description=text_of(topology.property_of(node, "description")),
        l2=l2_of(topology, profile),
        l3=tuple(_with_gateway(subnet, gateways_of(node)) for subnet in l3_of(topology, profile)),
        max_bitrate=bitrate_of(topology, profile, "max_bitrate_requirements"),
        min_bitrate=bitrate_of(topology, profile, "min_bitrate_requirements"),
        qos=qos_of(topology, profile),
    )


def gateways_of(node: NodeTemplate) -> tuple[str, ...]:
    """The gateways in a virtual link's metadata, as they were written."""
    text = text_of(child(node.node, "metadata", GATEWAY)) or ""
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _with_gateway(subnet: L3Protocol, gateways: tuple[str, ...]) -> L3Protocol:
    network = ipaddress.ip_network(subnet.cidr)
    inside = [gateway for gateway in gateways if ipaddress.ip_address(gateway) in network]
    return replace(subnet, gateway_ip=inside[0]) if inside and subnet.gateway_ip is None else subnet


def _sap(topology: Topology, node: NodeTemplate) -> Sap:
    return Sap(
        node.name,
        link_behind(topology, node.target("internal_virtual_link") or "") or "",
        texts_of(topology.property_of(node, "layer_protocols")),
        text_of(topology.property_of(node, "description")),
        exposed(topology).get(node.name),
        boolean_of(topology.property_of(node, "trunk_mode")),
    )


def _affinity(topology: Topology) -> Iterator[AffinityRule]:
    yield from affinity_rules(topology, f"{_POLICY}NsAffinityRule", f"{_POLICY}NsAntiAffinityRule")
    yield from affinity_rules(topology, f"{_POLICY}AffinityRule", f"{_POLICY}AntiAffinityRule")


# Forwarding graphs ----------------------------------------------------------------------------------------


def _graphs(context: Context, topology: Topology) -> list[Group]:
    return [
        group
        for group in topology.groups.values()
        if context.types.is_a("group_types", group.type, "tosca.groups.nfv.VNFFG")
    ]


def _vnffg(context: Context, topology: Topology, group: Group) -> Vnffg:
    names = [member.text for member in group.members]
    paths = {node.name: node for node in topology.of_type(f"{_NODE}NFP")}
    members = [paths[name] for name in dict.fromkeys(names) if name in paths]
    description = text_of(group.properties.get("description")) or ""
    return Vnffg(group.name, description, tuple(_nfp(context, topology, node) for node in members), tuple(names))


def _nfp(context: Context, topology: Topology, node: NodeTemplate) -> Nfp:
    positions = [topology.nodes[use.target.text] for use in node.uses("nfp_position") if use.target]
    rules = topology.remember("rules by path", lambda: _rules_by_path(topology)).get(node.name, [])
    return Nfp(
        node.name,
        tuple(_position(context, topology, position) for position in positions),
        tuple(nfp_rule(topology, rule) for rule in rules),
        boolean_of(child(node.node, "metadata", SYMMETRIC)),
    )


def _rules_by_path(topology: Topology) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    for policy in topology.policies_of(f"{_POLICY}NfpRule"):
        for name in dict.fromkeys(member.text for member in policy.members):
            found.setdefault(name, []).append(policy)
    return found


def _position(context: Context, topology: Topology, node: NodeTemplate) -> NfpPosition:
    elements = []
    for use in node.uses("element"):
        element = topology.nodes[use.target.text] if use.target else node
        ends = [end for _, end in resolve_element(context, topology, element) if end is not None]
        if not ends:
            raise ValueError(f"the element {element.name} leads to no connection point")
        elements.append(NfpElement(element.name, ends[0], ends[-1]))
    parameters = topology.property_of(node, "forwarding_behaviour_input_parameters")
    return NfpPosition(
        node.name,
        tuple(elements),
        ForwardingBehaviour(text_of(topology.property_of(node, "forwarding_behaviour")) or "all"),
        FrozenMap(
            {
                key: text_of(value) or ""
                for key, _, value in (parameters.items() if isinstance(parameters, Mapping) else ())
            }
        ),
    )


def nfp_rule(topology: Topology, policy: Group) -> NfpRule:
    """A classifier rule; ValueError when one of its values does not fit the model."""

    def text(name: str) -> str | None:
        return text_of(topology.follow(policy.properties.get(name)))

    dscp = text("dscp")
    return NfpRule(
        id=policy.name,
        ether_type=text("ether_type"),
        protocol=text("protocol"),
        source_ports=port_range(topology.follow(policy.properties.get("source_port_range"))),
        destination_ports=port_range(topology.follow(policy.properties.get("destination_port_range"))),
        source_prefix=text("source_ip_address_prefix"),
        destination_prefix=text("destination_ip_address_prefix"),
        source_mac=text("ether_source_address"),
        destination_mac=text("ether_destination_address"),
        vlan_tags=texts_of(topology.follow(policy.properties.get("vlan_tag"))),
        dscp=dscp_value(dscp) if dscp is not None else None,
        masks=tuple(_mask(entry) for entry in maps_of(topology.follow(policy.properties.get("extended_criteria")))),
        priority=integer_of(child(policy.node, "metadata", PRIORITY)),
    )


def port_range(node: Node | None) -> PortRange | None:
    """Ports from `[low, high]`; None when there are none, ValueError when they do not fit."""
    if node is None:
        return None
    if isinstance(node, Sequence) and len(node.items) == 2:
        first, last = (_port(item) for item in node.items)
        if first is not None and last is not None:
            return PortRange(first, last)
    raise ValueError("a port range is a list of two ports")


def _port(node: Node) -> int | None:
    if isinstance(node, Scalar) and node.text == "UNBOUNDED":
        return 65535
    return integer_of(node)


def dscp_value(text: str) -> int:
    """A DSCP of 0 to 63 from decimal, 0x… or six binary digits; ValueError otherwise."""
    value = -1
    if re.fullmatch(r"[01]{6}", text):
        value = int(text, 2)
    elif re.fullmatch(r"\d{1,2}", text):
        value = int(text)
    elif re.fullmatch(r"0x[0-9a-fA-F]{1,2}", text):
        value = int(text, 16)
    if not 0 <= value <= 63:
        raise ValueError("a DSCP is a number from 0 to 63")
    return value


def _mask(entry: Mapping) -> MaskRule:
    return MaskRule(
        integer_of(entry.get("starting_point")) or 1,
        integer_of(entry.get("length")) or 1,
        text_of(entry.get("value")) or "",
    )


# Levels -----------------------------------------------------------------------------------------------------


def _level_policies(topology: Topology) -> list[Group]:
    return topology.policies_of(f"{_POLICY}NsInstantiationLevels")


def _counts_by_level(topology: Topology, *kinds: str) -> dict[str, dict[str, dict[str, int]]]:
    """Aspect (or empty) -> level -> constituent -> instances."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for policy in topology.policies_of(*kinds):
        aspect = text_of(policy.properties.get("aspect")) or ""
        numbers = topology.follow(policy.properties.get("number_of_instances"))
        for level, _, count in numbers.items() if isinstance(numbers, Mapping) else ():
            for member in policy.members:
                instances = found.setdefault(aspect, {}).setdefault(level, {})
                instances[member.text] = integer_of(count) or 0
    return found


def _instantiation_counts(topology: Topology) -> dict[str, dict[str, int]]:
    kinds = (f"{_POLICY}VnfToInstantiationLevelMapping", f"{_POLICY}NsToInstantiationLevelMapping")
    return _counts_by_level(topology, *kinds).get("", {})


def _initial_counts(topology: Topology) -> dict[str, int]:
    """Instances of each constituent at the default (or only) instantiation level."""
    counts = _instantiation_counts(topology)
    default = next((text_of(each.properties.get("default_level")) for each in _level_policies(topology)), None)
    return counts.get(default or "", next(iter(counts.values())) if len(counts) == 1 else {})


def _levels(topology: Topology) -> Iterator[NsLevel]:
    counts = _instantiation_counts(topology)
    for policy in _level_policies(topology):
        levels = topology.follow(policy.properties.get("ns_levels"))
        for name, _, node in levels.items() if isinstance(levels, Mapping) else ():
            yield NsLevel(name, text_of(child(node, "description")) or "", FrozenMap(counts.get(name, {})))


def _bitrates_by_level(topology: Topology) -> dict[tuple[str, str], dict[str, Bitrate]]:
    """(Aspect, scale level) -> virtual link -> bit rates."""
    found: dict[tuple[str, str], dict[str, Bitrate]] = {}
    for policy in topology.policies_of(f"{_POLICY}VirtualLinkToLevelMapping"):
        aspect = text_of(policy.properties.get("aspect")) or ""
        rates = topology.follow(policy.properties.get("bit_rate_requirements"))
        for level in rates.entries if isinstance(rates, Mapping) else ():
            rate = bitrate_of(topology, rates, level)
            if rate is not None:
                found.setdefault((aspect, level), {}).update({member.text: rate for member in policy.members})
    return found


def _aspects(topology: Topology) -> Iterator[NsScalingAspect]:
    counts = _counts_by_level(topology, f"{_POLICY}VnfToLevelMapping", f"{_POLICY}NsToLevelMapping")
    bitrates = _bitrates_by_level(topology)
    for policy in topology.policies_of(f"{_POLICY}NsScalingAspects"):
        aspects = topology.follow(policy.properties.get("aspects"))
        for name, _, node in aspects.items() if isinstance(aspects, Mapping) else ():
            levels = child(node, "ns_scale_levels")
            yield NsScalingAspect(
                name,
                text_of(child(node, "name")) or name,
                text_of(child(node, "description")) or "",
                tuple(
                    NsLevel(
                        level,
                        text_of(child(body, "description")) or "",
                        FrozenMap(counts.get(name, {}).get(level, {})),
                        FrozenMap(bitrates.get((name, level), {})),
                    )
                    for level, _, body in (levels.items() if isinstance(levels, Mapping) else ())
                ),
            )
