"""The server of the demo: ``mano serve`` as a process of its own, and calls to it as any client makes them."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mano.cli.demo.errors import DemoProblem

START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 30.0
CALL_TIMEOUT_S = 60.0
POLL_S = 0.05
VERSIONS = {"nslcm": "2.4.0", "vnfpkgm": "2.4.0", "nsd": "2.4.0", "vnflcm": "2.3.0"}
"""The ``Version`` header by API root."""


class Api:
    """HTTP with JSON, the token and the ``Version`` header; an error becomes a :class:`DemoProblem`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._place = urlsplit(url)
        self._token = token

    def get(self, path: str) -> Any:
        """The document at a path."""
        return self._call("GET", path, None)[0]

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer's document; for 202 the ``Location`` of the operation."""
        document, location = self._call("POST", path, body)
        return location if document is None else document

    def delete(self, path: str) -> None:
        """Delete a resource."""
        self._call("DELETE", path, None)

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        """Change a resource by JSON merge patch."""
        return self._call("PATCH", path, body, "application/merge-patch+json")[0]

    def upload(self, path: str, content: bytes) -> None:
        """PUT a package's content."""
        self._send("PUT", path, content, "application/zip")

    def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None, media: str = "application/json"
    ) -> tuple[Any, str]:
        content = None if body is None else json.dumps(body).encode()
        return self._send(method, path, content, media)

    def _send(self, method: str, path: str, content: bytes | None, media: str) -> tuple[Any, str]:
        connection = http.client.HTTPConnection(str(self._place.hostname), self._place.port, timeout=CALL_TIMEOUT_S)
        headers = {"Authorization": f"Bearer {self._token}", "Accept": "application/json"}
        root = path.split("/")[1]
        if root in VERSIONS:
            headers["Version"] = VERSIONS[root]
        if content is not None:
            headers["Content-Type"] = media
        try:
            connection.request(method, urlsplit(path).path, content, headers)
            response = connection.getresponse()
            data = response.read()
        except OSError as error:
            raise DemoProblem(f"the server does not answer: {error}") from None
        finally:
            connection.close()
        document = json.loads(data) if data else None
        if response.status >= 400:
            raise DemoProblem(_problem(document, response.status))
        return document, response.getheader("Location", "")

    def wait_for(self, operation: str, timeout_s: float, on_change: Callable[[Mapping[str, Any]], None]) -> None:
        """Wait until an NS operation is over; raises DemoProblem with its error unless it COMPLETED."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.get(operation)
            on_change(found)
            state = found["operationState"]
            if state == "COMPLETED":
                return
            if state in ("FAILED", "FAILED_TEMP", "ROLLED_BACK", "PARTIALLY_COMPLETED"):
                raise DemoProblem(f"{found['lcmOperationType']} ended as {state}: {_problem(found.get('error'), 0)}")
            if time.monotonic() > deadline:
                raise DemoProblem(f"{found['lcmOperationType']} is {state} after {timeout_s:.0f} s")
            time.sleep(POLL_S)


def _problem(document: Any, status: int) -> str:
    """A ProblemDetails as one sentence."""
    if not isinstance(document, Mapping):
        return f"HTTP status {status}"
    hint = f" ({document['hint']})" if document.get("hint") else ""
    return f"{document.get('detail', 'no detail')}{hint}"


@dataclass(slots=True)
class ServerProcess:
    """A running ``mano serve``."""

    process: subprocess.Popen[bytes]
    api: Api
    log: Path

    def stop(self) -> None:
        """Ask it to stop, then make it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(data_dir: Path, lab: str, tier: str, listen: str, *, detached: bool) -> ServerProcess:
    """Start ``mano serve`` and wait until it is ready; raises DemoProblem with its last words if it ends."""
    log = data_dir / "server.log"
    command = [sys.executable, "-m", "mano.cli", "serve", "--data-dir", str(data_dir), "--listen", listen]
    environment = {**os.environ, "CATENA_LAB": lab, "CATENA_TIER": tier}
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
    try:
        api = Api(f"http://{listen}", _await_token(data_dir, process, log))
        _await_ready(api, process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return ServerProcess(process, api, log)


def _await_token(data_dir: Path, process: subprocess.Popen[bytes], log: Path) -> str:
    path = data_dir / "credentials.json"
    _await(path.exists, process, log)
    return str(json.loads(path.read_text(encoding="utf-8"))["adminToken"])


def _await_ready(api: Api, process: subprocess.Popen[bytes], log: Path) -> None:
    def answers() -> bool:
        try:
            api.get("/readyz")
        except DemoProblem:
            return False
        return True

    _await(answers, process, log)


def _await(holds: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_DEADLINE_S
    while not holds():
        if process.poll() is not None:
            raise DemoProblem(f"the server ended with status {process.returncode}: {_tail(log)}")
        if time.monotonic() > deadline:
            raise DemoProblem(f"the server is not ready after {START_DEADLINE_S:.0f} s: {_tail(log)}")
        time.sleep(POLL_S)


def _tail(log: Path, lines: int = 5) -> str:
    return " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
