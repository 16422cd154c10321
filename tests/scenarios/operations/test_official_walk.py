"""Every operation of the official documents once with success, in conversations that they judge on both sides.

The conversations follow each other on one server over the running sample service. In the long form no operation of any
document is left at the end that was not answered with 2xx.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.adapters.vim_simulated.faults import Fault, Kind
from mano.api.config import ApiConfig
from mano.assurance.alarms import Alarms
from mano.assurance.observing import InstanceObserver
from mano.settings import AuthMode
from tests.api.conftest import Answer, serving
from tests.api.judge import Judged, unmet
from tests.api.official import needs_documents
from tests.api.test_package_sources import external_access, source
from tests.fakes.receiver import receiving
from tests.scenarios.main_job.conftest import REQUEST, SAMPLES
from tests.scenarios.operations.conftest import Running, job_at
from tests.scenarios.operations.test_flavours import NEWER, flavours_archive
from vnf_descriptors import build as build_package

pytestmark = needs_documents

VNFS, VNF_OPS, SNAPSHOTS = (f"/vnflcm/v2/{each}" for each in ("vnf_instances", "vnf_lcm_op_occs", "vnf_snapshots"))
NSS, NS_OPS = "/nslcm/v2/ns_instances", "/nslcm/v2/ns_lcm_op_occs"
PACKAGES, NSDS, PNFDS = "/vnfpkgm/v2/vnf_packages", "/nsd/v2/ns_descriptors", "/nsd/v2/pnf_descriptors"
SCALE_OUT = {"type": "SCALE_OUT", "aspectId": "load"}
BREAKS = "before compute.process"
SUBSCRIPTIONS = ("nsd/v2", "vnfpkgm/v2", "nslcm/v2", "nsfm/v1", "vrqan/v1", "vnflcm/v2", "vnffm/v1", "vnfind/v1")


@dataclass
class Stage:
    """Where the conversations are held."""

    api: Judged
    running: Running
    callback: str
    directory: Path

    def done(self, answer: Answer, state: str = "COMPLETED") -> Any:
        """The operation occurrence that the answer points at, which ended so."""
        assert answer.status == 202, answer.body
        found = self.api.get(self.api.path_of(answer)).json
        assert found["operationState"] == state, found
        return found

    def again(self, answer: Answer, path: str, state: str) -> None:
        """A task on an occurrence was taken, and led it there."""
        assert answer.status in (200, 202), answer.body
        assert self.api.get(path).json["operationState"] == state

    def uploaded(self, path: str, content: str, archive: Path, kind: str = "application/zip") -> None:
        put = self.api.call("PUT", f"{path}/{content}", archive.read_bytes(), {"Content-Type": kind})
        assert put.status == 202, put.body

    def vnf(self, name: str) -> str:
        return f"{VNFS}/{self.running.vnf(name).id}"


@pytest.fixture
def stage(service: Path, archives: dict[str, Path], tmp_path: Path) -> Iterator[Stage]:
    directory = tmp_path
    shutil.copytree(service, directory / "copy")
    job = job_at(directory / "copy", archives)
    running = Running(job)
    running.add_spare_host()
    with receiving() as receiver, serving(job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        yield Stage(Judged(served.port, token=None), running, receiver.uri, directory)
    job.catena.stop()


def versions(stage: Stage) -> None:
    """Every API tells its versions."""
    for root in ("vnflcm/v2", "vnfpm/v2", "vnffm/v1", "vnfind/v1", "grant/v1", "vnfpkgm/v2", "vrqan/v1"):
        assert stage.api.get(f"/{root}/api_versions").status == 200
    for root in ("nslcm/v2", "nsd/v2", "nspm/v2", "nsfm/v1", "nfvici/v1"):
        assert stage.api.get(f"/{root}/api_versions").status == 200


def packages(stage: Stage) -> None:
    """A VNF package comes from a URI with access to external artifacts, another is uploaded, read, changed, deleted."""
    api = stage.api
    archive = flavours_archive(stage.directory)
    fetched = api.path_of(api.post(PACKAGES, {"userDefinedData": {"owner": "me"}}))
    access = external_access("https://vendor.example/a", "http://127.0.0.1:1/a")
    assert api.call("PUT", f"{fetched}/ext_artifacts_access", access).status == 200
    assert api.get(f"{fetched}/ext_artifacts_access").status == 200
    with source(b"no archive") as uri:
        answer = api.post(f"{fetched}/package_content/upload_from_uri", {"addressInformation": uri})
        assert answer.status == 202
    one = api.path_of(api.post(PACKAGES, {}))
    stage.uploaded(one, "package_content", archive)
    assert api.patch(one, {"userDefinedData": {"owner": "you"}}).status == 200
    info = api.get(one).json
    assert (info["onboardingState"], info["vnfdId"]) == ("ONBOARDED", NEWER)
    artifact = next(each["artifactPath"] for each in info["additionalArtifacts"])
    for root in (one, f"/vnfpkgm/v2/onboarded_vnf_packages/{NEWER}"):
        assert api.get(root).status == 200
        assert api.get(f"{root}/package_content").body == archive.read_bytes()
        assert api.get(f"{root}/package_content", Range="bytes=0-3").status == 206
        assert api.get(f"{root}/artifacts").status == api.get(f"{root}/artifacts/{artifact}").status == 200
        assert api.get(f"{root}/vnfd", Accept="application/zip").status == api.get(f"{root}/manifest").status == 200
    assert api.get(PACKAGES).status == api.get("/vnfpkgm/v2/onboarded_vnf_packages").status == 200
    spare = api.path_of(api.post(PACKAGES, {}))
    assert api.call("DELETE", spare).status == 204


def descriptors(stage: Stage) -> None:
    """An NSD and a PNFD are uploaded, read in every way, changed, disabled and deleted."""
    api = stage.api
    mobile, gateway = stage.directory / "mobile.csar", stage.directory / "gateway.csar"
    build_package(SAMPLES / "mobile", mobile)
    build_package(SAMPLES / "gateway", gateway)
    pnfd, nsd = api.path_of(api.post(PNFDS, {})), api.path_of(api.post(NSDS, {"userDefinedData": {"a": "b"}}))
    stage.uploaded(pnfd, "pnfd_content", gateway)
    stage.uploaded(nsd, "nsd_content", mobile)
    for one, name in ((pnfd, "pnfd"), (nsd, "nsd")):
        assert api.get(one).json[f"{name}OnboardingState"] == "ONBOARDED", api.get(one).json
        assert api.get(f"{one}/{name}_content").status == api.get(f"{one}/manifest").status == 200
        assert api.get(f"{one}/{name}", Accept="application/zip").status == 200
        assert api.get(f"{one}/{name}_content", Range="bytes=0-3").status == 206
        artifact = next(iter(api.get(one).json["artifacts"]))["artifactPath"]
        assert api.get(f"{one}/artifacts/{artifact}").status == 200
    assert api.patch(nsd, {"userDefinedData": [{"owner": "me"}]}).status == 200
    assert api.patch(pnfd, {"userDefinedData": {"owner": "me"}}).status == 200
    assert api.get(NSDS).status == api.get(PNFDS).status == 200
    assert api.call("DELETE", nsd).status == 409
    assert api.patch(nsd, {"nsdOperationalState": "DISABLED"}).status == 200
    assert api.call("DELETE", nsd).status == api.call("DELETE", pnfd).status == 204


def subscribing(stage: Stage) -> None:
    """Every interface takes a subscription once, shows it and lets it go."""
    api = stage.api
    for root in SUBSCRIPTIONS:
        request = {"callbackUri": f"{stage.callback}/{root}"}
        one = api.path_of(api.post(f"/{root}/subscriptions", request))
        again = api.post(f"/{root}/subscriptions", request)
        assert (again.status, api.path_of(again)) == (303, one)
        assert [each["id"] for each in api.get(f"/{root}/subscriptions").json] == [one.rpartition("/")[2]]
        assert (api.get(one).status, api.call("DELETE", one).status, api.get(one).status) == (200, 204, 404)


def vnf_operations(stage: Stage) -> None:
    """Every operation on a VNF of the service."""
    api, one = stage.api, stage.vnf("dpi-0")
    stage.done(api.post(f"{one}/scale", SCALE_OUT))
    level = {"scaleInfo": [{"aspectId": "load", "scaleLevel": 0}]}
    stage.done(api.post(f"{one}/scale_to_level", level))
    stage.done(api.post(f"{one}/heal", {"cause": "a test"}))
    stage.done(api.post(f"{one}/operate", {"changeStateTo": "STOPPED", "stopType": "FORCEFUL"}))
    stage.done(api.post(f"{one}/operate", {"changeStateTo": "STARTED"}))
    stage.done(api.post(f"{one}/change_vnfpkg", {"vnfdId": NEWER}))
    stage.done(api.post(f"{one}/change_flavour", {"newFlavourId": "fast"}))
    stage.done(api.patch(one, {"vnfInstanceName": "dpi-0", "metadata": {"owner": "me"}}))
    links = api.get(f"{NSS}/{stage.running.ns_id}").json["virtualLinkInfo"]
    network = next(link["id"] for link in links if link["nsVirtualLinkDescId"] == "access")
    link = {"id": "l", "resourceId": network, "extCps": [{"cpdId": "mgmt"}]}
    stage.done(api.post(f"{one}/change_ext_conn", {"extVirtualLinks": [link]}))
    assert api.get(VNFS).status == api.get(one).status == api.get(VNF_OPS).status == 200


def snapshots(stage: Stage) -> None:
    """A snapshot is made, filled, gone back to and deleted, by either interface."""
    api, one = stage.api, stage.vnf("firewall-0")
    paths = [api.path_of(api.post(SNAPSHOTS, {})) for _ in range(2)]
    for path in paths:
        id = path.rpartition("/")[2]
        named = {"vnfSnapshotInfoId": id, "vnfSnapshotResId": id}  # the text's name, and the one that the document asks
        stage.done(api.post(f"{one}/create_snapshot", named))
    stage.done(api.post(f"{one}/revert_to_snapshot", {"vnfSnapshotInfoId": paths[0].rpartition("/")[2]}))
    assert api.get(SNAPSHOTS).status == api.get(paths[0]).status == 200
    assert api.get(f"{paths[0]}/vnf_state_snapshot").status == 200
    empty = api.path_of(api.post(SNAPSHOTS, {}))
    assert api.patch(empty, {"vnfSnapshotPkgId": "p1"}).status == 200
    theirs = paths[1].replace("vnflcm", "nslcm")
    assert api.get("/nslcm/v2/vnf_snapshots").status == api.get(theirs).status == 200
    assert [api.call("DELETE", path).status for path in (paths[0], theirs, empty)] == [204, 204, 204]


def failing_vnf_operations(stage: Stage) -> None:
    """An operation under way is cancelled; one that failed is retried, rolled back, or failed."""
    api, one, running = stage.api, stage.vnf("firewall-0"), stage.running
    answers = cancel_under_way(stage, VNF_OPS, {"cancelMode": "GRACEFUL"})
    op = api.path_of(api.post(f"{one}/scale", SCALE_OUT))
    assert [answer.status for answer in answers] == [202], answers
    stage.again(api.post(f"{op}/rollback"), op, "ROLLED_BACK")
    for task, state in (("retry", "COMPLETED"), ("rollback", "ROLLED_BACK"), ("fail", "FAILED")):
        running.fail_at(BREAKS)
        answer = api.post(f"{one}/scale", SCALE_OUT)
        stage.done(answer, "FAILED_TEMP")
        running.fail_at()
        op = api.path_of(answer)
        stage.again(api.post(f"{op}/{task}"), op, state)


def cancel_under_way(stage: Stage, path: str, body: Any) -> list[Answer]:
    """Cancel the operation that the next process is started for; the answers, once there are any."""
    answers: list[Answer] = []

    def cancel(_: float) -> None:
        states = {"STARTING", "PROCESSING"}
        active = [op for op in stage.api.get(path).json if op["operationState"] in states]
        answers.append(stage.api.post(f"{path}/{active[0]['id']}/cancel", body))

    faults = stage.running.job.faults
    faults.sleep = cancel
    faults.planned = (Fault(BREAKS, Kind.DELAY, delay_s=float(len(faults.moments))),)  # a fault that has not struck yet
    return answers


def grants(stage: Stage) -> None:
    """A VNFM of somebody else's asks for a grant and reads it."""
    api, vnf = stage.api, stage.running.vnf("nat-0")
    request = {
        "vnfInstanceId": vnf.id,
        "vnfLcmOpOccId": "77777777-7777-4777-8777-777777777777",
        "vnfdId": vnf.vnfd_id,
        "flavourId": vnf.flavour_id,
        "operation": "TERMINATE",
        "isAutomaticInvocation": False,
        "removeResources": [{"id": "r1", "type": "COMPUTE", "vduId": "nat", "resourceTemplateId": "nat"}],
        "_links": {"vnfLcmOpOcc": {"href": "http://x/1"}, "vnfInstance": {"href": "http://x/2"}},
    }
    granted = api.post("/grant/v1/grants", request)
    assert granted.status == 201, granted.body
    assert api.get(api.path_of(granted)).json == granted.json


