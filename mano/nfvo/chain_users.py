"""What keeps a network service from going: chains made by hand over its ports, and changes of its own chains."""

from __future__ import annotations

from collections.abc import Iterator

from mano.domain.lcm_op_occ import require_idle
from mano.domain.ns_instance import NsInstance
from mano.domain.service_chain import ServiceChain
from mano.errors import InUse
from mano.ports.repositories import UnitOfWork


def require_unused(uow: UnitOfWork, ns: NsInstance) -> None:
    """Raises InUse naming a chain that passes the service, and OperationInProgress while a chain of it changes."""
    for chain in uow.chains.list(ns.tenant_id, ns_instance_id=ns.id):
        require_idle(uow.operations.active(chain.id))
    ports = set(_ports(uow, ns))
    going = {ns.id, *_made(uow, ns)}
    for chain in uow.chains.list(ns.tenant_id):
        if chain.ns_instance_id not in going and ports & set(passed_by(chain)):
            raise InUse(
                f"chain {chain.name} begins, passes or ends in network service {ns.name}",
                hint="delete that chain first, or lead it elsewhere",
                facts={"chainId": chain.id},
            )


def _made(uow: UnitOfWork, ns: NsInstance) -> Iterator[str]:
    """The nested NSs that end with this one."""
    for nested in ns.nested:
        child = uow.ns_instances.find(nested.ns_instance_id)
        if child is not None and nested.made and child.parents == (ns.id,):
            yield child.id
            yield from _made(uow, child)


def _ports(uow: UnitOfWork, ns: NsInstance) -> Iterator[str]:
    yield from (sap.connection_point.port_id for sap in ns.saps)
    yield from (cp.connection_point.port_id for pnf in ns.pnfs for cp in pnf.cps)
    for vnf in uow.vnf_instances.list(ns.tenant_id, ns_instance_id=ns.id):
        yield from (point.port_id for vnfc in vnf.vnfcs for point in vnfc.connection_points)


def passed_by(chain: ServiceChain) -> Iterator[str]:
    """The ports that a chain begins at, passes or ends at."""
    for spec in (chain.spec, chain.change.spec if chain.change else {}):
        yield from (str(spec[end]) for end in ("ingress", "egress") if spec.get(end))
        yield from (function[leg] for function in spec.get("functions", ()) for leg in ("ingress", "egress"))
