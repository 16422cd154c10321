"""The types that a descriptor may use: TOSCA's own, the standard's, and those of the package.

A later definition of a name wins: the package's over the standard's. What a type inherits is computed once.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vnf_descriptors import types
from vnf_descriptors.keywords import TYPES, Speller
from vnf_descriptors.templates import Templates
from vnf_descriptors.types import StandardTypes
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence, from_plain, to_plain

SECTIONS = (
    "data_types",
    "node_types",
    "capability_types",
    "relationship_types",
    "interface_types",
    "group_types",
    "policy_types",
    "artifact_types",
)
PRIMITIVES = frozenset(
    {
        "string",
        "integer",
        "float",
        "boolean",
        "timestamp",
        "version",
        "range",
        "list",
        "map",
        "scalar-unit.size",
        "scalar-unit.time",
        "scalar-unit.frequency",
        "scalar-unit.bitrate",
        "null",
    }
)
#: Types that take any value.
ANYTHING = ("tosca.datatypes.json", "tosca.datatypes.xml", "json", "xml")
UNBOUNDED = 2**31
#: Longest chain of derived_from that is followed.
MAX_ANCESTORS = 32


@dataclass(frozen=True, slots=True)
class Schema:
    """What a value must be."""

    type: str
    constraints: tuple[tuple[str, Any], ...] = ()
    entry: Schema | None = None
    key: Schema | None = None


@dataclass(frozen=True, slots=True)
class PropertyDef:
    """A property, attribute or input of a type."""

    name: str
    schema: Schema
    required: bool = True
    default: Node | None = None


@dataclass(frozen=True, slots=True)
class CapabilityDef:
    """A capability that nodes of a type have."""

    name: str
    type: str
    properties: dict[str, PropertyDef] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequirementDef:
    """A requirement that nodes of a type have."""

    name: str
    capability: str | None = None
    node: str | None = None
    relationship: str | None = None
    low: int = 1
    high: int = 1


@dataclass(frozen=True, slots=True)
class InterfaceDef:
    """An interface of a node type: its type, and what may stand below its name."""

    name: str
    type: str | None
    operations: frozenset[str] = frozenset()
    notifications: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TypeDef:
    """One type definition as it was written."""

    section: str
    name: str
    node: Mapping
    #: False for the types that this library brings along.
    own: bool
    parent: str | None


class TypeSystem:
    """All types that a descriptor may use, with what they inherit."""

    def __init__(self, definitions: dict[tuple[str, str], TypeDef]) -> None:
        self._types = definitions
        self._properties: dict[tuple[str, str, str], dict[str, PropertyDef]] = {}
        self._capabilities: dict[str, dict[str, CapabilityDef]] = {}
        self._requirements: dict[str, dict[str, RequirementDef]] = {}
        self._ancestors: dict[tuple[str, str], list[str]] = {}

    def get(self, section: str, name: str) -> TypeDef | None:
        """The definition of a type, or None."""
        return self._types.get((section, name))

    def names(self, section: str) -> list[str]:
        """The names of all types of a section."""
        return [name for kind, name in self._types if kind == section]

    def own(self) -> Iterator[TypeDef]:
        """The types that the package defines."""
        return (each for each in self._types.values() if each.own)

    def ancestors(self, section: str, name: str) -> list[str]:
        """The type and those that it derives from, nearest first; a cycle or a very long chain ends the list."""
        known = self._ancestors.get((section, name))
        if known is not None:
            return known
        found = self._ancestors[section, name] = []
        current: str | None = name
        while current is not None and current not in found and len(found) < MAX_ANCESTORS:
            found.append(current)
            definition = self.get(section, current)
            current = None if definition is None else definition.parent
        return found

    def is_a(self, section: str, name: str, *wanted: str) -> bool:
        """True when a type is, or derives from, one of the wanted ones."""
        return not set(wanted).isdisjoint(self.ancestors(section, name))

    def _lineage(self, section: str, name: str) -> Iterator[TypeDef]:
        """The definitions of a type's ancestors, the farthest first."""
        for ancestor in reversed(self.ancestors(section, name)):
            definition = self.get(section, ancestor)
            if definition is not None:
                yield definition

    def properties(self, section: str, name: str, what: str = "properties") -> dict[str, PropertyDef]:
        """The properties (or `what` says: attributes, inputs) of a type, inherited ones included."""
        key = (section, name, what)
        if key not in self._properties:
            merged: dict[str, PropertyDef] = {}
            for definition in self._lineage(section, name):
                merged.update(property_defs(definition.node.get(what), merged))
            self._properties[key] = merged
        return self._properties[key]

    def primitive(self, name: str) -> str | None:
        """The primitive that a data type is, or derives from; None for a type with properties."""
        for ancestor in self.ancestors("data_types", name):
            if ancestor in PRIMITIVES:
                return ancestor
        return None

    def takes_anything(self, name: str) -> bool:
        """True for the data types whose values are not looked into."""
        return name in ANYTHING or self.is_a("data_types", name, *ANYTHING)

    def data_constraints(self, name: str) -> tuple[tuple[str, Any], ...]:
        """The constraints that a data type and its ancestors put on its values."""
        lineage = self._lineage("data_types", name)
        return tuple(each for definition in lineage for each in _constraints(definition.node.get("constraints")))

    def capabilities(self, node_type: str) -> dict[str, CapabilityDef]:
        """The capabilities of a node type, inherited ones included."""
        if node_type not in self._capabilities:
            merged: dict[str, CapabilityDef] = {}
            for definition in self._lineage("node_types", node_type):
                section = definition.node.get("capabilities")
                for name, _, node in section.items() if isinstance(section, Mapping) else ():
                    merged[name] = self._capability(name, node, merged.get(name))
            self._capabilities[node_type] = merged
        return self._capabilities[node_type]

    def _capability(self, name: str, node: Node, before: CapabilityDef | None) -> CapabilityDef:
        kind = _text(node.get("type")) if isinstance(node, Mapping) else _text(node)
        kind = kind or (before.type if before else "")
        properties = dict(self.properties("capability_types", kind))
        if before is not None and before.type == kind:
            properties.update(before.properties)
        if isinstance(node, Mapping):
            properties.update(property_defs(node.get("properties"), properties))
        return CapabilityDef(name, kind, properties)

    def requirements(self, node_type: str) -> dict[str, RequirementDef]:
        """The requirements of a node type, inherited ones included."""
        if node_type not in self._requirements:
            merged: dict[str, RequirementDef] = {}
            for definition in self._lineage("node_types", node_type):
                section = definition.node.get("requirements")
                for item in section.items if isinstance(section, Sequence) else ():
                    for name, _, node in item.items() if isinstance(item, Mapping) else ():
                        merged[name] = _requirement(name, node, merged.get(name))
            self._requirements[node_type] = merged
        return self._requirements[node_type]

    def interfaces(self, node_type: str) -> dict[str, InterfaceDef]:
        """The interfaces of a node type, inherited ones included."""
        merged: dict[str, InterfaceDef] = {}
        for definition in self._lineage("node_types", node_type):
            section = definition.node.get("interfaces")
            for name, _, node in section.items() if isinstance(section, Mapping) else ():
                merged[name] = self._interface(name, node, merged.get(name))
        return merged

    def _interface(self, name: str, node: Node, before: InterfaceDef | None) -> InterfaceDef:
        kind = before.type if before else None
        operations = set(before.operations) if before else set()
        notifications = set(before.notifications) if before else set()
        if isinstance(node, Mapping):
            kind = _text(node.get("type")) or kind
            operations |= _operation_names(node)
            notifications |= _names(node.get("notifications"))
        for definition in self._lineage("interface_types", kind) if kind else ():
            operations |= _operation_names(definition.node)
            notifications |= _names(definition.node.get("notifications"))
        return InterfaceDef(name, kind, frozenset(operations), frozenset(notifications))

    def listed(self, section: str, name: str, what: str) -> tuple[str, ...]:
        """What a type lists under `targets`, `members` or `valid_target_types`; the nearest list counts."""
        for ancestor in self.ancestors(section, name):
            definition = self.get(section, ancestor)
            node = definition.node.get(what) if definition else None
            if isinstance(node, Sequence):
                return tuple(item.text for item in node.items if isinstance(item, Scalar))
        return ()

    def definitions(self) -> dict[str, dict[str, Any]]:
        """Every type but TOSCA's own as plain TOSCA sections, for another parser."""
        plain: dict[str, dict[str, Any]] = {}
        for (section, name), definition in self._types.items():
            if definition.node.file != _TOSCA:
                plain.setdefault(section, {})[name] = to_plain(definition.node)
        return plain


