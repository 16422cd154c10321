"""NFVO and VNFM as two real processes: either is killed in the middle, started again, and all ends well.

Judged from outside: by what both databases and the VIM's records hold.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mano.placement import document_from_text
from tests.scenarios.main_job.conftest import REQUEST, SAMPLES, built_archives

DEADLINE_S = 90
ROLES = ("nfvo", "vnfm")
LEFT = ("vnf_instances", "reservations", "networks", "chains")
"""Tables that are empty when no service lives."""


@dataclass
class Both:
    """The two processes with their directories."""

    directory: Path
    ports: dict[str, int]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, role: str) -> None:
        """Start one, or start it again."""
        command = [sys.executable, "-m", "mano.cli", "serve", "--auth", "none", "--tier", "simulated", "--no-watch"]
        command += ["--role", role, "--peers", str(self.directory / f"{role}.json"), "--drain", "0.01"]
        command += ["--data-dir", str(self.directory / role), "--vim-dir", str(self.directory / "vim")]
        command += ["--listen", f"127.0.0.1:{self.ports[role]}"]
        with (self.directory / f"{role}.log").open("ab") as log:
            self.processes[role] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def kill(self, role: str) -> None:
        self.processes[role].send_signal(signal.SIGKILL)
        self.processes[role].wait(DEADLINE_S)

    def stop(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(DEADLINE_S)

    def call(self, method: str, path: str, body: Any = None, kind: str = "application/json", role: str = "nfvo") -> Any:
        """The answer's body, or its Location where there is one."""
        content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Content-Type": kind, "Version": "2.3.0"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.ports[role]}{path}", content, headers, method=method)
        with urllib.request.urlopen(request, timeout=DEADLINE_S) as answer:
            text = answer.read()
            location = answer.headers.get("Location")
        return json.loads(text) if text else location and location.partition(str(self.ports[role]))[2]

    def wait_until_ready(self, role: str) -> None:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(OSError):
                self.call("GET", "/readyz", role=role)
                return
            assert time.monotonic() < deadline and self.processes[role].poll() is None, self.words(role)
            time.sleep(0.05)

    def words(self, role: str) -> str:
        return (self.directory / f"{role}.log").read_text(errors="replace")[-2000:]

    def ended(self, operation: str) -> dict[str, Any]:
        """The operation, once it moves no more; the NFVO may be away meanwhile."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            with contextlib.suppress(OSError):
                found: dict[str, Any] = self.call("GET", operation)
                if found["operationState"] not in ("PROCESSING", "ROLLING_BACK"):
                    return found
            assert time.monotonic() < deadline, (self.words("nfvo"), self.words("vnfm"))
            time.sleep(0.05)

    def left(self) -> dict[str, int]:
        """What is held by anything, as the databases and the VIM's file tell."""
        counts = {}
        for role in ROLES:
            with contextlib.closing(sqlite3.connect(self.directory / role / "catena.db")) as database:
                for table in LEFT:
                    counts[f"{role} {table}"] = database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        world = json.loads((self.directory / "vim" / "vim_simulated.json").read_text())
        counts |= {kind: len(world.get(kind, ())) for kind in ("ports", "computes", "networks")}
        return {name: count for name, count in counts.items() if count}

    def prepare(self) -> str:
        """Hosts, attachments and packages are there; a new NS instance."""
        inventory = document_from_text((SAMPLES / "inventory" / "gi-lan.yaml").read_text(), "Inventory")
        self.call("POST", "/mano/v1/hosts", inventory)
        for place in ({"name": "subscribers", "host": "h1"}, {"name": "internet", "physnet": "dc1"}):
            self.call("POST", "/mano/v1/vims/local/attachments", place)
        archives = built_archives(self.directory)
        for name in ("firewall", "dpi", "nat"):
            id = self.call("POST", "/vnfpkgm/v2/vnf_packages", {})["id"]
            path = f"/vnfpkgm/v2/vnf_packages/{id}/package_content"
            self.call("PUT", path, archives[name].read_bytes(), "application/zip")
        id = self.call("POST", "/nsd/v2/ns_descriptors", {})["id"]
        self.call("PUT", f"/nsd/v2/ns_descriptors/{id}/nsd_content", archives["gi-lan"].read_bytes(), "application/zip")
        nsd_id = self.call("GET", f"/nsd/v2/ns_descriptors/{id}")["nsdId"]
        named = {"nsdId": nsd_id, "nsName": "gi-lan", "nsDescription": ""}
        return str(self.call("POST", "/nslcm/v2/ns_instances", named)["id"])


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    with contextlib.ExitStack() as stack:
        bound = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in ROLES]
        ports = {role: each.getsockname()[1] for role, each in zip(ROLES, bound, strict=True)}
    made = Both(tmp_path, ports)
    peers = {
        "nfvo": {"vnfms": [{"url": f"http://127.0.0.1:{ports['vnfm']}"}]},
        "vnfm": {"nfvo": {"url": f"http://127.0.0.1:{ports['nfvo']}"}},
    }
    for role in ROLES:
        file = tmp_path / f"{role}.json"
        file.touch(0o600)
        file.write_text(json.dumps(peers[role]))
        made.start(role)
    try:
        for role in ROLES:
            made.wait_until_ready(role)
        yield made
    finally:
        made.stop()


def _kill_in_the_middle(both: Both, victim: str, after_s: float, operation: str) -> dict[str, Any]:
    """The operation's end, with one side killed a moment after its beginning and started again."""
    time.sleep(after_s)
    both.kill(victim)
    both.start(victim)
    both.wait_until_ready(victim)
    return both.ended(operation)


def _live(both: Both, kills: Iterator[tuple[str, float]]) -> None:
    ns_id = both.prepare()
    started = both.call("POST", f"/nslcm/v2/ns_instances/{ns_id}/instantiate", REQUEST)
    ended = _kill_in_the_middle(both, *next(kills), started)
    assert ended["operationState"] == "COMPLETED", ended
    for chain in both.call("GET", "/mano/v1/chains"):
        assert both.call("POST", f"/mano/v1/chains/{chain['id']}/verify")["proven"]
    started = both.call("POST", f"/nslcm/v2/ns_instances/{ns_id}/terminate", {})
    ended = _kill_in_the_middle(both, *next(kills), started)
    assert ended["operationState"] == "COMPLETED", ended
    assert both.left() == {}
    assert os.listdir(both.directory / "vim")


@pytest.mark.deep
@pytest.mark.timeout(300)
def test_either_side_is_killed_and_the_service_lives_and_ends(both: Both) -> None:
    _live(both, iter([("vnfm", 0.15), ("nfvo", 0.1)]))


@pytest.mark.deep
@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8, 1.2])
@pytest.mark.parametrize("victim", ROLES)
def test_whenever_a_side_is_killed_nothing_is_lost(both: Both, victim: str, moment: float) -> None:
    _live(both, iter([(victim, moment), (victim, moment)]))
