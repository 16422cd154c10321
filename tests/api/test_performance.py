"""Conversations about PM jobs, thresholds, capacity, indicators, usage, auto-scaling; what receivers are told."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mano.adapters.clock import SystemClock
from mano.assurance.capacity import Capacity, CapacityWatch
from mano.domain.allocation import Allocation, Cell
from mano.domain.nfvi import Host, NumaNode
from mano.ports.repositories import StoredHost
from tests.api.conftest import TENANT_A, Api
from tests.api.official import faults, needs_documents
from tests.api.test_life_cycles import new_ns, new_vnf
from tests.api.test_packages import MERGE, UNKNOWN, create, upload
from tests.api.test_subscriptions import subscribe
from tests.api.world import World, archive, furnish
from tests.fakes.receiver import Receiver, receiving

ROOTS = {"Vnf": "/vnfpm/v2", "Ns": "/nspm/v2"}


@pytest.fixture(scope="module", autouse=True)
def dispatching(world: World) -> Iterator[None]:
    world.dispatcher.start()
    yield
    world.dispatcher.stop()


@pytest.fixture(scope="module")
def objects(served: Api, world: World) -> dict[str, str]:
    """An instantiated service: object type to identifier."""
    for name in ("firewall", "dpi", "nat"):
        assert upload(served, create(served), archive(name)).status == 202
    nsd = create(served, "/nsd/v2/ns_descriptors")
    assert upload(served, nsd, archive("gi-lan"), "/nsd/v2/ns_descriptors", "nsd_content").status == 202
    ns, vnf = new_ns(served), new_vnf(served)
    with world.unit() as uow:
        furnish(uow, ns, vnf)
        node = NumaNode(id=0, cores=((0,), (1,), (2,), (3,)), memory_mib=4096, hugepages={2048: 512})
        uow.hosts.put(StoredHost(Host("h1", (node,), zone="z1", storage_gib=100), "local"))
    return {"Vnf": vnf, "Ns": ns}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def job_request(kind: str, object_id: str, receiver: Receiver, **criteria: Any) -> dict[str, Any]:
    group = "VirtualisedComputeResource" if kind == "Vnf" else "ServiceChain"
    asked = {"performanceMetricGroup": [group], "collectionPeriod": 1, "reportingPeriod": 2, **criteria}
    return {
        "objectType": kind,
        "objectInstanceIds": [object_id],
        "criteria": {name: value for name, value in asked.items() if value is not None},
        "callbackUri": receiver.uri,
    }


def threshold_request(kind: str, object_id: str, receiver: Receiver, metric: str, value: float) -> dict[str, Any]:
    details = {"thresholdValue": value, "hysteresis": 10.0}
    criteria = {"performanceMetric": metric, "thresholdType": "SIMPLE", "simpleThresholdDetails": details}
    return {
        "objectType": kind,
        "objectInstanceId": object_id,
        "criteria": criteria,
        "callbackUri": receiver.uri,
    }


def collected(world: World, api: Api, path: str, reports: int) -> dict[str, Any]:
    """The job once it has so many reports; the collecting is done here, as the server's watch does it."""
    deadline = time.monotonic() + 20
    while len((document := api.get(path).json).get("reports", ())) < reports:
        assert time.monotonic() < deadline, document
        world.performance.collect()
        time.sleep(0.1)
    assert isinstance(document, dict)
    return document


@pytest.mark.parametrize("kind", ["Vnf", "Ns"])
def test_a_job_collects_reports_and_tells(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver, kind: str
) -> None:
    root = ROOTS[kind]
    answer = served.post(f"{root}/pm_jobs", job_request(kind, objects[kind], receiver))
    assert answer.status == 201, answer.body
    path = answer.headers["location"].split(f":{served.port}")[1]
    world.meter.cpu_s, world.meter.memory_bytes = 5.0, 1 << 20
    document = collected(world, served, path, 1)
    report = served.get(document["reports"][0]["href"].split(f":{served.port}")[1]).json
    measured = {entry["performanceMetric"]: entry["performanceValues"] for entry in report["entries"]}
    if kind == "Vnf":
        assert {value["value"] for value in measured["VMemoryBytesVnf"]} == {float(1 << 20)}
        assert measured["VCpuUsageMeanVnf"][0]["value"] == 0.0, "no CPU time passed between two readings"
    else:
        assert measured["ChainBytes"][-1]["value"] == 700.0
        assert measured["ChainLatencyMean"][-1]["value"] == 1.5
    (told,) = receiver.wait_for(1)
    assert told["notificationType"] == "PerformanceInformationAvailableNotification"
    assert told["pmJobId"] == document["id"] and told["objectInstanceId"] == objects[kind]
    assert told["_links"]["performanceReport"]["href"] == document["reports"][0]["href"]
    assert served.call("DELETE", path).status == 204
    assert served.get(path).status == 404
    assert served.get(document["reports"][0]["href"].split(f":{served.port}")[1]).status == 404


