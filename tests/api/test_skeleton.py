"""What holds for every resource: errors, tokens, versions, media types, limits."""

from __future__ import annotations

import base64
import json
import socket
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mano.adapters.store import SqlStore
from mano.api.auth import Tokens
from mano.api.config import ApiConfig
from mano.api.services import Services
from mano.domain.access import AccessRole, Client
from mano.settings import AuthMode
from tests.api.conftest import ADMIN_TOKEN, CREDENTIALS, LIMITS, TENANT_A, Api, Well, serving

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def services(store: SqlStore, health: Well) -> Services:
    return Services(open_unit=store.open_unit, signal=store.signal, health=health, new_id=lambda: str(uuid.uuid4()))


@pytest.fixture(scope="module")
def api(services: Services, dashboard: Path) -> Iterator[Api]:
    with serving(services, ApiConfig(credentials=CREDENTIALS, limits=LIMITS, dashboard_dir=dashboard)) as api:
        yield api


def test_a_live_server_says_so_to_everybody(api: Api) -> None:
    anonymous = replace(api, token=None)
    assert anonymous.get("/healthz").json == {"status": "ok"}
    assert anonymous.get("/readyz").json["status"] == "ready"


def test_a_server_that_is_not_ready_names_the_part(api: Api, health: Well) -> None:
    health.faults["workflows"] = "the engine's thread is gone: /var/lib/secret"
    try:
        answer = api.get("/readyz")
    finally:
        del health.faults["workflows"]
    assert answer.status == 503 and answer.headers["retry-after"]
    assert answer.problem()["parts"] == ["workflows"]
    assert "/var/lib" not in answer.body.decode()


@pytest.mark.parametrize(
    "header", [None, "Bearer", "Bearer ", "Bearer wrong", "Basic YTpi", "Bearer " + "a.b.c", "Bearer " + "é" * 40]
)
def test_without_a_valid_token_nothing_opens(api: Api, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header.encode("latin-1").decode("latin-1")}
    answer = replace(api, token=None).call("GET", "/metrics", headers=headers)
    assert answer.status == 401
    assert answer.problem()["code"] == "UNAUTHENTICATED"
    assert answer.headers["www-authenticate"].startswith('Bearer realm="catena"')


def test_a_scheme_that_there_is_not_makes_the_request_malformed(api: Api) -> None:
    answer = replace(api, token=None).call("GET", "/metrics", headers={"Authorization": "Bear sometoken"})
    assert answer.status == 400
    assert answer.problem()["code"] == "BAD_REQUEST"
    assert 'error="invalid_request"' in answer.headers["www-authenticate"]


def issue(api: Api, form: str, **headers: str) -> tuple[int, dict[str, object]]:
    answer = replace(api, token=None).call("POST", "/oauth2/token", form.encode(), {"Content-Type": FORM, **headers})
    if answer.status != 200:
        answer.problem()
    return answer.status, answer.json


def test_a_client_exchanges_its_secret_for_a_token_that_works(api: Api) -> None:
    form = "grant_type=client_credentials&client_id=catena&client_secret=secret-of-catena-client"
    status, token = issue(api, form)
    assert status == 200 and token["token_type"] == "Bearer" and token["expires_in"] == LIMITS.token_lifetime_s
    assert replace(api, token=str(token["access_token"])).get("/metrics").status == 200


def test_a_client_may_authenticate_by_http_basic(api: Api) -> None:
    basic = base64.b64encode(b"a:secret-of-tenant-a-client").decode()
    status, token = issue(api, "grant_type=client_credentials", Authorization=f"Basic {basic}")
    assert status == 200 and token["scope"] == "tenant"
    assert Tokens(CREDENTIALS).principal(str(token["access_token"])).tenant_id == TENANT_A


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ("grant_type=client_credentials&client_id=catena&client_secret=wrong", 401, "invalid_client"),
        ("grant_type=client_credentials&client_id=nobody&client_secret=wrong", 401, "invalid_client"),
        ("grant_type=client_credentials", 401, "invalid_client"),
        ("grant_type=password&username=u&password=p", 400, "unsupported_grant_type"),
        ("", 400, "unsupported_grant_type"),
        (
            "grant_type=client_credentials&client_id=a&client_secret=secret-of-tenant-a-client&scope=admin",
            400,
            "invalid_scope",
        ),
        ("a=1&a=2", 400, None),
        ("&".join(f"f{n}=1" for n in range(40)), 400, None),
    ],
)
def test_a_token_is_refused_with_an_oauth_error(api: Api, form: str, status: int, error: str | None) -> None:
    answered, body = issue(api, form)
    assert (answered, body.get("error")) == (status, error)


