"""The NFVO's operations on network services as stories of durable steps (SOL005 clauses 6.4.4 and 6.4.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.domain.ns_instance import Network, NsInstance, SapInstance
from mano.domain.vnf_instance import ConnectionPoint, InstantiationState
from mano.errors import CatenaError, DeadlineExceeded, error_from_document
from mano.nfvo.constituent_steps import Constituents
from mano.nfvo.forwarding_graphs import release_numbers
from mano.nfvo.ns_world import VNFFGS, NsWorld, network_spec, sap_port, vnffgs_of
from mano.nfvo.plan import NsPlan, PlannedNested, PlannedSap, PlannedVnf, plan_from_json
from mano.nfvo.vnf_parameters import named
from mano.ports.repositories import UnitOfWork
from mano.ports.workflows import Step

NETWORK, VNF, VNFS, SAP, GRAPHS, RESERVATIONS = "network:", "vnf:", "vnfs", "sap:", "forwarding-graphs", "reservations"
PNF, NESTED = "pnf:", "nested:"
"""Names, or beginnings of names, of the steps."""

VNF_DEADLINE_S = 600.0
"""How long an NS operation waits for the operations of its VNFs."""

POLL_S = 0.05
"""Pause between two looks at an operation of a VNF."""


class NsStory:
    """What the stories share."""

    level = Level.NS

    def __init__(self, world: NsWorld) -> None:
        self._world = world
        self._constituents = Constituents(world)

    def _add_network(self, op: LcmOpOcc, network: Network) -> None:
        for vim in self._world.vims.values():
            vim.ensure_network(network_spec(network))
        with self._world.open_unit() as uow:
            if uow.networks.find(network.id) is None:
                uow.networks.add(network)

    def _remove_network(self, network: Network) -> None:
        for vim in self._world.vims.values():
            vim.remove_network(network_spec(network))
        with self._world.open_unit() as uow:
            uow.networks.remove(network.id)
            uow.numbers.release("vni", network.id)
            uow.numbers.release("subnet", network.id)

    def _attach_sap(self, op: LcmOpOcc, plan: NsPlan, sap: PlannedSap) -> Mapping[str, Any]:
        network = plan.network(sap.network_id)
        status = self._world.vim_at(sap.attachment).ensure_port(sap_port(sap, network))
        point = ConnectionPoint(
            id=sap.id,
            cpd_id=sap.sapd_id,
            port_id=sap.id,
            network_id=sap.network_id,
            mac=sap.mac,
            addresses=sap.addresses,
            host=sap.host,
            ofport=status.ofport,
            interface=status.interface,
            realisation=status.realisation,
            trunk=sap.trunk,
        )
        with self._world.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            others = tuple(known for known in ns.saps if known.id != sap.id)
            saps = (*others, SapInstance(sap.id, sap.sapd_id, sap.attachment, point))
            uow.ns_instances.save(replace(ns, saps=saps))
        return {"interface": status.interface, "ofport": status.ofport}

    def _detach_sap(self, op: LcmOpOcc, plan: NsPlan, sap: PlannedSap) -> None:
        with self._world.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            uow.ns_instances.save(replace(ns, saps=tuple(known for known in ns.saps if known.id != sap.id)))
        self._world.graphs.refresh([sap.host])
        self._world.vim_at(sap.attachment).remove_port(sap_port(sap, plan.network(sap.network_id)))

    def _remove_chains(
        self, op: LcmOpOcc, vnffgd_id: str | None = None, plan: NsPlan | None = None
    ) -> Mapping[str, Any]:
        """The NS's chains go, or those of one VNFFG."""
        with self._world.open_unit() as uow:
            chains = uow.chains.list(op.tenant_id, ns_instance_id=op.instance_id)
            gone = [chain for chain in chains if vnffgd_id in (None, chain.spec.get("vnffgdId"))]
            for chain in gone:
                uow.chains.remove(chain.id)
                self._world.announce(uow, "chain", "removed", chain.id, op.tenant_id, {"name": chain.name})
                release_numbers(uow, chain)
        self._world.graphs.refresh(self._world.hosts_of(op, plan))
        return {VNFFGS: vnffgs_of(gone)}

    def _discard_chains(self, op: LcmOpOcc, vnffgd_id: str | None = None, plan: NsPlan | None = None) -> None:
        self._remove_chains(op, vnffgd_id, plan)

    def _release(self, op: LcmOpOcc) -> None:
        with self._world.open_unit() as uow:
            for reservation in uow.reservations.list(op.tenant_id, ns_instance_id=op.instance_id):
                uow.reservations.remove(reservation.id)

    def _start_vnf(self, op: LcmOpOcc, plan: NsPlan, vnf: PlannedVnf) -> Mapping[str, Any]:
        """Create the VNF instance and start its operation; a failed one is tried again."""
        vnfm = self._world.vnfm
        name, metadata = named(op.parameters, plan, vnf)
        metadata |= {"nsInstanceId": op.instance_id, "vnfProfileId": vnf.profile_id}
        vnfm.create_vnf(vnf.vnf_instance_id, op.tenant_id, vnf.vnfd_id, name, metadata)
        request = self._world.instantiate_request(op, plan, vnf)
        vnfm.instantiate(vnf.vnf_instance_id, op.tenant_id, vnf.operation_id, request)
        return {"vnfInstanceId": vnf.vnf_instance_id, "vnfLcmOpOccId": vnf.operation_id}

    def _await_vnfs(self, op: LcmOpOcc, vnfs: Sequence[PlannedVnf]) -> None:
        """Wait for all; on a retry, an operation that failed before is tried again first."""
        deadline = self._deadline()
        if op.attempt > 1:
            for vnf in vnfs:
                self._world.retry_if_failed(vnf.operation_id, op)
        failed = [vnf for vnf in vnfs if self._settled(vnf.operation_id, op, deadline).value != "COMPLETED"]
        if failed:
            first = failed[0]
            state = self._world.vnfm.operation(first.operation_id, op.tenant_id).state
            error = self._failure(first.operation_id, op.tenant_id, state)
            raise type(error)(f"VNF {first.name}: {error.detail}", hint=error.hint, facts=error.facts)

    def _terminate_vnf(self, op: LcmOpOcc, vnf: PlannedVnf) -> None:
        """Whatever state the VNF is in, it ends gone: half-made ones are rolled back, whole ones terminated."""
        vnfm, deadline = self._world.vnfm, self._deadline()
        if vnfm.vnf_instance(vnf.vnf_instance_id, op.tenant_id) is None:
            return
        self._end_instantiation(op, vnf, deadline)
        instance = vnfm.vnf_instance(vnf.vnf_instance_id, op.tenant_id)
        if instance is not None and instance.instantiation_state is InstantiationState.INSTANTIATED:
            undo_id = self._world.derived_op_id(op, vnf, "terminate")
            request = {"terminationType": "FORCEFUL", "additionalParams": {"catenaParent": op.id}}
            vnfm.terminate(vnf.vnf_instance_id, op.tenant_id, undo_id, request)
            self._await(undo_id, op, deadline)
        vnfm.delete_vnf(vnf.vnf_instance_id, op.tenant_id)

    def _end_instantiation(self, op: LcmOpOcc, vnf: PlannedVnf, deadline: float) -> None:
        state = self._world.vnf_operation_state(vnf.operation_id, op.tenant_id)
        if state in (OperationState.STARTING, OperationState.PROCESSING):
            state = self._settled(vnf.operation_id, op, deadline)
        if state is OperationState.FAILED_TEMP:
            self._world.vnfm.rollback(vnf.operation_id, op.tenant_id)
            state = OperationState.ROLLING_BACK
        if state is OperationState.ROLLING_BACK:
            self._await(vnf.operation_id, op, deadline, wanted=OperationState.ROLLED_BACK)

    def _withdraw_nested(self, op: LcmOpOcc, nested: PlannedNested) -> Mapping[str, Any]:
        return self._constituents.remove_nested(op, nested.key, nested.ns_instance_id, made=nested.made)

    def _undo_nested(self, op: LcmOpOcc, nested: PlannedNested) -> None:
        self._withdraw_nested(op, nested)

    def _deadline(self) -> float:
        return self._world.clock.monotonic() + VNF_DEADLINE_S

    def _settled(self, op_id: str, op: LcmOpOcc, deadline: float) -> OperationState:
        """The state in which the VNF's operation stops moving by itself.

        A FORCEFUL cancellation of ours is handed on to it.
        """
        moving = (OperationState.STARTING, OperationState.PROCESSING, OperationState.ROLLING_BACK)
        while (state := self._world.vnfm.operation(op_id, op.tenant_id).state) in moving:
            self._world.hand_on_cancellation(op, op_id)
            if self._world.clock.monotonic() > deadline:
                raise DeadlineExceeded(f"VNF operation {op_id} is {state.value} after {VNF_DEADLINE_S:.0f} s")
            self._world.clock.sleep(POLL_S)
        return state

    def _await(
        self, op_id: str, op: LcmOpOcc, deadline: float, wanted: OperationState = OperationState.COMPLETED
    ) -> None:
        state = self._settled(op_id, op, deadline)
        if state is not wanted:
            raise self._failure(op_id, op.tenant_id, state)

    def _failure(self, op_id: str, tenant_id: str, state: OperationState) -> CatenaError:
        error = self._world.vnfm.operation(op_id, tenant_id).error
        if error is None:
            return CatenaError(f"VNF operation {op_id} ended as {state.value}")
        return error_from_document(error)


