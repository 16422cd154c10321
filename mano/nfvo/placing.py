"""Questions about placement: what if, what could lie better, what was refused and why, what leaked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mano.domain.lcm_op_occ import ENDED, LcmOpOcc, OperationState
from mano.domain.nfvi import Inventory
from mano.domain.ns_instance import Reservation
from mano.domain.vnf_instance import InstantiationState
from mano.errors import NotPlaceable
from mano.nfvo.leftovers import is_left
from mano.nfvo.reasons import not_elsewhere, why
from mano.nfvo.reserving import drop_expired
from mano.placement import (
    LinkLoad,
    inventory_from_document,
    plan,
    rebalance,
    request_from_document,
    what_if,
    without_loads,
)
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import VimDriver

REFUSING_STATES = (OperationState.FAILED_TEMP, OperationState.FAILED, OperationState.ROLLED_BACK)
"""States in which an operation that found no place may stand."""

MAX_REFUSED = 1000
"""Refusals that are told, the latest first."""


@dataclass(frozen=True, slots=True)
class Search:
    """How long to search and on which hosts; `with_hosts` is an Inventory document."""

    optimize: str = "fast"
    time_limit_s: float = 10.0
    iterations: int | None = None
    without: tuple[str, ...] = ()
    with_hosts: Mapping[str, Any] | None = None


class Placing:
    """Use cases that change nothing but what leaked."""

    def __init__(self, open_unit: UnitOfWorkFactory, vims: Mapping[str, VimDriver], clock: Clock) -> None:
        self._open_unit = open_unit
        self._vims = vims
        self._clock = clock

    def placements(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """Every reservation with the decision's reasons."""
        with self._open_unit(read_only=True) as uow:
            return [_placement(reservation) for reservation in uow.reservations.list(tenant_id)]

    def refused(self, tenant_id: str) -> Sequence[Mapping[str, Any]]:
        """Every VDU that an operation found no place for, with the reasons; the latest first."""
        with self._open_unit(read_only=True) as uow:
            ops = [op for state in REFUSING_STATES for op in uow.operations.list(tenant_id, state=state)]
        ops.sort(key=lambda op: (op.state_entered_at, op.id), reverse=True)
        return [row for op in ops for row in _refusals(op)][:MAX_REFUSED]

    def plan(
        self, request: Mapping[str, Any], inventory: Mapping[str, Any] | None, search: Search
    ) -> Mapping[str, Any]:  # fmt: skip
        """What a PlacementRequest would get from the live NFVI, or from the given Inventory; reserves nothing."""
        wanted = request_from_document(request)
        world = self._live()[0] if inventory is None else inventory_from_document(inventory)
        return plan(
            what_if(world, without=search.without, additional=_additional(search)),
            wanted,
            optimize="best" if search.optimize == "best" else "fast",
            time_limit_s=search.time_limit_s,
            iterations=search.iterations,
        ).to_json()

    def rebalance(self, search: Search) -> Mapping[str, Any]:
        """Moves that make what is placed on the live NFVI cheaper, and their gain; moves nothing.

        The hosts in `search.without` are to be left. What was reserved without a record of what was asked for stays.
        """
        world, held = self._live()
        held = [one for one in held if one.request]
        loads = (LinkLoad(**load) for one in held for load in one.links)
        world = replace(world, links=without_loads(world.links, loads))
        proposal = rebalance(
            what_if(world, additional=_additional(search)),
            request_from_document(_as_one_request(held)),
            time_limit_s=search.time_limit_s,
            iterations=search.iterations,
            evacuate=search.without,
        ).to_json()
        by_id = {one.id: one for one in held}
        for move in (*proposal["moves"], *proposal["blocked"]):
            reservation = by_id[move["vdu"]]
            move.update(id=reservation.id, vdu=reservation.key, nsInstanceId=reservation.ns_instance_id)
        proposal["unplaced"] = {by_id[vdu].key: refusal for vdu, refusal in proposal["unplaced"].items()}
        return proposal

    def leaks(self) -> Mapping[str, Any]:
        """What the records and the hosts do not agree on while no operation is at work there.

        ``reservations`` that nobody uses; ``computes`` that run and that no VNF instance has; ``missing`` ones, which
        a VNF instance has and no VIM shows.
        """
        observed = {name: set(vim.observe().computes) for name, vim in sorted(self._vims.items())}
        running = set[str]().union(*observed.values())
        with self._open_unit(read_only=True) as uow:
            leaked = list(self._leaked(uow))
            instances = uow.vnf_instances.list()
            quiet = [one for one in instances if not _at_work(uow, one.id, one.ns_instance_id)]
            left = [dict(one.decision) for one in uow.reservations.list() if is_left(one)]
            known = json.dumps([left, [[dict(one.plan), [vnfc.compute_id for vnfc in one.vnfcs]] for one in instances]])
        return {
            "reservations": [_leak(one) for one in leaked],
            "computes": [
                {"id": compute, "vim": vim} for vim, there in observed.items() for compute in sorted(there)
                if compute not in known
            ],
            "missing": [
                {"id": vnfc.compute_id, "host": vnfc.host, "vnfInstanceId": one.id}
                for one in quiet
                for vnfc in one.vnfcs
                if vnfc.compute_id not in running
            ],
        }  # fmt: skip

    def free_leaks(self) -> int:
        """Give back every reservation that nobody uses; how many."""
        with self._open_unit() as uow:
            leaked = [one.id for one in self._leaked(uow)]
            for reservation_id in leaked:
                uow.reservations.remove(reservation_id)
            return len(leaked) + drop_expired(uow, self._clock.now())

    def _leaked(self, uow: UnitOfWork) -> Iterator[Reservation]:
        now = self._clock.now()
        for reservation in uow.reservations.list():
            owner = reservation.ns_instance_id
            if is_left(reservation):
                continue
            if reservation.expires_at is not None:
                if reservation.expires_at < now:
                    yield reservation
            elif not _at_work(uow, owner) and not _is_used(uow, owner):
                yield reservation

    def _live(self) -> tuple[Inventory, Sequence[Reservation]]:
        """The NFVI as it is, and who holds what of it."""
        with self._open_unit(read_only=True) as uow:
            return uow.hosts.inventory(), uow.reservations.list()


