"""A network service with a PNF and a nested service: what it makes, connects, refuses and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.domain.vnf_instance import InstantiationState
from mano.errors import InUse, InvalidInput
from tests.scenarios.operations.nested import PNF, REQUEST, Mobile, copied, done


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


@pytest.mark.deep
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


@pytest.mark.deep
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


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"addpnfData": [{**PNF, "pnfProfileId": "x"}]}, "no PNF profile 'x'"),
    ({"addpnfData": [{**PNF, "pnfdId": "x"}]}, "is of PNFD"),
    ({"addpnfData": [PNF, PNF]}, "part of the NS already"),
    ({"addpnfData": [{**PNF, "pnfName": "nowhere"}]}, "no VIM has an attachment where"),
    ({"addpnfData": [{**PNF, "cpData": [{**PNF["cpData"][0], "cpdId": "x"}]}]}, "connects no connection point"),
    ({"addpnfData": []}, "not exactly one SAP or PNF comes from outside"),
    ({"nestedNsInstanceData": [{"nestedNsInstanceId": "x"}]}, "no such NS instance"),
    ({"additionalParamsForNestedNs": [{"nsProfileId": "x"}]}, "no nested NS profile 'x'"),
)
"""What an InstantiateNsRequest says instead, and what it is told."""


def test_what_does_not_fit_is_refused_before_anything_is_made(ready: Mobile) -> None:
    for more, words in WRONG:
        op = ready.instantiate(**more)
        assert op.state is OperationState.ROLLED_BACK, words
        assert op.error is not None
        assert words in op.error["detail"], op.error
    assert ready.job.held() == {}


@pytest.mark.deep
def test_what_is_given_up_is_taken_down_later(ready: Mobile) -> None:
    lifecycle = ready.job.services.ns_lifecycle
    ready.job.faults.planned = (Fault("before compute.process", Kind.FAIL, times=1000),)
    op = ready.instantiate()
    assert op.state is OperationState.FAILED_TEMP
    lifecycle.continue_(op.id, ready.job.tenant)
    assert ready.job.operation(op.id).state is OperationState.FAILED_TEMP
    lifecycle.fail(op.id, ready.job.tenant)
    assert ready.ns.state is InstantiationState.INSTANTIATED
    ready.job.faults.planned = ()
    done(ready.job.terminate(ready.ns.id))
    assert (ready.job.held(), set(ready.services())) == ({}, {"mobile"})


@pytest.mark.deep
def test_an_update_that_fails_is_undone_or_done_again(mobile: Mobile) -> None:
    lifecycle, before = mobile.job.services.ns_lifecycle, mobile.ns
    second = {**PNF, "pnfId": "pgw-2", "pnfName": "elsewhere", "cpData": []}
    mobile.job.faults.planned = (Fault("before port.record", Kind.FAIL, times=2),)
    op = mobile.update("ADD_PNF", addPnfData=[second])
    assert op.state is OperationState.FAILED_TEMP
    lifecycle.rollback(op.id, mobile.job.tenant)
    assert mobile.job.operation(op.id).state is OperationState.ROLLED_BACK
    assert (mobile.ns.plan, mobile.ns.pnfs) == (before.plan, before.pnfs)
    op = mobile.update("ADD_PNF", addPnfData=[second])
    assert op.state is OperationState.FAILED_TEMP
    lifecycle.retry(op.id, mobile.job.tenant)
    assert mobile.job.operation(op.id).state is OperationState.COMPLETED
    assert len(mobile.ns.pnfs) == 2
    mobile.proven()
