"""YAML as a tree that knows where each part was written, composed under limits.

Only the event stream of the YAML parser is used: no constructor runs, no recursion follows the input's
depth, and aliases are counted with what they stand for before anybody walks them. Scalars resolve by the
core schema of YAML 1.2, as TOSCA 1.3 wants it; dates stay text.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from vnf_descriptors.report import Finding, Position, finding, quote

#: Deepest nesting of collections, aliases expanded.
MAX_DEPTH = 64
#: Most nodes of one file, aliases expanded.
MAX_NODES = 100_000
#: Largest YAML file, in octets.
MAX_BYTES = 4 * 1024 * 1024
#: Most findings that one file's YAML is worth.
MAX_FINDINGS = 50

_INTEGER = re.compile(r"[-+]?[0-9]{1,30}$|0o[0-7]{1,30}$|0x[0-9a-fA-F]{1,30}$")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$")
_CONSTANTS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_CORE_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")}
_PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Node:
    """A part of a YAML file, with its place."""

    __slots__ = ("column", "file", "height", "line", "size")

    def __init__(self, file: str, line: int, column: int) -> None:
        self.file = file
        self.line = line
        self.column = column
        #: Number of nodes in this subtree, aliases expanded.
        self.size = 1
        #: Nesting below this node.
        self.height = 0


class Scalar(Node):
    """A single value. `value` is what the core schema makes of it, `text` what was written."""

    __slots__ = ("plain", "text", "value")

    def __init__(self, file: str, line: int, column: int, text: str, plain: bool) -> None:
        super().__init__(file, line, column)
        self.text = text
        self.plain = plain
        self.value: Any = resolve(text) if plain else text


class _NoKey(Scalar):
    """Stands for a key that a map cannot have here; its value is dropped."""

    __slots__ = ()


class Sequence(Node):
    """A list."""

    __slots__ = ("items",)

    def __init__(self, file: str, line: int, column: int) -> None:
        super().__init__(file, line, column)
        self.items: list[Node] = []


class Mapping(Node):
    """A map; keys are kept as text, with the place of each."""

    __slots__ = ("entries",)

    def __init__(self, file: str, line: int, column: int) -> None:
        super().__init__(file, line, column)
        self.entries: dict[str, tuple[Scalar, Node]] = {}

    def get(self, key: str) -> Node | None:
        """The value of a key, or None."""
        entry = self.entries.get(key)
        return None if entry is None else entry[1]

    def key(self, key: str) -> Node:
        """Where a key is written; the map's own place when it is absent."""
        entry = self.entries.get(key)
        return self if entry is None else entry[0]

    def renamed(self, names: dict[str, str]) -> Mapping:
        """A copy with some entries under other names; their keys keep text and place."""
        copy = Mapping(self.file, self.line, self.column)
        copy.size, copy.height = self.size, self.height
        copy.entries = {names.get(name, name): entry for name, entry in self.entries.items()}
        return copy

    def with_values(self, values: dict[str, Node]) -> Mapping:
        """A copy in which some entries have other values."""
        copy = self.renamed({})
        copy.entries |= {name: (self.entries[name][0], value) for name, value in values.items()}
        return copy

    def items(self) -> Iterator[tuple[str, Scalar, Node]]:
        """Key, where it is written, and value."""
        for name, (key, value) in self.entries.items():
            yield name, key, value


def resolve(text: str) -> Any:
    """The value of a plain scalar in the core schema; a number too long to be one stays text."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] in "0123456789+-.":
        if _INTEGER.match(text):
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if _FLOAT.match(text) and len(text) < 100:
            return float(text)
    return text


def to_plain(node: Node | None) -> Any:
    """The subtree as dicts, lists and scalars."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [to_plain(item) for item in node.items]
    if isinstance(node, Mapping):
        return {key: to_plain(value) for key, _, value in node.items()}
    return None


def from_plain(value: Any, file: str) -> Node:
    """A tree without places from dicts, lists and scalars."""
    node: Node
    if isinstance(value, dict):
        node = Mapping(file, 1, 1)
        for key, entry in value.items():
            node.entries[str(key)] = (Scalar(file, 1, 1, str(key), False), from_plain(entry, file))
        return node
    if isinstance(value, list):
        node = Sequence(file, 1, 1)
        node.items = [from_plain(entry, file) for entry in value]
        return node
    node = Scalar(file, 1, 1, str(value), False)
    node.value = value
    return node


