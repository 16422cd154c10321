"""Conversations about packages: /vnfpkgm/v2 and /nsd/v2."""

from __future__ import annotations

import http.client
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from mano.domain.catalogue import DescriptorKind
from tests.api.conftest import LIMITS, Answer, Api
from tests.api.official import faults, needs_documents
from tests.api.world import ARTIFACT, World, archive
from tests.fakes.descriptors import FIREWALL, NSD

VNF = "/vnfpkgm/v2/vnf_packages"
NS = "/nsd/v2/ns_descriptors"
ZIP = {"Content-Type": "application/zip"}
MERGE = {"Content-Type": "application/merge-patch+json"}
UNKNOWN = "00000000-0000-4000-8000-00000000dead"


def create(api: Api, path: str = VNF, body: object = None) -> str:
    answer = api.post(path, {} if body is None else body)
    assert answer.status == 201
    location = answer.headers["location"]
    assert location == answer.json["_links"]["self"]["href"] and location.startswith("http://127.0.0.1:")
    return str(answer.json["id"])


def upload(api: Api, id: str, content: bytes, path: str = VNF, part: str = "package_content") -> Answer:
    return api.call("PUT", f"{path}/{id}/{part}", content, ZIP)


@pytest.fixture(scope="module")
def onboarded(served: Api) -> dict[str, str]:
    """Every sample package; name to identifier."""
    ids = {}
    for name in ("firewall", "dpi", "nat"):
        ids[name] = create(served, body={"userDefinedData": {"owner": "operations"}})
        assert upload(served, ids[name], archive(name)).status == 202
    ids["gi-lan"] = create(served, NS)
    assert upload(served, ids["gi-lan"], archive("gi-lan"), NS, "nsd_content").status == 202
    return ids


def test_a_new_package_waits_for_its_content(served: Api) -> None:
    document = served.get(f"{VNF}/{create(served)}").json
    assert document["onboardingState"] == "CREATED" and document["operationalState"] == "DISABLED"
    assert "vnfdId" not in document


def test_an_uploaded_package_is_onboarded(served: Api, onboarded: dict[str, str]) -> None:
    answer = served.get(f"{VNF}/{onboarded['firewall']}")
    document = answer.json
    assert answer.headers["etag"] and answer.headers["version"] == "2.4.0"
    assert (document["onboardingState"], document["operationalState"], document["usageState"]) == (
        "ONBOARDED",
        "ENABLED",
        "NOT_IN_USE",
    )
    assert document["vnfdId"] == FIREWALL and document["userDefinedData"] == {"owner": "operations"}
    assert document["additionalArtifacts"][0]["artifactPath"] == "Artifacts/run.sh"


def without_checksums(document: dict[str, Any]) -> dict[str, Any]:
    """SOL003's document takes a checksum for a string, SOL005's for {algorithm, hash}, as the standards' texts do."""
    artifacts = [artifact | {"checksum": ""} for artifact in document.get("additionalArtifacts", ())]
    rest = {name: value for name, value in document.items() if name not in ("checksum", "additionalArtifacts")}
    return rest | {"additionalArtifacts": artifacts}


@needs_documents
def test_what_is_told_of_packages_is_what_the_official_documents_say(served: Api, onboarded: dict[str, str]) -> None:
    created = served.get(f"{VNF}/{create(served)}").json
    broken = create(served)
    upload(served, broken, b"no archive")
    for document in (created, served.get(f"{VNF}/{onboarded['nat']}").json, served.get(f"{VNF}/{broken}").json):
        assert faults("SOL005-VNFPackageManagement", "VnfPkgInfo", document) == []
        assert faults("SOL003-VNFPackageManagement", "VnfPkgInfo", without_checksums(document)) == []
    for id in (create(served, NS), onboarded["gi-lan"]):
        assert faults("SOL005-NSDManagement", "NsdInfo", served.get(f"{NS}/{id}").json) == []
    pnfd = served.get(f"/nsd/v2/pnf_descriptors/{create(served, '/nsd/v2/pnf_descriptors')}").json
    assert faults("SOL005-NSDManagement", "PnfdInfo", pnfd) == []
    problem = served.get(f"{VNF}/{UNKNOWN}").problem()
    assert faults("SOL005-VNFPackageManagement", "ProblemDetails", problem) == []
    versions = served.get("/vnfpkgm/v2/api_versions").json
    assert faults("SOL005-VNFPackageManagement", "ApiVersionInformation", versions) == []


