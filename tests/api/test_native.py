"""Conversations about hosts, placement, chains, VIMs and events: /mano/v1."""

from __future__ import annotations

import contextlib
import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
import yaml

from mano.api.tokens import dashboard_token
from mano.domain.events import Event
from mano.domain.ids import DEFAULT_TENANT
from mano.domain.lcm_op_occ import LcmOpOcc, Level, OperationState
from mano.domain.ns_instance import Reservation
from mano.errors import InvalidInput, NotPlaceable
from tests.api.conftest import CREDENTIALS, TENANT_A, Api
from tests.api.test_packages import UNKNOWN, create, upload
from tests.api.world import HOST, World, archive, furnish
from tests.fakes.descriptors import FIREWALL, NSD

HOSTS = "/mano/v1/hosts"
PLACEMENTS = "/mano/v1/placements"
MERGE = {"Content-Type": "application/merge-patch+json"}
INVENTORY = {"apiVersion": "catena/v1", "kind": "Inventory", "hosts": [HOST]}
PACKET = {"source": "10.0.0.2", "destination": "198.51.100.1", "protocol": "tcp", "destinationPort": 443}


@pytest.fixture(scope="module")
def chain(served: Api, world: World) -> str:
    """A chain of an NS that exists."""
    for name in ("firewall", "dpi", "nat"):
        upload(served, create(served), archive(name))
    upload(served, create(served, "/nsd/v2/ns_descriptors"), archive("gi-lan"), "/nsd/v2/ns_descriptors", "nsd_content")
    ns = served.post("/nslcm/v2/ns_instances", {"nsdId": NSD, "nsName": "n", "nsDescription": ""}).json["id"]
    vnf = served.post("/vnflcm/v2/vnf_instances", {"vnfdId": FIREWALL}).json["id"]
    with world.unit() as uow:
        return furnish(uow, ns, vnf)


@pytest.mark.parametrize("media", ["application/json", "application/yaml", "text/yaml; charset=utf-8"])
def test_hosts_come_and_go(served: Api, media: str) -> None:
    body = json.dumps(INVENTORY) if "json" in media else yaml.safe_dump(INVENTORY)
    added = served.call("POST", f"{HOSTS}?vim=local", body.encode(), {"Content-Type": media})
    assert added.status == 201 and added.json[0]["name"] == "h1"
    assert served.get(f"{HOSTS}/h1").json["vim"] == "local"
    assert [host["name"] for host in served.get(HOSTS).json] == ["h1"]
    assert served.call("DELETE", f"{HOSTS}/h1").status == 204
    assert served.get(f"{HOSTS}/h1").status == 404 and served.call("DELETE", f"{HOSTS}/h1").status == 404


def test_a_host_is_drained_and_enabled(served: Api) -> None:
    assert served.post(HOSTS, INVENTORY).status == 201
    for state in ("draining", "enabled"):
        answer = served.call("PATCH", f"{HOSTS}/h1", json.dumps({"state": state}).encode(), MERGE)
        assert answer.status == 200 and answer.json["state"] == state
        assert served.get(f"{HOSTS}/h1").json["state"] == state
    for body in (b'{"state": "marker-of-mine"}', b'{"state": null}', b"{}", b"[]"):
        refused = served.call("PATCH", f"{HOSTS}/h1", body, MERGE)
        assert refused.status == 400 and b"marker-of-mine" not in refused.body
    assert served.call("PATCH", f"{HOSTS}/nowhere", b'{"state": "down"}', MERGE).status == 404
    assert served.call("PATCH", f"{HOSTS}/h1", b"state: down", {"Content-Type": "text/plain"}).status == 415
    assert served.get(f"{HOSTS}/h1").json["state"] == "enabled"
    assert served.call("DELETE", f"{HOSTS}/h1").status == 204


@pytest.mark.parametrize(
    ("body", "media", "status"),
    [
        (b"{}", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"", "application/yaml", 400),
        (b"- a\n- b\n", "application/yaml", 400),
        (b"a: [unclosed\n", "application/yaml", 400),
        (b"a: &a [*a]\n", "application/yaml", 400),
        (b"x: !!python/object/apply:os.system ['true']\n", "application/yaml", 400),
        (b"\xff\xfe", "application/yaml", 400),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "application/yaml", 400),
        (b"hosts: [{name: marker-of-mine, numaNodes: 7}]", "application/yaml", 400),
        (json.dumps(INVENTORY).encode(), "text/plain", 415),
        (b" " * (3 << 20), "application/yaml", 413),
        (yaml.safe_dump(INVENTORY).replace("memoryMib: 1024", "memoryMib: -1024").encode(), "application/yaml", 400),
    ],
)
def test_an_inventory_that_is_none_is_refused(served: Api, body: bytes, media: str, status: int) -> None:
    answer = served.call("POST", HOSTS, body, {"Content-Type": media})
    assert answer.status == status and answer.problem()["detail"]
    assert b"marker-of-mine" not in answer.body
    assert served.get(HOSTS).json == []


