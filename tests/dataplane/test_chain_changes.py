"""A running chain is changed in every way while 2 000 numbered datagrams a second pass it each way: none is lost.

The machine itself may lose some when it is busy with other things: what is lost counts when a flow of the same length
that nobody disturbs loses less.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import pytest

from mano.cli.demo.flow import PORT, Way
from mano.cli.demo.flow import Flow as Datagrams
from mano.cli.demo.passages import Passages
from mano.cli.demo.world import INTERNET, SUBSCRIBERS, DemoWorld
from mano.domain.service_chain import ChainPhase
from tests.dataplane.gi_lan import INTERNET_IP, Flow, Lab, run, world_of

pytestmark = [pytest.mark.dataplane, pytest.mark.timeout(240)]

REPETITIONS = 5
"""Of each kind of change."""
DEATHS = 4
"""In each phase."""
DRAIN_S = 0.15
CONTROL_ATTEMPTS = 3
CONTROL_MAX_S = 20.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Lab]:
    """The sample network service with a second firewall beside it.

    Its first servers mend nothing by themselves: on a busy machine a function may look dead, and its packets are then
    dropped as its policy says, whatever changes. The last one that a test starts does.
    """
    lab = Lab(module_lab_id, tmp_path_factory.mktemp("changes"), watches=False)
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


def settle(lab: Lab, operation: str) -> None:
    lab.api.wait_for(operation, 60, lambda _: None)


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


@dataclass(frozen=True)
class Kind:
    """Changes of one kind; each datagram is given to one of the functions ``once``, and some to each of ``some``."""

    before: Mapping[str, Any]
    changes: Sequence[Mapping[str, Any]]
    once: Sequence[str] = ("firewall-0",)
    some: Sequence[str] = ("firewall-0",)


BOTH = ("firewall-0", "firewall-b")
KINDS: Mapping[str, Kind] = {
    "insert and remove a function": Kind(FIRST, [LONGER, FIRST] * REPETITIONS, some=("firewall-0", "dpi-0")),
    "move to another instance": Kind(FIRST, [MOVED, FIRST, MOVED, FIRST, MOVED], once=BOTH, some=BOTH),
    # An established connection stays on its instance.
    "scale a group out and in": Kind(ONE, [TWO, ONE, TWO, ONE, TWO]),
    "reorder functions": Kind(LONGER, [TURNED, LONGER, TURNED, LONGER, TURNED], some=("firewall-0", "dpi-0")),
    "change classifiers": Kind(FIRST, [NARROW, ANY, NARROW, ANY, NARROW]),
}


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


def assert_nothing_lost(
    world: DemoWorld,
    disturb: Callable[[], None],
    passages: Passages | None = None,
    beside: Callable[[], None] | None = None,
) -> tuple[tuple[Way, Way], Counter[str]]:
    """Nothing is lost, or not more in the same time than of a flow without a disturbance.

    ``beside`` is what keeps the machine as busy without one. Returns both ways, and how many datagrams each function
    was given.
    """
    told = []
    for _ in range(CONTROL_ATTEMPTS):
        given, begin = Counter[str](), time.monotonic()
        if passages is not None:
            given.subtract(passages.read())
        ways = under_traffic(world, disturb)
        if passages is not None:
            given.update(passages.read())
        lasted = time.monotonic() - begin
        assert all(way.sent > 500 for way in ways), ways
        assert all(way.duplicates == 0 for way in ways), ways
        lost = sum(way.lost for way in ways)
        if not lost:
            return ways, given
        undisturbed = min(lasted, CONTROL_MAX_S)
        begin = time.monotonic()
        control = under_traffic(world, beside or partial(time.sleep, undisturbed))
        undisturbed = time.monotonic() - begin
        told.append(f"disturbed: {ways}; control: {control}")
        if sum(way.lost for way in control) * lasted >= lost * undisturbed:
            return ways, given
    raise AssertionError("\n".join(told))


def assert_each_once(ways: Sequence[Way], given: Mapping[str, int], functions: Sequence[str]) -> None:
    """Every datagram was given to one of these functions, and once, whichever version of the chain it took."""
    if not any(way.lost for way in ways):  # else nobody knows on which side of them that was
        assert sum(given[name] for name in functions) == sum(way.received for way in ways), (ways, given)


@pytest.fixture(scope="module")
def passages(world: DemoWorld) -> Passages:
    return Passages(world)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", KINDS)
def test_no_packet_is_lost_by_a_change_nor_passes_a_function_by(
    lab: Lab, world: DemoWorld, passages: Passages, kind: str
) -> None:
    chosen = KINDS[kind]
    change(lab, world, chosen.before)

    def disturb() -> None:
        for patch in chosen.changes:
            change(lab, world, patch)

    ways, given = assert_nothing_lost(world, disturb, passages)
    assert_each_once(ways, given, chosen.once)
    assert all(given[name] > 100 for name in chosen.some), given


def test_new_connections_take_the_instance_that_came_in_and_old_ones_stay(
    lab: Lab, world: DemoWorld, passages: Passages
) -> None:
    change(lab, world, ONE | ANY)
    with ExitStack() as sockets:
        old, new = (world.as_subscriber(partial(connections, sockets, 16)) for _ in range(2))
        speak(old)
        change(lab, world, TWO)
        before = passages.read()
        speak(old)
        wait_for(lambda: passages.read()["firewall-0"] - before["firewall-0"] == len(old))
        assert passages.read()["firewall-b"] == before["firewall-b"]
        speak(new)
        wait_for(lambda: sum(passages.read()[name] - before[name] for name in BOTH) == len(old) + len(new))
        gained = {name: passages.read()[name] - before[name] for name in BOTH}
    assert gained["firewall-0"] > len(old) and gained["firewall-b"] > 0, gained


def connections(sockets: ExitStack, count: int) -> list[socket.socket]:
    """UDP sockets of the subscriber towards where nobody listens."""
    made = [sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) for _ in range(count)]
    for each in made:
        each.bind(("", 0))
    return made


def speak(channels: Sequence[socket.socket]) -> None:
    for channel in channels:
        channel.sendto(b"datagram", (INTERNET_IP, PORT))


@pytest.mark.timeout(600)
def test_a_server_that_is_killed_in_the_middle_goes_on_and_no_packet_is_lost(
    lab: Lab, world: DemoWorld, passages: Passages
) -> None:
    change(lab, world, FIRST | ANY)
    moments = iter(n / 10 for n in range(1000))

    def disturb() -> None:
        for patch in (LONGER, TURNED, FIRST, MOVED, FIRST):
            operation = start_change(lab, world, patch)
            time.sleep(next(moments))
            restart(lab, world)
            settle(lab, operation)

    # A server that starts takes time from the switches, whether a chain changes meanwhile or not.
    ways, given = assert_nothing_lost(world, disturb, passages, beside=partial(restart, lab, world))
    assert_each_once(ways, given, BOTH)
    assert all(given[name] > 100 for name in (*BOTH, "dpi-0")), given


def restart(lab: Lab, world: DemoWorld) -> None:
    """Kill the server and start it again."""
    os.kill(lab.server.process.pid, signal.SIGKILL)
    lab.server.process.wait()
    lab.serve()
    world.api = lab.api


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("phase", [phase.value for phase in ChainPhase if phase is not ChainPhase.REMOVED])
def test_a_server_that_dies_in_any_stored_phase_completes_the_change(
    lab: Lab, world: DemoWorld, passages: Passages, phase: str
) -> None:
    change(lab, world, FIRST | ANY)

    def disturb() -> None:
        died_in = Counter[str | None]()
        for patch in [LONGER, FIRST] * (DEATHS // 2):
            operation = start_change(lab, world, patch)
            died_in[die_in(lab, world, phase)] += 1
            settle(lab, operation)
            assert stored_phase(lab, world) is None
        assert died_in[phase] >= 2, died_in

    # A server that starts takes time from the switches, whether a chain changes meanwhile or not.
    ways, given = assert_nothing_lost(world, disturb, passages, beside=partial(restart, lab, world))
    assert_each_once(ways, given, ["firewall-0"])


def die_in(lab: Lab, world: DemoWorld, phase: str) -> str | None:
    """Kill the server as soon as the phase is stored, and start another; the phase that it died in."""
    deadline = time.monotonic() + 15
    order = [each.value for each in ChainPhase]
    while (stored := stored_phase(lab, world)) is None or order.index(stored) < order.index(phase):
        assert time.monotonic() < deadline, stored
        time.sleep(0.0005)
    os.kill(lab.server.process.pid, signal.SIGKILL)
    lab.server.process.wait()
    died_in = stored_phase(lab, world)
    lab.serve()
    world.api = lab.api
    return died_in


def stored_phase(lab: Lab, world: DemoWorld) -> str | None:
    """Of the change of the chain ``other`` that is under way; phases are too short to ask a server for them."""
    query = "SELECT json_extract(document, '$.change.phase') FROM chains WHERE id = ?"
    with closing(sqlite3.connect(f"file:{lab.database}?mode=ro", uri=True)) as database:
        found: list[tuple[str | None]] = database.execute(query, [world.chains["other"]["id"]]).fetchall()
    return found[0][0]


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


@pytest.fixture(scope="module")
def watching(lab: Lab, world: DemoWorld) -> None:
    """From here on the server mends what breaks."""
    lab.watches = True
    restart(lab, world)


def test_a_dead_firewall_is_replaced_while_packets_go_on(lab: Lab, world: DemoWorld, watching: None) -> None:
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


def test_a_rule_that_somebody_deletes_comes_back_by_itself(lab: Lab, world: DemoWorld, watching: None) -> None:
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