def test_a_token_needs_a_form(api: Api) -> None:
    assert api.post("/oauth2/token", {"grant_type": "client_credentials"}).status == 415


def test_an_expired_or_forged_token_is_refused(api: Api) -> None:
    client = Client("catena", "secret-of-catena-client")
    old = Tokens(CREDENTIALS, now=lambda: 1_000_000.0).issue(client, 60)
    forged = Tokens(replace(CREDENTIALS, signing_key="another-signing-key-0123456789")).issue(client, 60)
    head = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    unsigned = f"{head}.{forged.split('.')[1]}."
    for token in (old, forged, unsigned):
        answer = replace(api, token=token).get("/metrics")
        assert answer.status == 401 and "invalid_token" in answer.headers["www-authenticate"]


def test_a_tenant_does_not_see_the_infrastructure(api: Api) -> None:
    token = Tokens(CREDENTIALS).issue(CREDENTIALS.clients[1], 60)
    answer = replace(api, token=token).get("/metrics")
    assert answer.status == 403 and answer.problem()["code"] == "FORBIDDEN"


def test_a_viewer_may_look_and_change_nothing(api: Api) -> None:
    token = Tokens(CREDENTIALS).issue(Client("v", "v" * 16, roles=frozenset({AccessRole.VIEWER})), 60)
    viewer = replace(api, token=token)
    assert viewer.get("/metrics").status == 200
    assert viewer.post("/mano/v1/hosts", {}).status == 403


def test_without_authentication_only_loopback_names_and_pages_are_answered(services: Services) -> None:
    with serving(services, ApiConfig(auth=AuthMode.NONE)) as api:
        anyone = replace(api, token=None)
        assert anyone.get("/metrics").status == 200
        assert anyone.get("/metrics", Host="rebound.example.com").status == 403
        assert anyone.get("/metrics", Host="[::1]:1").status == 200
        assert anyone.get("/metrics", Origin="https://evil.example.com").status == 403
        assert anyone.get("/metrics", Origin="null").status == 403
        assert anyone.get("/metrics", Origin=f"http://127.0.0.1:{api.port}").status == 200


@pytest.mark.parametrize("host", ["[::1", "a b", "a/b", "evil\x7f", "h:999999", "user@host", ""])
def test_a_host_header_that_is_none_is_refused(api: Api, host: str) -> None:
    answer = api.call("GET", "/metrics", headers={"Host": host})
    assert answer.status == 400
    assert not host.strip() or host not in answer.body.decode()


@pytest.mark.parametrize(
    ("version", "status"),
    [
        ("2.3.0", 200),
        ("2.0.0", 200),
        ("2.3.0-impl:example.com:vnfm:1", 200),
        ("2.4.0", 406),
        ("3.0.0", 406),
        ("1.0.0", 406),
        ("2", 400),
        ("", 400),
        ("2.3.0-impl:\t", 400),
        ("x" * 300, 400),
    ],
)
def test_the_version_header_chooses_a_served_version(api: Api, version: str, status: int) -> None:
    answer = api.call("GET", "/nslcm/v2/nothing-here", headers={"Version": version})
    expected = 404 if status == 200 else status
    assert answer.status == expected
    if status == 200:
        assert answer.headers["version"] == version.partition("-")[0]
    elif status == 406:
        assert answer.problem()["facts"]["apiVersions"] == ["2.3.0"]


def test_a_missing_version_is_an_error_that_names_the_served_one(api: Api) -> None:
    answer = api.call("GET", "/nslcm/v2/ns_instances", headers={"Version": None})
    assert answer.status == 400 and "2.3.0" in answer.problem()["hint"]


def test_a_lenient_server_takes_a_missing_version_but_no_foreign_one(services: Services) -> None:
    config = ApiConfig(credentials=CREDENTIALS, lenient_version=True)
    with serving(services, config) as api:
        missing = api.call("GET", "/nslcm/v2/nothing-here", headers={"Version": None})
        assert missing.status == 404 and missing.headers["version"] == "2.3.0"
        assert api.call("GET", "/nslcm/v2/nothing-here", headers={"Version": "3.0.0"}).status == 406


