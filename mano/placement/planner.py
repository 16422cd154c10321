"""The entry to placement: `plan` decides once, a `Planner` many times over an inventory that changes bit by bit."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Literal

from mano.domain.nfvi import Inventory
from mano.placement.board import Board, Fleet
from mano.placement.deadline import NEVER, Deadline
from mano.placement.engine import Engine, Turn
from mano.placement.parts import Parts
from mano.placement.reading import DocumentError, Fault, pointer_of
from mano.placement.relax import explained
from mano.placement.request import PlacementRequest, Scope, VduRequest
from mano.placement.result import Decision, Placement, PlacementResult, Unplaced

Optimize = Literal["fast", "best"]

MAX_EXPLAINED = 20
"""Different unplaced VDUs for which relaxations are sought; the reasons of all are told."""

HOSTS_TOLD = 64
"""Hosts of which a decision says why the VDU is not there."""


def plan(
    inventory: Inventory,
    request: PlacementRequest,
    *,
    optimize: Optimize = "fast",
    time_limit_s: float = 10.0,
    iterations: int | None = None,
    parts: Parts | None = None,
) -> PlacementResult:
    """Where each VDU of `request` goes on `inventory`, which is not changed.

    `optimize="best"` improves the fast plan for `iterations` rounds (by default as many as the size of the request
    deserves) and at most `time_limit_s` seconds. The same input gives the same result, but for its `decision_ms`, and
    but for `best` when the time limit ends it. Raises DocumentError when the request names what is nowhere.
    """
    planner = Planner(inventory, parts)
    return planner.plan(request, optimize=optimize, time_limit_s=time_limit_s, iterations=iterations)


class Planner:
    """Decides over one inventory. One decision runs at a time; threads may share a planner."""

    def __init__(self, inventory: Inventory, parts: Parts | None = None) -> None:
        """Without `parts` those that are installed decide; they are looked for when there is something to decide."""
        self._lock = threading.Lock()
        self._fleet = Fleet(inventory)
        self._parts = parts

    @property
    def fleet(self) -> Fleet:
        """The prepared inventory, to look at."""
        return self._fleet

    @property
    def inventory(self) -> Inventory:
        return self._fleet.inventory

    def sync(self, inventory: Inventory) -> None:
        """Decide over `inventory` from now on; fast where it shares its hosts with the one before."""
        with self._lock:
            self._fleet.sync(inventory)

    def plan(
        self,
        request: PlacementRequest,
        *,
        optimize: Optimize = "fast",
        time_limit_s: float = 10.0,
        iterations: int | None = None,
    ) -> PlacementResult:
        """As `plan`, over the planner's inventory."""
        with self._lock:
            started = time.perf_counter()
            deadline = Deadline(started + time_limit_s) if optimize == "best" else NEVER
            check_names(self._fleet, request)
            with Board(self._fleet, request, self._parts or Parts.installed()) as board:
                engine = Engine(board)
                missing = engine.solve(_ordered(request))
                if optimize == "best":
                    from mano.placement.improve import improve

                    missing = improve(engine, missing, iterations=iterations, deadline=deadline)
                return _result(engine, missing, started, deadline)


def _ordered(request: PlacementRequest) -> Sequence[VduRequest]:
    """Turns: along the chains first, so that neighbours follow each other; then the rest, largest first."""
    by_id = {vdu.id: vdu for vdu in request.vdus}
    chained = dict.fromkeys(member for chain in request.chains for member in chain.path if member in by_id)
    rest = [vdu for vdu in request.vdus if vdu.id not in chained]
    rest.sort(key=lambda vdu: (-vdu.dedicated_count, -vdu.memory_mib))
    return [*(by_id[member] for member in chained), *rest]


