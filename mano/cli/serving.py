"""The HTTP server process: logs as JSON lines, signals, an orderly end. Imported by ``mano serve`` alone."""

from __future__ import annotations

import contextlib
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn

# structlog takes rich along where it finds it, for tracebacks on a terminal that a server's JSON lines never need:
# 50 ms and 8 MiB. While it looks, there is none.
_hidden = "rich" not in sys.modules
if _hidden:
    sys.modules["rich"] = None  # type: ignore[assignment]
import structlog  # noqa: E402

if _hidden:
    del sys.modules["rich"]

KEEP_ALIVE_S = 15
COLLECT_AFTER = 10_000
"""Containers made and not freed between two looks for cycles; Python's 700 are fewer than one list of packages has."""


def configure_logs(level: str) -> None:
    """Every logger of the process writes JSON lines to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.dict_tracebacks,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("uvicorn.access", "uvicorn.error", "asyncio"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


class Server(uvicorn.Server):
    """uvicorn's server, which ends the streams without an end before it waits for connections to close."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None], on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Tell when requests are answered."""
        await super().startup(sockets)
        if self.started:
            _spare_the_collector()
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let streams come to their end first."""
        self._on_stop()
        await super().shutdown(sockets)


def serve_until_signal(
    application: Any,
    listener: socket.socket,
    tls: dict[str, str | None],
    grace_s: int,
    on_ready: Callable[[], None],
) -> None:
    """Serve on a bound socket; returns after SIGINT or SIGTERM, at most ``grace_s`` after the last connection."""
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        lifespan="off",
        ws="none",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=grace_s,
        ssl_certfile=tls["ssl_certfile"],
        ssl_keyfile=tls["ssl_keyfile"],
    )
    server = Server(config, on_ready, application.state.stopping.set)
    with _signals_only_stop_it():
        server.run(sockets=[listener])


def _spare_the_collector() -> None:
    """What was made at the start stays to the end: going through it again and again costs a third of a request."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


@contextlib.contextmanager
def _signals_only_stop_it() -> Iterator[None]:
    """uvicorn raises the signal that stopped it once more at its end: it must not end the process before its time."""
    caught = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: None) for number in caught}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
