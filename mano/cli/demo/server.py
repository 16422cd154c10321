"""The server of the demo: ``mano serve`` as a process of its own, and calls to it as any client makes them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mano.cli.client import Client
from mano.cli.demo.errors import DemoProblem
from mano.cli.exits import Failure

START_DEADLINE_S = 90.0
STOP_DEADLINE_S = 30.0
POLL_S = 0.05
LAST_LINES = 3
LISTENS = "Catena listens on "
"""Begins the line in which a server says where it is."""


class Api:
    """Calls to the demo's server; an error becomes a :class:`DemoProblem`."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self._client = Client(url, token)

    def get(self, path: str) -> Any:
        """The document at a path."""
        with _problems():
            return self._client.get(path)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer's document; for 202 the path of the operation."""
        with _problems():
            answer = self._client.post(path, body)
        return answer.json if answer.body else self._client.path_of(answer.headers.get("location", ""))

    def patch(self, path: str, body: Mapping[str, Any]) -> str:
        """Change a resource; the path of the operation."""
        with _problems():
            return self._client.path_of(self._client.patch(path, body).headers.get("location", ""))

    def delete(self, path: str) -> None:
        """Delete a resource."""
        with _problems():
            self._client.delete(path)

    def upload(self, path: str, archive: Path) -> None:
        """PUT a package's content."""
        with _problems(), archive.open("rb") as file:
            self._client.upload(path, file, archive.stat().st_size)

    def wait_for(self, operation: str, timeout_s: float, on_change: Callable[[Mapping[str, Any]], None]) -> None:
        """Wait until an operation is over; raises DemoProblem with its error unless it COMPLETED."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.get(operation)
            on_change(found)
            state = found["operationState"]
            if state == "COMPLETED":
                return
            kind = found.get("lcmOperationType") or found.get("operation")
            if state in ("FAILED", "FAILED_TEMP", "ROLLED_BACK", "PARTIALLY_COMPLETED"):
                raise DemoProblem(f"{kind} ended as {state}: {_problem(found.get('error'))}")
            if time.monotonic() > deadline:
                raise DemoProblem(f"{kind} is {state} after {timeout_s:.0f} s")
            time.sleep(POLL_S)


def _problem(document: Any) -> str:
    """A ProblemDetails as one sentence."""
    if not isinstance(document, Mapping):
        return "no reason was given"
    hint = f" ({document['hint']})" if document.get("hint") else ""
    return f"{document.get('detail', 'no detail')}{hint}"


@contextmanager
def _problems() -> Iterator[None]:
    try:
        yield
    except Failure as failure:
        hint = f" ({failure.hint})" if failure.hint else ""
        raise DemoProblem(f"{failure.message}{hint}") from None


@dataclass(slots=True)
class ServerProcess:
    """A running ``mano serve``."""

    process: subprocess.Popen[bytes]
    api: Api
    log: Path

    def dashboard(self) -> str:
        """The page's address with a token that may only look, as the server announced it."""
        for line in reversed(self.log.read_text(encoding="utf-8", errors="replace").splitlines()):
            if line.startswith("dashboard ") and "http" in line:
                return line[line.index("http") :].strip()
        return f"{self.api.url}/ui/"

    def stop(self) -> None:
        """Ask it to stop, then make it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def start(data_dir: Path, lab: str, tier: str, listen: str) -> ServerProcess:
    """Start ``mano serve`` and wait until it is ready; raises DemoProblem with its last words if it ends.

    The server takes the port of ``listen`` or, when somebody else has it by then, any, and says which.
    """
    log = data_dir / "server.log"
    command = [sys.executable, "-m", "mano.cli", "serve", "--data-dir", str(data_dir), "--listen", listen]
    command.append("--or-any-port")
    said_before = log.stat().st_size if log.exists() else 0
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
        url = _await_url(process, log, said_before)
        api = Api(url, _await_token(data_dir, process, log))
        _await_ready(api, process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise
    return ServerProcess(process, api, log)


def _await_url(process: subprocess.Popen[bytes], log: Path, said_before: int) -> str:
    """Where the server says that it listens."""

    def said() -> str:
        words = log.read_bytes()[said_before:].decode("utf-8", "replace")
        return next((line.split()[3] for line in words.splitlines() if line.startswith(LISTENS)), "")

    _await(lambda: bool(said()), process, log)
    return said()


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
            raise DemoProblem(f"the server ended with status {process.returncode}: {last_words(log)}")
        if time.monotonic() > deadline:
            raise DemoProblem(f"the server is not ready after {START_DEADLINE_S:.0f} s: {last_words(log)}")
        time.sleep(POLL_S)


def last_words(log: Path) -> str:
    """What a server said before it ended: its error and its hint, else its last lines."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    told = [line.partition(": ")[2] for line in lines if line.startswith(("Error: ", "Hint: "))]
    if told:
        return "; ".join(told[-2:])
    return " | ".join(lines[-LAST_LINES:]) or "it said nothing"
