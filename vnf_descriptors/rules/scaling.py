"""Faults of numbers of instances, scaling aspects and levels. Each function finds one fault."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.report import Finding, Place, Severity, finding, quote
from vnf_descriptors.suggest import closest, did_you_mean
from vnf_descriptors.topology import Group, NodeTemplate, Topology
from vnf_descriptors.vnf_nodes import child, integer_of, text_of, texts_of, vdu_nodes
from vnf_descriptors.yamltree import Mapping, Node, Scalar, Sequence

#: Most misspelt aspects whose meaning is guessed.
MAX_GUESSES = 20
_POLICY = "tosca.policies.nfv."
#: More instances of one VDU than this are a mistake or an attack.
MAX_INSTANCES = 100_000
#: Most scale levels of one aspect that are looked at.
MAX_LEVELS = 10_000


def _limits(topology: Topology, node: NodeTemplate) -> tuple[int | None, int | None]:
    low = integer_of(topology.property_of(node, "vdu_profile", "min_number_of_instances"))
    high = integer_of(topology.property_of(node, "vdu_profile", "max_number_of_instances"))
    return low, high


def _outside(topology: Topology, vdu: str, count: int) -> str:
    node = topology.nodes.get(vdu)
    if node is None:
        return ""
    low, high = _limits(topology, node)
    if low is not None and high is not None and low > high:
        return ""  # no number would do; the limits are the fault
    if low is not None and count < low:
        return f"{count} instances of {quote(vdu)} are fewer than its minimum of {low}"
    if high is not None and count > high:
        return f"{count} instances of {quote(vdu)} are more than its maximum of {high}"
    return ""


def contradictory_profile(context: Context) -> Iterator[Finding]:
    """A VDU's minimum number of instances is greater than its maximum."""
    for topology in context.flavours:
        for node in vdu_nodes(topology):
            low, high = _limits(topology, node)
            place = topology.property_of(node, "vdu_profile", "min_number_of_instances")
            if low is not None and high is not None and low > high and place is not None:
                message = f"the minimum of {low} instances of {quote(node.name)} is above the maximum of {high}"
                yield finding("VNFD015", place, message)


def too_many_instances(context: Context) -> Iterator[Finding]:
    """A VDU may have more instances than any site could run."""
    for topology in context.flavours:
        for node in vdu_nodes(topology):
            _, high = _limits(topology, node)
            place = topology.property_of(node, "vdu_profile", "max_number_of_instances")
            if high is not None and high > MAX_INSTANCES and place is not None:
                message = f"{high} instances of {quote(node.name)} are more than the limit of {MAX_INSTANCES}"
                yield finding("VNFD006", place, message)


def initial_delta_out_of_limits(context: Context) -> Iterator[Finding]:
    """A VduInitialDelta gives a VDU fewer or more instances than its profile permits."""
    for topology in context.flavours:
        for policy in topology.policies_of(f"{_POLICY}VduInitialDelta"):
            place, count = _initial(topology, policy)
            for member in policy.members:
                problem = _outside(topology, member.text, count) if count is not None else ""
                if problem:
                    yield finding("VNFD006", place or policy.key, problem)


def _initial(topology: Topology, policy: Group) -> tuple[Node | None, int | None]:
    place = topology.follow(policy.properties.get("initial_delta"), ("number_of_instances",))
    return place, integer_of(place)


def repeated_policy(context: Context) -> Iterator[Finding]:
    """Two policies set the same fact."""
    for topology in context.flavours:
        for kind in ("ScalingAspects", "InstantiationLevels"):
            for policy in topology.policies_of(f"{_POLICY}{kind}")[1:]:
                yield finding("VNFD020", policy.key, f"there is a second {kind}, {quote(policy.name)}")
        for kind in ("VduInitialDelta", "VduInstantiationLevels"):
            yield from _repeated(topology.policies_of(f"{_POLICY}{kind}"), kind)


def _repeated(policies: list[Group], kind: str) -> Iterator[Finding]:
    seen: dict[str, Group] = {}
    for policy in policies:
        for member in policy.members:
            first = seen.setdefault(member.text, policy)
            if first is not policy:
                yield finding("VNFD020", member, f"{quote(member.text)} has a second {kind}, after {quote(first.name)}")


