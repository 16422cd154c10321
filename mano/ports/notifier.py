"""Telling others: what waits to be delivered, and the way to a receiver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mano.domain.subscription import Authentication


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on its way to one subscriber. ``sequence`` grows within a subscriber's ``order_key``."""

    sequence: int
    subscription_id: str
    order_key: str
    body: Mapping[str, Any]
    created_at: float


class Deliveries(Protocol):
    """Notifications that were not yet delivered, written in the transaction of what they tell of."""

    def append(self, subscription_id: str, order_key: str, body: Mapping[str, Any]) -> None:
        """Store one with this transaction."""

    def receivers(self) -> Sequence[str]:
        """The subscriptions that something waits for."""

    def pending(self, subscription_id: str, limit: int = 100) -> Sequence[Delivery]:
        """What waits for a subscription, the oldest first."""

    def remove(self, sequences: Sequence[int]) -> None:
        """These were delivered, or given up."""

    def forget(self, subscription_id: str) -> None:
        """The subscription is gone: so is what waits for it."""


class Postman(Protocol):
    """The way to receivers of notifications."""

    def probe(self, uri: str, authentication: Authentication) -> None:
        """GET the callback: it must answer 204 (SOL003 clause 5.4.20.3.2).

        Raises :class:`~mano.errors.CallbackRefused` that says why it is no receiver.
        """
