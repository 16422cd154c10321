"""What others are asked for around a VNF's operations: policies LcmCoordinationAction and their assignment."""

from __future__ import annotations

import json
from collections.abc import Iterator

from vnf_descriptors.model import CoordinationAction
from vnf_descriptors.topology import Group, Topology
from vnf_descriptors.vnf_nodes import child, text_of, texts_of
from vnf_descriptors.yamltree import Node, to_plain

_POLICY = "tosca.policies.nfv."


def coordination_actions(topology: Topology) -> Iterator[CoordinationAction]:
    """The actions that some operation asks for; what is defined and not assigned is not told."""
    operations: dict[str, list[str]] = {}
    for policy in topology.policies_of(f"{_POLICY}LcmCoordinationsForLcmOperation"):
        operation = text_of(_fact(topology, policy, "vnf_lcm_operation")) or ""
        for name in texts_of(_fact(topology, policy, "actions")):
            operations.setdefault(name, []).append(operation)
    for policy in topology.policies_of(f"{_POLICY}LcmCoordinationAction"):
        name = text_of(_fact(topology, policy, "action_name")) or policy.name
        action = _fact(topology, policy, "action")
        if name in operations:
            inputs = to_plain(child(action, "input_parameters"))
            yield CoordinationAction(
                name,
                tuple(operations[name]),
                text_of(child(action, "endpoint_type")) or "",
                text_of(child(action, "coordination_stage")) or "",
                json.dumps(inputs if isinstance(inputs, dict) else {}, sort_keys=True, default=str),
            )


def _fact(topology: Topology, policy: Group, name: str) -> Node | None:
    return topology.follow(policy.properties.get(name))
