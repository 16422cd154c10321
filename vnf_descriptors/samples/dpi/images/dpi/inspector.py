"""The NSH-aware function itself (RFC 7665 section 4.4): octets of a frame in, the same octets changed in place out.

Of each frame the service index is decremented (RFC 8300 section 2.3) and the MAC addresses are swapped, which sends it
back to its forwarder. If it belongs to a TCP connection whose client named a host, a hash of that name is
written into the second context header (RFC 8300 section 2.4). Octets stay where they are: no copy, no checksum.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address

from names import Found, NeedMore, NoName, context_value, find_name
from streams import Beginning, Connection, Connections

ETHERNET = 14
ETHERTYPE_NSH = b"\x89\x4f"
_FIXED = ETHERNET + 8  # Ethernet, NSH base and service path headers
_SI = ETHERNET + 7
_C2 = ETHERNET + 12
_MD_TYPE_1, _MD_1_WORDS = 1, 6  # RFC 8300 section 2.4: a fixed length of 24 octets
_NEXT_ETHERNET = 3  # RFC 8300 section 2.2
_OAM_BIT = 0x20
_TCP = 6
_SYN, _SYN_ACK = 0x02, 0x12  # bits of the TCP flags, RFC 9293 section 3.1
NAMES_MAX = 4096


@dataclass
class Counters:
    """What has been seen; ``names`` counts connections by ``protocol:name``, at most 4096 different ones."""

    packets: int = 0
    bytes: int = 0
    marked: int = 0
    oam: int = 0
    not_inspected: int = 0
    dropped_malformed: int = 0
    dropped_si: int = 0
    dropped_sending: int = 0
    names: Counter[str] = field(default_factory=Counter)

    def count_name(self, found: Found) -> None:
        """Count one connection; names beyond the limit are counted together."""
        key = f"{found.protocol}:{found.name}"
        if key not in self.names and len(self.names) >= NAMES_MAX:
            key = f"{found.protocol}:(others)"
        self.names[key] += 1

    def document(self, connections: int) -> dict[str, object]:
        """Plain values for the state file."""
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "marked": self.marked,
            "oam": self.oam,
            "notInspected": self.not_inspected,
            "dropped": {
                "malformed": self.dropped_malformed,
                "serviceIndex": self.dropped_si,
                "sending": self.dropped_sending,
            },
            "connections": connections,
            "names": dict(self.names),
        }


class Inspector:
    """Handles frame after frame; ``recognised`` hears of each name that is found, with the flow as text."""

    def __init__(self, recognised: Callable[[Found, int, str], None], *, connections: int = 65536) -> None:
        self.counters = Counters()
        self.connections = Connections(connections)
        self._recognised = recognised

    def handle(self, frame: bytearray, length: int) -> bool:
        """Change the first ``length`` octets in place; False when the frame is to be dropped."""
        counters = self.counters
        if length < _FIXED or frame[12:14] != ETHERTYPE_NSH or frame[14] >> 6:
            counters.dropped_malformed += 1
            return False
        words = frame[15] & 0x3F
        if words < 2 or ETHERNET + words * 4 > length:
            counters.dropped_malformed += 1
            return False
        index = frame[_SI]
        if index <= 1:  # RFC 8300 section 2.3: none is sent on with 0
            counters.dropped_si += 1
            return False
        counters.packets += 1
        counters.bytes += length
        frame[_SI] = index - 1
        frame[0:12] = frame[6:12] + frame[0:6]
        if frame[14] & _OAM_BIT:
            counters.oam += 1  # RFC 8300 section 2.2: what is inside is none of ours
        elif frame[17] != _NEXT_ETHERNET or frame[16] & 0x0F != _MD_TYPE_1 or words != _MD_1_WORDS:
            counters.not_inspected += 1
        else:
            context = self._inspect(frame, ETHERNET + _MD_1_WORDS * 4, length)
            if context:
                frame[_C2 : _C2 + 4] = context.to_bytes(4, "big")
                counters.marked += 1
        return True

    def _inspect(self, frame: bytearray, inner: int, length: int) -> int:
        """The context of the packet inside; 0 when there is none."""
        ip = inner + ETHERNET
        kind = frame[inner + 12 : ip]
        if kind == b"\x08\x00":
            if length < ip + 20 or frame[ip + 9] != _TCP or frame[ip] >> 4 != 4:
                return 0
            if (frame[ip + 6] & 0x1F) or frame[ip + 7]:
                return 0  # a later fragment has no ports
            tcp = ip + (frame[ip] & 0x0F) * 4
            end = ip + (frame[ip + 2] << 8 | frame[ip + 3])
            addresses, size = ip + 12, 4
        elif kind == b"\x86\xdd":
            if length < ip + 40 or frame[ip + 6] != _TCP:
                return 0
            tcp = ip + 40
            end = tcp + (frame[ip + 4] << 8 | frame[ip + 5])
            addresses, size = ip + 8, 16
        else:
            return 0
        if tcp < addresses + 2 * size or tcp + 20 > length or end > length:
            return 0
        key = bytes(frame[addresses : addresses + 2 * size] + frame[tcp : tcp + 4])
        connection = self.connections.get(key)
        if connection is not None and connection.beginnings is None and frame[tcp + 13] & _SYN_ACK != _SYN:
            return connection.context
        return self._undecided(frame, tcp, end, key, size, connection)

    def _undecided(
        self, frame: bytearray, tcp: int, end: int, key: bytes, size: int, connection: Connection | None
    ) -> int:
        flags = frame[tcp + 13]
        sequence = int.from_bytes(frame[tcp + 4 : tcp + 8], "big")
        if connection is None or flags & _SYN_ACK == _SYN:
            twin = key[size : 2 * size] + key[:size] + key[2 * size + 2 :] + key[2 * size : 2 * size + 2]
            connection = self.connections.open(key, twin)
        beginnings = connection.beginnings
        if beginnings is None:
            return connection.context
        if flags & _SYN:
            beginnings[key] = Beginning(first=(sequence + 1) & 0xFFFFFFFF)
        data = tcp + (frame[tcp + 12] >> 4) * 4
        if tcp + 20 <= data < end:
            self._look(connection, beginnings.setdefault(key, Beginning()), sequence, bytes(frame[data:end]))
        return connection.context

    def _look(self, connection: Connection, beginning: Beginning, sequence: int, payload: bytes) -> None:
        """Try to recognise a name in what one side has sent so far."""
        try:
            found = find_name(beginning.add(sequence, payload))
        except NeedMore:
            if beginning.is_full:
                connection.beginnings = None
        except NoName:
            connection.beginnings = None
        else:
            connection.context = context_value(found.name)
            connection.beginnings = None
            self.counters.count_name(found)
            self._recognised(found, connection.context, flow_text(connection.keys[0]))


def flow_text(key: bytes) -> str:
    """Source and destination of a connection's key, for the log."""
    size = (len(key) - 4) // 2
    source, target = (ip_address(key[at : at + size]) for at in (0, size))
    ports = int.from_bytes(key[-4:-2], "big"), int.from_bytes(key[-2:], "big")
    return f"{source}:{ports[0]} > {target}:{ports[1]}"