def test_an_nsd_tells_the_packages_of_its_vnfs(served: Api, onboarded: dict[str, str]) -> None:
    document = served.get(f"{NS}/{onboarded['gi-lan']}").json
    assert document["nsdId"] == NSD
    assert document["vnfPkgIds"] == [onboarded[name] for name in ("firewall", "dpi", "nat")]


def test_a_broken_package_tells_what_is_wrong(served: Api) -> None:
    id = create(served)
    assert upload(served, id, b"no archive").status == 202
    document = served.get(f"{VNF}/{id}").json
    assert document["onboardingState"] == "ERROR"
    failure = document["onboardingFailureDetails"]
    assert failure["status"] == 400 and failure["facts"]["findings"][0]["code"] == "CSAR001"
    assert served.get(f"{VNF}/{id}/package_content").status == 409


def test_a_package_of_another_kind_is_refused(served: Api) -> None:
    id = create(served, NS)
    upload(served, id, archive("firewall"), NS, "nsd_content")
    document = served.get(f"{NS}/{id}").json
    assert document["nsdOnboardingState"] == "ERROR" and "hint" in document["onboardingFailureDetails"]


def test_content_comes_once(served: Api, onboarded: dict[str, str]) -> None:
    answer = upload(served, onboarded["firewall"], archive("firewall"))
    assert answer.status == 409 and answer.problem()["code"] == "WRONG_STATE"


def test_the_archive_comes_back_whole_and_in_parts(served: Api, onboarded: dict[str, str]) -> None:
    path = f"{VNF}/{onboarded['dpi']}/package_content"
    whole = served.get(path)
    assert whole.status == 200 and whole.body == archive("dpi") and whole.headers["accept-ranges"] == "bytes"
    assert whole.headers["content-type"] == "application/zip"
    size = len(whole.body)
    for header, expected in (
        ("bytes=0-99", whole.body[:100]),
        ("bytes=100-", whole.body[100:]),
        ("bytes=-50", whole.body[-50:]),
        (f"bytes={size - 1}-{size * 9}", whole.body[-1:]),
    ):
        part = served.get(path, Range=header)
        assert part.status == 206 and part.body == expected
        first = whole.body.index(expected) if len(expected) > 1 else size - 1
        assert part.headers["content-range"] == f"bytes {first}-{first + len(expected) - 1}/{size}"
    beyond = served.get(path, Range=f"bytes={size}-")
    assert beyond.status == 416 and beyond.headers["content-range"] == f"bytes */{size}" and beyond.problem()
    for ignored in ("bytes=5-2", "lines=1-2", "bytes=0-1,5-6", "bytes=-", "bytes=x-y"):
        assert served.get(path, Range=ignored).status == 200


def test_a_descriptor_is_text_or_an_archive_as_accepted(served: Api, onboarded: dict[str, str]) -> None:
    path = f"{VNF}/{onboarded['nat']}/vnfd"
    assert served.get(path).body == b"nat"
    assert served.get(path, Accept="text/plain").headers["content-type"].startswith("text/plain")
    packed = served.get(path, Accept="application/zip")
    assert zipfile.ZipFile(io.BytesIO(packed.body)).namelist() == ["Definitions/main.yaml"]
    assert served.get(path, Accept="application/json").status == 406
    assert served.get(f"{VNF}/{onboarded['nat']}/manifest").body == b"metadata:\n"


@pytest.mark.usefixtures("onboarded")
def test_a_descriptor_of_several_files_is_an_archive(served: Api) -> None:
    id = create(served, NS)
    # The same NSD twice is refused; content of an on-boarded one is enough here.
    taken = upload(served, id, archive("gi-lan", files=("Definitions/types.yaml",), manifest=False), NS, "nsd_content")
    assert taken.status == 202
    info = served.get(f"{NS}/{id}").json
    assert info["nsdOnboardingState"] == "ERROR" and info["onboardingFailureDetails"]["code"] == "ALREADY_EXISTS"


