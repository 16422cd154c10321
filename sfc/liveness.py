"""How it is found out whether a function lives: a packet through it, whatever its link says.

The responder of a function's own bridge sends a probe to one leg and waits for it to come out of the other:

* a bridging function passes a frame of the ethertype that IEEE 802 keeps for local experiments, or the datagram of its
  :class:`~sfc.model.LivenessProbe`;
* one that speaks NSH takes an OAM packet on a path of its own (SPI 0xffffff) and sends it back, its index decremented;
* a routing one routes the datagram of its :class:`~sfc.model.LivenessProbe`, and is not probed without;
* one at a chain's end answers ARP for its own address (an ARP probe of RFC 5227, of which nobody learns).

A tap only swallows; it is not probed. The tables let through nothing but these packets, and meter them. All pure; the
sending and waiting is :mod:`sfc.ovs.liveness`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from sfc.model.addresses import Mac
from sfc.model.chains import SI_FIRST, PathPosition
from sfc.model.topology import Awareness, Layer, ServiceFunction, Topology

PROBE_POSITION = PathPosition(0xFFFFFF, SI_FIRST)
"""Where probes of functions that speak NSH are; the SPI is never given out. They come back with one index less."""
ETHERTYPE_PROBE = 0x88B5  # IEEE 802, local experimental ethertype 1
_TO, _BACK = 0x020B00000000, 0x020B00010000


class ProbeKind(StrEnum):
    """What a probe looks like."""

    FRAME = "frame"
    DATAGRAM = "datagram"
    NSH = "nsh"
    ARP = "arp"


@dataclass(frozen=True, slots=True)
class Watch:
    """One function to be probed by the responder of its bridge."""

    function: str
    sff: str
    kind: ProbeKind
    ofport: int
    """OpenFlow port that the probe goes out by."""
    source: IPv4Address | None = None
    """Of a datagram."""
    destination: IPv4Address | None = None
    """Of a datagram; of ARP the address that is asked for."""
    port: int = 0
    """UDP port of a datagram, source and destination."""

    @property
    def to_mac(self) -> Mac:
        """Destination by which the bridge knows where the responder's probe goes."""
        return Mac(_TO | self.ofport)

    @property
    def tag(self) -> Mac:
        """Source of the probe inside a bridging function, by which it is known behind it."""
        return Mac(_BACK | self.ofport)


def watch_of(topology: Topology, function: ServiceFunction) -> Watch | None:
    """How a function is probed; None when its kind cannot be, or its bridge has no responder."""
    port = topology.port(function.ingress)
    sff = topology.sff(port.sff)
    if sff.oam_ofport is None or function.is_tap:
        return None
    head = (function.id, sff.name)
    if function.rewrites_5tuple:
        own = next((address for address in port.addresses if isinstance(address, IPv4Address)), None)
        return None if own is None else Watch(*head, ProbeKind.ARP, port.ofport, destination=own)
    if function.awareness is Awareness.NSH:
        return Watch(*head, ProbeKind.NSH, port.ofport)
    if function.probe is not None:
        probe = function.probe
        return Watch(*head, ProbeKind.DATAGRAM, port.ofport, probe.source, probe.destination, probe.port)
    return Watch(*head, ProbeKind.FRAME, port.ofport) if function.layer is Layer.L2 else None


def watches(topology: Topology, sff: str | None = None) -> tuple[Watch, ...]:
    """Every function that can be probed; those of one bridge when it is named."""
    found = (watch_of(topology, function) for function in topology.functions)
    return tuple(watch for watch in found if watch is not None and sff in (None, watch.sff))


class Life(StrEnum):
    """What is known of a function."""

    UNKNOWN = "unknown"
    """It has not answered yet: nobody is bypassed before it was seen alive."""
    ALIVE = "alive"
    DEAD = "dead"


class Health:
    """What the rounds of probes say of one function: dead after ``misses`` in a row, alive again after ``answers``."""

    def __init__(self, misses: int, answers: int, life: Life = Life.UNKNOWN) -> None:
        """``life``: what was known before."""
        self._misses, self._answers = misses, answers
        self._in_a_row = 0
        self.life = life

    def round(self, answered: bool) -> bool:
        """One probe was answered, or not until the next was due; True when that changes :attr:`life`."""
        before = self.life
        expected = answered is (self.life is Life.ALIVE)
        self._in_a_row = 0 if expected else self._in_a_row + 1
        if self.life is Life.UNKNOWN:
            self.life = Life.ALIVE if answered else Life.UNKNOWN
        elif self.life is Life.ALIVE and self._in_a_row >= self._misses:
            self.life = Life.DEAD
        elif self.life is Life.DEAD and self._in_a_row >= self._answers:
            self.life = Life.ALIVE
        if self.life is not before:
            self._in_a_row = 0
        return self.life is not before
