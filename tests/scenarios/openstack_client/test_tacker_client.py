"""OpenStack's own command line, unmodified, against a real server on the simulated tier.

The client lives in a virtual environment of its own, made for the test outside the repository; where its packages
cannot be had, the test says so and is skipped.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from mano.adapters.vim_simulated import SimulatedVim
from tests.fakes.receiver import Receiver, receiving
from tests.scenarios.operations.conftest import scalable, variant

pytestmark = [pytest.mark.deep, pytest.mark.timeout(900)]

CLIENT = ("python-tackerclient==2.6.0", "python-openstackclient", "setuptools")
SAMPLES = Path(str(files("vnf_descriptors"))) / "samples"
MANO = Path(sys.executable).with_name("mano")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program ``openstack``."""
    home = tmp_path_factory.mktemp("client")
    subprocess.run([sys.executable, "-m", "venv", home], check=True, timeout=120)
    made = subprocess.run(
        [home / "bin" / "python", "-m", "pip", "install", "--quiet", *CLIENT],
        capture_output=True,
        text=True,
        timeout=600,
    )
    if made.returncode:
        pytest.skip(f"the OpenStack client cannot be installed: {made.stderr.strip()[-200:]}")
    return home / "bin" / "openstack"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server: its URL and data directory."""
    home = tmp_path_factory.mktemp("server")
    command: list[str | Path] = [
        MANO,
        "serve",
        "--auth",
        "none",
        "--tier",
        "simulated",
        "--lab",
        "ostc",
        "--listen",
        "127.0.0.1:0",
    ]
    with (home / "log").open("w") as log:
        process = subprocess.Popen([*command, "--data-dir", home / "data"], stderr=log)
    try:
        deadline = time.monotonic() + 60
        while not (found := re.search(r"listens on (http://\S+)", (home / "log").read_text())):
            assert time.monotonic() < deadline and process.poll() is None, (home / "log").read_text()
            time.sleep(0.1)
        inventory = SAMPLES / "inventory" / "gi-lan.yaml"
        subprocess.run([MANO, "host", "add", "--url", found[1], inventory], check=True, timeout=60)
        yield found[1], home / "data"
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


@pytest.fixture(scope="module")
def openstack(client: Path, server: tuple[str, Path]) -> Callable[..., Any]:
    """Runs a command; what it printed as JSON, or its text."""

    def run(version: int, *words: object, fails: bool = False, plain: bool = False) -> Any:
        form = [] if plain else ["-f", "json"]
        head = ["--os-auth-type", "none", "--os-endpoint", server[0], "--os-tacker-api-version", str(version)]
        done = subprocess.run([client, *head, *map(str, words), *form], capture_output=True, text=True, timeout=120)
        assert (done.returncode != 0) is fails, done.stdout + done.stderr
        return done.stdout + done.stderr if plain or fails else json.loads(done.stdout)

    return run


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The firewall, made scalable."""
    return variant("firewall", tmp_path_factory.mktemp("packages"), partial(scalable, vdu="firewall"))


@pytest.fixture(scope="module")
def package(openstack: Callable[..., Any], archive: Path) -> dict[str, Any]:
    """The firewall, on-boarded by the client."""
    id = openstack(1, "vnf", "package", "create", "--user-data", "owner=me")["ID"]
    openstack(1, "vnf", "package", "upload", "--path", archive, id, plain=True)
    shown = openstack(1, "vnf", "package", "show", id)
    assert shown["Onboarding State"] == "ONBOARDED" and shown["User Defined Data"] == {"owner": "me"}
    assert isinstance(shown, dict)
    return shown


def document(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value))
    return path


