"""Attribute filters on lists (SOL013 clause 5.2).

    filter=(eq,nsState,INSTANTIATED);(cont,nsInstanceName,'gi, lan')

``eq neq gt lt gte lte`` compare with one value, ``in nin cont ncont`` with any of several. A value in single quotes may
hold ``,`` ``)`` and ``;``, a doubled quote stands for one. A path steps into objects by ``/`` and over the elements of
arrays: one element that fits is enough. An expression on an attribute that the resource does not have fits nothing.

Editions before SOL013 had a parameter for each expression, which older clients and test suites still send:

    nsState=INSTANTIATED&nsInstanceName.cont=gi,lan
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mano.errors import InvalidInput

MAX_LENGTH = 4096
MAX_EXPRESSIONS = 32
MAX_DEPTH = 16
MAX_VALUES = 256
_ESCAPES = {"0": "~", "1": "/", "a": ",", "b": "@"}

Comparison = Callable[[Any, Any], bool]
_ORDER: Mapping[str, Comparison] = {
    "eq": operator.eq,
    "gt": operator.gt,
    "lt": operator.lt,
    "gte": operator.ge,
    "lte": operator.le,
}
_ONE = frozenset({"neq", *_ORDER})
_SEVERAL = frozenset({"in", "nin", "cont", "ncont"})
_OF_SEVERAL = {"eq": "in", "neq": "nin"}
_NEGATED = {"neq": "eq", "nin": "in", "ncont": "cont"}


@dataclass(frozen=True, slots=True)
class Expression:
    """One comparison of a filter."""

    operation: str
    path: tuple[str, ...]
    values: tuple[str, ...]

    def fits(self, document: Mapping[str, Any]) -> bool:
        """Does the resource fit?"""
        found = list(_leaves(document, self.path))
        if not found:
            return False
        positive = _NEGATED.get(self.operation, self.operation)
        any_fits = any(_compare(positive, value, wanted) for value in found for wanted in self.values)
        return any_fits is (positive == self.operation)


@dataclass(frozen=True, slots=True)
class AttributeFilter:
    """All expressions must fit; none at all fits everything."""

    expressions: tuple[Expression, ...] = ()

    def fits(self, document: Mapping[str, Any]) -> bool:
        """Does the resource fit?"""
        return all(expression.fits(document) for expression in self.expressions)

    def equalities(self, columns: Mapping[str, str]) -> dict[str, str]:
        """What the store can look up of it: column to the value that it must have.

        ``columns`` maps top-level attributes of strings to columns. A value that reads as a time compares as one, so
        it is left to :meth:`fits`, which judges everything anew in any case.
        """
        return {
            columns[expression.path[0]]: expression.values[0]
            for expression in self.expressions
            if expression.operation == "eq" and expression.path[0] in columns and not _is_time(expression.values[0])
        }


def parse(texts: Sequence[str], attributes: Collection[str], older: Sequence[tuple[str, str]] = ()) -> AttributeFilter:
    """The filter of a query's ``filter`` parameters over resources with these attributes.

    ``older`` are the query's parameters that have no other meaning: expressions in the form of SOL003 v2.4.1 clause
    4.3.2.2. Raises :class:`~mano.errors.InvalidInput` that says where it went wrong.
    """
    if sum(len(text) for text in (*texts, *(part for pair in older for part in pair))) > MAX_LENGTH:
        raise InvalidInput(f"the filter is longer than {MAX_LENGTH} characters")
    expressions = tuple(expression for text in texts for expression in _expressions(text))
    expressions += tuple(_older_expression(name, value) for name, value in older)
    if len(expressions) > MAX_EXPRESSIONS:
        raise InvalidInput(f"the filter has more than {MAX_EXPRESSIONS} expressions")
    for expression in expressions:
        if expression.path[0] not in attributes:
            raise _wrong("it names an attribute that these resources do not have")
    return AttributeFilter(expressions)


def _expressions(text: str) -> Iterator[Expression]:
    position = 0
    while True:
        terms, position = _terms(text, position)
        yield _expression(terms)
        if position == len(text):
            return
        if text[position] != ";":
            raise _wrong(f"';' was expected at position {position}")
        position += 1


def _terms(text: str, position: int) -> tuple[list[str], int]:
    """The comma-separated terms of the parenthesis that opens at ``position``, and where it ends."""
    if text[position : position + 1] != "(":
        raise _wrong(f"'(' was expected at position {position}")
    terms: list[str] = []
    position += 1
    while True:
        term, position = _quoted(text, position) if text[position : position + 1] == "'" else _plain(text, position)
        terms.append(term)
        end = text[position : position + 1]
        if end == ")":
            return terms, position + 1
        if end != ",":
            raise _wrong(f"',' or ')' was expected at position {position}")
        position += 1


def _plain(text: str, position: int) -> tuple[str, int]:
    start = position
    while position < len(text) and text[position] not in ",)":
        position += 1
    return text[start:position], position


def _quoted(text: str, position: int) -> tuple[str, int]:
    """A value in single quotes; two of them inside stand for one."""
    value = ""
    position += 1
    while True:
        end = text.find("'", position)
        if end < 0:
            raise _wrong("a quote is not closed")
        value += text[position:end]
        if text[end + 1 : end + 2] != "'":
            return value, end + 1
        value += "'"
        position = end + 2


def _expression(terms: list[str]) -> Expression:
    operation, *rest = terms
    if operation not in _ONE | _SEVERAL:
        raise _wrong(f"an operation is none of {' '.join(sorted(_ONE | _SEVERAL))}")
    if len(rest) < 2 or not rest[0]:
        raise _wrong("an expression is (operation,attribute,value)")
    if len(rest) > 2 and operation in _ONE:
        raise _wrong(f"{operation} takes one value; put quotes round one that has a comma")
    if len(rest) - 1 > MAX_VALUES:
        raise _wrong(f"an expression has more than {MAX_VALUES} values")
    return Expression(operation, parse_path(rest[0]), tuple(rest[1:]))


def _older_expression(name: str, text: str) -> Expression:
    """Of ``attribute[.attribute]*[.operation]=value[,value]*``."""
    *steps, last = name.split(".")
    operation = last if steps and last in _ONE | _SEVERAL else "eq"
    path = tuple(steps if steps and last in _ONE | _SEVERAL else [*steps, last])
    values = tuple(text.split(","))
    if len(values) > 1:
        operation = _OF_SEVERAL.get(operation, operation)
    if len(values) > (MAX_VALUES if operation in _SEVERAL else 1) or not all(path) or len(path) > MAX_DEPTH:
        raise _wrong("a query parameter is neither known nor an attribute with its value")
    return Expression(operation, path, values)


def parse_path(text: str) -> tuple[str, ...]:
    """The steps of an attribute's path, escapes (``~0 ~1 ~a ~b``) undone."""
    steps = tuple(_unescape(step) for step in text.split("/"))
    if not all(steps) or len(steps) > MAX_DEPTH:
        raise _wrong("an attribute's path has an empty step or too many")
    return steps


