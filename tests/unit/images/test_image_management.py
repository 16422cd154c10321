"""The configuration interface of the sample functions: who may, what is refused, what is carried out."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.unit.images.conftest import SAMPLES

RESOURCE = "/vnfconfig/v1/configuration"


class Function:
    """A served configuration; what it was told to apply is kept."""

    def __init__(self, image: SimpleNamespace) -> None:
        self.image = image
        self.applied: list[dict[str, Any]] = []
        vnf = SimpleNamespace(log=lambda *_, **__: None)
        self.configuration = image.management.Configuration(self.apply)
        handler = image.management._handler(vnf, self.configuration, "secret")
        self.server = image.management._Server(("127.0.0.1", 0), handler, 4)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def apply(self, values: dict[str, Any]) -> None:
        if values.get("bad"):
            raise self.image.vnf.BadConfiguration("bad is bad")
        self.applied.append(values)

    def ask(self, method: str, path: str = RESOURCE, body: Any = None, **headers: str) -> tuple[int, Any, str | None]:
        host, port = self.server.server_address[:2]
        connection = http.client.HTTPConnection(host, port, timeout=10)
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": "Bearer secret"} | {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, content, sent)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        connection.close()
        return answer.status, document, answer.headers["ETag"]


@pytest.fixture(scope="module")
def function(firewall: SimpleNamespace) -> Iterator[Function]:
    function = Function(firewall)
    yield function
    function.server.shutdown()
    function.server.server_close()


def _change(**values: Any) -> dict[str, Any]:
    return {"vnfConfigurationData": {"vnfSpecificData": values}}


def test_both_images_serve_the_same_interface() -> None:
    texts = {(SAMPLES / name / "images" / name / "management.py").read_text() for name in ("firewall", "nat")}
    assert len(texts) == 1


def test_a_change_is_carried_out_once_and_shown(function: Function) -> None:
    status, _, tag = function.ask("GET")
    assert status == 200 and tag
    assert function.ask("PATCH", body=_change(a=1, b=2), If_Match=tag)[0] == 200
    assert function.ask("PATCH", body=_change(a=3), If_Match=tag)[0] == 412
    assert function.ask("PATCH", body=_change(b=None))[0] == 200
    assert function.ask("PATCH", body=_change(a=1))[0] == 200
    status, document, _ = function.ask("GET")
    assert document == _change(a=1)
    assert function.applied == [{"a": 1, "b": 2}, {"a": 1}]


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", RESOURCE, None, {"Authorization": "Bearer wrong"}, 401),
        ("PATCH", RESOURCE, _change(a=5), {"Authorization": ""}, 401),
        ("GET", "/", None, {}, 404),
        ("PATCH", "/vnfconfig/v1/other", {}, {}, 404),
        ("PATCH", RESOURCE, b"[1]", {}, 400),
        ("PATCH", RESOURCE, b"no", {}, 400),
        ("PATCH", RESOURCE, _change(bad=True), {}, 422),
        ("PATCH", RESOURCE, {"vnfConfigurationData": {"vnfSpecificData": 7}}, {}, 422),
        ("PATCH", RESOURCE, b"", {"Content-Length": "99999999"}, 413),
    ],
)
def test_what_is_refused_changes_nothing(
    function: Function, method: str, path: str, body: Any, headers: dict[str, str], status: int
) -> None:
    before, applied = function.configuration.document, list(function.applied)
    answer = function.ask(method, path, body, **headers)
    assert answer[0] == status
    assert answer[1]["status"] == status
    assert (function.configuration.document, function.applied) == (before, applied)


def test_the_nat_takes_an_address_of_its_outside_network(nat: SimpleNamespace) -> None:
    inside = nat.vnf.Interface("inside", "eth0", "02:00:00:00:00:01", ("10.10.0.1/24",), "", 1500)
    outside = nat.vnf.Interface("outside", "eth1", "02:00:00:00:00:02", ("198.51.100.2/24",), "", 1500)
    policy = nat.rules.read_policy(inside, outside, {"publicAddress": "198.51.100.7"})
    assert "snat ip to 198.51.100.7" in nat.rules.ruleset(policy)
    for wrong in ("192.0.2.7", "nowhere", 7.5):
        with pytest.raises(nat.vnf.BadConfiguration):
            nat.rules.read_policy(inside, outside, {"publicAddress": wrong})
