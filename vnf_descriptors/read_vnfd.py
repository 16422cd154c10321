"""From checked topologies to the model of a VNF descriptor."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.context import Context, Kind
from vnf_descriptors.model import (
    BootData,
    ExtCp,
    FrozenMap,
    NumaAffinity,
    Vdu,
    VduCp,
    VduCpu,
    VduKind,
    VirtualStorage,
    Vnfd,
    VnfFlavour,
    VnfVirtualLink,
)
from vnf_descriptors.read_containers import containers_of, mciops
from vnf_descriptors.read_coordination import coordination_actions
from vnf_descriptors.read_facts import (
    configurable_properties,
    indicators,
    initial_link_bitrates,
    lcm_configuration,
    monitoring_parameters,
    package_changes,
    requested_capabilities,
    security_group_rules,
    supported_interfaces,
    texts_by_key,
    vip_cps,
)
from vnf_descriptors.read_images import size_of, sw_image
from vnf_descriptors.read_links import addresses_of, bitrate_of, l2_of, l3_of, qos_of
from vnf_descriptors.read_scaling import (
    affinity_rules,
    initial_instances,
    instance_limits,
    instantiation_levels,
    level_policies,
    scaling_aspects,
)
from vnf_descriptors.read_scripts import lcm_scripts
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vdus import interface_of, storage_size_gib, vdu_of
from vnf_descriptors.vnf_nodes import (
    boolean_of,
    compute_nodes,
    container_units,
    exposed,
    ext_cp_nodes,
    integer_of,
    is_unspecified,
    storages,
    text_of,
    texts_of,
    vdu_cp_nodes,
    virtual_links,
)
from vnf_descriptors.yamltree import Mapping, Node, Scalar

_POLICY = "tosca.policies.nfv."
_STORAGE_KINDS = {
    "tosca.nodes.nfv.Vdu.VirtualObjectStorage": "object",
    "tosca.nodes.nfv.Vdu.VirtualFileStorage": "file",
}


def read_vnfd(context: Context) -> Vnfd:
    """The VNFD of a context without errors; ValueError when the model itself refuses a value."""
    facts = DescriptorFacts(context, Kind.VNFD)
    flavours = tuple(_flavour(context, topology) for topology in context.flavours)
    return Vnfd(
        descriptor_id=facts.text("descriptor_id"),
        provider=facts.text("provider"),
        product_name=facts.text("product_name"),
        software_version=facts.text("software_version"),
        version=facts.text("descriptor_version"),
        vnfm_info=facts.texts("vnfm_info"),
        flavours=flavours,
        product_info_name=facts.optional("product_info_name"),
        product_info_description=facts.optional("product_info_description"),
        ext_invariant_id=facts.optional("ext_invariant_id"),
        localization_languages=facts.texts("localization_languages"),
        lcm_configuration=lcm_configuration(facts.node("lcm_operations_configuration")),
        configurable=configurable_properties(
            context.types, facts.node_type or "", facts.node("configurable_properties")
        ),
        default_flavour_id=_default_flavour(context, flavours),
        sol001_edition=context.templates.edition,
    )


class DescriptorFacts:
    """The properties of the node that stands for the whole, wherever a topology gives them."""

    def __init__(self, context: Context, kind: Kind) -> None:
        self._values: dict[str, Node] = {}
        #: The type of the node, when there is one.
        self.node_type: str | None = None
        for topology in context.topologies:
            own = context.self_node(topology)
            if topology.substitution is not None:
                self._take(topology, topology.substitution.properties)
            if own is not None:
                self._take(topology, own.section("properties"))
        for topology in context.topologies:
            own = context.self_node(topology)
            self._take_defaults(context, own.type if own else _substituted(topology))
        declared = context.declared_type()
        self._take_defaults(context, declared.name if declared else None)

    def _take_defaults(self, context: Context, kind_name: str | None) -> None:
        if kind_name is None:
            return
        self.node_type = self.node_type or kind_name
        for name, definition in context.types.properties("node_types", kind_name).items():
            if definition.default is not None:
                self._values.setdefault(name, definition.default)

    def _take(self, topology: Topology, properties: Mapping) -> None:
        for name, _, value in properties.items():
            found = topology.evaluate(value)
            if found is not None and not (isinstance(found, Scalar) and found.value is None):
                self._values.setdefault(name, found)

    def node(self, name: str) -> Node | None:
        """The value of a property, with its place."""
        return self._values.get(name)

    def text(self, name: str) -> str:
        """A text; empty when it is missing."""
        return text_of(self._values.get(name)) or ""

    def optional(self, name: str) -> str | None:
        """A text, or None."""
        return text_of(self._values.get(name))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        return texts_of(self._values.get(name))


def _substituted(topology: Topology) -> str | None:
    mapping = topology.substitution
    return mapping.type.text if mapping is not None and mapping.type is not None else None


def flavour_id_of(context: Context, topology: Topology) -> str | None:
    """The flavour that a topology stands for: by its mapping, its own node, or that node's type."""
    if topology.substitution is not None:
        named = text_of(topology.evaluate(topology.substitution.properties.get("flavour_id")))
        if named:
            return named
    own = context.self_node(topology)
    if own is not None:
        return text_of(topology.property_of(own, "flavour_id"))
    declared = context.declared_type()
    kind = _substituted(topology) or (declared.name if declared else None)
    definition = context.types.properties("node_types", kind).get("flavour_id") if kind else None
    return text_of(definition.default) if definition else None


