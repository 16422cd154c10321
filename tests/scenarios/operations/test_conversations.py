"""Conversations over HTTP about operations on a running service; the official documents judge every answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mano.api.config import ApiConfig
from mano.settings import AuthMode
from tests.api.conftest import Answer, Api, serving
from tests.api.official import DOCUMENTS, faults
from tests.scenarios.operations.conftest import Running, Start

VNFS = "/vnflcm/v2/vnf_instances"
OPS = "/vnflcm/v2/vnf_lcm_op_occs"
SNAPSHOTS = "/vnflcm/v2/vnf_snapshots"


@pytest.fixture
def there(start: Start) -> Running:
    return start()


@pytest.fixture
def api(there: Running) -> Iterator[Api]:
    with serving(there.job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        yield served


def official(schema: str, answer: Any, document: str = "SOL003-VNFLifecycleManagement") -> None:
    """The answer is as the official document says, where that lies beside this clone."""
    if DOCUMENTS.is_dir():
        assert faults(document, schema, answer) == []


def accepted(api: Api, answer: Answer) -> Any:
    """The operation occurrence that the answer points at."""
    assert (answer.status, answer.body) == (202, b""), answer.body
    path = answer.headers["location"].split(f":{api.port}", 1)[1]
    document = api.get(path).json
    official("VnfLcmOpOcc", document)
    return document


def test_a_vnf_is_scaled_healed_stopped_and_changed(api: Api, there: Running) -> None:
    vnf = there.vnf("dpi-0").id
    one = f"{VNFS}/{vnf}"
    before = api.get(one).json
    official("VnfInstance", before)
    assert before["instantiatedVnfInfo"]["scaleStatus"][0]["scaleLevel"] == 0
    assert {"scale", "scaleToLevel", "heal", "operate", "changeExtConn"} <= before["_links"].keys()
    op = accepted(api, api.post(f"{one}/scale", {"type": "SCALE_OUT", "aspectId": "load"}))
    assert (op["operation"], op["operationState"]) == ("SCALE", "COMPLETED")
    (affected,) = op["resourceChanges"]["affectedVnfcs"]
    assert (affected["vduId"], affected["changeType"]) == ("dpi", "ADDED")
    assert {port["changeType"] for port in op["resourceChanges"]["affectedExtLinkPorts"]} == {"ADDED"}
    after = api.get(one).json
    official("VnfInstance", after)
    assert len(after["instantiatedVnfInfo"]["vnfcResourceInfo"]) == 2
    op = accepted(api, api.post(f"{one}/heal", {"cause": "ill", "vnfcInstanceId": [affected["id"]]}))
    assert op["resourceChanges"]["affectedVnfcs"][0]["changeType"] == "MODIFIED"
    level = {"scaleInfo": [{"aspectId": "load", "scaleToLevel": "0"}]}
    op = accepted(api, api.post(f"{one}/scale_to_level", level))
    assert op["resourceChanges"]["affectedVnfcs"][0]["changeType"] == "REMOVED"
    op = accepted(api, api.post(f"{one}/operate", {"changeStateTo": "STOPPED", "stopType": "FORCEFUL"}))
    assert api.get(one).json["instantiatedVnfInfo"]["vnfState"] == "STOPPED"
    accepted(api, api.post(f"{one}/operate", {"changeStateTo": "STARTED"}))
    network = next(
        link["id"] for link in api.get(f"/nslcm/v2/ns_instances/{there.ns_id}").json["virtualLinkInfo"]
        if link["nsVirtualLinkDescId"] == "access"
    )  # fmt: skip
    links = [{"id": "l", "resourceId": network, "extCps": [{"cpdId": "mgmt"}]}]
    op = accepted(api, api.post(f"{one}/change_ext_conn", {"extVirtualLinks": links}))
    assert op["changedExtConnectivity"]
    there.consistent()


def test_information_is_modified_under_its_tag(api: Api, there: Running) -> None:
    one = f"{VNFS}/{there.vnf('dpi-0').id}"
    tag = api.get(one).headers["etag"]
    patch = {"vnfInstanceName": "inspector", "metadata": {"owner": "me"}}
    answer = api.call("PATCH", one, patch, {"Content-Type": "application/merge-patch+json", "If-Match": tag})
    op = accepted(api, answer)
    assert (op["operation"], op["operationState"], op["changedInfo"]) == ("MODIFY_INFO", "COMPLETED", patch)
    assert api.get(one).json["vnfInstanceName"] == "inspector"
    answer = api.call("PATCH", one, patch, {"Content-Type": "application/merge-patch+json", "If-Match": tag})
    assert answer.status == 412
    answer.problem()


def test_a_snapshot_is_made_filled_gone_back_to_and_deleted(api: Api, there: Running) -> None:
    one = f"{VNFS}/{there.vnf('dpi-0').id}"
    made = api.post(SNAPSHOTS, {})
    assert made.status == 201
    official("VnfSnapshotInfo", made.json)
    path = made.headers["location"].split(f":{api.port}", 1)[1]
    assert "vnfSnapshot" not in made.json
    assert api.post(f"{one}/revert_to_snapshot", {"vnfSnapshotInfoId": made.json["id"]}).status == 409
    patched = api.call("PATCH", path, {"vnfSnapshotPkgId": "p1"}, {"Content-Type": "application/merge-patch+json"})
    assert (patched.status, patched.json) == (200, {"vnfSnapshotPkgId": "p1"})
    official("VnfSnapshotInfoModifications", patched.json)
    request = {"vnfSnapshotInfoId": made.json["id"], "userDefinedData": {"note": "first"}}
    op = accepted(api, api.post(f"{one}/create_snapshot", request))
    assert (op["operation"], op["operationState"]) == ("CREATE_SNAPSHOT", "COMPLETED")
    assert op["vnfSnapshotInfoId"] == made.json["id"] and op["_links"]["vnfSnapshot"]["href"].endswith(path)
    filled = api.get(path).json
    official("VnfSnapshotInfo", filled)
    assert filled["vnfSnapshot"]["userDefinedData"] == {"note": "first"}
    assert filled["vnfSnapshot"]["vnfInstance"]["instantiatedVnfInfo"]["vnfcResourceInfo"]
    assert "vnfSnapshot" not in api.get(SNAPSHOTS).json[0] and api.get(f"{SNAPSHOTS}?all_fields").json == [filled]
    assert api.get(f"{path}/vnf_state_snapshot").status == 200
    op = accepted(api, api.post(f"{one}/revert_to_snapshot", {"vnfSnapshotInfoId": made.json["id"]}))
    assert op["resourceChanges"]["affectedVnfcs"][0]["changeType"] == "MODIFIED"
    refused = api.call("PATCH", path, {"vnfSnapshotPkgId": "p2"}, {"Content-Type": "application/merge-patch+json"})
    assert (refused.status, refused.problem()["code"]) == (409, "WRONG_STATE")
    assert api.call("DELETE", path, None, {"If-Match": '"77"'}).status == 412
    assert api.call("DELETE", path).status == 204 and api.get(path).status == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 400), ({"vnfSnapshotInfoId": 7}, 400), ({"vnfSnapshotInfoId": "nowhere"}, 422)],
)
def test_what_is_wrong_with_a_snapshot_is_refused(service_api: Api, body: Any, status: int) -> None:
    vnf = next(v for v in service_api.get(VNFS).json if v["vnfInstanceName"] == "dpi-0")
    for task in ("create_snapshot", "revert_to_snapshot"):
        answer = service_api.post(f"{VNFS}/{vnf['id']}/{task}", body)
        assert answer.status == status, answer.body
        answer.problem()
    assert service_api.post(SNAPSHOTS, {"vnfSnapshot": {}}).problem()["status"] == 400
    assert service_api.get(f"{SNAPSHOTS}/{vnf['id']}").status == 404


@pytest.mark.parametrize(
    ("task", "body", "status"),
    [
        ("scale", {"type": "SIDEWAYS", "aspectId": "load"}, 400),
        ("scale", {"type": "SCALE_OUT", "aspectId": "nothing"}, 400),
        ("scale", {"type": "SCALE_IN", "aspectId": "load"}, 400),
        ("scale", {"type": "SCALE_OUT", "aspectId": "load", "numberOfSteps": 0}, 400),
        ("scale", {}, 400),
        ("scale_to_level", {}, 400),
        ("scale_to_level", {"scaleInfo": [{"aspectId": "load", "scaleToLevel": "many"}]}, 400),
        ("heal", {"vnfcInstanceId": ["x"]}, 400),
        ("operate", {"changeStateTo": "BROKEN"}, 400),
        ("operate", {"changeStateTo": "STARTED", "gracefulStopTimeout": 1}, 400),
        ("change_ext_conn", {"extVirtualLinks": []}, 400),
        ("change_ext_conn", {"extVirtualLinks": [{"id": "l", "resourceId": "r", "extCps": [{"cpdId": "x"}]}]}, 400),
        ("change_flavour", {"newFlavourId": "huge"}, 400),
        ("change_flavour", {"newFlavourId": "simple"}, 400),
        ("change_vnfpkg", {"vnfdId": "11111111-1111-4111-8111-111111111111"}, 404),
        ("instantiate", {"flavourId": "simple"}, 409),
        ("fly", {}, 404),
    ],
)
def test_what_is_wrong_is_refused_with_reasons(service_api: Api, task: str, body: Any, status: int) -> None:
    vnf = next(v for v in service_api.get(VNFS).json if v["vnfInstanceName"] == "dpi-0")
    answer = service_api.post(f"{VNFS}/{vnf['id']}/{task}", body)
    assert answer.status == status
    answer.problem()


def test_an_instantiation_that_cannot_be_is_refused_before_it_is_stored(service_api: Api) -> None:
    vnfd_id = next(v["vnfdId"] for v in service_api.get(VNFS).json if v["vnfInstanceName"] == "dpi-0")
    made = service_api.post(VNFS, {"vnfdId": vnfd_id})
    one = f"{VNFS}/{made.json['id']}"
    for wrong in ({"flavourId": "huge"}, {"flavourId": "simple", "instantiationLevelId": "huge"}, {}):
        assert service_api.post(f"{one}/instantiate", wrong).problem()["status"] == 400
    assert service_api.get(f"{OPS}?filter=(eq,vnfInstanceId,{made.json['id']})").json == []
    assert service_api.call("DELETE", one, None, {"If-Match": "abcd"}).problem()["status"] == 412
    assert service_api.call("DELETE", one, None, {"If-Match": made.headers["etag"]}).status == 204


@pytest.fixture(scope="module")
def service_api(service: Path, archives: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server over one copy of the service, for what changes nothing."""
    import shutil

    from tests.scenarios.operations.conftest import job_at

    directory = tmp_path_factory.mktemp("refusals") / "copy"
    shutil.copytree(service, directory)
    job = job_at(directory, archives)
    with serving(job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        yield served
    job.catena.stop()


def test_a_vnf_that_cannot_scale_has_no_such_task(service_api: Api) -> None:
    vnf = next(v for v in service_api.get(VNFS).json if v["vnfInstanceName"] == "nat-0")
    assert "scale" not in service_api.get(f"{VNFS}/{vnf['id']}").json["_links"]
    answer = service_api.post(f"{VNFS}/{vnf['id']}/scale", {"type": "SCALE_OUT", "aspectId": "load"})
    assert (answer.status, answer.problem()["code"]) == (404, "NOT_FOUND")


def test_only_what_runs_can_be_cancelled(service_api: Api) -> None:
    op = service_api.get(OPS).json[0]["id"]
    answer = service_api.post(f"{OPS}/{op}/cancel", {"cancelMode": "GRACEFUL"})
    assert (answer.status, answer.problem()["code"]) == (409, "WRONG_STATE")
    assert service_api.post(f"{OPS}/{op}/cancel", {"cancelMode": "SOON"}).status == 400
    assert (
        service_api.post(f"{OPS}/11111111-1111-4111-8111-111111111111/cancel", {"cancelMode": "FORCEFUL"}).status == 404
    )


def test_a_service_is_scaled_healed_and_updated(api: Api, there: Running) -> None:
    one = f"/nslcm/v2/ns_instances/{there.ns_id}"
    assert {"scale", "heal", "update", "terminate"} <= api.get(one).json["_links"].keys()
    there.add_spare_host()
    steps = {"scalingDirection": "SCALE_OUT", "aspectId": "inspection"}
    op = ns_accepted(
        api, api.post(f"{one}/scale", {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": steps}})
    )
    (affected,) = op["resourceChanges"]["affectedVnfs"]
    assert (affected["vnfName"], affected["changeType"]) == ("dpi-1", "INSTANTIATE")
    data = [{"vnfInstanceId": affected["vnfInstanceId"], "cause": "a test"}]
    op = ns_accepted(api, api.post(f"{one}/heal", {"healVnfData": data}))
    assert op["resourceChanges"]["affectedVnfs"][0]["changeType"] == "HEAL"
    gone = {"updateType": "REMOVE_VNF", "removeVnfInstanceId": [affected["vnfInstanceId"]]}
    op = ns_accepted(api, api.post(f"{one}/update", gone))
    assert op["resourceChanges"]["affectedVnfs"][0]["changeType"] == "REMOVE"
    there.consistent()


def ns_accepted(api: Api, answer: Answer) -> Any:
    assert (answer.status, answer.body) == (202, b""), answer.body
    document = api.get(answer.headers["location"].split(f":{api.port}", 1)[1]).json
    assert document["operationState"] == "COMPLETED", document
    official("NsLcmOpOcc", document, "SOL005-NSLifecycleManagement")
    return document


@pytest.mark.parametrize(
    ("task", "body"),
    [
        ("scale", {}),
        ("scale", {"scaleType": "SCALE_NS"}),
        ("scale", {"scaleType": "SCALE_VNF", "scaleVnfData": [{"vnfInstanceId": "x", "scaleVnfType": "SCALE_OUT"}]}),
        ("heal", {}),
        ("heal", {"healVnfData": [{"vnfInstanceId": "x"}]}),
        ("heal", {"healNsData": {"degreeHealing": "A_BIT"}}),
        ("update", {"updateType": "MOVE_VNF"}),
        ("update", {"updateType": "explode"}),
        ("update", {"updateType": "REMOVE_SAP", "removeSapId": ["x"]}),
    ],
)
def test_what_is_wrong_with_a_service_request_is_refused(service_api: Api, task: str, body: Any) -> None:
    (ns,) = service_api.get("/nslcm/v2/ns_instances").json
    answer = service_api.post(f"/nslcm/v2/ns_instances/{ns['id']}/{task}", body)
    assert answer.status == 400
    answer.problem()
