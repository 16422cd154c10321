"""Calls to the other functional block: what is repeated, what is refused, and what an error becomes."""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mano.adapters.descriptor_reader import LibraryReader
from mano.adapters.or_vnfm_http import HttpNfvo, HttpVnfm, PeerClient
from mano.adapters.store import PackageDirectory
from mano.adapters.web_client import WebClient
from mano.domain.grant import GrantRequest, ResourceDefinition
from mano.domain.lcm_op_occ import CancelMode, OperationState
from mano.errors import Conflict, InvalidInput, NotFound, NotPlaceable, Refused, Unreachable
from mano.settings import Outbound, Peer, Peers

Reply = tuple[int, dict[str, str], bytes]
TENANT = "11111111-1111-4111-8111-111111111111"


def json_reply(status: int, value: Any, kind: str = "application/json", **headers: str) -> Reply:
    return status, {"Content-Type": kind, **headers}, json.dumps(value).encode()


@dataclass
class Other:
    """A server that gives the replies in order, the last one again and again."""

    replies: list[Reply]
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


@pytest.fixture
def serve() -> Iterator[Callable[..., Other]]:
    servers = []

    def start(*replies: Reply) -> Other:
        other = Other(list(replies))

        class Handler(http.server.BaseHTTPRequestHandler):
            def handle_all(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                other.seen.append((self.command, self.path, dict(self.headers), body))
                status, headers, content = other.next()
                self.send_response(status)
                for name, value in (headers | {"Content-Length": str(len(content))}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = do_PATCH = handle_all

            def log_message(self, *_: Any) -> None:
                """Not to the test's output."""

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        servers.append((server, thread))
        other.url = f"http://127.0.0.1:{server.server_address[1]}"
        return other

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def web() -> Iterator[WebClient]:
    client = WebClient(Outbound(loopback=True, deadline_s=2.0))
    yield client
    client.close()


def peer_of(web: WebClient, other: Other, **facts: Any) -> PeerClient:
    return PeerClient(web, Peer(other.url, **facts), patience_s=1.0)


def test_a_call_says_for_whom_it_is_and_what_it_makes(web: WebClient, serve: Callable[..., Other]) -> None:
    other = serve(json_reply(201, {"id": "x"}))
    answer = peer_of(web, other).call("POST", "/p", TENANT, {"a": 1}, version="1.2.3", key="k")
    assert (answer.status, answer.body) == (201, {"id": "x"})
    ((method, path, headers, body),) = other.seen
    assert (method, path, json.loads(body)) == ("POST", "/p", {"a": 1})
    assert (headers["Catena-Tenant"], headers["Version"], headers["Idempotency-Key"]) == (TENANT, "1.2.3", "k")
    assert "Authorization" not in headers


def test_what_may_succeed_later_is_repeated(web: WebClient, serve: Callable[..., Other]) -> None:
    busy = json_reply(503, {"title": "busy"}, "application/problem+json")
    other = serve(busy, json_reply(429, {}), json_reply(200, [1]))
    assert peer_of(web, other).call("GET", "/p", TENANT).body == [1]
    assert len(other.seen) == 3


def test_patience_ends(web: WebClient, serve: Callable[..., Other]) -> None:
    other = serve(json_reply(503, {"detail": "still busy"}, "application/problem+json"))
    with pytest.raises(Unreachable, match="still busy"):
        peer_of(web, other).call("GET", "/p", TENANT)
    assert 2 <= len(other.seen) <= 6
    with pytest.raises(Unreachable):
        PeerClient(web, Peer("http://127.0.0.1:9"), patience_s=0.2).call("GET", "/p", TENANT)


def test_a_token_that_is_refused_is_asked_for_anew(web: WebClient, serve: Callable[..., Other]) -> None:
    token = json_reply(200, {"access_token": "t", "expires_in": 900})
    other = serve(token, json_reply(401, {}), token, json_reply(200, {"ok": True}))
    client = peer_of(web, other, client_id="c", client_secret="s")
    assert client.call("GET", "/p", TENANT).body == {"ok": True}
    assert [path for _, path, _, _ in other.seen] == ["/oauth2/token", "/p", "/oauth2/token", "/p"]
    assert other.seen[1][2]["Authorization"] == "Bearer t"


@pytest.mark.parametrize(
    ("status", "details", "kind"),
    [
        (409, {"code": "NOT_PLACEABLE", "detail": "no room", "facts": {"unplaced": {}}}, NotPlaceable),
        (403, {"title": "Forbidden", "detail": "not granted"}, Refused),
        (404, {"detail": "gone"}, NotFound),
        (409, {}, Conflict),
        (400, {"detail": "wrong"}, InvalidInput),
        (302, {}, Exception),
    ],
)
def test_problem_details_become_errors(
    web: WebClient, serve: Callable[..., Other], status: int, details: dict[str, Any], kind: type[Exception]
) -> None:
    other = serve(json_reply(status, details, "application/problem+json", Location="http://127.0.0.1:9/elsewhere"))
    with pytest.raises(kind):
        peer_of(web, other).call("GET", "/p", TENANT)
    assert len(other.seen) == 1


def test_an_answer_that_is_none_is_refused(web: WebClient, serve: Callable[..., Other]) -> None:
    with pytest.raises(InvalidInput, match="not JSON"):
        peer_of(web, serve((200, {"Content-Type": "application/json"}, b"{"))).call("GET", "/p", TENANT)


def test_a_location_elsewhere_is_not_followed(web: WebClient, serve: Callable[..., Other]) -> None:
    other = serve(json_reply(200, {}))
    client = peer_of(web, other)
    assert client.uri(f"{other.url}/grant/v1/grants/1").endswith("/1")
    with pytest.raises(InvalidInput, match="not its own"):
        client.call("GET", "http://169.254.169.254/latest", TENANT)
    assert other.seen == []


def test_the_vnfms_answers_are_read_as_the_standard_has_them(web: WebClient, serve: Callable[..., Other]) -> None:
    occurrence = {
        "operationState": "FAILED_TEMP",
        "vnfInstanceId": "v",
        "error": {"code": "UNREACHABLE", "detail": "x"},
    }
    other = serve(
        (202, {"Location": "http://x/vnflcm/v2/vnf_lcm_op_occs/op"}, b""),
        (202, {"Location": "/vnflcm/v2/vnf_lcm_op_occs/op"}, b""),
        json_reply(200, occurrence),
        (202, {}, b""),
        (404, {}, b""),
        (404, {}, b""),
        json_reply(200, {"operationState": "DANCING"}),
    )
    vnfm = HttpVnfm(peer_of(web, other))
    assert vnfm.instantiate("v", TENANT, "op", {"flavourId": "f", "instantiationLevelId": None}) == "op"
    assert json.loads(other.seen[0][3]) == {"flavourId": "f"}
    assert vnfm.change("v", TENANT, "op", "MODIFY_INFO", {"vnfInstanceName": "n"}) == "op"
    assert other.seen[1][:2] == ("PATCH", "/vnflcm/v2/vnf_instances/v")
    found = vnfm.operation("op", TENANT)
    assert (found.state, found.vnf_instance_id) == (OperationState.FAILED_TEMP, "v")
    vnfm.cancel("op", TENANT, CancelMode.GRACEFUL)
    vnfm.delete_vnf("v", TENANT)
    assert vnfm.vnf_instance("v", TENANT) is None
    with pytest.raises(InvalidInput, match="a state that SOL003 does not have"):
        vnfm.operation("op", TENANT)


class Stored:
    """A store with no VNF instance in it."""

    def __call__(self, *, read_only: bool = False) -> Any:
        return contextlib.nullcontext(SimpleNamespace(vnf_instances=SimpleNamespace(find=lambda *_: None)))


def test_a_grant_without_exact_places_is_refused(web: WebClient, serve: Callable[..., Other], tmp_path: Path) -> None:
    grant = {"id": "g", "vnfInstanceId": "v", "vnfLcmOpOccId": "op", "addResources": [{"resourceDefinitionId": "r"}]}
    other = serve(json_reply(404, {}), (202, {"Location": "/grant/v1/grants/g"}, b""), json_reply(200, grant))
    nfvo = HttpNfvo(peer_of(web, other), Stored(), PackageDirectory(tmp_path), LibraryReader(), "http://vnfm")
    request = GrantRequest("v", "op", "d", "INSTANTIATE", add_resources=(ResourceDefinition("r", "vdu", 0),))
    with pytest.raises(InvalidInput, match="1 of 1 resources without an exact place"):
        nfvo.grant(request, TENANT)
    assert [path for _, path, _, _ in other.seen][1:] == ["/grant/v1/grants", "/grant/v1/grants/g"]


@pytest.mark.parametrize(
    "document",
    [
        [],
        {"nfvo": {}},
        {"nfvo": {"url": "ftp://x"}},
        {"nfvo": {"url": "http://x/path"}},
        {"nfvo": {"url": "http://user@x"}},
        {"vnfms": {}},
        {"vnfms": [{"url": "http://x", "colour": 1}]},
        {"vnfms": [{"url": "http://x", "clientId": "without a secret"}]},
        {"others": []},
    ],
)
def test_peers_that_are_none_are_refused(document: Any) -> None:
    with pytest.raises(ValueError, match=r"peer|vnfms"):
        Peers.from_document(document)


def test_peers_are_read_from_their_document() -> None:
    peers = Peers.from_document({"vnfms": [{"url": "https://vnfm:9890/", "vnfmInfo": ["acme:v1"]}]})
    assert peers.vnfms[0].url == "https://vnfm:9890" and peers.vnfms[0].identifiers == ("acme:v1",)
