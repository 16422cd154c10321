"""VNFs that run come to a network service, and go from it to another one, without being made anew."""

from __future__ import annotations

from typing import Any

import pytest

from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.domain.vnf_instance import VnfInstance
from mano.errors import InvalidInput, OperationInProgress, WrongState
from mano.nfvo.ns_resource_changes import ns_resource_changes
from mano.placement import document_from_text
from tests.scenarios.main_job.conftest import REQUEST, SAMPLES
from tests.scenarios.operations.conftest import Running, Start, moments_of
from tests.scenarios.operations.test_services import by_steps, done, update

ALONE = "00000000-0000-4000-9000-000000000001"
ONE_AND_ALL = pytest.mark.parametrize("most", [1, pytest.param(1000, marks=pytest.mark.deep)])
"""At how many moments an operation fails: one in every run, all of them in the deep one."""

MADE = "00000000-0000-4000-9000-000000000002"


def joining(vnf_id: str = ALONE, profile: str = "dpi", key: str = "addVnfIstance") -> dict[str, Any]:
    return update("ADD_VNF", **{key: [{"vnfInstanceId": vnf_id, "vnfProfileId": profile}]})


def moving(target: str, *vnf_ids: str) -> dict[str, Any]:
    data = [{"targetNsInstanceId": target, "vnfInstanceId": list(vnf_ids)}]
    return update("MOVE_VNF", moveVnfInstanceData=data)


def vnf_with(running: Running, id: str) -> VnfInstance:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return uow.vnf_instances.get(id)


def networks(running: Running, ns_id: str) -> dict[str, str]:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return {n.vld_id: n.id for n in uow.networks.list(ns_instance_id=ns_id)}


def lone_dpi(running: Running, *, link: str = "access", host: str = "h4") -> VnfInstance:
    """A dpi of nobody on a host of its own; its function's point is on a link of the service."""
    running.add_spare_host()
    nfvi, lifecycle = running.job.services.nfvi, running.job.services.vnf_lifecycle
    others = {"h1", "h2", "h3", "h4"} - {host}
    for name in others:
        nfvi.set_state(name, "draining")
    links = networks(running, running.ns_id)
    points = {"sfc": links[link], "mgmt": links["mgmt"]}
    data = [
        {"id": n, "resourceId": n, "extCps": [{"cpdId": cpd, "cpConfig": {"0000": {}}}]} for cpd, n in points.items()
    ]
    lifecycle.create_vnf(ALONE, running.job.tenant, running.vnf("dpi-0").vnfd_id, "alone", {})
    lifecycle.instantiate(ALONE, running.job.tenant, MADE, {"flavourId": "simple", "extVirtualLinks": data})
    done(running.job.operation(MADE))
    for name in others:
        nfvi.set_state(name, "enabled")
    return vnf_with(running, ALONE)


def where(vnf: VnfInstance) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """What stays of a VNF that changes hands and comes back: its ports may be others."""
    return [(vnfc.host, cp.cpd_id, cp.network_id, cp.addresses) for vnfc in vnf.vnfcs for cp in vnfc.connection_points]


def affected(op: LcmOpOcc) -> list[tuple[str, str]]:
    return [(one["vnfName"], one["changeType"]) for one in ns_resource_changes(op, {})["affectedVnfs"]]


