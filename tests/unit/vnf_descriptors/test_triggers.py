"""Triggers of indicators: what they say is read as it stands, or told as a fault and left out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from tests.unit.vnf_descriptors.descriptor_support import VNFD, check_text, codes, found
from vnf_descriptors import load
from vnf_descriptors.model import Clause, Trigger, Vnfd, from_json, to_json

TRIGGERS = """
  - by_load:
      type: tosca.policies.nfv.VnfIndicator
      targets: [vnf]
      properties: {source: vnf}
      triggers:
        more:
          event: example.load
          condition:
            constraint:
            - load: [{greater_or_equal: 70.5}]
            - or: [{sessions: {greater_than: 100}}, not: [{idle: {in_range: [1, 2]}}]]
            period: 30 s
            evaluations: 3
            method: avg
          action:
          - call_operation:
              operation: Vnflcm.scale
              inputs: {type: scale_out, aspect: {value: out}, number_of_steps: 2}
        less:
          event: example.load
          condition:
          - load: [{less_than: 20}]
          action:
          - call_operation: Vnflcm.scale
            inputs: {type: scale_in, aspect: out}
"""


def of_text(directory: Path, text: str) -> tuple[Trigger, ...]:
    """The triggers of a VNFD."""
    path = directory / "vnfd.yaml"
    path.write_text(text, encoding="utf-8")
    model = cast("Vnfd", load(path))
    assert from_json(to_json(model)) == model
    return tuple(trigger for one in model.flavour().indicators for trigger in one.triggers)


def test_both_ways_to_write_a_condition_are_read(tmp_path: Path) -> None:
    more, less = of_text(tmp_path, VNFD.rstrip("\n") + TRIGGERS)
    assert (more.id, more.evaluations, more.period_ms, more.method) == ("by_load/more", 3, 30_000, "average")
    assert str(more.condition) == "(load ≥ 70.5 and (sessions > 100 or not (idle in range 1, 2)))"
    assert dict(more.actions[0].inputs) == {"type": "scale_out", "aspect": "out", "number_of_steps": "2"}
    assert more.condition.holds({"load": 71.0, "sessions": 1, "idle": 3}) is True
    assert more.condition.holds({"load": 70.0, "sessions": 1}) is False
    assert more.condition.holds({"load": 71.0, "idle": 1.5}) is None
    assert (less.evaluations, less.period_ms, str(less.condition)) == (None, 0, "load < 20")
    assert dict(less.actions[0].inputs)["type"] == "scale_in"
    assert set(more.condition.subjects()) == {"load", "sessions", "idle"}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("greater_or_equal: 70.5", "greater_or_equals: 70.5", "Did you mean 'greater_or_equal'?"),
        ("greater_or_equal: 70.5", "greater_or_equal: much", "with numbers"),
        ("{in_range: [1, 2]}", "{in_range: [1]}", "with numbers"),
        ("operation: Vnflcm.scale\n              inputs", "name: Vnflcm.scale\n              inputs", "call_operation"),
        ("period: 30 s", "period: a while", "period"),
        ("evaluations: 3", "evaluations: 0", "1 to 1000"),
        ("method: avg", "method: median", "method is one of"),
        ("aspect: out}\n", "aspect: outt}\n", "Did you mean 'out'?"),
        ("- call_operation: Vnflcm.scale\n", "- call_operation: Vnflcm.terminate\n", "A trigger scales or heals"),
        ("          - load: [{less_than: 20}]\n", "", "needs a condition"),
    ],
)
def test_what_cannot_be_followed_is_told_and_refuses_nothing(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TRIGGERS
    report = check_text(tmp_path, VNFD.rstrip("\n") + TRIGGERS.replace(old, new, 1))
    assert report.ok
    (entry, *_) = found(report, "VNFD022")
    assert says in f"{entry.message} {entry.hint}"


def test_triggers_without_fault_have_no_finding(tmp_path: Path) -> None:
    assert "VNFD022" not in codes(check_text(tmp_path, VNFD.rstrip("\n") + TRIGGERS))


def test_a_clause_is_true_from_birth() -> None:
    for wrong in (("and", "", ()), ("more", "load", (1.0,)), ("equal", "", (1.0,)), ("in_range", "load", (1.0,))):
        with pytest.raises(ValueError, match="'"):
            Clause(*wrong)