def _additional(search: Search) -> Inventory | None:
    return None if search.with_hosts is None else inventory_from_document(search.with_hosts)


def _at_work(uow: UnitOfWork, *instance_ids: str) -> bool:
    return any(instance_id and uow.operations.active(instance_id) is not None for instance_id in instance_ids)


def _is_used(uow: UnitOfWork, owner_id: str) -> bool:
    """Whether there is an NS, or a VNF on its own, of that identifier that is instantiated."""
    owner = uow.ns_instances.find(owner_id) or uow.vnf_instances.find(owner_id)
    state = getattr(owner, "state", None) or getattr(owner, "instantiation_state", None)
    return state is InstantiationState.INSTANTIATED


def _leak(reservation: Reservation) -> dict[str, Any]:
    return {
        "id": reservation.id,
        "key": reservation.key,
        "host": reservation.host,
        "nsInstanceId": reservation.ns_instance_id,
        "expired": reservation.expires_at is not None,
    }


def _refusals(op: LcmOpOcc) -> Iterator[dict[str, Any]]:
    error = op.error or {}
    if error.get("code") != NotPlaceable.code:
        return
    for key, refusal in (error.get("facts") or {}).get("unplaced", {}).items():
        yield {
            "id": f"{op.id}/{key}",
            "key": key,
            "nsInstanceId": op.instance_id,
            "operationId": op.id,
            "operationEnded": op.state in ENDED,
            "refusedAt": op.state_entered_at.isoformat(),
            "refusal": refusal,
        }


def _as_one_request(held: Sequence[Reservation]) -> dict[str, Any]:
    """What was asked for, each VDU under its reservation's identifier, which is its allocation's in the inventory."""
    ids = {(one.ns_instance_id, one.key): one.id for one in held}
    known = {one.id for one in held}
    groups: dict[str, dict[str, Any]] = {}
    chains: dict[str, dict[str, Any]] = {}
    for one in held:
        owner = one.ns_instance_id

        def named(member: str, owner: str = owner) -> str | None:
            holder, slash, interface = member, "", ""
            if (owner, member) not in ids and member not in known:
                holder, slash, interface = member.rpartition("/")
            found = ids.get((owner, holder)) or (holder if holder in known else None)
            return None if found is None else f"{found}{slash}{interface}"

        for group in one.request.get("groups") or ():
            members = [name for member in group["members"] if (name := named(member)) is not None]
            if len(members) > 1:
                document = {key: value for key, value in group.items() if key != "id"} | {"members": members}
                groups[json.dumps(document, sort_keys=True)] = document
        for chain in one.request.get("chains") or ():
            path = [named(member) for member in chain["path"]]
            if None not in path:
                name = f"{owner}/{chain['id']}"[:255]
                chains[name] = {**chain, "id": name, "path": path}
    vdus = [{**one.request["vdu"], "id": one.id} for one in held]
    return {"vdus": vdus, "groups": list(groups.values()), "chains": list(chains.values())}


def _placement(reservation: Reservation) -> dict[str, Any]:
    return {
        "id": reservation.id,
        "nsInstanceId": reservation.ns_instance_id,
        "key": reservation.key,
        "host": reservation.host,
        "allocation": dict(reservation.allocation),
        "decision": {
            **reservation.decision,
            "why": list(why(reservation.decision)),
            "notElsewhere": not_elsewhere(reservation.decision),
        },
    }
