"""HTTP to a VNF's own interfaces, over a connection that somebody made inside its management network."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from typing import Any

from mano.errors import DeadlineExceeded, Unreachable
from mano.ports.management import Answer, Call

ANSWER_MAX = 1 << 20
"""Octets of an answer's body: VNFs are not to be trusted."""


def exchange(connection: socket.socket, call: Call, deadline_s: float) -> Answer:
    """One request and its answer within ``deadline_s`` seconds, however slowly it comes; closes the connection."""
    over = threading.Event()

    def end() -> None:
        over.set()
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    clock = threading.Timer(deadline_s, end)
    clock.daemon = True
    clock.start()
    try:
        with connection:
            return _exchange(connection, call)
    except (OSError, http.client.HTTPException, ValueError) as error:
        if over.is_set() or isinstance(error, TimeoutError):
            raise DeadlineExceeded(f"the VNF does not answer within {deadline_s:g} s") from None
        raise Unreachable(f"the VNF's answer cannot be read ({type(error).__name__})") from None
    finally:
        clock.cancel()


def _exchange(connection: socket.socket, call: Call) -> Answer:
    host = f"[{call.address}]" if ":" in call.address else call.address
    client = http.client.HTTPConnection(host, call.port)
    client.sock = connection
    headers = {"Accept": "application/json", "Connection": "close", **call.headers}
    body = None if call.document is None else json.dumps(call.document).encode()
    client.request(call.method, call.path, body, headers)
    response = client.getresponse()
    octets = response.read(ANSWER_MAX + 1)
    if len(octets) > ANSWER_MAX:
        raise ValueError("the answer is too long")
    told = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, told, _object(octets))


def _object(octets: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(octets)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
