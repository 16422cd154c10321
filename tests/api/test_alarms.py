"""Conversations about alarms: /vnffm/v1, /nsfm/v1 and /mano/v1/alarms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from mano.adapters.clock import SystemClock
from mano.assurance.alarms import Alarms
from mano.domain.alarm import AlarmLevel, EventType, FaultyResourceType, PerceivedSeverity
from mano.domain.alarm_causes import Cause
from mano.domain.ids import DEFAULT_TENANT
from tests.api.conftest import TENANT_A, Api
from tests.api.official import faults, needs_documents
from tests.api.test_packages import MERGE, UNKNOWN
from tests.api.test_subscriptions import subscribe
from tests.api.world import World
from tests.fakes.receiver import Receiver, receiving

ROOTS = {AlarmLevel.VNF: "/vnffm/v1/alarms", AlarmLevel.NS: "/nsfm/v1/alarms", AlarmLevel.NFVI: "/mano/v1/alarms"}
ACKNOWLEDGED = b'{"ackState": "ACKNOWLEDGED"}'
VNF_ID = "33333333-3333-4333-8333-333333333333"


def causes() -> list[Cause]:
    """One of each level, and another tenant's."""
    one = Cause(
        key="test/vnf",
        level=AlarmLevel.VNF,
        managed_object_id=VNF_ID,
        severity=PerceivedSeverity.CRITICAL,
        event_type=EventType.PROCESSING_ERROR,
        probable_cause="vnfc-not-running",
        tenant_id=DEFAULT_TENANT,
        fault_type="process",
        details=("it ended",),
        resource_type=FaultyResourceType.COMPUTE,
        resource_id="compute-1",
        component="vnfc-1",
    )
    ns = replace(one, key="test/ns", level=AlarmLevel.NS, root="test/vnf", component=VNF_ID)
    return [
        one,
        ns,
        replace(one, key="test/nfvi", level=AlarmLevel.NFVI, managed_object_id="h1", component=""),
        replace(one, key="test/other", tenant_id=TENANT_A),
    ]


@pytest.fixture(autouse=True)
def standing(world: World) -> Iterator[Alarms]:
    alarms = Alarms(world.store.open_unit, SystemClock())
    alarms.observed("test", causes())
    yield alarms
    alarms.observed("test", [])


def the_alarm(api: Api, level: AlarmLevel) -> str:
    """The path of the alarm of this level that stands."""
    root = ROOTS[level]
    of_level = ";(eq,level,nfvi)" if level is AlarmLevel.NFVI else ""
    (found,) = api.get(f"{root}?filter=(neq,perceivedSeverity,CLEARED){of_level}").json
    return f"{root}/{found['id']}"


@pytest.mark.parametrize("level", list(AlarmLevel))
def test_an_alarm_is_listed_read_and_acknowledged_once(served: Api, level: AlarmLevel) -> None:
    path = the_alarm(served, level)
    answer = served.get(path)
    document, tag = answer.json, answer.headers["etag"]
    assert document["perceivedSeverity"] == "CRITICAL" and document["ackState"] == "UNACKNOWLEDGED"
    assert document["_links"]["self"]["href"].endswith(path)
    assert served.get(path, If_None_Match=tag).status == 304
    stale = served.call("PATCH", path, ACKNOWLEDGED, MERGE | {"If-Match": '"999"'})
    assert stale.status == 412
    done = served.call("PATCH", path, ACKNOWLEDGED, MERGE | {"If-Match": tag})
    assert done.status == 200 and done.json == {"ackState": "ACKNOWLEDGED"} and done.headers["etag"] != tag
    again = served.call("PATCH", path, ACKNOWLEDGED, MERGE)
    assert again.status == 409
    assert served.get(path).json["alarmAcknowledgedTime"]
    back = served.call("PATCH", path, b'{"ackState": "UNACKNOWLEDGED"}', MERGE)
    assert back.status == 200 and "alarmAcknowledgedTime" not in served.get(path).json


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", MERGE, 400),
        (b'{"ackState": "PERHAPS"}', MERGE, 400),
        (b"[]", MERGE, 400),
        (ACKNOWLEDGED, {"Content-Type": "text/plain"}, 415),
        (ACKNOWLEDGED, MERGE | {"If-Match": "nonsense"}, 412),
        (ACKNOWLEDGED, MERGE | {"Version": "7.0.0"}, 406),
    ],
)
def test_a_wrong_acknowledgement_is_refused(served: Api, body: bytes, headers: dict[str, str], status: int) -> None:
    path = the_alarm(served, AlarmLevel.VNF)
    assert served.call("PATCH", path, body, headers).status == status
    assert served.get(path).json["ackState"] == "UNACKNOWLEDGED"


