"""Conversations about packages that come from elsewhere, their artifacts, and older clients."""

from __future__ import annotations

import hashlib
import http.server
import io
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.api.official import faults, needs_documents
from tests.api.test_packages import UNKNOWN, VNF, create, upload
from tests.api.world import ARTIFACT, World, archive
from tests.fakes.descriptors import DPI, FIREWALL, NAT

OLD = "/vnfpkgm/v1/vnf_packages"
EXTERNAL = b"a licence text that lies elsewhere"


@contextmanager
def source(content: bytes, *, status: int = 200, user: str = "") -> Iterator[str]:
    """A web server with one file; its URI."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            refused = user and self.headers.get("Authorization") != user
            self.send_response(401 if refused else status)
            self.send_header("Content-Length", "0" if refused else str(len(content)))
            self.end_headers()
            if not refused:
                self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return None

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/package.csar"
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()


def settled(api: Api, path: str) -> dict[str, Any]:
    """The package's information once its content has come, or has not."""
    deadline = time.monotonic() + 10
    while (document := api.get(path).json)["onboardingState"] in ("UPLOADING", "PROCESSING"):
        assert time.monotonic() < deadline, document
        time.sleep(0.02)
    assert isinstance(document, dict)
    return document


def fetch(api: Api, uri: str, **more: Any) -> dict[str, Any]:
    path = f"{VNF}/{create(api)}"
    answer = api.post(f"{path}/package_content/upload_from_uri", {"addressInformation": uri, **more})
    assert answer.status == 202 and answer.body == b""
    return settled(api, path)


def test_a_package_is_fetched_from_a_uri(tenant_a: Api) -> None:
    with source(archive("nat"), user="Basic b3NzOnNlY3JldA==") as uri:
        basic = {"authType": "BASIC", "paramsBasic": {"userName": "oss", "password": "secret"}}
        document = fetch(tenant_a, uri, **basic)
    assert (document["onboardingState"], document["vnfdId"]) == ("ONBOARDED", NAT)


def test_older_clients_send_the_password_at_the_top(tenant_a: Api) -> None:
    with source(archive("dpi"), user="Basic b3NzOnNlY3JldA==") as uri:
        document = fetch(tenant_a, uri, userName="oss", password="secret")
    assert document["vnfdId"] == DPI


@pytest.mark.parametrize(
    ("content", "status", "why"),
    [(b"", 404, "answers 404"), (b"x" * ((1 << 20) + 1), 200, "longer than"), (b"no archive", 200, "not valid")],
)
def test_why_a_package_could_not_be_fetched_is_told(served: Api, content: bytes, status: int, why: str) -> None:
    with source(content, status=status) as uri:
        document = fetch(served, uri)
    assert document["onboardingState"] == "ERROR" and why in document["onboardingFailureDetails"]["detail"]


def test_a_source_that_is_not_there_leaves_a_package_that_takes_content_again(tenant_a: Api) -> None:
    document = fetch(tenant_a, "http://127.0.0.1:1/package.csar")
    assert document["onboardingState"] == "ERROR"
    assert upload(tenant_a, document["id"], archive("firewall")).status == 202
    assert tenant_a.get(f"{VNF}/{document['id']}").json["onboardingState"] == "ONBOARDED"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"addressInformation": "file:///etc/passwd"}, 400),
        ({"addressInformation": "http://169.254.169.254/latest"}, 400),
        ({"addressInformation": "http://127.0.0.1:1/x", "authType": "BASIC"}, 400),
        ({"addressInformation": "http://127.0.0.1:1/x", "authType": "OAUTH2_CLIENT_CREDENTIALS"}, 400),
    ],
)
def test_a_wrong_request_to_fetch_changes_nothing(served: Api, body: dict[str, Any], status: int) -> None:
    path = f"{VNF}/{create(served)}"
    assert served.post(f"{path}/package_content/upload_from_uri", body).status == status
    assert served.get(path).json["onboardingState"] == "CREATED"
    assert served.call("GET", f"{path}/package_content/upload_from_uri").status == 405


def test_content_is_fetched_only_for_a_package_that_waits_for_it(tenant_a: Api) -> None:
    onboarded = tenant_a.get(f"{VNF}?filter=(eq,onboardingState,ONBOARDED)").json[0]["id"]
    body = {"addressInformation": "http://127.0.0.1:1/x"}
    assert tenant_a.post(f"{VNF}/{onboarded}/package_content/upload_from_uri", body).status == 409
    assert tenant_a.post(f"{VNF}/{UNKNOWN}/package_content/upload_from_uri", body).status == 404


@pytest.fixture(scope="module")
def firewall(served: Api) -> str:
    id = create(served)
    assert upload(served, id, archive("firewall")).status == 202
    return f"{VNF}/{id}"


def test_all_artifacts_come_in_one_archive(served: Api, firewall: str) -> None:
    whole = served.get(f"{firewall}/artifacts")
    assert whole.status == 200 and whole.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(whole.body)) as content:
        assert {name: content.read(name) for name in content.namelist()} == {"Artifacts/run.sh": ARTIFACT}
    part = served.get(f"{firewall}/artifacts", Range="bytes=0-3")
    assert part.status == 206 and part.body == whole.body[:4]
    assert served.get(f"{firewall}/artifacts", Range=f"bytes={len(whole.body)}-").status == 416
    assert served.get(f"/vnfpkgm/v2/onboarded_vnf_packages/{FIREWALL}/artifacts").body == whole.body


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("exclude_all_mano_artifacts", []),
        ("exclude_all_mano_artifacts=true", []),
        ("exclude_all_mano_artifacts=false", ["Artifacts/run.sh"]),
        ("exclude_all_non_mano_artifacts", ["Artifacts/run.sh"]),
        ("select_non_mano_artifact_sets=prv.vendor.set", ["Artifacts/run.sh"]),
        ("include_signatures", ["Artifacts/run.sh"]),
    ],
)
def test_artifacts_are_selected(served: Api, firewall: str, query: str, names: list[str]) -> None:
    answer = served.get(f"{firewall}/artifacts?{query}")
    with zipfile.ZipFile(io.BytesIO(answer.body)) as content:
        assert content.namelist() == names


