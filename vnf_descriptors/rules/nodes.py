"""Faults of node templates. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator, Set

from vnf_descriptors.context import SELF_TYPES, Context
from vnf_descriptors.keywords import CAPABILITY, NODE_TEMPLATE, unknown_keywords
from vnf_descriptors.report import Finding, Severity, finding, quote
from vnf_descriptors.rules.hints import missing_type
from vnf_descriptors.suggest import closest, did_you_mean
from vnf_descriptors.topology import NodeTemplate, RequirementUse, Topology
from vnf_descriptors.typesystem import RequirementDef, property_defs
from vnf_descriptors.vnf_nodes import is_unspecified
from vnf_descriptors.yamltree import Mapping, Node, Scalar

_ABSTRACT = ("tosca.nodes.nfv.VNF", "tosca.nodes.nfv.NS", "tosca.nodes.nfv.PNF")


def all_nodes(context: Context) -> Iterator[tuple[Topology, NodeTemplate]]:
    """Every node of every topology."""
    for topology in context.topologies:
        for template in topology.nodes.values():
            yield topology, template


def typed_nodes(context: Context) -> Iterator[tuple[Topology, NodeTemplate]]:
    """Those whose type exists."""
    for topology, template in all_nodes(context):
        if context.types.get("node_types", template.type) is not None:
            yield topology, template


def unknown_keyword(context: Context) -> Iterator[Finding]:
    """A node template has a keyword that TOSCA does not know."""
    for _, template in all_nodes(context):
        yield from unknown_keywords(template.node, NODE_TEMPLATE, "a node template")


def unknown_node_type(context: Context) -> Iterator[Finding]:
    """A node template is of a type that does not exist."""
    for _, template in all_nodes(context):
        if template.type and context.types.get("node_types", template.type) is None:
            place = template.node.get("type") or template.key
            hint = missing_type(context, "node_types", template.type)
            yield finding("TOSCA006", place, f"the node type {quote(template.type)} does not exist", hint)


def wrong_property(context: Context) -> Iterator[Finding]:
    """A node's properties are not those of its type."""
    for _, template in typed_nodes(context):
        defined = context.types.properties("node_types", template.type)
        partial = context.types.is_a("node_types", template.type, *_ABSTRACT)
        given = template.section("properties")
        yield from context.values.properties(given, defined, template.type, template.key, partial)


def incomplete_descriptor_node(context: Context) -> Iterator[Finding]:
    """A VNF, NS or PNF node lacks a property that no topology, mapping or default gives it."""
    given: dict[str, set[str]] = {}
    for topology, template in typed_nodes(context):
        given.setdefault(template.type, set()).update(template.section("properties").entries)
        if topology.substitution is not None and topology.substitution.type is not None:
            names = given.setdefault(topology.substitution.type.text, set())
            names.update(topology.substitution.properties.entries)
    seen: set[str] = set()
    for _, template in typed_nodes(context):
        if template.type in seen or not context.types.is_a("node_types", template.type, *_ABSTRACT):
            continue
        seen.add(template.type)
        own = context.kind is not None and context.types.is_a("node_types", template.type, SELF_TYPES[context.kind])
        defined = context.types.properties("node_types", template.type).values()
        wanted = [each.name for each in defined if each.required and each.default is None]
        missing = [name for name in wanted if name not in given[template.type]]
        for name in missing if own else ():
            yield finding("TOSCA010", template.key, f"{template.type} lacks the property {quote(name)}")
        # Of a constituent its own descriptor tells the rest; without descriptor_id it is a fault of its own.
        facts = ", ".join(quote(name) for name in missing if name != "descriptor_id")
        if facts and not own:
            message = f"{template.type} does not tell {facts} of its descriptor"
            yield finding("TOSCA010", template.key, message, severity=Severity.WARNING)


def wrong_attribute(context: Context) -> Iterator[Finding]:
    """A node's attributes are not those of its type."""
    for _, template in typed_nodes(context):
        defined = context.types.properties("node_types", template.type, "attributes")
        for name, key, _ in template.section("attributes").items():
            if name not in defined:
                message = f"{template.type} has no attribute {quote(name)}"
                yield finding("TOSCA009", key, message, did_you_mean(name, defined))


def wrong_capability(context: Context) -> Iterator[Finding]:
    """A node assigns a capability that its type does not have, or with wrong properties."""
    for topology, template in typed_nodes(context):
        defined = context.types.capabilities(template.type)
        section = template.section("capabilities")
        for name, key, value in section.items():
            if name not in defined:
                message = f"{template.type} has no capability {quote(name)}"
                yield finding("TOSCA017", key, message, did_you_mean(name, defined))
                continue
            properties = value.get("properties") if isinstance(value, Mapping) else None
            if isinstance(value, Mapping):
                yield from unknown_keywords(value, CAPABILITY, "a capability assignment")
            given = properties if isinstance(properties, Mapping) else Mapping(key.file, key.line, key.column)
            owner = f"the capability {quote(name)}"
            yield from context.values.properties(given, defined[name].properties, owner, key)
        if not is_unspecified(topology, template):
            meant = {
                closest(name, defined.keys() - section.entries.keys()) for name in section.entries.keys() - defined
            }
            yield from _unassigned_capabilities(context, template, section.entries.keys() | meant)


