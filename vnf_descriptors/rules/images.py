"""Faults of software images. Each function finds one fault."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context
from vnf_descriptors.guard import MemberError
from vnf_descriptors.integrity import digest
from vnf_descriptors.read_images import image_artifacts
from vnf_descriptors.report import Finding, Severity, finding, quote
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, compute_nodes, is_unspecified, storages, text_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar

_DIGITS = {"sha-224": 56, "sha-256": 64, "sha-384": 96, "sha-512": 128}


def _bootable(context: Context) -> Iterator[tuple[Topology, NodeTemplate]]:
    for topology in context.flavours:
        for node in (*compute_nodes(topology), *storages(topology)):
            yield topology, node


def _images(context: Context) -> Iterator[tuple[Topology, NodeTemplate, Mapping, Node | None]]:
    """Every image artifact with the data that describe it: its own properties, or sw_image_data."""
    for topology, node in _bootable(context):
        for _, _, artifact in image_artifacts(context, node):
            own = artifact.get("properties")
            data = own if isinstance(own, Mapping) and own.entries else topology.property_of(node, "sw_image_data")
            yield topology, node, artifact, data


def no_image(context: Context) -> Iterator[Finding]:
    """A VDU has nothing to boot from."""
    for topology in context.flavours:
        described = {node.name for _, node in _bootable(context) if topology.property_of(node, "sw_image_data")}
        bootable = {node.name for node in storages(topology) if image_artifacts(context, node)}
        for node in compute_nodes(topology):
            attached = {use.target.text for use in node.uses("virtual_storage") if use.target}
            if is_unspecified(topology, node):
                continue
            if not image_artifacts(context, node) and not (attached | {node.name}) & (bootable | described):
                message = f"the VDU {quote(node.name)} has no artifact of type tosca.artifacts.nfv.SwImage"
                yield finding("VNFD010", node.key, message, severity=Severity.WARNING)


def image_data_without_artifact(context: Context) -> Iterator[Finding]:
    """sw_image_data describe an image, but no artifact names its file."""
    for topology, node in _bootable(context):
        data = topology.property_of(node, "sw_image_data")
        if isinstance(data, Mapping) and not image_artifacts(context, node):
            message = f"{quote(node.name)} has sw_image_data, but no image artifact"
            yield finding("VNFD010", data, message, severity=Severity.WARNING)


def image_without_data(context: Context) -> Iterator[Finding]:
    """An image artifact is described nowhere: neither by its properties nor by sw_image_data."""
    for topology, node, artifact, data in _images(context):
        if not isinstance(data, Mapping):
            older = bool(context.types.properties("artifact_types", "tosca.artifacts.nfv.SwImage")) is False
            wanted = "the property sw_image_data" if older else "properties"
            message = f"the image of {quote(node.name)} has no {wanted}"
            yield finding("VNFD010", artifact, message, severity=Severity.WARNING if older else None)
        elif topology.file.path and data.get("checksum") is None and _holds(context, topology, artifact):
            message = f"the image of {quote(node.name)} has no checksum"
            yield finding("VNFD010", data, message, severity=Severity.WARNING)


def _holds(context: Context, topology: Topology, artifact: Mapping) -> bool:
    return _path(context, topology, artifact) is not None


def _path(context: Context, topology: Topology, artifact: Mapping) -> str | None:
    file = text_of(artifact.get("file"))
    return artifact_path(topology.file.path, file, context.package.members) if file else None


def wrong_checksum(context: Context) -> Iterator[Finding]:
    """An image's checksum is not well-formed, or not that of the file in the package."""
    known: dict[tuple[str, str], str] = {}
    for topology, node, artifact, data in _images(context):
        checksum = topology.follow(data, ("checksum",), node)
        place, algorithm, value = _checksum(checksum)
        if place is None or algorithm is None:
            continue
        if algorithm not in _DIGITS:
            continue
        if not re.fullmatch(rf"[0-9a-fA-F]{{{_DIGITS[algorithm]}}}", value):
            yield finding("VNFD011", place, f"a {algorithm} checksum has {_DIGITS[algorithm]} hexadecimal digits")
            continue
        path = _path(context, topology, artifact)
        if path is None:
            continue
        try:
            if (path, algorithm) not in known:
                known[path, algorithm] = digest(context.package.members.chunks(path), algorithm)
        except MemberError as error:
            yield finding("ZIP008", place, str(error))
            continue
        if known[path, algorithm] != value.lower():
            yield finding("VNFD011", place, f"the {algorithm} checksum of {quote(path)} is {known[path, algorithm]}")


def _checksum(node: Node | None) -> tuple[Node | None, str | None, str]:
    if isinstance(node, Scalar):
        algorithm = next((name for name, digits in _DIGITS.items() if len(node.text) == digits), None)
        return node, algorithm, node.text
    place = child(node, "hash")
    return place, text_of(child(node, "algorithm")), text_of(place) or ""


def wrong_size(context: Context) -> Iterator[Finding]:
    """An image in the package is larger than its property size says."""
    for topology, node, artifact, data in _images(context):
        size = topology.follow(data, ("size",), node)
        path = _path(context, topology, artifact)
        text = text_of(size)
        if path is None or text is None or size is None:
            continue
        try:
            declared = units.size_bytes(text)
        except ValueError:
            continue
        actual = context.package.members.size(path)
        if actual > declared:
            message = f"the image {quote(path)} has {actual} octets, but size says {declared}"
            yield finding("VNFD012", size, message)


IMAGE_RULES = (no_image, image_data_without_artifact, image_without_data, wrong_checksum, wrong_size)