def test_a_selection_that_contradicts_itself_is_refused(served: Api, firewall: str) -> None:
    query = "exclude_all_non_mano_artifacts&select_non_mano_artifact_sets=a"
    assert served.get(f"{firewall}/artifacts?{query}").status == 400
    assert served.get(f"{firewall}/artifacts?exclude_all_mano_artifacts=perhaps").status == 400
    assert served.get(f"{VNF}/{create(served)}/artifacts").status == 409


def external_access(uri: str, override: str) -> dict[str, Any]:
    parameters = {"clientId": "c", "clientPassword": "secret", "tokenEndpoint": "http://127.0.0.1:1/token"}
    entry = {"artifactUri": uri, "overrideUri": override}
    return {"artifact": entry | {"authType": "OAUTH2_CLIENT_CREDENTIALS", "paramsOauth2ClientCredentials": parameters}}


def test_access_to_external_artifacts_is_kept_and_its_secrets_are_not_told(served: Api) -> None:
    path = f"{VNF}/{create(served)}"
    assert served.get(f"{path}/ext_artifacts_access").json == {}
    config = external_access("https://vendor.example/licence", "http://127.0.0.1:1/licence")
    answer = served.call("PUT", f"{path}/ext_artifacts_access", config)
    assert answer.status == 200 and answer.headers["etag"]
    told = served.get(f"{path}/ext_artifacts_access")
    assert told.json["artifact"]["overrideUri"] == "http://127.0.0.1:1/licence" and b"secret" not in told.body
    stale = served.call("PUT", f"{path}/ext_artifacts_access", config, {"If-Match": '"0"'})
    assert stale.status == 412
    forbidden = external_access("https://vendor.example/licence", "http://169.254.169.254/")
    assert served.call("PUT", f"{path}/ext_artifacts_access", forbidden).status == 400
    assert served.call("PUT", f"{path}/ext_artifacts_access", {"artifact": {}}).status == 400
    assert served.call("DELETE", f"{path}/ext_artifacts_access").status == 405


def test_access_cannot_change_once_the_content_is_there(served: Api, firewall: str) -> None:
    config = external_access("https://vendor.example/licence", "http://127.0.0.1:1/licence")
    assert served.call("PUT", f"{firewall}/ext_artifacts_access", config).status == 409


def test_an_external_artifact_is_fetched_and_checked_by_its_digest(served: Api, world: World, firewall: str) -> None:
    def name_it(uri: str, digest: str) -> None:
        with world.unit() as uow:
            package = uow.packages.get(firewall.rpartition("/")[2])
            artifact = {"artifactUri": uri, "checksum": {"algorithm": "SHA-256", "hash": digest}}
            uow.packages.save(replace(package, artifacts=(*package.artifacts, artifact)))

    with source(EXTERNAL) as uri:
        name_it(uri, hashlib.sha256(EXTERNAL).hexdigest())
        assert served.get(f"{firewall}/artifacts/{uri}").body == EXTERNAL
        assert uri in [artifact.get("artifactURI") for artifact in served.get(firewall).json["additionalArtifacts"]]
    assert served.get(f"{firewall}/artifacts/{uri}").body == EXTERNAL, "it was kept"
    with source(b"something else") as uri:
        name_it(uri, hashlib.sha256(EXTERNAL).hexdigest())
        answer = served.get(f"{firewall}/artifacts/{uri}")
        assert answer.status == 400 and "digest" in answer.problem()["detail"]
    assert served.get(f"{firewall}/artifacts/http://127.0.0.1:1/unknown").status == 404


def test_older_clients_use_version_1_and_send_no_version(served: Api) -> None:
    old = replace(served, version="", defaults={})
    answer = old.call("POST", OLD, {}, {"Version": None})
    assert answer.status == 201 and answer.headers["version"] == "1.4.0"
    assert "/vnfpkgm/v1/vnf_packages/" in answer.headers["location"]
    for path in (OLD, f"{OLD}/{answer.json['id']}"):
        assert served.call("GET", path, headers={"Version": None}).status == 200
        assert served.call("GET", path, headers={"Version": "1.0.0"}).status == 200
        assert served.call("GET", path, headers={"Version": "2.0.0"}).status == 406
    assert served.call("DELETE", f"{OLD}/{answer.json['id']}", headers={"Version": None}).status == 204
    versions = [entry["version"] for entry in served.get("/vnfpkgm/api_versions").json["apiVersions"]]
    assert versions == ["2.4.0", "1.4.0"]
    assert served.get("/vnfpkgm/v1/api_versions").json["apiVersions"] == [{"version": "1.4.0", "isDeprecated": True}]


@needs_documents
def test_external_access_is_what_the_official_document_says(served: Api) -> None:
    path = f"{VNF}/{create(served)}"
    config = external_access("https://vendor.example/licence", "http://127.0.0.1:1/licence")
    told = served.call("PUT", f"{path}/ext_artifacts_access", config).json
    assert faults("SOL005-VNFPackageManagement", "ExternalArtifactsAccessConfig", told) == []
