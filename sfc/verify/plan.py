"""What is planned, indexed by the places that the checks ask about."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from sfc.model.chains import Hop, PathPosition, PlannedChain
from sfc.model.topology import OnFailure, Port, PortRole, Topology
from sfc.stand_in import stand_in
from sfc.verify.stations import Asker

FOREIGN_MAX = 16
"""Foreign positions tried at one leg."""
NOBODYS = PathPosition(0xFFFFFF, 255)
"""A position that no path has."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class LegPlan:
    """What may come out of a function's leg."""

    is_aware: bool = False
    expected: frozenset[PathPosition] = frozenset()
    """Of an NSH-aware function: where its packets come back; of another: where they were handed over."""


@dataclass(frozen=True, slots=True)
class Graph:
    """The chains that follow another, directly or not, and what stands around them."""

    followers: tuple[PlannedChain, ...] = ()
    heirs: tuple[tuple[PlannedChain, ...], ...] = ()
    """For each of them, classified chains between the same ends."""
    before: tuple[PlannedChain, ...] = ()
    """Chains that any of all these follow."""

    def behind(self, chain: str) -> tuple[PlannedChain, ...]:
        """Those that choose at the end of a chain."""
        return tuple(each for each in self.followers if chain in each.chain.after)


class Plan:
    """A topology with planned chains, ready to be asked."""

    def __init__(self, topology: Topology, chains: Sequence[PlannedChain], down: Collection[str] = ()) -> None:
        self.topology = topology
        self.chains = tuple(chains)
        self.classified = tuple(planned for planned in chains if planned.classified)
        self.down = frozenset(down)

    @cached_property
    def offers(self) -> dict[str, tuple[PlannedChain, ...]]:
        """What takes each chain's packets: one planned chain, or the branches over which they are spread.

        Chains that follow others are left out: their packets are those of the first chain of their graph.
        """
        return _grouped((planned.chain.id, planned) for planned in self.classified if not planned.chain.after)

    @cached_property
    def starting_at(self) -> dict[str, tuple[PlannedChain, ...]]:
        """Classified chains by the port where they begin; not those that follow others."""
        return _grouped((planned.forward.start, planned) for planned in self.classified if not planned.chain.after)

    @cached_property
    def not_closed(self) -> frozenset[str]:
        """Functions whose bridges may have something else to do with their packets when they fail."""
        return frozenset(each.id for each in self.topology.functions if each.on_failure is not OnFailure.CLOSED)

    @cached_property
    def _following(self) -> tuple[PlannedChain, ...]:
        return tuple(planned for planned in self.classified if planned.chain.after)

    def graph_of(self, first: PlannedChain) -> Graph:
        """Everything that follows a chain."""
        reached: dict[str, PlannedChain] = {}
        names, waiting = {first.chain.id}, self._following
        while found := [each for each in waiting if not names.isdisjoint(each.chain.after)]:
            reached.update((each.chain.id, each) for each in found)
            names |= reached.keys()
            waiting = tuple(each for each in waiting if each.chain.id not in reached)
        followers = tuple(reached.values())
        heirs = tuple(self.between_the_ends_of(each) for each in followers)
        around = (each for group in (self.between_the_ends_of(first), *heirs) for each in group)
        return Graph(followers, heirs, self._before(around))

    def _before(self, chains: Iterable[PlannedChain]) -> tuple[PlannedChain, ...]:
        """Those that some chains follow, directly or not."""
        found: dict[str, PlannedChain] = {}
        waiting = [name for planned in chains for name in planned.chain.after]
        while waiting:
            name = waiting.pop()
            if name not in found and name in self._by_id:
                found[name] = self._by_id[name]
                waiting.extend(found[name].chain.after)
        return tuple(found.values())

    @cached_property
    def _by_id(self) -> dict[str, PlannedChain]:
        return {planned.chain.id: planned for planned in self.classified}

    @cached_property
    def ending_at(self) -> dict[str, tuple[PlannedChain, ...]]:
        """Classified chains by the port where they end."""
        return _grouped((planned.forward.end, planned) for planned in self.classified)

    @cached_property
    def ends(self) -> frozenset[str]:
        """Ports where a version of some chain begins or ends."""
        return frozenset(port for planned in self.chains for port in (planned.forward.start, planned.forward.end))

    def between_the_ends_of(self, planned: PlannedChain) -> tuple[PlannedChain, ...]:
        """Classified chains that end at the same port, and begin where an answer has the same destination."""
        mac = self.topology.port(planned.forward.start).mac
        others = self.ending_at[planned.forward.end]
        return tuple(other for other in others if self.topology.port(other.forward.start).mac == mac)

    def neighbours(self) -> Iterator[tuple[Port, Port]]:
        """Each member of a network that has another, with one of those."""
        members = [port for port in self.topology.ports if port.role is PortRole.TENANT]
        together = _grouped((port.network, port) for port in members)
        for port in members:
            others = (other for other in together[port.network][:2] if other is not port)
            for other in others:
                yield port, other
                break

    def stations(self) -> Iterator[tuple[Port, tuple[Asker, ...]]]:
        """Each member of a network, with another one of each bridge that has one; best one that has no chain."""
        members = [port for port in self.topology.ports if port.role is PortRole.TENANT]
        together = _grouped((port.network, port) for port in members)
        for port in members:
            by_sff: dict[str, Port] = {}
            for other in together[port.network]:
                known = by_sff.get(other.sff)
                if other is not port and (known is None or (known.id in self.ends and other.id not in self.ends)):
                    by_sff[other.sff] = other
            yield port, tuple(Asker(other, other.id in self.ends) for other in by_sff.values())

    def leg(self, port: Port) -> LegPlan:
        """What may come out of a port."""
        aware = port.id in self._aware
        back = 1 if aware else 0
        handed = self._handed.get(port.id, ())
        return LegPlan(aware, frozenset(PathPosition(spi, si - back) for spi, si in handed))

    def foreign(self, port: Port, plan: LegPlan) -> tuple[PathPosition, ...]:
        """Positions that the port may not show: on its own paths, on others of its bridge, and nobody's."""
        own = [
            PathPosition(spi, max(si - step, 0)) for spi, si in self._handed.get(port.id, ())[:2] for step in range(3)
        ]
        here = self._served.get(port.sff, ())
        spread = [PathPosition(*position) for position in here[:: len(here) // FOREIGN_MAX + 1]]
        return (*(position for position in (*own, *spread) if position not in plan.expected), NOBODYS)

    @cached_property
    def _aware(self) -> frozenset[str]:
        functions = (function for function in self.topology.functions if function.sends_nsh)
        return frozenset(port for function in functions for port in function.legs(True))

    @cached_property
    def _handed(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """(SPI, SI) of every hand-over, by the port that the packet comes back from."""
        rsps = (rsp for planned in self.chains for rsp in planned.rsps)
        taps = {function.id for function in self.topology.functions if function.is_tap}
        back = ((rsp, hop) for rsp in rsps for hop in rsp.hops if hop.function not in taps and self._is_met(hop))
        handed = [(hop.port_out, (rsp.spi, hop.si)) for rsp, hop in back]
        return _grouped((*handed, *self._handed_instead()))

    def _handed_instead(self) -> Iterator[tuple[str, tuple[int, int]]]:
        """The same for instances that stand in where a leg has no carrier."""
        for planned in self.chains if self.not_closed else ():
            for rsp in planned.rsps:
                for hop in rsp.hops:
                    if hop.function in self.not_closed and self._is_met(hop):
                        other = stand_in(self.topology, planned.chain, rsp, hop)
                        if other is not None:
                            yield other.port_out, (rsp.spi, hop.si)

    def _is_met(self, hop: Hop) -> bool:
        """False of a function out of reach, for which another forwarder stands in."""
        return hop.sff == self.topology.port(hop.port_out).sff

    def failed(self, planned: PlannedChain, met: Iterable[str]) -> frozenset[str]:
        """Those of the functions that are down, or out of the chain's reach."""
        return (self.down | planned.cut_off).intersection(met)

    @cached_property
    def _served(self) -> dict[str, tuple[tuple[int, int], ...]]:
        """(SPI, SI) that each bridge serves."""
        rsps = (rsp for planned in self.chains for rsp in planned.rsps)
        return _grouped((hop.sff, (rsp.spi, hop.si)) for rsp in rsps for hop in rsp.hops)


def _grouped(pairs: Iterable[tuple[K, V]]) -> dict[K, tuple[V, ...]]:
    groups: dict[K, list[V]] = {}
    for key, value in pairs:
        groups.setdefault(key, []).append(value)
    return {key: tuple(values) for key, values in groups.items()}
