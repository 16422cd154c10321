"""tosca-parser's second opinion on a descriptor that this library's own rules accept.

The parser never sees the package: it gets plain values, with all types written out and no imports, in a
process of its own (`worker`) that can neither open files nor sockets and is killed when it takes too
long. What is known to make it fail on valid descriptors is taken out before; its complaints about what
SOL001 allows are dropped. When it crashes or is killed, that is a warning.
"""

from __future__ import annotations

import atexit
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

from vnf_descriptors.context import NS, PNF, VNF, Context
from vnf_descriptors.report import Finding, Place, Position, finding, quote
from vnf_descriptors.topology import Group, NodeTemplate, Topology, function_call
from vnf_descriptors.tosca.worker import read_message, write_message
from vnf_descriptors.typesystem import ANYTHING, PropertyDef, Schema, TypeSystem
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence, to_plain

#: Seconds by the clock that an answer may take, on a machine however busy; CPU time is limited by the worker.
WALL_SECONDS = 30
#: A worker is replaced after so many jobs, so that what the parser leaks does not add up.
JOBS_PER_WORKER = 200

#: Longest complaint that is passed on, in characters.
MAX_MESSAGE = 300
#: Complaints about what SOL001 allows, or that this library's own rules judge better.
_NOT_HERE = re.compile(
    r"wrong number of occurrences|missing required input|\"substitution_mappings\"|does not match the pattern"
    # It looks for the fields of a property that a derived type refines in the type that it refines.
    r"|contains unknown field"
)
_TYPE_SECTIONS = (
    "node_types",
    "capability_types",
    "relationship_types",
    "data_types",
    "interface_types",
    "policy_types",
    "group_types",
    "artifact_types",
)


def second_opinion(context: Context) -> list[Finding]:
    """What tosca-parser finds in each topology of a descriptor without errors."""
    topologies = context.flavours
    if not topologies:
        return []
    definitions = _definitions(context.types)
    job = [_template(topology, definitions) for topology in topologies]
    answers = _POOL.ask(job)
    if isinstance(answers, str):
        message = f"the TOSCA parser gave up: {answers}"
        return [finding("TOSCA023", Position(context.package.entry), message)]
    findings: list[Finding] = []
    for topology, answer in zip(topologies, answers, strict=True):
        if isinstance(answer, str):
            place = Position(topology.file.path)
            findings.append(finding("TOSCA023", place, f"the TOSCA parser crashed: {quote(answer)}"))
        else:
            findings.extend(_complaints(topology, answer))
    return findings


def _complaints(topology: Topology, messages: list[str]) -> Iterator[Finding]:
    for message in messages:
        if not _NOT_HERE.search(message):
            text = " ".join(message.split())
            yield finding("TOSCA022", _place(topology, text), f"the TOSCA parser says: {text[:MAX_MESSAGE]}")


def _place(topology: Topology, message: str) -> Place:
    """The node, group or policy that a message names, or the topology."""
    named = set(re.findall(r"\"([^\"]+)\"|'([^']+)'", message))
    words = {word for pair in named for word in pair}
    templates: list[NodeTemplate | Group] = [*topology.nodes.values(), *topology.groups.values(), *topology.policies]
    for each in templates:
        if each.name in words:
            return each.key
    return topology.node


# What the parser gets ---------------------------------------------------------------------------------------


def _definitions(types: TypeSystem) -> dict[str, Any]:
    plain = types.definitions()
    out = {section: plain[section] for section in _TYPE_SECTIONS if plain.get(section)}
    return {section: _Cleaner(types).types(section, members) for section, members in out.items()}


class _Cleaner:
    """Takes out of type definitions what the parser cannot digest."""

    def __init__(self, types: TypeSystem) -> None:
        self._types = types

    def types(self, section: str, members: dict[str, Any]) -> dict[str, Any]:
        return {name: self._type(section, name, body) for name, body in members.items()}

    def _type(self, section: str, name: str, body: Any) -> dict[str, Any]:
        out = _without_nulls(body) if isinstance(body, dict) else {}
        out.pop("notifications", None)
        out.pop("metadata", None)
        if section == "interface_types":
            out = {**{key: value for key, value in out.items() if key != "operations"}, **(out.get("operations") or {})}
        # A VNF's own node is completed by other topologies and by requests, and so are its properties.
        open_ended = section == "node_types" and self._types.is_a(section, name, VNF, NS, PNF)
        for what in ("properties", "attributes"):
            if isinstance(out.get(what), dict):
                out[what] = {
                    each: _property(schema, open_ended) for each, schema in out[what].items() if schema is not None
                }
        if isinstance(out.get("interfaces"), dict):
            out["interfaces"] = {each: _interface(value) for each, value in out["interfaces"].items()}
        return out


def _without_nulls(body: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in body.items() if value is not None}


def _property(schema: Any, open_ended: bool) -> Any:
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if key not in ("status", "metadata")}
    # Inside data types the parser wants a value even for what has a default.
    if open_ended or "default" in out:
        out["required"] = False
    if out.get("type") in ANYTHING:
        # Its values are left out as well: the parser looks for the properties of a map in them.
        return {"type": "string", "required": False}
    return _unconstrained(out)


