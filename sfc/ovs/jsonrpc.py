"""JSON-RPC 1.0 over a Unix stream socket: ovsdb-server (RFC 7047 section 4) and ovs-vswitchd's control socket.

Messages follow each other without framing. One connection serves one caller at a time; making one costs a tenth of a
millisecond, so callers make one for each piece of work and no state outlives it.
"""

from __future__ import annotations

import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sfc.ovs.errors import SwitchRefused, SwitchTimeout
from sfc.ovs.location import unreachable

_MAX_MESSAGE = 64 * 1024 * 1024  # octets; a trace or a table dump is far smaller
_CHUNK = 256 * 1024


def connect_unix(host: str, path: Path, timeout: float) -> socket.socket:
    """A connected stream socket with ``timeout`` seconds per operation.

    A path may be longer than the 107 octets of ``sockaddr_un``: it is reached through its directory's descriptor.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    connection.settimeout(timeout)
    try:
        directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            connection.connect(f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)
    except TimeoutError:
        connection.close()
        raise SwitchTimeout(host, f"no connection to {path.name} within {timeout:g} s") from None
    except OSError as error:
        connection.close()
        raise unreachable(host, f"{path.name}: {error.strerror}") from None
    return connection


class JsonRpc:
    """One connection. Requests are answered in the order in which they were sent."""

    def __init__(self, host: str, path: Path, *, timeout: float = 5.0) -> None:
        self._host = host
        self._name = path.name
        self._socket = connect_unix(host, path, timeout)
        self._pending = bytearray()
        self._last_id = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def call(self, method: str, *params: Any, timeout: float = 10.0) -> Any:
        """The result of one request; ``timeout`` in seconds for the whole of it.

        Raises :class:`SwitchTimeout`, :class:`~sfc.ovs.errors.SwitchUnreachable`, and :class:`SwitchRefused`
        with the server's own words.
        """
        deadline = time.monotonic() + timeout
        self._last_id += 1
        self._send({"method": method, "params": list(params), "id": self._last_id}, deadline)
        while True:
            message = self._receive(deadline, method)
            if message.get("method") == "echo":
                self._send({"id": message.get("id"), "result": message.get("params"), "error": None}, deadline)
            elif message.get("id") == self._last_id and "method" not in message:
                break
        if message.get("error") is not None:
            raise SwitchRefused(self._host, f"{method}: {_text(message['error'])}")
        return message.get("result")

    def fileno(self) -> int:
        """For ``select``: readable when a notification may be there."""
        return self._socket.fileno()

    def notification(self, timeout: float) -> dict[str, Any] | None:
        """The next message that the server sends by itself; None when ``timeout`` seconds pass without one."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                message = self._receive(deadline, "a notification")
            except SwitchTimeout:
                return None
            if message.get("method") == "echo":
                self._send({"id": message.get("id"), "result": message.get("params"), "error": None}, deadline + 1.0)
            elif "method" in message:
                return message

    def _send(self, message: dict[str, Any], deadline: float) -> None:
        self._arm(deadline, "sending")
        try:
            self._socket.sendall(json.dumps(message).encode())
        except TimeoutError:
            raise SwitchTimeout(self._host, f"{self._name} did not take a request in time") from None
        except OSError as error:
            raise unreachable(self._host, f"{self._name}: {error.strerror}") from None

    def _receive(self, deadline: float, method: str) -> dict[str, Any]:
        decoder = json.JSONDecoder()
        while True:
            # A message is an object: it can only be whole when what we hold ends in a brace.
            if self._pending.rstrip().endswith(b"}") or b"}{" in self._pending:
                try:
                    text = self._pending.decode(errors="replace").lstrip()
                    message, end = decoder.raw_decode(text)
                except ValueError:
                    pass
                else:
                    self._pending = bytearray(text[end:].encode())
                    if isinstance(message, dict):
                        return message
                    raise SwitchRefused(self._host, f"{self._name} sent a message that is no JSON object")
            self._fill(deadline, method)

    def _fill(self, deadline: float, method: str) -> None:
        self._arm(deadline, method)
        try:
            chunk = self._socket.recv(_CHUNK)
        except TimeoutError:
            raise SwitchTimeout(self._host, f"{self._name} did not answer {method} in time") from None
        except OSError as error:
            raise unreachable(self._host, f"{self._name}: {error.strerror}") from None
        if not chunk:
            raise unreachable(self._host, f"{self._name} closed the connection")
        self._pending += chunk
        if len(self._pending) > _MAX_MESSAGE:
            raise SwitchRefused(self._host, f"{self._name} sent more than {_MAX_MESSAGE} octets")

    def _arm(self, deadline: float, what: str) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise SwitchTimeout(self._host, f"{self._name} did not answer {what} in time")
        self._socket.settimeout(left)


def _text(error: Any) -> str:
    """One line of what a server gave as its error: a string, or an object of RFC 7047 section 3.1."""
    if isinstance(error, dict):
        return " ".join(str(error[key]) for key in ("error", "details") if error.get(key))
    return str(error).strip()
