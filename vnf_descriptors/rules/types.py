"""Faults of type definitions. Each function finds one fault in the types that the package itself defines."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.keywords import TYPES, unknown_keywords
from vnf_descriptors.report import Finding, Severity, finding, quote
from vnf_descriptors.rules.hints import missing_type
from vnf_descriptors.typesystem import MAX_ANCESTORS, PRIMITIVES, SECTIONS, TypeDef
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence


def section_no_map(context: Context) -> Iterator[Finding]:
    """A section of type definitions, or a definition in it, is no map."""
    for file in context.templates.files.values():
        for section in SECTIONS:
            node = file.root.get(section)
            if node is None or _is_null(node):
                continue
            if not isinstance(node, Mapping):
                yield finding("TOSCA021", node, f"{section} must be a map")
                continue
            for name, key, value in node.items():
                if not isinstance(value, Mapping) and not _is_null(value):
                    yield finding("TOSCA021", key, f"the type {quote(name)} must be a map")


def derivation_cycle(context: Context) -> Iterator[Finding]:
    """A type derives from itself, or through more types than are followed."""
    for definition in context.types.own():
        ancestors = context.types.ancestors(definition.section, definition.name)
        last = context.types.get(definition.section, ancestors[-1])
        if last is None or last.parent is None:
            continue
        place = definition.node.key("derived_from")
        if last.parent == definition.name:
            yield finding("TOSCA007", place, f"the type {quote(definition.name)} derives from itself")
        elif len(ancestors) >= MAX_ANCESTORS:
            message = f"the type {quote(definition.name)} derives through more than {MAX_ANCESTORS} types"
            yield finding("TOSCA007", place, message)


def unknown_parent(context: Context) -> Iterator[Finding]:
    """A type derives from one that does not exist."""
    for definition in context.types.own():
        parent = definition.parent
        if parent is None or context.types.get(definition.section, parent) is not None:
            continue
        if definition.section == "data_types" and parent in PRIMITIVES:
            continue
        if parent.startswith("tosca.") and parent.endswith(".Root"):
            continue
        place = definition.node.get("derived_from") or definition.node
        hint = missing_type(context, definition.section, parent)
        message = f"{quote(definition.name)} derives from {quote(parent)}, which does not exist"
        yield finding("TOSCA008", place, message, hint)


def unknown_keyword(context: Context) -> Iterator[Finding]:
    """A type definition has a keyword that its section does not know."""
    for definition in context.types.own():
        if definition.section in TYPES:
            yield from unknown_keywords(definition.node, TYPES[definition.section], definition.section)


def unknown_value_type(context: Context) -> Iterator[Finding]:
    """A property, attribute or input has a type that does not exist."""
    for definition in context.types.own():
        for what in ("properties", "attributes"):
            section = definition.node.get(what)
            for name, key, value in section.items() if isinstance(section, Mapping) else ():
                if isinstance(value, Mapping):
                    severity = Severity.WARNING if _is_optional_copy(definition, value) else None
                    yield from _value_types(context, value, severity)
                elif not _is_null(value):
                    yield finding("TOSCA008", key, f"the definition of {quote(name)} must be a map")


def _is_optional_copy(definition: TypeDef, schema: Mapping) -> bool:
    """True for what nobody need give in a copy of the standard's types, which some packages hold only parts of."""
    required = schema.get("required")
    optional = isinstance(required, Scalar) and required.value is False and schema.get("default") is None
    return optional and definition.name.startswith("tosca.")


def _value_types(context: Context, schema: Mapping, severity: Severity | None = None) -> Iterator[Finding]:
    kind = schema.get("type")
    if isinstance(kind, Scalar):
        yield from _value_type(context, kind, severity)
    for name in ("entry_schema", "key_schema"):
        inner = schema.get(name)
        if isinstance(inner, Mapping):
            yield from _value_types(context, inner, severity)
        elif isinstance(inner, Scalar):
            yield from _value_type(context, inner, severity)


def _value_type(context: Context, kind: Scalar, severity: Severity | None) -> Iterator[Finding]:
    name = kind.text
    if name in PRIMITIVES or context.types.takes_anything(name) or context.types.get("data_types", name):
        return
    if name == "PortDef" or name.startswith("tosca.datatypes.network."):
        return
    hint = missing_type(context, "data_types", name, PRIMITIVES)
    yield finding("TOSCA006", kind, f"the data type {quote(name)} does not exist", hint, severity)


def unknown_capability_type(context: Context) -> Iterator[Finding]:
    """A node type has, or requires, a capability of a type that does not exist."""
    for definition in context.types.own():
        if definition.section == "node_types":
            for place in _capability_types(definition):
                if context.types.get("capability_types", place.text) is None:
                    hint = missing_type(context, "capability_types", place.text)
                    message = f"the capability type {quote(place.text)} does not exist"
                    yield finding("TOSCA006", place, message, hint)


def _capability_types(definition: TypeDef) -> Iterator[Scalar]:
    capabilities = definition.node.get("capabilities")
    for _, _, value in capabilities.items() if isinstance(capabilities, Mapping) else ():
        kind = value.get("type") if isinstance(value, Mapping) else value
        if isinstance(kind, Scalar) and kind.text:
            yield kind
    requirements = definition.node.get("requirements")
    for item in requirements.items if isinstance(requirements, Sequence) else ():
        for _, _, value in item.items() if isinstance(item, Mapping) else ():
            kind = value.get("capability") if isinstance(value, Mapping) else value
            if isinstance(kind, Scalar) and kind.text:
                yield kind


def wrong_default(context: Context) -> Iterator[Finding]:
    """A property's default is not what its own definition wants."""
    for definition in context.types.own():
        section = definition.node.get("properties")
        defined = context.types.properties(definition.section, definition.name)
        for name, _, value in section.items() if isinstance(section, Mapping) else ():
            default = value.get("default") if isinstance(value, Mapping) else None
            if default is not None and not _is_null(default):
                yield from context.values.value(default, defined[name].schema, name)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


TYPE_RULES = (
    section_no_map,
    derivation_cycle,
    unknown_parent,
    unknown_keyword,
    unknown_value_type,
    unknown_capability_type,
    wrong_default,
)
