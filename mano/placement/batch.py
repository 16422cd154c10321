"""Filling hosts one after the other, for requests of many VDUs.

Opening a host costs far more than a hop, so a batch is packed host by host: each host that is opened is the one that
holds most of what is still to come, and it is filled as far as it goes, along the chains, before the next is opened.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

import numpy as np

from mano.placement.board import Board
from mano.placement.free import FreeHost
from mano.placement.numa import Fit
from mano.placement.packing import Demand, packing_keys
from mano.placement.request import PageClass, VduRequest

Try = Callable[[VduRequest, int], Fit | None]
"""The exact fit of a VDU on the host at a position, None where anything forbids it."""

MAX_IDLE_HOSTS = 3
"""Hosts in a row that may take nothing before the rest is left to single turns."""


Way = Callable[["Filling", Sequence[VduRequest]], None]
"""How one host is filled from what is left."""


def fill(
    board: Board, order: Sequence[VduRequest], attempt: Try, way: Way, luck: Random | None = None
) -> list[VduRequest]:  # fmt: skip
    """Place as many of `order` as filling can; returns the others. With `luck` the next host is not always the best."""
    left = list(order)
    tried: set[int] = set()
    idle = 0
    while left and idle < MAX_IDLE_HOSTS:
        position = _next_host(board, left, tried, luck)
        if position is None:
            break
        tried.add(position)
        filling = Filling(board, position, attempt)
        way(filling, left)
        taken = filling.taken
        idle = 0 if taken else idle + 1
        left = [vdu for vdu in left if vdu.id not in taken]
    return left


def _next_host(board: Board, left: Sequence[VduRequest], tried: set[int], luck: Random | None) -> int | None:
    """The host to fill next: open ones first, then the one that holds most of what is left, near the last ones."""
    arrays = board.fleet.arrays
    demand = Demand()
    for vdu in left:
        demand = demand.and_also(vdu)
    keys = packing_keys(arrays, demand) >> 8
    keys = np.where(arrays.opened, keys, keys + 2**12)
    used = board.positions_in_use()
    if used:
        keys = keys * 2 + ~np.isin(arrays.zone, arrays.zone[np.array(used)])
    keys = np.where(arrays.enabled, keys, 2**30)
    keys[list(tried)] = 2**30
    ranked = np.lexsort((board.fleet.rank, keys))
    usable = int((keys < 2**30).sum())
    place = 0 if luck is None else min(int(luck.expovariate(0.7)), usable - 1)
    return int(ranked[place]) if usable else None


def along_chains(filling: Filling, left: Sequence[VduRequest]) -> None:
    """Whole chains, then beginnings of chains, then whatever goes in."""
    stretches = _stretches(filling.board, left)
    for stretch in stretches:
        filling.whole(stretch)
    for stretch in stretches:
        filling.beginning(stretch)
    for vdu in left:
        filling.one(vdu)


def in_order(filling: Filling, left: Sequence[VduRequest]) -> None:
    """Whatever goes in, in its order."""
    for vdu in left:
        filling.one(vdu)


class Filling:
    """One host while it is being filled."""

    def __init__(self, board: Board, position: int, attempt: Try) -> None:
        self.board, self.position, self.attempt = board, position, attempt
        self.taken: set[str] = set()
        self.zone = board.fleet.inventory.hosts[position].zone

    @property
    def host(self) -> FreeHost:
        """What is left of the host."""
        return self.board.fleet.hosts[self.position]

    def one(self, vdu: VduRequest) -> bool:
        if vdu.id in self.taken or not _may_fit(self.host, vdu):
            return False
        found = self.attempt(vdu, self.position)
        if found is None or found.crosses_numa or self.board.place(vdu.id, self.position, found) is not None:
            return False
        self.taken.add(vdu.id)
        return True

    def beginning(self, stretch: Sequence[VduRequest]) -> int:
        """Place VDUs of a chain until one does not fit; returns how many."""
        for count, vdu in enumerate(stretch):
            if not self.one(vdu):
                return count
        return len(stretch)

    def whole(self, stretch: Sequence[VduRequest]) -> None:
        """Place all VDUs of a chain, or all up to one that a group keeps from this host; else none."""
        count = self.beginning(stretch)
        if count in (0, len(stretch)):
            return
        bounds = self.board.groups.bounds(stretch[count].id, self.board.seats)
        if not bounds.allows(self.position, self.zone):
            return
        for vdu in stretch[:count]:
            self.board.unplace(vdu.id)
            self.taken.remove(vdu.id)


def _stretches(board: Board, left: Sequence[VduRequest]) -> list[list[VduRequest]]:
    """What is left of each chain, in its order; a VDU counts to its first chain."""
    pending = {vdu.id: vdu for vdu in left}
    stretches = []
    for chain in board.request.chains:
        stretch = [pending.pop(member) for member in dict.fromkeys(chain.path) if member in pending]
        if stretch:
            stretches.append(stretch)
    return stretches


def _may_fit(host: FreeHost, vdu: VduRequest) -> bool:
    """A quick look, before the exact fit, at whether some node has CPUs and pages enough."""
    if vdu.numa != 1:
        return True
    page = vdu.page_size
    for node in host.nodes:
        if node.free_count >= vdu.dedicated_count and (
            isinstance(page, PageClass) or node.takes_memory(vdu.memory_mib, page)
        ):
            return True
    return False