def _unescape(step: str) -> str:
    head, *tails = step.split("~")
    for tail in tails:
        if tail[:1] not in _ESCAPES:
            raise _wrong("after '~' stands 0, 1, a or b")
        head += _ESCAPES[tail[0]] + tail[1:]
    return head


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    """The plain values at the end of a path, through every array on the way; ``@key`` is an object's keys."""
    if isinstance(value, list | tuple):
        for item in value:
            yield from _leaves(item, path)
    elif not path:
        if not isinstance(value, Mapping):
            yield value
    elif isinstance(value, Mapping):
        if path == ("@key",):
            yield from value
        elif path[0] in value:
            yield from _leaves(value[path[0]], path[1:])


def _compare(operation: str, value: Any, wanted: str) -> bool:
    if operation == "cont":
        return isinstance(value, str) and wanted in value
    compare = operator.eq if operation == "in" else _ORDER[operation]
    try:
        return compare(*_alike(value, wanted))
    except (ValueError, TypeError):
        return False


def _alike(value: Any, wanted: str) -> tuple[Any, Any]:
    """The attribute's value and the filter's as the attribute's type; ValueError when it cannot be."""
    if isinstance(value, bool):
        return ("true" if value else "false"), wanted
    if isinstance(value, int | float):
        return value, float(wanted)
    text = str(value)
    try:
        return datetime.fromisoformat(text), datetime.fromisoformat(wanted)
    except ValueError:
        return text, wanted


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def _wrong(what: str) -> InvalidInput:
    return InvalidInput(
        f"the filter cannot be read: {what}", hint="filter=(eq,attribute,value);(…) (SOL013 clause 5.2)"
    )
