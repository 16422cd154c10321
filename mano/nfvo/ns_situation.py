"""What a decision on a network service looks at, as it is stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mano.domain.catalogue import DescriptorKind, OnboardingState, OperationalState
from mano.domain.lcm_op_occ import require_idle
from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import InstantiationState, VnfInstance
from mano.nfvo.chain_users import passed_by
from mano.nfvo.ns_change import Service
from mano.nfvo.ns_requests import nsd_of
from mano.nfvo.plan import plan_from_json
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import Nsd


def service_of(uow: UnitOfWork, ns: NsInstance, request: Mapping[str, Any] | None = None) -> Service:
    """The NS with its flavour, plan, VNFs and forwarding graphs, and the NSD that ``request`` wants instead, if any."""
    nsd = nsd_of(uow.packages.get(ns.nsd_info_id))
    plan = plan_from_json(ns.plan)
    vnffgs: dict[str, str] = {}
    passed: dict[str, str] = {}
    for chain in uow.chains.list(ns.tenant_id, ns_instance_id=ns.id):
        passed |= dict.fromkeys(passed_by(chain), chain.name)
        descriptor = str(chain.spec.get("vnffgdId", ""))
        if descriptor and descriptor not in vnffgs.values():
            vnffgs[chain.id] = descriptor
    vnfs = {vnf.id: vnf for vnf in uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id)}
    newer = _named(uow, ns, request or {})
    strangers = dict(_strangers(uow, ns, request or {}))
    targets = dict(_targets(uow, ns, request or {}))
    flavour = nsd.flavour(plan.flavour_id)
    return Service(ns, flavour, plan, vnfs, vnffgs, passed, _tied(uow, ns), newer, nsd, strangers, targets)


def _strangers(uow: UnitOfWork, ns: NsInstance, request: Mapping[str, Any]) -> Iterator[tuple[str, VnfInstance]]:
    """The VNF instances that VnfInstanceData name; raises OperationInProgress while one of them is being changed."""
    added = (request.get("scaleNsData") or {}).get("vnfInstanceToBeAdded")
    for item in (*(request.get("addVnfIstance") or request.get("addVnfInstance") or ()), *(added or ())):
        vnf = uow.vnf_instances.find(str(item.get("vnfInstanceId")), ns.tenant_id)
        if vnf is not None:
            require_idle(uow.operations.active(vnf.id))
            yield vnf.id, vnf


def _targets(uow: UnitOfWork, ns: NsInstance, request: Mapping[str, Any]) -> Iterator[tuple[str, Service]]:
    """The NSs that MoveVnfInstanceData name; raises OperationInProgress while one of them is being changed."""
    for item in request.get("moveVnfInstanceData") or ():
        found = uow.ns_instances.find(str(item.get("targetNsInstanceId")), ns.tenant_id)
        if found is None or found.state is not InstantiationState.INSTANTIATED:
            continue
        if found.id != ns.id:
            require_idle(uow.operations.active(found.id))
        yield found.id, service_of(uow, found)


def _tied(uow: UnitOfWork, ns: NsInstance) -> dict[str, str]:
    """Nested NSs that would stay if this one let go of them, and whose chains need its ports."""
    mine = {sap.connection_point.port_id for sap in ns.saps}
    mine |= {cp.connection_point.port_id for pnf in ns.pnfs for cp in pnf.cps}
    found: dict[str, str] = {}
    for nested in ns.nested:
        child = uow.ns_instances.find(nested.ns_instance_id)
        if child is None or (nested.made and child.parents == (ns.id,)):
            continue
        for chain in uow.chains.list(ns.tenant_id, ns_instance_id=child.id):
            if mine & set(passed_by(chain)):
                found[child.id] = chain.name
    return found


def _named(uow: UnitOfWork, ns: NsInstance, request: Mapping[str, Any]) -> tuple[str, Nsd] | None:
    """The NSD that AssocNewNsdVersionData name, by the identifier of the descriptor or of its package."""
    wanted = str((request.get("assocNewNsdVersionData") or {}).get("newNsdId") or "")
    if not wanted:
        return None
    usable = (OnboardingState.ONBOARDED, OperationalState.ENABLED)
    for package in uow.packages.list(ns.tenant_id, kind=DescriptorKind.NS.value):
        states = (package.onboarding_state, package.operational_state)
        if wanted in (package.id, package.descriptor_id) and states == usable:
            return package.id, nsd_of(package)
    return None
