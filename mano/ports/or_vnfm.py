"""Or-Vnfm (SOL003): where NFVO and VNFM meet. A function call in one process, HTTP between two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mano.domain.grant import Grant, GrantRequest
from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.domain.vnf_instance import VnfInstance
from mano.ports.vim import PortSpec


@dataclass(frozen=True, slots=True)
class VnfOperation:
    """What the NFVO sees of a VNFM's operation: SOL003's state and, when it failed, the error's document."""

    id: str
    state: OperationState
    error: Mapping[str, Any] | None = None
    vnf_instance_id: str = ""


@dataclass(frozen=True, slots=True)
class Leftover:
    """What an operation could not remove of a VNFC, for its host did not answer: the process, and these ports."""

    compute_id: str
    vim_id: str
    host: str
    ports: tuple[PortSpec, ...] = ()


class Vnfm(Protocol):
    """The VNFM as the NFVO uses it (SOL003 clause 5)."""

    def create_vnf(
        self, vnf_instance_id: str, tenant_id: str, vnfd_id: str, name: str, metadata: Mapping[str, str]
    ) -> str:
        """Create the VNF instance resource, once per ``vnf_instance_id``; returns the identifier in use."""

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """InstantiateVnf, once per ``op_id``; returns the operation occurrence's identifier."""

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """TerminateVnf, once per ``op_id``."""

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """Delete the instance resource; nothing to do when it is gone."""

    def change(
        self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Mapping[str, Any]
    ) -> str:
        """Any other operation on an instantiated VNF, once per ``op_id``, with its request of SOL003 clause 5.5.2.

        ``operation`` is SCALE, SCALE_TO_LEVEL, HEAL, OPERATE, CHANGE_EXT_CONN, CHANGE_FLAVOUR, CHANGE_VNFPKG or
        MODIFY_INFO (LcmOperationType, SOL003 clause 5.5.4.5).
        """

    def retry(self, op_id: str, tenant_id: str) -> None:
        """Try an operation in FAILED_TEMP again."""

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """Roll an operation in FAILED_TEMP back."""

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop an operation that runs (SOL003 clause 5.4.17); its end is asynchronous."""

    def operation(self, op_id: str, tenant_id: str) -> VnfOperation:
        """Observe an operation occurrence."""

    def vnf_instance(self, vnf_instance_id: str, tenant_id: str) -> VnfInstance | None:
        """The VNF instance as the VNFM keeps it, ``None`` when there is none."""


class Nfvo(Protocol):
    """The NFVO as a VNFM uses it (SOL003 clauses 9 and 10)."""

    def grant(self, request: GrantRequest, tenant_id: str) -> Grant:
        """Decide; the same answer for the same operation occurrence. Raises :class:`~mano.errors.Refused`."""

    def release(self, vnf_lcm_op_occ_id: str, tenant_id: str) -> None:
        """The operation ended without using what was granted for addition, or freed what was to be removed."""

    def settle(self, vnf_lcm_op_occ_id: str, tenant_id: str, *, done: bool, left: Sequence[Leftover] = ()) -> None:
        """An operation that changed a running VNF ended; nothing happens for one that was not granted.

        ``done``: what was granted for removal is free now, what was granted for addition stays. Else: the other way
        round. The places of what is ``left`` are free only when the NFVO has seen it removed.
        """

    def lcm_changed(self, vnf_instance_id: str, tenant_id: str, hosts: Sequence[str]) -> None:
        """SOL003's notification that an operation changed the VNF's resources on these hosts: the networks follow."""

    def vnfcs_leave(self, vnf_instance_id: str, tenant_id: str, vnfcs: Sequence[str]) -> None:
        """VNFCs of these identifiers are about to go: no chain points at them any more when this returns."""

    def vnfd(self, vnfd_id: str, tenant_id: str) -> tuple[str, Mapping[str, Any]]:
        """(package id, JSON of the VNFD's typed model) of the on-boarded package."""

    def artifact_path(self, package_id: str, artifact: str, tenant_id: str) -> str:
        """A local file with the artifact's checked content."""
