"""Auto-scaling on load traces: it follows the load, within bounds, rests in between, and never flaps."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    rules_of,
)
from vnf_descriptors.model import Clause, FrozenMap, Trigger, TriggerAction

BEGAN = datetime(2026, 3, 1, tzinfo=UTC)
OUT = Rule("p/out", Act.SCALE_OUT, Clause("greater_or_equal", "load", (80.0,)), "a", evaluations=3)
IN = Rule("p/in", Act.SCALE_IN, Clause("less_than", "load", (30.0,)), "a", evaluations=3, period_s=30)
HEAL = Rule("p/heal", Act.HEAL, Clause("greater_than", "errors", (5.0,)), cause="too many errors")


@dataclass
class Trace:
    """A VNF under a load that a function of time gives; each of its instances bears its share of it."""

    load: Callable[[float], float]
    rules: tuple[Rule, ...] = (OUT, IN)
    look_s: float = 5.0
    operation_s: float = 12.0
    cool_down_s: float = 60.0
    most: int = 5
    level: int = 0
    state: AutoScaling = field(default_factory=lambda: AutoScaling("vnf", "tenant"))
    done: list[tuple[float, Act, int]] = field(default_factory=list)
    """(When it began, what, level afterwards)."""

    def run(self, seconds: float) -> Trace:
        time, ends = 0.0, math.inf
        pending: Decision | None = None
        while time <= seconds:
            now = BEGAN + timedelta(seconds=time)
            if pending is not None and time >= ends:
                assert pending.rule is not None
                self.level += pending.steps if pending.rule.act is Act.SCALE_OUT else -pending.steps
                self.state = over(self.state, now, succeeded=True, cool_down_s=self.cool_down_s)
                self.state = replace(self.state, levels={"a": self.level})
                self.done.append((time, pending.rule.act, self.level))
                pending = None
            decision = self.look(now, busy="an operation runs" if pending else "")
            self.state = decision.state
            if decision.rule is not None:
                assert pending is None
                self.state = acted(self.state, decision.rule, "op", "because", now)
                pending, ends = decision, time + self.operation_s
            time += self.look_s
        return self

    def look(self, now: datetime, busy: str = "") -> Decision:
        count = self.level + 1
        each = self.load((now - BEGAN).total_seconds()) / count
        situation = Situation(
            self.rules,
            {"load": Reading((each,) * count, "average")},
            {"a": self.level},
            {"a": self.most},
            {"a": 0},
            {"a": tuple(range(1, self.most + 2))},
            busy=busy,
        )
        return decide(self.state, situation, now, self.cool_down_s)

    @property
    def acts(self) -> list[Act]:
        return [act for _, act, _ in self.done]


def test_a_step_of_load_is_followed_up_and_down() -> None:
    trace = Trace(lambda t: 240.0 if 100 <= t < 900 else 20.0).run(2000)
    assert trace.acts == [Act.SCALE_OUT] * 3 + [Act.SCALE_IN] * 3
    assert trace.level == 0
    times = [time for time, _, _ in trace.done]
    assert all(later - earlier >= trace.cool_down_s for earlier, later in pairwise(times))


def test_noise_around_a_threshold_moves_nothing_back() -> None:
    """Three looks in a row never hold, and when they do, the lower threshold is far away."""
    alternating = Trace(lambda t: 95.0 if int(t / 5) % 2 else 65.0).run(3600)
    assert alternating.acts == []
    wobbling = Trace(lambda t: 100.0 + 15 * math.sin(t / 7)).run(3600)
    assert wobbling.acts == [Act.SCALE_OUT]


def test_a_slow_wave_costs_one_change_each_way() -> None:
    period = 7200.0
    trace = Trace(lambda t: 90 - 80 * math.cos(2 * math.pi * t / period)).run(2 * period)
    for act in Act.SCALE_OUT, Act.SCALE_IN:
        assert 2 <= trace.acts.count(act) <= 6
    changes = sum(one is not other for one, other in pairwise(trace.acts))
    assert changes == 3, trace.done


def test_thresholds_too_close_to_each_other_do_not_flap() -> None:
    close = replace(IN, condition=Clause("less_than", "load", (70.0,)))
    trace = Trace(lambda _: 100.0, rules=(OUT, close)).run(3600)
    assert trace.acts == [Act.SCALE_OUT]
    assert trace.state.rules["p/in"].verdict is Verdict.WOULD_FLAP
    assert "p/out (load 100)" in trace.state.rules["p/in"].why


def test_the_bounds_hold() -> None:
    trace = Trace(lambda _: 9000.0, most=3, rules=(replace(OUT, steps=2), IN)).run(3600)
    assert [level for _, _, level in trace.done] == [2, 3]
    assert trace.state.rules["p/out"].verdict is Verdict.BOUND
    assert "3 of 3" in trace.state.rules["p/out"].why


@settings(max_examples=30, deadline=None)
@given(
    load=st.floats(0, 700),
    out=st.floats(10, 100),
    below=st.floats(1, 100),
    level=st.integers(0, 5),
    looks=st.integers(1, 4),
)
def test_a_steady_load_never_turns_round(load: float, out: float, below: float, level: int, looks: int) -> None:
    """Whatever the thresholds are: out and in never follow each other under a load that stays."""
    rules = (
        replace(OUT, condition=Clause("greater_or_equal", "load", (out,)), evaluations=looks),
        replace(IN, condition=Clause("less_than", "load", (min(below, out),)), evaluations=looks, period_s=0),
    )
    trace = Trace(lambda _: load, rules=rules, level=level, cool_down_s=10).run(900)
    assert len(set(trace.acts)) <= 1, trace.done
    assert 0 <= trace.level <= 5


def once(state: AutoScaling, at: float, **changes: object) -> Decision:
    situation = Situation(
        (OUT, IN, HEAL), {"load": Reading((90.0, 86.0), "average")}, {"a": 1}, {"a": 3}, {"a": 0}, {"a": (1, 2, 3, 4)}
    )
    return decide(state, replace(situation, **changes), BEGAN + timedelta(seconds=at), 60)  # type: ignore[arg-type]


def test_each_verdict_explains_itself() -> None:
    state = once(AutoScaling("v", "t"), 0).state
    assert (state.rules["p/out"].verdict, state.rules["p/out"].why) == (
        Verdict.COUNTING,
        "load 88: true in 1 of 3 looks",
    )
    assert (state.rules["p/in"].verdict, state.rules["p/in"].why) == (Verdict.CALM, "load 88: not load < 30")
    assert (state.rules["p/heal"].verdict, state.rules["p/heal"].why) == (Verdict.UNKNOWN, "nobody tells errors")
    ready = once(once(state, 5).state, 10)
    assert ready.rule is OUT and ready.steps == 1
    assert ready.state.rules["p/out"].why == "load 88: a from 1 to 2"
    off = once(state, 5, scales=False).state
    assert off.rules["p/out"].verdict is Verdict.OFF
    busy = once(once(state, 5).state, 10, busy="HEAL runs")
    assert busy.rule is None and busy.state.rules["p/out"] == Watched(
        verdict=Verdict.BUSY, why="HEAL runs", values={"load": 88.0}
    )


def test_after_an_operation_it_counts_anew_and_rests_longer_after_each_failure() -> None:
    state = once(once(once(AutoScaling("v", "t"), 0).state, 5).state, 10).state
    state = acted(state, OUT, "op", "load 88", BEGAN)
    rests = []
    for _ in range(6):
        state = over(replace(state, op_id="op"), BEGAN, succeeded=False, cool_down_s=60)
        assert state.rests_until is not None
        rests.append((state.rests_until - BEGAN).total_seconds())
    assert rests == [120, 240, 480, 960, 960, 960]
    assert state.rules["p/out"].held == 0
    for at in (11, 12, 13):
        found = once(state, at)
        state = found.state
    assert found.rule is None and "6 failed in a row" in state.rules["p/out"].why
    assert over(state, BEGAN, succeeded=True, cool_down_s=60).failures == 0
    assert never_begun(replace(state, op_id="op")).op_id == ""


def test_who_scales_by_hand_is_not_contradicted_at_once() -> None:
    state = AutoScaling("v", "t")
    for at in (0, 5):
        state = once(state, at).state
    moved = once(state, 10, levels={"a": 2})
    assert moved.rule is None and moved.state.rules["p/out"].verdict is Verdict.COOLING
    assert once(moved.state, 65, levels={"a": 2}).rule is None
    assert once(moved.state, 71, levels={"a": 2}).rule is OUT


def test_healing_goes_first_and_only_news_are_stored() -> None:
    readings = {"load": Reading((90.0,)), "errors": Reading((4.0, 3.0))}
    first = once(AutoScaling("v", "t"), 0, readings=readings)
    second = once(first.state, 5, readings=readings)
    assert is_news(AutoScaling("v", "t"), first.state) and is_news(first.state, second.state)
    assert second.rule is HEAL
    third = once(second.state, 10, readings=readings)
    assert third.rule is HEAL and third.state.rules["p/out"].verdict is Verdict.OUTVOTED
    calm = once(third.state, 15, readings={"load": Reading((50.0,))}).state
    wobble = once(calm, 20, readings={"load": Reading((51.0,))}).state
    assert not is_news(calm, wobble)


@pytest.mark.parametrize(
    ("operation", "inputs", "found"),
    [
        ("Vnflcm.scale", {"type": "scale_out"}, (Act.SCALE_OUT, "a", 1)),
        ("Vnflcm.scale", {"type": "SCALE_IN", "aspect": "a", "number_of_steps": "2"}, (Act.SCALE_IN, "a", 2)),
        (
            "Nslcm.scale",
            {"scale_ns_by_steps_data.scaling_direction": "scale_out", "scale_ns_by_steps_data.aspect": "a"},
            (Act.SCALE_OUT, "a", 1),
        ),
        ("Vnflcm.heal", {"cause": "x"}, (Act.HEAL, "", 1)),
        ("Vnflcm.scale", {"type": "scale_out", "aspect": "b"}, None),
        ("Vnflcm.scale", {"type": "scale_out", "number_of_steps": "0"}, None),
        ("Vnflcm.scale", {"type": "up"}, None),
        ("Vnflcm.terminate", {}, None),
    ],
)
def test_rules_are_read_from_triggers(
    operation: str, inputs: dict[str, str], found: tuple[Act, str, int] | None
) -> None:
    clause = Clause("equal", "x", (1.0,))
    trigger = Trigger("p/t", "", clause, actions=(TriggerAction(operation, FrozenMap(inputs)),), period_ms=1500)
    rules = rules_of([trigger], ["a"])
    assert [(rule.act, rule.aspect, rule.steps) for rule in rules] == ([found] if found else [])
    assert all((rule.evaluations, rule.period_s) == (2, 1.5) for rule in rules)


def test_values_of_instances_become_one() -> None:
    reading = Reading((1.0, 2.0, 6.0), "average")
    assert [reading.together(how) for how in (None, "sum", "maximum", "minimum")] == [3.0, 9.0, 6.0, 1.0]
    assert Reading(()).together(None) is None
    with pytest.raises(ValueError, match="from 1"):
        replace(OUT, steps=0)
