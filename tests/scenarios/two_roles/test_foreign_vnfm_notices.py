"""Our NFVO subscribes at a VNFM of somebody else's: it looks when it is told to, and asks where nobody tells."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from mano.adapters.clock import random_id
from mano.adapters.or_vnfm_http import ForeignVnfm, News, PeerClient, Subscriber, VnfmNotices, teller_of
from mano.adapters.or_vnfm_http.news import LOOK_ANYWAY_S
from mano.adapters.web_client import WebClient
from mano.api.config import ApiConfig
from mano.domain.lcm_op_occ import OperationState
from mano.errors import CatenaError
from mano.ports.or_vnfm import VnfOperation
from mano.settings import Outbound, Peer
from tests.api.conftest import CREDENTIALS, Api, serving
from tests.scenarios.two_roles.conftest import pair_in
from tests.scenarios.two_roles.foreign_vnfm import foreign_vnfm
from tests.scenarios.two_roles.test_foreign_vnfm import Stage


class Told:
    """The stage with an NFVO that subscribes."""

    def __init__(self, stage: Stage, notices: VnfmNotices, subscriber: Subscriber, news: News, api: Api) -> None:
        self.stage, self.notices, self.subscriber, self.news, self.api = stage, notices, subscriber, news, api
        self.server, self.vnfm, self.tenant = stage.server, stage.vnfm, stage.job.tenant

    def instantiate(self) -> tuple[str, str]:
        """A VNF of its own, instantiated: our operation, and the occurrence of theirs."""
        vnf, op = random_id(), random_id()
        self.vnfm.create_vnf(vnf, self.tenant, self.stage.vnfd_id, "box", {})
        self.vnfm.instantiate(vnf, self.tenant, op, {"flavourId": "simple"})
        return op, next(reversed(self.server.operations))

    def state(self, op: str) -> OperationState:
        return self.vnfm.operation(op, self.tenant).state


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory, archives: dict[str, Path]) -> Iterator[Told]:
    with ExitStack() as stack:
        pair = stack.enter_context(pair_in(tmp_path_factory.mktemp("told"), archives))
        server = stack.enter_context(foreign_vnfm())
        web = WebClient(Outbound(loopback=True))
        stack.callback(web.close)
        pair.job.onboard()
        pair.job.add_hosts()
        stage, news = Stage(pair, server, web), News()
        client = PeerClient(web, Peer(server.url, foreign=True), patience_s=0.5)
        stage.vnfm = ForeignVnfm(client, stage.open_unit, stage._settle, news)
        teller = teller_of(server.url, CREDENTIALS.signing_key, stage.vnfm, news)
        notices = VnfmNotices([teller])
        notices.start()
        stack.callback(notices.stop)
        services = replace(pair.nfvo.catena.services, vnfm_notices=notices)
        api = stack.enter_context(serving(services, ApiConfig(credentials=CREDENTIALS)))
        subscriber = Subscriber(client, f"http://127.0.0.1:{api.port}{teller.path}", teller.proof, news)
        yield Told(stage, notices, subscriber, news, api)


@pytest.fixture
def told(everything: Told) -> Told:
    """With no subscription yet, and nothing told."""
    everything.server.subscriptions.clear()
    everything.stage.ended.clear()
    everything.news.flow(False)
    return everything


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_an_operation_is_looked_at_when_the_vnfm_tells_of_it(told: Told) -> None:
    server = told.server
    told.subscriber.start()
    eventually(lambda: server.subscriptions)
    told.subscriber.stop()
    (subscription,) = server.subscriptions.values()
    assert subscription["filter"] == {"notificationTypes": ["VnfLcmOperationOccurrenceNotification"]}
    eventually(lambda: told.news.flows)
    op, theirs = told.instantiate()
    server.operations[theirs]["operationState"] = "PROCESSING"
    assert {told.state(op) for _ in range(5)} == {OperationState.PROCESSING}
    assert server.looks(f"vnf_lcm_op_occs/{theirs}") == 1
    server.operations[theirs]["operationState"] = "COMPLETED"
    assert server.tell(theirs) == [204]
    assert told.state(op) is OperationState.COMPLETED


def test_what_the_vnfm_does_by_itself_is_settled_once(told: Told) -> None:
    server, stage = told.server, told.stage
    told.subscriber.keep()
    op, theirs = told.instantiate()
    assert told.state(op) is OperationState.COMPLETED
    instance = server.operations[theirs]["vnfInstanceId"]
    before, looks = len(stage.reservations()), server.looks(f"vnf_instances/{instance}")
    stage.ended.clear()
    op = server.begins("SCALE", instance, {"type": "SCALE_OUT"})
    assert len(stage.reservations()) == before + 1
    assert server.tell(op) == server.tell(op, again=True) == [204]
    eventually(lambda: stage.ended)
    op = server.begins("SCALE", instance, {"type": "SCALE_IN"})
    server.tell(op)
    eventually(lambda: server.looks(f"vnf_instances/{instance}") == looks + 2 * 2)
    assert stage.ended == [("SCALE", True)] * 2 and len(stage.reservations()) == before


def test_a_subscription_is_made_once_and_again_when_it_is_lost(told: Told) -> None:
    told.subscriber.keep()
    told.subscriber.keep()
    assert len(told.server.subscriptions) == 1
    told.server.subscriptions.clear()
    told.subscriber.keep()
    assert len(told.server.subscriptions) == 1


def test_without_a_subscription_the_vnfm_is_asked_each_time(told: Told) -> None:
    nothing = (404, {"status": 404, "detail": "no such resource"}, "")
    with patch.object(told.server, "_subscribe", lambda method, body: nothing), pytest.raises(CatenaError):
        told.subscriber.keep()
    op, theirs = told.instantiate()
    told.server.operations[theirs]["operationState"] = "PROCESSING"
    assert {told.state(op) for _ in range(3)} == {OperationState.PROCESSING}
    assert told.server.looks(f"vnf_lcm_op_occs/{theirs}") == 3


def test_the_callback_opens_to_the_vnfms_own_credentials_alone(told: Told) -> None:
    told.subscriber.keep()
    (subscription,) = told.server.subscriptions.values()
    path = subscription["callbackUri"].partition(str(told.api.port))[2]
    for headers in ({}, {"Authorization": "Basic YTpi"}, {"Authorization": f"Bearer {told.api.token}"}):
        answer = told.api.call("GET", path, headers={"Authorization": None, **headers})
        assert (answer.status, answer.headers["www-authenticate"]) == (401, 'Basic realm="catena"')
        answer.problem()
    basic = subscription["authentication"]["paramsBasic"]
    assert told.notices.admits(path.rpartition("/")[2], basic["userName"], basic["password"])
    assert told.api.get("/mano/v1/vnfm_notifications/" + "0" * 32).status == 401
    assert told.api.get("/mano/v1/vnfm_notifications/nobody").status == 404
    assert told.api.call("PUT", path).status == 405


def test_nonsense_is_refused_and_what_is_not_ours_is_left_alone(told: Told) -> None:
    server = told.server
    told.subscriber.keep()
    server.operations["x"] = {"operationState": "COMPLETED", "operation": "SCALE", "vnfInstanceId": "../../other"}
    assert server.tell("x") == [204]
    (subscription,) = server.subscriptions.values()
    assert server._call_back(subscription, {"id": "1", "notificationType": "AlarmNotification"}) == 400
    assert server._call_back(subscription, {"id": "1"}) == 400
    deleted = {"id": "2", "notificationType": "VnfIdentifierDeletionNotification", "vnfInstanceId": "y"}
    assert server._call_back(subscription, deleted) == 204
    eventually(lambda: server.looks("vnf_instances/..%2F..%2Fother"))
    assert told.stage.ended == []


def test_what_was_seen_holds_until_something_is_told_or_too_long_ago() -> None:
    now = [0.0]
    news = News(lambda: now[0])
    running = VnfOperation("op", OperationState.PROCESSING, None)
    news.seen("a", running, news.look())
    assert news.last("a") is None
    news.flow(True)
    news.seen("a", running, news.look())
    assert news.last("a") is running
    news.told("a")
    assert news.last("a") is None
    since = news.look()
    news.told("a")
    news.seen("a", running, since)
    assert news.last("a") is None
    news.seen("a", running, news.look())
    now[0] = LOOK_ANYWAY_S
    assert news.last("a") is None
    news.seen("a", VnfOperation("op", OperationState.COMPLETED, None), news.look())
    assert news.last("a") is None
