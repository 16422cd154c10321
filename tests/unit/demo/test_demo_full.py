"""The checks of ``mano demo --full`` can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import pytest

from mano.cli.demo import full
from mano.cli.demo.checks.claims import Check, outcome
from mano.cli.demo.flow import Way
from mano.cli.demo.full import Scene, check_traceroute, check_whole
from mano.cli.demo.report import traceroute_lines
from mano.cli.demo.world import DemoWorld

HOP = {
    "ttl": 1,
    "host": "h1",
    "spi": 100,
    "si": 255,
    "sfName": "firewall-0",
    "end": False,
    "nextRule": "proxy: NSH off (chain with SPI 100)",
    "rule": None,
    "leastMs": 0.25,
}
WHOLE = {"direction": "forward", "spi": 100, "whole": True, "why": "", "hops": [HOP]}
SILENT = {**HOP, "ttl": 2, "host": None, "sfName": None}
BROKEN = {**WHOLE, "whole": False, "why": "nobody answers behind h1", "hops": [HOP, SILENT]}
TRUE = {"proven": True, "violations": [], "drift": [], "traces": [{"agrees": True}]}


class World:
    """What the checks ask for."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        self.chains = {"web": {"id": "1"}, "other": {"id": "2"}}
        self.api = self
        self._answer = answer

    def post(self, path: str, body: Any) -> Mapping[str, Any]:
        return self._answer

    def verified(self) -> Mapping[str, Any]:
        return {"web": self._answer}


def world(answer: Mapping[str, Any]) -> DemoWorld:
    return cast(DemoWorld, World(answer))


def test_a_path_that_breaks_is_told() -> None:
    assert outcome(Check("t", check_traceroute), world({"paths": [WHOLE]}))[0]
    held, evidence = outcome(Check("t", check_traceroute), world({"paths": [WHOLE, BROKEN]}))
    assert not held and "nobody answers behind h1" in evidence


@pytest.mark.parametrize(
    "wrong",
    [
        {"proven": False, "violations": ["a packet goes astray"]},
        {"drift": [{"host": "h1"}]},
        {"traces": [{"agrees": False}]},
    ],
)
def test_what_is_not_as_before_is_told(wrong: Mapping[str, Any]) -> None:
    assert outcome(Check("w", check_whole), world(TRUE))[0]
    assert not outcome(Check("w", check_whole), world({**TRUE, **wrong}))[0]


def way(lost: int) -> Way:
    return Way("forward", 4000, 4000 - lost, 0, 0, 5.0, [])


def scene(monkeypatch: pytest.MonkeyPatch, losses: list[int], dpi: Callable[[], int]) -> Scene:
    made = Scene(world({}), "198.51.100.1")
    left = iter(losses)

    def flow(self: Scene, disturb: Callable[[], None]) -> tuple[Way, Way]:
        disturb()
        return way(next(left)), way(0)

    monkeypatch.setattr(Scene, "_flow", flow)
    monkeypatch.setattr(Scene, "change", lambda self, to: 0.5)
    monkeypatch.setattr(Scene, "_dpi_packets", lambda self: dpi())
    monkeypatch.setattr(full, "SETTLED_S", 0.01)
    return made


def counting() -> Callable[[], int]:
    seen = iter(range(0, 1_000_000, 5000))
    return lambda: next(seen)


def test_a_lost_datagram_counts_unless_an_undisturbed_flow_loses_some_too(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene(monkeypatch, [0], counting())
    assert outcome(Check("c", made.check_change), world({}))[0]
    made = scene(monkeypatch, [3, 0], counting())
    held, evidence = outcome(Check("c", made.check_change), world({}))
    assert not held and "3 of 4000 lost" in evidence and "nobody disturbs" in evidence
    made = scene(monkeypatch, [3, 9, 0], counting())
    assert outcome(Check("c", made.check_change), world({}))[0]


def test_a_dpi_that_sees_nothing_is_no_part_of_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    made = scene(monkeypatch, [0], lambda: 7)
    held, evidence = outcome(Check("c", made.check_change), world({}))
    assert not held and "dpi saw 0 packets" in evidence


def test_a_traceroute_is_told_line_by_line() -> None:
    lines = list(traceroute_lines("web", BROKEN))
    assert lines[0] == "web forward, SPI 100:"
    assert "h1  [100/255]  0.25 ms  firewall-0: proxy: NSH off" in lines[1]
    assert "nobody answers" in lines[2] and "it breaks: nobody answers behind h1" in lines[3]
