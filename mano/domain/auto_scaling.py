"""Scaling and healing without being asked: rules, what was seen of them, and the decision. Pure.

A rule acts when its condition was found true in so many looks in a row, and for so long (hysteresis in time; that in
value are the different thresholds of the rules out and in). It waits while another operation runs, until the cool-down
after the last change is over, and stops at the bounds. A step in is not taken when the load on fewer instances would
call for a step out again at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from vnf_descriptors.model import Clause, Trigger, TriggerAction

LOOKS = 2
"""How often in a row a condition must be found true when its descriptor does not say."""

COOL_DOWN_S = 120.0
MAX_BACK_OFF = 4
"""After failures in a row the cool-down is doubled so many times at most."""


class Act(StrEnum):
    """What a rule does; the first are the scale types of ScaleVnfRequest (SOL003 clause 5.5.2.5)."""

    SCALE_OUT = "SCALE_OUT"
    SCALE_IN = "SCALE_IN"
    HEAL = "HEAL"


ORDER = (Act.HEAL, Act.SCALE_OUT, Act.SCALE_IN)
"""Of several rules that are ready, which goes first."""


class Verdict(StrEnum):
    """Where a rule stands."""

    OFF = "off"
    UNKNOWN = "unknown"
    CALM = "calm"
    COUNTING = "counting"
    BUSY = "busy"
    COOLING = "cooling"
    BOUND = "bound"
    WOULD_FLAP = "would-flap"
    OUTVOTED = "outvoted"
    ACTING = "acting"


@dataclass(frozen=True, slots=True)
class Rule:
    """When what is done. ``period_s`` seconds and ``evaluations`` looks the condition must have been true."""

    id: str
    act: Act
    condition: Clause
    aspect: str = ""
    steps: int = 1
    evaluations: int = LOOKS
    period_s: float = 0.0
    method: str | None = None
    cause: str = ""

    def __post_init__(self) -> None:
        if self.steps < 1 or self.evaluations < 1 or self.period_s < 0:
            raise ValueError(f"rule {self.id} needs steps and evaluations from 1, and a period from 0 s")


def rules_of(triggers: Iterable[Trigger], aspects: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of a descriptor's triggers; what calls neither scale nor heal, or no aspect of these, is none."""
    return tuple(
        rule for trigger in triggers for action in trigger.actions if (rule := _rule(trigger, action, aspects))
    )


def _rule(trigger: Trigger, action: TriggerAction, aspects: Sequence[str]) -> Rule | None:
    inputs = {name.rpartition(".")[2]: value for name, value in action.inputs.items()}
    act = _act(action.operation.rpartition(".")[2], inputs)
    aspect = inputs.get("aspect") or inputs.get("aspect_id") or (aspects[0] if len(aspects) == 1 else "")
    steps = inputs.get("number_of_steps", "1")
    count = int(steps) if steps.isascii() and steps.isdigit() and len(steps) < 5 else 0
    if act is None or count < 1 or (act is not Act.HEAL and aspect not in aspects):
        return None
    return Rule(
        id=trigger.id,
        act=act,
        condition=trigger.condition,
        aspect="" if act is Act.HEAL else aspect,
        steps=count,
        evaluations=trigger.evaluations or LOOKS,
        period_s=trigger.period_ms / 1000,
        method=trigger.method,
        cause=inputs.get("cause", ""),
    )


def _act(call: str, inputs: Mapping[str, str]) -> Act | None:
    if call == "heal":
        return Act.HEAL
    way = (inputs.get("type") or inputs.get("scaling_direction") or "").upper()
    return Act(way) if call == "scale" and way in (Act.SCALE_OUT, Act.SCALE_IN) else None