@pytest.mark.parametrize(
    ("link", "key"), [("mgmt", "addVnfIstance"), pytest.param("access", "addVnfInstance", marks=pytest.mark.deep)]
)
def test_a_vnf_on_its_own_joins_the_service_and_its_chain(running: Running, link: str, key: str) -> None:
    before = lone_dpi(running, link=link)
    op = done(running.change_ns("UPDATE", joining(key=key)))
    vnf = vnf_with(running, ALONE)
    assert [step.name for step in op.steps] == ["work:1", "join-vnf:dpi-1", "chains"]
    assert affected(op)[0] == ("dpi-1", "ADD")
    assert (vnf.ns_instance_id, vnf.vnf_profile_id) == (running.ns_id, "dpi")
    assert [vnfc.id for vnfc in vnf.vnfcs] == [vnfc.id for vnfc in before.vnfcs]
    points = {cp.cpd_id: cp for cp in vnf.vnfcs[0].connection_points}
    links = networks(running, running.ns_id)
    assert {name: cp.network_id for name, cp in points.items()} == {"sfc": links["access"], "mgmt": links["mgmt"]}
    assert points["mgmt"].addresses
    assert {"dpi-0", "alone"} <= set(running.picture()["chains"]["web"])
    assert {one.key.split("/")[0] for one in running.reservations()} == {"firewall-0", "dpi-0", "dpi-1", "nat-0"}
    running.consistent()
    done(running.change("alone", "HEAL", {"cause": "a test"}))
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_scaling_a_service_may_take_a_vnf_in(running: Running) -> None:
    lone_dpi(running)
    data = {"vnfInstanceToBeAdded": [{"vnfInstanceId": ALONE, "vnfProfileId": "dpi"}]}
    done(running.change_ns("SCALE", {"scaleType": "SCALE_NS", "scaleNsData": data}))
    assert {"dpi-0", "alone"} <= set(running.picture()["chains"]["web"])
    running.consistent()


def test_who_runs_where_the_service_would_not_have_put_it_stays_out(running: Running) -> None:
    lone_dpi(running, host="h1")
    before = running.picture()
    op = running.change_ns("UPDATE", joining())
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert "anti-affinity" in op.error["detail"]
    assert running.picture() == before


def two_services(running: Running) -> tuple[str, str]:
    """Another service of the same kind, and the second dpi of the first one."""
    running.add_spare_host()
    job = running.job
    done(running.change_ns("SCALE", by_steps("SCALE_OUT")))
    text = (SAMPLES / "inventory" / "gi-lan.yaml").read_text(encoding="utf-8")
    for name, more in (("h1", "h5"), ("h2", "h6"), ("h3", "h7"), ("tor1", "leaf1"), ("tor2", "leaf2")):
        text = text.replace(name, more)
    job.services.nfvi.add_hosts(document_from_text(text, "Inventory"), "local")
    job.services.nfvi.add_attachment("local", {"name": "others", "host": "h5"})
    job.services.nfvi.add_attachment("local", {"name": "outside", "physnet": "dc1"})
    with job.catena.store.open_unit(read_only=True) as uow:
        nsd_id = uow.ns_instances.get(running.ns_id).nsd_id
    other = job.services.ns_lifecycle.create(job.tenant, nsd_id, "other", "").id
    saps = REQUEST["additionalParamsForNs"]["catena"]["saps"]
    there = {"subscribers": "others", "internet": "outside"}
    saps = {name: {**wish, "attachment": there[name]} for name, wish in saps.items()}
    done(job.instantiate(other, {**REQUEST, "additionalParamsForNs": {"catena": {"saps": saps}}}))
    return str(other), running.vnf("dpi-1").id


def test_a_vnf_moves_to_another_service_with_the_chains_of_both(running: Running) -> None:
    other, dpi = two_services(running)
    op = done(running.change_ns("UPDATE", moving(other, dpi)))
    assert [step.name for step in op.steps] == ["leave-vnf:dpi-1", "hand-over:1"]
    assert affected(op) == [("dpi-1", "REMOVE")]
    inner = running.job.operation(op.steps[1].result["nsLcmOpOccId"])
    assert (inner.parent_id, inner.instance_id, inner.depth) == (op.id, other, 1)
    vnf = vnf_with(running, dpi)
    assert (vnf.ns_instance_id, vnf.vnf_profile_id, vnf.name) == (other, "dpi", "dpi-1")
    served = {
        chain["nsInstanceId"]: {hop["sfName"] for path in chain["paths"] for hop in path["hops"]}
        for chain in running.job.services.forwarding_graphs.list(running.job.tenant)
        if chain["name"] == "web"
    }
    assert "dpi-1" in served[other]
    assert "dpi-1" not in served[running.ns_id]
    assert {cp.network_id for vnfc in vnf.vnfcs for cp in vnfc.connection_points} <= set(
        networks(running, other).values()
    )
    running.consistent()
    for id in (running.ns_id, other):
        done(running.job.terminate(id))
    assert running.job.held() == {}