def _default_flavour(context: Context, flavours: tuple[VnfFlavour, ...]) -> str | None:
    first = context.topologies[0]
    if len(flavours) > 1 and context.is_selector(first):
        named = flavour_id_of(context, first)
        if any(flavour.id == named for flavour in flavours):
            return named
    return None


def _flavour(context: Context, topology: Topology) -> VnfFlavour:
    own = context.self_node(topology)
    description = text_of(topology.property_of(own, "flavour_description")) if own else None
    levels = instantiation_levels(topology)
    default = next(
        (text_of(topology.follow(each.properties.get("default_level"))) for each in level_policies(topology)), None
    )
    return VnfFlavour(
        id=flavour_id_of(context, topology) or "default",
        description=description or "",
        vdus=tuple(_vdus(context, topology)),
        vdu_cps=tuple(_vdu_cp(topology, node) for node in vdu_cp_nodes(topology)),
        ext_cps=tuple(_ext_cps(topology)),
        virtual_links=tuple(_virtual_link(topology, node) for node in virtual_links(topology)),
        affinity_rules=tuple(affinity_rules(topology, f"{_POLICY}AffinityRule", f"{_POLICY}AntiAffinityRule")),
        scaling_aspects=tuple(scaling_aspects(topology)),
        instantiation_levels=tuple(levels),
        default_level_id=default,
        lcm_scripts=tuple(lcm_scripts(context, topology, own)) if own else (),
        vip_cps=tuple(vip_cps(topology)),
        security_group_rules=tuple(security_group_rules(topology)),
        supported_interfaces=tuple(supported_interfaces(topology)),
        indicators=tuple(indicators(topology)),
        package_changes=tuple(package_changes(topology)),
        mciops=tuple(mciops(context, topology)),
        coordination_actions=tuple(coordination_actions(topology)),
        initial_link_bitrates=initial_link_bitrates(topology),
        monitoring_parameters=tuple(
            monitoring_parameters(topology.property_of(own, "monitoring_parameters") if own else None)
        ),
    )


# VDUs -------------------------------------------------------------------------------------------------------


def _vdus(context: Context, topology: Topology) -> Iterator[Vdu]:
    for node in compute_nodes(topology):
        if is_unspecified(topology, node):
            yield _container_unit(context, topology, node)
        else:
            yield _compute(context, topology, node)
    for node in container_units(topology):
        yield _container_unit(context, topology, node)