def test_artifacts_are_served_and_nothing_else(served: Api, onboarded: dict[str, str]) -> None:
    one = f"{VNF}/{onboarded['firewall']}/artifacts"
    assert served.get(f"{one}/Artifacts/run.sh").body == ARTIFACT
    assert served.get(f"{one}/Artifacts/run.sh", Range="bytes=0-9").body == ARTIFACT[:10]
    for path in ("Definitions/main.yaml", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "/etc/passwd", "x%00y"):
        assert served.get(f"{one}/{path}").status == 404


def test_packages_are_found_by_their_vnfd(served: Api, onboarded: dict[str, str]) -> None:
    base = f"/vnfpkgm/v2/onboarded_vnf_packages/{FIREWALL}"
    assert served.get(base).json["id"] == onboarded["firewall"]
    assert served.get(f"{base}/vnfd").body == b"firewall"
    assert served.get(f"{base}/manifest").status == 200
    assert served.get(f"{base}/package_content").body == archive("firewall")
    assert served.get(f"{base}/artifacts/Artifacts/run.sh").body == ARTIFACT
    listed = [item["vnfdId"] for item in every(served, "/vnfpkgm/v2/onboarded_vnf_packages")]
    assert FIREWALL in listed
    assert served.get("/vnfpkgm/v2/onboarded_vnf_packages/unknown").status == 404


def every(api: Api, path: str) -> Iterator[dict[str, Any]]:
    """All members of a list, over all its pages."""
    answer = api.get(path)
    assert answer.status == 200, answer.body
    while True:
        yield from answer.json
        if "link" not in answer.headers:
            return
        target, relation = answer.headers["link"].split(";")
        assert relation.strip() == 'rel="next"'
        answer = api.get(target.strip("<>").split(f":{api.port}", 1)[1])


def test_lists_page_and_lose_nothing(served: Api, onboarded: dict[str, str]) -> None:
    for _ in range(LIMITS.page_size * 2):
        create(served)
    first = served.get(VNF)
    assert len(first.json) == LIMITS.page_size and "nextpage_opaque_marker" in first.headers["link"]
    ids = [item["id"] for item in every(served, VNF)]
    assert len(ids) == len(set(ids)) and set(onboarded.values()) - set(ids) == {onboarded["gi-lan"]}


def test_lists_are_filtered_over_all_pages(served: Api, onboarded: dict[str, str]) -> None:
    found = list(every(served, f"{VNF}?filter=(eq,onboardingState,ONBOARDED);(in,vnfProductName,dpi,nat)"))
    assert {item["id"] for item in found} == {onboarded["dpi"], onboarded["nat"]}
    assert "additionalArtifacts" not in found[0] and "checksum" not in found[0]


def test_attributes_are_selected(served: Api, onboarded: dict[str, str]) -> None:
    base = f"{VNF}?filter=(eq,id,{onboarded['dpi']})"
    (everything,) = list(every(served, base + "&all_fields"))
    assert everything["checksum"] and everything["additionalArtifacts"]
    (few,) = list(every(served, base + "&fields=checksum/algorithm"))
    assert few["checksum"] == {"algorithm": "SHA-256"} and "vnfdId" not in few
    assert {"id", "onboardingState", "operationalState", "usageState", "_links"} < set(few)
    (less,) = list(every(served, base + "&exclude_fields=vnfdId,usageState"))
    assert "vnfdId" not in less and less["usageState"] and less["checksum"]


