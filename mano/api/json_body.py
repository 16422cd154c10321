"""JSON bodies as SOL013 clause 5.6 and RFC 8259 have them, and nothing that only Python's parser lets pass.

NaN, infinities, numbers beyond a double or 64 bits, lone surrogates, NUL characters (which PostgreSQL cannot store)
and nesting without end are refused here, once, for every resource.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from mano.errors import InvalidInput

_DECODER = msgspec.json.Decoder()
_INTEGER_RANGE = range(-(1 << 63), 1 << 64)


def decode(data: bytes, max_depth: int) -> Any:
    """The value of a JSON text; raises :class:`~mano.errors.InvalidInput` without repeating any of it."""
    try:
        value = _DECODER.decode(data)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"the body is not JSON: {error}", hint="send one JSON value in UTF-8 (RFC 8259)") from None
    except (UnicodeDecodeError, UnicodeEncodeError):
        raise InvalidInput("the body is not UTF-8", hint="send one JSON value in UTF-8 (RFC 8259)") from None
    except RecursionError:
        raise _too_deep(max_depth) from None
    check(value, max_depth)
    return value


def encode(value: Any) -> bytes:
    """JSON of plain values, dataclasses, dates and enumerations."""
    return msgspec.json.encode(value)


def check(value: Any, max_depth: int) -> None:
    """Raise :class:`~mano.errors.InvalidInput` for a value that no resource can take."""
    level = [value]
    for _ in range(max_depth + 1):
        below: list[Any] = []
        for item in level:
            _check_one(item, below)
        if not below:
            return
        level = below
    raise _too_deep(max_depth)


def _check_one(item: Any, below: list[Any]) -> None:
    if isinstance(item, dict):
        below.extend(item)
        below.extend(item.values())
    elif isinstance(item, list):
        below.extend(item)
    elif isinstance(item, str):
        if "\0" in item:
            raise InvalidInput("a string in the body holds a NUL character", hint="remove \\u0000")
        if not item.isascii() and any("\ud800" <= character <= "\udfff" for character in item):
            raise InvalidInput("a string in the body holds half of a surrogate pair")
    elif isinstance(item, float) and not math.isfinite(item):
        raise InvalidInput("a number in the body is not finite")
    elif isinstance(item, int) and item not in _INTEGER_RANGE:
        raise InvalidInput("a number in the body needs more than 64 bits")


def _too_deep(max_depth: int) -> InvalidInput:
    return InvalidInput(f"the body nests deeper than {max_depth} levels")
