"""A network service with a PNF and a nested service: what it makes, connects, shows, refuses and leaves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import CancelMode, LcmOpOcc, OperationState
from mano.domain.ns_instance import NsInstance
from mano.domain.vnf_instance import InstantiationState
from mano.errors import InUse, InvalidInput
from tests.scenarios.main_job.conftest import SAMPLES, Job
from tests.scenarios.operations.conftest import job_at
from vnf_descriptors import build as build_package

PNF: dict[str, Any] = {
    "pnfId": "pgw-1",
    "pnfName": "subscribers",
    "pnfdId": "7d5e1c2a-3f84-4b0d-9e6a-2b8c4d1f0a31",
    "pnfProfileId": "gateway",
    "cpData": [
        {
            "cpInstanceId": "ge-0/0/1",
            "cpdId": "sgi",
            "cpProtocolData": [
                {
                    "layerProtocol": "IP_OVER_ETHERNET",
                    "ipOverEthernet": {
                        "macAddress": "02:00:00:00:0a:02",
                        "ipAddresses": [{"type": "IPV4", "fixedAddresses": ["10.10.0.2"]}],
                    },
                }
            ],
        }
    ],
}
INSIDE = {"catena": {"saps": {"internet": {"attachment": "internet", "address": "198.51.100.1/24"}}}}
REQUEST = {
    "nsFlavourId": "simple",
    "addpnfData": [PNF],
    "additionalParamsForNestedNs": [{"nsProfileId": "gi_lan", "additionalParam": [INSIDE]}],
}


class Mobile:
    """The service as it runs, and what can be asked of it."""

    def __init__(self, job: Job) -> None:
        self.job = job

    def services(self) -> dict[str, NsInstance]:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return {ns.name: ns for ns in uow.ns_instances.list()}

    @property
    def ns(self) -> NsInstance:
        return self.services()["mobile"]

    @property
    def inner(self) -> NsInstance:
        return self.services()["mobile-gi_lan-0"]

    def change(self, operation: str, request: dict[str, Any], ns_id: str = "") -> LcmOpOcc:
        lifecycle = self.job.services.ns_lifecycle
        return self.job.operation(lifecycle.change(ns_id or self.ns.id, self.job.tenant, operation, request))

    def update(self, kind: str, **data: Any) -> LcmOpOcc:
        return self.change("UPDATE", {"updateType": kind, **data})

    def instantiate(self, **more: Any) -> LcmOpOcc:
        return self.job.instantiate(self.ns.id, {**REQUEST, **more})

    def on_its_own(self) -> NsInstance:
        """A Gi-LAN that nobody nests, without chains; the subscribers' attachment stays free for the PNF."""
        lifecycle = self.job.services.ns_lifecycle
        created = lifecycle.create(self.job.tenant, self.inner_nsd(), "alone", "")
        saps = {"subscribers": {"attachment": "elsewhere", "address": "10.10.0.9/24"}}
        saps |= INSIDE["catena"]["saps"]
        request = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
        op = self.job.instantiate(created.id, request)
        assert op.state is OperationState.COMPLETED, op.error
        return self.services()["alone"]

    def inner_nsd(self) -> str:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return next(p.descriptor_id for p in uow.packages.list() if p.name == "gi-lan")

    def operations(self) -> list[LcmOpOcc]:
        with self.job.catena.store.open_unit(read_only=True) as uow:
            return [op for op in uow.operations.list() if op.level.value == "ns"]

    def proven(self) -> list[dict[str, Any]]:
        """Every chain is proven, and the bridges hold what they are to hold."""
        graphs = self.job.services.forwarding_graphs
        chains = graphs.list(self.job.tenant)
        for chain in chains[:1]:
            proof = graphs.verify(chain["id"], self.job.tenant)
            assert (proof["proven"], proof["violations"], proof["drift"]) == (True, [], [])
        return list(chains)


def done(op: LcmOpOcc) -> LcmOpOcc:
    assert op.state is OperationState.COMPLETED, op.error
    return op


@pytest.fixture(scope="module")
def catalogue(archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Path]]:
    """A directory with hosts, packages and an NS instance that is not instantiated."""
    directory = tmp_path_factory.mktemp("mobile")
    made = {**archives, "gateway": directory / "gateway.csar", "mobile": directory / "mobile.csar"}
    for name in ("gateway", "mobile"):
        build_package(SAMPLES / name, made[name])
    job = job_at(directory / "ready", made)
    job.add_hosts()
    job.services.nfvi.add_attachment("local", {"name": "elsewhere", "host": "h2"})
    refused = job.upload("mobile", DescriptorKind.NS)
    assert "is not on-boarded" in refused.failure["detail"], refused
    job.onboard()
    job.upload("gateway", DescriptorKind.PNF)
    nsd_id = str(job.upload("mobile", DescriptorKind.NS).descriptor_id)
    job.services.ns_lifecycle.create(job.tenant, nsd_id, "mobile", "")
    job.catena.stop()
    return directory / "ready", made


