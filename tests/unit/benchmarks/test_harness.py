"""The benchmarks' harness: what it measures, what it leaves out, and how a run fails."""

from __future__ import annotations

import gc
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.harness import Benchmark, benchmark, discover, measure, quartiles
from benchmarks.run import human, main, report_line

TWO_BENCHMARKS = """
from benchmarks.harness import benchmark

@benchmark("count to a hundred", number=3)
def count():
    yield lambda: sum(range(100))

@benchmark("fall over")
def fall():
    yield lambda: 1 / 0
"""


def ticking(step_s: float) -> Callable[[], float]:
    """A clock that moves ``step_s`` at each look."""
    times = itertools.count()
    return lambda: next(times) * step_s


def test_only_the_calls_are_measured_and_the_clean_up_runs() -> None:
    events: list[str] = []

    @benchmark("a thing", number=4)
    def prepare() -> Iterator[Callable[[], object]]:
        events.append("prepared")
        yield lambda: events.append("called" if not gc.isenabled() else "warmed up")
        events.append("cleaned up")

    result = measure(prepare.__dict__["benchmark"], repeat=2, clock=ticking(8.0))
    assert events == ["prepared", "warmed up", *["called"] * 8, "cleaned up"]
    assert (result.median_s, result.repetitions, result.number) == (2.0, 2, 4)
    assert gc.isenabled()


def test_a_benchmark_may_bring_its_own_clock() -> None:
    @benchmark("a thing", clock=ticking(3.0))
    def prepare() -> Iterator[Callable[[], object]]:
        yield lambda: None

    assert measure(prepare.__dict__["benchmark"], repeat=3).median_s == 3.0


def test_the_clean_up_runs_when_the_call_fails() -> None:
    events: list[str] = []

    def prepare() -> Iterator[Callable[[], object]]:
        try:
            yield lambda: int("three")
        finally:
            events.append("cleaned up")

    with pytest.raises(ValueError, match="three"):
        measure(Benchmark("fails", prepare, 1), repeat=1)
    assert events == ["cleaned up"]


def test_a_benchmark_makes_at_least_one_call() -> None:
    with pytest.raises(ValueError, match="number must be 1 or more, not 0"):
        benchmark("nothing", number=0)(lambda: iter([]))


@pytest.mark.parametrize(
    ("times", "expected"), [([3.0], (3.0, 3.0, 3.0)), ([1.0, 2.0, 3.0, 4.0, 5.0], (2.0, 3.0, 4.0))]
)
def test_quartiles(times: list[float], expected: tuple[float, float, float]) -> None:
    assert quartiles(times) == expected


@pytest.mark.parametrize(
    ("seconds", "text"), [(2.5, "2.5 s"), (0.0123, "12.3 ms"), (4.2e-5, "42 µs"), (7e-9, "7 ns"), (0.0, "0 ns")]
)
def test_a_time_has_the_unit_that_suits_it(seconds: float, text: str) -> None:
    assert human(seconds) == text


def test_a_failing_benchmark_fails_the_run_and_hides_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bench_two.py").write_text(TWO_BENCHMARKS, encoding="utf-8")
    record = tmp_path / "out.json"
    assert [subject.name for subject in discover(tmp_path)] == ["count to a hundred", "fall over"]
    assert main(["--repeat", "2", "--json", str(record)], folder=tmp_path) == 1
    printed = capsys.readouterr()
    assert "count to a hundred" in printed.out
    assert "failed: ZeroDivisionError" in printed.err
    (row,) = json.loads(record.read_text(encoding="utf-8"))["results"]
    assert (row["name"], row["number"], row["repetitions"]) == ("count to a hundred", 3, 2)
    assert main(["count", "--repeat", "1", "--against", str(record)], folder=tmp_path) == 0
    assert capsys.readouterr().out.rstrip().endswith(" x")


def test_the_ratio_is_now_to_then() -> None:
    result = measure(Benchmark("thing", lambda: iter([int]), 1), repeat=1, clock=ticking(3.0))
    assert report_line(result, 6.0).endswith(" 0.50 x")
    assert not report_line(result, None).endswith("x")


def test_a_run_without_any_benchmark_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([], folder=tmp_path) == 1
    assert "no benchmark" in capsys.readouterr().err
