"""Packages from a URI; implements :class:`mano.ports.fetching.Fetcher`."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import structlog

from mano.adapters.web_client import WebClient
from mano.domain.subscription import Authentication
from mano.errors import CatenaError, DeadlineExceeded, InvalidInput, Unreachable

CHUNK = 256 << 10
WAITING_CHUNKS = 8
PAUSE_S = 30.0
"""How long the other side may pause."""

WHOLE_S = 3600.0
"""How long a download takes at most."""

WORKERS = 4


class WebFetcher:
    """Downloads within bounds of time and size; the disk sets the pace."""

    def __init__(self, client: WebClient) -> None:
        self._client = client

    def require_allowed(self, uri: str) -> None:
        """Raise for a URI that is never called."""
        self._client.policy.require_uri(uri)

    def fetch(
        self, uri: str, authentication: Authentication, max_bytes: int, headers: Mapping[str, str] | None = None
    ) -> Iterator[bytes]:
        """The content in pieces."""
        arrived: queue.Queue[bytes | CatenaError | None] = queue.Queue(WAITING_CHUNKS)
        download = self._client.submit(self._download(uri, authentication, max_bytes, arrived, headers))
        try:
            while True:
                try:
                    piece = arrived.get(timeout=PAUSE_S)
                except queue.Empty:
                    raise DeadlineExceeded(f"the source sent nothing for {PAUSE_S:.0f} s") from None
                if piece is None:
                    return
                if isinstance(piece, CatenaError):
                    raise piece
                yield piece
        finally:
            download.cancel()

    async def _download(
        self,
        uri: str,
        authentication: Authentication,
        max_bytes: int,
        arrived: queue.Queue[bytes | CatenaError | None],
        headers: Mapping[str, str] | None,
    ) -> None:
        import asyncio

        async def hand_over(piece: bytes | CatenaError | None) -> None:
            while True:
                try:
                    arrived.put_nowait(piece)
                    return
                except queue.Full:
                    await asyncio.sleep(0.01)

        try:
            async with self._client.request(
                "GET", uri, authentication, deadline_s=WHOLE_S, headers=headers
            ) as response:
                if response.status != 200:
                    raise InvalidInput(f"the source answers {response.status}, not 200")
                size = 0
                async for piece in response.content.iter_chunked(CHUNK):
                    size += len(piece)
                    if size > max_bytes:
                        raise InvalidInput(f"the content is longer than {max_bytes} octets")
                    await hand_over(piece)
        except CatenaError as error:
            await hand_over(error)
        except Exception as error:
            structlog.get_logger(__name__).exception("a download ended unexpectedly")
            await hand_over(Unreachable(f"the download broke off ({type(error).__name__})"))
        else:
            await hand_over(None)


class BackgroundThreads:
    """Runs work in a few threads; implements :data:`mano.ports.fetching.Background`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(WORKERS, "catena-background")

    def __call__(self, work: Callable[[], None]) -> None:
        """Run it soon."""

        def guarded() -> None:
            try:
                work()
            except Exception:
                structlog.get_logger(__name__).exception("background work failed")

        with suppress(RuntimeError):  # the server stops: what was begun is put back at the next start
            self._pool.submit(guarded)

    def stop(self) -> None:
        """Begin nothing more, and wait for nothing."""
        self._pool.shutdown(wait=False, cancel_futures=True)
