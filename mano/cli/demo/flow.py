"""A steady flow of numbered datagrams from the subscriber to the internet and back, and what was lost of it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mano.cli.demo.errors import DemoProblem

PORT = 7100
RATE = 2000
END_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Way:
    """One direction."""

    name: str
    sent: int
    received: int
    duplicates: int
    overtaken: int
    longest_gap_ms: float
    jumps: Sequence[tuple[float, int]]
    """When (monotonic seconds) how many numbers were missing at first sight."""

    @property
    def lost(self) -> int:
        """Datagrams that never came."""
        return self.sent - self.received

    def __str__(self) -> str:
        return f"{self.name} {self.lost} of {self.sent} lost, longest gap {self.longest_gap_ms:.0f} ms"


class Flow:
    """Both directions at once, between two namespaces, until :meth:`end`."""

    def __init__(self, subscriber: str, internet: str, address: str, *, rate: int = RATE, port: int = PORT) -> None:
        """``subscriber`` and ``internet`` are namespaces, ``address`` the internet's; ``rate`` datagrams a second."""
        common = ["--port", str(port), "--rate", str(rate)]
        self._inside = _side(internet, common)
        self._outside = _side(subscriber, [*common, "--peer", address])

    def end(self) -> tuple[Way, Way]:
        """Stop sending, wait for what is under way: (to the internet, back)."""
        for side in (self._outside, self._inside):
            assert side.stdin is not None
            side.stdin.write(b"\n")
            side.stdin.flush()
        subscriber, internet = _words(self._outside), _words(self._inside)
        return _way("forward", subscriber, internet), _way("back", internet, subscriber)

    def kill(self) -> None:
        """End it whatever it does."""
        for side in (self._outside, self._inside):
            side.kill()
            side.wait()
            for pipe in (side.stdin, side.stdout):
                if pipe is not None:
                    pipe.close()


def _side(namespace: str, arguments: Sequence[str]) -> subprocess.Popen[bytes]:
    command = ["ip", "netns", "exec", namespace, sys.executable, "-m", "mano.cli.demo.streams", *arguments]
    side = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
    assert side.stdout is not None
    if side.stdout.readline() != b"ready\n":
        side.kill()
        side.wait()
        raise DemoProblem(f"the flow of datagrams does not start in {namespace}")
    return side


def _words(side: subprocess.Popen[bytes]) -> dict[str, Any]:
    try:
        said, _ = side.communicate(timeout=END_DEADLINE_S)
    except subprocess.TimeoutExpired:
        side.kill()
        side.communicate()
        raise DemoProblem("the flow of datagrams does not end") from None
    found: dict[str, Any] = json.loads(said)
    return found


def _way(name: str, sender: dict[str, Any], receiver: dict[str, Any]) -> Way:
    return Way(
        name,
        sent=sender["sent"],
        received=receiver["received"],
        duplicates=receiver["duplicates"],
        overtaken=receiver["overtaken"],
        longest_gap_ms=receiver["longestGapMs"],
        jumps=[(when, count) for when, count in receiver["jumps"]],
    )