@dataclass(frozen=True, slots=True)
class Composed:
    """What a file's YAML is: its root (None when there is none to work with) and what is wrong with it."""

    root: Node | None
    findings: tuple[Finding, ...]
    #: SHA-256 of the source, when it came through a cache.
    digest: bytes = b""
    #: How many nodes were read, keys included and aliases expanded, even when nothing came of it.
    nodes: int = 0


class _Refused(Exception):
    """The file goes beyond a limit; the finding says which."""

    def __init__(self, entry: Finding) -> None:
        super().__init__(entry.message)
        self.entry = entry


def compose(data: bytes, file: str, max_nodes: int = MAX_NODES) -> Composed:
    """The tree of one YAML file, or findings that say why there is none. Never raises for content."""
    if len(data) > MAX_BYTES:
        message = f"this YAML file has {len(data)} octets; the limit is {MAX_BYTES}"
        return Composed(None, (finding("YAML002", Position(file), message),))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Position(file, data.count(b"\n", 0, error.start) + 1)
        return Composed(None, (finding("YAML001", place, "this file is not UTF-8 text"),))
    composer = _Composer(file, max_nodes)
    try:
        composer.run(text)
    except _Refused as refused:
        return Composed(None, (*composer.findings, refused.entry), nodes=composer.nodes)
    except yaml.YAMLError as error:
        return Composed(None, (*composer.findings, _syntax(error, file)), nodes=composer.nodes)
    except (ValueError, RecursionError, OverflowError, UnicodeError) as error:
        entry = finding("YAML001", Position(file), f"this YAML cannot be read: {quote(error)}")
        return Composed(None, (entry,), nodes=composer.nodes)
    return Composed(composer.root, tuple(composer.findings), nodes=composer.nodes)


def _syntax(error: yaml.YAMLError, file: str) -> Finding:
    mark = getattr(error, "problem_mark", None)
    place = Position(file) if mark is None else Position(file, mark.line + 1, mark.column + 1)
    problem = getattr(error, "problem", None) or str(error).splitlines()[0]
    context = getattr(error, "context", None)
    message = f"{context}: {problem}" if context else str(problem)
    return finding("YAML001", place, f"YAML syntax: {message}", _syntax_hint(str(problem)))


def _syntax_hint(problem: str) -> str:
    if "tab" in problem or "cannot start any token" in problem:
        return "Indent with spaces, and quote text that begins with a special character"
    if "mapping values are not allowed" in problem:
        return "Quote text that holds ': ', and check the indentation"
    return ""


