"""The notation of the `.types` tables, and its expansion into TOSCA type definitions.

A table is a list of blocks. A block begins at column 0 with what it defines, and its indented lines say of
what it consists::

    node Vdu.Compute                             name; short names stand for tosca.nodes.nfv.<name>
    data NsVirtualLinkQos < Qos @3,4             derived from another type; only in editions 3 and 4
      mtu integer? >0 =1500                      property: type, `?` not required, constraints, default
      monitoring map<VnfcMonitoringParameter>?   entry type in angle brackets, key type before a comma
      - attribute scale_status map<ScaleInfo>    everything else than a property begins with a dash
      - capability virtual_compute VirtualCompute 1..1
      - requirement virtual_link[1..10] VirtualLinkable via VirtualLinksTo to NsVirtualLink 0..1
      - interface Vnflcm Vnflcm
      - operation scale                          operation of an interface type; its inputs follow
        - input aspect string?
      - targets VduCp                            also: members, mime, extensions, notification
    enum layer_protocol                          values for {@layer_protocol}
    +node Vdu.Compute @b                         properties to add to a block above, or to replace in it

Constraints: `>0`, `>=0`, `<=9`, `in[0,9]`, `{a|b}`, `len>=1`, `len<=1`, `~pattern`. `_` in a number with a
unit stands for a space. `@3,4` limits a line or a block to editions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Definitions = dict[str, dict[str, dict[str, Any]]]

_SECTIONS = {
    "data": ("data_types", "tosca.datatypes."),
    "node": ("node_types", "tosca.nodes."),
    "capability": ("capability_types", "tosca.capabilities."),
    "relationship": ("relationship_types", "tosca.relationships."),
    "interface": ("interface_types", "tosca.interfaces."),
    "group": ("group_types", "tosca.groups."),
    "policy": ("policy_types", "tosca.policies."),
    "artifact": ("artifact_types", "tosca.artifacts."),
}
_SCALAR_UNITS = {"size": "scalar-unit.size", "time": "scalar-unit.time", "frequency": "scalar-unit.frequency"}
_BUILT_IN = {"string", "integer", "float", "boolean", "timestamp", "range", "version", "map", "list"}
_CONSTRAINT = re.compile(r"len>=(\d+)|len<=(\d+)|in\[([^\]]*)\]|\{([^}]*)\}|~(.+)|>=([\w.]+)|<=([\w.]+)|>([\w.]+)")
_TYPE = re.compile(r"(?P<name>[\w.]+)(?:<(?P<inner>.*)>)?(?P<constraints>.*?)(?P<optional>\??)$")
_EDITIONS = re.compile(r"\s@([\dab,]+)$")


def parse(text: str, edition: str) -> Definitions:
    """The definitions that a table holds for an edition, by TOSCA section and full type name.

    `edition` is the sign that lines for it bear (`2`, `3`, `4`), or several signs: `3b`.
    """
    definitions: Definitions = {section: {} for section, _ in _SECTIONS.values()}
    enums: dict[str, list[str]] = {}
    for block in _blocks(text, edition):
        keyword, _, rest = block[0].partition(" ")
        if keyword == "enum":
            enums[rest] = " ".join(block[1:]).split()
            continue
        adds = keyword.startswith("+")
        keyword = keyword.removeprefix("+")
        section, _ = _SECTIONS[keyword]
        name, _, parent = rest.partition(" < ")
        body = _Body(keyword, name, parent, enums).read(block[1:])
        if adds:
            definitions[section][_full(keyword, name)].setdefault("properties", {}).update(body["properties"])
        else:
            definitions[section][_full(keyword, name)] = body
    return definitions


def _blocks(text: str, edition: str) -> Iterator[list[str]]:
    block: list[str] = []
    wanted = False
    for raw in text.splitlines():
        if not raw.strip() or raw.startswith("#"):
            continue
        line, included = _for_edition(raw, edition)
        if raw[0] != " ":
            if block:
                yield block
            block, wanted = ([line.strip()], True) if included else ([], False)
        elif wanted and included:
            block.append(line.strip())
    if block:
        yield block


def _for_edition(line: str, edition: str) -> tuple[str, bool]:
    found = _EDITIONS.search(line)
    if found is None:
        return line, True
    return line[: found.start()], not set(edition).isdisjoint(found.group(1).split(","))


def _full(keyword: str, name: str) -> str:
    return name if name.startswith("tosca.") else f"{_SECTIONS[keyword][1]}nfv.{name}"


class _Body:
    """Reads the indented lines of one block into a type definition."""

    def __init__(self, keyword: str, name: str, parent: str, enums: dict[str, list[str]]) -> None:
        self._keyword = keyword
        self._enums = enums
        self._operation: dict[str, Any] = {}
        self.definition: dict[str, Any] = {}
        root = f"{_SECTIONS[keyword][1]}Root"
        if parent or _full(keyword, name) != root:
            self.definition["derived_from"] = _full(keyword, parent) if parent else root

    def read(self, lines: list[str]) -> dict[str, Any]:
        for line in lines:
            if line.startswith("- "):
                keyword, _, rest = line[2:].partition(" ")
                getattr(self, f"_read_{keyword}")(rest)
            else:
                name, _, schema = line.partition(" ")
                self._section("properties")[name] = self._property(schema)
        return self.definition

    def _section(self, name: str) -> dict[str, Any]:
        section: dict[str, Any] = self.definition.setdefault(name, {})
        return section

    def _read_attribute(self, rest: str) -> None:
        name, _, schema = rest.partition(" ")
        self._section("attributes")[name] = self._property(schema)

    def _read_capability(self, rest: str) -> None:
        name, kind, *occurrences = rest.split()
        capability: dict[str, Any] = {"type": _full("capability", kind)}
        if occurrences:
            capability["occurrences"] = _occurrences(occurrences[0])
        self._section("capabilities")[name] = capability

    def _read_requirement(self, rest: str) -> None:
        name, kind, *words = rest.split()
        requirement: dict[str, Any] = {"capability": _full("capability", kind)}
        while words:
            word = words.pop(0)
            if word == "via":
                requirement["relationship"] = _full("relationship", words.pop(0))
            elif word == "to":
                requirement["node"] = _full("node", words.pop(0))
            else:
                requirement["occurrences"] = _occurrences(word)
        requirements = self.definition.setdefault("requirements", [])
        requirements.extend({each: dict(requirement)} for each in _numbered(name))

    def _read_interface(self, rest: str) -> None:
        name, kind = rest.split()
        self._section("interfaces")[name] = {"type": _full("interface", kind)}

    def _read_operation(self, rest: str) -> None:
        self._operation = self._section("operations").setdefault(rest, {})

    def _read_notification(self, rest: str) -> None:
        self._section("notifications")[rest] = {}

    def _read_input(self, rest: str) -> None:
        name, _, schema = rest.partition(" ")
        self._operation.setdefault("inputs", {})[name] = self._property(schema)

    def _read_targets(self, rest: str) -> None:
        if self._keyword == "relationship":
            self.definition.setdefault("valid_target_types", []).append(_full("capability", rest))
        else:
            self.definition.setdefault("targets", []).append(_full("node", rest))

    def _read_members(self, rest: str) -> None:
        self.definition.setdefault("members", []).append(_full("node", rest))

    def _read_mime(self, rest: str) -> None:
        self.definition["mime_type"] = rest

    def _read_extensions(self, rest: str) -> None:
        self.definition["file_ext"] = rest.split()

    def _property(self, text: str) -> dict[str, Any]:
        kind, *words = text.split(" ")
        schema = self._type(kind)
        schema.setdefault("required", True)
        for word in words:
            if word.startswith("="):
                schema["default"] = _plain(word[1:])
            else:
                schema.setdefault("constraints", []).extend(self._constraints(word))
        return schema

    def _type(self, text: str) -> dict[str, Any]:
        found = _TYPE.match(text)
        if found is None:
            raise ValueError(f"not a type: {text}")
        schema: dict[str, Any] = {"type": _type_name(found["name"])}
        if found["inner"]:
            key, entry = _split_inner(found["inner"])
            if key:
                schema["key_schema"] = self._type(key)
            schema["entry_schema"] = self._type(entry)
        if found["constraints"]:
            schema["constraints"] = list(self._constraints(found["constraints"]))
        if found["optional"]:
            schema["required"] = False
        return schema

    def _constraints(self, text: str) -> Iterator[dict[str, Any]]:
        for found in _CONSTRAINT.finditer(text):
            at_least, at_most, interval, values, pattern, low, high, above = found.groups()
            if at_least:
                yield {"min_length": int(at_least)}
            elif at_most:
                yield {"max_length": int(at_most)}
            elif interval:
                yield {"in_range": [_plain(end) for end in interval.split(",")]}
            elif values:
                yield {"valid_values": list(self._enums[values[1:]]) if values[0] == "@" else values.split("|")}
            elif pattern:
                yield {"pattern": pattern}
            elif low:
                yield {"greater_or_equal": _plain(low)}
            elif high:
                yield {"less_or_equal": _plain(high)}
            else:
                yield {"greater_than": _plain(above)}


def _type_name(name: str) -> str:
    if name in _BUILT_IN:
        return name
    return _SCALAR_UNITS.get(name) or _full("data", name)


def _split_inner(text: str) -> tuple[str, str]:
    depth = 0
    for index, char in enumerate(text):
        if char == "," and depth == 0:
            return text[:index], text[index + 1 :]
        depth += (char in "[{(") - (char in "]})")
    return "", text


def _numbered(name: str) -> list[str]:
    found = re.fullmatch(r"(\w+)\[(\d+)\.\.(\d+)\]", name)
    if found is None:
        return [name]
    return [f"{found[1]}{number}" for number in range(int(found[2]), int(found[3]) + 1)]


def _occurrences(text: str) -> list[int | str]:
    low, _, high = text.partition("..")
    return [int(low), "UNBOUNDED" if high == "*" else int(high)]


def _plain(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"\d+", text):
        return int(text)
    if re.fullmatch(r"\d+\.\d+", text):
        return float(text)
    return text.replace("_", " ") if re.fullmatch(r"\d+_\w+", text) else text
