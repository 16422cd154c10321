"""Resources of the catalogue: one class serves VNF packages, NSDs and PNFDs, which differ in names and shapes."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from mano.api.auth import Caller
from mano.api.bodies import CreatePackageInfo
from mano.api.collections import ListShape, answer_list
from mano.api.conditional import etag, is_unchanged, required_generation
from mano.api.faults import PreconditionFailed
from mano.api.file_content import answer_file
from mano.api.links import api_root
from mano.api.media import OCTETS, TEXT, ZIP, best_offer, media, require_content_type
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, empty_answer, json_answer
from mano.api.services import Catalogue, PackageSources
from mano.api.uploads import UploadThreads, body_chunks, require_content
from mano.domain.catalogue import DescriptorKind, OperationalState, Package
from mano.errors import InvalidInput, NotFound, StaleGeneration
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

MAX_TEXT = 1 << 20
"""A descriptor of one file larger than this is sent as an archive even to a client that likes text better."""

Flag = Literal["true", "false", ""] | None

Represent = Callable[[UnitOfWork, Package, str], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Naming:
    """What differs between the three kinds: path segments, the shape and how a package is told."""

    kind: DescriptorKind
    path: str
    content: str
    descriptor: str
    shape: ListShape
    represent: Represent


class _ArtifactQuery:
    """Which artifacts (SOL005 clause 9.4.9.3.2). A parameter without a value counts as ``true``."""

    def __init__(
        self,
        exclude_all_mano_artifacts: Annotated[Flag, Query()] = None,
        exclude_all_non_mano_artifacts: Annotated[Flag, Query()] = None,
        select_non_mano_artifact_sets: Annotated[str | None, Query(max_length=4096)] = None,
    ) -> None:
        """Raises :class:`~mano.errors.InvalidInput` for what contradicts itself."""
        self.exclude_all_mano_artifacts = _is_set(exclude_all_mano_artifacts)
        self.exclude_others = _is_set(exclude_all_non_mano_artifacts)
        self.sets = select_non_mano_artifact_sets
        if self.exclude_others and self.sets is not None:
            raise InvalidInput("a query selects artifact sets and excludes them all")

    def wanted_sets(self) -> list[str] | None:
        """The sets of non-MANO artifacts; None for all."""
        if self.exclude_others:
            return []
        return None if self.sets is None else self.sets.split(",")


def _is_set(value: str | None) -> bool:
    return value in ("", "true")


ArtifactQuery = Annotated[_ArtifactQuery, Depends()]


@dataclass(frozen=True, slots=True)
class PackageResources:
    """The resources of one kind of package (SOL005 clauses 5.4 and 9.4)."""

    catalogue: Catalogue
    open_unit: UnitOfWorkFactory
    uploads: UploadThreads
    naming: Naming
    sources: PackageSources | None = None

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix. The PATCH of each kind is the caller's."""
        path = f"/{self.naming.path}"
        one = path + "/{id}"
        add(router, "GET", path, self.list_all, form=Form.PAGE)
        add(router, "POST", path, self.create, HTTPStatus.CREATED)
        add(router, "GET", one, self.read)
        add(router, "DELETE", one, self.delete, HTTPStatus.NO_CONTENT)
        add(router, "PUT", f"{one}/{self.naming.content}", self.upload, HTTPStatus.ACCEPTED)
        add(router, "GET", f"{one}/{self.naming.content}", self.read_content, form=Form.PART)
        add(router, "GET", f"{one}/{self.naming.descriptor}", self.read_descriptor, form=Form.CONTENT)
        add(router, "GET", f"{one}/manifest", self.read_manifest, form=Form.CONTENT)
        if self.naming.kind is DescriptorKind.VNF:
            add(router, "GET", f"{one}/artifacts", self.read_artifacts, form=Form.PART)
        add(router, "GET", one + "/artifacts/{artifact_path:path}", self.read_artifact, form=Form.PART)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the packages; takes filter, attribute selectors and the marker of the next page."""
        root = api_root(request)
        with self.open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Package]:
                return uow.packages.list(caller.tenant_id, after=after, limit=limit, kind=self.naming.kind.value)

            return answer_list(request, self.naming.shape, page, lambda package: self._told(uow, package, root))

    def create(self, request: Request, caller: Caller, body: CreatePackageInfo) -> Response:
        """Create the resource that the content is uploaded to."""
        package = self.catalogue.create(self.naming.kind, caller.tenant_id, body.user_defined_data or {})
        document = self._document(request, package)
        return json_answer(document, HTTPStatus.CREATED, Location=document["_links"]["self"]["href"])

    def read(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read one package's information."""
        package = self.find(id, caller.tenant_id)
        if is_unchanged(request, package.generation):
            return empty_answer(HTTPStatus.NOT_MODIFIED, ETag=etag(package.generation))
        return json_answer(self._document(request, package), ETag=etag(package.generation))

    def delete(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Delete a package that is disabled and unused."""
        required_generation(request, self.find(id, caller.tenant_id).generation)
        self.catalogue.delete(id, caller.tenant_id)
        return empty_answer(HTTPStatus.NO_CONTENT)

    @media(consumes=(ZIP, OCTETS), raw=True)
    async def upload(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Upload the archive; it is on-boarded when the information says so."""
        require_content_type(request, (ZIP, OCTETS))
        require_content(request)

        def store() -> None:
            self.find(id, caller.tenant_id)
            self.catalogue.upload(id, caller.tenant_id, body_chunks(request))

        await self.uploads.run(store)
        return empty_answer(HTTPStatus.ACCEPTED)

    @media(produces=(ZIP, OCTETS))
    def read_content(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read the archive as it was uploaded; takes Range."""
        package = self.find(id, caller.tenant_id)
        path = self.catalogue.content_path(id, caller.tenant_id)
        return answer_file(request, path, best_offer(request, (ZIP, OCTETS)), etag=f'"{package.checksum}"')

    @media(produces=(TEXT, ZIP))
    def read_descriptor(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read the descriptor: its YAML when it is one file and text is accepted, else an archive of its files."""
        self.find(id, caller.tenant_id)
        files = self.catalogue.descriptor_files(id, caller.tenant_id)
        wanted = best_offer(request, (TEXT, ZIP) if _is_short_text(files) else (ZIP,))
        if wanted == TEXT:
            return _plain_text(files[0][1])
        return Response(_archive(files), media_type=ZIP)

    @media(produces=(TEXT, ZIP))
    def read_manifest(self, request: Request, caller: Caller, id: ResourceId) -> Response:
        """Read the manifest, as text or in an archive."""
        self.find(id, caller.tenant_id)
        file = self.catalogue.manifest(id, caller.tenant_id)
        if best_offer(request, (TEXT, ZIP)) == TEXT:
            return _plain_text(file[1])
        return Response(_archive([file]), media_type=ZIP)

    @media(produces=(ZIP,))
    def read_artifacts(self, request: Request, caller: Caller, id: ResourceId, query: ArtifactQuery) -> Response:
        """Read all artifacts in one archive; takes Range."""
        self.find(id, caller.tenant_id)
        wanted = query.wanted_sets()
        path = self.catalogue.artifacts(id, caller.tenant_id, mano=not query.exclude_all_mano_artifacts, sets=wanted)
        return answer_file(request, path, ZIP)

    @media(produces=(OCTETS,))
    def read_artifact(self, request: Request, caller: Caller, id: ResourceId, artifact_path: str) -> Response:
        """Read one artifact of the package, by its path or, outside the package, by its URI; takes Range."""
        self.find(id, caller.tenant_id)
        if "://" in artifact_path and self.sources is not None:
            path = self.sources.external_content(id, caller.tenant_id, artifact_path)
        else:
            path = self.catalogue.artifact(id, caller.tenant_id, artifact_path)
        return answer_file(request, path, OCTETS)

    def require_unchanged(self, request: Request, package: Package) -> None:
        """Raise :class:`~mano.api.faults.PreconditionFailed` when ``If-Match`` names another version."""
        required_generation(request, package.generation)

    def change(
        self,
        request: Request,
        caller: Caller,
        id: str,
        operational_state: str | None,
        user_defined_data: Mapping[str, Any] | None,
    ) -> str:
        """Apply a modification under ``If-Match``; the new entity tag."""
        generation = required_generation(request, self.find(id, caller.tenant_id).generation)
        try:
            package = self.catalogue.patch(
                id,
                caller.tenant_id,
                operational_state=None if operational_state is None else OperationalState(operational_state),
                user_defined_data=user_defined_data,
                generation=generation,
            )
        except StaleGeneration as error:
            if generation is None:
                raise
            raise PreconditionFailed(error.detail, hint=error.hint) from None
        return etag(package.generation)

    def find(self, id: str, tenant_id: str) -> Package:
        """The package of this kind; NotFound for another kind's."""
        with self.open_unit(read_only=True) as uow:
            package = uow.packages.get(id, tenant_id)
        if package.kind is not self.naming.kind:
            raise NotFound(f"there is no such {self.naming.kind.value.upper()} package")
        return package

    def _document(self, request: Request, package: Package) -> dict[str, Any]:
        with self.open_unit(read_only=True) as uow:
            return self._told(uow, package, api_root(request))

    def _told(self, uow: UnitOfWork, package: Package, root: str) -> dict[str, Any]:
        return self.naming.represent(uow, package, root)


def _plain_text(path: str) -> Response:
    """The file as ``text/plain`` and no parameter, which clients compare with."""
    return Response(Path(path).read_bytes(), headers={"Content-Type": TEXT})


def _is_short_text(files: Sequence[tuple[str, str]]) -> bool:
    return len(files) == 1 and Path(files[0][1]).stat().st_size <= MAX_TEXT


def _archive(files: Sequence[tuple[str, str]]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, path in files:
            archive.write(path, member)
    return content.getvalue()
