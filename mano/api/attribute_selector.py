"""Attribute selectors on lists (SOL013 clause 5.3): ``all_fields fields exclude_fields exclude_default``.

Without any of them the complex attributes that the standard names for the resource are left out. Mandatory attributes
stay whatever is asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mano.api.attribute_filter import parse_path
from mano.errors import InvalidInput

MAX_LENGTH = 4096
SELECTORS = ("all_fields", "fields", "exclude_fields", "exclude_default")

Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AttributeSelector:
    """Which attributes of a resource an answer has; ``only`` None means all but ``without``."""

    mandatory: frozenset[str]
    only: tuple[Path, ...] | None = None
    without: tuple[Path, ...] = ()

    def select(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """The document with the selected attributes."""
        kept = dict(document) if self.only is None else self._only(document, self.only)
        for path in self.without:
            if path[0] not in self.mandatory and (self.only is None or path not in self.only):
                kept = _drop(kept, path)
        return kept

    def _only(self, document: Mapping[str, Any], paths: tuple[Path, ...]) -> dict[str, Any]:
        kept = _pick(document, paths)
        kept.update({name: document[name] for name in self.mandatory if name in document})
        return {name: kept[name] for name in document if name in kept}


def parse(
    query: Mapping[str, str],
    *,
    attributes: Collection[str],
    mandatory: frozenset[str],
    default: Collection[str],
    unasked: bool = True,
) -> AttributeSelector:
    """The selector of a query; without one the ``default`` is left out if ``unasked``.

    Raises :class:`~mano.errors.InvalidInput` for one that cannot be followed.
    """
    asked = {name for name in SELECTORS if name in query}
    if len(asked) > 1 and asked != {"fields", "exclude_default"}:
        raise InvalidInput(
            "these attribute selectors contradict each other", hint="of them only fields and exclude_default combine"
        )
    left_out = tuple((name,) for name in default)
    if "fields" in asked:
        only = _paths(query["fields"], attributes)
        return AttributeSelector(mandatory, only, left_out if "exclude_default" in asked else ())
    if "exclude_fields" in asked:
        return AttributeSelector(mandatory, None, _paths(query["exclude_fields"], attributes))
    whole = "all_fields" in asked or not (asked or unasked)
    return AttributeSelector(mandatory, None, () if whole else left_out)


def _paths(text: str, attributes: Collection[str]) -> tuple[Path, ...]:
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"an attribute selector is longer than {MAX_LENGTH} characters")
    paths = tuple(parse_path(part.strip()) for part in text.split(","))
    if any(path[0] not in attributes for path in paths):
        raise InvalidInput("an attribute selector names an attribute that these resources do not have")
    return paths


def _pick(value: Any, paths: tuple[Path, ...]) -> Any:
    if isinstance(value, list | tuple):
        return [_pick(item, paths) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for name, item in value.items():
        below = tuple(path[1:] for path in paths if path[0] == name)
        if below:
            kept[name] = item if () in below else _pick(item, below)
    return kept


def _drop(value: Any, path: Path) -> Any:
    if isinstance(value, list | tuple):
        return [_drop(item, path) for item in value]
    if not isinstance(value, Mapping) or path[0] not in value:
        return value
    if len(path) == 1:
        return {name: item for name, item in value.items() if name != path[0]}
    return {name: _drop(item, path[1:]) if name == path[0] else item for name, item in value.items()}