_TOSCA = "<tosca>"
_STANDARD = "<sol001>"


def build_types(templates: Templates) -> TypeSystem:
    """The types of a descriptor. Package files that define no type of their own share one system."""
    standard = tuple(sorted(templates.standard, key=lambda each: (each.edition, len(types.SUBJECTS[each.subject]))))
    files = [file for file in templates.files.values() if not file.root.entries.keys().isdisjoint(SECTIONS)]
    return _assemble(standard, tuple(_HashedFile(file.path, file.digest, file.root) for file in files))


@dataclass(frozen=True)
class _HashedFile:
    path: str
    digest: bytes
    root: Mapping = field(compare=False)


@functools.lru_cache(maxsize=32)
def _assemble(standard: tuple[StandardTypes, ...], files: tuple[_HashedFile, ...]) -> TypeSystem:
    merged = dict(_brought_along(standard))
    speller = Speller()
    for file in files:
        for section in SECTIONS:
            node = file.root.get(section)
            for name, _, definition in node.items() if isinstance(node, Mapping) else ():
                body = definition if isinstance(definition, Mapping) else _empty_like(definition)
                merged[section, name] = _type_def(
                    section, name, speller.respelt(body, TYPES.get(section, body.entries.keys())), True
                )
    return TypeSystem(merged)


