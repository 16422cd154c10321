"""Things that a terminated network service must not leave behind, each planted and taken away again."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from tests.dataplane.gi_lan import Lab, run


@contextmanager
def a_leaked_namespace(lab: Lab) -> Iterator[str]:
    name = f"cat-{lab.id}-v-leaked"
    run("ip", "netns", "add", name)
    yield f"namespace {name}"
    run("ip", "netns", "delete", name)


@contextmanager
def a_leaked_veth(lab: Lab) -> Iterator[str]:
    namespace = lab.view.host("h1")
    run("ip", "-n", namespace, "link", "add", "catleak0", "type", "veth", "peer", "name", "catleak1")
    yield "interface catleak"
    run("ip", "-n", namespace, "link", "delete", "catleak0")


@contextmanager
def a_leaked_port_of_a_bridge(lab: Lab) -> Iterator[str]:
    database = f"--db=unix:/run/catena/{lab.id}/hosts/h2/ovs/db.sock"
    internal = ("--", "set", "interface", "catleak2", "type=internal")
    run("ovs-vsctl", "--timeout=5", database, "add-port", "br-int", "catleak2", *internal)
    yield "port catleak2 of the bridge of h2"
    run("ovs-vsctl", "--timeout=5", database, "del-port", "br-int", "catleak2")


@contextmanager
def a_leaked_process(lab: Lab) -> Iterator[str]:
    place = f"/run/catena/{lab.id}/computes/v-leaked"
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", place])
    yield f"process {process.pid}"
    process.kill()
    process.wait()


@contextmanager
def a_leaked_control_group(lab: Lab) -> Iterator[str]:
    top = next(path for path in (Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")) if path.is_dir())
    parent = top / f"cat-{lab.id}"
    made = [path for path in (parent, parent / "v-leaked") if not path.exists()]
    for path in made:
        path.mkdir()
    yield f"control group {parent / 'v-leaked'}"
    for path in reversed(made):
        path.rmdir()


@contextmanager
def a_leaked_row(lab: Lab) -> Iterator[str]:
    with sqlite3.connect(lab.database, timeout=10) as connection:
        columns = connection.execute("PRAGMA table_info(reservations)").fetchall()
        values = {name: _filler(kind) for _, name, kind, *_ in columns}
        marks = ", ".join(f":{name}" for name in values)
        connection.execute(f"INSERT INTO reservations ({', '.join(values)}) VALUES ({marks})", values)
    yield "1 rows in table reservations"
    with sqlite3.connect(lab.database, timeout=10) as connection:
        connection.execute("DELETE FROM reservations")
    connection.close()


def _filler(kind: str) -> object:
    return 0 if "INT" in kind.upper() else "{}" if "JSON" in kind.upper() else "leaked"


LEAKS: tuple[Callable[[Lab], AbstractContextManager[str]], ...] = (
    a_leaked_namespace,
    a_leaked_veth,
    a_leaked_port_of_a_bridge,
    a_leaked_process,
    a_leaked_control_group,
    a_leaked_row,
)
