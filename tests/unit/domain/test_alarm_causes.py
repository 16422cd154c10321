"""Alarms follow from causes: raised when one appears, cleared when it is gone, told anew when it gets worse."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from mano.domain.alarm import Alarm, AlarmLevel, EventType, PerceivedSeverity, alarm_document
from mano.domain.alarm_causes import Cause, alarm_of, reconcile

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def cause(name: str, *, severity: PerceivedSeverity = PerceivedSeverity.MAJOR, root: str = "") -> Cause:
    return Cause(
        key=f"host/{name}",
        level=AlarmLevel.NFVI,
        managed_object_id=name,
        severity=severity,
        event_type=EventType.EQUIPMENT,
        probable_cause="host-unreachable",
        root=root,
    )


def test_a_new_cause_raises_an_alarm_and_a_gone_one_clears_it() -> None:
    raised = reconcile("host", [], [cause("h1")], now=NOW).new
    assert [alarm.managed_object_id for alarm in raised] == ["h1"] and raised[0].cleared_at is None
    assert reconcile("host", raised, [cause("h1")], now=LATER).changed == ()
    (cleared,) = reconcile("host", raised, [], now=LATER).changed
    assert (cleared.severity, cleared.cleared_at) == (PerceivedSeverity.CLEARED, LATER)


def test_a_cause_that_gets_worse_is_told_anew() -> None:
    standing = [alarm_of(cause("h1"), NOW)]
    (changed,) = reconcile("host", standing, [cause("h1", severity=PerceivedSeverity.CRITICAL)], now=LATER).changed
    assert (changed.severity, changed.changed_at, changed.id) == (PerceivedSeverity.CRITICAL, LATER, standing[0].id)


def test_what_follows_from_a_root_cause_names_its_alarm() -> None:
    follower = cause("a-vnf-that-sorts-first", root="host/h1")
    root, following = reconcile("host", [], [follower, cause("h1")], now=NOW).new
    assert following.correlated_ids == (root.id,)
    assert alarm_document(root)["isRootCause"] is True and alarm_document(following)["isRootCause"] is False
    (later,) = reconcile("host", [root], [cause("h1"), follower], now=LATER).new
    assert later.correlated_ids == (root.id,)


def test_an_observer_leaves_the_alarms_of_others_alone() -> None:
    other = replace(alarm_of(cause("h1"), NOW), key="hostile/h1")
    assert reconcile("host", [other], [], now=LATER).changed == ()


names = st.sets(st.sampled_from("abcdef"))


@given(st.lists(names, max_size=8))
def test_after_every_look_the_standing_alarms_are_exactly_the_causes(looks: list[set[str]]) -> None:
    stored: dict[str, Alarm] = {}
    for minute, seen in enumerate(looks):
        standing = [alarm for alarm in stored.values() if alarm.cleared_at is None]
        now = NOW + timedelta(minutes=minute)
        changes = reconcile("host", standing, [cause(name) for name in sorted(seen)], now=now)
        assert not {alarm.id for alarm in changes.new} & set(stored)
        stored |= {alarm.id: alarm for alarm in (*changes.new, *changes.changed)}
        assert {alarm.managed_object_id for alarm in stored.values() if alarm.cleared_at is None} == seen
