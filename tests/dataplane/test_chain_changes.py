"""A running chain is changed in every way while 2 000 numbered datagrams a second pass it each way: none is lost.

The machine itself may lose some when it is busy with other things: what is lost counts when a flow of the same length
that nobody disturbs loses less.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import pytest

from mano.cli.demo.flow import Flow as Datagrams
from mano.cli.demo.flow import Way
from mano.cli.demo.world import INTERNET, SUBSCRIBERS, DemoWorld
from tests.dataplane.gi_lan import INTERNET_IP, Flow, Lab, run, world_of

pytestmark = [pytest.mark.dataplane, pytest.mark.timeout(240)]

REPETITIONS = 5
"""Of each kind of change."""
DRAIN_S = 0.15
CONTROL_ATTEMPTS = 3


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Lab]:
    """The sample network service with a second firewall beside it."""
    lab = Lab(module_lab_id, tmp_path_factory.mktemp("changes"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("CATENA_DRAIN", str(DRAIN_S))
        try:
            lab.prepare()
            lab.instantiate()
            second_firewall(lab)
            yield lab
        finally:
            lab.close()


@pytest.fixture(scope="module")
def world(lab: Lab) -> DemoWorld:
    world = world_of(lab)
    world.load()
    return world


def second_firewall(lab: Lab) -> None:
    """A VNF of its own on the service's networks: ``firewall-b``."""
    vnfs = lab.api.get("/vnflcm/v2/vnf_instances")
    model = next(vnf for vnf in vnfs if vnf["vnfInstanceName"] == "firewall-0")
    model = lab.api.get(f"/vnflcm/v2/vnf_instances/{model['id']}")
    body = {"vnfdId": model["vnfdId"], "vnfInstanceName": "firewall-b", "vnfInstanceDescription": ""}
    made = lab.api.post("/vnflcm/v2/vnf_instances", body)
    networks = {network["name"]: network["id"] for network in lab.api.get("/mano/v1/topology")["networks"]}
    places = {"access": ("in", "out"), "mgmt": ("mgmt",)}
    request = {
        "flavourId": "simple",
        "extVirtualLinks": [
            {"id": networks[name], "resourceId": networks[name], "extCps": [_cp(cp) for cp in cps]}
            for name, cps in places.items()
        ],
    }
    operation = lab.api.post(f"/vnflcm/v2/vnf_instances/{made['id']}/instantiate", request)
    settle(lab, operation)


def _cp(name: str) -> dict[str, Any]:
    ethernet = {"macAddress": f"0a:00:00:00:fb:{ord(name[0]):02x}"}
    return {
        "cpdId": name,
        "cpConfig": {"0000": {"cpProtocolData": [{"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": ethernet}]}},
    }


def settle(lab: Lab, operation: str) -> Mapping[str, Any]:
    deadline = time.monotonic() + 60
    while (found := lab.api.get(operation))["operationState"] in ("STARTING", "PROCESSING", "ROLLING_BACK"):
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
    assert found["operationState"] == "COMPLETED", found
    return dict(found)


def path(*groups: str | Sequence[str]) -> dict[str, Any]:
    """A patch: the functions in order; a list of instances is a group that spreads."""
    return {"path": [_group(number, each) for number, each in enumerate(groups)]}


def _group(number: int, members: str | Sequence[str]) -> dict[str, Any]:
    names = [members] if isinstance(members, str) else list(members)
    return {
        "group": f"g{number}",
        "spread": not isinstance(members, str),
        "instances": [{"sf": name} for name in names],
    }


FIRST = path("firewall-0", "nat-0")
LONGER = path("firewall-0", "dpi-0", "nat-0")
TURNED = path("dpi-0", "firewall-0", "nat-0")
MOVED = path("firewall-b", "nat-0")
ONE, TWO = path(["firewall-0"], "nat-0"), path(["firewall-0", "firewall-b"], "nat-0")
ANY = {"classifiers": [{"priority": 0, "match": {}}]}
NARROW = {"classifiers": [{"priority": 0, "match": {"protocol": "udp"}}, {"priority": 0, "match": {"protocol": "tcp"}}]}

INSERT = "insert and remove a function"
KINDS: Mapping[str, tuple[dict[str, Any], dict[str, Any]]] = {
    INSERT: (LONGER, FIRST),
    "reorder functions": (LONGER, TURNED),
    "move to another instance": (MOVED, FIRST),
    "change classifiers": (NARROW, ANY),
    "scale a group out and in": (TWO, ONE),
}
"""There and back. Inserting and removing are two kinds of change; there and back of the others are both of one kind."""


