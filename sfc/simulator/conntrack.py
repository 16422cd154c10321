"""Connection tracking of one bridge, as far as the tables use it: zones, commit, mark, states."""

from __future__ import annotations

from dataclasses import dataclass

from sfc.model.addresses import IpAddress
from sfc.model.fields import CT_EST, CT_INV, CT_NEW, CT_REL, CT_RPL, CT_TRK
from sfc.render.matches import ICMP_ERRORS, ICMPV6_ERRORS
from sfc.simulator.packets import Icmp, Ip, Sctp, Tcp, Udp

_Tuple = tuple[IpAddress, int, IpAddress, int, int]
_ECHO = {8: 0, 0: 8, 128: 129, 129: 128}


@dataclass(slots=True)
class Connection:
    """One committed connection."""

    mark: int = 0


@dataclass(frozen=True, slots=True)
class Tracked:
    """What a lookup found."""

    state: int
    mark: int
    connection: Connection | None


class ConnectionTracker:
    """Connections of one bridge by zone and 5-tuple."""

    def __init__(self) -> None:
        self._connections: dict[tuple[int, _Tuple], Connection] = {}

    def look_up(self, zone: int, ip: Ip) -> Tracked:
        """State bits and mark of a packet."""
        about = _about(ip)
        if about is not None:
            parent, _ = self._find(zone, about)
            if parent is None:
                return Tracked(CT_TRK | CT_INV, 0, None)
            return Tracked(CT_TRK | CT_REL, parent.mark, parent)
        connection, replies = self._find(zone, ip)
        if connection is not None:
            state = CT_TRK | CT_EST | (CT_RPL if replies else 0)
            return Tracked(state, connection.mark, connection)
        return Tracked(CT_TRK | (CT_NEW if _may_begin(ip) else CT_INV), 0, None)

    def commit(self, zone: int, ip: Ip, mark: int | None) -> None:
        """Remember the connection and write its mark. Of an ICMP error it is the parent that gets the mark."""
        tracked = self.look_up(zone, ip)
        connection = tracked.connection
        if connection is None and not tracked.state & CT_INV:
            connection = self._connections[zone, _tuple(ip)] = Connection()
        if connection is not None and mark is not None:
            connection.mark = mark

    def forget(self) -> None:
        """What a restart of the switch does."""
        self._connections.clear()

    def _find(self, zone: int, ip: Ip) -> tuple[Connection | None, bool]:
        forward = self._connections.get((zone, _tuple(ip)))
        if forward is not None:
            return forward, False
        return self._connections.get((zone, _tuple(ip, reverse=True))), True


def _about(ip: Ip) -> Ip | None:
    """The packet that an ICMP error is about."""
    if not isinstance(ip.payload, Icmp):
        return None
    errors = ICMP_ERRORS if ip.source.version == 4 else ICMPV6_ERRORS
    return ip.payload.about if ip.payload.type in errors else None


def _tuple(ip: Ip, reverse: bool = False) -> _Tuple:
    match ip.payload:
        case Tcp() | Udp() | Sctp() as transport:
            ports = (transport.source_port, transport.destination_port)
        case Icmp() as icmp:
            ports = (icmp.identifier << 8 | icmp.type, icmp.identifier << 8 | _ECHO.get(icmp.type, icmp.type))
        case _:
            ports = (0, 0)
    if reverse:
        return (ip.destination, ports[1], ip.source, ports[0], ip.protocol)
    return (ip.source, ports[0], ip.destination, ports[1], ip.protocol)


def _may_begin(ip: Ip) -> bool:
    """OVS takes a connection up in the middle, but not with the second half of a handshake."""
    payload = ip.payload
    if isinstance(payload, Tcp):
        flags = set(payload.flags)
        return bool(flags) and not {"S", "A"} <= flags and not {"S", "R"} <= flags
    if isinstance(payload, Icmp):
        return payload.type in (8, 128)
    return True