def unknown_aspect(context: Context) -> Iterator[Finding]:
    """A policy or level names a scaling aspect that does not exist."""
    for topology in context.flavours:
        aspects = dict(_aspects(topology))
        kinds = ("VduScalingAspectDeltas", "VirtualLinkBitrateScalingAspectDeltas", "VipCpScalingAspectDeltas")
        for policy in topology.policies_of(*(f"{_POLICY}{kind}" for kind in kinds)):
            name = topology.follow(policy.properties.get("aspect"))
            if isinstance(name, Scalar) and name.text not in aspects:
                hint = did_you_mean(name.text, aspects)
                yield finding("VNFD007", name, f"there is no scaling aspect {quote(name.text)}", hint)
        for _, key, _ in _scale_infos(topology):
            if key.text not in aspects:
                hint = did_you_mean(key.text, aspects)
                yield finding("VNFD007", key, f"there is no scaling aspect {quote(key.text)}", hint)


def _aspects(topology: Topology) -> Iterator[tuple[str, Mapping]]:
    for policy in topology.policies_of(f"{_POLICY}ScalingAspects"):
        found = topology.follow(policy.properties.get("aspects"))
        for name, _, node in found.items() if isinstance(found, Mapping) else ():
            if isinstance(node, Mapping):
                yield name, node


def _scale_infos(topology: Topology) -> Iterator[tuple[str, Scalar, Node]]:
    """Level, aspect and entry of every scale_info."""
    for level, node in _levels(topology):
        info = node.get("scale_info")
        for _, key, entry in info.items() if isinstance(info, Mapping) else ():
            yield level, key, entry


def _levels(topology: Topology) -> Iterator[tuple[str, Mapping]]:
    for policy in topology.policies_of(f"{_POLICY}InstantiationLevels"):
        found = topology.follow(policy.properties.get("levels"))
        for name, _, node in found.items() if isinstance(found, Mapping) else ():
            if isinstance(node, Mapping):
                yield name, node


def unknown_delta(context: Context) -> Iterator[Finding]:
    """A scaling step names a delta that no policy defines."""
    for topology in context.flavours:
        for aspect, node in _aspects(topology):
            deltas = _delta_names(topology, aspect)
            steps = node.get("step_deltas")
            for step in steps.items if isinstance(steps, Sequence) else ():
                if isinstance(step, Scalar) and step.text not in deltas:
                    message = f"no policy defines the delta {quote(step.text)} of the aspect {quote(aspect)}"
                    yield finding("VNFD007", step, message, did_you_mean(step.text, deltas))


def _delta_names(topology: Topology, aspect: str) -> set[str]:
    return {
        name
        for policy in _delta_policies(topology, aspect)
        for name in _entries(topology, policy.properties.get("deltas"))
    }


def _delta_policies(topology: Topology, aspect: str) -> list[Group]:
    return topology.remember("delta policies", lambda: _by_aspect(topology)).get(aspect, [])


def _by_aspect(topology: Topology) -> dict[str, list[Group]]:
    """Aspect -> policies with its deltas; a policy that names no aspect counts for the one that it seems to mean."""
    kinds = ("VduScalingAspectDeltas", "VirtualLinkBitrateScalingAspectDeltas", "VipCpScalingAspectDeltas")
    found: dict[str, list[Group]] = {aspect: [] for aspect, _ in _aspects(topology)}
    guesses = MAX_GUESSES
    for policy in topology.policies_of(*(f"{_POLICY}{kind}" for kind in kinds)):
        name = text_of(topology.follow(policy.properties.get("aspect"))) or ""
        if name and name not in found and guesses:
            guesses -= 1
            name = closest(name, found) or ""
        if name in found:
            found[name].append(policy)
    return found


def _entries(topology: Topology, node: Node | None) -> list[str]:
    found = topology.follow(node)
    return list(found.entries) if isinstance(found, Mapping) else []


