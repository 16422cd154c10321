"""The keywords of TOSCA's parts, and what is meant by one that is misspelt.

A misspelt keyword is one fault. What stands below it is read as if it were spelt well, so that nobody is told of
everything that seems to be missing besides.
"""

from __future__ import annotations

from collections.abc import Iterator, Set
from itertools import islice

from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.suggest import closest, did_you_mean
from vnf_descriptors.yamltree import MAX_FINDINGS, Mapping

#: Most misspelt keywords of a descriptor whose meaning is guessed.
MAX_GUESSES = 100

SERVICE_TEMPLATE = frozenset(
    {
        "tosca_definitions_version",
        "namespace",
        "metadata",
        "template_name",
        "template_author",
        "template_version",
        "description",
        "dsl_definitions",
        "repositories",
        "imports",
        "artifact_types",
        "data_types",
        "capability_types",
        "interface_types",
        "relationship_types",
        "node_types",
        "group_types",
        "policy_types",
        "topology_template",
    }
)
TOPOLOGY_TEMPLATE = frozenset(
    {
        "description",
        "inputs",
        "node_templates",
        "relationship_templates",
        "groups",
        "policies",
        "outputs",
        "substitution_mappings",
        "workflows",
    }
)
NODE_TEMPLATE = frozenset(
    {
        "type",
        "description",
        "metadata",
        "directives",
        "properties",
        "attributes",
        "requirements",
        "capabilities",
        "interfaces",
        "artifacts",
        "node_filter",
        "copy",
    }
)
CAPABILITY = frozenset({"properties", "attributes", "occurrences", "directives"})
SUBSTITUTION = frozenset(
    {"node_type", "substitution_filter", "properties", "attributes", "capabilities", "requirements", "interfaces"}
)
GROUP = frozenset({"type", "description", "metadata", "properties", "members", "interfaces"})
POLICY = frozenset({"type", "description", "metadata", "properties", "targets", "triggers"})
_EVERY_TYPE = {"derived_from", "version", "metadata", "description", "properties", "attributes"}
#: Section of type definitions -> keywords; interface types hold operations under names of their own.
TYPES = {
    "node_types": frozenset(_EVERY_TYPE | {"requirements", "capabilities", "interfaces", "artifacts"}),
    "data_types": frozenset(_EVERY_TYPE | {"constraints", "key_schema", "entry_schema", "type"}),
    "capability_types": frozenset(_EVERY_TYPE | {"valid_source_types"}),
    "relationship_types": frozenset(_EVERY_TYPE | {"interfaces", "valid_target_types", "valid_source_types"}),
    "group_types": frozenset(_EVERY_TYPE | {"members", "interfaces", "capabilities", "requirements"}),
    "policy_types": frozenset(_EVERY_TYPE | {"targets", "triggers"}),
    "artifact_types": frozenset(_EVERY_TYPE | {"mime_type", "file_ext"}),
}


def unknown_keywords(node: Mapping, keywords: Set[str], owner: str) -> Iterator[Finding]:
    """A finding for each key, as it is written, that is no keyword of `owner`; no more than `MAX_FINDINGS`."""
    unknown = (key for _, key, _ in node.items() if key.text not in keywords)
    for key in islice(unknown, MAX_FINDINGS):
        message = f"{quote(key.text)} is no keyword of {owner}"
        yield finding("TOSCA002", key, message, did_you_mean(key.text, keywords))


class Speller:
    """Finds out what misspelt keywords mean: the first `MAX_GUESSES` of them, as hostile files may hold many."""

    def __init__(self) -> None:
        self._guesses = MAX_GUESSES

    def respelt(self, node: Mapping, keywords: Set[str]) -> Mapping:
        """The map with what stands below a misspelt keyword filed under the keyword that is meant.

        The keys keep their text and their place. The map itself comes back when nothing is to be filed anew.
        """
        meant: dict[str, str] = {}
        for name in [each for each in node.entries if each not in keywords]:
            if self._guesses == 0:
                break
            self._guesses -= 1
            found = closest(name, keywords - node.entries.keys() - set(meant.values()))
            if found is not None:
                meant[name] = found
        return node.renamed(meant) if meant else node
