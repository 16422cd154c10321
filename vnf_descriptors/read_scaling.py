"""Numbers of instances, scaling aspects, instantiation levels and affinity rules (SOL001 clause 6.10)."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.model import AffinityKind, AffinityRule, FrozenMap, InstantiationLevel, ScalingAspect
from vnf_descriptors.read_facts import link_bitrates, link_deltas
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, text_of, texts_of, vdu_nodes
from vnf_descriptors.yamltree import Mapping, Node

_POLICY = "tosca.policies.nfv."


def instance_limits(topology: Topology, node: NodeTemplate) -> tuple[int, int]:
    """The least and the most instances of a VDU; 1 where the descriptor says nothing."""
    low = integer_of(topology.property_of(node, "vdu_profile", "min_number_of_instances"))
    high = integer_of(topology.property_of(node, "vdu_profile", "max_number_of_instances"))
    return 1 if low is None else low, 1 if high is None else high


def initial_instances(topology: Topology, vdu: str, default: int) -> int:
    """Instances of a VDU before any scaling step."""
    for policy in topology.policies_of(f"{_POLICY}VduInitialDelta"):
        if vdu in [member.text for member in policy.members]:
            count = integer_of(topology.follow(policy.properties.get("initial_delta"), ("number_of_instances",)))
            if count is not None:
                return count
    return default


def affinity_rules(topology: Topology, together: str, apart: str) -> Iterator[AffinityRule]:
    """The affinity rules of a topology; a placement group stands for its members."""
    for policy in topology.policies_of(together, apart):
        kind = AffinityKind.AFFINITY if policy in topology.policies_of(together) else AffinityKind.ANTI_AFFINITY
        scope = text_of(topology.follow(policy.properties.get("scope"))) or "nfvi_node"
        direct = tuple(member.text for member in policy.members if member.text not in topology.groups)
        groups = [topology.groups[member.text] for member in policy.members if member.text in topology.groups]
        for target in direct:
            name = policy.name if len(direct) + len(groups) == 1 else f"{policy.name}:{target}"
            yield AffinityRule(name, kind, scope, (target,))
        for group in groups:
            name = policy.name if len(direct) + len(groups) == 1 else f"{policy.name}:{group.name}"
            yield AffinityRule(name, kind, scope, tuple(member.text for member in group.members))


def scaling_aspects(topology: Topology) -> Iterator[ScalingAspect]:
    """The scaling aspects of a topology."""
    deltas: dict[str, dict[str, FrozenMap[str, int]]] = {}
    for policy in topology.policies_of(f"{_POLICY}VduScalingAspectDeltas"):
        aspect = text_of(topology.follow(policy.properties.get("aspect"))) or ""
        for member in policy.members:
            deltas.setdefault(aspect, {})[member.text] = _counts(topology, policy.properties.get("deltas"))
    for policy in topology.policies_of(f"{_POLICY}ScalingAspects"):
        aspects = topology.follow(policy.properties.get("aspects"))
        for name, _, node in aspects.items() if isinstance(aspects, Mapping) else ():
            mine = deltas.get(name, {})
            steps = texts_of(child(node, "step_deltas")) or _only_delta(mine)
            yield ScalingAspect(
                id=name,
                name=text_of(child(node, "name")) or name,
                description=text_of(child(node, "description")) or "",
                max_scale_level=integer_of(child(node, "max_scale_level")) or 0,
                step_deltas=steps,
                vdu_deltas=FrozenMap(mine),
                link_deltas=link_deltas(topology, name),
            )


def _only_delta(deltas: dict[str, FrozenMap[str, int]]) -> tuple[str, ...]:
    """Without step_deltas every step adds the one delta that there is."""
    names = {name for each in deltas.values() for name in each}
    return tuple(names) if len(names) == 1 else ()


def _counts(topology: Topology, node: Node | None) -> FrozenMap[str, int]:
    found = topology.follow(node)
    if not isinstance(found, Mapping):
        return FrozenMap()
    return FrozenMap(
        {name: integer_of(topology.follow(value, ("number_of_instances",))) or 0 for name, _, value in found.items()}
    )


def level_policies(topology: Topology) -> list[Group]:
    """The policies that define instantiation levels."""
    return topology.policies_of(f"{_POLICY}InstantiationLevels")


def instantiation_levels(topology: Topology) -> Iterator[InstantiationLevel]:
    """The instantiation levels of a topology, with the instances of every VDU."""
    counts: dict[str, dict[str, int]] = {}
    for policy in topology.policies_of(f"{_POLICY}VduInstantiationLevels"):
        for level, count in _counts(topology, policy.properties.get("levels")).items():
            for member in policy.members:
                counts.setdefault(level, {})[member.text] = count
    aspects = {aspect.id: aspect for aspect in scaling_aspects(topology)}
    for policy in level_policies(topology):
        levels = topology.follow(policy.properties.get("levels"))
        for name, _, node in levels.items() if isinstance(levels, Mapping) else ():
            info = child(node, "scale_info")
            scales = {
                aspect: integer_of(child(entry, "scale_level")) or 0
                for aspect, _, entry in (info.items() if isinstance(info, Mapping) else ())
            }
            given = counts.get(name, {})
            instances = {
                vdu.name: given[vdu.name] if vdu.name in given else _by_scale(topology, vdu, scales, aspects)
                for vdu in vdu_nodes(topology)
            }
            description = text_of(child(node, "description")) or ""
            rates = link_bitrates(topology, name)
            yield InstantiationLevel(name, description, FrozenMap(scales), FrozenMap(instances), rates)


def _by_scale(topology: Topology, vdu: NodeTemplate, scales: dict[str, int], aspects: dict[str, ScalingAspect]) -> int:
    initial = initial_instances(topology, vdu.name, instance_limits(topology, vdu)[0])
    return initial + sum(
        aspects[name].instances_added(vdu.name, level)
        for name, level in scales.items()
        if name in aspects and level <= aspects[name].max_scale_level
    )
