"""``/vnfsnapshotpkgm/v1``: VNF snapshot packages, for the OSS (SOL005 clause 11) and for VNFMs (SOL003 clause 11)."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from mano.api.api_versions import VNFSNAPSHOTPKGM
from mano.api.auth import Caller
from mano.api.bodies import Body, Identifier, KeyValuePairs, Name, Text
from mano.api.collections import ListShape, answer_list, names
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.file_content import answer_file
from mano.api.life_cycles import SnapshotPackages
from mano.api.links import api_root, link
from mano.api.media import OCTETS, ZIP, best_offer, media, require_content_type
from mano.api.openapi_document import Form
from mano.api.problem_details import problem_of_document
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer, new_router, timestamp
from mano.api.sol005.package_sources import ExternalArtifacts, UploadFromUri, access_config
from mano.api.uploads import UploadThreads, body_chunks, require_content
from mano.domain.vnf_snapshot_package import PackedFile, VnfSnapshotPackage
from mano.errors import InvalidInput
from mano.ports.repositories import UnitOfWorkFactory

HERE = "/vnfsnapshotpkgm/v1/vnf_snapshot_packages"

SHAPE = ListShape(
    attributes=names(
        "id vnfSnapshotPkgUniqueId name checksum createdAt vnfSnapshotId vnfcSnapshotInfoIds isFullSnapshot vnfdInfo "
        "vnfsr vnfcSnapshotImages additionalArtifacts state isCancelPending failureDetails userDefinedData _links"
    ),
    mandatory=names("id name isFullSnapshot state isCancelPending _links"),
    left_out=(
        "vnfcSnapshotInfoIds",
        "vnfdInfo",
        "vnfsr",
        "vnfcSnapshotImages",
        "additionalArtifacts",
        "userDefinedData",
        "checksum",
        "failureDetails",
    ),
)


class CreateInfo(Body):
    """CreateVnfSnapshotPkgInfoRequest, SOL005 clause 11.5.2.2."""

    name: Name
    user_defined_data: KeyValuePairs | None = None


class Modifications(Body):
    """VnfSnapshotPkgInfoModifications, SOL005 clause 11.5.2.4."""

    name: Name | None = None
    user_defined_data: KeyValuePairs | None = None
    state: Literal["AVAILABLE"] | None = None


class Build(Body):
    """BuildVnfSnapshotPkgRequest, SOL005 clause 11.5.2.6."""

    vnf_snapshot_info_id: Identifier
    vnfc_snapshots_info_ids: Annotated[list[Identifier], Field(max_length=1000)] | None = None
    override_import_for_vnfc_snapshot_ids: Annotated[list[Identifier], Field(max_length=1000)] | None = None
    import_snapshot_resource: bool | None = None


class Extract(Body):
    """ExtractVnfSnapshotPkgRequest, SOL005 clause 11.5.2.7: one of the two."""

    vnf_snapshot_info_id: Identifier | None = None
    vnf_instance_id: Identifier | None = None

    def document(self) -> dict[str, Any]:
        """What was sent; raises InvalidInput for both or none."""
        sent = super().document()
        if len(sent.keys() & {"vnfSnapshotInfoId", "vnfInstanceId"}) != 1:
            raise InvalidInput(
                "the request has either vnfSnapshotInfoId or vnfInstanceId (SOL005 clause 11.5.2.7)",
                hint="name the empty VNF snapshot to fill, or the VNF to make one for",
            )
        return sent


class Cancel(Body):
    """CancelVnfSnapshotPkgOperationRequest, SOL005 clause 11.5.2.8."""

    cause: Text | None = None


def router(packages: SnapshotPackages, open_unit: UnitOfWorkFactory, uploads: UploadThreads) -> APIRouter:
    """The resources of the API."""
    routes = new_router(VNFSNAPSHOTPKGM.prefix, VNFSNAPSHOTPKGM.name)
    SnapshotPackageResources(packages, open_unit, uploads).add_routes(routes)
    return routes


class SnapshotPackageResources:
    """VNF snapshot packages; those of one tenant are nobody else's."""

    def __init__(self, packages: SnapshotPackages, open_unit: UnitOfWorkFactory, uploads: UploadThreads) -> None:
        self._packages = packages
        self._open_unit = open_unit
        self._uploads = uploads

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        path = "/vnf_snapshot_packages"
        one = path + "/{id}"
        content = f"{one}/package_content"
        add(router, "GET", path, self.list_all, form=Form.PAGE)
        add(router, "POST", path, self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "PATCH", one, self.modify)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
        add(router, "GET", content, self.read_content, form=Form.PART)
        add(router, "PUT", content, self.upload, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{content}/upload_from_uri", self.upload_from_uri, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{content}/build", self.build, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{content}/extract", self.extract, HTTPStatus.ACCEPTED)
        add(router, "POST", f"{content}/cancel", self.cancel, HTTPStatus.ACCEPTED)
        add(router, "GET", f"{one}/ext_artifacts_access", self.read_access)
        add(router, "PUT", f"{one}/ext_artifacts_access", self.write_access)
        add(router, "GET", one + "/artifacts/{artifact_path:path}", self.read_artifact, form=Form.PART)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the VNF snapshot packages; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self._open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[VnfSnapshotPackage]:
                return uow.vnf_snapshot_packages.list(caller.tenant_id, after=after, limit=limit)

            return answer_list(request, SHAPE, page, lambda package: vnf_snapshot_pkg_info(package, root))

    def create(self, request: Request, caller: Caller, body: CreateInfo) -> Response:
        """Create a package that is built or uploaded afterwards."""
        made = self._packages.create(caller.tenant_id, body.name, body.user_defined_data or {})
        document = vnf_snapshot_pkg_info(made, api_root(request))
        return json_answer(document, HTTPStatus.CREATED, Location=document["_links"]["self"]["href"])

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one."""
        package = self._find(id, caller.tenant_id)
        if is_unchanged(request, package.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(package.generation))
        return json_answer(vnf_snapshot_pkg_info(package, api_root(request)), ETag=etag(package.generation))

    def modify(self, request: Request, caller: Caller, id: ResourceId, body: Modifications) -> Response:
        """Change its name or the user's data, or make it available again after an extraction that failed."""
        generation = required_generation(request, self._find(id, caller.tenant_id).generation)
        changes = body.document()
        known = {name: value for name, value in changes.items() if name in ("name", "userDefinedData", "state")}
        if not known:
            raise InvalidInput("nothing is to be changed", hint="send name, userDefinedData or state")
        package = self._packages.modify(id, caller.tenant_id, known, generation)
        return json_answer(known, ETag=etag(package.generation))

    def delete(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Delete it with its content."""
        required_generation(request, self._find(id, caller.tenant_id).generation)
        self._packages.delete(id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    @media(produces=(ZIP,))
    def read_content(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read the package itself; takes Range."""
        package = self._find(id, caller.tenant_id)
        path = self._packages.content_path(id, caller.tenant_id)
        return answer_file(request, path, best_offer(request, (ZIP,)), etag=f'"{package.checksum}"')

    @media(consumes=(ZIP, OCTETS), raw=True)
    async def upload(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Send the content; it is there when the information says AVAILABLE."""
        require_content_type(request, (ZIP, OCTETS))
        require_content(request)

        def store() -> None:
            self._find(id, caller.tenant_id)
            self._packages.upload(id, caller.tenant_id, body_chunks(request))

        await self._uploads.run(store)
        return empty_answer(HTTPStatus.ACCEPTED)

    def upload_from_uri(self, caller: Caller, id: ResourceId, body: UploadFromUri) -> Response:
        """Fetch the content from a URI."""
        self._find(id, caller.tenant_id)
        self._packages.upload_from_uri(id, caller.tenant_id, body.address_information, body.authentication())
        return empty_answer(HTTPStatus.ACCEPTED)

    def build(self, caller: Caller, id: ResourceId, body: Build) -> Response:
        """Pack a VNF snapshot, or some of its VNFC snapshots."""
        self._find(id, caller.tenant_id)
        self._packages.build(id, caller.tenant_id, body.document())
        return empty_answer(HTTPStatus.ACCEPTED)

    def extract(self, caller: Caller, id: ResourceId, body: Extract) -> Response:
        """Fill a VNF snapshot resource with what the package holds."""
        self._find(id, caller.tenant_id)
        self._packages.extract(id, caller.tenant_id, body.document())
        return empty_answer(HTTPStatus.ACCEPTED)

    def cancel(self, caller: Caller, id: ResourceId, body: Cancel) -> Response:
        """Stop what is being done with the content."""
        self._find(id, caller.tenant_id)
        self._packages.cancel(id, caller.tenant_id, body.cause or "")
        return empty_answer(HTTPStatus.ACCEPTED)

    def read_access(self, caller: Caller, id: ResourceId) -> Response:
        """Read how external artifacts are reached; credentials are not told."""
        package = self._find(id, caller.tenant_id)
        return json_answer(access_config(package.external_access), ETag=etag(package.generation))

    def write_access(self, request: Request, caller: Caller, id: ResourceId, body: ExternalArtifacts) -> Response:
        """Say how external artifacts are reached, before there is content."""
        required_generation(request, self._find(id, caller.tenant_id).generation)
        self._packages.set_external_access(id, caller.tenant_id, body.entries())
        return self.read_access(caller, id)

    @media(produces=(OCTETS,))
    def read_artifact(self, request: Request, caller: Caller, id: ResourceId, artifact_path: str) -> Response:
        """Read one file of the package; takes Range."""
        self._find(id, caller.tenant_id)
        return answer_file(request, self._packages.artifact_path(id, caller.tenant_id, artifact_path), OCTETS)

    def _find(self, id: str, tenant_id: str) -> VnfSnapshotPackage:
        with self._open_unit(read_only=True) as uow:
            return uow.vnf_snapshot_packages.get(id, tenant_id)


def vnf_snapshot_pkg_info(package: VnfSnapshotPackage, root: str) -> dict[str, Any]:
    """VnfSnapshotPkgInfo, SOL005 clause 11.5.2.3."""
    here = f"{root}{HERE}/{package.id}"
    document: dict[str, Any] = {
        "id": package.id,
        "name": package.name,
        "isFullSnapshot": package.is_full,
        "state": package.state.value,
        "isCancelPending": package.is_cancel_pending,
        "userDefinedData": dict(package.user_defined_data),
        "_links": {"self": link(here), "packageContent": link(f"{here}/package_content")},
    }
    if package.has_content:
        document |= _content(package)
    if package.error_type is not None and package.failure is not None:
        details = problem_of_document(package.failure)
        document["failureDetails"] = {"errorType": package.error_type.value, "details": details}
    return document


def _content(package: VnfSnapshotPackage) -> dict[str, Any]:
    assert package.record is not None
    assert package.vnfd is not None
    document: dict[str, Any] = {
        "vnfSnapshotPkgUniqueId": package.unique_id,
        "checksum": _checksum(package.checksum),
        "vnfSnapshotId": package.vnf_snapshot_id,
        "vnfcSnapshotInfoIds": list(package.images),
        "vnfdInfo": {"vnfdId": package.vnfd_id, "vnfdPath": package.vnfd.path, **_integrity(package.vnfd)},
        "vnfsr": {"recordPath": package.record.path, **_integrity(package.record)},
        "vnfcSnapshotImages": [_image(package, id, file) for id, file in package.images.items()],
    }
    if package.built_at is not None:
        document["createdAt"] = timestamp(package.built_at)
    return document


def _image(package: VnfSnapshotPackage, id: str, file: PackedFile) -> dict[str, Any]:
    """VnfcSnapshotImageInfo, SOL005 clause 11.5.3.3: an archive of what the VNFC wrote."""
    return {
        "id": id,
        "name": id,
        **_integrity(file),
        "vnfcInstanceId": package.vnfcs[id],
        "containerFormat": "BARE",
        "diskFormat": "RAW",
        "createdAt": timestamp(package.built_at or package.created_at),
        "minDisk": 0,
        "minRam": 0,
        "size": file.size_bytes,
        "imagePath": file.path,
    }


def _integrity(file: PackedFile) -> dict[str, Any]:
    return {"checksum": _checksum(file.checksum), "isEncrypted": False}


def _checksum(sha256: str) -> dict[str, str]:
    return {"algorithm": "SHA-256", "hash": sha256}