@dataclass(frozen=True, slots=True)
class Reading:
    """What is measured under one name: a value of each instance, and how they usually become one."""

    values: tuple[float, ...]
    usual: str = "sum"

    def together(self, method: str | None) -> float | None:
        """One value; None when no instance tells one."""
        if not self.values:
            return None
        match method or self.usual:
            case "average":
                return sum(self.values) / len(self.values)
            case "maximum":
                return max(self.values)
            case "minimum":
                return min(self.values)
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Watched:
    """What was seen of one rule: looks in a row in which its condition was true, since when, and the last values."""

    held: int = 0
    since: datetime | None = None
    verdict: Verdict = Verdict.CALM
    why: str = ""
    values: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AutoScaling:
    """What is remembered of an instance (a VNF's or an NS's identifier is its own) between two looks.

    ``op_id`` is the last automatic operation while its end was not seen yet; ``levels`` the scale levels at the last
    look, by which a change that somebody else made is noticed. ``switched_off`` is an operator's word on an NS.
    """

    id: str
    tenant_id: str
    rules: Mapping[str, Watched] = field(default_factory=dict)
    op_id: str = ""
    op_rule: str = ""
    levels: Mapping[str, int] = field(default_factory=dict)
    rests_until: datetime | None = None
    failures: int = 0
    last: str = ""
    """What was done last, in words."""
    last_at: datetime | None = None
    seen_at: datetime | None = None
    switched_off: bool = False
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Situation:
    """What a decision is made on.

    ``levels``, ``least`` and ``most`` map scaling aspects to scale levels; ``sizes`` maps an aspect to the number of
    instances at each of its levels, the others as they are. ``busy`` says why nothing may be started now.
    """

    rules: Sequence[Rule]
    readings: Mapping[str, Reading]
    levels: Mapping[str, int]
    most: Mapping[str, int]
    least: Mapping[str, int] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    scales: bool = True
    heals: bool = True
    busy: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is remembered from now on, and the rule that acts with its number of steps (within the bounds)."""

    state: AutoScaling
    rule: Rule | None = None
    steps: int = 0


def decide(state: AutoScaling, now_is: Situation, now: datetime, cool_down_s: float = COOL_DOWN_S) -> Decision:
    """Look once at every rule; at most one acts."""
    state = _noticed(state, now_is, now, cool_down_s)
    seen = {rule.id: _seen(state.rules.get(rule.id, Watched()), rule, now_is, now) for rule in now_is.rules}
    ready = sorted(
        (rule for rule in now_is.rules if seen[rule.id].verdict is Verdict.ACTING),
        key=lambda rule: ORDER.index(rule.act),
    )
    chosen: Rule | None = None
    for rule in ready:
        verdict, why = _held_back(rule, state, now_is, now, chosen)
        seen[rule.id] = replace(seen[rule.id], verdict=verdict, why=why)
        if verdict is Verdict.ACTING:
            chosen = rule
    after = replace(state, rules=seen, levels=dict(now_is.levels), seen_at=now)
    return Decision(after, chosen, _steps(chosen, now_is) if chosen else 0)


def _noticed(state: AutoScaling, now_is: Situation, now: datetime, cool_down_s: float) -> AutoScaling:
    """A change of size that nobody here made begins a cool-down too: a person's decision is not undone at once."""
    if state.seen_at is None or dict(state.levels) == dict(now_is.levels) or state.op_id:
        return state
    until = max(filter(None, (state.rests_until, now + timedelta(seconds=cool_down_s))))
    return replace(state, rests_until=until)


def _seen(before: Watched, rule: Rule, now_is: Situation, now: datetime) -> Watched:
    if not (now_is.heals if rule.act is Act.HEAL else now_is.scales):
        return Watched(verdict=Verdict.OFF, why="it is switched off")
    values = dict(_values(rule, now_is.readings))
    holds = rule.condition.holds(values)
    told = {name: round(value, 3) for name, value in values.items()}
    if now_is.busy and holds is not False:  # what is measured meanwhile says nothing of the size that comes
        return Watched(verdict=Verdict.BUSY, why=now_is.busy, values=told)
    if holds is None:
        missing = sorted(set(rule.condition.subjects()) - set(values))
        return Watched(verdict=Verdict.UNKNOWN, why=f"nobody tells {', '.join(missing)}", values=told)
    if not holds:
        return Watched(verdict=Verdict.CALM, why=f"{_told(told)}: not {rule.condition}", values=told)
    since = before.since or now
    held = min(before.held + 1, rule.evaluations)
    lasted = (now - since).total_seconds()
    if held < rule.evaluations or lasted < rule.period_s:
        period = f" and {lasted:.0f} of {rule.period_s:g} s" if rule.period_s else ""
        why = f"{_told(told)}: true in {held} of {rule.evaluations} looks{period}"
        return Watched(held, since, Verdict.COUNTING, why, told)
    return Watched(held, since, Verdict.ACTING, _told(told), told)


