"""The rules that a descriptor is judged by: one named function for each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from vnf_descriptors.context import Context, Kind
from vnf_descriptors.report import Finding

Rule = Callable[[Context], Iterator[Finding]]


def template_rules() -> tuple[Rule, ...]:
    """The rules for every TOSCA descriptor."""
    from vnf_descriptors.rules.artifacts import ARTIFACT_RULES
    from vnf_descriptors.rules.groups import GROUP_RULES
    from vnf_descriptors.rules.nodes import NODE_RULES
    from vnf_descriptors.rules.types import TYPE_RULES

    return (*TYPE_RULES, *NODE_RULES, *ARTIFACT_RULES, *GROUP_RULES)


def rules_for(kind: Kind | None) -> tuple[Rule, ...]:
    """The rules for one kind of descriptor."""
    from vnf_descriptors.rules.forwarding import FORWARDING_RULES
    from vnf_descriptors.rules.images import IMAGE_RULES
    from vnf_descriptors.rules.links import LINK_RULES
    from vnf_descriptors.rules.manifest import MANIFEST_RULES
    from vnf_descriptors.rules.nsd import NSD_RULES
    from vnf_descriptors.rules.requirements import REQUIREMENT_RULES
    from vnf_descriptors.rules.scaling import SCALING_RULES
    from vnf_descriptors.rules.triggers import TRIGGER_RULES
    from vnf_descriptors.rules.vnfd import SHARED_RULES, VNFD_RULES

    shared = (*SHARED_RULES, *MANIFEST_RULES, *TRIGGER_RULES)
    if kind is Kind.VNFD:
        return (*shared, *VNFD_RULES, *SCALING_RULES, *IMAGE_RULES, *LINK_RULES, *REQUIREMENT_RULES)
    if kind is Kind.NSD:
        return (*shared, *NSD_RULES, *FORWARDING_RULES, *LINK_RULES)
    return shared
