"""Auto-scaling: looks at what wants it, remembers what was seen, and starts what the rules ask for, once.

What is remembered is stored before anything is started, under the generation that was read: of two servers that look at
the same moment one is told that it is late. An operation whose identifier was remembered but that was never stored
(its server died in between) is forgotten, and the rule decides anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Protocol

import structlog

from mano.domain.auto_scaling import (
    Act,
    AutoScaling,
    Decision,
    Reading,
    Rule,
    Situation,
    Verdict,
    Watched,
    acted,
    decide,
    is_news,
    never_begun,
    over,
)
from mano.domain.events import Event
from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import OperationState
from mano.errors import CatenaError, InvalidInput, NotFound
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that may scale itself. The mappings are as in :class:`mano.domain.auto_scaling.Situation`."""

    id: str
    tenant_id: str
    name: str
    rules: Sequence[Rule]
    levels: Mapping[str, int]
    most: Mapping[str, int]
    cool_down_s: float
    least: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    scales: bool = True
    heals: bool = True
    why_not: str = ""
    """Why nothing of it is watched, in a sentence; empty when it is."""
    owned_by: str = ""
    """Another instance whose operations concern it: its NS."""


class Scalable(Protocol):
    """One kind of thing that may scale itself: VNFs, or network services."""

    @property
    def noun(self) -> str:
        """``vnf`` or ``ns``."""

    def wanting(self) -> Iterable[tuple[str, str]]:
        """(identifier, tenant) of those that are to be looked at."""

    def subject(self, id: str, tenant_id: str | None) -> Subject:
        """One of them; raises :class:`~mano.errors.NotFound`."""

    def readings(self, subject: Subject, names: Collection[str], reader: str) -> Mapping[str, Reading]:
        """What can be read now under these names."""

    def start(self, subject: Subject, op_id: str, rule: Rule, steps: int) -> None:
        """Start the rule's operation, once per ``op_id``; raises what the life-cycle management says."""


