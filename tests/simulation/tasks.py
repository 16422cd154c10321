"""Many activities in one thread, one at a time; which one goes on where another pauses, a seed decides.

Each activity is a greenlet. It gives way only in :meth:`Tasks.sleep`, so everything between two pauses happens at once.
Time passes only when nobody has anything to do: hours of waiting cost nothing.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from greenlet import getcurrent, greenlet  # type: ignore[import-untyped]

BEGINNING = datetime(2026, 3, 1, tzinfo=UTC)


@dataclass(eq=False)
class Task:
    """One activity; ``server`` names the process whose death ends it, if any does."""

    name: str
    server: str | None
    body: greenlet
    wakes_at: float = 0.0


@dataclass
class Tasks:
    """All activities. Implements :class:`mano.ports.clock.Clock` for everybody."""

    dice: random.Random
    passed: float = 0.0
    turns: int = 0
    history: list[str] = field(default_factory=list)
    """Whose turn it was, from the beginning: the same for the same seed."""
    _all: list[Task] = field(default_factory=list)

    # The clock

    def now(self) -> datetime:
        return BEGINNING + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Let others go on; whoever is no activity lets the time pass."""
        task = self.present()
        if task is None:
            self.passed += seconds
            return
        task.wakes_at = self.passed + seconds
        parent = task.body.parent
        assert parent is not None
        parent.switch()

    def present(self) -> Task | None:
        """The activity whose turn it is."""
        return next((task for task in self._all if task.body is getcurrent()), None)

    def pause(self) -> None:
        """Others may go on here."""
        self.sleep(0.0)

    # The activities

    def begin(self, name: str, call: Callable[[], None], server: str | None = None) -> None:
        """Another activity, from the next turn on."""
        self._all.append(Task(name, server, greenlet(call), self.passed))

    def turn(self) -> bool:
        """One activity goes on to its next pause; False when there is none left."""
        if not self._all:
            return False
        ready = [task for task in self._all if task.wakes_at <= self.passed]
        if not ready:
            self.passed = min(task.wakes_at for task in self._all)
            ready = [task for task in self._all if task.wakes_at <= self.passed]
        self._go_on(self.dice.choice(ready))
        return True

    def _go_on(self, task: Task) -> None:
        self.turns += 1
        self.history.append(f"{self.passed:.3f} {task.name}")
        try:
            task.body.switch()
        finally:
            if task.body.dead and task in self._all:
                self._all.remove(task)

    def end(self, server: str, reason: BaseException) -> None:
        """End every activity of a server where it stands; the present one must end by itself."""
        doomed = [task for task in self._all if task.server == server and task.body is not getcurrent()]
        for task in doomed:
            self._all.remove(task)
        for task in doomed:
            if task.body:
                task.body.parent = getcurrent()  # where its end leads to
                task.body.throw(reason)

    def of(self, server: str) -> list[str]:
        """What a server is doing."""
        return [task.name for task in self._all if task.server == server]


@dataclass
class Turnstile:
    """A lock for activities: in place of a thread's, which would hold up everybody for ever."""

    tasks: Tasks
    is_taken: bool = False
    _waiting: list[Task] = field(default_factory=list)

    def __enter__(self) -> None:
        while self.is_taken:
            task = self.tasks.present()
            assert task is not None, "only an activity can wait"
            self._waiting.append(task)
            self.tasks.sleep(math.inf)
        self.is_taken = True

    def __exit__(self, *_: object) -> None:
        self.is_taken = False
        for task in self._waiting:
            task.wakes_at = self.tasks.passed
        self._waiting.clear()
