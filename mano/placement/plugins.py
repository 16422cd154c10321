"""Entry points that placement is put together from: ours and those of other packages are found and called alike.

Ours are declared in pyproject.toml and stand in the metadata of what is installed. A checkout that is run without
being installed, or whose installation is older than its declaration, is read from that file itself.
"""

from __future__ import annotations

import functools
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path
from typing import Any

from mano.errors import PluginError

OURS = "catena-mano"
"""The distribution that Catena itself is."""

PREFIX = "catena.placement."
"""What all groups begin with."""

CHECKOUT = Path(__file__).parents[2] / "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Plugin:
    """A function, the name under which it is registered, and the distribution that it belongs to."""

    group: str
    name: str
    distribution: str
    function: Callable[..., Any]
    answers: tuple[type, ...]
    """What it may return."""

    @property
    def is_ours(self) -> bool:
        return self.distribution == OURS

    def __str__(self) -> str:
        return f"{self.name!r} ({self.group}) of {self.distribution}"

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Raises PluginError where the function fails, or answers what it must not."""
        try:
            answer = self.function(*arguments, **named)
        except PluginError:
            raise
        except Exception as error:
            raise self.fault(f"failed: {_told(error)}") from error
        if not isinstance(answer, self.answers):
            kinds = " or ".join("None" if kind is type(None) else kind.__name__ for kind in self.answers)
            raise self.fault(f"answered {answer!r:.60} instead of {kinds}")
        return answer

    def fault(self, what: str) -> PluginError:
        return PluginError.of(self.group, self.name, self.distribution, what)


def registered(group: str, answers: tuple[type, ...]) -> tuple[Plugin, ...]:
    """The group's plug-ins, by name. Packages are gone through once for each search path.

    Raises PluginError where one cannot be loaded, and where none of ours is registered.
    """
    return _loaded(group, answers, tuple(sys.path))


@functools.lru_cache(maxsize=16)
def _loaded(group: str, answers: tuple[type, ...], path: tuple[str, ...]) -> tuple[Plugin, ...]:
    points = [(owner, point) for owner, point in _points(path) if point.group == group]
    if all(owner != OURS for owner, _ in points):
        points += [(OURS, point) for point in _declared(group)]
    if all(owner != OURS for owner, _ in points):
        hint = "install Catena anew: `pip install -e .` in a checkout, or its wheel"
        raise PluginError(f"nothing of {group} is registered by the installation of {OURS}", hint=hint)
    points.sort(key=lambda entry: (entry[1].name, entry[0]))
    return tuple(Plugin(group, point.name, owner, _load(owner, point), answers) for owner, point in points)


def _load(owner: str, point: EntryPoint) -> Callable[..., Any]:
    try:
        function = point.load()
    except (Exception, SystemExit) as error:
        what = f"cannot be loaded from {point.value!r:.120}: {_told(error)}"
        raise PluginError.of(point.group, point.name, owner, what) from error
    if not callable(function):
        raise PluginError.of(point.group, point.name, owner, f"is no function: {function!r:.60}")
    loaded: Callable[..., Any] = function
    return loaded


@functools.lru_cache(maxsize=1)
def _points(path: tuple[str, ...]) -> tuple[tuple[str, EntryPoint], ...]:
    """All entry points of placement's groups with their owners; of a distribution that is there twice the first."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for distribution in distributions(path=list(path)):
        if PREFIX in _entry_points_text(distribution):
            owner = _name(distribution)
            if owner not in found:
                found[owner] = tuple(_parsed(owner, distribution))
    return tuple((owner, point) for owner, points in found.items() for point in points)


def _entry_points_text(distribution: Distribution) -> str:
    """Text that cannot be read registers nothing, whosever it is."""
    try:
        return distribution.read_text("entry_points.txt") or ""
    except (OSError, UnicodeError):
        return ""


def _name(distribution: Distribution) -> str:
    try:
        name = distribution.metadata["Name"]
    except Exception:
        name = None  # metadata of some other tool's making; the entry points still have an owner to be told
    return str(name or "a package without a name").lower().replace("_", "-")


def _parsed(owner: str, distribution: Distribution) -> Iterator[EntryPoint]:
    try:
        points = tuple(distribution.entry_points)
    except Exception as error:
        raise PluginError.of(
            PREFIX + "*", "?", owner, f"has entry points that cannot be read: {_told(error)}"
        ) from error
    yield from (point for point in points if point.group.startswith(PREFIX))


def _declared(group: str) -> Iterator[EntryPoint]:
    """What the checkout around this package declares, if it is one."""
    try:
        project = tomllib.loads(CHECKOUT.read_text(encoding="utf-8"))["project"]
    except (OSError, UnicodeError, tomllib.TOMLDecodeError, KeyError):
        return
    if project.get("name") == OURS:
        for name, value in project.get("entry-points", {}).get(group, {}).items():
            yield EntryPoint(name, value, group)


def _told(error: BaseException) -> str:
    """An error for a message: one short line."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]