def _unconstrained(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema without constraints, which this library's rules check, and of which the parser fails at some."""
    out = {key: value for key, value in schema.items() if key not in ("constraints", "key_schema")}
    if isinstance(out.get("entry_schema"), dict):
        out["entry_schema"] = _unconstrained(out["entry_schema"])
    return out


def _interface(value: Any) -> Any:
    if not isinstance(value, dict):
        return {}
    return {key: entry for key, entry in value.items() if key not in ("notifications",) and entry is not None}


def _template(topology: Topology, definitions: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = {"node_templates": {}}
    inputs = topology.node.get("inputs")
    if isinstance(inputs, Mapping):
        known = {name: value for name, _, value in inputs.items() if isinstance(value, Mapping)}
        template["inputs"] = {name: _input(value) for name, value in known.items()}
    for node in topology.nodes.values():
        template["node_templates"][node.name] = _node(topology, node)
    groups = {each.name: _entry(topology, each.node, "group_types") for each in topology.groups.values()}
    policies = [{each.name: _entry(topology, each.node, "policy_types")} for each in topology.policies]
    if groups:
        template["groups"] = groups
    if policies:
        template["policies"] = policies
    version = topology.file.version if topology.file.version != "tosca_simple_yaml_1_1" else "tosca_simple_yaml_1_2"
    return {"tosca_definitions_version": version, **definitions, "topology_template": template}


def _input(node: Mapping) -> dict[str, Any]:
    out = _property(to_plain(node), open_ended=True)
    return {key: value for key, value in out.items() if value is not None}


def _node(topology: Topology, template: NodeTemplate) -> dict[str, Any]:
    types = topology.types
    out: dict[str, Any] = {"type": template.type}
    properties = template.section("properties")
    if properties.entries:
        out["properties"] = _values(types, properties, types.properties("node_types", template.type))
    capabilities = {}
    for name, _, value in template.section("capabilities").items():
        given = value.get("properties") if isinstance(value, Mapping) else None
        known = types.capabilities(template.type).get(name)
        if isinstance(given, Mapping) and known is not None:
            capabilities[name] = {"properties": _values(types, given, known.properties)}
    if capabilities:
        out["capabilities"] = capabilities
    requirements = [{use.name: use.target.text} for use in template.requirements if use.target]
    if requirements:
        out["requirements"] = requirements
    return out


def _entry(topology: Topology, node: Mapping, section: str) -> dict[str, Any]:
    kind = to_plain(node.get("type"))
    out: dict[str, Any] = {"type": kind}
    properties = node.get("properties")
    if isinstance(properties, Mapping) and properties.entries:
        known = topology.types.properties(section, kind)
        values = _values(topology.types, properties, known)
        out["properties"] = {
            name: value
            for name, value in values.items()
            if known.get(name) is None or known[name].schema.type != "range"
        }
    for what in ("members", "targets"):
        if isinstance(node.get(what), Sequence):
            out[what] = to_plain(node.get(what))
    return out


def _values(types: TypeSystem, given: Mapping, defined: dict[str, PropertyDef]) -> dict[str, Any]:
    """Property values as the parser wants them: a text where the type is a text, whatever YAML makes of it."""
    out = {}
    for name, _, value in given.items():
        definition = defined.get(name)
        if definition is not None and types.takes_anything(definition.schema.type):
            continue
        plain = _value(types, value, definition.schema if definition else None)
        if plain is not None:
            out[name] = plain
    return out


def _value(types: TypeSystem, node: Node, schema: Schema | None) -> Any:
    if function_call(node) is not None or schema is None:
        return to_plain(node)
    kind = types.primitive(schema.type)
    if isinstance(node, Scalar):
        return _scalar(node, kind)
    if isinstance(node, Sequence):
        return [_value(types, item, schema.entry) for item in node.items]
    if isinstance(node, Mapping) and kind is None:
        return _values(types, node, types.properties("data_types", schema.type))
    if isinstance(node, Mapping):
        return {name: _value(types, value, schema.entry) for name, _, value in node.items()}
    return None


def _scalar(node: Scalar, kind: str | None) -> Any:
    if node.value is None:
        return None
    if kind == "string" or (kind or "").startswith("scalar-unit"):
        return node.text
    if kind == "integer" and isinstance(node.value, str) and re.fullmatch(r"[-+]?\d{1,18}", node.text):
        return int(node.text)
    if kind == "boolean" and isinstance(node.value, str):
        return node.text.lower() in ("true", "yes", "on", "y")
    return node.value


# The worker -------------------------------------------------------------------------------------------------


class _WorkerPool:
    """One worker process at a time, started on first use."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._jobs = 0

    def ask(self, job: list[dict[str, Any]]) -> list[list[str] | str] | str:
        """The worker's answer, or what became of it instead."""
        with self._lock:
            if self._process is None or self._process.poll() is not None or self._jobs >= JOBS_PER_WORKER:
                self._stop()
                self._start()
            self._jobs += 1
            return self._exchange(job)

    def _start(self) -> None:
        command = [sys.executable, "-m", "vnf_descriptors.tosca.worker"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, close_fds=True
        )
        self._jobs = 0
        atexit.register(self.close)

    def _exchange(self, job: list[dict[str, Any]]) -> list[list[str] | str] | str:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        clock = threading.Timer(WALL_SECONDS, process.kill)
        clock.start()
        try:
            write_message(process.stdin, job)  # type: ignore[arg-type]
            answer = read_message(process.stdout)  # type: ignore[arg-type]
        except (OSError, ValueError, EOFError, TypeError) as error:
            answer = None
            reason = f"{type(error).__name__}"
        else:
            reason = "it ran out of time or memory"
        finally:
            clock.cancel()
        if isinstance(answer, list) and len(answer) == len(job):
            return answer
        self._stop()
        return reason

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def close(self) -> None:
        """End the worker, if one runs."""
        with self._lock:
            self._stop()


_POOL = _WorkerPool()
