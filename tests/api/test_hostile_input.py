"""Every resource against input that means it ill: an answer in 4xx with problem details, and a server that goes on."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import socket
from collections.abc import Iterator

import pytest

from tests.api.conftest import LIMITS, Api
from tests.api.test_packages import UNKNOWN

MARKER = "marker-of-mine-5c1f"

BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{" + MARKER.encode(),
    "NaN": b'{"nsdId": NaN}',
    "infinity": b'{"nsdId": -Infinity}',
    "beyond a double": b'{"nsdId": 1e999}',
    "beyond 64 bits": b'{"nsdId": 123456789012345678901234567890}',
    "thousands of digits": b'{"nsdId": ' + b"9" * 10_000 + b"}",
    "a lone surrogate": b'{"nsdId": "\\ud800"}',
    "a surrogate in UTF-8": b'{"nsdId": "\xed\xa0\x80"}',
    "not UTF-8": b'{"nsdId": "\xff\xfe"}',
    "UTF-16": '{"nsdId": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"nsdId": "x"}',
    "NUL": b'{"nsdId": "a\\u0000b"}',
    "NUL in a key": b'{"a\\u0000b": 1}',
    "depth": b'{"a":' * 60 + b"1" + b"}" * 60,
    "endless depth": b"[" * 200_000,
    "two values": b"{}{}",
    "an array": b"[]",
    "a string": json.dumps(MARKER).encode(),
    "null": b"null",
    "a number": b"7",
    "wrong types": json.dumps({"nsdId": [MARKER], "nsFlavourId": {MARKER: 1}, "flavourId": 7, "vnfdId": True}).encode(),
    "a long key": json.dumps({MARKER * 5000: 1}).encode(),
    "control characters": json.dumps({"nsdId": "a\nb\x1b[2J", "vnfdId": "\x7f", "nsFlavourId": "\r\n"}).encode(),
    "prototype": b'{"__proto__": {"x": 1}, "constructor": 1}',
}

WRITES = (
    ("POST", "/nslcm/v2/ns_instances"),
    ("POST", f"/nslcm/v2/ns_instances/{UNKNOWN}/instantiate"),
    ("POST", f"/nslcm/v2/ns_instances/{UNKNOWN}/terminate"),
    ("POST", "/vnflcm/v2/vnf_instances"),
    ("POST", f"/vnflcm/v2/vnf_instances/{UNKNOWN}/instantiate"),
    ("POST", f"/vnflcm/v2/vnf_instances/{UNKNOWN}/terminate"),
    ("PATCH", f"/vnfpkgm/v2/vnf_packages/{UNKNOWN}"),
    ("PATCH", f"/nsd/v2/ns_descriptors/{UNKNOWN}"),
    ("PATCH", f"/nsd/v2/pnf_descriptors/{UNKNOWN}"),
    ("POST", "/mano/v1/hosts"),
    ("POST", "/mano/v1/placements"),
    ("POST", f"/mano/v1/chains/{UNKNOWN}/trace"),
    ("POST", "/mano/v1/vims/local/attachments"),
    ("POST", "/oauth2/token"),
)

OPEN_OBJECTS = ("/nslcm/v2/ns_instances/", "/mano/v1/placements")


@pytest.mark.parametrize(("method", "path"), WRITES, ids=[f"{method} {path}" for method, path in WRITES])
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_no_body_is_too_bad_for_an_answer(served: Api, method: str, path: str, body: bytes) -> None:
    answer = served.call(method, path, body, {"Content-Type": "application/json"})
    assert 400 <= answer.status < 500, (answer.status, answer.body)
    answer.problem()
    assert MARKER.encode() not in answer.body


CREATES = ("/vnfpkgm/v2/vnf_packages", "/nsd/v2/ns_descriptors", "/nsd/v2/pnf_descriptors")
STRUCTURAL = [name for name in BODIES if name not in ("wrong types", "a long key", "control characters", "prototype")]


@pytest.mark.parametrize("path", CREATES)
@pytest.mark.parametrize("name", STRUCTURAL)
def test_a_package_resource_is_not_made_of_garbage(served: Api, path: str, name: str) -> None:
    answer = served.call("POST", path, BODIES[name], {"Content-Type": "application/json"})
    assert answer.status == 400 and answer.problem()


@pytest.mark.parametrize(("method", "path"), WRITES, ids=[f"{method} {path}" for method, path in WRITES])
def test_a_large_body_is_refused_before_it_is_read(served: Api, method: str, path: str) -> None:
    size = 50 << 20
    media = "application/x-www-form-urlencoded" if path == "/oauth2/token" else "application/json"
    pieces = itertools.repeat(b" " * (1 << 20), size >> 20)
    answer = served.call(method, path, pieces, {"Content-Type": media, "Content-Length": str(size)})
    assert answer.status == 413 and answer.problem()["code"] == "TOO_LARGE"


def test_a_large_body_that_does_not_say_so_is_cut(served: Api) -> None:
    pieces = (b" " * 65536 for _ in range((LIMITS.json_body >> 16) + 8))
    headers = {"Content-Type": "application/json", "Transfer-Encoding": "chunked"}
    answer = served.call("POST", "/nslcm/v2/ns_instances", pieces, headers, encode_chunked=True)
    assert answer.status == 413


@pytest.mark.parametrize(
    "media", ["text/plain", "application/xml", "", "application/json5", "multipart/form-data", "\t"]
)
@pytest.mark.parametrize(("method", "path"), WRITES, ids=[f"{method} {path}" for method, path in WRITES])
def test_a_body_of_another_type_is_refused(served: Api, method: str, path: str, media: str) -> None:
    answer = served.call(method, path, b"{}", {"Content-Type": media})
    assert answer.status == 415 and answer.problem()["hint"]


PATHS = (
    "/nslcm/v2/ns_instances/{}",
    "/nslcm/v2/ns_lcm_op_occs/{}",
    "/vnflcm/v2/vnf_instances/{}",
    "/vnflcm/v2/vnf_lcm_op_occs/{}",
    "/vnfpkgm/v2/vnf_packages/{}",
    "/vnfpkgm/v2/vnf_packages/{}/package_content",
    "/vnfpkgm/v2/onboarded_vnf_packages/{}",
    "/nsd/v2/ns_descriptors/{}",
    "/nsd/v2/pnf_descriptors/{}",
    "/mano/v1/hosts/{}",
    "/mano/v1/chains/{}",
)
NAMES = (
    UNKNOWN,
    "x",
    "%00",
    "%ff%fe",
    "%ed%a0%80",
    "..%2f..%2fetc%2fpasswd",
    "..",
    "%0d%0aSet-Cookie:x",
    "'%20OR%20'1'='1",
    "%7B%7B7*7%7D%7D",
    "x" * 3000,
    "%F0%9F%92%A5",
    UNKNOWN + "%00",
    UNKNOWN + "%0a",
)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_too_bad_for_a_404(served: Api, path: str, name: str) -> None:
    answer = served.get(path.format(name))
    assert answer.status == 404, (answer.status, answer.body)
    assert answer.problem()["code"] == "NOT_FOUND"
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "OPTIONS", "HEAD", "FOO"])
def test_strange_methods_are_405(served: Api, method: str) -> None:
    answer = served.call(method, "/nslcm/v2/ns_instances")
    assert answer.status in (400, 405)
    assert method == "HEAD" or answer.body == b"" or answer.problem()


@pytest.mark.parametrize(
    "query",
    [
        "filter=%00",
        "filter=%ff",
        "filter=(eq,id,%00)",
        "fields=%00",
        "filter=(eq,_links/" + "/".join("x" * 30) + ",1)",
        "nextpage_opaque_marker=%00",
        "&" * 2000,
        "a=" + "b" * 8000,
        "filter=(eq,id,x)&filter=(",
    ],
)
def test_no_query_is_too_bad_for_an_answer(served: Api, query: str) -> None:
    answer = served.get(f"/nslcm/v2/ns_instances?{query}")
    assert answer.status in (200, 400), (answer.status, answer.body)


@pytest.mark.parametrize("name", ["Accept", "If-Match", "If-None-Match", "Range", "Version", "Authorization", "Expect"])
@pytest.mark.parametrize("value", ["", "\xff\xfe", "x" * 4000, ",,,,;;;;====", '"', "*, *", "=?utf-8?q?x?="])
def test_no_header_is_too_bad_for_an_answer(served: Api, name: str, value: str) -> None:
    answer = served.call("GET", "/nslcm/v2/ns_instances", headers={name: value})
    assert answer.status < 500
    if answer.status >= 400 and answer.headers.get("content-type", "").startswith("application/"):
        answer.problem()


def raw(api: Api, request: bytes) -> bytes:
    """What comes back on a connection, its end included."""
    answer = b""
    wire = socket.create_connection(("127.0.0.1", api.port), timeout=10)
    with wire, contextlib.suppress(OSError):  # a server may close on what it will not read
        wire.sendall(request)
        wire.shutdown(socket.SHUT_WR)
        while piece := wire.recv(65536):
            answer += piece
    return answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /nslcm/v2/ns_instances HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /nslcm/v2/ns_instances HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 2\r\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET " + b"/" * 200_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: " + b"y" * 200_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
    ],
)
def test_no_octets_are_too_bad_for_the_server(served: Api, request_: bytes) -> None:
    answer = raw(served, request_)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 307")), answer[:200]
    assert served.get("/healthz").status == 200


def test_a_client_that_hangs_up_in_the_middle_disturbs_nobody(served: Api) -> None:
    head = f"POST /nslcm/v2/ns_instances HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {served.token}\r\n"
    head += "Version: 2.3.0\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", served.port), timeout=5) as wire:
            wire.sendall(head.encode())
    assert served.get("/healthz").status == 200


def test_a_body_that_stops_is_408(served: Api) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    connection.putrequest("POST", "/nslcm/v2/ns_instances")
    for name, value in {
        "Authorization": f"Bearer {served.token}",
        "Version": "2.3.0",
        "Content-Type": "application/json",
        "Content-Length": "50",
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"{")
    answer = connection.getresponse()
    assert answer.status == 408 and json.loads(answer.read())["code"] == "TOO_SLOW"
    connection.close()


def routes(api: Api) -> Iterator[tuple[str, str]]:
    """Every method of every path in our own OpenAPI document."""
    for path, methods in api.get("/openapi.json").json["paths"].items():
        for method in methods:
            yield method.upper(), path


def test_every_resource_asks_for_a_token_and_a_version(served: Api) -> None:
    from dataclasses import replace

    from mano.api.api_versions import ROOTS
    from mano.api.auth import PUBLIC

    anonymous = replace(served, token=None)
    strict = tuple(f"{prefix}/" for prefix, root in ROOTS.items() if root.strict)
    checked = 0
    for method, path in routes(served):
        concrete = (
            path.replace("{id}", UNKNOWN)
            .replace("{artifact_path}", "x")
            .replace("{vnfd_id}", "x")
            .replace("{name}", "x")
        )
        if path in PUBLIC:
            continue
        assert anonymous.call(method, concrete).status == 401, path
        if path.startswith(strict) and "api_versions" not in path:
            assert served.call(method, concrete, headers={"Version": None}).status == 400, path
            assert served.call(method, concrete, headers={"Version": "9.0.0"}).status == 406, path
        checked += 1
    assert checked > 50
