"""Faults at chosen moments of a driver, for tests of those who use it: a :data:`Watcher` that fails, delays or dies."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from mano.errors import Unreachable


class Died(BaseException):
    """The process would be gone here: no handler of errors sees it."""


class Kind(Enum):
    """What happens."""

    FAIL = "fail"
    """:class:`~mano.errors.Unreachable`, as when a host does not answer."""
    DELAY = "delay"
    DIE = "die"
    """:class:`Died`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """``moment`` is ``before <effect>`` or ``after <effect>``; it strikes ``times`` times, then never again."""

    moment: str
    kind: Kind
    times: int = 1
    delay_s: float = 0.0


@dataclass(slots=True)
class Faults:
    """Pass :meth:`watch` as a driver's ``watcher``. ``moments`` lists all that were met, in order."""

    planned: tuple[Fault, ...] = ()
    sleep: Callable[[float], None] = time.sleep
    moments: list[str] = field(default_factory=list)
    _struck: dict[Fault, int] = field(default_factory=dict)

    def watch(self, moment: str) -> None:
        self.moments.append(moment)
        for fault in self.planned:
            if fault.moment == moment and self._struck.get(fault, 0) < fault.times:
                self._struck[fault] = self._struck.get(fault, 0) + 1
                self._strike(fault)

    def _strike(self, fault: Fault) -> None:
        if fault.kind is Kind.DELAY:
            self.sleep(fault.delay_s)
        elif fault.kind is Kind.FAIL:
            raise Unreachable(f"a planned fault {fault.moment}")
        else:
            raise Died(fault.moment)
