"""The coordination interface of others (``/lcmcoord/v1``) as its client sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from mano.domain.coordination import CoordinationAction


@dataclass(frozen=True, slots=True)
class Reply:
    """What the other side said. ``document`` is an LcmCoord or ProblemDetails; ``retry_after_s`` its Retry-After."""

    status: int
    document: Mapping[str, Any] | None = None
    location: str = ""
    retry_after_s: float | None = None


class Coordinator(Protocol):
    """Somebody who is asked.

    Every call raises :class:`~mano.errors.Unreachable` and :class:`~mano.errors.DeadlineExceeded` where there is no
    answer, and :class:`~mano.errors.InvalidInput` for a location that is not the other side's own.
    """

    def ask(self, request: Mapping[str, Any]) -> Reply:
        """POST /coordinations with an LcmCoordRequest."""

    def look(self, location: str) -> Reply:
        """GET the coordination action."""

    def cancel(self, location: str) -> Reply:
        """Ask the other side to stop."""


@dataclass(frozen=True, slots=True)
class Known:
    """A coordinator that the server was told of. ``descriptors`` are those it cares for; empty: all."""

    coordinator: Coordinator
    descriptors: tuple[str, ...] = ()
    actions: tuple[CoordinationAction, ...] = ()

    def cares_for(self, descriptor_id: str) -> bool:
        """Is it to be asked about instances of this descriptor?"""
        return not self.descriptors or descriptor_id in self.descriptors


@dataclass(frozen=True, slots=True)
class Asked:
    """An action with whoever is to be asked for it."""

    action: CoordinationAction
    coordinator: Coordinator
