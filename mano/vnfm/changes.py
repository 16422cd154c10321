"""How a running VNF becomes another: transitions of its VNFCs, and the durable steps in their order. Pure.

A VNFC comes, goes, starts anew where it is, or moves. What is new is made before the networks and chains are turned to
it, what is old goes only afterwards, so that a chain never points at nothing:

    leave:<wave>    VNFCs that go, or start anew, leave networks and chains
    rate:<vnfc>     bit rates of its ports change while it goes on
    stop:<vnfc>     a process ends
    free:<vnfc>     its virtual functions are let go, for a port that takes their place needs them
    ports:<vnfc>    ports are made
    compute:<vnfc>  a process starts
    join:<wave>     networks and chains turn to what is there now
    unplug:<vnfc>   ports that are no longer needed go

A wave is changed at a time; the next one begins when it is whole again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from mano.vnfm.resources import PlannedCompute, PlannedPort, VnfPlan, compute_from_json, plan_from_json, port_from_json

GRANT, RELEASE = "grant", "release"
LEAVE, STOP, FREE, PORTS, COMPUTE, JOIN, UNPLUG = "leave", "stop", "free", "ports", "compute", "join", "unplug"
LINK, RATE = "link", "rate"
"""Actions; a step is called ``<action>:<VNFC or wave>``."""

BYPASSING = frozenset({"direct", "macvtap", "direct-physical"})
"""Kinds of ports that the integration bridge does not see: two with the same address would be heard both."""


class ChangeType(StrEnum):
    """What became of a resource (SOL003 clauses 5.5.3.13 to 5.5.3.15)."""

    ADDED = "ADDED"
    REMOVED = "REMOVED"
    MODIFIED = "MODIFIED"


@dataclass(frozen=True, slots=True)
class Transition:
    """One VNFC before and after. Both the same: it starts anew (``restart``).

    ``dead``: what was before cannot be asked to go; what cannot be removed is left behind. ``stopped`` is how it was,
    and ``stop`` how it shall be: not running, with its ports and its place.
    """

    before: PlannedCompute | None
    after: PlannedCompute | None
    dead: bool = False
    stopped: bool = False
    stop: bool = False
    litter: tuple[PlannedPort, ...] = ()
    """Ports of its process that an operation left which was given up; they go with the old ones."""
    snapshot: str = ""
    """The VIM's snapshot that the VNFC begins with; empty to begin with its software image."""

    def __post_init__(self) -> None:
        if self.before is None and self.after is None:
            raise ValueError("a transition needs a VNFC before or after")

    @property
    def key(self) -> str:
        """The VNFC's name within the VNF: ``<vdu>/<index>``."""
        found = self.after or self.before
        assert found is not None
        return found.key

    @property
    def moves(self) -> bool:
        """True when another process takes its place."""
        return self.before is not None and self.after is not None and self.before.compute_id != self.after.compute_id

    @property
    def is_tuned(self) -> bool:
        """True when nothing changes but bit rates of its ports: it goes on, or stays stopped."""
        if self.before is None or self.after is None or self.before == self.after:
            return False
        if self.litter or self.snapshot or self.stop:
            return False
        return _without_rates(self.before) == _without_rates(self.after)

    @property
    def change_type(self) -> ChangeType:
        """What becomes of the VNFC."""
        if self.before is None:
            return ChangeType.ADDED
        return ChangeType.REMOVED if self.after is None else ChangeType.MODIFIED

    @property
    def new_ports(self) -> tuple[PlannedPort, ...]:
        """Ports that have to be made."""
        return _without(self.after, self.before)

    @property
    def old_ports(self) -> tuple[PlannedPort, ...]:
        """Ports that are no longer needed afterwards."""
        return _without(self.before, self.after)

    @property
    def freed_ports(self) -> tuple[PlannedPort, ...]:
        """Old ports on virtual functions that may be needed again at once."""
        if self.moves or self.after is None:
            return ()
        return tuple(port for port in (*self.old_ports, *self.litter) if port.spec.vnic_type in BYPASSING)

    @property
    def stops_first(self) -> bool:
        """True when the old process must end before the new one can begin."""
        if self.before is None or self.after is None:
            return self.before is not None
        return not self.moves or any(port.spec.vnic_type in BYPASSING for port in self.before.ports)


def _without_rates(one: PlannedCompute) -> PlannedCompute:
    ports = (replace(port, spec=replace(port.spec, bit_rate_bps=0)) for port in one.ports)
    return replace(one, ports=tuple(ports))


def _without(one: PlannedCompute | None, other: PlannedCompute | None) -> tuple[PlannedPort, ...]:
    kept = {port.spec.id for port in other.ports} if other else set()
    return tuple(port for port in one.ports if port.spec.id not in kept) if one else ()


@dataclass(frozen=True, slots=True)
class VnfChange:
    """The decision of an operation: the plan before and after, and the way between them in waves.

    ``facts`` are what the operation stores at its end besides the VNFCs: fields of the VNF instance.
    """

    before: VnfPlan
    after: VnfPlan
    waves: tuple[tuple[Transition, ...], ...]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def transitions(self) -> tuple[Transition, ...]:
        """All of them, in order."""
        return tuple(transition for wave in self.waves for transition in wave)

    @property
    def strays(self) -> tuple[PlannedCompute, ...]:
        """What operations left that were given up, and this one removes."""
        found = [each.before for each in self.transitions if each.before is not None and each.after is None]
        known = {compute.signature for compute in self.before.computes}
        littered = [
            replace(side, ports=each.litter)
            for each in self.transitions
            if each.litter and (side := each.after or each.before) is not None
        ]
        return (*(compute for compute in found if compute.signature not in known), *littered)

    @property
    def possible(self) -> VnfPlan:
        """Everything that may exist while it is under way."""
        known = {compute.signature for compute in self.before.computes}
        new = tuple(compute for compute in self.after.computes if compute.signature not in known)
        return replace(self.before, computes=(*self.before.computes, *new, *self.strays))

    def to_json(self) -> dict[str, Any]:
        """JSON values; :func:`change_from_json` reads them."""
        return {
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "waves": [[asdict(transition) for transition in wave] for wave in self.waves],
            "facts": dict(self.facts),
        }


