"""Faults of what VDUs and interfaces ask for. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context, Kind
from vnf_descriptors.report import Finding
from vnf_descriptors.vdus import interface_of, vdu_of
from vnf_descriptors.vnf_nodes import compute_nodes, is_unspecified, vdu_cp_nodes


def wrong_vdu_requirement(context: Context) -> Iterator[Finding]:
    """A VDU asks for something unknown, contradictory or impossible."""
    if context.kind is not Kind.VNFD:
        return
    for topology in context.flavours:
        for template in compute_nodes(topology):
            if is_unspecified(topology, template):
                continue
            yield from vdu_of(topology, template).findings


def wrong_interface_requirement(context: Context) -> Iterator[Finding]:
    """An interface asks for something unknown or contradictory."""
    if context.kind is not Kind.VNFD:
        return
    for topology in context.flavours:
        for template in vdu_cp_nodes(topology):
            yield from interface_of(topology, template).findings


REQUIREMENT_RULES = (wrong_vdu_requirement, wrong_interface_requirement)
