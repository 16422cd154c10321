"""Frozen dataclasses to JSON documents and back."""

from __future__ import annotations

import functools
import json
import threading
from datetime import datetime
from enum import Enum
from typing import Any, TypeVar, cast

import msgspec

from mano.errors import InvalidInput

T = TypeVar("T")


def encode(value: Any) -> str:
    """The JSON document of a value.

    Raises :class:`~mano.errors.InvalidInput` for what JSON or a database cannot hold: NaN, infinities, lone
    surrogates, and objects that are no plain values.
    """
    try:
        plain = msgspec.to_builtins(value, str_keys=True)
        text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInput(f"a value cannot be stored as JSON: {type(error).__name__}", hint=_hint(error)) from error
    return text


def _hint(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return "text must be valid Unicode without lone surrogates"
    if isinstance(error, RecursionError):
        return "nest fewer levels"
    return "numbers must be finite, and values strings, numbers, booleans, null, lists or objects"


_DECODERS: dict[type[Any], msgspec.json.Decoder[Any]] = {}
_BUILDING = threading.Lock()


def _decoder(kind: type[Any]) -> msgspec.json.Decoder[Any]:
    """One decoder per type; building it costs more than using it.

    One is built at a time: msgspec shows what it knows of a class to other threads before it is complete, and a decoder
    made of that brings the process down.
    """
    found = _DECODERS.get(kind)
    if found is None:
        with _BUILDING:
            found = _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
    return found


def decode(text: str, kind: type[T]) -> T:
    """The value of a document that :func:`encode` wrote; fields it lacks get their defaults."""
    return cast("T", _decoder(kind).decode(text))


@functools.lru_cache(maxsize=32_768)
def decode_kept(text: str, kind: type[T]) -> T:
    """As :func:`decode`; the same object for the same document. For what is read again and again and never changed."""
    return decode(text, kind)


def column_value(value: Any) -> Any:
    """A field as its look-up column holds it."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, str) and "\0" in value:
        raise InvalidInput("a name contains the NUL character", hint="remove it")
    return value
