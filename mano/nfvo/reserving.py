"""Deciding and reserving: a placement becomes reservations in one transaction, or is decided again.

The decision reads the inventory together with the generations of hosts and their NUMA nodes. Storing it advances those
of the nodes that it uses; if one moved meanwhile, another decision took place there and this one is made anew. What a
host has only once counts as a node of its own. VDUs of groups advance the whole host, as a group may bind what lies on
its other nodes. Decisions that take bandwidth of links besides advance the generation of one host that all of them
agree on, and add the links up again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mano.domain.allocation import Allocation
from mano.domain.nfvi import Inventory
from mano.domain.ns_instance import Reservation
from mano.domain.quota import asked_by, require
from mano.errors import NotPlaceable, QuotaExceeded, StaleGeneration
from mano.nfvo.quotas import held, keep_within, note_refusal
from mano.placement import LinkLoad, PlacementRequest, PlacementResult, Scope, loads_of, request_from_document
from mano.ports.clock import Clock
from mano.ports.repositories import NO_NODE, HostGenerations, UnitOfWork, UnitOfWorkFactory

ATTEMPTS = 20
"""Decisions that may lose the race before the request gives up."""

Planner = Callable[[Inventory, PlacementRequest], PlacementResult]
"""The placement engine, as :func:`mano.placement.plan` is called here."""


class Reserving:
    """Places a request on the live NFVI and holds what it got."""

    def __init__(self, open_unit: UnitOfWorkFactory, planner: Planner, clock: Clock) -> None:
        self._open_unit = open_unit
        self._planner = planner
        self._clock = clock
        self._one_at_a_time = threading.Lock()
        """Of two decisions of this server that look at the same hosts one would be made in vain."""

    def decide(self, request: PlacementRequest) -> PlacementResult:
        """What the request would get now; reserves nothing."""
        with self._open_unit(read_only=True) as uow:
            inventory = uow.hosts.inventory()
        return self._planner(inventory, request)

    def reserve(
        self,
        owner_id: str,
        tenant_id: str,
        document: Mapping[str, Any],
        reservation_ids: Mapping[str, str],
        *,
        expires_at: datetime | None = None,
        also: Callable[[UnitOfWork], None] = lambda uow: None,
    ) -> PlacementResult | None:
        """Place ``document`` (a PlacementRequest) and store a reservation for each VDU.

        ``also`` runs in the transaction that stores them. Returns ``None`` when ``owner_id`` holds all of them already
        (a repeated call). Raises :class:`~mano.errors.NotPlaceable` with the reasons for every VDU that does not fit.
        """
        request = request_from_document(document)
        with self._one_at_a_time:
            for _ in range(ATTEMPTS):
                with self._open_unit() as uow:
                    drop_expired(uow, self._clock.now())
                    if all(uow.reservations.find(wanted) for wanted in reservation_ids.values()):
                        return None
                self._keep_within_quota(tenant_id, document["vdus"])
                with suppress(StaleGeneration):
                    return self._attempt(owner_id, tenant_id, document, request, reservation_ids, expires_at, also)
        raise StaleGeneration("the NFVI changed faster than a decision could be stored", hint="try again")

    def _attempt(
        self,
        owner_id: str,
        tenant_id: str,
        document: Mapping[str, Any],
        request: PlacementRequest,
        reservation_ids: Mapping[str, str],
        expires_at: datetime | None,
        also: Callable[[UnitOfWork], None],
    ) -> PlacementResult:
        """One decision, stored; raises StaleGeneration when something it relies on moved meanwhile."""
        with self._open_unit(read_only=True) as uow:
            seen = uow.hosts.generations()
            inventory = uow.hosts.inventory()
        result = self._planner(inventory, request)
        if not result.complete:
            raise _not_placeable(result)
        loads = loads_of(request, result)
        touched = _touched(request, result)
        if loads:
            touched[min(seen)] = None
        with self._open_unit() as uow:
            _touch(uow, touched, seen)
            keep_within(uow, tenant_id, document["vdus"])
            held = _reservations(owner_id, tenant_id, document, result, reservation_ids, loads, expires_at)
            for reservation in held:
                uow.reservations.add(reservation)
            _refuse_overload(uow, loads)
            also(uow)
        return result

    def _keep_within_quota(self, tenant_id: str, vdus: Sequence[Mapping[str, Any]]) -> None:
        """Refuse early, and remember it: what is refused while it is stored is found here at the next attempt."""
        with self._open_unit(read_only=True) as uow:
            quota = uow.quotas.find(tenant_id)
            if quota is None:
                return
            amounts = held(uow, tenant_id)
        try:
            require(quota, amounts, asked_by(vdus))
        except QuotaExceeded:
            with self._open_unit() as uow:
                note_refusal(uow, tenant_id, vdus)
            raise


def drop_expired(uow: UnitOfWork, now: datetime) -> int:
    """Give back what was reserved and not used in time; how many reservations that were."""
    expired = [one.id for one in uow.reservations.list() if one.expires_at is not None and one.expires_at < now]
    for reservation_id in expired:
        uow.reservations.remove(reservation_id)
    return len(expired)


Touched = dict[str, "frozenset[int] | None"]
"""The NUMA nodes of each host that a decision depends on; None for all of it."""


def _touched(request: PlacementRequest, result: PlacementResult) -> Touched:
    grouped = set(_members(request))
    touched: Touched = {}
    for vdu, placement in result.placements.items():
        before = touched.get(placement.host, frozenset())
        whole = vdu in grouped or before is None
        touched[placement.host] = None if whole else (before or frozenset()) | _nodes(placement.allocation)
    return touched


def _members(request: PlacementRequest) -> Iterator[str]:
    """Whoever belongs to a group; interfaces stand for their VDUs."""
    for group in request.groups:
        for member in group.members:
            yield member.rpartition("/")[0] if group.scope is Scope.NIC else member


def _nodes(held: Allocation) -> frozenset[int]:
    """The nodes that an allocation takes something of, NO_NODE for what its host has only once."""
    nodes = {cell.node for cell in held.cells}
    nodes.update(NO_NODE if one.node is None else one.node for one in held.interfaces.values() if one.pci is not None)
    return frozenset(nodes | {NO_NODE} if held.storage_gib else nodes)


def _touch(uow: UnitOfWork, touched: Touched, seen: Mapping[str, HostGenerations]) -> None:
    """In the order of names, as all do: nobody waits in a circle."""
    for host, nodes in sorted(touched.items(), key=lambda item: item[0]):
        if nodes is None:
            uow.hosts.touch(host, seen[host].total)
        else:
            uow.hosts.touch_nodes(host, seen[host], nodes)


def _refuse_overload(uow: UnitOfWork, loads: Mapping[str, Sequence[LinkLoad]]) -> None:
    """Raises StaleGeneration where links that the new chains use carry more than they can, all reservations counted."""
    ends = {frozenset((load.a, load.b)) for held in loads.values() for load in held}
    for link in uow.hosts.inventory().links if ends else ():
        if frozenset((link.a, link.b)) in ends and link.reserved_mbps > link.mbps:
            raise StaleGeneration(f"the link {link.a} - {link.b} was filled meanwhile", hint="decide again")


def _reservations(
    owner_id: str,
    tenant_id: str,
    document: Mapping[str, Any],
    result: PlacementResult,
    reservation_ids: Mapping[str, str],
    loads: Mapping[str, Sequence[LinkLoad]],
    expires_at: datetime | None,
) -> list[Reservation]:
    asked = {vdu["id"]: vdu for vdu in document["vdus"]}
    return [
        Reservation(
            id=reservation_ids[vdu],
            tenant_id=tenant_id,
            ns_instance_id=owner_id,
            key=vdu,
            host=placement.host,
            allocation=placement.to_json(),
            decision=result.decisions[vdu].to_json() if vdu in result.decisions else {},
            expires_at=expires_at,
            request={
                "vdu": asked[vdu],
                "groups": [group for group in document.get("groups") or () if vdu in group["members"]],
                "chains": [chain for chain in document.get("chains") or () if vdu in chain["path"]],
            },
            links=tuple(asdict(load) for load in loads.get(vdu, ())),
        )
        for vdu, placement in result.placements.items()
    ]


def _not_placeable(result: PlacementResult) -> NotPlaceable:
    vdu, why = next(iter(sorted(result.unplaced.items())))
    reasons = ", ".join(f"{code} on {count}" for code, count in why.reasons.items()) or "no host"
    more = f" (and {len(result.unplaced) - 1} more VDUs)" if len(result.unplaced) > 1 else ""
    return NotPlaceable(
        f"no host fits VDU {vdu}{more}: of {why.hosts} hosts, {reasons}",
        hint=f"it would fit if {why.would_fit_if[0]}" if why.would_fit_if else "add hosts or ask for less",
        facts={"unplaced": {name: item.to_json() for name, item in result.unplaced.items()}},
    )