def _unassigned_capabilities(context: Context, template: NodeTemplate, assigned: Set[str | None]) -> Iterator[Finding]:
    for name, definition in context.types.capabilities(template.type).items():
        wanted = [each.name for each in definition.properties.values() if each.required and each.default is None]
        if name not in assigned and wanted:
            message = f"the node needs the capability {quote(name)} with {', '.join(wanted)}"
            yield finding("TOSCA010", template.key, message)


def unknown_requirement(context: Context) -> Iterator[Finding]:
    """A node fulfils a requirement that its type does not have."""
    for _, template in typed_nodes(context):
        defined = context.types.requirements(template.type)
        for use in template.requirements:
            if use.name not in defined:
                message = f"{template.type} has no requirement {quote(use.name)}"
                yield finding("TOSCA013", use.key, message, did_you_mean(use.name, defined))


def dangling_requirement(context: Context) -> Iterator[Finding]:
    """A requirement names a node that does not exist."""
    for topology, template in all_nodes(context):
        for use in template.requirements:
            if use.target is None or use.target.text in topology.nodes:
                continue
            if isinstance(use.node, Mapping) and context.types.get("node_types", use.target.text) is not None:
                continue
            hint = did_you_mean(use.target.text, topology.nodes)
            yield finding("TOSCA014", use.target, f"there is no node {quote(use.target.text)}", hint)


def unsuitable_target(context: Context) -> Iterator[Finding]:
    """A requirement names a node that cannot fulfil it."""
    for topology, template in typed_nodes(context):
        defined = context.types.requirements(template.type)
        for use in template.requirements:
            target = topology.nodes.get(use.target.text) if use.target else None
            definition = defined.get(use.name)
            if target is None or definition is None or context.types.get("node_types", target.type) is None:
                continue
            problem = _unsuitable(context, use, definition, target)
            if problem:
                # A VNF's own node that requires itself only says that flavours wire this link.
                itself = target is template and context.types.is_a("node_types", template.type, *_ABSTRACT)
                yield finding("TOSCA015", use.place, problem, severity=Severity.WARNING if itself else None)


def _unsuitable(context: Context, use: RequirementUse, wanted: RequirementDef, target: NodeTemplate) -> str:
    types = context.types
    has = types.capabilities(target.type)
    if use.capability is not None:
        named = use.capability.text
        if named not in has and not any(types.is_a("capability_types", each.type, named) for each in has.values()):
            hint = did_you_mean(named, has)
            message = f"{quote(target.name)} is a {target.type}, which has no capability {quote(named)}"
            return f"{message}. {hint}" if hint else message
    known = wanted.capability is not None and types.get("capability_types", wanted.capability) is not None
    if known and wanted.capability is not None:
        kinds = [each.type for each in has.values()]
        if not any(types.is_a("capability_types", kind, wanted.capability) for kind in kinds):
            return f"{quote(target.name)} is a {target.type}, which has no capability of type {wanted.capability}"
    if wanted.node and types.get("node_types", wanted.node) and not types.is_a("node_types", target.type, wanted.node):
        return f"{quote(target.name)} is a {target.type}; {quote(use.name)} wants a {wanted.node}"
    return ""


def requirement_too_often(context: Context) -> Iterator[Finding]:
    """A requirement is fulfilled more often than its type allows."""
    for _, template in typed_nodes(context):
        for name, definition in context.types.requirements(template.type).items():
            uses = template.uses(name)
            if len(uses) > definition.high:
                message = f"{quote(name)} is given {len(uses)} times; at most {definition.high} is allowed"
                yield finding("TOSCA016", uses[definition.high].key, message)


def unknown_interface(context: Context) -> Iterator[Finding]:
    """A node implements an interface or an operation that its type does not have."""
    for _, template in typed_nodes(context):
        defined = context.types.interfaces(template.type)
        for name, key, value in template.section("interfaces").items():
            interface = defined.get(name)
            if interface is None:
                message = f"{template.type} has no interface {quote(name)}"
                yield finding("TOSCA018", key, message, did_you_mean(name, defined))
                continue
            known = interface.operations | interface.notifications
            for operation in _operations(value):
                if known and operation.text not in known:
                    message = f"the interface {quote(name)} has no operation {quote(operation.text)}"
                    yield finding("TOSCA018", operation, message, did_you_mean(operation.text, known))


def _operations(interface: Node) -> Iterator[Scalar]:
    if not isinstance(interface, Mapping):
        return
    for name, key, value in interface.items():
        if name in ("operations", "notifications") and isinstance(value, Mapping):
            yield from (inner for _, inner, _ in value.items())
        elif name not in ("type", "description", "inputs"):
            yield key


def wrong_input(context: Context) -> Iterator[Finding]:
    """A topology input has no type, or a default that its definition does not allow."""
    for topology in context.topologies:
        section = topology.node.get("inputs")
        defined = property_defs(section)
        for name, key, value in section.items() if isinstance(section, Mapping) else ():
            if not isinstance(value, Mapping) or not isinstance(value.get("type"), Scalar):
                yield finding("TOSCA021", key, f"the input {quote(name)} must be a map with a type")
                continue
            default = value.get("default")
            if default is not None and not (isinstance(default, Scalar) and default.value is None):
                yield from context.values.value(default, defined[name].schema, name)


NODE_RULES = (
    unknown_keyword,
    unknown_node_type,
    wrong_property,
    incomplete_descriptor_node,
    wrong_attribute,
    wrong_capability,
    unknown_requirement,
    dangling_requirement,
    unsuitable_target,
    requirement_too_often,
    unknown_interface,
    wrong_input,
)
