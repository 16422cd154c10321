"""NFVO and VNFM apart: the whole life of a network service, and what either side refuses, over SOL003."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from mano.domain.grant import GrantRequest, ResourceDefinition
from mano.domain.grant_documents import request_document, request_from_document
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import OperationState
from mano.nfvo.leftovers import Leftovers, is_left
from mano.settings import Limits
from tests.api.conftest import Api
from tests.api.official import faults, needs_documents
from tests.scenarios.operations.conftest import Running
from tests.scenarios.two_roles.conftest import TENANT_CLIENT, Pair

GONE = "99999999-9999-4999-8999-999999999999"


def instances(side: Any) -> dict[str, Any]:
    """VNF instances of one side's store by name."""
    with side.catena.store.open_unit(read_only=True) as uow:
        return {instance.name: instance for instance in uow.vnf_instances.list()}


def test_a_network_service_lives_over_two_servers(pair: Pair) -> None:
    job = pair.job
    ns_id = job.ready()
    op = job.instantiate(ns_id)
    assert op.state is OperationState.COMPLETED, op.error
    copies, originals = instances(pair.nfvo), instances(pair.vnfm)
    assert copies == originals and sorted(copies) == ["dpi-0", "firewall-0", "nat-0"]
    for chain in job.services.forwarding_graphs.list(job.tenant):
        assert job.services.forwarding_graphs.verify(chain["id"], job.tenant)["proven"]

    firewall = originals["firewall-0"]
    healed = pair.vnfm.api.post(f"/vnflcm/v2/vnf_instances/{firewall.id}/heal", {})
    assert healed.status == 202
    ended = pair.vnfm.api.get(healed.headers["location"].partition(str(pair.vnfm.api.port))[2]).json
    assert ended["operationState"] == "COMPLETED", ended
    with pair.nfvo.catena.store.open_unit(read_only=True) as uow:
        assert len(uow.reservations.list()) == 3

    op = job.terminate(ns_id)
    assert op.state is OperationState.COMPLETED, op.error
    assert pair.left() == {}
    assert instances(pair.nfvo) == instances(pair.vnfm) == {}


def test_a_network_service_grows_and_heals_over_two_servers(pair: Pair) -> None:
    pair.job.instantiate(pair.job.ready())
    running = Running(pair.job)
    running.add_spare_host()
    steps = {"scalingDirection": "SCALE_OUT", "aspectId": "inspection", "numberOfSteps": 1}
    one_vnf = {
        "vnfInstanceId": running.vnf("dpi-0").id,
        "scaleVnfType": "SCALE_OUT",
        "scaleByStepData": {"aspectId": "load", "numberOfSteps": 1},
    }
    for operation, request in (
        ("SCALE", {"scaleType": "SCALE_NS", "scaleNsData": {"scaleNsByStepsData": steps}}),
        ("SCALE", {"scaleType": "SCALE_VNF", "scaleVnfData": [one_vnf]}),
        ("HEAL", {"healNsData": {"degreeHealing": "HEAL_RESTORE"}}),
    ):
        op = running.change_ns(operation, request)
        assert op.state is OperationState.COMPLETED, op.error
        assert instances(pair.nfvo) == instances(pair.vnfm)
        running.consistent()
    assert len(running.vnf("dpi-0").vnfcs) == 2 and "dpi-1" in instances(pair.nfvo)
    assert pair.job.terminate(running.ns_id).state is OperationState.COMPLETED
    assert pair.left() == {}


def test_what_a_dead_host_keeps_is_held_and_removed_over_two_servers(pair: Pair) -> None:
    pair.job.instantiate(pair.job.ready())
    running = Running(pair.job)
    running.add_spare_host()
    before, vim = running.vnf("nat-0").vnfcs[0], pair.job.vim
    vim.silence(before.host)
    healed = pair.vnfm.api.post(f"/vnflcm/v2/vnf_instances/{running.vnf('nat-0').id}/heal", {})
    ended = pair.vnfm.api.get(healed.headers["location"].partition(str(pair.vnfm.api.port))[2]).json
    assert ended["operationState"] == "COMPLETED", ended
    assert [one.host for one in running.reservations() if is_left(one)] == [before.host]
    vim.wake(before.host)
    Leftovers(pair.nfvo.catena.store.open_unit, {"local": vim}).look()
    running.consistent()