def test_a_job_ends_at_its_boundary(served: Api, world: World, objects: dict[str, str], receiver: Receiver) -> None:
    boundary = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    request = job_request("Vnf", objects["Vnf"], receiver, reportingPeriod=3600, reportingBoundary=boundary)
    path = served.post("/vnfpm/v2/pm_jobs", request).headers["location"].split(f":{served.port}")[1]
    assert len(collected(world, served, path, 1)["reports"]) == 1
    time.sleep(1.1)
    world.performance.collect()
    assert len(served.get(path).json["reports"]) == 1, "nothing is collected beyond it"
    served.call("DELETE", path)


def drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.pop(name)


def put(value: Any, *path: str) -> Callable[[dict[str, Any]], None]:
    def change(body: dict[str, Any]) -> None:
        for step in path[:-1]:
            body = body[step]
        body[path[-1]] = value

    return change


@pytest.mark.parametrize(
    ("change", "status"),
    [
        (drop("criteria"), 400),
        (drop("callbackUri"), 400),
        (put("Router", "objectType"), 400),
        (put([], "objectInstanceIds"), 400),
        (put([UNKNOWN], "objectInstanceIds"), 400),
        (put(["Nonsense"], "criteria", "performanceMetricGroup"), 400),
        (put(["Nonsense.VNF"], "criteria", "performanceMetric"), 400),
        (put([], "criteria", "performanceMetricGroup"), 400),
        (put(0, "criteria", "collectionPeriod"), 400),
        (put(10, "criteria", "collectionPeriod"), 400),
        (put("tomorrow", "criteria", "reportingBoundary"), 400),
        (put("http://127.0.0.1:1/nobody", "callbackUri"), 422),
    ],
)
def test_a_wrong_job_is_refused(
    served: Api, objects: dict[str, str], receiver: Receiver, change: Callable[[dict[str, Any]], None], status: int
) -> None:
    body = job_request("Vnf", objects["Vnf"], receiver)
    change(body)
    answer = served.post("/vnfpm/v2/pm_jobs", body)
    assert answer.status == status, answer.body
    answer.problem()


def test_jobs_and_thresholds_are_changed_under_their_tag(
    served: Api, tenant_a: Api, objects: dict[str, str], receiver: Receiver
) -> None:
    job = served.post("/vnfpm/v2/pm_jobs", job_request("Vnf", objects["Vnf"], receiver))
    request = threshold_request("Vnf", objects["Vnf"], receiver, "VMemoryBytesVnf", 1.0)
    threshold = served.post("/vnfpm/v2/thresholds", request)
    for made in (job, threshold):
        assert made.status == 201, made.body
        path = made.headers["location"].split(f":{served.port}")[1]
        tag = served.get(path).headers["etag"]
        assert served.get(path, If_None_Match=tag).status == 304
        with receiving() as other:
            body = f'{{"callbackUri": "{other.uri}"}}'.encode()
            assert served.call("PATCH", path, body, MERGE | {"If-Match": '"77"'}).status == 412
            changed = served.call("PATCH", path, body, MERGE | {"If-Match": tag})
            assert changed.status == 200 and changed.json == {"callbackUri": other.uri}
            assert served.get(path).json["callbackUri"] == other.uri
        assert served.call("PATCH", path, b"{}", MERGE).status == 400
        assert served.call("PATCH", path, b'{"callbackUri": "http://127.0.0.1:1/x"}', MERGE).status == 422
        assert tenant_a.get(path).status == 404 and tenant_a.call("DELETE", path).status == 404
        assert served.get(path.replace("vnfpm", "nspm")).status == 404
        assert served.call("PUT", path, {}).status == 405
        assert path.rpartition("/")[2] in [row["id"] for row in every(served, path.rpartition("/")[0])]
        assert served.call("DELETE", path).status == 204
    assert served.get("/vnfpm/v2/subscriptions").status == 404


