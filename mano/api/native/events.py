"""``/mano/v1/events``: what changes, as a server-sent stream (HTML standard, clause 9.2) of CloudEvents 1.0.

``id:`` grows in the database's commit order. A client that comes back with ``Last-Event-ID`` gets what it missed; when
that is gone, an event named ``reset`` tells it to read everything anew, and the stream goes on from now. Without
``Last-Event-ID`` the stream begins now. A comment is sent when nothing else was for a while.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse

from mano.api.auth import Caller, Principal
from mano.api.faults import TooMany
from mano.api.json_body import encode
from mano.api.media import EVENT_STREAM, config_of, media
from mano.api.native.hosts import PREFIX
from mano.api.openapi_document import Form
from mano.api.resource_routes import add, new_router, timestamp
from mano.domain.events import Event
from mano.errors import InvalidInput
from mano.ports.repositories import CommitSignal, UnitOfWorkFactory

MAX_STREAMS = 64
POLL_S = 1.0
"""Events of other server processes are seen after this time at the latest; those of this one at once."""

BATCH = 200
RETRY_MS = 2000
SOURCE = "urn:catena:mano"


def router(open_unit: UnitOfWorkFactory, signal: CommitSignal, is_stopping: Callable[[], bool]) -> APIRouter:
    """The resource."""
    routes = new_router(PREFIX, "native")
    add(routes, "GET", "/events", EventStreams(open_unit, signal, is_stopping).open, form=Form.CONTENT)
    return routes


def cloud_event(event: Event) -> dict[str, object]:
    """The event in CloudEvents' JSON format."""
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": SOURCE,
        "type": event.type,
        "subject": event.subject,
        "time": timestamp(event.occurred_at),
        "datacontenttype": "application/json",
        "data": dict(event.data),
    }


@dataclass(frozen=True, slots=True)
class _Position:
    """Where a stream goes on, and whether its client missed events that are gone."""

    after: int
    lost: bool = False


class EventStreams:
    """All open streams of this server."""

    def __init__(self, open_unit: UnitOfWorkFactory, signal: CommitSignal, is_stopping: Callable[[], bool]) -> None:
        self._open_unit = open_unit
        self._signal = signal
        self._is_stopping = is_stopping
        self._open = 0

    @media(produces=(EVENT_STREAM,))
    async def open(self, request: Request, caller: Caller) -> StreamingResponse:
        """Open a stream of events."""
        last = _last_event_id(request)
        if self._open >= MAX_STREAMS:
            raise TooMany(f"{MAX_STREAMS} streams are open already")
        position = await run_in_threadpool(self._start, last)
        heartbeat_s = config_of(request).limits.event_heartbeat_s
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        content = self._stream(position, _tenant_of(caller), heartbeat_s)
        return StreamingResponse(content, media_type=EVENT_STREAM, headers=headers)

    def _start(self, last: int | None) -> _Position:
        with self._open_unit(read_only=True) as uow:
            oldest, newest = uow.outbox.bounds()
        if last is None:
            return _Position(newest)
        if last > newest or last + 1 < oldest:
            return _Position(newest, lost=True)
        return _Position(last)

    async def _stream(self, position: _Position, tenant_id: str | None, heartbeat_s: float) -> AsyncIterator[bytes]:
        self._open += 1
        try:
            yield f"retry: {RETRY_MS}\n\n".encode()
            if position.lost:
                yield _message(position.after, {"newest": position.after}, name="reset")
            with _woken_by(self._signal) as wake:
                async for chunk in self._follow(position.after, tenant_id, heartbeat_s, wake):
                    yield chunk
        finally:
            self._open -= 1

    async def _follow(
        self, after: int, tenant_id: str | None, heartbeat_s: float, wake: asyncio.Event
    ) -> AsyncIterator[bytes]:
        spoken = time.monotonic()
        while not self._is_stopping():
            wake.clear()
            events = await run_in_threadpool(self._read, after, tenant_id)
            for event in events:
                after = event.sequence
                yield _message(event.sequence, cloud_event(event))
            if events:
                spoken = time.monotonic()
            elif time.monotonic() - spoken >= heartbeat_s:
                yield b": still here\n\n"
                spoken = time.monotonic()
            if len(events) < BATCH:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(wake.wait(), min(POLL_S, heartbeat_s))

    def _read(self, after: int, tenant_id: str | None) -> Sequence[Event]:
        with self._open_unit(read_only=True) as uow:
            return uow.outbox.after(after, BATCH, tenant_id)


@contextlib.contextmanager
def _woken_by(signal: CommitSignal) -> Iterator[asyncio.Event]:
    """An event that every commit sets."""
    wake = asyncio.Event()
    loop = asyncio.get_running_loop()

    def call() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and the stream with it
            loop.call_soon_threadsafe(wake.set)

    unsubscribe = signal.subscribe(call)
    try:
        yield wake
    finally:
        unsubscribe()


def _tenant_of(caller: Principal) -> str | None:
    """Whose events; those who may look at the infrastructure see all."""
    return None if caller.sees_infrastructure else caller.tenant_id


def _last_event_id(request: Request) -> int | None:
    text = request.headers.get("last-event-id", "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput("Last-Event-ID is no number", hint="send the id of the last event that arrived")
    return int(text)


def _message(id: int, data: object, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}id: {id}\n".encode() + b"data: " + encode(data) + b"\n\n"
