"""InstantiateVnf and TerminateVnf as stories of durable steps (SOL003 clauses 5.4.4 and 5.4.8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc, Level
from mano.domain.vnf_instance import InstantiationState, Realisation, VnfcResource, VnfOperationalState
from mano.errors import CatenaError
from mano.ports.repositories import UnitOfWork
from mano.ports.vim import PortStatus
from mano.ports.workflows import Step
from mano.vnfm.bit_rates import rates_at, with_rates
from mano.vnfm.resources import (
    PlanInputs,
    PlannedCompute,
    VnfPlan,
    plan_from_json,
    plan_vnf,
    removal_of,
    resource_definitions,
)
from mano.vnfm.scaling import at_level, initial_levels, max_levels
from mano.vnfm.world import VnfmWorld, flavour_of, grant_request, standing_plan, vnfc_resource, vnfd_of

GRANT, LINK, PORTS, COMPUTE, NETWORKS, RELEASE = "grant", "link:", "ports:", "compute:", "networks", "release"
"""Names, or beginnings of names, of the steps."""


class InstantiateVnf:
    """InstantiateVnf: grant, then for each VNFC its ports and its compute, then the networks reach it."""

    level = Level.VNF
    operation = "INSTANTIATE"

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Ask for the grant and plan every resource."""
        plan = plan_from_json(op.plan) if op.plan else self._decide(op)
        names = [step + compute.key for compute in plan.computes for step in (PORTS, COMPUTE)]
        return (GRANT, *_links(plan), *names, NETWORKS)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name."""
        plan, world = plan_from_json(op.plan), self._world
        if name == GRANT:
            return Step(name, lambda: {"grantId": op.grant_id}, lambda: world.nfvo.release(op.id, op.tenant_id))
        if name == NETWORKS:
            return Step(name, lambda: self._connect(op), lambda: world.disconnect(op, plan))
        if name.startswith(LINK):
            network_id = name.removeprefix(LINK)
            return Step(name, lambda: _make_link(world, plan, network_id), lambda: _end_link(world, plan, network_id))
        if name.startswith(PORTS):
            compute = plan.compute(name.removeprefix(PORTS))
            return Step(name, lambda: _make_ports(world, compute), lambda: _remove_ports(world, compute))
        compute = plan.compute(name.removeprefix(COMPUTE))
        return Step(name, lambda: world.run(op, plan.package_id, compute), lambda: world.end(compute))

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is INSTANTIATED."""
        plan = plan_from_json(op.plan)
        instance = uow.vnf_instances.get(op.instance_id)
        parameters = op.parameters
        instance = uow.vnf_instances.save(
            replace(
                instance,
                instantiation_state=InstantiationState.INSTANTIATED,
                vnf_state=VnfOperationalState.STARTED,
                flavour_id=plan.flavour_id,
                instantiation_level_id=plan.level_id,
                ext_virtual_links=tuple(parameters.get("extVirtualLinks") or ()),
                configuration={**instance.configuration, **(parameters.get("vnfConfigurableProperties") or {})},
                extensions={**instance.extensions, **(parameters.get("extensions") or {})},
            )
        )
        self._world.announce(uow, instance, "instantiated")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance never left NOT_INSTANTIATED, and nothing of it exists."""
        instance = uow.vnf_instances.get(op.instance_id)
        if instance.plan:
            uow.vnf_instances.save(replace(instance, plan={}, scale_levels={}, max_scale_levels={}))

    def _decide(self, op: LcmOpOcc) -> VnfPlan:
        instance = self._world.instance(op)
        package_id, document = self._world.nfvo.vnfd(instance.vnfd_id, op.tenant_id)
        flavour = flavour_of(vnfd_of(document), str(op.parameters.get("flavourId") or ""))
        level_id = str(op.parameters.get("instantiationLevelId") or flavour.default_level_id or "")
        definitions = resource_definitions(op.id, flavour, level_id)
        grant = self._world.nfvo.grant(grant_request(op, instance, flavour.id, level_id, add=definitions), op.tenant_id)
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
            planned = plan_vnf(inputs)
            rates = rates_at(flavour, at_level(flavour, level_id))
            plan = replace(planned, computes=with_rates(planned.computes, rates))
        except CatenaError:
            self._world.nfvo.release(op.id, op.tenant_id)
            raise
        levels = {"scale_levels": initial_levels(flavour, level_id), "max_scale_levels": max_levels(flavour)}
        self._world.save_plan(op, plan.to_json(), grant, plan, **levels)
        return plan

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


class TerminateVnf:
    """TerminateVnf: take it off the networks, stop every VNFC, remove its ports, free what was granted."""

    level = Level.VNF
    operation = "TERMINATE"

    def __init__(self, world: VnfmWorld) -> None:
        self._world = world

    def prepare(self, op: LcmOpOcc) -> tuple[str, ...]:
        """Take the plan of everything that may exist."""
        if op.plan:
            plan = plan_from_json(op.plan)
        else:
            instance = self._world.instance(op)
            plan = standing_plan(self._world, instance)
            removed = tuple(removal_of(compute) for compute in plan.computes)
            request = grant_request(op, instance, plan.flavour_id, plan.level_id, remove=removed)
            grant = self._world.nfvo.grant(request, op.tenant_id)
            self._world.save_plan(op, plan.to_json(), grant, None)
        names = [step + name for name in _names(plan) for step in (COMPUTE, PORTS)]
        return (NETWORKS, *names, *_links(plan), RELEASE)

    def step(self, op: LcmOpOcc, name: str) -> Step:
        """The step of this name; what was removed is not made again by a rollback (SOL003 clause 5.4.15)."""
        world, plan = self._world, plan_from_json(op.plan)
        if name == NETWORKS:
            return Step(name, lambda: world.disconnect(op, plan), None)
        if name == RELEASE:
            return Step(name, lambda: world.nfvo.release(op.id, op.tenant_id), None)
        if name.startswith(LINK):
            network_id = name.removeprefix(LINK)
            return Step(name, lambda: _end_link(world, plan, network_id), None)
        if name.startswith(PORTS):
            compute = _names(plan)[name.removeprefix(PORTS)]
            return Step(name, lambda: _remove_ports(world, compute), None)
        compute = _names(plan)[name.removeprefix(COMPUTE)]
        return Step(name, lambda: world.end(compute), None)

    def complete(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """The instance is NOT_INSTANTIATED and holds nothing."""
        instance = uow.vnf_instances.get(op.instance_id)
        instance = uow.vnf_instances.save(
            replace(
                instance,
                instantiation_state=InstantiationState.NOT_INSTANTIATED,
                vnf_state=None,
                ext_virtual_links=(),
                plan={},
                scale_levels={},
                max_scale_levels={},
            )
        )
        self._world.announce(uow, instance, "terminated")

    def rolled_back(self, uow: UnitOfWork, op: LcmOpOcc) -> None:
        """Nothing to store."""


def _links(plan: VnfPlan) -> list[str]:
    return [LINK + network_id for network_id in plan.internal_networks]


def _make_link(world: VnfmWorld, plan: VnfPlan, network_id: str) -> None:
    network, vims = plan.internal_networks[network_id]
    for vim_id in vims:
        world.vim(vim_id).ensure_network(network)


def _end_link(world: VnfmWorld, plan: VnfPlan, network_id: str) -> None:
    network, vims = plan.internal_networks[network_id]
    for vim_id in vims:
        world.vim(vim_id).remove_network(network)


def _names(plan: VnfPlan) -> dict[str, PlannedCompute]:
    """VNFCs by the name of their steps: after an operation that was given up, one may exist twice."""
    found: dict[str, PlannedCompute] = {}
    for compute in plan.computes:
        number = 1
        while (name := compute.key if number == 1 else f"{compute.key}#{number}") in found:
            number += 1
        found[name] = compute
    return found


def _make_ports(world: VnfmWorld, compute: PlannedCompute) -> Mapping[str, Any]:
    return {"ports": {id: asdict(status) for id, status in world.make_ports(compute).items()}}


def _remove_ports(world: VnfmWorld, compute: PlannedCompute) -> None:
    vim = world.vim(compute.vim_id)
    for port in reversed(compute.ports):
        vim.remove_port(port.spec)


def _vnfc(compute: PlannedCompute, results: Mapping[str, Mapping[str, Any]]) -> VnfcResource:
    statuses = results.get(PORTS + compute.key, {}).get("ports", {})
    realisations = results.get(COMPUTE + compute.key, {}).get("realisations", {})
    return vnfc_resource(
        compute,
        {id: PortStatus(**status) for id, status in statuses.items()},
        {key: Realisation(value) for key, value in realisations.items()},
    )
