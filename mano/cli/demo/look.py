"""An independent look at what is left: plain ``ip``, ``ovs-vsctl``, ``ps``, SQL, ``/sys``, and no code of Catena's.

:class:`Before` is what a lab had before its network service; :func:`leftovers` what it has beyond that afterwards;
:func:`remains` what the machine still has of a lab that is gone.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

RUN = Path("/run/catena")
CONTROL_GROUPS = Path("/sys/fs/cgroup")
DATABASE_TABLES = ("reservations", "networks", "chains", "vnf_instances", "ns_instances")
"""Tables that hold a row for everything that an NS needs while it lives."""

Names = Mapping[str, frozenset[str]]


@dataclass(frozen=True, slots=True)
class Before:
    """What was there before the network service: interfaces by namespace, ports by host's bridge."""

    interfaces: Names = field(default_factory=dict)
    ports: Names = field(default_factory=dict)

    @classmethod
    def of(cls, lab: str, hosts: Sequence[str]) -> Before:
        """Look now."""
        return cls({name: interfaces(name) for name in namespaces(lab)}, {host: ports(lab, host) for host in hosts})


def leftovers(lab: str, database: Path, before: Before) -> list[str]:
    """What a terminated NS left behind, in sentences; empty when there is nothing."""
    return [
        *(f"namespace {name}" for name in namespaces(lab) if name not in before.interfaces),
        *_more("interface", "of", before.interfaces, {name: interfaces(name) for name in before.interfaces}),
        *_more("port", "of the bridge of", before.ports, {host: ports(lab, host) for host in before.ports}),
        *(f"process {line}" for line in _processes((f"cat-{lab}-v-", f"/cat-{lab}/v-", f"{RUN}/{lab}/computes/"))),
        *(f"control group {path}" for path in _control_groups(lab) if path.name != f"cat-{lab}"),
        *rows(database),
    ]


def remains(lab: str) -> list[str]:
    """What the machine still has of a lab, in sentences; empty when there is nothing."""
    return [
        *(f"namespace {name}" for name in namespaces(lab)),
        *(f"process {line}" for line in _processes((f"cat-{lab}-", f"/cat-{lab}/", f"{RUN}/{lab}/"))),
        *(f"control group {path}" for path in _control_groups(lab)),
        *(f"mount {path}" for path in _mounts(lab)),
        *(f"directory {path}" for path in (RUN / lab,) if path.exists()),
    ]


def namespaces(lab: str) -> list[str]:
    """Network namespaces of the lab, by ``ip netns``."""
    listed = _output(["ip", "netns", "list"])
    return sorted(line.split()[0] for line in listed.splitlines() if line.startswith(f"cat-{lab}-"))


def interfaces(namespace: str) -> frozenset[str]:
    """Names of a namespace's interfaces, by ``ip link``."""
    links = json.loads(_output(["ip", "-n", namespace, "-json", "link", "show"]) or "[]")
    return frozenset(link["ifname"] for link in links if link)


def ports(lab: str, host: str) -> frozenset[str]:
    """Ports of a host's integration bridge, by ``ovs-vsctl``."""
    socket = RUN / lab / "hosts" / host / "ovs" / "db.sock"
    return frozenset(_output(["ovs-vsctl", "--timeout=5", f"--db=unix:{socket}", "list-ports", "br-int"]).split())


def _more(what: str, where: str, before: Names, now: Names) -> Iterator[str]:
    for place, names in now.items():
        yield from (f"{what} {name} {where} {place}" for name in sorted(names - before[place]))


def _processes(marks: Sequence[str]) -> Iterator[str]:
    """Processes whose command line or control group bears a mark, by ``ps``; a program that looks is none."""
    for line in _output(["ps", "-ww", "-eo", "pid=,cgroup:512=,args="], LC_ALL="C").splitlines():
        pid, _, rest = line.strip().partition(" ")
        if any(mark in rest for mark in marks) and pid != str(os.getpid()):
            yield f"{pid} {rest.strip()[:80]}"


def _control_groups(lab: str) -> list[Path]:
    found = (Path(top) / name for top, names, _ in os.walk(CONTROL_GROUPS) for name in names)
    return sorted(path for path in found if f"cat-{lab}" in path.relative_to(CONTROL_GROUPS).parts)


def _mounts(lab: str) -> list[str]:
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace").splitlines()
    return [target for target in (line.split()[1] for line in lines) if f"{target}/".startswith(f"{RUN}/{lab}/")]


def rows(database: Path) -> Iterator[str]:
    """Rows of what an NS needs while it lives, by SQL."""
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


def _output(command: list[str], **environment: str) -> str:
    """What a program printed; a program that fails is an answer too, or a leak would hide behind it."""
    done = subprocess.run(
        command, capture_output=True, timeout=15, check=False, text=True, env={**os.environ, **environment}
    )
    if done.returncode != 0:
        raise OSError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[:200]}")
    return done.stdout