class InstantiateNs(NsStory):
    """InstantiateNs: plan and reserve everything, then networks, SAPs, VNFs side by side, then the chains."""

    operation = "INSTANTIATE"

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Plan the whole NS and reserve what it needs, in one transaction."""
        plan = plan_from_json(op.plan) if op.plan else self._world.decide(op)
        return _instantiation_steps(plan)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        plan = plan_from_json(op.plan)
        if name == RESERVATIONS:
            return Step(name, lambda: None, lambda: self._release(op))
        if name.startswith(NETWORK):
            network = next(n for n in plan.networks if n.vld_id == name.removeprefix(NETWORK))
            return Step(name, lambda: self._add_network(op, network), lambda: self._remove_network(network))
        if name.startswith(SAP):
            sap = next(s for s in plan.saps if s.sapd_id == name.removeprefix(SAP))
            return Step(name, lambda: self._attach_sap(op, plan, sap), lambda: self._detach_sap(op, plan, sap))
        if name.startswith(PNF):
            pnf, parts = plan.pnf(name.removeprefix(PNF)), self._constituents
            return Step(name, lambda: parts.add_pnf(op, plan, pnf), lambda: parts.remove_pnf(op, plan, pnf))
        if name.startswith(NESTED):
            nested = plan.nested_ns(name.removeprefix(NESTED))
            parts = self._constituents
            return Step(name, lambda: parts.add_nested(op, nested), lambda: self._undo_nested(op, nested))
        if name.startswith(VNF):
            vnf = next(v for v in plan.vnfs if v.name == name.removeprefix(VNF))
            return Step(name, lambda: self._start_vnf(op, plan, vnf), lambda: self._terminate_vnf(op, vnf))
        if name == VNFS:
            return Step(name, lambda: self._await_vnfs(op, plan.vnfs), None)
        return Step(name, lambda: self._program_graphs(op), lambda: self._discard_chains(op))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The NS is INSTANTIATED."""
        plan = plan_from_json(op.plan)
        ns = uow.ns_instances.get(op.instance_id)
        vnfs = {vnf.name: vnf.vnf_instance_id for vnf in plan.vnfs}
        changed = replace(ns, state=InstantiationState.INSTANTIATED, flavour_id=plan.flavour_id, vnf_instances=vnfs)
        uow.ns_instances.save(changed)
        self._world.announce(uow, "ns-instance", "instantiated", ns.id, ns.tenant_id, {"name": ns.name})

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The NS is as before: nothing planned, nothing held."""
        ns = uow.ns_instances.get(op.instance_id)
        for network in plan_from_json(op.plan).networks if op.plan else ():
            uow.numbers.release("vni", network.id)
            uow.numbers.release("subnet", network.id)
        uow.ns_instances.save(replace(ns, plan={}, vnf_instances={}, saps=(), pnfs=(), nested=()))

    def _program_graphs(self, op: LcmOpOcc) -> Mapping[str, Any]:
        """Store the chains of the NSD's VNFFGs, prove and program them."""
        self._world.add_chains(op)
        plane = self._world.graphs.refresh(self._world.hosts_of(op))
        return self._world.activate_chains(op, plane)