def change(lab: Lab, world: DemoWorld, patch: Mapping[str, Any]) -> None:
    settle(lab, start_change(lab, world, patch))


def start_change(lab: Lab, world: DemoWorld, patch: Mapping[str, Any]) -> str:
    return lab.api.patch(f"/mano/v1/chains/{world.chains['other']['id']}", patch)


def under_traffic(world: DemoWorld, disturb: Callable[[], None]) -> tuple[Way, Way]:
    flow = Datagrams(world.subscriber, world.lab.attachment(INTERNET), INTERNET_IP)
    try:
        time.sleep(0.3)
        disturb()
        time.sleep(0.2)
        return flow.end()
    finally:
        flow.kill()


def assert_nothing_lost(world: DemoWorld, disturb: Callable[[], None]) -> tuple[Way, Way]:
    """Nothing is lost, or not more than of as long a flow without a disturbance."""
    told = []
    for _ in range(CONTROL_ATTEMPTS):
        begin = time.monotonic()
        ways = under_traffic(world, disturb)
        assert all(way.sent > 500 for way in ways), ways
        assert all(way.duplicates == 0 for way in ways), ways
        if not any(way.lost for way in ways):
            return ways
        control = under_traffic(world, partial(time.sleep, time.monotonic() - begin))
        told.append(f"disturbed: {ways}; control: {control}")
        if sum(way.lost for way in control) >= sum(way.lost for way in ways):
            return ways
    raise AssertionError("\n".join(told))


