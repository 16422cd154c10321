"""An NFVO that is not Catena's, as our VNFM uses it: SOL003 clauses 9 and 10 and nothing else.

It decides whether an operation may be; where exactly the VNFCs go, on which CPUs and VFs, its grant does not say. That
is decided here, on this VNFM's own inventory of the VIM, by the same use case that an NFVO of ours has. What it ought
to know of the VNFs it learns by its own subscriptions. Packages are fetched from it, and noted as on-boarded here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from mano.adapters.or_vnfm_http.nfvo import HttpNfvo
from mano.domain.catalogue import DescriptorKind, OnboardingState, OperationalState, Package
from mano.domain.grant import Grant, GrantRequest
from mano.domain.ids import derive_id
from mano.ports.or_vnfm import Leftover, Nfvo
from mano.ports.repositories import UnitOfWorkFactory


class ForeignNfvo:
    """Implements :class:`mano.ports.or_vnfm.Nfvo`: the foreign one permits, our own granting places."""

    def __init__(self, remote: HttpNfvo, own: Nfvo, open_unit: UnitOfWorkFactory) -> None:
        self._remote = remote
        self._own = own
        self._open_unit = open_unit

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        """Ask first, place then; raises Refused by the NFVO, NotPlaceable by our own inventory.

        External virtual links of the NFVO's grant replace those of the request. An operation that was granted before
        a crash is not asked for again.
        """
        with self._open_unit(read_only=True) as uow:
            known = uow.grants.find(derive_id("grant", request.vnf_lcm_op_occ_id), tenant_id)
        if known is not None:
            return known
        permitted = self._remote.permit(request, tenant_id)
        links = permitted.ext_virtual_links or request.ext_virtual_links
        return self._own.grant(replace(request, ext_virtual_links=tuple(links)), tenant_id)

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """What was held for the VNF is free."""
        self._own.release(vnf_lcm_op_occ_id, tenant_id)

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """What the operation did not use, or gave back, is free."""
        self._own.settle(vnf_lcm_op_occ_id, tenant_id, done=done, left=left)

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """The networks of this VNFM's VIM follow."""
        self._own.lcm_changed(vnf_instance_id, tenant_id, hosts)

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """No chain of ours passes VNFs of somebody else's services."""
        self._own.vnfcs_leave(vnf_instance_id, tenant_id, vnfcs)

    def vnfd(self, vnfd_id: str, tenant_id: str) -> tuple[str, Mapping[str, Any]]:
        """(package id, JSON of the VNFD's typed model) of the NFVO's package."""
        package_id, document = self._remote.vnfd(vnfd_id, tenant_id)
        self._note(package_id, vnfd_id, tenant_id, document)
        return package_id, document

    def artifact_path(self, package_id: str, artifact: str, tenant_id: str) -> str:
        """A local file with the artifact's content."""
        return self._remote.artifact_path(package_id, artifact, tenant_id)

    def _note(self, package_id: str, vnfd_id: str, tenant_id: str, document: Mapping[str, Any]) -> None:
        """Keep the package's descriptor as it is at the NFVO now."""
        with self._open_unit(read_only=True) as uow:
            stored = uow.packages.find(package_id)
        if stored is not None and stored.descriptor == document:
            return
        with self._open_unit() as uow:
            if stored is not None:
                uow.packages.save(replace(stored, descriptor=dict(document)))
                return
            now = datetime.now(UTC)
            uow.packages.add(
                Package(
                    id=package_id,
                    tenant_id=tenant_id,
                    kind=DescriptorKind.VNF,
                    created_at=now,
                    onboarding_state=OnboardingState.ONBOARDED,
                    operational_state=OperationalState.ENABLED,
                    descriptor_id=vnfd_id,
                    descriptor_version=str(document.get("version", "")),
                    name=str(document.get("product_name", "")),
                    provider=str(document.get("provider", "")),
                    software_version=str(document.get("software_version", "")),
                    descriptor=dict(document),
                    content_key=package_id,
                    onboarded_at=now,
                )
            )
