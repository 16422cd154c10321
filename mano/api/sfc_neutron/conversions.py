"""Values as OpenStack's clients send them: numbers and booleans may be strings, nothing may be null or a list of one.

A conversion takes what was sent and gives the value, or raises :class:`ValueError` with what is allowed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import Any

Convert = Callable[[Any], Any]
Schema = Mapping[str, Any]

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}", re.IGNORECASE)
MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.IGNORECASE)
NAME_MAX, DESCRIPTION_MAX = 255, 255
LIST_MAX = 256

_TRUE, _FALSE = ("true", "1", "yes", "on", "t", "y"), ("false", "0", "no", "off", "f", "n")


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of value: how it is read, and its JSON schema."""

    convert: Convert
    schema: Schema = field(default_factory=dict)

    def or_null(self) -> Kind:
        """The same, or null."""
        return Kind(lambda value: None if value is None else self.convert(value), {"anyOf": [self.schema, _NULL]})


_NULL: Schema = {"type": "null"}


def text(longest: int) -> Kind:
    """A string without control characters; null counts as empty."""

    def convert(value: Any) -> str:
        if value is None:
            return ""
        if not isinstance(value, str):
            raise ValueError("a string")
        if len(value) > longest or any(ord(character) < 32 or ord(character) == 127 for character in value):
            raise ValueError(f"a string of at most {longest} printable characters")
        return value

    return Kind(convert, {"type": "string", "maxLength": longest})


def integer(low: int, high: int) -> Kind:
    """A whole number, or its digits as a string."""

    def convert(value: Any) -> int:
        digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 10
        if isinstance(value, bool) or not (isinstance(value, int) or digits) or not low <= int(value) <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return int(value)

    return Kind(convert, {"type": "integer", "minimum": low, "maximum": high})


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = str(value).lower() if isinstance(value, str | int) else ""
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ValueError("true or false")


def only(value: Any, why: str) -> Kind:
    """The one value that Catena can give; another is refused with the reason."""

    def convert(sent: Any) -> Any:
        if sent in (value, None) or (isinstance(value, bool) and isinstance(sent, str) and _boolean(sent) is value):
            return value
        raise ValueError(f"{value!r}: {why}".replace("True", "true").replace("False", "false"))

    return Kind(convert, {"const": value})


def _uuid(value: Any) -> str:
    if not isinstance(value, str) or not UUID.fullmatch(value):
        raise ValueError("a UUID")
    return value.lower()


def _uuids(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or len(value) > LIST_MAX:
        raise ValueError(f"a list of at most {LIST_MAX} UUIDs")
    return tuple(_uuid(item) for item in value)


def one_of(*words: str) -> Kind:
    """One of these words, in any case."""
    known = {word.lower(): word for word in words}

    def convert(value: Any) -> str:
        if not isinstance(value, str) or value.lower() not in known:
            raise ValueError(f"one of {', '.join(words)}")
        return known[value.lower()]

    return Kind(convert, {"enum": list(words)})


def list_of(words: Iterable[str]) -> Kind:
    """A list of some of these words."""
    known = tuple(words)

    def convert(value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or any(item not in known for item in value):
            raise ValueError(f"a list of some of {', '.join(known)}")
        return tuple(dict.fromkeys(value))

    return Kind(convert, {"type": "array", "items": {"enum": list(known)}})


def _prefix(value: Any) -> str:
    try:
        if isinstance(value, str) and len(value) <= 64:
            return str(ip_network(value, strict=False))
    except ValueError:
        pass
    raise ValueError("an IP prefix such as 10.0.0.0/24")


def _subnet(value: Any) -> str:
    try:
        if isinstance(value, str) and len(value) <= 64:
            return str(ip_network(value))
    except ValueError:
        pass
    raise ValueError("an IP prefix without host bits, such as 10.0.0.0/24")


def _address(value: Any) -> str:
    try:
        if isinstance(value, str) and len(value) <= 64:
            return str(ip_address(value))
    except ValueError:
        pass
    raise ValueError("an IP address")


def _mac(value: Any) -> str:
    if isinstance(value, str) and MAC.fullmatch(value) and value != "00:00:00:00:00:00" and not int(value[:2], 16) & 1:
        return value.lower()
    raise ValueError("a station's MAC address such as 0a:00:00:00:00:01")


def object_of(members: Mapping[str, Kind]) -> Kind:
    """An object with some of these members and no others; null counts as empty."""

    def convert(value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise ValueError("an object")
        unknown = [name for name in value if name not in members]
        if unknown:
            raise ValueError(f"an object with {', '.join(members) or 'no member'} only")
        return {name: _member(name, members[name], sent) for name, sent in value.items()}

    properties = {name: kind.schema for name, kind in members.items()}
    return Kind(convert, {"type": "object", "properties": properties, "additionalProperties": False})


def _member(name: str, kind: Kind, sent: Any) -> Any:
    try:
        return kind.convert(sent)
    except ValueError as error:
        raise ValueError(f"an object whose {name} is {error}") from None


def list_of_objects(members: Mapping[str, Kind]) -> Kind:
    """A list of such objects."""
    one = object_of(members)

    def convert(value: Any) -> tuple[dict[str, Any], ...]:
        if not isinstance(value, list) or len(value) > LIST_MAX:
            raise ValueError(f"a list of at most {LIST_MAX} objects")
        return tuple(one.convert(item) for item in value)

    return Kind(convert, {"type": "array", "items": one.schema})


def _branches(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict) or not value or len(value) > LIST_MAX:
        raise ValueError("an object: a chain's UUID to the list of chains behind it")
    return {_uuid(source): _uuids(ends) for source, ends in value.items()}


_UUID_SCHEMA: Schema = {"type": "string", "format": "uuid"}
BOOLEAN = Kind(_boolean, {"type": "boolean"})
IDENTIFIER = Kind(_uuid, _UUID_SCHEMA)
IDENTIFIERS = Kind(_uuids, {"type": "array", "items": _UUID_SCHEMA, "maxItems": LIST_MAX})
PREFIX = Kind(_prefix, {"type": "string"})
SUBNET = Kind(_subnet, {"type": "string"})
ADDRESS = Kind(_address, {"type": "string"})
MAC_ADDRESS = Kind(_mac, {"type": "string"})
BRANCHES = Kind(_branches, {"type": "object", "additionalProperties": {"type": "array", "items": _UUID_SCHEMA}})
NAME, DESCRIPTION = text(NAME_MAX), text(DESCRIPTION_MAX)
