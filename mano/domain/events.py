"""Events: what changed, written in the transaction that changed it, read by the event stream and the notifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """One CloudEvents 1.0 fact of type ``catena.<noun>.<verb>.v1``.

    ``subject`` is the resource's identifier; ``sequence`` is given by the database and grows in commit order
    (0 while not stored). ``data`` holds JSON values.
    """

    id: str
    noun: str
    verb: str
    subject: str
    tenant_id: str
    occurred_at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0

    @property
    def type(self) -> str:
        """The CloudEvents type."""
        return f"catena.{self.noun}.{self.verb}.v1"