def check_names(fleet: Fleet, request: PlacementRequest) -> None:
    """Every name in the request must be of a VDU, an allocation, a host or a switch. Raises DocumentError."""
    known = {vdu.id for vdu in request.vdus}
    faults: list[Fault] = []

    def check(found: bool, path: Sequence[str | int], expected: str, name: str) -> None:
        if not found:
            faults.append(Fault(pointer_of(path), f"{expected}, found {name!r:.60}"))

    for place, vdu in enumerate(request.vdus):
        check(vdu.id not in fleet.seats, ("vdus", place, "id"), "an id that no allocation has", vdu.id)
    for place, group in enumerate(request.groups):
        for index, member in enumerate(group.members):
            holder = member.rpartition("/")[0] if group.scope is Scope.NIC else member
            path = ("groups", place, "members", index)
            check(holder in known or holder in fleet.seats, path, "a VDU or an allocation", holder)
    switches = {name for link in fleet.inventory.links for name in (link.a, link.b)}
    for place, chain in enumerate(request.chains):
        for index, member in enumerate(chain.path):
            path = ("chains", place, "path", index)
            check(member in known or member in fleet.seats, path, "a VDU or an allocation", member)
        for key, name in (("ingress", chain.ingress), ("egress", chain.egress)):
            there = name is None or name in fleet.zones or name in switches
            check(there, ("chains", place, key), "a host, or a switch of the links", name or "")
    if faults:
        raise DocumentError.of("PlacementRequest", faults)


def _result(engine: Engine, missing: Sequence[VduRequest], started: float, deadline: Deadline) -> PlacementResult:
    """Past the deadline relaxations are sought for the first VDU without a place only."""
    board, request = engine.board, engine.board.request
    names = {vdu.id for vdu in missing}
    placements = {
        vdu.id: Placement(board.places[vdu.id], board.fits[vdu.id].allocation)
        for vdu in request.vdus
        if vdu.id not in names
    }
    routes = {chain.id: board.chains.route_of(chain, board.places) for chain in request.chains}
    reasons: dict[str, Unplaced] = {}
    unplaced = {}
    for vdu in missing:
        key = engine.likeness(vdu)
        if key not in reasons:
            in_time = not (reasons and deadline.has_come())
            reasons[key] = explained(engine, vdu, relax=in_time and len(reasons) < MAX_EXPLAINED)
        unplaced[vdu.id] = reasons[key]
    return PlacementResult(
        placements=placements,
        chains={chain: route for chain, route in routes.items() if route is not None},
        objective=board.objective(),
        unplaced=unplaced,
        decision_ms=(time.perf_counter() - started) * 1000,
        all_or_nothing=request.all_or_nothing,
        decisions={vdu: _decision(engine, vdu, placement) for vdu, placement in placements.items()},
    )


def _decision(engine: Engine, vdu: str, placement: Placement) -> Decision:
    """What is known of the turn that gave the VDU its seat; later improvements may have moved it."""
    turn = engine.turns.get(vdu)
    if turn is None:
        return Decision(vdu, placement.host, engine.fleet.arrays.size, 0, {})
    position = engine.fleet.inventory.position(placement.host)
    score = next((one.score.told() for one in turn.candidates if one.position == position), {})
    others = [one for one in turn.candidates if one.position != position]
    return Decision(
        vdu=vdu,
        host=placement.host,
        hosts=engine.fleet.arrays.size,
        feasible=int(turn.screen.open.sum()),
        reasons=turn.screen.reasons(),
        score=score,
        runner_up=engine.board.host_name(others[0].position) if others else None,
        runner_up_score=others[0].score.told() if others else {},
        elsewhere=_elsewhere(engine, turn, position),
    )


def _elsewhere(engine: Engine, turn: Turn, chosen: int) -> dict[str, str | dict[str, int]]:
    """What is known of the other hosts: the code that refused one, or the score with which it lost."""
    verdicts: dict[int, str | dict[str, int]] = {one.position: one.score.told() for one in turn.candidates}
    verdicts |= {position: str(code) for position, (code, _) in turn.underlay.items()}
    for position in turn.screen.code.nonzero()[0][:HOSTS_TOLD]:
        verdicts[int(position)] = turn.screen.name_of(int(turn.screen.code[position]))
    verdicts.pop(chosen, None)
    told = sorted((engine.board.host_name(position), verdict) for position, verdict in verdicts.items())[:HOSTS_TOLD]
    return dict(told)