class AutoScaler:
    """Use cases of auto-scaling, and what is done again and again for them."""

    def __init__(self, open_unit: UnitOfWorkFactory, scalables: Sequence[Scalable], clock: Clock) -> None:
        self._open_unit = open_unit
        self._scalables = scalables
        self._clock = clock

    def look(self) -> None:
        """Once at everything that wants it. What cannot be looked at now is looked at the next time."""
        for scalable in self._scalables:
            wanting = dict(scalable.wanting())
            for id, tenant_id in {**self._remembered(scalable, wanting), **wanting}.items():
                try:
                    self._look(scalable, id, tenant_id)
                except CatenaError as error:
                    log = structlog.get_logger(__name__)
                    log.warning("not looked at for scaling", instanceId=id, code=error.code, detail=error.detail)

    def explain(self, id: str, tenant_id: str) -> Mapping[str, Any]:
        """Why an instance was scaled, or why not; raises :class:`~mano.errors.NotFound`."""
        scalable, subject = self._find(id, tenant_id)
        with self._open_unit(read_only=True) as uow:
            state = uow.auto_scaling.find(id)
        return explanation(scalable.noun, subject, state or AutoScaling(id, tenant_id))

    def switch(self, id: str, tenant_id: str, enabled: bool) -> Mapping[str, Any]:
        """An operator's word on a network service; a VNF's is its configurable property (InvalidInput)."""
        scalable, subject = self._find(id, tenant_id)
        if scalable.noun != "ns":
            raise InvalidInput(
                "a VNF is switched by its configurable property isAutoscaleEnabled (SOL003 clause 5.5.2.2)",
                hint="mano vnf update NAME --set isAutoscaleEnabled=false",
                facts={"pointer": "/enabled"},
            )
        with self._open_unit() as uow:
            state = uow.auto_scaling.find(id)
            if state is None:
                uow.auto_scaling.add(AutoScaling(id, subject.tenant_id, switched_off=not enabled))
            elif state.switched_off is enabled:
                uow.auto_scaling.save(replace(state, switched_off=not enabled))
        return self.explain(id, tenant_id)

    def _find(self, id: str, tenant_id: str) -> tuple[Scalable, Subject]:
        for scalable in self._scalables:
            try:
                return scalable, scalable.subject(id, tenant_id)
            except NotFound:
                continue
        raise NotFound("there is no VNF or NS instance of this identifier", hint="mano vnf list; mano ns list")

    def _remembered(self, scalable: Scalable, wanting: Mapping[str, str]) -> dict[str, str]:
        """What was watched and is not wanted any more: looked at once more, or forgotten with its instance."""
        with self._open_unit(read_only=True) as uow:
            left = [state for state in uow.auto_scaling.list() if state.id not in wanting]
            known = uow.vnf_instances if scalable.noun == "vnf" else uow.ns_instances
            there = {state.id: state.tenant_id for state in left if known.find(state.id) is not None}
            gone = [
                state.id
                for state in left
                if uow.vnf_instances.find(state.id) is None and uow.ns_instances.find(state.id) is None
            ]
            watched = {state.id for state in left if {one.verdict for one in state.rules.values()} - {Verdict.OFF}}
        if gone:
            with self._open_unit() as uow:
                for id in gone:
                    uow.auto_scaling.remove(id)
        return {id: tenant_id for id, tenant_id in there.items() if id in watched}

    def _look(self, scalable: Scalable, id: str, tenant_id: str) -> None:
        subject = scalable.subject(id, tenant_id)
        with self._open_unit(read_only=True) as uow:
            stored = uow.auto_scaling.find(id)
            before = _settled(uow, stored or AutoScaling(id, tenant_id), subject, self._clock.now())
            busy = _busy(uow, subject)
        if not subject.rules and stored is None:
            return
        decision = self._decide(scalable, before, subject, busy)
        state = decision.state
        op_id = ""
        if decision.rule is not None:
            now = self._clock.now()
            op_id = derive_id("auto-scaling", id, decision.rule.id, now.isoformat(), str(state.generation))
            state = acted(state, decision.rule, op_id, state.rules[decision.rule.id].why, now)
        if stored is None or is_news(stored, state):
            state = self._store(scalable.noun, stored, state)
        if decision.rule is not None:
            self._start(scalable, subject, state, decision.rule, decision.steps)

    def _decide(self, scalable: Scalable, before: AutoScaling, subject: Subject, busy: str) -> Decision:
        names = {name for rule in subject.rules for name in rule.condition.subjects()}
        wanted = (subject.scales or subject.heals) and not before.switched_off
        now_is = Situation(
            rules=subject.rules,
            readings=scalable.readings(subject, names, "auto-scaling") if wanted and names else {},
            levels=subject.levels,
            most=subject.most,
            least=subject.least,
            sizes=subject.sizes,
            scales=subject.scales and not before.switched_off,
            heals=subject.heals and not before.switched_off,
            busy=busy,
        )
        return decide(before, now_is, self._clock.now(), subject.cool_down_s)

    def _start(self, scalable: Scalable, subject: Subject, state: AutoScaling, rule: Rule, steps: int) -> None:
        log = structlog.get_logger(__name__).bind(instanceId=subject.id, rule=rule.id, lcmOpOccId=state.op_id)
        try:
            scalable.start(subject, state.op_id, rule, steps)
        except CatenaError as error:  # somebody was quicker, or the descriptor forbids it: rest, and decide anew
            log.warning("not scaled", code=error.code, detail=error.detail)
            failed = over(state, self._clock.now(), succeeded=False, cool_down_s=subject.cool_down_s)
            self._store(scalable.noun, state, replace(failed, last=f"{state.last}: refused, {error.detail}"))
        else:
            log.info("scaled without being asked", why=state.last)

    def _store(self, noun: str, stored: AutoScaling | None, state: AutoScaling) -> AutoScaling:
        with self._open_unit() as uow:
            if stored is None:
                uow.auto_scaling.add(state)
            else:
                state = uow.auto_scaling.save(state)
            if _verdicts(stored) != _verdicts(state):
                uow.outbox.append(_event(noun, state, self._clock.now()))
        return state


