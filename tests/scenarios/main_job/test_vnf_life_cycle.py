"""A VNF without a network service: SOL003 alone, placed by its own grant."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.vnf_instance import InstantiationState
from mano.errors import InvalidInput, NotFound, WrongState
from tests.scenarios.main_job.conftest import REQUEST, Job


def create(job: Job, name: str = "firewall") -> str:
    job.add_hosts()
    vnfd_id = job.upload(name, DescriptorKind.VNF).descriptor_id
    return str(job.services.vnf_lifecycle.create_vnf(str(uuid.uuid4()), job.tenant, vnfd_id, "alone", {}))


def instantiate(job: Job, vnf_id: str, **request: Any) -> LcmOpOcc:
    op_id = str(uuid.uuid4())
    job.services.vnf_lifecycle.instantiate(vnf_id, job.tenant, op_id, {"flavourId": "simple", **request})
    return job.operation(op_id)


def terminate(job: Job, vnf_id: str) -> LcmOpOcc:
    op_id = str(uuid.uuid4())
    job.services.vnf_lifecycle.terminate(vnf_id, job.tenant, op_id, {"terminationType": "FORCEFUL"})
    return job.operation(op_id)


def detail(op: LcmOpOcc) -> str:
    assert op.error is not None
    return str(op.error["detail"])


def test_a_vnf_lives_and_dies_by_itself(job: Job):
    vnf_id = create(job)
    op = instantiate(job, vnf_id)
    assert op.state is OperationState.COMPLETED, op.error
    assert job.held() == {"reservations": 1, "vnf_instances": 1, "vim computes": 1}
    vnf = job.services.vnf_lifecycle.vnf_instance(vnf_id, job.tenant)
    assert vnf.instantiation_state is InstantiationState.INSTANTIATED
    assert vnf.vnfcs[0].placement["cells"]
    assert terminate(job, vnf_id).state is OperationState.COMPLETED
    assert job.held() == {"vnf_instances": 1}
    job.services.vnf_lifecycle.delete_vnf(vnf_id, job.tenant)
    assert job.held() == {}


def test_it_joins_a_network_of_a_service(job: Job):
    ns_id = job.ready()
    job.instantiate(ns_id)
    with job.catena.store.open_unit(read_only=True) as uow:
        network = next(n for n in uow.networks.list() if n.vld_id == "mgmt")
        vnfd_id = uow.vnf_instances.list()[0].vnfd_id
        vnf = next(v for v in uow.vnf_instances.list() if v.vnfd_id == vnfd_id)
    cpd = next(cp.ext_cpd_id for cp in vnf.vnfcs[0].connection_points if cp.network_id == network.id)
    lifecycle = job.services.vnf_lifecycle
    vnf_id = lifecycle.create_vnf(str(uuid.uuid4()), job.tenant, vnfd_id, "guest", {})
    address = {"type": "IPV4", "fixedAddresses": [network.subnets[0].replace("0/24", "77")]}
    protocol = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"ipAddresses": [address]}}
    ext_cps = [{"cpdId": cpd, "cpConfig": {"0": {"cpProtocolData": [protocol]}}}]
    op = instantiate(job, vnf_id, extVirtualLinks=[{"id": "l", "resourceId": network.id, "extCps": ext_cps}])
    assert op.state is OperationState.COMPLETED, op.error
    guest = lifecycle.vnf_instance(vnf_id, job.tenant)
    assert guest.vnfcs[0].connection_points[0].addresses == (network.subnets[0].replace("0/24", "77/24"),)
    plane = job.catena.graphs.data_plane()
    assert guest.vnfcs[0].connection_points[0].port_id in {port.id for port in plane.topology.ports}
    assert terminate(job, vnf_id).state is OperationState.COMPLETED


def test_what_the_request_gets_wrong_is_refused_and_holds_nothing(job: Job):
    vnf_id = create(job)
    with pytest.raises(InvalidInput, match="no flavour 'huge'"):
        instantiate(job, vnf_id, flavourId="huge")
    ext_cps = [{"cpdId": "mgmt", "cpConfig": {}}]
    op = instantiate(job, vnf_id, extVirtualLinks=[{"id": "l", "resourceId": "unknown", "extCps": ext_cps}])
    assert op.state is OperationState.ROLLED_BACK
    assert "knows no network unknown" in detail(op)
    assert job.held() == {"vnf_instances": 1}


def test_states_and_tenants_are_respected(job: Job):
    vnf_id = create(job)
    lifecycle = job.services.vnf_lifecycle
    with pytest.raises(WrongState):
        terminate(job, vnf_id)
    with pytest.raises(NotFound):
        lifecycle.instantiate(vnf_id, "somebody-else", str(uuid.uuid4()), {"flavourId": "simple"})
    instantiate(job, vnf_id)
    with pytest.raises(WrongState):
        lifecycle.delete_vnf(vnf_id, job.tenant)


def test_the_same_operation_is_started_once(job: Job):
    vnf_id = create(job)
    op = instantiate(job, vnf_id)
    lifecycle = job.services.vnf_lifecycle
    assert lifecycle.instantiate(vnf_id, job.tenant, op.id, {"flavourId": "simple"}) == op.id
    assert job.held()["vim computes"] == 1


def test_a_vnf_of_a_service_is_not_grown_beyond_its_plan(job: Job):
    """A VNF that the NS did not plan has no reservation to be granted."""
    ns_id = job.ready()
    job.instantiate(ns_id, REQUEST)
    with job.catena.store.open_unit(read_only=True) as uow:
        vnfd_id = uow.vnf_instances.list()[0].vnfd_id
    lifecycle = job.services.vnf_lifecycle
    vnf_id = lifecycle.create_vnf(str(uuid.uuid4()), job.tenant, vnfd_id, "stranger", {"nsInstanceId": ns_id})
    op = instantiate(job, vnf_id)
    assert op.state is OperationState.ROLLED_BACK
    assert "planned no place" in detail(op)
