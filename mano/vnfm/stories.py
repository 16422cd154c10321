"""The VNFM's operations as stories of durable steps (SOL003 clauses 5.4.4 and 5.4.8)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from mano.domain.events import Event
from mano.domain.grant import Grant, GrantRequest, ResourceDefinition
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.domain.vnf_instance import (
    ConnectionPoint,
    InstantiationState,
    Realisation,
    VnfcResource,
    VnfInstance,
    VnfOperationalState,
)
from mano.errors import CatenaError, InvalidInput
from mano.ports.clock import Clock, IdFactory
from mano.ports.or_vnfm import Nfvo
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import PortStatus, VimDriver
from mano.ports.workflows import Step
from mano.vnfm.resources import (
    PlanInputs,
    PlannedCompute,
    VnfPlan,
    plan_from_json,
    plan_vnf,
    resource_definitions,
)
from vnf_descriptors.model import Vnfd, VnfFlavour, from_json

GRANT, PORTS, COMPUTE, NETWORKS, RELEASE = "grant", "ports:", "compute:", "networks", "release"
"""Names, or beginnings of names, of the steps."""


class VnfmWorld:
    """What the stories act on."""

    def __init__(
        self,
        open_unit: UnitOfWorkFactory,
        nfvo: Nfvo,
        vim: Callable[[str], VimDriver],
        clock: Clock,
        new_id: IdFactory,
    ) -> None:
        self.open_unit = open_unit
        self.nfvo = nfvo
        self.vim = vim
        self.clock = clock
        self.new_id = new_id

    def instance(self, op: LcmOpOcc) -> VnfInstance:
        """The VNF instance that the operation is about."""
        with self.open_unit(read_only=True) as uow:
            return uow.vnf_instances.get(op.instance_id, op.tenant_id)

    def save_plan(self, op: LcmOpOcc, plan: Mapping[str, Any], grant: Grant) -> None:
        """Keep what was decided with the operation."""
        with self.open_unit() as uow:
            current = uow.operations.get(op.id)
            uow.operations.save(replace(current, plan=dict(plan), grant_id=grant.id))

    def disconnect(self, op: LcmOpOcc) -> None:
        """Forget the VNFCs, so that the NFVO's networks let their ports go before they vanish."""
        hosts = sorted({compute.host for compute in plan_from_json(op.plan).computes})
        with self.open_unit() as uow:
            instance = uow.vnf_instances.get(op.instance_id)
            if instance.vnfcs:
                uow.vnf_instances.save(replace(instance, vnfcs=()))
        self.nfvo.lcm_changed(op.instance_id, op.tenant_id, hosts)

    def announce(self, uow: UnitOfWork, instance: VnfInstance, verb: str) -> None:
        """Tell that the instance changed, in the same transaction."""
        uow.outbox.append(
            Event(
                id=self.new_id(),
                noun="vnf-instance",
                verb=verb,
                subject=instance.id,
                tenant_id=instance.tenant_id,
                occurred_at=self.clock.now(),
                data={"name": instance.name, "nsInstanceId": instance.ns_instance_id},
            )
        )


