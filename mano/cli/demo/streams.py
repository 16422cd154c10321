"""Numbered datagrams both ways at once: who lost what, and when.

A process in each of two namespaces sends at a steady rate and notes which numbers of the other's it got. The one in the
internet knows its peer by the first datagram that it gets, so the way back is that of the connection's NAT. A line on
standard input ends the sending; what was noted comes as one JSON line on standard output a little later.
"""

from __future__ import annotations

import argparse
import json
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LINGER_S = 0.6
"""How long datagrams may be under way when the sending is over."""

BUFFER_OCTETS = 8 << 20
SO_RCVBUFFORCE = 33
PADDING = bytes(100)
_NUMBER = struct.Struct("!IQ")


@dataclass
class Received:
    """What came from the other side: highest number, how many, and when numbers were missing."""

    seen: set[int] = field(default_factory=set)
    duplicates: int = 0
    overtaken: int = 0
    last: int = -1
    last_at: float = 0.0
    longest_gap_s: float = 0.0
    jumps: list[tuple[float, int]] = field(default_factory=list)

    def take(self, number: int, now: float) -> None:
        """One datagram."""
        if number in self.seen:
            self.duplicates += 1
            return
        self.seen.add(number)
        if number < self.last:
            self.overtaken += 1
            return
        if number > self.last + 1:
            self.jumps.append((now, number - self.last - 1))
        if self.last >= 0:
            self.longest_gap_s = max(self.longest_gap_s, now - self.last_at)
        self.last, self.last_at = number, now

    def to_document(self) -> dict[str, Any]:
        """JSON."""
        return {
            "received": len(self.seen),
            "last": self.last,
            "duplicates": self.duplicates,
            "overtaken": self.overtaken,
            "longestGapMs": round(self.longest_gap_s * 1000, 1),
            "jumps": self.jumps[-200:],
        }


class Stream:
    """One side."""

    def __init__(self, channel: socket.socket, rate: int, peer: tuple[str, int] | None) -> None:
        self._channel = channel
        self._rate = rate
        self._peer = peer
        self._known = threading.Event()
        self._over = threading.Event()
        self._received = Received()
        self.sent = 0
        if peer is not None:
            self._known.set()

    def run(self, ready: Callable[[], None], wait: Callable[[], None]) -> dict[str, Any]:
        """Both directions until ``wait`` returns; what was seen."""
        threads = [threading.Thread(target=self._receive, daemon=True), threading.Thread(target=self._send)]
        for thread in threads:
            thread.start()
        ready()
        wait()
        self._over.set()
        threads[1].join()
        time.sleep(LINGER_S)
        return {"sent": self.sent, **self._received.to_document()}

    def _receive(self) -> None:
        while True:
            data, sender = self._channel.recvfrom(2048)
            if len(data) < _NUMBER.size:
                continue
            self._received.take(_NUMBER.unpack_from(data)[0], time.monotonic())
            if self._peer is None:
                self._peer = sender
                self._known.set()

    def _send(self) -> None:
        while not self._known.wait(0.05):
            if self._over.is_set():
                return
        assert self._peer is not None
        begin = time.monotonic()
        while not self._over.is_set():
            due = int((time.monotonic() - begin) * self._rate)
            # A late start of the loop is made up for in small bursts, not in one that fills the queues.
            for _ in range(min(due - self.sent, 8)):
                self._channel.sendto(_NUMBER.pack(self.sent, time.monotonic_ns()) + PADDING, self._peer)
                self.sent += 1
            time.sleep(0.001)


def open_channel(address: str, port: int) -> socket.socket:
    """A UDP socket with room for half a minute."""
    channel = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_OCTETS)
    except PermissionError:
        channel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_OCTETS)
    channel.bind((address, port))
    return channel


def _until_told() -> None:
    sys.stdin.readline()


def main() -> None:
    """One side as a process: ``--peer HOST`` for the subscriber's, none for the internet's."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--peer", default="")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True, help="datagrams a second")
    options = parser.parse_args()
    peer = (options.peer, options.port) if options.peer else None
    stream = Stream(open_channel("0.0.0.0", 0 if peer else options.port), options.rate, peer)
    found = stream.run(lambda: print("ready", flush=True), _until_told)
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