def alarms(stage: Stage) -> None:
    """A VNFC dies: the alarms of its VNF and its service are acknowledged."""
    api, job = stage.api, stage.running.job
    job.vim.kill_compute(stage.running.vnf("nat-0").vnfcs[0].compute_id)
    observer = InstanceObserver(job.catena.store.open_unit, {"local": job.vim})
    for name, causes in observer.look().items():
        Alarms(job.catena.store.open_unit, SystemClock()).observed(name, causes)
    for root in ("/vnffm/v1", "/nsfm/v1"):
        (alarm, *_) = api.get(f"{root}/alarms").json
        one = f"{root}/alarms/{alarm['id']}"
        tag = api.get(one).headers["etag"]
        assert api.patch(one, {"ackState": "ACKNOWLEDGED"}, If_Match='"old"').status == 412
        assert api.patch(one, {"ackState": "ACKNOWLEDGED"}, If_Match=tag).json == {"ackState": "ACKNOWLEDGED"}
        assert api.patch(one, {"ackState": "ACKNOWLEDGED"}).status == 409


def indicators(stage: Stage) -> None:
    """Indicators are read by VNF and by name."""
    vnf = stage.running.vnf("nat-0").id
    listed = stage.api.get("/vnfind/v1/indicators").json
    assert stage.api.get(f"/vnfind/v1/indicators/{vnf}").status == 200
    found = listed[0]
    assert stage.api.get(f"/vnfind/v1/indicators/{found['vnfInstanceId']}/{found['id']}").json == found


