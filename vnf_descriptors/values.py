"""Whether a value is what its definition wants: types, constraints, required properties."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from vnf_descriptors import units
from vnf_descriptors.report import Finding, Place, finding, quote
from vnf_descriptors.suggest import closest, did_you_mean
from vnf_descriptors.topology import function_call
from vnf_descriptors.typesystem import PropertyDef, Schema, TypeSystem
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

_TIMESTAMP = re.compile(r"\d{4}-\d{1,2}-\d{1,2}([Tt ]+\d{1,2}:\d\d:\d\d(\.\d+)?\s*([Zz]|[+-]\d{1,2}(:?\d\d)?)?)?$")
_VERSION = re.compile(r"\d+(\.\d+){0,2}(\.[A-Za-z][\w-]*(-\d+)?)?$")
_BOOLEAN_WORDS = {"true", "false", "yes", "no", "on", "off", "y", "n"}
#: Longest pattern and text that a pattern constraint is tried on: patterns come from packages as well.
_MAX_PATTERN = 200
_MAX_TEXT = 200
_MAX_REPEATS = 3
_ARTICLE = {"integer": "an integer", "list": "a list", "map": "a map", "string": "a text"}


class ValueChecker:
    """Checks values against the types of one descriptor."""

    def __init__(self, types: TypeSystem) -> None:
        self._types = types

    def properties(
        self, given: Mapping, defined: dict[str, PropertyDef], owner: str, place: Place, partial: bool = False
    ) -> Iterator[Finding]:
        """Check assignments against definitions; `partial` when other places may give what is missing here."""
        misspelt: set[str] = set()
        for name, key, value in given.items():
            definition = defined.get(name)
            if definition is None:
                meant = closest(name, defined.keys() - given.entries.keys())
                if meant is not None and not self._has_shape(value, defined[meant].schema):
                    meant = None
                hint = f"Did you mean {quote(meant)}?" if meant else ""
                yield finding("TOSCA009", key, f"{owner} has no property {quote(name)}", hint)
                if meant is not None:
                    misspelt.add(meant)
                    yield from self.value(value, defined[meant].schema, meant, key)
            elif not _is_null(value):
                yield from self.value(value, definition.schema, name, key)
            elif definition.required and definition.default is None and not partial:
                yield finding("TOSCA010", key, f"the property {quote(name)} of {owner} has no value")
        for name, definition in defined.items():
            if definition.required and definition.default is None and name not in given.entries and not partial:
                if name in misspelt:
                    continue
                yield finding("TOSCA010", place, f"{owner} lacks the property {quote(name)}")

    def _has_shape(self, node: Node, schema: Schema) -> bool:
        """False for a map or a list where something else is wanted: another property is meant."""
        if isinstance(node, Scalar) or function_call(node) is not None or self._types.takes_anything(schema.type):
            return True
        kind = self._types.primitive(schema.type)
        return kind in (("list", "range") if isinstance(node, Sequence) else ("map", None))

    def value(self, node: Node, schema: Schema, what: str, place: Place | None = None) -> Iterator[Finding]:
        """Check one value. A call of a function is not looked into here. What is missing in it is at `place`."""
        if function_call(node) is not None or self._types.takes_anything(schema.type):
            return
        primitive = self._types.primitive(schema.type)
        if primitive is None:
            yield from self._data(node, schema, what, place or node)
            return
        problems = list(self._primitive(node, primitive, schema, what))
        yield from problems
        if not problems or all(each.severity != "error" for each in problems):
            constraints = schema.constraints
            if primitive != schema.type:
                constraints = (*self._types.data_constraints(schema.type), *constraints)
            for name, bound in constraints:
                yield from _constraint(node, primitive, name, bound, what)

    def _data(self, node: Node, schema: Schema, what: str, place: Place) -> Iterator[Finding]:
        if self._types.get("data_types", schema.type) is None:
            return
        if not isinstance(node, Mapping):
            yield finding("TOSCA011", node, f"{quote(what)} must be a map of the properties of {schema.type}")
            return
        yield from self.properties(node, self._types.properties("data_types", schema.type), schema.type, place)

    def _primitive(self, node: Node, kind: str, schema: Schema, what: str) -> Iterator[Finding]:
        if kind == "list":
            yield from self._list(node, schema, what)
        elif kind == "map":
            yield from self._map(node, schema, what)
        elif kind == "range":
            yield from _range(node, what)
        elif not isinstance(node, Scalar):
            shape = "a map" if isinstance(node, Mapping) else "a list"
            yield finding("TOSCA011", node, f"{quote(what)} is {shape}; expected {_ARTICLE.get(kind, f'a {kind}')}")
        elif kind in units.TABLES:
            yield from _scalar_unit(node, kind, what)
        else:
            yield from _CHECKS[kind](node, what)

    def _list(self, node: Node, schema: Schema, what: str) -> Iterator[Finding]:
        if not isinstance(node, Sequence):
            shown = "a map" if isinstance(node, Mapping) else quote(_shown(node))
            yield finding("TOSCA011", node, f"{quote(what)} is {shown}; expected a list")
            return
        for index, item in enumerate(node.items):
            if schema.entry is not None:
                yield from self.value(item, schema.entry, f"{what}[{index}]")

    def _map(self, node: Node, schema: Schema, what: str) -> Iterator[Finding]:
        if not isinstance(node, Mapping):
            shown = "a list" if isinstance(node, Sequence) else quote(_shown(node))
            yield finding("TOSCA011", node, f"{quote(what)} is {shown}; expected a map")
            return
        for name, key, value in node.items():
            if schema.key is not None:
                yield from self.value(key, schema.key, f"key of {what}")
            if schema.entry is not None:
                yield from self.value(value, schema.entry, f"{what}.{name}", key)


def _is_null(node: Node) -> bool:
    return isinstance(node, Scalar) and node.value is None


def _shown(node: Node) -> str:
    return node.text if isinstance(node, Scalar) else ""


# Primitive types --------------------------------------------------------------------------------------


def _string(node: Scalar, what: str) -> Iterator[Finding]:
    if node.value is None:
        yield finding("TOSCA011", node, f"{quote(what)} is empty; expected a text")
    elif not isinstance(node.value, str):
        message = f"{quote(what)} is a text, but {quote(node.text)} reads as {_kind(node.value)}"
        yield finding("TOSCA025", node, message, "Put it in quotes")


def _integer(node: Scalar, what: str) -> Iterator[Finding]:
    if isinstance(node.value, int) and not isinstance(node.value, bool):
        return
    if not node.plain and re.fullmatch(r"[-+]?\d{1,18}", node.text):
        yield finding("TOSCA025", node, f"{quote(what)} is an integer in quotes", "Remove the quotes")
    else:
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}; expected an integer")


def _float(node: Scalar, what: str) -> Iterator[Finding]:
    if isinstance(node.value, bool) or not isinstance(node.value, int | float) or not math.isfinite(node.value):
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}; expected a number")


def _boolean(node: Scalar, what: str) -> Iterator[Finding]:
    if isinstance(node.value, bool):
        return
    if node.text.lower() in _BOOLEAN_WORDS:
        hint = "Write true or false, without quotes"
        yield finding("TOSCA025", node, f"{quote(what)} is a boolean written as {quote(node.text)}", hint)
    else:
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}; expected true or false")


def _timestamp(node: Scalar, what: str) -> Iterator[Finding]:
    if not _TIMESTAMP.match(node.text):
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}; expected a date and time")


def _version(node: Scalar, what: str) -> Iterator[Finding]:
    if not _VERSION.match(node.text):
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}; expected a version such as 1.2.3")


def _null(node: Scalar, what: str) -> Iterator[Finding]:
    if node.value is not None:
        yield finding("TOSCA011", node, f"{quote(what)} must be empty")


_CHECKS = {
    "string": _string,
    "integer": _integer,
    "float": _float,
    "boolean": _boolean,
    "timestamp": _timestamp,
    "version": _version,
    "null": _null,
}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "a boolean"
    return "a number"


def _range(node: Node, what: str) -> Iterator[Finding]:
    bounds = [item.value for item in node.items if isinstance(item, Scalar)] if isinstance(node, Sequence) else []
    ok = len(bounds) == 2 and all(_is_bound(bound) for bound in bounds)
    if not ok:
        yield finding("TOSCA011", node, f"{quote(what)} must be a range such as [0, 65535]")
    elif isinstance(bounds[0], int) and isinstance(bounds[1], int) and bounds[0] > bounds[1]:
        yield finding("TOSCA011", node, f"{quote(what)} ends before it begins")


def _is_bound(value: Any) -> bool:
    return value == "UNBOUNDED" or (isinstance(value, int) and not isinstance(value, bool))


def _scalar_unit(node: Scalar, kind: str, what: str) -> Iterator[Finding]:
    try:
        units.parse(node.text, kind)
    except ValueError as error:
        hint = ""
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            unit = {"scalar-unit.size": "MiB", "scalar-unit.time": "s", "scalar-unit.frequency": "GHz"}.get(
                kind, "Mbps"
            )
            hint = f"Write {quote(f'{node.text} {unit}')} if that is the unit"
        yield finding("TOSCA011", node, f"{quote(what)} is {quote(node.text)}: {error}", hint)


# Constraints --------------------------------------------------------------------------------------------


def _constraint(node: Node, kind: str, name: str, bound: Any, what: str) -> Iterator[Finding]:
    problem = ""
    hint = ""
    if name == "valid_values":
        problem, hint = _valid_values(node, bound)
    elif name in _ORDER and isinstance(node, Scalar):
        problem = _order(node, kind, name, bound)
    elif name in ("length", "min_length", "max_length"):
        problem = _length(node, name, bound)
    elif name == "in_range":
        problem = _in_range(node, kind, bound)
    elif name == "pattern" and isinstance(node, Scalar):
        problem = _pattern(node, bound)
    if problem:
        yield finding("TOSCA012", node, f"{quote(what)} {problem}", hint)


def _valid_values(node: Node, allowed: Any) -> tuple[str, str]:
    if not isinstance(node, Scalar) or not isinstance(allowed, tuple):
        return "", ""
    if node.value in allowed or node.text in [str(each) for each in allowed]:
        return "", ""
    words = [str(each) for each in allowed]
    listed = ", ".join(words[:12]) + (", …" if len(words) > 12 else "")
    return f"is {quote(node.text)}; expected one of {quote(listed)[1:-1]}", did_you_mean(node.text, words)


_ORDER: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "greater_than": ("greater than", operator.gt),
    "greater_or_equal": ("at least", operator.ge),
    "less_than": ("less than", operator.lt),
    "less_or_equal": ("at most", operator.le),
    "equal": ("equal to", operator.eq),
}


def _order(node: Scalar, kind: str, name: str, bound: Any) -> str:
    value, limit = _amount(node.text, node.value, kind), _amount(str(bound), bound, kind)
    if value is None or limit is None:
        return ""
    words, holds = _ORDER[name]
    return "" if holds(value, limit) else f"is {quote(node.text)}; it must be {words} {quote(bound)[1:-1]}"


def _amount(text: str, value: Any, kind: str) -> Any:
    """Something that compares: a number, an amount of a unit's base, or a text for `equal`."""
    if kind in units.TABLES:
        try:
            return units.parse(text, kind)
        except ValueError:
            return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Fraction(value) if isinstance(value, int) or math.isfinite(value) else None
    if kind == "integer" and re.fullmatch(r"[-+]?\d{1,18}", text):
        return Fraction(text)
    return None