def test_alarms_belong_to_their_interface_and_tenant(served: Api, tenant_a: Api) -> None:
    vnf, ns = the_alarm(served, AlarmLevel.VNF), the_alarm(served, AlarmLevel.NS)
    assert served.get(vnf.replace("vnffm", "nsfm")).status == 404
    assert served.get(ns.replace("nsfm", "vnffm")).status == 404
    assert tenant_a.get(vnf).status == 404 and served.get(f"/vnffm/v1/alarms/{UNKNOWN}").status == 404
    assert tenant_a.call("PATCH", vnf, ACKNOWLEDGED, MERGE).status == 404
    seen = {row["level"] for row in tenant_a.get("/mano/v1/alarms").json}
    assert seen == {"vnf"}, "a tenant sees nothing of the infrastructure"
    assert served.call("DELETE", vnf).status == 405 and served.call("POST", "/vnffm/v1/alarms", {}).status == 405


def test_alarms_are_filtered(served: Api) -> None:
    def found(text: str) -> int:
        return len(served.get(f"/vnffm/v1/alarms?filter={text}").json)

    assert found(f"(eq,managedObjectId,{VNF_ID});(eq,perceivedSeverity,CRITICAL)") == 1
    assert found("(eq,rootCauseFaultyResource/faultyResourceType,STORAGE)") == 0
    assert found("(eq,rootCauseFaultyResource/faultyResource/resourceId,compute-1);(neq,perceivedSeverity,CLEARED)")
    assert served.get("/vnffm/v1/alarms?filter=(eq,nonsense,1)").status == 400


def test_raising_and_clearing_are_told_and_acknowledging_is_not(served: Api, world: World, standing: Alarms) -> None:
    world.dispatcher.start()
    standing.observed("test", [])
    with receiving() as receiver, receiving() as of_storage:
        id = subscribe(served, "/vnffm/v1", receiver, filter={"faultyResourceTypes": ["COMPUTE"]})
        other = subscribe(served, "/vnffm/v1", of_storage, filter={"faultyResourceTypes": ["STORAGE"]})
        of_ns = subscribe(served, "/nsfm/v1", receiver)
        standing.observed("test", causes())
        served.call("PATCH", the_alarm(served, AlarmLevel.VNF), ACKNOWLEDGED, MERGE)
        standing.observed("test", [replace(cause, severity=PerceivedSeverity.MINOR) for cause in causes()])
        standing.observed("test", [])
        arrived = receiver.wait_for(6)
        of_vnf = [body for body in arrived if body["subscriptionId"] == id]
        assert [body["notificationType"] for body in of_vnf] == [
            "AlarmNotification",
            "AlarmNotification",
            "AlarmClearedNotification",
        ]
        assert of_vnf[1]["alarm"]["perceivedSeverity"] == "MINOR"
        assert of_vnf[2]["alarmId"] == of_vnf[0]["alarm"]["id"]
        assert of_storage.received == []
        for root, ended in (("vnffm", id), ("vnffm", other), ("nsfm", of_ns)):
            assert served.call("DELETE", f"/{root}/v1/subscriptions/{ended}").status == 204
        check_notifications(receiver, of_vnf)
    world.dispatcher.stop()


def check_notifications(receiver: Receiver, of_vnf: list[dict[str, object]]) -> None:
    """Against the official documents, where they are."""
    from tests.api.official import DOCUMENTS

    if not DOCUMENTS.is_dir():
        return
    for body in receiver.received:
        document = f"SOL00{'3-VNF' if body in of_vnf else '5-NS'}FaultManagementNotification"
        found = faults(document, str(body["notificationType"]), body)
        if document.startswith("SOL005") and body["notificationType"] == "AlarmNotification":
            # this document takes no AlarmNotification but one that is called AlarmClearedNotification
            found = [fault for fault in found if not fault.startswith("/notificationType: ")]
        assert found == []


@needs_documents
def test_alarms_are_what_the_official_documents_say(served: Api) -> None:
    for level, document in ((AlarmLevel.VNF, "SOL003-VNF"), (AlarmLevel.NS, "SOL005-NS")):
        path = the_alarm(served, level)
        assert faults(f"{document}FaultManagement", "Alarm", served.get(path).json) == []
        told = served.call("PATCH", path, ACKNOWLEDGED, MERGE).json
        assert faults(f"{document}FaultManagement", "AlarmModifications", told) == []
        assert faults(f"{document}FaultManagement", "Alarm", served.get(path).json) == []


def test_an_element_manager_makes_an_alarm_graver(served: Api, standing: Alarms) -> None:
    escalate = the_alarm(served, AlarmLevel.VNF) + "/escalate"
    major = replace(causes()[0], severity=PerceivedSeverity.MAJOR)
    standing.observed("test", [major, *causes()[1:]])
    assert served.post(escalate, {"proposedPerceivedSeverity": "CRITICAL"}).status == 204
    assert served.get(escalate.removesuffix("/escalate")).json["perceivedSeverity"] == "CRITICAL"
    standing.observed("test", [major, *causes()[1:]])
    assert served.get(escalate.removesuffix("/escalate")).json["perceivedSeverity"] == "CRITICAL"
    assert served.post(escalate, {"proposedPerceivedSeverity": "WARNING"}).status == 409
    assert served.post(escalate, {"proposedPerceivedSeverity": "CLEARED"}).status == 400
    assert (
        served.post(f"{ROOTS[AlarmLevel.VNF]}/{UNKNOWN}/escalate", {"proposedPerceivedSeverity": "MAJOR"}).status == 404
    )
    assert served.get(escalate).status == 405
