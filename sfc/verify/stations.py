"""What bridges answer by themselves, and that stations are reached from wherever their network has another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from sfc.forgery import FOREIGN
from sfc.model.addresses import IpAddress, Mac
from sfc.model.topology import Port
from sfc.samples import plain_samples
from sfc.simulator import Simulator, Trace
from sfc.simulator.packets import Arp, Ethernet, Ip, Neighbour
from sfc.verify.results import Report, Rule, Violation, inject

BROADCAST = Mac((1 << 48) - 1)
ROUTER, SOLICITED_OVERRIDE = 0x80000000, 0x60000000  # RFC 4861 section 4.4: R; S and O


@dataclass(frozen=True, slots=True)
class Asker:
    """A station that asks. What it sends is walked unless it is the end of a chain: other checks walk those."""

    port: Port
    is_end: bool = False

    def plain(self, to: Port) -> Ethernet | None:
        """A packet to another station that no chain takes; ``None`` where that is not known."""
        if self.is_end:
            return None
        return next((each for each in plain_samples(self.port, to) if to.trunk or not each.vlans), None)


@dataclass(frozen=True, slots=True)
class StationCheck:
    """A member of a network and, of each bridge that has another one, somebody who asks for it and sends to it."""

    port: Port
    askers: tuple[Asker, ...]

    @property
    def name(self) -> tuple[str, ...]:
        return ("station", self.port.id)

    def run(self, network: Simulator) -> Iterator[Violation]:
        for asker in self.askers:
            for address in self.port.addresses:
                yield from self._answered(network, asker.port, address)
            yield from self._reached(network, asker)
        for address in (*self.port.addresses, *(FOREIGN[version] for version in self.port.versions)):
            yield from self._not_answered(network, address)

    def _answered(self, network: Simulator, asker: Port, address: IpAddress) -> Iterator[Violation]:
        question = _question(asker, address)
        if question is None:
            return
        report = Report(None, None, asker.id, question)
        trace = inject(network, report, asker.id, question)
        if isinstance(trace, Violation):
            yield trace
        elif not _is_answer(trace, asker, self.port, address, question):
            told = f"who asks for {address} does not learn that {self.port.id} has it"
            yield report.violation(Rule.NEIGHBOUR, told, trace)

    def _not_answered(self, network: Simulator, address: IpAddress) -> Iterator[Violation]:
        """Nobody answers for what nobody has, nor to a station that only says what it has."""
        question = _question(self.port, address)
        if question is None or (isinstance(address, IPv6Address) and address in self.port.addresses):
            return  # RFC 4862 section 5.4: a station that looks for its own double sends from no address
        report = Report(None, None, self.port.id, question)
        trace = inject(network, report, self.port.id, question)
        if isinstance(trace, Violation):
            yield trace
        elif trace.deliveries or trace.functions or trace.crossings:
            yield report.violation(Rule.NEIGHBOUR, f"somebody answers for {address}, or hears of it", trace)

    def _reached(self, network: Simulator, asker: Asker) -> Iterator[Violation]:
        packet = asker.plain(self.port)
        if packet is None:
            return
        report = Report(None, None, asker.port.id, packet)
        trace = inject(network, report, asker.port.id, packet)
        if isinstance(trace, Violation):
            yield trace
        elif [left.port for left in trace.deliveries] != [self.port.id]:
            left = ", ".join(left.port for left in trace.deliveries) or "no port"
            told = f"in the plain network it leaves at {left}, not {self.port.id}"
            yield report.violation(Rule.DESTINATION, told, trace)


def _question(asker: Port, address: IpAddress) -> Ethernet | None:
    """As a station's kernel asks; ``None`` of one that has no address of the version."""
    own = next((each for each in asker.addresses if each.version == address.version), None)
    if isinstance(address, IPv4Address):
        asked = None if own is None else Arp(1, asker.mac, int(own), Mac(0), int(address))
        return None if asked is None else Ethernet(asker.mac, BROADCAST, asked)
    if not isinstance(own, IPv6Address):
        return None
    low = int(address) & 0xFFFFFF  # RFC 4291 section 2.7.1: the solicited-node multicast address
    group = IPv6Address(int(IPv6Address("ff02::1:ff00:0")) | low)
    solicitation = Neighbour(address, option_type=1, link_address=asker.mac)
    return Ethernet(asker.mac, Mac(0x3333FF000000 | low), Ip(own, group, solicitation, ttl=255))  # RFC 4861 section 4.3


def _is_answer(trace: Trace, asker: Port, port: Port, address: IpAddress, question: Ethernet) -> bool:
    if len(trace.deliveries) != 1 or trace.crossings:
        return False
    (left,) = trace.deliveries
    frame = left.packet
    if left.port != asker.id or not isinstance(frame, Ethernet):
        return False
    return frame == Ethernet(port.mac, asker.mac, _answer(port, asker, address, question))


def _answer(port: Port, asker: Port, address: IpAddress, question: Ethernet) -> Arp | Ip:
    asked = question.payload
    if isinstance(asked, Arp):
        return Arp(2, port.mac, int(address), asker.mac, asked.spa)
    assert isinstance(asked, Ip) and isinstance(address, IPv6Address)
    routes = any(prefix.version == 6 and not prefix.prefixlen for prefix in port.allowed)
    flags = SOLICITED_OVERRIDE | (ROUTER if routes else 0)
    return Ip(address, asked.source, Neighbour(address, 136, 0, 2, port.mac, flags), ttl=asked.ttl)
