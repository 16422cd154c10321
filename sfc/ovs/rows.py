"""The notation of OVSDB values (RFC 7047 section 5.1) beside plain Python ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Row = dict[str, Any]
Operation = dict[str, Any]


def to_map(values: Mapping[str, str]) -> list[Any]:
    """A ``<map>``, in the order of its keys."""
    return ["map", [[key, values[key]] for key in sorted(values)]]


def from_map(value: Any) -> dict[str, Any]:
    """The dictionary of a ``<map>``."""
    return {str(key): item for key, item in value[1]}


def from_set(value: Any) -> list[Any]:
    """The elements of a ``<set>``; a set of one stands for itself on the wire."""
    if isinstance(value, list) and value and value[0] == "set":
        return list(value[1])
    return [value]


def optional(value: Any) -> Any:
    """The element of a set of at most one, or ``None``."""
    elements = from_set(value)
    return elements[0] if elements else None


def uuid_of(value: Any) -> str:
    """The text of a ``<uuid>``."""
    return str(value[1])


def select(table: str, *columns: str, where: list[Any] | None = None) -> Operation:
    """All rows of a table, or those that satisfy ``where`` (RFC 7047 section 5.2.2)."""
    return {"op": "select", "table": table, "where": where or [], "columns": list(columns)}


def named(name: str) -> list[Any]:
    """The condition that a row bears this name."""
    return [["name", "==", name]]


def expect(table: str, name: str, exists: bool) -> Operation:
    """Abort the transaction unless such a row exists (or does not): RFC 7047 section 5.2.6 with time-out 0."""
    return {
        "op": "wait",
        "timeout": 0,
        "table": table,
        "where": named(name),
        "columns": ["name"],
        "until": "==",
        "rows": [{"name": name}] if exists else [],
    }


def insert(table: str, handle: str, row: Row) -> Operation:
    """Insert a row that the same transaction knows as ``handle`` (RFC 7047 section 5.2.1)."""
    return {"op": "insert", "table": table, "uuid-name": handle, "row": row}


def insert_reference(table: str, where: list[Any], column: str, reference: list[Any]) -> Operation:
    """Add one element to a set of references."""
    return {"op": "mutate", "table": table, "where": where, "mutations": [[column, "insert", reference]]}


def delete_reference(table: str, where: list[Any], column: str, uuid: str) -> Operation:
    """Take one element out of a set of references; rows that nobody refers to vanish by themselves."""
    return {"op": "mutate", "table": table, "where": where, "mutations": [[column, "delete", ["uuid", uuid]]]}
