"""Scale, heal and update a running network service."""

from __future__ import annotations

from typing import Any

import pytest

from mano.domain.lcm_op_occ import LcmOpOcc, OperationState
from mano.errors import InvalidInput
from mano.nfvo.ns_resource_changes import ns_resource_changes
from tests.scenarios.operations.conftest import SOME_AND_ALL, Running, Start, fail_everywhere


def done(op: LcmOpOcc) -> LcmOpOcc:
    assert op.state is OperationState.COMPLETED, op.error
    return op


def by_steps(direction: str) -> dict[str, Any]:
    steps = {"scalingDirection": direction, "aspectId": "inspection", "numberOfSteps": 1}
    return {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": steps}}


def names(running: Running) -> set[str]:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return {vnf.name for vnf in uow.vnf_instances.list()}


def test_a_service_scaled_by_a_step_has_one_vnf_more_in_its_chain(running: Running) -> None:
    running.add_spare_host()
    before = running.picture()
    done(running.change_ns("SCALE", by_steps("SCALE_OUT")))
    assert names(running) == {"firewall-0", "dpi-0", "dpi-1", "nat-0"}
    assert {"dpi-0", "dpi-1"} <= set(running.picture()["chains"]["web"])
    running.consistent()
    done(running.change_ns("SCALE", by_steps("SCALE_IN")))
    assert running.picture() == before
    running.consistent()
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_a_service_goes_to_an_instantiation_level_and_back(running: Running) -> None:
    running.add_spare_host()
    before = running.picture()
    named = {"vnfProfileId": "dpi", "vnfInstanceName": "inspector", "extensions": {"depth": "all"}}
    done(running.change_ns("SCALE", to_level("busy", additionalParamsForVnf=[named])))
    assert names(running) == {"firewall-0", "dpi-0", "inspector", "nat-0"}
    assert running.vnf("inspector").extensions == {"depth": "all"}
    with running.job.catena.store.open_unit(read_only=True) as uow:
        assert uow.ns_instances.get(running.ns_id).scale_levels == {"inspection": 1}
    running.consistent()
    done(running.change_ns("SCALE", to_level("default")))
    assert running.picture() == before
    running.consistent()


NOBODYS: dict[str, Any] = {"additionalParamsForVnf": [{"vnfProfileId": "x"}]}


@pytest.mark.parametrize(
    ("level", "more", "pointer"),
    [
        ("huge", {}, "/scaleNsData/scaleNsToLevelData/nsInstantiationLevel"),
        (
            "busy",
            {"additionalParamsForVnf": [{"vnfProfileId": "x"}]},
            "/scaleNsData/additionalParamsForVnf/0/vnfProfileId",
        ),
    ],
)
def test_levels_and_profiles_that_there_are_not_are_refused(
    running: Running, level: str, more: dict[str, Any], pointer: str
) -> None:
    try:
        error = running.change_ns("SCALE", to_level(level, **more)).error
        assert error is not None
        facts = error["facts"]
    except InvalidInput as refused:
        facts = refused.facts
    assert facts["pointer"] == pointer
    running.consistent()


def to_level(level: str, **more: Any) -> dict[str, Any]:
    return {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsToLevelData": {"nsInstantiationLevel": level}, **more}}


def test_a_grown_service_leaves_nothing(running: Running) -> None:
    running.add_spare_host()
    done(running.change_ns("SCALE", by_steps("SCALE_OUT")))
    assert running.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert running.job.held() == {}


def test_a_vnf_of_the_service_is_scaled_through_it(running: Running) -> None:
    data = {
        "vnfInstanceId": running.vnf("dpi-0").id,
        "scaleVnfType": "SCALE_OUT",
        "scaleByStepData": {"aspectId": "load", "numberOfSteps": 1},
    }
    op = done(running.change_ns("SCALE", {"scaleType": "SCALE_VNF", "scaleVnfData": [data]}))
    assert [step.name for step in op.steps] == ["work:1"]
    assert len(running.vnf("dpi-0").vnfcs) == 2
    running.consistent()
    level = {"vnfScaleInfo": [{"aspectId": "load", "scaleLevel": 0}]}
    data = {**data, "scaleVnfType": "SCALE_TO_SCALE_LEVEL(S)", "scaleToLevelData": level}
    done(running.change_ns("SCALE", {"scaleType": "SCALE_VNF", "scaleVnfData": [data]}))
    assert len(running.vnf("dpi-0").vnfcs) == 1
    running.consistent()


def test_healing_the_service_heals_what_is_ill_and_nothing_else(running: Running) -> None:
    running.job.vim.kill_compute(running.vnf("nat-0").vnfcs[0].compute_id)
    done(running.change_ns("HEAL", {"healNsData": {"degreeHealing": "HEAL_RESTORE"}}))
    running.consistent()
    with running.job.catena.store.open_unit(read_only=True) as uow:
        heals = {op.instance_id: op for op in uow.operations.list(operation="HEAL", level="vnf")}
    stopped = {vnf_id for vnf_id, op in heals.items() if any(step.name.startswith("stop:") for step in op.steps)}
    assert stopped == {running.vnf("nat-0").id}


def update(kind: str, **data: Any) -> dict[str, Any]:
    return {"updateType": kind, **data}


def test_vnfs_come_and_go(running: Running) -> None:
    running.add_spare_host()
    done(running.change_ns("UPDATE", update("INSTANTIATE_VNF", instantiateVnfData=[{"vnfProfileId": "dpi"}])))
    assert "dpi-1" in names(running)
    running.consistent()
    gone = [running.vnf("dpi-0").id]
    done(running.change_ns("UPDATE", update("REMOVE_VNF", removeVnfInstanceId=gone)))
    assert names(running) == {"firewall-0", "dpi-1", "nat-0"}
    assert "dpi-1" in running.picture()["chains"]["web"]
    running.consistent()


def test_forwarding_graphs_come_and_go(running: Running) -> None:
    before = set(running.picture()["chains"])
    (vnffg,) = graphs(running)
    done(running.change_ns("UPDATE", update("REMOVE_VNFFG", removeVnffgId=[vnffg])))
    assert running.picture()["chains"] == {}
    running.consistent()
    data = [{"vnffgName": vnffg, "description": ""}]
    done(running.change_ns("UPDATE", update("ADD_VNFFG", addVnffg=data)))
    assert set(running.picture()["chains"]) == before
    running.consistent()


def test_saps_come_and_go(running: Running) -> None:
    done(running.change_ns("UPDATE", update("REMOVE_VNFFG", removeVnffgId=graphs(running))))
    done(running.change_ns("UPDATE", update("REMOVE_SAP", removeSapId=["subscribers"])))
    running.consistent()
    address = {"type": "IPV4", "fixedAddresses": ["10.10.0.2"]}
    protocol = {"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": {"ipAddresses": [address]}}
    sap = {"sapdId": "subscribers", "sapName": "subscribers", "description": "", "sapProtocolData": [protocol]}
    done(running.change_ns("UPDATE", update("ADD SAP", addSap=[sap])))
    with running.job.catena.store.open_unit(read_only=True) as uow:
        (ns,) = uow.ns_instances.list()
    assert {sap.sapd_id: sap.connection_point.addresses for sap in ns.saps}["subscribers"] == ("10.10.0.2/24",)
    plane = running.job.catena.graphs
    assert not plane.drift(plane.data_plane(), ["h1"])  # its bridge takes its packets
    running.consistent()


def graphs(running: Running) -> list[str]:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        return sorted({str(chain.spec["vnffgdId"]) for chain in uow.chains.list()})


def test_vnfs_are_operated_and_changed_through_the_service(running: Running) -> None:
    data = [{"vnfInstanceId": running.vnf("dpi-0").id, "changeStateTo": "STOPPED"}]
    done(running.change_ns("UPDATE", update("OPERATE_VNF", operateVnfData=data)))
    assert running.vnf("dpi-0").vnf_state == "STOPPED"
    data = [{"vnfInstanceId": running.vnf("dpi-0").id, "vnfInstanceName": "inspector"}]
    done(running.change_ns("UPDATE", update("MODIFY_VNF_INFORMATION", modifyVnfInfoData=data)))
    assert "inspector" in names(running)


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("SCALE", {"scaleType": "SCALE_NS"}, "needs scaleNsData"),
        ("SCALE", {"scaleType": "SCALE_VNF"}, "needs scaleVnfData"),
        ("SCALE", by_steps("SCALE_IN"), "levels 0 to 1"),
        ("SCALE", {"scaleType": "SCALE_NS", "scaleNsData": {"vnfInstanceToBeRemoved": ["x"]}}, "no such VNF instance"),
        ("HEAL", {}, "healNsData or healVnfData"),
        ("UPDATE", update("MOVE_VNF"), "needs moveVnfInstanceData"),
        ("UPDATE", update("ADD_SAP"), "needs addSap"),
        ("UPDATE", update("ADD_SAP", addSap=[{"sapdId": "subscribers"}]), "attached already"),
        ("UPDATE", update("ADD_VNFFG", addVnffg=[{"vnffgName": "nothing"}]), "no VNFFG"),
        ("UPDATE", update("INSTANTIATE_VNF", instantiateVnfData=[{"vnfProfileId": "nat"}]), "may have 1 to 1"),
    ],
)
def test_what_the_nsd_does_not_allow_is_refused_at_once(running: Running, operation, request_, words) -> None:
    with pytest.raises(InvalidInput, match=words):
        running.change_ns(operation, request_)


