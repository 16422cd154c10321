"""The state of one decision: which VDUs have a seat, what is left of hosts and links, what it costs.

A board is an overlay on a `Fleet`: `place` and `unplace` change the fleet's free hosts and arrays, `close` puts back
what they were. So a decision over ten thousand hosts copies none of them.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from mano.domain.nfvi import Host, Inventory, Link
from mano.placement.arrays import FleetArrays
from mano.placement.free import FreeHost, FreeHosts
from mano.placement.groups import GroupBook, Seat
from mano.placement.numa import Fit
from mano.placement.parts import Parts
from mano.placement.paths import Chains, ChainState, Underlay, graph_of, hop_cost
from mano.placement.request import PlacementRequest, VduRequest
from mano.placement.result import Code, Objective


class Fleet:
    """An inventory prepared for decisions. `sync` follows a changed inventory at the price of what changed."""

    def __init__(self, inventory: Inventory) -> None:
        self._graph: tuple[Sequence[Link], Any] | None = None
        self._load(inventory)

    def _load(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._maker = FreeHosts()
        self.hosts: list[FreeHost] = [self._maker.of(host) for host in inventory.hosts]
        self.arrays = FleetArrays(self.hosts)
        self.zones: dict[str, str] = {host.name: host.zone for host in inventory.hosts}
        by_name = sorted(range(len(self.hosts)), key=lambda position: inventory.hosts[position].name)
        self.rank: npt.NDArray[np.int64] = np.empty(len(by_name), dtype=np.int64)
        self.rank[by_name] = np.arange(len(by_name))
        self.seats: dict[str, Seat] = {}
        self.tagged: dict[str, list[str]] = {}
        for position in range(len(self.hosts)):
            self._seat_allocations(position)

    def underlay(self) -> Underlay:
        """The links with all that is free of them; the graph is made once."""
        links = self.inventory.links
        if self._graph is None or self._graph[0] is not links:
            self._graph = (links, graph_of(links))
        return Underlay(links, self._graph[1])

    def _seat_allocations(self, position: int) -> None:
        host = self.inventory.hosts[position]
        for allocation in host.allocations:
            self.seats[allocation.id] = Seat(position, host.zone, allocation)
            for group in allocation.groups:
                self.tagged.setdefault(group, []).append(allocation.id)

    def sync(self, inventory: Inventory) -> None:
        """Follow `inventory`. Hosts are compared by identity, as `Inventory`'s updates share what did not change."""
        old = self.inventory
        changed = [
            position
            for position, (now, before) in enumerate(zip(inventory.hosts, old.hosts, strict=False))
            if now is not before
        ]
        shape_kept = len(inventory.hosts) == len(old.hosts) and all(
            _same_shape(inventory.hosts[position], old.hosts[position]) for position in changed
        )
        if not shape_kept or len(changed) * 4 > len(inventory.hosts) + 64:
            self._load(inventory)
            return
        self.inventory = inventory
        for position in changed:
            self._forget_allocations(old, position)
        for position in changed:
            self._seat_allocations(position)
            self.hosts[position] = self._maker.of(inventory.hosts[position])
            self.arrays.update(position, self.hosts[position])

    def _forget_allocations(self, old: Inventory, position: int) -> None:
        for allocation in old.hosts[position].allocations:
            self.seats.pop(allocation.id, None)
            for group in allocation.groups:
                self.tagged[group].remove(allocation.id)

    def put(self, position: int, host: FreeHost) -> None:
        self.hosts[position] = host
        self.arrays.update(position, host)


