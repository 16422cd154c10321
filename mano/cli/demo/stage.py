"""What the audience sees: steps with their times, placements, chains, checks.

On a terminal the running step moves and has colours; anywhere else, with ``NO_COLOR`` set (no-color.org) and on a dumb
terminal every line is plain text, printed once.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

GREEN, RED, DIM, BOLD, CYAN, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"
CLEAR_TO_END = "\x1b[K"
SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
TICK_S = 0.1
NARROWEST, USUAL = 40, 80
"""Columns of a terminal: fewer are not used, and these where it does not say."""

Tell = Callable[[str], None]
"""Says what a running step does at the moment."""


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One check: what was claimed, and the evidence or the failure."""

    name: str
    held: bool
    evidence: str


def is_lively(out: TextIO, environment: Mapping[str, str]) -> bool:
    """Whether colours and moving lines are welcome there."""
    return out.isatty() and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


@dataclass(slots=True)
class Stage:
    """Prints to one stream. ``tier`` stands in every line that claims a packet, unless it is the real one."""

    tier: str
    out: TextIO = field(default_factory=lambda: sys.stdout)
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    results: list[CheckResult] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def lively(self) -> bool:
        """True on a terminal that may be painted."""
        return is_lively(self.out, self.environment)

    @property
    def all_held(self) -> bool:
        """True while no check has failed."""
        return all(result.held for result in self.results)

    def title(self, text: str) -> None:
        """A headline."""
        self._print(f"\n{self._paint(BOLD, text)}")

    def say(self, text: str) -> None:
        """One line."""
        self._print(f"  {text}")

    def table(self, rows: list[tuple[str, ...]]) -> None:
        """Columns as wide as their widest cell."""
        if not rows:
            return
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
            self.say("  ".join(cells).rstrip())

    @contextmanager
    def step(self, text: str) -> Iterator[Tell]:
        """A step with the time that it took; a terminal shows while it runs what it is at."""
        begin = time.monotonic()
        moving = MovingLine(self.out, text) if self.lively else None
        try:
            with moving or _nothing():
                yield moving.tell if moving else _silent
        except BaseException:
            self._print(f"  {self._paint(RED, '✗')} {text}  {self._took(begin)}")
            raise
        self._print(f"  {self._paint(GREEN, '✓')} {text}  {self._took(begin)}")

    def check(self, name: str, held: bool, evidence: str, *, packets: bool = True) -> None:
        """The outcome of one check."""
        self.results.append(CheckResult(name, held, evidence))
        mark = self._paint(GREEN, "✓") if held else self._paint(RED, "✗ FAILED")
        where = f" [{self.tier}]" if packets and self.tier != "root" else ""
        self._print(f"  {mark} {name}{where}: {evidence}")

    def summary(self) -> bool:
        """The last lines; True when every check held."""
        failed = [result.name for result in self.results if not result.held]
        took = time.monotonic() - self.started
        self.title("Summary")
        self.say(
            f"tier {self.tier}: {len(self.results) - len(failed)} of {len(self.results)} checks held, {took:.1f} s"
        )
        for name in failed:
            self.say(f"{self._paint(RED, 'failed')}: {name}")
        return not failed and bool(self.results)

    def _took(self, begin: float) -> str:
        return self._paint(DIM, f"{time.monotonic() - begin:.2f} s")

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{PLAIN}" if self.lively else text

    def _print(self, text: str) -> None:
        self.out.write(text + (f"{CLEAR_TO_END}\n" if self.lively else "\n"))
        self.out.flush()


class MovingLine:
    """A line of a terminal that moves while a step runs; gone at the end."""

    def __init__(self, out: TextIO, text: str, columns: int | None = None) -> None:
        self._out = out
        self._text = text
        self._columns = columns or _columns(out)
        self._detail = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._move, name="progress", daemon=True)

    def tell(self, detail: str) -> None:
        """What the step is at now."""
        self._detail = detail

    def line(self, beat: int, seconds: float) -> str:
        """The line at one beat, no wider than the terminal."""
        detail = f" · {self._detail}" if self._detail else ""
        return f"  {SPINNER[beat % len(SPINNER)]} {self._text}{detail}  {seconds:.0f} s"[: self._columns - 1]

    def __enter__(self) -> MovingLine:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._out.write(f"\r{CLEAR_TO_END}")
        self._out.flush()

    def _move(self) -> None:
        begin, beat = time.monotonic(), 0
        while not self._over.is_set():
            self._out.write(f"\r{self.line(beat, time.monotonic() - begin)}{CLEAR_TO_END}")
            self._out.flush()
            beat += 1
            self._over.wait(TICK_S)


def _columns(out: TextIO) -> int:
    try:
        return max(NARROWEST, os.get_terminal_size(out.fileno()).columns or USUAL)
    except (OSError, ValueError):
        return USUAL


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _silent(_detail: str) -> None:
    """Nobody watches: a step is told once, when it is over."""
