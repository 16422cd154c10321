"""What a check is: a named claim that returns its evidence or raises :class:`~mano.cli.demo.errors.CheckFailed`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from mano.cli.demo.errors import CheckFailed, DemoProblem
from mano.cli.demo.world import DemoWorld

T = TypeVar("T")
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Check:
    """A named claim."""

    name: str
    run: Callable[[DemoWorld], str]


def outcome(check: Check, world: DemoWorld) -> tuple[bool, str]:
    """(whether it held, the evidence or what was seen instead); a check that cannot be made has not held."""
    try:
        return True, check.run(world)
    except (CheckFailed, DemoProblem) as error:
        return False, str(error)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"


def expect(held: bool, otherwise: str) -> None:
    """Raise :class:`CheckFailed` with what was seen instead, unless it held."""
    if not held:
        raise CheckFailed(otherwise)


def until(world: DemoWorld, look: Callable[[], T], enough: Callable[[T], bool]) -> T:
    """Look until it is enough or patience is over; the last look."""
    deadline = time.monotonic() + world.patience_s
    while not enough(found := look()) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return found
