"""Subscriptions: made after a test of the callback, unmade with everything that waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mano.domain.subscription import (
    NOTIFICATION_TYPES,
    SPELLINGS,
    Authentication,
    Interface,
    Subscription,
)
from mano.errors import InvalidInput, NotFound, Refused
from mano.ports.clock import Clock, IdFactory
from mano.ports.notifier import Postman
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

MAX_SUBSCRIPTIONS = 1000
"""Of one tenant, over all interfaces."""


class Subscriptions:
    """Use cases of the subscription resources of every interface."""

    def __init__(self, open_unit: UnitOfWorkFactory, postman: Postman, clock: Clock, new_id: IdFactory) -> None:
        self._open_unit = open_unit
        self._postman = postman
        self._clock = clock
        self._new_id = new_id

    def create(
        self,
        interface: Interface,
        tenant_id: str,
        callback_uri: str,
        *,
        root: str,
        filter: Mapping[str, Any] | None = None,
        authentication: Authentication | None = None,
        verbosity: str = "FULL",
    ) -> tuple[Subscription, bool]:
        """A subscription whose callback answers, and whether it is a new one.

        One with the same callback and filter is not made twice (SOL003 clause 5.4.18.3.1: 303). Raises
        :class:`~mano.errors.CallbackRefused` when the callback is no receiver.
        """
        wanted = dict(filter or {})
        _require_known_types(interface, wanted)
        subscription = Subscription(
            id=self._new_id(),
            tenant_id=tenant_id,
            interface=interface,
            callback_uri=callback_uri,
            root=root,
            created_at=self._clock.now(),
            filter=wanted,
            authentication=authentication or Authentication(),
            verbosity=verbosity,
        )
        with self._open_unit(read_only=True) as uow:
            same = _same(uow, subscription)
        if same is not None:
            return same, False
        self._postman.probe(callback_uri, subscription.authentication)
        with self._open_unit() as uow:
            same = _same(uow, subscription)
            if same is not None:
                return same, False
            _require_room(uow, tenant_id)
            uow.subscriptions.add(subscription)
        return subscription, True

    def delete(self, interface: Interface, id: str, tenant_id: str) -> None:
        """End a subscription; nothing more is delivered to it."""
        with self._open_unit() as uow:
            find(uow, interface, id, tenant_id)
            uow.subscriptions.remove(id)
            uow.deliveries.forget(id)


def find(uow: UnitOfWork, interface: Interface, id: str, tenant_id: str) -> Subscription:
    """The subscription of this interface; raises :class:`~mano.errors.NotFound`."""
    found = uow.subscriptions.get(id, tenant_id)
    if found.interface is not interface or found.hidden:
        raise NotFound(f"there is no subscription {id}")
    return found


def _same(uow: UnitOfWork, wanted: Subscription) -> Subscription | None:
    for other in uow.subscriptions.list(wanted.tenant_id, interface=wanted.interface.value):
        if (other.callback_uri, other.filter, other.verbosity, other.authentication, other.hidden) == (
            wanted.callback_uri,
            wanted.filter,
            wanted.verbosity,
            wanted.authentication,
            False,
        ):
            return other
    return None


def _require_room(uow: UnitOfWork, tenant_id: str) -> None:
    if len(uow.subscriptions.list(tenant_id, limit=MAX_SUBSCRIPTIONS)) >= MAX_SUBSCRIPTIONS:
        raise Refused(f"there are {MAX_SUBSCRIPTIONS} subscriptions already", hint="delete those that nobody needs")


def _require_known_types(interface: Interface, wanted: Mapping[str, Any]) -> None:
    asked = wanted.get("notificationTypes") or ()
    kinds = [asked] if isinstance(asked, str) else asked
    known = NOTIFICATION_TYPES[interface]
    if any(SPELLINGS.get(kind, kind) not in known for kind in kinds):
        raise InvalidInput(
            f"a notification type is none of {interface.value}",
            hint=f"notificationTypes: {', '.join(known)}",
            facts={"pointer": "/filter/notificationTypes"},
        )
