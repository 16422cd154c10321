"""From what happened to who is told: in the transaction in which it happened.

For every event of the transaction and every subscription that it concerns, the notification is written beside the
rows that it tells of. Both are committed, or neither: no notification is lost, and none tells of what never was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import structlog

from mano.assurance.metering import keep_records
from mano.assurance.notices import notices
from mano.domain.events import Event
from mano.domain.subscription import Notice, Subscription, concerns, message
from mano.ports.repositories import UnitOfWork


def follow_up(uow: UnitOfWork, events: Sequence[Event]) -> None:
    """Everything that a transaction's events bring with them: the records of metering, and notifications."""
    keep_records(uow, events)
    fan_out(uow, events)


def fan_out(uow: UnitOfWork, events: Sequence[Event]) -> None:
    """Write the notifications of a transaction's events."""
    news = [event for event in events if event.verb != "progressed"]
    if not news:
        return
    subscriptions = uow.subscriptions.list()
    if not subscriptions:
        return
    for event in news:
        _tell(uow, subscriptions, _readable(uow, event))


def _readable(uow: UnitOfWork, event: Event) -> Sequence[Notice]:
    """The notices of an event. An event that cannot be told must not undo what it tells of: that is logged."""
    try:
        return list(notices(uow, event))
    except (KeyError, ValueError, TypeError, AttributeError):
        structlog.get_logger(__name__).exception("an event could not be told to its subscribers", type=event.type)
        return ()


def _tell(uow: UnitOfWork, subscriptions: Iterable[Subscription], told: Iterable[Notice]) -> None:
    for notice in told:
        for subscription in subscriptions:
            if concerns(notice, subscription):
                uow.deliveries.append(subscription.id, notice.order_key, message(notice, subscription))
