"""A topology template as it can be worked with: nodes, groups, policies, mappings, and TOSCA's functions."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from vnf_descriptors.keywords import (
    CAPABILITY,
    GROUP,
    NODE_TEMPLATE,
    POLICY,
    SUBSTITUTION,
    TOPOLOGY_TEMPLATE,
    Speller,
    unknown_keywords,
)
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.templates import TemplateFile
from vnf_descriptors.typesystem import PropertyDef, TypeSystem, property_defs
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

T = TypeVar("T")

#: Functions whose result is known only at run time, or that this library has no use for.
_RUN_TIME = {"get_attribute", "get_operation_output", "get_nodes_of_type", "get_artifact", "get_secret"}
FUNCTIONS = _RUN_TIME | {"get_input", "get_property", "concat", "join", "token"}
#: How far functions may lead to functions.
_MAX_STEPS = 20
#: How deep the maps and lists may nest in which functions are evaluated, those of functions' results included.
_MAX_NESTING = 80


@dataclass(frozen=True, slots=True)
class RequirementUse:
    """A requirement as a node template fulfils it."""

    name: str
    key: Scalar
    #: The node that fulfils it, or None when it is left open.
    target: Scalar | None
    #: The capability of that node, when it is named.
    capability: Scalar | None
    node: Node

    @property
    def place(self) -> Node:
        """The target, or the requirement itself when it is open."""
        return self.target if self.target is not None else self.key


@dataclass(slots=True)
class NodeTemplate:
    """A node of a topology."""

    name: str
    key: Scalar
    type: str
    node: Mapping
    requirements: tuple[RequirementUse, ...] = ()

    def section(self, name: str) -> Mapping:
        """A keyword's map; an empty one when it is absent or no map."""
        found = self.node.get(name)
        return found if isinstance(found, Mapping) else Mapping(self.key.file, self.key.line, self.key.column)

    def uses(self, requirement: str) -> list[RequirementUse]:
        """How a requirement is fulfilled; open uses are left out."""
        return [use for use in self.requirements if use.name == requirement and use.target is not None]

    def target(self, requirement: str) -> str | None:
        """The name of the node that fulfils a requirement first, or None."""
        uses = self.uses(requirement)
        return uses[0].target.text if uses and uses[0].target else None


@dataclass(slots=True)
class Group:
    """A group of nodes, or a policy with its targets."""

    name: str
    key: Scalar
    type: str
    node: Mapping
    members: tuple[Scalar, ...] = ()

    @property
    def properties(self) -> Mapping:
        """The properties; an empty map when there are none."""
        found = self.node.get("properties")
        return found if isinstance(found, Mapping) else Mapping(self.key.file, self.key.line, self.key.column)


@dataclass(frozen=True, slots=True)
class SubstitutionEntry:
    """A requirement or capability of the substituted node, mapped to that of a node of the topology."""

    name: str
    key: Scalar
    node: Scalar | None
    target: Scalar | None


@dataclass(frozen=True, slots=True)
class Substitution:
    """What node the topology stands for."""

    node: Mapping
    type: Scalar | None
    requirements: tuple[SubstitutionEntry, ...] = ()
    capabilities: tuple[SubstitutionEntry, ...] = ()

    @property
    def properties(self) -> Mapping:
        """The properties of the substituted node that this topology stands for."""
        found = self.node.get("properties")
        return found if isinstance(found, Mapping) else Mapping(self.node.file, self.node.line, self.node.column)


