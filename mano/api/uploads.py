"""Archives on their way in: from the connection to the package store, a chunk at a time, never whole in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TypeVar

import anyio
import anyio.from_thread
import anyio.to_thread
from fastapi import Request

from mano.api.faults import RequestFault, TooLarge, TooSlow
from mano.api.media import config_of, declared_length

MAX_UPLOADS = 8
"""Uploads at a time; others wait. Each holds a thread for as long as its client takes."""

T = TypeVar("T")


class UploadThreads:
    """The threads of uploads, apart from those of other requests: slow clients slow down nobody else."""

    def __init__(self) -> None:
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, call: Callable[[], T]) -> T:
        """Run a blocking call in one of them."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(MAX_UPLOADS)
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)


def require_content(request: Request) -> None:
    """Refuse a body that declares itself empty or too large before any of it is read."""
    limit = config_of(request).limits.archive
    length = declared_length(request)
    if length == 0 or (length is None and "transfer-encoding" not in request.headers):
        raise RequestFault("the body is empty", hint="send the archive as the request's body")
    if length is not None and length > limit:
        raise _too_large(limit)


def body_chunks(request: Request) -> Iterator[bytes]:
    """The body's chunks, for a worker thread started by :class:`UploadThreads`.

    Raises :class:`~mano.api.faults.TooLarge` beyond the limit and :class:`~mano.api.faults.TooSlow` when nothing
    arrives for the longest pause that is allowed.
    """
    limits = config_of(request).limits
    stream = request.stream()
    total = 0
    while chunk := anyio.from_thread.run(_next_chunk, stream, limits.upload_pause_s):
        total += len(chunk)
        if total > limits.archive:
            raise _too_large(limits.archive)
        yield chunk


async def _next_chunk(stream: AsyncIterator[bytes], pause_s: float) -> bytes:
    try:
        async with asyncio.timeout(pause_s):
            return await anext(stream, b"")
    except TimeoutError:
        raise TooSlow(f"no part of the body arrived for {pause_s:g} s") from None


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the archive is longer than {limit} octets", facts={"limit": limit})
