"""A receiver of notifications on the loopback, as good or as bad as a test wants it."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs


@dataclass
class Receiver:
    """What arrived, and how the receiver answers. ``answer`` gives the status of a POST of this number and body."""

    port: int = 0
    received: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)
    tokens_given: int = 0
    get_status: int = 204
    delay_s: float = 0.0
    is_up: bool = True
    answer: Callable[[dict[str, Any]], int] = lambda body: 204

    @property
    def uri(self) -> str:
        """The callback."""
        return f"http://127.0.0.1:{self.port}/callback"

    def wait_for(self, count: int, timeout_s: float = 10.0) -> list[dict[str, Any]]:
        """The first ``count`` notifications, once they are there."""
        deadline = time.monotonic() + timeout_s
        while len(self.received) < count:
            assert time.monotonic() < deadline, f"{len(self.received)} of {count} arrived: {self.received}"
            time.sleep(0.01)
        return self.received[:count]


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._end(receiver.get_status if receiver.is_up else 503)

        def do_POST(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path == "/token":
                self._token(content)
                return
            if receiver.delay_s:
                time.sleep(receiver.delay_s)
            if not receiver.is_up:
                self._end(503)
                return
            body = json.loads(content)
            status = receiver.answer(body)
            if status == 204:
                receiver.authorizations.append(self.headers.get("Authorization", ""))
                receiver.received.append(body)
            self._end(status)

        def _token(self, content: bytes) -> None:
            assert parse_qs(content.decode())["grant_type"] == ["client_credentials"]
            receiver.tokens_given += 1
            told = json.dumps({"access_token": f"token-{receiver.tokens_given}", "expires_in": 60}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(told)))
            self.end_headers()
            self.wfile.write(told)

        def _end(self, status: int) -> None:
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/callback")
            self.send_header("Content-Length", "0") if status != 204 else None
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return None

    return Handler


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver for the time of a test."""
    receiver = Receiver()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver))
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