def _same_shape(now: Host, before: Host) -> bool:
    """Whether two hosts differ in nothing but allocations and generation."""
    return replace(now, allocations=(), generation=0) == replace(before, allocations=(), generation=0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A board's seats (VDU to host position and fit) and the routes of its chains."""

    seats: Mapping[str, tuple[int, Fit]]
    chains: ChainState


class Board:
    """One request's placements on a fleet. Close it, or use it in a `with` statement."""

    def __init__(
        self, fleet: Fleet, request: PlacementRequest, parts: Parts, *, standing: bool = False
    ) -> None:  # fmt: skip
        """`standing` says that the request's chains run already: their hops hold what they take of the links."""
        self.fleet = fleet
        self.request = request
        self.parts = parts
        self.vdus: dict[str, VduRequest] = {vdu.id: vdu for vdu in request.vdus}
        self.groups = GroupBook(request.groups, fleet.tagged)
        self.chains = Chains(request.chains, fleet.underlay() if request.chains else Underlay(()))
        self.seats: ChainMap[str, Seat] = ChainMap({}, fleet.seats)
        self.places: dict[str, str] = {}
        self.fits: dict[str, Fit] = {}
        self._base: dict[int, FreeHost] = {}
        self._on: dict[int, list[str]] = {}
        self._seat_old_members()
        self.chains.begin(self.places, standing=standing)

    def _seat_old_members(self) -> None:
        """Allocations on a chain's path have a place from the start."""
        for chain in self.request.chains:
            for member in chain.path:
                if member not in self.vdus and member in self.seats:
                    self.places[member] = self.fleet.inventory.hosts[self.seats[member].host].name

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the fleet back as it was."""
        for position, host in self._base.items():
            self.fleet.put(position, host)
        self._base.clear()

    def host_name(self, position: int) -> str:
        return self.fleet.inventory.hosts[position].name

    def place(self, vdu: str, position: int, fit: Fit) -> Code | None:
        """Give `vdu` its seat; where the underlay cannot carry its chains, change nothing and say why."""
        name = self.host_name(position)
        refusal = self.chains.enter(vdu, {**self.places, vdu: name}) if self.chains.of(vdu) else None
        if refusal is not None:
            return refusal
        self._seat(vdu, position, fit)
        return None

    def _seat(self, vdu: str, position: int, fit: Fit) -> None:
        host = self.fleet.hosts[position]
        self._base.setdefault(position, host)
        self._on.setdefault(position, []).append(vdu)
        self.fleet.put(position, replace(host.take(fit.allocation), opened=True))
        self.seats[vdu] = Seat(position, self.fleet.inventory.hosts[position].zone, fit.allocation)
        self.places[vdu] = self.host_name(position)
        self.fits[vdu] = fit

    def unplace(self, vdu: str) -> tuple[int, Fit]:
        """Take `vdu`'s seat back; returns what it was."""
        self.chains.leave(vdu)
        return self._unseat(vdu)

    def _unseat(self, vdu: str) -> tuple[int, Fit]:
        position = self.seats.pop(vdu).host
        fit = self.fits.pop(vdu)
        del self.places[vdu]
        self._on[position].remove(vdu)
        host = self._base[position]
        for other in self._on[position]:
            host = host.take(self.fits[other].allocation)
        self.fleet.put(position, replace(host, opened=host.opened or bool(self._on[position])))
        return position, fit

    def clear(self) -> None:
        """Take back every seat."""
        for vdu in list(self.fits):
            self.unplace(vdu)

    def snapshot(self) -> Snapshot:
        seats = {vdu: (self.seats[vdu].host, fit) for vdu, fit in self.fits.items()}
        return Snapshot(seats, self.chains.snapshot())

    def restore(self, snapshot: Snapshot) -> None:
        """Have exactly the seats and routes of a snapshot."""
        kept = snapshot.seats
        for vdu in [one for one, fit in self.fits.items() if kept.get(one) != (self.seats[one].host, fit)]:
            self._unseat(vdu)
        for vdu, (position, fit) in kept.items():
            if vdu not in self.fits:
                self._seat(vdu, position, fit)
        self.chains.restore(snapshot.chains)

    def hops_to(self, vdu: str, position: int) -> int:
        """The hop costs that a seat on that host would add."""
        name = self.host_name(position)
        zones = self.fleet.zones
        return sum(hop_cost(name, other, zones) for other in self.chains.neighbours(vdu, self.places))

    def objective(self) -> Objective:
        opened = sum(bool(vdus) and not self._base[position].opened for position, vdus in self._on.items())
        crossing = sum(fit.crosses_numa for fit in self.fits.values())
        hops = sum(hop_cost(a, b, self.fleet.zones) for a, b in self.chains.hop_ends(self.places))
        return Objective(opened, crossing, hops)

    def positions_in_use(self) -> Sequence[int]:
        return [position for position, vdus in self._on.items() if vdus]

    def vdus_on(self, position: int) -> Iterable[str]:
        return tuple(self._on.get(position, ()))