def _compute(context: Context, topology: Topology, node: NodeTemplate) -> Vdu:
    demand = vdu_of(topology, node)
    if demand.cpu is None:
        raise ValueError(f"the VDU {node.name} has no usable virtual_cpu")
    low, high = instance_limits(topology, node)
    attached = {use.target.text for use in node.uses("virtual_storage") if use.target}
    storage = tuple(_storage(context, topology, each) for each in storages(topology) if each.name in attached)
    return Vdu(
        id=node.name,
        name=text_of(topology.property_of(node, "name")) or node.name,
        description=text_of(topology.property_of(node, "description")) or "",
        cpu=demand.cpu,
        memory_mib=demand.memory_mib,
        page_size_kib=demand.page_size_kib,
        numa_nodes=demand.numa_nodes,
        numa_cells=demand.numa_cells,
        numa_enabled=demand.numa_enabled,
        storage_gib=demand.storage_gib,
        requires=demand.facts.requires,
        storages=storage,
        sw_image=sw_image(context, topology, node),
        boot_data=_boot_data(topology, node),
        initial_instances=initial_instances(topology, node.name, low),
        min_instances=low,
        max_instances=high,
        nfvi_constraints=texts_by_key(topology, topology.property_of(node, "nfvi_constraints")),
        requested_capabilities=tuple(requested_capabilities(topology, node)),
        monitoring_parameters=tuple(monitoring_parameters(topology.property_of(node, "monitoring_parameters"))),
        other_requirements=demand.facts.other,
    )