def _length(node: Node, name: str, bound: Any) -> str:
    if not isinstance(bound, int):
        return ""
    if isinstance(node, Scalar):
        size = len(node.text)
    elif isinstance(node, Mapping):
        size = len(node.entries)
    else:
        size = len(node.items) if isinstance(node, Sequence) else 0
    what = "characters" if isinstance(node, Scalar) else "entries"
    if name == "min_length" and size < bound:
        return f"has {size} {what}; at least {bound} are needed"
    if name == "max_length" and size > bound:
        return f"has {size} {what}; at most {bound} are allowed"
    return f"has {size} {what}; exactly {bound} are needed" if name == "length" and size != bound else ""


def _in_range(node: Node, kind: str, bound: Any) -> str:
    if not isinstance(bound, tuple) or len(bound) != 2:
        return ""
    shown = f"{quote(bound[0])[1:-1]} to {quote(bound[1])[1:-1]}"
    values = node.items if isinstance(node, Sequence) else [node]
    for item in values:
        amount = (
            _amount(item.text, item.value, "integer" if kind == "range" else kind) if isinstance(item, Scalar) else None
        )
        low, high = (_amount(str(end), end, kind) for end in bound)
        if amount is None:
            continue
        if (low is not None and amount < low) or (high is not None and amount > high):
            return f"is {quote(_shown(item))}; it must be within {shown}"
    return ""


def _pattern(node: Scalar, pattern: Any) -> str:
    if not isinstance(pattern, str) or len(pattern) > _MAX_PATTERN or len(node.text) > _MAX_TEXT:
        return ""
    if not _is_simple(pattern):
        return ""
    try:
        return "" if re.search(pattern, node.text) else f"is {quote(node.text)}; it must match {quote(pattern)}"
    except re.error:
        return ""


def _is_simple(pattern: str) -> bool:
    """False for a pattern that may take exponential time: a repeated group, or many repetitions."""
    return re.search(r"\)[*+{]", pattern) is None and len(re.findall(r"[*+{]", pattern)) <= _MAX_REPEATS
