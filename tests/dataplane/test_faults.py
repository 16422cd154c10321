"""Faults through the real stack: dead switches, a service that fits nowhere, a server killed in the middle."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from mano.cli.demo import look
from mano.cli.demo.checks import WHILE_CAPTURING, outcome
from mano.cli.demo.checks.tables import check_drift, check_traces
from mano.cli.demo.world import INTERNET, INTERNET_ADDRESS, SUBSCRIBER_ADDRESS, SUBSCRIBERS
from tests.dataplane.gi_lan import Lab, everything_of, internet, world_of

pytestmark = [pytest.mark.dataplane, pytest.mark.timeout(180)]

SAPS = (
    "--sap",
    f"{SUBSCRIBERS}={SUBSCRIBERS},{SUBSCRIBER_ADDRESS}",
    "--sap",
    f"{INTERNET}={INTERNET},{INTERNET_ADDRESS}",
)
SETTLE_DEADLINE_S = 60.0
QUICK_CHECKS = ("HTTP is answered through the chain", "DNS is answered", "the management network is real")


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory, module_lab_id: str) -> Iterator[Lab]:
    """Server, hosts and packages; each test instantiates and takes down."""
    lab = Lab(module_lab_id, tmp_path_factory.mktemp("faults"))
    try:
        lab.prepare()
        yield lab
    finally:
        lab.close()


@pytest.fixture
def before(lab: Lab) -> look.Before:
    """What was there before the test."""
    return everything_of(lab)


def leftovers(lab: Lab, before: look.Before) -> list[str]:
    """But for the instance itself, which waits to be instantiated again."""
    return [line for line in look.leftovers(lab.id, lab.database, before) if line != "1 rows in table ns_instances"]


def operation(lab: Lab, path: str) -> Mapping[str, Any]:
    """The operation once it is settled."""
    deadline = time.monotonic() + SETTLE_DEADLINE_S
    while (found := lab.api.get(path))["operationState"] in ("PROCESSING", "ROLLING_BACK"):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return dict(found)


def begin(lab: Lab) -> str:
    """Ask for the instantiation; the path of the operation."""
    saps = {
        SUBSCRIBERS: {"attachment": SUBSCRIBERS, "address": SUBSCRIBER_ADDRESS},
        INTERNET: {"attachment": INTERNET, "address": INTERNET_ADDRESS},
    }
    body = {"nsFlavourId": "simple", "additionalParamsForNs": {"catena": {"saps": saps}}}
    return str(lab.api.post(f"/nslcm/v2/ns_instances/{lab.ns_id}/instantiate", body))


def terminate(lab: Lab) -> None:
    path = lab.api.post(f"/nslcm/v2/ns_instances/{lab.ns_id}/terminate", {"terminationTime": None})
    assert operation(lab, path)["operationState"] == "COMPLETED"


def assert_packets_flow(lab: Lab) -> None:
    """The checks that take no second, and what the bridges hold and would do."""
    with internet(lab):
        world = world_of(lab)
        world.load()
        for check in WHILE_CAPTURING:
            if check.name in QUICK_CHECKS:
                held, evidence = outcome(check, world)
                assert held, f"{check.name}: {evidence}"
        check_traces(world)
        check_drift(world)


@pytest.fixture(autouse=True)
def nothing_under_way(lab: Lab) -> Iterator[None]:
    """Whatever a failed test left is undone, so that the next one tells of itself."""
    yield
    for occurrence in lab.api.get("/nslcm/v2/ns_lcm_op_occs"):
        if occurrence["operationState"] == "FAILED_TEMP":
            for host in lab.inventory["hosts"]:
                lab.mend(host["name"])
            path = f"/nslcm/v2/ns_lcm_op_occs/{occurrence['id']}"
            lab.api.post(f"{path}/rollback", {})
            operation(lab, path)
    if lab.api.get(f"/nslcm/v2/ns_instances/{lab.ns_id}")["nsState"] == "INSTANTIATED":
        terminate(lab)


def kill_switch(lab: Lab, host: str) -> None:
    """ovs-vswitchd dies; its flows and its connections are gone, the database lives."""
    pid_file = Path(f"/run/catena/{lab.id}/hosts/{host}/ovs/ovs-vswitchd.pid")
    pid = int(pid_file.read_text())
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10.0
    while Path(f"/proc/{pid}").exists() and Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_service_that_fits_nowhere_is_refused_with_reasons(lab: Lab, before: look.Before) -> None:
    """Three functions that must be apart, and two hosts that take any."""
    h3 = next(host for host in lab.inventory["hosts"] if host["name"] == "h3")
    lab.api.post("/mano/v1/hosts", {**lab.inventory, "hosts": [{**h3, "state": "draining"}]})
    try:
        done = lab.mano("ns", "instantiate", "gi-lan", *SAPS, "--wait", "-o", "json")
    finally:
        lab.mend("h3")
    assert done.returncode == 3, done.stdout + done.stderr
    ended = json.loads(done.stdout)
    assert ended["operationState"] == "ROLLED_BACK"
    assert "Error: " in done.stderr
    assert ended["error"]["detail"] in done.stderr
    reasons = json.dumps(ended["error"])
    assert "HOST_STATE" in reasons
    assert "AFFINITY" in reasons
    assert lab.api.get(f"/nslcm/v2/ns_instances/{lab.ns_id}")["nsState"] == "NOT_INSTANTIATED"
    assert leftovers(lab, before) == []


def test_a_dead_switch_stops_the_instantiation_until_the_host_is_mended(lab: Lab, before: look.Before) -> None:
    kill_switch(lab, "h2")
    done = lab.mano("ns", "instantiate", "gi-lan", *SAPS, "--wait", "-o", "json")
    assert done.returncode == 4, done.stdout + done.stderr
    failed = json.loads(done.stdout)
    assert failed["operationState"] == "FAILED_TEMP"
    assert "h2" in failed["error"]["detail"]
    assert f"mano op retry {failed['id']}, or mano op rollback {failed['id']}" in done.stderr
    assert "host add" in done.stderr
    assert not next(host for host in lab.api.get("/mano/v1/hosts") if host["name"] == "h2")["reachable"]

    lab.mend("h2")
    retried = lab.mano("op", "retry", failed["id"], "--wait", "-o", "json")
    assert retried.returncode == 0, retried.stdout + retried.stderr
    assert_packets_flow(lab)
    terminate(lab)
    assert leftovers(lab, before) == []


def test_a_rollback_leaves_nothing_while_the_switch_is_still_dead(lab: Lab, before: look.Before) -> None:
    kill_switch(lab, "h2")
    failed = operation(lab, begin(lab))
    assert failed["operationState"] == "FAILED_TEMP"
    done = lab.mano("op", "rollback", failed["id"], "--wait", "-o", "json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["operationState"] == "ROLLED_BACK"
    assert leftovers(lab, before) == []
    lab.mend("h2")


def test_a_switch_that_died_gets_its_flows_again_with_the_host(lab: Lab, before: look.Before) -> None:
    assert operation(lab, begin(lab))["operationState"] == "COMPLETED"
    kill_switch(lab, "h1")
    lab.mend("h1")
    assert_packets_flow(lab)
    terminate(lab)
    assert leftovers(lab, before) == []


def restart_killed(lab: Lab, after_s: float) -> None:
    """The server dies by kill -9 and another one begins with its data."""
    time.sleep(after_s)
    lab.server.process.kill()
    lab.server.process.wait()
    lab.serve()


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_server_goes_on_where_it_was(lab: Lab, before: look.Before, seed: int) -> None:
    """Killed at any moment of the instantiation: the next one completes it by itself."""
    path = begin(lab)
    restart_killed(lab, random.Random(seed).uniform(0.0, 0.5) + 0.5 * seed)
    ended = operation(lab, path)
    assert ended["operationState"] == "COMPLETED", ended.get("error")
    assert_packets_flow(lab)
    path = lab.api.post(f"/nslcm/v2/ns_instances/{lab.ns_id}/terminate", {"terminationTime": None})
    if seed == 0:
        restart_killed(lab, random.Random(seed).uniform(0.2, 1.0))
    assert operation(lab, path)["operationState"] == "COMPLETED"
    assert leftovers(lab, before) == []
