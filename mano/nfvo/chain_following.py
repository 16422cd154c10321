"""Chains follow the VNFs that serve them: what comes joins its group, what is about to go leaves it before it goes.

Each change is the chain's own durable operation, make before break; the operation on the VNF waits for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mano.domain.ids import derive_id
from mano.domain.lcm_op_occ import (
    INITIAL,
    RUNNING,
    LcmOpOcc,
    Level,
    OperationEvent,
    OperationState,
    advance,
)
from mano.domain.service_chain import ChainState, ServiceChain
from mano.domain.vnf_instance import VnfOperationalState
from mano.errors import CatenaError, DeadlineExceeded, OperationInProgress, Refused, error_from_document
from mano.nfvo.chains import CHANGE
from mano.nfvo.forwarding_graphs import ForwardingGraphs
from mano.nfvo.graph_translation import LiveVnf, function_between
from mano.ports.clock import Clock
from mano.ports.repositories import UnitOfWorkFactory
from mano.ports.workflows import Workflows

DEADLINE_S = 120.0
"""How long an operation on a VNF waits for a chain's change."""

POLL_S = 0.02

BRANCHES_MAX = 64
"""As many ways as a chain may be spread over (:data:`sfc.path.BRANCHES_MAX`)."""


@dataclass(frozen=True, slots=True)
class ChainFollowing:
    """Keeps the chains of a network service on the VNFCs that are there."""

    open_unit: UnitOfWorkFactory
    graphs: ForwardingGraphs
    workflows: Workflows
    clock: Clock

    def follow(self, ns_instance_id: str, tenant_id: str, without: Collection[str] = ()) -> None:
        """Change every chain of the service whose groups differ from what is there; returns when all are changed.

        ``without`` names VNFCs that are about to go. Raises :class:`~mano.errors.Refused` when a group would be empty,
        and what a change of a chain ended with. Repeatable.
        """
        deadline = self.clock.monotonic() + DEADLINE_S
        changed = self.differences(ns_instance_id, tenant_id, without)
        for chain_id, spec in changed.items():
            self._await(self._started(chain_id, tenant_id, spec, deadline), tenant_id, deadline)
        if changed:
            self.graphs.refresh(())  # what left its last chain is no function any more

    def differences(
        self, ns_instance_id: str, tenant_id: str, without: Collection[str] = ()
    ) -> Mapping[str, Mapping[str, Any]]:
        """Chain to its new specification, for every chain that has to change; raises Refused as :meth:`follow`."""
        with self.open_unit(read_only=True) as uow:
            chains = uow.chains.list(tenant_id, ns_instance_id=ns_instance_id)
            live = self.graphs.live_vnfs(uow, tenant_id, ns_instance_id=ns_instance_id)
        found = {}
        for chain in chains:
            if chain.state == ChainState.DRAINING:
                continue
            spec = followed(chain, live, without)
            if spec != chain.spec:
                found[chain.id] = spec
        return found

    def _started(self, chain_id: str, tenant_id: str, spec: Mapping[str, Any], deadline: float) -> str:
        """The operation that makes this change, begun now or on a former try."""
        while True:
            now = self.clock.now()
            with self.open_unit() as uow:
                chain = uow.chains.get(chain_id, tenant_id)
                op_id = derive_id("follow", chain_id, str(chain.version), _digest(spec))
                known = uow.operations.find(op_id)
                if known is not None and known.state is OperationState.FAILED_TEMP:
                    self.workflows.resume(uow, advance(known, OperationEvent.RETRY, now=now))
                    return op_id
                if known is not None and known.state not in (OperationState.ROLLED_BACK, OperationState.FAILED):
                    return op_id
                owner = uow.operations.active(chain_id)
                if owner is not None and owner.state is OperationState.FAILED_TEMP:
                    _require_ours(owner, chain)
                    self.workflows.resume(uow, advance(owner, OperationEvent.ROLLBACK, now=now))
                if owner is None:
                    fresh = op_id if known is None else derive_id(op_id, now.isoformat())
                    self.workflows.start(uow, _operation(fresh, chain, spec, now))
                    return fresh
            if self.clock.monotonic() > deadline:
                raise OperationInProgress(f"chain {chain.name} is being changed by operation {owner.id} for too long")
            self.clock.sleep(POLL_S)

    def _await(self, op_id: str, tenant_id: str, deadline: float) -> None:
        while True:
            with self.open_unit(read_only=True) as uow:
                op = uow.operations.get(op_id, tenant_id)
            if op.state is OperationState.COMPLETED:
                return
            if op.state not in RUNNING:
                raise _failure(op)
            if self.clock.monotonic() > deadline:
                raise DeadlineExceeded(f"the change {op_id} of a chain is {op.state.value} after {DEADLINE_S:.0f} s")
            self.clock.sleep(POLL_S)


