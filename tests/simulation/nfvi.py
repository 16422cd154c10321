"""Fake hosts: the simulated VIM with its world in memory, asked over a network that loses and delays answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.adapters.vim_local.effects import Effects
from mano.adapters.vim_simulated import SimulatedVim
from mano.adapters.vim_simulated.faults import Died
from mano.adapters.vim_simulated.world import KINDS, Things, World
from mano.errors import Unreachable
from tests.simulation.tasks import Tasks


class MemoryWorld(World):
    """The same world without its file."""

    def __init__(self, effects: Effects) -> None:
        super().__init__(Path("/nowhere/world.json"), effects)
        self.contents: dict[str, Things] = {kind: {} for kind in KINDS}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody gives way inside a call of the VIM."""
        yield

    def _read(self) -> dict[str, Things]:
        return self.contents

    def _write(self, kind: str, things: Things) -> None:
        self.contents = {**self.contents, kind: things}


@dataclass
class Weather:
    """How often what goes wrong: shares of all calls, or of all effects where it is a death."""

    unanswered: float = 0.0
    lost: float = 0.0
    slow: float = 0.0
    death: float = 0.0

    def storm(self) -> None:
        """Everything goes wrong now and then."""
        self.unanswered, self.lost, self.slow, self.death = 0.02, 0.02, 0.01, 0.004

    def calm(self) -> None:
        """Nothing goes wrong any more."""
        self.unanswered = self.lost = self.slow = self.death = 0.0


CALLS = (
    "ensure_network",
    "remove_network",
    "ensure_port",
    "remove_port",
    "ensure_compute",
    "remove_compute",
    "compute_status",
    "observe",
)
SLOW_S = (1.0, 30.0, 90.0)


class FarVim(SimulatedVim):
    """The one NFVI of all servers. Each call lets others go on before and after it."""

    def __init__(self, tasks: Tasks, dice: random.Random, weather: Weather) -> None:
        super().__init__(Path("/nowhere"))
        self._tasks, self._dice, self._weather = tasks, dice, weather
        self._world = self._memory = MemoryWorld(Effects(self._watch))
        self.is_watched = False

    @property
    def things(self) -> dict[str, Things]:
        """What there is."""
        return self._memory.contents

    @things.setter
    def things(self, contents: dict[str, Things]) -> None:
        self._memory.contents = contents

    def _watch(self, moment: str) -> None:
        if self.is_watched and self._dice.random() < self._weather.death:
            raise Died(moment)

    def far(self, name: str, call: Callable[..., Any], *args: Any) -> Any:
        """A call as a server sees it."""
        if not self.is_watched:
            return call(*args)
        self._tasks.pause()
        if self._dice.random() < self._weather.slow:
            self._tasks.sleep(self._dice.choice(SLOW_S))
        if self._dice.random() < self._weather.unanswered:
            raise Unreachable(f"{name}: the host does not answer")
        answer = call(*args)
        if self._dice.random() < self._weather.lost:
            raise Unreachable(f"{name}: the answer was lost")
        self._tasks.pause()
        return answer


def _over_the_network(name: str) -> Callable[..., Any]:
    near = getattr(SimulatedVim, name)

    def call(self: FarVim, *args: Any) -> Any:
        return self.far(name, lambda *same: near(self, *same), *args)

    return call


for _name in CALLS:
    setattr(FarVim, _name, _over_the_network(_name))