@pytest.mark.deep
@ONE_AND_ALL
def test_a_move_that_fails_is_taken_back(start: Start, most: int) -> None:
    def act(there: Running) -> LcmOpOcc:
        with there.job.catena.store.open_unit(read_only=True) as uow:
            other = next(ns.id for ns in uow.ns_instances.list() if ns.name == "other")
        return there.change_ns("UPDATE", moving(other, there.vnf("dpi-1").id))

    fail_and_take_back(start, most, two_services, act, "dpi-1")


@ONE_AND_ALL
def test_a_vnf_that_cannot_join_stays_on_its_own(start: Start, most: int) -> None:
    def prepare(there: Running) -> VnfInstance:
        return lone_dpi(there, link="mgmt")

    fail_and_take_back(start, most, prepare, lambda there: there.change_ns("UPDATE", joining()), "alone")


def fail_and_take_back(start: Start, most: int, prepare: Any, act: Any, name: str) -> None:
    """As everywhere, but for the ports of the VNF: one that was reconnected comes back on others."""
    moments = moments_of(start, act, prepare)
    stride = max(1, -(-len(moments) // most))
    for moment in moments[stride // 2 :: stride]:
        there = start()
        prepare(there)
        before, vnf = there.picture(), there.vnf(name)
        there.fail_at(moment)
        op = act(there)
        assert op.state is OperationState.FAILED_TEMP, (moment, op.state, op.error)
        there.fail_at()
        there.job.services.ns_lifecycle.rollback(op.id, there.job.tenant)
        ended = there.job.operation(op.id)
        assert ended.state is OperationState.ROLLED_BACK, (moment, ended.error)
        now, after = there.picture(), there.vnf(name)
        for picture in (now, before):
            del picture["vnfs"][name], picture["ports"]
        assert now == before, moment
        assert where(after) == where(vnf)
        assert (after.ns_instance_id, after.vnf_profile_id) == (vnf.ns_instance_id, vnf.vnf_profile_id)
        there.consistent()


def test_what_cannot_change_hands_is_refused_at_once(running: Running) -> None:
    lone_dpi(running)
    nat, dpi = running.vnf("nat-0").id, running.vnf("dpi-0").id
    mine = running.ns_id
    for request, words in (
        (joining("x"), "no such VNF instance"),
        (joining(dpi), "is part of NS instance"),
        (joining(ALONE, "x"), "no such VNF profile"),
        (joining(ALONE, "nat"), "profile nat is of VNFD"),
        (update("ADD_VNF", addVnfIstance=[*joining()["addVnfIstance"]] * 2), "named twice"),
        (moving(mine, ALONE), "no such VNF instance"),
        (moving("x", dpi), "no such NS instance"),
        (moving(mine, dpi), "part of that NS already"),
        (moving(mine), "needs vnfInstanceId"),
        (moving("", nat), "may have 1 to 1"),
    ):
        with pytest.raises(InvalidInput, match=words):
            running.change_ns("UPDATE", request)
    running.job.services.vnf_lifecycle.create_vnf("idle", running.job.tenant, running.vnf("dpi-0").vnfd_id, "idle", {})
    with pytest.raises(WrongState, match="NOT_INSTANTIATED"):
        running.change_ns("UPDATE", joining("idle"))
    running.fail_at("before compute.ready")
    running.change("alone", "HEAL", {"cause": "a test"})
    with pytest.raises(OperationInProgress):
        running.change_ns("UPDATE", joining())
