"""The software images of VDUs and storages (SOL001 clause 6.5)."""

from __future__ import annotations

from vnf_descriptors import units
from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context
from vnf_descriptors.model import Checksum, SwImage
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, text_of, texts_of
from vnf_descriptors.yamltree import Mapping, Node, Scalar


def image_artifacts(context: Context, node: NodeTemplate) -> list[tuple[str, Scalar, Mapping]]:
    """The artifacts of a node that are software images: name, where it stands, definition."""
    return [
        (name, key, value)
        for name, key, value in node.section("artifacts").items()
        if isinstance(value, Mapping)
        and context.types.is_a("artifact_types", text_of(value.get("type")) or "", "tosca.artifacts.nfv.SwImage")
    ]


def sw_image(context: Context, topology: Topology, node: NodeTemplate) -> SwImage | None:
    """The software image of a VDU or storage: from its artifact, and in older editions from sw_image_data."""
    artifacts = image_artifacts(context, node)
    older = topology.property_of(node, "sw_image_data")
    if not artifacts and not isinstance(older, Mapping):
        return None
    return image_of(context, topology, node, artifacts[0][2] if artifacts else None)


def image_of(context: Context, topology: Topology, node: NodeTemplate, artifact: Mapping | None) -> SwImage:
    """One image: from its artifact, or from the property sw_image_data of its node."""
    older = topology.property_of(node, "sw_image_data")
    given = artifact.get("properties") if artifact else None
    data = given if isinstance(given, Mapping) and given.entries else older
    file = text_of(artifact.get("file")) if artifact else None
    path = artifact_path(topology.file.path, file, context.package.members) if file else None
    checksum = topology.follow(data, ("checksum",), node)

    def fact(name: str) -> Node | None:
        return topology.follow(data, (name,), node)

    return SwImage(
        id=node.name,
        name=text_of(fact("name")) or node.name,
        version=text_of(fact("version")) or "",
        path=path,
        uri=file if path is None else None,
        provider=text_of(fact("provider")),
        checksum=_checksum(checksum),
        container_format=text_of(fact("container_format")),
        disk_format=text_of(fact("disk_format")),
        size_bytes=size_of(units.size_bytes, fact("size")),
        min_disk_bytes=size_of(units.size_bytes, fact("min_disk")),
        min_ram_bytes=size_of(units.size_bytes, fact("min_ram")),
        operating_system=text_of(fact("operating_system")),
        supported_virtualisation_environments=texts_of(fact("supported_virtualisation_environments")),
    )


def _checksum(node: Node | None) -> Checksum | None:
    algorithm, value = text_of(child(node, "algorithm")), text_of(child(node, "hash"))
    if isinstance(node, Scalar):
        # Edition 2.5.1 has the bare digest; its length tells the algorithm.
        lengths = {56: "sha-224", 64: "sha-256", 96: "sha-384", 128: "sha-512"}
        algorithm, value = lengths.get(len(node.text)), node.text
    return Checksum(algorithm, value.lower()) if algorithm and value else None


def size_of(convert: object, node: Node | None) -> int | None:
    """What a conversion of `units` makes of a scalar; None when there is none or it does not fit."""
    text = text_of(node)
    if text is None or not callable(convert):
        return None
    try:
        return int(convert(text))
    except ValueError:
        return None
