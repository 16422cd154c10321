"""What the standard's type definitions say of a type, or of something in it, by its dotted path.

`explain_type("tosca.nodes.nfv.Vdu.Compute.properties.vdu_profile")` begins at the type, then goes down through
properties, data types, capabilities and interfaces. Names below a type need no keyword before them.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from vnf_descriptors import types
from vnf_descriptors.suggest import closest

Plain = dict[str, Any]

_PREFIXES = {
    "node_types": "tosca.nodes.nfv.",
    "data_types": "tosca.datatypes.nfv.",
    "capability_types": "tosca.capabilities.nfv.",
    "relationship_types": "tosca.relationships.nfv.",
    "interface_types": "tosca.interfaces.nfv.",
    "group_types": "tosca.groups.nfv.",
    "policy_types": "tosca.policies.nfv.",
    "artifact_types": "tosca.artifacts.nfv.",
}
_KIND = {section: section.removesuffix("_types") for section in _PREFIXES}
_MEMBERS = ("properties", "attributes", "capabilities", "requirements", "interfaces", "operations", "notifications")
_SINGULAR = {
    "properties": "property",
    "attributes": "attribute",
    "capabilities": "capability",
    "requirements": "requirement",
    "interfaces": "interface",
    "operations": "operation",
    "notifications": "notification",
}
_LEADS_TO = {"properties": "data_types", "attributes": "data_types", "capabilities": "capability_types"}
_CONSTRAINTS = {
    "greater_or_equal": "at least",
    "greater_than": "greater than",
    "less_or_equal": "at most",
    "less_than": "less than",
    "in_range": "in the range",
    "valid_values": "one of",
    "pattern": "matching",
    "min_length": "length at least",
    "max_length": "length at most",
    "length": "length",
    "equal": "exactly",
}


@dataclass(frozen=True, slots=True)
class _Found:
    """A type, or a member of one, in one edition."""

    edition: str
    #: Section of the type that `members` are looked up in; empty at a leaf.
    section: str
    type: str
    #: What the member is: its name, its keyword and its definition; None at a type.
    member: tuple[str, str, Plain] | None = None
    owner: str = ""


def explain_type(path: str) -> str | None:
    """Some lines of text, or None when there is no such type, or no such thing in it. Case matters."""
    found = [each for edition in reversed(types.EDITIONS) if (each := _find(path, edition)) is not None]
    return "\n".join(_lines(found[0], [each.edition for each in reversed(found)])) + "\n" if found else None


def nearest_type(path: str) -> str | None:
    """The path that was probably meant, or None."""
    newest = types.EDITIONS[-1]
    _, name, rest = _split(path, newest)
    if not name:
        names = [name for members in _all(newest).values() for name in members]
        short = {name.removeprefix(_PREFIXES["node_types"]): name for name in names}
        meant = closest(path, names if path.startswith("tosca.") else short)
        return short.get(meant, meant) if meant else None
    done = name
    for step in rest:
        further = f"{done}.{step}"
        if _find(further, newest) is None:
            at = _find(done, newest)
            known = [key for members in _members(at, newest).values() for key in members] if at else []
            meant = closest(step, [*known, *_MEMBERS])
            return f"{done}.{meant}" if meant else None
        done = further
    return None


@functools.cache
def _all(edition: str) -> dict[str, Plain]:
    merged: dict[str, Plain] = {}
    for source in (types.tosca_definitions(), types.definitions("nsd", edition)):
        for section, members in source.items():
            merged.setdefault(section, {}).update(members)
    return merged


def _split(path: str, edition: str) -> tuple[str, str, list[str]]:
    """Section and name of the type that the path begins with (empty when there is none), and the steps below it."""
    words = path.split(".")
    for end in range(len(words), 0, -1):
        start = ".".join(words[:end])
        for section, prefix in _PREFIXES.items():
            for name in (start, prefix + start):
                if name in _all(edition).get(section, {}):
                    return section, name, words[end:]
    return "", "", []


def _find(path: str, edition: str) -> _Found | None:
    section, name, steps = _split(path, edition)
    if not name:
        return None
    found = _Found(edition, section, name)
    wanted = ""
    for step in steps:
        members = _members(found, edition)
        if step in _MEMBERS and step not in members.get(wanted, {}) and not wanted:
            if step not in members:
                return None
            wanted = step
            continue
        below = _below(found, members, step, wanted)
        if below is None:
            return None
        found, wanted = below, ""
    return found


def _members(found: _Found, edition: str) -> dict[str, Plain]:
    """Keyword -> name -> definition of what a type holds, inherited ones first."""
    merged: dict[str, Plain] = {}
    if not found.section:
        return merged
    for name in reversed(_lineage(found.section, found.type, edition)):
        body = _all(edition)[found.section][name]
        for keyword in _MEMBERS:
            section = body.get(keyword)
            if isinstance(section, list):
                section = {key: value for item in section for key, value in item.items()}
            if section:
                merged.setdefault(keyword, {}).update(section)
    return merged


def _lineage(section: str, name: str, edition: str) -> list[str]:
    names: list[str] = []
    current: str | None = name
    while current in _all(edition).get(section, {}) and current not in names:
        names.append(current)
        current = _all(edition)[section][current].get("derived_from")
    return names


def _below(found: _Found, members: dict[str, Plain], step: str, wanted: str) -> _Found | None:
    for keyword in (wanted,) if wanted else _MEMBERS:
        if step in members.get(keyword, {}):
            definition = members[keyword][step] or {}
            section = "interface_types" if keyword == "interfaces" else _LEADS_TO.get(keyword, "")
            kind = _inner(definition) if section else ""
            known = kind in _all(found.edition).get(section, {})
            return _Found(found.edition, section if known else "", kind, (step, keyword, definition), found.type)
    return None


def _inner(definition: Plain) -> str:
    """The type of a value, or of the entries of a list or map."""
    entry = definition.get("entry_schema")
    return _inner(entry) if isinstance(entry, dict) else str(definition.get("type", ""))


# Text -------------------------------------------------------------------------------------------------------


def _lines(found: _Found, editions: list[str]) -> Iterator[str]:
    if found.member is not None:
        name, keyword, definition = found.member
        yield f"{name}: {_SINGULAR[keyword]} of {found.owner}"
        yield f"  {_describe(keyword, definition)}"
        yield f"  in the editions held: {', '.join(editions)}"
        if found.section:
            yield ""
            yield from _type_lines(found)
        return
    yield from _type_lines(found)
    yield f"  in the editions held: {', '.join(editions)}"


def _type_lines(found: _Found) -> Iterator[str]:
    parents = _lineage(found.section, found.type, found.edition)[1:]
    derived = f", derived from {parents[0]}" if parents else ""
    yield f"{found.type}: {_KIND[found.section]} type{derived}"
    body = _all(found.edition)[found.section][found.type]
    for keyword in ("targets", "members", "valid_target_types", "file_ext"):
        if body.get(keyword):
            yield f"  {keyword}: {', '.join(body[keyword])}"
    for keyword, section in _members(found, found.edition).items():
        yield f"  {keyword}:"
        for name, definition in section.items():
            yield f"    {name}: {_describe(keyword, definition or {})}"


def _describe(keyword: str, definition: Plain) -> str:
    if keyword in ("properties", "attributes"):
        return _describe_value(definition)
    if keyword in ("operations", "notifications"):
        inputs = ", ".join(definition.get("inputs") or ())
        return f"inputs {inputs}" if inputs else "no inputs"
    parts = [str(definition.get("capability") or definition.get("type") or "")]
    if definition.get("node"):
        parts.append(f"of a {definition['node']}")
    if definition.get("occurrences"):
        low, high = definition["occurrences"]
        parts.append(f"{low} to {'any number' if high == 'UNBOUNDED' else high}")
    return ", ".join(parts)


def _describe_value(definition: Plain) -> str:
    parts = [_type_text(definition)]
    has_default = "default" in definition
    parts.append("optional" if has_default or definition.get("required") is False else "required")
    if has_default:
        parts.append(f"default {definition['default']}")
    for constraint in definition.get("constraints") or ():
        for name, value in constraint.items():
            shown = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            parts.append(f"{_CONSTRAINTS.get(name, name)} {shown}")
    return "; ".join(parts)


def _type_text(definition: Plain) -> str:
    entry = definition.get("entry_schema")
    return f"{definition['type']} of {_type_text(entry)}" if isinstance(entry, dict) else str(definition["type"])
