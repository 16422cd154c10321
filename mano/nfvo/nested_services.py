"""What an NS does with the NSs that are nested in it: makes them, takes them in, asks them for operations, lets go.

An operation on a nested NS is an operation of its own, with a record, steps, and tasks; the operation on the NS around
waits for it. Its identifier follows from the one that waits: a repeated step finds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import INITIAL, RUNNING, LcmOpOcc, Level, OperationEvent, OperationState, advance, cancel
from mano.domain.ns_instance import NestedNs, NsInstance
from mano.domain.vnf_instance import InstantiationState
from mano.errors import CatenaError, DeadlineExceeded, WrongState, error_from_document
from mano.nfvo.catalogue import mark_usage
from mano.nfvo.nested_planning import child_request
from mano.nfvo.ns_families import let_go, take_in
from mano.nfvo.plan import PlannedNested
from mano.nfvo.virtual_links import network_id_of
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.workflows import Workflows

DEADLINE_S = 3600.0
"""How long an operation waits for that of a nested NS; a cancellation ends it sooner."""

POLL_S = 0.05


class NestedServices:
    """Operations on nested NSs, for the steps of operations on the NSs around them."""

    def __init__(self, open_unit: UnitOfWorkFactory, workflows: Workflows, clock: Clock) -> None:
        self._open_unit = open_unit
        self._workflows = workflows
        self._clock = clock

    def add(self, op: LcmOpOcc, nested: PlannedNested) -> Mapping[str, Any]:
        """The nested NS is there and connected: made by an operation of its own, or taken in as it is."""
        if not nested.made:
            with self._open_unit() as uow:
                take_in(uow, op.instance_id, _record(nested, ""))
            return {"nsInstanceId": nested.ns_instance_id}
        op_id = self._current(op, nested.operation_id)
        with self._open_unit() as uow:
            self._create(uow, op, nested)
            take_in(uow, op.instance_id, _record(nested, op_id))
        self._ask(op, nested.ns_instance_id, op_id, "INSTANTIATE", child_request(nested))
        self._await(op, op_id, nested.key)
        return {"nsInstanceId": nested.ns_instance_id, "nsLcmOpOccId": op_id}

    def remove(self, op: LcmOpOcc, key: str, ns_instance_id: str, *, made: bool) -> Mapping[str, Any]:
        """Let go of a nested NS; one that this NS made and that nobody else nests ends gone."""
        with self._open_unit() as uow:
            let_go(uow, op.instance_id, ns_instance_id)
            child = uow.ns_instances.find(ns_instance_id)
        if child is None or not made or child.parents:
            return {"nsInstanceId": ns_instance_id, "kept": child is not None}
        self._end_instantiation(op, child, key)
        with self._open_unit(read_only=True) as uow:
            child = uow.ns_instances.get(ns_instance_id)
        result: dict[str, Any] = {"nsInstanceId": ns_instance_id, "kept": False}
        if child.state is InstantiationState.INSTANTIATED:
            op_id = self._current(op, derive_id(op.id, "nested", key, "terminate"))
            self._ask(op, child.id, op_id, "TERMINATE", {})
            self._await(op, op_id, key)
            result["nsLcmOpOccId"] = op_id
        with self._open_unit() as uow:
            self._delete(uow, child)
        return result

    def work(
        self,
        op: LcmOpOcc,
        task: str,
        ns_instance_id: str,
        operation: str,
        request: Mapping[str, Any],
        noun: str = "nested NS",
    ) -> str:
        """One operation on a nested NS, or on another one, to its end; its identifier.

        ``task`` names it among those of the operation that waits.
        """
        op_id = self._current(op, derive_id(op.id, "nested-work", task))
        self._ask(op, ns_instance_id, op_id, operation, request)
        self._await(op, op_id, ns_instance_id, noun)
        return op_id

    def unwork(self, op: LcmOpOcc, task: str) -> OperationState | None:
        """What failed of such an operation is rolled back; how it ended, ``None`` when it was never begun."""
        op_id = self._current(op, derive_id(op.id, "nested-work", task))
        with self._open_unit(read_only=True) as uow:
            known = uow.operations.find(op_id)
        return None if known is None else self._rolled_back(op, known)

    # Operations

    def _current(self, op: LcmOpOcc, first: str) -> str:
        """The operation that the present attempt works with: the latest, or a new one where that one was undone."""
        ids = [first, *(derive_id(first, str(attempt)) for attempt in range(2, op.attempt + 1))]
        with self._open_unit(read_only=True) as uow:
            known = [(id, found) for id in ids if (found := uow.operations.find(id)) is not None]
        if not known:
            return first
        latest, found = known[-1]
        return ids[-1] if found.state is OperationState.ROLLED_BACK else latest

    def _ask(self, op: LcmOpOcc, ns_instance_id: str, op_id: str, operation: str, request: Mapping[str, Any]) -> None:
        """Start the operation, or try the one again that waits in FAILED_TEMP."""
        now = self._clock.now()
        with self._open_unit() as uow:
            known = uow.operations.find(op_id)
            if known is None:
                child = LcmOpOcc(
                    id=op_id,
                    tenant_id=op.tenant_id,
                    level=Level.NS,
                    instance_id=ns_instance_id,
                    operation=operation,
                    state=INITIAL[Level.NS],
                    state_entered_at=now,
                    started_at=now,
                    parameters=dict(request),
                    is_automatic=True,
                    parent_id=op.id,
                    depth=op.depth + 1,
                )
                self._workflows.start(uow, child)
            elif known.state is OperationState.FAILED_TEMP and op.attempt > 1:
                self._workflows.resume(uow, advance(known, OperationEvent.RETRY, now=now))

    def _await(self, op: LcmOpOcc, op_id: str, key: str, noun: str = "nested NS") -> None:
        ended = self._settled(op, op_id)
        if ended.state is not OperationState.COMPLETED:
            error = _failure(ended)
            raise type(error)(f"{noun} {key}: {error.detail}", hint=error.hint, facts=error.facts)

    def _settled(self, op: LcmOpOcc, op_id: str) -> LcmOpOcc:
        """The operation once it moves no more by itself. A cancellation of the one that waits is handed on to it."""
        deadline = self._clock.monotonic() + DEADLINE_S
        while True:
            with self._open_unit(read_only=True) as uow:
                child, mine = uow.operations.get(op_id), uow.operations.get(op.id)
            if child.state not in RUNNING:
                return child
            if mine.cancel_mode is not None and child.cancel_mode is not mine.cancel_mode:
                with suppress(WrongState), self._open_unit() as uow:  # it may have ended meanwhile
                    uow.operations.save(cancel(uow.operations.get(op_id), mine.cancel_mode))
            if self._clock.monotonic() > deadline:
                raise DeadlineExceeded(
                    f"operation {op_id} of a nested NS is {child.state.value} after {DEADLINE_S:.0f} s"
                )
            self._clock.sleep(POLL_S)

    def _end_instantiation(self, op: LcmOpOcc, child: NsInstance, key: str) -> None:
        """What is half-made is undone; what anybody else does with the nested NS has to be over."""
        with self._open_unit(read_only=True) as uow:
            active = uow.operations.active(child.id)
        if active is None:
            return
        if active.operation == "TERMINATE" and active.parent_id == op.id:
            return
        if active.operation != "INSTANTIATE":
            raise WrongState(
                f"nested NS {key}: its operation {active.id} ({active.operation}, {active.state.value}) is not over",
                hint="wait for it, or decide on it, then retry this operation",
                facts={"operationId": active.id},
            )
        self._rolled_back(op, active)

    def _rolled_back(self, op: LcmOpOcc, known: LcmOpOcc) -> OperationState:
        ended = self._settled(op, known.id)
        if ended.state is not OperationState.FAILED_TEMP:
            return ended.state
        with self._open_unit() as uow:
            now = self._clock.now()
            self._workflows.resume(uow, advance(uow.operations.get(known.id), OperationEvent.ROLLBACK, now=now))
        ended = self._settled(op, known.id)
        if ended.state is not OperationState.ROLLED_BACK:
            raise _failure(ended)
        return ended.state

    # Instances

    def _create(self, uow: UnitOfWork, op: LcmOpOcc, nested: PlannedNested) -> None:
        if uow.ns_instances.find(nested.ns_instance_id) is not None:
            return
        parent = uow.ns_instances.get(op.instance_id)
        uow.ns_instances.add(
            NsInstance(
                id=nested.ns_instance_id,
                tenant_id=op.tenant_id,
                name=f"{parent.name}-{nested.key}"[:255],
                description=f"nested in {parent.name}"[:255],
                nsd_id=nested.nsd_id,
                nsd_info_id=nested.package_id,
                created_at=self._clock.now(),
            )
        )
        mark_usage(uow, nested.package_id, lambda: True)

    def _delete(self, uow: UnitOfWork, child: NsInstance) -> None:
        uow.ns_instances.remove(child.id)
        package = child.nsd_info_id
        mark_usage(uow, package, lambda: bool(uow.ns_instances.list(child.tenant_id, limit=1, nsd_info_id=package)))


def _record(nested: PlannedNested, op_id: str) -> NestedNs:
    joins = tuple(replace(join, inner=network_id_of(op_id, join.link_id)) if op_id else join for join in nested.joins)
    return NestedNs(nested.ns_instance_id, nested.nsd_id, nested.profile_id, nested.key, nested.made, joins)


def _failure(op: LcmOpOcc) -> CatenaError:
    if op.error is None:
        return CatenaError(f"operation {op.id} of a nested NS ended as {op.state.value}")
    return error_from_document(op.error)
