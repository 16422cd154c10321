"""VNF snapshot resources of ``/vnflcm/v2`` (SOL003 clauses 5.4.22 to 5.4.27)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.bodies import Body, Identifier, KeyValuePairs
from mano.api.collections import ListShape, answer_list, names
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.file_content import answer_file
from mano.api.life_cycles import VnfSnapshots
from mano.api.links import api_root, link, uri
from mano.api.media import OCTETS, ZIP, best_offer, media
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, timestamp
from mano.api.sol003.vnf_instance import VNF_INSTANCES, vnf_instance, vnf_instance_in_ns
from mano.domain.vnf_snapshot import VnfcSnapshot, VnfSnapshot
from mano.errors import InvalidInput, NotFound
from mano.ports.repositories import UnitOfWorkFactory

VNF_SNAPSHOTS = "/vnflcm/v2/vnf_snapshots"
IN_NSLCM = "/nslcm/v2/vnf_snapshots"
"""Where the VNFM tells of them, and where the NFVO does."""

SHAPE = ListShape(
    attributes=names("id vnfSnapshotPkgId vnfSnapshot _links"),
    mandatory=names("id _links"),
    left_out=("vnfSnapshot",),
)


class CreateSnapshotInfo(Body):
    """CreateVnfSnapshotInfoRequest, SOL003 clause 5.5.2.20, and VnfSnapshotInfoModificationRequest, 5.5.2.24."""

    vnf_snapshot_pkg_id: Identifier | None = None
    vnf_snapshot: KeyValuePairs | None = None


class SnapshotOfVnf(Body):
    """RevertToVnfSnapshotRequest, SOL003 clause 5.5.2.26."""

    vnf_snapshot_info_id: Identifier
    additional_params: KeyValuePairs | None = None


class CreateSnapshot(Body):
    """CreateVnfSnapshotRequest, SOL003 clause 5.5.2.21.

    The OpenAPI document of SOL003 v3.7.1 requires ``vnfSnapshotResId`` where it and the standard's text define
    ``vnfSnapshotInfoId``: either is understood.
    """

    vnf_snapshot_info_id: Identifier | None = None
    vnf_snapshot_res_id: Identifier | None = None
    additional_params: KeyValuePairs | None = None
    user_defined_data: KeyValuePairs | None = None

    def document(self) -> dict[str, Any]:
        """What was sent, in the words of the standard's text."""
        sent = super().document()
        named = sent.pop("vnfSnapshotResId", None)
        if sent.setdefault("vnfSnapshotInfoId", named) is None:
            raise InvalidInput(
                "vnfSnapshotInfoId is missing (SOL003 clause 5.5.2.21)", facts={"pointer": "/vnfSnapshotInfoId"}
            )
        return sent


