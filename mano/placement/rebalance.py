"""Moves that would make what is placed already cheaper: the improvement of a plan, begun from the present.

Allocations do not say what was asked for, so the VDUs that may move are given as a request; the others stay as they
are. Nothing is reserved or moved here: a proposal lists the moves in an order in which each finds its new place free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from mano.domain.nfvi import Allocation, HostState, Inventory
from mano.placement.board import Board, Fleet
from mano.placement.deadline import Deadline
from mano.placement.engine import Engine
from mano.placement.improve import improve
from mano.placement.nics import crosses_numa
from mano.placement.numa import Fit
from mano.placement.parts import Parts
from mano.placement.reading import DocumentError, Fault
from mano.placement.relax import explained
from mano.placement.request import PlacementRequest, VduRequest
from mano.placement.result import Objective, Placement, Unplaced
from mano.placement.room import has_room
from mano.placement.what_if import check_hosts


@dataclass(frozen=True, slots=True)
class Move:
    """One VDU from one place to another, maybe on the same host."""

    vdu: str
    source: str
    target: Placement

    def to_json(self) -> dict[str, Any]:
        return {"vdu": self.vdu, "from": self.source, "to": self.target.to_json()}


@dataclass(frozen=True, slots=True)
class Rebalance:
    """Proposed moves, and what all VDUs that may move cost before and after them.

    `blocked` are moves that only work together with others of them, as each waits for another's place. `unplaced` are
    VDUs that have to leave their host and find no other.
    """

    moves: tuple[Move, ...]
    blocked: tuple[Move, ...]
    before: Objective
    after: Objective
    unplaced: Mapping[str, Unplaced] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "moves": [move.to_json() for move in self.moves],
            "blocked": [move.to_json() for move in self.blocked],
            "before": self.before.to_json(),
            "after": self.after.to_json(),
            "gain": self.before.cost - self.after.cost,
            "unplaced": {vdu: why.to_json() for vdu, why in self.unplaced.items()},
        }


def rebalance(
    inventory: Inventory,
    movable: PlacementRequest,
    *,
    time_limit_s: float = 10.0,
    iterations: int | None = None,
    parts: Parts | None = None,
    evacuate: Sequence[str] = (),
) -> Rebalance:
    """Moves of `movable`'s VDUs, each of which has an allocation in `inventory`, that make their plan cheaper.

    VDUs on the hosts to `evacuate` have to leave them, whatever that costs; else a plan is never proposed that costs
    more than the present one. Raises DocumentError when a VDU has no allocation, or the chains of `movable` do not
    hold at present; InvalidInput for a host that there is not.
    """
    held = _held(inventory, movable)
    fleet = Fleet(_evacuated(_without(inventory, held), evacuate))
    with Board(fleet, movable, parts or Parts.installed(), standing=True) as board:
        engine = Engine(board)
        _seat_as_is(board, held)
        before = board.objective()
        deadline = Deadline.after(time_limit_s)
        missing = _leave(engine, [vdu for vdu in movable.vdus if held[vdu.id][0] in evacuate])
        missing = improve(engine, missing, iterations=iterations, deadline=deadline, restarts=False)
        after = board.objective()
        unplaced = {vdu.id: explained(engine, vdu) for vdu in missing}
        wanted = {
            vdu: Placement(board.places[vdu], fit.allocation)
            for vdu, fit in board.fits.items()
            if (board.places[vdu], fit.allocation) != held[vdu]
        }
    moves, blocked = _ordered(inventory, held, wanted)
    return Rebalance(moves, blocked, before, after, unplaced)


Held = dict[str, tuple[str, Allocation]]
"""Host and allocation of each VDU that may move."""


def _held(inventory: Inventory, movable: PlacementRequest) -> Held:
    found = {one.id: (host.name, one) for host in inventory.hosts for one in host.allocations}
    faults = [
        Fault(f"/vdus/{place}/id", f"a VDU that is placed, found {vdu.id!r:.60}")
        for place, vdu in enumerate(movable.vdus)
        if vdu.id not in found
    ]
    if faults:
        raise DocumentError.of("PlacementRequest", faults)
    return {vdu.id: found[vdu.id] for vdu in movable.vdus}


def _without(inventory: Inventory, held: Mapping[str, tuple[str, Allocation]]) -> Inventory:
    for vdu, (host, _) in held.items():
        inventory = inventory.without_allocation(host, vdu)
    return inventory


def _evacuated(inventory: Inventory, hosts: Sequence[str]) -> Inventory:
    """The inventory with these hosts taking nothing new."""
    check_hosts(inventory, hosts, "empty")
    for name in hosts:
        inventory = inventory.with_host(replace(inventory.host(name), state=HostState.DRAINING))
    return inventory


def _leave(engine: Engine, vdus: Sequence[VduRequest]) -> list[VduRequest]:
    """Give up the seats of `vdus` and find others; returns those that found none."""
    for vdu in vdus:
        engine.board.unplace(vdu.id)
    return engine.place_each(vdus)


def _seat_as_is(board: Board, held: Held) -> None:
    for vdu, (host, allocation) in held.items():
        position = board.fleet.inventory.position(host)
        refusal = board.place(
            vdu, position, Fit(allocation, crosses_numa(allocation.interfaces, frozenset(allocation.nodes)))
        )
        if refusal is not None:
            expected = f"chains that hold at present, but {refusal} refuses {vdu!r:.60} on {host!r:.60}"
            raise DocumentError.of("PlacementRequest", [Fault("/chains", expected)])


def _ordered(
    inventory: Inventory, held: Held, wanted: dict[str, Placement]
) -> tuple[tuple[Move, ...], tuple[Move, ...]]:  # fmt: skip
    """Moves in an order in which each one's new place is free when its turn comes, and those that block each other."""
    moves: list[Move] = []
    left = dict(wanted)
    progress = True
    while left and progress:
        progress = False
        for vdu in list(left):
            host, _ = held[vdu]
            moved = _moved(inventory, vdu, host, left[vdu])
            if moved is not None:
                inventory = moved
                moves.append(Move(vdu, host, left.pop(vdu)))
                progress = True
    return tuple(moves), tuple(Move(vdu, held[vdu][0], target) for vdu, target in left.items())


def _moved(inventory: Inventory, vdu: str, source: str, target: Placement) -> Inventory | None:
    """The inventory after one move, None where the new place is not free. On its own host a VDU gives way to itself."""
    freed = inventory.without_allocation(source, vdu)
    if not has_room(freed.host(target.host), target.allocation):
        return None
    return freed.with_allocation(target.host, target.allocation)
