"""What ``mano demo --full`` adds: a chain changed under traffic, a function that dies, the bridges asked hop by hop."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from mano.cli.demo.checks import Check, outcome
from mano.cli.demo.errors import CheckFailed, DemoProblem
from mano.cli.demo.flow import RATE, Flow, Way
from mano.cli.demo.report import traceroute_lines
from mano.cli.demo.server import Api
from mano.cli.demo.stage import Stage
from mano.cli.demo.world import INTERNET, MANAGEMENT, DemoWorld

SECOND = "firewall-b"
"""The firewall that stands by."""

OPERATION_TIMEOUT_S = 180.0
SETTLED_S, WATCHED_S = 1.0, 1.0
"""How long a flow runs before and after what is done to it; how long a function is seen alive before it dies."""

ALARM_DEADLINE_S = 20.0
OUTAGE_MAX_MS = 1500.0
"""A dead function is found and replaced within 500 ms; a machine with much else to do takes longer by as much."""

ATTEMPTS = 3
"""How often a flow is tried on a machine that loses datagrams by itself."""

Path = list[dict[str, Any]]


def path(*functions: str) -> Path:
    """Groups of one function each."""
    return [{"group": function, "instances": [{"sf": function}]} for function in functions]


BEFORE = path("firewall-0", "nat-0")
WITH_DPI = path("firewall-0", "dpi-0", "nat-0")
WITH_STANDBY: Path = [
    {
        "group": "firewall",
        "onFailure": "next",
        "instances": [{"sf": "firewall-0", "weight": 1}, {"sf": SECOND, "weight": 0}],
    },
    *path("nat-0"),
]


class Scene:
    """The running service with a second firewall, and what is done to its chains."""

    def __init__(self, world: DemoWorld, address: str) -> None:
        self._world = world
        self._address = address
        self._second = ""

    @property
    def _api(self) -> Api:
        return self._world.api

    def second_firewall(self) -> None:
        """A VNF of its own on the networks of the service."""
        vnfs = self._api.get("/vnflcm/v2/vnf_instances")
        vnfd = next(vnf["vnfdId"] for vnf in vnfs if vnf["vnfInstanceName"] == "firewall-0")
        body = {"vnfdId": vnfd, "vnfInstanceName": SECOND, "vnfInstanceDescription": "stands by"}
        self._second = str(self._api.post("/vnflcm/v2/vnf_instances", body)["id"])
        networks = {network["name"]: network["id"] for network in self._world.topology["networks"]}
        places = {"access": ("in", "out"), MANAGEMENT: (MANAGEMENT,)}
        links = [
            {"id": networks[name], "resourceId": networks[name], "extCps": [_cp(cp) for cp in cps]}
            for name, cps in places.items()
        ]
        request = {"flavourId": "simple", "extVirtualLinks": links}
        self.settle(self._api.post(f"/vnflcm/v2/vnf_instances/{self._second}/instantiate", request))

    def without_second_firewall(self) -> None:
        """Remove it; nothing to do when it was never made."""
        if not self._second:
            return
        path = f"/vnflcm/v2/vnf_instances/{self._second}"
        self.settle(self._api.post(f"{path}/terminate", {"terminationType": "FORCEFUL"}))
        self._api.delete(path)
        self._second = ""

    def change(self, to: Path) -> float:
        """Change the path of the chain ``other``; how long that took, in seconds."""
        begin = time.monotonic()
        self.settle(self.start({"path": to}))
        return time.monotonic() - begin

    def start(self, patch: Mapping[str, Any]) -> str:
        """Begin a change of the chain ``other``; the path of the operation."""
        return self._api.patch(f"/mano/v1/chains/{self._world.chains['other']['id']}", patch)

    def settle(self, operation: str) -> None:
        """Wait until an operation is over."""
        self._api.wait_for(operation, OPERATION_TIMEOUT_S, lambda _: None)

    def check_change(self, _: DemoWorld) -> str:
        """dpi comes into the path and goes again; no datagram is lost in either direction."""
        took: list[float] = []
        seen: list[int] = []

        def disturb() -> None:
            took[:] = [self.change(WITH_DPI)]
            before = self._dpi_packets()
            time.sleep(SETTLED_S)
            seen[:] = [self._dpi_packets() - before]
            took.append(self.change(BEFORE))

        told = ""
        for _attempt in range(ATTEMPTS):
            ways = self._flow(disturb)
            if not any(way.lost for way in ways):
                break
            control = self._flow(partial(time.sleep, sum(took) + SETTLED_S))
            told = f"; a flow that nobody disturbs: {', '.join(map(str, control))}"
            if sum(way.lost for way in ways) > sum(way.lost for way in control):
                raise CheckFailed(f"{', '.join(map(str, ways))}{told}")
        if seen[0] < RATE * SETTLED_S / 2:
            raise CheckFailed(f"dpi saw {seen[0]} packets while it was in the path")
        changes = f"in and out in {' and '.join(f'{seconds:.1f}' for seconds in took)} s, dpi saw {seen[0]}"
        return f"{RATE} datagrams/s each way, {', '.join(map(str, ways))}; {changes}{told}"

    def check_failover(self, world: DemoWorld) -> str:
        """The firewall dies under traffic and the one that stands by takes its packets."""
        self.change(WITH_STANDBY)
        first = next(vnfc for vnfc in world.vnfcs() if vnfc["vnfName"] == "firewall-0")
        namespace = world.lab.vnfc(first["id"])
        time.sleep(WATCHED_S)
        found: list[Mapping[str, Any]] = []

        def disturb() -> None:
            _set_bridge(namespace, "down")
            found[:] = self._await_alarms(bool)
            time.sleep(SETTLED_S)

        try:
            ways = self._flow(disturb)
            passed = self._passed()
        finally:
            _set_bridge(namespace, "up")
        self._await_alarms(lambda alarms: not alarms)
        outage = max(way.longest_gap_ms for way in ways)
        if passed != [SECOND]:
            raise CheckFailed(f"packets pass {', '.join(passed)} instead of {SECOND}")
        if outage > OUTAGE_MAX_MS * _load() or any(way.received < way.sent / 2 for way in ways):
            raise CheckFailed(f"it took {outage:.0f} ms: {', '.join(map(str, ways))}")
        return f"{SECOND} carries on after {outage:.0f} ms; alarm {found[0]['perceivedSeverity']}, cleared afterwards"

    def _flow(self, disturb: Callable[[], None]) -> tuple[Way, Way]:
        flow = Flow(self._world.subscriber, self._world.lab.attachment(INTERNET), self._address)
        try:
            time.sleep(SETTLED_S / 2)
            disturb()
            time.sleep(SETTLED_S / 2)
            return flow.end()
        finally:
            flow.kill()

    def _dpi_packets(self) -> int:
        time.sleep(0.3)  # it writes its counters now and then
        return int(self._world.counters("dpi")["packets"])

    def _passed(self) -> list[str]:
        chain = self._api.get(f"/mano/v1/chains/{self._world.chains['other']['id']}")
        return [hop["sfName"] for hop in chain["paths"][0]["hops"]]

    def _await_alarms(self, suit: Callable[[list[Any]], bool]) -> list[Mapping[str, Any]]:
        deadline = time.monotonic() + ALARM_DEADLINE_S
        while True:
            standing = [
                alarm
                for alarm in self._api.get("/vnffm/v1/alarms")
                if alarm.get("faultType") == "SERVICE_FUNCTION_DOWN" and "alarmClearedTime" not in alarm
            ]
            if suit(standing):
                return standing
            if time.monotonic() > deadline:
                raise CheckFailed(f"after {ALARM_DEADLINE_S:.0f} s {len(standing)} alarms of functions stand")
            time.sleep(0.05)


def check_traceroute(world: DemoWorld) -> str:
    """Every bridge on both chains answers echo requests, up to the end of each path."""
    hops = 0
    for name in sorted(world.chains):
        for way in traceroute(world, name)["paths"]:
            if not way["whole"]:
                raise CheckFailed(f"chain {name} {way['direction']}: {way['why']}")
            hops += len(way["hops"])
    return f"{hops} hops of {len(world.chains)} chains answer, each with its host and its rule"


def traceroute(world: DemoWorld, name: str) -> Mapping[str, Any]:
    """What the hops of a chain answer."""
    found: Mapping[str, Any] = world.api.post(f"/mano/v1/chains/{world.chains[name]['id']}/traceroute", {})
    return found


def check_whole(world: DemoWorld) -> str:
    """After all of it the bridges hold what is stored, and that is proven."""
    for name, said in world.verified().items():
        if not said["proven"] or said["drift"] or not all(trace["agrees"] for trace in said["traces"]):
            raise CheckFailed(f"chain {name} is not what it is to be: {said['violations'][:1] or said['drift'][:1]}")
    return "both chains proven, switches and simulator agree, no flow too many or too few"


def tell(stage: Stage, world: DemoWorld, address: str) -> None:
    """The whole of it with real packets."""
    scene = Scene(world, address)
    stage.title("Chains under traffic")
    try:
        with stage.step(f"bring up a second firewall, {SECOND}"):
            scene.second_firewall()
        world.load()
        _run(stage, world, [Check("dpi comes into the chain `other` under traffic", scene.check_change)])
        _run(stage, world, [Check("a firewall that dies is replaced", scene.check_failover)])
        world.load()
        show_traceroutes(stage, world)
        _run(stage, world, [Check("every hop answers a traceroute", check_traceroute)])
        with stage.step("give the chain back its first path, remove the second firewall"):
            scene.change(BEFORE)
            scene.without_second_firewall()
        world.load()
        _run(stage, world, [Check("the chains are as before, and proven", check_whole)])
    except DemoProblem:
        scene.without_second_firewall()
        raise


def tell_simulated(stage: Stage, world: DemoWorld) -> None:
    """What of it can be tried without packets, and what cannot."""
    stage.title("A chain changes")

    def check_change(world: DemoWorld) -> str:
        other = f"/mano/v1/chains/{world.chains['other']['id']}"
        world.api.wait_for(world.api.patch(other, {"path": WITH_DPI}), OPERATION_TIMEOUT_S, lambda _: None)
        passed = [hop["sfName"] for hop in world.api.get(other)["paths"][0]["hops"]]
        if passed != ["firewall-0", "dpi-0"]:
            raise CheckFailed(f"the simulated chain passes {', '.join(passed)}")
        operation = world.api.patch(other, {"path": BEFORE})
        world.api.wait_for(operation, OPERATION_TIMEOUT_S, lambda _: None)
        steps = [step["name"] for step in world.api.get(operation)["catena"]["steps"]]
        return f"each phase proven by simulated packets before it was programmed: {', '.join(steps)}"

    _run(stage, world, [Check("dpi comes into the chain `other` and goes", check_change)])
    world.load()
    show_traceroutes(stage, world)
    _run(stage, world, [Check("every hop answers a simulated traceroute", check_traceroute)])
    stage.say("not shown here, for no packet and no function runs on this tier: traffic during the change, failover")


def show_traceroutes(stage: Stage, world: DemoWorld) -> None:
    """Both chains, both ways."""
    for name in sorted(world.chains):
        for way in traceroute(world, name)["paths"]:
            for line in traceroute_lines(name, way):
                stage.say(line)


def _run(stage: Stage, world: DemoWorld, checks: Sequence[Check]) -> None:
    for check in checks:
        held, evidence = outcome(check, world)
        stage.check(check.name, held, evidence)


def _cp(name: str) -> dict[str, Any]:
    ethernet = {"macAddress": f"0a:00:00:00:fb:{ord(name[0]):02x}"}
    return {
        "cpdId": name,
        "cpConfig": {"0000": {"cpProtocolData": [{"layerProtocol": "IP_OVER_ETHERNET", "ipOverEthernet": ethernet}]}},
    }


def _load() -> float:
    """Processes that want each CPU, 1 at least."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _set_bridge(namespace: str, state: str) -> None:
    """The firewall is a bridge of its machine: with it down, nothing comes through any more."""
    command = ["ip", "-n", namespace, "link", "set", "dev", "wire", state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    if done.returncode != 0:
        raise DemoProblem(f"the firewall's bridge cannot be set {state}: {done.stderr.strip()}")
