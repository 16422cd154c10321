"""A whole server over HTTP, on SQLite and the simulated VIM: CPU seconds of the server's processes per call.

``python -m benchmarks.bench_server`` prints what no single call shows: start, memory, fifty thousand instances, and a
thousand instantiations at once.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from benchmarks.harness import Call, benchmark
from vnf_descriptors import build

SAMPLES = Path(str(files("vnf_descriptors"))) / "samples"
SAMPLE = SAMPLES / "firewall"
VNFD_ID = "5c6f2a4e-7a0b-4b8e-9d51-3f1d9f3b1c01"
VERSIONS = {"vnfpkgm": "2.4.0", "vnflcm": "2.3.0"}
PACKAGES = "/vnfpkgm/v2/vnf_packages"
INSTANCES = "/vnflcm/v2/vnf_instances"
OPERATIONS = "/vnflcm/v2/vnf_lcm_op_occs"
ENDED = ("COMPLETED", "FAILED", "FAILED_TEMP", "ROLLED_BACK")
MANY, AT_ONCE = 50_000, 1_000
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass
class Server:
    """A running server and a connection to it."""

    process: subprocess.Popen[bytes]
    port: int
    home: Path
    start_cpu_s: float
    start_s: float

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    @functools.cached_property
    def connection(self) -> http.client.HTTPConnection:
        return self.connect()

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        kind: str = "application/json",
        connection: http.client.HTTPConnection | None = None,
    ) -> Any:
        """One request that must be answered well; the JSON, or the Location."""
        used = connection or self.connection
        payload = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        headers = {"Version": VERSIONS.get(path.split("/")[1], "")} | ({"Content-Type": kind} if payload else {})
        sent = {name: value for name, value in headers.items() if value}
        try:
            used.request(method, path, payload, sent)
            answer = used.getresponse()
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):  # it was idle for too long
            used.close()
            used.request(method, path, payload, sent)
            answer = used.getresponse()
        content = answer.read()
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:300]!r}")
        return json.loads(content) if content else answer.getheader("Location")

    def cpu_s(self) -> float:
        """CPU seconds of the server and of the processes that it started."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        pids = [self.process.pid, *map(int, children.stdout.split())]
        return sum(_cpu_of(pid) for pid in pids)

    def pss_mib(self) -> float:
        """Proportional set size of the server and its processes."""
        children = subprocess.run(["ps", "-o", "pid=", "--ppid", str(self.process.pid)], capture_output=True, text=True)
        total = 0
        for pid in (self.process.pid, *map(int, children.stdout.split())):
            with contextlib.suppress(OSError):
                text = Path(f"/proc/{pid}/smaps_rollup").read_text()
                total += int(re.search(r"^Pss:\s+(\d+)", text, re.M)[1])  # type: ignore[index]
        return total / 1024

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[index]) for index in range(11, 15)) / _TICKS


def start(home: Path) -> Server:
    """A server on a free port over the data in ``home``."""
    program = Path(sys.executable).with_name("mano")
    options = ["--auth", "none", "--tier", "simulated", "--lab", "bench", "--listen", "127.0.0.1:0"]
    begun = time.monotonic()
    log = home / "log"
    log.write_bytes(b"")
    with log.open("wb") as out:
        process = subprocess.Popen(
            [program, "serve", *options, "--log-level", "error", "--data-dir", home / "data"], stderr=out
        )
    while not (found := re.search(rb"listens on http://127.0.0.1:(\d+)", log.read_bytes())):
        if process.poll() is not None or time.monotonic() - begun > 120:
            raise RuntimeError(log.read_text()[-500:])
        time.sleep(0.01)
    server = Server(process, int(found[1]), home, 0.0, 0.0)
    server.call("GET", "/healthz")
    server.start_s = time.monotonic() - begun
    server.start_cpu_s = server.cpu_s()
    return server


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server with three hosts and the firewall's package."""
    home = Path(tempfile.mkdtemp(prefix="cat-bench-"))
    server = start(home)
    try:
        hosts = (SAMPLES / "inventory" / "gi-lan.yaml").read_bytes()
        server.call("POST", "/mano/v1/hosts", hosts, "application/yaml")
        onboard(server, variant(home, 0))
        yield server
    finally:
        server.stop()
        shutil.rmtree(home)


def variant(home: Path, number: int) -> bytes:
    """The firewall's package with a VNFD identifier of its own; number 0 is the sample itself."""
    tree, archive = home / "tree", home / "variant.csar"
    shutil.rmtree(tree, ignore_errors=True)
    shutil.copytree(SAMPLE, tree)
    for file in tree.rglob("*"):
        if number and file.suffix in (".yaml", ".mf"):
            identifier = str(uuid.uuid5(uuid.NAMESPACE_OID, f"bench {number}"))
            file.write_text(file.read_text().replace(VNFD_ID, identifier))
    build(tree, archive)
    return archive.read_bytes()


def onboard(server: Server, content: bytes) -> None:
    package = server.call("POST", PACKAGES, {})["id"]
    server.call("PUT", f"{PACKAGES}/{package}/package_content", content, "application/zip")
    if server.call("GET", f"{PACKAGES}/{package}")["onboardingState"] != "ONBOARDED":
        raise RuntimeError("the package was not on-boarded")


def create(server: Server, connection: http.client.HTTPConnection | None = None) -> str:
    return str(server.call("POST", INSTANCES, {"vnfdId": VNFD_ID}, connection=connection)["id"])


class _Clock:
    """CPU seconds of the server that is measured now."""

    server: Server | None = None

    def __call__(self) -> float:
        return self.server.cpu_s() if self.server else time.process_time()


CLOCK = _Clock()