def performance(stage: Stage) -> None:
    """PM jobs and thresholds of both levels, a report, and thresholds on capacity."""
    api, running = stage.api, stage.running
    objects = {"vnfpm": ("Vnf", running.vnf("dpi-0").id), "nspm": ("Ns", running.ns_id)}
    for api_name, (kind, id) in objects.items():
        group = "VirtualisedComputeResource" if kind == "Vnf" else "ServiceChain"
        metric = "VMemoryBytesVnf" if kind == "Vnf" else "ChainBytes"
        criteria = {"performanceMetricGroup": [group], "collectionPeriod": 1, "reportingPeriod": 1}
        job = {"objectType": kind, "objectInstanceIds": [id], "criteria": criteria, "callbackUri": stage.callback}
        details = {"thresholdValue": 1.0, "hysteresis": 0}
        rule = {"performanceMetric": metric, "thresholdType": "SIMPLE", "simpleThresholdDetails": details}
        threshold = {"objectType": kind, "objectInstanceId": id, "criteria": rule, "callbackUri": stage.callback}
        for name, request in (("pm_jobs", job), ("thresholds", threshold)):
            one = api.path_of(api.post(f"/{api_name}/v2/{name}", request))
            assert api.get(f"/{api_name}/v2/{name}").status == api.get(one).status == 200
            if name == "pm_jobs":
                _report(stage, one)
            assert api.patch(one, {"callbackUri": f"{stage.callback}/other"}).status == 200
            assert api.call("DELETE", one).status == 204