@pytest.mark.parametrize(
    "query",
    [
        "filter=",
        "filter=(",
        "filter=(eq)",
        "filter=(eq,id)",
        "filter=(eq,,x)",
        "filter=(like,id,x)",
        "filter=(eq,id,1,2)",
        "filter=(eq,unknown,1)",
        "filter=(eq,id,'open)",
        "filter=(eq,id~9,x)",
        "filter=(eq,id,x)(eq,id,y)",
        "filter=" + "(eq,id,x);" * 40 + "(eq,id,x)",
        "filter=(eq,id," + "x" * 5000 + ")",
        "fields=unknown",
        "fields=",
        "fields=id&exclude_fields=id",
        "all_fields&exclude_default",
        "exclude_fields=" + "id/" * 20 + "id",
        "nextpage_opaque_marker=%25%25",
        "nextpage_opaque_marker=Li4vLi4v",
        "nextpage_opaque_marker=" + "A" * 4000,
    ],
)
def test_a_query_that_cannot_be_followed_is_an_error(served: Api, query: str) -> None:
    answer = served.get(f"{VNF}?{query}")
    assert answer.status == 400 and answer.problem()["code"] == "INVALID_INPUT"


def test_a_package_is_disabled_and_enabled(served: Api, onboarded: dict[str, str]) -> None:
    path = f"{VNF}/{onboarded['dpi']}"
    tag = served.get(path).headers["etag"]
    changed = served.call("PATCH", path, {"operationalState": "DISABLED"}, {**MERGE, "If-Match": tag})
    assert changed.status == 200 and changed.json == {"operationalState": "DISABLED"}
    assert changed.headers["etag"] != tag
    stale = served.call("PATCH", path, {"operationalState": "ENABLED"}, {**MERGE, "If-Match": tag})
    assert stale.status == 412 and stale.problem()["code"] == "PRECONDITION_FAILED"
    again = served.call("PATCH", path, {"operationalState": "DISABLED"}, MERGE)
    assert again.status == 409
    assert served.call("PATCH", path, {"operationalState": "ENABLED"}, MERGE).status == 200
    assert served.call("PATCH", path, {"userDefinedData": {"a": 1}}, {**MERGE, "If-Match": "*"}).status == 200
    assert served.get(path).json["userDefinedData"] == {"owner": "operations", "a": 1}
    assert served.call("PATCH", path, {"userDefinedData": {"owner": None}}, MERGE).status == 200
    assert served.get(path).json["userDefinedData"] == {"a": 1}


def test_an_nsd_and_a_pnfd_are_changed(served: Api, onboarded: dict[str, str]) -> None:
    path = f"{NS}/{onboarded['gi-lan']}"
    off = served.call("PATCH", path, {"nsdOperationalState": "DISABLED"}, MERGE)
    assert off.json == {"nsdOperationalState": "DISABLED"}
    on = served.call("PATCH", path, {"nsdOperationalState": "ENABLED", "userDefinedData": [{"a": 1}, {"b": 2}]}, MERGE)
    assert on.status == 200 and served.get(path).json["userDefinedData"] == {"a": 1, "b": 2}
    pnfd = f"/nsd/v2/pnf_descriptors/{create(served, '/nsd/v2/pnf_descriptors')}"
    assert served.call("PATCH", pnfd, {"userDefinedData": {"x": "y"}}, MERGE).status == 200


def test_an_unchanged_package_is_not_sent_again(served: Api, onboarded: dict[str, str]) -> None:
    path = f"{VNF}/{onboarded['nat']}"
    tag = served.get(path).headers["etag"]
    assert served.get(path, If_None_Match=tag).status == 304
    assert served.get(path, If_None_Match=f'W/{tag}, "other"').status == 304
    assert served.get(path, If_None_Match='"other"').status == 200
    assert served.get(path, If_None_Match="not a tag").status == 200


def test_a_package_is_deleted_once_it_is_disabled(served: Api) -> None:
    id = create(served)
    path = f"{VNF}/{id}"
    assert served.call("DELETE", path, headers={"If-Match": '"77"'}).status == 412
    assert served.call("DELETE", path).status == 204
    assert served.get(path).status == 404 and served.call("DELETE", path).status == 404


def test_an_enabled_package_cannot_be_deleted(served: Api, onboarded: dict[str, str]) -> None:
    answer = served.call("DELETE", f"{VNF}/{onboarded['nat']}")
    assert answer.status == 409 and "disable" in answer.problem()["hint"]


