"""Looking again and again: in turn, within a share of the time, and whatever one look raises."""

from __future__ import annotations

import threading
import time
from functools import partial
from pathlib import Path

import pytest

from mano.adapters.watching import Round, Watch, certificate_ends, disk_of
from mano.errors import Unreachable


def no_store(**_: object) -> object:
    raise AssertionError("a server that is alone asks for no lease")


def watched(*rounds: Round) -> Watch:
    return Watch(list(rounds), no_store, owner="a", alone=True, first_s=0.0)  # type: ignore[arg-type]


def test_every_round_is_looked_at_whatever_another_one_raises() -> None:
    looks: list[str] = []
    enough = threading.Event()

    def look(name: str) -> None:
        looks.append(name)
        if looks.count("well") >= 3:
            enough.set()
        if name == "silent":
            raise Unreachable("nobody answers")
        if name == "broken":
            raise ValueError("not foreseen")

    watch = watched(*(Round(name, 0.01, partial(look, name), share=0) for name in ("silent", "broken", "well")))
    watch.start()
    assert enough.wait(10)
    watch.stop()
    assert {looks.count(name) >= 2 for name in ("silent", "broken", "well")} == {True}
    count = len(looks)
    time.sleep(0.1)
    assert len(looks) == count, "it has ended"


def test_a_look_that_takes_long_is_not_repeated_at_once() -> None:
    slow = Round("slow", 0.001, lambda: time.sleep(0.05), share=4)
    watch = watched(slow)
    begun = time.monotonic()
    watch._look(slow)
    assert slow.due - begun >= 5 * 0.05, "four times as long as it took, after it took so long"


def test_the_disk_below_a_directory_is_looked_at(tmp_path: Path) -> None:
    total, free = disk_of(tmp_path)
    assert 0 < free < total


def test_a_file_without_a_certificate_is_none(tmp_path: Path) -> None:
    (tmp_path / "x.pem").write_text("nothing")
    assert certificate_ends({"x": tmp_path / "x.pem", "y": tmp_path / "missing"}) == {}
    assert certificate_ends({}) == {}


@pytest.mark.parametrize("period", [0.01])
def test_a_watch_can_be_started_again(period: float) -> None:
    looked = threading.Event()
    watch = watched(Round("again", period, looked.set))
    for _ in range(2):
        looked.clear()
        watch.start()
        assert looked.wait(10)
        watch.stop()
