"""Faults of triggers: conditions that say nothing, actions that nobody can take."""

from __future__ import annotations

from collections.abc import Iterator

from vnf_descriptors.context import Context
from vnf_descriptors.model.triggers import Trigger, TriggerAction
from vnf_descriptors.read_triggers import TriggerReader
from vnf_descriptors.report import Finding, finding, quote
from vnf_descriptors.suggest import did_you_mean
from vnf_descriptors.topology import Group, Topology
from vnf_descriptors.yamltree import Mapping

_POLICY = "tosca.policies.nfv."
#: Kind of policy -> the policies that name its scaling aspects.
_KINDS = {"VnfIndicator": "ScalingAspects", "NsAutoScale": "NsScalingAspects"}
_CALLS = ("scale", "heal")


def unusable_trigger(context: Context) -> Iterator[Finding]:
    """A trigger that nobody can follow: its condition, its action, or the aspect that it names."""
    for topology in context.topologies:
        for kind, holder in _KINDS.items():
            aspects = list(_aspects(topology, f"{_POLICY}{holder}"))
            for policy in topology.policies_of(f"{_POLICY}{kind}"):
                yield from _judged(topology, policy, aspects)


def _judged(topology: Topology, policy: Group, aspects: list[str]) -> Iterator[Finding]:
    reader = TriggerReader(topology)
    triggers = list(reader.of(policy))
    for fault in reader.faults:
        yield finding("VNFD022", fault.place, fault.message, fault.hint)
    for trigger in triggers:
        for action in trigger.actions:
            yield from _action(policy, trigger, action, aspects)


def _action(policy: Group, trigger: Trigger, action: TriggerAction, aspects: list[str]) -> Iterator[Finding]:
    call = action.operation.rpartition(".")[2]
    if call not in _CALLS:
        message = f"{quote(trigger.id)} calls {quote(action.operation)}, which no trigger of ours can"
        yield finding("VNFD022", policy.key, message, "A trigger scales or heals")
        return
    if call == "heal":
        return
    named = [value for name, value in action.inputs.items() if name.rpartition(".")[2] in ("aspect", "aspect_id")]
    if not named and len(aspects) != 1:
        yield finding("VNFD022", policy.key, f"{quote(trigger.id)} scales, but names no aspect")
    for name in named:
        if name not in aspects:
            message = f"{quote(trigger.id)} scales {quote(name)}, which is no scaling aspect"
            yield finding("VNFD022", policy.key, message, did_you_mean(name, aspects))


def _aspects(topology: Topology, kind: str) -> Iterator[str]:
    for policy in topology.policies_of(kind):
        found = topology.follow(policy.properties.get("aspects"))
        yield from found.entries if isinstance(found, Mapping) else ()


TRIGGER_RULES = (unusable_trigger,)