@contextlib.contextmanager
def measured() -> Iterator[Server]:
    with serving() as server:
        CLOCK.server = server
        try:
            yield server
        finally:
            CLOCK.server = None


@benchmark("server: on-board a package", number=5, clock=CLOCK)
def onboarding() -> Iterator[Call]:
    with measured() as server:
        contents = iter([variant(server.home, number) for number in range(1, 200)])
        yield lambda: onboard(server, next(contents))


@benchmark("server: create a VNF instance", number=100, clock=CLOCK)
def creating() -> Iterator[Call]:
    with measured() as server:
        yield lambda: create(server)


@benchmark("server: instantiate a VNF on the simulated VIM", number=10, clock=CLOCK)
def instantiating() -> Iterator[Call]:
    with measured() as server:
        add_hosts(server, 40)

        def one() -> None:
            vnf = create(server)
            server.call("POST", f"{INSTANCES}/{vnf}/instantiate", {"flavourId": "simple"})
            while server.call("GET", f"{INSTANCES}/{vnf}")["instantiationState"] != "INSTANTIATED":
                time.sleep(0.02)

        yield one


@benchmark("server: list 100 packages", number=10, clock=CLOCK)
def listing_packages() -> Iterator[Call]:
    with measured() as server:
        for number in range(1, 100):
            onboard(server, variant(server.home, number))
        yield lambda: server.call("GET", PACKAGES)


@benchmark("server: list 100 of 50 000 VNF instances, filtered", number=20, clock=CLOCK)
def listing_instances() -> Iterator[Call]:
    with measured() as server:
        multiply(server, MANY)
        yield lambda: server.call("GET", f"{INSTANCES}?filter=(eq,vnfInstanceName,wanted)")


def multiply(server: Server, count: int) -> None:
    """Copies of one instance, one in five hundred of them by the name that is looked for; written behind the server."""
    original = create(server)
    database = next((server.home / "data").glob("*.db"))
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(vnf_instances)")]
        row = dict(
            zip(
                columns,
                connection.execute("SELECT * FROM vnf_instances WHERE id = ?", [original]).fetchone(),
                strict=True,
            )
        )
        for number in range(count):
            id, name = str(uuid.uuid4()), "wanted" if number % 500 == 0 else f"fw{number}"
            document = json.dumps(json.loads(row["document"]) | {"id": id, "name": name})
            values = row | {"id": id, "name": name, "document": document}
            marks = ", ".join("?" for _ in columns)
            connection.execute(f"INSERT INTO vnf_instances VALUES ({marks})", [values[column] for column in columns])


def add_hosts(server: Server, count: int) -> None:
    """Large hosts, so that a thousand VNFs have room."""
    cores = [[cpu, cpu + 64] for cpu in range(64)]
    node = {"id": 0, "cores": cores, "memoryMib": 1 << 20, "hugepages": {"2048": 1 << 17}}
    hosts = [
        {
            "name": f"big{number}",
            "zone": "big",
            "numaNodes": [node],
            "sharedCpus": [*range(8), *range(64, 72)],
            "cpuOvercommit": 16.0,
            "storageGib": 1000,
        }
        for number in range(count)
    ]
    server.call("POST", "/mano/v1/hosts", {"apiVersion": "catena/v1", "kind": "Inventory", "hosts": hosts})


def thousand(server: Server) -> None:
    """A thousand instantiations at once; how long they take, and how long the API takes to answer meanwhile."""
    add_hosts(server, 40)
    connections = [server.connect() for _ in range(50)]
    vnfs = [create(server) for _ in range(AT_ONCE)]
    waits: list[float] = []
    cpu, begun = server.cpu_s(), time.monotonic()

    def ask(number: int) -> None:
        for vnf in vnfs[number::50]:
            at = time.monotonic()
            server.call(
                "POST", f"{INSTANCES}/{vnf}/instantiate", {"flavourId": "simple"}, connection=connections[number]
            )
            waits.append(time.monotonic() - at)

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    accepted = time.monotonic() - begun
    database = next((server.home / "data").glob("*.db"))
    with contextlib.closing(sqlite3.connect(database)) as connection:
        marks = ", ".join(f"'{state}'" for state in ENDED)
        while connection.execute(f"SELECT count(*) FROM lcm_op_occs WHERE state NOT IN ({marks})").fetchone()[0]:
            at = time.monotonic()
            server.call("GET", f"{INSTANCES}/{vnfs[0]}")
            waits.append(time.monotonic() - at)
            time.sleep(0.2)
        states = dict(connection.execute("SELECT state, count(*) FROM lcm_op_occs GROUP BY state").fetchall())
    taken = time.monotonic() - begun
    p99 = statistics.quantiles(waits, n=100)[98]
    print(
        f"{AT_ONCE} at once: accepted in {accepted:.1f} s, ended in {taken:.1f} s ({AT_ONCE / taken:.1f}/s), "
        f"{1000 * (server.cpu_s() - cpu) / AT_ONCE:.1f} ms of CPU each, API p99 {1000 * p99:.0f} ms, {states}"
    )


def main() -> None:
    """Start, memory and the thousand."""
    with serving() as server:
        server.stop()
        again = start(server.home)
        print(f"start to first answer: {again.start_s:.2f} s by the wall, {again.start_cpu_s:.2f} s of CPU")
        time.sleep(10)
        print(f"memory when idle (PSS, all processes): {again.pss_mib():.0f} MiB")
        again.stop()
        for field in ("process", "port", "connection"):
            server.__dict__.pop(field, None)
        server.process, server.port = (third := start(server.home)).process, third.port
        thousand(server)
        print(f"memory after them: {server.pss_mib():.0f} MiB")


if __name__ == "__main__":
    main()
