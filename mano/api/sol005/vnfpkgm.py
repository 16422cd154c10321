"""``/vnfpkgm/v2``: VNF packages for the OSS/BSS (SOL005 clause 9) and for VNFMs (SOL003 clause 10) alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from mano.api.api_versions import VNFPKGM, ApiRoot
from mano.api.auth import Caller
from mano.api.bodies import VnfPkgInfoModifications
from mano.api.collections import answer_list
from mano.api.links import api_root
from mano.api.media import OCTETS, TEXT, ZIP, media
from mano.api.openapi_document import Form
from mano.api.resource_routes import ResourceId, add, json_answer, new_router
from mano.api.services import Catalogue, PackageSources
from mano.api.sol005.package_infos import VNF_SHAPE, vnf_pkg_info
from mano.api.sol005.package_sources import PackageSourceResources
from mano.api.sol005.packages import ArtifactQuery, Naming, PackageResources
from mano.api.uploads import UploadThreads
from mano.domain.catalogue import DescriptorKind, OnboardingState, Package
from mano.errors import InvalidInput, NotFound
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory

VnfdId = Annotated[str, Path(min_length=1, max_length=255, pattern=r"^[!-~]+$", description="A VNFD's identifier.")]


def router(
    catalogue: Catalogue,
    sources: PackageSources | None,
    open_unit: UnitOfWorkFactory,
    uploads: UploadThreads,
    root: ApiRoot = VNFPKGM,
) -> APIRouter:
    """The resources of the API, in one of its major versions."""
    routes = new_router(root.prefix, root.name)
    path = f"{root.prefix}/vnf_packages"

    def represent(_: UnitOfWork, package: Package, server: str) -> dict[str, Any]:
        return vnf_pkg_info(package, server, path)

    naming = Naming(DescriptorKind.VNF, "vnf_packages", "package_content", "vnfd", VNF_SHAPE, represent)
    packages = PackageResources(catalogue, open_unit, uploads, naming, sources)
    packages.add_routes(routes)
    add(routes, "PATCH", "/vnf_packages/{id}", VnfPackageChange(packages).patch)
    if sources is not None:
        PackageSourceResources(sources, packages).add_routes(routes)
    OnboardedVnfPackages(packages).add_routes(routes)
    return routes


class VnfPackageChange:
    """PATCH of an individual VNF package."""

    def __init__(self, packages: PackageResources) -> None:
        self._packages = packages

    def patch(self, request: Request, caller: Caller, id: ResourceId, body: VnfPkgInfoModifications) -> Response:
        """Enable or disable a package, merge into its user-defined data (SOL005 clause 9.4.3.3.4)."""
        if body.operational_state is None and body.user_defined_data is None:
            raise InvalidInput("there is nothing to change", hint="send operationalState or userDefinedData")
        tag = self._packages.change(request, caller, id, body.operational_state, body.user_defined_data)
        changed = body.model_dump(
            by_alias=True, exclude_none=True, include={"operational_state", "user_defined_data"}, mode="json"
        )
        return json_answer(changed, ETag=tag)


class OnboardedVnfPackages:
    """The same packages by the identifier of their VNFD (SOL003 clauses 10.4.3a to 10.4.5a)."""

    def __init__(self, packages: PackageResources) -> None:
        self._packages = packages

    def add_routes(self, router: APIRouter) -> None:
        """Put the resources under the router's prefix."""
        one = "/onboarded_vnf_packages/{vnfd_id}"
        add(router, "GET", "/onboarded_vnf_packages", self.list_all, form=Form.PAGE)
        add(router, "GET", one, self.read)
        add(router, "GET", f"{one}/vnfd", self.read_vnfd, form=Form.CONTENT)
        add(router, "GET", f"{one}/manifest", self.read_manifest, form=Form.CONTENT)
        add(router, "GET", f"{one}/package_content", self.read_content, form=Form.PART)
        add(router, "GET", f"{one}/artifacts", self.read_artifacts, form=Form.PART)
        add(router, "GET", one + "/artifacts/{artifact_path:path}", self.read_artifact, form=Form.PART)

    def list_all(self, request: Request, caller: Caller) -> Response:
        """List the on-boarded packages."""
        root = api_root(request)
        with self._packages.open_unit(read_only=True) as uow:

            def page(after: str, limit: int) -> Sequence[Package]:
                return uow.packages.list(
                    caller.tenant_id,
                    after=after,
                    limit=limit,
                    kind=DescriptorKind.VNF.value,
                    onboarding_state=OnboardingState.ONBOARDED.value,
                )

            represent = self._packages.naming.represent
            return answer_list(request, VNF_SHAPE, page, lambda package: represent(uow, package, root))

    def read(self, request: Request, caller: Caller, vnfd_id: VnfdId) -> Response:
        """Read the information on the package of a VNFD."""
        return self._packages.read(request, caller, self._package_id(caller.tenant_id, vnfd_id))

    @media(produces=(TEXT, ZIP))
    def read_vnfd(self, request: Request, caller: Caller, vnfd_id: VnfdId) -> Response:
        """Read the VNFD."""
        return self._packages.read_descriptor(request, caller, self._package_id(caller.tenant_id, vnfd_id))

    @media(produces=(TEXT, ZIP))
    def read_manifest(self, request: Request, caller: Caller, vnfd_id: VnfdId) -> Response:
        """Read the manifest."""
        return self._packages.read_manifest(request, caller, self._package_id(caller.tenant_id, vnfd_id))

    @media(produces=(ZIP, OCTETS))
    def read_content(self, request: Request, caller: Caller, vnfd_id: VnfdId) -> Response:
        """Read the archive; takes Range."""
        return self._packages.read_content(request, caller, self._package_id(caller.tenant_id, vnfd_id))

    @media(produces=(ZIP,))
    def read_artifacts(self, request: Request, caller: Caller, vnfd_id: VnfdId, query: ArtifactQuery) -> Response:
        """Read all artifacts in one archive; takes Range."""
        return self._packages.read_artifacts(request, caller, self._package_id(caller.tenant_id, vnfd_id), query)

    @media(produces=(OCTETS,))
    def read_artifact(self, request: Request, caller: Caller, vnfd_id: VnfdId, artifact_path: str) -> Response:
        """Read one artifact; takes Range."""
        package_id = self._package_id(caller.tenant_id, vnfd_id)
        return self._packages.read_artifact(request, caller, package_id, artifact_path)

    def _package_id(self, tenant_id: str, vnfd_id: str) -> str:
        with self._packages.open_unit(read_only=True) as uow:
            found = uow.packages.list(
                tenant_id,
                limit=1,
                kind=DescriptorKind.VNF.value,
                descriptor_id=vnfd_id,
                onboarding_state=OnboardingState.ONBOARDED.value,
            )
        if not found:
            raise NotFound("no on-boarded VNF package has this VNFD")
        return found[0].id