def test_the_last_function_of_a_chain_stays(running: Running) -> None:
    with pytest.raises(InvalidInput, match="may have 1 to 1"):
        running.change_ns("UPDATE", update("REMOVE_VNF", removeVnfInstanceId=[running.vnf("nat-0").id]))


@SOME_AND_ALL
def test_a_scaling_that_fails_is_rolled_back(start: Start, most: int) -> None:
    fail_everywhere(
        start, most, lambda there: there.change_ns("SCALE", by_steps("SCALE_OUT")), lambda there: there.add_spare_host()
    )


def test_a_service_without_room_says_so(running: Running) -> None:
    before = running.picture()
    op = running.change_ns("SCALE", by_steps("SCALE_OUT"))
    assert op.state is OperationState.ROLLED_BACK
    assert op.error is not None
    assert op.error["code"] == "NOT_PLACEABLE"
    assert running.picture() == before


def test_forwarding_graphs_that_come_and_go_are_told_with_their_instances(running: Running) -> None:
    with running.job.catena.store.open_unit(read_only=True) as uow:
        chains = {str(chain.spec["vnffgdId"]): chain.id for chain in reversed(uow.chains.list())}
        (made,) = [op for op in uow.operations.list(instance_id=running.ns_id) if op.operation == "INSTANTIATE"]
    assert affected_graphs(made) == {(id, name, "ADD") for name, id in chains.items()}
    name, id = min(chains.items())
    removal = running.change_ns("UPDATE", {"updateType": "REMOVE_VNFFG", "removeVnffgId": [id]})
    assert affected_graphs(removal) == {(id, name, "DELETE")}
    addition = running.change_ns("UPDATE", {"updateType": "ADD_VNFFG", "addVnffg": [{"vnffgdId": name}]})
    ((_, added, kind),) = [one for one in affected_graphs(addition) if one[1] == name]
    assert (added, kind) == (name, "ADD")
    assert {one[1:] for one in affected_graphs(running.job.terminate(running.ns_id))} == {
        (each, "DELETE") for each in chains
    }


def affected_graphs(op: LcmOpOcc) -> set[tuple[str, str, str]]:
    """(instance, VNFFGD, what became of it)."""
    told = ns_resource_changes(op, {}).get("affectedVnffgs", [])
    return {(one["vnffgInstanceId"], one["vnffgdId"], one["changeType"]) for one in told}