def _report(stage: Stage, job: str) -> None:
    performance = stage.running.job.services.performance
    found: list[Any] = []
    while not found:
        performance.collect()
        found = stage.api.get(job).json.get("reports", [])
    report = stage.api.get(found[0]["href"].split(f":{stage.api.port}", 1)[1])
    assert report.status == 200


def capacity(stage: Stage) -> None:
    """Capacity of the VIM is read, and a threshold on it made, changed and deleted."""
    api, root = stage.api, "/nfvici/v1"
    (info,) = api.get(f"{root}/nfvi_capacity_infos").json
    assert api.get(f"{root}/nfvi_capacity_infos/{info['vimId']}").status == 200
    measured = info["totalCapacityInfo"][0]
    metric = {name: measured[name] for name in ("resourceType", "capacityMeasurementName")}
    details = [{"thresholdValue": 1.0, "hysteresis": 0.0}]
    criteria = {
        "capacityMetric": {**metric, "capacityType": "ALLOCATED"},
        "thresholdType": "SIMPLE",
        "simpleThresholdDetails": details,
    }
    request = {"objectInstanceId": info["vimId"], "criteria": criteria, "callbackUri": stage.callback}
    one = api.path_of(api.post(f"{root}/capacity_thresholds", request))
    assert api.get(f"{root}/capacity_thresholds").status == api.get(one).status == 200
    assert api.patch(one, {"callbackUri": f"{stage.callback}/other"}).status == 200
    assert api.call("DELETE", one).status == 204


