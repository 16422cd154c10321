"""VNF life-cycle management of the VNFM (SOL003 clause 5): what a client can ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.events import Event
from mano.domain.lcm_op_occ import (
    CancelMode,
    LcmOpOcc,
    Level,
    OperationEvent,
    advance,
    cancel,
    initial_state,
    require_idle,
    state_event,
)
from mano.domain.vnf_instance import InstantiationState, VnfInstance
from mano.errors import NotFound, WrongState
from mano.ports.clock import Clock, IdFactory
from mano.ports.or_vnfm import Nfvo, VnfOperation
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Workflows
from mano.vnfm.auto_scale_settings import settings_of
from mano.vnfm.judging import JUDGES, judge_package
from mano.vnfm.modify_story import modified
from mano.vnfm.snapshots import ADMISSIONS
from mano.vnfm.world import vnfd_of
from vnf_descriptors.model import Vnfd


class VnfLifecycle:
    """Use cases of VNF life-cycle management; implements :class:`mano.ports.or_vnfm.Vnfm`."""

    def __init__(
        self, open_unit: UnitOfWorkFactory, workflows: Workflows, nfvo: Nfvo, clock: Clock, new_id: IdFactory
    ) -> None:
        self._open_unit = open_unit
        self._workflows = workflows
        self._nfvo = nfvo
        self._clock = clock
        self._new_id = new_id

    def create_vnf(
        self, vnf_instance_id: str, tenant_id: str, vnfd_id: str, name: str, metadata: Mapping[str, str]
    ) -> str:
        """Create the VNF instance resource of an on-boarded and enabled package, once per identifier."""
        package_id, document = self._nfvo.vnfd(vnfd_id, tenant_id)
        vnfd = vnfd_of(document)
        with self._open_unit() as uow:
            if uow.vnf_instances.find(vnf_instance_id) is not None:
                return vnf_instance_id
            instance = VnfInstance(
                id=vnf_instance_id,
                tenant_id=tenant_id,
                vnfd_id=vnfd_id,
                package_id=package_id,
                name=name,
                description=str(metadata.get("description", "")),
                provider=vnfd.provider,
                product_name=vnfd.product_name,
                software_version=vnfd.software_version,
                descriptor_version=vnfd.version,
                created_at=self._clock.now(),
                ns_instance_id=str(metadata.get("nsInstanceId", "")),
                vnf_profile_id=str(metadata.get("vnfProfileId", "")),
                metadata=dict(metadata),
                configuration=_declared(vnfd),
            )
            uow.vnf_instances.add(instance)
            self._announce(uow, instance, "created")
        return vnf_instance_id

    def delete_vnf(self, vnf_instance_id: str, tenant_id: str) -> None:
        """Delete an instance that is not instantiated (SOL003 clause 5.4.3.3.5); nothing to do when it is gone."""
        with self._open_unit() as uow:
            instance = uow.vnf_instances.find(vnf_instance_id, tenant_id)
            if instance is None:
                return
            _require(instance, InstantiationState.NOT_INSTANTIATED)
            require_idle(uow.operations.active(instance.id))
            uow.vnf_instances.remove(instance.id)
            self._announce(uow, instance, "deleted")

    def instantiate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """InstantiateVnf (SOL003 clause 5.4.4), once per ``op_id``; an unknown flavour or level is refused at once."""
        self._judge(vnf_instance_id, tenant_id, op_id, "INSTANTIATE", request)
        needed = _needed("INSTANTIATE")
        return self._start(vnf_instance_id, tenant_id, op_id, "INSTANTIATE", request, needed)

    def terminate(self, vnf_instance_id: str, tenant_id: str, op_id: str, request: Mapping[str, Any]) -> str:
        """TerminateVnf (SOL003 clause 5.4.8), once per ``op_id``."""
        return self._start(vnf_instance_id, tenant_id, op_id, "TERMINATE", request, InstantiationState.INSTANTIATED)

    def change(
        self,
        vnf_instance_id: str,
        tenant_id: str,
        op_id: str,
        operation: str,
        request: Mapping[str, Any],
        *,
        is_automatic: bool = False,
    ) -> str:
        """Any other operation on an instantiated VNF, once per ``op_id``.

        Raises at once what the descriptor says of the request: InvalidInput where it contradicts it, NotFound where
        the VNF does not have the operation. Whether there is room for it is found later.
        """
        self._judge(vnf_instance_id, tenant_id, op_id, operation, request)
        needed = _needed(operation)
        return self._start(vnf_instance_id, tenant_id, op_id, operation, request, needed, is_automatic=is_automatic)

    def _judge(
        self, vnf_instance_id: str, tenant_id: str, op_id: str, operation: str, request: Mapping[str, Any]
    ) -> None:
        """Nothing to say of an operation that is known already, nor where the instance's state forbids it anyway."""
        with self._open_unit(read_only=True) as uow:
            instance = uow.vnf_instances.get(vnf_instance_id, tenant_id)
            is_known = uow.operations.find(op_id, tenant_id) is not None
        if operation == "MODIFY_INFO":
            settings_of(modified(instance, request).configuration)
        if is_known or instance.instantiation_state is not _needed(operation):
            return
        if operation == "CHANGE_VNFPKG":
            successor = self._vnfd(str(request["vnfdId"]), tenant_id)
            judge_package(instance, self._vnfd(instance.vnfd_id, tenant_id), successor)
        elif operation in JUDGES:
            JUDGES[operation](instance, self._vnfd(instance.vnfd_id, tenant_id), request)

    def _vnfd(self, vnfd_id: str, tenant_id: str) -> Vnfd:
        return vnfd_of(self._nfvo.vnfd(vnfd_id, tenant_id)[1])

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop an operation that runs (SOL003 clause 5.4.17): the engine ends it as soon as the mode allows."""
        with self._open_unit() as uow:
            uow.operations.save(cancel(_vnf_operation(uow, op_id, tenant_id), mode))

    def retry(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING (SOL003 clause 5.4.14)."""
        self._again(op_id, tenant_id, OperationEvent.RETRY)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to ROLLING_BACK (SOL003 clause 5.4.15)."""
        self._again(op_id, tenant_id, OperationEvent.ROLLBACK)

    def fail(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to FAILED (SOL003 clause 5.4.16): what was made stays until TerminateVnf removes it.

        An instantiation that is given up leaves the instance INSTANTIATED, as far as it came.
        """
        with self._open_unit() as uow:
            op = _vnf_operation(uow, op_id, tenant_id)
            failed = advance(op, OperationEvent.GIVE_UP, now=self._clock.now())
            uow.operations.save(failed)
            instance = uow.vnf_instances.get(op.instance_id)
            if op.operation == "INSTANTIATE" and op.plan:
                uow.vnf_instances.save(replace(instance, instantiation_state=InstantiationState.INSTANTIATED))
            uow.outbox.append(state_event(failed))

    def operation(self, op_id: str, tenant_id: str) -> VnfOperation:
        """Observe an operation occurrence."""
        with self._open_unit(read_only=True) as uow:
            op = _vnf_operation(uow, op_id, tenant_id)
        return VnfOperation(op.id, op.state, op.error, op.instance_id)

    def vnf_instance(self, vnf_instance_id: str, tenant_id: str) -> VnfInstance | None:
        """The VNF instance, ``None`` when there is none."""
        with self._open_unit(read_only=True) as uow:
            return uow.vnf_instances.find(vnf_instance_id, tenant_id)

    def _start(
        self,
        vnf_instance_id: str,
        tenant_id: str,
        op_id: str,
        operation: str,
        request: Mapping[str, Any],
        needed: InstantiationState | None,
        *,
        is_automatic: bool = False,
    ) -> str:
        now = self._clock.now()
        with self._open_unit() as uow:
            if uow.operations.find(op_id, tenant_id) is not None:
                return op_id
            instance = uow.vnf_instances.get(vnf_instance_id, tenant_id)
            require_idle(uow.operations.active(instance.id))
            if needed is not None:
                _require(instance, needed)
            op = LcmOpOcc(
                id=op_id,
                tenant_id=tenant_id,
                level=Level.VNF,
                instance_id=instance.id,
                operation=operation,
                state=initial_state(Level.VNF, operation),
                state_entered_at=now,
                started_at=now,
                parameters=dict(request),
                is_automatic=is_automatic,
                parent_id=str((request.get("additionalParams") or {}).get("catenaParent", "")) or None,
            )
            admit = ADMISSIONS.get(operation)
            if admit is not None:
                admit(uow, instance, op)
            self._workflows.start(uow, op)
        return op_id

    def _again(self, op_id: str, tenant_id: str, event: OperationEvent) -> None:
        with self._open_unit() as uow:
            op = _vnf_operation(uow, op_id, tenant_id)
            self._workflows.resume(uow, advance(op, event, now=self._clock.now()))

    def _announce(self, uow: UnitOfWork, instance: VnfInstance, verb: str) -> None:
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun="vnf-instance",
                verb=verb,
                subject=instance.id,
                tenant_id=instance.tenant_id,
                occurred_at=self._clock.now(),
                data={
                    "name": instance.name,
                    "vnfdId": instance.vnfd_id,
                    "nsInstanceId": instance.ns_instance_id,
                    "provider": instance.provider,
                    "productName": instance.product_name,
                    "softwareVersion": instance.software_version,
                    "descriptorVersion": instance.descriptor_version,
                },
            )
        )


def _declared(vnfd: Vnfd) -> dict[str, Any]:
    """The configurable properties with the values that the VNFD declares (SOL001 clause 6.2)."""
    offered = vnfd.configurable
    values = {"isAutohealEnabled": offered.autoheal, "isAutoscaleEnabled": offered.autoscale} if offered else {}
    return {name: value for name, value in values.items() if value is not None}


def _needed(operation: str) -> InstantiationState | None:
    """In which state an instance must be for it; ``None``: in any."""
    if operation == "MODIFY_INFO":
        return None
    return InstantiationState.NOT_INSTANTIATED if operation == "INSTANTIATE" else InstantiationState.INSTANTIATED


def _vnf_operation(uow: UnitOfWork, op_id: str, tenant_id: str) -> LcmOpOcc:
    op = uow.operations.get(op_id, tenant_id)
    if op.level is not Level.VNF:
        raise NotFound(f"there is no VNF life-cycle operation {op_id}")
    return op


def _require(instance: VnfInstance, needed: InstantiationState) -> None:
    if instance.instantiation_state is not needed:
        raise WrongState(f"VNF instance {instance.id} is {instance.instantiation_state.value}, not {needed.value}")
