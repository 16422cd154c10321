"""Quotas: what a tenant may hold of the NFVI at most, and what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from mano.domain.ns_instance import Reservation
from mano.errors import QuotaExceeded


class Resource(StrEnum):
    """What quotas are on. Memory is in MiB, storage in GiB; snapshots count as storage."""

    VNFCS = "vnfcs"
    VCPUS = "vcpus"
    MEMORY = "memoryMib"
    STORAGE = "storageGib"
    VFS = "vfs"


TYPES: Mapping[Resource, str] = {
    Resource.VNFCS: "COMPUTE",
    Resource.VCPUS: "COMPUTE",
    Resource.MEMORY: "COMPUTE",
    Resource.STORAGE: "STORAGE",
    Resource.VFS: "NETWORK",
}
"""The standard's word for each (SOL003 clause 11.5.3.2)."""

Amounts = Mapping[Resource, float]


@dataclass(frozen=True, slots=True)
class Quota:
    """The limits of one tenant; ``id`` is the tenant's. What has no limit is not limited.

    ``waiting`` is what a request asked for that was refused: its tenant is told once that much is free again.
    """

    id: str
    tenant_id: str
    limits: Mapping[Resource, float]
    waiting: Mapping[Resource, float] = field(default_factory=dict)
    generation: int = 0

    def __post_init__(self) -> None:
        if any(limit < 0 for limit in self.limits.values()):
            raise ValueError("a quota is not negative")


def asked_by(vdus: Iterable[Mapping[str, Any]]) -> dict[Resource, float]:
    """What VDUs of a PlacementRequest would hold."""
    found = dict.fromkeys(Resource, 0.0)
    for vdu in vdus:
        found[Resource.VNFCS] += 1
        found[Resource.VCPUS] += float(vdu.get("vcpus") or 0)
        found[Resource.MEMORY] += float(vdu.get("memoryMib") or 0)
        found[Resource.STORAGE] += float(vdu.get("storageGib") or 0)
        found[Resource.VFS] += sum(float(one.get("vfs") or 0) for one in vdu.get("interfaces") or ())
    return found


def held_by(reservations: Iterable[Reservation], snapshot_bytes: int = 0) -> dict[Resource, float]:
    """What reservations and snapshots hold."""
    found = asked_by(one.request.get("vdu") or _of_cells(one.allocation) for one in reservations)
    found[Resource.STORAGE] += snapshot_bytes / (1 << 30)
    return found


def _of_cells(allocation: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a reservation that tells no request: its cells and interfaces."""
    cells = allocation.get("cells") or ()
    return {
        "vcpus": sum(len(cell["cpus"]) for cell in cells),
        "memoryMib": sum(cell["memoryMib"] for cell in cells),
        "interfaces": [{"vfs": len(one.get("vfs") or ())} for one in (allocation.get("interfaces") or {}).values()],
    }


def shortage(quota: Quota, held: Amounts, asked: Amounts) -> dict[Resource, dict[str, float]]:
    """Where a request would go beyond the quota: limit, held and asked, by resource."""
    return {
        resource: {"limit": limit, "held": held[resource], "asked": asked[resource]}
        for resource, limit in quota.limits.items()
        if asked[resource] and held[resource] + asked[resource] > limit
    }


def require(quota: Quota, held: Amounts, asked: Amounts) -> None:
    """Raise :class:`~mano.errors.QuotaExceeded` with the reasons for a request beyond the quota."""
    short = shortage(quota, held, asked)
    if short:
        words = [
            f"{resource.value}: {of['asked']:g} asked, {of['held']:g} of {of['limit']:g} held"
            for resource, of in short.items()
        ]
        raise QuotaExceeded(
            f"the tenant's quota is short of {'; '.join(words)}",
            hint="terminate what is no longer needed, or have the quota raised: mano quota set",
            facts={"quota": {resource.value: of for resource, of in short.items()}},
        )