def _settled(uow: UnitOfWork, state: AutoScaling, subject: Subject, now: datetime) -> AutoScaling:
    """The state after its operation ended, if it did; it rests from the moment at which that is noticed."""
    if not state.op_id:
        return state
    op = uow.operations.find(state.op_id)
    if op is None:
        return never_begun(state)
    if not op.ended:
        return state
    done = op.state is OperationState.COMPLETED
    ended = over(state, now, succeeded=done, cool_down_s=subject.cool_down_s)
    return replace(ended, levels=dict(subject.levels))  # the change of size was its own


def _busy(uow: UnitOfWork, subject: Subject) -> str:
    for id in filter(None, (subject.id, subject.owned_by)):
        op = uow.operations.active(id)
        if op is not None:
            return f"operation {op.id} ({op.operation}, {op.state.value}) is not over"
    return ""


def _verdicts(state: AutoScaling | None) -> Mapping[str, str]:
    return {id: one.verdict.value for id, one in state.rules.items()} if state is not None else {}


def _event(noun: str, state: AutoScaling, now: datetime) -> Event:
    told = {id: {"verdict": one.verdict.value, "why": one.why} for id, one in state.rules.items()}
    return Event(
        id=derive_id("event", "auto-scaling", state.id, now.isoformat(), str(state.generation)),
        noun=f"{noun}-auto-scaling",
        verb="decided",
        subject=state.id,
        tenant_id=state.tenant_id,
        occurred_at=now,
        data={f"{noun}InstanceId": state.id, "rules": told, "operationId": state.op_id or None},
    )


def explanation(noun: str, subject: Subject, state: AutoScaling) -> dict[str, Any]:
    """The answer of ``/mano/v1/auto_scaling/{id}``."""
    scales = subject.scales and not state.switched_off
    return {
        "instanceId": subject.id,
        "instanceName": subject.name,
        "kind": noun,
        "scales": scales,
        "heals": subject.heals and not state.switched_off,
        "why": "an operator switched it off" if state.switched_off else subject.why_not or _summary(subject, state),
        "coolDownS": subject.cool_down_s,
        "restsUntil": _told(state.rests_until),
        "failures": state.failures,
        "last": state.last,
        "lastAt": _told(state.last_at),
        "seenAt": _told(state.seen_at),
        "operationId": state.op_id or None,
        "aspects": [
            {
                "aspectId": aspect,
                "scaleLevel": level,
                "minScaleLevel": subject.least.get(aspect, 0),
                "maxScaleLevel": subject.most.get(aspect, 0),
            }
            for aspect, level in subject.levels.items()
        ],
        "rules": [_rule(rule, state.rules.get(rule.id)) for rule in subject.rules],
    }


def _summary(subject: Subject, state: AutoScaling) -> str:
    if state.seen_at is None:
        return "nobody looked at it yet"
    telling = [f"{id}: {one.why}" for id, one in state.rules.items() if one.verdict not in (Verdict.CALM, Verdict.OFF)]
    return "; ".join(telling) or "no condition is true"


def _rule(rule: Rule, seen: Watched | None) -> dict[str, Any]:
    return {
        "id": rule.id,
        "act": rule.act.value,
        "aspectId": rule.aspect or None,
        "steps": None if rule.act is Act.HEAL else rule.steps,
        "condition": str(rule.condition),
        "evaluations": rule.evaluations,
        "periodS": rule.period_s,
        "method": rule.method,
        "verdict": seen.verdict.value if seen else Verdict.CALM.value,
        "why": seen.why if seen else "nobody looked at it yet",
        "held": seen.held if seen else 0,
        "since": _told(seen.since) if seen else None,
        "values": dict(seen.values) if seen else {},
    }


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat().replace("+00:00", "Z")
