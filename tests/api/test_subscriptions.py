"""Conversations about subscriptions, and what subscribers are then told."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mano.domain.lcm_op_occ import Level
from tests.api.conftest import Api
from tests.api.official import faults, needs_documents
from tests.api.test_life_cycles import BROKEN, INSTANTIATE, NS, VNF, accepted, new_ns, new_vnf
from tests.api.test_packages import MERGE, UNKNOWN, create, upload
from tests.api.world import World, archive
from tests.fakes.descriptors import FIREWALL
from tests.fakes.receiver import Receiver, receiving

INTERFACES = ("/nsd/v2", "/vnfpkgm/v2", "/nslcm/v2", "/nsfm/v1", "/vrqan/v1", "/vnflcm/v2", "/vnffm/v1", "/vnfind/v1")
PACKAGES = "/vnfpkgm/v2/vnf_packages"
INSTANTIATE_VNF = {"flavourId": "simple"}


@pytest.fixture(scope="module", autouse=True)
def dispatching(world: World) -> Iterator[None]:
    world.dispatcher.start()
    yield
    world.dispatcher.stop()


@pytest.fixture(scope="module", autouse=True)
def catalogue(served: Api) -> None:
    for name in ("firewall", "dpi", "nat"):
        assert upload(served, create(served), archive(name)).status == 202
    nsd = create(served, "/nsd/v2/ns_descriptors")
    assert upload(served, nsd, archive("gi-lan"), "/nsd/v2/ns_descriptors", "nsd_content").status == 202


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def subscribe(api: Api, root: str, receiver: Receiver, **more: Any) -> str:
    answer = api.post(f"{root}/subscriptions", {"callbackUri": receiver.uri, **more})
    assert answer.status == 201, answer.body
    assert answer.headers["location"] == answer.json["_links"]["self"]["href"]
    return str(answer.json["id"])


def told(receiver: Receiver, count: int) -> list[tuple[str, str]]:
    """(type, state) of what arrived."""
    return [
        (body["notificationType"], body.get("operationState", body.get("changeType", "")))
        for body in receiver.wait_for(count)
    ]


@pytest.mark.parametrize("root", INTERFACES)
def test_a_subscription_is_made_read_listed_and_ended(served: Api, receiver: Receiver, root: str) -> None:
    id = subscribe(served, root, receiver)
    document = served.get(f"{root}/subscriptions/{id}").json
    assert document["callbackUri"] == receiver.uri and "authentication" not in document
    assert id in [found["id"] for found in served.get(f"{root}/subscriptions?filter=(eq,id,{id})").json]
    assert served.call("DELETE", f"{root}/subscriptions/{id}").status == 204
    assert served.get(f"{root}/subscriptions/{id}").status == 404
    assert served.call("DELETE", f"{root}/subscriptions/{id}").status == 404
    assert served.call("PATCH", f"{root}/subscriptions/{id}", {}, MERGE).status == 405


def test_a_subscription_belongs_to_its_interface_and_tenant(served: Api, tenant_a: Api, receiver: Receiver) -> None:
    id = subscribe(served, "/nslcm/v2", receiver)
    assert served.get(f"/vnflcm/v2/subscriptions/{id}").status == 404
    assert tenant_a.get(f"/nslcm/v2/subscriptions/{id}").status == 404
    assert tenant_a.call("DELETE", f"/nslcm/v2/subscriptions/{id}").status == 404
    assert served.call("DELETE", f"/nslcm/v2/subscriptions/{id}").status == 204


def test_the_same_subscription_is_not_made_twice(served: Api, receiver: Receiver) -> None:
    id = subscribe(served, "/vnflcm/v2", receiver, filter={"operationTypes": ["HEAL"]})
    again = served.post(
        "/vnflcm/v2/subscriptions", {"callbackUri": receiver.uri, "filter": {"operationTypes": ["HEAL"]}}
    )
    assert again.status == 303 and again.headers["location"].endswith(id)
    assert subscribe(served, "/vnflcm/v2", receiver, filter={"operationTypes": ["SCALE"]}) != id


@pytest.mark.parametrize("status", [200, 302, 404, 500])
def test_a_callback_that_does_not_answer_204_is_refused(served: Api, receiver: Receiver, status: int) -> None:
    receiver.get_status = status
    answer = served.post("/nsd/v2/subscriptions", {"callbackUri": receiver.uri})
    assert answer.status == 422
    assert answer.problem()["code"] == "CALLBACK_REFUSED" and str(status) in answer.problem()["detail"]


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1:1/nobody",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/x",
        "http://[::ffff:169.254.1.1]/x",
        "http://0.0.0.0/x",
        "http://224.0.0.1/x",
        "http://user:secret@127.0.0.1/x",
        "http://127.0.0.1/x#fragment",
        "http://no-such-host.invalid/x",
        "http://127.0.0.1:99999/x",
    ],
)
def test_a_callback_that_may_not_be_called_is_refused(served: Api, uri: str) -> None:
    answer = served.post("/vnfpkgm/v2/subscriptions", {"callbackUri": uri})
    assert answer.status == 422 and answer.problem()["code"] == "CALLBACK_REFUSED"
    assert "secret" not in answer.body.decode()


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/callbackUri"),
        ({"callbackUri": "ftp://127.0.0.1/x"}, "/callbackUri"),
        ({"callbackUri": 1}, "/callbackUri"),
        ({"filter": {"notificationTypes": ["Nonsense"]}}, "/filter/notificationTypes"),
        ({"filter": {"operationStates": [1]}}, "/filter/operationStates"),
        ({"filter": {"vnfInstanceSubscriptionFilter": []}}, "/filter/vnfInstanceSubscriptionFilter"),
        ({"filter": {"vnfProductsFromProviders": [{"vnfProducts": []}]}}, "/filter/vnfProductsFromProviders"),
        ({"authentication": {"authType": ["BASIC"]}}, "/authentication/paramsBasic"),
        ({"authentication": {"authType": ["PASSPORT"]}}, "/authentication/authType/0"),
        ({"authentication": {"authType": []}}, "/authentication/authType"),
        ({"verbosity": "LOUD"}, "/verbosity"),
    ],
)
def test_a_wrong_request_says_where(served: Api, receiver: Receiver, body: dict[str, Any], pointer: str) -> None:
    sent = body if "callbackUri" in body or body == {} else {"callbackUri": receiver.uri, **body}
    answer = served.post("/vnflcm/v2/subscriptions", sent)
    assert answer.status == 400 and answer.problem()["facts"]["pointer"] == pointer
    assert receiver.received == []


def test_a_vnfs_life_is_told_from_its_identifier_to_its_end(served: Api, receiver: Receiver) -> None:
    id = subscribe(served, "/vnflcm/v2", receiver)
    vnf = new_vnf(served)
    accepted(served, served.post(f"{VNF}/{vnf}/instantiate", INSTANTIATE_VNF))
    accepted(served, served.post(f"{VNF}/{vnf}/terminate", {"terminationType": "FORCEFUL"}))
    assert served.call("DELETE", f"{VNF}/{vnf}").status == 204
    operation = "VnfLcmOperationOccurrenceNotification"
    assert told(receiver, 8) == [
        ("VnfIdentifierCreationNotification", ""),
        *[(operation, state) for state in ("STARTING", "PROCESSING", "COMPLETED")] * 2,
        ("VnfIdentifierDeletionNotification", ""),
    ]
    first = receiver.received[1]
    assert (first["notificationStatus"], first["operation"], first["subscriptionId"]) == ("START", "INSTANTIATE", id)
    assert first["_links"]["vnfInstance"]["href"] == f"http://127.0.0.1:{served.port}{VNF}/{vnf}"
    assert receiver.received[3]["notificationStatus"] == "RESULT"
    assert len({body["id"] for body in receiver.received}) == 8
    served.call("DELETE", f"/vnflcm/v2/subscriptions/{id}")


def test_a_failure_is_told_with_its_problem(served: Api, world: World, receiver: Receiver) -> None:
    subscribe(served, "/nslcm/v2", receiver, filter={"operationStates": ["FAILED_TEMP"]})
    world.fail_next(Level.NS, "INSTANTIATE", BROKEN)
    ns = new_ns(served)
    accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    creation, failed = receiver.wait_for(2)
    assert creation["notificationType"] == "NsIdentifierCreationNotification"
    assert failed["operationState"] == "FAILED_TEMP" and failed["nsInstanceId"] == ns and "timestamp" in failed
    assert failed["error"]["detail"] == "the switch of h1 fell over"


def test_packages_are_told_of_when_onboarded_changed_and_deleted(
    served: Api, tenant_a: Api, receiver: Receiver
) -> None:
    subscribe(tenant_a, "/vnfpkgm/v2", receiver, filter={"vnfdId": [FIREWALL]})
    ids = [create(tenant_a), create(tenant_a)]
    assert upload(tenant_a, ids[0], archive("dpi")).status == 202
    assert upload(tenant_a, ids[1], archive("firewall")).status == 202
    package = f"{PACKAGES}/{ids[1]}"
    assert tenant_a.call("PATCH", package, b'{"userDefinedData": {"a": 1}}', MERGE).status == 200
    assert tenant_a.call("PATCH", package, b'{"operationalState": "DISABLED"}', MERGE).status == 200
    assert tenant_a.call("DELETE", package).status == 204
    assert told(receiver, 3) == [
        ("VnfPackageOnboardingNotification", ""),
        ("VnfPackageChangeNotification", "OP_STATE_CHANGE"),
        ("VnfPackageChangeNotification", "PKG_DELETE"),
    ]
    assert {body["vnfPkgId"] for body in receiver.received} == {ids[1]}


def test_descriptors_that_fail_are_told_with_the_findings(served: Api, receiver: Receiver) -> None:
    subscribe(served, "/nsd/v2", receiver, filter={"notificationTypes": ["NsdOnboardingFailureNotification"]})
    id = create(served, "/nsd/v2/ns_descriptors")
    assert upload(served, id, b"no archive", "/nsd/v2/ns_descriptors", "nsd_content").status == 202
    (body,) = receiver.wait_for(1)
    assert body["nsdInfoId"] == id
    assert body["onboardingFailureDetails"]["facts"]["findings"][0]["code"] == "CSAR001"


@pytest.mark.parametrize(
    ("wanted", "is_told"),
    [
        ({"vnfInstanceSubscriptionFilter": {"vnfdIds": [FIREWALL]}}, True),
        ({"vnfInstanceSubscriptionFilter": {"vnfdIds": [UNKNOWN]}}, False),
        ({"vnfInstanceSubscriptionFilter": {"vnfInstanceNames": ["fw", "other"]}}, True),
        ({"vnfInstanceSubscriptionFilter": {"vnfProductsFromProviders": [{"vnfProvider": "nobody"}]}}, False),
        ({"notificationTypes": ["VnfIdentifierDeletionNotification"]}, False),
        ({"notificationTypes": ["VnfIdentifierCreationNotification"], "operationTypes": ["HEAL"]}, True),
    ],
)
def test_filters_decide_who_is_told(served: Api, receiver: Receiver, wanted: dict[str, Any], is_told: bool) -> None:
    id = subscribe(served, "/vnflcm/v2", receiver, filter=wanted)
    with receiving() as everything:
        control = subscribe(served, "/vnflcm/v2", everything)
        new_vnf(served)
        everything.wait_for(1)
        for ended in (id, control):
            if is_told:
                receiver.wait_for(1)
            served.call("DELETE", f"/vnflcm/v2/subscriptions/{ended}")
    assert bool(receiver.received) is is_told


def test_a_short_notification_has_no_details(served: Api, receiver: Receiver) -> None:
    id = subscribe(served, "/nslcm/v2", receiver, verbosity="SHORT", filter={"operationStates": ["COMPLETED"]})
    assert served.get(f"/nslcm/v2/subscriptions/{id}").json["verbosity"] == "SHORT"
    ns = new_ns(served)
    accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    assert not [name for name in receiver.wait_for(2)[1] if name.startswith("affected")]


def test_basic_credentials_are_sent_and_never_told(served: Api, receiver: Receiver) -> None:
    credentials = {"authType": ["BASIC"], "paramsBasic": {"userName": "oss", "password": "päss:word"}}
    id = subscribe(served, "/vnflcm/v2", receiver, authentication=credentials)
    new_vnf(served)
    receiver.wait_for(1)
    assert receiver.authorizations == ["Basic " + base64.b64encode("oss:päss:word".encode()).decode()]
    assert "word" not in served.get(f"/vnflcm/v2/subscriptions/{id}").body.decode()


def test_a_token_is_fetched_once_and_again_when_it_is_refused(served: Api, receiver: Receiver) -> None:
    endpoint = f"http://127.0.0.1:{receiver.port}/token"
    parameters = {"clientId": "catena", "clientPassword": "secret", "tokenEndpoint": endpoint}
    credentials = {"authType": ["OAUTH2_CLIENT_CREDENTIALS"], "paramsOauth2ClientCredentials": parameters}
    subscribe(served, "/vnflcm/v2", receiver, authentication=credentials)
    new_vnf(served)
    new_vnf(served)
    receiver.wait_for(2)
    assert receiver.tokens_given == 1 and receiver.authorizations == ["Bearer token-1"] * 2
    refused: list[int] = []

    def once(body: dict[str, Any]) -> int:
        refused.append(1)
        return 401 if len(refused) == 1 else 204

    receiver.answer = once
    new_vnf(served)
    receiver.wait_for(3)
    assert receiver.authorizations[2] == "Bearer token-2"


def test_a_receiver_that_was_down_gets_everything_in_order(served: Api, receiver: Receiver) -> None:
    id = subscribe(served, "/vnflcm/v2", receiver)
    receiver.is_up = False
    vnfs = [new_vnf(served) for _ in range(4)]
    for vnf in vnfs:
        accepted(served, served.post(f"{VNF}/{vnf}/instantiate", INSTANTIATE_VNF))
    time.sleep(0.3)
    assert receiver.received == []
    receiver.is_up = True
    arrived = receiver.wait_for(16)
    for vnf in vnfs:
        states = [body.get("operationState", "") for body in arrived if body["vnfInstanceId"] == vnf]
        assert states == ["", "STARTING", "PROCESSING", "COMPLETED"]
    served.call("DELETE", f"/vnflcm/v2/subscriptions/{id}")


def test_a_slow_receiver_delays_no_other(served: Api, receiver: Receiver) -> None:
    with receiving() as slow:
        slow.delay_s = 1.0
        slow_id = subscribe(served, "/vnflcm/v2", slow)
        subscribe(served, "/vnflcm/v2", receiver)
        for _ in range(5):
            new_vnf(served)
        receiver.wait_for(5)
        assert len(slow.received) < 5
        assert served.call("DELETE", f"/vnflcm/v2/subscriptions/{slow_id}").status == 204


def test_what_a_receiver_cannot_read_blocks_nothing_behind_it(served: Api, receiver: Receiver) -> None:
    subscribe(served, "/vnflcm/v2", receiver)
    poison = new_vnf(served)
    receiver.wait_for(1)
    receiver.answer = lambda body: 400 if body.get("operationState") == "STARTING" else 204
    accepted(served, served.post(f"{VNF}/{poison}/instantiate", INSTANTIATE_VNF))
    assert [body.get("operationState") for body in receiver.wait_for(3)[1:]] == ["PROCESSING", "COMPLETED"]


def test_what_waits_for_an_ended_subscription_is_forgotten(served: Api, world: World, receiver: Receiver) -> None:
    id = subscribe(served, "/vnflcm/v2", receiver)
    receiver.is_up = False
    new_vnf(served)
    with world.store.open_unit(read_only=True) as uow:
        assert uow.deliveries.pending(id)
    assert served.call("DELETE", f"/vnflcm/v2/subscriptions/{id}").status == 204
    with world.store.open_unit(read_only=True) as uow:
        assert not uow.deliveries.pending(id)


def test_no_notification_tells_of_what_was_rolled_back(served: Api, world: World, receiver: Receiver) -> None:
    subscribe(served, "/vnflcm/v2", receiver)
    first = new_vnf(served)
    with pytest.raises(RuntimeError, match="undone"), world.unit() as uow:
        uow.outbox.append(replace(uow.outbox.after(0)[-1], id=UNKNOWN))
        raise RuntimeError("undone")
    second = new_vnf(served)
    assert [body["vnfInstanceId"] for body in receiver.wait_for(2)] == [first, second]
    assert UNKNOWN not in [body["id"] for body in receiver.received]


@needs_documents
def test_subscriptions_and_notifications_are_what_the_official_documents_say(
    served: Api, world: World, receiver: Receiver
) -> None:
    for root, document, schema in (
        ("/vnflcm/v2", "SOL003-VNFLifecycleManagement", "LccnSubscription"),
        ("/nslcm/v2", "SOL005-NSLifecycleManagement", "LccnSubscription"),
        ("/nsd/v2", "SOL005-NSDManagement", "NsdmSubscription"),
        ("/vnffm/v1", "SOL003-VNFFaultManagement", "FmSubscription"),
        ("/nsfm/v1", "SOL005-NSFaultManagement", "FmSubscription"),
        ("/vnfind/v1", "SOL003-VNFIndicator", "VnfIndicatorSubscription"),
        ("/vrqan/v1", "SOL003-VirtualisedResourcesQuotaAvailableNotification", "VrQuotaAvailSubscription"),
        ("/vnfpkgm/v2", "SOL005-VNFPackageManagement", "PkgmSubscription"),
    ):
        id = subscribe(served, root, receiver)
        assert faults(document, schema, served.get(f"{root}/subscriptions/{id}").json) == []
    ns, vnf = new_ns(served), new_vnf(served)
    accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    accepted(served, served.post(f"{VNF}/{vnf}/instantiate", INSTANTIATE_VNF))
    accepted(served, served.post(f"{VNF}/{vnf}/terminate", {"terminationType": "FORCEFUL"}))
    served.call("DELETE", f"{VNF}/{vnf}")
    failing = create(served, "/nsd/v2/ns_descriptors")
    assert upload(served, failing, b"no archive", "/nsd/v2/ns_descriptors", "nsd_content").status == 202
    for body in receiver.wait_for(12):
        kind = body["notificationType"]
        document = {
            "Vn": "SOL003-VNFLifecycleManagementNotification",
            "Ns": "SOL005-NSLifecycleManagementNotification",
        }[kind[:2]]
        if kind.startswith("Nsd"):
            document = "SOL005-NSDManagementNotification"
        assert faults(document, kind, body) == [], body
