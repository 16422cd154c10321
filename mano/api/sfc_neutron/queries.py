"""Neutron's way to ask lists: attributes to compare, ``fields``, ``sort_key``, ``limit`` and ``marker``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mano.api.problem_details import PLAIN_NAME
from mano.errors import InvalidInput

Document = Mapping[str, Any]

PAGE_MAX = 1000
_OWN = frozenset({"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"})
_TRUE = ("true", "1", "yes")
_NEVER_SHOWN = frozenset({"tags", "tags-any", "not-tags", "not-tags-any"})


def answer_list(documents: Sequence[Document], query: Iterable[tuple[str, str]]) -> list[dict[str, Any]]:
    """The documents that the query asks for, as it asks for them; raises InvalidInput."""
    asked: dict[str, list[str]] = {}
    for name, value in query:
        asked.setdefault(name, []).append(value)
    found = [document for document in documents if _fits(document, asked)]
    found = _sorted(found, asked)
    return [select(document, asked.get("fields", ())) for document in _page(found, asked)]


def select(document: Document, fields: Sequence[str]) -> dict[str, Any]:
    """Only these fields; all when none is named."""
    return {name: value for name, value in document.items() if not fields or name in fields}


def _fits(document: Document, asked: Mapping[str, Sequence[str]]) -> bool:
    for name, values in asked.items():
        if name in _OWN or name in _NEVER_SHOWN:
            continue
        if name == "fixed_ips":
            if not all(_has_address(document, value) for value in values):
                return False
        elif (name in document and not any(_equal(document[name], value) for value in values)) or name not in document:
            return False
    return True


def _equal(value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return value is (text.lower() in _TRUE)
    if isinstance(value, list):
        return text in [str(item) for item in value]
    return str(value if value is not None else "") == text


def _has_address(document: Document, text: str) -> bool:
    """``ip_address=10.0.0.1`` or ``subnet_id=...``."""
    name, _, wanted = text.partition("=")
    return any(each.get(name) == wanted for each in document.get("fixed_ips") or ())


def _sorted(documents: list[Document], asked: Mapping[str, Sequence[str]]) -> list[Document]:
    keys = asked.get("sort_key", ())
    ways = asked.get("sort_dir", ())
    for index in reversed(range(len(keys))):
        key = keys[index]
        if documents and key not in documents[0]:
            raise InvalidInput(f"there is no attribute {key if PLAIN_NAME.fullmatch(key) else '*'} to sort by")
        descending = index < len(ways) and ways[index] == "desc"
        documents = sorted(documents, key=lambda document: str(document.get(key) or ""), reverse=descending)
    return documents


def _page(documents: list[Document], asked: Mapping[str, Sequence[str]]) -> list[Document]:
    marker, limit = asked.get("marker", [""])[-1], asked.get("limit", [""])[-1]
    if marker:
        places = [index for index, document in enumerate(documents) if document["id"] == marker]
        documents = documents[places[0] + 1 :] if places else []
    if limit:
        if not (limit.isascii() and limit.isdigit() and len(limit) <= 6):
            raise InvalidInput("limit is not a whole number")
        documents = documents[: min(int(limit), PAGE_MAX)] if int(limit) else documents
    return documents
