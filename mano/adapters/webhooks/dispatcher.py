"""Delivers what the outbox holds: in order, with patience, and no receiver waits for another one.

Each receiver has a task of its own. Notifications of one order key (one instance, one alarm) follow each other; those
of different keys go out beside each other. A receiver that does not answer is asked again after growing pauses, with
the first notification that it has not confirmed, for a day. What it answers with a refusal that no repetition mends is
tried a few times and given up, so that it blocks nothing behind it. Delivery is at least once: a confirmation that the
server did not live to write down means the same notification, with the same identifier, again.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

import structlog

from mano.adapters.store import SqlStore
from mano.adapters.web_client import WebClient
from mano.domain.subscription import AuthType, Subscription
from mano.errors import CatenaError, InvalidInput
from mano.ports.notifier import Delivery
from mano.ports.repositories import Lease

LEASE = "notifications"
POLL_S = 2.0
BATCH = 100
REFUSED = frozenset({400, 405, 406, 411, 413, 414, 415, 422})
"""Answers that say that the receiver has read the notification and does not want it."""


@dataclass(frozen=True, slots=True)
class DispatchPolicy:
    """``first_s`` is the first pause before a receiver is asked again, each is ``factor`` times the last up to
    ``longest_s``; ``give_up_s`` how old a notification becomes; ``refusals`` how often one is offered that is
    refused; ``lanes`` how many order keys of one receiver at a time."""

    first_s: float = 0.5
    factor: float = 2.0
    longest_s: float = 30.0
    give_up_s: float = 86_400.0
    refusals: int = 3
    lanes: int = 4


class Dispatcher:
    """Runs from :meth:`start` to :meth:`stop` in a thread of its own and the web client's loop."""

    def __init__(
        self, store: SqlStore, client: WebClient, *, owner: str = "local", policy: DispatchPolicy | None = None
    ) -> None:
        self._store = store
        self._client = client
        self._owner = owner
        self._policy = policy or DispatchPolicy()
        self._end = threading.Event()
        self._thread: threading.Thread | None = None
        self._under_way: dict[str, Future[None]] = {}
        self._refusals: dict[int, int] = {}
        self._lease: Lease | None = None

    def start(self) -> None:
        """Begin to deliver."""
        self._end.clear()
        self._thread = threading.Thread(target=self._run, name="catena-notify", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliver nothing more; what waits is delivered after the next start."""
        self._end.set()
        if self._thread is not None:
            self._store.signal.notify()
            self._thread.join(5)
            self._thread = None
        for future in self._under_way.values():
            future.cancel()
        self._under_way.clear()
        if self._lease is not None:
            with suppress(CatenaError), self._store.open_unit() as uow:
                uow.leases.release(self._lease)

    def _run(self) -> None:
        while not self._end.is_set():
            try:
                self._look()
            except CatenaError as error:
                structlog.get_logger(__name__).warning("the outbox cannot be read", code=error.code)
            except Exception:
                structlog.get_logger(__name__).exception("notifications cannot be delivered")
            self._store.signal.wait(POLL_S)

    def _look(self) -> None:
        """Have a task for every receiver that something waits for."""
        with self._store.open_unit(read_only=True) as uow:
            waiting = uow.deliveries.receivers()
        if not waiting or not self._is_ours():
            return
        for receiver in waiting:
            task = self._under_way.get(receiver)
            if task is None or task.done():
                self._under_way[receiver] = self._client.submit(self._serve(receiver))

    def _is_ours(self) -> bool:
        """One server of a database delivers; on SQLite there is only one."""
        if self._store.engines.is_sqlite:
            return True
        with self._store.open_unit() as uow:
            if self._lease is None or not uow.leases.keep(self._lease, POLL_S * 5):
                self._lease = uow.leases.take(LEASE, self._owner, POLL_S * 5)
        return self._lease is not None

    # In the loop of the web client

    async def _serve(self, receiver: str) -> None:
        pause_s = self._policy.first_s
        # Asked anew for each batch: who stood still meanwhile may find that another server delivers.
        while not self._end.is_set() and await asyncio.to_thread(self._is_ours):
            subscription, batch = await asyncio.to_thread(self._read, receiver)
            if subscription is None or not batch:
                return
            done, is_whole = await self._deliver(subscription, batch)
            if done:
                await asyncio.to_thread(self._confirm, done)
                pause_s = self._policy.first_s
            if not is_whole:
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * self._policy.factor, self._policy.longest_s)

    def _read(self, receiver: str) -> tuple[Subscription | None, Sequence[Delivery]]:
        with self._store.open_unit(read_only=True) as uow:
            subscription = uow.subscriptions.find(receiver)
            batch = uow.deliveries.pending(receiver, BATCH)
        if subscription is None and batch:
            self._confirm([delivery.sequence for delivery in batch])
        return subscription, batch

    def _confirm(self, sequences: Sequence[int]) -> None:
        with self._store.open_unit() as uow:
            uow.deliveries.remove(sequences)
        for sequence in sequences:
            self._refusals.pop(sequence, None)

    async def _deliver(self, subscription: Subscription, batch: Sequence[Delivery]) -> tuple[list[int], bool]:
        """What is done with, and whether that is all of the batch."""
        lanes: dict[str, list[Delivery]] = defaultdict(list)
        for delivery in batch:
            lanes[delivery.order_key].append(delivery)
        room = asyncio.Semaphore(self._policy.lanes)
        done: list[int] = []

        async def lane(deliveries: Iterable[Delivery]) -> None:
            async with room:
                for delivery in deliveries:
                    if not await self._post(subscription, delivery):
                        return
                    done.append(delivery.sequence)

        await asyncio.gather(*(lane(deliveries) for deliveries in lanes.values()))
        return done, len(done) == len(batch)

    async def _post(self, subscription: Subscription, delivery: Delivery) -> bool:
        """True when the notification has arrived, or nobody shall try any more."""
        why = await self._answer(subscription, delivery)
        if not why:
            return True
        log = structlog.get_logger(__name__).bind(subscription=subscription.id, why=why)
        refused = self._refusals.get(delivery.sequence, 0)
        if refused >= self._policy.refusals or time.time() - delivery.created_at > self._policy.give_up_s:
            log.error("a notification was given up", notification=delivery.body.get("id"))
            return True
        log.warning("a notification was not taken, it is sent again")
        return False

    async def _answer(self, subscription: Subscription, delivery: Delivery) -> str:
        """What went wrong; nothing when the receiver has it."""
        proof = subscription.authentication
        try:
            async with self._client.request("POST", subscription.callback_uri, proof, body=delivery.body) as response:
                status = response.status
        except InvalidInput as error:
            self._refusals[delivery.sequence] = self._policy.refusals
            return error.detail
        except CatenaError as error:
            return error.detail
        if 200 <= status < 300:
            return ""
        if status == 401 and AuthType.OAUTH2_CLIENT_CREDENTIALS in proof.kinds:
            self._client.forget_token(proof)
        if status in REFUSED:
            self._refusals[delivery.sequence] = self._refusals.get(delivery.sequence, 0) + 1
        return f"the receiver answers {status}"