def aspect_without_deltas(context: Context) -> Iterator[Finding]:
    """A scaling aspect has steps, but nothing says what a step adds."""
    for topology in context.flavours:
        for aspect, node in _aspects(topology):
            highest = integer_of(node.get("max_scale_level"))
            if highest and not _delta_policies(topology, aspect):
                message = f"no VduScalingAspectDeltas says what a step of {quote(aspect)} adds"
                yield finding("VNFD007", node, message)


def missing_initial_delta(context: Context) -> Iterator[Finding]:
    """A VDU is scaled, but nothing says how many instances it has before the first step.

    A warning: SOL001 lets levels say it as well, and the profile's minimum serves when nothing does.
    """
    for topology in context.flavours:
        kinds = ("VduInitialDelta", "VduInstantiationLevels")
        told = {
            member.text for policy in topology.policies_of(*map(_POLICY.__add__, kinds)) for member in policy.members
        }
        for policy in topology.policies_of(f"{_POLICY}VduScalingAspectDeltas"):
            for member in policy.members:
                if member.text in topology.nodes and member.text not in told:
                    count = initial_instances(topology, member.text)
                    message = f"{quote(member.text)} is scaled, but has no VduInitialDelta; {count} is taken for it"
                    yield finding("VNFD007", member, message, severity=Severity.WARNING)


def uneven_steps(context: Context) -> Iterator[Finding]:
    """An aspect has neither one delta for all steps nor one for each; the last one then serves for the rest."""
    for topology in context.flavours:
        for aspect, node in _aspects(topology):
            highest, steps = integer_of(node.get("max_scale_level")), node.get("step_deltas")
            count = len(steps.items) if isinstance(steps, Sequence) else 0
            if steps is not None and highest is not None and count > 1 and count != highest:
                message = f"{quote(aspect)} has {count} step_deltas, but {highest} scale levels"
                hint = "Give one delta for all steps, or one for each"
                yield finding("VNFD009", steps, message, hint, Severity.WARNING)


def scaled_out_of_limits(context: Context) -> Iterator[Finding]:
    """A VDU at the highest scale level has more instances than its profile permits.

    The lower levels can be used, so it is a warning.
    """
    for topology in context.flavours:
        for aspect, node in _aspects(topology):
            highest = integer_of(node.get("max_scale_level")) or 0
            for policy in topology.policies_of(f"{_POLICY}VduScalingAspectDeltas"):
                if text_of(topology.follow(policy.properties.get("aspect"))) != aspect:
                    continue
                steps = (
                    texts_of(node.get("step_deltas")) or tuple(_entries(topology, policy.properties.get("deltas")))[:1]
                )
                for member in policy.members:
                    yield from _scaled(topology, policy, member.text, steps, highest, node)


def _scaled(
    topology: Topology, policy: Group, vdu: str, steps: tuple[str, ...], highest: int, place: Place
) -> Iterator[Finding]:
    if not steps or vdu not in topology.nodes:
        return
    if highest > MAX_LEVELS:
        yield finding("VNFD006", place, f"{highest} scale levels are more than the limit of {MAX_LEVELS}")
        return
    deltas = topology.follow(policy.properties.get("deltas"))
    sizes = [integer_of(topology.follow(child(deltas, step), ("number_of_instances",))) or 0 for step in steps]
    added = sum(sizes[: min(highest, len(sizes))]) + max(0, highest - len(sizes)) * sizes[-1]
    total = initial_instances(topology, vdu) + added
    problem = _outside(topology, vdu, total)
    if problem:
        yield finding("VNFD006", policy.key, f"at scale level {highest}, {problem}", severity=Severity.WARNING)


def initial_instances(topology: Topology, vdu: str) -> int:
    """Instances of a VDU at scale level 0."""
    for policy in topology.policies_of(f"{_POLICY}VduInitialDelta"):
        if vdu in [member.text for member in policy.members]:
            count = _initial(topology, policy)[1]
            if count is not None:
                return count
    low, _ = _limits(topology, topology.nodes[vdu])
    return 1 if low is None else low


