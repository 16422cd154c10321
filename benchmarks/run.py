"""Run the benchmarks: ``python -m benchmarks.run [NAME…] [--repeat N] [--json FILE] [--against FILE]``.

Speeds are looked at, not asserted: the exit code is 1 only when a benchmark itself fails or there is none.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.harness import Benchmark, Result, Skipped, discover, measure

FOLDER = Path(__file__).resolve().parent
UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Exit code 0 when all ran, 1 when one failed or there is none, 2 for wrong usage."""
    options = parse(arguments)
    subjects = [subject for subject in discover(folder) if wanted(subject, options.names)]
    if not subjects:
        print("no benchmark: benchmarks/bench_*.py define none of that name", file=sys.stderr)
        return 1
    print(" · ".join(f"{key} {value}" for key, value in machine().items()), flush=True)
    results, failed = measure_all(subjects, options.repeat, read_medians(options.against))
    if options.json:
        document = {"machine": machine(), "results": [asdict(result) for result in results]}
        options.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 1 if failed else 0


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """The command line's options."""
    parser = argparse.ArgumentParser(description="Run the benchmarks.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="only those whose name contains one of these")
    parser.add_argument("--repeat", type=int, default=7, help="repetitions of each (7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there")
    parser.add_argument("--against", type=Path, metavar="FILE", help="an earlier --json file to compare with")
    options = parser.parse_args(arguments)
    if options.repeat < 1:
        parser.error("--repeat must be 1 or more")
    return options


def wanted(subject: Benchmark, names: Sequence[str]) -> bool:
    """Whether the benchmark was asked for by a part of its name, or nothing was."""
    return not names or any(name in subject.name for name in names)


def measure_all(
    subjects: Sequence[Benchmark], repeat: int, earlier: dict[str, float]
) -> tuple[list[Result], list[str]]:
    """Measure and print each; returns the results and the names of those that failed."""
    results: list[Result] = []
    failed: list[str] = []
    for subject in subjects:
        try:
            result = measure(subject, repeat)
        except Skipped as reason:
            print(f"{subject.name:<56} skipped: {reason}", flush=True)
        except Exception as error:  # one that fails must not hide the others' figures
            failed.append(subject.name)
            print(f"{subject.name:<56} failed: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        else:
            results.append(result)
            print(report_line(result, earlier.get(result.name)), flush=True)
    return results, failed


def report_line(result: Result, earlier_s: float | None) -> str:
    """One line of the report; the ratio is the median now to the median then."""
    spread = f"{human(result.lower_quartile_s)} - {human(result.upper_quartile_s)}"
    ratio = f"{result.median_s / earlier_s:.2f} x" if earlier_s else ""
    return f"{result.name:<56} {human(result.median_s):>10}  {spread:<24} {ratio:>8}".rstrip()


def human(seconds: float) -> str:
    """A time with the unit that suits it."""
    for unit, size in UNITS:
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def machine() -> dict[str, object]:
    """What a reader must know of the machine to judge a figure."""
    return {"python": platform.python_version(), "system": platform.platform(), "cpus": os.cpu_count()}


def read_medians(file: Path | None) -> dict[str, float]:
    """Median seconds by name from a file that ``--json`` wrote; empty without one."""
    if file is None:
        return {}
    return {row["name"]: float(row["median_s"]) for row in json.loads(file.read_text(encoding="utf-8"))["results"]}


if __name__ == "__main__":
    sys.exit(main())