def _container_unit(context: Context, topology: Topology, node: NodeTemplate) -> Vdu:
    """A group of containers, with what they request together: thousandths of CPUs rounded up to whole ones.

    What is not requested counts as the least that the model can hold: one CPU, one MiB.
    """
    low, high = instance_limits(topology, node)
    inside = [topology.nodes[use.target.text] for use in node.uses("container") if use.target]
    milli_cpu = sum(integer_of(topology.property_of(each, "requested_cpu_resources")) or 0 for each in inside)
    memory = sum(
        size_of(units.size_mib, topology.property_of(each, "requested_memory_resources")) or 0 for each in inside
    )
    return Vdu(
        id=node.name,
        name=text_of(topology.property_of(node, "name")) or node.name,
        description=text_of(topology.property_of(node, "description")) or "",
        cpu=VduCpu(max(1, -(-milli_cpu // 1000))),
        memory_mib=max(1, memory),
        initial_instances=initial_instances(topology, node.name, low),
        min_instances=low,
        max_instances=high,
        kind=VduKind.OS_CONTAINER,
        requested_capabilities=tuple(requested_capabilities(topology, node)),
        containers=tuple(containers_of(context, topology, node)),
        nfvi_constraints=texts_by_key(topology, topology.property_of(node, "nfvi_constraints")),
    )


def _boot_data(topology: Topology, node: NodeTemplate) -> BootData | None:
    data = topology.property_of(node, "boot_data")
    if isinstance(data, Scalar):
        return BootData(content=data.text)
    if not isinstance(data, Mapping):
        return None
    content = topology.follow(data, ("content_or_file_data",), node)
    kvp = topology.follow(data, ("kvp_data", "data"), node) or topology.follow(content, ("data",), node)
    values = {
        key: text_of(topology.evaluate(value, node)) or ""
        for key, _, value in (kvp.items() if isinstance(kvp, Mapping) else ())
    }
    return BootData(
        FrozenMap(values),
        text_of(topology.follow(content, ("content",), node)),
        text_of(topology.follow(content, ("source_path",), node)),
        text_of(topology.follow(content, ("destination_path",), node)),
    )


def _storage(context: Context, topology: Topology, node: NodeTemplate) -> VirtualStorage:
    return VirtualStorage(
        node.name,
        next(
            (kind for name, kind in _STORAGE_KINDS.items() if context.types.is_a("node_types", node.type, name)),
            "block",
        ),
        storage_size_gib(topology, node),
        boolean_of(topology.property_of(node, "per_vnfc_instance"), True),
        sw_image(context, topology, node),
    )


# Connection points and links --------------------------------------------------------------------------------


def vdu_of_cp(topology: Topology, node: NodeTemplate) -> str | None:
    """The VDU that a connection point belongs to; a sub-port belongs to its trunk's."""
    for _ in range(len(topology.nodes) + 1):
        bound = node.target("virtual_binding")
        if bound is not None:
            return bound
        trunk = node.target("trunk_binding")
        if trunk is None or trunk not in topology.nodes:
            return None
        node = topology.nodes[trunk]
    return None


def _vdu_cp(topology: Topology, node: NodeTemplate) -> VduCp:
    demand = interface_of(topology, node)
    vdu = vdu_of_cp(topology, node) or ""
    affinity = demand.numa_affinity
    if affinity is None and vdu in topology.nodes:
        affinity = vdu_of(topology, topology.nodes[vdu]).facts.numa_affinity
    target = node.target("virtual_link")
    links = {link.name for link in virtual_links(topology)}
    return VduCp(
        id=node.name,
        vdu_id=vdu,
        layer_protocols=texts_of(topology.property_of(node, "layer_protocols")),
        order=integer_of(topology.property_of(node, "order")),
        vnic_type=demand.vnic_type,
        physnet=demand.physnet,
        vfs=demand.vfs,
        numa_affinity=affinity or NumaAffinity.REQUIRED,
        bandwidth_mbps=demand.bandwidth_mbps,
        traits=demand.traits,
        bitrate_bps=demand.bitrate_bps,
        virtual_link_id=target if target in links else None,
        addresses=addresses_of(topology, node),
        description=text_of(topology.property_of(node, "description")),
        role=text_of(topology.property_of(node, "role")),
        trunk=boolean_of(topology.property_of(node, "trunk_mode")),
        sf=demand.sf,
        requirements=demand.keys,
    )


def _ext_cps(topology: Topology) -> Iterator[ExtCp]:
    opened = exposed(topology)
    for node in ext_cp_nodes(topology):
        inside = node.target("internal_virtual_link")
        yield _ext_cp(topology, node, opened.get(node.name, node.name), None, inside)
    for node in vdu_cp_nodes(topology):
        if node.name in opened:
            yield _ext_cp(topology, node, opened[node.name], node.name, None)


def _ext_cp(topology: Topology, node: NodeTemplate, requirement: str, cp: str | None, link: str | None) -> ExtCp:
    return ExtCp(
        id=node.name,
        requirement=requirement,
        layer_protocols=texts_of(topology.property_of(node, "layer_protocols")),
        vdu_cp_id=cp,
        virtual_link_id=link,
        addresses=addresses_of(topology, node),
        description=text_of(topology.property_of(node, "description")),
    )


def _virtual_link(topology: Topology, node: NodeTemplate) -> VnfVirtualLink:
    profile = topology.property_of(node, "vl_profile")
    return VnfVirtualLink(
        id=node.name,
        layer_protocols=texts_of(topology.property_of(node, "connectivity_type", "layer_protocols")),
        flow_pattern=text_of(topology.property_of(node, "connectivity_type", "flow_pattern")),
        description=text_of(topology.property_of(node, "description")),
        l2=l2_of(topology, profile),
        l3=l3_of(topology, profile),
        max_bitrate=bitrate_of(topology, profile, "max_bitrate_requirements"),
        min_bitrate=bitrate_of(topology, profile, "min_bitrate_requirements"),
        qos=qos_of(topology, profile),
        externally_managed=text_of(topology.property_of(node, "externally_managed")),
    )
