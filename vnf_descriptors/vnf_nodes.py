"""Short names for the nodes that a VNF's topology consists of."""

from __future__ import annotations

from vnf_descriptors.topology import NodeTemplate, Topology
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

_NFV = "tosca.nodes.nfv."


def compute_nodes(topology: Topology) -> list[NodeTemplate]:
    """Virtual machines and their equals."""
    return topology.of_type(f"{_NFV}Vdu.Compute")


def container_units(topology: Topology) -> list[NodeTemplate]:
    """Groups of containers that are deployed together."""
    return topology.of_type(f"{_NFV}Vdu.OsContainerDeployableUnit")


def containers(topology: Topology) -> list[NodeTemplate]:
    """Single containers."""
    return topology.of_type(f"{_NFV}Vdu.OsContainer")


def vdu_nodes(topology: Topology) -> list[NodeTemplate]:
    """Everything that is instantiated as VNFCs."""
    return [*compute_nodes(topology), *container_units(topology)]


def vdu_cp_nodes(topology: Topology) -> list[NodeTemplate]:
    """Interfaces of VDUs, sub-ports included."""
    return topology.of_type(f"{_NFV}VduCp")


def sub_cp_nodes(topology: Topology) -> list[NodeTemplate]:
    """Sub-ports of trunks."""
    return topology.of_type(f"{_NFV}VduSubCp")


def ext_cp_nodes(topology: Topology) -> list[NodeTemplate]:
    """External connection points with a node of their own."""
    return topology.of_type(f"{_NFV}VnfExtCp")


def virtual_links(topology: Topology) -> list[NodeTemplate]:
    """Virtual links inside the VNF."""
    return topology.of_type(f"{_NFV}VnfVirtualLink")


def storages(topology: Topology) -> list[NodeTemplate]:
    """Storage nodes of every kind."""
    return topology.of_type(
        f"{_NFV}Vdu.VirtualBlockStorage",
        f"{_NFV}Vdu.VirtualObjectStorage",
        f"{_NFV}Vdu.VirtualFileStorage",
        f"{_NFV}Vdu.VirtualStorage",
    )


def is_unspecified(topology: Topology, node: NodeTemplate) -> bool:
    """True for a Vdu.Compute that says neither what it needs, nor what it boots, nor where it is attached.

    Packages for container platforms use such nodes for what their own manifests describe.
    """
    if not topology.types.is_a("node_types", node.type, f"{_NFV}Vdu.Compute"):
        return False
    if node.section("capabilities").entries or node.section("artifacts").entries:
        return False
    if node.section("properties").get("sw_image_data") is not None:
        return False
    bound = topology.remember("bound", lambda: {cp.target("virtual_binding") for cp in vdu_cp_nodes(topology)})
    return node.name not in bound


def exposed(topology: Topology) -> dict[str, str]:
    """Node -> requirement of the VNF, for every node whose link the substitution mapping opens to the outside."""
    mapping = topology.substitution
    return {entry.node.text: entry.name for entry in mapping.requirements if entry.node} if mapping else {}


# Scalars --------------------------------------------------------------------------------------------------


def text_of(node: Node | None) -> str | None:
    """A scalar as it was written, or None."""
    return node.text if isinstance(node, Scalar) and node.value is not None else None


def integer_of(node: Node | None) -> int | None:
    """A scalar that is an integer, also one in quotes, or None."""
    if not isinstance(node, Scalar) or isinstance(node.value, bool):
        return None
    if isinstance(node.value, int):
        return node.value
    text = node.text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def boolean_of(node: Node | None, default: bool = False) -> bool:
    """A scalar that is a boolean, also one in quotes; the default otherwise."""
    if not isinstance(node, Scalar):
        return default
    if isinstance(node.value, bool):
        return node.value
    return {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
        node.text.lower(), default
    )


def texts_of(node: Node | None) -> tuple[str, ...]:
    """The scalars of a list as they were written."""
    return tuple(item.text for item in node.items if isinstance(item, Scalar)) if isinstance(node, Sequence) else ()


def maps_of(node: Node | None) -> list[Mapping]:
    """The maps of a list."""
    return [item for item in node.items if isinstance(item, Mapping)] if isinstance(node, Sequence) else []


def child(node: Node | None, *path: str) -> Node | None:
    """The node below a path of keys, or None."""
    for step in path:
        node = node.get(step) if isinstance(node, Mapping) else None
    return node
