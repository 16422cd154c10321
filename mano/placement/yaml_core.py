"""YAML 1.2 core schema (YAML 1.2.2 section 10.3) or JSON text to plain values, safe for text from anywhere.

One pass over the parser's events: depth, number of nodes after alias expansion, and size are bounded while reading;
map keys are strings; a key that occurs twice is an error. `no`, `12:30` and `1_000` are text, as YAML 1.2 has it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import yaml

from mano.placement.reading import DocumentError, Fault

MAX_DEPTH = 64
MAX_NODES = 20_000_000
MAX_OCTETS = 256 * 2**20

_NULL = {"", "~", "null", "Null", "NULL"}
_TRUE = {"true", "True", "TRUE"}
_FALSE = {"false", "False", "FALSE"}
_DECIMAL = re.compile(r"[-+]?[0-9]{1,4000}", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]{1,4000}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,4000}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", re.ASCII)
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = {".nan", ".NaN", ".NAN"}


def _fault(message: str, mark: Any = None) -> DocumentError:
    where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark is not None else ""
    return DocumentError.of("file", [Fault("", f"{message}{where}")])


def scalar_of(text: str) -> Any:
    """The value of a plain (unquoted) scalar under the core schema."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text[2:], 8)
    if _HEX.fullmatch(text):
        return int(text[2:], 16)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITY.fullmatch(text):
        return -math.inf if text[0] == "-" else math.inf
    return math.nan if text in _NAN else text


class _Composer:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def documents(self) -> Iterator[Any]:
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                value, _ = self._value(next(self._events), 0)
                yield value

    def _count(self, nodes: int, mark: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise _fault(f"at most {MAX_NODES} values in all, aliases expanded", mark)

    def _value(self, event: Any, depth: int) -> tuple[Any, int]:
        """The value that starts with `event`, and how many nodes it has."""
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self._anchors:
                raise _fault(f"an anchor before its alias {event.anchor!r:.60}", event.start_mark)
            value, nodes = self._anchors[event.anchor]
            self._count(nodes, event.start_mark)
            return value, nodes
        self._count(1, event.start_mark)
        if depth > MAX_DEPTH:
            raise _fault(f"at most {MAX_DEPTH} levels of nesting", event.start_mark)
        if isinstance(event, yaml.ScalarEvent):
            value, nodes = (scalar_of(event.value) if event.implicit[0] else event.value), 1
        elif isinstance(event, yaml.SequenceStartEvent):
            value, nodes = self._sequence(depth)
        else:
            value, nodes = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = (value, nodes)
        return value, nodes

    def _sequence(self, depth: int) -> tuple[list[Any], int]:
        values: list[Any] = []
        nodes = 1
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            value, count = self._value(event, depth + 1)
            values.append(value)
            nodes += count
        return values, nodes

    def _mapping(self, depth: int) -> tuple[dict[str, Any], int]:
        values: dict[str, Any] = {}
        nodes = 1
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _fault("a map key that is plain text", event.start_mark)
            if event.value in values:
                raise _fault(f"each key once, found {event.value!r:.60} again", event.start_mark)
            value, count = self._value(next(self._events), depth + 1)
            values[event.value] = value
            nodes += count + 1
        return values, nodes


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise _fault(f"each key once, found {key!r:.60} again")
        values[key] = value
    return values


def _refuse_constant(name: str) -> Any:
    raise _fault(f"JSON numbers, found {name}")


def _json_document(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_json_object, parse_constant=_refuse_constant)
    except RecursionError:
        raise _fault("JSON that is not nested so deeply") from None
    except json.JSONDecodeError as error:
        raise _fault(f"JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
    except ValueError:
        raise _fault("JSON with numbers of at most 4000 digits") from None


def documents_from_text(text: str) -> list[Any]:
    """All documents of a YAML stream, or the one of a JSON text. Raises DocumentError with line and column."""
    if len(text) > MAX_OCTETS:
        raise _fault(f"at most {MAX_OCTETS} characters")
    if text.lstrip()[:1] == "{":
        try:
            return [_json_document(text)]
        except DocumentError:
            if "\n---" not in text and not _is_flow_yaml(text):
                raise
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return list(_Composer(iter(yaml.parse(text, Loader=loader))).documents())
    except yaml.MarkedYAMLError as error:
        raise _fault(f"YAML: {error.problem or error.context or 'syntax error'}", error.problem_mark) from None
    except (yaml.YAMLError, UnicodeError, ValueError) as error:
        raise _fault(f"YAML: {str(error).splitlines()[0][:200]}") from None


def _is_flow_yaml(text: str) -> bool:
    """Whether a text that begins with a brace is YAML in flow style: its first key is not quoted."""
    return not text.lstrip()[1:].lstrip().startswith('"')


def document_from_text(text: str, kind: str) -> Any:
    """The one document of that `kind` in a file that may hold several, or a file's only document."""
    documents = [one for one in documents_from_text(text) if one is not None]
    fitting = [one for one in documents if isinstance(one, dict) and one.get("kind") == kind]
    if len(fitting) == 1:
        return fitting[0]
    if len(documents) == 1 and not fitting:
        return documents[0]
    raise _fault(f"one document of kind {kind}, found {len(fitting)} among {len(documents)}")
