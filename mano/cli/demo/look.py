"""An independent look at what is left: plain ``ip``, ``ovs-vsctl``, ``ps`` and SQL, none of Catena's own code."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

RUN = Path("/run/catena")
HOST_PORTS = {"br-int"}
DATABASE_TABLES = ("reservations", "networks", "chains", "vnf_instances", "ns_instances")
"""Tables that hold a row for everything that an NS needs while it lives."""


def leftovers(lab: str, database: Path, kept_namespaces: Sequence[str], base_ports: dict[str, list[str]]) -> list[str]:
    """What a terminated NS left behind, in sentences; empty when there is nothing.

    ``kept_namespaces`` are those of hosts, fabric and attachments, ``base_ports`` each host's ports before the NS.
    """
    return [
        *(f"namespace {name}" for name in namespaces(lab) if name not in kept_namespaces),
        *_foreign_ports(lab, base_ports),
        *_processes(lab),
        *_rows(database),
    ]


def namespaces(lab: str) -> list[str]:
    """Network namespaces of the lab, by ``ip netns``."""
    listed = _output(["ip", "netns", "list"])
    return sorted(line.split()[0] for line in listed.splitlines() if line.startswith(f"cat-{lab}-"))


def bridge_ports(lab: str, hosts: Sequence[str]) -> dict[str, list[str]]:
    """Ports of every host's integration bridge, by ``ovs-vsctl``."""
    found = {}
    for host in hosts:
        socket = RUN / lab / "hosts" / host / "ovs" / "db.sock"
        command = ["ovs-vsctl", "--timeout=5", f"--db=unix:{socket}", "list-ports", "br-int"]
        found[host] = sorted(_output(command).split())
    return found


def _foreign_ports(lab: str, base_ports: dict[str, list[str]]) -> Iterator[str]:
    for host, ports in bridge_ports(lab, list(base_ports)).items():
        yield from (f"port {port} of {host}'s bridge" for port in ports if port not in base_ports[host])


def _processes(lab: str) -> Iterator[str]:
    """Processes that name a VNFC of the lab on their command line, or run below its directory, by ``ps``."""
    marks = (f"cat-{lab}-v-", f"{RUN}/{lab}/computes/")
    for line in _output(["ps", "-eo", "pid=,args="]).splitlines():
        if any(mark in line for mark in marks):
            yield f"process {line.strip()[:80]}"


def _rows(database: Path) -> Iterator[str]:
    if not database.exists():
        return
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=5)
    try:
        for table in DATABASE_TABLES:
            (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
            if count:
                yield f"{count} rows in table {table}"
    finally:
        connection.close()


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, timeout=15, check=False, text=True)
    if done.returncode != 0:
        return f"{command[0]} failed: {done.stderr.strip()[:200]}\n" if command[0] != "ip" else ""
    return done.stdout
