"""The standard's files that a descriptor uses without importing them: one fault, not one for each use of a type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vnf_descriptors import types
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.templates import Templates
from vnf_descriptors.topology import Topology
from vnf_descriptors.types import StandardTypes
from vnf_descriptors.typesystem import PRIMITIVES, TypeSystem
from vnf_descriptors.yamltree import Node

#: A section, the name of a type in it, where it is used, and whether another type derives from it there.
_Use = tuple[str, str, Node, bool]


def subject_of(section: str, name: str) -> str | None:
    """The subject of the standard's file that defines a type, in the newest edition; None when none does."""
    for subject in types.SUBJECTS:
        if name in types.definitions(subject, types.EDITIONS[-1]).get(section, {}):
            return subject
    return None


def file_of(subject: str) -> str:
    """The name of the standard's file on a subject."""
    return f"etsi_nfv_sol001_{subject}_types.yaml"


def implied_imports(
    templates: Templates, known: TypeSystem, topologies: Iterable[Topology]
) -> tuple[dict[StandardTypes, Node], list[Finding]]:
    """The files whose types are used but not imported, with the first use of each, and what to tell of it."""
    first: dict[str, _Use] = {}
    imported = {subject for each in templates.standard for subject in types.SUBJECTS[each.subject]}
    for use in _uses(known, topologies):
        section, name, _, _ = use
        subject = subject_of(section, name) if known.get(section, name) is None else None
        if subject is not None and subject not in imported:
            first.setdefault(subject, use)
    # One file may bring along another, so only those that no other one brings are to be imported.
    needed = [each for each in first if not any(each in types.SUBJECTS[other] for other in first if other != each)]
    found: dict[StandardTypes, Node] = {}
    findings = []
    for subject in needed:
        section, name, place, derives = first[subject]
        standard = types.recognise(file_of(subject), templates.entry.version)
        if standard is not None and name in types.definitions(subject, standard.edition).get(section, {}):
            found[standard] = place
            hint = f"Import '{file_of(subject)}', which defines it"
            kind = section.removesuffix("_types").replace("_", " ")
            code, what = ("TOSCA008", "parent") if derives else ("TOSCA006", kind)
            findings.append(finding(code, place, f"the {what} type {quote(name)} does not exist", hint))
    return found, findings


def _uses(known: TypeSystem, topologies: Iterable[Topology]) -> Iterator[_Use]:
    for definition in known.own():
        parent = definition.parent
        if parent is not None and parent not in PRIMITIVES:
            yield definition.section, parent, definition.node.get("derived_from") or definition.node, True
    for topology in topologies:
        for node in topology.nodes.values():
            yield "node_types", node.type, node.node.get("type") or node.key, False
        for group in topology.groups.values():
            yield "group_types", group.type, group.node.get("type") or group.key, False
        for policy in topology.policies:
            yield "policy_types", policy.type, policy.node.get("type") or policy.key, False
