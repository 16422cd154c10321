"""Steps that make PNFs and nested NSs part of a network service, and let go of them: what the stories share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mano.domain.lcm_op_occ import LcmOpOcc
from mano.domain.ns_instance import PnfCp, PnfInstance
from mano.domain.vnf_instance import ConnectionPoint
from mano.nfvo.catalogue import mark_usage
from mano.nfvo.ns_world import NsWorld, pnf_port
from mano.nfvo.plan import NsPlan, PlannedNested, PlannedPnf, PlannedPnfCp
from mano.ports.repositories import UnitOfWork


class Constituents:
    """PNFs and nested NSs of the NS that an operation is about."""

    def __init__(self, world: NsWorld) -> None:
        self._world = world

    def add_pnf(self, op: LcmOpOcc, plan: NsPlan, pnf: PlannedPnf) -> Mapping[str, Any]:
        """Attach the PNF's connection points to their virtual links."""
        points = tuple(self._attach(plan, cp) for cp in pnf.cps)
        made = PnfInstance(pnf.pnf_id, pnf.name, pnf.pnfd_id, pnf.package_id, pnf.profile_id, pnf.key, points)
        with self._world.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            others = tuple(known for known in ns.pnfs if known.key != pnf.key)
            uow.ns_instances.save(replace(ns, pnfs=(*others, made)))
            mark_usage(uow, pnf.package_id, lambda: True)
        return {"ports": {cp.cpd_id: cp.connection_point.interface for cp in points}}

    def _attach(self, plan: NsPlan, cp: PlannedPnfCp) -> PnfCp:
        point = ConnectionPoint(
            id=cp.id,
            cpd_id=cp.cpd_id,
            port_id=cp.id,
            network_id=cp.network_id,
            mac=cp.mac,
            addresses=cp.addresses,
            host=cp.host,
        )
        if cp.attachment:
            status = self._world.vim_at(cp.attachment).ensure_port(pnf_port(cp, plan.network(cp.network_id)))
            point = replace(point, ofport=status.ofport, interface=status.interface, realisation=status.realisation)
        return PnfCp(cp.cp_id, cp.cpd_id, cp.attachment, point)

    def change_pnf(self, op: LcmOpOcc, plan: NsPlan, before: PlannedPnf, after: PlannedPnf) -> None:
        """Give the PNF's points other addresses: their ports are made anew, under the same identifiers."""
        former = {cp.id: cp for cp in before.cps}
        for cp in after.cps:
            if cp.attachment and cp != former[cp.id]:
                self._world.vim_at(cp.attachment).remove_port(pnf_port(former[cp.id], plan.network(cp.network_id)))
        self.add_pnf(op, plan, after)
        self._world.graphs.refresh({cp.host for cp in after.cps if cp.host})

    def remove_pnf(self, op: LcmOpOcc, plan: NsPlan, pnf: PlannedPnf) -> None:
        """Detach it; the PNF itself is nobody's to remove."""
        with self._world.open_unit() as uow:
            ns = uow.ns_instances.get(op.instance_id)
            uow.ns_instances.save(replace(ns, pnfs=tuple(known for known in ns.pnfs if known.key != pnf.key)))
        self._world.graphs.refresh({cp.host for cp in pnf.cps if cp.host})
        for cp in pnf.cps:
            if cp.attachment:
                self._world.vim_at(cp.attachment).remove_port(pnf_port(cp, plan.network(cp.network_id)))
        with self._world.open_unit() as uow:
            mark_usage(uow, pnf.package_id, lambda: _is_used(uow, op.tenant_id, pnf.package_id))

    def add_nested(self, op: LcmOpOcc, nested: PlannedNested) -> Mapping[str, Any]:
        """The nested NS is there, and its networks are joined to those of this one."""
        result = self._world.nested.add(op, nested)
        if not nested.made and nested.joins:
            self._world.graphs.refresh(self._hosts(op, nested.ns_instance_id))
        return result

    def remove_nested(self, op: LcmOpOcc, key: str, ns_instance_id: str, *, made: bool) -> Mapping[str, Any]:
        """Let go of it; what this NS made ends gone, unless another NS nests it too."""
        hosts = self._hosts(op, ns_instance_id)
        result = self._world.nested.remove(op, key, ns_instance_id, made=made)
        if result["kept"]:
            self._world.graphs.refresh(hosts)
        return result

    def _hosts(self, op: LcmOpOcc, ns_instance_id: str) -> frozenset[str]:
        with self._world.open_unit(read_only=True) as uow:
            owners = (op.instance_id, ns_instance_id)
            return frozenset(one.host for id in owners for one in uow.reservations.list(ns_instance_id=id))


def _is_used(uow: UnitOfWork, tenant_id: str, package_id: str) -> bool:
    return any(pnf.pnfd_info_id == package_id for ns in uow.ns_instances.list(tenant_id) for pnf in ns.pnfs)
