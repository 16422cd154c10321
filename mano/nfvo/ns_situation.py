"""What a decision on a network service looks at, as it is stored."""

from __future__ import annotations

from mano.domain.ns_instance import NsInstance
from mano.errors import InvalidInput
from mano.nfvo.ns_changes import Service
from mano.nfvo.plan import plan_from_json
from mano.ports.repositories import UnitOfWork
from vnf_descriptors.model import Nsd, from_json


def service_of(uow: UnitOfWork, ns: NsInstance) -> Service:
    """The NS with its flavour, plan, VNFs and forwarding graphs."""
    nsd = from_json(uow.packages.get(ns.nsd_info_id).descriptor)
    if not isinstance(nsd, Nsd):
        raise InvalidInput(f"package {ns.nsd_info_id} holds no NSD")
    plan = plan_from_json(ns.plan)
    vnffgs: dict[str, str] = {}
    for chain in uow.chains.list(ns.tenant_id, ns_instance_id=ns.id):
        descriptor = str(chain.spec.get("vnffgdId", ""))
        if descriptor and descriptor not in vnffgs.values():
            vnffgs[chain.id] = descriptor
    vnfs = {vnf.id: vnf for vnf in uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id)}
    return Service(ns, nsd.flavour(plan.flavour_id), plan, vnfs, vnffgs)
