"""Faults of groups, policies, substitution mappings and functions. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.keywords import GROUP, POLICY, unknown_keywords
from vnf_descriptors.report import Finding, Severity, finding, quote
from vnf_descriptors.rules.hints import missing_type
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.topology import Group, SubstitutionEntry, Topology, function_call
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence


def _entries(context: Context) -> Iterator[tuple[Topology, Group, str]]:
    for topology in context.topologies:
        for group in topology.groups.values():
            yield topology, group, "group_types"
        for policy in topology.policies:
            yield topology, policy, "policy_types"


def unknown_keyword(context: Context) -> Iterator[Finding]:
    """A group or policy has a keyword that TOSCA does not know."""
    for _, entry, section in _entries(context):
        known = GROUP if section == "group_types" else POLICY
        yield from unknown_keywords(entry.node, known, f"a {section.split('_')[0]}")


def unknown_type(context: Context) -> Iterator[Finding]:
    """A group or policy is of a type that does not exist."""
    for _, entry, section in _entries(context):
        if entry.type and context.types.get(section, entry.type) is None:
            place = entry.node.get("type") or entry.key
            hint = missing_type(context, section, entry.type)
            yield finding("TOSCA006", place, f"the type {quote(entry.type)} does not exist", hint)


def wrong_property(context: Context) -> Iterator[Finding]:
    """The properties of a group or policy are not those of its type."""
    for _, entry, section in _entries(context):
        if context.types.get(section, entry.type) is not None:
            defined = dict(context.types.properties(section, entry.type))
            described = defined.get("description")
            if described is not None and described.required and "description" not in entry.properties.entries:
                del defined["description"]
                message = f"{entry.type} lacks the property 'description'"
                yield finding("TOSCA010", entry.key, message, severity=Severity.WARNING)
            yield from context.values.properties(entry.properties, defined, entry.type, entry.key)


def unknown_member(context: Context) -> Iterator[Finding]:
    """A group or policy names a node or group that does not exist."""
    for topology, entry, _ in _entries(context):
        for member in entry.members:
            if member.text not in topology.nodes and member.text not in topology.groups:
                hint = did_you_mean(member.text, [*topology.nodes, *topology.groups])
                yield finding("TOSCA014", member, f"there is no node or group {quote(member.text)}", hint)


def unsuitable_member(context: Context) -> Iterator[Finding]:
    """A group or policy names a node of a type that it does not take."""
    for topology, entry, section in _entries(context):
        what = "members" if section == "group_types" else "targets"
        allowed = context.types.listed(section, entry.type, what)
        if not allowed:
            continue
        for member in entry.members:
            kind = _kind_of(topology, member.text)
            if kind is not None and not _fits(context, kind, allowed):
                message = f"{quote(member.text)} is a {kind[1]}; {entry.type} takes {', '.join(_short(allowed))}"
                yield finding("TOSCA015", member, message)


def _kind_of(topology: Topology, name: str) -> tuple[str, str] | None:
    if name in topology.nodes:
        return "node_types", topology.nodes[name].type
    return ("group_types", topology.groups[name].type) if name in topology.groups else None


def _fits(context: Context, kind: tuple[str, str], allowed: tuple[str, ...]) -> bool:
    section, name = kind
    return context.types.get(section, name) is None or context.types.is_a(section, name, *allowed)


def _short(names: tuple[str, ...]) -> list[str]:
    return [name.removeprefix("tosca.nodes.nfv.").removeprefix("tosca.groups.nfv.") for name in names]


# Substitution mappings ----------------------------------------------------------------------------------


def unknown_substituted_type(context: Context) -> Iterator[Finding]:
    """A topology stands for a node of a type that does not exist."""
    for topology in context.topologies:
        mapping = topology.substitution
        if mapping is None:
            continue
        if mapping.type is None:
            yield finding("TOSCA028", mapping.node, "substitution_mappings has no node_type")
        elif context.types.get("node_types", mapping.type.text) is None:
            hint = missing_type(context, "node_types", mapping.type.text)
            yield finding("TOSCA006", mapping.type, f"the node type {quote(mapping.type.text)} does not exist", hint)


def wrong_substituted_property(context: Context) -> Iterator[Finding]:
    """A substitution mapping gives properties that the substituted type does not have."""
    for topology in context.topologies:
        mapping = topology.substitution
        if mapping is not None and mapping.type is not None:
            defined = context.types.properties("node_types", mapping.type.text)
            if defined:
                given = mapping.properties
                yield from context.values.properties(given, defined, mapping.type.text, mapping.node, partial=True)


def unknown_mapped_name(context: Context) -> Iterator[Finding]:
    """A mapping is for a requirement or capability that the substituted type does not have.

    Many packages in the field forget to declare the requirement in their node type, so it is a warning.
    """
    for topology in context.topologies:
        mapping = topology.substitution
        if mapping is None or mapping.type is None or context.types.get("node_types", mapping.type.text) is None:
            continue
        required = context.types.requirements(mapping.type.text)
        for entry in mapping.requirements:
            if entry.name not in required:
                message = f"{mapping.type.text} has no requirement {quote(entry.name)}"
                yield finding("TOSCA028", entry.key, message, did_you_mean(entry.name, required), Severity.WARNING)
        capabilities = context.types.capabilities(mapping.type.text)
        for entry in mapping.capabilities:
            if entry.name not in capabilities:
                message = f"{mapping.type.text} has no capability {quote(entry.name)}"
                yield finding("TOSCA028", entry.key, message, did_you_mean(entry.name, capabilities), Severity.WARNING)


def dangling_mapping(context: Context) -> Iterator[Finding]:
    """A mapping leads to a node, requirement or capability that does not exist."""
    for topology in context.topologies:
        mapping = topology.substitution
        for entry in mapping.requirements if mapping else ():
            yield from _dangling(context, topology, entry, "requirement")
        for entry in mapping.capabilities if mapping else ():
            yield from _dangling(context, topology, entry, "capability")


def _dangling(context: Context, topology: Topology, entry: SubstitutionEntry, what: str) -> Iterator[Finding]:
    if entry.node is None:
        return
    template = topology.nodes.get(entry.node.text)
    if template is None:
        hint = did_you_mean(entry.node.text, topology.nodes)
        yield finding("TOSCA014", entry.node, f"there is no node {quote(entry.node.text)}", hint)
        return
    if entry.target is None or context.types.get("node_types", template.type) is None:
        return
    known: dict[str, object] = {
        **(context.types.requirements if what == "requirement" else context.types.capabilities)(template.type)
    }
    if entry.target.text not in known:
        message = f"{template.type} has no {what} {quote(entry.target.text)}"
        # VnfExtCp calls it so; on the connection point of a VDU nothing else can be meant.
        meant = entry.target.text == "external_virtual_link" and "virtual_link" in known
        hint = "Did you mean 'virtual_link'?" if meant else did_you_mean(entry.target.text, known)
        yield finding("TOSCA014", entry.target, message, hint, Severity.WARNING if meant else None)


# Functions ------------------------------------------------------------------------------------------------


def unknown_input(context: Context) -> Iterator[Finding]:
    """get_input names an input that the topology does not have."""
    for topology in context.topologies:
        for name, argument in _calls(topology.node):
            first = argument.items[0] if isinstance(argument, Sequence) and argument.items else argument
            if name != "get_input":
                continue
            if not isinstance(first, Scalar) or not first.text:
                yield finding("TOSCA019", argument, "get_input needs the name of an input")
            elif first.text not in topology.inputs:
                hint = did_you_mean(first.text, topology.inputs)
                yield finding("TOSCA019", first, f"there is no input {quote(first.text)}", hint)


def unknown_property_source(context: Context) -> Iterator[Finding]:
    """get_property or get_attribute names a node that does not exist, or has too few words."""
    special = {"SELF", "HOST", "SOURCE", "TARGET"}
    for topology in context.topologies:
        for name, argument in _calls(topology.node):
            if name not in ("get_property", "get_attribute"):
                continue
            first = argument.items[0] if isinstance(argument, Sequence) and len(argument.items) > 1 else None
            if not isinstance(first, Scalar):
                yield finding("TOSCA019", argument, f"{name} needs a list of a node and a name, at least")
            elif first.text not in topology.nodes and first.text not in special:
                hint = did_you_mean(first.text, topology.nodes)
                yield finding("TOSCA019", first, f"there is no node {quote(first.text)}", hint)


def _calls(node: Node) -> Iterator[tuple[str, Node]]:
    """Every call of a function below a node."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        call = function_call(current)
        if call is not None:
            yield call
        if isinstance(current, Mapping):
            waiting.extend(value for _, _, value in current.items())
        elif isinstance(current, Sequence):
            waiting.extend(current.items)


GROUP_RULES = (
    unknown_keyword,
    unknown_type,
    wrong_property,
    unknown_member,
    unsuitable_member,
    unknown_substituted_type,
    wrong_substituted_property,
    unknown_mapped_name,
    dangling_mapping,
    unknown_input,
    unknown_property_source,
)