def test_each_side_serves_what_it_is(standing: Pair) -> None:
    assert standing.nfvo.api.get("/vnflcm/v2/vnf_instances").status == 404
    assert standing.vnfm.api.get("/nslcm/v2/ns_instances").status == 404
    assert standing.vnfm.api.get("/vnfpkgm/v2/vnf_packages").status == 404
    assert standing.vnfm.api.post("/grant/v1/grants", {}).status in (404, 405)
    assert standing.nfvo.api.get(f"/mano/v1/vnf_instances/{GONE}").status == 404
    assert len(standing.vnfm.api.get("/vnflcm/v2/vnf_instances").json) == 3
    assert standing.vnfm.catena.graphs.data_plane().tables == {}


def test_a_decision_that_takes_longer_is_waited_for(make_pair: Callable[..., Pair]) -> None:
    pair = make_pair(Limits(grant_wait_s=1e-9))
    ns_id = pair.job.ready()
    op = pair.job.instantiate(ns_id)
    assert op.state is OperationState.COMPLETED, op.error
    assert pair.job.terminate(ns_id).state is OperationState.COMPLETED
    assert pair.left() == {}


def test_what_the_nfvo_refuses_reaches_the_client_with_its_reasons(make_pair: Callable[..., Pair]) -> None:
    """No host is there for a VNF of its own; and no VNFM for packages that ask for another one than there is."""
    pair = make_pair(identifiers=("acme:v1",))
    pair.job.onboard()
    api = pair.vnfm.api
    vnfd_id = next(each.descriptor_id for each in _packages(pair) if each.name == "firewall")
    made = api.post("/vnflcm/v2/vnf_instances", {"vnfdId": vnfd_id, "vnfInstanceName": "alone"})
    assert made.status == 201, made.body
    request = {"flavourId": "simple", "extVirtualLinks": []}
    started = api.post(f"/vnflcm/v2/vnf_instances/{made.json['id']}/instantiate", request)
    assert started.status == 202, started.body
    ended = api.get(started.headers["location"].partition(str(api.port))[2]).json
    assert ended["operationState"] == "ROLLED_BACK"
    assert ended["error"]["code"] == "NOT_PLACEABLE", ended["error"]
    assert ended["error"]["facts"]["unplaced"]
    assert "alone" in instances(pair.nfvo)

    pair.job.add_hosts()
    ns = pair.job.services.ns_lifecycle.create(pair.job.tenant, _nsd_id(pair), "gi-lan", "")
    op = pair.job.instantiate(ns.id)
    assert op.state is not OperationState.COMPLETED
    assert op.error is not None and "asks for the VNFM etsivnfm:v3.7.1" in op.error["detail"]
    assert "acme:v1" in op.error["hint"]


def _packages(pair: Pair) -> Any:
    with pair.nfvo.catena.store.open_unit(read_only=True) as uow:
        return uow.packages.list()


def _nsd_id(pair: Pair) -> str:
    return next(str(each.descriptor_id) for each in _packages(pair) if each.name == "gi-lan")


def test_a_foreign_vnfm_gets_a_grant_in_the_standards_words(standing: Pair) -> None:
    """It creates its VNF in a service of ours here by a copy of one of ours: what counts are the words."""
    nat = instances(standing.nfvo)["nat-0"]
    request = {
        "vnfInstanceId": nat.id,
        "vnfLcmOpOccId": "77777777-7777-4777-8777-777777777777",
        "vnfdId": nat.vnfd_id,
        "flavourId": nat.flavour_id,
        "operation": "TERMINATE",
        "isAutomaticInvocation": False,
        "removeResources": [{"id": "r1", "type": "COMPUTE", "vduId": "nat", "resourceTemplateId": "nat"}],
        "_links": {"vnfLcmOpOcc": {"href": "http://x/1"}, "vnfInstance": {"href": "http://x/2"}},
    }
    api = standing.nfvo.api
    granted = api.post("/grant/v1/grants", request)
    assert granted.status == 201, granted.body
    grant = granted.json
    (removed,) = grant["removeResources"]
    assert removed["resourceDefinitionId"] == "r1"
    assert removed["reservationId"] == nat.vnfcs[0].placement.get("reservationId", removed["reservationId"])
    assert removed["resourceProviderId"] == nat.vnfcs[0].host
    assert grant["vnfLcmOpOccId"] == request["vnfLcmOpOccId"] and grant["_links"]["self"]["href"].endswith(grant["id"])
    again = api.post("/grant/v1/grants", request)
    assert (again.status, again.json) == (201, grant)
    read = api.get(f"/grant/v1/grants/{grant['id']}")
    assert (read.status, read.json) == (200, grant)


