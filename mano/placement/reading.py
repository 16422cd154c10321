"""Reading a parsed document into values while collecting every fault, each with its JSON pointer (RFC 6901)."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, TypeVar

from mano.domain.nfvi import InventoryError
from mano.errors import InvalidInput

MAX_FAULTS = 100
"""How many faults of one document are told; after that a reader has enough to do."""
MAX_FAULTS_SOUGHT = 10_000
"""How many are looked for before the rest of a list is left unread."""

E = TypeVar("E", bound=StrEnum)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong at one place of a document."""

    pointer: str
    expected: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: expected {self.expected}"


class DocumentError(InvalidInput):
    """A document that does not say what it should; `faults` has every place (the first hundred of them)."""

    code: ClassVar[str] = "INVALID_DOCUMENT"

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(Fault(one["pointer"], one["expected"]) for one in self.facts.get("faults", ()))

    @classmethod
    def of(cls, kind: str, faults: Sequence[Fault]) -> DocumentError:
        lines = "; ".join(str(fault) for fault in faults[:MAX_FAULTS])
        more = f"; and {len(faults) - MAX_FAULTS} more" if len(faults) > MAX_FAULTS else ""
        facts = [{"pointer": fault.pointer, "expected": fault.expected} for fault in faults[:MAX_FAULTS]]
        hint = f"'mano place schema' prints the JSON Schema of {kind}"
        pointer = facts[0]["pointer"] if facts else ""
        return cls(f"{kind}: {lines}{more}", hint=hint, facts={"pointer": pointer, "faults": facts})


def pointer_of(path: Sequence[str | int]) -> str:
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def shown(value: Any) -> str:
    """A value for a message: short, on one line, and never the whole of a large one."""
    if isinstance(value, Mapping):
        return "a map"
    if isinstance(value, (list, tuple)):
        return "a list"
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 128:
        return "a number of more than 38 digits"
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


class Faults:
    """Collects faults; reading goes on behind each of them."""

    def __init__(self) -> None:
        self.found: list[Fault] = []

    def add(self, path: Sequence[str | int], expected: str) -> None:
        self.found.append(Fault(pointer_of(path), expected))

    def build(self, path: Sequence[str | int], make: Callable[[], T]) -> T | None:
        """`make()`, or None when the value refused to be."""
        try:
            return make()
        except InventoryError as error:
            self.add((*path, *error.path), error.expected)
            return None

    def raise_if_any(self, kind: str) -> None:
        if self.found:
            raise DocumentError.of(kind, self.found)