def test_tenants_do_not_see_each_other(served: Api, tenant_a: Api, onboarded: dict[str, str]) -> None:
    mine = create(tenant_a)
    assert served.get(f"{VNF}/{mine}").status == 404
    assert [item["id"] for item in every(tenant_a, VNF)] == [mine]
    theirs = f"{VNF}/{onboarded['nat']}"
    for method, path, body in (
        ("GET", theirs, None),
        ("DELETE", theirs, None),
        ("PATCH", theirs, {"operationalState": "DISABLED"}),
        ("GET", f"{theirs}/package_content", None),
        ("GET", f"{theirs}/vnfd", None),
        ("GET", f"/vnfpkgm/v2/onboarded_vnf_packages/{FIREWALL}", None),
    ):
        assert tenant_a.call(method, path, body, MERGE if body else None).status == 404


def test_an_nsd_is_no_vnf_package(served: Api, onboarded: dict[str, str]) -> None:
    assert served.get(f"{VNF}/{onboarded['gi-lan']}").status == 404
    assert upload(served, onboarded["gi-lan"], archive("nat")).status == 404


def test_content_of_another_type_or_none_is_refused(served: Api) -> None:
    path = f"{VNF}/{create(served)}/package_content"
    assert served.call("PUT", path, b"{}", {"Content-Type": "application/json"}).status == 415
    assert served.call("PUT", path, b"", ZIP).status == 400
    assert served.call("PUT", path, b"x").status == 415
    assert served.get(path).status == 409


def test_an_archive_beyond_the_limit_is_refused_before_it_is_read(served: Api) -> None:
    id = create(served)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.putrequest("PUT", f"{VNF}/{id}/package_content")
    for name, value in {
        "Authorization": f"Bearer {served.token}",
        "Version": "2.4.0",
        "Content-Type": "application/zip",
        "Content-Length": str(50 << 30),
        "Expect": "100-continue",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413 and json.loads(answer.read())["code"] == "TOO_LARGE"
    connection.close()
    assert served.get(f"{VNF}/{id}").json["onboardingState"] == "CREATED"


def test_an_archive_that_does_not_say_its_length_is_cut_at_the_limit(served: Api) -> None:
    id = create(served)
    chunks = (b"x" * (1 << 20) for _ in range(12))
    answer = served.call(
        "PUT",
        f"{VNF}/{id}/package_content",
        chunks,
        {**ZIP, "Transfer-Encoding": "chunked"},
        encode_chunked=True,
    )
    assert answer.status == 413
    assert served.get(f"{VNF}/{id}").json["onboardingState"] == "CREATED"


def test_an_upload_that_stops_is_given_up_and_may_begin_again(served: Api) -> None:
    id = create(served)
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.putrequest("PUT", f"{VNF}/{id}/package_content")
    for name, value in {
        "Authorization": f"Bearer {served.token}",
        "Version": "2.4.0",
        "Content-Type": "application/zip",
        "Content-Length": "100000",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"PK")
    answer = connection.getresponse()
    assert answer.status == 408 and json.loads(answer.read())["code"] == "TOO_SLOW"
    connection.close()
    assert served.get(f"{VNF}/{id}").json["onboardingState"] == "CREATED"
    assert upload(served, id, b"no archive").status == 202


def test_what_is_in_use_stays(served: Api, world: World, onboarded: dict[str, str]) -> None:
    created = served.post("/nslcm/v2/ns_instances", {"nsdId": NSD, "nsName": "n", "nsDescription": ""})
    assert created.status == 201
    path = f"{NS}/{onboarded['gi-lan']}"
    assert served.get(path).json["nsdUsageState"] == "IN_USE"
    served.call("PATCH", path, {"nsdOperationalState": "DISABLED"}, MERGE)
    refused = served.call("DELETE", path)
    assert refused.status == 409 and refused.problem()["code"] == "IN_USE"
    with world.store.open_unit(read_only=True) as uow:
        assert uow.packages.get(onboarded["gi-lan"]).kind is DescriptorKind.NS
