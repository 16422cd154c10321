"""From checked topologies to the model of a VNF descriptor."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context, Kind
from vnf_descriptors.model import (
    AffinityKind,
    AffinityRule,
    BootData,
    Checksum,
    ExtCp,
    FrozenMap,
    InstantiationLevel,
    LcmScript,
    NumaAffinity,
    ScalingAspect,
    SwImage,
    Vdu,
    VduCp,
    VduCpu,
    VduKind,
    VirtualStorage,
    Vnfd,
    VnfFlavour,
    VnfVirtualLink,
)
from vnf_descriptors.read_links import addresses_of, bitrate_of, l2_of, l3_of, qos_of
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.vdus import interface_of, storage_size_gib, vdu_of
from vnf_descriptors.vnf_nodes import (
    boolean_of,
    child,
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
    vdu_nodes,
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
        default_flavour_id=_default_flavour(context, flavours),
        sol001_edition=context.templates.edition,
    )


class DescriptorFacts:
    """The properties of the node that stands for the whole, wherever a topology gives them."""

    def __init__(self, context: Context, kind: Kind) -> None:
        self._values: dict[str, Node] = {}
        for topology in context.topologies:
            own = context.self_node(topology)
            if topology.substitution is not None:
                self._take(topology, topology.substitution.properties)
            if own is not None:
                self._take(topology, own.section("properties"))
        for topology in context.topologies:
            own = context.self_node(topology)
            kind_name = own.type if own else _substituted(topology)
            if kind_name is not None:
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
    kind = _substituted(topology)
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
    levels = _levels(topology)
    default = next(
        (text_of(topology.follow(each.properties.get("default_level"))) for each in _level_policies(topology)), None
    )
    return VnfFlavour(
        id=flavour_id_of(context, topology) or "default",
        description=description or "",
        vdus=tuple(_vdus(context, topology)),
        vdu_cps=tuple(_vdu_cp(topology, node) for node in vdu_cp_nodes(topology)),
        ext_cps=tuple(_ext_cps(topology)),
        virtual_links=tuple(_virtual_link(topology, node) for node in virtual_links(topology)),
        affinity_rules=tuple(affinity_rules(topology, f"{_POLICY}AffinityRule", f"{_POLICY}AntiAffinityRule")),
        scaling_aspects=tuple(_aspects(topology)),
        instantiation_levels=tuple(levels),
        default_level_id=default,
        lcm_scripts=tuple(_scripts(context, topology, own)) if own else (),
    )


# VDUs -------------------------------------------------------------------------------------------------------


def _vdus(context: Context, topology: Topology) -> Iterator[Vdu]:
    for node in compute_nodes(topology):
        if is_unspecified(topology, node):
            yield _container_unit(topology, node)
        else:
            yield _compute(context, topology, node)
    for node in container_units(topology):
        yield _container_unit(topology, node)


def _compute(context: Context, topology: Topology, node: NodeTemplate) -> Vdu:
    demand = vdu_of(topology, node)
    if demand.cpu is None:
        raise ValueError(f"the VDU {node.name} has no usable virtual_cpu")
    low, high = _profile(topology, node)
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
        initial_instances=_initial(topology, node.name, low),
        min_instances=low,
        max_instances=high,
        nfvi_constraints=_texts_by_key(topology, topology.property_of(node, "nfvi_constraints")),
        mandatory_capabilities=tuple(_mandatory(topology, node)),
        other_requirements=demand.facts.other,
    )


def _container_unit(topology: Topology, node: NodeTemplate) -> Vdu:
    """A group of containers, with what they request together: thousandths of CPUs rounded up to whole ones.

    What is not requested counts as the least that the model can hold: one CPU, one MiB.
    """
    low, high = _profile(topology, node)
    inside = [topology.nodes[use.target.text] for use in node.uses("container") if use.target]
    milli_cpu = sum(integer_of(topology.property_of(each, "requested_cpu_resources")) or 0 for each in inside)
    memory = sum(
        _size(units.size_mib, topology.property_of(each, "requested_memory_resources")) or 0 for each in inside
    )
    return Vdu(
        id=node.name,
        name=text_of(topology.property_of(node, "name")) or node.name,
        description=text_of(topology.property_of(node, "description")) or "",
        cpu=VduCpu(max(1, -(-milli_cpu // 1000))),
        memory_mib=max(1, memory),
        initial_instances=_initial(topology, node.name, low),
        min_instances=low,
        max_instances=high,
        kind=VduKind.OS_CONTAINER,
        nfvi_constraints=_texts_by_key(topology, topology.property_of(node, "nfvi_constraints")),
    )


def _profile(topology: Topology, node: NodeTemplate) -> tuple[int, int]:
    low = integer_of(topology.property_of(node, "vdu_profile", "min_number_of_instances"))
    high = integer_of(topology.property_of(node, "vdu_profile", "max_number_of_instances"))
    return 1 if low is None else low, 1 if high is None else high


def _initial(topology: Topology, vdu: str, default: int) -> int:
    for policy in topology.policies_of(f"{_POLICY}VduInitialDelta"):
        if vdu in [member.text for member in policy.members]:
            count = integer_of(topology.follow(policy.properties.get("initial_delta"), ("number_of_instances",)))
            if count is not None:
                return count
    return default


def _mandatory(topology: Topology, node: NodeTemplate) -> Iterator[str]:
    wanted = topology.capability_property(node, "virtual_compute", "requested_additional_capabilities")
    for _, _, each in wanted.items() if isinstance(wanted, Mapping) else ():
        name = text_of(child(each, "requested_additional_capability_name"))
        if name and boolean_of(child(each, "support_mandatory")):
            yield name


def _texts_by_key(topology: Topology, node: Node | None) -> FrozenMap[str, str]:
    if isinstance(node, Mapping):
        return FrozenMap({key: text_of(topology.evaluate(value)) or "" for key, _, value in node.items()})
    return FrozenMap({text: "" for text in texts_of(node)})


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


# Software images ------------------------------------------------------------------------------------------


def image_artifacts(context: Context, node: NodeTemplate) -> list[tuple[str, Scalar, Mapping]]:
    """The artifacts of a node that are software images: name, where it stands, definition."""
    return [
        (name, key, value)
        for name, key, value in node.section("artifacts").items()
        if isinstance(value, Mapping)
        and context.types.is_a("artifact_types", text_of(value.get("type")) or "", "tosca.artifacts.nfv.SwImage")
    ]


def sw_image(context: Context, topology: Topology, node: NodeTemplate) -> SwImage | None:
    """The software image of a VDU or storage: from its artifact, and in older editions from sw_image_data."""
    artifacts = image_artifacts(context, node)
    older = topology.property_of(node, "sw_image_data")
    if not artifacts and not isinstance(older, Mapping):
        return None
    artifact = artifacts[0][2] if artifacts else None
    given = artifact.get("properties") if artifact else None
    data = given if isinstance(given, Mapping) and given.entries else older
    file = text_of(artifact.get("file")) if artifact else None
    path = artifact_path(topology.file.path, file, context.package.members) if file else None
    checksum = topology.follow(data, ("checksum",), node)

    def fact(name: str) -> Node | None:
        return topology.follow(data, (name,), node)

    return SwImage(
        id=node.name,
        name=text_of(fact("name")) or node.name,
        version=text_of(fact("version")) or "",
        path=path,
        uri=file if path is None else None,
        provider=text_of(fact("provider")),
        checksum=_checksum(checksum),
        container_format=text_of(fact("container_format")),
        disk_format=text_of(fact("disk_format")),
        size_bytes=_size(units.size_bytes, fact("size")),
        min_disk_bytes=_size(units.size_bytes, fact("min_disk")),
        min_ram_bytes=_size(units.size_bytes, fact("min_ram")),
        operating_system=text_of(fact("operating_system")),
        supported_virtualisation_environments=texts_of(fact("supported_virtualisation_environments")),
    )


def _checksum(node: Node | None) -> Checksum | None:
    algorithm, value = text_of(child(node, "algorithm")), text_of(child(node, "hash"))
    if isinstance(node, Scalar):
        # Edition 2.5.1 has the bare digest; its length tells the algorithm.
        lengths = {56: "sha-224", 64: "sha-256", 96: "sha-384", 128: "sha-512"}
        algorithm, value = lengths.get(len(node.text)), node.text
    return Checksum(algorithm, value.lower()) if algorithm and value else None


def _size(convert: object, node: Node | None) -> int | None:
    text = text_of(node)
    if text is None or not callable(convert):
        return None
    try:
        return int(convert(text))
    except ValueError:
        return None


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


# Policies -----------------------------------------------------------------------------------------------


def affinity_rules(topology: Topology, together: str, apart: str) -> Iterator[AffinityRule]:
    """The affinity rules of a topology; a placement group stands for its members."""
    for policy in topology.policies_of(together, apart):
        kind = AffinityKind.AFFINITY if policy in topology.policies_of(together) else AffinityKind.ANTI_AFFINITY
        scope = text_of(topology.follow(policy.properties.get("scope"))) or "nfvi_node"
        direct = tuple(member.text for member in policy.members if member.text not in topology.groups)
        groups = [topology.groups[member.text] for member in policy.members if member.text in topology.groups]
        for target in direct:
            name = policy.name if len(direct) + len(groups) == 1 else f"{policy.name}:{target}"
            yield AffinityRule(name, kind, scope, (target,))
        for group in groups:
            name = policy.name if len(direct) + len(groups) == 1 else f"{policy.name}:{group.name}"
            yield AffinityRule(name, kind, scope, tuple(member.text for member in group.members))


def _aspects(topology: Topology) -> Iterator[ScalingAspect]:
    deltas: dict[str, dict[str, FrozenMap[str, int]]] = {}
    for policy in topology.policies_of(f"{_POLICY}VduScalingAspectDeltas"):
        aspect = text_of(topology.follow(policy.properties.get("aspect"))) or ""
        for member in policy.members:
            deltas.setdefault(aspect, {})[member.text] = _counts(topology, policy.properties.get("deltas"))
    for policy in topology.policies_of(f"{_POLICY}ScalingAspects"):
        aspects = topology.follow(policy.properties.get("aspects"))
        for name, _, node in aspects.items() if isinstance(aspects, Mapping) else ():
            mine = deltas.get(name, {})
            steps = texts_of(child(node, "step_deltas")) or _only_delta(mine)
            yield ScalingAspect(
                id=name,
                name=text_of(child(node, "name")) or name,
                description=text_of(child(node, "description")) or "",
                max_scale_level=integer_of(child(node, "max_scale_level")) or 0,
                step_deltas=steps,
                vdu_deltas=FrozenMap(mine),
            )


def _only_delta(deltas: dict[str, FrozenMap[str, int]]) -> tuple[str, ...]:
    """Without step_deltas every step adds the one delta that there is."""
    names = {name for each in deltas.values() for name in each}
    return tuple(names) if len(names) == 1 else ()


def _counts(topology: Topology, node: Node | None) -> FrozenMap[str, int]:
    found = topology.follow(node)
    if not isinstance(found, Mapping):
        return FrozenMap()
    return FrozenMap(
        {name: integer_of(topology.follow(value, ("number_of_instances",))) or 0 for name, _, value in found.items()}
    )


def _level_policies(topology: Topology) -> list[Group]:
    return topology.policies_of(f"{_POLICY}InstantiationLevels")


def _levels(topology: Topology) -> Iterator[InstantiationLevel]:
    counts: dict[str, dict[str, int]] = {}
    for policy in topology.policies_of(f"{_POLICY}VduInstantiationLevels"):
        for level, count in _counts(topology, policy.properties.get("levels")).items():
            for member in policy.members:
                counts.setdefault(level, {})[member.text] = count
    aspects = {aspect.id: aspect for aspect in _aspects(topology)}
    for policy in _level_policies(topology):
        levels = topology.follow(policy.properties.get("levels"))
        for name, _, node in levels.items() if isinstance(levels, Mapping) else ():
            info = child(node, "scale_info")
            scales = {
                aspect: integer_of(child(entry, "scale_level")) or 0
                for aspect, _, entry in (info.items() if isinstance(info, Mapping) else ())
            }
            given = counts.get(name, {})
            instances = {
                vdu.name: given[vdu.name] if vdu.name in given else _by_scale(topology, vdu, scales, aspects)
                for vdu in vdu_nodes(topology)
            }
            description = text_of(child(node, "description")) or ""
            yield InstantiationLevel(name, description, FrozenMap(scales), FrozenMap(instances))


def _by_scale(topology: Topology, vdu: NodeTemplate, scales: dict[str, int], aspects: dict[str, ScalingAspect]) -> int:
    initial = _initial(topology, vdu.name, _profile(topology, vdu)[0])
    return initial + sum(
        aspects[name].instances_added(vdu.name, level)
        for name, level in scales.items()
        if name in aspects and level <= aspects[name].max_scale_level
    )


# Scripts ------------------------------------------------------------------------------------------------


def _scripts(context: Context, topology: Topology, own: NodeTemplate) -> Iterator[LcmScript]:
    interface = own.section("interfaces").get("Vnflcm")
    operations = child(interface, "operations") or interface
    artifacts = own.section("artifacts")
    for name, _, value in operations.items() if isinstance(operations, Mapping) else ():
        implementation = child(value, "implementation") if isinstance(value, Mapping) else value
        primary = child(implementation, "primary") or implementation
        reference = text_of(primary)
        if not reference:
            continue
        artifact = artifacts.get(reference)
        file = text_of(child(artifact, "file")) or text_of(artifact) or reference
        path = artifact_path(topology.file.path, file, context.package.members)
        if path is not None:
            yield LcmScript(name, path)
