"""The outermost layer: every request is measured and answered, whatever happens inside.

* Errors become problem details. An unexpected one is logged with its stack under the identifier that the client gets.
* A request that is refused before its body has arrived is answered at once; what is still coming is then thrown away
  for a while, because closing the connection under a client that is sending makes it lose the answer.
* Answers carry the version of their API, and the headers that keep browsers from guessing.
"""

from __future__ import annotations

import asyncio
import time

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mano.api.api_versions import answered_version
from mano.api.metrics import HttpMetrics
from mano.api.problem_details import new_instance, status_of
from mano.api.sfc_neutron.errors import error_response
from mano.errors import CatenaError

DRAIN_OCTETS = 64 << 20
DRAIN_S = 5.0

_log = structlog.stdlib.get_logger(__name__)


class Boundary:
    """An ASGI layer that lets no exception out."""

    def __init__(self, app: ASGIApp, metrics: HttpMetrics) -> None:
        self.app = app
        self.metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        exchange = Exchange(scope, receive, send)
        try:
            await self._serve(exchange)
        finally:
            self.metrics.observe(scope, exchange.status, time.perf_counter() - started)

    async def _serve(self, exchange: Exchange) -> None:
        try:
            await self.app(exchange.scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.status = 499
        except Exception as error:
            if exchange.status:
                raise  # the answer is under way: only breaking the connection can tell
            await self._answer(exchange, error)

    async def _answer(self, exchange: Exchange, error: Exception) -> None:
        instance = new_instance()
        if not isinstance(error, CatenaError):
            _log.error("request failed", instance=instance, method=exchange.scope["method"], exc_info=error)
            error = CatenaError("the server met a fault of its own", hint="its log has more under this instance")
        elif status_of(error) >= 500:
            _log.warning("request not served", instance=instance, code=error.code, detail=error.detail)
        await error_response(exchange.scope["path"], error, instance)(exchange.scope, exchange.receive, exchange.send)


class Exchange:
    """One request and its answer; ``status`` is 0 until the answer begins."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        self.scope = scope
        self.status = 0
        self._receive = receive
        self._send = send
        self._body_arrived = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
        self._waits_for_permission = headers.get("expect", "").lower() == "100-continue"

    async def receive(self) -> Message:
        """The next message from the client."""
        message = await self._receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            self._body_arrived = True
        self._waits_for_permission = False
        return message

    async def send(self, message: Message) -> None:
        """The next message to the client."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._complete(MutableHeaders(scope=message))
        elif self._must_drain(message):
            await self._send({**message, "more_body": True})
            await self._drain()
            message = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._send(message)

    def _complete(self, headers: MutableHeaders) -> None:
        version = answered_version(self.scope)
        if version:
            headers.setdefault("Version", version)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-cache")
        headers.setdefault("Referrer-Policy", "no-referrer")

    def _must_drain(self, message: Message) -> bool:
        last = message["type"] == "http.response.body" and not message.get("more_body", False)
        return last and self.status >= 400 and not self._body_arrived and not self._waits_for_permission

    async def _drain(self) -> None:
        octets = 0
        try:
            async with asyncio.timeout(DRAIN_S):
                while not self._body_arrived and octets < DRAIN_OCTETS:
                    octets += len((await self.receive()).get("body", b""))
        except TimeoutError:
            return
