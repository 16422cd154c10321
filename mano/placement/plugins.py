"""What third parties install for placement: entry points, by group and in the order of their names."""

from __future__ import annotations

import functools
import sys
from importlib.metadata import entry_points
from typing import Any


def installed(group: str) -> tuple[Any, ...]:
    """The objects behind the group's entry points. Packages are gone through once for each search path."""
    return _loaded(group, tuple(sys.path))


@functools.lru_cache(maxsize=16)
def _loaded(group: str, _: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(point.load() for point in sorted(entry_points(group=group), key=lambda point: point.name))
