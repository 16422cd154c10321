"""Conversations about chains made by hand, over the real use cases on the simulated tier."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mano.api.auth import Tokens
from mano.api.config import ApiConfig
from mano.api.tokens import dashboard_token
from mano.cli.commands import mano
from mano.cli.pcap import first_frame
from sfc.model import FlowTables, Kind, Topology
from sfc.render import Renderer
from sfc.simulator.trace import Delivered
from sfc.verify.replay import replay
from tests.api.conftest import CREDENTIALS, LIMITS, Api, serving
from tests.scenarios.main_job.conftest import Job, built_archives, new_job

CHAINS, OPERATIONS = "/mano/v1/chains", "/mano/v1/chain_lcm_op_occs"
DNS: dict[str, Any] = {
    "apiVersion": "catena/v1",
    "kind": "Chain",
    "id": "dns",
    "classifiers": [{"priority": 500, "match": {"protocol": "udp", "destinationPort": "53"}}],
    "ingress": "subscribers",
    "path": [{"group": "firewall-0"}, {"group": "nat-0"}],
}
LONGER = {"path": [{"group": "firewall-0"}, {"group": "dpi-0"}, {"group": "nat-0"}]}


@pytest.fixture(scope="module")
def gi_lan(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Job]:
    """The sample network service, up."""
    job = new_job(tmp_path_factory.mktemp("job"), built_archives(tmp_path_factory.mktemp("archives")))
    job.instantiate(job.ready())
    yield job
    job.catena.stop()


@pytest.fixture(scope="module")
def api(gi_lan: Job) -> Iterator[Api]:
    with serving(gi_lan.services, ApiConfig(credentials=CREDENTIALS, limits=LIMITS)) as served:
        yield served


def chain(api: Api, name: str) -> dict[str, Any]:
    return next(dict(one) for one in api.get(CHAINS).json if one["name"] == name)


def test_a_chain_comes_changes_and_goes(api: Api) -> None:
    preview = api.post(f"{CHAINS}?dryRun=true", DNS)
    assert preview.status == 200 and preview.json["differs"]
    assert any("by priority" in warning for warning in preview.json["warnings"])
    made = api.post(CHAINS, DNS)
    assert made.status == 201 and made.json["state"] == "active"
    path = made.headers["location"].partition(str(api.port))[2]
    assert api.get(path).json["document"]["classifiers"] == [
        {"priority": 500, "match": {"protocol": 17, "destinationPort": "53"}}
    ]
    changed = api.call("PATCH", path, LONGER)
    assert changed.status == 202
    operation = api.get(changed.headers["location"].partition(str(api.port))[2]).json
    assert (operation["operationState"], operation["chainId"]) == ("COMPLETED", made.json["id"])
    assert [hop["sfName"] for hop in api.get(path).json["paths"][0]["hops"]] == ["firewall-0", "dpi-0"]
    replaced = api.call("PUT", path, DNS)
    assert replaced.status == 202
    assert [hop["sfName"] for hop in api.get(path).json["paths"][0]["hops"]] == ["firewall-0"]
    assert api.call("DELETE", path).status == 204
    assert api.get(path).status == 404 and api.call("DELETE", path).status == 404
    assert {op["chainId"] for op in api.get(OPERATIONS).json} >= {made.json["id"]}


def test_what_a_chain_is_made_of_makes_it_again(api: Api) -> None:
    """GET gives the document that PUT takes."""
    other = api.get(f"{CHAINS}/{chain(api, 'other')['id']}").json
    preview = api.call("PUT", f"{CHAINS}/{other['id']}?dryRun=true", other["document"])
    assert preview.status == 200 and not preview.json["differs"]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("POST", CHAINS, {**DNS, "ingress": "marker-of-mine"}, 400, "INVALID_INPUT"),
        ("POST", CHAINS, {**DNS, "ingress": "internet"}, 409, "CHAIN_NO_TUNNEL"),
        ("POST", CHAINS, {**DNS, "name": "a\nactions=drop"}, 400, "INVALID_INPUT"),
        (
            "POST",
            CHAINS,
            {**DNS, "classifiers": [{"match": {"source": "10.0.0.0/8,actions=drop"}}]},
            400,
            "INVALID_INPUT",
        ),
        ("POST", CHAINS, {**DNS, "classifiers": [{"match": {"vlan": 10}}]}, 400, "INVALID_INPUT"),
        ("POST", CHAINS, {**DNS, "metadata": {"context": [0] * 5000}}, 400, "INVALID_INPUT"),
        ("POST", CHAINS, {**DNS, "path": [{"group": "firewall-0"}] * 300}, 400, "INVALID_INPUT"),
        ("POST", CHAINS, [DNS], 400, "INVALID_INPUT"),
        ("POST", CHAINS, None, 400, "INVALID_INPUT"),
        ("PATCH", f"{CHAINS}/{{other}}", {"path": [{"group": "nat-0"}, {"group": "nat-0"}]}, 400, "INVALID_INPUT"),
        ("PATCH", f"{CHAINS}/{{other}}", {"id": "another"}, 400, "INVALID_INPUT"),
        ("DELETE", f"{CHAINS}/{{other}}", None, 409, "WRONG_STATE"),
        ("PUT", f"{CHAINS}/00000000-0000-4000-8000-00000000dead", DNS, 404, "NOT_FOUND"),
        ("GET", f"{OPERATIONS}/00000000-0000-4000-8000-00000000dead", None, 404, "NOT_FOUND"),
        ("POST", f"{OPERATIONS}/00000000-0000-4000-8000-00000000dead/retry", None, 404, "NOT_FOUND"),
    ],
)
def test_refusals_tell_why(api: Api, method: str, path: str, body: Any, status: int, code: str) -> None:
    answer = api.call(method, path.format(other=chain(api, "other")["id"]), body)
    assert (answer.status, answer.problem()["code"]) == (status, code)
    assert b"marker-of-mine" not in answer.body and b"actions=drop" not in answer.body


def test_another_tenant_has_no_part_in_it(api: Api) -> None:
    stranger = replace(api, token=Tokens(CREDENTIALS).issue(CREDENTIALS.clients[1], 600))
    other = chain(api, "other")["id"]
    assert stranger.call("PATCH", f"{CHAINS}/{other}", LONGER).status == 404
    assert stranger.call("DELETE", f"{CHAINS}/{other}").status == 404
    assert stranger.post(CHAINS, DNS).status == 400
    assert stranger.get(OPERATIONS).json == []
    started = api.call("PATCH", f"{CHAINS}/{other}", {}).headers["location"].rpartition("/")[2]
    assert stranger.get(f"{OPERATIONS}/{started}").status == 404


def test_a_change_that_is_over_takes_no_task(api: Api) -> None:
    started = api.call("PATCH", f"{CHAINS}/{chain(api, 'web')['id']}", {})
    done = started.headers["location"].rpartition("/")[2]
    for task in ("retry", "rollback", "fail"):
        assert api.post(f"{OPERATIONS}/{done}/{task}").problem()["code"] == "WRONG_STATE"


def test_who_may_only_look_changes_nothing(api: Api) -> None:
    viewer = replace(api, token=dashboard_token(CREDENTIALS))
    assert viewer.post(CHAINS, DNS).status == 403
    assert viewer.get(CHAINS).status == 200


def test_a_document_on_disk_is_no_part_of_it(api: Api, tmp_path: Path) -> None:
    """No value is ever read as a path."""
    secret = tmp_path / "secret"
    secret.write_text("secret-of-the-machine")
    answer = api.post(CHAINS, {**DNS, "path": [{"group": "a", "instances": [{"sf": str(secret)}]}]})
    assert answer.status == 400 and b"secret-of-the-machine" not in answer.body


def test_hops_answer_bridges_are_compared_and_counters_remembered(api: Api) -> None:
    path = f"{CHAINS}/{chain(api, 'web')['id']}"
    found = api.post(f"{path}/traceroute", {"direction": "forward", "count": 2})
    assert found.status == 200 and found.json["paths"][0]["whole"]
    assert {hop["received"] for hop in found.json["paths"][0]["hops"]} == {2}
    assert api.post(f"{path}/traceroute").status == 200
    assert api.post(f"{path}/traceroute", {"count": 1000}).problem()["facts"]["pointer"] == "/count"
    assert api.get(f"{path}/drift").json["drift"] == []
    assert api.post(f"{path}/repair").json["repaired"] == []
    history = f"{path}/statistics/history"
    assert api.get(history).json["samples"] == api.get(f"{history}?since=2026-01-01T00:00:00Z").json["samples"] == []
    assert [api.get(f"{history}?since={wrong}").status for wrong in ("soon", "2026-01-01T00:00:00")] == [400, 400]
    viewer = replace(api, token=dashboard_token(CREDENTIALS))
    assert viewer.post(f"{path}/traceroute").status == 200
    assert viewer.post(f"{path}/repair").status == 403
    unknown = f"{CHAINS}/00000000-0000-4000-8000-00000000dead"
    assert all(api.get(f"{unknown}/{what}").status == 404 for what in ("drift", "statistics/history"))
    assert all(api.post(f"{unknown}/{what}").status == 404 for what in ("traceroute", "repair"))


def test_one_packet_is_followed(api: Api) -> None:
    path = f"{CHAINS}/{chain(api, 'web')['id']}/follow"
    packet = {"source": "10.10.0.2", "destination": "198.51.100.1", "protocol": "tcp", "destinationPort": 80}
    found = api.post(path, packet)
    assert found.status == 200 and found.json["sights"][-1]["where"] == "to nat-0"
    assert api.post(path, {**packet, "source": "marker-of-mine"}).status == 400
    assert api.post(path, {**packet, "destination": "2001:db8::1"}).problem()["code"] == "INVALID_INPUT"
    assert replace(api, token=dashboard_token(CREDENTIALS)).post(path, packet).status == 403


Drawn = tuple[Topology, Mapping[str, FlowTables]]


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> list[Drawn]:
    """Tables in which what comes back from functions is not put on its way again; what was drawn, the last at the end.

    A fault of the renderer is the one thing that a proof can find and a user cannot ask for.
    """
    drawn: list[Drawn] = []
    render: Callable[..., Mapping[str, FlowTables]] = Renderer.render

    def without(self: Renderer, topology: Topology, *rest: Any, **also: Any) -> Mapping[str, FlowTables]:
        whole = render(self, topology, *rest, **also)
        tables = {host: replace(one, flows=_kept(one)) for host, one in whole.items()}
        drawn.append((topology, tables))
        return tables

    monkeypatch.setattr(Renderer, "render", without)
    return drawn


def _kept(tables: FlowTables) -> Any:
    return tuple(flow for flow in tables.flows if flow.cookie.kind is not Kind.TUNNEL_NSH)


def test_what_cannot_be_proven_is_refused_with_packets_that_replay_it(api: Api, faulty: list[Drawn]) -> None:
    problem = api.post(CHAINS, DNS).problem()
    assert (problem["status"], problem["code"]) == (409, "CHAIN_UNPROVEN")
    octets = base64.b64decode(problem["facts"]["capture"], validate=True)
    trace = replay(*faulty[-1], octets)
    assert trace.events and not any(isinstance(event, Delivered) for event in trace.events)
    assert {one["name"] for one in api.get(CHAINS).json} == {"web", "other"}
    found = api.post(f"{CHAINS}/{chain(api, 'web')['id']}/verify").json
    assert not found["proven"] and base64.b64decode(found["capture"])


def test_the_command_line_writes_the_packets_that_replay_a_violation(
    api: Api, faulty: list[Drawn], tmp_path: Path
) -> None:
    made, changed, capture = tmp_path / "dns.json", tmp_path / "shorter.json", tmp_path / "why.pcapng"
    made.write_text(json.dumps(DNS))
    changed.write_text(json.dumps({"path": DNS["path"]}))
    for words in (("create", "-f", str(made)), ("update", "web", "--merge", "-f", str(changed)), ("verify", "web")):
        done = run(api, "chain", *words, "--pcap", str(capture))
        assert done.exit_code == 1 and str(capture) in done.stderr, done.stderr
        assert first_frame(capture)
        capture.unlink()


def run(api: Api, *words: str) -> Result:
    """A command against this server."""
    return CliRunner().invoke(mano, [*words, "--url", f"http://127.0.0.1:{api.port}", "--token", api.token or ""])
