"""Life-cycle management as the HTTP interfaces call it; gathered with the rest in :mod:`mano.api.services`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from mano.domain.lcm_op_occ import CancelMode
from mano.domain.ns_instance import NsInstance
from mano.domain.subscription import Authentication
from mano.domain.vnf_snapshot import VnfSnapshot
from mano.domain.vnf_snapshot_package import VnfSnapshotPackage

Document = Mapping[str, Any]
"""A JSON object with camelCase keys."""


class OperationTasks(Protocol):
    """What a client can do with a failed operation occurrence."""

    def retry(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING."""

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to ROLLING_BACK."""

    def fail(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to FAILED: nobody will repair it."""


class NsLifecycle(OperationTasks, Protocol):
    """NS life-cycle management (SOL005 clause 6)."""

    def create(self, tenant_id: str, nsd_id: str, name: str, description: str) -> NsInstance:
        """A new instance of the on-boarded and enabled NSD whose descriptor identifier is ``nsd_id``."""

    def delete(self, id: str, tenant_id: str) -> None:
        """Delete an instance that is not instantiated."""

    def instantiate(self, id: str, tenant_id: str, request: Document) -> str:
        """Store the operation and start it; its identifier."""

    def terminate(self, id: str, tenant_id: str, request: Document) -> str:
        """Store the operation and start it; its identifier."""

    def change(self, id: str, tenant_id: str, operation: str, request: Document) -> str:
        """SCALE, HEAL or UPDATE an instantiated NS: store the operation and start it; its identifier."""

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop what runs; :class:`~mano.errors.WrongState` when nothing does."""

    def continue_(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING, skipping what cannot be done (SOL005 clause 6.4.13)."""


class VnfLifecycle(OperationTasks, Protocol):
    """VNF life-cycle management (SOL003 clause 5); the same object as the Or-Vnfm port's ``Vnfm``.

    ``op_id`` is a fresh UUID from the API.
    """

    def create_vnf(
        self,
        vnf_instance_id: str,
        tenant_id: str,
        vnfd_id: str,
        name: str,
        metadata: Mapping[str, Any],
    ) -> str:
        """A new instance of the on-boarded and enabled package whose VNFD identifier is ``vnfd_id``.

        ``metadata["description"]`` describes it.
        """

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Document) -> str:
        """Store the operation and start it; its identifier."""

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Document) -> str:
        """Store the operation and start it; its identifier."""

    def change(self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Document) -> str:
        """Any other operation of SOL003 clause 5.4: store it and start it; its identifier.

        Raises InvalidInput and NotFound at once where the descriptor does not allow it.
        """

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop what runs; :class:`~mano.errors.WrongState` when nothing does."""

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """Delete an instance that is not instantiated; nothing to do when it is gone."""


class VnfSnapshots(Protocol):
    """VNF snapshot resources (SOL003 clauses 5.4.22 and 5.4.23)."""

    def create(self, tenant_id: str, package_id: str = "") -> VnfSnapshot:
        """A new resource, empty."""

    def patch(self, id: str, tenant_id: str, package_id: str, generation: int | None) -> VnfSnapshot:
        """Say from which package an empty one comes; ``generation`` is the one that the client read."""

    def delete(self, id: str, tenant_id: str, generation: int | None) -> None:
        """Delete it with all that VIMs keep for it; :class:`~mano.errors.InUse` while an operation needs it."""

    def state_path(self, id: str, tenant_id: str) -> str:
        """A file with the state of all VNFCs together; :class:`~mano.errors.WrongState` while it is empty."""


class SnapshotPackages(Protocol):
    """VNF snapshot packages (SOL005 clause 11)."""

    def create(self, tenant_id: str, name: str, user_defined_data: Mapping[str, Any]) -> VnfSnapshotPackage:
        """A new one without content."""

    def modify(self, id: str, tenant_id: str, changes: Mapping[str, Any], generation: int | None) -> VnfSnapshotPackage:
        """Another name, other data of the user's, or available again."""

    def delete(self, id: str, tenant_id: str) -> None:
        """Delete it; :class:`~mano.errors.WrongState` while something is done with it."""

    def set_external_access(self, id: str, tenant_id: str, entries: Sequence[Mapping[str, Any]]) -> VnfSnapshotPackage:
        """How artifacts outside the package are reached."""

    def content_path(self, id: str, tenant_id: str) -> str:
        """The file; :class:`~mano.errors.WrongState` before there is one."""

    def artifact_path(self, id: str, tenant_id: str, path: str) -> str:
        """A file with one member."""

    def upload(self, id: str, tenant_id: str, chunks: Iterator[bytes]) -> None:
        """Store content and look through it."""

    def upload_from_uri(self, id: str, tenant_id: str, uri: str, authentication: Authentication) -> None:
        """Fetch content beside the request."""

    def build(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> None:
        """Begin to pack a VNF snapshot."""

    def extract(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> None:
        """Begin to bring the VNF snapshot inside back."""

    def cancel(self, id: str, tenant_id: str, cause: str) -> None:
        """Let go of what is being done."""


class QuotaUseCases(Protocol):
    """Quotas of tenants."""

    def list(self, tenant_id: str | None = None) -> Sequence[Document]:
        """Every quota with what is held of it; of one tenant where one is named."""

    def get(self, tenant_id: str) -> Document:
        """One tenant's; :class:`~mano.errors.NotFound` when it is not limited."""

    def put(self, tenant_id: str, limits: Mapping[str, float]) -> Document:
        """Limit a tenant."""

    def remove(self, tenant_id: str) -> None:
        """The tenant is not limited any more."""
