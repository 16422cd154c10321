"""The scripts of a VNF's life-cycle interface (SOL001 clause 6.7): files, languages, inputs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context
from vnf_descriptors.guard import MemberError
from vnf_descriptors.model import LcmScript
from vnf_descriptors.topology import NodeTemplate, Topology, function_call
from vnf_descriptors.vnf_nodes import child, text_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

#: Key of the VNF node's metadata that names the connection point whose network its scripts share.
NETWORK_KEY = "catena:scriptNetwork"

_SUFFIXES = {".sh": "shell", ".bash": "bash", ".py": "python3"}
_TYPES = {"tosca.artifacts.Implementation.Bash": "bash", "tosca.artifacts.Implementation.Python": "python3"}
_PROGRAMS = {"sh": "shell", "dash": "shell", "bash": "bash", "python3": "python3", "python": "python3"}
_FIRST_LINE_MAX = 256
_VALUES_MAX = 10_000
_DEPTH_MAX = 32
_NO_OPERATIONS = ("type", "description", "inputs", "operations", "notifications")


def script_operations(own: NodeTemplate) -> Iterator[tuple[str, Node]]:
    """The operations that a node's life-cycle interface gives something for."""
    interface = own.section("interfaces").get("Vnflcm")
    inner = child(interface, "operations")
    for part in (interface, inner):
        for name, _, value in part.items() if isinstance(part, Mapping) else ():
            if part is inner or name not in _NO_OPERATIONS:
                yield name, value


def implementation(operation: Node) -> tuple[Scalar | None, Node | None]:
    """The place where an operation names its script, and all that it says of it."""
    given = child(operation, "implementation") if isinstance(operation, Mapping) else operation
    primary = child(given, "primary") if isinstance(given, Mapping) else given
    if isinstance(primary, Mapping):
        primary = child(primary, "file")
    return (primary if isinstance(primary, Scalar) and primary.value is not None and primary.text else None), given


def lcm_scripts(context: Context, topology: Topology, own: NodeTemplate) -> Iterator[LcmScript]:
    """The scripts of the VNF's own node; one whose file is missing is a finding of its own."""
    network = text_of(child(own.node.get("metadata"), NETWORK_KEY))
    general = child(own.section("interfaces").get("Vnflcm"), "inputs")
    for name, operation in script_operations(own):
        primary, given = implementation(operation)
        if primary is None:
            continue
        path = file_of(context, topology, own, primary.text)
        if path is None:
            continue
        inputs = {**_inputs(topology, own, general), **_inputs(topology, own, child(operation, "inputs"))}
        yield LcmScript(
            name,
            path,
            language_of(context, own, primary.text, path),
            tuple(_dependencies(context, topology, own, child(given, "dependencies"))),
            _seconds(child(given, "timeout")),
            json.dumps(inputs, sort_keys=True, default=str),
            network,
        )


def file_of(context: Context, topology: Topology, own: NodeTemplate, reference: str) -> str | None:
    """The package's file that an artifact's name, or a path, means; None when there is none."""
    artifact = own.section("artifacts").get(reference)
    file = text_of(child(artifact, "file")) or text_of(artifact) or reference
    return artifact_path(topology.file.path, file, context.package.members)


def language_of(context: Context, own: NodeTemplate, reference: str, path: str) -> str:
    """By its first line, else the type of its artifact, else the name of its file; empty for any other."""
    kind = text_of(child(own.section("artifacts").get(reference), "type")) or ""
    shebang = _first_line(context, path)
    if shebang.startswith("#!"):
        words = shebang[2:].split()
        program = next((word for word in words[_is_env(words) :] if not word.startswith("-")), "")
        return _PROGRAMS.get(program.rpartition("/")[2], "")
    for known, language in _TYPES.items():
        if kind and context.types.is_a("artifact_types", kind, known):
            return language
    return _SUFFIXES.get(path[path.rfind(".") :], "") if "." in path else ""


def _is_env(words: list[str]) -> bool:
    return bool(words) and words[0].rpartition("/")[2] == "env"


def _first_line(context: Context, path: str) -> str:
    try:
        head = next(iter(context.package.members.chunks(path)), b"")[:_FIRST_LINE_MAX]
    except (KeyError, MemberError):
        return ""
    return head.split(b"\n")[0].decode("utf-8", errors="replace").strip()


def _dependencies(context: Context, topology: Topology, own: NodeTemplate, given: Node | None) -> Iterator[str]:
    for item in given.items if isinstance(given, Sequence) else ():
        reference = text_of(item)
        path = file_of(context, topology, own, reference) if reference else None
        if path is not None:
            yield path


def _seconds(node: Node | None) -> int | None:
    text = text_of(node) or ""
    return int(text) if text.isascii() and text.isdigit() and 0 < int(text) < 1 << 31 else None


def _inputs(topology: Topology, own: NodeTemplate, section: Node | None) -> dict[str, Any]:
    if not isinstance(section, Mapping):
        return {}
    values = _Values(topology, own)
    return {name: values.plain(value) for name, _, value in section.items()}


class _Values:
    """Evaluates what can be known before run time, within bounds: values may lead to each other for ever."""

    def __init__(self, topology: Topology, own: NodeTemplate) -> None:
        self._topology = topology
        self._own = own
        self._left = _VALUES_MAX

    def plain(self, node: Node | None, depth: int = 0) -> Any:
        """JSON values; what is known at run time only stays as a call, what leads too far is null."""
        self._left -= 1
        if self._left < 0 or depth > _DEPTH_MAX:
            return None
        call = function_call(node)
        if call is not None:
            return self._called(node, *call, depth + 1)
        if isinstance(node, Mapping):
            return {key: self.plain(value, depth + 1) for key, _, value in node.items()}
        if isinstance(node, Sequence):
            return [self.plain(item, depth + 1) for item in node.items]
        return node.value if isinstance(node, Scalar) else None

    def _called(self, node: Node | None, name: str, argument: Node, depth: int) -> Any:
        items = argument.items if isinstance(argument, Sequence) else [argument]
        words = [self.plain(item, depth) for item in items]
        if name == "get_input":
            first = str(words[0]) if words else ""
            known = self._topology.inputs.get(first)
            return {name: [first, self.plain(known.default, depth) if known else None]}
        if name in ("get_attribute", "concat"):
            return {name: words}
        return self.plain(self._topology.evaluate(node, self._own), depth)
