"""Alarms: acknowledged once, cleared for good."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mano.domain.alarm import AckState, Alarm, EventType, PerceivedSeverity, acknowledge, clear
from mano.errors import Conflict

NOW = datetime(2026, 3, 1, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def alarm() -> Alarm:
    return Alarm(
        id="a",
        tenant_id="t",
        key="host h1",
        managed_object_id="h1",
        raised_at=NOW,
        severity=PerceivedSeverity.MAJOR,
        event_type=EventType.EQUIPMENT,
        probable_cause="host unreachable",
    )


def test_an_acknowledgement_says_when() -> None:
    acknowledged = acknowledge(alarm(), AckState.ACKNOWLEDGED, now=LATER)
    assert (acknowledged.ack_state, acknowledged.changed_at) == (AckState.ACKNOWLEDGED, LATER)


@pytest.mark.parametrize("state", AckState)
def test_acknowledging_what_is_so_already_is_a_conflict(state) -> None:
    one = alarm()
    if state is AckState.ACKNOWLEDGED:
        one = acknowledge(one, state, now=NOW)
    with pytest.raises(Conflict):
        acknowledge(one, state, now=LATER)


def test_a_cleared_alarm_keeps_the_time_of_its_end() -> None:
    cleared = clear(alarm(), now=NOW)
    assert (cleared.severity, cleared.cleared_at) == (PerceivedSeverity.CLEARED, NOW)
    assert clear(cleared, now=LATER) == cleared
