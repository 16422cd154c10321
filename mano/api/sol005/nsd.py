"""``/nsd/v2``: NSDs and PNFDs (SOL005 clause 5)."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from mano.api.api_versions import NSD
from mano.api.auth import Caller
from mano.api.bodies import NsdInfoModifications, PnfdInfoModifications
from mano.api.resource_routes import ResourceId, add, json_answer, new_router
from mano.api.services import Catalogue
from mano.api.sol005.package_infos import NSD_SHAPE, PNFD_SHAPE, constituent_ids, nsd_info, pnfd_info
from mano.api.sol005.packages import Naming, PackageResources
from mano.api.uploads import UploadThreads
from mano.domain.catalogue import DescriptorKind, OnboardingState, Package
from mano.errors import InvalidInput
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory


def router(catalogue: Catalogue, open_unit: UnitOfWorkFactory, uploads: UploadThreads) -> APIRouter:
    """The resources of the API."""
    routes = new_router(NSD.prefix, NSD.name)
    nsds = Naming(DescriptorKind.NS, "ns_descriptors", "nsd_content", "nsd", NSD_SHAPE, _represent_nsd)
    pnfds = Naming(DescriptorKind.PNF, "pnf_descriptors", "pnfd_content", "pnfd", PNFD_SHAPE, _represent_pnfd)
    for naming, change in ((nsds, NsdChange), (pnfds, PnfdChange)):
        resources = PackageResources(catalogue, open_unit, uploads, naming)
        resources.add_routes(routes)
        add(routes, "PATCH", f"/{naming.path}/{{id}}", change(resources).patch)
    return routes


class NsdChange:
    """PATCH of an individual NSD."""

    def __init__(self, packages: PackageResources) -> None:
        self._packages = packages

    def patch(self, request: Request, caller: Caller, id: ResourceId, body: NsdInfoModifications) -> Response:
        """Enable or disable an NSD, merge into its user-defined data (SOL005 clause 5.4.3.3.4)."""
        data = body.user_defined_data
        if isinstance(data, list):
            data = {key: value for part in data for key, value in part.items()}
        if body.nsd_operational_state is None and data is None:
            raise InvalidInput("there is nothing to change", hint="send nsdOperationalState or userDefinedData")
        tag = self._packages.change(request, caller, id, body.nsd_operational_state, data)
        changed = body.model_dump(
            by_alias=True, exclude_none=True, include={"nsd_operational_state", "user_defined_data"}, mode="json"
        )
        return json_answer(changed, ETag=tag)


class PnfdChange:
    """PATCH of an individual PNFD."""

    def __init__(self, packages: PackageResources) -> None:
        self._packages = packages

    def patch(self, request: Request, caller: Caller, id: ResourceId, body: PnfdInfoModifications) -> Response:
        """Merge into the user-defined data of a PNFD (SOL005 clause 5.4.6.3.4)."""
        tag = self._packages.change(request, caller, id, None, body.user_defined_data)
        return json_answer({"userDefinedData": body.user_defined_data}, ETag=tag)


def _represent_nsd(uow: UnitOfWork, package: Package, root: str) -> dict[str, Any]:
    kinds = (DescriptorKind.VNF, DescriptorKind.PNF, DescriptorKind.NS)
    return nsd_info(package, root, *(_package_ids(uow, package, kind) for kind in kinds))


def _package_ids(uow: UnitOfWork, package: Package, kind: DescriptorKind) -> list[str]:
    """The on-boarded packages of the NSD's constituents of a kind."""
    return [
        found.id
        for descriptor_id in constituent_ids(package, kind)
        for found in uow.packages.list(
            package.tenant_id,
            limit=1,
            kind=kind.value,
            descriptor_id=descriptor_id,
            onboarding_state=OnboardingState.ONBOARDED.value,
        )
    ]


def _represent_pnfd(_: UnitOfWork, package: Package, root: str) -> dict[str, Any]:
    return pnfd_info(package, root)
