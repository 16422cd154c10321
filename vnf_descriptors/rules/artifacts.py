"""Faults of artifacts and of the scripts that operations name. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context, Kind
from vnf_descriptors.package import Layout
from vnf_descriptors.read_scripts import NETWORK_KEY, file_of, implementation, language_of, script_operations
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.rules.hints import missing_type
from vnf_descriptors.rules.nodes import all_nodes, typed_nodes
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.topology import NodeTemplate
from vnf_descriptors.vnf_nodes import vdu_cp_nodes
from vnf_descriptors.yamltree import Mapping, Node, Scalar

INSIDE = "Put the file into the package"


def wrong_artifact(context: Context) -> Iterator[Finding]:
    """An artifact is of an unknown type, has wrong properties, or names no file."""
    for _, template in typed_nodes(context):
        for name, key, value in template.section("artifacts").items():
            if not isinstance(value, Mapping):
                continue
            kind = value.get("type")
            if not isinstance(kind, Scalar) or context.types.get("artifact_types", kind.text) is None:
                shown = kind.text if isinstance(kind, Scalar) else ""
                hint = missing_type(context, "artifact_types", shown)
                yield finding("TOSCA006", kind or key, f"the artifact type {quote(shown)} does not exist", hint)
                continue
            properties = value.get("properties")
            defined = context.types.properties("artifact_types", kind.text)
            given = properties if isinstance(properties, Mapping) else Mapping(key.file, key.line, key.column)
            partial = not isinstance(properties, Mapping)
            yield from context.values.properties(given, defined, f"the artifact {quote(name)}", key, partial)


def missing_artifact(context: Context) -> Iterator[Finding]:
    """An artifact's file is not in the package."""
    for topology, template in all_nodes(context):
        for _, _, value in template.section("artifacts").items():
            file = value.get("file") if isinstance(value, Mapping) else value
            if not isinstance(file, Scalar) or not file.text:
                continue
            if "://" in file.text:
                problem = context.package.policy.check_uri(file.text)
                if problem is not None:
                    yield finding("TOSCA020", file, f"the artifact {quote(file.text)} {problem}", INSIDE)
                continue
            if context.package.layout is Layout.BARE:
                continue
            if isinstance(value, Mapping) and (value.get("repository") or _is_container_image(value, template)):
                continue
            if artifact_path(topology.file.path, file.text, context.package.members) is None:
                message = f"the artifact {quote(file.text)} is not in the package"
                yield finding("TOSCA020", file, message)


def _is_container_image(artifact: Mapping, template: NodeTemplate) -> bool:
    properties = artifact.get("properties")
    kind = properties.get("container_format") if isinstance(properties, Mapping) else None
    docker = isinstance(kind, Scalar) and kind.text == "docker"
    return docker or template.type == "tosca.nodes.nfv.Vdu.OsContainer"


def outside_repository(context: Context) -> Iterator[Finding]:
    """A repository is a place outside the package."""
    if context.package.policy.allow_external:
        return
    for file in context.templates.files.values():
        repositories = file.root.get("repositories")
        if isinstance(repositories, Mapping):
            for name, key, _ in repositories.items():
                message = f"the repository {quote(name)} lies outside the package; nothing is ever fetched from it"
                yield finding("TOSCA031", key, message, INSIDE)


def missing_script(context: Context) -> Iterator[Finding]:
    """An operation's implementation is neither an artifact of its node nor a file of the package."""
    if context.package.layout is Layout.BARE:
        return
    for topology, template in all_nodes(context):
        artifacts = template.section("artifacts").entries
        for script in _implementations(template):
            if not script.text or script.text in artifacts:
                continue
            if artifact_path(topology.file.path, script.text, context.package.members) is None:
                message = f"the script {quote(script.text)} is no artifact of the node and not in the package"
                yield finding("TOSCA020", script, message, did_you_mean(script.text, artifacts))


def _implementations(template: NodeTemplate) -> Iterator[Scalar]:
    for _, _, interface in template.section("interfaces").items():
        if not isinstance(interface, Mapping):
            continue
        inner = interface.get("operations")
        operations = inner if isinstance(inner, Mapping) else interface
        for name, _, operation in operations.items():
            if name not in ("type", "description", "inputs", "notifications"):
                yield from _scripts(operation)


def _scripts(operation: Node) -> Iterator[Scalar]:
    given = operation.get("implementation") if isinstance(operation, Mapping) else operation
    primary = given.get("primary") if isinstance(given, Mapping) else given
    if isinstance(primary, Mapping):
        primary = primary.get("file")
    if isinstance(primary, Scalar) and primary.value is not None:
        yield primary


def script_not_run(context: Context) -> Iterator[Finding]:
    """A life-cycle script is in a language that nobody runs here."""
    for topology in context.topologies:
        own = context.self_node(topology)
        if own is None or context.kind is not Kind.VNFD or context.package.layout is Layout.BARE:
            continue
        for name, operation in script_operations(own):
            place, _ = implementation(operation)
            path = file_of(context, topology, own, place.text) if place is not None else None
            if place is not None and path is not None and not language_of(context, own, place.text, path):
                message = f"the script of {quote(name)} is neither of sh, bash nor Python 3; the operation is refused"
                hint = "Begin it with #!/bin/sh or #!/usr/bin/python3"
                yield finding("VNFD023", place, message, hint)


def unknown_script_network(context: Context) -> Iterator[Finding]:
    """The connection point whose network the scripts share does not exist."""
    for topology in context.topologies:
        own = context.self_node(topology)
        metadata = own.node.get("metadata") if own is not None else None
        place = metadata.get(NETWORK_KEY) if isinstance(metadata, Mapping) else None
        if context.kind is not Kind.VNFD or not isinstance(place, Scalar):
            continue
        known = [node.name for node in vdu_cp_nodes(topology)]
        if place.text not in known:
            message = f"{NETWORK_KEY} names {quote(place.text)}, which is no VduCp"
            yield finding("VNFD024", place, message, did_you_mean(place.text, known))


ARTIFACT_RULES = (
    wrong_artifact,
    missing_artifact,
    outside_repository,
    missing_script,
    script_not_run,
    unknown_script_network,
)