@pytest.fixture(scope="module")
def instantiated(catalogue: tuple[Path, dict[str, Path]]) -> Path:
    """The same with the service instantiated."""
    ready, made = catalogue
    directory = ready.with_name("instantiated")
    shutil.copytree(ready, directory)
    job = job_at(directory, made)
    done(Mobile(job).instantiate())
    job.catena.stop()
    return directory


def copied(source: Path, directory: Path, made: dict[str, Path]) -> Iterator[Mobile]:
    shutil.copytree(source, directory)
    job = job_at(directory, made)
    yield Mobile(job)
    job.catena.stop()


@pytest.fixture
def ready(catalogue: tuple[Path, dict[str, Path]], tmp_path: Path) -> Iterator[Mobile]:
    yield from copied(catalogue[0], tmp_path / "copy", catalogue[1])


@pytest.fixture
def mobile(instantiated: Path, catalogue: tuple[Path, dict[str, Path]], tmp_path: Path) -> Iterator[Mobile]:
    yield from copied(instantiated, tmp_path / "copy", catalogue[1])


def test_the_nested_service_and_the_pnf_are_on_one_network(mobile: Mobile) -> None:
    outer, inner = mobile.ns, mobile.inner
    assert inner.state is InstantiationState.INSTANTIATED
    assert (inner.parents, [nested.key for nested in outer.nested]) == ((outer.id,), ["gi_lan-0"])
    (pnf,) = outer.pnfs
    (point,) = (cp.connection_point for cp in pnf.cps)
    assert (point.mac, point.addresses) == ("02:00:00:00:0a:02", ("10.10.0.2/24",))
    assert {sap.sapd_id for sap in inner.saps} == {"internet"}
    world = mobile.job.services.forwarding_graphs._graphs  # the topology that the bridges were rendered from
    plane = world.data_plane()
    (join,) = outer.nested[0].joins
    networks = {network.id for network in plane.topology.networks}
    assert len({join.outer, join.inner} & networks) == 1
    ports = {port.id: port for port in plane.topology.ports}
    with mobile.job.catena.store.open_unit(read_only=True) as uow:
        nat = next(vnf for vnf in uow.vnf_instances.list() if vnf.name == "nat-0")
    inside = next(cp for vnfc in nat.vnfcs for cp in vnfc.connection_points if cp.cpd_id == "inside")
    assert ports[inside.port_id].network == ports[point.port_id].network
    chains = mobile.proven()
    assert {chain["paths"][0]["ingress"]["port"] for chain in chains} == {point.port_id}


def test_it_ends_with_everything_that_it_made(mobile: Mobile) -> None:
    with pytest.raises(InUse, match="nested in mobile"):
        mobile.job.services.ns_lifecycle.terminate(mobile.inner.id, mobile.job.tenant, {})
    done(mobile.job.terminate(mobile.ns.id))
    assert mobile.job.held() == {}
    assert set(mobile.services()) == {"mobile"}
    assert mobile.ns.pnfs == ()
    kinds = [(op.operation, op.state.value, op.depth) for op in mobile.operations() if op.operation == "TERMINATE"]
    assert sorted(kinds) == [("TERMINATE", "COMPLETED", 0), ("TERMINATE", "COMPLETED", 1)]


def test_a_failure_inside_is_told_outside_and_undone(ready: Mobile) -> None:
    ready.job.faults.planned = (Fault("before compute.process", Kind.FAIL, times=1000),)
    op = ready.instantiate()
    assert op.state is OperationState.FAILED_TEMP
    assert op.error is not None
    assert "nested NS gi_lan-0" in op.error["detail"]
    assert [step.name for step in op.steps if step.state.value == "FAILED"] == ["nested:gi_lan-0"]
    lifecycle = ready.job.services.ns_lifecycle
    lifecycle.retry(op.id, ready.job.tenant)
    assert ready.job.operation(op.id).state is OperationState.FAILED_TEMP
    ready.job.faults.planned = ()
    lifecycle.rollback(op.id, ready.job.tenant)
    assert ready.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert ready.job.held() == {}
    assert set(ready.services()) == {"mobile"}
    done(ready.instantiate())


