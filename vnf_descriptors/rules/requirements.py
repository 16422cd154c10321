"""Faults of what VDUs and interfaces ask for. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context, Kind
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.topology import Topology, function_call
from vnf_descriptors.vdus import interface_of, vdu_of
from vnf_descriptors.vnf_nodes import child, compute_nodes, is_unspecified, vdu_cp_nodes
from vnf_descriptors.yamltree import Node, Scalar


def wrong_vdu_requirement(context: Context) -> Iterator[Finding]:
    """A VDU asks for something unknown, contradictory or impossible."""
    if context.kind is not Kind.VNFD:
        return
    for topology in context.flavours:
        for template in compute_nodes(topology):
            if is_unspecified(topology, template):
                continue
            yield from vdu_of(topology, template).findings


def demand_left_open(context: Context) -> Iterator[Finding]:
    """What a VDU needs depends on an input without a default, so that nobody can find a place for it."""
    if context.kind is not Kind.VNFD:
        return
    for topology in context.flavours:
        for template in compute_nodes(topology):
            for owner, name in (("virtual_cpu", "num_virtual_cpu"), ("virtual_memory", "virtual_mem_size")):
                value = child(topology.capability_property(template, "virtual_compute", owner), name)
                if value is not None and _is_left_open(topology, value):
                    message = f"{quote(name)} of {quote(template.name)} is not known before somebody gives an input"
                    yield finding("TOSCA019", value, message, "Give the input a default")


def _is_left_open(topology: Topology, value: Node) -> bool:
    """True for a function without a result, but for one that names an unknown input, which is a fault of its own."""
    call = function_call(value)
    if call is None:
        return False
    name, argument = call
    return name != "get_input" or not isinstance(argument, Scalar) or argument.text in topology.inputs


def wrong_interface_requirement(context: Context) -> Iterator[Finding]:
    """An interface asks for something unknown or contradictory."""
    if context.kind is not Kind.VNFD:
        return
    for topology in context.flavours:
        for template in vdu_cp_nodes(topology):
            yield from interface_of(topology, template).findings


REQUIREMENT_RULES = (wrong_vdu_requirement, demand_left_open, wrong_interface_requirement)
