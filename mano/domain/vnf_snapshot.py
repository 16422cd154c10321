"""VNF snapshots as the VNFM keeps them (VnfSnapshotInfo and VnfSnapshot, SOL003 clauses 5.5.2.22 and 5.5.2.21)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mano.domain.vnf_instance import VnfInstance


@dataclass(frozen=True, slots=True)
class VnfcSnapshot:
    """The state of one VNFC (VnfcSnapshotInfo, SOL003 clause 5.5.3.19).

    ``id`` names it in the VIM too; ``vnfc_id`` is the VNFC instance that it is of. ``size_bytes`` is what it keeps.
    """

    id: str
    vnfc_id: str
    vdu_id: str
    index: int
    vim_id: str
    host: str
    compute_id: str
    size_bytes: int = 0
    checksum: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class VnfSnapshot:
    """An individual VNF snapshot resource: empty until an operation has filled it.

    ``operation_id`` is the operation that fills it, or did; ``instance`` the VNF as it was then. ``is_going`` is true
    while the VIM removes what it keeps: nobody sees the resource any more.
    """

    id: str
    tenant_id: str
    created_at: datetime
    vnf_instance_id: str = ""
    operation_id: str = ""
    started_at: datetime | None = None
    finished_at: datetime | None = None
    instance: VnfInstance | None = None
    vnfcs: tuple[VnfcSnapshot, ...] = ()
    user_defined_data: Mapping[str, Any] = field(default_factory=dict)
    package_id: str = ""
    state_checksum: str = ""
    """SHA-256 of the VNF state snapshot, once somebody has read it."""
    is_going: bool = False
    generation: int = 0

    @property
    def is_filled(self) -> bool:
        """True once it holds a snapshot."""
        return self.instance is not None

    @property
    def size_bytes(self) -> int:
        """What the VIMs keep for it."""
        return sum(vnfc.size_bytes for vnfc in self.vnfcs)