class Reader:
    """One map of a document. Every key must be asked for before `close`, which reports the others."""

    def __init__(self, document: Any, path: tuple[str | int, ...], faults: Faults) -> None:
        self.path = path
        self.faults = faults
        self._asked: set[str] = set()
        self.is_map = isinstance(document, Mapping)
        if not self.is_map:
            faults.add(path, f"a map, found {shown(document)}")
        self._document: Mapping[str, Any] = {str(k): v for k, v in document.items()} if self.is_map else {}

    def close(self) -> None:
        for key in self._document:
            if key not in self._asked and len(self.faults.found) <= MAX_FAULTS:
                near = difflib.get_close_matches(key[:80], self._asked, n=1)
                known = f"{near[0]!r} (did you mean that?)" if near else f"one of {', '.join(sorted(self._asked))}"
                self.faults.add((*self.path, key[:80]), f"a known key: {known}")

    def get(self, key: str) -> Any:
        self._asked.add(key)
        return self._document.get(key)

    def _missing(self, key: str, expected: str) -> None:
        if self.is_map:
            self.faults.add((*self.path, key), f"{expected}; it is missing")

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number; without a default it must be there."""
        value = self.get(key)
        expected = f"a whole number from {low} to {high}"
        if value is None:
            if default is None:
                self._missing(key, expected)
            return low if default is None else default
        number = as_whole(value)
        if number is None or not low <= number <= high:
            self.faults.add((*self.path, key), f"{expected}, found {shown(value)}")
            return low
        return number

    def whole_or_none(self, key: str, low: int, high: int) -> int | None:
        return None if self.get(key) is None else self.whole(key, low, high)

    def number(self, key: str, default: float, low: float, high: float) -> float:
        """A finite number above `low` and up to `high`."""
        value = self.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low < value <= high:
            self.faults.add((*self.path, key), f"a number above {low:g} and up to {high:g}, found {shown(value)}")
            return default
        return float(value)

    def text(self, key: str, default: str | None = None) -> str:
        value = self.get(key)
        if value is None:
            if default is None:
                self._missing(key, "text")
            return default or "?"
        return self._as_text(value, (*self.path, key))

    def text_or_none(self, key: str) -> str | None:
        return None if self.get(key) is None else self.text(key)

    def _as_text(self, value: Any, path: tuple[str | int, ...]) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isprintable():
            self.faults.add(path, f"1 to 255 printable characters, found {shown(value)}")
            return "?"
        return value

    def flag(self, key: str, default: bool) -> bool:
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            self.faults.add((*self.path, key), f"true or false, found {shown(value)}")
            return default
        return value

    def choice(self, key: str, kind: type[E], default: E | None = None) -> E:
        value = self.get(key)
        expected = "one of " + ", ".join(kind)
        if value is None and default is not None:
            return default
        if value is None:
            self._missing(key, expected)
        elif isinstance(value, str) and value in kind._value2member_map_:
            return kind(value)
        else:
            self.faults.add((*self.path, key), f"{expected}, found {shown(value)}")
        return default or next(iter(kind))

    def items(self, key: str, limit: int, *, required: bool = False) -> Iterator[tuple[tuple[str | int, ...], Any]]:
        """The elements of a list with their paths; an absent list is empty."""
        value = self.get(key)
        path = (*self.path, key)
        if value is None:
            if required:
                self._missing(key, "a list")
            return
        if not isinstance(value, (list, tuple)):
            self.faults.add(path, f"a list, found {shown(value)}")
            return
        if len(value) > limit:
            self.faults.add(path, f"at most {limit} elements, found {len(value)}")
            return
        for index, element in enumerate(value):
            if len(self.faults.found) > MAX_FAULTS_SOUGHT:
                return
            yield (*path, index), element

    def wholes(self, key: str, low: int, high: int, limit: int) -> tuple[int, ...]:
        return self.wholes_at(self.items(key, limit), low, high)

    def wholes_at(self, items: Iterator[tuple[tuple[str | int, ...], Any]], low: int, high: int) -> tuple[int, ...]:
        numbers = []
        for path, element in items:
            number = as_whole(element)
            if number is None or not low <= number <= high:
                self.faults.add(path, f"a whole number from {low} to {high}, found {shown(element)}")
            else:
                numbers.append(number)
        return tuple(numbers)

    def texts(self, key: str, limit: int, *, required: bool = False) -> tuple[str, ...]:
        items = self.items(key, limit, required=required)
        return tuple(self._as_text(element, path) for path, element in items)

    def entries(self, key: str, limit: int) -> Iterator[tuple[tuple[str | int, ...], str, Any]]:
        """The entries of a map with their paths; an absent map is empty."""
        value = self.get(key)
        path = (*self.path, key)
        if value is None:
            return
        if not isinstance(value, Mapping):
            self.faults.add(path, f"a map, found {shown(value)}")
            return
        if len(value) > limit:
            self.faults.add(path, f"at most {limit} entries, found {len(value)}")
            return
        for name, element in ((str(key), element) for key, element in value.items()):
            if 0 < len(name) <= 255 and name.isprintable():
                yield (*path, name), name, element
            else:
                self.faults.add(path, f"keys of 1 to 255 printable characters, found {shown(name)}")

    def number_map(self, key: str, key_high: int, high: int, limit: int) -> dict[int, int]:
        """A map from whole numbers, written as strings, to whole numbers."""
        numbers: dict[int, int] = {}
        for path, name, element in self.entries(key, limit):
            number = as_whole(element)
            if not (name.isascii() and name.isdigit() and len(name) <= 12 and int(name) <= key_high):
                self.faults.add(path, f"a key that is a whole number from 0 to {key_high}")
            elif number is None or not 0 <= number <= high:
                self.faults.add(path, f"a whole number from 0 to {high}, found {shown(element)}")
            else:
                numbers[int(name)] = number
        return numbers

    def text_map(self, key: str, limit: int) -> dict[str, str]:
        return {name: self._as_text(element, path) for path, name, element in self.entries(key, limit)}

    def child(self, key: str) -> Reader | None:
        """The map under `key`, None when it is absent."""
        value = self.get(key)
        return None if value is None else Reader(value, (*self.path, key), self.faults)


def as_whole(value: Any) -> int | None:
    """`value` as an int when it is a whole number (4.0 is one), else None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return None