class InstantiateVnf:
    """InstantiateVnf: grant, then for each VNFC its ports and its compute, then the networks reach it."""

    level = Level.VNF
    operation = "INSTANTIATE"

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Ask for the grant and plan every resource."""
        if not op.plan:
            plan, grant = self._decide(op)
            self._world.save_plan(op, plan.to_json(), grant)
        else:
            plan = plan_from_json(op.plan)
        names = [step + compute.key for compute in plan.computes for step in (PORTS, COMPUTE)]
        return (GRANT, *names, NETWORKS)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        plan, world = plan_from_json(op.plan), self._world
        if name == GRANT:
            return Step(name, lambda: {"grantId": op.grant_id}, lambda: world.nfvo.release(op.id, op.tenant_id))
        if name == NETWORKS:
            return Step(name, lambda: self._connect(op), lambda: world.disconnect(op))
        if name.startswith(PORTS):
            compute = plan.compute(name.removeprefix(PORTS))
            return Step(name, lambda: _make_ports(world, compute), lambda: _remove_ports(world, compute))
        compute = plan.compute(name.removeprefix(COMPUTE))
        return Step(name, lambda: self._run(op, plan, compute), lambda: _remove_compute(world, compute))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is INSTANTIATED."""
        plan = plan_from_json(op.plan)
        instance = uow.vnf_instances.get(op.instance_id)
        instance = uow.vnf_instances.save(
            replace(
                instance,
                instantiation_state=InstantiationState.INSTANTIATED,
                vnf_state=VnfOperationalState.STARTED,
                flavour_id=plan.flavour_id,
                instantiation_level_id=plan.level_id,
                ext_virtual_links=tuple(op.parameters.get("extVirtualLinks") or ()),
            )
        )
        self._world.announce(uow, instance, "instantiated")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to store: the instance never left NOT_INSTANTIATED."""

    def _decide(self, op: LcmOpOcc) -> tuple[VnfPlan, Grant]:
        instance = self._world.instance(op)
        package_id, document = self._world.nfvo.vnfd(instance.vnfd_id, op.tenant_id)
        flavour = _flavour(document, str(op.parameters.get("flavourId") or ""))
        level_id = str(op.parameters.get("instantiationLevelId") or flavour.default_level_id or "")
        definitions = resource_definitions(op.id, flavour, level_id)
        grant = self._world.nfvo.grant(
            _grant_request(op, instance, flavour.id, level_id, add=definitions), op.tenant_id
        )
        inputs = PlanInputs(
            op_id=op.id,
            flavour=flavour,
            level_id=level_id,
            package_id=package_id,
            definitions=definitions,
            grant=grant,
            ext_virtual_links=op.parameters.get("extVirtualLinks") or (),
            parameters=op.parameters.get("additionalParams") or {},
        )
        try:
            return plan_vnf(inputs), grant
        except CatenaError:
            self._world.nfvo.release(op.id, op.tenant_id)
            raise

    def _connect(self, op: LcmOpOcc) -> None:
        """Store the VNFCs as the steps made them, so that the NFVO's networks know their ports."""
        plan = plan_from_json(op.plan)
        with self._world.open_unit() as uow:
            results = {step.name: step.result for step in uow.operations.get(op.id).steps}
            instance = uow.vnf_instances.get(op.instance_id)
            vnfcs = tuple(_vnfc(compute, results) for compute in plan.computes)
            uow.vnf_instances.save(replace(instance, vnfcs=vnfcs))
        hosts = sorted({compute.host for compute in plan.computes})
        self._world.nfvo.lcm_changed(op.instance_id, op.tenant_id, hosts)

    def _run(self, op: LcmOpOcc, plan: VnfPlan, compute: PlannedCompute) -> Mapping[str, Any]:
        image = self._world.nfvo.artifact_path(plan.package_id, compute.artifact, op.tenant_id)
        name = self._world.instance(op).name or op.instance_id
        status = self._world.vim(compute.vim_id).ensure_compute(compute.spec(name, image))
        return {"realisations": {key: value.value for key, value in status.realisations.items()}}


