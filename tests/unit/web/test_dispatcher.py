"""The dispatcher against receivers that are down for minutes, in the test's own time."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from mano.adapters.webhooks.dispatcher import Dispatcher, DispatchPolicy
from mano.errors import Unreachable
from mano.ports.notifier import Delivery

KEYS = ("vnf-1", "vnf-2", "vnf-3")
PER_KEY = 40


@dataclass
class Post:
    """Store, web and time of one receiver: it is down until ``up_at`` (seconds), and says what it got."""

    up_at: float
    passed: float = 0.0
    waiting: list[Delivery] = field(default_factory=list)
    received: list[dict[str, Any]] = field(default_factory=list)
    asked_at: list[float] = field(default_factory=list)
    engines: Any = field(default_factory=lambda: SimpleNamespace(is_sqlite=True))

    # The store

    @contextmanager
    def open_unit(self, *, read_only: bool = False) -> Iterator[Any]:
        proof = SimpleNamespace(kinds=())
        subscription = SimpleNamespace(id="s", callback_uri="http://r/", authentication=proof)
        yield SimpleNamespace(
            subscriptions=SimpleNamespace(find=lambda _: subscription),
            deliveries=SimpleNamespace(pending=lambda _, limit: self.waiting[:limit], remove=self.forget),
        )

    def forget(self, sequences: list[int]) -> None:
        self.waiting = [delivery for delivery in self.waiting if delivery.sequence not in set(sequences)]

    # The web

    @asynccontextmanager
    async def request(self, method: str, uri: str, proof: Any, *, body: dict[str, Any]) -> AsyncIterator[Any]:
        self.asked_at.append(self.passed)
        if self.passed < self.up_at:
            raise Unreachable("nobody listens")
        self.received.append(body)
        yield SimpleNamespace(status=204)

    async def sleep(self, seconds: float) -> None:
        self.passed += seconds


def deliveries() -> list[Delivery]:
    """Those of three operations, mixed."""
    return [
        Delivery(number, "s", KEYS[number % len(KEYS)], {"key": KEYS[number % len(KEYS)], "number": number}, 2e9)
        for number in range(PER_KEY * len(KEYS))
    ]


@pytest.fixture
def post(monkeypatch: pytest.MonkeyPatch) -> Post:
    made = Post(up_at=600.0, waiting=deliveries())
    monkeypatch.setattr(asyncio, "sleep", made.sleep)
    post: Any = made
    asyncio.run(Dispatcher(post, post, policy=DispatchPolicy(lanes=2))._serve("s"))
    return made


def test_who_was_down_for_minutes_gets_all_in_the_order_of_each_operation(post: Post) -> None:
    assert post.waiting == []
    assert len(post.received) == PER_KEY * len(KEYS)
    for key in KEYS:
        numbers = [body["number"] for body in post.received if body["key"] == key]
        assert numbers == sorted(numbers)


def test_it_is_asked_again_after_growing_pauses_that_have_an_end(post: Post) -> None:
    times = sorted(set(post.asked_at))
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert set(pauses[7:]) == {30.0}
    assert 600.0 <= post.passed < 630.0