@pytest.mark.parametrize("kind", KINDS)
def test_no_packet_is_lost_by_a_change(lab: Lab, world: DemoWorld, kind: str) -> None:
    there, back = KINDS[kind]
    if there is NARROW:
        change(lab, world, FIRST)
    else:
        change(lab, world, back)

    def disturb() -> None:
        for _ in range(REPETITIONS if kind == INSERT else -(-REPETITIONS // 2)):
            change(lab, world, there)
            change(lab, world, back)

    assert_nothing_lost(world, disturb)


def test_the_function_that_comes_in_sees_the_packets_and_only_while_it_is_there(lab: Lab, world: DemoWorld) -> None:
    change(lab, world, FIRST)
    seen: list[int] = []

    def disturb() -> None:
        seen.append(passed(world))
        time.sleep(0.3)
        seen.append(passed(world))
        change(lab, world, LONGER)
        time.sleep(0.3)
        seen.append(passed(world))
        change(lab, world, FIRST)
        time.sleep(0.4)  # it writes its counters now and then
        seen.append(passed(world))
        time.sleep(0.4)
        seen.append(passed(world))

    assert_nothing_lost(world, disturb)
    before, still, inside, out, after = seen[-5:]
    assert still < before + PROBES_MAX and inside > still + 300 and after < out + PROBES_MAX, seen


PROBES_MAX = 60
"""Probes that may pass it meanwhile; of the datagrams there are ten times as many."""


def passed(world: DemoWorld) -> int:
    return int(world.counters("dpi")["packets"])


def test_a_server_that_is_killed_in_the_middle_goes_on_and_no_packet_is_lost(lab: Lab, world: DemoWorld) -> None:
    change(lab, world, FIRST)
    turn = iter([LONGER, FIRST] * CONTROL_ATTEMPTS)

    def disturb() -> None:
        operation = start_change(lab, world, next(turn))
        time.sleep(0.05)
        os.kill(lab.server.process.pid, signal.SIGKILL)
        lab.server.process.wait()
        lab.serve()
        world.api = lab.api
        settle(lab, operation)

    assert_nothing_lost(world, disturb)


STANDBY = {
    "path": [
        {
            "group": "g0",
            "onFailure": "next",
            "instances": [{"sf": "firewall-0"}, {"sf": "firewall-b", "weight": 0}],
        },
        {"group": "nat-0"},
    ]
}
"""The second firewall takes over when the first one dies."""


def test_a_dead_firewall_is_replaced_while_packets_go_on(lab: Lab, world: DemoWorld) -> None:
    change(lab, world, STANDBY)
    first = next(vnfc for vnfc in world.vnfcs() if vnfc["vnfName"] == "firewall-0")
    namespace = world.lab.vnfc(first["id"])
    told: list[Mapping[str, Any]] = []
    time.sleep(1.0)  # it was seen alive by then

    def disturb() -> None:
        run("ip", "-n", namespace, "link", "set", "dev", "wire", "down")
        told.extend(wait_for(lambda: alarms(lab, "SERVICE_FUNCTION_DOWN")))
        time.sleep(1.0)

    forward, back = under_traffic(world, disturb)
    # It came back by itself, long before the half of what was sent was lost.
    assert forward.received > forward.sent / 2 and back.received > back.sent / 2, (forward, back)
    assert forward.longest_gap_ms < 2000 and back.longest_gap_ms < 2000, (forward, back)
    assert told[0]["perceivedSeverity"] == "CRITICAL" and "firewall-0" in told[0]["faultDetails"][0]
    assert passed_by(lab, "other") == ["firewall-b"]
    run("ip", "-n", namespace, "link", "set", "dev", "wire", "up")
    wait_for(lambda: not alarms(lab, "SERVICE_FUNCTION_DOWN"))
    wait_for(lambda: passed_by(lab, "other") == ["firewall-0"])
    assert_nothing_lost(world, partial(time.sleep, 0.3))


def alarms(lab: Lab, fault_type: str) -> list[Mapping[str, Any]]:
    """Those that stand."""
    found = [alarm for alarm in lab.api.get("/vnffm/v1/alarms") if alarm.get("faultType") == fault_type]
    return [alarm for alarm in found if "alarmClearedTime" not in alarm]


def passed_by(lab: Lab, name: str) -> list[str]:
    chain = next(chain for chain in lab.api.get("/mano/v1/chains") if chain["name"] == name)
    return [hop["sfName"] for hop in chain["paths"][0]["hops"]]


T = TypeVar("T")


def wait_for(look: Callable[[], T]) -> T:
    """What ``look`` sees once it is something."""
    deadline = time.monotonic() + 15
    while not (found := look()):
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.05)
    return found


def test_a_rule_that_somebody_deletes_comes_back_by_itself(lab: Lab, world: DemoWorld) -> None:
    change(lab, world, FIRST)
    bridge = lab.bridge("h1")
    before = {flow.text for flow in bridge.flows()}
    bridge.delete(next(flow for flow in bridge.flows() if flow.table == "10" and "nsh_si=255" in flow.match))
    foreign = Flow("0x1", "10", "priority=7,in_port=7", "drop")
    bridge.add(foreign)
    wait_for(lambda: {flow.text for flow in bridge.flows()} == before)
    assert_nothing_lost(world, partial(time.sleep, 0.2))


def test_the_bridges_themselves_answer_at_every_hop(lab: Lab, world: DemoWorld) -> None:
    done = lab.mano("chain", "traceroute", "web", "--count", "2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("end of the path\n") == 2 and "dpi-0" in done.stdout and "2/2" in done.stdout
    said = lab.api.post(f"/mano/v1/chains/{world.chains['web']['id']}/traceroute", {"direction": "forward"})
    (way,) = said["paths"]
    assert way["whole"] and [hop["host"] for hop in way["hops"]][-1] == world.path("web", "forward")["egress"]["host"]


def test_one_real_packet_is_seen_at_every_hop(lab: Lab, world: DemoWorld) -> None:
    file = lab.directory / "seen.pcap"
    packet = ("--source", "10.10.0.2", "--destination", INTERNET_IP, "--destination-port", "80")
    done = lab.mano("chain", "trace", "web", *packet, "--pcap", str(file), "-o", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    sights = [(sight["host"], sight["where"], sight["si"]) for sight in found["sights"]]
    wheres = [where for _, where, _ in sights]
    assert wheres[:2] == ["to firewall-0", "from firewall-0"] and wheres[-1] == "to nat-0", sights
    assert [si for _, where, si in sights if where == "to dpi-0"] == [254], sights
    assert [si for _, where, si in sights if where == "from dpi-0"] == [253], sights
    assert all(sight["expected"] for sight in found["sights"]), sights
    told = run("tshark", "-r", str(file), "-T", "fields", "-e", "nsh.si")
    assert len(told.splitlines()) == len(sights) and {"254", "253"} <= set(told.split())


def test_afterwards_the_bridges_hold_what_is_stored(lab: Lab, world: DemoWorld) -> None:
    change(lab, world, FIRST)
    world.load()
    for said in world.verified().values():
        assert said["proven"] and not said["drift"], said
        assert all(trace["agrees"] for trace in said["traces"]), said
    assert world.chains["other"]["state"] == "active"
    assert world.subscriber == world.lab.attachment(SUBSCRIBERS)