def test_a_cancellation_reaches_the_nested_service(ready: Mobile) -> None:
    lifecycle = ready.job.services.ns_lifecycle

    def cancel(_: float) -> None:
        outer = next(op for op in ready.operations() if op.depth == 0 and not op.ended)
        if not outer.is_cancel_pending:
            lifecycle.cancel(outer.id, ready.job.tenant, CancelMode.FORCEFUL)
            inner = next(op for op in ready.operations() if op.depth == 1)
            lifecycle.cancel(inner.id, ready.job.tenant, CancelMode.FORCEFUL)

    ready.job.faults.sleep = cancel
    ready.job.faults.planned = (Fault("before compute.process", Kind.DELAY),)
    op = ready.instantiate()
    assert op.state is OperationState.FAILED_TEMP
    lifecycle.rollback(op.id, ready.job.tenant)
    assert ready.job.held() == {}


def test_pnfs_come_change_and_go(mobile: Mobile) -> None:
    with pytest.raises(InvalidInput, match="part of the NS already"):
        mobile.update("ADD_PNF", addPnfData=[PNF])
    second = {**PNF, "pnfId": "pgw-2", "pnfName": "elsewhere", "cpData": []}
    done(mobile.update("ADD_PNF", addPnfData=[second]))
    assert {pnf.pnf_id: pnf.key for pnf in mobile.ns.pnfs} == {"pgw-1": "gateway-0", "pgw-2": "gateway-1"}
    (point,) = (cp.connection_point for pnf in mobile.ns.pnfs if pnf.pnf_id == "pgw-2" for cp in pnf.cps)
    assert point.host == "h2"
    assert point.addresses == ("10.10.0.3/24",)
    cp = {"cpdId": "sgi", "cpProtocolData": PNF["cpData"][0]["cpProtocolData"]}
    op = mobile.update("MODIFY_PNF", modifyPnfData=[{"pnfId": "pgw-2", "cpData": [cp]}])
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert "is taken already" in op.error["detail"]
    done(mobile.update("MODIFY_PNF", modifyPnfData=[{"pnfId": "pgw-2", "pnfName": "spare"}]))
    assert {pnf.name for pnf in mobile.ns.pnfs} == {"subscribers", "spare"}
    done(mobile.update("REMOVE_PNF", removePnfId=["pgw-2"]))
    assert [pnf.pnf_id for pnf in mobile.ns.pnfs] == ["pgw-1"]
    mobile.proven()


def test_a_service_that_is_there_is_shared_and_outlives_who_nests_it(ready: Mobile) -> None:
    alone = ready.on_its_own()
    before = ready.job.held()
    named = [{"nestedNsInstanceId": alone.id, "nsProfileId": "gi_lan"}]
    op = done(ready.instantiate(nestedNsInstanceData=named, additionalParamsForNestedNs=[]))
    assert "nested:gi_lan-0" in {step.name for step in op.steps}
    assert [nested.made for nested in ready.ns.nested] == [False]
    ready.proven()
    lifecycle = ready.job.services.ns_lifecycle
    second = lifecycle.create(ready.job.tenant, ready.ns.nsd_id, "second", "")
    pnf = {**PNF, "pnfId": "pgw-9", "pnfName": "elsewhere", "cpData": []}
    done(ready.job.instantiate(second.id, {**REQUEST, "addpnfData": [pnf], "nestedNsInstanceData": named}))
    assert ready.services()["alone"].parents == (ready.ns.id, second.id)
    for refused in (lifecycle.terminate, lambda id, tenant, _: lifecycle.delete(id, tenant)):
        with pytest.raises((InUse, Exception), match=r"nested in|INSTANTIATED"):
            refused(alone.id, ready.job.tenant, {})
    done(ready.job.terminate(ready.ns.id))
    done(ready.change("UPDATE", {"updateType": "REMOVE_NESTED_NS", "removeNestedNsId": [alone.id]}, second.id))
    assert ready.services()["alone"].parents == ()
    done(ready.job.terminate(second.id))
    assert ready.job.held() == before
    ready.proven()


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"addpnfData": [{**PNF, "pnfProfileId": "x"}]}, "no PNF profile 'x'"),
        ({"addpnfData": [{**PNF, "pnfdId": "x"}]}, "is of PNFD"),
        ({"addpnfData": [PNF, PNF]}, "part of the NS already"),
        ({"addpnfData": [{**PNF, "pnfName": "nowhere"}]}, "no VIM has an attachment where"),
        ({"addpnfData": [{**PNF, "cpData": [{**PNF["cpData"][0], "cpdId": "x"}]}]}, "connects no connection point"),
        ({"nestedNsInstanceData": [{"nestedNsInstanceId": "x"}]}, "no such NS instance"),
        ({"additionalParamsForNestedNs": [{"nsProfileId": "x"}]}, "no nested NS profile 'x'"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_made(ready: Mobile, more: dict[str, Any], words: str) -> None:
    op = ready.instantiate(**more)
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert words in op.error["detail"], op.error
    assert ready.job.held() == {}
