"""PNFs, nested services and every type of UpdateNs over HTTP and on the command line; official documents judge."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from mano.api.config import ApiConfig
from mano.cli.commands import mano
from mano.domain.catalogue import DescriptorKind
from mano.domain.lcm_op_occ import LcmOpOcc
from mano.nfvo.ns_updates import REFUSED, UPDATES
from mano.settings import AuthMode
from tests.api.conftest import Api, serving
from tests.api.official import DOCUMENTS
from tests.scenarios.operations.conftest import job_at, variant
from tests.scenarios.operations.nested import INSIDE, PNF, Mobile, done
from tests.scenarios.operations.test_conversations import official

NSLCM = "SOL005-NSLifecycleManagement"
OPS = "/nslcm/v2/ns_lcm_op_occs"

SPARE = """    spare:
      type: tosca.nodes.nfv.NsVirtualLink
      properties:
        description: One link more.
        connectivity_type: {layer_protocols: [ethernet, ipv4], flow_pattern: mesh}
        vl_profile:
          max_bitrate_requirements: {root: 1000000000}
          min_bitrate_requirements: {root: 10000000}

  policies:
"""


def newer(text: str) -> str:
    """The second version of the sample: one virtual link more."""
    return text.replace("9d3e-4f62-8a5b-6f0d2c9e7a10", "9d3e-4f62-8a5b-6f0d2c9e7a20").replace("  policies:\n", SPARE, 1)


@pytest.fixture(scope="module")
def mobile(
    instantiated: Path, catalogue: tuple[Path, dict[str, Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mobile]:
    """The service as it runs; the tests of this module follow each other on it."""
    directory = tmp_path_factory.mktemp("conversations")
    shutil.copytree(instantiated, directory / "copy")
    job = job_at(directory / "copy", {**catalogue[1], "newer": variant("mobile", directory, newer)})
    yield Mobile(job)
    job.catena.stop()


@pytest.fixture(scope="module")
def api(mobile: Mobile) -> Iterator[Api]:
    with serving(mobile.job.services, ApiConfig(auth=AuthMode.NONE)) as served:
        served.token = None
        yield served


def shown(api: Api, op: LcmOpOcc) -> Any:
    """The occurrence of an operation that completed."""
    document = api.get(f"{OPS}/{done(op).id}").json
    official("NsLcmOpOcc", document, NSLCM)
    return document


def test_the_catalogue_ties_descriptors_together(api: Api) -> None:
    nsds = {nsd.get("nsdName"): nsd for nsd in api.get("/nsd/v2/ns_descriptors").json}
    (pnfd,) = api.get("/nsd/v2/pnf_descriptors").json
    assert nsds["mobile"]["pnfdInfoIds"] == [pnfd["id"]]
    assert nsds["mobile"]["nestedNsdInfoIds"] == [nsds["gi-lan"]["id"]]
    official("NsdInfo", nsds["mobile"], "SOL005-NSDManagement")
    assert pnfd["pnfdUsageState"] == "IN_USE"
    assert api.call("DELETE", f"/nsd/v2/pnf_descriptors/{pnfd['id']}").status == 409


def test_a_request_is_checked_to_its_leaves(api: Api, mobile: Mobile) -> None:
    one = f"/nslcm/v2/ns_instances/{mobile.ns.id}"
    for data, pointer in (({"pnfId": "x"}, "/addpnfData/0"), ({**PNF, "pnfName": ""}, "/addpnfData/0/pnfName")):
        answer = api.post(f"{one}/instantiate", {"nsFlavourId": "simple", "addpnfData": [data]})
        assert answer.status == 400
        assert pointer in json.dumps(answer.problem())


def test_the_service_shows_what_it_is_made_of(api: Api, mobile: Mobile) -> None:
    op = shown(api, next(op for op in mobile.operations() if op.depth == 0))
    (inner,) = op["resourceChanges"]["affectedNss"]
    assert (inner["changeType"], inner["changeResult"]) == ("INSTANTIATE", "COMPLETED")
    (pnf,) = op["resourceChanges"]["affectedPnfs"]
    assert (pnf["pnfId"], pnf["changeType"], pnf["cpInstanceId"]) == ("pgw-1", "ADD", ["ge-0/0/1"])
    inside = next(op for op in mobile.operations() if op.depth == 1)
    assert inside.parameters["additionalParamsForNs"] == INSIDE
    assert (inside.parent_id, inside.is_automatic) == (op["id"], True)
    document = api.get(f"/nslcm/v2/ns_instances/{mobile.ns.id}").json
    official("NsInstance", document, NSLCM)
    assert document["nestedNsInstanceId"] == [inner["nsInstanceId"]]
    assert document["_links"]["nestedNsInstances"][0]["href"].endswith(inner["nsInstanceId"])
    assert document["pnfInfo"][0]["cpInfo"]["cpdId"] == "sgi"
    nested = api.get(f"/nslcm/v2/ns_instances/{inner['nsInstanceId']}").json
    assert nested["catena"]["nestedIn"] == [mobile.ns.id]
    refused = api.post(f"/nslcm/v2/ns_instances/{inner['nsInstanceId']}/terminate", {})
    assert (refused.status, refused.problem()["code"]) == (409, "IN_USE")
    picture = api.get("/mano/v1/topology").json
    assert "subscribers (sgi)" in {sap["name"] for sap in picture["saps"]}
    assert {ns["name"]: ns["nestedIn"] for ns in picture["nsInstances"]}["mobile-gi_lan-0"] == [mobile.ns.id]
    output = (
        CliRunner().invoke(mano, ["ns", "show", "mobile"], env={"CATENA_URL": f"http://127.0.0.1:{api.port}"}).output
    )
    assert "subscribers (pgw-1)@subscribers" in output, output
    assert f"gi_lan-0 {inner['nsInstanceId']}" in output


def test_every_type_of_update_is_served_or_refused_with_its_reason(api: Api, mobile: Mobile) -> None:
    if DOCUMENTS.is_dir():
        schemas = json.loads((DOCUMENTS / f"{NSLCM}.json").read_text())["components"]["schemas"]
        kinds = schemas["UpdateNsRequest"]["properties"]["updateType"]["enum"]
        assert {kind.replace(" ", "_") for kind in kinds} == {*UPDATES, *REFUSED}
    one = f"/nslcm/v2/ns_instances/{mobile.ns.id}/update"
    for kind, reason in REFUSED.items():
        answer = api.post(one, {"updateType": kind})
        assert answer.status == 400
        assert reason[:20] in json.dumps(answer.problem())
    for kind, (attribute, _) in UPDATES.items():
        problem = api.post(one, {"updateType": kind}).problem()
        assert f"{kind} needs {attribute}" in problem["detail"]
    wrong: dict[str, Any] = {
        "ADD_PNF": {"addPnfData": [{**PNF, "pnfProfileId": "x"}]},
        "MODIFY_PNF": {"modifyPnfData": [{"pnfId": "x", "pnfName": "y"}]},
        "REMOVE_PNF": {"removePnfId": ["x"]},
        "ADD_NESTED_NS": {"addNestedNsData": [{"nestedNsInstanceId": "x", "nsProfileId": "y"}]},
        "REMOVE_NESTED_NS": {"removeNestedNsId": ["x"]},
        "CREATE_NS_VIRTUAL_LINK": {"addNsVirtualLinkData": [{"nsVirtualLinkProfileId": "x"}]},
        "DELETE_NS_VIRTUAL_LINK": {"deleteNsVirtualLinkId": ["x"]},
        "ASSOC_NEW_NSD_VERSION": {"assocNewNsdVersionData": {"newNsdId": "x"}},
        "CHANGE_NS_DF": {"changeNsFlavourData": {"newNsFlavourId": "x"}},
    }
    for kind, data in wrong.items():
        answer = api.post(one, {"updateType": kind, **data})
        assert (answer.status, answer.problem()["code"]) == (400, "INVALID_INPUT"), kind


def test_it_is_healed_inside_and_ends_whole(api: Api, mobile: Mobile) -> None:
    """After all others: links come and go, another version of the NSD is taken, all of it ends."""
    inner = mobile.inner.id
    op = shown(api, mobile.change("HEAL", {"healNsData": {"degreeHealing": "HEAL_RESTORE"}}))
    assert [(n["nsInstanceId"], n["changeType"]) for n in op["resourceChanges"]["affectedNss"]] == [(inner, "HEAL")]
    refused = api.post(
        f"/nslcm/v2/ns_instances/{mobile.ns.id}/update",
        {"updateType": "DELETE_NS_VIRTUAL_LINK", "deleteNsVirtualLinkId": ["sgi"]},
    )
    assert (refused.status, "is connected to virtual link sgi" in refused.problem()["detail"]) == (400, True)
    nsd_id = str(mobile.job.upload("newer", DescriptorKind.NS).descriptor_id)
    shown(api, mobile.update("ASSOC_NEW_NSD_VERSION", assocNewNsdVersionData={"newNsdId": nsd_id, "sync": True}))
    document = api.get(f"/nslcm/v2/ns_instances/{mobile.ns.id}").json
    assert document["nsdId"] == nsd_id
    assert {vl["nsVirtualLinkDescId"] for vl in document["virtualLinkInfo"]} == {"sgi", "spare"}
    (spare,) = (vl["id"] for vl in document["virtualLinkInfo"] if vl["nsVirtualLinkDescId"] == "spare")
    op = shown(api, mobile.update("DELETE_NS_VIRTUAL_LINK", deleteNsVirtualLinkId=[spare]))
    assert op["resourceChanges"]["affectedVls"][0]["changeType"] == "DELETE"
    links = [{"nsVirtualLinkProfileId": "spare"}]
    op = shown(api, mobile.update("CREATE_NS_VIRTUAL_LINK", addNsVirtualLinkData=links))
    assert op["resourceChanges"]["affectedVls"][0]["changeType"] == "ADD"
    op = shown(api, mobile.job.terminate(mobile.ns.id))
    assert op["resourceChanges"]["affectedNss"][0]["changeType"] == "TERMINATE"
    assert op["resourceChanges"]["affectedPnfs"][0]["changeType"] == "REMOVE"
    assert mobile.job.held() == {}
    assert (set(mobile.services()), mobile.ns.pnfs) == ({"mobile"}, ())
    depths = [(one.state.value, one.depth) for one in mobile.operations() if one.operation == "TERMINATE"]
    assert sorted(depths) == [("COMPLETED", 0), ("COMPLETED", 1)]
    (pnfd,) = api.get("/nsd/v2/pnf_descriptors").json
    assert api.call("DELETE", f"/nsd/v2/pnf_descriptors/{pnfd['id']}").status == 204
