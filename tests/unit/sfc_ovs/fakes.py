"""Servers on Unix sockets that play a switch's daemons, so that faults can be played which real ones seldom show."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

Handler = Callable[[socket.socket], None]


@contextlib.contextmanager
def serving(path: Path, handler: Handler) -> Iterator[None]:
    """Give each connection to ``path`` to ``handler``, until the block ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    server = socket.socket(socket.AF_UNIX)
    # As the client does: the path may be longer than a socket address holds.
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    server.bind(f"/proc/self/fd/{directory}/{path.name}")
    os.close(directory)
    server.listen(4)

    def accept() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                handler(connection)

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(timeout=5)
        path.unlink()


def read_json(connection: socket.socket) -> dict[str, object]:
    """One JSON object; requests are small and come alone."""
    octets = b""
    while True:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError("closed")
        octets += chunk
        with contextlib.suppress(ValueError):
            return json.loads(octets)


def openflow(kind: int, xid: int, body: bytes = b"") -> bytes:
    return struct.pack("!BBHI", 6, kind, 8 + len(body), xid) + body


def read_openflow(connection: socket.socket) -> tuple[int, int, bytes]:
    """Type, transaction and body of one message."""
    head = _exactly(connection, 8)
    _, kind, length, xid = struct.unpack("!BBHI", head)
    return kind, xid, _exactly(connection, length - 8)


def _exactly(connection: socket.socket, count: int) -> bytes:
    octets = b""
    while len(octets) < count:
        chunk = connection.recv(count - len(octets))
        if not chunk:
            raise OSError("closed")
        octets += chunk
    return octets


HELLO = openflow(0, 1, struct.pack("!HHI", 1, 8, 1 << 6))