class TerminateVnf:
    """TerminateVnf: take it off the networks, stop every VNFC, remove its ports, free what was granted."""

    level = Level.VNF
    operation = "TERMINATE"

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Take the plan of the instantiation that made what is to go."""
        if op.plan:
            plan = plan_from_json(op.plan)
        else:
            instance = self._world.instance(op)
            plan = plan_from_json(_instantiation(self._world, instance).plan)
            removed = tuple(
                ResourceDefinition(compute.compute_id, compute.vdu_id, compute.index) for compute in plan.computes
            )
            request = _grant_request(op, instance, plan.flavour_id, plan.level_id, remove=removed)
            grant = self._world.nfvo.grant(request, op.tenant_id)
            self._world.save_plan(op, plan.to_json(), grant)
        names = [step + compute.key for compute in plan.computes for step in (COMPUTE, PORTS)]
        return (NETWORKS, *names, RELEASE)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name; what was removed is not made again by a rollback (SOL003 clause 5.4.15)."""
        world = self._world
        if name == NETWORKS:
            return Step(name, lambda: world.disconnect(op), None)
        if name == RELEASE:
            return Step(name, lambda: world.nfvo.release(op.id, op.tenant_id), None)
        plan = plan_from_json(op.plan)
        if name.startswith(PORTS):
            compute = plan.compute(name.removeprefix(PORTS))
            return Step(name, lambda: _remove_ports(world, compute), None)
        compute = plan.compute(name.removeprefix(COMPUTE))
        return Step(name, lambda: _remove_compute(world, compute), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is NOT_INSTANTIATED and holds nothing."""
        instance = uow.vnf_instances.get(op.instance_id)
        instance = uow.vnf_instances.save(
            replace(
                instance,
                instantiation_state=InstantiationState.NOT_INSTANTIATED,
                vnf_state=None,
                ext_virtual_links=(),
            )
        )
        self._world.announce(uow, instance, "terminated")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to store."""


def _instantiation(world: VnfmWorld, instance: VnfInstance) -> LcmOpOcc:
    """The operation whose plan says what the instance holds: completed, or given up on its way."""
    made = (OperationState.COMPLETED, OperationState.FAILED)
    with world.open_unit(read_only=True) as uow:
        candidates = [
            op
            for op in uow.operations.list(instance.tenant_id, instance_id=instance.id)
            if op.operation == "INSTANTIATE" and op.state in made and op.plan
        ]
    if not candidates:
        raise InvalidInput(f"VNF instance {instance.id} has no instantiation to undo")
    return max(candidates, key=lambda op: op.started_at)


def _flavour(document: Mapping[str, Any], flavour_id: str) -> VnfFlavour:
    vnfd = from_json(document)
    if not isinstance(vnfd, Vnfd):
        raise InvalidInput("the descriptor is not a VNFD")
    try:
        return vnfd.flavour(flavour_id or None)
    except KeyError:
        known = ", ".join(flavour.id for flavour in vnfd.flavours)
        raise InvalidInput(f"the VNFD has no flavour '{flavour_id}'", hint=f"it has: {known}") from None


def _grant_request(
    op: LcmOpOcc,
    instance: VnfInstance,
    flavour_id: str,
    level_id: str,
    *,
    add: tuple[ResourceDefinition, ...] = (),
    remove: tuple[ResourceDefinition, ...] = (),
) -> GrantRequest:
    return GrantRequest(
        vnf_instance_id=instance.id,
        vnf_lcm_op_occ_id=op.id,
        vnfd_id=instance.vnfd_id,
        operation=op.operation,
        flavour_id=flavour_id,
        instantiation_level_id=level_id,
        add_resources=add,
        remove_resources=remove,
        is_automatic=op.is_automatic,
    )


def _make_ports(world: VnfmWorld, compute: PlannedCompute) -> Mapping[str, Any]:
    vim = world.vim(compute.vim_id)
    return {"ports": {port.spec.id: asdict(vim.ensure_port(port.spec)) for port in compute.ports}}


def _remove_ports(world: VnfmWorld, compute: PlannedCompute) -> None:
    vim = world.vim(compute.vim_id)
    for port in reversed(compute.ports):
        vim.remove_port(port.spec)


def _remove_compute(world: VnfmWorld, compute: PlannedCompute) -> None:
    world.vim(compute.vim_id).remove_compute(compute.compute_id, compute.host)


def _vnfc(compute: PlannedCompute, results: Mapping[str, Mapping[str, Any]]) -> VnfcResource:
    statuses = results.get(PORTS + compute.key, {}).get("ports", {})
    realisations = results.get(COMPUTE + compute.key, {}).get("realisations", {})
    return VnfcResource(
        id=compute.compute_id,
        vdu_id=compute.vdu_id,
        index=compute.index,
        compute_id=compute.compute_id,
        host=compute.host,
        placement=compute.placement,
        connection_points=tuple(
            _connection_point(compute, index, PortStatus(**statuses[port.spec.id]))
            for index, port in enumerate(compute.ports)
        ),
        realisations={key: Realisation(value) for key, value in realisations.items()},
    )


def _connection_point(compute: PlannedCompute, index: int, status: PortStatus) -> ConnectionPoint:
    port = compute.ports[index]
    return ConnectionPoint(
        id=port.spec.id,
        cpd_id=port.cpd_id,
        port_id=port.spec.id,
        network_id=port.network_id,
        mac=port.spec.mac,
        addresses=port.spec.addresses,
        host=compute.host,
        ofport=status.ofport,
        interface=status.interface,
        ext_cpd_id=port.ext_cpd_id,
        pci=port.spec.pci,
        vf=port.spec.vf,
        realisation=Realisation(status.realisation),
    )
