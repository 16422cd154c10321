"""Measure calls: repetitions, median and quartiles, the garbage collector at rest.

A benchmark is a generator function of a module benchmarks/bench_*.py, marked with :func:`benchmark`. It prepares,
yields the call that is measured, and cleans up after its ``yield``:

    @benchmark("encode an NSH header", number=10_000)
    def encode() -> Iterator[Callable[[], object]]:
        header = NshHeader(1, 255)
        yield header.encode
"""

from __future__ import annotations

import gc
import importlib.util
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

WARM_UPS = 1

Call = Callable[[], object]
Clock = Callable[[], float]
Preparation = Callable[[], Iterator[Call]]


class Skipped(Exception):
    """A preparation raises it when what it would measure is not there; the text says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Benchmark:
    """A named preparation, and how many calls one repetition makes."""

    name: str
    prepare: Preparation
    number: int
    #: Seconds of what is measured, when that is not the time by the wall.
    clock: Clock | None = None

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError(f"benchmark {self.name!r}: number must be 1 or more, not {self.number}")


@dataclass(frozen=True, slots=True)
class Result:
    """Seconds of one call of a benchmark, over all repetitions."""

    name: str
    median_s: float
    lower_quartile_s: float
    upper_quartile_s: float
    repetitions: int
    number: int


def benchmark(name: str, *, number: int = 1, clock: Clock | None = None) -> Callable[[Preparation], Preparation]:
    """Mark a generator function as the benchmark ``name``, whose call is made ``number`` times in a repetition."""

    def mark(prepare: Preparation) -> Preparation:
        prepare.__dict__["benchmark"] = Benchmark(name, prepare, number, clock)
        return prepare

    return mark


def discover(folder: Path) -> list[Benchmark]:
    """The benchmarks of bench_*.py in ``folder``, by module and then as written."""
    found: list[Benchmark] = []
    for file in sorted(folder.glob("bench_*.py")):
        spec = importlib.util.spec_from_file_location(f"benchmarks.{file.stem}", file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{file.name} is no Python module")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module  # dataclasses look their module up
        spec.loader.exec_module(module)
        marks = (getattr(value, "benchmark", None) for value in vars(module).values())
        found += [mark for mark in marks if isinstance(mark, Benchmark)]
    return found


def measure(subject: Benchmark, repeat: int, clock: Clock | None = None) -> Result:
    """Run ``subject``; its preparation and clean-up are not timed. ``clock`` goes before the benchmark's own."""
    clock = clock or subject.clock or time.perf_counter
    with contextmanager(subject.prepare)() as call:
        for _ in range(WARM_UPS):
            call()
        times = [one_repetition(call, subject.number, clock) for _ in range(repeat)]
    lower, median, upper = quartiles(times)
    return Result(subject.name, median, lower, upper, repeat, subject.number)


def one_repetition(call: Call, number: int, clock: Callable[[], float]) -> float:
    """Mean seconds of one of ``number`` calls."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        start = clock()
        for _ in range(number):
            call()
        return (clock() - start) / number
    finally:
        if collecting:
            gc.enable()


def quartiles(times: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile; of a single time, that time."""
    if len(times) == 1:
        return times[0], times[0], times[0]
    lower, median, upper = statistics.quantiles(times, n=4, method="inclusive")
    return lower, median, upper
