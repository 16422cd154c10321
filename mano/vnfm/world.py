"""What the VNFM's stories act on: the store, the NFVO, the VIMs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mano.domain.events import Event
from mano.domain.grant import Grant, GrantRequest, ResourceDefinition
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.vnf_instance import ConnectionPoint, Realisation, VnfcResource, VnfInstance
from mano.errors import InvalidInput, WrongState
from mano.ports.clock import Clock, IdFactory
from mano.ports.or_vnfm import Nfvo
from mano.ports.repositories import UnitOfWork, UnitOfWorkFactory
from mano.ports.vim import PortStatus, VimDriver
from mano.vnfm.resources import PlannedCompute, VnfPlan, plan_from_json
from mano.vnfm.snapshots import keeper_of
from vnf_descriptors.model import Vnfd, VnfFlavour, from_json


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

    def save_plan(
        self, op: LcmOpOcc, plan: Mapping[str, Any], grant: Grant | None, possible: VnfPlan | None, **facts: Any
    ) -> None:
        """Keep what was decided with the operation, and with the instance what may exist from now on.

        ``facts`` are further fields of the instance.
        """
        with self.open_unit() as uow:
            current = uow.operations.get(op.id)
            uow.operations.save(replace(current, plan=dict(plan), grant_id=grant.id if grant else None))
            if possible is not None:
                instance = uow.vnf_instances.get(op.instance_id)
                uow.vnf_instances.save(replace(instance, plan=possible.to_json(), **facts))

    def disconnect(self, op: LcmOpOcc, plan: VnfPlan) -> None:
        """Forget the VNFCs, so that the NFVO's networks let their ports go before they vanish."""
        with self.open_unit() as uow:
            instance = uow.vnf_instances.get(op.instance_id)
            if instance.vnfcs:
                uow.vnf_instances.save(replace(instance, vnfcs=()))
        self.nfvo.lcm_changed(op.instance_id, op.tenant_id, sorted({compute.host for compute in plan.computes}))

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

    def make_ports(self, compute: PlannedCompute) -> dict[str, PortStatus]:
        """Every port of a VNFC exists; by identifier."""
        vim = self.vim(compute.vim_id)
        return {port.spec.id: vim.ensure_port(port.spec) for port in compute.ports}

    def run(self, op: LcmOpOcc, package_id: str, compute: PlannedCompute) -> Mapping[str, Any]:
        """The VNFC runs; what of it is how true."""
        image = self.nfvo.artifact_path(package_id, compute.artifact, op.tenant_id)
        name = self.instance(op).name or op.instance_id
        status = self.vim(compute.vim_id).ensure_compute(compute.spec(name, image))
        return {"realisations": {key: value.value for key, value in status.realisations.items()}}

    def secure(self, compute: PlannedCompute, snapshot_id: str) -> None:
        """The VNFC's state is kept; one that does not run has none."""
        keeper = keeper_of(self.vim(compute.vim_id), compute.vim_id)
        with suppress(WrongState):
            keeper.take_snapshot(snapshot_id, compute.compute_id, compute.host)

    def restore(
        self, op: LcmOpOcc, package_id: str, compute: PlannedCompute, snapshot_id: str, purpose: str
    ) -> Mapping[str, Any]:
        """The VNFC runs with what was kept; empty when nothing was kept, which only a way back may find."""
        keeper = keeper_of(self.vim(compute.vim_id), compute.vim_id)
        image = self.nfvo.artifact_path(package_id, compute.artifact, op.tenant_id)
        spec = compute.spec(self.instance(op).name or op.instance_id, image)
        if purpose == "undo" and snapshot_id not in keeper.snapshots():
            return {}
        status = keeper.restore_compute(spec, snapshot_id, f"{op.id}/{purpose}")
        return {"realisations": {key: value.value for key, value in status.realisations.items()}}

    def end(self, compute: PlannedCompute) -> None:
        """The VNFC's process is gone; its ports remain."""
        self.vim(compute.vim_id).remove_compute(compute.compute_id, compute.host)

    def vnfc(self, compute: PlannedCompute) -> VnfcResource:
        """The VNFC as it is in the VIM now."""
        vim = self.vim(compute.vim_id)
        ports = self.make_ports(compute)
        status = vim.compute_status(compute.compute_id, compute.host)
        return vnfc_resource(compute, ports, status.realisations)


def vnfc_resource(
    compute: PlannedCompute, ports: Mapping[str, PortStatus], realisations: Mapping[str, Realisation]
) -> VnfcResource:
    """A planned VNFC with what the VIM told of it."""
    return VnfcResource(
        id=compute.vnfc,
        vdu_id=compute.vdu_id,
        index=compute.index,
        compute_id=compute.compute_id,
        host=compute.host,
        placement=compute.placement,
        connection_points=tuple(
            _connection_point(compute, index, ports[port.spec.id]) for index, port in enumerate(compute.ports)
        ),
        realisations=realisations,
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
        link_id=port.link_id,
        bit_rate_bps=port.spec.bit_rate_bps,
    )


def vnfd_of(document: Mapping[str, Any]) -> Vnfd:
    """The typed VNFD of a package's document."""
    vnfd = from_json(document)
    if not isinstance(vnfd, Vnfd):
        raise InvalidInput("the descriptor is not a VNFD")
    return vnfd


def flavour_of(vnfd: Vnfd, flavour_id: str) -> VnfFlavour:
    """The named deployment flavour, the default one for an empty name; raises InvalidInput naming those there are."""
    try:
        return vnfd.flavour(flavour_id or None)
    except KeyError:
        known = ", ".join(flavour.id for flavour in vnfd.flavours)
        raise InvalidInput(f"the VNFD has no flavour '{flavour_id}'", hint=f"it has: {known}") from None


def standing_plan(world: VnfmWorld, instance: VnfInstance) -> VnfPlan:
    """Everything that may exist of the instance: as its last operation planned it.

    Raises InvalidInput when nothing was ever instantiated.
    """
    if instance.plan:
        return plan_from_json(instance.plan)
    return plan_from_json(_instantiation(world, instance).plan)


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


def grant_request(
    op: LcmOpOcc,
    instance: VnfInstance,
    flavour_id: str,
    level_id: str,
    *,
    vnfd_id: str = "",
    add: tuple[ResourceDefinition, ...] = (),
    remove: tuple[ResourceDefinition, ...] = (),
    links: tuple[Mapping[str, Any], ...] = (),
) -> GrantRequest:
    """The GrantRequest of an operation (SOL003 clause 9.5.2.2)."""
    return GrantRequest(
        vnf_instance_id=instance.id,
        vnf_lcm_op_occ_id=op.id,
        vnfd_id=vnfd_id or instance.vnfd_id,
        operation=op.operation,
        flavour_id=flavour_id,
        instantiation_level_id=level_id,
        add_resources=add,
        remove_resources=remove,
        is_automatic=op.is_automatic,
        ext_virtual_links=links,
    )
