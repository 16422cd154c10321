"""From the elements of a forwarding path to the connection points that they mean."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import NS, PNF, VNF, Context
from vnf_descriptors.model import ConstituentKind, NfpConnectionPoint, VnfConnection
from vnf_descriptors.topology import NodeTemplate, RequirementUse, Topology

_SAP = "tosca.nodes.nfv.Sap"
_VIRTUAL_LINK = "tosca.nodes.nfv.NsVirtualLink"
_FORWARDING = "tosca.nodes.nfv.Forwarding"
_KINDS = ((VNF, ConstituentKind.VNF), (PNF, ConstituentKind.PNF), (NS, ConstituentKind.NS))


def constituent_kind(context: Context, node: NodeTemplate) -> ConstituentKind | None:
    """What a node is as a constituent of the NS; None for links, paths and other nodes."""
    for name, kind in _KINDS:
        if context.types.is_a("node_types", node.type, name):
            return kind
    return None


def connections(topology: Topology, node: NodeTemplate) -> Iterator[VnfConnection]:
    """The virtual links that a constituent's requirements lead to, directly or through a Forwarding node."""
    for use in node.requirements:
        link = link_behind(topology, use.target.text) if use.target else None
        if link is not None:
            yield VnfConnection(use.name, link)


def link_behind(topology: Topology, name: str) -> str | None:
    """The NsVirtualLink with this name, or the one that the Forwarding node with this name is attached to."""
    for _ in range(2):
        node = topology.nodes.get(name)
        if node is None:
            return None
        if topology.types.is_a("node_types", node.type, _VIRTUAL_LINK):
            return node.name
        name = node.target("virtual_link") or ""
    return None


def resolve_element(
    context: Context, topology: Topology, element: NodeTemplate
) -> Iterator[tuple[RequirementUse, NfpConnectionPoint | None]]:
    """Each profile_element of an element, with the connection point that it means (None when it means none)."""
    for use in element.uses("profile_element"):
        target = topology.nodes.get(use.target.text) if use.target else None
        yield use, _resolve(context, topology, use, target) if target else None


def _resolve(
    context: Context, topology: Topology, use: RequirementUse, target: NodeTemplate
) -> NfpConnectionPoint | None:
    if context.types.is_a("node_types", target.type, _SAP):
        link = link_behind(topology, target.target("internal_virtual_link") or "")
        return NfpConnectionPoint(ConstituentKind.SAP, target.name, target.name, link)
    if context.types.is_a("node_types", target.type, _FORWARDING):
        return _through_forwarding(context, topology, target)
    kind = constituent_kind(context, target)
    return _by_capability(context, topology, use, target, kind) if kind is not None else None


def _through_forwarding(context: Context, topology: Topology, forwarding: NodeTemplate) -> NfpConnectionPoint | None:
    """The constituent whose requirement is attached to a Forwarding node."""
    for node in topology.nodes.values():
        kind = constituent_kind(context, node)
        for use in node.requirements if kind is not None else ():
            if kind is not None and use.target is not None and use.target.text == forwarding.name:
                return NfpConnectionPoint(kind, node.name, use.name, link_behind(topology, forwarding.name))
    return None


def _by_capability(
    context: Context, topology: Topology, use: RequirementUse, target: NodeTemplate, kind: ConstituentKind
) -> NfpConnectionPoint:
    """A forwarding capability of a constituent stands for the connection point that is named like it.

    `forwarding_in`, `fwd_in` and `virtual_link_in`, or `in` and `in`, belong together. Where the type has no
    requirement of that name and only one connection point is attached, it is that one.
    """
    attached = {each.requirement: each.virtual_link_id for each in connections(topology, target)}
    capability = use.capability.text if use.capability else ""
    wanted = _stem(capability)
    for requirement in (*attached, *context.types.requirements(target.type)):
        if requirement == capability or (wanted and _stem(requirement) == wanted):
            return NfpConnectionPoint(kind, target.name, requirement, attached.get(requirement))
    if len(attached) == 1:
        requirement, link = next(iter(attached.items()))
        return NfpConnectionPoint(kind, target.name, requirement, link)
    return NfpConnectionPoint(kind, target.name, capability or "forwarding", None)


def _stem(name: str) -> str:
    for prefix in ("forwarding", "fwd", "virtual_linkable", "virtual_link"):
        if name.startswith(prefix):
            return name.removeprefix(prefix).strip("_")
    return name