def every(api: Api, path: str) -> list[dict[str, Any]]:
    """All pages of a list."""
    rows: list[dict[str, Any]] = []
    while True:
        answer = api.get(path)
        rows += answer.json
        link = answer.headers.get("link")
        if link is None:
            return rows
        path = link.partition(">")[0].lstrip("<").split(f":{api.port}")[1]


def test_a_threshold_tells_both_directions_and_minds_its_hysteresis(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver
) -> None:
    request = threshold_request("Vnf", objects["Vnf"], receiver, "VMemoryBytesVnf.VNF", 100.0)
    answer = served.post("/vnfpm/v2/thresholds", request)
    assert answer.status == 201, answer.body
    for memory in (50, 105, 110, 200, 95, 91, 90, 50):
        world.meter.memory_bytes = memory
        world.performance._judged_at = float("-inf")
        world.performance.collect()
    crossings = receiver.wait_for(2)
    assert [(body["crossingDirection"], body["performanceValue"]) for body in crossings] == [
        ("UP", 110.0),
        ("DOWN", 90.0),
    ]
    assert crossings[0]["thresholdId"] == answer.json["id"] and crossings[0]["objectType"] == "Vnf"
    served.call("DELETE", answer.headers["location"].split(f":{served.port}")[1])


def test_connection_points_are_measured_by_the_switchs_counters(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver
) -> None:
    request = job_request("Vnf", objects["Vnf"], receiver, performanceMetricGroup=["VnfExternalCp"])
    request["objectType"] = "VnfExtCp"
    path = served.post("/vnfpm/v2/pm_jobs", request).headers["location"].split(f":{served.port}")[1]
    document = collected(world, served, path, 1)
    report = served.get(document["reports"][0]["href"].split(f":{served.port}")[1]).json
    incoming = next(entry for entry in report["entries"] if entry["performanceMetric"] == "ByteIncomingVnfExtCp")
    assert incoming["performanceValues"][0]["value"] == 100.0 and incoming["subObjectInstanceId"].startswith("ext-")
    served.call("DELETE", path)


def test_capacity_is_told_by_vim_and_zone(served: Api, tenant_a: Api, objects: dict[str, str]) -> None:
    (info,) = served.get("/nfvici/v1/nfvi_capacity_infos").json
    assert served.get("/nfvici/v1/nfvi_capacity_infos/local").json["vimId"] == "local"
    assert info["capacityInfoPerZone"][0]["resourceZoneId"] == "z1"
    measured = {one["capacityMeasurementName"]: one for one in info["totalCapacityInfo"]}
    assert measured["dedicatedCpus"]["totalCapacity"] == 4 and measured["memoryMib"]["availableCapacity"] == 4096
    assert served.get("/nfvici/v1/nfvi_capacity_infos/elsewhere").status == 404
    assert tenant_a.get("/nfvici/v1/nfvi_capacity_infos").status == 403
    assert served.call("POST", "/nfvici/v1/nfvi_capacity_infos", {}).status == 405


def capacity_threshold(receiver: Receiver, name: str = "dedicatedCpus") -> dict[str, Any]:
    metric = {"resourceType": "VR_COMPUTE", "capacityMeasurementName": name, "capacityType": "ALLOCATED"}
    details = {"thresholdValue": 2, "hysteresis": 0}
    criteria = {"capacityMetric": metric, "thresholdType": "SIMPLE", "simpleThresholdDetails": [details]}
    return {"objectInstanceId": "local", "criteria": criteria, "callbackUri": receiver.uri}