class VnfSnapshotResources:
    """VNF snapshots; those of one tenant are nobody else's."""

    def __init__(self, snapshots: VnfSnapshots, open_unit: UnitOfWorkFactory, here: str = VNF_SNAPSHOTS) -> None:
        self._here = here
        self._snapshots = snapshots
        self._open_unit = open_unit

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/vnf_snapshots/{id}"
        add(router, "GET", "/vnf_snapshots", self.list_all, form=Form.PAGE)
        if self._here != VNF_SNAPSHOTS:  # SOL005 clauses 6.4.19 and 6.4.20: the OSS reads and deletes
            add(router, "GET", one, self.read)
            add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
            return
        add(router, "POST", "/vnf_snapshots", self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "PATCH", one, self.modify)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
        add(router, "GET", f"{one}/vnf_state_snapshot", self.state, form=Form.PART)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the VNF snapshots; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[VnfSnapshot]:
                return uow.vnf_snapshots.list(caller.tenant_id, after=after, limit=limit)

            return answer_list(request, SHAPE, page, lambda snapshot: vnf_snapshot_info(snapshot, root, self._here))

    def create(self, request: Request, caller: Caller, body: CreateSnapshotInfo) -> Response:
        """Create a VNF snapshot resource; it is empty until create_snapshot of a VNF instance fills it."""
        _refuse_content(body)
        made = self._snapshots.create(caller.tenant_id, body.vnf_snapshot_pkg_id or "")
        document = vnf_snapshot_info(made, api_root(request))
        location = uri(request, f"{VNF_SNAPSHOTS}/{made.id}")
        return json_answer(document, HTTPStatus.CREATED, Location=location, ETag=etag(made.generation))

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one VNF snapshot."""
        snapshot = self._find(id, caller.tenant_id)
        if is_unchanged(request, snapshot.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(snapshot.generation))
        document = vnf_snapshot_info(snapshot, api_root(request), self._here)
        return json_answer(document, ETag=etag(snapshot.generation))

    def modify(self, request: Request, caller: Caller, id: ResourceId, body: CreateSnapshotInfo) -> Response:
        """Say from which package an empty resource is to come."""
        generation = required_generation(request, self._find(id, caller.tenant_id).generation)
        _refuse_content(body)
        snapshot = self._snapshots.patch(id, caller.tenant_id, body.vnf_snapshot_pkg_id or "", generation)
        return json_answer(_package(snapshot), ETag=etag(snapshot.generation))

    def delete(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Delete a VNF snapshot with all that the VIMs keep for it."""
        generation = required_generation(request, self._find(id, caller.tenant_id).generation)
        self._snapshots.delete(id, caller.tenant_id, generation)
        return empty_answer(HTTPStatus.NO_CONTENT)

    @media(produces=(ZIP, OCTETS))
    def state(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read the state of all VNFCs together in one archive (SOL003 clause 5.4.25); takes Range."""
        self._find(id, caller.tenant_id)
        path = self._snapshots.state_path(id, caller.tenant_id)
        return answer_file(request, path, best_offer(request, (ZIP, OCTETS)))

    def _find(self, id: str, tenant_id: str) -> VnfSnapshot:
        with self._open_unit(read_only=True) as uow:
            found = uow.vnf_snapshots.get(id, tenant_id)
        if found.is_going:
            raise NotFound("there is no such VNF snapshot")
        return found


def _refuse_content(body: CreateSnapshotInfo) -> None:
    if body.vnf_snapshot is not None:
        raise InvalidInput(
            "vnfSnapshot cannot be sent: the VIMs would not have what it tells of",
            hint="fill the resource by create_snapshot of a VNF instance",
            facts={"pointer": "/vnfSnapshot"},
        )


def vnf_snapshot_info(snapshot: VnfSnapshot, root: str, here: str = VNF_SNAPSHOTS) -> dict[str, Any]:
    """VnfSnapshotInfo, SOL003 clause 5.5.2.22, and SOL005 clause 6.5.2.26 where ``here`` is the NFVO's resource."""
    document: dict[str, Any] = {"id": snapshot.id, **_package(snapshot)}
    links = {"self": link(f"{root}{here}/{snapshot.id}")}
    if snapshot.instance is not None:
        document["vnfSnapshot"] = _content(snapshot, root, here)
        links["takenFrom"] = link(f"{root}{VNF_INSTANCES}/{snapshot.instance.id}")
    return {**document, "_links": links}


def _package(snapshot: VnfSnapshot) -> dict[str, Any]:
    return {"vnfSnapshotPkgId": snapshot.package_id} if snapshot.package_id else {}


def _content(snapshot: VnfSnapshot, root: str, here: str) -> dict[str, Any]:
    """VnfSnapshot, SOL003 clause 5.5.2.23.

    The OpenAPI documents v3.7.1 require names of former editions (``triggeredAt``, ``createdAt``, ``vnfInfo``,
    ``vnfcResourceId``, ``vnfcInfoId``) beside those that they and the standards' texts define: both are told.
    """
    assert snapshot.instance is not None
    info = vnf_instance(snapshot.instance, root) if here == VNF_SNAPSHOTS else vnf_instance_in_ns(snapshot.instance)
    return {
        "id": snapshot.id,
        "vnfInstanceId": snapshot.instance.id,
        "triggeredAt": _moment(snapshot.started_at),
        "createdAt": _moment(snapshot.finished_at),
        "creationStartedAt": _moment(snapshot.started_at),
        "creationFinishedAt": _moment(snapshot.finished_at),
        "vnfdId": snapshot.instance.vnfd_id,
        "vnfInstance": info,
        "vnfInfo": info,
        "vnfcSnapshots": [_vnfc(vnfc) for vnfc in snapshot.vnfcs],
        **_state(snapshot),
        "userDefinedData": dict(snapshot.user_defined_data),
        "_links": {"self": link(f"{root}{here}/{snapshot.id}")},
    }


def _state(snapshot: VnfSnapshot) -> dict[str, Any]:
    """VnfStateSnapshotInfo, SOL003 clause 5.5.3.20, once the state has been put together."""
    if not snapshot.state_checksum:
        return {}
    checksum = {"algorithm": "SHA-256", "hash": snapshot.state_checksum}
    return {"vnfStateSnapshotInfo": {"checksum": checksum, "isEncrypted": False}}


def _vnfc(vnfc: VnfcSnapshot) -> dict[str, Any]:
    """VnfcSnapshotInfo, SOL003 clause 5.5.3.19."""
    return {
        "id": vnfc.id,
        "vnfcInstanceId": vnfc.vnfc_id,
        "triggeredAt": _moment(vnfc.started_at),
        "creationStartedAt": _moment(vnfc.started_at),
        "creationFinishedAt": _moment(vnfc.finished_at),
        "createdAt": _moment(vnfc.finished_at),
        "vnfcResourceId": vnfc.vnfc_id,
        "vnfcInfoId": vnfc.vnfc_id,
        "vnfcResourceInfoId": vnfc.vnfc_id,
        "computeSnapshotResource": {
            "vimConnectionId": vnfc.vim_id,
            "resourceProviderId": vnfc.host,
            "resourceId": vnfc.id,
            "vimLevelResourceType": "snapshot",
        },
        "userDefinedData": {"catena": {"sizeBytes": vnfc.size_bytes, "sha256": vnfc.checksum}},
    }


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else timestamp(moment)