def unknown_level(context: Context) -> Iterator[Finding]:
    """A policy names an instantiation level that does not exist, or the default does not."""
    for topology in context.flavours:
        known = dict(_levels(topology))
        for policy in topology.policies_of(f"{_POLICY}InstantiationLevels"):
            default = topology.follow(policy.properties.get("default_level"))
            if isinstance(default, Scalar) and default.value is not None and default.text not in known:
                message = f"there is no instantiation level {quote(default.text)}"
                yield finding("VNFD008", default, message, did_you_mean(default.text, known))
            elif default is None and len(known) > 1:
                message = f"{len(known)} instantiation levels have no default_level"
                yield finding("VNFD008", policy.key, message, severity=Severity.WARNING)
        kinds = ("VduInstantiationLevels", "VirtualLinkInstantiationLevels", "VipCpInstantiationLevels")
        for policy in topology.policies_of(*(f"{_POLICY}{kind}" for kind in kinds)):
            levels = topology.follow(policy.properties.get("levels"))
            for name, key, _ in levels.items() if isinstance(levels, Mapping) else ():
                if name not in known:
                    hint = did_you_mean(name, known)
                    yield finding("VNFD008", key, f"there is no instantiation level {quote(name)}", hint)


def unknown_profile_level(context: Context) -> Iterator[Finding]:
    """The VNF's own profile names a level that the flavour does not have; a warning, as requests choose theirs."""
    for topology in context.flavours:
        known = dict(_levels(topology))
        own = context.self_node(topology)
        named = topology.property_of(own, "vnf_profile", "instantiation_level") if own is not None and known else None
        if isinstance(named, Scalar) and named.text not in known:
            message = f"there is no instantiation level {quote(named.text)}"
            yield finding("VNFD008", named, message, did_you_mean(named.text, known), Severity.WARNING)


def missing_level(context: Context) -> Iterator[Finding]:
    """A VDU with instantiation levels of its own lacks one of the flavour's."""
    for topology in context.flavours:
        known = dict(_levels(topology))
        for policy in topology.policies_of(f"{_POLICY}VduInstantiationLevels"):
            missing = [name for name in known if name not in _entries(topology, policy.properties.get("levels"))]
            if missing:
                message = f"{quote(policy.name)} lacks the levels {', '.join(quote(name) for name in missing[:5])}"
                yield finding("VNFD008", policy.key, message)


def level_out_of_limits(context: Context) -> Iterator[Finding]:
    """An instantiation level gives a VDU fewer or more instances than its profile permits."""
    for topology in context.flavours:
        for policy in topology.policies_of(f"{_POLICY}VduInstantiationLevels"):
            levels = topology.follow(policy.properties.get("levels"))
            for name, key, body in levels.items() if isinstance(levels, Mapping) else ():
                count = integer_of(topology.follow(body, ("number_of_instances",)))
                for member in policy.members:
                    problem = _outside(topology, member.text, count) if count is not None else ""
                    if problem:
                        yield finding("VNFD006", key, f"at level {quote(name)}, {problem}")


def scale_level_out_of_limits(context: Context) -> Iterator[Finding]:
    """An instantiation level sets an aspect above its highest scale level."""
    for topology in context.flavours:
        highest = {name: integer_of(node.get("max_scale_level")) for name, node in _aspects(topology)}
        for level, key, entry in _scale_infos(topology):
            node = topology.follow(entry, ("scale_level",))
            wanted, limit = integer_of(node), highest.get(key.text)
            if wanted is not None and limit is not None and wanted > limit:
                message = f"level {quote(level)} sets {quote(key.text)} to {wanted}; its max_scale_level is {limit}"
                yield finding("VNFD009", node or key, message)


SCALING_RULES = (
    contradictory_profile,
    too_many_instances,
    initial_delta_out_of_limits,
    repeated_policy,
    unknown_aspect,
    unknown_delta,
    aspect_without_deltas,
    missing_initial_delta,
    uneven_steps,
    scaled_out_of_limits,
    unknown_level,
    unknown_profile_level,
    missing_level,
    level_out_of_limits,
    scale_level_out_of_limits,
)