def test_a_threshold_on_capacity_tells_of_shortage_and_its_end(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver
) -> None:
    answer = served.post("/nfvici/v1/capacity_thresholds", capacity_threshold(receiver))
    assert answer.status == 201, answer.body
    path = answer.headers["location"].split(f":{served.port}")[1]
    assert served.get(path).json["criteria"] == capacity_threshold(receiver)["criteria"] | {
        "simpleThresholdDetails": [{"thresholdValue": 2.0, "hysteresis": 0.0}]
    }
    watch = CapacityWatch(
        world.store.open_unit, Capacity(world.store.open_unit, ("local",)), world.performance, SystemClock()
    )
    watch.look()
    held = Allocation("r1", cells=(Cell(node=0, cpus=(0, 1), memory_mib=64),))
    with world.unit() as uow:
        stored = uow.hosts.get("h1")
        taken = uow.hosts.put(replace(stored, host=replace(stored.host, allocations=(held,))))
    watch.look()
    with world.unit() as uow:
        uow.hosts.put(replace(taken, host=replace(taken.host, allocations=())))
    watch.look()
    shortage, over = receiver.wait_for(2)
    assert (shortage["direction"], over["direction"]) == ("UP", "DOWN")
    assert shortage["notificationType"] == "CapacityShortageNotification"
    assert shortage["capacityInformation"]["allocatedCapacity"] == 2
    assert served.call("PATCH", path, b"{}", MERGE).status == 400
    assert served.call("DELETE", path).status == 204 and served.get(path).status == 404
    wrong = capacity_threshold(receiver, "unicorns")
    assert served.post("/nfvici/v1/capacity_thresholds", wrong).status == 400
    assert served.post("/nfvici/v1/capacity_thresholds", wrong | {"objectInstanceId": "nowhere"}).status == 404


def test_indicators_are_read_and_their_changes_told(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver
) -> None:
    vnf = objects["Vnf"]
    world.meter.values = {"load": 0.5, "packets": 7.0}
    told = {row["id"]: row["value"] for row in every(served, f"/vnfind/v1/indicators/{vnf}")}
    assert told["load"] == 0.5 and told["catena.runningVnfcs"] == 1 and "packets" not in told
    assert served.get(f"/vnfind/v1/indicators/{vnf}/load").json["value"] == 0.5
    assert served.get(f"/vnfind/v1/indicators/{vnf}/nonsense").status == 404
    assert served.get(f"/vnfind/v1/indicators/{UNKNOWN}").status == 404
    assert {row["vnfInstanceId"] for row in every(served, "/vnfind/v1/indicators")} == {vnf}
    id = subscribe(served, "/vnfind/v1", receiver, filter={"indicatorIds": ["load"]})
    world.indicators.watch()
    world.meter.values = {"load": 0.75}
    world.indicators.watch()
    world.indicators.watch()
    (body,) = receiver.wait_for(1)
    assert (body["vnfIndicatorId"], body["value"], body["vnfInstanceId"]) == ("load", 0.75, vnf)
    time.sleep(0.2)
    assert len(receiver.received) == 1, "the same value is no news"
    served.call("DELETE", f"/vnfind/v1/subscriptions/{id}")