@pytest.mark.parametrize(
    ("path", "prefix", "version"),
    [
        ("/nslcm/api_versions", "/nslcm", "2.3.0"),
        ("/nslcm/v2/api_versions", "/nslcm/v2", "2.3.0"),
        ("/vnfpkgm/v2/api_versions", "/vnfpkgm/v2", "2.4.0"),
    ],
)
def test_api_versions_need_no_version(api: Api, path: str, prefix: str, version: str) -> None:
    answer = api.call("GET", path, headers={"Version": None})
    assert answer.json == {"uriPrefix": prefix, "apiVersions": [{"version": version, "isDeprecated": False}]}
    assert answer.headers["version"] == version
    refused = api.call("POST", path, {}, headers={"Version": None})
    assert refused.status == 405 and refused.headers["allow"] == "GET" and refused.problem()


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("application/json", 200),
        ("*/*", 200),
        ("application/*", 200),
        ("text/html, application/json;q=0.1", 200),
        ("", 200),
        ("text/html", 406),
        ("application/json;q=0", 406),
        ("application/json;q=wrong", 406),
        ("*/*, application/json;q=0", 406),
        (";;;,,,q=", 406),
    ],
)
def test_a_client_gets_only_what_it_accepts(api: Api, accept: str, status: int) -> None:
    answer = api.get("/healthz", Accept=accept)
    assert answer.status == status
    if status == 406:
        assert "application/json" in answer.problem()["hint"]


def test_unknown_resources_and_methods_are_problems_too(api: Api) -> None:
    assert api.get("/nothing").problem()["code"] == "NOT_FOUND"
    wrong = api.call("DELETE", "/healthz")
    assert wrong.status == 405 and wrong.headers["allow"] and wrong.problem()["code"] == "METHOD_NOT_ALLOWED"


def test_a_problem_has_an_instance_and_nothing_of_the_input(api: Api) -> None:
    answer = api.get("/nothing/secret-input-1234")
    assert answer.problem()["type"] == "urn:catena:error:NOT_FOUND"
    assert "secret-input" not in answer.body.decode()


def test_a_lone_client_that_sends_garbage_gets_no_stack(api: Api) -> None:
    with socket.create_connection(("127.0.0.1", api.port), timeout=5) as wire:
        wire.sendall(b"GET / HTTP/9.9\r\nnonsense\r\n\r\n")
        assert b"400" in wire.recv(4096).split(b"\r\n")[0]


def test_the_documentation_needs_no_internet_and_no_script(api: Api) -> None:
    page = replace(api, token=None).get("/docs", Accept="text/html")
    assert page.status == 200 and "/oauth2/token" in page.body.decode()
    text = page.body.decode()
    assert "<script" not in text and "http://" not in text and "https://" not in text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert replace(api, token=None).get("/openapi.json").json["info"]["title"] == "Catena"


def test_the_dashboard_is_served_under_a_strict_policy(api: Api) -> None:
    browser = replace(api, token=None)
    assert browser.get("/").headers["location"] == browser.get("/ui").headers["location"] == "/ui/"
    page = browser.get("/ui/")
    assert b"<title>dashboard" in page.body and "unsafe" not in page.headers["content-security-policy"]
    script = browser.get("/ui/assets/index-1a2b.js")
    assert (
        script.headers["content-type"].startswith("text/javascript") and "immutable" in script.headers["cache-control"]
    )


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "%2e%2e/secret.txt", "..%2fsecret.txt", "escape", "assets", "nothing.js", "%00", "a" * 5000],
)
def test_the_dashboard_serves_nothing_beside_its_folder(api: Api, path: str) -> None:
    answer = replace(api, token=None).get(f"/ui/{path}")
    assert answer.status == 404 and b"secret beside" not in answer.body


def test_an_unbuilt_dashboard_says_how_to_build_it(services: Services) -> None:
    with serving(services, ApiConfig(credentials=CREDENTIALS)) as api:
        assert b"scripts.set_up demo" in replace(api, token=None).get("/ui/").body


def test_metrics_count_by_route_template_and_never_by_what_was_written(api: Api) -> None:
    api.get("/nothing/unlikely-word")
    api.get("/healthz")
    text = api.get("/metrics").body.decode()
    assert 'catena_http_requests_total{method="GET",route="/healthz",status="200"}' in text
    assert 'route="unmatched"' in text and "unlikely-word" not in text
    assert "catena_http_request_seconds_bucket" in text


def test_the_admin_token_is_the_one_of_the_file(api: Api) -> None:
    assert replace(api, token=ADMIN_TOKEN[:-1]).get("/metrics").status == 401
    assert replace(api, token=ADMIN_TOKEN).get("/metrics").status == 200


def test_openapi_is_json_that_round_trips(api: Api) -> None:
    document = api.get("/openapi.json").json
    assert json.loads(json.dumps(document))["openapi"].startswith("3.")