def test_packages(openstack: Callable[..., Any], package: dict[str, Any], archive: Path, tmp_path: Path) -> None:
    id = package["ID"]
    openstack(1, "vnf", "package", "download", "--file", tmp_path / "got.csar", id, plain=True)
    assert (tmp_path / "got.csar").read_bytes() == archive.read_bytes()
    for kind in ("text/plain", "application/zip", "both"):
        file = tmp_path / kind.replace("/", "-")
        openstack(1, "vnf", "package", "download", "--vnfd", "--type", kind, "--file", file, id, plain=True)
        head = file.read_bytes()[:2]
        assert head == (b"PK" if kind == "application/zip" else b"to")
    licence = tmp_path / "licence"
    words = ("vnf", "package", "artifact", "download", "--file", licence, id, "Licenses/LICENSE.txt")
    openstack(1, *words, plain=True)
    assert licence.read_bytes() == (SAMPLES / "firewall" / "Licenses" / "LICENSE.txt").read_bytes()
    for state in ("DISABLED", "ENABLED"):
        told = openstack(1, "vnf", "package", "update", "--operational-state", state, id)
        assert told["Operational State"] == state
    spare = openstack(1, "vnf", "package", "create")["ID"]
    created = openstack(1, "vnf", "package", "list", "--filter", "(eq,onboardingState,CREATED)")
    assert [row["Id"] for row in created] == [spare]
    openstack(1, "vnf", "package", "delete", spare, plain=True)
    assert [row["Id"] for row in openstack(1, "vnf", "package", "list")] == [id]


def settled(openstack: Callable[..., Any], version: int, vnf: str) -> str:
    """The state of the instance's newest operation, once it has ended."""
    deadline = time.monotonic() + 60
    while True:
        rows = [row for row in openstack(version, "vnflcm", "op", "list") if row["VNF Instance ID"] == vnf]
        if not {row["Operation State"] for row in rows} & {"STARTING", "PROCESSING", "ROLLING_BACK"}:
            return str(rows[-1]["Operation State"])
        assert time.monotonic() < deadline, rows
        time.sleep(0.5)


@pytest.mark.parametrize("version", [1, 2])
def test_a_vnf_lives_and_is_told_of(
    openstack: Callable[..., Any], package: dict[str, Any], receiver: Receiver, tmp_path: Path, version: int
) -> None:
    request = {
        "callbackUri": receiver.uri,
        "filter": {"vnfInstanceSubscriptionFilter": {"vnfdIds": [package["VNFD ID"]]}},
    }
    subscription = openstack(version, "vnflcm", "subsc", "create", document(tmp_path / "s", request))["ID"]
    assert subscription in [row["ID"] for row in openstack(version, "vnflcm", "subsc", "list")]
    assert openstack(version, "vnflcm", "subsc", "show", subscription)["Callback URI"] == receiver.uri
    vnf = openstack(version, "vnflcm", "create", package["VNFD ID"], "--name", "fw", "--description", "d")["ID"]
    instantiate = document(tmp_path / "i", {"flavourId": "simple"})
    openstack(version, "vnflcm", "instantiate", vnf, instantiate, plain=True)
    assert settled(openstack, version, vnf) == "COMPLETED"
    assert openstack(version, "vnflcm", "show", vnf)["Instantiation State"] == "INSTANTIATED"
    openstack(version, "vnflcm", "scale", "--type", "SCALE_OUT", "--aspect-id", "load", vnf, plain=True)
    assert settled(openstack, version, vnf) == "COMPLETED"
    assert len(openstack(version, "vnflcm", "show", vnf)["Instantiated Vnf Info"]["vnfcResourceInfo"]) == 2
    openstack(version, "vnflcm", "update", vnf, "--I", document(tmp_path / "u", {"vnfInstanceName": "gw"}), plain=True)
    settled(openstack, version, vnf)
    assert openstack(version, "vnflcm", "show", vnf)["VNF Instance Name"] == "gw"
    (scale,) = openstack(version, "vnflcm", "op", "list", "--filter", f"(eq,vnfInstanceId,{vnf});(eq,operation,SCALE)")
    assert openstack(version, "vnflcm", "op", "show", scale["ID"])["Operation State"] == "COMPLETED"
    for task in ("retry", "rollback", "fail"):
        assert "cannot take" in openstack(version, "vnflcm", "op", task, scale["ID"], fails=True)
    if version == 1:  # the client has no cancel for the other one
        told = openstack(1, "vnflcm", "op", "cancel", scale["ID"], "--cancel-mode", "GRACEFUL", fails=True)
        assert "cannot be cancelled" in told
    openstack(version, "vnflcm", "heal", vnf, "--cause", "a test", plain=True)
    settled(openstack, version, vnf)
    openstack(version, "vnflcm", "terminate", "--termination-type", "FORCEFUL", vnf, plain=True)
    openstack(version, "vnflcm", "delete", vnf, plain=True)
    kinds = [body["notificationType"] for body in receiver.wait_for(8)]
    assert kinds[0] == "VnfIdentifierCreationNotification" and kinds.count("VnfIdentifierDeletionNotification") <= 1
    openstack(version, "vnflcm", "subsc", "delete", subscription, plain=True)