class _Composer:
    """Builds the tree from events, with a stack of its own."""

    def __init__(self, file: str, max_nodes: int) -> None:
        self._file = file
        self._max_nodes = max_nodes
        self._stack: list[tuple[Mapping | Sequence, Scalar | None]] = []
        self._anchors: dict[str, Node | None] = {}
        self._open_anchors: list[str | None] = []
        self.nodes = 0
        self._documents = 0
        self._key: Scalar | None = None
        self.root: Node | None = None
        self.findings: list[Finding] = []

    def run(self, text: str) -> None:
        events: Iterator[Any] = yaml.parse(text, Loader=_PARSER)
        for event in events:
            kind = type(event)
            if kind is yaml.ScalarEvent:
                self._scalar(event)
            elif kind is yaml.MappingStartEvent:
                self._open(Mapping(self._file, *_place(event)), event)
            elif kind is yaml.SequenceStartEvent:
                self._open(Sequence(self._file, *_place(event)), event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                self._close()
            elif kind is yaml.AliasEvent:
                self._alias(event)
            elif kind is yaml.DocumentStartEvent:
                self._documents += 1
                if self._documents > 1:
                    place = Position(self._file, *_place(event))
                    raise _Refused(finding("YAML006", place, "a second document begins here"))

    def _complain(self, code: str, place: Any, message: str, hint: str = "") -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(finding(code, place, message, hint))

    def _count(self, node: Node, size: int) -> None:
        self.nodes += size
        if self.nodes > self._max_nodes:
            before = "" if self._max_nodes == MAX_NODES else " together with those read before it"
            message = f"this file{before} has more than {MAX_NODES} nodes, aliases expanded"
            raise _Refused(finding("YAML003", node, message))

    def _check_tag(self, node: Node, tag: str | None) -> None:
        if tag is not None and tag not in _CORE_TAGS and tag != "!":
            self._complain("YAML005", node, f"the tag {quote(tag)} is not allowed", "Remove the tag")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        node = Scalar(self._file, *_place(event), event.value, event.implicit[0])
        self._count(node, 1)
        tag = event.tag
        if tag is not None:
            self._check_tag(node, tag)
            if tag in _CORE_TAGS and not tag.endswith(":str"):
                node.value = resolve(node.text)
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        self._add(node)

    def _open(self, node: Mapping | Sequence, event: Any) -> None:
        self._count(node, 1)
        if len(self._stack) >= MAX_DEPTH:
            raise _Refused(finding("YAML003", node, f"collections nest deeper than {MAX_DEPTH}"))
        self._check_tag(node, event.tag)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        self._open_anchors.append(event.anchor)
        self._stack.append((node, self._key))
        self._key = None

    def _close(self) -> None:
        node, self._key = self._stack.pop()
        if isinstance(node, Mapping):
            self._merge(node)
        anchor = self._open_anchors.pop()
        if anchor is not None:
            self._anchors[anchor] = node
        self._add(node)

    def _alias(self, event: yaml.AliasEvent) -> None:
        place = Position(self._file, *_place(event))
        if event.anchor not in self._anchors:
            raise _Refused(finding("YAML001", place, f"the alias {quote(event.anchor)} has no anchor before it"))
        node = self._anchors[event.anchor]
        if node is None:
            raise _Refused(finding("YAML003", place, f"the alias {quote(event.anchor)} stands within itself"))
        self._count(node, node.size)
        if len(self._stack) + node.height > MAX_DEPTH:
            raise _Refused(finding("YAML003", place, f"aliases nest collections deeper than {MAX_DEPTH}"))
        self._add(node)

    def _add(self, node: Node) -> None:
        if not self._stack:
            self.root = node
            return
        parent = self._stack[-1][0]
        if isinstance(parent, Sequence):
            parent.items.append(node)
        elif self._key is None:
            self._key = self._as_key(node)
            return
        else:
            key, self._key = self._key, None
            self._put(parent, key, node)
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)

    def _as_key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        self._complain("YAML004", node, "a list or map cannot be the key of a map here")
        return _NoKey(self._file, node.line, node.column, "", False)

    def _put(self, parent: Mapping, key: Scalar, value: Node) -> None:
        if isinstance(key, _NoKey):
            return
        if key.text in parent.entries:
            first = parent.entries[key.text][0]
            message = f"the key {quote(key.text)} occurs twice; it is first on line {first.line}"
            self._complain("YAML004", key, message, "Remove or rename one of the two")
        else:
            parent.entries[key.text] = (key, value)

    def _merge(self, node: Mapping) -> None:
        """Take in what `<<` points to: keys of the map itself win, then those of the first source."""
        entry = node.entries.get("<<")
        if entry is None or not entry[0].plain:
            return
        del node.entries["<<"]
        sources = entry[1].items if isinstance(entry[1], Sequence) else [entry[1]]
        for source in sources:
            if not isinstance(source, Mapping):
                self._complain("YAML004", entry[0], "'<<' must name a map or a list of maps")
                continue
            for name, merged in source.entries.items():
                node.entries.setdefault(name, merged)


def _place(event: Any) -> tuple[int, int]:
    mark = event.start_mark
    return mark.line + 1, mark.column + 1


class ComposeCache:
    """Composed files by content, least recently used first out; bounded by the octets of their sources.

    A tree takes some 17 times the memory of its source. The bound has room for the type definitions of ten editions.
    """

    def __init__(self, max_bytes: int = 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[tuple[str, bytes], tuple[Composed, int]] = OrderedDict()
        self._lock = threading.Lock()

    def compose(self, data: bytes, file: str, max_nodes: int = MAX_NODES) -> Composed:
        """As the function `compose`; what comes back is shared: nobody may change it."""
        key = (file, hashlib.sha256(data).digest())
        with self._lock:
            found = self._entries.get(key)
            if found is not None:
                self._entries.move_to_end(key)
                return found[0]
        composed = replace(compose(data, file, max_nodes), digest=key[1])
        if composed.nodes <= max_nodes:
            with self._lock:
                self._keep(key, composed, len(data))
        return composed

    def _keep(self, key: tuple[str, bytes], composed: Composed, size: int) -> None:
        if key not in self._entries:
            self._entries[key] = (composed, size)
            self._bytes += size
        while self._bytes > self._max_bytes and len(self._entries) > 1:
            _, (_, freed) = self._entries.popitem(last=False)
            self._bytes -= freed