@dataclass(slots=True)
class Topology:
    """One topology template. `nodes`, `groups` and `policies` hold what is shaped well enough to be read."""

    file: TemplateFile
    types: TypeSystem
    node: Mapping
    inputs: dict[str, PropertyDef] = field(default_factory=dict)
    nodes: dict[str, NodeTemplate] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)
    policies: list[Group] = field(default_factory=list)
    substitution: Substitution | None = None
    _depth: int = field(default=0, repr=False)
    _nesting: int = field(default=0, repr=False)
    #: What was asked before; a topology does not change once it is read.
    _memory: dict[Hashable, Any] = field(default_factory=dict, repr=False)

    def remember(self, key: Hashable, make: Callable[[], T]) -> T:
        """What `make` gives for a key, made once. Nobody may change it."""
        if key not in self._memory:
            self._memory[key] = make()
        found: T = self._memory[key]
        return found

    def of_type(self, *wanted: str) -> list[NodeTemplate]:
        """The nodes whose type is, or derives from, one of these."""
        is_a = self.types.is_a
        return self.remember(
            ("nodes", wanted), lambda: [each for each in self.nodes.values() if is_a("node_types", each.type, *wanted)]
        )

    def policies_of(self, *wanted: str) -> list[Group]:
        """The policies whose type is, or derives from, one of these."""
        is_a = self.types.is_a
        return self.remember(
            ("policies", wanted), lambda: [each for each in self.policies if is_a("policy_types", each.type, *wanted)]
        )

    def property_of(self, template: NodeTemplate, *path: str) -> Node | None:
        """A property's value by path, functions evaluated; the type's default when it is not given."""
        value = template.section("properties").get(path[0])
        if value is None:
            definition = self.types.properties("node_types", template.type).get(path[0])
            value = definition.default if definition else None
        return self.follow(value, path[1:], template)

    def capability_property(self, template: NodeTemplate, capability: str, *path: str) -> Node | None:
        """As `property_of`, for a property of one of the node's capabilities."""
        assigned = template.section("capabilities").get(capability)
        properties = assigned.get("properties") if isinstance(assigned, Mapping) else None
        value = properties.get(path[0]) if isinstance(properties, Mapping) else None
        if value is None:
            known = self.types.capabilities(template.type).get(capability)
            definition = known.properties.get(path[0]) if known else None
            value = definition.default if definition else None
        return self.follow(value, path[1:], template)

    def follow(self, value: Node | None, path: tuple[str, ...] = (), here: NodeTemplate | None = None) -> Node | None:
        """The value below `path`, functions evaluated; None where something is missing or known only later."""
        current = self.evaluate(value, here)
        for step in path:
            if isinstance(current, Mapping):
                current = self.evaluate(current.get(step), here)
            elif isinstance(current, Sequence) and step.isdigit() and int(step) < len(current.items):
                current = self.evaluate(current.items[int(step)], here)
            else:
                return None
        return self._resolved(current, here)

    def _resolved(self, node: Node | None, here: NodeTemplate | None) -> Node | None:
        """A map or list with the functions in it evaluated, too; those of run time stay as they are."""
        if node is None or isinstance(node, Scalar) or self._nesting >= _MAX_NESTING:
            return node
        self._nesting += 1
        try:
            # The node is remembered with its copy: nothing else may get its identity meanwhile.
            key = ("resolved", id(node), here.name if here else "")
            return self.remember(key, lambda: (node, self._copied(node, here)))[1]
        finally:
            self._nesting -= 1

    def _copied(self, node: Node, here: NodeTemplate | None) -> Node:
        """The node itself when nothing in it is a function."""
        if isinstance(node, Sequence):
            items = [self._inner(item, here) for item in node.items]
            if all(new is old for new, old in zip(items, node.items, strict=True)):
                return node
            copy = Sequence(node.file, node.line, node.column)
            copy.items = items
            return copy
        if isinstance(node, Mapping):
            entries = {name: (key, self._inner(value, here)) for name, key, value in node.items()}
            if all(new is node.entries[name][1] for name, (_, new) in entries.items()):
                return node
            changed = Mapping(node.file, node.line, node.column)
            changed.entries = entries
            return changed
        return node

    def _inner(self, node: Node, here: NodeTemplate | None) -> Node:
        if isinstance(node, Scalar):
            return node
        if function_call(node) is not None:
            found = self.evaluate(node, here)
            if found is None or self._depth >= _MAX_STEPS:
                return node
            node = found
        return self._resolved(node, here) or node

    def evaluate(self, node: Node | None, here: NodeTemplate | None = None) -> Node | None:
        """The result of a function; any other value as it is; None for what is known at run time only."""
        for _ in range(_MAX_STEPS):
            call = function_call(node)
            if call is None:
                return node
            node = self._called(node, call, here)
        return None

    def _called(self, node: Node | None, call: tuple[str, Node], here: NodeTemplate | None) -> Node | None:
        """The result of a call, worked out once: calls that share what they lead to would double with each step."""
        key = ("called", id(node), here.name if here else "")
        # As in `_resolved`, the node is remembered along.
        return self.remember(key, lambda: (node, self._call(*call, here)))[1]

    def _call(self, name: str, argument: Node, here: NodeTemplate | None) -> Node | None:
        if self._depth >= _MAX_STEPS:
            return None
        self._depth += 1
        try:
            return self._result(name, argument, here)
        finally:
            self._depth -= 1

    def _result(self, name: str, argument: Node, here: NodeTemplate | None) -> Node | None:
        if name == "get_input":
            first = argument.items[0] if isinstance(argument, Sequence) and argument.items else argument
            known = self.inputs.get(first.text) if isinstance(first, Scalar) else None
            return known.default if known else None
        if name == "get_property":
            return self._get_property(argument, here)
        if name in ("concat", "join"):
            return self._concat(argument, here, name)
        return None

    def _get_property(self, argument: Node, here: NodeTemplate | None) -> Node | None:
        words = (
            [item.text for item in argument.items if isinstance(item, Scalar)] if isinstance(argument, Sequence) else []
        )
        if len(words) < 2:
            return None
        template = here if words[0] == "SELF" else self.nodes.get(words[0])
        if template is None:
            return None
        if words[1] in self.types.properties("node_types", template.type):
            return self.property_of(template, *words[1:])
        if words[1] in self.types.capabilities(template.type) and len(words) > 2:
            return self.capability_property(template, words[1], *words[2:])
        target = template.target(words[1])
        other = self.nodes.get(target) if target else None
        return self.property_of(other, *words[2:]) if other is not None and len(words) > 2 else None

    def _concat(self, argument: Node, here: NodeTemplate | None, name: str) -> Node | None:
        items = argument.items if isinstance(argument, Sequence) else []
        glue = ""
        if name == "join":
            if len(items) == 2 and isinstance(items[1], Scalar):
                glue = items[1].text
            items = items[0].items if items and isinstance(items[0], Sequence) else []
        parts = [self.evaluate(item, here) for item in items]
        if not all(isinstance(part, Scalar) for part in parts):
            return None
        text = glue.join(part.text for part in parts if isinstance(part, Scalar))
        return Scalar(argument.file, argument.line, argument.column, text, False) if len(text) < 65536 else None