def change_from_json(document: Mapping[str, Any]) -> VnfChange:
    """The change that :meth:`VnfChange.to_json` wrote."""
    return VnfChange(
        before=plan_from_json(document["before"]),
        after=plan_from_json(document["after"]),
        waves=tuple(tuple(_transition(item) for item in wave) for wave in document["waves"]),
        facts=document["facts"],
    )


def _transition(item: Mapping[str, Any]) -> Transition:
    def compute(side: str) -> PlannedCompute | None:
        return compute_from_json(item[side]) if item[side] else None

    litter = tuple(port_from_json(port) for port in item.get("litter", ()))
    return Transition(**{**item, "before": compute("before"), "after": compute("after"), "litter": litter})


@dataclass(frozen=True, slots=True)
class Action:
    """One step: what is done with one VNFC, or with all of a wave."""

    name: str
    verb: str
    wave: int
    transition: Transition | None = None


def actions(change: VnfChange) -> tuple[Action, ...]:
    """The steps of a change in their order, between the grant and the release."""
    found: dict[str, Action] = {}
    for number, wave in enumerate(change.waves):
        for verb, transition in _wave_actions(wave):
            subject = str(number + 1) if transition is None else transition.key
            name = _free(f"{verb}:{subject}", found)
            found[name] = Action(name, verb, number, transition)
    return tuple(found.values())


def _free(name: str, taken: Mapping[str, Action]) -> str:
    """A name that no step has yet: a VNFC may exist twice after an operation that was given up."""
    number = 1
    while (candidate := name if number == 1 else f"{name}#{number}") in taken:
        number += 1
    return candidate


def _wave_actions(wave: Sequence[Transition]) -> Iterator[tuple[str, Transition | None]]:
    tuned = [each for each in wave if each.is_tuned]
    yield from ((RATE, each) for each in tuned)
    wave = [each for each in wave if each not in tuned]
    if any(leaves(each) for each in wave):
        yield LEAVE, None
    for each in wave:
        if each.before is not None and each.stops_first and not each.stopped:
            yield STOP, each
    for each in wave:
        if each.freed_ports:
            yield FREE, each
        if each.new_ports:
            yield PORTS, each
        if each.after is not None and not each.stop:
            yield COMPUTE, each
    if any(each.after is not None and not each.stop for each in wave):
        yield JOIN, None
    for each in wave:
        if each.moves and not each.stops_first and not each.stopped:
            yield STOP, each
    for each in wave:
        if each.old_ports or each.litter:
            yield UNPLUG, each


def leaves(transition: Transition) -> bool:
    """True when networks and chains must let go of the VNFC before anything else happens."""
    if transition.before is None or transition.moves or transition.is_tuned:
        return False
    return transition.after is None or not transition.stopped


def between(
    before: VnfPlan,
    after: VnfPlan,
    live: Collection[str],
    *,
    restart: Collection[str] = (),
    dead: Collection[str] = (),
    rolling: bool = False,
) -> tuple[tuple[Transition, ...], ...]:
    """The transitions from one plan to another, VNFC by VNFC.

    ``live`` are the signatures of what the VNF consists of now: what else ``before`` holds was
    given up half-made and goes, or is made. ``restart`` and ``dead`` name VNFCs by their key: those that start anew
    although nothing of them changes, and those whose present process or host is beyond reach. ``rolling`` changes one
    after the other, else all at once.
    """
    old = {compute.vnfc: compute for compute in before.computes if compute.signature in live}
    new = {compute.vnfc: compute for compute in after.computes}
    wanted = {compute.signature for compute in after.computes}
    left = [each for each in before.computes if each.signature not in live and each.signature not in wanted]
    processes = {compute.compute_id for compute in (*old.values(), *new.values())}
    found = [Transition(one, None, dead=one.key in dead) for one in left if one.compute_id not in processes]
    for vnfc in dict.fromkeys((*old, *new)):
        one, other = old.get(vnfc), new.get(vnfc)
        litter = _litter(left, one, other)
        key = _key(one, other)
        if one != other or litter or key in restart:
            found.append(Transition(one, other, dead=key in dead, litter=litter))
    return tuple((each,) for each in found) if rolling else ((tuple(found),) if found else ())


def _litter(
    left: Sequence[PlannedCompute], one: PlannedCompute | None, other: PlannedCompute | None
) -> tuple[PlannedPort, ...]:
    """Ports that were planned for a process of these, and that neither has."""
    sides = [side for side in (one, other) if side is not None]
    kept = {port.spec.id for side in sides for port in side.ports}
    names = {side.compute_id for side in sides}
    ports = [port for stray in left if stray.compute_id in names for port in stray.ports]
    return tuple({port.spec.id: port for port in ports if port.spec.id not in kept}.values())


def _key(one: PlannedCompute | None, other: PlannedCompute | None) -> str:
    found = other or one
    assert found is not None
    return found.key
