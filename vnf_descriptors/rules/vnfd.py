"""Faults of VNF descriptors as a whole, their connection points and links. Each function finds one fault."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from vnf_descriptors.context import SELF_TYPES, Context
from vnf_descriptors.model.checks import MAX_NAME
from vnf_descriptors.read_vnfd import DescriptorFacts, flavour_id_of, vdu_of_cp
from vnf_descriptors.report import Finding, Place, Position, Severity, finding, quote
from vnf_descriptors.suggest import closest
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.typesystem import TypeDef
from vnf_descriptors.vnf_nodes import (
    compute_nodes,
    container_units,
    exposed,
    ext_cp_nodes,
    integer_of,
    is_unspecified,
    sub_cp_nodes,
    vdu_cp_nodes,
    vdu_nodes,
    virtual_links,
)

_NODE = "tosca.nodes.nfv."
#: Properties of the descriptor's own node that identify it.
_IDENTIFIERS = ("descriptor_id", "invariant_id", "descriptor_invariant_id")


def no_own_node(context: Context) -> Iterator[Finding]:
    """The descriptor says nowhere what VNF, NS or PNF it describes."""
    if context.kind is None:
        if context.topologies:
            yield finding("VNFD001", Position(context.package.entry), "the descriptor has no node of a VNF, NS or PNF")
        return
    wanted = SELF_TYPES[context.kind]
    declared = context.declared_type()
    if declared is not None and not _lacking(context, declared):
        message = f"no node is of the type {quote(declared.name)}; the defaults of its properties are used"
        yield finding("VNFD001", declared.node, message, "Add a node of this type", Severity.WARNING)
        return
    for topology in context.topologies:
        mapping = topology.substitution
        substituted = mapping is not None and mapping.type is not None
        if not substituted and context.self_node(topology) is None:
            message = f"the topology has no node of a type derived from {wanted}"
            hint = f"Add a node of the {context.kind.value[:-1].upper()}'s own type, or substitution_mappings"
            severity = Severity.ERROR if topology is context.topologies[0] else Severity.WARNING
            yield finding("VNFD001", topology.node, message, hint, severity)


def _lacking(context: Context, declared: TypeDef) -> bool:
    """True when the type leaves a required property without a default."""
    properties = context.types.properties("node_types", declared.name).values()
    return any(each.required and each.default is None for each in properties)


def identifier_no_uuid(context: Context) -> Iterator[Finding]:
    """An identifier is no UUID."""
    if context.kind is None:
        return
    facts = DescriptorFacts(context, context.kind)
    for name in _IDENTIFIERS:
        node, text = facts.node(name), facts.text(name)
        if node is not None and text and not _is_uuid(text):
            yield finding("VNFD002", node, f"the {name} {quote(text)} is no UUID")


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


def unusable_name(context: Context) -> Iterator[Finding]:
    """A node has a name that cannot be an identifier: too long, or with characters that cannot be shown."""
    for topology in context.topologies:
        places: list[NodeTemplate | Group] = [*topology.nodes.values(), *topology.groups.values(), *topology.policies]
        for each in places:
            if not each.name or len(each.name) > MAX_NAME or not each.name.isprintable():
                message = f"the name {quote(each.name)} is not 1 to {MAX_NAME} printable characters"
                yield finding("TOSCA021", each.key, message)


def inconsistent_flavours(context: Context) -> Iterator[Finding]:
    """Two flavours have one identifier, or a flavour has none."""
    seen: dict[str, Place] = {}
    for topology in context.flavours:
        own = context.self_node(topology)
        place: Place = own.key if own else topology.node
        named = flavour_id_of(context, topology)
        if named is None:
            message = "the deployment flavour has no flavour_id"
            if len(context.flavours) > 1:
                yield finding("VNFD013", place, message, "Give it in substitution_mappings or in the VNF node")
            continue
        if named in seen:
            first = seen[named]
            yield finding("VNFD013", place, f"the flavour {quote(named)} is already in {quote(first.file)}")
        seen[named] = place


def no_vdu(context: Context) -> Iterator[Finding]:
    """A deployment flavour deploys nothing."""
    for topology in context.flavours:
        unknown = any(context.types.get("node_types", node.type) is None for node in topology.nodes.values())
        if not vdu_nodes(topology) and not unknown:
            yield finding("VNFD003", topology.node, "the deployment flavour has no VDU")


def _misspelt_requirements(context: Context, node: NodeTemplate) -> set[str | None]:
    """The requirements that a node seems to mean by names that its type does not have."""
    known = context.types.requirements(node.type)
    return {closest(use.name, known) for use in node.requirements if use.name not in known}


def unbound_connection_point(context: Context) -> Iterator[Finding]:
    """A connection point belongs to no VDU."""
    for topology in context.flavours:
        subs = {node.name for node in sub_cp_nodes(topology)}
        for node in vdu_cp_nodes(topology):
            wanted = "trunk_binding" if node.name in subs else "virtual_binding"
            if vdu_of_cp(topology, node) is None and wanted not in _misspelt_requirements(context, node):
                message = f"the connection point {quote(node.name)} has no {wanted}"
                yield finding("VNFD004", node.key, message, f"Add the requirement '{wanted}: <VDU>'")


def open_connection_point(context: Context) -> Iterator[Finding]:
    """A connection point is neither attached to a link nor exposed.

    An open VduCp is what many descriptors mean by an external connection point, so it is a warning.
    """
    for topology in context.flavours:
        opened = exposed(topology)
        for node in vdu_cp_nodes(topology):
            if not node.uses("virtual_link") and node.name not in opened:
                message = f"the connection point {quote(node.name)} is attached to no link and not exposed"
                hint = "Add the requirement virtual_link, or map it in substitution_mappings"
                yield finding("VNFD005", node.key, message, hint, Severity.WARNING)
        for node in ext_cp_nodes(topology):
            if not node.uses("internal_virtual_link"):
                message = f"the external connection point {quote(node.name)} has no internal_virtual_link"
                yield finding("VNFD005", node.key, message, severity=Severity.WARNING)


def unused_link(context: Context) -> Iterator[Finding]:
    """No connection point is attached to a virtual link."""
    for topology in context.flavours:
        used = _targets(topology)
        for node in virtual_links(topology):
            if node.name not in used:
                yield finding("VNFD019", node.key, f"no connection point is attached to {quote(node.name)}")


def _targets(topology: Topology) -> set[str]:
    return {use.target.text for node in topology.nodes.values() for use in node.requirements if use.target}


def same_order(context: Context) -> Iterator[Finding]:
    """Two interfaces of a VDU have one order."""
    for topology in context.flavours:
        seen: dict[tuple[str | None, int], NodeTemplate] = {}
        for node in vdu_cp_nodes(topology):
            order = integer_of(topology.property_of(node, "order"))
            vdu = vdu_of_cp(topology, node)
            if order is None or vdu is None:
                continue
            first = seen.setdefault((vdu, order), node)
            if first is not node:
                place = topology.property_of(node, "order") or node.key
                message = f"{quote(node.name)} has the same order {order} as {quote(first.name)} of VDU {quote(vdu)}"
                yield finding("VNFD017", place, message, severity=Severity.WARNING)


def incomplete_containers(context: Context) -> Iterator[Finding]:
    """A group of containers has no container."""
    for topology in context.flavours:
        for node in container_units(topology):
            if not node.uses("container"):
                yield finding("VNFD018", node.key, f"the deployable unit {quote(node.name)} has no container")
        for node in topology.of_type(f"{_NODE}Mciop"):
            if not node.uses("associatedVdu"):
                yield finding("VNFD018", node.key, f"the MCIOP {quote(node.name)} is associated with no VDU")


def unspecified_vdu(context: Context) -> Iterator[Finding]:
    """A VDU does not say what it needs, so it could not be placed."""
    for topology in context.flavours:
        for node in compute_nodes(topology):
            if is_unspecified(topology, node):
                message = f"the VDU {quote(node.name)} says neither what it needs nor what it boots"
                yield finding("VNFD021", node.key, message)


SHARED_RULES = (no_own_node, identifier_no_uuid, unusable_name, inconsistent_flavours)
VNFD_RULES = (
    no_vdu,
    unbound_connection_point,
    open_connection_point,
    unused_link,
    same_order,
    incomplete_containers,
    unspecified_vdu,
)