def services(stage: Stage) -> None:
    """Every operation on the service, and on what failed of it."""
    api, running = stage.api, stage.running
    one = f"{NSS}/{running.ns_id}"
    steps = {"scalingDirection": "SCALE_OUT", "aspectId": "inspection", "numberOfSteps": 1}
    out = {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": steps}}
    back = {**out, "scaleNsData": {"scaleNsByStepsData": {**steps, "scalingDirection": "SCALE_IN"}}}
    stage.done(api.post(f"{one}/heal", {"healNsData": {"degreeHealing": "HEAL_RESTORE", "actionsHealing": []}}))
    for task, state in (("retry", "COMPLETED"), ("rollback", "ROLLED_BACK"), ("continue", "COMPLETED")):
        running.fail_at(BREAKS)
        answer = api.post(f"{one}/scale", out)
        stage.done(answer, "FAILED_TEMP")
        running.fail_at()
        op = api.path_of(answer)
        stage.again(api.post(f"{op}/{task}"), op, state)
        if state == "COMPLETED":
            stage.done(api.post(f"{one}/scale", back))
    answers = cancel_under_way(stage, NS_OPS, {"cancelMode": "FORCEFUL"})
    answer = api.post(f"{one}/scale", out)
    assert [each.status for each in answers] == [202], answers
    op = api.path_of(answer)
    stage.again(api.post(f"{op}/fail"), op, "FAILED")
    dpis = {each["id"] for each in api.get(VNFS).json if each["vnfInstanceName"].startswith("dpi-")}
    extra = sorted(dpis - {running.vnf("dpi-0").id})
    gone = {"updateType": "REMOVE_VNF", "removeVnfInstanceId": extra}
    if extra:
        stage.done(api.post(f"{one}/update", gone))
    assert api.get(NSS).status == api.get(one).status == api.get(NS_OPS).status == 200


def ends(stage: Stage) -> None:
    """A service and a VNF by itself are made, instantiated, terminated and deleted."""
    api, running = stage.api, stage.running
    stage.done(api.post(f"{NSS}/{running.ns_id}/terminate", {}))
    assert api.call("DELETE", f"{NSS}/{running.ns_id}").status == 204
    nsd = next(each["nsdId"] for each in api.get(NSDS).json if each.get("nsdName") == "gi-lan")
    made = api.path_of(api.post(NSS, {"nsdId": nsd, "nsName": "again", "nsDescription": ""}))
    stage.done(api.post(f"{made}/instantiate", REQUEST))
    stage.done(api.post(f"{made}/terminate", {}))
    assert api.call("DELETE", made).status == 204
    vnf = api.path_of(api.post(VNFS, {"vnfdId": NEWER}))
    stage.done(api.post(f"{vnf}/instantiate", {"flavourId": "simple"}))
    stage.done(api.post(f"{vnf}/terminate", {"terminationType": "FORCEFUL"}))
    assert api.call("DELETE", vnf).status == 204


QUICK: tuple[Callable[[Stage], None], ...] = (
    versions,
    packages,
    descriptors,
    subscribing,
    grants,
    alarms,
    indicators,
    performance,
    capacity,
)
LONG = (vnf_operations, snapshots, failing_vnf_operations, services, ends)


def test_resources_without_operations_are_as_the_official_documents_have_them(stage: Stage) -> None:
    for conversation in QUICK:
        conversation(stage)


@pytest.mark.deep
@pytest.mark.timeout(600)
def test_every_operation_of_the_official_documents_succeeds(stage: Stage) -> None:
    for conversation in (*QUICK[:5], *LONG[:4], *QUICK[5:], ends):
        conversation(stage)
    assert unmet(stage.api.succeeded) == []