def test_an_alias_bomb_ends_quickly(served: Api) -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    answer = served.call("POST", HOSTS, "\n".join(levels).encode(), {"Content-Type": "application/yaml"})
    assert answer.status == 400


def test_what_if_asks_the_live_nfvi_or_an_inventory_of_ones_own(served: Api) -> None:
    small = {"id": "v", "vcpus": 1, "memoryMib": 1}
    request = {"apiVersion": "catena/v1", "kind": "PlacementRequest", "vdus": [small]}
    live = served.post(PLACEMENTS, {"request": request}).json
    assert live["unplaced"]["v"]["hosts"] == 0
    own = served.post(PLACEMENTS, {"request": request, "inventory": INVENTORY}).json
    assert own["placements"]["v"]["host"] == "h1"
    best = {"optimize": "best", "iterations": 1, "timeLimitS": 5, "inventory": INVENTORY}
    assert served.post(PLACEMENTS, {"request": request, **best}).json["placements"] == own["placements"]
    without = served.post(PLACEMENTS, {"request": request, "inventory": INVENTORY, "without": ["h1"]}).json
    assert without["unplaced"]["v"]["hosts"] == 0
    assert served.post(PLACEMENTS, {"request": request, "with": INVENTORY}).json["placements"] == own["placements"]
    assert served.get(PLACEMENTS).json == []


def test_a_refused_operation_tells_each_vdu_that_found_no_place(served: Api, world: World) -> None:
    why = {"hosts": 1, "reasons": {"VF": 1}, "nearest": [], "wouldFitIf": ["2 VFs on h7 were freed"]}
    error = NotPlaceable("no host", facts={"unplaced": {"fw-0/fw/0": why}}).to_document()
    when = datetime.now(UTC)
    with world.unit() as uow:
        for number, told in enumerate((error, InvalidInput("something else").to_document(), None)):
            state = OperationState.FAILED_TEMP if told else OperationState.COMPLETED
            one = LcmOpOcc(f"o{number}", DEFAULT_TENANT, Level.NS, f"n{number}", "INSTANTIATE", state, when, when)
            uow.operations.add(replace(one, error=told))
    (refused,) = served.get(f"{PLACEMENTS}/refused").json
    assert (refused["key"], refused["operationId"], refused["operationEnded"]) == ("fw-0/fw/0", "o0", False)
    assert refused["refusal"] == why


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"request": None}, "/request"),
        ({"inventory": {"hosts": "marker-of-mine"}}, None),
        ({"with": {"hosts": "marker-of-mine"}}, None),
        ({"without": ["marker-of-mine"]}, None),
        ({"optimize": "marker-of-mine"}, "/optimize"),
        ({"timeLimitS": 0}, "/timeLimitS"),
        ({"timeLimitS": 301}, "/timeLimitS"),
        ({"iterations": -1}, "/iterations"),
        ({"without": "h1"}, "/without"),
    ],
)
def test_a_wrong_question_is_refused_without_repeating_it(
    served: Api, change: dict[str, Any], pointer: str | None
) -> None:  # fmt: skip
    refused = served.post(PLACEMENTS, {"request": {"vdus": []}, **change})
    assert refused.status == 400 and b"marker-of-mine" not in refused.body
    if pointer is not None:
        assert refused.problem()["facts"]["pointer"] == pointer


def test_moves_leaks_and_refusals_are_told(served: Api, world: World) -> None:
    empty = served.post(f"{PLACEMENTS}/rebalance", {"iterations": 1})
    assert empty.status == 200 and empty.json["moves"] == [] and empty.json["gain"] == 0
    assert served.post(f"{PLACEMENTS}/rebalance", {"without": ["nowhere"]}).status == 400
    with world.unit() as uow:
        placed = {"cells": [{"node": 0, "cpus": [1]}]}
        uow.reservations.add(Reservation("r-1", DEFAULT_TENANT, "gone", "fw/fw/0", "h1", placed))
    told = served.get(f"{PLACEMENTS}/leaks").json
    assert [one["key"] for one in told["reservations"]] == ["fw/fw/0"] and told["computes"] == told["missing"] == []
    assert served.call("DELETE", f"{PLACEMENTS}/leaks").status == 204
    assert served.get(f"{PLACEMENTS}/leaks").json["reservations"] == []


