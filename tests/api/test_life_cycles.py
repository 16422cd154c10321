"""Conversations about network services and VNFs: /nslcm/v2 and /vnflcm/v2."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mano.domain.lcm_op_occ import Level
from mano.errors import CatenaError, NotPlaceable
from tests.api.conftest import Answer, Api
from tests.api.official import faults, needs_documents
from tests.api.test_packages import UNKNOWN, create, every, upload
from tests.api.world import World, archive, furnish
from tests.fakes.descriptors import FIREWALL, NSD

NS = "/nslcm/v2/ns_instances"
NS_OPS = "/nslcm/v2/ns_lcm_op_occs"
VNF = "/vnflcm/v2/vnf_instances"
VNF_OPS = "/vnflcm/v2/vnf_lcm_op_occs"
INSTANTIATE = {"nsFlavourId": "simple"}
BROKEN = CatenaError("the switch of h1 fell over", hint="retry when it stands again")


@pytest.fixture(scope="module", autouse=True)
def catalogue(served: Api) -> None:
    for name in ("firewall", "dpi", "nat"):
        assert upload(served, create(served), archive(name)).status == 202
    nsd = create(served, "/nsd/v2/ns_descriptors")
    assert upload(served, nsd, archive("gi-lan"), "/nsd/v2/ns_descriptors", "nsd_content").status == 202


def new_ns(api: Api) -> str:
    answer = api.post(NS, {"nsdId": NSD, "nsName": "gi-lan", "nsDescription": "for subscribers"})
    assert answer.status == 201 and answer.headers["location"] == answer.json["_links"]["self"]["href"]
    return str(answer.json["id"])


def new_vnf(api: Api) -> str:
    request = {"vnfdId": FIREWALL, "vnfInstanceName": "fw", "vnfInstanceDescription": "d", "metadata": {"a": {"b": 1}}}
    answer = api.post(VNF, request)
    assert answer.status == 201 and answer.headers["location"] == answer.json["_links"]["self"]["href"]
    return str(answer.json["id"])


def accepted(api: Api, answer: Answer) -> str:
    """The path of the operation occurrence; 202 has no body."""
    assert answer.status == 202 and answer.body == b""
    return str(answer.headers["location"].split(f":{api.port}", 1)[1])


def failed_ns_operation(served: Api, world: World) -> tuple[str, str]:
    """An NS and its instantiation that failed on its way."""
    world.fail_next(Level.NS, "INSTANTIATE", BROKEN)
    ns = new_ns(served)
    op = accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    assert served.get(op).json["operationState"] == "FAILED_TEMP"
    return ns, op


def test_a_network_service_lives_from_creation_to_deletion(served: Api) -> None:
    ns = new_ns(served)
    document = served.get(f"{NS}/{ns}").json
    assert document["nsState"] == "NOT_INSTANTIATED" and "instantiate" in document["_links"]
    op = accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    told = served.get(op).json
    assert told["operationState"] == "COMPLETED" and told["nsInstanceId"] == ns
    assert told["catena"]["operationParams"] == INSTANTIATE and told["catena"]["steps"][0]["state"] == "DONE"
    assert "retry" not in told["_links"]
    assert served.get(f"{NS}/{ns}").json["nsState"] == "INSTANTIATED"
    assert served.call("DELETE", f"{NS}/{ns}").problem()["code"] == "WRONG_STATE"
    assert served.post(f"{NS}/{ns}/instantiate", INSTANTIATE).status == 409
    accepted(served, served.post(f"{NS}/{ns}/terminate", {}))
    assert served.call("DELETE", f"{NS}/{ns}").status == 204
    assert served.get(f"{NS}/{ns}").status == 404


def test_a_failed_operation_owns_its_instance_until_it_is_decided(served: Api, world: World) -> None:
    ns, op = failed_ns_operation(served, world)
    told = served.get(op).json
    assert told["error"]["detail"] == "the switch of h1 fell over" and told["error"]["hint"]
    assert {"retry", "rollback", "continue", "fail"} <= set(told["_links"])
    busy = served.post(f"{NS}/{ns}/instantiate", INSTANTIATE)
    assert busy.status == 409 and busy.problem()["code"] == "OPERATION_IN_PROGRESS"
    assert served.call("DELETE", f"{NS}/{ns}").status == 409
    accepted(served, served.post(f"{op}/retry"))
    assert served.get(op).json["operationState"] == "COMPLETED"
    assert served.post(f"{op}/retry").problem()["code"] == "WRONG_STATE"


def test_a_failed_operation_is_rolled_back_continued_or_given_up(served: Api, world: World) -> None:
    _, op = failed_ns_operation(served, world)
    assert accepted(served, served.post(f"{op}/rollback")) == op
    assert served.get(op).json["operationState"] == "ROLLED_BACK"
    _, op = failed_ns_operation(served, world)
    accepted(served, served.post(f"{op}/continue"))
    assert served.get(op).json["operationState"] == "COMPLETED"
    _, op = failed_ns_operation(served, world)
    failed = served.post(f"{op}/fail")
    assert failed.status == 200 and failed.json["operationState"] == "FAILED"
    for task in ("retry", "rollback", "continue", "fail"):
        assert served.post(f"{op}/{task}").status == 409


def test_an_operation_that_fits_no_host_says_why(served: Api, world: World) -> None:
    why = {"unplaced": {"fw-1": {"hosts": 3, "reasons": {"CPU_DEDICATED": 3}}}}
    world.fail_next(Level.NS, "INSTANTIATE", NotPlaceable("fw-1 fits no host", hint="add a host", facts=why))
    op = accepted(served, served.post(f"{NS}/{new_ns(served)}/instantiate", INSTANTIATE))
    error = served.get(op).json["error"]
    assert error["code"] == "NOT_PLACEABLE" and error["facts"] == why and error["status"] == 409


def test_operations_are_listed_by_level(served: Api, world: World) -> None:
    _, op = failed_ns_operation(served, world)
    listed = {item["id"]: item for item in every(served, f"{NS_OPS}?filter=(eq,operationState,FAILED_TEMP)")}
    assert op.rpartition("/")[2] in listed
    assert all("error" in item for item in listed.values())
    assert not [item for item in every(served, f"{NS_OPS}?exclude_default") if "error" in item]
    assert op.rpartition("/")[2] not in {item["id"] for item in every(served, VNF_OPS)}
    assert served.get(f"{VNF_OPS}/{op.rpartition('/')[2]}").status == 404


def test_a_vnf_lives_from_creation_to_deletion(served: Api, world: World) -> None:
    vnf = new_vnf(served)
    answer = served.get(f"{VNF}/{vnf}")
    assert answer.headers["etag"] and answer.json["vnfInstanceDescription"] == "d"
    assert served.get(f"{VNF}/{vnf}", If_None_Match=answer.headers["etag"]).status == 304
    world.fail_next(Level.VNF, "INSTANTIATE", BROKEN, BROKEN)
    op = accepted(served, served.post(f"{VNF}/{vnf}/instantiate", {"flavourId": "simple"}))
    assert op.startswith(VNF_OPS) and served.get(op).json["operationState"] == "FAILED_TEMP"
    accepted_retry = served.post(f"{op}/retry")
    assert accepted_retry.status == 202 and served.get(op).json["catena"]["attempt"] == 2
    assert served.post(f"{op}/rollback").status == 202
    assert served.get(op).json["operationState"] == "ROLLED_BACK"
    accepted(served, served.post(f"{VNF}/{vnf}/instantiate", {"flavourId": "simple"}))
    assert served.get(f"{VNF}/{vnf}").json["instantiationState"] == "INSTANTIATED"
    assert served.call("DELETE", f"{VNF}/{vnf}").status == 409
    accepted(served, served.post(f"{VNF}/{vnf}/terminate", {"terminationType": "FORCEFUL"}))
    assert served.call("DELETE", f"{VNF}/{vnf}").status == 204
    assert served.call("DELETE", f"{VNF}/{vnf}").status == 404


def test_a_failed_vnf_operation_is_given_up(served: Api, world: World) -> None:
    world.fail_next(Level.VNF, "INSTANTIATE", BROKEN)
    op = accepted(served, served.post(f"{VNF}/{new_vnf(served)}/instantiate", {"flavourId": "simple"}))
    failed = served.post(f"{op}/fail")
    assert failed.status == 200 and failed.json["operationState"] == "FAILED"


def test_a_client_cannot_claim_to_act_for_an_ns(served: Api, world: World) -> None:
    request = {"vnfdId": FIREWALL, "metadata": {"nsInstanceId": UNKNOWN, "vnfProfileId": "x", "mine": "kept"}}
    vnf = served.post(VNF, request).json["id"]
    extra = {"catenaParent": UNKNOWN, "mine": 1}
    op = accepted(served, served.post(f"{VNF}/{vnf}/instantiate", {"flavourId": "simple", "additionalParams": extra}))
    with world.store.open_unit(read_only=True) as uow:
        instance = uow.vnf_instances.get(vnf)
        operation = uow.operations.get(op.rpartition("/")[2])
    assert instance.ns_instance_id == "" and instance.metadata == {"mine": "kept"}
    assert operation.parent_id is None and operation.parameters["additionalParams"] == {"mine": 1}


@needs_documents
def test_what_is_told_is_what_the_official_documents_say(served: Api, world: World) -> None:
    ns, vnf = new_ns(served), new_vnf(served)
    bare = [served.get(f"{NS}/{ns}").json, served.get(f"{VNF}/{vnf}").json]
    op = accepted(served, served.post(f"{NS}/{ns}/instantiate", INSTANTIATE))
    vnf_op = accepted(served, served.post(f"{VNF}/{vnf}/instantiate", {"flavourId": "simple"}))
    with world.unit() as uow:
        furnish(uow, ns, vnf)
    full = [served.get(f"{NS}/{ns}").json, served.get(f"{VNF}/{vnf}").json]
    assert full[0]["vnffgInfo"][0]["vnffgdId"] == "value-added" and full[0]["sapInfo"] and full[0]["virtualLinkInfo"]
    assert full[1]["instantiatedVnfInfo"]["extCpInfo"] and full[1]["instantiatedVnfInfo"]["extVirtualLinkInfo"]
    for documents in (bare, full):
        assert faults("SOL005-NSLifecycleManagement", "NsInstance", documents[0]) == []
        assert faults("SOL003-VNFLifecycleManagement", "VnfInstance", documents[1]) == []
    _, failed = failed_ns_operation(served, world)
    for path in (op, failed):
        assert faults("SOL005-NSLifecycleManagement", "NsLcmOpOcc", served.get(path).json) == []
    assert faults("SOL003-VNFLifecycleManagement", "VnfLcmOpOcc", served.get(vnf_op).json) == []


def test_an_instance_tells_what_it_is_made_of_only_when_asked(served: Api, world: World) -> None:
    ns, vnf = new_ns(served), new_vnf(served)
    with world.unit() as uow:
        furnish(uow, ns, vnf)
    (listed,) = list(every(served, f"{NS}?filter=(eq,id,{ns})"))
    assert "vnfInstance" not in listed and "sapInfo" not in listed
    (whole,) = list(every(served, f"{NS}?filter=(eq,id,{ns})&all_fields"))
    assert whole["vnfInstance"][0]["id"] == vnf
    inner = "vnfInstance/instantiatedVnfInfo/vnfcResourceInfo/computeResource/resourceProviderId"
    (found,) = list(every(served, f"{NS}?filter=(eq,{inner},h1);(eq,id,{ns})&fields={inner}"))
    vnfc = found["vnfInstance"][0]["instantiatedVnfInfo"]["vnfcResourceInfo"][0]
    assert vnfc == {"computeResource": {"resourceProviderId": "h1"}}


def test_another_tenant_finds_nothing(served: Api, tenant_a: Api, world: World) -> None:
    ns, op = failed_ns_operation(served, world)
    vnf = new_vnf(served)
    assert list(every(tenant_a, NS)) == list(every(tenant_a, NS_OPS)) == list(every(tenant_a, VNF)) == []
    for method, path, body in (
        ("GET", f"{NS}/{ns}", None),
        ("DELETE", f"{NS}/{ns}", None),
        ("POST", f"{NS}/{ns}/instantiate", INSTANTIATE),
        ("POST", f"{NS}/{ns}/terminate", {}),
        ("GET", op, None),
        ("POST", f"{op}/retry", None),
        ("POST", f"{op}/rollback", None),
        ("POST", f"{op}/continue", None),
        ("POST", f"{op}/fail", None),
        ("GET", f"{VNF}/{vnf}", None),
        ("DELETE", f"{VNF}/{vnf}", None),
        ("POST", f"{VNF}/{vnf}/instantiate", {"flavourId": "simple"}),
        ("POST", f"{VNF}/{vnf}/terminate", {"terminationType": "GRACEFUL"}),
    ):
        assert tenant_a.call(method, path, body).status == 404, path
    assert tenant_a.post(NS, {"nsdId": NSD, "nsName": "n", "nsDescription": ""}).status == 404


def test_links_are_under_the_name_that_the_client_called(served: Api) -> None:
    answer = served.call("GET", f"{NS}/{new_ns(served)}", headers={"Host": "mano.example.com:8443"})
    assert answer.json["_links"]["self"]["href"].startswith("http://mano.example.com:8443/nslcm/v2/")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (NS, {}),
        (NS, {"nsdId": 7, "nsName": "n", "nsDescription": ""}),
        (NS, {"nsdId": "x" * 300, "nsName": "n", "nsDescription": ""}),
        (NS, {"nsdId": "x\ny", "nsName": "n", "nsDescription": ""}),
        (NS, {"nsdId": NSD, "nsName": "line\nbreak", "nsDescription": ""}),
        (NS, []),
        (NS, "text"),
        (VNF, {"vnfdId": None}),
        (VNF, {"vnfdId": FIREWALL, "metadata": "none"}),
    ],
)
def test_a_body_that_says_too_little_or_wrong_is_refused(served: Api, path: str, body: object) -> None:
    assert served.post(path, body).problem()["code"] == "INVALID_INPUT"


@pytest.mark.parametrize(
    "request_body",
    [
        {},
        {"nsFlavourId": ""},
        {"nsFlavourId": "simple", "sapData": [{}]},
        {"nsFlavourId": "simple", "sapData": {"a": 1}},
        {"nsFlavourId": "simple", "additionalParamsForNs": []},
        {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": []}}},
        {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": {"s": {"attachment": 1}}}}},
        {
            "nsFlavourId": "simple",
            "sapData": [
                {
                    "sapdId": "s",
                    "sapProtocolData": [
                        {
                            "layerProtocol": "IP_OVER_ETHERNET",
                            "ipOverEthernet": {"ipAddresses": [{"type": "IPV4", "fixedAddresses": ["10.0.0.999"]}]},
                        }
                    ],
                }
            ],
        },
    ],
)
def test_an_instantiation_that_cannot_be_read_starts_nothing(served: Api, request_body: dict[str, object]) -> None:
    ns = new_ns(served)
    answer = served.post(f"{NS}/{ns}/instantiate", request_body)
    assert answer.status == 400 and answer.problem()["facts"]["pointer"].startswith("/")
    assert served.call("DELETE", f"{NS}/{ns}").status == 204


def test_attributes_that_no_standard_knows_pass_and_those_that_would_change_the_service_do_not(served: Api) -> None:
    ns = new_ns(served)
    op = accepted(served, served.post(f"{NS}/{ns}/instantiate", {**INSTANTIATE, "unheardOf": None}))
    assert "unheardOf" not in served.get(op).json["catena"]["operationParams"]
    refused = served.post(f"{NS}/{new_ns(served)}/instantiate", {**INSTANTIATE, "startTime": "2030-01-01T00:00:00Z"})
    assert refused.status == 400 and refused.json["facts"]["pointer"] == "/startTime"


def test_a_viewer_sees_operations_but_starts_none(served: Api) -> None:
    from mano.api.tokens import dashboard_token
    from tests.api.conftest import CREDENTIALS

    viewer = replace(served, token=dashboard_token(CREDENTIALS))
    assert viewer.get(NS_OPS).status == 200
    assert viewer.post(NS, {"nsdId": NSD, "nsName": "n", "nsDescription": ""}).status == 403


def test_older_clients_manage_vnfs_below_version_1(served: Api) -> None:
    old, without = "/vnflcm/v1/vnf_instances", {"Version": None}
    answer = served.call("POST", old, {"vnfdId": FIREWALL}, without)
    assert answer.status == 201 and answer.headers["version"] == "1.4.0"
    path = answer.headers["location"].split(f":{served.port}")[1]
    assert path.startswith(f"{old}/") and b"/vnflcm/v2/" not in answer.body
    started = served.call("POST", f"{path}/instantiate", {"flavourId": "simple"}, without)
    operation = accepted(served, started)
    assert operation.startswith("/vnflcm/v1/vnf_lcm_op_occs/")
    document = served.call("GET", operation, headers=without).json
    assert document["operationState"] == "COMPLETED" and document["_links"]["self"]["href"].endswith(operation)
    assert served.call("GET", old, headers={"Version": "2.0.0"}).status == 406
    assert served.call("GET", f"{old}?fields=id", headers=without).status == 200
    assert served.call("GET", "/vnflcm/v1/subscriptions", headers=without).json == []
    assert served.call("GET", "/vnflcm/v1/nonsense", headers=without).status == 404
    assert served.call("PUT", old, {}, without).status == 405
    told = served.get("/vnflcm/v1/api_versions").json
    assert told == {"uriPrefix": "/vnflcm/v1", "apiVersions": [{"version": "1.4.0", "isDeprecated": True}]}