def test_faults_and_performance(
    openstack: Callable[..., Any],
    server: tuple[str, Path],
    package: dict[str, Any],
    receiver: Receiver,
    tmp_path: Path,
) -> None:
    vnf = openstack(2, "vnflcm", "create", package["VNFD ID"])["ID"]
    openstack(2, "vnflcm", "instantiate", vnf, document(tmp_path / "i", {"flavourId": "simple"}), plain=True)
    assert settled(openstack, 2, vnf) == "COMPLETED"
    subscription = openstack(2, "vnffm", "sub", "create", document(tmp_path / "s", {"callbackUri": receiver.uri}))["ID"]
    criteria = {
        "performanceMetric": [f"VMemoryUsageMeanVnf.{vnf}"],
        "performanceMetricGroup": ["VirtualisedComputeResource"],
        "collectionPeriod": 5,
        "reportingPeriod": 5,
    }
    job_request = {"objectType": "Vnf", "objectInstanceIds": [vnf], "criteria": criteria, "callbackUri": receiver.uri}
    job = openstack(2, "vnfpm", "job", "create", document(tmp_path / "j", job_request))["ID"]
    simple = {"thresholdValue": 1.5, "hysteresis": 0.5}
    rule = {"performanceMetric": f"VMemoryBytesVnf.{vnf}", "thresholdType": "SIMPLE", "simpleThresholdDetails": simple}
    threshold_request = {
        "objectType": "Vnf",
        "objectInstanceId": vnf,
        "criteria": rule,
        "callbackUri": receiver.uri,
    }
    threshold = openstack(2, "vnfpm", "threshold", "create", document(tmp_path / "t", threshold_request))["ID"]
    instance = openstack(2, "vnflcm", "show", vnf)["Instantiated Vnf Info"]
    compute = instance["vnfcResourceInfo"][0]["computeResource"]["resourceId"]
    SimulatedVim(server[1]).use(compute, cpu_s=1.0, memory_bytes=1 << 20)
    crossed = lambda: [body for body in receiver.received if body["notificationType"] == "ThresholdCrossedNotification"]  # noqa: E731
    deadline = time.monotonic() + 30
    while not (crossed() and openstack(2, "vnfpm", "job", "show", job)["Reports"]):
        assert time.monotonic() < deadline, receiver.received
    report = openstack(2, "vnfpm", "job", "show", job)["Reports"][-1]["href"].rpartition("/")[2]
    assert openstack(2, "vnfpm", "report", "show", job, report)["Entries"]
    SimulatedVim(server[1]).kill_compute(compute)
    deadline = time.monotonic() + 30
    while not (alarms := openstack(2, "vnffm", "alarm", "list")):
        assert time.monotonic() < deadline
    alarm = alarms[0]["ID"]
    assert openstack(2, "vnffm", "alarm", "show", alarm)["Probable Cause"] == "vnfc-not-running"
    told = openstack(2, "vnffm", "alarm", "update", "--ack-state", "ACKNOWLEDGED", alarm)
    assert told["Ack State"] == "ACKNOWLEDGED"
    other = document(tmp_path / "o", {"callbackUri": receiver.uri + "2"})
    openstack(2, "vnfpm", "job", "update", job, other)
    openstack(2, "vnfpm", "threshold", "update", threshold, other)
    openstack(2, "vnfpm", "job", "delete", job, plain=True)
    openstack(2, "vnfpm", "threshold", "delete", threshold, plain=True)
    openstack(2, "vnffm", "sub", "delete", subscription, plain=True)
    openstack(2, "vnflcm", "terminate", "--termination-type", "FORCEFUL", vnf, plain=True)
    openstack(2, "vnflcm", "delete", vnf, plain=True)