def test_topology_and_vims_are_told(served: Api) -> None:
    assert served.get("/mano/v1/topology").json["tier"] == "simulated"
    place = {"name": "subscribers", "host": "h1"}
    added = served.post("/mano/v1/vims/local/attachments", place)
    assert added.status == 201 and added.json == place
    assert served.get("/mano/v1/vims").json[0]["attachments"] == {"subscribers": place}
    assert served.post("/mano/v1/vims/other/attachments", place).status == 404
    for wrong in ({"name": "x"}, {"name": "x", "host": "h", "physnet": "p"}, {"host": "h"}, {"name": "", "host": "h"}):
        assert served.post("/mano/v1/vims/local/attachments", wrong).status == 400


def test_chains_are_read_counted_proven_and_traced(served: Api, world: World, chain: str) -> None:
    path = f"/mano/v1/chains/{chain}"
    assert chain in [item["id"] for item in served.get("/mano/v1/chains").json]
    assert served.get(path).json["name"] == "web"
    assert served.get(f"{path}/statistics").json["paths"][0]["hops"][0]["packets"] == 7
    assert served.post(f"{path}/verify").json["proven"] is True
    assert served.post(f"{path}/trace", PACKET).json["packet"] == PACKET
    for wrong in (
        {},
        {**PACKET, "source": "10.0.0.256"},
        {**PACKET, "protocol": "ipx"},
        {**PACKET, "protocol": 256},
        {**PACKET, "destinationPort": 65536},
        {**PACKET, "destinationPort": "80"},
    ):
        assert served.post(f"{path}/trace", wrong).status == 400
    assert served.get(f"/mano/v1/chains/{UNKNOWN}").status == 404
    assert served.get("/mano/v1/chains/not-an-identifier").status == 404


def test_a_host_that_does_not_answer_is_503_without_its_paths(served: Api, world: World, chain: str) -> None:
    world.chains.reachable = False
    try:
        answer = served.get(f"/mano/v1/chains/{chain}/statistics")
        assert answer.status == 503 and answer.headers["retry-after"]
        assert "h1" in answer.problem()["detail"] and b"/run" not in answer.body
    finally:
        world.chains.reachable = True


def test_chains_and_operations_are_counted_for_prometheus(served: Api, chain: str) -> None:
    text = served.get("/metrics").body.decode()
    hop = f'catena_chain_hop_packets_total{{chain="{chain}",direction="forward",host="h1",si="254"}} 7.0'
    assert f'catena_chain_up{{chain="{chain}"}} 1.0' in text and hop in text
    assert "# TYPE catena_operations gauge" in text


def test_a_tenant_sees_its_chains_and_no_host(served: Api, tenant_a: Api, chain: str) -> None:
    for path in (HOSTS, f"{HOSTS}/h1", "/mano/v1/topology", "/mano/v1/vims"):
        assert tenant_a.get(path).status == 403
    assert tenant_a.call("POST", HOSTS, b"{}", {"Content-Type": "application/json"}).status == 403
    assert tenant_a.call("DELETE", f"{HOSTS}/h1").status == 403
    assert tenant_a.get("/mano/v1/chains").json == [] and tenant_a.get(f"/mano/v1/chains/{chain}").status == 404


def test_the_dashboard_may_look_and_ask_but_not_change(served: Api, chain: str) -> None:
    viewer = replace(served, token=dashboard_token(CREDENTIALS))
    for path in (HOSTS, "/mano/v1/topology", "/mano/v1/chains", "/mano/v1/placements", "/mano/v1/vims"):
        assert viewer.get(path).status == 200
    assert viewer.post(f"/mano/v1/chains/{chain}/verify").status == 200
    assert viewer.post(f"/mano/v1/chains/{chain}/trace", PACKET).status == 200
    assert viewer.post("/mano/v1/placements", {"request": {}}).status in (200, 400)
    assert viewer.call("DELETE", f"{HOSTS}/h1").status == 403
    assert viewer.post("/mano/v1/vims/local/attachments", {"name": "x", "host": "h1"}).status == 403