def _held_back(
    rule: Rule, state: AutoScaling, now_is: Situation, now: datetime, chosen: Rule | None
) -> tuple[Verdict, str]:
    values = _told(dict(_values(rule, now_is.readings)))
    if chosen is not None:
        return Verdict.OUTVOTED, f"{values}, but {chosen.id} goes first"
    if state.rests_until is not None and now < state.rests_until:
        failed = f" ({state.failures} failed in a row)" if state.failures else ""
        return Verdict.COOLING, f"{values}, but it rests until {state.rests_until:%H:%M:%S} UTC{failed}"
    if rule.act is Act.HEAL:
        return Verdict.ACTING, f"{values}: heals"
    level, steps = now_is.levels.get(rule.aspect, 0), _steps(rule, now_is)
    if steps < 1:
        bound = now_is.most if rule.act is Act.SCALE_OUT else now_is.least
        return Verdict.BOUND, f"{values}, but {rule.aspect} is at its bound, {level} of {bound.get(rule.aspect, 0)}"
    after = level + (steps if rule.act is Act.SCALE_OUT else -steps)
    if rule.act is Act.SCALE_IN and (other := _answer(rule, now_is, after)):
        return Verdict.WOULD_FLAP, f"{values}, but on fewer instances {other} would scale out again"
    return Verdict.ACTING, f"{values}: {rule.aspect} from {level} to {after}"


def _steps(rule: Rule, now_is: Situation) -> int:
    """As many steps as the bounds leave."""
    level = now_is.levels.get(rule.aspect, 0)
    out = rule.act is Act.SCALE_OUT
    room = now_is.most.get(rule.aspect, 0) - level if out else level - now_is.least.get(rule.aspect, 0)
    return max(0, min(rule.steps, room))


def _answer(rule: Rule, now_is: Situation, after: int) -> str:
    """The rule that would scale out again when the same load lies on the instances of level ``after``, if any."""
    sizes = now_is.sizes.get(rule.aspect, ())
    level = now_is.levels.get(rule.aspect, 0)
    if not 0 <= after < len(sizes) or level >= len(sizes) or not sizes[after]:
        return ""
    factor = sizes[level] / sizes[after]
    for other in now_is.rules:
        if other.act is Act.SCALE_OUT and other.aspect == rule.aspect:
            values = {
                name: value * (factor if (other.method or now_is.readings[name].usual) != "sum" else 1)
                for name, value in _values(other, now_is.readings)
            }
            if other.condition.holds(values):
                return f"{other.id} ({_told(values)})"
    return ""


def _values(rule: Rule, readings: Mapping[str, Reading]) -> Iterator[tuple[str, float]]:
    for name in dict.fromkeys(rule.condition.subjects()):
        value = readings[name].together(rule.method) if name in readings else None
        if value is not None:
            yield name, value


def _told(values: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in values.items())


def acted(state: AutoScaling, rule: Rule, op_id: str, why: str, now: datetime) -> AutoScaling:
    """An operation is about to be started: remembered before, so that it is started once."""
    return replace(state, op_id=op_id, op_rule=rule.id, last=f"{rule.id}: {why}", last_at=now)


def never_begun(state: AutoScaling) -> AutoScaling:
    """The operation was remembered, but its server died before it was stored."""
    return replace(state, op_id="", op_rule="")


def over(state: AutoScaling, ended_at: datetime, *, succeeded: bool, cool_down_s: float) -> AutoScaling:
    """The operation ended: count anew, and rest; longer after each failure in a row."""
    failures = 0 if succeeded else state.failures + 1
    rest = timedelta(seconds=cool_down_s * 2 ** min(failures, MAX_BACK_OFF))
    counted = {id: replace(one, held=0, since=None) for id, one in state.rules.items()}
    return replace(state, op_id="", rules=counted, failures=failures, rests_until=ended_at + rest)


def is_news(before: AutoScaling, after: AutoScaling) -> bool:
    """Is it worth storing? Counters that stand at their end, and values that only wobble, are not."""
    return _essence(before) != _essence(after)


def _essence(state: AutoScaling) -> object:
    rules = {id: (one.held, one.since, one.verdict) for id, one in state.rules.items()}
    return rules, state.op_id, dict(state.levels), state.rests_until, state.failures, state.seen_at is None
