"""NS life-cycle management of the NFVO (SOL005 clause 6): what a client can ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.catalogue import DescriptorKind
from mano.domain.events import Event
from mano.domain.lcm_op_occ import (
    INITIAL,
    CancelMode,
    LcmOpOcc,
    Level,
    OperationEvent,
    advance,
    cancel,
    require_idle,
    state_event,
)
from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import InstantiationState
from mano.errors import NotFound, WrongState
from mano.nfvo.catalogue import find_usable, mark_usage
from mano.nfvo.chain_users import require_unused
from mano.nfvo.ns_changes import decide
from mano.nfvo.ns_families import require_free
from mano.nfvo.ns_situation import service_of
from mano.ports.clock import Clock, IdFactory
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Workflows


class NsLifecycle:
    """Use cases of NS life-cycle management."""

    def __init__(self, open_unit: UnitOfWorkFactory, workflows: Workflows, clock: Clock, new_id: IdFactory) -> None:
        self._open_unit = open_unit
        self._workflows = workflows
        self._clock = clock
        self._new_id = new_id

    def create(self, tenant_id: str, nsd_id: str, name: str, description: str) -> NsInstance:
        """A new instance of the on-boarded and enabled NSD whose descriptor identifier is ``nsd_id``."""
        with self._open_unit() as uow:
            package = find_usable(uow, DescriptorKind.NS, nsd_id, tenant_id)
            ns = NsInstance(
                id=self._new_id(),
                tenant_id=tenant_id,
                name=name,
                description=description,
                nsd_id=nsd_id,
                nsd_info_id=package.id,
                created_at=self._clock.now(),
            )
            uow.ns_instances.add(ns)
            mark_usage(uow, package.id, lambda: True)
            self._announce(uow, ns, "created")
        return ns

    def delete(self, id: str, tenant_id: str) -> None:
        """Delete an instance that is not instantiated (SOL005 clause 6.4.3.3.5)."""
        with self._open_unit() as uow:
            ns = uow.ns_instances.get(id, tenant_id)
            _require(ns, InstantiationState.NOT_INSTANTIATED)
            require_idle(uow.operations.active(ns.id))
            require_free(uow, ns, "deleted")
            uow.ns_instances.remove(ns.id)
            mark_usage(
                uow, ns.nsd_info_id, lambda: bool(uow.ns_instances.list(tenant_id, limit=1, nsd_info_id=ns.nsd_info_id))
            )
            self._announce(uow, ns, "deleted")

    def instantiate(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> str:
        """InstantiateNs (SOL005 clause 6.4.4): store the operation and start it; its identifier."""
        return self._start(id, tenant_id, "INSTANTIATE", request, InstantiationState.NOT_INSTANTIATED)

    def terminate(self, id: str, tenant_id: str, request: Mapping[str, Any]) -> str:
        """TerminateNs (SOL005 clause 6.4.8): store the operation and start it; its identifier."""
        return self._start(id, tenant_id, "TERMINATE", request, InstantiationState.INSTANTIATED)

    def change(
        self,
        id: str,
        tenant_id: str,
        operation: str,
        request: Mapping[str, Any],
        *,
        op_id: str | None = None,
        is_automatic: bool = False,
    ) -> str:
        """SCALE, HEAL or UPDATE (SOL005 clauses 6.4.5 to 6.4.7): store the operation and start it; its identifier.

        With ``op_id`` it has this identifier and is stored once.

        Raises InvalidInput at once for what the NSD or the present NS does not allow.
        """
        with self._open_unit(read_only=True) as uow:
            ns = uow.ns_instances.get(id, tenant_id)
            if ns.state is InstantiationState.INSTANTIATED and uow.operations.active(ns.id) is None:
                decide(service_of(uow, ns, request), operation, request)
        return self._start(
            id, tenant_id, operation, request, InstantiationState.INSTANTIATED, op_id=op_id, is_automatic=is_automatic
        )

    def cancel(self, op_id: str, tenant_id: str, mode: CancelMode) -> None:
        """Stop an operation that runs (SOL005 clause 6.4.15): the engine ends it as soon as the mode allows.

        The operations of its VNFs that run are cancelled with it when the mode is FORCEFUL.
        """
        with self._open_unit() as uow:
            uow.operations.save(cancel(_ns_operation(uow, op_id, tenant_id), mode))

    def retry(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING (SOL005 clause 6.4.11)."""
        self._again(op_id, tenant_id, OperationEvent.RETRY)

    def continue_(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to PROCESSING (SOL005 clause 6.4.13); every step of ours is needed, so nothing is skipped."""
        self._again(op_id, tenant_id, OperationEvent.CONTINUE)

    def rollback(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to ROLLING_BACK (SOL005 clause 6.4.12)."""
        self._again(op_id, tenant_id, OperationEvent.ROLLBACK)

    def fail(self, op_id: str, tenant_id: str) -> None:
        """FAILED_TEMP to FAILED (SOL005 clause 6.4.14): what was made stays until TerminateNs removes it.

        An instantiation that is given up leaves the instance INSTANTIATED, as far as it came.
        """
        with self._open_unit() as uow:
            op = _ns_operation(uow, op_id, tenant_id)
            failed = advance(op, OperationEvent.GIVE_UP, now=self._clock.now())
            uow.operations.save(failed)
            ns = uow.ns_instances.get(op.instance_id)
            if op.operation == "INSTANTIATE" and op.plan:
                uow.ns_instances.save(replace(ns, state=InstantiationState.INSTANTIATED))
            uow.outbox.append(state_event(failed))

    def _start(
        self,
        id: str,
        tenant_id: str,
        operation: str,
        request: Mapping[str, Any],
        needed: InstantiationState,
        *,
        op_id: str | None = None,
        is_automatic: bool = False,
    ) -> str:
        now = self._clock.now()
        with self._open_unit() as uow:
            if op_id is not None and uow.operations.find(op_id, tenant_id) is not None:
                return op_id
            ns = uow.ns_instances.get(id, tenant_id)
            require_idle(uow.operations.active(ns.id))
            _require(ns, needed)
            if operation == "TERMINATE":
                require_free(uow, ns, "terminated")
                require_unused(uow, ns)
                uow.ns_instances.save(ns)  # an NS that takes this one in at the same moment sees that it goes
            op = LcmOpOcc(
                id=op_id or self._new_id(),
                tenant_id=tenant_id,
                level=Level.NS,
                instance_id=ns.id,
                operation=operation,
                state=INITIAL[Level.NS],
                state_entered_at=now,
                started_at=now,
                parameters=dict(request),
                is_automatic=is_automatic,
            )
            self._workflows.start(uow, op)
        return op.id

    def _again(self, op_id: str, tenant_id: str, event: OperationEvent) -> None:
        with self._open_unit() as uow:
            op = _ns_operation(uow, op_id, tenant_id)
            self._workflows.resume(uow, advance(op, event, now=self._clock.now()))

    def _announce(self, uow: UnitOfWork, ns: NsInstance, verb: str) -> None:
        uow.outbox.append(
            Event(
                id=self._new_id(),
                noun="ns-instance",
                verb=verb,
                subject=ns.id,
                tenant_id=ns.tenant_id,
                occurred_at=self._clock.now(),
                data={"name": ns.name, "nsdId": ns.nsd_id},
            )
        )


def _ns_operation(uow: UnitOfWork, op_id: str, tenant_id: str) -> LcmOpOcc:
    op = uow.operations.get(op_id, tenant_id)
    if op.level is not Level.NS:
        raise NotFound(f"there is no NS life-cycle operation {op_id}")
    return op


def _require(ns: NsInstance, needed: InstantiationState) -> None:
    if ns.state is not needed:
        raise WrongState(f"NS instance {ns.id} is {ns.state.value}, not {needed.value}")