def function_call(node: Node | None) -> tuple[str, Node] | None:
    """Name and argument when a value is a call of one of TOSCA's functions."""
    if isinstance(node, Mapping) and len(node.entries) == 1:
        name, _, argument = next(node.items())
        if name in FUNCTIONS:
            return name, argument
    return None


def read_topology(file: TemplateFile, types: TypeSystem, speller: Speller) -> tuple[Topology | None, list[Finding]]:
    """The topology of a file (None when it has none), and what is wrong with its shape."""
    node = file.root.get("topology_template")
    if node is None or (isinstance(node, Scalar) and node.value is None):
        return None, []
    if not isinstance(node, Mapping):
        return None, [finding("TOSCA021", node, "topology_template must be a map")]
    reader = _Reader(Topology(file, types, speller.respelt(node, TOPOLOGY_TEMPLATE)), speller)
    reader.run()
    return reader.topology, reader.findings


class _Reader:
    """Reads the sections of a topology template; complains where one is not shaped as it must be."""

    def __init__(self, topology: Topology, speller: Speller) -> None:
        self.topology = topology
        self._speller = speller
        self.findings: list[Finding] = []

    def run(self) -> None:
        node = self.topology.node
        self.findings.extend(unknown_keywords(node, TOPOLOGY_TEMPLATE, "a topology template"))
        self.topology.inputs = property_defs(self._map(node, "inputs"))
        for name, key, value in self._maps(node, "node_templates"):
            self.topology.nodes[name] = self._node(name, key, self._respelt_node(value))
        for name, key, value in self._maps(node, "groups"):
            self.topology.groups[name] = self._group(name, key, self._speller.respelt(value, GROUP), "members")
        for name, key, value in self._policies(node.get("policies")):
            self.topology.policies.append(self._group(name, key, self._speller.respelt(value, POLICY), "targets"))
        substitution = node.get("substitution_mappings")
        if isinstance(substitution, Mapping):
            self.topology.substitution = self._substitution(self._speller.respelt(substitution, SUBSTITUTION))
        elif substitution is not None and not _is_null(substitution):
            self._shape(substitution, "substitution_mappings must be a map")

    def _shape(self, node: Node, message: str) -> None:
        self.findings.append(finding("TOSCA021", node, message))

    def _map(self, parent: Mapping, name: str) -> Mapping | None:
        node = parent.get(name)
        if node is None or isinstance(node, Mapping):
            return node
        if not _is_null(node):
            self._shape(node, f"{name} must be a map")
        return None

    def _maps(self, parent: Mapping, section: str) -> Iterator[tuple[str, Scalar, Mapping]]:
        found = self._map(parent, section)
        for name, key, value in found.items() if found else ():
            if isinstance(value, Mapping):
                yield name, key, value
            else:
                self._shape(key, f"{quote(name)} in {section} must be a map")

    def _policies(self, node: Node | None) -> Iterator[tuple[str, Scalar, Mapping]]:
        if node is None or _is_null(node):
            return
        entries = node.items if isinstance(node, Sequence) else [node]
        for entry in entries:
            if not isinstance(entry, Mapping):
                self._shape(entry, "policies must be a list of maps with one name each")
                continue
            for name, key, value in entry.items():
                if isinstance(value, Mapping):
                    yield name, key, value
                else:
                    self._shape(key, f"the policy {quote(name)} must be a map; is it indented below its name?")

    def _node(self, name: str, key: Scalar, node: Mapping) -> NodeTemplate:
        kind = node.get("type")
        if not isinstance(kind, Scalar) or not kind.text:
            self.findings.append(finding("TOSCA010", key, f"the node {quote(name)} has no type"))
        template = NodeTemplate(name, key, kind.text if isinstance(kind, Scalar) else "", node)
        template.requirements = tuple(self._requirements(template))
        for section in ("properties", "attributes", "capabilities", "interfaces", "artifacts"):
            self._map(node, section)
        return template

    def _respelt_node(self, node: Mapping) -> Mapping:
        node = self._speller.respelt(node, NODE_TEMPLATE)
        capabilities = node.get("capabilities")
        if not isinstance(capabilities, Mapping):
            return node
        assigned = [(name, value) for name, _, value in capabilities.items() if isinstance(value, Mapping)]
        changed: dict[str, Node] = {}
        for name, value in assigned:
            read = self._speller.respelt(value, CAPABILITY)
            if read is not value:
                changed[name] = read
        return node.with_values({"capabilities": capabilities.with_values(changed)}) if changed else node

    def _requirements(self, template: NodeTemplate) -> Iterator[RequirementUse]:
        node = template.node.get("requirements")
        if node is None or _is_null(node):
            return
        if isinstance(node, Mapping):
            self._shape(node, "requirements must be a list; put a '-' before each")
        items = node.items if isinstance(node, Sequence) else [node]
        for item in items:
            if not isinstance(item, Mapping):
                if not isinstance(item, Scalar) or item.value is not None:
                    self._shape(item, "a requirement is a map from its name to its target")
                continue
            for name, key, value in item.items():
                yield self._requirement(name, key, value)

    def _requirement(self, name: str, key: Scalar, value: Node) -> RequirementUse:
        if isinstance(value, Scalar):
            return RequirementUse(name, key, value if value.text and value.value is not None else None, None, value)
        if isinstance(value, Mapping):
            target, capability = value.get("node"), value.get("capability")
            return RequirementUse(
                name,
                key,
                target if isinstance(target, Scalar) and target.text else None,
                capability if isinstance(capability, Scalar) and capability.text else None,
                value,
            )
        if not isinstance(value, Sequence) or value.items:
            self._shape(value, f"the requirement {quote(name)} names one node; repeat it for further ones")
        return RequirementUse(name, key, None, None, value)

    def _group(self, name: str, key: Scalar, node: Mapping, what: str) -> Group:
        kind = node.get("type")
        if not isinstance(kind, Scalar) or not kind.text:
            self.findings.append(finding("TOSCA010", key, f"{quote(name)} has no type"))
        members = node.get(what)
        names: list[Scalar] = []
        if isinstance(members, Sequence):
            names = [item for item in members.items if isinstance(item, Scalar) and item.text]
            if len(names) != len(members.items):
                self._shape(members, f"{what} must be a list of names")
        elif members is not None and not _is_null(members):
            self._shape(members, f"{what} must be a list of names")
        self._map(node, "properties")
        return Group(name, key, kind.text if isinstance(kind, Scalar) else "", node, tuple(names))

    def _substitution(self, node: Mapping) -> Substitution:
        # Tools leave keywords of their own here; only what is meant to be one of TOSCA's is a fault.
        misspelt = [key for name, key, _ in node.items() if key.text != name]
        for key in misspelt:
            message = f"{quote(key.text)} is no keyword of substitution_mappings"
            self.findings.append(finding("TOSCA002", key, message, did_you_mean(key.text, SUBSTITUTION)))
        kind = node.get("node_type")
        return Substitution(
            node,
            kind if isinstance(kind, Scalar) else None,
            tuple(self._mapped(node.get("requirements"))),
            tuple(self._mapped(node.get("capabilities"))),
        )

    def _mapped(self, node: Node | None) -> Iterator[SubstitutionEntry]:
        entries = node.items if isinstance(node, Sequence) else [node]
        for entry in entries:
            for name, key, value in entry.items() if isinstance(entry, Mapping) else ():
                yield self._mapping(name, key, value)

    def _mapping(self, name: str, key: Scalar, value: Node) -> SubstitutionEntry:
        if isinstance(value, Mapping) and isinstance(value.get("mapping"), Sequence):
            value = value.get("mapping") or value
        words = [item for item in value.items if isinstance(item, Scalar)] if isinstance(value, Sequence) else []
        if len(words) == 2:
            return SubstitutionEntry(name, key, words[0], words[1])
        if isinstance(value, Scalar) and value.text:
            return SubstitutionEntry(name, key, value, None)
        if not _is_null(value) and not (isinstance(value, Sequence) and not value.items):
            message = f"{quote(name)} must be mapped to [node, requirement]"
            self.findings.append(finding("TOSCA028", value, message))
        return SubstitutionEntry(name, key, None, None)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None