class TerminateNs(NsStory):
    """TerminateNs: chains first, then VNFs, SAPs, networks, reservations."""

    operation = "TERMINATE"

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Take the plan that the instantiation stored."""
        plan = plan_from_json(self._world.keep_plan_of_instance(op))
        return tuple(reversed([name for name in _instantiation_steps(plan) if name != VNFS]))

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name; what was removed is not made again by a rollback."""
        plan = plan_from_json(op.plan)
        if name == RESERVATIONS:
            return Step(name, lambda: self._release(op), None)
        if name.startswith(NETWORK):
            network = next(n for n in plan.networks if n.vld_id == name.removeprefix(NETWORK))
            return Step(name, lambda: self._remove_network(network), None)
        if name.startswith(SAP):
            sap = next(s for s in plan.saps if s.sapd_id == name.removeprefix(SAP))
            return Step(name, lambda: self._detach_sap(op, plan, sap), None)
        if name.startswith(PNF):
            pnf = plan.pnf(name.removeprefix(PNF))
            return Step(name, lambda: self._constituents.remove_pnf(op, plan, pnf), None)
        if name.startswith(NESTED):
            nested = plan.nested_ns(name.removeprefix(NESTED))
            return Step(name, lambda: self._withdraw_nested(op, nested), None)
        if name.startswith(VNF):
            vnf = next(v for v in plan.vnfs if v.name == name.removeprefix(VNF))
            return Step(name, lambda: self._terminate_vnf(op, vnf), None)
        return Step(name, lambda: self._remove_chains(op), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The NS is NOT_INSTANTIATED and holds nothing."""
        ns = uow.ns_instances.get(op.instance_id)
        uow.ns_instances.save(_emptied(ns))
        self._world.announce(uow, "ns-instance", "terminated", ns.id, ns.tenant_id, {"name": ns.name})

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to store."""


def _instantiation_steps(plan: NsPlan) -> tuple[str, ...]:
    return (
        RESERVATIONS,
        *(NETWORK + network.vld_id for network in plan.networks),
        *(SAP + sap.sapd_id for sap in plan.saps),
        *(PNF + pnf.key for pnf in plan.pnfs),
        *(NESTED + nested.key for nested in plan.nested),
        *(VNF + vnf.name for vnf in plan.vnfs),
        VNFS,
        GRAPHS,
    )


def _emptied(ns: NsInstance) -> NsInstance:
    nothing: dict[str, Any] = {
        "plan": {},
        "vnf_instances": {},
        "scale_levels": {},
        "saps": (),
        "pnfs": (),
        "nested": (),
    }
    return replace(ns, state=InstantiationState.NOT_INSTANTIATED, **nothing)
