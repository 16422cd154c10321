"""What Open vSwitch takes into its tables and then does not do: measured on 3.1 with the userspace datapath.

The renderer makes none of these; a proof says so of every table (:mod:`sfc.verify`), whoever made it. The same tables
serve the userspace datapath, DPDK ports included, and the kernel's. What a table needs of a datapath beyond what all
have is a :class:`Feature`; ``Sff.lacks`` names those that a bridge's datapath has not (:mod:`sfc.ovs.features` asks the
switch), and a proof then refuses what would need them. Ports that :class:`~sfc.model.actions.CheckLarger` looks at work
without support of the datapath, too, but every packet then takes the slow path.

* A bucket is an action set: its order is lost and what occurs twice collapses, and an ``encap`` in it drops the packet.
  Buckets hold one resubmission, output or group, with registers before it.
* ``dp_hash``, what a select group does when nothing is said, loops behind a decap until the packet is dropped. Groups
  name the fields that they hash.
* Behind ``decap`` the packet is looked at anew: only a resubmission, an output, a group or another decap may follow.
* A decap ends everything, the actions beside the ``clone`` that it stands in, too.
* A packet never leaves by the port that it came in by unless ``in_port`` is named or forgotten.
* Of two rules of one table and priority that both match, any may be taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from sfc.ambiguity import ambiguous
from sfc.model.actions import (
    Action,
    Clone,
    Ct,
    Decap,
    MeterBy,
    Output,
    Resubmit,
    SetField,
    ToGroup,
)
from sfc.model.fields import Field
from sfc.model.flows import Bucket, Flow, FlowTables, Group, GroupType


class Feature(StrEnum):
    """What a datapath may lack, in the words of ``ovs-appctl dpif/show-dp-features``."""

    RECIRCULATION = "Recirc"
    """Behind a decap, and behind the look-up of a connection, a packet is looked at anew."""
    CT_STATE = "CT state"
    CT_ZONE = "CT zone"
    CT_MARK = "CT mark"
    """Both ways of a symmetric chain meet the same functions by it."""
    ND_EXTENSION = "IPv6 ND Extension"
    """Answers to neighbour solicitations have options."""


_REGISTERS = frozenset({Field.REG0, Field.REG1, Field.REG2, Field.REG3})
_ND_EXTENSION = frozenset({Field.ND_OPTIONS_TYPE, Field.ND_RESERVED})
_BEHIND_DECAP = (Resubmit, Output, ToGroup, Decap)


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule or group that would not do what it says."""

    sff: str
    what: str
    flow: Flow | None = None
    group: Group | None = None

    def __str__(self) -> str:
        return f"{self.sff}: {self.what}: {self.flow or (self.group.text() if self.group else '')}"


def faults(tables: FlowTables, flows: Iterable[Flow] | None = None, lacks: Collection[str] = ()) -> Iterator[Fault]:
    """Everything in a bridge's tables that Open vSwitch would not do, or in some of its ``flows`` and all groups.

    ``lacks``: what its datapath has not.
    """
    known = {group.id for group in tables.groups}
    meters = {meter.id for meter in tables.meters}
    some = None if flows is None else tuple(flows)
    for one, other in ambiguous(tables.flows, some):
        yield Fault(tables.sff, f"this or cookie {one.cookie.encode():#x}, where both match", other)
    for flow in tables.flows if some is None else some:
        for what in _of_actions(flow.actions, known):
            yield Fault(tables.sff, what, flow=flow)
        for feature in sorted(needs(flow).intersection(lacks)) if lacks else ():
            yield Fault(tables.sff, f"the datapath lacks {feature}", flow=flow)
        for action in flow.actions:
            if isinstance(action, MeterBy) and action.meter not in meters:
                yield Fault(tables.sff, f"there is no meter {action.meter}", flow=flow)
    for group in tables.groups:
        for what in _of_group(group, known):
            yield Fault(tables.sff, what, group=group)


def needs(flow: Flow) -> frozenset[Feature]:
    """What a flow asks of the datapath."""
    found: set[Feature] = set()
    for action in flow.actions:
        match action:
            case Decap():
                found.add(Feature.RECIRCULATION)
            case Ct():
                found |= {Feature.CT_STATE, Feature.CT_ZONE}
                found |= {Feature.CT_MARK} if action.mark is not None else set()
                found |= {Feature.RECIRCULATION} if action.table is not None else set()
            case SetField() if action.field in _ND_EXTENSION:
                found.add(Feature.ND_EXTENSION)
    return frozenset(found)


def _of_actions(actions: tuple[Action, ...], groups: Iterable[int]) -> Iterator[str]:
    behind = False
    for action in actions:
        if behind and not isinstance(action, _BEHIND_DECAP):
            yield f"{action} right behind a decap"
        behind = isinstance(action, Decap)
        if isinstance(action, Clone) and Decap() in action.actions:
            yield "a decap inside a clone ends the actions beside it"
        if isinstance(action, ToGroup) and action.group not in groups:
            yield f"there is no group {action.group}"


def _of_group(group: Group, groups: Iterable[int]) -> Iterator[str]:
    if group.type is GroupType.SELECT and not group.fields:
        yield "a select group without fields hashes by dp_hash, which loops behind a decap"
    for bucket in group.buckets:
        yield from _of_bucket(bucket)
        if group.type is GroupType.FAST_FAILOVER and bucket.watch_port is None:
            yield "a bucket of a fast-failover group watches no port"
        for action in bucket.actions:
            if isinstance(action, ToGroup) and (action.group not in groups or action.group == group.id):
                yield f"a bucket leads to group {action.group}, which is not there, or itself"


def _of_bucket(bucket: Bucket) -> Iterator[str]:
    ends = [action for action in bucket.actions if isinstance(action, Resubmit | Output | ToGroup)]
    if len(ends) != 1 or bucket.actions[-1:] != tuple(ends):
        yield "a bucket has one resubmission, output or group, and ends with it"
    for action in bucket.actions:
        if not isinstance(action, Resubmit | Output | ToGroup | SetField):
            yield f"{action} in a bucket"
        elif isinstance(action, SetField) and action.field not in _REGISTERS:
            yield f"{action} in a bucket: only registers are safe there"
