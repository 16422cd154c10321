"""Descriptors to JSON and back: `from_json(to_json(model)) == model`.

The JSON names a field as the class does, and says the class of the whole in `kind`. A field that a
later version of this library adds has a default, so that what was stored earlier still reads.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Union

from vnf_descriptors.model.frozen import FrozenMap
from vnf_descriptors.model.nsd import Nsd
from vnf_descriptors.model.pnfd import Pnfd
from vnf_descriptors.model.vnfd import Vnfd

Descriptor = Vnfd | Nsd | Pnfd
_KINDS: dict[str, type[Vnfd] | type[Nsd] | type[Pnfd]] = {"Vnfd": Vnfd, "Nsd": Nsd, "Pnfd": Pnfd}


def to_json(model: Descriptor) -> dict[str, Any]:
    """The descriptor as JSON objects, arrays, strings, numbers, booleans and nulls."""
    return {"kind": type(model).__name__, **_encode_fields(model)}


def from_json(data: Mapping[str, Any]) -> Descriptor:
    """The descriptor that `to_json` wrote; ValueError says which field does not fit."""
    kind = data.get("kind")
    if kind not in _KINDS:
        raise ValueError(f"kind must be one of {', '.join(_KINDS)}, not {kind!r}")
    decoded = _decode(_KINDS[kind], {name: value for name, value in data.items() if name != "kind"}, kind)
    return typing.cast(Descriptor, decoded)


def _encode_fields(value: Any) -> dict[str, Any]:
    return {field.name: _encode(getattr(value, field.name)) for field in fields(value)}


def _encode(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return _encode_fields(value)
    if isinstance(value, tuple):
        return [_encode(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _encode(item) for key, item in value.items()}
    return value


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _decode(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin in (Union, types.UnionType):
        return _decode_union(typing.get_args(hint), value, where)
    if origin is tuple:
        return _decode_tuple(typing.get_args(hint)[0], value, where)
    if origin is FrozenMap:
        return _decode_map(typing.get_args(hint)[1], value, where)
    if isinstance(hint, type) and is_dataclass(hint):
        return _decode_object(hint, value, where)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _decode_enum(hint, value, where)
    return _decode_scalar(hint, value, where)


def _decode_union(options: tuple[Any, ...], value: Any, where: str) -> Any:
    problems = []
    for option in options:
        try:
            return _decode(option, value, where)
        except ValueError as error:
            problems.append(str(error))
    raise ValueError(problems[0])


def _decode_tuple(item: Any, value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where} must be an array")
    return tuple(_decode(item, entry, f"{where}[{index}]") for index, entry in enumerate(value))


def _decode_map(item: Any, value: Any, where: str) -> FrozenMap[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be an object")
    return FrozenMap({str(key): _decode(item, entry, f"{where}.{key}") for key, entry in value.items()})


def _decode_object(cls: type, value: Any, where: str) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError(f"{where} must be an object")
    known = {field.name: field for field in fields(cls)}
    for name in value:
        if name not in known:
            raise ValueError(f"{where} has no field {name!r}")
    hints = _hints(cls)
    arguments = {name: _decode(hints[name], entry, f"{where}.{name}") for name, entry in value.items()}
    for name, field in known.items():
        if name not in arguments and field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{where}.{name} is missing")
    return cls(**arguments)


def _decode_enum(cls: type[Enum], value: Any, where: str) -> Enum:
    try:
        return cls(value)
    except ValueError:
        allowed = ", ".join(str(member.value) for member in cls)
        raise ValueError(f"{where} must be one of {allowed}, not {value!r}") from None


def _decode_scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is type(None) and value is None:
        return None
    if type(value) is not hint:
        raise ValueError(f"{where} must be of type {getattr(hint, '__name__', hint)}, not {type(value).__name__}")
    return value
