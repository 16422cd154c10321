"""VNFMs beside the NFVO: which one a VNF has, and what the NFVO keeps of VNFs that others manage.

A VNF package names the VNFMs that can manage it (``vnfm_info``, SOL001 clause 6.8.1.2). The NFVO's own decisions read
VNF instances from its store; of VNFs that a VNFM in another process manages, the store holds a copy. The copy is
brought up to date whenever the VNFM reports, and whenever the NFVO sees that an operation ended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import ENDED, CancelMode
from mano.domain.vnf_instance import VnfInstance
from mano.errors import NotFound, Refused
from mano.nfvo.catalogue import find_usable
from mano.ports.or_vnfm import Vnfm, VnfOperation
from mano.ports.repositories import UnitOfWorkFactory

ANY_ETSI = "etsivnfm"
"""A VNFM identifier that begins so asks for any VNFM that keeps to the standard."""


class VnfRecords:
    """The NFVO's copies of VNF instances that VNFMs of other processes manage."""

    def __init__(self, open_unit: UnitOfWorkFactory) -> None:
        self._open_unit = open_unit

    def keep(self, instance: VnfInstance) -> None:
        """Store a copy, or replace an older one; a newer one stays."""
        with self._open_unit() as uow:
            known = uow.vnf_instances.find(instance.id)
            if known is not None:
                if known.generation > instance.generation:
                    return
                uow.vnf_instances.remove(instance.id)
            uow.vnf_instances.add(instance)

    def forget(self, id: str, tenant_id: str) -> None:
        """The VNF instance is gone."""
        with self._open_unit() as uow:
            if uow.vnf_instances.find(id, tenant_id) is not None:
                uow.vnf_instances.remove(id)


@dataclass(frozen=True, slots=True)
class KnownVnfm:
    """A VNFM and the identifiers by which packages ask for it; without any it takes what no other one takes."""

    vnfm: Vnfm
    identifiers: tuple[str, ...] = ()
    copies_itself: bool = False
    """It keeps the NFVO's store up to date itself, or works on it."""


class VnfManagers:
    """All VNFMs as one; implements :class:`mano.ports.or_vnfm.Vnfm`."""

    def __init__(self, open_unit: UnitOfWorkFactory, records: VnfRecords, vnfms: Sequence[KnownVnfm]) -> None:
        self._open_unit = open_unit
        self._records = records
        self._vnfms = vnfms

    def create_vnf(
        self, vnf_instance_id: str, tenant_id: str, vnfd_id: str, name: str, metadata: Mapping[str, str]
    ) -> str:
        """Let the VNFM that the package asks for make the VNF instance."""
        known = self._for_package(vnfd_id, tenant_id)
        id = known.vnfm.create_vnf(vnf_instance_id, tenant_id, vnfd_id, name, metadata)
        self._copy(known, id, tenant_id)
        return id

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """InstantiateVnf."""
        return self._of(vnf_instance_id, tenant_id).vnfm.instantiate(vnf_instance_id, tenant_id, op_id, request)

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """TerminateVnf."""
        return self._of(vnf_instance_id, tenant_id).vnfm.terminate(vnf_instance_id, tenant_id, op_id, request)

    def change(
        self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Mapping[str, Any]
    ) -> str:
        """Any other operation."""
        known = self._of(vnf_instance_id, tenant_id)
        return known.vnfm.change(vnf_instance_id, tenant_id, op_id, operation, request)

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """Delete the instance, and the copy of it."""
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.find(vnf_instance_id, tenant_id)
        if instance is None:
            return
        known = self._of(vnf_instance_id, tenant_id)
        known.vnfm.delete_vnf(vnf_instance_id, tenant_id)
        self._records.forget(vnf_instance_id, tenant_id)

    def retry(self, op_id: str, tenant_id: str) -> None:
        """Try an operation again."""
        self._having(op_id, tenant_id)[0].vnfm.retry(op_id, tenant_id)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """Roll an operation back."""
        self._having(op_id, tenant_id)[0].vnfm.rollback(op_id, tenant_id)

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop an operation."""
        self._having(op_id, tenant_id)[0].vnfm.cancel(op_id, tenant_id, mode)

    def operation(self, op_id: str, tenant_id: str) -> VnfOperation:
        """Observe an operation; when it ended, the copy of its VNF is brought up to date first."""
        known, found = self._having(op_id, tenant_id)
        if found.state in ENDED and found.vnf_instance_id:
            self._copy(known, found.vnf_instance_id, tenant_id)
        return found

    def vnf_instance(self, vnf_instance_id: str, tenant_id: str) -> VnfInstance | None:
        """The VNF instance as its VNFM keeps it."""
        with self._open_unit(read_only=True) as uow:
            copy = uow.vnf_instances.find(vnf_instance_id, tenant_id)
        for known in self._vnfms if copy is None else (self._of(vnf_instance_id, tenant_id),):
            found = known.vnfm.vnf_instance(vnf_instance_id, tenant_id)
            if found is not None:
                if not known.copies_itself:
                    self._records.keep(found)
                return found
        return None

    def _copy(self, known: KnownVnfm, vnf_instance_id: str, tenant_id: str) -> None:
        if known.copies_itself:
            return
        instance = known.vnfm.vnf_instance(vnf_instance_id, tenant_id)
        if instance is not None:
            self._records.keep(instance)

    def _of(self, vnf_instance_id: str, tenant_id: str) -> KnownVnfm:
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.get(vnf_instance_id, tenant_id)
        return self._for_package(instance.vnfd_id, tenant_id, instance.package_id)

    def _for_package(self, vnfd_id: str, tenant_id: str, package_id: str = "") -> KnownVnfm:
        with self._open_unit(read_only=True) as uow:
            package = (package_id and uow.packages.find(package_id)) or find_usable(
                uow, DescriptorKind.VNF, vnfd_id, tenant_id
            )
        wanted = tuple(package.descriptor.get("vnfm_info") or ())
        for known in self._vnfms:
            if set(known.identifiers) & set(wanted):
                return known
        for known in self._vnfms:
            if not known.identifiers and (not wanted or any(each.startswith(ANY_ETSI) for each in wanted)):
                return known
        have = ", ".join(sorted(each for known in self._vnfms for each in known.identifiers)) or "none of its own"
        raise Refused(
            f"VNFD {vnfd_id} asks for the VNFM {' or '.join(wanted)}, which this NFVO does not know",
            hint=f"known VNFM identifiers: {have}; name another one among the NFVO's peers",
        )

    def _having(self, op_id: str, tenant_id: str) -> tuple[KnownVnfm, VnfOperation]:
        """The VNFM that has an operation, with what it tells of it."""
        for known in self._vnfms:
            try:
                return known, known.vnfm.operation(op_id, tenant_id)
            except NotFound:
                continue
        raise NotFound(f"there is no VNF life-cycle operation {op_id}")