def _require_ours(op: LcmOpOcc, chain: ServiceChain) -> None:
    """What a person began, a person decides on; what followed a VNF that went another way is undone."""
    if not op.is_automatic:
        raise OperationInProgress(
            f"chain {chain.name} waits for a decision on its change {op.id}",
            hint="retry it, roll it back or fail it first",
            facts={"operationId": op.id},
        )


def _operation(op_id: str, chain: ServiceChain, spec: Mapping[str, Any], now: Any) -> LcmOpOcc:
    return LcmOpOcc(
        id=op_id,
        tenant_id=chain.tenant_id,
        level=Level.CHAIN,
        instance_id=chain.id,
        operation=CHANGE,
        state=INITIAL[Level.CHAIN],
        state_entered_at=now,
        started_at=now,
        parameters={"chain": dict(spec)},
        is_automatic=True,
    )


def _failure(op: LcmOpOcc) -> CatenaError:
    if op.error is None:
        return CatenaError(f"the change {op.id} of a chain ended as {op.state.value}")
    return error_from_document(op.error)


def _digest(spec: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()


def followed(chain: ServiceChain, live: Sequence[LiveVnf], without: Collection[str] = ()) -> Mapping[str, Any]:
    """The chain's specification with the VNFCs that are there now, in the order of VNF and number.

    A group follows when all of its functions are VNFCs of one VNF profile, between the same connection points. Its
    options stay; one that comes to have several functions spreads over them, unless it is the chain's end.
    """
    spec = chain.spec
    functions = {function["id"]: function for function in spec.get("functions", ())}
    profiles = {vnf.instance.id: vnf.instance.vnf_profile_id for vnf in live}
    groups, used, ways = [], dict[str, Mapping[str, Any]](), 1
    for group in spec["path"]:
        members = [functions[one["sf"]] for one in group["instances"] if one["sf"] in functions]
        new = _members(members, live, profiles, without)
        if new is None:
            groups.append(group)
            used |= {member["id"]: member for member in members}
            continue
        if not new:
            raise Refused(
                f"chain {chain.name} would have no function left in its group {group['group']}",
                hint="take the VNF out of the chain first, or keep one VNFC of it",
            )
        weights = {one["sf"]: one for one in group["instances"]}
        instances = [weights.get(member["id"], {"sf": member["id"], "weight": 1}) for member in new]
        spread = _spreads(group, new, len(members)) and ways * len(new) <= BRANCHES_MAX
        ways *= len(new) if spread else 1
        groups.append(_regrouped(group, instances, spread))
        used |= {member["id"]: member for member in new}
    return {**spec, "path": groups, "functions": list(used.values())}


def _regrouped(group: Mapping[str, Any], instances: Sequence[Mapping[str, Any]], spread: bool) -> dict[str, Any]:
    document = {**group, "instances": [dict(one) for one in instances]}
    if spread:
        document["spread"] = True
    return document


def _spreads(group: Mapping[str, Any], members: Sequence[Mapping[str, Any]], before: int) -> bool:
    if len(members) < 2 or any(member["rewrites5tuple"] for member in members):
        return False
    return bool(group.get("spread")) or before < 2


def _members(
    members: Sequence[Mapping[str, Any]], live: Sequence[LiveVnf], profiles: Mapping[str, str], without: Collection[str]
) -> list[Mapping[str, Any]] | None:
    """The functions that a group shall have; ``None`` for a group that follows nothing.

    One that is stopped counts only where all are: the chain's policy on failure holds then.
    """
    kinds = {
        (profiles.get(member.get("vnfInstanceId", "")), member.get("ingressCp"), member.get("egressCp"))
        for member in members
    }
    if len(kinds) != 1:
        return None
    profile, ingress, egress = kinds.pop()
    if not profile or not ingress or not egress:
        return None
    known = {member["id"]: member for member in members}
    serving = [
        (vnf, vnfc)
        for vnf in sorted(live, key=lambda one: one.instance.name)
        if vnf.instance.vnf_profile_id == profile
        for vnfc in vnf.instance.vnfcs
        if vnfc.id not in without and {ingress, egress} <= {cp.cpd_id for cp in vnfc.connection_points}
    ]
    started = [one for one in serving if one[1].state is VnfOperationalState.STARTED]
    found = [function_between(vnf, vnfc, ingress, egress) for vnf, vnfc in started or serving]
    return [known.get(function["id"], function) for function in found]
