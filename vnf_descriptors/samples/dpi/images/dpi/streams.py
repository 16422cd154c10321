"""Remembers, for each TCP connection, the first octets that its client sends, and what they turned out to be.

Both directions of a connection find the same record. Memory is bounded: at most ``limit`` connections, the one that
was silent longest is forgotten first; at most 16 KiB of beginning for each that is still undecided.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

BEGINNING_MAX = 16384 + 1024  # octets: a ClientHello with its record headers
PIECES_MAX = 32
_SEQUENCE_MASK = 0xFFFFFFFF


@dataclass
class Beginning:
    """The first octets of one direction, put together from segments in any order (RFC 9293 section 3.4)."""

    first: int | None = None
    """Sequence number of the first octet; of the first segment seen, when the SYN was missed."""
    pieces: dict[int, bytes] = field(default_factory=dict)

    def add(self, sequence: int, payload: bytes) -> bytes:
        """Keep a segment's payload; returns what is there without a gap from the first octet on."""
        if self.first is None:
            self.first = sequence
        offset = (sequence - self.first) & _SEQUENCE_MASK
        if offset < BEGINNING_MAX and len(self.pieces) < PIECES_MAX:
            known = self.pieces.get(offset, b"")
            if len(payload) > len(known):
                self.pieces[offset] = payload[: BEGINNING_MAX - offset]
        return self._joined()

    def _joined(self) -> bytes:
        joined = bytearray()
        for offset in sorted(self.pieces):
            if offset > len(joined):
                break
            joined += self.pieces[offset][len(joined) - offset :]
        return bytes(joined)

    @property
    def is_full(self) -> bool:
        return len(self.pieces) >= PIECES_MAX or sum(map(len, self.pieces.values())) >= BEGINNING_MAX


@dataclass
class Connection:
    """What is known of a connection. ``context`` is 0 until a name was found."""

    keys: tuple[bytes, bytes]
    context: int = 0
    beginnings: dict[bytes, Beginning] | None = field(default_factory=dict)
    """By direction; ``None`` once the question is decided."""


class Connections:
    """The table, by the twelve octets (v4) or thirty-six (v6) of addresses and ports in either order."""

    def __init__(self, limit: int = 65536) -> None:
        self._limit = limit * 2
        self._by_key: OrderedDict[bytes, Connection] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key) // 2

    def get(self, key: bytes) -> Connection | None:
        """The connection of a packet, marked as alive."""
        connection = self._by_key.get(key)
        if connection is not None:
            self._by_key.move_to_end(key)
        return connection

    def open(self, key: bytes, twin: bytes) -> Connection:
        """A new connection, in place of an older one with the same addresses and ports; ``twin`` is the way back."""
        connection = Connection((key, twin))
        for each in (key, twin):
            self._by_key[each] = connection
            self._by_key.move_to_end(each)
        while len(self._by_key) > self._limit:
            self._forget(next(iter(self._by_key.values())))
        return connection

    def _forget(self, connection: Connection) -> None:
        for key in connection.keys:
            if self._by_key.get(key) is connection:
                del self._by_key[key]
