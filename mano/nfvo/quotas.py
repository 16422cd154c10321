"""Quotas of tenants: set by the operator, kept at every reservation, and told of when there is room again.

The NFVO grants against them (SOL003 clause 9.4.2.3.1: a refusal says why) and tells subscribers of ``/vrqan/v1`` when
what was refused would fit (SOL003 clause 11).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.events import Event
from mano.domain.quota import TYPES, Amounts, Quota, Resource, asked_by, held_by, require, shortage
from mano.errors import InvalidInput, NotFound, StaleGeneration
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

Document = Mapping[str, Any]


def keep_within(uow: UnitOfWork, tenant_id: str, vdus: Sequence[Mapping[str, Any]]) -> None:
    """Raise QuotaExceeded for VDUs that the tenant may not have; else nobody decides on its quota at the same time.

    To be called in the transaction that stores their reservations, before they are stored.
    """
    quota = uow.quotas.find(tenant_id)
    if quota is not None:
        require(quota, held(uow, tenant_id), asked_by(vdus))
        uow.quotas.save(quota)


def held(uow: UnitOfWork, tenant_id: str) -> dict[Resource, float]:
    """What a tenant holds now."""
    snapshots = sum(snapshot.size_bytes for snapshot in uow.vnf_snapshots.list(tenant_id))
    return held_by(uow.reservations.list(tenant_id), snapshots)


def note_refusal(uow: UnitOfWork, tenant_id: str, vdus: Sequence[Mapping[str, Any]]) -> None:
    """Remember what was refused, the least of it where several requests were, so that its tenant is told of room."""
    quota = uow.quotas.find(tenant_id)
    if quota is None:
        return
    asked = asked_by(vdus)
    short = shortage(quota, held(uow, tenant_id), asked)
    waiting = {**quota.waiting, **{r: min(asked[r], quota.waiting.get(r, asked[r])) for r in short}}
    if waiting != quota.waiting:
        uow.quotas.save(replace(quota, waiting=waiting))


class Quotas:
    """Use cases of the quotas."""

    def __init__(self, open_unit: UnitOfWorkFactory, clock: Clock, new_id: IdFactory) -> None:
        self._open_unit = open_unit
        self._clock = clock
        self._new_id = new_id

    def list(self, tenant_id: str | None = None) -> Sequence[Document]:
        """Every quota with what is held of it; of one tenant where one is named."""
        with self._open_unit(read_only=True) as uow:
            return [_document(quota, held(uow, quota.id)) for quota in uow.quotas.list(tenant_id)]

    def get(self, tenant_id: str) -> Document:
        """One tenant's; raises NotFound when it is not limited."""
        with self._open_unit(read_only=True) as uow:
            quota = uow.quotas.find(tenant_id)
            if quota is None:
                raise NotFound(f"tenant {tenant_id} has no quota: it is not limited", hint="mano quota set")
            return _document(quota, held(uow, quota.id))

    def put(self, tenant_id: str, limits: Mapping[str, float]) -> Document:
        """Limit a tenant; what it holds beyond a limit stays, and nothing is added to it."""
        unknown = sorted(set(limits) - set(Resource))
        if unknown:
            raise InvalidInput(
                f"there is no quota on '{unknown[0]:.40}'",
                hint=f"there are: {', '.join(Resource)}",
                facts={"pointer": "/limits"},
            )
        wanted = {Resource(name): float(limit) for name, limit in limits.items()}
        with self._open_unit() as uow:
            quota = uow.quotas.find(tenant_id)
            if quota is None:
                uow.quotas.add(Quota(tenant_id, tenant_id, wanted))
            else:
                uow.quotas.save(replace(quota, limits=wanted))
        return self.get(tenant_id)

    def remove(self, tenant_id: str) -> None:
        """The tenant is not limited any more."""
        with self._open_unit() as uow:
            uow.quotas.remove(tenant_id)

    def look(self) -> None:
        """Tell the tenants whose refused requests would fit now, once each."""
        with self._open_unit(read_only=True) as uow:
            waiting = [quota for quota in uow.quotas.list() if quota.waiting]
        for quota in waiting:
            try:
                self._tell(quota.id)
            except StaleGeneration:
                continue  # somebody reserves meanwhile: the next look will see

    def _tell(self, tenant_id: str) -> None:
        with self._open_unit() as uow:
            quota = uow.quotas.find(tenant_id)
            if quota is None or not quota.waiting:
                return
            short = shortage(quota, held(uow, tenant_id), {**dict.fromkeys(Resource, 0.0), **quota.waiting})
            if short:
                return
            types = sorted({TYPES[resource] for resource in quota.waiting})
            uow.quotas.save(replace(quota, waiting={}))
            uow.outbox.append(
                Event(
                    id=self._new_id(),
                    noun="quota",
                    verb="available",
                    subject=tenant_id,
                    tenant_id=tenant_id,
                    occurred_at=self._clock.now(),
                    data={"told": {"resourceGroupId": tenant_id}, "resourceTypes": types},
                )
            )


def _document(quota: Quota, amounts: Amounts) -> Document:
    return {
        "tenantId": quota.id,
        "limits": {resource.value: limit for resource, limit in quota.limits.items()},
        "held": {resource.value: round(amount, 3) for resource, amount in amounts.items()},
        "waiting": {resource.value: amount for resource, amount in quota.waiting.items()},
    }
