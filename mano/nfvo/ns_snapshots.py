"""Snapshots of an NS's VNFs, taken, gone back to and deleted by UpdateNs (SOL005 clause 6.4.6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.errors import NotFound, UnknownReference
from mano.nfvo.ns_change import CREATE_SNAPSHOT, SNAPSHOTS, NsChange, VnfWork, unsupported
from mano.ports.repositories import UnitOfWork

REFERENCE = "vnfSnapshotInfoId"


class SnapshotResources(Protocol):
    """The VNFM's resources, where it is this server's."""

    def create(self, tenant_id: str, package_id: str = "", id: str = "") -> VnfSnapshot:
        """An empty one, once per identifier."""

    def delete(self, id: str, tenant_id: str, generation: int | None) -> None:
        """Delete it with all that VIMs keep for it."""


def require_known(uow: UnitOfWork, op: LcmOpOcc, change: NsChange, resources: SnapshotResources | None) -> None:
    """Raise what is wrong with the snapshots that a change is about, before anything of it is done."""
    for work in change.work:
        if work.operation not in SNAPSHOTS:
            continue
        if resources is None:
            raise unsupported("/updateType", "the VNF's VNFM is elsewhere: ask it, at /vnflcm/v2/vnf_snapshots")
        named = work.request.get(REFERENCE)
        if named is None:
            continue
        found = uow.vnf_snapshots.find(str(named), op.tenant_id)
        if found is None or found.is_going or found.vnf_instance_id != work.vnf_instance_id:
            raise UnknownReference(
                "the VNF has no such snapshot", hint="see /nslcm/v2/vnf_snapshots", facts={"pointer": f"/{REFERENCE}"}
            )


class NsSnapshots:
    """What the work on snapshots does besides the VNF's own operation."""

    def __init__(self, resources: SnapshotResources | None) -> None:
        self.resources = resources

    def delete(self, op: LcmOpOcc, snapshot_id: str) -> None:
        """Gone; nothing to do when it is."""
        if self.resources is not None:
            try:
                self.resources.delete(snapshot_id, op.tenant_id, None)
            except NotFound:
                return

    def requested(self, op: LcmOpOcc, number: int, work: VnfWork) -> Mapping[str, Any]:
        """The request to the VNF; of a snapshot that is to be taken, with an empty resource for it."""
        if work.operation != CREATE_SNAPSHOT or self.resources is None:
            return work.request
        made = self.resources.create(op.tenant_id, id=snapshot_of(op, number))
        return {**work.request, REFERENCE: made.id}


def snapshot_of(op: LcmOpOcc, number: int) -> str:
    """The snapshot that a piece of work takes."""
    return derive_id(op.id, "snapshot", str(number))
