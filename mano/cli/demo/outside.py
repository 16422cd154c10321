"""The two processes outside the network service: the internet's servers, and a subscriber who keeps asking them."""

from __future__ import annotations

import selectors
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mano.cli.demo.certificate import write_certificate
from mano.cli.demo.errors import DemoProblem

READY_DEADLINE_S = 15.0
STOP_DEADLINE_S = 10.0
READY = b"ready\n"


class OutsideProcess:
    """A module of the demo that runs in a namespace of the lab until it is stopped; says ``ready`` when it is."""

    def __init__(self, what: str, namespace: str, module: str, arguments: Sequence[str], log: Path) -> None:
        self._what = what
        self._command = ["ip", "netns", "exec", namespace, sys.executable, "-m", module, *arguments]
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it in a session of its own; raises :class:`DemoProblem` with its last words unless it gets ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdout=subprocess.PIPE,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        if not self._says_ready(self._process):
            self.stop()
            words = self._log.read_text(encoding="utf-8", errors="replace").strip()[-400:]
            raise DemoProblem(f"{self._what} does not start: {words or 'it said nothing'}")

    def stop(self) -> None:
        """End it; nothing to do when it never ran."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_DEADLINE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

    def _says_ready(self, process: subprocess.Popen[bytes]) -> bool:
        assert process.stdout is not None
        deadline = time.monotonic() + READY_DEADLINE_S
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            return bool(selector.select(max(0.0, deadline - time.monotonic()))) and process.stdout.readline() == READY


def internet(namespace: str, address: str, directory: Path) -> OutsideProcess:
    """The servers of the internet, with a new certificate; what they are asked is in ``requests.jsonl``."""
    certificate = directory / "internet.pem"
    write_certificate(certificate)
    arguments = ["--address", address, "--certificate", str(certificate), "--log", str(directory / "requests.jsonl")]
    return OutsideProcess("the internet", namespace, "mano.cli.demo.internet", arguments, directory / "internet.log")


def subscriber(namespace: str, server: str, directory: Path) -> OutsideProcess:
    """Gentle traffic through both chains, about one request a second."""
    arguments = ["--server", server, "--log", str(directory / "subscriber.log")]
    return OutsideProcess(
        "the subscriber", namespace, "mano.cli.demo.subscriber", arguments, directory / "subscriber.log"
    )