@functools.lru_cache(maxsize=16)
def _brought_along(standard: tuple[StandardTypes, ...]) -> dict[tuple[str, str], TypeDef]:
    merged: dict[tuple[str, str], TypeDef] = {}
    sources = [(types.tosca_definitions(), _TOSCA)]
    sources += [(types.definitions(each.subject, each.edition), _STANDARD) for each in standard]
    for definitions, file in sources:
        for section, members in definitions.items():
            for name, plain in members.items():
                node = from_plain(plain, file)
                assert isinstance(node, Mapping)
                merged[section, name] = _type_def(section, name, node, False)
    return merged


def _type_def(section: str, name: str, node: Mapping, own: bool) -> TypeDef:
    return TypeDef(section, name, node, own, _text(node.get("derived_from")))


def _empty_like(node: Node) -> Mapping:
    return Mapping(node.file, node.line, node.column)


def property_defs(section: Node | None, inherited: dict[str, PropertyDef] | None = None) -> dict[str, PropertyDef]:
    """The property definitions of a section; one that refines an inherited one keeps what it does not say."""
    if not isinstance(section, Mapping):
        return {}
    before = inherited or {}
    return {name: _property(name, node, before.get(name)) for name, _, node in section.items()}


def _property(name: str, node: Node, before: PropertyDef | None) -> PropertyDef:
    if not isinstance(node, Mapping):
        return before or PropertyDef(name, Schema("string"), required=False)
    schema = read_schema(node, before.schema if before else None)
    required = node.get("required")
    if isinstance(required, Scalar) and isinstance(required.value, bool):
        wanted = required.value
    else:
        wanted = before.required if before else True
    default = node.get("default") or (before.default if before else None)
    return PropertyDef(name, schema, wanted, default)


def read_schema(node: Node | None, before: Schema | None = None) -> Schema:
    """The schema of a property, entry or key; a name alone is its type."""
    if isinstance(node, Scalar):
        return Schema(node.text)
    if not isinstance(node, Mapping):
        return before or Schema("string")
    kind = _text(node.get("type")) or (before.type if before else "string")
    entry, key = node.get("entry_schema"), node.get("key_schema")
    return Schema(
        kind,
        tuple(_constraints(node.get("constraints"))) or (before.constraints if before else ()),
        read_schema(entry) if entry is not None else (before.entry if before else None),
        read_schema(key) if key is not None else (before.key if before else None),
    )


def _constraints(node: Node | None) -> Iterator[tuple[str, Any]]:
    items = node.items if isinstance(node, Sequence) else [node]
    for item in items:
        for name, _, value in item.items() if isinstance(item, Mapping) else ():
            yield name, _hashable(to_plain(value))


def _hashable(value: Any) -> Any:
    return tuple(_hashable(item) for item in value) if isinstance(value, list) else value


def _requirement(name: str, node: Node, before: RequirementDef | None) -> RequirementDef:
    if isinstance(node, Scalar):
        return RequirementDef(name, capability=node.text or None)
    if not isinstance(node, Mapping):
        return before or RequirementDef(name)
    relationship = node.get("relationship")
    if isinstance(relationship, Mapping):
        relationship = relationship.get("type")
    low, high = _occurrences(node.get("occurrences"), before)
    return RequirementDef(
        name,
        _text(node.get("capability")) or (before.capability if before else None),
        _text(node.get("node")) or (before.node if before else None),
        _text(relationship) or (before.relationship if before else None),
        low,
        high,
    )


def _occurrences(node: Node | None, before: RequirementDef | None) -> tuple[int, int]:
    bounds = to_plain(node) if isinstance(node, Sequence) else None
    if isinstance(bounds, list) and len(bounds) == 2 and isinstance(bounds[0], int):
        return bounds[0], bounds[1] if isinstance(bounds[1], int) else UNBOUNDED
    return (before.low, before.high) if before else (1, 1)


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) and node.text else None


def _names(node: Node | None) -> set[str]:
    return set(node.entries) if isinstance(node, Mapping) else set()


_INTERFACE_KEYWORDS = {
    "type",
    "derived_from",
    "description",
    "version",
    "metadata",
    "inputs",
    "operations",
    "notifications",
}


def _operation_names(node: Mapping) -> set[str]:
    return _names(node.get("operations")) | (set(node.entries) - _INTERFACE_KEYWORDS)