@needs_documents
def test_grants_and_requests_are_those_of_the_official_document(standing: Pair) -> None:
    nat = instances(standing.vnfm)["nat-0"]
    with standing.nfvo.catena.store.open_unit(read_only=True) as uow:
        grants = uow.grants.list()
    grant = next(each for each in grants if each.vnf_instance_id == nat.id)
    answer = standing.nfvo.api.get(f"/grant/v1/grants/{grant.id}").json
    assert faults("SOL003-VNFLifecycleOperationGranting", "Grant", answer) == []
    definition = ResourceDefinition("r1", "nat", 0, reservation_id="x")
    request = GrantRequest(nat.id, GONE, nat.vnfd_id, "SCALE", "simple", "one", (definition,), (definition,))
    asked = request_document(request, "http://127.0.0.1:9891/vnflcm/v2")
    assert faults("SOL003-VNFLifecycleOperationGranting", "GrantRequest", asked) == []
    assert request_from_document(asked) == request


def test_what_is_no_grant_request_is_refused(standing: Pair) -> None:
    api = standing.nfvo.api
    request = {"vnfInstanceId": GONE, "vnfLcmOpOccId": GONE, "vnfdId": "x", "operation": "SCALE"}
    assert api.post("/grant/v1/grants", request).problem()["status"] == 400
    request["isAutomaticInvocation"] = False  # type: ignore[assignment]
    assert api.post("/grant/v1/grants", request).problem()["status"] == 404
    assert api.post("/grant/v1/grants", request | {"operation": "DANCE"}).problem()["status"] == 400
    assert api.post("/grant/v1/grants", request | {"addResources": [{"id": "a"}]}).problem()["status"] == 400
    assert api.get(f"/grant/v1/grants/{GONE}").problem()["status"] == 404
    assert api.call("POST", "/grant/v1/grants", request, {"Version": None}).problem()["status"] == 400


def _tenant(api: Api) -> Api:
    form = f"grant_type=client_credentials&client_id=tenant&client_secret={TENANT_CLIENT.client_secret}"
    token = api.call("POST", "/oauth2/token", form.encode(), {"Content-Type": "application/x-www-form-urlencoded"})
    return replace(api, token=token.json["access_token"])


def test_only_an_administrator_acts_for_a_tenant(standing: Pair) -> None:
    api = standing.nfvo.api
    other = {"Catena-Tenant": TENANT_CLIENT.tenant_id}
    assert _tenant(api).call("GET", "/nslcm/v2/ns_instances", headers=other).problem()["status"] == 403
    assert api.call("GET", "/nslcm/v2/ns_instances", headers={"Catena-Tenant": "me"}).problem()["status"] == 400
    assert api.call("GET", "/nslcm/v2/ns_instances", headers=other).json == []


def test_reports_come_from_administrators_and_about_the_vnf_that_they_name(standing: Pair) -> None:
    api = standing.nfvo.api
    report = {"event": "created", "vnfInstanceId": GONE}
    assert _tenant(api).post("/mano/v1/vnfm_reports", report).problem()["status"] == 403
    assert api.post("/mano/v1/vnfm_reports", report | {"vnfInstance": {}}).problem()["status"] == 400
    assert api.post("/mano/v1/vnfm_reports", report | {"event": "exploded"}).problem()["status"] == 400
    strange = {"event": "settled", "vnfInstanceId": GONE, "vnfLcmOpOccId": GONE, "left": [{"host": 1}]}
    assert api.post("/mano/v1/vnfm_reports", strange).problem()["status"] == 400
    stolen = api.get("/mano/v1/topology")
    assert stolen.status == 200
    nat = instances(standing.vnfm)["nat-0"]
    document = standing.vnfm.api.get(f"/mano/v1/vnf_instances/{nat.id}").json
    assert document["tenant_id"] == DEFAULT_TENANT
    assert api.post("/mano/v1/vnfm_reports", report | {"vnfInstance": document}).problem()["status"] == 400


def test_a_key_makes_a_repetition_harmless_and_only_for_administrators(standing: Pair) -> None:
    api = standing.vnfm.api
    vnfd_id = next(each.descriptor_id for each in _packages(standing) if each.name == "firewall")
    body = {"vnfdId": vnfd_id, "vnfInstanceName": "once"}
    key = {"Idempotency-Key": "55555555-5555-4555-8555-555555555555"}
    first, second = (api.call("POST", "/vnflcm/v2/vnf_instances", body, key) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.json["id"] == second.json["id"] == key["Idempotency-Key"]
    assert api.call("POST", "/vnflcm/v2/vnf_instances", body, {"Idempotency-Key": "x"}).problem()["status"] == 400
    assert sorted(instances(standing.vnfm)) == ["dpi-0", "firewall-0", "nat-0", "once"]
