"""The part of the OAM responder that probes the functions of its bridge, for whoever asked for it.

One thread and a few sockets for each asker. Once every interval the last probe of each function is judged and the next
one sent; what changes is told, one JSON object a line. It ends with the connection.

A machine that is too busy to let the thread run is no dead function: answers are read before anything is judged, and a
round in which the thread itself came late does not count as missed.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from sfc.liveness import Health, Life, ProbeKind, Watch
from sfc.model.addresses import Mac
from sfc.model.topology import OFPORT_MAX, check_range
from sfc.ovs.liveness_probes import ETHERTYPES, answers, probe_octets

WATCHES_MAX = 4096
INTERVAL_MS_MAX = 60_000
_REOPEN_S = 0.2
_LATE = 1.5
"""Intervals: a round that took longer says nothing against anybody."""

OpenPackets = Callable[[int], socket.socket]
"""A socket that receives frames of an ethertype from the OAM port."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants watched."""

    watches: tuple[Watch, ...]
    lives: tuple[Life, ...]
    """What the asker knows of each."""
    interval_s: float
    misses: int
    answers: int

    @classmethod
    def read(cls, wish: Mapping[str, Any], sff: str) -> Order:
        """Raises ValueError, TypeError, KeyError or :class:`~sfc.errors.ModelError` for what is no order."""
        interval, misses, answered = (int(wish[key]) for key in ("intervalMs", "misses", "answers"))
        check_range("intervalMs", interval, 5, INTERVAL_MS_MAX)
        check_range("misses", misses, 1, 1000)
        check_range("answers", answered, 1, 1000)
        items = wish["watch"]
        if not isinstance(items, list) or len(items) > WATCHES_MAX:
            raise ValueError(f"watch is no list of at most {WATCHES_MAX} functions")
        lives = tuple(Life(item["life"]) for item in items)
        return cls(tuple(_watch(item, sff) for item in items), lives, interval / 1000, misses, answered)


def order_document(watches: Mapping[Watch, Life], interval_ms: int, misses: int, answered: int) -> dict[str, Any]:
    """The order as JSON: functions with what is known of them."""
    items = [
        {
            "function": watch.function,
            "life": life.value,
            "kind": watch.kind.value,
            "ofport": watch.ofport,
            "source": None if watch.source is None else str(watch.source),
            "destination": None if watch.destination is None else str(watch.destination),
            "port": watch.port,
        }
        for watch, life in watches.items()
    ]
    return {"watch": items, "intervalMs": interval_ms, "misses": misses, "answers": answered}


def _watch(item: Any, sff: str) -> Watch:
    function, ofport, port = str(item["function"]), int(item["ofport"]), int(item["port"])
    check_range("ofport", ofport, 1, OFPORT_MAX)
    check_range("port", port, 0, 65535)
    source, destination = (None if item[key] is None else IPv4Address(item[key]) for key in ("source", "destination"))
    return Watch(function[:128], sff, ProbeKind(item["kind"]), ofport, source, destination, port)


class Watcher:
    """Probes the functions of one order until the asker hangs up."""

    def __init__(self, order: Order, mac: Mac, open_packets: OpenPackets, asker: socket.socket) -> None:
        self._order = order
        self._mac = mac
        self._open_packets = open_packets
        self._asker = asker
        self._handle = secrets.randbits(32)
        self._health = {
            watch.function: Health(order.misses, order.answers, life)
            for watch, life in zip(order.watches, order.lives, strict=True)
        }
        self._answered: set[str] = set()
        self._sockets: dict[int, socket.socket] = {}
        self._sequence = 0

    def run(self) -> None:
        """Returns when the asker is gone."""
        with self._asker, contextlib.suppress(OSError):
            try:
                for function, health in self._health.items():
                    self._tell(function, health)
                self._rounds()
            finally:
                self._close()

    def _rounds(self) -> None:
        begun = time.monotonic()
        self._send_all()
        while True:
            if not self._listen(begun + self._order.interval_s):
                return
            now = time.monotonic()
            on_time = now - begun < self._order.interval_s * _LATE
            for function, health in self._health.items():
                answered = function in self._answered
                if (answered or on_time) and health.round(answered):
                    self._tell(function, health)
            begun = now
            self._send_all()

    def _send_all(self) -> None:
        self._answered.clear()
        self._sequence = (self._sequence + 1) & 0xFFFFFFFF
        for watch in self._order.watches:
            frame = probe_octets(self._mac, watch, self._handle, self._sequence)
            with contextlib.suppress(OSError):  # no answer will come
                self._socket(ETHERTYPES[watch.kind]).send(frame)

    def _listen(self, deadline: float) -> bool:
        """Take answers until ``deadline`` and then all that are there; False when the asker is gone."""
        while True:
            left = max(0.0, deadline - time.monotonic())
            ready = select.select([*self._sockets.values(), self._asker], [], [], left)[0]
            if self._asker in ready:
                return False
            for packets in ready:
                self._take(packets)
            if not left and not ready:
                return True

    def _take(self, packets: socket.socket) -> None:
        try:
            frame = packets.recv(2048)
        except BlockingIOError:
            return
        except OSError:  # the port went away with its switch; the next round opens it anew
            self._close()
            return
        for watch in self._order.watches:
            if answers(watch, self._handle, frame) in (0, self._sequence):
                self._answered.add(watch.function)
                return

    def _socket(self, ethertype: int) -> socket.socket:
        if ethertype not in self._sockets:
            self._sockets[ethertype] = self._open_packets(ethertype)
        return self._sockets[ethertype]

    def _close(self) -> None:
        for packets in self._sockets.values():
            packets.close()
        self._sockets.clear()

    def _tell(self, function: str, health: Health) -> None:
        line = json.dumps({"function": function, "life": health.life.value})
        self._asker.sendall(line.encode() + b"\n")
