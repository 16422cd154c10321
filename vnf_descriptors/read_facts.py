"""Further facts of a VNF: monitoring, security, configuration, changes of package."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.model import Bitrate, FrozenMap
from vnf_descriptors.model.vnf_facts import (
    ChangeSelector,
    ComponentMapping,
    ConfigurableProperties,
    LcmConfiguration,
    MonitoringParameter,
    PackageChange,
    RequestedCapability,
    SecurityGroupRule,
    SupportedInterface,
    VipCp,
    VnfIndicator,
)
from vnf_descriptors.read_images import size_of
from vnf_descriptors.read_triggers import triggers_of
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.typesystem import TypeSystem
from vnf_descriptors.vnf_nodes import boolean_of, child, integer_of, maps_of, text_of, texts_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

_POLICY = "tosca.policies.nfv."
_NODE = "tosca.nodes.nfv."


def requested_capabilities(topology: Topology, node: NodeTemplate) -> Iterator[RequestedCapability]:
    """The additional capabilities that a VDU asks for."""
    wanted = topology.capability_property(node, "virtual_compute", "requested_additional_capabilities")
    if wanted is None:
        wanted = topology.property_of(node, "requested_additional_capabilities")
    for _, _, each in wanted.items() if isinstance(wanted, Mapping) else ():
        name = text_of(child(each, "requested_additional_capability_name"))
        if name:
            yield RequestedCapability(
                name,
                boolean_of(child(each, "support_mandatory")),
                text_of(child(each, "min_requested_additional_capability_version")),
                text_of(child(each, "preferred_requested_additional_capability_version")),
                texts_by_key(topology, child(each, "target_performance_parameters")),
            )


def texts_by_key(topology: Topology, node: Node | None) -> FrozenMap[str, str]:
    """A map of texts, functions evaluated; of a list, its texts as keys."""
    if isinstance(node, Mapping):
        return FrozenMap({key: text_of(topology.evaluate(value)) or "" for key, _, value in node.items()})
    return FrozenMap({text: "" for text in texts_of(node)})


def monitoring_parameters(node: Node | None) -> Iterator[MonitoringParameter]:
    """The measurements of a property `monitoring_parameters`: a map, in edition 2.6.1 a list."""
    entries: list[tuple[str, Node]] = []
    if isinstance(node, Mapping):
        entries = [(name, value) for name, _, value in node.items()]
    elif isinstance(node, Sequence):
        entries = [(text_of(child(item, "name")) or str(number), item) for number, item in enumerate(node.items)]
    for name, value in entries:
        yield MonitoringParameter(
            name,
            text_of(child(value, "name")) or name,
            text_of(child(value, "performance_metric")) or "",
            _milliseconds(child(value, "collection_period")),
        )


def vip_cps(topology: Topology) -> Iterator[VipCp]:
    """The connection points with a shared address."""
    for node in topology.of_type(f"{_NODE}VipCp"):
        yield VipCp(
            node.name,
            text_of(topology.property_of(node, "vip_function")),
            tuple(use.target.text for use in node.uses("target") if use.target),
            node.target("virtual_link"),
            boolean_of(topology.property_of(node, "dedicated_ip_address"), True),
        )


def security_group_rules(topology: Topology) -> Iterator[SecurityGroupRule]:
    """The rules of security groups."""
    for policy in topology.policies_of(f"{_POLICY}SecurityGroupRule"):
        last = integer_of(_fact(topology, policy, "port_range_max"))
        yield SecurityGroupRule(
            policy.name,
            _targets(policy),
            text_of(_fact(topology, policy, "direction")) or "ingress",
            text_of(_fact(topology, policy, "ether_type")) or "ipv4",
            text_of(_fact(topology, policy, "protocol")) or "tcp",
            integer_of(_fact(topology, policy, "port_range_min")) or 0,
            65535 if last is None else last,
        )


def supported_interfaces(topology: Topology) -> Iterator[SupportedInterface]:
    """The interfaces that the VNF produces."""
    for policy in topology.policies_of(f"{_POLICY}SupportedVnfInterface"):
        name = text_of(_fact(topology, policy, "interface_name")) or ""
        uri = child(_fact(topology, policy, "details"), "uri_components")
        port = text_of(child(uri, "authority", "port")) or ""
        yield SupportedInterface(
            policy.name,
            name,
            _targets(policy),
            text_of(child(uri, "scheme")) or "http",
            int(port) if port.isascii() and port.isdigit() and 0 < int(port) < 65536 else None,
            (text_of(child(uri, "path")) or "").rstrip("/"),
        )


def indicators(topology: Topology) -> Iterator[VnfIndicator]:
    """The indicators of the VNF."""
    for policy in topology.policies_of(f"{_POLICY}VnfIndicator"):
        source = text_of(_fact(topology, policy, "source")) or "vnf"
        yield VnfIndicator(policy.name, source, triggers_of(topology, policy))


def package_changes(topology: Topology) -> Iterator[PackageChange]:
    """The changes of package that the VNF supports."""
    for policy in topology.policies_of(f"{_POLICY}VnfPackageChange"):
        selector = _fact(topology, policy, "selector")
        selectors = [selector] if isinstance(selector, Mapping) else maps_of(selector)
        yield PackageChange(
            policy.name,
            tuple(_selector(each) for each in selectors),
            text_of(_fact(topology, policy, "modification_qualifier")) or "up",
            text_of(_fact(topology, policy, "destination_flavour_id")) or "",
            tuple(
                ComponentMapping(
                    text_of(each.get("component_type")) or "",
                    text_of(each.get("source_id")) or "",
                    text_of(each.get("destination_id")) or "",
                )
                for each in maps_of(_fact(topology, policy, "component_mappings"))
            ),
        )


def _selector(node: Mapping) -> ChangeSelector:
    names = ("source_descriptor_id", "destination_descriptor_id", "source_flavour_id")
    return ChangeSelector(*(text_of(node.get(name)) or "" for name in names))


def _fact(topology: Topology, policy: Group, name: str) -> Node | None:
    value = policy.properties.get(name)
    if value is None:
        definition = topology.types.properties("policy_types", policy.type).get(name)
        value = definition.default if definition else None
    return topology.follow(value)


def _targets(policy: Group) -> tuple[str, ...]:
    return tuple(member.text for member in policy.members)


def link_bitrates(topology: Topology, level: str) -> FrozenMap[str, Bitrate]:
    """Virtual link -> bit rates at an instantiation level."""
    found: dict[str, Bitrate] = {}
    for policy in topology.policies_of(f"{_POLICY}VirtualLinkInstantiationLevels"):
        levels = _fact(topology, policy, "levels")
        rate = _bitrate(child(levels, level))
        found.update((name, rate) for name in _targets(policy) if rate is not None)
    return FrozenMap(found)


def initial_link_bitrates(topology: Topology) -> FrozenMap[str, Bitrate]:
    """Virtual link -> bit rates at scale level 0 (VirtualLinkBitrateInitialDelta)."""
    found: dict[str, Bitrate] = {}
    for policy in topology.policies_of(f"{_POLICY}VirtualLinkBitrateInitialDelta"):
        rate = _bitrate(_fact(topology, policy, "initial_delta"))
        found.update((name, rate) for name in _targets(policy) if rate is not None)
    return FrozenMap(found)


def link_deltas(topology: Topology, aspect: str) -> FrozenMap[str, FrozenMap[str, Bitrate]]:
    """Virtual link -> delta -> bit rates that one step of a scaling aspect adds."""
    found: dict[str, FrozenMap[str, Bitrate]] = {}
    for policy in topology.policies_of(f"{_POLICY}VirtualLinkBitrateScalingAspectDeltas"):
        if text_of(_fact(topology, policy, "aspect")) != aspect:
            continue
        deltas = _fact(topology, policy, "deltas")
        rates = {name: _bitrate(body) for name, _, body in (deltas.items() if isinstance(deltas, Mapping) else ())}
        known = FrozenMap({name: rate for name, rate in rates.items() if rate is not None})
        found.update((name, known) for name in _targets(policy))
    return FrozenMap(found)


def _bitrate(level: Node | None) -> Bitrate | None:
    rates = child(level, "bitrate_requirements")
    root = integer_of(child(rates, "root"))
    return None if root is None else Bitrate(root, integer_of(child(rates, "leaf")))


def lcm_configuration(node: Node | None) -> LcmConfiguration | None:
    """The property `lcm_operations_configuration`."""
    if not isinstance(node, Mapping):
        return None
    return LcmConfiguration(
        boolean_of(child(node, "scale", "scaling_by_more_than_one_step_supported")),
        boolean_of(child(node, "scale_to_level", "arbitrary_target_levels_supported")),
        boolean_of(child(node, "instantiate", "target_scale_levels_supported")),
        _milliseconds(child(node, "terminate", "min_graceful_termination_timeout")),
        _milliseconds(child(node, "operate", "min_graceful_stop_timeout")),
        texts_of(child(node, "heal", "causes")),
        tuple(node.entries),
    )


def configurable_properties(types: TypeSystem, node_type: str, configurable: Node | None) -> ConfigurableProperties:
    """What can be configured and modified, from the types that a VNF's node type refines."""
    properties = types.properties("node_types", node_type)

    def names(owner: str, part: str) -> FrozenMap[str, str]:
        definition = properties.get(owner)
        inner = types.properties("data_types", definition.schema.type).get(part) if definition else None
        members = types.properties("data_types", inner.schema.type) if inner else {}
        return FrozenMap({name: each.schema.type for name, each in members.items() if name != "is_writable_anytime"})

    return ConfigurableProperties(
        _flag(child(configurable, "is_autoscale_enabled")),
        _flag(child(configurable, "is_autoheal_enabled")),
        names("configurable_properties", "additional_configurable_properties"),
        names("modifiable_attributes", "extensions"),
        names("modifiable_attributes", "metadata"),
    )


def _flag(node: Node | None) -> bool | None:
    return boolean_of(node) if isinstance(node, Scalar) else None


def _milliseconds(node: Node | None) -> int | None:
    microseconds = size_of(units.time_us, node)
    return None if microseconds is None else -(-microseconds // 1000)
