"""Containers and the packages that a container platform runs them from (SOL001 clause 6.8)."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors import units
from vnf_descriptors.builder import artifact_path
from vnf_descriptors.context import Context
from vnf_descriptors.model import FrozenMap, Mciop, OsContainer
from vnf_descriptors.read_images import image_artifacts, image_of, size_of
from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, maps_of, text_of
from vnf_descriptors.yamltree import Mapping

_PINNING = "cpu_pinning_requirements"
_MCIOP = "tosca.nodes.nfv.Mciop"


def containers_of(context: Context, topology: Topology, unit: NodeTemplate) -> Iterator[OsContainer]:
    """The containers of a deployable unit, in the order of its requirements."""
    for use in unit.uses("container"):
        node = topology.nodes.get(use.target.text) if use.target else None
        if node is not None:
            yield _container(context, topology, node)


def _container(context: Context, topology: Topology, node: NodeTemplate) -> OsContainer:
    def count(name: str) -> int | None:
        return integer_of(topology.property_of(node, name))

    def size(convert: object, name: str) -> int | None:
        return size_of(convert, topology.property_of(node, name))

    return OsContainer(
        id=node.name,
        name=text_of(topology.property_of(node, "name")) or node.name,
        description=text_of(topology.property_of(node, "description")) or "",
        cpu_milli=count("requested_cpu_resources"),
        cpu_limit_milli=count("cpu_resource_limit"),
        memory_mib=size(units.size_mib, "requested_memory_resources"),
        memory_limit_mib=size(units.size_mib, "memory_resource_limit"),
        ephemeral_storage_gib=size(units.size_gib, "requested_ephemeral_storage_resources"),
        ephemeral_storage_limit_gib=size(units.size_gib, "ephemeral_storage_resource_limit"),
        huge_pages_mib=_huge_pages(topology, node),
        extended_resources=_extended(topology, node),
        pinned=text_of(topology.property_of(node, "cpu_pinning_requirements", "virtual_cpu_pinning_policy"))
        == "static",
        sw_images=tuple(
            image_of(context, topology, node, artifact) for _, _, artifact in image_artifacts(context, node)
        ),
    )


def _huge_pages(topology: Topology, node: NodeTemplate) -> FrozenMap[str, int]:
    pages: dict[str, int] = {}
    for entry in maps_of(topology.property_of(node, "huge_pages_resources")):
        page = size_of(units.size_kib, entry.get("hugepage_size"))
        if page is not None:
            pages[str(page)] = pages.get(str(page), 0) + (size_of(units.size_mib, entry.get("requested_size")) or 0)
    return FrozenMap(pages)


def _extended(topology: Topology, node: NodeTemplate) -> FrozenMap[str, int]:
    amounts: dict[str, int] = {}
    for entry in maps_of(topology.property_of(node, "extended_resource_requests")):
        resource = entry.get("extended_resource")
        for name in resource.entries if isinstance(resource, Mapping) else ():
            amounts[name] = amounts.get(name, 0) + (integer_of(entry.get("amount")) or 0)
    return FrozenMap(amounts)


def mciops(context: Context, topology: Topology) -> Iterator[Mciop]:
    """The packages for container platforms."""
    for node in topology.of_type(_MCIOP):
        units_of = tuple(use.target.text for use in node.uses("associatedVdu") if use.target)
        files = [
            text_of(child(value, "file")) or "" if isinstance(value, Mapping) else text_of(value) or ""
            for _, _, value in node.section("artifacts").items()
        ]
        paths = [artifact_path(topology.file.path, file, context.package.members) or file for file in files if file]
        yield Mciop(node.name, units_of, tuple(paths))
