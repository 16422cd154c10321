"""What the audience sees: steps with their times, placements, chains, checks; colours only on a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

GREEN, RED, DIM, BOLD, CYAN, PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[2m", "\x1b[1m", "\x1b[36m", "\x1b[0m"


@dataclass(slots=True)
class CheckResult:
    """One check: what was claimed, and the evidence or the failure."""

    name: str
    held: bool
    evidence: str


@dataclass(slots=True)
class Stage:
    """Prints to one stream. ``tier`` stands in every line that claims a packet, unless it is the real one."""

    tier: str
    out: TextIO = field(default_factory=lambda: sys.stdout)
    results: list[CheckResult] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    @property
    def coloured(self) -> bool:
        """True on a terminal."""
        return self.out.isatty()

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
    def step(self, text: str) -> Iterator[None]:
        """A step with the time that it took; a terminal shows it while it runs."""
        begin = time.monotonic()
        if self.coloured:
            self.out.write(f"  {self._paint(DIM, '…')} {text}\r")
            self.out.flush()
        try:
            yield
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
        return f"{colour}{text}{PLAIN}" if self.coloured else text

    def _print(self, text: str) -> None:
        self.out.write(text + ("\x1b[K\n" if self.coloured else "\n"))
        self.out.flush()