def test_usage_comes_as_json_and_csv(served: Api, tenant_a: Api, world: World, objects: dict[str, str]) -> None:
    world.metering.read_chains()
    rows = served.get("/mano/v1/usage").json
    of_service = next(row for row in rows if row["nsInstanceId"] == objects["Ns"])
    assert of_service["chainBytes"] == 700
    answer = served.get("/mano/v1/usage", Accept="text/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    table = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert len(table) == len(rows) and table[0].keys() == rows[0].keys()
    assert tenant_a.get("/mano/v1/usage").json == []
    assert served.get("/mano/v1/usage?since=2999-01-01").status == 400
    assert served.get("/mano/v1/usage?since=yesterday").status == 400
    assert served.get("/mano/v1/usage?until=2001-01-01").json == []
    assert served.get("/mano/v1/usage", Accept="image/png").status == 406


@needs_documents
def test_all_of_it_is_what_the_official_documents_say(
    served: Api, world: World, objects: dict[str, str], receiver: Receiver
) -> None:
    for kind, document in (("Vnf", "SOL003-VNF"), ("Ns", "SOL005-NS")):
        root = ROOTS[kind]
        job = served.post(f"{root}/pm_jobs", job_request(kind, objects[kind], receiver)).json
        path = job["_links"]["self"]["href"].split(f":{served.port}")[1]
        assert faults(f"{document}PerformanceManagement", "PmJob", job) == []
        told = collected(world, served, path, 1)
        # the documents take one report for the list that the standards' texts have
        told["reports"] = told["reports"][0] | {"_links": {"self": {"href": "http://x"}}, "fileSize": 1}
        assert faults(f"{document}PerformanceManagement", "PmJob", told) == []
        report = served.get(told["reports"]["href"].split(f":{served.port}")[1]).json
        for entry in report["entries"]:
            # and an object for every value; SOL005's names it anew and makes a list of one identifier
            entry["performanceValues"] = [
                value | {"value": {}, "performanceValue": {}} for value in entry["performanceValues"]
            ]
            if kind == "Ns":
                entry["subObjectInstanceId"] = [entry["subObjectInstanceId"]]
        assert faults(f"{document}PerformanceManagement", "PerformanceReport", report) == []
        metric = "VMemoryBytesVnf" if kind == "Vnf" else "ChainBytes"
        threshold = served.post(
            f"{root}/thresholds", threshold_request(kind, objects[kind], receiver, metric, 1.0)
        ).json
        assert faults(f"{document}PerformanceManagement", "Threshold", threshold) == []
        served.call("DELETE", path)
        served.call("DELETE", threshold["_links"]["self"]["href"].split(f":{served.port}")[1])
    for body in receiver.wait_for(2):
        document = "SOL003-VNF" if "/vnfpm/" in body["_links"]["pmJob"]["href"] else "SOL005-NS"
        found = faults(f"{document}PerformanceManagementNotification", body["notificationType"], body)
        assert [fault for fault in found if "subscriptionId" not in fault] == []
    capacity = served.post("/nfvici/v1/capacity_thresholds", capacity_threshold(receiver))
    assert faults("SOL005-NFVICapacityInformation", "CapacityThreshold", capacity.json) == []
    served.call("DELETE", capacity.headers["location"].split(f":{served.port}")[1])
    indicator = served.get(f"/vnfind/v1/indicators/{objects['Vnf']}/catena.runningVnfcs").json
    assert faults("SOL003-VNFIndicator", "VnfIndicator", indicator | {"value": {}}) == []


# Scaling without being asked: why, and whether.

SCALING = "/mano/v1/auto_scaling"


def test_it_is_explained_and_switched(served: Api, objects: dict[str, str], world: World) -> None:
    of_vnf = served.get(f"{SCALING}/{objects['Vnf']}")
    assert of_vnf.status == 200, of_vnf.body
    assert (of_vnf.json["kind"], of_vnf.json["scales"], of_vnf.json["rules"]) == ("vnf", False, [])
    assert "no trigger" in of_vnf.json["why"]
    off = served.call("PATCH", f"{SCALING}/{objects['Ns']}", {"enabled": False})
    assert (off.status, off.json["why"]) == (200, "an operator switched it off")
    on = served.call("PATCH", f"{SCALING}/{objects['Ns']}", {"enabled": True})
    assert (on.status, on.json["kind"], on.json["scales"]) == (200, "ns", False)
    world.auto_scaler.look()
    assert served.get(f"{SCALING}/{objects['Ns']}").json == on.json


def test_what_cannot_be_switched_or_seen_is_refused(served: Api, objects: dict[str, str]) -> None:
    refused = served.call("PATCH", f"{SCALING}/{objects['Vnf']}", {"enabled": False}).problem()
    assert (refused["status"], "isAutoscaleEnabled" in refused["detail"]) == (400, True)
    assert served.call("PATCH", f"{SCALING}/{objects['Ns']}", {"enabled": "no"}).problem()["status"] == 400
    assert served.call("PATCH", f"{SCALING}/{objects['Ns']}", {}).problem()["status"] == 400
    assert served.get(f"{SCALING}/{UNKNOWN}").problem()["status"] == 404
    assert served.call("GET", f"{SCALING}/{objects['Vnf']}", headers={"Authorization": None}).problem()["status"] == 401
    other = {"Catena-Tenant": TENANT_A}
    assert served.call("GET", f"{SCALING}/{objects['Vnf']}", headers=other).problem()["status"] == 404