class Stream:
    """A client of the event stream."""

    def __init__(self, api: Api, last: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {api.token}", "Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = last
        self.connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=10)
        self.connection.request("GET", "/mano/v1/events", headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()
        assert self.response.headers["content-type"].startswith("text/event-stream")
        assert self.message() == {"retry": "2000"}

    def message(self) -> dict[str, Any]:
        """The next message, or comment."""
        fields: dict[str, Any] = {}
        while line := self.response.readline().decode().rstrip("\n"):
            name, _, value = line.partition(":")
            fields[name or "comment"] = value.strip()
        return fields

    def event(self) -> tuple[int, dict[str, Any]]:
        """The next event, heartbeats left out."""
        while True:
            fields = self.message()
            if "data" in fields:
                return int(fields["id"]), json.loads(fields["data"]) | {"event": fields.get("event", "message")}


@contextlib.contextmanager
def listening(api: Api, last: str | None = None) -> Iterator[Stream]:
    stream = Stream(api, last)
    with contextlib.closing(stream.connection):
        yield stream


def happen(world: World, verb: str, tenant: str = DEFAULT_TENANT) -> None:
    with world.unit() as uow:
        uow.outbox.append(Event(str(uuid4()), "thing", verb, "subject-1", tenant, datetime.now(UTC), {"a": 1}))


def test_events_are_cloud_events_in_order(served: Api, world: World) -> None:
    with listening(served) as stream:
        happen(world, "made")
        happen(world, "changed")
        first, event = stream.event()
        second, other = stream.event()
    assert (
        second == first + 1 and event["type"] == "catena.thing.made.v1" and other["type"] == "catena.thing.changed.v1"
    )
    assert {"specversion", "id", "source", "subject", "time", "datacontenttype", "data"} <= set(event)
    assert event["specversion"] == "1.0" and event["data"] == {"a": 1}


def test_a_client_that_comes_back_gets_what_it_missed(served: Api, world: World) -> None:
    with listening(served) as stream:
        happen(world, "seen")
        last, _ = stream.event()
    happen(world, "missed")
    with listening(served, str(last)) as stream:
        number, event = stream.event()
        assert number > last and event["type"] == "catena.thing.missed.v1"


def test_a_client_that_missed_what_is_gone_is_told_to_begin_anew(served: Api, world: World) -> None:
    happen(world, "old")
    with listening(served) as stream:
        happen(world, "middle")
        middle, _ = stream.event()
    happen(world, "newest")
    with world.unit() as uow:
        uow.outbox.prune(datetime.now(UTC))
    with listening(served, str(middle - 1)) as stream:
        newest, event = stream.event()
        assert event["event"] == "reset" and newest > middle
        happen(world, "after")
        assert stream.event()[1]["type"] == "catena.thing.after.v1"
    with listening(served, str(10**15)) as stream:
        assert stream.event()[1]["event"] == "reset"


def test_a_quiet_stream_beats(served: Api) -> None:
    with listening(served) as stream:
        assert "comment" in stream.message()


def test_a_tenant_hears_of_its_own_things_only(served: Api, tenant_a: Api, world: World) -> None:
    with listening(tenant_a) as stream:
        happen(world, "foreign")
        happen(world, "own", TENANT_A)
        assert stream.event()[1]["type"] == "catena.thing.own.v1"


def test_operations_are_heard_of(served: Api, chain: str) -> None:
    with listening(served) as stream:
        created = served.post("/nslcm/v2/ns_instances", {"nsdId": NSD, "nsName": "heard", "nsDescription": ""}).json
        while True:
            _, event = stream.event()
            if event["type"] == "catena.ns-instance.created.v1":
                break
    assert event["subject"] == created["id"]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 30, "1, 2"])
def test_a_last_event_id_that_is_none_is_refused(served: Api, last: str) -> None:
    answer = served.get("/mano/v1/events", Accept="text/event-stream", Last_Event_ID=last)
    assert answer.status == 400


def test_streams_do_not_hold_a_stopping_server_up(world: World) -> None:
    from mano.api.config import ApiConfig
    from tests.api.conftest import serving

    with contextlib.ExitStack() as stack:
        with serving(world.services, ApiConfig(credentials=CREDENTIALS)) as api:
            stream = stack.enter_context(listening(api))
        assert stream.response.read() == b""
