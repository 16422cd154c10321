"""Two servers over one PostgreSQL database: one delivers, and the other one when the first is dead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from mano.adapters.store import SqlStore, make_engines, upgrade
from mano.adapters.web_client import WebClient
from mano.adapters.webhooks import Dispatcher
from mano.adapters.webhooks.dispatcher import LEASE, POLL_S
from mano.domain.subscription import Interface, Subscription
from mano.settings import Outbound
from tests.fakes.receiver import Receiver, receiving

pytestmark = [pytest.mark.postgresql, pytest.mark.deep, pytest.mark.timeout(180)]

WHO = "00000000-0000-4000-8000-000000000001"
KEYS = 4


@contextmanager
def server(url: str, name: str) -> Iterator[tuple[SqlStore, Dispatcher]]:
    """The part of a server that delivers."""
    store, web = SqlStore(make_engines(url)), WebClient(Outbound(loopback=True))
    dispatcher = Dispatcher(store, web, owner=name)
    dispatcher.start()
    try:
        yield store, dispatcher
    finally:
        dispatcher.stop()
        web.close()
        store.close()


def write(store: SqlStore, first: int, count: int) -> None:
    """Notifications of some order keys, numbered."""
    for number in range(first, first + count):
        with store.open_unit() as uow:
            key = f"key-{number % KEYS}"
            uow.deliveries.append(WHO, key, {"id": str(number), "key": key})


def expect_all_in_order(receiver: Receiver, count: int, timeout_s: float) -> None:
    receiver.wait_for(count, timeout_s)
    found: dict[str, list[int]] = defaultdict(list)
    for body in receiver.received:
        found[body["key"]].append(int(body["id"]))
    assert sorted(number for numbers in found.values() for number in numbers) == list(range(count))
    assert all(numbers == sorted(numbers) for numbers in found.values())


def owner(store: SqlStore) -> str:
    with store.open_unit() as uow:
        found = uow.leases.take(LEASE, "nobody", 1.0)
    assert found is None
    with store.engines.views.connect() as connection:
        return str(connection.exec_driver_sql(f"SELECT owner FROM leases WHERE name = '{LEASE}'").scalar_one())


def test_one_server_delivers_and_the_other_takes_over_from_a_dead_one(postgresql_url: str) -> None:
    engines = make_engines(postgresql_url)
    upgrade(engines)
    engines.dispose()
    with receiving() as receiver, server(postgresql_url, "a") as one, server(postgresql_url, "b") as other:
        subscription = Subscription(
            id=WHO,
            tenant_id=WHO,
            interface=Interface.VNFLCM,
            callback_uri=receiver.uri,
            root="http://127.0.0.1",
            created_at=datetime(2026, 1, 1, tzinfo=UTC),
        )
        with one[0].open_unit() as uow:
            uow.subscriptions.add(subscription)
        write(one[0], 0, 40)
        expect_all_in_order(receiver, 40, 30)
        first = owner(one[0])
        dead, alive = (one, other) if first == "a" else (other, one)
        dead[1]._end.set()  # it dies: nobody gives its lease back
        dead[1]._lease = None
        write(alive[0], 40, 20)
        expect_all_in_order(receiver, 60, 10 * POLL_S + 30)
        assert owner(alive[0]) == ("b" if first == "a" else "a")
